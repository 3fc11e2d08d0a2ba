//! What a journal is made of.
//!
//! The payload of a journal record is the `rkyv` archive of a [`Record`]: little-endian, unaligned, 32-bit
//! offsets. A change of any field or variant here is a change of the format: it needs a new
//! [`FORMAT_VERSION`](crate::journal::FORMAT_VERSION). A test pins the bytes.
//!
//! Version 2 only added to version 1: a variant of [`Record`], smaller than the largest so that archives keep their
//! shape, and phases. So what version 1 wrote is read as it is.

use rkyv::{Archive, Deserialize, Serialize};

/// One durable fact.
#[derive(Archive, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// Who a conversation is with; before its first event, and again when it changes.
    Conversation(ConversationRecord),
    /// Something happened in a conversation.
    Event(EventRecord),
    /// Which team a conversation is for, where that is not the first one; since version 2.
    Team(TeamRecord),
}

impl Record {
    /// The conversation that it is of.
    pub fn conversation(&self) -> &str {
        match self {
            Self::Conversation(record) => &record.conversation,
            Self::Event(event) => &event.conversation,
            Self::Team(record) => &record.conversation,
        }
    }
}

/// Who a conversation is with.
#[derive(Archive, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct ConversationRecord {
    /// Its id.
    pub conversation: String,
    /// The shop.
    pub site: String,
    /// The visitor's id within the site.
    pub visitor: String,
    /// The visitor's name to show; may be empty.
    pub name: String,
    /// Signed as VIP.
    pub vip: bool,
    /// The page the visitor wrote from; may be empty.
    pub page: String,
    /// When, milliseconds since 1970.
    pub at_ms: u64,
}

impl ConversationRecord {
    /// Of a conversation of which there is an event at that time and no record: the event is kept even so.
    pub fn missing(conversation: &str, at_ms: u64) -> Self {
        Self {
            conversation: conversation.to_owned(),
            site: String::new(),
            visitor: String::new(),
            name: String::new(),
            vip: false,
            page: String::new(),
            at_ms,
        }
    }
}

/// Which team a conversation is for from now on.
#[derive(Archive, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct TeamRecord {
    /// Which conversation.
    pub conversation: String,
    /// The team's name; empty: the first one.
    pub team: String,
    /// When, milliseconds since 1970.
    pub at_ms: u64,
}

// A larger one would change the shape of every record.
const _: () = assert!(size_of::<ArchivedTeamRecord>() <= size_of::<ArchivedEventRecord>());

/// One event of a conversation.
#[derive(Archive, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct EventRecord {
    /// Whose event.
    pub conversation: String,
    /// From 1, without a gap.
    pub seq: u64,
    /// Milliseconds since 1970.
    pub at_ms: u64,
    /// What kind.
    pub kind: EventKind,
    /// Who.
    pub role: Role,
    /// The visitor's id or the agent's name; empty for the system.
    pub from_id: String,
    /// The name to show; may be empty.
    pub from_name: String,
    /// The client's id of a message; else empty.
    pub client_id: String,
    /// A JSON object, as every reader gets it.
    pub content: String,
    /// Who serves the conversation after this event; empty: nobody.
    pub agent: String,
    /// The dialog's phase after this event.
    pub phase: Phase,
}

/// What kind of event; the numbers are the journal's.
#[derive(Archive, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum EventKind {
    /// Something said.
    Message = 1,
    /// An agent has it, or nobody any more.
    Assigned = 2,
    /// It waits, with its place.
    Queue = 3,
    /// From one agent to another.
    Transferred = 4,
    /// It is over.
    Closed = 5,
    /// The visitor's rating.
    Rating = 6,
    /// A private note.
    Note = 7,
}

/// Who did it; the numbers are the journal's.
#[derive(Archive, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Role {
    /// The visitor.
    Visitor = 1,
    /// A human at the desk.
    Agent = 2,
    /// The server.
    System = 3,
}

impl Phase {
    /// Every phase, in the order of their numbers.
    pub const ALL: [Self; 11] = [
        Self::Greeting,
        Self::WaitingUserInput,
        Self::Queued,
        Self::Answered,
        Self::Unanswered,
        Self::Closed,
        Self::WaitingMissed,
        Self::Processing,
        Self::ProcessingMissed,
        Self::LeaveMessage,
        Self::Rating,
    ];

    /// Whether nobody may say anything any more.
    pub const fn is_over(self) -> bool {
        matches!(self, Self::Closed | Self::Rating)
    }
}

/// Where a conversation stands; the numbers are the journal's.
#[derive(Archive, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Phase {
    /// Nothing said yet.
    Greeting = 1,
    /// The visitor may write; nobody is asked for.
    WaitingUserInput = 2,
    /// Waiting for an agent.
    Queued = 3,
    /// With an agent, the visitor's last message answered.
    Answered = 4,
    /// With an agent, the visitor's last message not answered.
    Unanswered = 5,
    /// Over.
    Closed = 6,
    /// As [`Phase::WaitingUserInput`], and the bot did not understand the last words; since version 2, like all below.
    WaitingMissed = 7,
    /// The bot thinks.
    Processing = 8,
    /// The bot thinks, and did not understand the words before.
    ProcessingMissed = 9,
    /// Nobody is there, or had time: what is written is kept for later.
    LeaveMessage = 10,
    /// Over, and the visitor is asked how it was.
    Rating = 11,
}
