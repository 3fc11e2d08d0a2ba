//! The tables compared with themselves: is all there, and does every row say what its events say? Reads one
//! moment of the database and changes nothing; what a flaw means for people is not known here.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, VecDeque},
    path::{Path, PathBuf},
};

use rusqlite::{Connection, OpenFlags, Rows};
use sha2::{Digest, Sha256};

use super::{
    BUSY, KNOWN_IDS_EVENTS_MAX, KNOWN_IDS_MAX, SEQ_BITS, SqlError, content,
    projection::Change,
    rows::{self, ConversationRow},
    schema,
};
use crate::record::EventRecord;

/// Complaints of SQLite about its own file that are told; one damaged page may cause thousands.
pub const COMPLAINTS_MAX: usize = 20;

/// How far something came: done, and all.
pub type Progress<'a> = &'a mut dyn FnMut(u64, u64);

/// One moment of a database.
#[derive(Debug)]
pub struct Checker {
    connection: Connection,
}

/// What should not be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// Events are missing.
    Gap {
        /// Whose.
        conversation: String,
        /// The first that is missing.
        first: u64,
        /// The last one of that stretch.
        last: u64,
    },
    /// A conversation's row does not say what its events say.
    Row {
        /// Its key.
        key: i64,
        /// Its id.
        conversation: String,
        /// Which columns.
        columns: Vec<&'static str>,
    },
    /// Events whose conversation has no row.
    Orphans {
        /// The key the row would have.
        key: i64,
        /// How many.
        events: u64,
    },
    /// One client's message is there twice.
    Doubled {
        /// Whose.
        conversation: String,
        /// Who said it.
        sender: String,
        /// The client's id of it.
        id: String,
        /// Both numbers.
        seqs: (u64, u64),
    },
    /// A value is none that this program writes.
    Value {
        /// Which table and column.
        column: &'static str,
        /// What it says.
        value: i64,
    },
}

/// How many rows there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Conversations.
    pub conversations: u64,
    /// Events.
    pub events: u64,
    /// Accounts.
    pub accounts: u64,
    /// Settings.
    pub settings: u64,
}

/// What a walk over all events saw.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Walked {
    /// Conversations.
    pub conversations: u64,
    /// Events.
    pub events: u64,
    /// A hash of all of them in the order of their keys, as hexadecimal digits.
    pub sha256: String,
}

impl Checker {
    /// Opens the database as it is now. `is_alone`: no server uses it, so nothing beside it is made either.
    pub fn open(path: &Path, is_alone: bool) -> Result<Self, SqlError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = if is_alone && is_settled(path) {
            // Else SQLite would make `-wal` and `-shm` files, and leave them.
            Connection::open_with_flags(immutable(path), flags | OpenFlags::SQLITE_OPEN_URI)?
        } else {
            Connection::open_with_flags(path, flags)?
        };
        connection.busy_timeout(BUSY)?;
        connection.execute_batch("PRAGMA query_only = ON; PRAGMA cache_size = -8192; BEGIN;")?;
        let _: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
        Ok(Self { connection })
    }

    /// The version of its tables, and the newest that this program knows.
    pub fn version(&self) -> Result<(i64, i64), SqlError> {
        Ok((version(&self.connection)?, version(&model()?)?))
    }

    /// Tables and indexes that a database of this version has and this one has not.
    pub fn missing(&self) -> Result<Vec<String>, SqlError> {
        let there = names(&self.connection)?;
        Ok(names(&model()?)?.difference(&there).cloned().collect())
    }

    /// What SQLite says about its file: pages, tables and indexes. Nothing: it is whole. At most
    /// [`COMPLAINTS_MAX`].
    pub fn integrity(&self) -> Result<Vec<String>, SqlError> {
        let mut statement = self.connection.prepare(&format!("PRAGMA integrity_check({COMPLAINTS_MAX})"))?;
        let rows = statement.query_map([], |row| row.get::<_, String>(0))?;
        let mut told = rows.collect::<Result<Vec<_>, _>>()?;
        told.retain(|line| line != "ok");
        Ok(told)
    }

    /// How many rows name a row of another table that is not there.
    pub fn foreign_keys(&self) -> Result<u64, SqlError> {
        let mut statement = self.connection.prepare("PRAGMA foreign_key_check")?;
        let mut rows = statement.query([])?;
        let mut broken = 0;
        while rows.next()?.is_some() {
            broken += 1;
        }
        Ok(broken)
    }

    /// The number of the last record of each stream that is in SQL.
    pub fn progress(&self) -> Result<BTreeMap<u32, u64>, SqlError> {
        rows::progress(&self.connection)
    }

    /// How many rows there are.
    pub fn counts(&self) -> Result<Counts, SqlError> {
        let count = |table: &str| -> Result<u64, SqlError> {
            let sql = format!("SELECT count(*) FROM {table}");
            Ok(self.connection.query_row(&sql, [], |row| row.get(0)).map(rows::unsigned)?)
        };
        Ok(Counts {
            conversations: count("conversations")?,
            events: count("events")?,
            accounts: count("accounts")?,
            settings: count("settings")?,
        })
    }

    /// Reads every conversation with its events, tells `flaw` what is wrong with them, and makes a hash of
    /// them.
    pub fn walk(&self, flaw: &mut dyn FnMut(Flaw), progress: Progress<'_>) -> Result<Walked, SqlError> {
        walk(&self.connection, flaw, progress)
    }
}

