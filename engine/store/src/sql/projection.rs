//! The journal's records into tables, in batches. The only writer of conversations and events.

use std::{
    collections::{BTreeMap, HashMap},
    path::Path,
};

use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};

use super::{SEQ_MAX, SqlError, WRITER_DURABILITY, open_memory, open_writer, rows, search};
use crate::record::{ConversationRecord, EventKind, EventRecord, Phase, Record, TeamRecord};

/// Conversations whose key is remembered; the busy ones of some minutes.
const KEYS_MAX: usize = 64 * 1024;

/// Steps of SQLite's machine between two pauses; one takes a tenth of a microsecond or so.
const STEPS_BETWEEN_PAUSES: std::ffi::c_int = 1_000;

/// Writes what the journal says.
#[derive(Debug)]
pub struct Projection {
    connection: Connection,
    keys: HashMap<String, i64>,
}

impl Projection {
    /// Opens or makes the database.
    pub fn open(path: &Path) -> Result<Self, SqlError> {
        Ok(Self { connection: open_writer(path)?, keys: HashMap::new() })
    }

    /// Opens or makes a database in memory that others may open by the same name.
    pub fn open_shared_memory(name: &str) -> Result<Self, SqlError> {
        Ok(Self { connection: open_memory(name)?, keys: HashMap::new() })
    }

    /// Calls `pause` again and again while it works, a tenth of a millisecond apart or so, so that a thread with more
    /// urgent work for the same core need not wait for a batch.
    pub fn pause_often(&mut self, mut pause: impl FnMut() + Send + 'static) -> Result<(), SqlError> {
        let go_on = move || {
            pause();
            false
        };
        Ok(self.connection.progress_handler(STEPS_BETWEEN_PAUSES, Some(go_on))?)
    }

    /// Before much is applied at once: commits do not wait for the disk, and are kept in the WAL. What is applied
    /// from here on survives power loss only after [`Projection::settle`]; until then the journal must stay.
    pub fn hurry(&mut self) -> Result<(), SqlError> {
        self.connection.execute_batch("PRAGMA synchronous = NORMAL; PRAGMA wal_autocheckpoint = 16384;")?;
        Ok(())
    }

    /// Everything applied so far survives power loss when this returns, and each commit does from here on.
    pub fn settle(&mut self) -> Result<(), SqlError> {
        self.connection.execute_batch(WRITER_DURABILITY)?;
        // A checkpoint syncs the WAL and then the file.
        self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
        Ok(())
    }

    /// The number of the last record of each stream that is in SQL. A stream that is missing has none.
    pub fn progress(&self) -> Result<BTreeMap<u32, u64>, SqlError> {
        rows::progress(&self.connection)
    }

    /// Applies consecutive records of a stream in one transaction and returns the last that is in SQL now.
    /// Records that are in SQL already are passed over; a record that does not follow them is an error, and
    /// nothing is applied.
    pub fn apply(&mut self, stream: u32, batch: &[(u64, Record)]) -> Result<u64, SqlError> {
        let applied = apply(&mut self.connection, &mut self.keys, stream, batch);
        if applied.is_err() || self.keys.len() > KEYS_MAX {
            // After an error it may hold keys that were rolled back.
            self.keys.clear();
        }
        applied
    }

    /// Ends it; errors of the last writes are told, as they are not when it is dropped.
    pub fn close(self) -> Result<(), SqlError> {
        self.connection.close().map_err(|(_, error)| SqlError::Machine(error))
    }

    /// For those who write more than a journal in order; see [`super::repair`].
    pub(super) fn parts(&mut self) -> (&mut Connection, &mut HashMap<String, i64>) {
        // What was rolled back since must not be known.
        self.keys.clear();
        (&mut self.connection, &mut self.keys)
    }
}

