//! A client that was away for very long: it gets everything, and nobody else waits for it.

use std::path::Path;

use serde_json::json;
use store::{
    record::{EventKind, EventRecord, Phase, Record, Role},
    sql::{Projection, Reader},
};

use crate::desk::Desk;

/// What the client missed.
const EVENTS: u64 = 100_000;
/// The stream of a shard that is no more: recovery takes it as it is.
const STREAM: u32 = 250;

/// The history of a busy year, into SQL as the projection would have written it. Returns the last event's number.
fn live_a_year(database: &Path, conversation: &str) -> u64 {
    let reader = Reader::open(database).expect("the server is stopped");
    let before = reader.conversation(conversation).expect("reads").expect("is stored").seq;
    let record = |number: u64| {
        let seq = before + number;
        let event = EventRecord {
            conversation: conversation.to_owned(),
            seq,
            at_ms: 1_795_000_000_000 + seq,
            kind: EventKind::Message,
            role: Role::Agent,
            from_id: "ann".to_owned(),
            from_name: "Ann".to_owned(),
            client_id: format!("a{seq}"),
            content: format!("{{\"kind\":\"text\",\"text\":\"line {seq} {}\"}}", "x".repeat(200)),
            agent: String::new(),
            phase: Phase::WaitingUserInput,
        };
        (number, Record::Event(event))
    };
    let mut projection = Projection::open(database).expect("the server is stopped");
    for first in (1..=EVENTS).step_by(5_000) {
        let batch: Vec<_> = (first..first + 5_000).map(record).collect();
        projection.apply(STREAM, &batch).expect("applies");
    }
    before + EVENTS
}

#[test]
fn a_client_a_hundred_thousand_events_behind_gets_them_all_and_nobody_waits_for_it() {
    for backend in ["modern", "basic", "epoll"] {
        let mut desk = Desk::start(backend, 1);
        let token = desk.visitor_token("traveller", "normal");
        let mut client = desk.visitor(json!({"token": token}));
        let conversation = client.conversation();
        client.say("m1", "see you in a year");
        client.wait_for("ack");
        assert_eq!(desk.stop(), Some(0));
        let last = live_a_year(&desk.data().join("ringdesk.db"), &conversation);

        desk.start_again();
        let mut behind = desk.visitor(json!({"token": token, "conversation": conversation, "after": 0}));
        // It reads nothing yet; the shard is everybody's all the same.
        for number in 0..50 {
            let token = desk.visitor_token(&format!("u{number}"), "normal");
            let mut other = desk.visitor(json!({"token": token}));
            other.say("m1", "hello");
            assert_eq!(other.wait_for("ack")["seq"], 1);
        }
        for seq in 1..=last {
            let event = behind.wait_for("event");
            assert_eq!(event["seq"], seq, "in order, none missing, none twice");
        }
        assert_eq!(desk.stop(), Some(0));
    }
}
