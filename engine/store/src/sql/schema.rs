//! The tables, and how older files become newer ones.
//!
//! An event's key is its conversation's key, shifted, plus its number: a conversation's events lie side by
//! side, and a page of history is a few reads.

use rusqlite::{Connection, TransactionBehavior};

use super::SqlError;

/// Step `n` brings a file from version `n` to `n + 1`. A step that was ever released is never changed.
const MIGRATIONS: &[&str] = &["
    CREATE TABLE conversations (
        key INTEGER PRIMARY KEY,
        id TEXT NOT NULL UNIQUE,
        site TEXT NOT NULL,
        visitor TEXT NOT NULL,
        name TEXT NOT NULL,
        vip INTEGER NOT NULL,
        page TEXT NOT NULL,
        record_at INTEGER NOT NULL,
        seq INTEGER NOT NULL,
        phase INTEGER NOT NULL,
        agent TEXT NOT NULL,
        rated INTEGER NOT NULL,
        opened_at INTEGER NOT NULL,
        last_at INTEGER NOT NULL,
        closed_at INTEGER,
        last_message INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX conversations_by_time ON conversations (site, last_at);
    CREATE INDEX conversations_open ON conversations (site, last_at) WHERE phase <> 6;
    CREATE INDEX conversations_by_agent ON conversations (agent, last_at) WHERE phase <> 6 AND agent <> '';
    CREATE INDEX conversations_by_visitor ON conversations (site, visitor);
    CREATE TABLE events (
        key INTEGER PRIMARY KEY,
        at INTEGER NOT NULL,
        kind INTEGER NOT NULL,
        role INTEGER NOT NULL,
        from_id TEXT NOT NULL,
        from_name TEXT NOT NULL,
        client_id TEXT NOT NULL,
        content TEXT NOT NULL,
        agent TEXT NOT NULL,
        phase INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE progress (
        stream INTEGER PRIMARY KEY,
        number INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE accounts (
        name TEXT PRIMARY KEY,
        role INTEGER NOT NULL,
        password_hash TEXT NOT NULL,
        created_at INTEGER NOT NULL,
        disabled INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE settings (
        key TEXT PRIMARY KEY,
        value TEXT NOT NULL
    ) STRICT, WITHOUT ROWID;
"];

/// Brings the file to this program's version, each step in a transaction of its own.
pub(super) fn migrate(connection: &mut Connection) -> Result<(), SqlError> {
    let known = MIGRATIONS.len() as i64;
    loop {
        // Immediate: of two connections that open a new file at once, one waits for the other.
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let found: i64 = transaction.pragma_query_value(None, "user_version", |row| row.get(0))?;
        if found > known || found < 0 {
            return Err(SqlError::Newer { found, known });
        }
        let Some(step) = MIGRATIONS.get(found as usize) else { return Ok(()) };
        transaction.execute_batch(step)?;
        transaction.pragma_update(None, "user_version", found + 1)?;
        transaction.commit()?;
    }
}
