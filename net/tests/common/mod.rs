//! What the tests drive a reactor with: a shard that remembers what it saw, and loopback addresses. No
//! scenario is here.

#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::{
    collections::HashMap,
    net::SocketAddr,
    time::{Duration, Instant},
};

use net::{
    Backend, BackendChoice, CloseReason, ConnectionId, Event, Limits, Port, Reactor, SendError, Time, fabric,
};

/// A test that waits this long for something hangs, and says for what.
const HANG: Duration = Duration::from_secs(60);
/// How long one turn of a waiting test may sleep.
const WAIT: Duration = Duration::from_millis(20);

/// An event, with its bytes copied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    Accepted(ConnectionId),
    Connected(ConnectionId),
    Adopted(ConnectionId, u64),
    Received(ConnectionId, Vec<u8>),
    Drained(ConnectionId),
    Closed(ConnectionId, CloseReason),
    HandedOver(ConnectionId),
    Written(u64, bool),
}

impl Seen {
    fn of(event: Event<'_>) -> Self {
        match event {
            Event::Accepted { connection, .. } => Self::Accepted(connection),
            Event::Connected { connection } => Self::Connected(connection),
            Event::Adopted { connection, token } => Self::Adopted(connection, token),
            Event::Received { connection, bytes } => {
                assert!(!bytes.is_empty(), "an event without bytes says nothing");
                Self::Received(connection, bytes.to_vec())
            }
            Event::Drained { connection } => Self::Drained(connection),
            Event::Closed { connection, reason } => Self::Closed(connection, reason),
            Event::HandedOver { connection } => Self::HandedOver(connection),
            Event::Written { token, result } => Self::Written(token, result.is_ok()),
        }
    }
}

pub const LOOPBACK: &str = "127.0.0.1:0";

pub fn any_port() -> SocketAddr {
    LOOPBACK.parse().expect("a valid address")
}

/// Small enough that tests meet every limit.
pub fn limits() -> Limits {
    Limits {
        connections_max: 4_096,
        outbox_bytes_max: 256 * 1024,
        receive_buffers: 64,
        receive_buffer_bytes: 1_024,
    }
}

pub fn ports(backend: Backend, shards: usize, limits: Limits) -> Vec<Port> {
    let fabric = fabric(shards, BackendChoice::Exactly(backend), limits).expect("the backend is available");
    assert_eq!(fabric.backend, backend);
    fabric.ports
}

/// A reactor and what it reported that nobody asked for yet.
pub struct Shard {
    pub reactor: Box<dyn Reactor>,
    pub seen: Vec<Seen>,
    /// The addresses that accepted connections came with.
    pub peers: HashMap<ConnectionId, Option<SocketAddr>>,
}

impl Shard {
    pub fn one(backend: Backend) -> Self {
        Self::with(backend, limits())
    }

    pub fn with(backend: Backend, limits: Limits) -> Self {
        Self::open(ports(backend, 1, limits).remove(0))
    }

    pub fn open(port: Port) -> Self {
        let reactor = port.open(None).expect("the port can be opened");
        Self { reactor, seen: Vec::new(), peers: HashMap::new() }
    }

    pub fn listening(backend: Backend) -> (Self, SocketAddr) {
        let mut shard = Self::one(backend);
        let address = shard.reactor.listen(any_port()).expect("a free port");
        (shard, address)
    }

    /// Whatever there is to be told between turns.
    pub fn report_written(&mut self) {
        let Self { reactor, seen, .. } = self;
        reactor.report_written(&mut |_, event| seen.push(Seen::of(event))).expect("it works");
    }

