//! The ledger: what was sent, acknowledged, delivered and refused, message by message, and what that proves.
//!
//! Shared by all threads; a conversation's page has a lock of its own, which is hardly ever contended.
//! Whether numbers came in order is [`crate::order`]'s.

use std::{
    fmt,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicI64, AtomicU64, Ordering::Relaxed},
    },
};

use serde::Serialize;

/// Who says something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    /// The visitor.
    Visitor,
    /// An agent.
    Agent,
}

impl Side {
    const fn letter(self) -> char {
        match self {
            Self::Visitor => 'v',
            Self::Agent => 'a',
        }
    }
}

/// One message of this run: its id on the wire and its place in the ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct MessageName {
    /// Tells this run's messages from those of an earlier one on the same data.
    pub run: u32,
    /// Who says it.
    pub side: Side,
    /// In whose conversation.
    pub visitor: u32,
    /// The how-many-th of its side in its conversation, from 0.
    pub number: u32,
}

impl fmt::Display for MessageName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}{}{}.{}", self.run, self.side.letter(), self.visitor, self.number)
    }
}

impl MessageName {
    /// Reads what [`fmt::Display`] wrote; `None` for anybody else's id.
    pub fn parse(id: &str) -> Option<Self> {
        let (run, rest) = id.split_at_checked(8)?;
        let side = match rest.as_bytes().first()? {
            b'v' => Side::Visitor,
            b'a' => Side::Agent,
            _ => return None,
        };
        let (visitor, number) = rest[1..].split_once('.')?;
        Some(Self {
            run: u32::from_str_radix(run, 16).ok()?,
            side,
            visitor: visitor.parse().ok()?,
            number: number.parse().ok()?,
        })
    }
}

/// What is known of one message.
#[derive(Clone, Copy, Debug)]
struct Entry {
    /// When it was to be sent: every latency counts from here.
    scheduled_us: u64,
    /// Its number in the conversation; 0 until it is known.
    seq: u64,
    acknowledged: bool,
    /// Read by the other side.
    delivered: bool,
    /// Refused for good: nothing more is expected.
    refused: bool,
}

impl Entry {
    /// Nothing more is expected of it; of one that `may_wait` in a queue, only the ack is.
    const fn settled(&self, may_wait: bool) -> bool {
        self.refused || (self.acknowledged && (self.delivered || may_wait))
    }
}

/// One conversation.
#[derive(Debug, Default)]
struct Page {
    conversation: Option<Arc<str>>,
    entries: [Vec<Entry>; 2],
}

/// All conversations of a run.
#[derive(Debug)]
pub struct Ledger {
    run: u32,
    /// Conversations may still wait for an agent at the end.
    may_wait: bool,
    pages: Vec<Mutex<Page>>,
    /// Messages of which something is still expected.
    open: AtomicI64,
    doubled: AtomicU64,
    disordered: AtomicU64,
    tallies: [Tally; 2],
}

#[derive(Debug, Default)]
struct Tally {
    sent: AtomicU64,
    acknowledged: AtomicU64,
    delivered: AtomicU64,
    refused: AtomicU64,
    refusals: AtomicU64,
}

/// How many of one side's messages came how far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Due by now.
    pub sent: u64,
    /// Told to be durable.
    pub acknowledged: u64,
    /// Read by the other side.
    pub delivered: u64,
    /// Refused for good.
    pub refused: u64,
    /// Refusals in all: a message may be refused often and then taken.
    pub refusals: u64,
}

impl Counts {
    /// What came since `before`.
    pub const fn since(&self, before: &Self) -> Self {
        Self {
            sent: self.sent - before.sent,
            acknowledged: self.acknowledged - before.acknowledged,
            delivered: self.delivered - before.delivered,
            refused: self.refused - before.refused,
            refusals: self.refusals - before.refusals,
        }
    }
}

