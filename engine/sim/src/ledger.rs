//! What the people know: what they sent, what they were told of it, what they saw. It is compared with the
//! record, which is what SQL has after a recovery.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use store::{
    record::{EventKind, EventRecord, Role},
    sql::Reader,
};

use crate::pool::is_supervisor;

/// What became of something that was sent, as its sender knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// No answer yet.
    Waiting,
    /// Durable under this number.
    Acknowledged(u64),
    /// Not taken, for good.
    Refused(String),
    /// Its sender lost its memory, or said it where it cannot be said again: anything may have become of it.
    Abandoned,
}

#[derive(Clone, Debug)]
struct Sent {
    conversation: String,
    text: String,
    fate: Fate,
}

/// An event as a reader saw it, without what may differ between readers.
#[derive(Clone, Debug, PartialEq)]
struct Seen {
    kind: String,
    from: String,
    id: String,
    content: Value,
}

/// Everything that anybody knows.
#[derive(Debug, Default)]
pub struct Ledger {
    /// By sender and the client's id.
    sent: BTreeMap<(String, String), Sent>,
    /// By conversation and number.
    seen: BTreeMap<(String, u64), Seen>,
    /// By reader and conversation.
    read: BTreeMap<(String, String), BTreeSet<u64>>,
    conversations: BTreeSet<String>,
}

/// Sums over a life.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Messages and notes that were due.
    pub sent: u64,
    /// Of these, known to be durable.
    pub acknowledged: u64,
    /// Of these, known not to have been taken.
    pub refused: u64,
    /// Of these, given up by their senders.
    pub abandoned: u64,
    /// Events that somebody saw.
    pub seen: u64,
}

impl std::ops::AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.sent += other.sent;
        self.acknowledged += other.acknowledged;
        self.refused += other.refused;
        self.abandoned += other.abandoned;
        self.seen += other.seen;
    }
}

impl Ledger {
    /// Somebody sent something for the first time.
    pub fn sent(&mut self, sender: &str, id: &str, conversation: &str, text: &str) {
        let sent = Sent { conversation: conversation.to_owned(), text: text.to_owned(), fate: Fate::Waiting };
        let before = self.sent.insert((sender.to_owned(), id.to_owned()), sent);
        assert!(before.is_none(), "the simulator names each message once");
        self.conversations.insert(conversation.to_owned());
    }

    /// The sender was told something about it.
    pub fn told(&mut self, sender: &str, id: &str, fate: Fate) {
        let sent = self.sent.get_mut(&(sender.to_owned(), id.to_owned()));
        let sent = sent.unwrap_or_else(|| panic!("{sender} was told of {id}, which it never sent"));
        match (&sent.fate, &fate) {
            (Fate::Acknowledged(before), Fate::Acknowledged(now)) => {
                assert_eq!(before, now, "{sender} {id}: acknowledged under two numbers");
            }
            // A copy that was on its way when the first was answered; the first answer stands.
            (Fate::Acknowledged(_), _) | (Fate::Abandoned, Fate::Refused(_)) => {}
            (Fate::Refused(code), Fate::Acknowledged(seq)) => {
                panic!("{sender} {id}: refused for good with {code}, then acknowledged as {seq}")
            }
            _ => sent.fate = fate,
        }
    }

    /// A reader, by its name in the record, saw an event.
    pub fn saw(&mut self, reader: &str, role: Role, conversation: &str, event: &Value) {
        let seq = event["seq"].as_u64().expect("an event has a number");
        let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let mut content = event["content"].clone();
        let why = take_reason(&word(&event["kind"]), &mut content);
        assert!(why.is_none() || is_supervisor(reader), "{reader} is told why: {event}");
        let seen = Seen {
            kind: word(&event["kind"]),
            from: word(&event["from"]["id"]),
            id: word(&event["id"]),
            content,
        };
        assert!(role != Role::Visitor || seen.kind != "note", "{reader} saw a note: {event}");
        let key = (conversation.to_owned(), seq);
        if let Some(other) = self.seen.get(&key) {
            assert_eq!(*other, seen, "{conversation} {seq}: two readers saw different things");
        } else {
            self.seen.insert(key, seen);
        }
        self.conversations.insert(conversation.to_owned());
        self.read.entry((reader.to_owned(), conversation.to_owned())).or_default().insert(seq);
    }

    /// Every conversation that anybody saw something of.
    pub fn conversations(&self) -> impl Iterator<Item = &String> {
        self.conversations.iter()
    }

    /// What nobody was answered yet.
    pub fn waiting(&self) -> impl Iterator<Item = String> {
        let waiting = self.sent.iter().filter(|(_, sent)| sent.fate == Fate::Waiting);
        waiting.map(|((sender, id), sent)| format!("{sender} {id} in {}", sent.conversation))
    }

