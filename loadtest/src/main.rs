//! `ringdesk-load`: visitors and agents by the thousand, open loop, with proof of zero loss.
//!
//! A client of the server and nothing more: it knows the wire (`codec`) and how to hold many connections
//! (`net`), and nothing of the engine. How a run goes, what is measured and what the report says:
//! `docs/loadtest.md`.

mod accounts;
mod agent;
mod chart;
mod cli;
mod floor;
mod http;
mod ledger;
mod link;
mod measure;
mod order;
mod page;
mod percentiles;
mod post;
mod process;
mod report;
mod run;
mod scenario;
mod schedule;
mod seat;
mod share;
mod shared;
mod speech;
mod table;
mod targets;
mod timeline;
mod verify;
mod visitor;
mod worker;

use std::{error::Error, process::ExitCode};

use clap::Parser;

use crate::{
    cli::{Arguments, CommonArguments, PeopleArguments, ScenarioArguments, UsageFault},
    report::Report,
    scenario::Scenario,
    shared::Plan,
};

/// What was typed cannot be done.
const EXIT_USAGE: u8 = 2;

fn main() -> ExitCode {
    net::refuse_huge_pages();
    match done(&Arguments::parse().scenario) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("ringdesk-load: {error}");
            if error.is::<UsageFault>() { ExitCode::from(EXIT_USAGE) } else { ExitCode::FAILURE }
        }
    }
}

/// Whether the run passed.
fn done(arguments: &ScenarioArguments) -> Result<bool, Box<dyn Error>> {
    match arguments {
        ScenarioArguments::Run(arguments) => {
            perform(arguments.scenario()?, &arguments.common, &arguments.people)
        }
        ScenarioArguments::Chat(arguments) => {
            perform(arguments.scenario()?, &arguments.common, &arguments.people)
        }
        ScenarioArguments::Idle(arguments) => {
            perform(arguments.scenario(), &arguments.common, &PeopleArguments::default())
        }
        ScenarioArguments::List => {
            for (name, _) in scenario::BUILT_IN {
                let about = Scenario::built_in(name).expect("it is ours").about;
                println!("{name:<16} {about}");
            }
            Ok(true)
        }
    }
}

/// From the logins to the report. True if nothing was lost and nothing was wrong.
fn perform(
    scenario: Scenario,
    common: &CommonArguments,
    people: &PeopleArguments,
) -> Result<bool, Box<dyn Error>> {
    let (address, host) = common.server()?;
    let names = accounts::names(&people.agent_prefix, scenario.agents());
    let number = run_number();
    if let Some(directory) = &common.out {
        let fault = |error| UsageFault::File(directory.clone(), error);
        std::fs::create_dir_all(directory).map_err(fault)?;
    }
    let mut plan =
        Plan { address, host, scenario, visitor_tokens: Vec::new(), staff: Vec::new(), seed: common.seed };
    if let Some(secret) = common.visitor_secret().filter(|_| !plan.scenario.anonymous) {
        let classes = (0..plan.scenario.sessions).map(|visitor| plan.class(visitor));
        plan.visitor_tokens = accounts::sign_visitors(&secret, number, classes)?;
    }
    if !names.is_empty() {
        let password = people.password()?;
        if let (Some(ringdesk), Some(data)) = (&people.ringdesk, &common.data) {
            accounts::create(ringdesk, data, &names, &password)?;
        }
        plan.staff = accounts::log_in(plan.address, &plan.host, &names, &password)?;
    }
    let finished = run::run(plan, number, &common.machine())?;
    let Plan { address, host, staff, scenario, .. } = &finished.shared.plan;
    let asked = staff.first().filter(|_| scenario.verify > 0);
    let verified = asked.map(|staff| {
        let ledger = &finished.shared.ledger;
        verify::verify(*address, host, &staff.token, ledger, scenario.sessions, scenario.verify)
    });
    let report = Report::new(finished, verified.transpose()?);
    println!("{report}");
    if let Some(directory) = &common.out {
        report.write(directory).map_err(|error| UsageFault::File(directory.clone(), error))?;
        println!("report: {}", directory.join("report.html").display());
    }
    Ok(report.passed)
}

/// Tells the messages of one run from those of another on the same data: the second it began in, and its
/// process.
fn run_number() -> u32 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    (since.as_secs() as u32) ^ std::process::id().rotate_left(20)
}
