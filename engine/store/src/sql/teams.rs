//! The teams of each site. SQL is their record; what their settings mean is not known here.

use std::path::Path;

use rusqlite::{Connection, params};

use super::{SqlError, open_writer};

/// One team.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredTeam {
    /// The shop.
    pub site: String,
    /// Unique within the site.
    pub name: String,
    /// As the caller wrote them.
    pub settings: String,
}

/// The teams.
#[derive(Debug)]
pub struct Teams {
    connection: Connection,
}

impl Teams {
    /// Opens or makes the database.
    pub fn open(path: &Path) -> Result<Self, SqlError> {
        Ok(Self { connection: open_writer(path)? })
    }

    /// All of them, by site and name.
    pub fn list(&self) -> Result<Vec<StoredTeam>, SqlError> {
        let sql = "SELECT site, name, settings FROM teams ORDER BY site, name";
        let mut statement = self.connection.prepare_cached(sql)?;
        let rows = statement.query_map([], |row| {
            Ok(StoredTeam { site: row.get(0)?, name: row.get(1)?, settings: row.get(2)? })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Makes the team, or changes its settings.
    pub fn put(&self, team: &StoredTeam) -> Result<(), SqlError> {
        self.connection
            .prepare_cached("INSERT OR REPLACE INTO teams (site, name, settings) VALUES (?1, ?2, ?3)")?
            .execute(params![team.site, team.name, team.settings])?;
        Ok(())
    }

    /// Removes the team; false: there is none of that name.
    pub fn remove(&self, site: &str, name: &str) -> Result<bool, SqlError> {
        let mut statement =
            self.connection.prepare_cached("DELETE FROM teams WHERE site = ?1 AND name = ?2")?;
        Ok(statement.execute(params![site, name])? == 1)
    }
}