    /// Sums.
    pub fn counts(&self) -> Counts {
        let mut counts = Counts { seen: self.seen.len() as u64, ..Counts::default() };
        for sent in self.sent.values() {
            counts.sent += 1;
            match sent.fate {
                Fate::Waiting => {}
                Fate::Acknowledged(_) => counts.acknowledged += 1,
                Fate::Refused(_) => counts.refused += 1,
                Fate::Abandoned => counts.abandoned += 1,
            }
        }
        counts
    }

    /// Compares everything with the record: what was seen or acknowledged is there, once, as it was told; every
    /// conversation is numbered from 1 without a gap.
    pub fn check(&self, record: &Reader) {
        let mut stored: BTreeMap<(String, String), (String, u64, String)> = BTreeMap::new();
        for conversation in &self.conversations {
            let events = events(record, conversation);
            for (event, seq) in events.iter().zip(1..) {
                assert_eq!(event.seq, seq, "{conversation}: a gap in the record");
                if let Some(seen) = self.seen.get(&(conversation.clone(), seq)) {
                    assert_eq!(*seen, as_seen(event), "{conversation} {seq}: seen otherwise than recorded");
                }
                if !event.client_id.is_empty() {
                    let key = (event.from_id.clone(), event.client_id.clone());
                    let value = (conversation.clone(), seq, text(event));
                    let before = stored.insert(key, value);
                    assert!(before.is_none(), "{} {} is stored twice", event.from_id, event.client_id);
                }
            }
            let last = events.len() as u64;
            let beyond = self.seen.range((conversation.clone(), last + 1)..=(conversation.clone(), u64::MAX));
            let lost: Vec<_> = beyond.map(|((_, seq), seen)| (seq, seen)).collect();
            assert!(lost.is_empty(), "{conversation}: seen and not in the record: {lost:?}");
        }
        for ((sender, id), sent) in &self.sent {
            let found = stored.get(&(sender.clone(), id.clone()));
            match (&sent.fate, found) {
                (Fate::Acknowledged(seq), found) => {
                    let expected = (sent.conversation.clone(), *seq, sent.text.clone());
                    assert_eq!(found, Some(&expected), "{sender} {id} was acknowledged");
                }
                (Fate::Refused(code), Some(found)) => {
                    panic!("{sender} {id} was refused for good with {code} and is stored: {found:?}")
                }
                _ => {}
            }
        }
    }

    /// Whether a reader who has read all of a conversation has seen everything that it may see.
    pub fn check_complete(&self, record: &Reader, reader: &str, role: Role, conversation: &str) {
        let nothing = BTreeSet::new();
        let key = (reader.to_owned(), conversation.to_owned());
        let read = self.read.get(&key).unwrap_or(&nothing);
        let visible = |event: &EventRecord| role != Role::Visitor || event.kind != EventKind::Note;
        let events = events(record, conversation);
        let expected: BTreeSet<u64> =
            events.iter().filter(|event| visible(event)).map(|event| event.seq).collect();
        let missed: Vec<_> = expected.difference(read).collect();
        assert!(missed.is_empty(), "{reader} never saw {missed:?} of {conversation}");
        let invented: Vec<_> = read.difference(&expected).collect();
        assert!(invented.is_empty(), "{reader} saw {invented:?} of {conversation}");
    }
}

/// All events of a conversation in the record.
fn events(record: &Reader, conversation: &str) -> Vec<EventRecord> {
    let mut events: Vec<EventRecord> = Vec::new();
    loop {
        let after = events.last().map_or(0, |event| event.seq);
        let more = record.events(conversation, after, 1_000, usize::MAX).expect("SQL answers");
        if more.is_empty() {
            return events;
        }
        events.extend(more);
    }
}

fn content(event: &EventRecord) -> Value {
    serde_json::from_str(&event.content).expect("contents are JSON")
}

fn text(event: &EventRecord) -> String {
    content(event)["text"].as_str().unwrap_or_default().to_owned()
}

/// What only supervisors are told.
fn take_reason(kind: &str, content: &mut Value) -> Option<Value> {
    let tells = matches!(kind, "assigned" | "transferred");
    content.as_object_mut().filter(|_| tells)?.remove("why")
}

fn as_seen(event: &EventRecord) -> Seen {
    let kind = match event.kind {
        EventKind::Message => "message",
        EventKind::Assigned => "assigned",
        EventKind::Queue => "queue",
        EventKind::Transferred => "transferred",
        EventKind::Closed => "closed",
        EventKind::Rating => "rating",
        EventKind::Note => "note",
    };
    let mut content = content(event);
    take_reason(kind, &mut content);
    Seen { kind: kind.to_owned(), from: event.from_id.clone(), id: event.client_id.clone(), content }
}
