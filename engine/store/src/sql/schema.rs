//! The tables, and how older files become newer ones.
//!
//! An event's key is its conversation's key, shifted, plus its number: in the index a conversation's events lie side
//! by side. The rows lie as they came: a busy second is a few pages written, and not a page for each conversation that
//! said something.

use rusqlite::{Connection, Transaction, TransactionBehavior};

use super::{SqlError, search};

/// Step `n` brings a file from version `n` to `n + 1`. A step that was ever released is never changed.
const MIGRATIONS: &[Step] = &[
    Step { sql: VERSION_1, fill: None },
    Step { sql: VERSION_2, fill: Some(search::index_all) },
    Step { sql: VERSION_3, fill: None },
    Step { sql: VERSION_4, fill: None },
    Step { sql: VERSION_5, fill: None },
];

/// One step: tables, and what has to be put into them that is not SQL's to make.
struct Step {
    sql: &'static str,
    fill: Option<Fill>,
}

/// Returns how many rows it put in.
type Fill = fn(&Transaction<'_>) -> Result<u64, SqlError>;

/// Events in the order of their coming.
const VERSION_5: &str = "
    ALTER TABLE events RENAME TO events_by_key;
    CREATE TABLE events (
        key INTEGER NOT NULL UNIQUE,
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
    INSERT INTO events SELECT * FROM events_by_key;
    DROP TABLE events_by_key;
";

/// Canned replies.
const VERSION_4: &str = "
    CREATE TABLE replies (
        site TEXT NOT NULL,
        shortcut TEXT NOT NULL,
        text TEXT NOT NULL,
        PRIMARY KEY (site, shortcut)
    ) STRICT, WITHOUT ROWID;
";

/// Teams; and what is not over and has a clock running is found at a start.
const VERSION_3: &str = "
    ALTER TABLE conversations ADD COLUMN team TEXT NOT NULL DEFAULT '';
    ALTER TABLE conversations ADD COLUMN team_at INTEGER NOT NULL DEFAULT 0;
    DROP INDEX conversations_live;
    CREATE INDEX conversations_live ON conversations (last_at) WHERE phase NOT IN (1, 6, 10);
    CREATE TABLE teams (
        site TEXT NOT NULL,
        name TEXT NOT NULL,
        settings TEXT NOT NULL,
        PRIMARY KEY (site, name)
    ) STRICT, WITHOUT ROWID;
";

/// Full-text search, and lists by visitor and time.
const VERSION_2: &str = "
    CREATE TABLE said (
        id INTEGER PRIMARY KEY,
        event INTEGER NOT NULL
    ) STRICT;
    CREATE VIRTUAL TABLE said_words USING fts5(
        words, content = '', tokenize = 'unicode61 remove_diacritics 2'
    );
    DROP INDEX conversations_by_visitor;
    CREATE INDEX conversations_by_visitor ON conversations (site, visitor, last_at);
    CREATE INDEX conversations_live ON conversations (last_at) WHERE phase IN (3, 4, 5);
";

const VERSION_1: &str = "
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
";

/// Brings the file to this program's version, each step in a transaction of its own: a step that is interrupted has
/// not happened, and is done again at the next start.
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
        transaction.execute_batch(step.sql)?;
        if let Some(fill) = step.fill {
            let is_old = found > 0
                && transaction.query_row("SELECT EXISTS (SELECT 1 FROM events)", [], |row| row.get(0))?;
            if is_old {
                tracing::info!(
                    from = found,
                    to = found + 1,
                    "the database is brought to a newer version; this happens once"
                );
            }
            let rows = fill(&transaction)?;
            if is_old {
                tracing::info!(rows, "the database has the newer version");
            }
        }
        transaction.pragma_update(None, "user_version", found + 1)?;
        transaction.commit()?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Everything that SQLite knows of a file's shape.
    fn shape(connection: &Connection) -> Vec<String> {
        let mut statement = connection
            .prepare(
                "SELECT type || ' ' || name || ' ' || coalesce(sql, '') FROM sqlite_schema ORDER BY name",
            )
            .expect("reads");
        statement.query_map([], |row| row.get(0)).expect("reads").collect::<Result<_, _>>().expect("reads")
    }

    /// A file of each older version, with one conversation in it, as that version wrote it.
    fn old(version: usize) -> Connection {
        let mut connection = Connection::open_in_memory().expect("memory suffices");
        for step in &MIGRATIONS[..version] {
            connection.execute_batch(step.sql).expect("as it was released");
        }
        connection.execute_batch(OLD_DATA).expect("as it was written");
        for fill in MIGRATIONS[..version].iter().filter_map(|step| step.fill) {
            let transaction = connection.transaction().expect("begins");
            fill(&transaction).expect("as that version did with each event");
            transaction.commit().expect("commits");
        }
        connection.pragma_update(None, "user_version", version as i64).expect("writes");
        connection
    }

    const OLD_DATA: &str = r#"
        INSERT INTO conversations
            (key, id, site, visitor, name, vip, page, record_at, seq, phase, agent, rated, opened_at, last_at,
             closed_at, last_message) VALUES
            (1, 'c', 'default', 'v', '小明', 1, '', 500, 3, 4, 'li', 0, 1000, 3000, NULL, 3);
        INSERT INTO events VALUES
            (16777217, 1000, 1, 1, 'v', '小明', 'm1', '{"kind":"text","text":"我要退款"}', '', 3),
            (16777218, 2000, 2, 3, '', '', '', '{"agent":"li"}', 'li', 5),
            (16777219, 3000, 1, 2, 'li', '李', 'a1', '{"kind":"text","text":"Your refund is on its way"}', 'li', 4);
        INSERT INTO progress VALUES (0, 4);
        INSERT INTO accounts VALUES ('li', 1, 'hash', 1, 0);
        INSERT INTO settings VALUES ('key', 'value');
    "#;

    #[test]
    fn every_older_version_becomes_the_newest_in_one_step_and_keeps_what_it_had() {
        let mut new = Connection::open_in_memory().expect("memory suffices");
        migrate(&mut new).expect("a new file");
        for version in 1..MIGRATIONS.len() {
            let mut connection = old(version);
            migrate(&mut connection).expect("migrates");
            assert_eq!(shape(&connection), shape(&new), "from {version}");
            let found = |words: &str| -> Vec<i64> {
                let sql = "SELECT event FROM said_words JOIN said ON id = said_words.rowid WHERE said_words MATCH ?1";
                let mut statement = connection.prepare(sql).expect("reads");
                statement
                    .query_map([words], |row| row.get(0))
                    .expect("reads")
                    .collect::<Result<_, _>>()
                    .expect("reads")
            };
            assert_eq!(found("\" 退 款 \""), [16777217]);
            assert_eq!(found("REFUND"), [16777219]);
            for (table, rows) in
                [("conversations", 1), ("events", 3), ("progress", 1), ("accounts", 1), ("settings", 1)]
            {
                let count: i64 = connection
                    .query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0))
                    .expect("reads");
                assert_eq!(count, rows, "{table}");
            }
            let verdict: String =
                connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).expect("reads");
            assert_eq!(verdict, "ok");
            migrate(&mut connection).expect("once more, to no effect");
        }
    }

    #[test]
    fn a_newer_file_is_refused_and_not_touched() {
        let mut connection = Connection::open_in_memory().expect("memory suffices");
        connection.pragma_update(None, "user_version", 99).expect("writes");
        let error = migrate(&mut connection).expect_err("is newer");
        assert!(matches!(error, SqlError::Newer { found: 99, .. }), "{error}");
        assert!(shape(&connection).is_empty());
    }
}
