//! The API as its clients see it: requests in, status and JSON out, over a real database.

use std::{
    net::IpAddr,
    sync::atomic::{AtomicU64, Ordering},
};

use axum::{body::Body, response::Response};
use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::BodyExt;
use serde_json::Value;
use store::{
    record::{ConversationRecord, EventKind, EventRecord, Phase, Record, Role},
    sql::{Account, AccountRole, Projection},
};
use tower::ServiceExt;

use super::*;
use crate::{
    accounts::Password,
    identity::{AgentRole, LOGIN_TTL_S},
    jobs::Done,
    pool::{exchange::Peer, records::DATABASE_FILE},
    roles::{self, Access},
};

#[path = "tests/overseeing.rs"]
mod overseeing;

const PASSWORD: &str = "correct horse";
const SETUP: &str = "the set-up token";
const START_MS: u64 = 1_793_750_400_000;

/// A desk with accounts a (agent), s (supervisor) and d (disabled), and with one conversation of three
/// events in SQL and two more in the shard's memory.
struct Desk {
    api: Api,
    now_ms: Arc<AtomicU64>,
    directory: tempfile::TempDir,
}

impl Desk {
    fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let secrets = Secrets::load_or_create(directory.path()).expect("secrets");
        let records = Records::open(directory.path()).expect("a database");
        project(&directory.path().join(DATABASE_FILE));
        let now_ms = Arc::new(AtomicU64::new(START_MS));
        let clock = Arc::clone(&now_ms);
        let dones: Arc<[DoneQueue]> = [shard()].into();
        let api = Api::new(ApiParts {
            secrets,
            records,
            clock: Clock::new(move || clock.load(Ordering::SeqCst)),
            metrics: Metrics::new(),
            dones,
            shard_of: Box::new(|id| id.starts_with('c').then_some(0)),
            setup: Some(SetupToken::from_text(SETUP)),
        });
        let desk = Self { api, now_ms, directory };
        for (name, role, disabled) in [
            ("a", AccountRole::Agent, false),
            ("s", AccountRole::Supervisor, false),
            ("d", AccountRole::Agent, true),
        ] {
            desk.add(name, role, disabled);
        }
        desk
    }

    fn add(&self, name: &str, role: AccountRole, disabled: bool) {
        let account = Account { name: name.into(), role, password_hash: hash(), created_at_ms: 1, disabled };
        let accounts =
            store::sql::Accounts::open(&self.directory.path().join(DATABASE_FILE)).expect("opened");
        assert!(accounts.create(&account).expect("created"));
    }

    fn token(&self, name: &str) -> String {
        self.api.identity.sign_agent(name, AgentRole::Agent, START_MS / 1_000)
    }

    async fn send(&self, request: Request<Body>) -> Response {
        router(self.api.clone()).oneshot(request).await.expect("routers do not fail")
    }

    /// Status and JSON of the answer.
    async fn call(&self, call: &str, token: Option<&str>, body: Option<Value>) -> (u16, Value) {
        let response = self.send(request(call, token, body, [192, 0, 2, 1].into())).await;
        let status = response.status().as_u16();
        (status, json_of(response).await)
    }

    async fn get(&self, path: &str) -> (u16, Value) {
        self.call(&format!("GET {path}"), Some(&self.token("a")), None).await
    }

    async fn login(&self, name: &str, password: &str, peer: IpAddr) -> Response {
        let body = json!({"name": name, "password": password});
        self.send(request("POST /api/v1/login", None, Some(body), peer)).await
    }
}

/// Of [`PASSWORD`]; made once, since it is slow on purpose.
fn hash() -> String {
    static HASH: std::sync::LazyLock<String> = std::sync::LazyLock::new(|| {
        Password::new(PASSWORD.into()).expect("a password").hash().expect("hashed")
    });
    HASH.clone()
}

fn request(call: &str, token: Option<&str>, body: Option<Value>, peer: IpAddr) -> Request<Body> {
    let (method, path) = call.split_once(' ').expect("method and path");
    let mut request = Request::builder().method(method).uri(path).extension(Peer(Some(peer)));
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    let body = match body {
        Some(body) => {
            request = request.header("content-type", "application/json");
            Body::from(body.to_string())
        }
        None => Body::empty(),
    };
    request.body(body).expect("a request")
}

