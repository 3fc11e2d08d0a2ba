//! A whole pool, with a test in the place of its shards.

use std::{
    io::{Read, Write},
    net::TcpStream,
    sync::mpsc,
};

use bytes::Bytes;
use http::Request;

use super::*;
use crate::jobs::{Done, Job};

/// Longest that a test waits for what must come.
const LONG: Duration = Duration::from_secs(60);

struct Running {
    pool: Pool,
    shard: link::ShardEnd,
    woken: mpsc::Receiver<()>,
    _data: tempfile::TempDir,
}

fn start() -> Running {
    let data = tempfile::tempdir().expect("a directory");
    let (wake, woken) = mpsc::channel();
    let (mut shards, end) = link::link([move || wake.send(()).expect("the test listens")]);
    let records = Records::open(data.path()).expect("a database");
    assert!(needs_setup(&records).expect("asked"));
    let pool = Pool::start(PoolParts {
        end,
        records,
        secrets: Secrets::load_or_create(data.path()).expect("secrets"),
        metrics: Metrics::new(),
        shard_of: Box::new(|_| Some(0)),
        metrics_address: ([127, 0, 0, 1], 0).into(),
        setup: None,
    })
    .expect("started");
    Running { pool, shard: shards.remove(0), woken, _data: data }
}

impl Running {
    fn ask(&self, job: Job) -> Done {
        assert!(self.shard.jobs.try_send(job).is_ok());
        self.woken.recv_timeout(LONG).expect("the shard is woken");
        self.shard.dones.pop().expect("it was woken for something")
    }
}

#[test]
fn a_request_comes_back_as_a_response() {
    let running = start();
    let request = Request::get("/api/v1/setup").body(Bytes::new()).expect("a request");
    let answer = running.ask(Job::Http { exchange: 9, peer: None, request: Box::new(request) });
    let Done::HttpBytes { exchange: 9, bytes, last: true, close: false } = answer else {
        panic!("not a whole response")
    };
    let text = String::from_utf8_lossy(&bytes);
    assert!(text.starts_with("HTTP/1.1 200 OK\r\n") && text.ends_with("{\"needed\":true}"), "{text}");
}

#[test]
fn loads_are_answered_with_what_was_asked() {
    let running = start();
    let answer = running.ask(Job::LoadConversation { request: 1, conversation: "c".into() });
    let Done::Conversation { request: 1, found: Ok(None) } = answer else { panic!("it is there") };
    let answer = running.ask(Job::LoadEvents {
        request: 2,
        conversation: "c".into(),
        after: 7,
        limit: 10,
        bytes_max: 1,
    });
    let Done::Events { request: 2, found: Ok(events) } = answer else { panic!("not events") };
    assert!(events.is_empty());
}

#[test]
fn the_second_port_tells_metrics_and_health() {
    let running = start();
    let get = |path: &str| {
        let mut stream = TcpStream::connect(running.pool.metrics_address()).expect("connected");
        stream.set_read_timeout(Some(LONG)).expect("set");
        write!(stream, "GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").expect("sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("read");
        answer
    };
    let metrics = get("/metrics");
    assert!(metrics.starts_with("HTTP/1.1 200 OK\r\n"), "{metrics}");
    assert!(metrics.contains("# TYPE ringdesk_messages_dropped_total counter"), "{metrics}");
    assert!(get("/health/ready").starts_with("HTTP/1.1 200"));
    running.pool.set_not_ready("stopping\n");
    assert!(get("/health/ready").starts_with("HTTP/1.1 503"));
    assert!(get("/health/live").starts_with("HTTP/1.1 200"));
}

#[test]
fn a_port_in_use_is_named_with_the_cure() {
    let running = start();
    let address = running.pool.metrics_address();
    let told = private_port::bind(address).expect_err("in use").to_string();
    assert!(told.starts_with(&format!("cannot listen on {address} for metrics: ")), "{told}");
    assert!(told.ends_with("choose another with --metrics"), "{told}");
}

#[test]
fn the_set_up_link_keeps_its_token_out_of_requests() {
    let token = SetupToken::random().expect("random");
    let link = setup_link("https://desk.example.com", &token);
    assert_eq!(link, format!("https://desk.example.com/console/#/setup?token={}", token.as_str()));
}
