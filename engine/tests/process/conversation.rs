//! The same conversations over real processes, on every backend and with one and four shards.

use std::collections::BTreeSet;

use crate::desk::{Client, Desk};
use serde_json::{Value, json};

const BACKENDS: [&str; 3] = ["modern", "basic", "epoll"];
const SHARDS: [usize; 2] = [1, 4];
const VISITORS: usize = 8;

/// Runs a test on every backend and number of shards there is.
fn everywhere(test: impl Fn(Desk)) {
    for backend in BACKENDS {
        for shards in SHARDS {
            eprintln!("backend {backend}, {shards} shards");
            test(Desk::start(backend, shards));
        }
    }
}

/// A visitor with a signed identity, so that its shard is not the one that accepts the connection.
fn visitors(desk: &Desk) -> Vec<Client> {
    let token =
        |number| desk.visitor_token(&format!("u{number}"), if number == 0 { "vip" } else { "normal" });
    (0..VISITORS).map(|number| desk.visitor(json!({"token": token(number)}))).collect()
}

#[test]
fn visitors_and_an_agent_talk_across_shards_and_a_killed_server() {
    everywhere(|mut desk| {
        desk.add_agent("ann", "agent");
        let token = desk.login("ann");
        let mut ann = desk.ready_agent(&token, 20);
        let mut clients = visitors(&desk);
        let conversations: Vec<String> = clients.iter().map(Client::conversation).collect();
        for (client, conversation) in clients.iter_mut().zip(&conversations) {
            for number in 0..10 {
                client.say(&format!("m{number}"), &format!("question {number}"));
                assert_eq!(client.wait_for("ack")["id"], format!("m{number}"));
                ann.wait_until("event", |event| event["content"]["text"] == format!("question {number}"));
                ann.say_in(conversation, &format!("{conversation}-{number}"), &format!("answer {number}"));
                ann.wait_for("ack");
            }
        }
        for (client, conversation) in clients.iter_mut().zip(&conversations) {
            let story = client.story_until(conversation, "answer 9");
            assert_eq!(story.len(), 21, "{story:?}");
            assert_eq!(story[0], "1 message question 0");
        }
        assert_shards_differ(&conversations, &desk);

        // In mid-conversation: one message acknowledged, one only sent.
        clients[0].say("late", "acknowledged before the crash");
        let late = clients[0].wait_for("ack");
        desk.kill();
        desk.start_again();

        let mut ann = desk.agent(&token, json!({conversations[0].clone(): 21}));
        let hello =
            json!({"token": desk.visitor_token("u0", "vip"), "conversation": conversations[0], "after": 21});
        let mut visitor = desk.visitor(hello);
        visitor.say("late", "acknowledged before the crash");
        assert_eq!(visitor.wait_for("ack")["seq"], late["seq"], "a resend gets its first number");
        visitor.say("after", "and after it");
        visitor.wait_for("ack");
        let expected = ["22 message acknowledged before the crash", "23 message and after it"];
        assert_eq!(visitor.story_until(&conversations[0], "and after it"), expected);
        assert_eq!(ann.story_until(&conversations[0], "and after it"), expected);
        ann.say_in(&conversations[0], "r", "welcome back");
        ann.wait_for("ack");
        assert_eq!(visitor.story_until(&conversations[0], "welcome back"), ["24 message welcome back"]);
        assert_history(&desk, &token, &conversations[0], 24);
        assert_eq!(desk.stop(), Some(0), "it ends in order");
    });
}

/// With more than one shard, the visitors are on more than one.
fn assert_shards_differ(conversations: &[String], desk: &Desk) {
    let shards = desk.shards();
    let of = |id: &String| engine::placement::shard_of_conversation(id, shards).expect("an id of ours");
    let used: BTreeSet<usize> = conversations.iter().map(of).collect();
    assert!(used.len() > 1 || shards == 1, "all on {used:?}");
}

/// The API tells every event, once, in order: what SQL has and what only the shard has.
fn assert_history(desk: &Desk, token: &str, conversation: &str, expected: u64) {
    let mut after = 0;
    while after < expected {
        let (status, body) =
            desk.get(&format!("/api/v1/conversations/{conversation}/events?after={after}&limit=7"), token);
        assert_eq!(status, 200, "{body}");
        let body: Value = serde_json::from_str(&body).expect("JSON");
        let events = body["events"].as_array().expect("a list");
        assert!(!events.is_empty() && events.len() <= 7, "after {after}: {body}");
        for event in events {
            after += 1;
            assert_eq!(event["seq"], after);
            assert_eq!(event["conversation"], conversation);
        }
    }
    assert_eq!(after, expected);
}

#[test]
fn an_anonymous_visitor_waits_then_is_served_and_everything_is_counted() {
    everywhere(|desk| {
        desk.add_agent("ann", "supervisor");
        let mut visitor = desk.visitor(json!({"page": "https://shop/tea"}));
        visitor.say("m1", "anyone?");
        assert_eq!(visitor.wait_for("ack")["seq"], 1);
        let place = visitor.wait_until("event", |event| event["kind"] == "queue");
        assert_eq!(place["content"], json!({"place": 1, "waiting": 1}));
        let token = desk.login("ann");
        let mut ann = desk.ready_agent(&token, 1);
        assert_eq!(
            visitor.wait_until("event", |event| event["kind"] == "assigned")["content"]["agent"],
            "ann"
        );
        let conversation = visitor.conversation();
        assert_eq!(ann.story_until(&conversation, "anyone?"), ["1 message anyone?"]);
        ann.send(&json!({"type":"close","conversation":conversation}));
        visitor.wait_until("event", |event| event["kind"] == "closed");
        visitor.say("m2", "wait");
        assert_eq!(visitor.wait_for("refused")["code"], "conversation_closed");
        let metrics =
            wait_for_metric(&desk, "ringdesk_messages_total{class=\"normal\",outcome=\"refused\"} 1");
        for expected in [
            "ringdesk_messages_total{class=\"normal\",outcome=\"accepted\"} 1",
            "ringdesk_messages_dropped_total{class=\"vip\",reason=\"overloaded\"} 0",
            "ringdesk_sessions{role=\"visitor\"} 1",
            "ringdesk_durable_ack_seconds_count{class=\"normal\"} 1",
            "ringdesk_backend_info",
            "ringdesk_journal_batch_records",
        ] {
            assert!(metrics.contains(expected), "no `{expected}` in\n{metrics}");
        }
    });
}

#[test]
fn a_server_told_to_stop_as_soon_as_it_has_said_it_is_there_stops() {
    for _ in 0..20 {
        let mut desk = Desk::start("epoll", 1);
        assert_eq!(desk.stop(), Some(0));
    }
}

/// Metrics follow the shards a few times a second.
fn wait_for_metric(desk: &Desk, line: &str) -> String {
    for _ in 0..100 {
        let metrics = desk.metrics_text();
        if metrics.contains(line) {
            return metrics;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    panic!("never `{line}`:\n{}", desk.metrics_text());
}
