//! One thread: a reactor, the visitors and agents of its share, and what is to be done when.
//!
//! What they say and check is [`crate::visitor`]'s and [`crate::agent`]'s; when the phases change is
//! [`crate::scenario`]'s.

use std::{
    cmp::Reverse,
    collections::BinaryHeap,
    io,
    net::{IpAddr, Ipv4Addr},
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use net::{CloseReason, ConnectionId, Event, Port, Reactor, SendError};

use crate::{
    agent::Agent,
    ledger::MessageName,
    link::{self, Heard, Link},
    measure::{Class, Path},
    post::Post,
    schedule::{Arrivals, Random},
    shared::{Phase, Plan, Shared},
    visitor::Visitor,
};

/// Longest sleep: how late a change of phase may be noticed.
const WAIT_US_MAX: u64 = 20_000;
/// From the beginning of the phase to the first word, so that all threads are there.
const BEGIN_AFTER_US: u64 = 200_000;
/// First and longest pause before another try to connect.
const RECONNECT_US: (u64, u64) = (100_000, 2_000_000);
/// How long connections may take to close at the end.
const HANG_UP_US: u64 = 3_000_000;
/// Connections from one source address: the ports that Linux gives away by default, and some to spare.
const CONNECTIONS_PER_SOURCE: u32 = 20_000;
/// Streams of randomness: visitors' schedules have their numbers, threads begin here.
const THREAD_STREAM: u64 = 1 << 40;

/// Something to be done at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Due {
    /// Connect, or try again.
    Connect,
    /// A visitor speaks.
    Speak,
    /// An agent gives an answer.
    Answer(MessageName),
    /// A message that was refused is sent again.
    Resend(MessageName),
}

/// What a visitor or an agent may use while it hears or says something.
pub struct Context<'a> {
    /// What the threads share.
    pub shared: &'a Shared,
    /// The time, microseconds of the reactors' clock.
    pub now_us: u64,
    /// When this connection was to be made.
    pub connect_us: u64,
    /// This thread's randomness.
    pub random: &'a mut Random,
    thread: usize,
    later: &'a mut Vec<(u64, Due)>,
}

impl Context<'_> {
    /// Something for this person to do at `at_us`.
    pub fn later(&mut self, at_us: u64, due: Due) {
        self.later.push((at_us, due));
    }

    /// Something due at `scheduled_us` happened now.
    pub fn record(&self, path: Path, class: Class, scheduled_us: u64) {
        self.shared.measures(self.thread).record(path, class, scheduled_us, self.now_us);
    }

    /// The message of ours that `id` names. Everything acknowledged or refused must be one.
    pub fn own(&self, id: &str) -> Option<MessageName> {
        let name = self.shared.ledger.parse(id);
        if name.is_none() {
            self.note_fault("client", "unknown_id", id);
        }
        name
    }

    /// The server did something wrong.
    pub fn note_fault(&self, who: &str, code: &str, text: &str) {
        self.shared.note_fault(format!("{who}: {code}: {text}"));
    }

    /// A message was refused: it is sent again when the server says so, or never.
    pub fn refused(
        &mut self,
        id: &str,
        code: &str,
        text: &str,
        retry_after_ms: Option<u32>,
        post: &mut Post,
    ) {
        self.shared.remark(format!("refused: {code}"));
        if id.is_empty() {
            return self.note_fault("client", code, text);
        }
        let Some(name) = self.own(id) else { return };
        self.shared.ledger.refuse(name, retry_after_ms.is_none());
        match retry_after_ms {
            Some(pause_ms) => self.later(self.now_us + u64::from(pause_ms) * 1_000, Due::Resend(name)),
            None => post.settle(name),
        }
    }
}

#[derive(Debug)]
enum Person {
    Visitor(Visitor),
    Agent(Agent),
}

impl Person {
    fn heard(&mut self, heard: Heard<'_>, context: &mut Context<'_>, out: &mut Vec<u8>) {
        match (self, heard) {
            (Self::Visitor(visitor), Heard::Open) => visitor.hello(context, out),
            (Self::Agent(agent), Heard::Open) => agent.hello(context, out),
            (Self::Visitor(visitor), Heard::Message(message)) => visitor.hear(message, context, out),
            (Self::Agent(agent), Heard::Message(message)) => agent.hear(message, context, out),
            (_, Heard::Goodbye(code, reason)) => context.shared.remark(format!("goodbye: {code} {reason}")),
        }
    }
}

/// The place of one person, connected or not.
#[derive(Debug)]
struct Seat {
    person: Person,
    connection: Option<ConnectionId>,
    link: Option<Link>,
    /// When the connection was to be made, whatever the number of tries.
    connect_us: u64,
    /// Tries since the last connection.
    tries: u32,
    source: Option<IpAddr>,
    arrivals: Option<Arrivals>,
}

