//! The messages of `ringdesk.v1`: what clients say and what the server answers.
//!
//! Values here are already valid: [`crate::json`] checks every field and limit before it makes one. The
//! table of types, fields and limits is `docs/protocol/websocket.md`.

use std::borrow::Cow;

/// Longest text of one message in bytes.
pub const TEXT_BYTES_MAX: usize = 16 * 1024;
/// Longest client-made message id in bytes.
pub const ID_BYTES_MAX: usize = 64;
/// Longest name of a person, site, team or conversation in bytes.
pub const NAME_BYTES_MAX: usize = 128;
/// Longest URL in bytes.
pub const URL_BYTES_MAX: usize = 2048;
/// Longest token in bytes.
pub const TOKEN_BYTES_MAX: usize = 4096;
/// Longest typing preview in bytes; a longer one is cut, not refused.
pub const PREVIEW_BYTES_MAX: usize = 512;
/// Most conversations an agent may name in a hello to resume them.
pub const RESUMED_CONVERSATIONS_MAX: usize = 256;
/// Most conversations at once that an agent may ask for.
pub const CAPACITY_MAX: u16 = 100;

/// One message from a client.
#[derive(Clone, Debug, PartialEq)]
pub enum ClientMessage<'a> {
    /// Who is there; the first message of a connection, and only the first.
    Hello(Hello<'a>),
    /// Something said.
    Message {
        /// Made by the client, unique per sender and conversation; a resend is answered with the first `seq`.
        id: Cow<'a, str>,
        /// Which conversation; a visitor may leave it out.
        conversation: Option<Cow<'a, str>>,
        /// What was said.
        content: Content<'a>,
    },
    /// An agent's remark that visitors never see.
    Note {
        /// As for `Message`.
        id: Cow<'a, str>,
        /// Which conversation.
        conversation: Cow<'a, str>,
        /// The remark.
        text: Cow<'a, str>,
    },
    /// Somebody is typing; may be shed.
    Typing {
        /// Which conversation; a visitor may leave it out.
        conversation: Option<Cow<'a, str>>,
        /// What is being typed, if the client shares it.
        text: Option<Cow<'a, str>>,
    },
    /// Everything up to `seq` was read.
    Read {
        /// Which conversation; a visitor may leave it out.
        conversation: Option<Cow<'a, str>>,
        /// The last event read.
        seq: u64,
    },
    /// A visitor asks for a human.
    Human,
    /// A visitor rates the conversation.
    Rate {
        /// 1 to 5.
        score: u8,
        /// A remark.
        text: Option<Cow<'a, str>>,
    },
    /// Ends the conversation.
    Close {
        /// Which conversation; a visitor may leave it out.
        conversation: Option<Cow<'a, str>>,
    },
    /// An agent's presence.
    Presence {
        /// Whether conversations may be assigned.
        state: PresenceState,
        /// Most conversations at once; left out, the last one stays.
        capacity: Option<u16>,
    },
    /// An agent gives a conversation to another, or to a team.
    Transfer {
        /// Which conversation.
        conversation: Cow<'a, str>,
        /// To whom.
        to: TransferTarget<'a>,
        /// A remark for whoever gets it, that visitors never see.
        note: Option<Cow<'a, str>>,
    },
    /// An agent will answer what was assigned.
    Accept {
        /// Which conversation.
        conversation: Cow<'a, str>,
    },
    /// An agent gives back what was assigned and not answered.
    Decline {
        /// Which conversation.
        conversation: Cow<'a, str>,
    },
    /// An agent takes what was not assigned.
    TakeOver {
        /// Which conversation.
        conversation: Cow<'a, str>,
    },
    /// A supervisor reads along, or stops it.
    Watch {
        /// Which conversation.
        conversation: Cow<'a, str>,
        /// The last `seq` the client has of it.
        after: u64,
        /// Whether to begin; else to stop.
        begins: bool,
    },
    /// A supervisor's remark to the agent, that visitors never see.
    Whisper {
        /// As for `Message`.
        id: Cow<'a, str>,
        /// Which conversation.
        conversation: Cow<'a, str>,
        /// The remark.
        text: Cow<'a, str>,
    },
}

