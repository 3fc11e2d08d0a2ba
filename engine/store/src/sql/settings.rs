//! Names and values that change at run time. What they mean is not known here.

use std::path::Path;

use rusqlite::{Connection, OptionalExtension, params};

use super::{SqlError, open_writer};

/// What was set.
#[derive(Debug)]
pub struct Settings {
    connection: Connection,
}

impl Settings {
    /// Opens or makes the database.
    pub fn open(path: &Path) -> Result<Self, SqlError> {
        Ok(Self { connection: open_writer(path)? })
    }

    /// The value, if it was set.
    pub fn value(&self, key: &str) -> Result<Option<String>, SqlError> {
        let mut statement = self.connection.prepare_cached("SELECT value FROM settings WHERE key = ?1")?;
        Ok(statement.query_row([key], |row| row.get(0)).optional()?)
    }

    /// Sets it.
    pub fn set(&self, key: &str, value: &str) -> Result<(), SqlError> {
        self.connection
            .prepare_cached("INSERT OR REPLACE INTO settings (key, value) VALUES (?1, ?2)")?
            .execute(params![key, value])?;
        Ok(())
    }

    /// Sets it unless it was set, and returns what is set now: of two who make a secret at once, both get
    /// the same.
    pub fn set_once(&self, key: &str, value: &str) -> Result<String, SqlError> {
        self.connection
            .prepare_cached("INSERT INTO settings (key, value) VALUES (?1, ?2) ON CONFLICT (key) DO NOTHING")?
            .execute(params![key, value])?;
        let mut statement = self.connection.prepare_cached("SELECT value FROM settings WHERE key = ?1")?;
        Ok(statement.query_row([key], |row| row.get(0))?)
    }
}
