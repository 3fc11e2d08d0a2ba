//! What supervisors have that agents have not: the board, and the canned replies to change.

use codec::message::PresenceState;

use super::*;
use crate::{
    desk::{
        AgentStatus,
        board::{Board, ClassBoard, QueueBoard},
        teams::{Team, Teams},
    },
    identity::Class,
    limits::{REPLY_SHORTCUT_CHARACTERS_MAX, REPLY_TEXT_BYTES_MAX},
    pool::metrics::DropReason,
    shard::Sayer,
    shedding::Step,
};

/// A VIP and a normal visitor wait for the team of boots, which is closed on that day; a works, b is away.
pub(super) fn board_of_the_day() -> Board {
    let boots = r#"{"members":[{"agent":"a"}],"hours":{"zone":"UTC","week":{"thursday":["09:00-10:00"]}}}"#;
    let boots = Team::new(serde_json::from_str(boots).expect("settings")).expect("right");
    let status = |agent: &str, state, serving| AgentStatus {
        agent: agent.into(),
        state: Some(state),
        capacity: 8,
        serving,
    };
    let class = |waiting, since_ms| ClassBoard { waiting, oldest_since_ms: Some(since_ms) };
    Board {
        teams: Arc::new(Teams::new([("boots".into(), boots)])),
        queues: vec![QueueBoard {
            team: "boots".into(),
            vip: class(1, START_MS - 1_500),
            normal: class(7, START_MS - 90_000),
        }],
        agents: vec![status("a", PresenceState::Ready, 3), status("b", PresenceState::Away, 0)],
    }
}

#[tokio::test]
async fn supervisors_see_the_board_and_agents_do_not() {
    let desk = Desk::new();
    let (status, answer) = desk.get("/api/v1/board").await;
    assert_eq!((status, &answer["error"]["code"]), (403, &json!("forbidden")));
    let live = desk.api.metrics.live();
    for _ in 0..10 {
        live.acknowledged(Sayer::Vip, 400);
    }
    live.refused(Class::Normal, DropReason::Overloaded, 3);
    live.steps(None, Step::None);
    live.steps(None, Step::Typing);
    live.step(START_MS);
    let (status, board) = desk.call("GET /api/v1/board", Some(&desk.token("s")), None).await;
    assert_eq!((status, &board["at"]), (200, &json!("2026-11-04T00:00:00.000Z")));
    let nobody = json!({"count": 0, "oldest_ms": null});
    let waiting =
        json!({"vip": {"count": 1, "oldest_ms": 1_500}, "normal": {"count": 7, "oldest_ms": 90_000}});
    assert_eq!(
        board["teams"],
        json!([
            {"name": "boots", "open": false, "opens_at": "2026-11-05T09:00:00.000Z", "waiting": waiting},
            {"name": "default", "open": true, "opens_at": null, "waiting": {"vip": nobody, "normal": nobody}},
        ])
    );
    assert_eq!(
        board["agents"],
        json!([
            {"name": "a", "state": "ready", "capacity": 8, "serving": 3, "teams": ["boots", "default"]},
            {"name": "b", "state": "away", "capacity": 8, "serving": 0, "teams": ["default"]},
        ])
    );
    let shards = json!({"none": 1, "typing": 1, "bot": 0, "conversations": 0, "messages": 0});
    assert_eq!(board["shedding"], json!({"step": "typing", "shards": shards}));
    assert_eq!((&board["window_s"], &board["step_s"]), (&json!(5), &json!(5)));
    // The bucket of 400 µs ends there.
    let vip = json!({"count": 10, "per_second": 2.0, "p50_ms": 0.415, "p99_ms": 0.415});
    let none = json!({"count": 0, "per_second": 0.0, "p50_ms": null, "p99_ms": null});
    assert_eq!(board["messages"], json!({"vip": vip, "normal": none, "agent": none}));
    let calm = json!({"overloaded": 0, "journal_full": 0, "unavailable": 0});
    let refused = json!({"overloaded": 3, "journal_full": 0, "unavailable": 0});
    assert_eq!(board["refused"], json!({"vip": calm, "normal": refused}));
    let point =
        json!({"at": board["at"], "vip": [0.415, 0.415], "normal": [null, null], "agent": [null, null]});
    assert_eq!(board["points"], json!([point]));
}

#[tokio::test]
async fn supervisors_keep_canned_replies_and_every_agent_has_them() {
    let desk = Desk::new();
    let supervisor = desk.token("s");
    let text = json!({"text": "您好 {visitor}，我是{agent}。"});
    let put = async |shortcut: &str, body: Value, token: &str| {
        desk.call(&format!("PUT /api/v1/replies/{shortcut}"), Some(token), Some(body)).await
    };
    assert_eq!(put("hi", text.clone(), &desk.token("a")).await.0, 403);
    let shown = json!({"shortcut": "hi", "text": text["text"]});
    assert_eq!(put("hi", text, &supervisor).await, (200, shown.clone()));
    assert_eq!(put("%E9%80%80%E6%AC%BE", json!({"text": "退款"}), &supervisor).await.0, 200);
    let (_, listed) = desk.get("/api/v1/replies").await;
    assert_eq!(listed["replies"], json!([shown, {"shortcut": "退款", "text": "退款"}]));
    let long = "x".repeat(REPLY_SHORTCUT_CHARACTERS_MAX + 1);
    for (shortcut, body) in [
        ("two%20words", json!({"text": "x"})),
        ("a%2Fb", json!({"text": "x"})),
        (&long, json!({"text": "x"})),
        ("hi", json!({"text": "  "})),
        ("hi", json!({"text": "x".repeat(REPLY_TEXT_BYTES_MAX + 1)})),
        ("hi", json!({})),
    ] {
        let (status, answer) = put(shortcut, body, &supervisor).await;
        assert_eq!((status, &answer["error"]["code"]), (422, &json!("wrong_field")), "{shortcut}");
    }
    let remove = async |token: &str| desk.call("DELETE /api/v1/replies/hi", Some(token), None).await.0;
    assert_eq!(remove(&desk.token("a")).await, 403);
    assert_eq!((remove(&supervisor).await, remove(&supervisor).await), (200, 404));
}
