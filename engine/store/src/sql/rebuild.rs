//! A new database, made of an old one as far as that can be read, and of the journal.
//!
//! Keys stay as they were, so that the same conversations have the same hash. Where journal and old database
//! differ, the journal is right. What follows from other rows (the conversations' columns, indexes) is made
//! anew. What is missing afterwards is counted, never hidden: a gap is told, and closed only by a note that
//! says so.

mod old;

use std::{collections::BTreeSet, path::Path};

use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params, params_from_iter};
use sha2::{Digest, Sha256};

use super::{
    BUSY, Flaw, Progress, SEQ_BITS, SEQ_MAX, SqlError, check, content,
    projection::{self, Change, Projection},
    repair,
    rows::{self, ConversationRow},
    search,
};
use crate::record::{ConversationRecord, EventRecord, Phase, Record};

pub use old::Old;

/// Rows written in one transaction.
const BATCH_ROWS: u64 = 20_000;

/// What could be read of the old database, and what not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OldRead {
    /// Conversations read.
    pub conversations: u64,
    /// Of these, conversations of which only the id was left.
    pub ids_only: u64,
    /// Events read.
    pub events: u64,
    /// Rows of accounts, settings and all other tables.
    pub others: u64,
    /// Events of conversations of which nothing is left.
    pub orphans: u64,
    /// Stretches that could not be read, in words.
    pub unreadable: Vec<String>,
}

/// What a database that was made anew lacks, and what it has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Made {
    /// Events that conversations are known to have had.
    pub missing: u64,
    /// Conversations they are missing from.
    pub gapped: u64,
    /// Notes that say so in their places.
    pub notes: u64,
    /// Conversations and events there are, with their hash.
    pub walked: check::Walked,
}

/// Makes the new database.
#[derive(Debug)]
pub struct Rebuilder {
    projection: Projection,
    conflicts: u64,
}

impl Rebuilder {
    /// Begins a new file. It is not safe against power loss before it is synced by its maker.
    pub fn create(path: &Path) -> Result<Self, SqlError> {
        let mut projection = Projection::open(path)?;
        projection.parts().0.execute_batch("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;")?;
        Ok(Self { projection, conflicts: 0 })
    }

    /// Takes in what the old database has.
    pub fn add_old(&mut self, old: &Old, progress: Progress<'_>) -> Result<OldRead, SqlError> {
        let mut read = OldRead::default();
        let connection = self.projection.parts().0;
        add_conversations(connection, old, &mut read)?;
        add_ids(connection, old, &mut read)?;
        add_events(connection, old, &mut read, progress)?;
        add_other_tables(connection, old, &mut read)?;
        Ok(read)
    }

    /// Takes in records of the journal, which may be there already.
    pub fn add_records(&mut self, records: &[(u64, Record)]) -> Result<(), SqlError> {
        let (connection, keys) = self.projection.parts();
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        for (_, record) in records {
            match record {
                Record::Conversation(record) => {
                    projection::insert_conversation(&transaction, keys, record)?;
                }
                Record::Team(record) => projection::set_team(&transaction, record)?,
                Record::Event(event) => {
                    let key = projection::key(&transaction, keys, event)?;
                    let inserted = projection::insert_event(&transaction, key, event);
                    if let Err(SqlError::Seq { .. }) = inserted {
                        self.conflicts += 1;
                        let taken = rows::event_key(key, event.seq);
                        transaction.execute("DELETE FROM events WHERE key = ?1", [taken])?;
                        projection::insert_event(&transaction, key, event)?;
                    } else {
                        inserted?;
                    }
                    let mut change = Change::new(event.at_ms);
                    change.add(event);
                    change.write(&transaction, key)?;
                }
            }
        }
        Ok(transaction.commit()?)
    }

    /// Events of the old database that the journal knew otherwise.
    pub fn conflicts(&self) -> u64 {
        self.conflicts
    }

    /// How far the new database is with that stream.
    pub fn set_progress(&mut self, stream: u32, number: u64) -> Result<(), SqlError> {
        let transaction = self.projection.parts().0.transaction()?;
        projection::set_progress(&transaction, stream, number)?;
        Ok(transaction.commit()?)
    }

