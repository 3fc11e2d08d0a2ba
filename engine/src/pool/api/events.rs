//! `GET /api/v1/conversations/{id}/events`: what was said, up to the newest durable event.
//!
//! The owning shard is asked first and SQL second: what the shard has already dropped from memory was in SQL
//! before, so nothing falls between the two.

use std::{borrow::Cow, sync::Arc};

use axum::{
    body::Body,
    extract::State,
    response::{IntoResponse, Response},
};
use codec::{
    json::encode_server,
    message::{Event, EventKind, Role, ServerMessage},
};
use http::header;
use serde::Deserialize;
use store::record::{self, EventRecord};

use super::{
    Api, ApiError,
    auth::Caller,
    conversations::within,
    error::{Path, Query},
};
use crate::{
    jobs::Done,
    roles::{self, Sight},
    shard::reasons::without_reason,
};

/// Events of one page when nobody says.
const LIMIT_DEFAULT: usize = 200;
/// Events of one page at most.
const LIMIT_MAX: usize = 1_000;
const _: () = assert!(LIMIT_DEFAULT <= LIMIT_MAX && LIMIT_MAX <= store::sql::ROWS_MAX);
/// Bytes of one page: it ends with the event that reaches them, and so has at least one.
const PAGE_BYTES_MAX: usize = 1024 * 1024;

/// An event as the WebSocket sends it, with its number.
type Numbered = (u64, Arc<[u8]>);

#[derive(Deserialize)]
pub(super) struct EventsQuery {
    #[serde(default)]
    after: u64,
    limit: Option<usize>,
}

pub(super) async fn list(
    State(api): State<Api>,
    Caller(caller): Caller,
    Path(id): Path,
    Query(query): Query<EventsQuery>,
) -> Result<Response, ApiError> {
    let limit = within(query.limit, LIMIT_DEFAULT, LIMIT_MAX)?;
    let after = query.after;
    let unknown = || ApiError::not_found("there is no conversation with this id");
    let shard = (api.shard_of)(&id).ok_or_else(unknown)?;
    let knows_why = roles::shows(caller.role.into(), Sight::Why);
    let recent = recent(&api, shard, &id, knows_why).await?;
    let asked = id.clone();
    let stored = api.records.read(move |reader| reader.events(&asked, after, limit, PAGE_BYTES_MAX)).await?;
    let shown = |event| if knows_why { Cow::Borrowed(event) } else { without_reason(event) };
    let stored = stored.iter().map(|event| (event.seq, wire(&shown(event)))).collect();
    let last_seq = match recent.last() {
        Some((seq, _)) => *seq,
        // Not in memory: SQL has all of it.
        None => api.records.read(move |reader| reader.conversation(&id)).await?.ok_or_else(unknown)?.seq,
    };
    Ok(page(&merge(stored, recent, after, limit, PAGE_BYTES_MAX), last_seq))
}

/// The durable events that the shard has in memory.
async fn recent(
    api: &Api,
    shard: usize,
    conversation: &str,
    knows_why: bool,
) -> Result<Vec<Numbered>, ApiError> {
    let question = |reply| Done::Recent { conversation: conversation.into(), knows_why, reply };
    let answer = api.ask_shard(shard, question).await;
    answer.ok_or_else(|| {
        ApiError::unavailable("the conversation does not answer right now; try again in a moment")
    })
}

/// Both in one: rising, each number once, without a gap, at most `limit`, and none more once they have `bytes_max`
/// bytes.
fn merge(
    stored: Vec<Numbered>,
    recent: Vec<Numbered>,
    after: u64,
    limit: usize,
    bytes_max: usize,
) -> Vec<Numbered> {
    let (mut merged, mut bytes) = (Vec::<Numbered>::new(), 0);
    for (seq, event) in stored.into_iter().chain(recent) {
        let next = merged.last().map_or(after, |(last, _)| *last).saturating_add(1);
        if merged.len() < limit && seq == next && bytes < bytes_max {
            bytes += event.len();
            merged.push((seq, event));
        }
    }
    merged
}