/// What leaves with the next turn.
#[derive(Debug, Default)]
struct Outgoing {
    bytes: Vec<u8>,
    parts: Vec<Part>,
    connects: Vec<u32>,
}

#[derive(Debug)]
struct Part {
    connection: ConnectionId,
    end: usize,
    last: bool,
}

impl Outgoing {
    /// Everything since the last part belongs to `connection`.
    fn finish(&mut self, connection: ConnectionId, last: bool) {
        let begin = self.parts.last().map_or(0, |part| part.end);
        if last || self.bytes.len() > begin {
            self.parts.push(Part { connection, end: self.bytes.len(), last });
        }
    }
}

struct Worker {
    shared: Arc<Shared>,
    thread: usize,
    seats: Vec<Seat>,
    /// Seats of agents; the rest are visitors'.
    agents: usize,
    /// By slot of the connection.
    by_slot: Vec<Option<(ConnectionId, u32)>>,
    timers: BinaryHeap<Reverse<(u64, u32, Due)>>,
    later: Vec<(u64, Due)>,
    outgoing: Outgoing,
    random: Random,
    phase: Phase,
}

/// Runs a thread's share of the plan to its end.
pub fn run(shared: Arc<Shared>, thread: usize, port: Port) -> io::Result<()> {
    let mut reactor = port.open(None)?;
    let mut worker = Worker::new(shared, thread);
    worker.begin_connecting(0..worker.agents, reactor.now().monotonic_us);
    let mut hung_up_us = None;
    loop {
        let now_us = reactor.now().monotonic_us;
        worker.notice_phase(now_us);
        worker.fire_timers(reactor.as_ref());
        worker.flush(reactor.as_mut());
        if worker.phase == Phase::Ending {
            let since_us = *hung_up_us.get_or_insert(now_us);
            if reactor.stats().connections == 0 || now_us - since_us > HANG_UP_US {
                return Ok(());
            }
        }
        let due_us = worker.timers.peek().map_or(u64::MAX, |Reverse((due_us, ..))| *due_us);
        let wait_us = due_us.saturating_sub(reactor.now().monotonic_us).min(WAIT_US_MAX);
        reactor.turn(Duration::from_micros(wait_us), &mut || false, &mut |time, event| {
            worker.handle(event, time.monotonic_us);
        })?;
    }
}

impl Worker {
    fn new(shared: Arc<Shared>, thread: usize) -> Self {
        let (plan, threads) = (&shared.plan, shared.threads());
        let share = |count: usize| (thread..count).step_by(threads);
        let agents =
            share(plan.staff.len()).map(|number| Person::Agent(Agent::new(plan.staff[number].clone())));
        let visitors = share(plan.sessions as usize).map(|number| {
            let token = plan.visitor_tokens.get(number).cloned().unwrap_or_default();
            let number = number as u32;
            Person::Visitor(Visitor::new(number, plan.class(number), token))
        });
        let people: Vec<Person> = agents.chain(visitors).collect();
        let agents = share(plan.staff.len()).count();
        let seats = people.into_iter().enumerate().map(|(index, person)| {
            let number = index.saturating_sub(agents) * threads + thread;
            let source = source(plan, number as u32);
            Seat { person, connection: None, link: None, connect_us: 0, tries: 0, source, arrivals: None }
        });
        let seats = seats.collect();
        let random = Random::new(plan.seed, THREAD_STREAM + thread as u64);
        Self {
            thread,
            seats,
            agents,
            by_slot: Vec::new(),
            timers: BinaryHeap::new(),
            later: Vec::new(),
            outgoing: Outgoing::default(),
            random,
            phase: Phase::Agents,
            shared,
        }
    }

    /// These people connect from now on, evenly at the rate of the plan.
    fn begin_connecting(&mut self, seats: std::ops::Range<usize>, now_us: u64) {
        let rate = f64::from(self.shared.plan.connect_rate) / self.shared.threads() as f64;
        for (nth, seat) in seats.enumerate() {
            let at_us = now_us + (nth as f64 * 1e6 / rate) as u64;
            self.seats[seat].connect_us = at_us;
            self.timers.push(Reverse((at_us, seat as u32, Due::Connect)));
        }
    }

    /// Does what the beginning of a phase asks for; none is skipped.
    fn notice_phase(&mut self, now_us: u64) {
        let current = self.shared.phase();
        while self.phase < current {
            self.phase = self.phase.next();
            match self.phase {
                Phase::Agents | Phase::Draining => {}
                Phase::Visitors => self.begin_connecting(self.agents..self.seats.len(), now_us),
                Phase::Talking => self.begin_talking(now_us),
                Phase::Closing => self.close_conversations(now_us),
                Phase::Ending => self.hang_up(),
            }
        }
    }

