//! Sends back what comes: the smallest program on this crate, and what its backends are compared with.
//!
//! `cargo run --release -p net --example echo -- [modern|basic|epoll] [connections] [seconds]` serves itself a
//! load of 64-byte messages from a second thread, and prints what one message costs the server.

use std::{
    io::{self, Write},
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use net::{Backend, BackendChoice, Event, Limits, Port, fabric};

static STOP: AtomicBool = AtomicBool::new(false);
const MESSAGE: [u8; 64] = [b'x'; 64];

/// Nanoseconds that the calling thread has run.
fn thread_ns() -> u64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    text.split(' ').next().and_then(|ns| ns.parse().ok()).unwrap_or_default()
}

fn serve(port: Port, bound: std::sync::mpsc::Sender<std::net::SocketAddr>) -> io::Result<()> {
    let mut reactor = port.open(None)?;
    let address = reactor.listen("127.0.0.1:0".parse().expect("a valid address"))?;
    bound.send(address).expect("the load waits");
    let mut received: Vec<(net::ConnectionId, Vec<u8>)> = Vec::new();
    let mut spare: Vec<Vec<u8>> = Vec::new();
    let (mut messages, mut started) = (0u64, None);
    while !STOP.load(Ordering::Relaxed) {
        reactor.turn(Duration::from_millis(100), &mut || false, &mut |_, event| {
            if let Event::Received { connection, bytes } = event {
                let mut copy = spare.pop().unwrap_or_default();
                copy.extend_from_slice(bytes);
                received.push((connection, copy));
            }
        })?;
        if started.is_none() && !received.is_empty() {
            started = Some((thread_ns(), reactor.stats()));
        }
        for (connection, mut bytes) in received.drain(..) {
            messages += (bytes.len() / MESSAGE.len()) as u64;
            if reactor.send(connection, &bytes).is_err() {
                reactor.close(connection);
            }
            bytes.clear();
            spare.push(bytes);
        }
    }
    let (start_ns, before) = started.unwrap_or_default();
    let stats = reactor.stats();
    writeln!(
        io::stdout(),
        "{:?}: {messages} messages, {} ns CPU each, {:.3} system calls each, {} turns",
        reactor.backend(),
        (thread_ns() - start_ns) / messages.max(1),
        (stats.system_calls - before.system_calls) as f64 / messages.max(1) as f64,
        stats.turns - before.turns
    )
}

fn load(address: std::net::SocketAddr, connections: usize, time: Duration) -> io::Result<()> {
    let mut fabric = fabric(1, BackendChoice::Exactly(Backend::Epoll), Limits::default())?;
    let mut reactor = fabric.ports.remove(0).open(None)?;
    for _ in 0..connections {
        reactor.connect(None, address)?;
    }
    let start = Instant::now();
    let mut answers: Vec<(net::ConnectionId, usize)> = Vec::new();
    while start.elapsed() < time {
        reactor.turn(Duration::from_millis(100), &mut || false, &mut |_, event| match event {
            Event::Connected { connection } => answers.push((connection, MESSAGE.len())),
            Event::Received { connection, bytes } => answers.push((connection, bytes.len())),
            _ => {}
        })?;
        for (connection, bytes) in answers.drain(..) {
            for _ in 0..bytes / MESSAGE.len() {
                reactor.send(connection, &MESSAGE).map_err(|error| io::Error::other(format!("{error:?}")))?;
            }
        }
    }
    Ok(())
}

fn main() -> io::Result<()> {
    let mut words = std::env::args().skip(1);
    let backend = match words.next().as_deref() {
        Some("epoll") => BackendChoice::Exactly(Backend::Epoll),
        Some("basic") => BackendChoice::Exactly(Backend::Basic),
        Some("modern") => BackendChoice::Exactly(Backend::Modern),
        _ => BackendChoice::Auto,
    };
    let connections = words.next().and_then(|word| word.parse().ok()).unwrap_or(16);
    let seconds = words.next().and_then(|word| word.parse().ok()).unwrap_or(2);
    let mut chosen = fabric(1, backend, Limits::default())?;
    writeln!(io::stdout(), "{}", chosen.reason)?;
    let (sender, receiver) = std::sync::mpsc::channel();
    let port = chosen.ports.remove(0);
    let server = thread::spawn(move || serve(port, sender));
    load(receiver.recv().expect("the server listens"), connections, Duration::from_secs(seconds))?;
    STOP.store(true, Ordering::Relaxed);
    server.join().expect("the server does not panic")
}
