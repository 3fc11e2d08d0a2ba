//! `ringdesk-echo`: a WebSocket echo server made of `net` and `codec` and nothing else.
//!
//! The command line only; what it serves is [`bench::echo`].

use std::{net::SocketAddr, process::ExitCode};

use bench::echo::{self, Service, Settings};
use clap::{Parser, ValueEnum};
use net::{Backend, BackendChoice};

/// A WebSocket echo server on any path. Ends with SIGTERM or Ctrl-C.
#[derive(Parser)]
#[command(name = "ringdesk-echo", version)]
struct Arguments {
    /// Where to listen; port 0 picks one.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:9001")]
    listen: SocketAddr,
    /// Threads, each with a listener of its own on the same port.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=echo::SHARDS_MAX))]
    shards: u16,
    /// How to talk to the kernel.
    #[arg(long, default_value = "auto")]
    backend: BackendName,
    /// Grants permessage-deflate to clients that offer it.
    #[arg(long)]
    deflate: bool,
    /// A tiny chat instead of an echo: what the baselines do, for comparisons.
    #[arg(long)]
    chat: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum BackendName {
    Auto,
    Modern,
    Basic,
    Epoll,
}

impl BackendName {
    const fn choice(self) -> BackendChoice {
        match self {
            Self::Auto => BackendChoice::Auto,
            Self::Modern => BackendChoice::Exactly(Backend::Modern),
            Self::Basic => BackendChoice::Exactly(Backend::Basic),
            Self::Epoll => BackendChoice::Exactly(Backend::Epoll),
        }
    }
}

fn main() -> ExitCode {
    let Arguments { listen, shards, backend, deflate, chat } = Arguments::parse();
    let service = if chat { Service::Chat } else { Service::Echo { deflate } };
    let settings = Settings { listen, shards: usize::from(shards), backend: backend.choice(), service };
    let Err(error) = echo::serve(settings, |address, backend| {
        println!("listening on {address} (backend {backend})");
    });
    eprintln!("ringdesk-echo: {error}");
    ExitCode::FAILURE
}
