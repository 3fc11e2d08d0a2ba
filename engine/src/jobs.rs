//! What shards ask of the pool, and what the pool tells shards.
//!
//! Both ways are bounded queues (`pool::link`); nothing here does any work. A job names the shard it came
//! from, and its answer goes back there.

use std::{net::IpAddr, sync::Arc};

use bytes::Bytes;
use store::{
    record::EventRecord,
    sql::{Reader, SqlError, StoredConversation},
};

use crate::{
    desk::{board::Board, teams::Teams},
    identity::AgentRole,
    placement,
};

/// Work a shard leaves to the pool.
#[derive(Debug)]
pub enum Job {
    /// A whole HTTP request that is not the shard's own business.
    Http {
        /// Names the request until its last [`Done::HttpBytes`].
        exchange: u64,
        /// Who asks, where the kernel can say.
        peer: Option<IpAddr>,
        /// Head and body.
        request: Box<http::Request<Bytes>>,
    },
    /// The bytes of the last [`Done::HttpBytes`] have left: the next may come.
    HttpTaken {
        /// Which.
        exchange: u64,
    },
    /// The client is gone; the answer is of no use any more.
    HttpGone {
        /// Which.
        exchange: u64,
    },
    /// Whether an agent whose token is good may still come in: the account may have been disabled since.
    CheckAgent {
        /// Whose hello waits for it.
        connection: u64,
        /// The login name.
        name: Arc<str>,
        /// Comes back with the answer: the last event the client has, by conversation.
        resume: Arc<[(String, u64)]>,
    },
    /// A conversation that is not in memory.
    LoadConversation {
        /// Names the question; the answer has it, too.
        request: u64,
        /// Its id.
        conversation: Arc<str>,
    },
    /// The conversation of a visitor that is not over, if there is one, and the last id that the visitor had.
    LoadOpen {
        /// Names the question; the answer has it, too.
        request: u64,
        /// The shop.
        site: String,
        /// The visitor's id there.
        visitor: String,
    },
    /// Events that are not in memory any more.
    LoadEvents {
        /// Names the question; the answer has it, too.
        request: u64,
        /// Whose.
        conversation: Arc<str>,
        /// Events after this one.
        after: u64,
        /// At most so many.
        limit: u32,
        /// No more once their contents have so many bytes.
        bytes_max: usize,
    },
}

/// A visitor's conversations, as far as one who says hello needs them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KnownOfVisitor {
    /// The one that is not over.
    pub open: Option<Box<StoredConversation>>,
    /// The last by id, of those whose ids have [`crate::placement::ID_CHARACTERS`].
    pub last_id: Option<String>,
    /// Who served the visitor last, and when the last word of it was, milliseconds since 1970.
    pub last_agent: Option<(String, u64)>,
}

impl KnownOfVisitor {
    /// Asks SQL.
    pub fn read(reader: &Reader, site: &str, visitor: &str) -> Result<Self, SqlError> {
        Ok(Self {
            open: reader.open_conversation_of(site, visitor)?.map(Box::new),
            last_id: reader.last_id_of(site, visitor, placement::ID_CHARACTERS)?,
            last_agent: reader.last_agent_of(site, visitor)?,
        })
    }
}

/// What the pool tells a shard.
pub enum Done {
    /// A piece of an HTTP response, encoded. Not more than [`HTTP_PIECE_BYTES_MAX`] at once; the next only
    /// after [`Job::HttpTaken`].
    HttpBytes {
        /// Which.
        exchange: u64,
        /// What to send.
        bytes: Bytes,
        /// Whether the response ends with it.
        last: bool,
        /// Whether the connection ends with it, too.
        close: bool,
    },
    /// The answer to [`Job::CheckAgent`].
    AgentChecked {
        /// Whose hello waits for it.
        connection: u64,
        /// The login name.
        name: Arc<str>,
        /// As asked.
        resume: Arc<[(String, u64)]>,
        /// The account's role, or nothing: there is no such account, or it is disabled.
        role: Result<Option<AgentRole>, StoreUnavailable>,
    },
    /// The answer to [`Job::LoadConversation`].
    Conversation {
        /// As asked.
        request: u64,
        /// What is known, or nothing: there is no such conversation. An error was logged by the pool.
        found: Result<Option<Box<StoredConversation>>, StoreUnavailable>,
    },
    /// The answer to [`Job::LoadOpen`].
    Open {
        /// As asked.
        request: u64,
        /// What is known of the visitor.
        found: Result<KnownOfVisitor, StoreUnavailable>,
    },
    /// The answer to [`Job::LoadEvents`]: in order and without a gap.
    Events {
        /// As asked.
        request: u64,
        /// What was found.
        found: Result<Vec<EventRecord>, StoreUnavailable>,
    },
    /// The API wants a conversation's newest events, those that the projection may not have yet.
    Recent {
        /// Whose.
        conversation: Arc<str>,
        /// Whether whoever asks is told why a conversation went to an agent.
        knows_why: bool,
        /// Takes the durable events that are in memory, oldest first, as number and wire JSON; they end with
        /// the newest durable one. What is not among them is in SQL already.
        reply: RecentReply,
    },
    /// The operator had the settings read again: what counts from now on.
    Settings(Box<crate::shard::Settings>),
    /// The API wants the supervisors' board; asked of the desk's shard only.
    Board {
        /// Takes the desk as it is now.
        reply: BoardReply,
    },
    /// An administrator changed the teams.
    Teams(Arc<Teams>),
    /// Every record of this shard's journal up to this number is in SQL.
    Projected {
        /// The last record's number.
        up_to: u64,
    },
}

/// Takes events as number and wire JSON.
pub type RecentReply = Box<dyn FnOnce(Vec<(u64, Arc<[u8]>)>) + Send>;

/// Takes what a supervisor sees of the desk.
pub type BoardReply = Box<dyn FnOnce(Board) + Send>;

/// Largest piece of an HTTP response in flight to one client.
pub const HTTP_PIECE_BYTES_MAX: usize = 64 * 1024;

/// SQL could not be asked: the machine's fault, to be tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoreUnavailable;