fn page(events: &[Numbered], last_seq: u64) -> Response {
    let mut body = b"{\"events\":[".to_vec();
    for (index, (_, event)) in events.iter().enumerate() {
        if index > 0 {
            body.push(b',');
        }
        body.extend_from_slice(event);
    }
    body.extend_from_slice(format!("],\"last_seq\":{last_seq}}}").as_bytes());
    ([(header::CONTENT_TYPE, "application/json")], Body::from(body)).into_response()
}

/// The event as the WebSocket sends it.
pub(super) fn wire(record: &EventRecord) -> Arc<[u8]> {
    let event = Event {
        conversation: (&record.conversation).into(),
        seq: record.seq,
        at_ms: record.at_ms,
        kind: kind(record.kind),
        id: (&record.client_id).into(),
        role: role(record.role),
        from_id: (&record.from_id).into(),
        from_name: (&record.from_name).into(),
        content: (&record.content).into(),
    };
    let mut text = Vec::new();
    encode_server(&ServerMessage::Event(event), &mut text);
    text.into()
}

const fn kind(kind: record::EventKind) -> EventKind {
    match kind {
        record::EventKind::Message => EventKind::Message,
        record::EventKind::Assigned => EventKind::Assigned,
        record::EventKind::Queue => EventKind::Queue,
        record::EventKind::Transferred => EventKind::Transferred,
        record::EventKind::Closed => EventKind::Closed,
        record::EventKind::Rating => EventKind::Rating,
        record::EventKind::Note => EventKind::Note,
    }
}

const fn role(role: record::Role) -> Role {
    match role {
        record::Role::Visitor => Role::Visitor,
        record::Role::Agent => Role::Agent,
        record::Role::System => Role::System,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbered(numbers: impl IntoIterator<Item = u64>, from: &str) -> Vec<Numbered> {
        numbers.into_iter().map(|seq| (seq, from.as_bytes().into())).collect()
    }

    #[test]
    fn stored_and_recent_join_without_gap_or_double() {
        /// Stored, recent, after, limit, merged.
        type Case = (&'static [u64], &'static [u64], u64, usize, &'static [u64]);
        let cases: &[Case] = &[
            (&[], &[], 0, 10, &[]),
            (&[1, 2, 3], &[], 0, 10, &[1, 2, 3]),
            (&[], &[1, 2, 3], 0, 10, &[1, 2, 3]),
            (&[1, 2, 3], &[3, 4, 5], 0, 10, &[1, 2, 3, 4, 5]),
            (&[1, 2, 3], &[4, 5], 0, 10, &[1, 2, 3, 4, 5]),
            (&[3], &[2, 3, 4], 2, 10, &[3, 4]),
            (&[], &[2, 3, 4], 3, 10, &[4]),
            (&[], &[2, 3, 4], 4, 10, &[]),
            (&[], &[2, 3, 4], 9, 10, &[]),
            (&[1, 2], &[2, 3, 4], 0, 3, &[1, 2, 3]),
            // A full page of SQL ends before what is in memory begins: the next page goes on.
            (&[1, 2], &[5, 6], 0, 2, &[1, 2]),
            (&[], &[1], u64::MAX, 10, &[]),
        ];
        for (stored, recent, after, limit, merged) in cases {
            let stored = numbered(stored.iter().copied(), "stored");
            let found = merge(stored, numbered(recent.iter().copied(), "recent"), *after, *limit, 1000);
            let found: Vec<u64> = found.iter().map(|(seq, _)| *seq).collect();
            assert_eq!(found, *merged, "recent {recent:?} after {after} limit {limit}");
        }
    }

    #[test]
    fn a_page_ends_with_the_event_that_fills_it_and_always_has_one() {
        for (bytes_max, expected) in [(1, 1), (6, 1), (7, 2), (12, 2), (13, 3), (18, 3), (24, 4), (1000, 5)] {
            // Six bytes each.
            let (stored, recent) = (numbered(1..=3, "stored"), numbered(2..=5, "recent"));
            let found = merge(stored, recent, 0, 10, bytes_max);
            assert_eq!(found.len(), expected, "{bytes_max} bytes");
        }
    }
}
