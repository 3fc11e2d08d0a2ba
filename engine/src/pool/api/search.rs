//! `GET /api/v1/search`: what was said, in full text, the newest first.

use axum::{Json, extract::State};
use codec::message::NAME_BYTES_MAX;
use serde::Deserialize;
use serde_json::{Value, json, value::RawValue};
use store::sql::{Hit, SearchQuery, SnippetPart, Terms, said};

use super::{
    Api, ApiError,
    auth::Caller,
    conversations::within,
    error::{Query, wrong_query},
    events::wire,
    times::span,
};
use crate::identity::SITE_DEFAULT;

/// Hits of one page when nobody says.
const LIMIT_DEFAULT: usize = 20;
/// Hits of one page at most.
const LIMIT_MAX: usize = 100;
/// Longest query in bytes.
const QUERY_BYTES_MAX: usize = 256;
const _: () = assert!(LIMIT_DEFAULT <= LIMIT_MAX && LIMIT_MAX < store::sql::ROWS_MAX);

#[derive(Deserialize)]
pub(super) struct Asked {
    #[serde(default)]
    q: String,
    site: Option<String>,
    from: Option<String>,
    to: Option<String>,
    visitor: Option<String>,
    agent: Option<String>,
    conversation: Option<String>,
    before: Option<String>,
    limit: Option<usize>,
}

/// Every agent may search a site, as every agent may read its conversations; notes are the agents' own.
pub(super) async fn search(
    State(api): State<Api>,
    _: Caller,
    Query(asked): Query<Asked>,
) -> Result<Json<Value>, ApiError> {
    let limit = within(asked.limit, LIMIT_DEFAULT, LIMIT_MAX)?;
    let query = query(asked, limit)?;
    let terms = query.terms.clone();
    let found = api.records.read(move |reader| reader.search(&query)).await?;
    let hits: Vec<Value> = found.hits.iter().map(|hit| shown(hit, &terms)).collect();
    let next = found.next.map(|place| place.to_string());
    Ok(Json(json!({"hits": hits, "next": next})))
}

fn query(asked: Asked, limit: usize) -> Result<SearchQuery, ApiError> {
    if asked.q.len() > QUERY_BYTES_MAX {
        return Err(wrong_query(&format!("q must have at most {QUERY_BYTES_MAX} bytes")));
    }
    let terms = Terms::parse(&asked.q)
        .ok_or_else(|| wrong_query("q must have a letter, a digit or a character to search for"))?;
    let named = [("site", &asked.site), ("visitor", &asked.visitor), ("agent", &asked.agent)];
    for (field, value) in named.into_iter().chain([("conversation", &asked.conversation)]) {
        if value.as_ref().is_some_and(|value| value.len() > NAME_BYTES_MAX) {
            return Err(wrong_query(&format!("{field} must have at most {NAME_BYTES_MAX} bytes")));
        }
    }
    let span = span(asked.from.as_deref(), asked.to.as_deref())?;
    let before = asked.before.as_deref().map_or(Ok(u64::MAX), str::parse);
    Ok(SearchQuery {
        terms,
        site: asked.site.unwrap_or_else(|| SITE_DEFAULT.to_owned()),
        from_ms: span.from_ms,
        until_ms: span.until_ms,
        visitor: asked.visitor,
        agent: asked.agent,
        conversation: asked.conversation,
        before: before.map_err(|_| wrong_query("before must be the text that the last page gave"))?,
        limit,
    })
}

fn shown(hit: &Hit, terms: &Terms) -> Value {
    let event = String::from_utf8(wire(&hit.event).to_vec()).expect("the wire is UTF-8");
    let event: Box<RawValue> = serde_json::from_str(&event).expect("the wire is JSON");
    json!({
        "event": event,
        "visitor": hit.visitor,
        "name": hit.name,
        "vip": hit.vip,
        "snippet": terms.snippet(&said(&hit.event.content)).iter().map(part).collect::<Vec<_>>(),
    })
}

fn part(part: &SnippetPart) -> Value {
    if part.matches { json!({"text": part.text, "match": true}) } else { json!({"text": part.text}) }
}