    fn begin_talking(&mut self, now_us: u64) {
        let begin_us = self.shared.begin_us(now_us + BEGIN_AFTER_US);
        let plan = &self.shared.plan;
        let end_us = begin_us + plan.seconds * 1_000_000;
        let threads = self.shared.threads();
        for (index, seat) in self.seats.iter_mut().enumerate().skip(self.agents) {
            let visitor = (index - self.agents) * threads + self.thread;
            let random = Random::new(plan.seed, visitor as u64);
            let mut arrivals = Arrivals::new(random, plan.rate, begin_us, end_us);
            if let Some(first_us) = arrivals.next() {
                self.timers.push(Reverse((first_us, index as u32, Due::Speak)));
            }
            seat.arrivals = Some(arrivals);
        }
    }

    fn close_conversations(&mut self, now_us: u64) {
        for index in self.agents..self.seats.len() {
            self.with(index, now_us, |person, context, out| match person {
                Person::Visitor(visitor) => visitor.close(context, out),
                Person::Agent(_) => unreachable!("agents sit before visitors"),
            });
        }
    }

    fn hang_up(&mut self) {
        for seat in &mut self.seats {
            if let (Some(connection), Some(_)) = (seat.connection, &seat.link) {
                link::encode_goodbye(&mut self.outgoing.bytes);
                self.outgoing.finish(connection, true);
            }
        }
    }

    fn fire_timers(&mut self, reactor: &dyn Reactor) {
        let mut now_us = reactor.now().monotonic_us;
        while let Some(Reverse((due_us, seat, due))) = self.timers.peek().copied() {
            if due_us > now_us {
                // Work takes time as well: look again before believing that nothing is due.
                let later_us = reactor.now().monotonic_us;
                if due_us > later_us {
                    return;
                }
                now_us = later_us;
            }
            self.timers.pop();
            self.fire(due_us, now_us, seat as usize, due);
        }
    }

    fn fire(&mut self, due_us: u64, now_us: u64, index: usize, due: Due) {
        if matches!(due, Due::Speak | Due::Answer(_)) {
            self.shared.measures(self.thread).record_lag(due_us, now_us);
        }
        match due {
            Due::Connect => {
                if self.phase < Phase::Closing {
                    self.outgoing.connects.push(index as u32);
                }
            }
            // Told to fall silent before the schedule is over.
            Due::Speak if self.phase > Phase::Talking => {}
            Due::Speak => {
                if let Some(next_us) = self.seats[index].arrivals.as_mut().and_then(Iterator::next) {
                    self.timers.push(Reverse((next_us, index as u32, Due::Speak)));
                }
                self.with(index, now_us, |person, context, out| match person {
                    Person::Visitor(visitor) => visitor.speak(due_us, context, out),
                    Person::Agent(_) => unreachable!("agents only answer"),
                });
            }
            Due::Answer(name) => self.with(index, now_us, |person, context, out| match person {
                Person::Agent(agent) => agent.answer(name, context, out),
                Person::Visitor(_) => unreachable!("visitors only speak"),
            }),
            Due::Resend(name) => self.with(index, now_us, |person, context, out| match person {
                Person::Visitor(visitor) => visitor.send(name, context.random, out),
                Person::Agent(agent) => agent.send(name, context.random, out),
            }),
        }
    }