    pub fn turn(&mut self, wait: Duration) -> Time {
        let Self { reactor, seen, peers } = self;
        let mut see = |_, event: Event<'_>| {
            if let Event::Accepted { connection, peer } = &event {
                peers.insert(*connection, *peer);
            }
            seen.push(Seen::of(event));
        };
        reactor.turn(wait, &mut || false, &mut see).expect("a turn works")
    }

    /// Turns until `find` finds what it looks for among all that was seen, and returns that.
    pub fn until<T>(&mut self, what: &str, mut find: impl FnMut(&[Seen]) -> Option<T>) -> T {
        let start = Instant::now();
        loop {
            if let Some(found) = find(&self.seen) {
                return found;
            }
            assert!(start.elapsed() < HANG, "waited in vain for {what}; seen: {}", self.summary());
            self.turn(WAIT);
        }
    }

    pub fn accepted(&mut self) -> ConnectionId {
        let id = self.until("an accepted connection", |seen| {
            seen.iter().find_map(|seen| if let Seen::Accepted(id) = seen { Some(*id) } else { None })
        });
        self.seen.retain(|seen| *seen != Seen::Accepted(id));
        id
    }

    pub fn connected(&mut self, id: ConnectionId) {
        self.until("a connection", |seen| seen.contains(&Seen::Connected(id)).then_some(()));
    }

    pub fn closed(&mut self, id: ConnectionId) -> CloseReason {
        self.until("a close", |seen| {
            seen.iter().find_map(|seen| match seen {
                Seen::Closed(closed, reason) if *closed == id => Some(*reason),
                _ => None,
            })
        })
    }

    pub fn written(&mut self, token: u64) -> bool {
        self.until("a write", |seen| {
            seen.iter().find_map(|seen| match seen {
                Seen::Written(written, fine) if *written == token => Some(*fine),
                _ => None,
            })
        })
    }

    /// All bytes seen of `id` so far, in order.
    pub fn bytes(&self, id: ConnectionId) -> Vec<u8> {
        let mut all = Vec::new();
        for seen in &self.seen {
            if let Seen::Received(from, bytes) = seen
                && *from == id
            {
                all.extend_from_slice(bytes);
            }
        }
        all
    }

    /// Turns until `count` bytes of `id` were seen; removes them from what was seen.
    pub fn receive(&mut self, id: ConnectionId, count: usize) -> Vec<u8> {
        self.until("bytes", |seen| {
            let lens = seen.iter().map(|seen| match seen {
                Seen::Received(from, bytes) if *from == id => bytes.len(),
                _ => 0,
            });
            (lens.sum::<usize>() >= count).then_some(())
        });
        let all = self.bytes(id);
        self.seen.retain(|seen| !matches!(seen, Seen::Received(from, _) if *from == id));
        all
    }

    /// Sends all of it, waiting for room as often as needed.
    pub fn send_all(&mut self, id: ConnectionId, mut bytes: &[u8]) {
        let start = Instant::now();
        while !bytes.is_empty() {
            let (part, rest) = bytes.split_at(bytes.len().min(16 * 1024));
            match self.reactor.send(id, part) {
                Ok(()) => bytes = rest,
                Err(SendError::Full) => {
                    assert!(start.elapsed() < HANG, "waited in vain for room");
                    self.turn(WAIT);
                }
                Err(SendError::Closed) => panic!("the connection is closed"),
            }
        }
        self.turn(Duration::ZERO);
    }

    /// Turns until nothing is left: no connection, no operation of one.
    pub fn quiet(&mut self) {
        let start = Instant::now();
        while self.reactor.stats().connections > 0 || self.reactor.stats().in_flight > 0 {
            assert!(start.elapsed() < HANG, "something is left: {:?}", self.reactor.stats());
            self.turn(WAIT);
        }
        assert_eq!(self.reactor.stats().receive_buffers_out, 0, "a receive buffer leaked");
    }

    fn summary(&self) -> String {
        let mut text = String::new();
        for seen in self.seen.iter().rev().take(20) {
            match seen {
                Seen::Received(id, bytes) => text += &format!("Received({id:?}, {} bytes) ", bytes.len()),
                other => text += &format!("{other:?} "),
            }
        }
        text
    }
}

/// Bytes in which every exchange, loss and repetition shows.
pub fn pattern(count: usize, seed: u64) -> Vec<u8> {
    let mut state = seed | 1;
    let mut bytes = Vec::with_capacity(count + 8);
    while bytes.len() < count {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        bytes.extend_from_slice(&(state ^ state >> 29).to_le_bytes());
    }
    bytes.truncate(count);
    bytes
}
