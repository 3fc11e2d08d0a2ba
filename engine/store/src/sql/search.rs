//! Full-text search over what was said, the newest first.
//!
//! Two tables: `said` numbers what was said in the order in which it came to SQL, and `said_words` is the index over
//! these numbers. So the newest hits are found without looking at the others, however many there are.

use rusqlite::{Transaction, params};

use super::{
    ROWS_MAX, SqlError,
    read::Reader,
    rows,
    words::{self, Terms},
};
use crate::record::{EventKind, EventRecord};

/// What to search for, and where.
#[derive(Clone, Debug)]
pub struct SearchQuery {
    /// The words.
    pub terms: Terms,
    /// The shop.
    pub site: String,
    /// Said at or after this, milliseconds since 1970.
    pub from_ms: u64,
    /// Said before this, milliseconds since 1970.
    pub until_ms: u64,
    /// Only in conversations of this visitor.
    pub visitor: Option<String>,
    /// Only what this agent said.
    pub agent: Option<String>,
    /// Only in this conversation.
    pub conversation: Option<String>,
    /// Only hits before the one with this place; `u64::MAX` begins with the newest.
    pub before: u64,
    /// At most so many, and [`ROWS_MAX`].
    pub limit: usize,
}

/// Places in the index that one search looks at, at most.
const LOOKED_AT_MAX: i64 = 20_000;

/// A page.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// The newest first.
    pub hits: Vec<Hit>,
    /// What to give as [`SearchQuery::before`] for the next page; nothing: this was the last.
    pub next: Option<u64>,
}

/// Something said that has the words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hit {
    /// What was said.
    pub event: EventRecord,
    /// The visitor of its conversation.
    pub visitor: String,
    /// The visitor's name; may be empty.
    pub name: String,
    /// Signed as VIP.
    pub vip: bool,
    /// Where the search goes on after it.
    pub place: u64,
}

/// Puts an event that was just inserted under this key into the index, if it says something.
pub(super) fn index(transaction: &Transaction<'_>, key: i64, event: &EventRecord) -> Result<(), SqlError> {
    if !matches!(event.kind, EventKind::Message | EventKind::Note) {
        return Ok(());
    }
    let said = words::said(&event.content);
    if said.is_empty() {
        return Ok(());
    }
    transaction.prepare_cached("INSERT INTO said (event) VALUES (?1)")?.execute([key])?;
    let number = transaction.last_insert_rowid();
    transaction
        .prepare_cached("INSERT INTO said_words (rowid, words) VALUES (?1, ?2)")?
        .execute(params![number, words::indexed(&said)])?;
    Ok(())
}

/// Makes the index anew, of all events there are and in the order of time: a search finds the newest first.
/// Returns how many events it has read.
pub(super) fn index_all(transaction: &Transaction<'_>) -> Result<u64, SqlError> {
    transaction
        .execute_batch("DELETE FROM said; INSERT INTO said_words (said_words) VALUES ('delete-all');")?;
    let mut count = 0;
    let sql = format!("SELECT {} FROM events WHERE kind IN (1, 7) ORDER BY at, key", rows::EVENT_COLUMNS);
    let mut statement = transaction.prepare(&sql)?;
    let mut found = statement.query([])?;
    while let Some(row) = found.next()? {
        let key = row.get(0)?;
        index(transaction, key, &rows::event("", row)?)?;
        count += 1;
    }
    Ok(count)
}

impl Reader {
    /// What was said that has all the words, the newest first. One call looks at a bounded part of the index: where
    /// the filters leave little of it, a page may be short, or empty, and there is still a next one.
    pub fn search(&self, query: &SearchQuery) -> Result<Found, SqlError> {
        let expression = query.terms.expression();
        let before = rows::signed(query.before);
        let limit = query.limit.min(ROWS_MAX);
        let mut statement = self.connection().prepare_cached(SEARCH)?;
        let mut found = statement.query(params![
            expression,
            before,
            query.site,
            rows::signed(query.from_ms),
            rows::signed(query.until_ms),
            query.visitor,
            query.agent,
            query.conversation,
            // One more than asked for tells whether there is another page.
            limit as i64 + 1,
            LOOKED_AT_MAX,
        ])?;
        let mut hits = Vec::new();
        while let Some(row) = found.next()? {
            // The event's columns come first, in the order that `rows::event` reads.
            let conversation: String = row.get(10)?;
            hits.push(Hit {
                event: rows::event(&conversation, row)?,
                visitor: row.get(11)?,
                name: row.get(12)?,
                vip: row.get(13)?,
                place: rows::unsigned(row.get(14)?),
            });
        }
        if hits.len() > limit {
            hits.truncate(limit);
            let next = hits.last().map(|last| last.place);
            return Ok(Found { hits, next });
        }
        let mut statement = self.connection().prepare_cached(LOOKED_AT)?;
        let looked_at = statement.query_row(params![expression, before, LOOKED_AT_MAX], |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, Option<i64>>(1)?))
        })?;
        let next = looked_at.1.filter(|_| looked_at.0 == LOOKED_AT_MAX).map(rows::unsigned);
        Ok(Found { hits, next })
    }
}

pub(super) const SEARCH: &str = "
    SELECT e.key, e.at, e.kind, e.role, e.from_id, e.from_name, e.client_id, e.content, e.agent, e.phase,
        c.id, c.visitor, c.name, c.vip, s.id
    FROM (
        SELECT rowid AS id FROM said_words
        WHERE said_words MATCH ?1 AND rowid < ?2 ORDER BY rowid DESC LIMIT ?10
    ) w
    CROSS JOIN said s ON s.id = w.id
    CROSS JOIN events e ON e.key = s.event
    CROSS JOIN conversations c ON c.key = e.key >> 24
    WHERE c.site = ?3 AND e.at >= ?4 AND e.at < ?5
        AND (?6 IS NULL OR c.visitor = ?6)
        AND (?7 IS NULL OR (e.role = 2 AND e.from_id = ?7))
        AND (?8 IS NULL OR c.id = ?8)
    ORDER BY w.id DESC LIMIT ?9";

/// How many words' places the search above looked at, and the last of them.
const LOOKED_AT: &str = "
    SELECT count(*), min(id) FROM (
        SELECT rowid AS id FROM said_words
        WHERE said_words MATCH ?1 AND rowid < ?2 ORDER BY rowid DESC LIMIT ?3
    )";

const _: () = assert!(super::SEQ_BITS == 24, "the query above shifts by it");
