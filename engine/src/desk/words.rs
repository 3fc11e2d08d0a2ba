//! What the desk is told and what it decides: its whole vocabulary.

use std::sync::Arc;

use codec::message::{Estimate, PresenceState};

use super::teams::TeamName;

/// What the desk calls a conversation: its id.
pub type ConversationKey = Arc<str>;
/// What the desk calls an agent: the login name.
pub type AgentName = Arc<str>;

/// A live connection of an agent, or of whoever asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Address {
    /// The shard that has the connection.
    pub shard: u16,
    /// The connection there.
    pub connection: u64,
}

/// A conversation that wants an agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Which.
    pub conversation: ConversationKey,
    /// VIP waits before normal.
    pub vip: bool,
    /// Since when it waits, milliseconds since 1970.
    pub since_ms: u64,
    /// It had an agent and lost it: before those of its class who had none.
    pub at_head: bool,
    /// The seat that it gives up with this: a word that crosses a newer seat changes nothing.
    pub given_up: Option<u64>,
    /// Which team it is for; empty: the first.
    pub team: TeamName,
    /// Who served this visitor last, and when the last word of it was, milliseconds since 1970.
    pub last_agent: Option<(AgentName, u64)>,
    /// Who had it and gave it back, or left it unanswered: somebody else comes first.
    pub declined_by: Option<AgentName>,
}

/// What the desk is told.
#[derive(Clone, Debug, PartialEq)]
pub enum DeskInput {
    /// A conversation wants an agent.
    Enqueue(Wanted),
    /// After a restart: this agent has this conversation, with the seat 0.
    Restore {
        /// Which.
        conversation: ConversationKey,
        /// Who.
        agent: AgentName,
        /// Which team it is for; empty: the first.
        team: TeamName,
    },
    /// The conversation neither waits nor is served any more.
    Leave {
        /// Which.
        conversation: ConversationKey,
    },
    /// An agent connected.
    Arrived {
        /// Who.
        agent: AgentName,
        /// Where.
        address: Address,
    },
    /// An agent's connection is gone.
    Departed {
        /// Who.
        agent: AgentName,
        /// Where.
        address: Address,
    },
    /// An agent says whether to assign.
    Presence {
        /// Who.
        agent: AgentName,
        /// Ready or away.
        state: PresenceState,
        /// Most conversations at once.
        capacity: Option<u16>,
    },
    /// An agent wants another one, or a team, to go on.
    Transfer {
        /// Which.
        conversation: ConversationKey,
        /// Who has it.
        from: AgentName,
        /// Who shall have it.
        to: Target,
        /// Who is told if it cannot be.
        asked_by: Address,
    },
    /// An agent takes what it was not given. Whether it may, the conversation's shard has checked.
    TakeOver {
        /// Which.
        conversation: ConversationKey,
        /// Who shall have it.
        agent: AgentName,
        /// Which team it is for; empty: the first.
        team: TeamName,
        /// Who is told if it cannot be.
        asked_by: Address,
    },
}

/// To whom a conversation is transferred.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// An agent, by name.
    Agent(AgentName),
    /// A team, by name: whoever of it is free next.
    Team(TeamName),
}

/// What the desk decides.
#[derive(Clone, Debug, PartialEq)]
pub enum DeskOutput {
    /// The conversation goes to the agent.
    Assign(Assignment),
    /// The conversation's place in the queue.
    Place {
        /// Which.
        conversation: ConversationKey,
        /// In whose queue.
        team: TeamName,
        /// From 1.
        place: u32,
        /// How many wait.
        waiting: u32,
        /// How long it may last, where enough is known.
        estimate: Option<Estimate>,
    },
    /// No team is open that could take it.
    Closed {
        /// Which.
        conversation: ConversationKey,
        /// When one is, milliseconds since 1970, if it is known.
        opens_at_ms: Option<u64>,
    },
    /// It has waited for as long as its team lets visitors wait.
    TimedOut {
        /// Which.
        conversation: ConversationKey,
    },
    /// It may go to the team: it waits there as soon as its shard says that it has given up the seat.
    GivenToTeam {
        /// Which.
        conversation: ConversationKey,
        /// Who had it.
        from: AgentName,
        /// To whom it goes.
        team: TeamName,
        /// The seat that it has.
        seat: u64,
    },
    /// The agent's lease ended.
    AgentGone {
        /// Which.
        conversation: ConversationKey,
        /// Who is gone.
        agent: AgentName,
        /// The seat that it had there.
        seat: u64,
    },
    /// A transfer or a take-over cannot be.
    Refused {
        /// Of which conversation.
        conversation: ConversationKey,
        /// Who asked.
        asked_by: Address,
        /// Why.
        reason: Refusal,
    },
    /// Something about these agents changed that the others may see.
    PresenceChanged(Arc<[AgentStatus]>),
}