    /// Lets one person act; what it writes leaves with the next turn.
    fn with(
        &mut self,
        index: usize,
        now_us: u64,
        act: impl FnOnce(&mut Person, &mut Context<'_>, &mut Vec<u8>),
    ) {
        let Self { shared, thread, seats, later, outgoing, random, timers, .. } = self;
        let seat = &mut seats[index];
        let (thread, connect_us) = (*thread, seat.connect_us);
        let mut context = Context { shared, now_us, connect_us, random, thread, later };
        act(&mut seat.person, &mut context, &mut outgoing.bytes);
        if let Some(connection) = seat.connection {
            outgoing.finish(connection, false);
        }
        timers.extend(later.drain(..).map(|(at_us, due)| Reverse((at_us, index as u32, due))));
    }

    fn handle(&mut self, event: Event<'_>, now_us: u64) {
        match event {
            Event::Connected { connection } => self.connected(connection),
            Event::Received { connection, bytes } => self.received(connection, bytes, now_us),
            Event::Closed { connection, reason } => self.closed(connection, reason, now_us),
            Event::Drained { .. } => {}
            Event::Accepted { .. } | Event::Adopted { .. } | Event::HandedOver { .. } => {
                unreachable!("the generator neither listens nor hands over")
            }
            Event::Written { .. } => unreachable!("the generator writes no files"),
        }
    }

    fn seat_of(&self, connection: ConnectionId) -> Option<usize> {
        let place = self.by_slot.get(connection.slot as usize)?.as_ref();
        place.filter(|(owner, _)| *owner == connection).map(|(_, index)| *index as usize)
    }

    fn connected(&mut self, connection: ConnectionId) {
        let Some(index) = self.seat_of(connection) else { return };
        let host = &self.shared.plan.host;
        self.seats[index].link = Some(Link::begin(host, &mut self.random, &mut self.outgoing.bytes));
        self.outgoing.finish(connection, false);
    }

    fn received(&mut self, connection: ConnectionId, bytes: &mut [u8], now_us: u64) {
        let Some(index) = self.seat_of(connection) else { return };
        let Self { shared, thread, seats, later, outgoing, random, timers, .. } = self;
        let Seat { person, link, connect_us, tries, .. } = &mut seats[index];
        let Some(link) = link else { return };
        let (thread, connect_us) = (*thread, *connect_us);
        let mut context = Context { shared, now_us, connect_us, random, thread, later };
        let mut last = false;
        let received = link.receive(bytes, &mut outgoing.bytes, &mut |heard, out| {
            match heard {
                Heard::Open => *tries = 0,
                Heard::Message(_) => {}
                Heard::Goodbye(..) => {
                    link::encode_goodbye(out);
                    last = true;
                }
            }
            person.heard(heard, &mut context, out);
        });
        if let Err(fault) = received {
            shared.note_fault(fault.to_string());
            last = true;
        }
        outgoing.finish(connection, last);
        timers.extend(later.drain(..).map(|(at_us, due)| Reverse((at_us, index as u32, due))));
    }

    fn closed(&mut self, connection: ConnectionId, reason: CloseReason, now_us: u64) {
        let Some(index) = self.seat_of(connection) else { return };
        self.by_slot[connection.slot as usize] = None;
        let seat = &mut self.seats[index];
        seat.connection = None;
        seat.link = None;
        match &mut seat.person {
            Person::Visitor(visitor) => visitor.lost(),
            Person::Agent(agent) => agent.lost(),
        }
        if self.phase < Phase::Closing {
            self.shared.tallies.dropped.fetch_add(1, Relaxed);
            self.shared.remark(format!("closed: {reason:?}"));
            self.reconnect_later(index, now_us);
        }
    }

    fn reconnect_later(&mut self, index: usize, now_us: u64) {
        let seat = &mut self.seats[index];
        if seat.tries == 0 {
            seat.connect_us = now_us;
        }
        let pause_us = (RECONNECT_US.0 << seat.tries.min(8)).min(RECONNECT_US.1);
        seat.tries += 1;
        // Spread, so that those who were cut off together do not all come at once.
        let at_us = now_us + (pause_us as f64 * self.random.unit()) as u64;
        self.timers.push(Reverse((at_us, index as u32, Due::Connect)));
    }

    fn flush(&mut self, reactor: &mut dyn Reactor) {
        let mut begin = 0;
        for part in self.outgoing.parts.drain(..) {
            match reactor.send(part.connection, &self.outgoing.bytes[begin..part.end]) {
                Ok(()) => {}
                // Its `Closed` is on the way.
                Err(SendError::Closed) => {}
                Err(SendError::Full) => {
                    self.shared.note_fault("the server does not read what it is sent".to_owned());
                    reactor.abort(part.connection, CloseReason::SlowReader);
                }
            }
            if part.last {
                reactor.close(part.connection);
            }
            begin = part.end;
        }
        self.outgoing.bytes.clear();
        for index in std::mem::take(&mut self.outgoing.connects) {
            self.connect(index, reactor);
        }
    }

    fn connect(&mut self, index: u32, reactor: &mut dyn Reactor) {
        let seat = &mut self.seats[index as usize];
        match reactor.connect(seat.source, self.shared.plan.address) {
            Ok(connection) => {
                seat.connection = Some(connection);
                let slot = connection.slot as usize;
                if slot >= self.by_slot.len() {
                    self.by_slot.resize(slot + 1, None);
                }
                self.by_slot[slot] = Some((connection, index));
            }
            Err(error) => {
                self.shared.remark(format!("connect: {error}"));
                self.reconnect_later(index as usize, reactor.now().monotonic_us);
            }
        }
    }
}

/// Where a visitor connects from. One address has not ports enough for very many; loopback has more addresses.
fn source(plan: &Plan, visitor: u32) -> Option<IpAddr> {
    let local = plan.address.ip().is_loopback() && plan.address.is_ipv4();
    let more = plan.sessions > CONNECTIONS_PER_SOURCE;
    let last = 2 + (visitor / CONNECTIONS_PER_SOURCE) as u8;
    (local && more).then_some(IpAddr::V4(Ipv4Addr::new(127, 0, 0, last)))
}
