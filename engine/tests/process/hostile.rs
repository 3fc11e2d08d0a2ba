//! Bad input over a real process: one clear answer each, and nobody else is the worse for it.

use crate::desk::{Client, Desk};
use codec::websocket::Opcode;
use serde_json::json;

#[test]
fn malformed_http_gets_its_status() {
    let cases: &[(&[u8], u16)] = &[
        (b"GET /health/live HTTP/1.1\r\nhost: desk\r\nconnection: close\r\n\r\n", 200),
        (b"GET /health/ready HTTP/1.1\r\nhost: desk\r\nconnection: close\r\n\r\n", 200),
        (b"nonsense\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"POST /api/v1/login HTTP/1.1\r\nhost: d\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n", 400),
        (b"POST /api/v1/login HTTP/1.1\r\nhost: d\r\ncontent-length: 99999999\r\n\r\n", 413),
        (b"GET /ws HTTP/1.1\r\nhost: d\r\n\r\n", 426),
        (b"GET /ws HTTP/1.1\r\nhost: d\r\nupgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-version: 8\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n", 426),
        (b"GET /api/v1/me HTTP/1.1\r\nhost: d\r\nconnection: close\r\n\r\n", 401),
        (b"GET /nowhere HTTP/1.1\r\nhost: d\r\nconnection: close\r\n\r\n", 404),
    ];
    for backend in ["modern", "basic", "epoll"] {
        let desk = Desk::start(backend, 2);
        for (request, expected) in cases {
            let answer = desk.raw(request);
            let status = answer.split(' ').nth(1).unwrap_or_default();
            let request = String::from_utf8_lossy(request);
            assert_eq!(status, expected.to_string(), "{backend}: {request}\n{answer}");
        }
    }
}

#[test]
fn malformed_messages_get_their_code() {
    for backend in ["modern", "basic", "epoll"] {
        let desk = Desk::start(backend, 2);
        let mut other = desk.visitor(json!({}));
        let large = "x".repeat(70_000);
        let cases: &[(Opcode, &[u8], u16)] = &[
            (Opcode::Text, b"{", 4400),
            (Opcode::Text, br#"{"type":"dance"}"#, 4400),
            (Opcode::Text, b"\xff", 1007),
            (Opcode::Binary, b"{}", 1003),
            (Opcode::Continuation, b"", 1002),
            (Opcode::Text, large.as_bytes(), 1009),
        ];
        for (opcode, payload, code) in cases {
            let mut client = desk.visitor(json!({}));
            client.send_frame(*opcode, payload);
            assert_eq!(client.wait_for_close(), Some(*code), "{backend}: {opcode:?}");
        }
        let mut silent = Client::connect(desk.address);
        silent.send(&json!({"type":"hello","role":"agent","token":"forged"}));
        assert_eq!(silent.wait_for("error")["code"], "bad_token");
        assert_eq!(silent.wait_for_close(), Some(4401));
        other.say("m1", "unharmed");
        assert_eq!(other.wait_for("ack")["seq"], 1);
    }
}

#[test]
fn a_wrong_password_is_refused_and_slowed_down() {
    let desk = Desk::start("epoll", 1);
    desk.add_agent("ann", "agent");
    let wrong = json!({"name":"ann","password":"wrong password"}).to_string();
    let statuses: Vec<u16> = (0..8).map(|_| desk.post("/api/v1/login", &wrong).0).collect();
    assert_eq!(statuses[0], 401);
    assert_eq!(statuses.last(), Some(&429), "{statuses:?}");
}