async fn bytes_of(response: Response) -> Bytes {
    response.into_body().collect().await.expect("in memory").to_bytes()
}

async fn json_of(response: Response) -> Value {
    let bytes = bytes_of(response).await;
    serde_json::from_slice(&bytes).unwrap_or(Value::Null)
}

fn event(seq: u64) -> EventRecord {
    EventRecord {
        conversation: "c1".into(),
        seq,
        at_ms: START_MS + seq,
        kind: EventKind::Message,
        role: Role::Visitor,
        from_id: "u".into(),
        from_name: "王".into(),
        client_id: format!("m{seq}"),
        content: json!({"kind": "text", "text": format!("text {seq}")}).to_string(),
        agent: String::new(),
        phase: Phase::Queued,
    }
}

fn project(path: &std::path::Path) {
    let conversation = ConversationRecord {
        conversation: "c1".into(),
        site: "default".into(),
        visitor: "u".into(),
        name: "王".into(),
        vip: true,
        page: String::new(),
        at_ms: START_MS,
    };
    let mut batch = vec![(1, Record::Conversation(conversation))];
    batch.extend((1..=3).map(|seq| (seq + 1, Record::Event(event(seq)))));
    Projection::open(path).expect("opened").apply(0, &batch).expect("applied");
}

/// A shard that has events 3 to 5 of c1 in memory and nothing else.
fn shard() -> DoneQueue {
    let slot: Arc<std::sync::OnceLock<DoneQueue>> = Arc::default();
    let own = Arc::clone(&slot);
    let queue = DoneQueue::new(move || match own.get().and_then(DoneQueue::pop) {
        Some(Done::Recent { conversation, reply, .. }) => {
            let known = if &*conversation == "c1" { 3..6 } else { 0..0 };
            reply(known.map(|seq| (seq, events::wire(&event(seq)))).collect());
        }
        Some(Done::Board { reply }) => reply(overseeing::board_of_the_day()),
        _ => {}
    });
    assert!(slot.set(queue.clone()).is_ok());
    queue
}

#[tokio::test]
async fn the_right_password_gives_a_token_that_works() {
    let desk = Desk::new();
    let body = json!({"name": "s", "password": PASSWORD});
    let (status, answer) = desk.call("POST /api/v1/login", None, Some(body)).await;
    assert_eq!((status, &answer["name"], &answer["role"]), (200, &json!("s"), &json!("supervisor")));
    let token = answer["token"].as_str().expect("a token");
    let me = desk.call("GET /api/v1/me", Some(token), None).await;
    assert_eq!(me, (200, json!({"name": "s", "role": "supervisor"})));
}

#[tokio::test]
async fn wrong_names_and_passwords_and_disabled_accounts_get_one_answer() {
    let desk = Desk::new();
    let mut answers = Vec::new();
    for (name, password) in
        [("a", "wrong password"), ("nobody", PASSWORD), ("d", PASSWORD), ("no name/", PASSWORD)]
    {
        let body = json!({"name": name, "password": password});
        let (status, answer) = desk.call("POST /api/v1/login", None, Some(body)).await;
        assert_eq!((status, &answer["error"]["code"]), (401, &json!("wrong_password")), "{name}");
        answers.push(answer);
    }
    assert!(answers.iter().all(|answer| *answer == answers[0]));
}

#[tokio::test]
async fn guessing_is_slowed_down_by_name_and_by_address() {
    let desk = Desk::new();
    let address = |last| IpAddr::from([192, 0, 2, last]);
    for last in 0..5 {
        assert_eq!(desk.login("a", "wrong", address(last)).await.status(), 401);
    }
    let refused = desk.login("a", PASSWORD, address(9)).await;
    assert_eq!(refused.status(), 429, "the name has to wait, from anywhere, right or wrong");
    assert_eq!(refused.headers()["retry-after"], "1");
    assert_eq!(desk.login("s", PASSWORD, address(9)).await.status(), 200, "others do not");
    desk.now_ms.fetch_add(1_000, Ordering::SeqCst);
    assert_eq!(desk.login("a", "wrong", address(9)).await.status(), 401);
    assert_eq!(desk.login("a", PASSWORD, address(9)).await.headers()["retry-after"], "2");
    desk.now_ms.fetch_add(2_000, Ordering::SeqCst);
    assert_eq!(desk.login("a", PASSWORD, address(9)).await.status(), 200);
    assert_eq!(desk.login("a", PASSWORD, address(9)).await.status(), 200, "all is forgiven");
    for name in ["x1", "x2", "x3", "x4"] {
        assert_eq!(desk.login(name, "wrong", address(9)).await.status(), 401);
    }
    assert_eq!(desk.login("s", PASSWORD, address(9)).await.status(), 429, "so has the address");
    assert_eq!(desk.login("s", PASSWORD, address(8)).await.status(), 200);
}

