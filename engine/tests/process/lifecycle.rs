//! How a server stops, and what keeps two from using one folder.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use serde_json::{Value, json};

use crate::desk::{Client, Desk};

const BACKENDS: [&str; 3] = ["modern", "basic", "epoll"];
const VISITORS: usize = 12;
/// Messages acknowledged, over all visitors, before the server is told to stop.
const BEFORE_STOP: usize = 300;
/// A conversation knows so many of its newest ids.
const RESENT_MAX: usize = 300;

/// A visitor who wrote until the server went away.
struct Story {
    client: Client,
    token: String,
    /// Ids with the number each was acknowledged with.
    acknowledged: Vec<(String, u64)>,
}

/// Writes as fast as it is answered, until the connection ends.
fn write_to_the_end(mut client: Client, token: String, count: &AtomicUsize) -> Story {
    let mut acknowledged = Vec::new();
    for number in 0.. {
        let id = format!("m{number}");
        // The server may have closed already: then the answer never comes.
        client.try_say(&id, "is anybody there?");
        match client.answer_to(&id) {
            None => break,
            Some(answer) if answer["type"] == "ack" => {
                acknowledged.push((id, answer["seq"].as_u64().expect("a number")));
                count.fetch_add(1, Ordering::Relaxed);
            }
            Some(refused) => assert!(refused["retry_after_ms"].is_u64(), "{refused}"),
        }
    }
    Story { client, token, acknowledged }
}

/// Stops the server while everybody writes; what each was told, and had been promised.
fn stop_under_load(desk: &mut Desk) -> Vec<Story> {
    let count = Arc::new(AtomicUsize::new(0));
    let writers: Vec<_> = (0..VISITORS)
        .map(|number| {
            let token = desk.visitor_token(&format!("u{number}"), "normal");
            let client = desk.visitor(json!({"token": token}));
            let count = Arc::clone(&count);
            thread::spawn(move || write_to_the_end(client, token, &count))
        })
        .collect();
    while count.load(Ordering::Relaxed) < BEFORE_STOP {
        thread::yield_now();
    }
    assert_eq!(desk.stop(), Some(0), "it ends in order");
    writers.into_iter().map(|writer| writer.join().expect("a visitor")).collect()
}

/// When the server asked the client to come back.
fn come_back_ms(client: &Client) -> u64 {
    assert_eq!(client.closed_with, Some(1001));
    let error = client.last_of("error").expect("an error before the end");
    assert_eq!(error["code"], "server_stopping");
    error["retry_after_ms"].as_u64().expect("a time to come back")
}

#[test]
fn a_stop_under_load_loses_nothing_acknowledged_and_sends_everybody_away_for_another_time() {
    for (backend, shards) in BACKENDS.into_iter().flat_map(|backend| [(backend, 1), (backend, 4)]) {
        eprintln!("backend {backend}, {shards} shards");
        let mut desk = Desk::start(backend, shards);
        let stories = stop_under_load(&mut desk);
        let times: BTreeSet<u64> = stories.iter().map(|story| come_back_ms(&story.client)).collect();
        assert!(times.len() > VISITORS / 2, "they all come at once: {times:?}");
        let (first, last) = engine::limits::COME_BACK_MS;
        assert!(times.iter().all(|time| (u64::from(first)..=u64::from(last)).contains(time)), "{times:?}");

        desk.start_again();
        for story in stories {
            let mut visitor = desk.visitor(json!({"token": story.token}));
            for (id, seq) in story.acknowledged.iter().rev().take(RESENT_MAX) {
                visitor.say(id, "is anybody there?");
                let answer = visitor.answer_to(id).expect("an answer");
                assert_eq!(answer, json!({"type":"ack","id":id,"seq":seq,"at":answer["at"]}), "{backend}");
            }
        }
    }
}

#[test]
fn a_second_signal_ends_the_server_at_once() {
    let mut desk = Desk::start("epoll", 1);
    // It never closes its end, so that the first stop has somebody to wait for.
    let _idle = desk.visitor(json!({}));
    desk.terminate();
    desk.wait_for_log("stopping");
    desk.terminate();
    assert_eq!(desk.wait(), Some(1));
}

#[test]
fn a_stop_waits_no_longer_than_it_was_told_to() {
    for backend in BACKENDS {
        let folder = tempfile::tempdir().expect("a folder");
        let mut desk = Desk::on(folder.path(), backend, 2);
        desk.set("RINGDESK_DRAIN_MS", "0");
        desk.start_again();
        let _idle: Vec<Client> = (0..4).map(|_| desk.visitor(json!({}))).collect();
        assert_eq!(desk.stop(), Some(0), "{backend}: who is slow to leave is no failure");
        assert!(desk.log().contains("--drain-ms"), "{backend}: {}", desk.log());
    }
}

#[test]
fn a_second_server_on_the_same_data_names_folder_process_and_cure_and_ends() {
    let mut first = Desk::start("epoll", 1);
    let folder = first.data().to_owned();
    let (code, log) = Desk::on(&folder, "epoll", 1).try_start().expect_err("the folder is in use");
    assert_eq!(code, Some(1), "{log}");
    let process = first.id();
    for part in [
        format!("process {process}"),
        folder.display().to_string(),
        format!("kill {process}"),
        "--data".to_owned(),
    ] {
        assert!(log.contains(&part), "no `{part}` in {log}");
    }
    let mut visitor = first.visitor(json!({}));
    visitor.say("m1", "unharmed");
    visitor.wait_for("ack");
    assert_eq!(first.stop(), Some(0));
    Desk::on(&folder, "epoll", 1).try_start().expect("the folder is free again");
}

#[test]
fn more_shards_than_cores_serve_as_well() {
    for backend in BACKENDS {
        let mut desk = Desk::start(backend, 8);
        desk.add_agent("ann", "agent");
        let mut ann = desk.ready_agent(&desk.login("ann"), 40);
        for number in 0..2 * VISITORS {
            let token = desk.visitor_token(&format!("u{number}"), "normal");
            let mut visitor = desk.visitor(json!({"token": token}));
            visitor.say("m1", &format!("question {number}"));
            assert_eq!(visitor.wait_for("ack")["seq"], 1);
            let is_it = |event: &Value| event["content"]["text"] == format!("question {number}");
            let conversation = ann.wait_until("event", is_it)["conversation"].clone();
            ann.say_in(conversation.as_str().expect("a name"), &format!("a{number}"), "answer");
            visitor.wait_until("event", |event| event["content"]["text"] == "answer");
        }
        assert_eq!(desk.stop(), Some(0), "{backend}");
    }
}
