//! Mends the database in place. Nothing here removes or changes what anybody said.
//!
//! [`Repairer`] writes again what follows from other rows. [`Projection::apply_salvaged`] takes in what was
//! left of a damaged stretch of the journal, and says in its place that something is lost.

use std::{collections::BTreeSet, path::Path};

use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};

use super::{
    Flaw, SEQ_MAX, SqlError, check, open_writer,
    projection::{self, Change, Projection},
    rows,
};
use crate::record::{EventKind, EventRecord, Phase, Record, Role};

/// What an agent reads in place of an event that is lost. Visitors see no notes.
pub const LOST_TEXT: &str =
    "这里有一条消息因磁盘损坏而丢失。 One event was lost here: the journal on the server's disk was damaged.";

/// Writes again what follows from other rows.
#[derive(Debug)]
pub struct Repairer {
    connection: Connection,
}

impl Repairer {
    /// Opens the database. No server may use it.
    pub fn open(path: &Path) -> Result<Self, SqlError> {
        Ok(Self { connection: open_writer(path)? })
    }

    /// Makes all indexes anew from their tables.
    pub fn reindex(&mut self) -> Result<(), SqlError> {
        Ok(self.connection.execute_batch("REINDEX")?)
    }

    /// Writes every conversation's row as its events say, where they are complete; returns how many were
    /// wrong.
    pub fn rewrite_rows(&mut self, progress: check::Progress<'_>) -> Result<u64, SqlError> {
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let rewritten = rewrite_rows(&transaction, progress)?;
        transaction.commit()?;
        Ok(rewritten)
    }
}

/// Inside somebody's transaction; see [`Repairer::rewrite_rows`].
pub(super) fn rewrite_rows(
    transaction: &Transaction<'_>,
    progress: check::Progress<'_>,
) -> Result<u64, SqlError> {
    let mut wrong = Vec::new();
    let mut flaw = |flaw| {
        if let Flaw::Row { key, .. } = flaw {
            wrong.push(key);
        }
    };
    check::walk(transaction, &mut flaw, progress)?;
    for &key in &wrong {
        rewrite(transaction, key)?;
    }
    Ok(wrong.len() as u64)
}

fn rewrite(transaction: &Transaction<'_>, key: i64) -> Result<(), SqlError> {
    let mut change = Change::new(0);
    let mut first_closed_at_ms = None;
    for event in events(transaction, key)? {
        change.add(&event);
        let closed = first_closed_at_ms.or(Some(event.at_ms));
        first_closed_at_ms = closed.filter(|_| event.phase.is_over());
    }
    let closed_at_ms = change.closed_at_ms.or(first_closed_at_ms).filter(|_| change.phase.is_over());
    transaction
        .prepare_cached(
            "UPDATE conversations SET seq = ?2, phase = ?3, agent = ?4, rated = ?5,
                 last_at = iif(?2 = 0, opened_at, ?6), closed_at = ?7, last_message = ?8
             WHERE key = ?1",
        )?
        .execute(params![
            key,
            rows::signed(change.seq),
            change.phase as u8,
            change.agent,
            change.rated,
            rows::signed(change.last_at_ms),
            closed_at_ms.map(rows::signed),
            rows::signed(change.last_message),
        ])?;
    Ok(())
}

/// All events of a conversation, without its id.
fn events(transaction: &Transaction<'_>, key: i64) -> Result<Vec<EventRecord>, SqlError> {
    let sql = format!("SELECT {} FROM events WHERE key > ?1 AND key <= ?2 ORDER BY key", rows::EVENT_COLUMNS);
    let mut statement = transaction.prepare_cached(&sql)?;
    let mut found = statement.query([rows::event_key(key, 0), rows::event_key(key, SEQ_MAX)])?;
    let mut events = Vec::new();
    while let Some(row) = found.next()? {
        events.push(rows::event("", row)?);
    }
    Ok(events)
}

impl Projection {
    /// Applies what was salvaged of a stream, up to its record `up_to`, whatever numbers are missing, and
    /// puts a note where a conversation lacks an event. All or nothing; returns how many notes.
    pub fn apply_salvaged(
        &mut self,
        stream: u32,
        salvaged: &[(u64, Record)],
        up_to: u64,
    ) -> Result<u64, SqlError> {
        let (connection, keys) = self.parts();
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let progress = projection::progress(&transaction, stream)?;
        let missing = salvaged.iter().filter(|(number, _)| (progress + 1..=up_to).contains(number));
        let changes = projection::add(&transaction, keys, missing.map(|(_, record)| record))?;
        for (&key, change) in &changes {
            change.write(&transaction, key)?;
        }
        let notes = fill_gaps(&transaction, changes.into_keys().collect())?;
        projection::set_progress(&transaction, stream, progress.max(up_to))?;
        transaction.commit()?;
        Ok(notes)
    }
}

/// A note for every event that these conversations lack; returns how many.
pub(super) fn fill_gaps(
    transaction: &Transaction<'_>,
    conversations: BTreeSet<i64>,
) -> Result<u64, SqlError> {
    let mut notes = 0;
    for key in conversations {
        let (conversation, seq) = transaction
            .prepare_cached("SELECT id, seq FROM conversations WHERE key = ?1")?
            .query_row([key], |row| Ok((row.get::<_, String>(0)?, rows::unsigned(row.get(1)?))))
            .optional()?
            .expect("its events were just read or written");
        let mut before = note(&conversation);
        let mut events = events(transaction, key)?.into_iter().peekable();
        for seq in 1..=seq {
            match events.next_if(|event| event.seq == seq) {
                Some(event) => before = EventRecord { conversation: conversation.clone(), ..event },
                None => {
                    let next_at_ms = events.peek().map(|event| event.at_ms);
                    let EventRecord { phase, agent, at_ms, .. } = before;
                    let at_ms = if seq == 1 { next_at_ms.unwrap_or(at_ms) } else { at_ms };
                    before = EventRecord { seq, at_ms, phase, agent, ..note(&conversation) };
                    projection::add_event(transaction, key, &before)?;
                    notes += 1;
                }
            }
        }
    }
    Ok(notes)
}

/// In place of an event that nobody has any more.
fn note(conversation: &str) -> EventRecord {
    EventRecord {
        conversation: conversation.to_owned(),
        seq: 0,
        at_ms: 0,
        kind: EventKind::Note,
        role: Role::System,
        from_id: String::new(),
        from_name: String::new(),
        client_id: String::new(),
        content: format!("{{\"text\":\"{LOST_TEXT}\"}}"),
        agent: String::new(),
        phase: Phase::WaitingUserInput,
    }
}

/// Runs SQL as a person at a shell would, past all that this program knows. For tests of damage.
#[doc(hidden)]
pub fn change_by_hand(path: &Path, sql: &str) -> Result<(), SqlError> {
    Ok(Connection::open(path)?.execute_batch(sql)?)
}