#[tokio::test]
async fn addresses_of_one_ipv6_network_count_as_one() {
    let desk = Desk::new();
    for last in 0..5u16 {
        let name = format!("x{last}");
        let peer: IpAddr = [0x2001, 0xdb8, 1, 2, last, 3, 4, 5].into();
        assert_eq!(desk.login(&name, "wrong", peer).await.status(), 401);
    }
    let neighbour: IpAddr = [0x2001, 0xdb8, 1, 2, 9, 9, 9, 9].into();
    assert_eq!(desk.login("s", PASSWORD, neighbour).await.status(), 429);
    let other: IpAddr = [0x2001, 0xdb8, 1, 3, 9, 9, 9, 9].into();
    assert_eq!(desk.login("s", PASSWORD, other).await.status(), 200);
}

#[tokio::test]
async fn the_set_up_link_works_once() {
    let desk = Desk::new();
    assert_eq!(desk.call("GET /api/v1/setup", None, None).await, (200, json!({"needed": true})));
    let body = |token: &str, name: &str, password: &str| {
        Some(json!({"token": token, "name": name, "password": password}))
    };
    let setup = async |given| desk.call("POST /api/v1/setup", None, given).await;
    assert_eq!(setup(body("a guess", "root", PASSWORD)).await.0, 403);
    assert_eq!(setup(body(SETUP, "root", "short")).await.0, 422, "a mistake costs no link");
    assert_eq!(setup(body(SETUP, "a b", PASSWORD)).await.0, 422);
    assert_eq!(setup(body(SETUP, "a", PASSWORD)).await.0, 409, "an agent has this name");
    let (status, answer) = setup(body(SETUP, "root", PASSWORD)).await;
    assert_eq!((status, &answer["role"]), (200, &json!("admin")));
    let token = answer["token"].as_str().expect("a token");
    assert_eq!(desk.call("GET /api/v1/settings/identity", Some(token), None).await.0, 200);
    assert_eq!(setup(body(SETUP, "root2", PASSWORD)).await.0, 403, "used");
    assert_eq!(desk.call("GET /api/v1/setup", None, None).await.1, json!({"needed": false}));
}

#[tokio::test]
async fn tokens_are_refused_with_the_reason() {
    let desk = Desk::new();
    let good = desk.token("a");
    let cases = [
        (None, "token_missing"),
        (Some(""), "token_malformed"),
        (Some("x"), "token_malformed"),
        (Some("e30.e30.e30"), "token_malformed"),
    ];
    for (token, code) in cases {
        let (status, answer) = desk.call("GET /api/v1/me", token, None).await;
        assert_eq!((status, &answer["error"]["code"]), (401, &json!(code)), "{token:?}");
    }
    let disabled = desk.call("GET /api/v1/me", Some(&desk.token("d")), None).await;
    assert_eq!(disabled.1["error"]["code"], "account_disabled");
    let forged = Identity::new(b"another", b"another").sign_agent(
        "a",
        crate::identity::AgentRole::Admin,
        START_MS / 1_000,
    );
    assert_eq!(desk.call("GET /api/v1/me", Some(&forged), None).await.1["error"]["code"], "token_forged");
    desk.now_ms.fetch_add(LOGIN_TTL_S * 1_000, Ordering::SeqCst);
    assert_eq!(desk.call("GET /api/v1/me", Some(&good), None).await.1["error"]["code"], "token_expired");
}