    /// Makes what follows from other rows, and says what is missing. `fills_gaps`: a note is put where an
    /// event is missing.
    pub fn finish(&mut self, fills_gaps: bool, progress: Progress<'_>) -> Result<Made, SqlError> {
        let connection = self.projection.parts().0;
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        // Of conversations that only an index knew, nobody knows better when they began.
        transaction.execute(
            "UPDATE conversations SET opened_at = coalesce(
                 (SELECT at FROM events WHERE events.key > conversations.key << ?1
                      AND events.key < (conversations.key + 1) << ?1 ORDER BY events.key LIMIT 1), record_at)
             WHERE opened_at = 0",
            [SEQ_BITS],
        )?;
        let mut made = Made::default();
        let mut gapped = BTreeSet::new();
        check::walk(
            &transaction,
            &mut |flaw| {
                if let Flaw::Gap { conversation, first, last } = flaw {
                    made.missing += last - first + 1;
                    gapped.insert(conversation);
                }
            },
            progress,
        )?;
        made.gapped = gapped.len() as u64;
        if fills_gaps {
            made.notes = repair::fill_gaps(&transaction, keys(&transaction, &gapped)?)?;
        }
        repair::rewrite_rows(&transaction, progress)?;
        search::index_all(&transaction)?;
        made.walked = check::walk(&transaction, &mut |_| {}, progress)?;
        transaction.commit()?;
        Ok(made)
    }

    /// How many conversations whose events could all be read in the old database have other ones now: 0, if
    /// the new one was made rightly.
    pub fn differing(&mut self, old: &Old) -> Result<u64, SqlError> {
        let connection: &Connection = self.projection.parts().0;
        let mut statement = connection.prepare("SELECT key FROM conversations ORDER BY key")?;
        let mut found = statement.query([])?;
        let mut differing = 0;
        while let Some(row) = found.next()? {
            let key = row.get(0)?;
            // What cannot be read was told before.
            let Ok((events, hash)) = chain(&old.connection, key, SEQ_MAX) else { continue };
            let (_, now) = chain(connection, key, events)?;
            differing += u64::from(hash != now);
        }
        Ok(differing)
    }

    /// Ends it, with all of it in its one file.
    pub fn close(self) -> Result<(), SqlError> {
        self.projection.close()
    }
}

fn keys(transaction: &Transaction<'_>, ids: &BTreeSet<String>) -> Result<BTreeSet<i64>, SqlError> {
    let mut statement = transaction.prepare("SELECT key FROM conversations WHERE id = ?1")?;
    ids.iter().map(|id| Ok(statement.query_row([id], |row| row.get(0))?)).collect()
}

/// A conversation's events up to the first gap and `seq_max`: how many, and each one's hash hashed with that
/// of those before it.
fn chain(connection: &Connection, key: i64, seq_max: u64) -> Result<(u64, Vec<u8>), SqlError> {
    let sql = format!("SELECT {} FROM events WHERE key > ?1 AND key <= ?2 ORDER BY key", rows::EVENT_COLUMNS);
    let mut statement = connection.prepare_cached(&sql)?;
    let mut found = statement.query([rows::event_key(key, 0), rows::event_key(key, seq_max)])?;
    let (mut events, mut hash) = (0, Vec::new());
    while let Some(row) = found.next()? {
        let event = rows::event("", row)?;
        if event.seq != events + 1 {
            break;
        }
        events += 1;
        let mut next = Sha256::new_with_prefix(&hash);
        content::absorb_event(&mut next, &event);
        hash = next.finalize().to_vec();
    }
    Ok((events, hash))
}

/// A connection that writes many rows: a transaction each [`BATCH_ROWS`].
struct Batches<'a> {
    connection: &'a Connection,
    rows: u64,
}

impl<'a> Batches<'a> {
    fn begin(connection: &'a Connection) -> Result<Self, SqlError> {
        connection.execute_batch("BEGIN IMMEDIATE")?;
        Ok(Self { connection, rows: 0 })
    }

