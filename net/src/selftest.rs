//! What no probe can tell: whether this kernel really does what a backend builds on. Runs two reactors over
//! loopback for some milliseconds before the first shard starts. Which backend it is, is not known here.

use std::{
    io,
    sync::Arc,
    time::{Duration, Instant},
};

use crate::{CloseReason, ConnectionId, Event, Limits, Reactor, fabric::Shared};

/// Fewer buffers than bytes in flight need, so that they run out and are refilled.
const LIMITS: Limits =
    Limits { connections_max: 8, outbox_bytes_max: BYTES, receive_buffers: 4, receive_buffer_bytes: 128 };
/// Fewer than there are connections and buffers, and next to no locked memory.
const SUBMISSIONS: u32 = 8;
const BYTES: usize = 32 * 1024;
/// A kernel that takes longer than this for a few thousand bytes is not one to build on.
const TIME_MAX: Duration = Duration::from_secs(3);
const TOKEN: u64 = 0x7269_6e67;

struct Bench<R> {
    reactors: [R; 2],
    start: Instant,
    connected: Option<ConnectionId>,
    accepted: Option<ConnectionId>,
    adopted: Option<ConnectionId>,
    received: Vec<u8>,
    closed: Vec<CloseReason>,
}

/// Bytes arrive in order although buffers run out, a connection moves between two rings without losing one,
/// and both ends are told of the end.
pub(crate) fn run<R: Reactor>(open: impl Fn(Arc<Shared>, usize) -> io::Result<R>) -> io::Result<()> {
    let shared = Shared::new(2, LIMITS, SUBMISSIONS)?;
    let reactors = [open(Arc::clone(&shared), 0)?, open(Arc::clone(&shared), 1)?];
    let mut bench = Bench {
        reactors,
        start: Instant::now(),
        connected: None,
        accepted: None,
        adopted: None,
        received: Vec::new(),
        closed: Vec::new(),
    };
    let sent: Vec<u8> = (0..BYTES as u32).map(|index| (index ^ index >> 8) as u8).collect();
    let address = bench.reactors[0].listen("127.0.0.1:0".parse().expect("a valid address"))?;
    bench.reactors[0].connect(None, address)?;
    let ours = bench.until("a connection to loopback", |bench| bench.connected)?;
    let theirs = bench.until("accepting", |bench| bench.accepted)?;

    bench.queue(ours, &sent)?;
    let all = |bench: &Bench<R>| (bench.received.len() >= BYTES).then_some(());
    bench.until("receiving after buffers ran out", all)?;
    if bench.received != sent {
        return Err(io::Error::other("receiving changed the order of bytes"));
    }
    bench.received.clear();

    bench.reactors[0].hand_over(theirs, 1, TOKEN);
    bench.queue(ours, &sent)?;
    bench.until("passing a connection to another ring", |bench| bench.adopted)?;
    bench.until("receiving after a connection was passed", all)?;
    if bench.received != sent {
        return Err(io::Error::other("passing a connection lost or changed bytes"));
    }

    bench.reactors[0].close(ours);
    bench.until("the end of a connection", |bench| (bench.closed.len() == 2).then_some(()))?;
    if bench.closed.contains(&CloseReason::Peer) && bench.closed.contains(&CloseReason::Ours) {
        return Ok(());
    }
    Err(io::Error::other(format!("connections ended as {:?}", bench.closed)))
}

impl<R: Reactor> Bench<R> {
    fn queue(&mut self, id: ConnectionId, bytes: &[u8]) -> io::Result<()> {
        let sent = self.reactors[0].send(id, bytes);
        sent.map_err(|error| io::Error::other(format!("a send was refused: {error:?}")))
    }

    fn until<T>(&mut self, what: &str, done: impl Fn(&Self) -> Option<T>) -> io::Result<T> {
        loop {
            if let Some(value) = done(self) {
                return Ok(value);
            }
            if self.start.elapsed() > TIME_MAX {
                return Err(io::Error::new(io::ErrorKind::TimedOut, format!("{what} does not work")));
            }
            self.turn()?;
        }
    }

    /// One turn of each, without sleeping: either may wait for what the other does next.
    fn turn(&mut self) -> io::Result<()> {
        std::thread::yield_now();
        let Self { reactors, connected, accepted, adopted, received, closed, .. } = self;
        let mut token_fault = false;
        for reactor in reactors {
            reactor.turn(Duration::ZERO, &mut || false, &mut |_, event| match event {
                Event::Accepted { connection, .. } => *accepted = Some(connection),
                Event::Connected { connection } => *connected = Some(connection),
                Event::Adopted { connection, token } => {
                    *adopted = Some(connection);
                    token_fault |= token != TOKEN;
                }
                Event::Received { bytes, .. } => received.extend_from_slice(bytes),
                Event::Closed { reason, .. } => closed.push(reason),
                Event::Drained { .. } | Event::HandedOver { .. } | Event::Written { .. } => {}
            })?;
        }
        if token_fault { Err(io::Error::other("a token changed on the way")) } else { Ok(()) }
    }
}
