//! Peers that take their time, or are gone without a word: each is waited for as long as was promised, however it
//! spreads its bytes, and costs nothing afterwards.

use std::{
    io::{ErrorKind, Read, Write},
    net::TcpStream,
    thread,
    time::Duration,
};

use codec::websocket::Opcode;
use serde_json::json;

use crate::{
    desk::{Client, Desk, connect, upgrade_request},
    quiet::{Quiet, ended, wait_for},
};

const BACKENDS: [&str; 3] = ["modern", "basic", "epoll"];
/// Short, so that the tests are.
const SHORT: [(&str, &str); 4] = [
    ("RINGDESK_HANDSHAKE_MS", "300"),
    ("RINGDESK_REQUEST_MS", "300"),
    ("RINGDESK_HELLO_MS", "300"),
    ("RINGDESK_HEARTBEAT_MS", "5000"),
];
/// A request that is answered at once.
const HEALTH: &[u8] = b"GET /health/live HTTP/1.1\r\nhost: d\r\n\r\n";
/// Between two bytes of a peer that drips.
const DRIP: Duration = Duration::from_millis(40);

/// Sends the beginning, then the rest byte by byte and for ever, until the server ends it; all that it said.
fn drip(mut stream: TcpStream, beginning: &[u8], rest: &[u8]) -> Vec<u8> {
    stream.write_all(beginning).expect("it is open");
    let mut reader = stream.try_clone().expect("a descriptor");
    let said = thread::spawn(move || {
        let mut said = Vec::new();
        if let Err(error) = reader.read_to_end(&mut said) {
            assert_eq!(error.kind(), ErrorKind::ConnectionReset, "the server never ended it");
        }
        said
    });
    for byte in rest.iter().cycle() {
        if said.is_finished() || stream.write_all(&[*byte]).is_err() {
            break;
        }
        thread::sleep(DRIP);
    }
    said.join().expect("it reads")
}

/// One slow peer.
struct Case {
    name: &'static str,
    beginning: Vec<u8>,
    /// What drips.
    rest: &'static [u8],
    /// What the server says has these, in this order.
    said: &'static [&'static str],
}

fn cases() -> Vec<Case> {
    let case = |name, beginning: &[u8], rest, said| Case { name, beginning: beginning.to_vec(), rest, said };
    let upgraded = upgrade_request("");
    let half_a_hello = [upgraded.as_slice(), b"\x81\xFE\x01\x00\0\0\0\0{"].concat();
    let body = b"POST /api/v1/login HTTP/1.1\r\nhost: d\r\ncontent-length: 60000\r\n\r\n";
    let chunks = b"POST /api/v1/login HTTP/1.1\r\nhost: d\r\ntransfer-encoding: chunked\r\n\r\n";
    vec![
        case("never speaks", b"", b"", &[]),
        case("slow request line", b"", b"G", &["HTTP/1.1 408 "]),
        case("slow fields", b"GET / HTTP/1.1\r\nhost: d\r\n", b"x: y\r\n", &["HTTP/1.1 408 "]),
        case("slow body", body, b"x", &["HTTP/1.1 408 "]),
        case("no body", body, b"", &["HTTP/1.1 408 "]),
        case("slow chunks", chunks, b"1\r\nx\r\n", &["HTTP/1.1 408 "]),
        case("slow second request", HEALTH, b"G", &["HTTP/1.1 200 ", "HTTP/1.1 408 "]),
        case("never says hello", &upgraded, b"", &["HTTP/1.1 101 ", "hello_first"]),
        case("slow hello", &half_a_hello, b" ", &["HTTP/1.1 101 ", "hello_first"]),
    ]
}

/// Whether a text has these parts, in this order and nothing before the first.
fn has_in_order(mut text: &str, parts: &[&str]) -> bool {
    let is_first = parts.first().is_none_or(|first| text.starts_with(first));
    is_first
        && parts.iter().all(|part| {
            let found = text.split_once(part);
            text = found.map_or("", |(_, rest)| rest);
            found.is_some()
        })
}

#[test]
fn slow_peers_are_ended_however_they_spread_their_bytes() {
    for backend in BACKENDS {
        let desk = Desk::start_with(backend, 2, &SHORT);
        let quiet = Quiet::of(&desk);
        let peers: Vec<_> = cases()
            .into_iter()
            .map(|case| {
                let stream = connect(desk.address);
                thread::spawn(move || (case.name, case.said, drip(stream, &case.beginning, case.rest)))
            })
            .collect();
        for peer in peers {
            let (name, expected, said) = peer.join().expect("a peer");
            let said = String::from_utf8_lossy(&said);
            assert!(has_in_order(&said, expected), "{backend}: {name}: {said}");
            assert!(!expected.is_empty() || said.is_empty(), "{backend}: {name}: {said}");
        }
        for (reason, count) in [("handshake_timeout", 3.0), ("request_timeout", 4.0), ("hello_timeout", 2.0)]
        {
            wait_for(reason, count, || ended(&desk, reason));
        }
        quiet.check(&desk, backend);
    }
}

