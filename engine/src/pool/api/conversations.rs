//! `GET /api/v1/conversations` and one of them: what SQL knows, a moment behind the live conversation.

use axum::{Json, extract::State};
use codec::message::NAME_BYTES_MAX;
use serde::Deserialize;
use serde_json::{Value, json};
use store::{
    record::{ConversationRecord, EventRecord, Phase},
    sql::{Before, ConversationState, Listed, Summary},
};

use super::{
    Api, ApiError,
    auth::Caller,
    error::{Path, Query, wrong_query},
    times::{Span, span},
};
use crate::{desk::teams::FIRST_TEAM, identity::SITE_DEFAULT};

/// Conversations of one page when nobody says.
const LIMIT_DEFAULT: usize = 50;
/// Conversations of one page at most.
const LIMIT_MAX: usize = 200;
/// Characters of the last message that a list shows.
const PREVIEW_CHARACTERS_MAX: usize = 120;
const _: () = assert!(LIMIT_DEFAULT <= LIMIT_MAX && LIMIT_MAX < store::sql::ROWS_MAX);

#[derive(Deserialize)]
pub(super) struct ListQuery {
    site: Option<String>,
    state: Option<String>,
    visitor: Option<String>,
    from: Option<String>,
    to: Option<String>,
    limit: Option<usize>,
    before: Option<String>,
}

/// Every agent sees every conversation of a site: that is how desks hand over and help each other.
pub(super) async fn list(
    State(api): State<Api>,
    Caller(agent): Caller,
    Query(query): Query<ListQuery>,
) -> Result<Json<Value>, ApiError> {
    let site = query.site.unwrap_or_else(|| SITE_DEFAULT.to_owned());
    for (field, value) in [("site", Some(&site)), ("visitor", query.visitor.as_ref())] {
        if value.is_some_and(|value| value.len() > NAME_BYTES_MAX) {
            return Err(wrong_query(&format!("{field} must have at most {NAME_BYTES_MAX} bytes")));
        }
    }
    let Span { from_ms, until_ms } = span(query.from.as_deref(), query.to.as_deref())?;
    let limit = within(query.limit, LIMIT_DEFAULT, LIMIT_MAX)?;
    let before = query.before.as_deref().map_or(Some(Before::NEWEST), place);
    let before = before.ok_or_else(|| wrong_query("before must be the text that the last page gave"))?;
    let state = query.state.unwrap_or_else(|| "all".to_owned());
    if !["all", "open", "waiting", "left", "mine", "closed"].contains(&state.as_str()) {
        return Err(wrong_query("state must be all, open, waiting, left, mine or closed"));
    }
    let mut found = api
        .records
        .read(move |reader| {
            let state = match state.as_str() {
                "open" => ConversationState::Open,
                "waiting" => ConversationState::Waiting,
                "left" => ConversationState::Left,
                "mine" => ConversationState::Mine(&agent.name),
                "closed" => ConversationState::Closed,
                _ => ConversationState::All,
            };
            let visitor = query.visitor.as_deref();
            // One more than asked for tells whether there is another page.
            let limit = limit + 1;
            reader.conversations(&Listed { site: &site, state, visitor, from_ms, until_ms, before, limit })
        })
        .await?;
    let more = found.len() > limit;
    found.truncate(limit);
    let next = found.last().filter(|_| more).map(|last| place_text(last.before));
    Ok(Json(json!({"conversations": found.iter().map(summary).collect::<Vec<_>>(), "next": next})))
}

pub(super) async fn one(State(api): State<Api>, _: Caller, Path(id): Path) -> Result<Json<Value>, ApiError> {
    let found = api.records.read(move |reader| reader.conversation(&id)).await?;
    let found = found.ok_or_else(|| ApiError::not_found("there is no conversation with this id"))?;
    let mut shown = about(&found.record, found.seq, found.phase, &found.agent, found.rated);
    shown["team"] = json!(team_name(&found.team));
    Ok(Json(shown))
}

fn about(record: &ConversationRecord, seq: u64, phase: Phase, agent: &str, rated: bool) -> Value {
    json!({
        "id": record.conversation,
        "site": record.site,
        "visitor": record.visitor,
        "name": record.name,
        "vip": record.vip,
        "page": record.page,
        "seq": seq,
        "phase": phase_name(phase),
        "agent": (!agent.is_empty()).then_some(agent),
        "rated": rated,
    })
}

fn summary(summary: &Summary) -> Value {
    let mut shown = about(&summary.record, summary.seq, summary.phase, &summary.agent, summary.rated);
    shown["team"] = json!(team_name(&summary.team));
    shown["opened_at"] = json!(at(summary.opened_at_ms));
    shown["last_at"] = json!(at(summary.last_at_ms));
    shown["closed_at"] = json!(summary.closed_at_ms.map(at));
    shown["preview"] = json!(summary.last_message.as_ref().map_or_else(String::new, preview));
    shown
}

/// What is kept of the first team is nothing.
fn team_name(stored: &str) -> &str {
    if stored.is_empty() { FIRST_TEAM } else { stored }
}

/// The beginning of what a message says: its text, or else what it calls itself.
fn preview(message: &EventRecord) -> String {
    let content: Value = serde_json::from_str(&message.content).unwrap_or_default();
    let text = ["text", "title", "name", "number"].into_iter().find_map(|field| content[field].as_str());
    text.unwrap_or_default().chars().take(PREVIEW_CHARACTERS_MAX).collect()
}

/// The word of the API for where a conversation stands.
const fn phase_name(phase: Phase) -> &'static str {
    match phase {
        Phase::Greeting => "greeting",
        Phase::WaitingUserInput | Phase::WaitingMissed => "waiting_user_input",
        Phase::Processing | Phase::ProcessingMissed => "processing",
        Phase::Queued => "queued",
        Phase::Answered => "answered",
        Phase::Unanswered => "unanswered",
        Phase::LeaveMessage => "leave_message",
        // Over for everybody who asks; that a rating may still come is the visitor's affair.
        Phase::Closed | Phase::Rating => "closed",
    }
}

/// A time as the WebSocket has it.
pub(super) fn at(unix_ms: u64) -> String {
    let mut text = Vec::new();
    codec::json::encode_time(unix_ms, &mut text);
    String::from_utf8(text).expect("a time is digits and signs")
}

/// A place in the list, as text that only we read.
fn place_text(before: Before) -> String {
    format!("{}.{}", before.last_at_ms, before.key)
}

fn place(text: &str) -> Option<Before> {
    let (last_at_ms, key) = text.split_once('.')?;
    Some(Before { last_at_ms: last_at_ms.parse().ok()?, key: key.parse().ok()? })
}

/// A number of rows from 1 to `max`, or 400.
pub(super) fn within(given: Option<usize>, default: usize, max: usize) -> Result<usize, ApiError> {
    match given.unwrap_or(default) {
        rows if (1..=max).contains(&rows) => Ok(rows),
        _ => Err(wrong_query(&format!("limit must be from 1 to {max}"))),
    }
}
