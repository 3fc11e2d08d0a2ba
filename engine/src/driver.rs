//! One shard's thread: carries what the reactor reports to the shard, and what the shard decides to the
//! reactor, the journal, the lanes and the pool. It decides nothing itself.

mod backlog;
mod complaints;
mod counting;

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use net::{CloseReason, ConnectionId, Event, Reactor, SendError, Time};
use store::record::Record;

use self::backlog::Backlog;
pub use self::counting::Counting;
use crate::{
    journal::{Journal, JournalError},
    lanes::Lanes,
    limits,
    pool::link::ShardEnd,
    shard::{Input, Now, Output, Outputs, Shard, TICK_MS, Urgency},
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
    /// How long it waits then for clients to take what is queued for them, in milliseconds.
    pub drain_ms: u64,
    /// What a send becomes under TLS; kept for its memory.
    pub sealed: Vec<u8>,
    /// Told once, when the journal has failed: from then on the shard acknowledges nothing.
    pub on_journal_failed: Box<dyn FnMut(&JournalError)>,
}

/// A shard's thread, turn by turn.
pub struct Running {
    driver: Driver,
    outputs: Outputs,
    backlog: Backlog,
    /// The time of this turn, microseconds of the clock that does not go back.
    now_us: u64,
    /// When the wait for clients ends, once the process shall end: milliseconds of the clock that does not go back.
    drained_by_ms: Option<u64>,
    /// That time is over, and whoever was left was cut off.
    gave_up: bool,
    has_failed: bool,
}

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
        let backlog = Backlog::new(driver.neighbours.len());
        let first = std::mem::take(&mut outputs);
        let mut running = Self {
            driver,
            outputs: first,
            backlog,
            now_us: 0,
            drained_by_ms: None,
            gave_up: false,
            has_failed: false,
        };
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
        self.now_us = time.monotonic_us;
        self.carry_out();
        self.take_items(time);
        self.report_written()?;
        self.carry_out();
        self.flush();
        self.drain(now_of(time).monotonic_ms());
        let Driver { counting, shard, reactor, .. } = &mut self.driver;
        counting.publish(time.monotonic_us, shard, &**reactor);
        let has_stopped = self.has_stopped();
        if has_stopped {
            self.driver.neighbours[self.driver.index].lanes.close();
        }
        Ok(!has_stopped)
    }

    /// What the reactor reports.
    fn take_events(&mut self) -> Result<Time, DriverError> {
        let Self { driver, outputs, .. } = self;
        let Driver { index, shard, reactor, journal, neighbours, pool, counting, .. } = driver;
        let own = &neighbours[*index].lanes;
        let wait = Duration::from_millis(match () {
            () if shard.has_chores() => 1,
            () if !self.backlog.is_empty() => backlog::retry_ms(neighbours.len()),
            () => TICK_MS,
        });
        let mut heard = Hearing { shard, journal, counting, outputs, journal_result: Ok(()) };
        let ready = &mut || !own.is_empty() || !pool.dones.is_empty();
        let time = reactor.turn(wait, ready, &mut |time, event| heard.event(time, event));
        let journal_result = heard.journal_result;
        self.check(journal_result);
        time.map_err(DriverError::Reactor)
    }

    /// What became durable in this turn is told by what the next one sends, and not a turn later.
    fn report_written(&mut self) -> Result<(), DriverError> {
        let Self { driver, outputs, .. } = self;
        let Driver { shard, reactor, journal, counting, .. } = driver;
        let mut heard = Hearing { shard, journal, counting, outputs, journal_result: Ok(()) };
        let reported = reactor.report_written(&mut |time, event| heard.event(time, event));
        let journal_result = heard.journal_result;
        self.check(journal_result);
        reported.map_err(DriverError::Reactor)
    }

    /// What other shards and the pool say, and what time alone decides.
    fn take_items(&mut self, time: Time) {
        let Self { driver, outputs, backlog, .. } = self;
        let Driver { index, shard, reactor, journal, neighbours, pool, .. } = driver;
        shard.begin(now_of(time));
        let now_us = time.monotonic_us;
        backlog.push(neighbours, now_us, &mut |inbound| shard.handle(Input::LaneFull(inbound), outputs));
        let delay_us = shard.normal_delay_us();
        let own = &neighbours[*index].lanes;
        let is_behind = reactor.stats().senders > limits::SENDERS_MAX;
        let budget = if is_behind { limits::LANE_BUDGET_BEHIND } else { limits::LANE_BUDGET };
        own.drain(budget, delay_us, |item| shard.handle(Input::Lane(item), outputs));
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
    }

    /// Begins to stop when it is time, and cuts off whoever is still there when the wait for them is over.
    fn drain(&mut self, now_ms: u64) {
        let Driver { stop, drain_ms, reactor, shard, index, .. } = &mut self.driver;
        match self.drained_by_ms {
            None if stop.load(Ordering::Acquire) => {
                self.drained_by_ms = Some(now_ms + *drain_ms);
                reactor.stop_listening();
                shard.stop();
            }
            Some(by_ms) if now_ms >= by_ms && !self.gave_up => {
                self.gave_up = true;
                let left = shard.connections();
                if !left.is_empty() {
                    tracing::warn!(
                        shard = *index,
                        connections = left.len(),
                        "cut off: they did not take what was queued for them within --drain-ms"
                    );
                }
                for connection in left {
                    reactor.abort(ConnectionId::from_u64(connection), CloseReason::Ours);
                }
            }
            _ => {}
        }
    }

    fn has_stopped(&self) -> bool {
        let shard = &self.driver.shard;
        let has_told_others = self.backlog.is_empty() || self.gave_up;
        self.drained_by_ms.is_some() && shard.is_empty() && shard.is_settled() && has_told_others
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

    /// Carries out what the shard wants, and what it wants when it hears what became of it.
    fn carry_out(&mut self) {
        let mut answers = Vec::new();
        loop {
            for ack in self.outputs.acks.drain(..) {
                self.driver.counting.durable_ack(ack);
            }
            let mut journal_result = Ok(());
            let mut list = std::mem::take(&mut self.outputs.list);
            for output in list.drain(..) {
                let driver = &mut self.driver;
                match output {
                    Output::Send { connection, bytes, urgency } => {
                        driver.send(connection, &self.outputs.bytes[bytes], urgency);
                    }
                    Output::SendShared { connection, frame, urgency } => {
                        driver.send(connection, &frame, urgency);
                    }
                    Output::Flush { connection } => driver.send(connection, &[], Urgency::Normal),
                    Output::Close { connection } => driver.close(connection),
                    Output::Abort { connection } => {
                        driver.reactor.abort(ConnectionId::from_u64(connection), CloseReason::Ours);
                    }
                    Output::HandOver { connection, to, token } => {
                        driver.reactor.hand_over(ConnectionId::from_u64(connection), to, token);
                    }
                    Output::Lane { to, vip, item } => {
                        let full = self.backlog.put(&driver.neighbours, (to, vip), item, self.now_us);
                        answers.extend(full.map(Input::LaneFull));
                    }
                    Output::Record { number, record } => {
                        if !self.has_failed && journal_result.is_ok() {
                            journal_result = driver.append(number, &record);
                        }
                    }
                    Output::Job(job) => {
                        if let Err(job) = driver.pool.jobs.try_send(job) {
                            driver.counting.job_refused();
                            answers.push(Input::JobRefused(job));
                        }
                    }
                }
            }
            // Back to where its memory is used again.
            self.outputs.list = list;
            self.outputs.clear();
            self.check(journal_result);
            if answers.is_empty() {
                return;
            }
            for input in answers.drain(..) {
                self.driver.shard.handle(input, &mut self.outputs);
            }
        }
    }
}