#[tokio::test]
async fn only_administrators_make_accounts_and_see_the_secret() {
    let desk = Desk::new();
    desk.add("root", AccountRole::Admin, false);
    let new = json!({"name": "新人", "role": "agent", "password": PASSWORD});
    for name in ["a", "s"] {
        let token = desk.token(name);
        assert_eq!(desk.call("POST /api/v1/agents", Some(&token), Some(new.clone())).await.0, 403);
        assert_eq!(desk.call("GET /api/v1/settings/identity", Some(&token), None).await.0, 403);
    }
    let root = desk.token("root");
    let (status, made) = desk.call("POST /api/v1/agents", Some(&root), Some(new.clone())).await;
    assert_eq!((status, made), (201, json!({"name": "新人", "role": "agent", "disabled": false})));
    assert_eq!(desk.call("POST /api/v1/agents", Some(&root), Some(new)).await.0, 409);
    let (_, secret) = desk.call("GET /api/v1/settings/identity", Some(&root), None).await;
    assert_eq!(secret["secret"].as_str().expect("a text"), desk.api.visitor_secret);
    let (_, agents) = desk.get("/api/v1/agents").await;
    let names: Vec<&str> = agents["agents"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|agent| agent["name"].as_str())
        .collect();
    assert_eq!(names, ["a", "d", "root", "s", "新人"]);
}

#[tokio::test]
async fn events_come_from_sql_and_from_memory_as_one() {
    let desk = Desk::new();
    for (query, expected) in [
        ("", vec![1, 2, 3, 4, 5]),
        ("?after=2", vec![3, 4, 5]),
        ("?after=4&limit=1", vec![5]),
        ("?limit=2", vec![1, 2]),
        ("?after=2&limit=2", vec![3, 4]),
        ("?after=5", vec![]),
        ("?after=18446744073709551615", vec![]),
    ] {
        let (status, page) = desk.get(&format!("/api/v1/conversations/c1/events{query}")).await;
        assert_eq!((status, &page["last_seq"]), (200, &json!(5)), "{query}");
        let seqs: Vec<u64> = page["events"]
            .as_array()
            .expect("a list")
            .iter()
            .filter_map(|event| event["seq"].as_u64())
            .collect();
        assert_eq!(seqs, expected, "{query}");
    }
    let (_, page) = desk.get("/api/v1/conversations/c1/events?limit=1").await;
    assert_eq!(
        page["events"][0],
        json!({
            "type": "event",
            "conversation": "c1",
            "seq": 1,
            "at": "2026-11-04T00:00:00.001Z",
            "kind": "message",
            "id": "m1",
            "from": {"role": "visitor", "id": "u", "name": "王"},
            "content": {"kind": "text", "text": "text 1"},
        })
    );
}

#[tokio::test]
async fn what_is_asked_wrongly_is_told_so() {
    let desk = Desk::new();
    for (path, status, code) in [
        ("/api/v1/conversations/c1/events?limit=0", 400, "wrong_query"),
        ("/api/v1/conversations/c1/events?limit=1001", 400, "wrong_query"),
        ("/api/v1/conversations/c1/events?after=-1", 400, "wrong_query"),
        ("/api/v1/conversations/c9/events", 404, "not_found"),
        ("/api/v1/conversations/x/events", 404, "not_found"),
        ("/api/v1/conversations/c9", 404, "not_found"),
        ("/api/v1/conversations?state=lost", 400, "wrong_query"),
        ("/api/v1/conversations?limit=201", 400, "wrong_query"),
        ("/api/v1/conversations?before=yesterday", 400, "wrong_query"),
        ("/api/v1/conversations?from=yesterday", 400, "wrong_query"),
        ("/api/v1/search", 400, "wrong_query"),
        ("/api/v1/search?q=%3F%21", 400, "wrong_query"),
        ("/api/v1/search?q=a&to=2026-13-01", 400, "wrong_query"),
        ("/api/v1/search?q=a&before=yesterday", 400, "wrong_query"),
        ("/api/v1/search?q=a&limit=0", 400, "wrong_query"),
        ("/api/v1/nothing", 404, "not_found"),
        ("/nothing", 404, "not_found"),
        ("/api/v1/login", 405, "method_not_allowed"),
    ] {
        let (found, answer) = desk.get(path).await;
        assert_eq!((found, &answer["error"]["code"]), (status, &json!(code)), "{path}");
        assert!(answer["error"]["text"].as_str().is_some_and(|text| text.len() > 10), "{path}");
    }
}

