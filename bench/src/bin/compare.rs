//! `ringdesk-compare`: what a message costs our servers, the floor, and servers made of published crates.

use std::{
    io,
    path::{Path, PathBuf},
    process::ExitCode,
};

use bench::compare::{Extent, Program, Workload, compare};
use clap::Parser;

/// Messages of a stream that each connection has on the way at once.
const STREAM_WINDOW: u64 = 16;

/// Compares servers by CPU time a message. Ends by itself after some minutes.
#[derive(Parser)]
#[command(name = "ringdesk-compare", version)]
struct Arguments {
    /// Where ringdesk, ringdesk-echo and examples/floor were built
    #[arg(long, default_value = "target/release")]
    ours: PathBuf,
    /// Where the baselines were built
    #[arg(long, default_value = "target/baselines/release")]
    baselines: PathBuf,
    /// A folder on the disk that durable servers write to
    #[arg(long, default_value = "target")]
    folder: PathBuf,
    /// Rounds of each server, at least 7 for a figure that counts
    #[arg(long, default_value_t = 9, value_parser = clap::value_parser!(u32).range(1..=1000))]
    rounds: u32,
    /// Messages of a round of an echo; five times as many of a stream, a tenth where each is written to the disk
    #[arg(long, default_value_t = 20_000, value_parser = clap::value_parser!(u64).range(1_000..=10_000_000))]
    messages: u64,
    /// Connections of each workload
    #[arg(long, value_delimiter = ',', default_value = "16,256")]
    connections: Vec<usize>,
    /// What to compare: echo, stream, chat, durable
    #[arg(long, value_delimiter = ',', default_value = "echo,stream,chat,durable")]
    workloads: Vec<String>,
    /// Only servers whose names contain one of these; the first of all always runs
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Repeats the order of the rounds
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("ringdesk-compare: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> io::Result<()> {
    let cpus = net::allowed_cpus();
    let [server, generator, ..] = cpus[..] else {
        return Err(io::Error::other("two CPUs are needed, one for the servers and one for the generator"));
    };
    println!(
        "CPU time of the server's process for each message, {} rounds, seed {}; min, median, max.",
        arguments.rounds, arguments.seed
    );
    println!(
        "`first / this` below 1: the first is so much cheaper, in the same round. uWebSockets: not measured here."
    );
    for workload in &arguments.workloads {
        for &connections in &arguments.connections {
            let (mut programs, workload_of, messages) = plan(arguments, workload, connections)?;
            let first = programs.first().map(|program| program.name.clone());
            programs.retain(|program| {
                arguments.only.is_empty()
                    || Some(&program.name) == first.as_ref()
                    || arguments.only.iter().any(|only| program.name.contains(only.as_str()))
            });
            let extent = Extent { rounds: arguments.rounds, messages, seed: arguments.seed };
            let table = compare(&programs, workload_of, extent, &arguments.folder, [server, generator])?;
            println!("{workload}, {connections} connections that send, {messages} messages a round");
            print!("{table}");
        }
    }
    Ok(())
}

fn plan(
    arguments: &Arguments,
    workload: &str,
    connections: usize,
) -> io::Result<(Vec<Program>, Workload, u64)> {
    let visitors = connections;
    match workload {
        "echo" => {
            let workload = Workload { visitors, agents: 0, answers: 1, window: 1 };
            Ok((plain(arguments, "echo"), workload, arguments.messages))
        }
        "stream" => {
            let workload = Workload { visitors, agents: 0, answers: 1, window: STREAM_WINDOW };
            Ok((plain(arguments, "echo"), workload, 5 * arguments.messages))
        }
        "chat" => {
            let workload = Workload { visitors, agents: visitors, answers: 1, window: 1 };
            Ok((plain(arguments, "chat"), workload, arguments.messages))
        }
        "durable" => {
            let workload = Workload { visitors, agents: visitors.div_ceil(16), answers: 2, window: 1 };
            Ok((durable(arguments), workload, arguments.messages / 10))
        }
        other => Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            format!("there is no workload {other}; choose from echo, stream, chat and durable"),
        )),
    }
}

fn program(name: &str, path: &Path, arguments: &[&str]) -> Program {
    let arguments = arguments.iter().map(|argument| (*argument).to_owned()).collect();
    Program { name: name.to_owned(), path: path.to_owned(), arguments, aside: &[], is_desk: false }
}

/// Servers that store nothing; `mode` is echo or chat.
fn plain(arguments: &Arguments, mode: &str) -> Vec<Program> {
    let ours = arguments.ours.join("ringdesk-echo");
    let mut programs = Vec::new();
    for backend in ["modern", "basic", "epoll"] {
        let mut words = vec!["--listen", "127.0.0.1:0", "--backend", backend];
        words.extend((mode == "chat").then_some("--chat"));
        programs.push(program(backend, &ours, &words));
    }
    programs.push(program("floor", &arguments.ours.join("examples/floor"), &[mode]));
    for name in ["tungstenite", "fastwebsockets", "monoio", "tokio-uring", "compio"] {
        programs.push(program(name, &arguments.baselines.join(name), &[mode]));
    }
    programs
}

/// Servers that write each message to the disk before anybody hears of it.
fn durable(arguments: &Arguments) -> Vec<Program> {
    let mut programs = Vec::new();
    for backend in ["modern", "basic", "epoll"] {
        let words = [
            "serve",
            "--listen",
            "127.0.0.1:0",
            "--metrics",
            "127.0.0.1:0",
            "--shards",
            "1",
            "--backend",
            backend,
            "--data",
            "FOLDER",
        ];
        let desk = program(backend, &arguments.ours.join("ringdesk"), &words);
        programs.push(Program { aside: &["projection"], is_desk: true, ..desk });
    }
    programs.push(program("floor", &arguments.ours.join("examples/floor"), &["durable", "FOLDER/journal"]));
    programs
}
