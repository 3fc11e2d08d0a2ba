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

/// Indexes all events there are: after a migration, or where the index was made anew.
pub(super) fn index_all(transaction: &Transaction<'_>) -> Result<u64, SqlError> {
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
    /// What was said that has all the words, the newest first.
    pub fn search(&self, query: &SearchQuery) -> Result<Vec<Hit>, SqlError> {
        let mut statement = self.connection().prepare_cached(SEARCH)?;
        let mut found = statement.query(params![
            query.terms.expression(),
            rows::signed(query.before),
            query.site,
            rows::signed(query.from_ms),
            rows::signed(query.until_ms),
            query.visitor,
            query.agent,
            query.conversation,
            query.limit.min(ROWS_MAX) as i64,
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
        Ok(hits)
    }
}

pub(super) const SEARCH: &str = "
    SELECT e.key, e.at, e.kind, e.role, e.from_id, e.from_name, e.client_id, e.content, e.agent, e.phase,
        c.id, c.visitor, c.name, c.vip, s.id
    FROM said_words
    JOIN said s ON s.id = said_words.rowid
    JOIN events e ON e.key = s.event
    JOIN conversations c ON c.key = e.key >> 24
    WHERE said_words MATCH ?1 AND said_words.rowid < ?2 AND c.site = ?3 AND e.at >= ?4 AND e.at < ?5
        AND (?6 IS NULL OR c.visitor = ?6)
        AND (?7 IS NULL OR (e.role = 2 AND e.from_id = ?7))
        AND (?8 IS NULL OR c.id = ?8)
    ORDER BY said_words.rowid DESC LIMIT ?9";

const _: () = assert!(super::SEQ_BITS == 24, "the query above shifts by it");