/// What the ledger proves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Outcome {
    /// What visitors said.
    pub visitors: Counts,
    /// What agents said.
    pub agents: Counts,
    /// Acknowledged and never delivered.
    pub lost: u64,
    /// Acknowledged in a conversation that still waits for its first agent, where the scenario wants a queue.
    pub waiting: u64,
    /// Neither acknowledged nor refused.
    pub unanswered: u64,
    /// Stored or delivered twice.
    pub doubled: u64,
    /// Delivered out of order or with a gap.
    pub disordered: u64,
}

impl Outcome {
    /// Whether nothing went wrong.
    pub const fn is_clean(&self) -> bool {
        self.lost == 0 && self.unanswered == 0 && self.doubled == 0 && self.disordered == 0
    }
}

impl Ledger {
    /// An empty page for each of `visitors`. `may_wait`: what was said to a queue that nobody serves is no loss.
    pub fn new(run: u32, visitors: u32, may_wait: bool) -> Self {
        Self {
            run,
            may_wait,
            pages: (0..visitors).map(|_| Mutex::default()).collect(),
            open: AtomicI64::new(0),
            doubled: AtomicU64::new(0),
            disordered: AtomicU64::new(0),
            tallies: [Tally::default(), Tally::default()],
        }
    }

    /// What `id` names, if it is of this run.
    pub fn parse(&self, id: &str) -> Option<MessageName> {
        MessageName::parse(id)
            .filter(|name| name.run == self.run && (name.visitor as usize) < self.pages.len())
    }

    /// The visitor was welcomed to `conversation`. False if it was another one before.
    pub fn begin(&self, visitor: u32, conversation: &str) -> bool {
        let place = &mut self.page(visitor).conversation;
        place.get_or_insert_with(|| conversation.into()).as_ref() == conversation
    }

    /// The conversation that the visitor was welcomed to.
    pub fn conversation(&self, visitor: u32) -> Option<Arc<str>> {
        self.page(visitor).conversation.clone()
    }

    /// A message is due at `scheduled_us`; from now on its fate is followed.
    pub fn send(&self, side: Side, visitor: u32, scheduled_us: u64) -> MessageName {
        let entries = &mut self.page(visitor).entries[side as usize];
        let number = entries.len() as u32;
        let entry = Entry { scheduled_us, seq: 0, acknowledged: false, delivered: false, refused: false };
        entries.push(entry);
        self.tallies[side as usize].sent.fetch_add(1, Relaxed);
        self.open.fetch_add(1, Relaxed);
        MessageName { run: self.run, side, visitor, number }
    }

    /// An ack came. When the message was due, if this is the first.
    pub fn acknowledge(&self, name: MessageName, seq: u64) -> Option<u64> {
        self.update(
            name,
            seq,
            |entry| std::mem::replace(&mut entry.acknowledged, true),
            |tally| &tally.acknowledged,
        )
    }

    /// The other side read it. When the message was due, if this is the first time.
    pub fn deliver(&self, name: MessageName, seq: u64) -> Option<u64> {
        self.update(
            name,
            seq,
            |entry| std::mem::replace(&mut entry.delivered, true),
            |tally| &tally.delivered,
        )
    }

    /// Its own side saw it in the conversation.
    pub fn echo(&self, name: MessageName, seq: u64) {
        self.update(name, seq, |_| true, |tally| &tally.delivered);
    }

    /// It was refused; `for_good` if it is not to be sent again.
    pub fn refuse(&self, name: MessageName, for_good: bool) {
        let tally = &self.tallies[name.side as usize];
        tally.refusals.fetch_add(1, Relaxed);
        let mut page = self.page(name.visitor);
        let Some(entry) = page.entries[name.side as usize].get_mut(name.number as usize) else { return };
        if for_good && !entry.refused {
            let settled = entry.settled(self.may_wait && name.side == Side::Visitor);
            entry.refused = true;
            tally.refused.fetch_add(1, Relaxed);
            self.open.fetch_sub(i64::from(!settled), Relaxed);
        }
    }

    /// Something came twice.
    pub fn note_doubled(&self) {
        self.doubled.fetch_add(1, Relaxed);
    }

    /// Something came out of order, or something before it is missing.
    pub fn note_disordered(&self) {
        self.disordered.fetch_add(1, Relaxed);
    }

