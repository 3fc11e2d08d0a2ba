//! `ringdesk-bench`: prints what is promised beside what is measured. Ratios within one run count, absolute times are
//! the machine's.

use std::{io, path::PathBuf, process::ExitCode};

use bench::durability::{self, AckReport, Backlog, Place, Recovery};
use clap::Parser;

/// Measures a ringdesk program on the disk of a folder. Ends by itself after some minutes.
#[derive(Parser)]
#[command(name = "ringdesk-bench", version)]
struct Arguments {
    /// The server's program
    #[arg(long, default_value = "target/release/ringdesk")]
    ringdesk: PathBuf,
    /// A folder on the disk to be measured
    #[arg(long, default_value = "target")]
    folder: PathBuf,
    /// Rounds of each thing, at least 7 for a figure that counts
    #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// Megabytes of journal to be recovered
    #[arg(long, default_value_t = 1024, value_parser = clap::value_parser!(u64).range(16..=4000))]
    journal_mb: u64,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("ringdesk-bench: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> io::Result<()> {
    let place = Place { program: &arguments.ringdesk, folder: &arguments.folder };
    let (min, median, max) = durability::empty_starts(place, arguments.rounds)?.min_median_max();
    println!("start on an empty folder, to the first request served   target ≤ 100 ms");
    println!("  min / median / max of {}: {min:.0} / {median:.0} / {max:.0} ms", arguments.rounds);

    println!("recovery of {} MB of journal   target ≤ 5 s", arguments.journal_mb);
    for (name, records_a_group, text_characters) in [
        ("one message a write, as on a quiet day", 1, 40),
        ("eight messages a write", 8, 40),
        ("long messages, one a write", 1, 1_200),
        ("full writes of short messages, a disk's worst hour", 1_000, 40),
    ] {
        let bytes = arguments.journal_mb << 20;
        let backlog = Backlog { bytes, records_a_group, text_characters };
        let Recovery { records, first, sql, memory_max, again } = durability::recover(place, backlog)?;
        println!(
            "  {name}: {records} records, none of them in SQL: {:.2} s, and SQL had all {:.1} s later, at most {} MiB; \
             again with all of them in SQL: {:.2} s",
            first.as_secs_f64(),
            sql.as_secs_f64(),
            memory_max >> 20,
            again.as_secs_f64(),
        );
    }

    println!("durable ack at low load   target: p50 ≤ 2 × the disk's own fdatasync");
    for backend in ["modern", "basic", "epoll"] {
        tell_ack(&durability::ack_beside_floor(place, backend, 4 * arguments.rounds)?);
    }
    Ok(())
}

fn tell_ack(report: &AckReport) {
    let AckReport { backend, ack_us, fdatasync_us, direct_us } = report;
    println!(
        "  {backend}: ack p50 {} p99 {} max {} µs; write + fdatasync p50 {} p99 {} µs; O_DIRECT|O_DSYNC p50 {} p99 {} µs; \
         {} of each; ack / fdatasync = {:.2}",
        ack_us.p50,
        ack_us.p99,
        ack_us.max,
        fdatasync_us.p50,
        fdatasync_us.p99,
        direct_us.p50,
        direct_us.p99,
        ack_us.count,
        ack_us.p50 as f64 / fdatasync_us.p50.max(1) as f64,
    );
}
