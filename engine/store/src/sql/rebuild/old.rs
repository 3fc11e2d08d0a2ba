//! A database that may be damaged, read as far as it can be.
//!
//! A page that cannot be read ends a scan, not the reading: by row, it goes on behind the page; where there
//! is no number to go on from, it goes on from the other end.

use std::{collections::BTreeMap, path::Path};

use rusqlite::{Connection, Row, params, types::Value};

use super::super::{SqlError, open_reader, rows};

/// A stretch of row numbers that could not be read, both ends included.
pub(super) type Stretch = (i64, i64);

/// The old database.
#[derive(Debug)]
pub struct Old {
    pub(super) connection: Connection,
}

impl Old {
    /// Opens it to read.
    pub fn open(path: &Path) -> Result<Self, SqlError> {
        let connection = open_reader(path)?;
        let _: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
        Ok(Self { connection })
    }

    /// The number of the last record of each stream that is in it.
    pub fn progress(&self) -> Result<BTreeMap<u32, u64>, SqlError> {
        rows::progress(&self.connection)
    }

    /// Rows of a table that numbers them, in that order; `each` is false for a row that means nothing.
    /// Returns what could not be read.
    pub(super) fn by_row(
        &self,
        table: &str,
        columns: &str,
        each: &mut dyn FnMut(&Row<'_>) -> Result<bool, SqlError>,
    ) -> Result<Vec<Stretch>, SqlError> {
        let mut unreadable = Vec::new();
        let mut from = i64::MIN;
        loop {
            let mut last = None;
            if self.scan(table, columns, from, &mut last, &mut unreadable, each)? {
                return Ok(unreadable);
            }
            let bad_from = last.map_or(from, |last: i64| last.saturating_add(1));
            let Some(next) = self.readable_after(table, bad_from) else {
                unreadable.push((bad_from, i64::MAX));
                return Ok(unreadable);
            };
            unreadable.push((bad_from, next - 1));
            from = next;
        }
    }

    /// Reads from that row on; true: to the end. `last` is the last row read.
    fn scan(
        &self,
        table: &str,
        columns: &str,
        from: i64,
        last: &mut Option<i64>,
        unreadable: &mut Vec<Stretch>,
        each: &mut dyn FnMut(&Row<'_>) -> Result<bool, SqlError>,
    ) -> Result<bool, SqlError> {
        let sql = format!("SELECT {columns}, rowid FROM {table} WHERE rowid >= ?1 ORDER BY rowid");
        let Ok(mut statement) = self.connection.prepare_cached(&sql) else { return Ok(false) };
        let number = statement.column_count() - 1;
        let Ok(mut found) = statement.query([from]) else { return Ok(false) };
        loop {
            match found.next() {
                Ok(None) => return Ok(true),
                Err(_) => return Ok(false),
                Ok(Some(row)) => {
                    let Ok(number) = row.get(number) else { return Ok(false) };
                    *last = Some(number);
                    if !each(row)? {
                        unreadable.push((number, number));
                    }
                }
            }
        }
    }

    /// The first row from `bad` on that can be read, found by doubling and halving.
    fn readable_after(&self, table: &str, bad: i64) -> Option<i64> {
        let sql = format!("SELECT rowid FROM {table} WHERE rowid >= ?1 ORDER BY rowid LIMIT 1");
        let probe = |from: i64| -> Option<i64> {
            let mut statement = self.connection.prepare_cached(&sql).ok()?;
            statement.query_row([from], |row| row.get(0)).ok()
        };
        // No number is negative; where the table's beginning is bad, doubling starts at 1.
        let (mut bad, mut distance) = (bad.max(0), 1_i64);
        let mut good = loop {
            let from = bad.checked_add(distance)?;
            if probe(from).is_some() {
                break from;
            }
            distance = distance.checked_mul(2)?;
        };
        while good - bad > 1 {
            let middle = bad + (good - bad) / 2;
            if probe(middle).is_some() { good = middle } else { bad = middle }
        }
        probe(good)
    }

    /// Ids of conversations and their keys, from the index: it may be readable where the table is not.
    pub(super) fn ids(&self) -> Vec<(i64, String)> {
        let sql = "SELECT key, id FROM conversations INDEXED BY sqlite_autoindex_conversations_1 ORDER BY id";
        self.both_ends(sql, &["id".to_owned()], &mut |row| Ok((row.get(0)?, row.get(1)?))).0
    }

    /// Site and visitor of a conversation, from their index.
    pub(super) fn visitor(&self, key: i64) -> Option<(String, String)> {
        let sql =
            "SELECT site, visitor FROM conversations INDEXED BY conversations_by_visitor WHERE key = ?1";
        let mut statement = self.connection.prepare_cached(sql).ok()?;
        statement.query_row(params![key], |row| Ok((row.get(0)?, row.get(1)?))).ok()
    }

    /// Rows of any table, and whether all of them could be read.
    pub(super) fn table(&self, table: &str, columns: &[String], order: &[String]) -> (Vec<Vec<Value>>, bool) {
        let sql = format!("SELECT {} FROM {table} ORDER BY {}", columns.join(", "), order.join(", "));
        self.both_ends(&sql, order, &mut |row| (0..columns.len()).map(|at| row.get(at)).collect())
    }

    /// What a query in ascending order finds, and if that ends early, what it finds in descending order.
    fn both_ends<T>(
        &self,
        sql: &str,
        order: &[String],
        read: &mut dyn FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> (Vec<T>, bool) {
        let (mut found, is_whole) = self.up_to_the_first_error(sql, read);
        if !is_whole {
            let ascending = sql.split(" ORDER BY ").next().unwrap_or(sql);
            let descending: Vec<_> = order.iter().map(|column| format!("{column} DESC")).collect();
            let sql = format!("{ascending} ORDER BY {}", descending.join(", "));
            // The two never meet: what cannot be read lies between them.
            found.extend(self.up_to_the_first_error(&sql, read).0);
        }
        (found, is_whole)
    }

    fn up_to_the_first_error<T>(
        &self,
        sql: &str,
        read: &mut dyn FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> (Vec<T>, bool) {
        let mut found = Vec::new();
        let Ok(mut statement) = self.connection.prepare(sql) else { return (found, false) };
        let Ok(mut rows) = statement.query([]) else { return (found, false) };
        loop {
            match rows.next() {
                Ok(None) => return (found, true),
                Err(_) => return (found, false),
                Ok(Some(row)) => match read(row) {
                    Ok(one) => found.push(one),
                    Err(_) => return (found, false),
                },
            }
        }
    }
}
