//! The floor under every server of ours: a bare ring that does the same socket and file operations for a message, and
//! nothing else. Compared with it, all else that a server costs is its own.
//!
//! `cargo run --release -p net --example floor -- echo|chat|durable FILE` prints where it listens. It believes its
//! peers: frames come whole, are short, and are not unmasked, except for the word by which a chat begins (`agent 3`
//! or `visitor 3`). With `durable`, a message is first written to FILE, in groups and as the journal does it; then
//! the visitor gets an ack and a copy, and the agent another. What each costs is measured from outside, by
//! `make bench` (docs/bench.md).

mod buffers;
mod server;

use std::{
    io::{self, Write},
    net::{Ipv4Addr, SocketAddr},
    os::fd::AsRawFd,
};

use server::{Mode, Server};
use socket2::{Domain, Socket, Type};

fn main() -> io::Result<()> {
    let mut words = std::env::args().skip(1);
    let mode = match (words.next().as_deref(), words.next()) {
        (Some("echo"), None) => Mode::Echo,
        (Some("chat"), None) => Mode::Chat,
        (Some("durable"), Some(file)) => Mode::Durable(server::Journal::open(file.as_ref())?),
        _ => return Err(io::Error::new(io::ErrorKind::InvalidInput, "say echo, chat, or durable FILE")),
    };
    let listener = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    // Accepted sockets inherit it.
    listener.set_tcp_nodelay(true)?;
    listener.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into())?;
    listener.listen(1_024)?;
    let address = listener.local_addr()?.as_socket().expect("it is an IPv4 socket");
    writeln!(io::stdout(), "listening on {address}")?;
    Server::new(mode)?.run(listener.as_raw_fd())
}
