//! `GET /api/v1/teams`, `PUT` and `DELETE /api/v1/teams/{name}`: who serves whom, when, and what happens else.
//!
//! What a team's settings mean is `crate::desk::teams`'; here they are checked, kept, and told to the shards: they count
//! from the moment of the answer.

use std::sync::Arc;

use axum::{Json, extract::State};
use serde_json::{Value, json};
use store::sql::StoredTeam;

use super::{
    Api, ApiError,
    agents::valid_name,
    auth::Caller,
    error::{Body, Path},
};
use crate::{
    desk::teams::{FIRST_TEAM, TEAMS_MAX, Team, TeamSettings},
    jobs::Done,
    pool::records::teams_of,
    shard::SITE,
};

/// For every agent: conversations are transferred to teams by name. The first team is there also where nobody has
/// said anything of it.
pub(super) async fn list(State(api): State<Api>, _: Caller) -> Result<Json<Value>, ApiError> {
    let stored = api.records.teams(|teams| teams.list()).await?;
    let teams = teams_of(stored);
    let shown: Vec<Value> = teams.all().map(|(name, team)| shown(name, team.settings())).collect();
    Ok(Json(json!({"teams": shown})))
}

pub(super) async fn put(
    State(api): State<Api>,
    _: Caller,
    Path(name): Path,
    Body(settings): Body<TeamSettings>,
) -> Result<Json<Value>, ApiError> {
    let name = valid_name(&name)?.as_str().to_owned();
    let wrong = |text| ApiError::unprocessable("wrong_field", text);
    let team = Team::new(settings).map_err(wrong)?;
    let answer = shown(&name, team.settings());
    let settings = serde_json::to_string(team.settings()).expect("settings are JSON");
    // Of two changes at once, the shards hear of the later one last.
    let _one_at_a_time = api.teams_change.lock().await;
    let known = api.records.teams(|teams| teams.list()).await?;
    let is_new = !known.iter().any(|team| team.name == name);
    if is_new && known.len() >= TEAMS_MAX {
        return Err(wrong(format!("there are {TEAMS_MAX} teams already; remove one")));
    }
    if let Some(to) = &team.settings().overflow_to
        && (*to == name || (to != FIRST_TEAM && !known.iter().any(|team| team.name == *to)))
    {
        return Err(wrong(format!("overflow_to {to:?} is no other team; make that one first")));
    }
    let stored = StoredTeam { site: SITE.to_owned(), name, settings };
    api.records.teams(move |teams| teams.put(&stored)).await?;
    tell_shards(&api).await?;
    Ok(Json(answer))
}

pub(super) async fn remove(
    State(api): State<Api>,
    _: Caller,
    Path(name): Path,
) -> Result<Json<Value>, ApiError> {
    let _one_at_a_time = api.teams_change.lock().await;
    let removed = name.clone();
    if !api.records.teams(move |teams| teams.remove(SITE, &removed)).await? {
        return Err(ApiError::not_found("there is no team of this name, or nothing was said of it"));
    }
    tell_shards(&api).await?;
    Ok(Json(json!({"removed": name})))
}

async fn tell_shards(api: &Api) -> Result<(), ApiError> {
    let stored = api.records.teams(|teams| teams.list()).await?;
    let teams = Arc::new(teams_of(stored));
    for shard in &*api.dones {
        shard.push(Done::Teams(Arc::clone(&teams))).await;
    }
    Ok(())
}

fn shown(name: &str, settings: &TeamSettings) -> Value {
    let mut shown = json!(settings);
    shown["name"] = json!(name);
    shown
}
