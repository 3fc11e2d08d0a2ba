//! Sends back what comes: the smallest program on this crate, and what its backends are compared with.
//!
//! `cargo run --release -p net --example echo -- [modern|basic|epoll] [connections] [seconds]
//! [messages a second]` serves itself a load of 64-byte messages from a second thread, and prints what one
//! message costs the server. Without a rate, each connection sends again as soon as it has its answer.

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

/// What the load asks for.
#[derive(Clone, Copy)]
struct Load {
    connections: usize,
    time: Duration,
    /// Messages a second over all connections; zero asks each connection again as soon as it has answered.
    per_second: u64,
}

/// Registered descriptors leave the process's own to the server, where the kernel has them.
fn load(address: std::net::SocketAddr, wish: Load) -> io::Result<()> {
    let mut fabric = fabric(1, BackendChoice::Auto, Limits::default())?;
    let mut reactor = fabric.ports.remove(0).open(None)?;
    let mut opened = Vec::new();
    let mut asked: Vec<(net::ConnectionId, usize)> = Vec::new();
    for count in 1..=wish.connections {
        reactor.connect(None, address)?;
        // No faster than the listener's queue is emptied.
        while count - opened.len() > 512 || (count == wish.connections && opened.len() < count) {
            reactor.turn(Duration::from_millis(10), &mut || false, &mut |_, event| {
                if let Event::Connected { connection } = event {
                    opened.push(connection);
                }
            })?;
        }
    }
    let (start, mut sent) = (Instant::now(), 0u64);
    if wish.per_second == 0 {
        asked.extend(opened.iter().map(|connection| (*connection, MESSAGE.len())));
    }
    while start.elapsed() < wish.time {
        let due = start.elapsed().as_micros() as u64 * wish.per_second / 1_000_000;
        while sent < due {
            asked.push((opened[sent as usize % opened.len()], MESSAGE.len()));
            sent += 1;
        }
        for (connection, bytes) in asked.drain(..) {
            for _ in 0..bytes / MESSAGE.len() {
                reactor.send(connection, &MESSAGE).map_err(|error| io::Error::other(format!("{error:?}")))?;
            }
        }
        let wait_us = 1_000_000_u64.checked_div(wish.per_second).unwrap_or(100_000);
        reactor.turn(Duration::from_micros(wait_us), &mut || false, &mut |_, event| {
            if let Event::Received { connection, bytes } = event
                && wish.per_second == 0
            {
                asked.push((connection, bytes.len()));
            }
        })?;
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
    let per_second = words.next().and_then(|word| word.parse().ok()).unwrap_or(0);
    let wish = Load { connections, time: Duration::from_secs(seconds), per_second };
    let mut chosen = fabric(1, backend, Limits::default())?;
    writeln!(io::stdout(), "{}", chosen.reason)?;
    let (sender, receiver) = std::sync::mpsc::channel();
    let port = chosen.ports.remove(0);
    let server = thread::spawn(move || serve(port, sender));
    load(receiver.recv().expect("the server listens"), wish)?;
    STOP.store(true, Ordering::Relaxed);
    server.join().expect("the server does not panic")
}
