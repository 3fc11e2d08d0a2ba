//! The wall clock jumps, by hours and both ways: nothing is lost, doubled or reordered, and nobody's time runs out,
//! because leases and deadlines are kept by another clock.
//!
//! The jumps are libfaketime's, which stands between the server and the kernel's wall clock and leaves the other clock
//! alone.

use std::{collections::BTreeSet, fs, path::Path};

use serde_json::json;

use crate::{
    BACKENDS,
    desk::Desk,
    ledger::{Answer, Visitor, events},
};

const LIBRARIES: [&str; 2] = [
    "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1",
    "/usr/lib/aarch64-linux-gnu/faketime/libfaketimeMT.so.1",
];
const JUMPS: [&str; 6] = ["+3h", "-5h", "+400d", "-20000d", "+1s", "+0"];

#[test]
fn a_wall_clock_that_jumps_loses_nothing_and_ends_nobodys_lease() {
    let Some(library) = LIBRARIES.into_iter().find(|path| Path::new(path).exists()) else {
        assert!(std::env::var_os("CI").is_none(), "install the package faketime");
        eprintln!("SKIPPED: the package faketime is not installed, so no clock could be made to jump");
        return;
    };
    for backend in BACKENDS {
        let folder = tempfile::tempdir().expect("a folder for the data");
        let offset = folder.path().join("offset");
        fs::write(&offset, "+0").expect("writes");
        let mut desk = Desk::on(&folder.path().join("data"), backend, 2);
        desk.set("LD_PRELOAD", library);
        desk.set("FAKETIME_TIMESTAMP_FILE", offset.to_str().expect("a path in text"));
        desk.set("FAKETIME_NO_CACHE", "1");
        desk.set("FAKETIME_DONT_FAKE_MONOTONIC", "1");
        desk.start_again();
        desk.add_agent("ann", "supervisor");
        let token = desk.login("ann");
        let mut visitors = Visitor::crowd(&desk, 4);
        let mut agent = desk.ready_agent(&token, 20);
        for visitor in &mut visitors {
            assert!(matches!(visitor.talk(), Answer::Acknowledged(_)));
        }
        for _ in 0..visitors.len() {
            agent.wait_until("event", |event| event["kind"] == "assigned");
        }
        for jump in JUMPS {
            eprintln!("backend {backend}, clock {jump}");
            fs::write(&offset, jump).expect("writes");
            for (number, visitor) in visitors.iter_mut().enumerate() {
                assert!(matches!(visitor.talk(), Answer::Acknowledged(_)), "{jump}");
                let id = format!("{jump}-{number}");
                agent.say_in(&visitor.conversation, &id, "I am still here");
                let answer = agent.answer_to(&id).expect("the agent stays");
                assert_eq!(answer["type"], "ack", "the agent has kept the conversation at {jump}: {answer}");
            }
        }
        let days: BTreeSet<String> = events(&desk, &token, &visitors[0].conversation)
            .iter()
            .map(|event| event["at"].as_str().expect("a time")[..10].to_owned())
            .collect();
        assert!(days.len() >= 3, "the clock did jump: {days:?}");
        desk.kill();
        desk.start_again();
        for visitor in &mut visitors {
            visitor.check_all_kept(&desk, &token);
        }
        assert_eq!(desk.stop(), Some(0));
    }
}

#[test]
fn a_clock_before_1970_names_every_conversation_anew() {
    let Some(library) = LIBRARIES.into_iter().find(|path| Path::new(path).exists()) else {
        assert!(std::env::var_os("CI").is_none(), "install the package faketime");
        eprintln!("SKIPPED: the package faketime is not installed, so no clock could be set back");
        return;
    };
    let folder = tempfile::tempdir().expect("a folder for the data");
    let offset = folder.path().join("offset");
    fs::write(&offset, "-30000d").expect("writes");
    let mut desk = Desk::on(&folder.path().join("data"), "epoll", 2);
    desk.set("LD_PRELOAD", library);
    desk.set("FAKETIME_TIMESTAMP_FILE", offset.to_str().expect("a path in text"));
    desk.set("FAKETIME_NO_CACHE", "1");
    desk.set("FAKETIME_DONT_FAKE_MONOTONIC", "1");
    desk.start_again();
    let mut names = BTreeSet::new();
    // The second of each life finds the first in memory or in SQL; the first of each the others in SQL only.
    for round in 0..6 {
        // The program that signs sees the right clock.
        let token = desk.visitor_token("u1", "normal");
        let mut client = desk.visitor(json!({"token": token}));
        assert!(names.insert(client.conversation()), "{} was given before: {names:?}", client.conversation());
        client.say("m1", "hello");
        assert_eq!(client.wait_for("ack")["seq"], 1, "a new conversation begins with 1");
        client.send(&json!({"type":"close"}));
        client.wait_until("event", |event| event["kind"] == "closed");
        if round % 2 == 1 {
            desk.kill();
            desk.start_again();
        }
    }
    assert_eq!(desk.stop(), Some(0));
}