#[tokio::test]
async fn bodies_that_are_none_of_ours_are_told_so() {
    let desk = Desk::new();
    let large = format!("{{\"name\":\"{}\"}}", "x".repeat(BODY_BYTES_MAX));
    let cases = [
        (Some("application/json"), "{", 400, "malformed"),
        (Some("application/json"), "", 400, "malformed"),
        (Some("application/json"), "{\"name\":1,\"password\":\"x\"}", 422, "wrong_field"),
        (Some("application/json"), "{\"name\":\"a\"}", 422, "wrong_field"),
        (Some("text/plain"), "{}", 415, "not_json"),
        (None, "{}", 415, "not_json"),
        (Some("application/json"), &large, 413, "too_large"),
    ];
    for (kind, body, status, code) in cases {
        let mut request = Request::post("/api/v1/login").extension(Peer(None));
        if let Some(kind) = kind {
            request = request.header("content-type", kind);
        }
        let response = desk.send(request.body(Body::from(body.to_owned())).expect("a request")).await;
        assert_eq!(response.status().as_u16(), status, "{kind:?} {:.20}", body);
        assert_eq!(json_of(response).await["error"]["code"], code, "{kind:?} {:.20}", body);
    }
}

#[tokio::test]
async fn conversations_are_listed_page_by_page() {
    let desk = Desk::new();
    let (status, page) = desk.get("/api/v1/conversations?state=waiting&limit=1").await;
    assert_eq!((status, &page["next"]), (200, &Value::Null));
    assert_eq!(
        page["conversations"],
        json!([{
            "id": "c1",
            "site": "default",
            "visitor": "u",
            "name": "王",
            "vip": true,
            "page": "",
            "seq": 3,
            "phase": "queued",
            "agent": null,
            "rated": false,
            "team": "default",
            "opened_at": "2026-11-04T00:00:00.000Z",
            "last_at": "2026-11-04T00:00:00.003Z",
            "closed_at": null,
            "preview": "text 3",
        }])
    );
    for (query, count) in
        [("state=closed", 0), ("state=mine", 0), ("state=open", 1), ("site=tea", 0), ("", 1)]
    {
        let (_, page) = desk.get(&format!("/api/v1/conversations?{query}")).await;
        assert_eq!(page["conversations"].as_array().map(Vec::len), Some(count), "{query}");
    }
    let (_, one) = desk.get("/api/v1/conversations/c1").await;
    assert_eq!((&one["id"], &one["seq"]), (&json!("c1"), &json!(3)));
}

#[tokio::test]
async fn what_was_said_is_found_page_by_page() {
    let desk = Desk::new();
    let (status, page) = desk.get("/api/v1/search?q=text&limit=2").await;
    assert_eq!(status, 200, "{page}");
    let seqs = |page: &Value| -> Vec<u64> {
        let hits = page["hits"].as_array().expect("a list");
        hits.iter().map(|hit| hit["event"]["seq"].as_u64().expect("a number")).collect()
    };
    assert_eq!(seqs(&page), [3, 2]);
    let hit = &page["hits"][0];
    assert_eq!((&hit["visitor"], &hit["name"], &hit["vip"]), (&json!("u"), &json!("王"), &json!(true)));
    assert_eq!(hit["event"]["conversation"], "c1");
    assert_eq!(hit["snippet"], json!([{"text": "text", "match": true}, {"text": " 3"}]));
    let next = page["next"].as_str().expect("there is more");
    let (_, page) = desk.get(&format!("/api/v1/search?q=text&limit=2&before={next}")).await;
    assert_eq!((seqs(&page), &page["next"]), (vec![1], &Value::Null));
    for (query, expected) in [
        ("q=TEXT%202", vec![2]),
        ("q=nothing", vec![]),
        ("q=text&visitor=u", vec![3, 2, 1]),
        ("q=text&visitor=nobody", vec![]),
        ("q=text&agent=a", vec![]),
        ("q=text&conversation=c1", vec![3, 2, 1]),
        ("q=text&site=other", vec![]),
        ("q=text&from=2026-11-04", vec![3, 2, 1]),
        ("q=text&to=2026-11-03", vec![]),
        ("q=%22%29%20OR%20words%3A*", vec![]),
    ] {
        let (status, page) = desk.get(&format!("/api/v1/search?{query}")).await;
        assert_eq!((status, seqs(&page)), (200, expected), "{query}: {page}");
    }
    let (status, _) = desk.call("GET /api/v1/search?q=text", None, None).await;
    assert_eq!(status, 401);
}