    fn count(&mut self) -> Result<(), SqlError> {
        self.rows += 1;
        if self.rows.is_multiple_of(BATCH_ROWS) {
            self.connection.execute_batch("COMMIT; BEGIN IMMEDIATE")?;
        }
        Ok(())
    }

    fn end(self) -> Result<(), SqlError> {
        Ok(self.connection.execute_batch("COMMIT")?)
    }
}

fn tell_unreadable(read: &mut OldRead, table: &str, stretches: Vec<(i64, i64)>) {
    for (first, last) in stretches {
        read.unreadable.push(match (first, last) {
            (first, last) if first == last => format!("{table}: row {first}"),
            (i64::MIN, i64::MAX) => format!("{table}: all of it"),
            (i64::MIN, last) => format!("{table}: all before row {}", last.saturating_add(1)),
            (first, i64::MAX) => format!("{table}: all from row {first} on"),
            (first, last) => format!("{table}: between row {} and row {}", first - 1, last + 1),
        });
    }
}

fn add_conversations(connection: &mut Connection, old: &Old, read: &mut OldRead) -> Result<(), SqlError> {
    let mut batches = Batches::begin(connection)?;
    let stretches = old.by_row("conversations", rows::CONVERSATION_COLUMNS, &mut |row| {
        // A row that means nothing may still be known by its id.
        let Ok(row) = rows::conversation(row) else { return Ok(false) };
        insert_row(batches.connection, &row)?;
        read.conversations += 1;
        batches.count()?;
        Ok(true)
    })?;
    tell_unreadable(read, "conversations", stretches);
    batches.end()
}

/// Returns how many were inserted: none, if its key or its id is there.
fn insert_row(connection: &Connection, row: &ConversationRow) -> Result<u64, SqlError> {
    let record = &row.record;
    let sql = format!(
        "INSERT OR IGNORE INTO conversations ({}) VALUES \
         (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18)",
        rows::CONVERSATION_COLUMNS
    );
    let inserted = connection.prepare_cached(&sql)?.execute(params![
        row.key,
        record.conversation,
        record.site,
        record.visitor,
        record.name,
        record.vip,
        record.page,
        rows::signed(record.at_ms),
        rows::signed(row.seq),
        row.phase as u8,
        row.agent,
        row.rated,
        rows::signed(row.opened_at_ms),
        rows::signed(row.last_at_ms),
        row.closed_at_ms.map(rows::signed),
        rows::signed(row.last_message),
        row.team,
        rows::signed(row.team_at_ms),
    ])?;
    Ok(inserted as u64)
}

/// Conversations whose row is lost, from the indexes; the name and the page are lost with it.
fn add_ids(connection: &mut Connection, old: &Old, read: &mut OldRead) -> Result<(), SqlError> {
    if read.unreadable.is_empty() {
        return Ok(());
    }
    for (key, id) in old.ids() {
        let (site, visitor) = old.visitor(key).unwrap_or_default();
        let record = ConversationRecord {
            conversation: id,
            site,
            visitor,
            name: String::new(),
            vip: false,
            page: String::new(),
            at_ms: 0,
        };
        let inserted = insert_row(
            connection,
            &ConversationRow {
                key,
                record,
                seq: 0,
                phase: Phase::Greeting,
                agent: String::new(),
                rated: false,
                opened_at_ms: 0,
                last_at_ms: 0,
                closed_at_ms: None,
                last_message: 0,
                team: String::new(),
                team_at_ms: 0,
            },
        )?;
        read.ids_only += inserted;
        read.conversations += inserted;
    }
    Ok(())
}

