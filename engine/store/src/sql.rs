//! What SQL makes of the journal, and what has SQL as its record from the start: accounts, teams, canned
//! replies and settings.
//!
//! One SQLite file, in WAL mode, so that readers never block the one writer nor it them. Everything here
//! blocks on the disk: it is for the pool's threads, never for a shard's.
//!
//! [`Projection`] applies the journal's records and remembers in the same transaction how far it came.
//! [`Reader`] answers questions. [`Accounts`], [`Teams`], [`Replies`] and [`Settings`] have a connection each. A transaction that was
//! committed survives power loss (`synchronous=FULL`): journal segments are reused behind it.

mod accounts;
mod backup;
mod batch;
mod check;
mod content;
mod projection;
mod read;
mod rebuild;
mod repair;
mod replies;
mod rows;
mod schema;
mod search;
mod settings;
mod teams;
mod words;

#[cfg(test)]
mod tests;

use std::{fmt, path::Path, time::Duration};

use rusqlite::{Connection, OpenFlags};

use crate::record::{ConversationRecord, EventRecord, Phase};

pub use accounts::{Account, AccountRole, Accounts};
pub use backup::snapshot;
pub use batch::Batch;
pub use check::{COMPLAINTS_MAX, Checker, Counts, Flaw, Progress, Walked, files_beside};
pub use projection::Projection;
pub use read::{Before, ConversationState, Listed, Reader};
pub use rebuild::{Made, Old, OldRead, Rebuilder, settle};
pub use repair::{LOST_TEXT, Repairer, change_by_hand};
pub use replies::{Replies, StoredReply};
pub use search::{Found, Hit, SearchQuery};
pub use settings::Settings;
pub use teams::{StoredTeam, Teams};
pub use words::{SnippetPart, Terms, said};

/// How many of the newest client ids of a conversation are remembered.
pub const KNOWN_IDS_MAX: usize = 512;

/// How many of the newest events are searched for client ids. Events without one are fewer than messages.
const KNOWN_IDS_EVENTS_MAX: usize = 8 * KNOWN_IDS_MAX;

/// Last number an event may have: it shares 63 bits with its conversation's key.
pub const SEQ_MAX: u64 = (1 << SEQ_BITS) - 1;
const SEQ_BITS: u32 = 24;

const _: () = assert!(KNOWN_IDS_EVENTS_MAX as u64 <= SEQ_MAX);

/// Rows a query returns at most, whatever was asked for.
pub const ROWS_MAX: usize = 1000;

/// How long a writer waits for another one. A batch of the projection takes a second at most, and several on a core
/// that it has to share.
const BUSY: Duration = Duration::from_secs(5);

/// A conversation as SQL has it, with all that a shard needs to go on with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredConversation {
    /// Who it is with.
    pub record: ConversationRecord,
    /// Its last event.
    pub seq: u64,
    /// Where it stands.
    pub phase: Phase,
    /// Who serves it; empty: nobody.
    pub agent: String,
    /// Whether it has a rating.
    pub rated: bool,
    /// When its last event was, milliseconds since 1970.
    pub last_at_ms: u64,
    /// The number of the last message; 0: nothing was said.
    pub last_message: u64,
    /// Which team it is for; empty: the first one.
    pub team: String,
    /// The newest messages with a client id, oldest first: resends are answered from them. At most
    /// [`KNOWN_IDS_MAX`].
    pub known_ids: Vec<KnownMessage>,
}

/// What a client's message became.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownMessage {
    /// The visitor's id or the agent's name.
    pub sender: String,
    /// The client's id of it.
    pub id: String,
    /// Its number in the conversation.
    pub seq: u64,
    /// When it was taken, milliseconds since 1970.
    pub at_ms: u64,
}

/// A conversation in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// Who it is with.
    pub record: ConversationRecord,
    /// Its last event.
    pub seq: u64,
    /// Where it stands.
    pub phase: Phase,
    /// Who serves it; empty: nobody.
    pub agent: String,
    /// Which team it is for; empty: the first one.
    pub team: String,
    /// Whether it has a rating.
    pub rated: bool,
    /// When it began, milliseconds since 1970.
    pub opened_at_ms: u64,
    /// Its last event's time, milliseconds since 1970.
    pub last_at_ms: u64,
    /// When it was closed, milliseconds since 1970; nothing while it is open.
    pub closed_at_ms: Option<u64>,
    /// The last thing said, if anything was.
    pub last_message: Option<EventRecord>,
    /// Where the list goes on after it.
    pub before: Before,
}