#[tokio::test]
async fn browsers_are_told_to_be_careful() {
    let desk = Desk::new();
    let headers = async |path: &str| {
        let response = desk.send(request(&format!("GET {path}"), None, None, [192, 0, 2, 1].into())).await;
        response.headers().clone()
    };
    let api = headers("/api/v1/setup").await;
    assert_eq!(api["cache-control"], "no-store");
    assert_eq!(api["x-content-type-options"], "nosniff");
    let page = headers("/console/").await;
    assert!(page["content-security-policy"].to_str().expect("text").contains("frame-ancestors 'none'"));
    assert_eq!(page["content-type"], "text/html; charset=utf-8");
    assert_eq!(headers("/").await["location"], "/console/");
    assert_eq!(headers("/widget.js").await["access-control-allow-origin"], "*");
}

#[tokio::test]
async fn the_console_answers_for_its_own_views() {
    let desk = Desk::new();
    for (path, status) in [
        ("/console/", 200),
        ("/console/setup", 200),
        ("/console/conversations/c1", 200),
        ("/console/assets/no.js", 404),
        ("/demo", 200),
        ("/demo/", 200),
        ("/demo/../widget.js", 404),
    ] {
        let response = desk.send(request(&format!("GET {path}"), None, None, [192, 0, 2, 1].into())).await;
        assert_eq!(response.status().as_u16(), status, "{path}");
    }
}

