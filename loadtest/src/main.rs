//! `ringdesk-load`: visitors and agents by the thousand, open loop, with proof of zero loss.
//!
//! A client of the server and nothing more: it knows the wire (`codec`) and how to hold many connections
//! (`net`), and nothing of the engine. How a run goes, what is measured and what the report says:
//! `docs/loadtest.md`.

mod accounts;
mod agent;
mod cli;
mod http;
mod ledger;
mod link;
mod measure;
mod order;
mod post;
mod process;
mod report;
mod scenario;
mod schedule;
mod shared;
mod verify;
mod visitor;
mod worker;

use std::{error::Error, process::ExitCode};

use clap::Parser;
use codec::message::CAPACITY_MAX;

use crate::{
    cli::{Arguments, ChatArguments, CommonArguments, ScenarioArguments, UsageFault},
    report::Report,
    shared::Plan,
};

/// What was typed cannot be done.
const EXIT_USAGE: u8 = 2;

fn main() -> ExitCode {
    let done = match Arguments::parse().scenario {
        ScenarioArguments::Chat(arguments) => chat(&arguments),
        ScenarioArguments::Idle(arguments) => idle(&arguments),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("ringdesk-load: {error}");
            if error.is::<UsageFault>() { ExitCode::from(EXIT_USAGE) } else { ExitCode::FAILURE }
        }
    }
}

/// Whether the run passed.
fn chat(arguments: &ChatArguments) -> Result<bool, Box<dyn Error>> {
    let common = &arguments.common;
    let password = arguments.password()?;
    let names = accounts::names(&arguments.agent_prefix, arguments.agents()?);
    let run = run_number();
    let mut plan = Plan {
        capacity: CAPACITY_MAX,
        vip_share: arguments.vip_share()?,
        rate: arguments.rate()?,
        answer_every: arguments.answer_every,
        answer_after_ms: arguments.answer_after_ms,
        ..silent(common)?
    };
    sign_visitors(common, run, &mut plan)?;
    if let (Some(ringdesk), Some(data)) = (&arguments.ringdesk, &common.data) {
        accounts::create(ringdesk, data, &names, &password)?;
    }
    plan.staff = accounts::log_in(plan.address, &plan.host, &names, &password)?;
    let finished = scenario::run(plan, run, &common.machine())?;
    let Plan { address, host, staff, sessions, .. } = &finished.shared.plan;
    let asked = staff.first().filter(|_| arguments.verify > 0);
    let verified = asked.map(|staff| {
        verify::verify(*address, host, &staff.token, &finished.shared.ledger, *sessions, arguments.verify)
    });
    finish(&Report::new("chat", &finished, verified.transpose()?), common)
}

fn idle(arguments: &CommonArguments) -> Result<bool, Box<dyn Error>> {
    let run = run_number();
    let mut plan = silent(arguments)?;
    sign_visitors(arguments, run, &mut plan)?;
    let finished = scenario::run(plan, run, &arguments.machine())?;
    finish(&Report::new("idle", &finished, None), arguments)
}

fn finish(report: &Report, arguments: &CommonArguments) -> Result<bool, Box<dyn Error>> {
    println!("{report}");
    if let Some(directory) = &arguments.out {
        report.write(directory).map_err(|error| UsageFault::File(directory.clone(), error))?;
    }
    Ok(report.passed())
}

/// A plan in which visitors are there and nobody speaks.
fn silent(arguments: &CommonArguments) -> Result<Plan, UsageFault> {
    let (address, host) = arguments.server()?;
    Ok(Plan {
        address,
        host,
        sessions: arguments.sessions,
        visitor_tokens: Vec::new(),
        staff: Vec::new(),
        capacity: 0,
        vip_share: 0.0,
        rate: 0.0,
        seconds: arguments.seconds,
        answer_every: 0,
        answer_after_ms: 0,
        connect_rate: arguments.connect_rate,
        seed: arguments.seed,
    })
}

fn sign_visitors(arguments: &CommonArguments, run: u32, plan: &mut Plan) -> Result<(), Box<dyn Error>> {
    if let Some(secret) = arguments.visitor_secret() {
        let classes = (0..plan.sessions).map(|visitor| plan.class(visitor));
        plan.visitor_tokens = accounts::sign_visitors(&secret, run, classes)?;
    }
    Ok(())
}

/// Tells the messages of one run from those of another on the same data: the second it began in, and its
/// process.
fn run_number() -> u32 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    (since.as_secs() as u32) ^ std::process::id().rotate_left(20)
}
