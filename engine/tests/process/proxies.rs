//! Behind proxies, as real processes see it: whose a login attempt is, by `X-Forwarded-For` and by PROXY headers, in
//! front of TLS and without; and who is not believed.

use std::{
    io::{Read, Write},
    net::TcpStream,
};

use rustls::version::{TLS12, TLS13};
use serde_json::json;

use crate::{
    desk::{Client, Desk},
    tls,
};

const TRUSTED: &str = "RINGDESK_TRUSTED_PROXIES";
const SPEAKS_FIRST: &str = "RINGDESK_PROXY_PROTOCOL";
/// Wrong logins of one address; more than are free.
const ATTEMPTS: usize = 8;

/// Runs a test on every backend; `settings` are of the server.
fn everywhere(settings: &[(&'static str, &str)], test: impl Fn(&mut Desk)) {
    for backend in ["modern", "basic", "epoll"] {
        let folder = tempfile::tempdir().expect("a folder");
        let mut desk = Desk::on(folder.path(), backend, 4);
        settings.iter().for_each(|(variable, value)| desk.set(variable, value));
        desk.start_again();
        test(&mut desk);
    }
}

/// A login that is wrong, as the bytes of a request. Each is of another name, so that only addresses count.
fn wrong_login(number: usize, fields: &str) -> Vec<u8> {
    let body = json!({"name": format!("nobody{number}"), "password": "wrong"}).to_string();
    let length = body.len();
    format!(
        "POST /api/v1/login HTTP/1.1\r\nhost: desk\r\nconnection: close\r\ncontent-type: application/json\r\n\
         {fields}content-length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
}

fn status(answer: &str) -> &str {
    answer.split(' ').nth(1).unwrap_or_default()
}

/// The last status of many wrong logins.
fn guess(desk: &Desk, attempt: impl Fn(usize) -> Vec<u8>) -> String {
    let statuses: Vec<String> =
        (0..ATTEMPTS).map(|number| status(&desk.raw(&attempt(number))).to_owned()).collect();
    statuses.last().expect("some").clone()
}

#[test]
fn who_guesses_is_told_by_what_a_trusted_proxy_forwards_and_others_go_on() {
    everywhere(&[(TRUSTED, "127.0.0.0/8, 10.0.0.0/8")], |desk| {
        let from = |client: &str| format!("x-forwarded-for: 192.0.2.66, {client}, 10.0.0.4\r\n");
        assert_eq!(guess(desk, |number| wrong_login(number, &from("203.0.113.9"))), "429");
        assert_eq!(status(&desk.raw(&wrong_login(100, &from("203.0.113.10")))), "401");
    });
}

#[test]
fn who_is_not_trusted_chooses_no_address() {
    everywhere(&[(TRUSTED, "192.0.2.0/24"), (SPEAKS_FIRST, "on")], |desk| {
        let from = |number: usize| format!("x-forwarded-for: 203.0.113.{number}\r\n");
        assert_eq!(guess(desk, |number| wrong_login(number, &from(number))), "429");
        for header in [line(1), binary(1)] {
            let answer =
                desk.raw(&[header.as_slice(), b"GET /health/live HTTP/1.1\r\nhost: desk\r\n\r\n"].concat());
            assert_eq!(status(&answer), "400", "{answer}");
        }
    });
}

/// The header of version 1 that a proxy writes for client number `number`.
fn line(number: usize) -> Vec<u8> {
    format!("PROXY TCP4 203.0.113.{number} 192.0.2.1 4711 443\r\n").into_bytes()
}

/// The header of version 2.
fn binary(number: usize) -> Vec<u8> {
    let mut header = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xcb\0\x71".to_vec();
    header.push(number as u8);
    header.extend_from_slice(b"\xc0\0\x02\x01\x12\x67\x01\xbb");
    header
}

#[test]
fn who_guesses_is_told_by_a_proxy_header_and_others_go_on() {
    everywhere(&[(TRUSTED, "127.0.0.1"), (SPEAKS_FIRST, "on")], |desk| {
        assert_eq!(guess(desk, |number| [line(9), wrong_login(number, "")].concat()), "429");
        assert_eq!(
            status(&desk.raw(&[binary(9), wrong_login(100, "")].concat())),
            "429",
            "in either version"
        );
        assert_eq!(status(&desk.raw(&[binary(10), wrong_login(101, "")].concat())), "401");
        // What the client forwards is not believed: it is no proxy of ours.
        let forwarded = wrong_login(102, "x-forwarded-for: 203.0.113.11\r\n");
        assert_eq!(status(&desk.raw(&[line(9), forwarded].concat())), "429");

        for _ in 0..2 {
            let answer = desk.raw(&wrong_login(103, ""));
            assert_eq!(status(&answer), "400");
            assert!(answer.contains("A PROXY protocol header is expected from this address"), "{answer}");
        }
        tls::wait_until(|| desk.log().contains("HAProxy: send-proxy-v2; nginx: proxy_protocol on"));
    });
}

/// Asks for a WebSocket behind what `preface` says of the client; the connection, and the status, empty if it just ended.
fn upgrade(desk: &Desk, preface: &[u8], fields: &str) -> (TcpStream, String) {
    let mut stream = TcpStream::connect(desk.address).expect("it listens");
    let request = format!(
        "GET /ws HTTP/1.1\r\nhost: desk\r\nconnection: upgrade\r\nupgrade: websocket\r\n{fields}\
         sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         sec-websocket-protocol: ringdesk.v1\r\n\r\n"
    );
    // It may have been refused before it could say anything.
    let _ = stream.write_all(&[preface, request.as_bytes()].concat());
    let mut answer = [0; 12];
    let read = stream.read_exact(&mut answer);
    let text = read.map(|()| String::from_utf8_lossy(&answer).into_owned()).unwrap_or_default();
    (stream, status(&text).to_owned())
}

/// What a proxy says of a client: before all else, and as fields of a request.
type Names = fn(usize) -> (Vec<u8>, String);

#[test]
fn an_address_behind_a_proxy_has_its_own_limits() {
    let forwarded: Names = |client| (Vec::new(), format!("x-forwarded-for: 203.0.113.{client}\r\n"));
    let headed: Names = |client| (line(client), String::new());
    for (speaks_first, refused, names) in [("off", "429", forwarded), ("on", "", headed)] {
        let settings =
            [(TRUSTED, "127.0.0.1"), (SPEAKS_FIRST, speaks_first), ("RINGDESK_ADDRESS_CONNECTIONS_MAX", "2")];
        everywhere(&settings, |desk| {
            let ask = |client: usize| {
                let (preface, fields) = names(client);
                upgrade(desk, &preface, &fields)
            };
            let (first, second) = (ask(9), ask(9));
            assert_eq!([first.1.as_str(), second.1.as_str()], ["101", "101"]);
            assert_eq!(ask(9).1, refused, "a third of the same client");
            let others: Vec<_> = (10..14).map(ask).collect();
            assert!(others.iter().all(|(_, status)| status == "101"), "others behind the same proxy go on");
            drop(first);
            tls::wait_until(|| ask(9).1 == "101");
        });
    }
}

#[test]
fn a_proxy_header_comes_before_tls() {
    let folder = tempfile::tempdir().expect("a folder");
    let certificate = tls::renew(folder.path());
    let path = |name: &str| folder.path().join(name).to_str().expect("a path in text").to_owned();
    let (certificate_path, key_path) = (path("cert.pem"), path("key.pem"));
    let settings = [
        (TRUSTED, "127.0.0.1"),
        (SPEAKS_FIRST, "on"),
        ("RINGDESK_TLS_CERT", &certificate_path),
        ("RINGDESK_TLS_KEY", &key_path),
    ];
    everywhere(&settings, |desk| {
        for version in [&TLS12, &TLS13] {
            let trust = tls::trust(&certificate, version);
            for header in [line(7), binary(7)] {
                let mut stream = TcpStream::connect(desk.address).expect("it listens");
                stream.write_all(&header).expect("it reads");
                let mut sealed = tls::over(stream, &trust);
                sealed.write_all(&wrong_login(1, "")).expect("it reads");
                let mut answer = String::new();
                sealed.read_to_string(&mut answer).expect("an answer and an end");
                assert!(matches!(status(&answer), "401" | "429"), "{answer}");
            }
            // TLS at once is no header.
            let mut sealed = tls::over(TcpStream::connect(desk.address).expect("it listens"), &trust);
            assert!(sealed.write_all(b"GET").is_err() || sealed.read(&mut [0]).is_err());
            // Conversations move between shards.
            let door = tls::tunnel(desk.address, trust, line(8));
            for number in 0..4 {
                let mut client = Client::connect(door);
                let token = desk.visitor_token(&format!("{version:?}-{number}"), "normal");
                client.send(&json!({"type": "hello", "role": "visitor", "token": token}));
                client.say("m1", "through a proxy");
                assert_eq!(client.wait_for("ack")["id"], "m1");
            }
        }
    });
}