    /// How many messages are not yet acknowledged and delivered, or refused.
    pub fn open(&self) -> u64 {
        self.open.load(Relaxed).max(0) as u64
    }

    /// How many came how far until now.
    pub fn counts(&self, side: Side) -> Counts {
        let tally = &self.tallies[side as usize];
        Counts {
            sent: tally.sent.load(Relaxed),
            acknowledged: tally.acknowledged.load(Relaxed),
            delivered: tally.delivered.load(Relaxed),
            refused: tally.refused.load(Relaxed),
            refusals: tally.refusals.load(Relaxed),
        }
    }

    /// What it all comes to.
    pub fn outcome(&self) -> Outcome {
        let mut outcome = Outcome {
            visitors: self.counts(Side::Visitor),
            agents: self.counts(Side::Agent),
            doubled: self.doubled.load(Relaxed),
            disordered: self.disordered.load(Relaxed),
            ..Outcome::default()
        };
        for visitor in 0..self.pages.len() as u32 {
            let page = self.page(visitor);
            let waits = self.may_wait && !page.entries.iter().flatten().any(|entry| entry.delivered);
            for entry in page.entries.iter().flatten() {
                let undelivered = u64::from(entry.acknowledged && !entry.delivered);
                *(if waits { &mut outcome.waiting } else { &mut outcome.lost }) += undelivered;
                outcome.unanswered += u64::from(!entry.acknowledged && !entry.refused);
            }
        }
        outcome
    }

    /// What a stored conversation must have of this run: each acknowledged message with its number there.
    pub fn acknowledged(&self, visitor: u32) -> Vec<(MessageName, u64)> {
        let page = self.page(visitor);
        let mut all = Vec::new();
        for side in [Side::Visitor, Side::Agent] {
            for (number, entry) in page.entries[side as usize].iter().enumerate() {
                if entry.acknowledged {
                    let number = number as u32;
                    all.push((MessageName { run: self.run, side, visitor, number }, entry.seq));
                }
            }
        }
        all
    }

    /// Whether it was refused for good: then it must not be stored.
    pub fn is_refused(&self, name: MessageName) -> bool {
        let page = self.page(name.visitor);
        page.entries[name.side as usize].get(name.number as usize).is_some_and(|entry| entry.refused)
    }

    fn update(
        &self,
        name: MessageName,
        seq: u64,
        known: impl FnOnce(&mut Entry) -> bool,
        tally: impl FnOnce(&Tally) -> &AtomicU64,
    ) -> Option<u64> {
        let mut page = self.page(name.visitor);
        let Some(entry) = page.entries[name.side as usize].get_mut(name.number as usize) else {
            // An id of this run that nobody sent.
            self.note_doubled();
            return None;
        };
        if entry.seq == 0 {
            entry.seq = seq;
        } else if entry.seq != seq {
            // One message with two numbers is two messages.
            self.note_doubled();
        }
        let may_wait = self.may_wait && name.side == Side::Visitor;
        let settled = entry.settled(may_wait);
        if known(entry) {
            return None;
        }
        if entry.settled(may_wait) && !settled {
            self.open.fetch_sub(1, Relaxed);
        }
        tally(&self.tallies[name.side as usize]).fetch_add(1, Relaxed);
        Some(entry.scheduled_us)
    }

    fn page(&self, visitor: u32) -> MutexGuard<'_, Page> {
        self.pages[visitor as usize].lock().expect("no holder of a page panics")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_survives_the_wire() {
        for (side, visitor, number) in [(Side::Visitor, 0, 0), (Side::Agent, u32::MAX, u32::MAX)] {
            let name = MessageName { run: 0xab, side, visitor, number };
            assert_eq!(MessageName::parse(&name.to_string()), Some(name));
            assert!(name.to_string().len() <= codec::message::ID_BYTES_MAX);
        }
        for other in
            ["", "1", "000000abx1.1", "000000abv1", "000000abv1.", "000000gbv1.1", "日本語日本語v1.1"]
        {
            assert_eq!(MessageName::parse(other), None, "{other}");
        }
    }