/// To whom a conversation is given.
#[derive(Clone, Debug, PartialEq)]
pub enum TransferTarget<'a> {
    /// An agent, by name.
    Agent(Cow<'a, str>),
    /// A team, by name.
    Team(Cow<'a, str>),
}

/// The first message of a connection.
#[derive(Clone, Debug, PartialEq)]
pub enum Hello<'a> {
    /// A visitor.
    Visitor {
        /// Which shop; left out, `default`.
        site: Option<Cow<'a, str>>,
        /// A signed identity, or the anonymous one a `welcome` gave before.
        token: Option<Cow<'a, str>>,
        /// The conversation to go on with.
        conversation: Option<Cow<'a, str>>,
        /// The last `seq` the client has of it.
        after: u64,
        /// The page the visitor is on.
        page: Option<Cow<'a, str>>,
        /// The team that the visitor wants, for a new conversation.
        team: Option<Cow<'a, str>>,
    },
    /// An agent.
    Agent {
        /// The token that `POST /api/v1/login` gave.
        token: Cow<'a, str>,
        /// The last `seq` the client has, by conversation; those not named come whole.
        conversations: Vec<(Cow<'a, str>, u64)>,
    },
}

/// What a message says.
#[derive(Clone, Debug, PartialEq)]
pub enum Content<'a> {
    /// Words.
    Text {
        /// At least one character that is not white space.
        text: Cow<'a, str>,
    },
    /// A picture by address.
    Image {
        /// `https:`, `http:` or a path on this server.
        url: Cow<'a, str>,
        /// What to show and read out in its place.
        name: Option<Cow<'a, str>>,
    },
    /// A file by address.
    File {
        /// As for an image.
        url: Cow<'a, str>,
        /// The file's name.
        name: Cow<'a, str>,
        /// Its size in bytes.
        bytes: Option<u64>,
    },
    /// A product or article.
    Card {
        /// Headline.
        title: Cow<'a, str>,
        /// Where it leads.
        url: Option<Cow<'a, str>>,
        /// A line below the headline.
        text: Option<Cow<'a, str>>,
        /// A picture.
        image: Option<Cow<'a, str>>,
    },
    /// An order.
    Order {
        /// The shop's order number.
        number: Cow<'a, str>,
        /// What was ordered, in short.
        title: Option<Cow<'a, str>>,
        /// Amount with currency, as the shop writes it.
        amount: Option<Cow<'a, str>>,
        /// Where it leads.
        url: Option<Cow<'a, str>>,
    },
}

/// Whether an agent takes conversations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PresenceState {
    /// Takes new conversations up to capacity.
    Ready,
    /// Keeps the ones there are, takes no new ones.
    Away,
}

impl PresenceState {
    /// The word on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Away => "away",
        }
    }
}

/// Who said or did something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// The visitor.
    Visitor,
    /// A human at the desk.
    Agent,
    /// The server itself.
    System,
}

impl Role {
    /// The word on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Visitor => "visitor",
            Self::Agent => "agent",
            Self::System => "system",
        }
    }
}

/// What kind of event a conversation has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EventKind {
    /// Something said: content as in [`Content`].
    Message,
    /// An agent has it, content `{"agent":NAME}`, for supervisors with `why`; or nobody any more,
    /// `{"agent":null,"reason":…}`.
    Assigned,
    /// It waits: content `{"place":1,"waiting":3}`.
    Queue,
    /// It went from one agent to another: content `{"from":NAME,"to":NAME}`.
    Transferred,
    /// It is over: content `{"by":"visitor|agent|system"}`.
    Closed,
    /// The visitor's rating: content `{"score":5,"text":…}`.
    Rating,
    /// A private note: content `{"text":…}`; visitors never see it.
    Note,
}

impl EventKind {
    /// Every kind.
    pub const ALL: [Self; 7] = [
        Self::Message,
        Self::Assigned,
        Self::Queue,
        Self::Transferred,
        Self::Closed,
        Self::Rating,
        Self::Note,
    ];

