//! One shard's thread: carries what the reactor reports to the shard, and what the shard decides to the
//! reactor, the journal, the lanes and the pool. It decides nothing itself.

mod counting;

use std::{
    collections::VecDeque,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use net::{CloseReason, ConnectionId, Event, Reactor, SendError, Time, Waker};

pub use self::counting::Counting;
use crate::{
    jobs::Job,
    journal::{Journal, JournalError},
    lanes::Lanes,
    limits,
    pool::link::ShardEnd,
    shard::{Input, LaneItem, Now, Output, Outputs, Shard, TICK_MS},
};

const _: () = assert!(limits::DRAINED_ABOVE_BYTES >= net::DRAINED_ABOVE_BYTES);

/// How to reach a shard from another.
#[derive(Clone, Debug)]
pub struct Neighbour {
    /// Its lanes.
    pub lanes: Arc<Lanes>,
    /// Wakes it when it sleeps.
    pub waker: Waker,
}

/// Why a shard cannot go on. The process must end: what the shard has not acknowledged is not promised.
#[derive(Debug)]
pub enum DriverError {
    /// The reactor cannot take a turn.
    Reactor(std::io::Error),
    /// The journal cannot be written.
    Journal(JournalError),
}

impl fmt::Display for DriverError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reactor(error) => write!(f, "the reactor failed: {error}; restart the server"),
            Self::Journal(error) => write!(f, "{error}"),
        }
    }
}

/// What a shard's thread works with.
pub struct Driver {
    /// Which shard.
    pub index: usize,
    /// Decides.
    pub shard: Shard,
    /// Sockets, files, time.
    pub reactor: Box<dyn Reactor>,
    /// The record of truth.
    pub journal: Journal,
    /// All shards, this one too.
    pub neighbours: Arc<[Neighbour]>,
    /// To the pool and from it.
    pub pool: ShardEnd,
    /// For `/metrics`.
    pub counting: Counting,
    /// Set when the process shall end.
    pub stop: Arc<AtomicBool>,
}

/// What waits for room in another shard's lanes, in order: `[normal, VIP]` for each shard.
struct Backlog(Vec<[VecDeque<LaneItem>; 2]>);

impl Driver {
    /// Runs the shard until it has stopped. `outputs` is what the shard had to say when it was made.
    pub fn run(mut self, mut outputs: Outputs) -> Result<(), DriverError> {
        let mut backlog = Backlog(self.neighbours.iter().map(|_| Default::default()).collect());
        self.carry_out(&mut outputs, &mut backlog)?;
        let mut stopping = false;
        loop {
            self.turn(&mut outputs, &mut backlog)?;
            if self.stop.load(Ordering::Acquire) && !stopping {
                stopping = true;
                self.reactor.stop_listening();
                self.shard.stop();
            }
            if stopping && self.shard.is_empty() && self.shard.is_settled() && backlog.is_empty() {
                return Ok(());
            }
        }
    }

    fn turn(&mut self, outputs: &mut Outputs, backlog: &mut Backlog) -> Result<(), DriverError> {
        let own = Arc::clone(&self.neighbours[self.index].lanes);
        let wait = Duration::from_millis(if backlog.is_empty() { TICK_MS } else { 1 });
        let (shard, journal, dones) = (&mut self.shard, &mut self.journal, &self.pool.dones);
        let counting = &self.counting;
        let mut journal_result = Ok(());
        let time = self
            .reactor
            .turn(wait, &mut || !own.is_empty() || !dones.is_empty(), &mut |time, event| {
                shard.begin(now_of(time));
                if let Event::Written { token, result } = event {
                    match journal.written(token, result) {
                        Ok(up_to) => {
                            counting.journal_write(journal.last_group());
                            shard.handle(Input::Durable { up_to }, outputs);
                        }
                        Err(error) => journal_result = Err(error),
                    }
                } else if let Some(input) = input_of(event) {
                    shard.handle(input, outputs);
                }
            })
            .map_err(DriverError::Reactor)?;
        journal_result.map_err(DriverError::Journal)?;
        self.carry_out(outputs, backlog)?;

        self.shard.begin(now_of(time));
        backlog.push(&self.neighbours);
        own.drain(limits::LANE_BUDGET, |item| self.shard.handle(Input::Lane(item), outputs));
        while let Some(done) = self.pool.dones.pop() {
            self.shard.handle(Input::Done(done), outputs);
        }
        self.shard.pressure(self.journal.is_full(), backlog.len() > limits::BACKLOG_ITEMS_MAX);
        self.shard.finish(outputs);
        self.carry_out(outputs, backlog)?;
        self.journal.flush(&mut *self.reactor).map_err(DriverError::Journal)?;
        self.counting.publish(time.monotonic_us, &self.shard, &*self.reactor);
        Ok(())
    }