/// A conversation and who has it from now on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assignment {
    /// Which.
    pub conversation: ConversationKey,
    /// Who.
    pub agent: AgentName,
    /// The seat's number: never used twice by one desk.
    pub seat: u64,
    /// For which team.
    pub team: TeamName,
    /// So long the agent has to accept it; nothing: it needs no word.
    pub accept_within_ms: Option<u64>,
    /// Why this agent.
    pub why: Why,
}

/// Why a conversation went to an agent, as a supervisor may read it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Why {
    /// What decided.
    pub rule: Rule,
    /// Conversations that the agent had.
    pub serving: u16,
    /// Most that the agent takes.
    pub capacity: u16,
    /// Agents who could have had it.
    pub candidates: u16,
    /// How long it had waited, in milliseconds.
    pub waited_ms: u64,
}

/// What decided who gets a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// The agent served this visitor last, not long ago.
    LastAgent,
    /// Of those with room, the agent had the least to do.
    LeastLoaded,
    /// Another agent gave it.
    Transferred,
    /// The agent took it.
    TookOver,
}

impl Rule {
    /// The word on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::LastAgent => "last_agent",
            Self::LeastLoaded => "least_loaded",
            Self::Transferred => "transferred",
            Self::TookOver => "took_over",
        }
    }
}

/// Why a transfer or a take-over cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The other agent is not there, or away.
    NotReady,
    /// The agent has as many conversations as the capacity allows.
    Full,
    /// Whoever asked does not have the conversation (any more).
    NotYours,
    /// Whoever asked is the one to have it.
    ToYourself,
    /// There is no such team.
    NoSuchTeam,
    /// The team is closed.
    TeamClosed,
}

/// What others may see of an agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentStatus {
    /// Who.
    pub agent: AgentName,
    /// `None`: gone.
    pub state: Option<PresenceState>,
    /// Most conversations at once.
    pub capacity: u16,
    /// Conversations now.
    pub serving: u16,
}

/// What [`Desk`](super::Desk) counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DeskCounts {
    /// Waiting VIP conversations.
    pub waiting_vip: u64,
    /// Waiting normal conversations.
    pub waiting_normal: u64,
    /// Conversations with an agent.
    pub serving: u64,
    /// Agents who take conversations.
    pub agents_ready: u64,
}

/// The whole desk as it is: for tests and for whoever wants to look at it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seats {
    /// Who waits, by team, the next to be served first.
    pub queue: Vec<WaitingSeat>,
    /// Who is served, and by whom.
    pub served: Vec<ServedSeat>,
    /// The agents.
    pub agents: Vec<AgentSeat>,
}

/// A conversation that waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WaitingSeat {
    /// Which.
    pub conversation: ConversationKey,
    /// In whose queue.
    pub team: TeamName,
    /// Signed as VIP.
    pub vip: bool,
    /// It had an agent and lost it.
    pub at_head: bool,
    /// Since when it waits, milliseconds since 1970.
    pub since_ms: u64,
    /// Who is not given it just now, having given it back.
    pub declined_by: Vec<AgentName>,
}

/// A conversation that is served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServedSeat {
    /// Which.
    pub conversation: ConversationKey,
    /// By whom.
    pub agent: AgentName,
    /// For which team.
    pub team: TeamName,
    /// The seat's number; 0 after a restart.
    pub seat: u64,
    /// How it came there; nothing: before a restart.
    pub rule: Option<Rule>,
}

/// An agent at the desk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentSeat {
    /// Who.
    pub name: AgentName,
    /// Conversations now.
    pub serving: usize,
    /// Most at once.
    pub capacity: usize,
    /// Present and ready.
    pub is_ready: bool,
}