    /// The word on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Message => "message",
            Self::Assigned => "assigned",
            Self::Queue => "queue",
            Self::Transferred => "transferred",
            Self::Closed => "closed",
            Self::Rating => "rating",
            Self::Note => "note",
        }
    }

    /// Whether a visitor may see events of this kind.
    pub const fn visible_to_visitor(self) -> bool {
        !matches!(self, Self::Note)
    }
}

/// Where somebody would stand in a queue, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outlook {
    /// The place, from 1.
    pub place: u32,
    /// How long it may last, where enough is known.
    pub estimate: Option<Estimate>,
}

/// How long somebody will wait, in whole seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Estimate {
    /// The expected time.
    pub likely_s: u64,
    /// In nine of ten cases it is not less.
    pub low_s: u64,
    /// And not more.
    pub high_s: u64,
}

/// One message from the server.
#[derive(Clone, Debug, PartialEq)]
pub enum ServerMessage<'a> {
    /// The answer to a hello.
    Welcome {
        /// The visitor's conversation; left out for agents.
        conversation: Option<Cow<'a, str>>,
        /// Its last durable event; 0 when nothing has been said.
        seq: u64,
        /// The token to come back with.
        token: Option<Cow<'a, str>>,
        /// The server's version.
        version: Cow<'a, str>,
        /// Longest silence of a client that the server bears, and of the server that a client should.
        heartbeat_ms: u32,
    },
    /// A message is durable.
    Ack {
        /// The client's id of it.
        id: Cow<'a, str>,
        /// Its number in the conversation.
        seq: u64,
        /// When it was admitted, milliseconds since 1970.
        at_ms: u64,
    },
    /// A message was not taken; nothing of it remains.
    Refused {
        /// The client's id of it; empty where the client's message had none.
        id: Cow<'a, str>,
        /// Why, in a word.
        code: Cow<'a, str>,
        /// What happened and what to do.
        text: Cow<'a, str>,
        /// When to try again; left out where trying again is no use.
        retry_after_ms: Option<u32>,
        /// Where a conversation that is not begun now would stand, if it were.
        outlook: Option<Outlook>,
    },
    /// Something happened in a conversation.
    Event(Event<'a>),
    /// Somebody is typing.
    Typing {
        /// Where.
        conversation: Cow<'a, str>,
        /// Who.
        role: Role,
        /// What, if shared (agents only).
        text: Option<Cow<'a, str>>,
    },
    /// Somebody has read.
    Read {
        /// Where.
        conversation: Cow<'a, str>,
        /// Who.
        role: Role,
        /// Up to which event.
        seq: u64,
    },
    /// What the server gives up for want of time, told to agents: all that is up to this step.
    Shedding {
        /// `none`, `typing`, `bot`, `conversations` or `messages`.
        step: Cow<'a, str>,
    },
    /// An agent's presence, told to agents.
    Presence {
        /// The agent's name.
        agent: Cow<'a, str>,
        /// `None`: gone.
        state: Option<PresenceState>,
        /// Most conversations at once.
        capacity: u16,
        /// Conversations now.
        serving: u16,
    },
    /// The connection is about to be closed.
    Error {
        /// Why, in a word.
        code: Cow<'a, str>,
        /// What happened and what to do.
        text: Cow<'a, str>,
        /// When to connect again, from now on; absent where the client's own back-off will do.
        retry_after_ms: Option<u32>,
    },
}

/// One event of a conversation.
#[derive(Clone, Debug, PartialEq)]
pub struct Event<'a> {
    /// Which conversation.
    pub conversation: Cow<'a, str>,
    /// Its number there, from 1, without a gap.
    pub seq: u64,
    /// When, milliseconds since 1970.
    pub at_ms: u64,
    /// What kind.
    pub kind: EventKind,
    /// The client's id, for events made of a client's message; else empty.
    pub id: Cow<'a, str>,
    /// Who.
    pub role: Role,
    /// Who, by id: the visitor's id or the agent's name; empty for the system.
    pub from_id: Cow<'a, str>,
    /// Who, by the name to show; may be empty.
    pub from_name: Cow<'a, str>,
    /// A JSON object, as made by [`Content::to_json`] or by the engine for the kinds it makes itself.
    pub content: Cow<'a, str>,
}