fn apply(
    connection: &mut Connection,
    keys: &mut HashMap<String, i64>,
    stream: u32,
    batch: &[(u64, Record)],
) -> Result<u64, SqlError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let mut progress = progress(&transaction, stream)?;
    let first = batch.partition_point(|(number, _)| *number <= progress);
    let records = &batch[first..];
    for (number, _) in records {
        if *number != progress + 1 {
            return Err(SqlError::Missing { stream, needed: progress + 1, given: *number });
        }
        progress = *number;
    }
    if !records.is_empty() {
        let changes = add(&transaction, keys, records.iter().map(|(_, record)| record))?;
        for (key, change) in changes {
            change.write(&transaction, key)?;
        }
        set_progress(&transaction, stream, progress)?;
        transaction.commit()?;
    }
    Ok(progress)
}

/// Adds records, and returns what they make of their conversations.
pub(super) fn add<'a>(
    transaction: &Transaction<'_>,
    keys: &mut HashMap<String, i64>,
    records: impl Iterator<Item = &'a Record>,
) -> Result<BTreeMap<i64, Change>, SqlError> {
    let mut changes = BTreeMap::new();
    for record in records {
        match record {
            Record::Conversation(record) => insert_conversation(transaction, keys, record)?,
            Record::Team(record) => set_team(transaction, record)?,
            Record::Event(event) => {
                let key = key(transaction, keys, event)?;
                add_event(transaction, key, event)?;
                changes.entry(key).or_insert_with(|| Change::new(event.at_ms)).add(event);
            }
        }
    }
    Ok(changes)
}

/// An event, to be found by what it says.
pub(super) fn add_event(
    transaction: &Transaction<'_>,
    conversation: i64,
    event: &EventRecord,
) -> Result<(), SqlError> {
    if insert_event(transaction, conversation, event)? {
        search::index(transaction, rows::event_key(conversation, event.seq), event)?;
    }
    Ok(())
}

pub(super) fn set_progress(transaction: &Transaction<'_>, stream: u32, number: u64) -> Result<(), SqlError> {
    transaction
        .prepare_cached("INSERT OR REPLACE INTO progress (stream, number) VALUES (?1, ?2)")?
        .execute(params![stream, rows::signed(number)])?;
    Ok(())
}

pub(super) fn progress(transaction: &Transaction<'_>, stream: u32) -> Result<u64, SqlError> {
    let number = transaction
        .prepare_cached("SELECT number FROM progress WHERE stream = ?1")?
        .query_row([stream], |row| row.get(0))
        .optional()?;
    Ok(number.map_or(0, rows::unsigned))
}

pub(super) fn insert_conversation(
    transaction: &Transaction<'_>,
    keys: &mut HashMap<String, i64>,
    record: &ConversationRecord,
) -> Result<(), SqlError> {
    let at = rows::signed(record.at_ms);
    // Where two streams know the conversation, because the number of shards has changed, the newer wins.
    let key = transaction
        .prepare_cached(
            "INSERT INTO conversations (id, site, visitor, name, vip, page, record_at,
                 seq, phase, agent, rated, opened_at, last_at, closed_at, last_message)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 0, 1, '', 0, ?7, ?7, NULL, 0)
             ON CONFLICT (id) DO UPDATE SET site = ?2, visitor = ?3, name = ?4, vip = ?5, page = ?6, record_at = ?7
                 WHERE record_at <= ?7
             RETURNING key",
        )?
        .query_row(
            params![
                record.conversation,
                record.site,
                record.visitor,
                record.name,
                record.vip,
                record.page,
                at
            ],
            |row| row.get(0),
        )
        .optional()?;
    if let Some(key) = key {
        keys.insert(record.conversation.clone(), key);
    }
    Ok(())
}

/// The team of a conversation, whose record came before. Where two streams know it, the newer wins.
pub(super) fn set_team(transaction: &Transaction<'_>, record: &TeamRecord) -> Result<(), SqlError> {
    transaction
        .prepare_cached("UPDATE conversations SET team = ?2, team_at = ?3 WHERE id = ?1 AND team_at <= ?3")?
        .execute(params![record.conversation, record.team, rows::signed(record.at_ms)])?;
    Ok(())
}

