//! `GET /api/v1/board`: what supervisors see of the desk, now and over the last minutes.
//!
//! The desk's shard is asked for a copy of its counts; all else that this needs is done here, on the pool.

use axum::{Json, extract::State};
use codec::message::PresenceState;
use serde_json::{Map, Value, json};

use super::{Api, ApiError, auth::Caller, conversations::at};
use crate::{
    desk::{
        AgentStatus,
        board::{Board, ClassBoard},
        hours::Open,
        teams::{FIRST_TEAM, Teams},
    },
    identity::Class,
    jobs::Done,
    placement,
    pool::metrics::{CLASSES, DropReason, Point, Recent, STEP_S, Took},
    shard::{SITE, Sayer},
    shedding::Step,
};

pub(super) async fn board(State(api): State<Api>, _: Caller) -> Result<Json<Value>, ApiError> {
    let board = desk(&api).await?;
    let now_ms = api.clock.unix_ms();
    let recent = api.metrics.live().recent();
    let agents = board.agents.iter().map(|status| agent(status, &board.teams));
    Ok(Json(json!({
        "at": at(now_ms),
        "teams": teams(&board, now_ms),
        "agents": agents.collect::<Vec<_>>(),
        "shedding": shedding(&recent),
        "window_s": recent.seconds,
        "messages": messages(&recent),
        "refused": refused(&recent),
        "step_s": STEP_S,
        "points": recent.points.iter().map(point).collect::<Vec<_>>(),
    })))
}

async fn desk(api: &Api) -> Result<Board, ApiError> {
    let shard = placement::shard_of_team(SITE, FIRST_TEAM, api.dones.len());
    let answer = api.ask_shard(shard, |reply| Done::Board { reply }).await;
    answer.ok_or_else(|| ApiError::unavailable("the desk does not answer right now; try again in a moment"))
}

/// Every team, also those for which nobody waits.
fn teams(board: &Board, now_ms: u64) -> Vec<Value> {
    let shown = board.teams.all().map(|(name, team)| {
        let queue = board.queues.iter().find(|queue| queue.team == *name);
        let classes = queue.map(|queue| (queue.vip, queue.normal)).unwrap_or_default();
        let opens_at_ms = match team.at(now_ms) {
            Open::Now => None,
            Open::Later { opens_at_ms } => Some(opens_at_ms),
        };
        json!({
            "name": &**name,
            "open": opens_at_ms.is_none(),
            "opens_at": opens_at_ms.flatten().map(at),
            "waiting": {"vip": waiting(classes.0, now_ms), "normal": waiting(classes.1, now_ms)},
        })
    });
    shown.collect()
}

fn waiting(class: ClassBoard, now_ms: u64) -> Value {
    let oldest_ms = class.oldest_since_ms.map(|since_ms| now_ms.saturating_sub(since_ms));
    json!({"count": class.waiting, "oldest_ms": oldest_ms})
}

fn agent(status: &AgentStatus, teams: &Teams) -> Value {
    let member_of = teams.all().filter(|(_, team)| team.has(&status.agent)).map(|(name, _)| &**name);
    json!({
        "name": &*status.agent,
        "state": if status.state == Some(PresenceState::Ready) { "ready" } else { "away" },
        "capacity": status.capacity,
        "serving": status.serving,
        "teams": member_of.collect::<Vec<_>>(),
    })
}

fn shedding(recent: &Recent) -> Value {
    let steps = Step::ALL.iter().zip(recent.shards);
    let highest = steps.clone().filter(|(_, shards)| *shards > 0).map(|(step, _)| *step).max();
    let shards: Map<String, Value> =
        steps.map(|(step, shards)| (step.name().into(), json!(shards))).collect();
    json!({"step": highest.unwrap_or_default().name(), "shards": shards})
}

/// By whose they are: how many came, how many of them a second, and how long until they were durable and acknowledged.
fn messages(recent: &Recent) -> Map<String, Value> {
    let seconds = recent.seconds.max(1) as f64;
    let shown = Sayer::ALL.iter().zip(recent.took).map(|((_, name), took)| {
        let (p50_ms, p99_ms) = milliseconds(took);
        let per_second = (took.messages as f64 / seconds * 100.0).round() / 100.0;
        let shown = json!({
            "count": took.messages, "per_second": per_second, "p50_ms": p50_ms, "p99_ms": p99_ms,
        });
        ((*name).to_owned(), shown)
    });
    shown.collect()
}

fn refused(recent: &Recent) -> Map<String, Value> {
    let of = |class: Class| -> Map<String, Value> {
        let counts = recent.refused[class as usize];
        DropReason::ALL.iter().zip(counts).map(|((_, name), count)| ((*name).into(), json!(count))).collect()
    };
    CLASSES.iter().map(|(class, name)| ((*name).to_owned(), json!(of(*class)))).collect()
}

fn point(point: &Point) -> Value {
    let [vip, normal, agent] = point.took.map(|took| {
        let (p50_ms, p99_ms) = milliseconds(took);
        json!([p50_ms, p99_ms])
    });
    json!({"at": at(point.at_ms), "vip": vip, "normal": normal, "agent": agent})
}

/// Both percentiles; nothing, where there was no message.
fn milliseconds(took: Took) -> (Option<f64>, Option<f64>) {
    let [p50, p99] = [took.p50_us, took.p99_us];
    let shown = |us: u64| (took.messages > 0).then_some(us as f64 / 1_000.0);
    (shown(p50), shown(p99))
}