    /// Carries out what the shard wants, and what it wants when something of that is refused.
    fn carry_out(&mut self, outputs: &mut Outputs, backlog: &mut Backlog) -> Result<(), DriverError> {
        let mut refused = Vec::new();
        loop {
            for microseconds in outputs.ack_us.drain(..) {
                self.counting.durable_ack(microseconds);
            }
            for output in std::mem::take(&mut outputs.list) {
                match output {
                    Output::Send { connection, bytes } => self.send(connection, &outputs.bytes[bytes]),
                    Output::SendShared { connection, frame } => self.send(connection, &frame),
                    Output::Close { connection } => self.reactor.close(ConnectionId::from_u64(connection)),
                    Output::HandOver { connection, to, token } => {
                        self.reactor.hand_over(ConnectionId::from_u64(connection), to, token);
                    }
                    Output::Lane { to, vip, item } => {
                        refused.extend(backlog.put(&self.neighbours, to, vip, item).map(Input::LaneFull));
                    }
                    Output::Record { number, record } => {
                        let appended = self.journal.append(&record).map_err(DriverError::Journal)?;
                        assert_eq!(appended, number, "shard and journal count alike");
                    }
                    Output::Job { connection, job } => {
                        let job = self.with_peer(connection, job);
                        if let Err(job) = self.pool.jobs.try_send(job) {
                            self.counting.job_refused();
                            refused.push(Input::JobRefused(job));
                        }
                    }
                }
            }
            outputs.clear();
            if refused.is_empty() {
                return Ok(());
            }
            for input in refused.drain(..) {
                self.shard.handle(input, outputs);
            }
        }
    }

    fn send(&mut self, connection: u64, bytes: &[u8]) {
        let connection = ConnectionId::from_u64(connection);
        match self.reactor.send(connection, bytes) {
            // Closed: its `Event::Closed` is on the way, or was there already.
            Ok(()) | Err(SendError::Closed) => {}
            Err(SendError::Full) => self.reactor.abort(connection, CloseReason::SlowReader),
        }
    }

    fn with_peer(&mut self, connection: Option<u64>, job: Job) -> Job {
        match (connection, job) {
            (Some(connection), Job::Http { exchange, request, .. }) => {
                let peer = self.reactor.peer(ConnectionId::from_u64(connection));
                Job::Http { exchange, peer: peer.map(|address| address.ip()), request }
            }
            (_, job) => job,
        }
    }
}

impl Backlog {
    fn len(&self) -> usize {
        self.0.iter().flatten().map(VecDeque::len).sum()
    }

    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Into the lane, or behind what waits for it. A message that a client can send again is given back
    /// instead: nothing of it is promised yet.
    fn put(&mut self, neighbours: &[Neighbour], to: usize, vip: bool, item: LaneItem) -> Option<LaneItem> {
        let waiting = &mut self.0[to][usize::from(vip)];
        let result = if waiting.is_empty() { neighbours[to].lanes.push(vip, item) } else { Err(item) };
        match result {
            Ok(()) => neighbours[to].waker.wake(),
            Err(item @ LaneItem::Inbound(_)) => return Some(item),
            Err(item) => waiting.push_back(item),
        }
        None
    }

    /// Tries again what waited for room.
    fn push(&mut self, neighbours: &[Neighbour]) {
        for (neighbour, waiting) in neighbours.iter().zip(&mut self.0) {
            for (vip, waiting) in [false, true].into_iter().zip(waiting) {
                while let Some(item) = waiting.pop_front() {
                    if let Err(item) = neighbour.lanes.push(vip, item) {
                        waiting.push_front(item);
                        break;
                    }
                    neighbour.waker.wake();
                }
            }
        }
    }
}

fn now_of(time: Time) -> Now {
    Now { unix_ms: time.unix_ms, monotonic_us: time.monotonic_us }
}

/// What the shard is told of an event; nothing of those that are the driver's own.
fn input_of(event: Event<'_>) -> Option<Input<'_>> {
    Some(match event {
        Event::Accepted { connection } => Input::Opened { connection: connection.to_u64() },
        Event::Received { connection, bytes } => Input::Received { connection: connection.to_u64(), bytes },
        Event::Drained { connection } => Input::Drained { connection: connection.to_u64() },
        Event::Closed { connection, .. } => Input::Closed { connection: connection.to_u64() },
        Event::Adopted { connection, token } => Input::Adopted { connection: connection.to_u64(), token },
        Event::HandedOver { connection } => Input::HandedOver { connection: connection.to_u64() },
        // The server connects to nobody over the reactor; writes were taken before.
        Event::Connected { .. } | Event::Written { .. } => return None,
    })
}
