//! The place of one person in a thread: who sits there, its connection, and what it may use while it hears or
//! says something. What it says is [`crate::visitor`]'s and [`crate::agent`]'s.

use std::{net::IpAddr, sync::Arc};

use net::ConnectionId;

use crate::{
    agent::Agent,
    ledger::MessageName,
    link::{Heard, Link},
    measure::{Class, Path},
    post::Post,
    schedule::Random,
    shared::{Shared, TimedStep},
    visitor::Visitor,
};

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
    /// Which thread.
    pub thread: usize,
    /// The steps until now.
    pub steps: &'a [Arc<TimedStep>],
    /// What this person is to do, and when.
    pub later: &'a mut Vec<(u64, Due)>,
}

/// The step that something belongs to by the time it was scheduled for.
pub fn step_at(steps: &[Arc<TimedStep>], scheduled_us: u64) -> usize {
    steps.partition_point(|step| step.begin_us <= scheduled_us).saturating_sub(1)
}

impl Context<'_> {
    /// Something for this person to do at `at_us`.
    pub fn later(&mut self, at_us: u64, due: Due) {
        self.later.push((at_us, due));
    }

    /// Something due at `scheduled_us` happened now.
    pub fn record(&self, path: Path, class: Class, scheduled_us: u64) {
        let step = step_at(self.steps, scheduled_us);
        self.shared.measures(self.thread).record(step, path, class, scheduled_us, self.now_us);
    }

    /// Whether this visitor keeps its connection in a step where most others drop theirs.
    pub fn is_bystander(&self, visitor: u32, scheduled_us: u64) -> bool {
        let step = self.steps.get(step_at(self.steps, scheduled_us));
        step.is_some_and(|step| step.step.drop_sessions > 0 && visitor >= step.step.drop_sessions)
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
        let retry_after_ms = retry_after_ms.filter(|_| !self.shared.plan.scenario.gives_up_refused);
        self.shared.ledger.refuse(name, retry_after_ms.is_none());
        match retry_after_ms {
            Some(pause_ms) => self.later(self.now_us + u64::from(pause_ms) * 1_000, Due::Resend(name)),
            None => post.settle(name),
        }
    }
}

/// A visitor or an agent.
#[derive(Debug)]
pub enum Person {
    /// A visitor.
    Visitor(Visitor),
    /// An agent.
    Agent(Box<Agent>),
}

impl Person {
    /// Takes what came.
    pub fn heard(&mut self, heard: Heard<'_>, context: &mut Context<'_>, out: &mut Vec<u8>) {
        match (self, heard) {
            (Self::Visitor(visitor), Heard::Open) => visitor.hello(context, out),
            (Self::Agent(agent), Heard::Open) => agent.hello(context, out),
            (Self::Visitor(visitor), Heard::Message(message)) => visitor.hear(message, context, out),
            (Self::Agent(agent), Heard::Message(message)) => agent.hear(message, context, out),
            (_, Heard::Goodbye(code, reason)) => context.shared.remark(format!("goodbye: {code} {reason}")),
        }
    }

    /// The connection is gone.
    pub fn lost(&mut self) {
        match self {
            Self::Visitor(visitor) => visitor.lost(),
            Self::Agent(agent) => agent.lost(),
        }
    }

    /// Sends an open message again.
    pub fn send(&mut self, name: MessageName, random: &mut Random, out: &mut Vec<u8>) {
        match self {
            Self::Visitor(visitor) => visitor.send(name, random, out),
            Self::Agent(agent) => agent.send(name, random, out),
        }
    }

    /// The visitor of a seat behind the agents'.
    pub fn visitor(&mut self) -> &mut Visitor {
        match self {
            Self::Visitor(visitor) => visitor,
            Self::Agent(_) => unreachable!("agents sit before visitors"),
        }
    }

    /// The agent of one of the first seats.
    pub fn agent(&mut self) -> &mut Agent {
        match self {
            Self::Agent(agent) => agent,
            Self::Visitor(_) => unreachable!("visitors sit behind agents"),
        }
    }
}

/// The place of one person, connected or not.
#[derive(Debug)]
pub struct Seat {
    /// Who sits here.
    pub person: Person,
    /// The connection, from the moment it is begun.
    pub connection: Option<ConnectionId>,
    /// What flows over it, once it is made.
    pub link: Option<Link>,
    /// When the connection was to be made, whatever the number of tries.
    pub connect_us: u64,
    /// Tries since the last connection.
    pub tries: u8,
    /// Connections begun: each has another source address, so that none waits for the ports of the last.
    pub connections: u8,
    /// It dropped its connection on purpose, and comes back at this time.
    pub returns_us: Option<u64>,
}

impl Seat {
    /// An empty place for `person`.
    pub fn new(person: Person) -> Self {
        Self {
            person,
            connection: None,
            link: None,
            connect_us: 0,
            tries: 0,
            connections: 0,
            returns_us: None,
        }
    }
}

/// Where a person may connect from, so that ports suffice: loopback has many addresses.
pub const fn source(visitor: u32, connections: u8, per_source: u32) -> IpAddr {
    let last = 2 + (visitor / per_source) as u8;
    IpAddr::V4(std::net::Ipv4Addr::new(127, 0, 1 + connections % 250, last))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::{SESSIONS_MAX, Step};

    #[test]
    fn what_is_scheduled_belongs_to_the_step_that_had_begun() {
        let step = |begin_us| {
            let step = Step::default();
            Arc::new(TimedStep { step, rate: 0.0, search: false, begin_us, end_us: begin_us + 5 })
        };
        let steps = [step(10), step(20)];
        assert_eq!([0, 9, 10, 15, 19, 20, 99].map(|at_us| step_at(&steps, at_us)), [0, 0, 0, 0, 0, 1, 1]);
        assert_eq!(step_at(&[], 5), 0);
    }

    #[test]
    fn sources_are_loopback_and_change_with_each_connection() {
        assert_eq!(source(0, 0, 10_000).to_string(), "127.0.1.2");
        assert_eq!(source(25_000, 3, 10_000).to_string(), "127.0.4.4");
        const { assert!(SESSIONS_MAX / 10_000 <= 250, "the last part of the address has room") };
    }
}
