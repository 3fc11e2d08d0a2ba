//! `ringdesk-sim`: lives many lives and says how many a second; the first that fails is told with the command that
//! replays it.

use std::{
    panic,
    process::ExitCode,
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Instant,
};

use clap::Parser;
use engine::pool::metrics::Metrics;
use sim::Summary;

/// Simulated lives of a server, each from a seed.
#[derive(Parser, Debug)]
#[command(name = "ringdesk-sim", version)]
struct Arguments {
    /// How many seeds
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u64).range(1..))]
    seeds: u64,
    /// The first seed
    #[arg(long, default_value_t = 0)]
    first: u64,
    /// Threads [default: one a core]
    #[arg(long)]
    threads: Option<usize>,
    /// Live only this seed, and tell everything that happens
    #[arg(long)]
    seed: Option<u64>,
    /// Expect a failure: exit with 0 if one was found, with 1 if none was
    #[arg(long)]
    expect_failure: bool,
    /// Plant this fault in the engine (needs the feature `planted-bugs`)
    #[arg(long)]
    planted: Option<String>,
}

/// What all threads share.
struct Shared {
    next: AtomicU64,
    done: AtomicU64,
    has_failed: AtomicBool,
    failure: Mutex<Option<(u64, String)>>,
    sums: Mutex<Summary>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if let Err(text) = plant(arguments.planted.as_deref()) {
        eprintln!("ringdesk-sim: {text}");
        return ExitCode::from(2);
    }
    if let Some(seed) = arguments.seed {
        let summary = sim::live(seed, &Metrics::new(), true);
        println!("{summary:#?}");
        return ExitCode::SUCCESS;
    }
    if cfg!(panic = "unwind") {
        // The panics of lives are told once, at the end.
        panic::set_hook(Box::new(|_| {}));
    }
    let began = Instant::now();
    let shared = Shared {
        next: AtomicU64::new(arguments.first),
        done: AtomicU64::new(0),
        has_failed: AtomicBool::new(false),
        failure: Mutex::new(None),
        sums: Mutex::default(),
    };
    let end = arguments.first.saturating_add(arguments.seeds);
    let threads =
        arguments.threads.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, Into::into));
    let bar = indicatif::ProgressBar::new(arguments.seeds);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| live_on(&shared, end, &bar));
        }
    });
    bar.finish_and_clear();
    let seconds = began.elapsed().as_secs_f64();
    report(&shared, seconds);
    tell_failure(&arguments, &shared)
}

fn live_on(shared: &Shared, end: u64, bar: &indicatif::ProgressBar) {
    let metrics = Metrics::new();
    while !shared.has_failed.load(Ordering::Relaxed) {
        let seed = shared.next.fetch_add(1, Ordering::Relaxed);
        if seed >= end {
            return;
        }
        match panic::catch_unwind(panic::AssertUnwindSafe(|| sim::live(seed, &metrics, false))) {
            Ok(summary) => *shared.sums.lock().expect("no panic holds it") += summary,
            Err(payload) => {
                shared.has_failed.store(true, Ordering::Relaxed);
                let text = payload
                    .downcast_ref::<String>()
                    .cloned()
                    .or_else(|| payload.downcast_ref::<&str>().map(|text| (*text).to_owned()));
                let failure = (seed, text.unwrap_or_default());
                let mut first = shared.failure.lock().expect("no panic holds it");
                if first.as_ref().is_none_or(|(other, _)| *other > seed) {
                    *first = Some(failure);
                }
            }
        }
        shared.done.fetch_add(1, Ordering::Relaxed);
        bar.inc(1);
    }
}

fn report(shared: &Shared, seconds: f64) {
    let sums = *shared.sums.lock().expect("no panic holds it");
    let done = shared.done.load(Ordering::Relaxed);
    println!(
        "{done} seeds in {seconds:.1} s: {:.0} seeds/s, {} steps; {} sent = {} acknowledged + {} refused + {} given up; \
         {} events seen; {} kills, {} stops, {} failed disks, {} records recovered, {} of them while it served, {} damaged journals found",
        done as f64 / seconds.max(0.001),
        sums.steps,
        sums.counts.sent,
        sums.counts.acknowledged,
        sums.counts.refused,
        sums.counts.abandoned,
        sums.counts.seen,
        sums.crashes,
        sums.stops,
        sums.disk_failures,
        sums.recovered,
        sums.lacking,
        sums.rot_found,
    );
}

fn tell_failure(arguments: &Arguments, shared: &Shared) -> ExitCode {
    let failure = shared.failure.lock().expect("no panic holds it");
    match (&*failure, arguments.expect_failure) {
        (None, false) => ExitCode::SUCCESS,
        (None, true) => {
            println!("FAILED: no seed found the planted fault");
            ExitCode::FAILURE
        }
        (Some((seed, text)), true) => {
            println!("seed {seed} found the planted fault, as it must: {text}");
            ExitCode::SUCCESS
        }
        (Some((seed, text)), false) => {
            println!("FAILED: seed {seed}: {text}\nreplay with: make sim SEED={seed}");
            ExitCode::FAILURE
        }
    }
}

#[cfg(feature = "planted-bugs")]
fn plant(name: Option<&str>) -> Result<(), String> {
    let Some(name) = name else { return Ok(()) };
    engine::planted::plant(name)
}

#[cfg(not(feature = "planted-bugs"))]
fn plant(name: Option<&str>) -> Result<(), String> {
    match name {
        None => Ok(()),
        Some(_) => Err("--planted needs a build with the feature planted-bugs".to_owned()),
    }
}
