//! The operator's tools beside and instead of a real server: a backup under load, what is made of it, and a
//! doctor who is not misled by a server that writes.

use std::{
    path::Path,
    process::Output,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
};

use serde_json::{Value, json};

use crate::desk::{Client, Desk, ringdesk};

const VISITORS: usize = 4;
/// Long texts, so that segments are used up and recycled meanwhile.
const TEXT_BYTES: usize = 12_000;
/// Messages acknowledged between two commands.
const PAUSE_MESSAGES: usize = 100;

/// A message that the server has promised to keep.
#[derive(Clone, Debug)]
struct Acknowledged {
    conversation: String,
    seq: u64,
    text: String,
}

/// Visitors who write as fast as they are answered.
struct Load {
    acknowledged: Arc<Mutex<Vec<Acknowledged>>>,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Load {
    fn start(desk: &Desk) -> Self {
        let acknowledged = Arc::new(Mutex::new(Vec::new()));
        let stop = Arc::new(AtomicBool::new(false));
        let threads = (0..VISITORS).map(|number| {
            let token = desk.visitor_token(&format!("u{number}"), "normal");
            let client = desk.visitor(json!({"token": token}));
            let (acknowledged, stop) = (Arc::clone(&acknowledged), Arc::clone(&stop));
            thread::spawn(move || write(client, number, &acknowledged, &stop))
        });
        let threads = threads.collect();
        Self { acknowledged, stop, threads }
    }

    fn acknowledged(&self) -> Vec<Acknowledged> {
        self.acknowledged.lock().expect("no panic").clone()
    }

    /// Waits for so many more, and returns all so far.
    fn wait(&self, more: usize) -> Vec<Acknowledged> {
        let wanted = self.acknowledged().len() + more;
        while self.acknowledged().len() < wanted {
            assert!(self.threads.iter().all(|thread| !thread.is_finished()), "a visitor gave up");
            thread::yield_now();
        }
        self.acknowledged()
    }

    fn stop(self) {
        self.stop.store(true, Ordering::Relaxed);
        self.threads.into_iter().for_each(|thread| thread.join().expect("no panic"));
    }
}

fn write(mut client: Client, visitor: usize, to: &Mutex<Vec<Acknowledged>>, stop: &AtomicBool) {
    let conversation = client.conversation();
    for number in 0.. {
        if stop.load(Ordering::Relaxed) {
            return;
        }
        let text = format!("{visitor} {number} {}", "x".repeat(TEXT_BYTES));
        client.say(&format!("m{number}"), &text);
        let seq = client.wait_for("ack")["seq"].as_u64().expect("a number");
        // Its own words come back; they need not be kept.
        client.wait_until("event", |event| event["seq"] == seq);
        let conversation = conversation.clone();
        to.lock().expect("no panic").push(Acknowledged { conversation, seq, text });
    }
}

fn run(arguments: &[&str], paths: &[(&str, &Path)]) -> Output {
    let mut command = ringdesk();
    command.args(arguments);
    for (flag, path) in paths {
        if !flag.is_empty() {
            command.arg(flag);
        }
        command.arg(path);
    }
    command.output().expect("it runs")
}

fn succeed(arguments: &[&str], paths: &[(&str, &Path)]) -> String {
    let output = run(arguments, paths);
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{arguments:?}: {told}{printed}");
    printed
}

/// Every message is where it was acknowledged, as the API tells it.
fn assert_all_there(desk: &Desk, token: &str, expected: &[Acknowledged]) {
    let mut conversations: Vec<&str> = expected.iter().map(|one| one.conversation.as_str()).collect();
    conversations.sort_unstable();
    conversations.dedup();
    for conversation in conversations {
        let events = history(desk, token, conversation);
        for message in expected.iter().filter(|one| one.conversation == conversation) {
            let event = events
                .get(message.seq as usize - 1)
                .unwrap_or_else(|| panic!("{conversation} has {} events, not {}", events.len(), message.seq));
            assert_eq!(event["seq"], message.seq);
            assert!(event["content"]["text"] == message.text.as_str(), "{conversation} {}", message.seq);
        }
    }
}

fn history(desk: &Desk, token: &str, conversation: &str) -> Vec<Value> {
    let mut events: Vec<Value> = Vec::new();
    loop {
        let after = events.len();
        let path = format!("/api/v1/conversations/{conversation}/events?after={after}&limit=50");
        let (status, body) = desk.get(&path, token);
        assert_eq!(status, 200, "{body}");
        let mut body: Value = serde_json::from_str(&body).expect("JSON");
        let Value::Array(more) = body["events"].take() else { panic!("{body}") };
        if more.is_empty() {
            return events;
        }
        events.extend(more);
    }
}

#[test]
fn a_backup_under_load_has_all_that_was_acknowledged_before_and_a_server_goes_on_with_it() {
    for (backend, shards) in [("modern", 2), ("epoll", 1)] {
        let mut desk = Desk::start(backend, shards);
        desk.add_agent("ann", "supervisor");
        let copies = tempfile::tempdir().expect("a folder");
        let load = Load::start(&desk);
        let backups: Vec<_> = (0..3)
            .map(|number| {
                let before = load.wait(PAUSE_MESSAGES);
                let folder = copies.path().join(format!("backup{number}"));
                let told = succeed(&["backup"], &[("", &folder), ("--data", desk.data())]);
                assert!(told.contains("Backed up"), "{told}");
                (folder, before)
            })
            .collect();
        load.wait(PAUSE_MESSAGES);
        load.stop();
        // The server was not hindered, and has everything.
        assert_eq!(desk.stop(), Some(0));
        for (folder, before) in backups {
            let told = succeed(&["restore", "--verify"], &[("", &folder)]);
            assert!(told.contains("is whole"), "{told}");
            let data = tempfile::tempdir().expect("a folder");
            succeed(&["restore", "--verify"], &[("", &folder), ("--data", data.path())]);
            succeed(&["doctor"], &[("--data", data.path())]);
            check_restored(Desk::start_on(data, backend, shards), &before);
        }
    }
}

/// A server on a restored folder has what was acknowledged, and conversations go on.
fn check_restored(mut desk: Desk, before: &[Acknowledged]) {
    let token = desk.login("ann");
    assert_all_there(&desk, &token, before);
    let last = before.last().expect("something was said");
    let events = history(&desk, &token, &last.conversation);
    let there = events.len() as u64;
    let visitor = last.text.split(' ').next().expect("a number");
    let hello = json!({
        "token": desk.visitor_token(&format!("u{visitor}"), "normal"),
        "conversation": last.conversation,
        "after": last.seq,
    });
    let mut client = desk.visitor(hello);
    assert_eq!(client.conversation(), last.conversation);
    client.say("after the restore", "here I am again");
    let seq = client.wait_for("ack")["seq"].as_u64().expect("a number");
    assert!(seq > there);
    for missed in last.seq + 1..=seq {
        client.wait_until("event", |event| event["seq"] == missed);
    }
    // The newest: one that hundreds were said after is not known as a resend any more.
    let newest = events.iter().rfind(|event| event["kind"] == "message").expect("something was said");
    let text = newest["content"]["text"].as_str().expect("a text");
    let id = format!("m{}", text.split(' ').nth(1).expect("a number"));
    client.say(&id, text);
    let again = client.wait_until("ack", |ack| ack["id"] == id);
    assert_eq!(again["seq"], newest["seq"], "a resend gets its first number");
    // After kill -9, too: journal and database fit each other.
    desk.kill();
    succeed(&["doctor"], &[("--data", desk.data())]);
    desk.start_again();
    let events = history(&desk, &token, &last.conversation);
    assert_eq!(events[seq as usize - 1]["content"]["text"], "here I am again");
    assert_eq!(desk.stop(), Some(0));
}

#[test]
fn the_doctor_is_not_misled_by_a_server_that_writes() {
    let desk = Desk::start("epoll", 2);
    let load = Load::start(&desk);
    for _ in 0..4 {
        load.wait(PAUSE_MESSAGES);
        let printed = succeed(&["doctor", "--json"], &[("--data", desk.data())]);
        let document: Value = serde_json::from_str(&printed).expect("JSON");
        assert_eq!((&document["healthy"], &document["server_running"]), (&json!(true), &json!(true)));
        let output = run(&["doctor", "--repair"], &[("--data", desk.data())]);
        assert_eq!(output.status.code(), Some(1));
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(told.contains("stop the server first"), "{told}");
    }
    load.stop();
}

#[test]
fn a_server_does_not_start_on_a_folder_that_is_half_restored() {
    let data = tempfile::tempdir().expect("a folder");
    std::fs::create_dir(data.path().join("restoring")).expect("makes");
    for arguments in [&["serve"][..], &["agent", "list"]] {
        let output = run(arguments, &[("--data", data.path())]);
        assert_eq!(output.status.code(), Some(1));
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(told.contains("type the same ringdesk restore again"), "{told}");
    }
    assert_eq!(std::fs::read_dir(data.path()).expect("lists").count(), 1);
}
