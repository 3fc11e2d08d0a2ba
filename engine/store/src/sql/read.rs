//! Questions to the projection, on a connection that cannot write. What the journal has and the projection
//! not yet, is in the shards' memory.

use std::path::Path;

use rusqlite::{CachedStatement, Connection, OptionalExtension, params};

use super::{
    KNOWN_IDS_EVENTS_MAX, KNOWN_IDS_MAX, KnownMessage, ROWS_MAX, SEQ_MAX, SqlError, StoredConversation,
    Summary, open_memory, open_reader,
    rows::{self, ConversationRow},
};
use crate::record::EventRecord;

/// Which conversations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConversationState<'a> {
    /// Every one.
    All,
    /// Not over.
    Open,
    /// In the queue.
    Waiting,
    /// A message was left, and nobody has it.
    Left,
    /// Not over, and served by this agent.
    Mine(&'a str),
    /// Over.
    Closed,
}

/// A place in a list that begins with the newest: what comes after it is older.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Before {
    /// Time of the last event, milliseconds since 1970.
    pub last_at_ms: u64,
    /// Tells conversations of the same millisecond apart.
    pub key: u64,
}

impl Before {
    /// Before everything.
    pub const NEWEST: Self = Self { last_at_ms: u64::MAX, key: u64::MAX };
}

/// Which conversations of a site, and which part of the list.
#[derive(Clone, Copy, Debug)]
pub struct Listed<'a> {
    /// The shop.
    pub site: &'a str,
    /// Where they stand.
    pub state: ConversationState<'a>,
    /// Only those of this visitor.
    pub visitor: Option<&'a str>,
    /// Whose last event was at or after this, milliseconds since 1970.
    pub from_ms: u64,
    /// And before this.
    pub until_ms: u64,
    /// Where the page before ended.
    pub before: Before,
    /// At most so many, and [`ROWS_MAX`].
    pub limit: usize,
}

impl<'a> Listed<'a> {
    /// All of a site.
    pub const fn all(site: &'a str, limit: usize) -> Self {
        Self {
            site,
            state: ConversationState::All,
            visitor: None,
            from_ms: 0,
            until_ms: u64::MAX,
            before: Before::NEWEST,
            limit,
        }
    }
}

/// Conversations that wait or are served, or whose end a clock will bring.
pub(super) const LIVE: &str = "phase NOT IN (1, 6, 10) ORDER BY last_at, key";

/// The newest conversation of a visitor that is not over.
pub(super) const OPEN_OF_VISITOR: &str =
    "site = ?1 AND visitor = ?2 AND phase NOT IN (6, 11) ORDER BY last_at DESC, key DESC LIMIT 1";

pub(super) const LAST_ID_OF_VISITOR: &str = "site = ?1 AND visitor = ?2 AND length(id) = ?3";

/// The statement for a list, and the agent in it. Each is a range of one index, read from its end.
pub(super) fn list_sql(listed: &Listed<'_>) -> (String, String) {
    let (condition, agent) = match listed.state {
        ConversationState::All => ("", ""),
        ConversationState::Open => ("AND phase <> 6 AND phase <> 11", ""),
        ConversationState::Waiting => ("AND phase <> 6 AND phase = 3", ""),
        ConversationState::Left => ("AND phase <> 6 AND phase = 10", ""),
        ConversationState::Mine(agent) => {
            ("AND phase <> 6 AND phase <> 11 AND agent = ?5 AND agent <> ''", agent)
        }
        ConversationState::Closed => ("AND phase IN (6, 11)", ""),
    };
    // Every statement has the same parameters, used or not.
    let visitor = if listed.visitor.is_some() { "AND visitor = ?8" } else { "AND ?8 IS NULL" };
    // A visitor has few conversations, and SQLite without statistics would rather read all by time.
    let index = if listed.visitor.is_some() { "INDEXED BY conversations_by_visitor" } else { "" };
    let sql = format!(
        "SELECT {} FROM conversations {index} WHERE site = ?1 {condition} {visitor} AND ?5 IS NOT NULL
             AND last_at >= ?6 AND last_at < ?7 AND (last_at, key) < (?2, ?3)
         ORDER BY last_at DESC, key DESC LIMIT ?4",
        rows::CONVERSATION_COLUMNS
    );
    (sql, agent.to_owned())
}

