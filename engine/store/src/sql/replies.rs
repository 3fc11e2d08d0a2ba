//! The canned replies of each site: what agents say often, under a short word. SQL is their record.

use std::path::Path;

use rusqlite::{Connection, params};

use super::{SqlError, open_writer};

/// One canned reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredReply {
    /// The shop.
    pub site: String,
    /// Unique within the site.
    pub shortcut: String,
    /// What is said.
    pub text: String,
}

/// The replies.
#[derive(Debug)]
pub struct Replies {
    connection: Connection,
}

impl Replies {
    /// Opens or makes the database.
    pub fn open(path: &Path) -> Result<Self, SqlError> {
        Ok(Self { connection: open_writer(path)? })
    }

    /// Those of a site, by shortcut.
    pub fn list(&self, site: &str) -> Result<Vec<StoredReply>, SqlError> {
        let sql = "SELECT site, shortcut, text FROM replies WHERE site = ?1 ORDER BY shortcut";
        let mut statement = self.connection.prepare_cached(sql)?;
        let rows = statement.query_map([site], |row| {
            Ok(StoredReply { site: row.get(0)?, shortcut: row.get(1)?, text: row.get(2)? })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Makes the reply, or changes its text. False: it would be a new one, and the site has `most` already.
    pub fn put(&self, reply: &StoredReply, most: usize) -> Result<bool, SqlError> {
        let StoredReply { site, shortcut, text } = reply;
        let changed = self
            .connection
            .prepare_cached(
                "INSERT INTO replies (site, shortcut, text) SELECT ?1, ?2, ?3
                 WHERE (SELECT count(*) FROM replies WHERE site = ?1 AND shortcut <> ?2) < ?4
                 ON CONFLICT (site, shortcut) DO UPDATE SET text = excluded.text",
            )?
            .execute(params![site, shortcut, text, most as i64])?;
        Ok(changed == 1)
    }

    /// Removes the reply; false: there is none of that shortcut.
    pub fn remove(&self, site: &str, shortcut: &str) -> Result<bool, SqlError> {
        let mut statement =
            self.connection.prepare_cached("DELETE FROM replies WHERE site = ?1 AND shortcut = ?2")?;
        Ok(statement.execute(params![site, shortcut])? == 1)
    }
}