/// It does not answer pings and closes nothing: so does one whose network is gone.
#[test]
fn a_peer_of_which_nothing_is_heard_is_given_up() {
    let backends = BACKENDS.map(|backend| {
        thread::spawn(move || {
            let desk = Desk::start_with(backend, 2, &SHORT);
            let quiet = Quiet::of(&desk);
            let mut silent = desk.visitor(json!({}));
            assert_eq!(silent.wait_for_close(), Some(4408), "{backend}");
            assert_eq!(silent.last_of("error").expect("why")["code"], "idle", "{backend}");
            wait_for("silence", 1.0, || ended(&desk, "silence"));
            drop(silent);
            quiet.check(&desk, backend);
        })
    });
    backends.into_iter().for_each(|backend| backend.join().expect("a backend"));
}

/// The ways in which a peer can be gone in the middle of something.
#[test]
fn peers_that_vanish_in_mid_sentence_leave_nothing_behind() {
    let half = [upgrade_request("").as_slice(), b"\x81\xFE\xFF\xFF\0\0\0\0{\"type\""].concat();
    let cases: [(&str, &[u8]); 5] = [
        ("before a word", b""),
        ("in a head", b"GET / HTTP/1.1\r\nhost:"),
        ("in a body", b"POST /api/v1/login HTTP/1.1\r\nhost: d\r\ncontent-length: 9000\r\n\r\nx"),
        ("while it is answered", b"GET /console/ HTTP/1.1\r\nhost: d\r\n\r\n"),
        ("in a frame", &half),
    ];
    for backend in BACKENDS {
        let desk = Desk::start(backend, 2);
        let quiet = Quiet::of(&desk);
        for (name, bytes) in cases {
            for number in 0..30 {
                let mut stream = connect(desk.address);
                stream.write_all(bytes).expect("it is open");
                match number % 3 {
                    0 => drop(stream),
                    1 => {
                        let now = Some(Duration::ZERO);
                        socket2::SockRef::from(&stream).set_linger(now).expect("a socket option");
                        drop(stream);
                    }
                    // Half-open: it says no more, but would read on.
                    _ => {
                        stream.shutdown(std::net::Shutdown::Write).expect("it is open");
                        let mut rest = Vec::new();
                        if let Err(error) = stream.read_to_end(&mut rest) {
                            assert_eq!(
                                error.kind(),
                                ErrorKind::ConnectionReset,
                                "{backend}: {name}: it never ends"
                            );
                        }
                    }
                }
            }
        }
        quiet.check(&desk, backend);
    }
}

/// A visitor who writes and never reads: its own events fill its outbox. Its conversation lives on.
#[test]
fn a_slow_reader_is_cut_off_and_resumes_without_a_gap() {
    for backend in BACKENDS {
        let desk = Desk::start(backend, 1);
        let quiet = Quiet::of(&desk);
        let token = desk.visitor_token("slow", "normal");
        let mut slow = desk.visitor(json!({"token": token}));
        let conversation = slow.conversation();
        let text = "x".repeat(16_000);
        let sent = (0..5_000).take_while(|number| slow.try_say(&format!("m{number}"), &text)).count();
        assert!(sent < 5_000, "{backend}: nobody minds a reader who does not read");
        wait_for("slow_reader", 1.0, || ended(&desk, "slow_reader"));
        drop(slow);
        let mut again = desk.visitor(json!({"token": token, "conversation": conversation, "after": 0}));
        let last = again.welcome["seq"].as_u64().expect("a number");
        assert!(last > 50, "{backend}: only {last} events");
        for seq in 1..=last {
            assert_eq!(again.wait_for("event")["seq"], seq, "{backend}");
        }
        drop(again);
        quiet.check(&desk, backend);
    }
}

/// A frame of a message that goes on later is no silence of the one who sends it.
#[test]
fn a_message_in_two_halves_is_taken() {
    let desk = Desk::start_with("epoll", 1, &SHORT);
    let mut client: Client = desk.visitor(json!({}));
    let text = json!({"type":"message","id":"m1","content":{"kind":"text","text":"slowly"}}).to_string();
    let mut bytes = Vec::new();
    codec::websocket::encode_masked_frame(Opcode::Text, text.as_bytes(), [1, 2, 3, 4], &mut bytes);
    client.send_raw(&bytes[..20]);
    thread::sleep(Duration::from_secs(3));
    client.send_raw(&bytes[20..]);
    client.wait_for("ack");
}
