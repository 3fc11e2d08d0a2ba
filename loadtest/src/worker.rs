//! One thread: a reactor, the visitors and agents of its share, and what is to be done when.
//!
//! What they say and check is [`crate::visitor`]'s and [`crate::agent`]'s; who speaks when is
//! [`crate::speech`]'s; when the phases change is [`crate::run`]'s.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, VecDeque},
    io,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use net::{CloseReason, ConnectionId, Event, Port, Reactor, SendError};

use crate::{
    agent::Agent,
    link::{self, Heard, Link},
    schedule::Random,
    seat::{self, Context, Due, Person, Seat},
    share::Share,
    shared::{Phase, Shared, TimedStep},
    speech::Speech,
    visitor::Visitor,
};

/// Longest sleep: how late a change of phase may be noticed.
const WAIT_US_MAX: u64 = 20_000;
/// First and longest pause before another try to connect.
const RECONNECT_US: (u64, u64) = (100_000, 2_000_000);
/// How long connections may take to close at the end.
const HANG_UP_US: u64 = 3_000_000;
/// Connections from one source address. Linux gives 28,000 ports to each by default, and searches long for the
/// second half of them.
const CONNECTIONS_PER_SOURCE: u32 = 10_000;
/// Connections begun, and connections dropped, in one turn: Linux throws away what passes a thousand packets on their
/// way over loopback (`net.core.netdev_max_backlog`), and a lost SYN costs a second.
const CONNECTS_PER_TURN: usize = 64;
/// Streams of randomness: steps have the first ones, threads begin here.
const THREAD_STREAM: u64 = 1 << 60;

/// What leaves with the next turn.
#[derive(Debug, Default)]
struct Outgoing {
    bytes: Vec<u8>,
    parts: Vec<Part>,
    connects: VecDeque<u32>,
    drops: VecDeque<ConnectionId>,
}

#[derive(Debug)]
struct Part {
    connection: ConnectionId,
    end: usize,
    last: bool,
}

impl Outgoing {
    /// More than one turn may begin or drop.
    fn has_more(&self) -> bool {
        !self.connects.is_empty() || !self.drops.is_empty()
    }

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
    share: Share,
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
    steps: Vec<Arc<TimedStep>>,
    /// What visitors say in the step, and what agents say of their own accord.
    visitors_speech: Option<Speech>,
    agents_speech: Option<Speech>,
    /// When the storm of the newest step is due.
    storm_us: Option<u64>,
}

/// Runs a thread's share of the plan to its end.
pub fn run(shared: Arc<Shared>, thread: usize, share: Share, port: Port) -> io::Result<()> {
    let mut reactor = port.open(None)?;
    let mut worker = Worker::new(shared, thread, share);
    let agents = worker.shared.plan.staff.len();
    worker.begin_connecting(0..worker.agents, agents, reactor.now().monotonic_us);
    let mut hung_up_us = None;
    loop {
        let now_us = reactor.now().monotonic_us;
        worker.notice_phase(now_us);
        worker.notice_steps();
        worker.fire_timers(reactor.as_ref());
        worker.flush(reactor.as_mut());
        if worker.phase == Phase::Ending {
            let since_us = *hung_up_us.get_or_insert(now_us);
            if reactor.stats().connections == 0 || now_us - since_us > HANG_UP_US {
                return Ok(());
            }
        }
        worker.pause();
        let wait_us = match worker.outgoing.has_more() {
            true => 0,
            false => worker.due_us().saturating_sub(reactor.now().monotonic_us).min(WAIT_US_MAX),
        };
        reactor.turn(Duration::from_micros(wait_us), &mut || false, &mut |time, event| {
            worker.handle(event, time.monotonic_us);
        })?;
    }
}

impl Worker {
    fn new(shared: Arc<Shared>, thread: usize, share: Share) -> Self {
        let plan = &shared.plan;
        let slow = share.read_every.is_some();
        let agent = |number: &u32| Agent::new(plan.staff[*number as usize].clone(), slow);
        let agents = share.agents.iter().map(|number| Person::Agent(Box::new(agent(number))));
        let visitors = share.visitors.iter().map(|number| {
            let token = plan.visitor_tokens.get(*number as usize).cloned().unwrap_or_default();
            Person::Visitor(Visitor::new(*number, plan.class(*number), token))
        });
        let seats = agents.chain(visitors).map(Seat::new).collect();
        let random = Random::new(plan.seed, THREAD_STREAM + thread as u64);
        Self {
            thread,
            agents: share.agents.len(),
            share,
            seats,
            by_slot: Vec::new(),
            timers: BinaryHeap::new(),
            later: Vec::new(),
            outgoing: Outgoing::default(),
            random,
            phase: Phase::Agents,
            steps: Vec::new(),
            visitors_speech: None,
            agents_speech: None,
            storm_us: None,
            shared,
        }
    }

