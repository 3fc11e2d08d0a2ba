//! What a quiet connection costs the kernel beside its socket: right after connections came, and after they went
//! to rest.
//!
//! `cargo run --release -p net --example rest -- [modern|basic|epoll] [connections]`, as root, on a machine that
//! does little else; `/proc/slabinfo` counts for all of it.

use std::{
    fs,
    io::{self, Write},
    net::TcpStream,
    time::{Duration, Instant},
};

use net::{Backend, BackendChoice, Limits, Reactor, fabric};

/// Longer than any backend takes to let a quiet connection rest.
const REST: Duration = Duration::from_secs(6);

/// Where the kernel keeps what io_uring and epoll hold for a connection; sockets themselves have other slabs.
const SLABS: [&str; 5] = ["io_kiocb", "kmalloc-512", "kmalloc-96", "eventpoll_epi", "eventpoll_pwq"];

/// Bytes in the objects of those slabs.
fn slab_bytes() -> io::Result<u64> {
    let text = fs::read_to_string("/proc/slabinfo")?;
    // name, active objects, all objects, bytes of an object, …
    let bytes = text.lines().skip(2).filter_map(|line| {
        let mut words = line.split_whitespace();
        let name = words.next()?;
        let active = words.next()?.parse::<u64>().ok()?;
        let each = words.nth(1)?.parse::<u64>().ok()?;
        SLABS.contains(&name).then_some(active * each)
    });
    Ok(bytes.sum())
}

fn turn_for(reactor: &mut dyn Reactor, time: Duration) -> io::Result<()> {
    let start = Instant::now();
    while start.elapsed() < time {
        reactor.turn(Duration::from_millis(20), &mut || false, &mut |_, _| {})?;
    }
    Ok(())
}

fn main() -> io::Result<()> {
    let mut words = std::env::args().skip(1);
    let backend = match words.next().as_deref() {
        Some("epoll") => Backend::Epoll,
        Some("basic") => Backend::Basic,
        _ => Backend::Modern,
    };
    let connections: usize = words.next().and_then(|word| word.parse().ok()).unwrap_or(9_000);
    let mut chosen = fabric(1, BackendChoice::Exactly(backend), Limits::default())?;
    let mut reactor = chosen.ports.remove(0).open(None)?;
    let address = reactor.listen("127.0.0.1:0".parse().expect("a valid address"))?;
    let before = slab_bytes()?;
    let mut peers = Vec::new();
    for _ in 0..connections {
        peers.push(TcpStream::connect(address)?);
        reactor.turn(Duration::ZERO, &mut || false, &mut |_, _| {})?;
    }
    while reactor.stats().connections < connections as u64 {
        turn_for(&mut *reactor, Duration::from_millis(20))?;
    }
    let awake = slab_bytes()?;
    turn_for(&mut *reactor, REST)?;
    let at_rest = slab_bytes()?;
    let each = |bytes: u64| (bytes as f64 - before as f64) / connections as f64;
    writeln!(
        io::stdout(),
        "{backend:?}: {connections} connections, {} at rest: {:.0} bytes each before, {:.0} at rest",
        reactor.stats().resting,
        each(awake),
        each(at_rest)
    )
}
