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

use net::{CloseReason, ConnectionId, Event, Reactor, SendError, Time};
use store::record::Record;

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
#[derive(Clone)]
pub struct Neighbour {
    /// Its lanes.
    pub lanes: Arc<Lanes>,
    /// Wakes it when it sleeps.
    pub wake: Arc<dyn Fn() + Send + Sync>,
}

/// Why a shard's thread cannot go on, and the process must end.
#[derive(Debug)]
pub enum DriverError {
    /// The reactor cannot take a turn.
    Reactor(std::io::Error),
}

impl fmt::Display for DriverError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reactor(error) => write!(f, "the reactor failed: {error}; restart the server"),
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
    /// Told once, when the journal has failed: from then on the shard acknowledges nothing.
    pub on_journal_failed: Box<dyn FnMut(&JournalError)>,
}

/// A shard's thread, turn by turn.
pub struct Running {
    driver: Driver,
    outputs: Outputs,
    backlog: Backlog,
    is_stopping: bool,
    has_failed: bool,
}

/// What waits for room in another shard's lanes, in order: `[normal, VIP]` for each shard.
struct Backlog(Vec<[VecDeque<LaneItem>; 2]>);

impl Driver {
    /// Runs the shard until it has stopped. `outputs` is what the shard had to say when it was made.
    pub fn run(self, outputs: Outputs) -> Result<(), DriverError> {
        let mut running = Running::begin(self, outputs);
        while running.turn()? {}
        Ok(())
    }
}

impl Running {
    /// Carries out what the shard had to say when it was made.
    pub fn begin(driver: Driver, mut outputs: Outputs) -> Self {
        let backlog = Backlog(driver.neighbours.iter().map(|_| Default::default()).collect());
        let first = std::mem::take(&mut outputs);
        let mut running = Self { driver, outputs: first, backlog, is_stopping: false, has_failed: false };
        running.carry_out();
        running
    }

    /// The shard, to be looked at.
    pub fn shard(&self) -> &Shard {
        &self.driver.shard
    }

    /// One turn; false: the shard has stopped.
    pub fn turn(&mut self) -> Result<bool, DriverError> {
        let time = self.take_events()?;
        self.carry_out();
        self.take_items(time);
        self.carry_out();
        self.flush();
        let Driver { counting, shard, reactor, .. } = &mut self.driver;
        counting.publish(time.monotonic_us, shard, &**reactor);
        Ok(!self.has_stopped())
    }

    /// What the reactor reports.
    fn take_events(&mut self) -> Result<Time, DriverError> {
        let Self { driver, outputs, .. } = self;
        let Driver { index, shard, reactor, journal, neighbours, pool, counting, .. } = driver;
        let own = &neighbours[*index].lanes;
        let wait = Duration::from_millis(if self.backlog.is_empty() { TICK_MS } else { 1 });
        let mut journal_result = Ok(());
        let time = reactor
            .turn(wait, &mut || !own.is_empty() || !pool.dones.is_empty(), &mut |time, event| {
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
        self.check(journal_result);
        Ok(time)
    }

    /// What other shards and the pool say, and what time alone decides.
    fn take_items(&mut self, time: Time) {
        let Self { driver, outputs, backlog, .. } = self;
        let Driver { index, shard, journal, neighbours, pool, .. } = driver;
        shard.begin(now_of(time));
        backlog.push(neighbours);
        neighbours[*index].lanes.drain(limits::LANE_BUDGET, |item| shard.handle(Input::Lane(item), outputs));
        while let Some(done) = pool.dones.pop() {
            shard.handle(Input::Done(done), outputs);
        }
        shard.pressure(journal.is_full(), backlog.len() > limits::BACKLOG_ITEMS_MAX);
        shard.finish(outputs);
    }

    fn flush(&mut self) {
        if !self.has_failed {
            let flushed = self.driver.journal.flush(&mut *self.driver.reactor);
            self.check(flushed);
        }
        if self.driver.stop.load(Ordering::Acquire) && !self.is_stopping {
            self.is_stopping = true;
            self.driver.reactor.stop_listening();
            self.driver.shard.stop();
        }
    }

    fn has_stopped(&self) -> bool {
        let shard = &self.driver.shard;
        self.is_stopping && shard.is_empty() && shard.is_settled() && self.backlog.is_empty()
    }

    /// After a failed write nobody knows what the disk has: the shard says nothing more that would need it.
    fn check(&mut self, result: Result<(), JournalError>) {
        let Err(error) = result else { return };
        if !std::mem::replace(&mut self.has_failed, true) {
            (self.driver.on_journal_failed)(&error);
            self.driver.shard.fail(&mut self.outputs);
            self.carry_out();
        }
    }

    /// Carries out what the shard wants, and what it wants when something of that is refused.
    fn carry_out(&mut self) {
        let mut refused = Vec::new();
        loop {
            for microseconds in self.outputs.ack_us.drain(..) {
                self.driver.counting.durable_ack(microseconds);
            }
            let mut journal_result = Ok(());
            let mut list = std::mem::take(&mut self.outputs.list);
            for output in list.drain(..) {
                let driver = &mut self.driver;
                match output {
                    Output::Send { connection, bytes } => driver.send(connection, &self.outputs.bytes[bytes]),
                    Output::SendShared { connection, frame } => driver.send(connection, &frame),
                    Output::Close { connection } => driver.reactor.close(ConnectionId::from_u64(connection)),
                    Output::HandOver { connection, to, token } => {
                        driver.reactor.hand_over(ConnectionId::from_u64(connection), to, token);
                    }
                    Output::Lane { to, vip, item } => {
                        let full = self.backlog.put(&driver.neighbours, to, vip, item);
                        refused.extend(full.map(Input::LaneFull));
                    }
                    Output::Record { number, record } => {
                        if !self.has_failed && journal_result.is_ok() {
                            journal_result = driver.append(number, &record);
                        }
                    }
                    Output::Job { connection, job } => {
                        let job = driver.with_peer(connection, job);
                        if let Err(job) = driver.pool.jobs.try_send(job) {
                            driver.counting.job_refused();
                            refused.push(Input::JobRefused(job));
                        }
                    }
                }
            }
            // Back to where its memory is used again.
            self.outputs.list = list;
            self.outputs.clear();
            self.check(journal_result);
            if refused.is_empty() {
                return;
            }
            for input in refused.drain(..) {
                self.driver.shard.handle(input, &mut self.outputs);
            }
        }
    }
}

impl Driver {
    fn append(&mut self, number: u64, record: &Record) -> Result<(), JournalError> {
        let appended = self.journal.append(record)?;
        assert_eq!(appended, number, "shard and journal count alike");
        Ok(())
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
            Ok(()) => (neighbours[to].wake)(),
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
                    (neighbour.wake)();
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