fn add_events(
    connection: &mut Connection,
    old: &Old,
    read: &mut OldRead,
    progress: Progress<'_>,
) -> Result<(), SqlError> {
    let mut pending: Vec<(i64, EventRecord)> = Vec::new();
    let known: i64 =
        connection.query_row("SELECT coalesce(sum(seq), 0) FROM conversations", [], |row| row.get(0))?;
    let stretches = old.by_row("events", rows::EVENT_COLUMNS, &mut |row| {
        let key: i64 = row.get::<_, i64>(0)? >> SEQ_BITS;
        let done = read.events + read.orphans + 1;
        if done.is_multiple_of(BATCH_ROWS) {
            progress(done, rows::unsigned(known).max(done));
        }
        let Some(id) = &id(connection, key)? else {
            read.orphans += 1;
            return Ok(true);
        };
        let Ok(event) = rows::event(id, row) else { return Ok(false) };
        read.events += 1;
        pending.push((key, event));
        if pending.len() as u64 >= BATCH_ROWS {
            insert_events(connection, &mut pending)?;
        }
        Ok(true)
    })?;
    tell_unreadable(read, "events", stretches);
    insert_events(connection, &mut pending)
}

fn id(connection: &Connection, key: i64) -> Result<Option<String>, SqlError> {
    let mut statement = connection.prepare_cached("SELECT id FROM conversations WHERE key = ?1")?;
    Ok(statement.query_row([key], |row| row.get(0)).optional()?)
}

fn insert_events(connection: &mut Connection, pending: &mut Vec<(i64, EventRecord)>) -> Result<(), SqlError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for (key, event) in pending.drain(..) {
        projection::insert_event(&transaction, key, &event)?;
    }
    Ok(transaction.commit()?)
}

/// Tables whose rows are neither conversations nor events nor made of them.
fn other_tables(connection: &Connection) -> Result<Vec<String>, SqlError> {
    let mut statement = connection.prepare(
        "SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'table'
             AND name NOT IN ('conversations', 'events', 'progress', 'said') AND name NOT LIKE 'sqlite%'
         ORDER BY name",
    )?;
    let names = statement.query_map([], |row| row.get(0))?;
    Ok(names.collect::<Result<_, _>>()?)
}

/// Columns, and those of the primary key.
fn columns(connection: &Connection, table: &str) -> Result<(Vec<String>, Vec<String>), SqlError> {
    let mut statement = connection.prepare("SELECT name, pk FROM pragma_table_info(?1) ORDER BY cid")?;
    let found = statement.query_map([table], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let found: Vec<(String, i64)> = found.collect::<Result<_, _>>()?;
    let key = found.iter().filter(|(_, place)| *place > 0).map(|(name, _)| name.clone()).collect();
    Ok((found.into_iter().map(|(name, _)| name).collect(), key))
}

fn add_other_tables(connection: &mut Connection, old: &Old, read: &mut OldRead) -> Result<(), SqlError> {
    for table in other_tables(connection)? {
        let (wanted, key) = columns(connection, &table)?;
        let Ok((there, _)) = columns(&old.connection, &table) else {
            read.unreadable.push(format!("{table}: all of it"));
            continue;
        };
        if there.is_empty() {
            // A table that the old version did not have.
            continue;
        }
        let columns: Vec<String> = wanted.into_iter().filter(|column| there.contains(column)).collect();
        let order = if key.is_empty() { vec!["rowid".to_owned()] } else { key };
        let (found, is_whole) = old.table(&table, &columns, &order);
        if !is_whole {
            read.unreadable.push(format!("{table}: some rows; {} were read", found.len()));
        }
        read.others += found.len() as u64;
        let places: Vec<String> = (1..=columns.len()).map(|place| format!("?{place}")).collect();
        let sql =
            format!("INSERT OR REPLACE INTO {table} ({}) VALUES ({})", columns.join(", "), places.join(", "));
        let transaction = connection.transaction()?;
        for row in found {
            transaction.prepare_cached(&sql)?.execute(params_from_iter(row))?;
        }
        transaction.commit()?;
    }
    Ok(())
}

/// Brings all of a database into its one file, and changes nothing else. False: somebody else has it open.
pub fn settle(path: &Path) -> Result<bool, SqlError> {
    let connection = Connection::open(path)?;
    connection.busy_timeout(BUSY)?;
    let is_busy: bool = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
    connection.close().map_err(|(_, error)| SqlError::Machine(error))?;
    Ok(!is_busy)
}
