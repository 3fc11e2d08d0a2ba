//! `GET /api/v1/replies`, `PUT` and `DELETE /api/v1/replies/{shortcut}`: what agents say often.
//!
//! Every agent has the same ones. What `{visitor}` and `{agent}` in a text become, the console knows: here it is text.

use axum::{Json, extract::State};
use serde::Deserialize;
use serde_json::{Value, json};
use store::sql::StoredReply;

use super::{
    Api, ApiError,
    auth::Caller,
    error::{Body, Path},
};
use crate::{
    limits::{REPLIES_MAX, REPLY_SHORTCUT_CHARACTERS_MAX, REPLY_TEXT_BYTES_MAX},
    shard::SITE,
};

#[derive(Deserialize)]
pub(super) struct NewText {
    text: String,
}

/// For every agent.
pub(super) async fn list(State(api): State<Api>, _: Caller) -> Result<Json<Value>, ApiError> {
    let found = api.records.replies(|replies| replies.list(SITE)).await?;
    Ok(Json(json!({"replies": found.iter().map(shown).collect::<Vec<_>>()})))
}

pub(super) async fn put(
    State(api): State<Api>,
    _: Caller,
    Path(shortcut): Path,
    Body(NewText { text }): Body<NewText>,
) -> Result<Json<Value>, ApiError> {
    let wrong = |text: String| ApiError::unprocessable("wrong_field", text);
    if !may_be_shortcut(&shortcut) {
        return Err(wrong(format!(
            "a shortcut has 1 to {REPLY_SHORTCUT_CHARACTERS_MAX} letters of any language, digits or ._-"
        )));
    }
    if text.trim().is_empty() || text.len() > REPLY_TEXT_BYTES_MAX || text.contains('\0') {
        return Err(wrong(format!(
            "text must have 1 to {REPLY_TEXT_BYTES_MAX} bytes, more than white space, and no U+0000"
        )));
    }
    let reply = StoredReply { site: SITE.to_owned(), shortcut, text };
    let answer = shown(&reply);
    if !api.records.replies(move |replies| replies.put(&reply, REPLIES_MAX)).await? {
        return Err(wrong(format!("there are {REPLIES_MAX} canned replies already; remove one")));
    }
    Ok(Json(answer))
}

pub(super) async fn remove(
    State(api): State<Api>,
    _: Caller,
    Path(shortcut): Path,
) -> Result<Json<Value>, ApiError> {
    let removed = shortcut.clone();
    match api.records.replies(move |replies| replies.remove(SITE, &removed)).await? {
        true => Ok(Json(json!({"removed": shortcut}))),
        false => Err(ApiError::not_found("there is no canned reply with this shortcut")),
    }
}

fn may_be_shortcut(text: &str) -> bool {
    let length = text.chars().count();
    (1..=REPLY_SHORTCUT_CHARACTERS_MAX).contains(&length)
        && text.chars().all(|character| character.is_alphanumeric() || "._-".contains(character))
}

fn shown(reply: &StoredReply) -> Value {
    json!({"shortcut": reply.shortcut, "text": reply.text})
}
