//! Requests that two readers could understand differently, over a real process: one clear refusal each, and nothing
//! of what was smuggled behind it is answered. The cases one by one are the codec's vectors.

use crate::{
    desk::{Desk, upgrade_request},
    quiet::Quiet,
};

/// What a smuggler wants answered: it must not be.
const SMUGGLED: &[u8] = b"GET /health/live HTTP/1.1\r\nhost: d\r\nconnection: close\r\n\r\n";
const POST: &str = "POST /api/v1/login HTTP/1.1\r\nhost: d\r\n";

/// Sends a request with another behind it; the answer is this status and the only one.
fn check(desk: &Desk, name: &str, request: &[u8], status: u16) {
    let answer = desk.raw(&[request, SMUGGLED].concat());
    let begin = format!("HTTP/1.1 {status} ");
    assert!(answer.starts_with(&begin), "{name}: {answer}");
    assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{name}: {answer}");
}

fn cases() -> Vec<(&'static str, Vec<u8>, u16)> {
    let post = |fields: &str, body: &str| format!("{POST}{fields}\r\n\r\n{body}").into_bytes();
    let many: String = (0..3_000).map(|number| format!("x-{number}: y\r\n")).collect();
    vec![
        ("two lengths", post("content-length: 5\r\ncontent-length: 6", "hello"), 400),
        ("the same length twice", post("content-length: 5\r\ncontent-length: 5", "hello"), 400),
        ("a list of lengths", post("content-length: 5, 5", "hello"), 400),
        ("a length with a sign", post("content-length: +5", "hello"), 400),
        ("a negative length", post("content-length: -5", "hello"), 400),
        ("a length beyond 64 bits", post("content-length: 99999999999999999999", ""), 413),
        ("a length and chunks", post("content-length: 5\r\ntransfer-encoding: chunked", "0\r\n\r\n"), 400),
        ("chunks and a length", post("transfer-encoding: chunked\r\ncontent-length: 5", "0\r\n\r\n"), 400),
        ("an encoding that hides", post("transfer-encoding: xchunked", "0\r\n\r\n"), 501),
        (
            "two encodings",
            post("transfer-encoding: identity\r\ntransfer-encoding: chunked", "0\r\n\r\n"),
            400,
        ),
        ("a space before the colon", post("content-length : 5", "hello"), 400),
        ("a folded field", post("x: y\r\n content-length: 5", "hello"), 400),
        ("a bare line feed", post("x: y\ncontent-length: 5", "hello"), 400),
        ("a bare carriage return", post("x: y\rcontent-length: 5", "hello"), 400),
        ("a zero byte", post("x: y\0z", ""), 400),
        ("a chunk size with 0x", post("transfer-encoding: chunked", "0x5\r\nhello\r\n0\r\n\r\n"), 400),
        ("a chunk size with a sign", post("transfer-encoding: chunked", "+5\r\nhello\r\n0\r\n\r\n"), 400),
        ("a chunk size with a space", post("transfer-encoding: chunked", " 5\r\nhello\r\n0\r\n\r\n"), 400),
        ("a chunk size beyond 64 bits", post("transfer-encoding: chunked", "fffffffffffffffff\r\n"), 413),
        ("a chunk size beyond the limit", post("transfer-encoding: chunked", "7fffffffffffffff\r\n"), 413),
        ("a chunk that is longer than it said", post("transfer-encoding: chunked", "3\r\nhello\r\n"), 400),
        ("a chunk ended by a line feed", post("transfer-encoding: chunked", "5\nhello\r\n0\r\n\r\n"), 400),
        ("two hosts", b"GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n".to_vec(), 400),
        ("another host in the target", b"GET http://a/ HTTP/1.1\r\nhost: b\r\n\r\n".to_vec(), 400),
        ("thousands of fields", format!("GET / HTTP/1.1\r\nhost: d\r\n{many}\r\n").into_bytes(), 431),
        (
            "one field of a megabyte",
            format!("GET / HTTP/1.1\r\nx: {}\r\n", "y".repeat(1 << 20)).into_bytes(),
            431,
        ),
        ("a target of a megabyte", format!("GET /{} HTTP/1.1\r\n", "y".repeat(1 << 20)).into_bytes(), 414),
        ("an upgrade with a body", upgrade_request("content-length: 5\r\n"), 400),
        ("an upgrade of two keys", upgrade_request("sec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"), 400),
        (
            "an upgrade by POST",
            {
                let request = String::from_utf8(upgrade_request("")).expect("ASCII");
                request.replacen("GET", "POST", 1).into_bytes()
            },
            405,
        ),
    ]
}

#[test]
fn what_can_be_read_in_two_ways_is_refused_and_what_follows_is_not_read() {
    for backend in ["modern", "basic", "epoll"] {
        let desk = Desk::start(backend, 2);
        let quiet = Quiet::of(&desk);
        for (name, request, status) in cases() {
            check(&desk, &format!("{backend}: {name}"), &request, status);
        }
        quiet.check(&desk, backend);
    }
}

/// Behind an upgrade there are frames, whatever they look like: a request there ends the connection, unanswered.
#[test]
fn a_request_behind_an_upgrade_is_not_answered() {
    for backend in ["modern", "basic", "epoll"] {
        let desk = Desk::start(backend, 2);
        let quiet = Quiet::of(&desk);
        let pipelined = b"GET /health/live HTTP/1.1\r\nhost: d\r\n\r\n";
        let answer = desk.raw(&[pipelined, upgrade_request("").as_slice(), SMUGGLED].concat());
        let statuses: Vec<&str> = answer.split("HTTP/1.1 ").skip(1).map(|part| &part[..3]).collect();
        assert_eq!(statuses, ["200", "101"], "{backend}: {answer}");
        assert!(answer.contains("A reserved bit is set"), "{backend}: {answer}");
        quiet.check(&desk, backend);
    }
}