/// The key of the event's conversation. Its record comes before its first event; were it missing, the event
/// would still be kept.
pub(super) fn key(
    transaction: &Transaction<'_>,
    keys: &mut HashMap<String, i64>,
    event: &EventRecord,
) -> Result<i64, SqlError> {
    if let Some(&key) = keys.get(&event.conversation) {
        return Ok(key);
    }
    let found = transaction
        .prepare_cached("SELECT key FROM conversations WHERE id = ?1")?
        .query_row([&event.conversation], |row| row.get(0))
        .optional()?;
    let Some(key) = found else {
        let unknown = ConversationRecord::missing(&event.conversation, event.at_ms);
        insert_conversation(transaction, keys, &unknown)?;
        return Ok(keys[&event.conversation]);
    };
    keys.insert(event.conversation.clone(), key);
    Ok(key)
}

/// The row alone; false: it was there already.
pub(super) fn insert_event(
    transaction: &Transaction<'_>,
    conversation: i64,
    event: &EventRecord,
) -> Result<bool, SqlError> {
    let taken = || SqlError::Seq { conversation: event.conversation.clone(), seq: event.seq };
    if event.seq > SEQ_MAX {
        return Err(taken());
    }
    let key = rows::event_key(conversation, event.seq);
    let inserted = transaction
        .prepare_cached(
            "INSERT INTO events (key, at, kind, role, from_id, from_name, client_id, content, agent, phase)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) ON CONFLICT (key) DO NOTHING",
        )?
        .execute(params![
            key,
            rows::signed(event.at_ms),
            event.kind as u8,
            event.role as u8,
            event.from_id,
            event.from_name,
            event.client_id,
            event.content,
            event.agent,
            event.phase as u8,
        ])?;
    if inserted == 1 {
        return Ok(true);
    }
    let sql = format!("SELECT {} FROM events WHERE key = ?1", rows::EVENT_COLUMNS);
    let mut statement = transaction.prepare_cached(&sql)?;
    let mut found = statement.query([key])?;
    match found.next()? {
        Some(row) if rows::event(&event.conversation, row)? == *event => Ok(false),
        _ => Err(taken()),
    }
}

/// What a batch's events make of one conversation.
pub(super) struct Change {
    opened_at_ms: u64,
    pub seq: u64,
    pub last_at_ms: u64,
    pub phase: Phase,
    pub agent: String,
    pub rated: bool,
    pub closed_at_ms: Option<u64>,
    pub last_message: u64,
}

impl Change {
    pub(super) fn new(opened_at_ms: u64) -> Self {
        Self {
            opened_at_ms,
            seq: 0,
            last_at_ms: 0,
            phase: Phase::Greeting,
            agent: String::new(),
            rated: false,
            closed_at_ms: None,
            last_message: 0,
        }
    }

    pub(super) fn add(&mut self, event: &EventRecord) {
        self.seq = event.seq;
        self.last_at_ms = event.at_ms;
        self.phase = event.phase;
        self.agent.clone_from(&event.agent);
        match event.kind {
            EventKind::Message => self.last_message = event.seq,
            EventKind::Rating => self.rated = true,
            EventKind::Closed => self.closed_at_ms = Some(event.at_ms),
            EventKind::Assigned | EventKind::Queue | EventKind::Transferred | EventKind::Note => {}
        }
    }

    /// On the right of each `=` is the row as it was. A batch older than the row, as after a change of the
    /// number of shards, does not bring back the past.
    pub(super) fn write(&self, transaction: &Transaction<'_>, key: i64) -> Result<(), SqlError> {
        transaction
            .prepare_cached(
                "UPDATE conversations SET
                     opened_at = min(opened_at, ?2),
                     rated = max(rated, ?3),
                     last_message = max(last_message, ?4),
                     seq = max(seq, ?5),
                     last_at = iif(?5 > seq, ?6, last_at),
                     phase = iif(?5 > seq, ?7, phase),
                     agent = iif(?5 > seq, ?8, agent),
                     closed_at = iif(?5 > seq, iif(?7 IN (6, 11), coalesce(?9, closed_at, ?6), NULL), closed_at)
                 WHERE key = ?1",
            )?
            .execute(params![
                key,
                rows::signed(self.opened_at_ms),
                self.rated,
                rows::signed(self.last_message),
                rows::signed(self.seq),
                rows::signed(self.last_at_ms),
                self.phase as u8,
                self.agent,
                self.closed_at_ms.map(rows::signed),
            ])?;
        Ok(())
    }
}