    #[test]
    fn names_of_another_run_are_nobodys() {
        let ledger = Ledger::new(1, 2, false);
        let name = ledger.send(Side::Visitor, 1, 0);
        assert_eq!(ledger.parse(&name.to_string()), Some(name));
        assert_eq!(ledger.parse(&MessageName { run: 2, ..name }.to_string()), None);
        assert_eq!(ledger.parse(&MessageName { visitor: 2, ..name }.to_string()), None);
    }

    #[test]
    fn what_is_acknowledged_and_delivered_is_settled() {
        let ledger = Ledger::new(1, 1, false);
        let name = ledger.send(Side::Visitor, 0, 70);
        assert_eq!(ledger.open(), 1);
        assert_eq!(ledger.deliver(name, 1), Some(70), "delivery may be seen before the ack");
        assert_eq!(ledger.acknowledge(name, 1), Some(70));
        assert_eq!(ledger.acknowledge(name, 1), None, "a resend is answered again; it is timed once");
        assert_eq!(ledger.open(), 0);
        let outcome = ledger.outcome();
        assert!(outcome.is_clean());
        let counts = Counts { sent: 1, acknowledged: 1, delivered: 1, refused: 0, refusals: 0 };
        assert_eq!(outcome.visitors, counts);
    }

    #[test]
    fn acknowledged_and_never_delivered_is_lost() {
        let ledger = Ledger::new(1, 1, false);
        let name = ledger.send(Side::Agent, 0, 0);
        ledger.acknowledge(name, 1);
        assert_eq!((ledger.outcome().lost, ledger.open()), (1, 1));
        assert!(!ledger.outcome().is_clean());
    }

    #[test]
    fn neither_acknowledged_nor_refused_is_unanswered() {
        let ledger = Ledger::new(1, 1, false);
        let name = ledger.send(Side::Visitor, 0, 0);
        assert_eq!(ledger.outcome().unanswered, 1);
        ledger.refuse(name, false);
        assert_eq!((ledger.outcome().unanswered, ledger.open()), (1, 1));
        ledger.refuse(name, true);
        let outcome = ledger.outcome();
        assert!(outcome.is_clean());
        assert!(ledger.is_refused(name));
        assert_eq!((outcome.visitors.refused, outcome.visitors.refusals, ledger.open()), (1, 2, 0));
    }

    #[test]
    fn what_waits_in_a_queue_is_not_lost_and_what_was_served_may_be() {
        let ledger = Ledger::new(1, 2, true);
        for visitor in 0..2 {
            ledger.acknowledge(ledger.send(Side::Visitor, visitor, 0), 1);
        }
        assert_eq!(ledger.open(), 0, "an ack is all that one in a queue can expect");
        ledger.deliver(MessageName { run: 1, side: Side::Visitor, visitor: 1, number: 0 }, 1);
        let outcome = ledger.outcome();
        assert_eq!((outcome.waiting, outcome.lost, ledger.open()), (1, 0, 0));
        ledger.acknowledge(ledger.send(Side::Visitor, 1, 0), 2);
        assert_eq!(ledger.outcome().lost, 1, "its conversation has an agent");
    }

    #[test]
    fn one_message_with_two_numbers_is_doubled() {
        let ledger = Ledger::new(1, 1, false);
        let name = ledger.send(Side::Visitor, 0, 0);
        ledger.acknowledge(name, 1);
        ledger.echo(name, 2);
        assert_eq!(ledger.outcome().doubled, 1);
    }

    #[test]
    fn what_nobody_sent_is_noticed() {
        let ledger = Ledger::new(1, 1, false);
        ledger.deliver(MessageName { run: 1, side: Side::Agent, visitor: 0, number: 3 }, 1);
        assert!(!ledger.outcome().is_clean());
    }

    #[test]
    fn a_visitor_keeps_its_conversation() {
        let ledger = Ledger::new(1, 1, false);
        assert!(ledger.begin(0, "a") && ledger.begin(0, "a") && !ledger.begin(0, "b"));
        assert_eq!(ledger.conversation(0).as_deref(), Some("a"));
    }
}
