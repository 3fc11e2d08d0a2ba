//! Values to columns and back.

use std::collections::BTreeMap;

use rusqlite::{Connection, Row};

use super::{SEQ_BITS, SEQ_MAX, SqlError};
use crate::record::{ConversationRecord, EventKind, EventRecord, Phase, Role};

/// SQLite's integers are signed. A time or number past 2^63 does not occur; it would be stored as 2^63 - 1.
pub(super) fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

pub(super) fn unsigned(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}

/// The key of an event; `seq` is at most [`SEQ_MAX`].
pub(super) fn event_key(conversation: i64, seq: u64) -> i64 {
    conversation << SEQ_BITS | signed(seq.min(SEQ_MAX))
}

pub(super) fn seq_of(event_key: i64) -> u64 {
    unsigned(event_key) & SEQ_MAX
}

pub(super) fn phase(value: i64) -> Result<Phase, SqlError> {
    match value {
        1 => Ok(Phase::Greeting),
        2 => Ok(Phase::WaitingUserInput),
        3 => Ok(Phase::Queued),
        4 => Ok(Phase::Answered),
        5 => Ok(Phase::Unanswered),
        6 => Ok(Phase::Closed),
        7 => Ok(Phase::WaitingMissed),
        8 => Ok(Phase::Processing),
        9 => Ok(Phase::ProcessingMissed),
        10 => Ok(Phase::LeaveMessage),
        11 => Ok(Phase::Rating),
        value => Err(SqlError::Damaged { column: "phase", value }),
    }
}

fn kind(value: i64) -> Result<EventKind, SqlError> {
    match value {
        1 => Ok(EventKind::Message),
        2 => Ok(EventKind::Assigned),
        3 => Ok(EventKind::Queue),
        4 => Ok(EventKind::Transferred),
        5 => Ok(EventKind::Closed),
        6 => Ok(EventKind::Rating),
        7 => Ok(EventKind::Note),
        value => Err(SqlError::Damaged { column: "events.kind", value }),
    }
}

fn role(value: i64) -> Result<Role, SqlError> {
    match value {
        1 => Ok(Role::Visitor),
        2 => Ok(Role::Agent),
        3 => Ok(Role::System),
        value => Err(SqlError::Damaged { column: "events.role", value }),
    }
}

/// The number of the last record of each stream that is in SQL. A stream that is missing has none.
pub(super) fn progress(connection: &Connection) -> Result<BTreeMap<u32, u64>, SqlError> {
    let mut statement = connection.prepare_cached("SELECT stream, number FROM progress")?;
    let found = statement.query_map([], |row| Ok((row.get(0)?, unsigned(row.get(1)?))))?;
    Ok(found.collect::<Result<_, _>>()?)
}

/// The columns that [`event`] reads, in its order.
pub(super) const EVENT_COLUMNS: &str =
    "key, at, kind, role, from_id, from_name, client_id, content, agent, phase";

pub(super) fn event(conversation: &str, row: &Row<'_>) -> Result<EventRecord, SqlError> {
    Ok(EventRecord {
        conversation: conversation.to_owned(),
        seq: seq_of(row.get(0)?),
        at_ms: unsigned(row.get(1)?),
        kind: kind(row.get(2)?)?,
        role: role(row.get(3)?)?,
        from_id: row.get(4)?,
        from_name: row.get(5)?,
        client_id: row.get(6)?,
        content: row.get(7)?,
        agent: row.get(8)?,
        phase: phase(row.get(9)?)?,
    })
}

/// The columns that [`conversation`] reads, in its order.
pub(super) const CONVERSATION_COLUMNS: &str = "key, id, site, visitor, name, vip, page, record_at, \
     seq, phase, agent, rated, opened_at, last_at, closed_at, last_message, team, team_at";

/// A row of `conversations`.
pub(super) struct ConversationRow {
    pub key: i64,
    pub record: ConversationRecord,
    pub seq: u64,
    pub phase: Phase,
    pub agent: String,
    pub rated: bool,
    pub opened_at_ms: u64,
    pub last_at_ms: u64,
    pub closed_at_ms: Option<u64>,
    /// 0: nothing was said.
    pub last_message: u64,
    /// Empty: the first one.
    pub team: String,
    pub team_at_ms: u64,
}

pub(super) fn conversation(row: &Row<'_>) -> Result<ConversationRow, SqlError> {
    let closed_at: Option<i64> = row.get(14)?;
    Ok(ConversationRow {
        key: row.get(0)?,
        record: ConversationRecord {
            conversation: row.get(1)?,
            site: row.get(2)?,
            visitor: row.get(3)?,
            name: row.get(4)?,
            vip: row.get(5)?,
            page: row.get(6)?,
            at_ms: unsigned(row.get(7)?),
        },
        seq: unsigned(row.get(8)?),
        phase: phase(row.get(9)?)?,
        agent: row.get(10)?,
        rated: row.get(11)?,
        opened_at_ms: unsigned(row.get(12)?),
        last_at_ms: unsigned(row.get(13)?),
        closed_at_ms: closed_at.map(unsigned),
        last_message: unsigned(row.get(15)?),
        team: row.get(16)?,
        team_at_ms: unsigned(row.get(17)?),
    })
}