/// Answers questions.
#[derive(Debug)]
pub struct Reader {
    connection: Connection,
}

impl Reader {
    /// Opens the database that a [`Projection`](super::Projection) made.
    pub fn open(path: &Path) -> Result<Self, SqlError> {
        Ok(Self { connection: open_reader(path)? })
    }

    /// Opens the database in memory of that name.
    pub fn open_shared_memory(name: &str) -> Result<Self, SqlError> {
        Ok(Self { connection: open_memory(name)? })
    }

    /// One conversation.
    pub fn conversation(&self, id: &str) -> Result<Option<StoredConversation>, SqlError> {
        let mut statement = self.conversations_where("id = ?1")?;
        let mut found = statement.query([id])?;
        found.next()?.map(|row| self.stored(rows::conversation(row)?)).transpose()
    }

    /// Every conversation that waits or is served, or that is to end when its time is up, in the order of the last event. The statement is open while
    /// `each` runs, so that no more than one of them is held here.
    pub fn live_conversations(&self, mut each: impl FnMut(StoredConversation)) -> Result<(), SqlError> {
        let mut statement = self.conversations_where(LIVE)?;
        let mut found = statement.query([])?;
        while let Some(row) = found.next()? {
            each(self.stored(rows::conversation(row)?)?);
        }
        Ok(())
    }

    /// The newest conversation of a visitor that is not over.
    pub fn open_conversation_of(
        &self,
        site: &str,
        visitor: &str,
    ) -> Result<Option<StoredConversation>, SqlError> {
        let mut statement = self.conversations_where(OPEN_OF_VISITOR)?;
        let mut found = statement.query([site, visitor])?;
        found.next()?.map(|row| self.stored(rows::conversation(row)?)).transpose()
    }

    /// The last of a visitor's conversations by id, of those whose ids have `characters` characters.
    pub fn last_id_of(
        &self,
        site: &str,
        visitor: &str,
        characters: usize,
    ) -> Result<Option<String>, SqlError> {
        let sql = format!("SELECT max(id) FROM conversations WHERE {LAST_ID_OF_VISITOR}");
        let mut statement = self.connection.prepare_cached(&sql)?;
        Ok(statement.query_row(params![site, visitor, characters as i64], |row| row.get(0))?)
    }

