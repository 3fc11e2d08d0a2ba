//! `docs/protocol/` says what the code does: examples are read, tables are compared.

use codec::http::{HttpError, OVERHEAD_BYTES_MAX};
use codec::json::{decode_client, decode_server, encode_client, encode_server};
use codec::message::{
    CAPACITY_MAX, EventKind, ID_BYTES_MAX, NAME_BYTES_MAX, PREVIEW_BYTES_MAX, RESUMED_CONVERSATIONS_MAX,
    TEXT_BYTES_MAX, TOKEN_BYTES_MAX, URL_BYTES_MAX,
};
use codec::websocket::{HandshakeError, WebSocketError};

const HTTP: &str = include_str!("../../../docs/protocol/http.md");
const WEBSOCKET: &str = include_str!("../../../docs/protocol/websocket.md");

/// The lines of all `jsonc` blocks with who says them, without remarks.
fn examples() -> Vec<(bool, &'static str)> {
    let (mut examples, mut inside, mut from_client) = (Vec::new(), false, None);
    for line in WEBSOCKET.lines() {
        match line {
            "```jsonc" => (inside, from_client) = (true, None),
            "```" => inside = false,
            "// client → server" => from_client = Some(true),
            "// server → client" => from_client = Some(false),
            _ if inside => {
                let from_client = from_client.expect("an example says who speaks");
                examples.push((from_client, line.split("} //").next().expect("a first part")));
            }
            _ => {}
        }
    }
    examples
}

/// An example whose remark was cut off has lost the brace before it.
fn mend(example: &str) -> String {
    let opened = example.matches('{').count() - example.matches('}').count();
    format!("{example}{}", "}".repeat(opened))
}

#[test]
fn every_example_is_read_and_written_back_as_it_stands() {
    let examples = examples();
    assert!(examples.len() > 25);
    for (from_client, example) in examples {
        let text = mend(example);
        let mut out = Vec::new();
        if from_client {
            encode_client(&decode_client(&text).expect(&text), &mut out);
        } else {
            encode_server(&decode_server(&text).expect(&text), &mut out);
        }
        assert_eq!(String::from_utf8_lossy(&out), text);
    }
}

#[test]
fn the_examples_show_every_type_and_every_kind_of_event() {
    let shown = |from_client: bool, member: &str| {
        let found = examples().iter().any(|(side, text)| *side == from_client && text.contains(member));
        assert!(found, "{member} has no example");
    };
    for name in [
        "hello", "message", "note", "typing", "read", "human", "rate", "close", "presence", "transfer",
        "accept", "decline", "takeover", "watch", "unwatch", "whisper",
    ] {
        shown(true, &format!(r#""type":"{name}""#));
    }
    for name in ["welcome", "ack", "refused", "event", "typing", "read", "presence", "error"] {
        shown(false, &format!(r#""type":"{name}""#));
    }
    for kind in EventKind::ALL {
        shown(false, &format!(r#""kind":"{}""#, kind.name()));
    }
}

#[test]
fn every_fault_is_in_its_table() {
    let check = |page: &str, number: u16, text: &str| {
        let row = format!("| {number} | {text} |");
        assert!(page.contains(&row), "missing: {row}");
    };
    HttpError::ALL.iter().for_each(|error| check(HTTP, error.status(), error.text()));
    for error in HandshakeError::ALL.iter().filter(|error| error.status() != 502) {
        check(HTTP, error.status(), error.text());
    }
    for error in WebSocketError::ALL {
        check(WEBSOCKET, error.close_code(), error.text());
        assert!(WEBSOCKET.contains(&format!("\n| {} | ", error.close_code())));
    }
    for code in ["not_json", "unknown_type", "missing_field", "bad_field", "too_large"] {
        assert!(WEBSOCKET.contains(&format!("\n| `{code}` | ")), "missing: {code}");
    }
}

#[test]
fn the_limits_are_those_of_the_code() {
    let check = |page: &str, words: String| assert!(page.contains(&words), "missing: {words}");
    check(WEBSOCKET, format!("| `id` | 1 to {ID_BYTES_MAX} bytes"));
    check(WEBSOCKET, format!("| texts of messages, notes and ratings | {TEXT_BYTES_MAX} bytes"));
    check(WEBSOCKET, format!("| names, titles, order numbers, conversations | {NAME_BYTES_MAX} bytes"));
    check(WEBSOCKET, format!("| addresses | {URL_BYTES_MAX} bytes"));
    check(WEBSOCKET, format!("| `token` | {TOKEN_BYTES_MAX} bytes"));
    check(WEBSOCKET, format!("| preview of `typing` | {PREVIEW_BYTES_MAX} bytes"));
    check(WEBSOCKET, format!("| `conversations` of a hello | {RESUMED_CONVERSATIONS_MAX} |"));
    check(WEBSOCKET, format!("1 to {CAPACITY_MAX}; left out"));
    check(HTTP, format!("| chunk extensions and trailers | {} KiB a body |", OVERHEAD_BYTES_MAX / 1024));
}
