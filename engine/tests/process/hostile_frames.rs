//! Frames that no honest client sends, over a real process: the close code that each gets, and nobody else is the
//! worse for it. The cases one by one are the codec's vectors and the Autobahn suite's.

use codec::websocket::{Opcode, encode_masked_frame};
use serde_json::json;

use crate::{
    desk::{Client, Desk},
    quiet::{Quiet, ended, metrics, wait_for},
};

const BACKENDS: [&str; 3] = ["modern", "basic", "epoll"];
/// As `--fragments-max` is by default.
const FRAGMENTS_MAX: usize = engine::limits::FRAGMENTS_MAX as usize;

/// A frame with any first byte, masked with zeros.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let length = u8::try_from(payload.len()).expect("a short one");
    let mut bytes = match length {
        0..126 => vec![first, 0x80 | length],
        _ => vec![first, 0x80 | 126, 0, length],
    };
    bytes.extend_from_slice(&[0; 4]);
    bytes.extend_from_slice(payload);
    bytes
}

/// A beginning and so many fragments of it.
fn fragments(count: usize, payload: &[u8]) -> Vec<u8> {
    let more = (1..count).flat_map(|_| frame(0x00, payload));
    frame(0x01, payload).into_iter().chain(more).collect()
}

/// What is sent, in pieces that are sent one by one, and the close code.
fn cases() -> Vec<(&'static str, Vec<Vec<u8>>, u16)> {
    let mut ping = Vec::new();
    encode_masked_frame(Opcode::Ping, b"", [1, 2, 3, 4], &mut ping);
    let length_of = |length: u64| [[0x81, 0xFF].as_slice(), &length.to_be_bytes(), &[0; 4]].concat();
    vec![
        ("unmasked", vec![b"\x81\x02{}".to_vec()], 1002),
        ("the first reserved bit", vec![frame(0xC1, b"{}")], 1002),
        ("the last reserved bit", vec![frame(0x91, b"{}")], 1002),
        ("a reserved data opcode", vec![frame(0x83, b"")], 1002),
        ("a reserved control opcode", vec![frame(0x8B, b"")], 1002),
        ("a ping in fragments", vec![frame(0x09, b"")], 1002),
        ("a ping of 126 bytes", vec![frame(0x89, &[b'x'; 126])], 1002),
        ("a length of 2^63", vec![length_of(1 << 63)], 1002),
        ("a length of 2^62", vec![length_of(1 << 62)], 1009),
        ("a length in more bytes than it needs", vec![length_of(5)], 1002),
        ("no UTF-8 over two fragments", vec![frame(0x01, b"\xe4\xbd"), frame(0x80, b"(")], 1007),
        ("no UTF-8 within a fragment", vec![frame(0x01, b"ok"), frame(0x00, b"\xff")], 1007),
        ("half a character at the end", vec![frame(0x01, b"\xe4"), frame(0x80, b"\xbd")], 1007),
        ("a message within another", vec![frame(0x01, b"{"), frame(0x81, b"}")], 1002),
        ("half a close code", vec![frame(0x88, b"\x03")], 1002),
        ("a close code that may not be sent", vec![frame(0x88, b"\x03\xed")], 1002),
        ("empty fragments for ever", vec![fragments(FRAGMENTS_MAX + 1, b"")], 1008),
        ("fragments of a byte for ever", vec![fragments(FRAGMENTS_MAX + 1, b"x")], 1008),
        ("pings for ever", vec![ping.repeat(engine::limits::PINGS.burst as usize + 200)], 1008),
    ]
}

#[test]
fn frames_that_no_honest_client_sends_get_their_close_code() {
    for backend in BACKENDS {
        let desk = Desk::start(backend, 2);
        let quiet = Quiet::of(&desk);
        let mut other = desk.visitor(json!({}));
        for (number, (name, pieces, code)) in cases().into_iter().enumerate() {
            let mut client = desk.visitor(json!({}));
            pieces.iter().for_each(|piece| client.send_raw(piece));
            assert_eq!(client.wait_for_close(), Some(code), "{backend}: {name}");
            other.say(&format!("m{number}"), "unharmed");
            other.wait_for("ack");
        }
        wait_for("ping_flood", 1.0, || ended(&desk, "ping_flood"));
        drop(other);
        quiet.check(&desk, backend);
    }
}

/// As many pings as an honest client may send, each answered with its own bytes.
#[test]
fn honest_pings_are_answered() {
    let desk = Desk::start("epoll", 1);
    let mut client = desk.visitor(json!({}));
    for _ in 0..engine::limits::PINGS.burst - 1 {
        client.send_frame(Opcode::Ping, b"are you there?");
    }
    client.say("m1", "still here");
    client.wait_for("ack");
    assert_eq!(client.closed_with, None);
}

/// What many peers send of messages that never end is counted, and no buffer of the ring waits for the rest.
#[test]
fn a_flood_of_tiny_fragments_pins_their_bytes_and_nothing_else() {
    const CLIENTS: usize = 100;
    for backend in BACKENDS {
        let desk = Desk::start(backend, 2);
        let quiet = Quiet::of(&desk);
        let mut clients: Vec<Client> = (0..CLIENTS).map(|_| desk.visitor(json!({}))).collect();
        clients.iter_mut().for_each(|client| client.send_raw(&fragments(FRAGMENTS_MAX, b"x")));
        let pinned = (CLIENTS * FRAGMENTS_MAX) as f64;
        wait_for("bytes held", pinned, || metrics(&desk)["ringdesk_held_bytes"]);
        let now = metrics(&desk);
        assert_eq!(now["ringdesk_held_bytes"], pinned, "{backend}");
        assert_eq!(
            now["ringdesk_net_receive_buffers_free"], now["ringdesk_net_receive_buffers"],
            "{backend}"
        );
        drop(clients);
        quiet.check(&desk, backend);
    }
}

#[test]
fn who_makes_the_server_hold_too_much_is_ended_and_others_go_on() {
    const CLIENTS: usize = 40;
    for backend in BACKENDS {
        let desk = Desk::start_with(backend, 1, &[("RINGDESK_HELD_MIB_MAX", "1")]);
        let quiet = Quiet::of(&desk);
        let mut other = desk.visitor(json!({}));
        let mut clients: Vec<Client> = (0..CLIENTS).map(|_| Client::connect(desk.address)).collect();
        let unfinished = [[0x01, 0xFE, 0xEA, 0x60].as_slice(), &[0; 4], &[b'x'; 60_000]].concat();
        for client in &mut clients {
            client.try_send_raw(&unfinished);
        }
        wait_for("connections ended", 20.0, || ended(&desk, "held_bytes"));
        let held = metrics(&desk)["ringdesk_held_bytes"];
        assert!(held <= 1024.0 * 1024.0, "{backend}: {held} bytes are held");
        other.say("m1", "unharmed");
        other.wait_for("ack");
        drop((other, clients));
        quiet.check(&desk, backend);
    }
}