    /// Who served the visitor last, and when the last event of that conversation was, milliseconds since 1970.
    pub fn last_agent_of(&self, site: &str, visitor: &str) -> Result<Option<(String, u64)>, SqlError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT agent, last_at FROM conversations WHERE site = ?1 AND visitor = ?2 AND agent <> ''
             ORDER BY last_at DESC LIMIT 1",
        )?;
        let found =
            statement.query_row([site, visitor], |row| Ok((row.get(0)?, rows::unsigned(row.get(1)?))));
        Ok(found.optional()?)
    }

    /// The events of a conversation after `after`, in order: at most `limit` and [`ROWS_MAX`], and none more once
    /// their contents have `bytes_max` bytes.
    pub fn events(
        &self,
        conversation: &str,
        after: u64,
        limit: usize,
        bytes_max: usize,
    ) -> Result<Vec<EventRecord>, SqlError> {
        let Some(key) = self.key(conversation)? else { return Ok(Vec::new()) };
        let sql = format!(
            "SELECT {} FROM events WHERE key > ?1 AND key <= ?2 ORDER BY key LIMIT ?3",
            rows::EVENT_COLUMNS
        );
        let mut statement = self.connection.prepare_cached(&sql)?;
        let range = (rows::event_key(key, after), rows::event_key(key, SEQ_MAX));
        let mut found = statement.query(params![range.0, range.1, limit.min(ROWS_MAX) as i64])?;
        let mut events = Vec::new();
        let mut bytes = 0;
        while bytes < bytes_max
            && let Some(row) = found.next()?
        {
            let event = rows::event(conversation, row)?;
            bytes += event.content.len();
            events.push(event);
        }
        Ok(events)
    }

    /// The conversations of a site, the one with the newest event first.
    pub fn conversations(&self, listed: &Listed<'_>) -> Result<Vec<Summary>, SqlError> {
        let (sql, agent) = list_sql(listed);
        let mut statement = self.connection.prepare_cached(&sql)?;
        let (at, key) = (rows::signed(listed.before.last_at_ms), rows::signed(listed.before.key));
        let mut found = statement.query(params![
            listed.site,
            at,
            key,
            listed.limit.min(ROWS_MAX) as i64,
            agent,
            rows::signed(listed.from_ms),
            rows::signed(listed.until_ms),
            listed.visitor,
        ])?;
        let mut summaries = Vec::new();
        while let Some(row) = found.next()? {
            summaries.push(self.summary(rows::conversation(row)?)?);
        }
        Ok(summaries)
    }

    pub(super) fn connection(&self) -> &Connection {
        &self.connection
    }

    fn conversations_where(&self, rest: &str) -> Result<CachedStatement<'_>, SqlError> {
        let sql = format!("SELECT {} FROM conversations WHERE {rest}", rows::CONVERSATION_COLUMNS);
        Ok(self.connection.prepare_cached(&sql)?)
    }

    fn key(&self, conversation: &str) -> Result<Option<i64>, SqlError> {
        let mut statement = self.connection.prepare_cached("SELECT key FROM conversations WHERE id = ?1")?;
        Ok(statement.query_row([conversation], |row| row.get(0)).optional()?)
    }

    fn stored(&self, row: ConversationRow) -> Result<StoredConversation, SqlError> {
        let known_ids = self.known_ids(row.key, row.seq)?;
        let ConversationRow { record, seq, phase, agent, rated, last_at_ms, last_message, team, .. } = row;
        Ok(StoredConversation { record, seq, phase, agent, rated, last_at_ms, last_message, team, known_ids })
    }

    fn known_ids(&self, conversation: i64, seq: u64) -> Result<Vec<KnownMessage>, SqlError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT from_id, client_id, key, at FROM events
             WHERE key > ?1 AND key <= ?2 AND client_id <> '' ORDER BY key DESC LIMIT ?3",
        )?;
        let oldest = seq.saturating_sub(KNOWN_IDS_EVENTS_MAX as u64);
        let range = (rows::event_key(conversation, oldest), rows::event_key(conversation, seq));
        let found = statement.query_map(params![range.0, range.1, KNOWN_IDS_MAX as i64], |row| {
            Ok(KnownMessage {
                sender: row.get(0)?,
                id: row.get(1)?,
                seq: rows::seq_of(row.get(2)?),
                at_ms: rows::unsigned(row.get(3)?),
            })
        })?;
        let mut known = found.collect::<Result<Vec<_>, _>>()?;
        known.reverse();
        Ok(known)
    }

    fn summary(&self, row: ConversationRow) -> Result<Summary, SqlError> {
        Ok(Summary {
            last_message: self.event(row.key, &row.record.conversation, row.last_message)?,
            before: Before { last_at_ms: row.last_at_ms, key: rows::unsigned(row.key) },
            record: row.record,
            seq: row.seq,
            phase: row.phase,
            agent: row.agent,
            team: row.team,
            rated: row.rated,
            opened_at_ms: row.opened_at_ms,
            last_at_ms: row.last_at_ms,
            closed_at_ms: row.closed_at_ms,
        })
    }

    fn event(&self, key: i64, conversation: &str, seq: u64) -> Result<Option<EventRecord>, SqlError> {
        if seq == 0 {
            return Ok(None);
        }
        let sql = format!("SELECT {} FROM events WHERE key = ?1", rows::EVENT_COLUMNS);
        let mut statement = self.connection.prepare_cached(&sql)?;
        let mut found = statement.query([rows::event_key(key, seq)])?;
        found.next()?.map(|row| rows::event(conversation, row)).transpose()
    }
}