    /// One who reads slowly does nothing between two looks.
    fn pause(&self) {
        if let Some(pause) = self.share.read_every
            && self.phase == Phase::Talking
        {
            std::thread::sleep(pause);
        }
    }

    /// When something is to be done without anybody's asking.
    fn due_us(&self) -> u64 {
        let timer_us = self.timers.peek().map(|Reverse((due_us, ..))| *due_us);
        let speech_us = |speech: &Option<Speech>| speech.as_ref().and_then(Speech::wake_us);
        let speeches = [speech_us(&self.visitors_speech), speech_us(&self.agents_speech)];
        speeches.into_iter().chain([timer_us, self.storm_us]).flatten().min().unwrap_or(u64::MAX)
    }

    /// These people connect from now on, evenly, and as many as there are on all threads do so at the rate of the plan.
    fn begin_connecting(&mut self, seats: std::ops::Range<usize>, on_all_threads: usize, now_us: u64) {
        let rate = f64::from(self.shared.plan.scenario.connect_per_second);
        let rate = rate * seats.len() as f64 / on_all_threads as f64;
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
                Phase::Agents | Phase::Talking | Phase::Draining => {}
                Phase::Visitors => {
                    let sessions = self.shared.plan.scenario.sessions as usize;
                    self.begin_connecting(self.agents..self.seats.len(), sessions, now_us);
                }
                Phase::Closing => self.close_conversations(now_us),
                Phase::Ending => self.hang_up(),
            }
        }
    }

    /// Prepares what is said in a step that has its time now.
    fn notice_steps(&mut self) {
        if self.shared.steps() == self.steps.len() {
            return;
        }
        self.steps = self.shared.timetable();
        let number = self.steps.len() - 1;
        let (timed, plan, thread) = (&self.steps[number], &self.shared.plan, self.thread);
        let (visitors, agents) = (self.share.visitors.len() as u32, self.share.agents.len() as u32);
        let (sessions, typing) = (plan.scenario.sessions, plan.scenario.typing);
        let speech = Speech::of_visitors(number, timed, plan.seed, thread, visitors, sessions, typing);
        self.visitors_speech = Some(speech);
        let all = plan.staff.len() as u32;
        self.agents_speech = Some(Speech::of_agents(number, timed, plan.seed, thread, agents, all));
        self.storm_us = (timed.step.drop_sessions > 0).then_some(timed.begin_us);
    }

    /// Many visitors drop their connections, to come back.
    fn storm(&mut self, now_us: u64) {
        let Some(step) = self.steps.last() else { return };
        let (dropping, within_us) = (step.step.drop_sessions, step.step.return_within_ms * 1_000);
        for (index, number) in self.share.visitors.iter().enumerate() {
            let seat = &mut self.seats[self.agents + index];
            let Some(connection) = seat.connection.filter(|_| *number < dropping) else { continue };
            seat.returns_us = Some(now_us + (within_us as f64 * self.random.unit()) as u64);
            seat.connect_us = now_us;
            self.outgoing.drops.push_back(connection);
            self.shared.tallies.storm_dropped.fetch_add(1, Relaxed);
        }
    }

    fn close_conversations(&mut self, now_us: u64) {
        if self.shared.plan.scenario.has_queue() {
            // Each that ends would let in one who waits.
            return;
        }
        for index in self.agents..self.seats.len() {
            self.with(index, now_us, |person, context, out| person.visitor().close(context, out));
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
        loop {
            if self.due_us() > now_us {
                // Work takes time as well: look again before believing that nothing is due.
                now_us = reactor.now().monotonic_us;
                if self.due_us() > now_us {
                    return;
                }
            }
            if self.storm_us.take_if(|storm_us| *storm_us <= now_us).is_some() {
                self.storm(now_us);
            }
            self.fire_speeches(now_us);
            while let Some(Reverse((due_us, seat, due))) = self.timers.peek().copied() {
                if due_us > now_us {
                    break;
                }
                self.timers.pop();
                self.fire(due_us, now_us, seat as usize, due);
            }
        }
    }

    /// Takes from the schedules what is due.
    fn fire_speeches(&mut self, now_us: u64) {
        while let Some(word) = self.visitors_speech.as_mut().and_then(|speech| speech.next_by(now_us)) {
            let index = self.agents + word.who as usize;
            if word.typed && self.phase == Phase::Talking {
                self.with(index, now_us, |person, context, out| {
                    person.visitor().type_something(context, out)
                });
            }
            self.timers.push(Reverse((word.due_us, index as u32, Due::Speak)));
        }
        while let Some(word) = self.agents_speech.as_mut().and_then(|speech| speech.next_by(now_us)) {
            let due_us = word.due_us;
            self.with(word.who as usize, now_us, |person, context, _| {
                person.agent().begin_conversation(due_us, context);
            });
        }
    }

    fn fire(&mut self, due_us: u64, now_us: u64, index: usize, due: Due) {
        if matches!(due, Due::Speak | Due::Answer(_)) && self.share.read_every.is_none() {
            let step = seat::step_at(&self.steps, due_us);
            self.shared.measures(self.thread).record_lag(step, due_us, now_us);
        }
        match due {
            Due::Connect => {
                if self.phase < Phase::Closing {
                    self.outgoing.connects.push_back(index as u32);
                }
            }
            // Told to fall silent before the schedule is over.
            Due::Speak if self.phase > Phase::Talking => {}
            Due::Speak => self.with(index, now_us, |person, context, out| {
                person.visitor().speak(due_us, context, out);
            }),
            Due::Answer(name) => self.with(index, now_us, |person, context, out| {
                person.agent().answer(name, context, out);
            }),
            Due::Resend(name) => self.with(index, now_us, |person, context, out| {
                person.send(name, context.random, out);
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
        let Self { shared, thread, seats, later, outgoing, random, timers, steps, .. } = self;
        let seat = &mut seats[index];
        let (thread, connect_us) = (*thread, seat.connect_us);
        let mut context = Context { shared, now_us, connect_us, random, thread, steps, later };
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
        let Self { shared, thread, seats, later, outgoing, random, timers, steps, .. } = self;
        let Seat { person, link, connect_us, tries, .. } = &mut seats[index];
        let Some(link) = link else { return };
        let (thread, connect_us) = (*thread, *connect_us);
        let mut context = Context { shared, now_us, connect_us, random, thread, steps, later };
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
        seat.person.lost();
        if self.phase >= Phase::Closing {
            return;
        }
        if let Some(at_us) = seat.returns_us.take() {
            return self.timers.push(Reverse((at_us.max(now_us), index as u32, Due::Connect)));
        }
        self.shared.tallies.dropped.fetch_add(1, Relaxed);
        self.shared.remark(format!("closed: {reason:?}"));
        self.reconnect_later(index, now_us);
    }

    fn reconnect_later(&mut self, index: usize, now_us: u64) {
        let seat = &mut self.seats[index];
        if seat.tries == 0 {
            seat.connect_us = now_us;
        }
        let pause_us = (RECONNECT_US.0 << seat.tries.min(8)).min(RECONNECT_US.1);
        seat.tries = seat.tries.saturating_add(1);
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
        let drops = self.outgoing.drops.len().min(CONNECTS_PER_TURN);
        for connection in self.outgoing.drops.drain(..drops) {
            reactor.abort(connection, CloseReason::Ours);
        }
        for _ in 0..CONNECTS_PER_TURN {
            let Some(index) = self.outgoing.connects.pop_front() else { break };
            self.connect(index, reactor);
        }
    }

    fn connect(&mut self, index: u32, reactor: &mut dyn Reactor) {
        let address = self.shared.plan.address;
        let seat = &mut self.seats[index as usize];
        let many = address.ip().is_loopback()
            && address.is_ipv4()
            && self.shared.plan.scenario.sessions > CONNECTIONS_PER_SOURCE;
        let visitor = self.share.visitors.get((index as usize).wrapping_sub(self.agents));
        let source = visitor
            .filter(|_| many)
            .map(|visitor| seat::source(*visitor, seat.connections, CONNECTIONS_PER_SOURCE));
        seat.connections = seat.connections.wrapping_add(1);
        match reactor.connect(source, address) {
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