#[tokio::test]
async fn readiness_follows_the_server() {
    let desk = Desk::new();
    let status = async |path: &str| {
        desk.send(request(&format!("GET {path}"), None, None, [192, 0, 2, 1].into())).await.status()
    };
    assert_eq!(status("/health/ready").await, StatusCode::OK);
    desk.api.set_not_ready("stopping\n");
    assert_eq!(status("/health/ready").await, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(status("/health/live").await, StatusCode::OK);
}

#[tokio::test]
async fn an_administrator_makes_teams_and_everybody_sees_them() {
    let desk = Desk::new();
    desk.add("boss", AccountRole::Admin, false);
    let boss = desk.token("boss");
    let first = json!({"name": "default", "overflow_after_s": 0, "prefer_last_agent_s": 604_800, "accept_within_s": 0});
    assert_eq!(desk.get("/api/v1/teams").await, (200, json!({"teams": [first]})));
    let settings = json!({
        "members": [{"agent": "a", "capacity": 3}],
        "hours": {"zone": "Asia/Shanghai", "week": {"monday": ["09:00-18:00"]}, "special_days": {"2026-10-01": []}},
        "overflow_after_s": 60, "overflow_to": "default", "prefer_last_agent_s": 0, "accept_within_s": 20,
    });
    let (status, answer) = desk.call("PUT /api/v1/teams/boots", Some(&boss), Some(settings.clone())).await;
    let mut shown = settings;
    shown["name"] = json!("boots");
    assert_eq!((status, &answer), (200, &shown));
    assert_eq!(desk.get("/api/v1/teams").await.1["teams"], json!([shown, first]));
    let removed = desk.call("DELETE /api/v1/teams/boots", Some(&boss), None).await;
    assert_eq!(removed, (200, json!({"removed": "boots"})));
    let again = desk.call("DELETE /api/v1/teams/boots", Some(&boss), None).await;
    assert_eq!(again.0, 404);
    assert_eq!(desk.get("/api/v1/teams").await.1["teams"], json!([first]));
}

#[tokio::test]
async fn a_team_that_cannot_be_is_refused_in_words() {
    let desk = Desk::new();
    desk.add("boss", AccountRole::Admin, false);
    let (boss, agent) = (desk.token("boss"), desk.token("a"));
    for (name, settings, code, words) in [
        ("two%20words", json!({}), "wrong_name", "letters"),
        ("boots", json!({"overflow_to": "boots"}), "wrong_field", "no other team"),
        ("boots", json!({"overflow_to": "nowhere"}), "wrong_field", "no other team"),
        ("boots", json!({"members": 3}), "wrong_field", "members"),
        ("boots", json!({"hours": {"zone": "Peking", "week": {}}}), "wrong_field", "time zone"),
    ] {
        let call = format!("PUT /api/v1/teams/{name}");
        let (status, answer) = desk.call(&call, Some(&boss), Some(settings)).await;
        assert_eq!((status, &answer["error"]["code"]), (422, &json!(code)), "{answer}");
        assert!(answer["error"]["text"].as_str().is_some_and(|text| text.contains(words)), "{answer}");
    }
    for call in ["PUT /api/v1/teams/boots", "DELETE /api/v1/teams/boots"] {
        let (status, _) = desk.call(call, Some(&agent), Some(json!({}))).await;
        assert_eq!(status, 403, "{call}");
    }
    assert_eq!(desk.get("/api/v1/teams").await.1["teams"].as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn the_openapi_document_and_the_routes_name_each_other() {
    let document: Value = serde_json::from_str(documents::OPENAPI).expect("JSON");
    let schema: Value = serde_json::from_str(documents::WEBSOCKET_SCHEMA).expect("JSON");
    assert!(schema["$schema"].is_string());
    let source = include_str!("../api.rs");
    let paths = document["paths"].as_object().expect("paths");
    for (path, operations) in paths {
        assert!(source.contains(&format!(".route(\"{path}\"")), "{path} is described but not routed");
        let desk = Desk::new();
        for method in operations.as_object().expect("operations").keys() {
            let call = format!(
                "{} {}",
                method.to_uppercase(),
                path.replace("{id}", "c1").replace("{name}", "boots").replace("{shortcut}", "hi")
            );
            let (status, _) = desk.call(&call, None, None).await;
            assert!(status != 404 && status != 405, "{call}: {status}");
        }
    }
    for line in source.lines().filter(|line| line.trim().starts_with(".route(\"/api/v1")) {
        let path = line.split('"').nth(1).expect("a path");
        let operations = paths.get(path).unwrap_or_else(|| panic!("{path} is routed but not described"));
        for method in ["get", "post", "put", "delete"] {
            assert_eq!(
                line.contains(&format!("{method}(")),
                operations.get(method).is_some(),
                "{method} {path}"
            );
        }
    }
}

/// The table of `crate::roles`, row by row: whoever may not is told so before anything else is looked at.
#[tokio::test]
async fn every_request_is_for_those_whom_its_row_names_and_for_nobody_else() {
    let desk = Desk::new();
    desk.add("root", AccountRole::Admin, false);
    for (method, path, access) in roles::REQUESTS {
        let call = format!(
            "{method} {}",
            path.replace("{id}", "c1").replace("{name}", "boots").replace("{shortcut}", "hi")
        );
        let (status, answer) = desk.call(&call, None, None).await;
        let needs_login = answer["error"]["code"] == "token_missing";
        assert_eq!(needs_login, access != Access::Everybody, "{call}: {status} {answer}");
        for (name, role) in
            [("a", AgentRole::Agent), ("s", AgentRole::Supervisor), ("root", AgentRole::Admin)]
        {
            let (status, answer) = desk.call(&call, Some(&desk.token(name)), None).await;
            assert_eq!(status != 403, access.includes(role), "{call} by {name}: {status} {answer}");
        }
        let (status, answer) = desk.call(&call, Some(&desk.token("d")), None).await;
        let is_refused = status == 401 && answer["error"]["code"] == "account_disabled";
        assert_eq!(is_refused, access != Access::Everybody, "{call} by a disabled account: {status}");
    }
    let document: Value = serde_json::from_str(documents::OPENAPI).expect("JSON");
    for (path, operations) in document["paths"].as_object().expect("paths") {
        for method in operations.as_object().expect("operations").keys() {
            let method = method.to_uppercase().parse().expect("a method");
            assert!(
                path.starts_with("/health") || roles::access(&method, path).is_some(),
                "{method} {path} is in no row of the table"
            );
        }
    }
}