/// Who hears what the reactor reports.
struct Hearing<'a> {
    shard: &'a mut Shard,
    journal: &'a mut Journal,
    counting: &'a mut Counting,
    outputs: &'a mut Outputs,
    journal_result: Result<(), JournalError>,
}

impl Hearing<'_> {
    fn event(&mut self, time: Time, event: Event<'_>) {
        self.shard.begin(now_of(time));
        if let Event::Written { token, result } = event {
            match self.journal.written(token, result) {
                Ok(up_to) => {
                    self.counting.journal_write(self.journal.last_group());
                    self.shard.handle(Input::Durable { up_to }, self.outputs);
                }
                Err(error) => self.journal_result = Err(error),
            }
        } else if let Some(input) = input_of(event) {
            self.shard.handle(input, self.outputs);
        }
    }
}

impl Driver {
    fn append(&mut self, number: u64, record: &Record) -> Result<(), JournalError> {
        let appended = self.journal.append(record)?;
        assert_eq!(appended, number, "shard and journal count alike");
        Ok(())
    }

    /// What TLS has to say of itself goes, too; of no bytes, only that.
    fn send(&mut self, connection: u64, bytes: &[u8], urgency: Urgency) {
        let Self { shard, reactor, sealed, .. } = self;
        let Some(bytes) = shard.seal(connection, bytes, sealed) else { return self.close(connection) };
        let connection = ConnectionId::from_u64(connection);
        let sent = match urgency {
            Urgency::Later => reactor.send_later(connection, bytes),
            Urgency::Normal | Urgency::Urgent => reactor.send(connection, bytes),
        };
        match sent {
            Ok(()) if urgency == Urgency::Urgent => reactor.hurry(connection),
            // Closed: its `Event::Closed` is on the way, or was there already.
            Ok(()) | Err(SendError::Closed) => {}
            Err(SendError::Full) => {
                self.counting.slow_reader();
                reactor.abort(connection, CloseReason::SlowReader);
            }
        }
    }

    /// Behind what is queued, and behind the end that TLS has for it.
    fn close(&mut self, connection: u64) {
        let Self { shard, reactor, sealed, .. } = self;
        let end = shard.seal_end(connection, sealed);
        let connection = ConnectionId::from_u64(connection);
        match reactor.send(connection, end) {
            // So slow that it would not read the end either: the close itself says enough.
            Ok(()) | Err(SendError::Closed | SendError::Full) => reactor.close(connection),
        }
    }
}

fn now_of(time: Time) -> Now {
    Now { unix_ms: time.unix_ms, monotonic_us: time.monotonic_us }
}

/// What the shard is told of an event; nothing of those that are the driver's own.
fn input_of(event: Event<'_>) -> Option<Input<'_>> {
    Some(match event {
        Event::Accepted { connection, peer } => {
            Input::Opened { connection: connection.to_u64(), peer: peer.map(|peer| peer.ip()) }
        }
        Event::Received { connection, bytes } => Input::Received { connection: connection.to_u64(), bytes },
        Event::Drained { connection } => Input::Drained { connection: connection.to_u64() },
        Event::Closed { connection, .. } => Input::Closed { connection: connection.to_u64() },
        Event::Adopted { connection, token } => Input::Adopted { connection: connection.to_u64(), token },
        Event::HandedOver { connection } => Input::HandedOver { connection: connection.to_u64() },
        // The server connects to nobody over the reactor; writes were taken before.
        Event::Connected { .. } | Event::Written { .. } => return None,
    })
}