/// A database of this program's version, without a row.
fn model() -> Result<Connection, SqlError> {
    let mut model = Connection::open_in_memory()?;
    schema::migrate(&mut model)?;
    Ok(model)
}

fn version(connection: &Connection) -> Result<i64, SqlError> {
    Ok(connection.pragma_query_value(None, "user_version", |row| row.get(0))?)
}

fn names(connection: &Connection) -> Result<BTreeSet<String>, SqlError> {
    let mut statement = connection.prepare("SELECT type || ' ' || name FROM sqlite_schema")?;
    let rows = statement.query_map([], |row| row.get(0))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Whether all of the database is in its one file.
fn is_settled(path: &Path) -> bool {
    let [log, _] = files_beside(path);
    std::fs::metadata(log).map_or(true, |wal| wal.len() == 0)
}

/// Where SQLite has a database's log, and the log's index, while somebody has it open; both may be absent.
pub fn files_beside(database: &Path) -> [PathBuf; 2] {
    ["-wal", "-shm"].map(|suffix| {
        let mut name = database.as_os_str().to_owned();
        name.push(suffix);
        name.into()
    })
}

fn immutable(path: &Path) -> String {
    let mut uri = "file:".to_owned();
    for byte in path.as_os_str().as_encoded_bytes() {
        match byte {
            b'/' | b'.' | b'-' | b'_' | b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' => uri.push(*byte as char),
            other => uri.push_str(&format!("%{other:02X}")),
        }
    }
    uri + "?immutable=1"
}

/// See [`Checker::walk`]; for those who write, inside their transaction.
pub(super) fn walk(
    connection: &Connection,
    flaw: &mut dyn FnMut(Flaw),
    progress: Progress<'_>,
) -> Result<Walked, SqlError> {
    let all: i64 = connection.query_row("SELECT count(*) FROM conversations", [], |row| row.get(0))?;
    let sql = format!("SELECT {} FROM conversations ORDER BY key", rows::CONVERSATION_COLUMNS);
    let mut statement = connection.prepare(&sql)?;
    let mut conversations = statement.query([])?;
    let sql = format!("SELECT {} FROM events ORDER BY key", rows::EVENT_COLUMNS);
    let mut statement = connection.prepare(&sql)?;
    let mut events = Events::new(statement.query([])?)?;
    let mut walked = Walked::default();
    let mut hash = Sha256::new();
    while let Some(row) = conversations.next()? {
        let key: i64 = row.get(0)?;
        events.pass_orphans(Some(key), &mut walked, flaw)?;
        let row = match rows::conversation(row) {
            Ok(row) => row,
            Err(error) => {
                flaw(value(error)?);
                events.pass(key, &mut walked)?;
                continue;
            }
        };
        content::absorb_conversation(&mut hash, &row);
        let mut story = Story::new(&row);
        while let Some(event) = events.take(key)? {
            walked.events += 1;
            match event {
                Ok(event) => {
                    content::absorb_event(&mut hash, &event);
                    story.add(event, flaw);
                }
                Err((seq, error)) => {
                    flaw(value(error)?);
                    story.pass(seq, flaw);
                    story.is_partial = true;
                }
            }
        }
        story.end(flaw);
        walked.conversations += 1;
        progress(walked.conversations, rows::unsigned(all));
    }
    events.pass_orphans(None, &mut walked, flaw)?;
    walked.sha256 = format!("{:x}", hash.finalize());
    Ok(walked)
}

/// A value that was never written is a flaw; everything else ends the walk.
fn value(error: SqlError) -> Result<Flaw, SqlError> {
    match error {
        SqlError::Damaged { column, value } => Ok(Flaw::Value { column, value }),
        other => Err(other),
    }
}

/// Events in the order of their keys; the next one is known.
struct Events<'a> {
    rows: Rows<'a>,
    next: Option<(i64, u64, Result<EventRecord, SqlError>)>,
}

impl<'a> Events<'a> {
    fn new(rows: Rows<'a>) -> Result<Self, SqlError> {
        let mut events = Self { rows, next: None };
        events.read()?;
        Ok(events)
    }

    fn read(&mut self) -> Result<(), SqlError> {
        self.next = match self.rows.next()? {
            None => None,
            Some(row) => {
                let key: i64 = row.get(0)?;
                // Whose it is, its key says.
                Some((key >> SEQ_BITS, rows::seq_of(key), rows::event("", row)))
            }
        };
        Ok(())
    }