/// Why SQL did not do it.
#[derive(Debug)]
pub enum SqlError {
    /// The operator's: the file was written by a newer version of this program.
    Newer {
        /// The file's version.
        found: i64,
        /// The newest this program knows.
        known: i64,
    },
    /// The operator's: records between those in SQL and those given are nowhere. The database was replaced
    /// by an older one, or journal files were removed.
    Missing {
        /// Which stream.
        stream: u32,
        /// The record SQL needs next.
        needed: u64,
        /// The record given.
        given: u64,
    },
    /// The machine's: the disk is full, failing, or the file is locked or damaged.
    Machine(rusqlite::Error),
    /// The machine's: a value is none that this program writes.
    Damaged {
        /// Which table and column.
        column: &'static str,
        /// What it says.
        value: i64,
    },
    /// Ours: an event's number is taken by another event, or passes [`SEQ_MAX`].
    Seq {
        /// Whose event.
        conversation: String,
        /// Its number.
        seq: u64,
    },
}

impl fmt::Display for SqlError {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Newer { found, known } => write!(
                to,
                "the database has version {found}, this program knows {known}: run the version that wrote it, or a newer one"
            ),
            Self::Missing { stream, needed, given } => write!(
                to,
                "records {needed} to {} of journal stream {stream} are neither in the database nor in the journal: \
                 put the newer database or the removed journal files back",
                given.saturating_sub(1)
            ),
            Self::Machine(error) => {
                write!(to, "the database failed: {error}: check the disk's space and the file's owner")
            }
            Self::Damaged { column, value } => {
                write!(to, "the database has {value} in {column}, which was never written: restore a backup")
            }
            Self::Seq { conversation, seq } => write!(
                to,
                "event {seq} of conversation {conversation} is taken by another event: please report this"
            ),
        }
    }
}

impl std::error::Error for SqlError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Machine(error) => Some(error),
            Self::Newer { .. } | Self::Missing { .. } | Self::Damaged { .. } | Self::Seq { .. } => None,
        }
    }
}

impl From<rusqlite::Error> for SqlError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Machine(error)
    }
}

/// How a connection that writes commits: so that it survives power loss, and with a WAL that stays small.
const WRITER_DURABILITY: &str = "PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 4096;";

/// A connection that writes; the file is made if it is missing and brought to this program's version.
fn open_writer(path: &Path) -> Result<Connection, SqlError> {
    let mut connection = Connection::open(path)?;
    connection.busy_timeout(BUSY)?;
    connection.set_prepared_statement_cache_capacity(32);
    // The page cache is as SQLite has it, 2 MB: a larger one made nothing faster, as the kernel has the rest.
    connection.execute_batch(
        "PRAGMA journal_mode = WAL;
         PRAGMA foreign_keys = ON;
         PRAGMA journal_size_limit = 67108864;",
    )?;
    connection.execute_batch(WRITER_DURABILITY)?;
    schema::migrate(&mut connection)?;
    Ok(connection)
}

/// A connection that reads; the file must exist.
fn open_reader(path: &Path) -> Result<Connection, SqlError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY)?;
    connection.set_prepared_statement_cache_capacity(32);
    connection.execute_batch("PRAGMA query_only = ON;")?;
    Ok(connection)
}

/// A connection to a database in memory that all connections of that name in this process share, and that is
/// gone with the last of them: for the simulator. It knows no WAL and no waiting.
fn open_memory(name: &str) -> Result<Connection, SqlError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_CREATE
        | OpenFlags::SQLITE_OPEN_URI
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(format!("file:{name}?mode=memory&cache=shared"), flags)?;
    connection.set_prepared_statement_cache_capacity(32);
    schema::migrate(&mut connection)?;
    Ok(connection)
}