    /// The next event of that conversation; one that cannot be read, by its number.
    #[expect(clippy::type_complexity, reason = "an event, or why not, or none")]
    fn take(&mut self, key: i64) -> Result<Option<Result<EventRecord, (u64, SqlError)>>, SqlError> {
        match self.next.take_if(|(of, ..)| *of == key) {
            None => Ok(None),
            Some((_, seq, event)) => {
                self.read()?;
                Ok(Some(event.map_err(|error| (seq, error))))
            }
        }
    }

    fn pass(&mut self, key: i64, walked: &mut Walked) -> Result<u64, SqlError> {
        let mut passed = 0;
        while self.take(key)?.is_some() {
            passed += 1;
        }
        walked.events += passed;
        Ok(passed)
    }

    /// Events before those of conversation `key` are nobody's; without a key, all are.
    fn pass_orphans(
        &mut self,
        key: Option<i64>,
        walked: &mut Walked,
        flaw: &mut dyn FnMut(Flaw),
    ) -> Result<(), SqlError> {
        while let Some(&(orphan, ..)) = self.next.as_ref()
            && key.is_none_or(|key| orphan < key)
        {
            let events = self.pass(orphan, walked)?;
            flaw(Flaw::Orphans { key: orphan, events });
        }
        Ok(())
    }
}

/// One conversation's events, one after the other.
struct Story<'a> {
    row: &'a ConversationRow,
    change: Change,
    /// The number that the next event should have.
    next: u64,
    /// Not every event could be read: what they say is not all.
    is_partial: bool,
    known: KnownIds,
}

impl<'a> Story<'a> {
    fn new(row: &'a ConversationRow) -> Self {
        let change = Change::new(row.opened_at_ms);
        Self { row, change, next: 1, is_partial: false, known: KnownIds::default() }
    }

    fn add(&mut self, event: EventRecord, flaw: &mut dyn FnMut(Flaw)) {
        self.pass(event.seq, flaw);
        self.change.add(&event);
        if event.client_id.is_empty() {
            return;
        }
        let (sender, id) = (event.from_id, event.client_id);
        if let Some(before) = self.known.add(&sender, &id, event.seq) {
            let conversation = self.id();
            flaw(Flaw::Doubled { conversation, sender, id, seqs: (before, event.seq) });
        }
    }

    fn id(&self) -> String {
        self.row.record.conversation.clone()
    }

    /// There is an event of this number.
    fn pass(&mut self, seq: u64, flaw: &mut dyn FnMut(Flaw)) {
        if seq > self.next {
            self.is_partial = true;
            flaw(Flaw::Gap { conversation: self.id(), first: self.next, last: seq - 1 });
        }
        self.next = seq + 1;
    }

    fn end(mut self, flaw: &mut dyn FnMut(Flaw)) {
        self.pass(self.row.seq.max(self.next - 1) + 1, flaw);
        let columns = if self.is_partial { Vec::new() } else { differing(self.row, &self.change) };
        if !columns.is_empty() {
            flaw(Flaw::Row { key: self.row.key, conversation: self.id(), columns });
        }
    }
}

/// The columns of a row that do not say what its events say.
fn differing(row: &ConversationRow, events: &Change) -> Vec<&'static str> {
    let last_at_ms = if events.seq == 0 { row.opened_at_ms } else { events.last_at_ms };
    let is_closed = events.phase.is_over();
    // Where no event says when it was closed, its row does.
    let closed_at_is_right = match (is_closed, events.closed_at_ms) {
        (false, _) => row.closed_at_ms.is_none(),
        (true, None) => row.closed_at_ms.is_some(),
        (true, said) => row.closed_at_ms == said,
    };
    let columns = [
        ("seq", row.seq == events.seq),
        ("phase", row.phase == events.phase),
        ("agent", row.agent == events.agent),
        ("rated", row.rated == events.rated),
        ("last_at", row.last_at_ms == last_at_ms),
        ("closed_at", closed_at_is_right),
        ("last_message", row.last_message == events.last_message),
    ];
    columns.into_iter().filter(|(_, is_right)| !is_right).map(|(column, _)| column).collect()
}

/// The newest client ids, as a shard knows them: an older one may come again and is a new message.
#[derive(Default)]
struct KnownIds {
    seqs: HashMap<(String, String), u64>,
    order: VecDeque<(String, String)>,
}

impl KnownIds {
    /// The number of the message that had the same id, if that is known still.
    fn add(&mut self, sender: &str, id: &str, seq: u64) -> Option<u64> {
        let known = (sender.to_owned(), id.to_owned());
        if let Some(before) = self.seqs.insert(known.clone(), seq) {
            return (seq - before < KNOWN_IDS_EVENTS_MAX as u64).then_some(before);
        }
        self.order.push_back(known);
        if self.order.len() > KNOWN_IDS_MAX {
            let oldest = self.order.pop_front().expect("it is not empty");
            self.seqs.remove(&oldest);
        }
        None
    }
}

#[cfg(test)]
mod tests;
