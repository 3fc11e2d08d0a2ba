//! WebSocket against RFC 6455's own examples, tables of faults, and every split of every stream.

use std::ops::ControlFlow;

use codec::Decoded;
use codec::http::{self, Limits};
use codec::websocket::{
    Decoder, HandshakeError, Incoming, Opcode, Side, WebSocketError, accept_upgrade, encode_close,
    encode_frame, encode_masked_frame, read_upgrade_response, request_upgrade, wants_upgrade,
};
use proptest::prelude::*;

use super::table::{assert_at_every_split, from_hex, table};

const MESSAGE_BYTES_MAX: usize = 70_000;

const HEAD_LIMITS: Limits = Limits { head_bytes_max: 8192, headers_max: 64, body_bytes_max: 1 << 20 };

/// What a connection's bytes mean: one line a message, and at last the fault.
fn understand(side: Side, pieces: &[&[u8]]) -> Vec<String> {
    let mut decoder = Decoder::new(side, MESSAGE_BYTES_MAX);
    let mut heard = Vec::new();
    for piece in pieces {
        let mut raw = piece.to_vec();
        let result = decoder.receive(&mut raw, &mut |incoming| {
            heard.push(format!("{incoming:?}"));
            ControlFlow::Continue(())
        });
        match result {
            Ok(used) => assert_eq!(used, raw.len(), "all is taken"),
            Err(error) => {
                heard.push(format!("{error:?}"));
                break;
            }
        }
    }
    heard
}

#[test]
fn the_vectors_are_understood_at_every_split() {
    for case in table(include_str!("../vectors/websocket/frames.txt")) {
        let [side, hex, expected] = case.columns();
        let side = if side == "server" { Side::Server } else { Side::Client };
        let bytes = from_hex(hex);
        let expected: Vec<&str> = expected.split(" | ").filter(|word| !word.is_empty()).collect();
        assert_at_every_split(&bytes, &expected, &case, |pieces| understand(side, pieces));
    }
}

#[test]
fn a_bad_character_is_refused_at_its_first_impossible_byte() {
    for (good, bad) in [
        (b"\xce\xba\xe1\xbd\xb9".as_slice(), 0xff),
        (b"\xed", 0xa0),
        (b"\xf4", 0x90),
        (b"\xe0", 0x9f),
        (b"\xf0", 0x8f),
        (b"abc\xe4\xbd", b'a'),
        (b"", 0x80),
        (b"", 0xc1),
        (b"", 0xf5),
    ] {
        let mut stream = Vec::new();
        let mut text = good.to_vec();
        text.push(bad);
        text.extend_from_slice(b"never to come");
        encode_masked_frame(Opcode::Text, &text, [9, 8, 7, 6], &mut stream);
        let before = stream.len() - text.len() + good.len();
        assert!(understand(Side::Server, &[&stream[..before]]).is_empty(), "{good:x?} is a beginning");
        let heard = understand(Side::Server, &[&stream[..before], &stream[before..=before]]);
        assert_eq!(heard, ["TextNotUtf8"], "{good:x?} then {bad:x}");
    }
}

#[test]
fn a_message_too_large_is_refused_from_its_header() {
    let header = |opcode: u8, length: u64| {
        let mut bytes = vec![opcode, 0xff];
        bytes.extend_from_slice(&length.to_be_bytes());
        bytes
    };
    assert_eq!(understand(Side::Server, &[&header(0x82, 70_001)]), ["MessageTooLarge"]);
    assert_eq!(understand(Side::Server, &[&header(0x82, i64::MAX as u64)]), ["MessageTooLarge"]);
    assert!(understand(Side::Server, &[&header(0x82, 70_000)]).is_empty());
    let mut stream = vec![0x02, 0x81, 0, 0, 0, 0, b'x'];
    stream.extend_from_slice(&header(0x80, 70_000));
    assert_eq!(understand(Side::Server, &[&stream]), ["MessageTooLarge"]);
}

#[test]
fn a_message_has_so_many_fragments_and_control_frames_are_none() {
    let fragments = |count: usize| {
        let mut stream = vec![0x01, 0x80, 0, 0, 0, 0];
        for _ in 1..count {
            stream.extend_from_slice(&[0x89, 0x80, 0, 0, 0, 0, 0x00, 0x80, 0, 0, 0, 0]);
        }
        stream
    };
    let check = |mut stream: Vec<u8>, expected: Result<usize, WebSocketError>| {
        let mut decoder = Decoder::new(Side::Server, 100).with_fragments_max(3);
        let mut ignore = |_: Incoming<'_>| ControlFlow::Continue(());
        assert_eq!(decoder.receive(&mut stream, &mut ignore), expected, "{stream:?}");
    };
    check(fragments(3), Ok(fragments(3).len()));
    check(fragments(4), Err(WebSocketError::TooManyFragments));
    // Each message begins anew.
    let end = [0x80, 0x80, 0, 0, 0, 0];
    let two = [fragments(2).as_slice(), &end, &fragments(2), &end].concat();
    check(two.clone(), Ok(two.len()));
}

#[test]
fn breaking_off_leaves_the_rest_untouched() {
    let mut stream = Vec::new();
    for text in ["one", "two", "three"] {
        encode_masked_frame(Opcode::Text, text.as_bytes(), [1, 2, 3, 4], &mut stream);
    }
    let original = stream.clone();
    let mut decoder = Decoder::new(Side::Server, 100);
    let mut heard = Vec::new();
    let mut taken = 0;
    while taken < stream.len() {
        let used = decoder.receive(&mut stream[taken..], &mut |incoming| {
            heard.push(format!("{incoming:?}"));
            ControlFlow::Break(())
        });
        taken += used.expect("the stream is right");
        assert_eq!(stream[taken..], original[taken..], "what was not taken is as it was");
    }
    assert_eq!(heard, [r#"Text("one")"#, r#"Text("two")"#, r#"Text("three")"#]);
}

#[test]
fn an_idle_decoder_holds_nothing() {
    let mut stream = Vec::new();
    encode_masked_frame(Opcode::Text, &[b'x'; 1000], [1, 2, 3, 4], &mut stream);
    let mut decoder = Decoder::new(Side::Server, 2000);
    let mut ignore = |_: Incoming<'_>| ControlFlow::Continue(());
    decoder.receive(&mut stream[..500], &mut ignore).expect("a beginning");
    assert!((400..=500).contains(&decoder.held_bytes()));
    decoder.receive(&mut stream[500..], &mut ignore).expect("an end");
    assert_eq!(decoder.held_bytes(), 0);
}

#[test]
fn a_decoder_moves_between_threads() {
    fn check<T: Send + 'static>() {}
    check::<Decoder>();
}

#[test]
fn nothing_counts_behind_a_close() {
    let mut stream = Vec::new();
    encode_close(Side::Client, 1000, "bye", &mut stream);
    encode_masked_frame(Opcode::Text, b"late", [1, 2, 3, 4], &mut stream);
    stream.extend_from_slice(&[0xff; 20]);
    assert_eq!(understand(Side::Server, &[&stream]), [r#"Close(1000, "bye")"#]);
}

#[test]
fn a_long_reason_is_cut_at_a_character() {
    let mut out = Vec::new();
    encode_close(Side::Server, 1008, &"好".repeat(100), &mut out);
    assert_eq!(understand(Side::Client, &[&out]), [format!("Close(1008, {:?})", "好".repeat(41))]);
    let mut out = Vec::new();
    encode_close(Side::Server, 1005, "", &mut out);
    assert_eq!(out, [0x88, 0]);
}

#[test]
fn every_fault_has_a_code_and_a_text_that_fits_a_close_frame() {
    for error in WebSocketError::ALL {
        assert!([1002, 1007, 1008, 1009].contains(&error.close_code()), "{error:?}");
        assert!((1..=123).contains(&error.text().len()), "{error:?}");
    }
}

fn head_of(text: &str) -> Vec<u8> {
    format!("{}\r\n\r\n", text.replace('\n', "\r\n")).into_bytes()
}

fn accept(text: &str) -> Result<String, HandshakeError> {
    let raw = head_of(text);
    let Ok(Decoded::Complete { value: head, .. }) = http::decode_request_head(&raw, &HEAD_LIMITS) else {
        panic!("{text} is no head");
    };
    let mut out = Vec::new();
    accept_upgrade(&head, "ringdesk.v1", &mut out)?;
    Ok(String::from_utf8(out).expect("the answer is text"))
}

/// RFC 6455 section 1.3.
const ASKING: &str = "GET /chat HTTP/1.1\nHost: server.example.com\nUpgrade: websocket\nConnection: Upgrade\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\nSec-WebSocket-Version: 13";

#[test]
fn the_key_of_the_rfc_is_answered_as_there() {
    let answer = accept(ASKING).expect("the example is right");
    assert!(answer.starts_with("HTTP/1.1 101 Switching Protocols\r\n"));
    assert!(answer.contains("\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"));
    assert!(!answer.contains("Sec-WebSocket-Protocol"), "none was offered");
    assert!(answer.ends_with("\r\n\r\n"));
}

#[test]
fn the_subprotocol_is_answered_only_if_offered() {
    let protocol = |offer: &str| {
        let answer = accept(&format!("{ASKING}\n{offer}")).expect("an offer harms nothing");
        answer.contains("\r\nSec-WebSocket-Protocol: ringdesk.v1\r\n")
    };
    assert!(protocol("Sec-WebSocket-Protocol: ringdesk.v1"));
    assert!(protocol("Sec-WebSocket-Protocol: chat, ringdesk.v1"));
    assert!(protocol("Sec-WebSocket-Protocol: chat\nSec-WebSocket-Protocol: ringdesk.v1"));
    assert!(!protocol("Sec-WebSocket-Protocol: chat, ringdesk.v10"));
    assert!(!protocol("Sec-WebSocket-Protocol: RINGDESK.V1"));
}

#[test]
fn upgrades_that_are_not_right_are_refused() {
    let check = |from: &str, to: &str, expected: Result<(), HandshakeError>| {
        assert!(ASKING.contains(from));
        assert_eq!(accept(&ASKING.replace(from, to)).map(drop), expected, "{from} → {to}");
    };
    check("websocket", "WebSocket", Ok(()));
    check("Connection: Upgrade", "Connection: keep-alive, upgrade", Ok(()));
    check("GET", "POST", Err(HandshakeError::MethodNotGet));
    check("HTTP/1.1", "HTTP/1.0", Err(HandshakeError::VersionNotHttp11));
    check("Upgrade: websocket", "Upgrade: h2c", Err(HandshakeError::UpgradeMissing));
    check("Connection: Upgrade", "Connection: keep-alive", Err(HandshakeError::ConnectionMissing));
    check("Version: 13", "Version: 8", Err(HandshakeError::UnsupportedVersion));
    check("Sec-WebSocket-Version: 13", "X: 13", Err(HandshakeError::UnsupportedVersion));
    check("dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25j", Err(HandshakeError::BadKey));
    check("dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25jZ!==", Err(HandshakeError::BadKey));
    check("Sec-WebSocket-Key", "Sec-WebSocket-Kex", Err(HandshakeError::BadKey));
    let twice = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==";
    check("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", twice, Err(HandshakeError::BadKey));
    check("Host:", "Content-Length: 5\nHost:", Err(HandshakeError::BodyForbidden));
    assert_eq!(HandshakeError::UnsupportedVersion.status(), 426);
    assert_eq!(HandshakeError::MethodNotGet.status(), 405);
}

#[test]
fn client_and_server_shake_hands_at_every_split() {
    let key = *b"sixteen bytes!!!";
    for protocol in [None, Some("ringdesk.v1")] {
        let (mut request, mut response) = (Vec::new(), Vec::new());
        request_upgrade("localhost:8080", "/ws", key, protocol, &mut request);
        let Ok(Decoded::Complete { value: head, used }) = http::decode_request_head(&request, &HEAD_LIMITS)
        else {
            panic!("the request is a head");
        };
        assert_eq!(used, request.len());
        assert!(wants_upgrade(&head));
        accept_upgrade(&head, "ringdesk.v1", &mut response).expect("the request is right");
        for at in 0..response.len() {
            let answer = read_upgrade_response(&response[..at], key, protocol);
            assert_eq!(answer, Ok(Decoded::NeedMore), "{at}");
        }
        let used = response.len();
        response.extend_from_slice(&[0x81, 0x00]);
        let whole = Ok(Decoded::Complete { value: (), used });
        assert_eq!(read_upgrade_response(&response, key, protocol), whole);
        let other = read_upgrade_response(&response, *b"another key!!!!!", protocol);
        assert_eq!(other, Err(HandshakeError::BadAccept));
        if protocol.is_some() {
            let unasked = read_upgrade_response(&response, key, None);
            assert_eq!(unasked, Err(HandshakeError::NotAskedFor));
        }
    }
    let busy = b"HTTP/1.1 503 Service Unavailable\r\n\r\n";
    assert_eq!(read_upgrade_response(busy, key, None), Err(HandshakeError::NotSwitched));
}

#[derive(Clone, Debug)]
enum Said {
    Text(String),
    Binary(Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
}

fn said() -> impl Strategy<Value = Said> {
    let control = proptest::collection::vec(any::<u8>(), 0..=125);
    prop_oneof![
        "\\PC{0,200}".prop_map(Said::Text),
        "[好a\u{10ffff}]{0,100}".prop_map(Said::Text),
        proptest::collection::vec(any::<u8>(), 0..700).prop_map(Said::Binary),
        proptest::collection::vec(any::<u8>(), 65_530..65_540).prop_map(Said::Binary),
        control.clone().prop_map(Said::Ping),
        control.prop_map(Said::Pong),
    ]
}

/// Writes a message in fragments of the given sizes, with a ping between any two.
fn write(
    said: &Said,
    fragments: &[usize],
    mask: Option<[u8; 4]>,
    out: &mut Vec<u8>,
    heard: &mut Vec<String>,
) {
    let mut frame = |opcode: Opcode, payload: &[u8], last: bool| {
        let start = out.len();
        match mask {
            Some(mask) => encode_masked_frame(opcode, payload, mask, out),
            None => encode_frame(opcode, payload, out),
        }
        if !last {
            out[start] &= 0x7f;
        }
    };
    let (opcode, payload, name) = match said {
        Said::Text(text) => (Opcode::Text, text.as_bytes(), format!("{:?}", Incoming::Text(text))),
        Said::Binary(bytes) => (Opcode::Binary, bytes.as_slice(), format!("{:?}", Incoming::Binary(bytes))),
        Said::Ping(bytes) => (Opcode::Ping, bytes.as_slice(), format!("{:?}", Incoming::Ping(bytes))),
        Said::Pong(bytes) => (Opcode::Pong, bytes.as_slice(), format!("{:?}", Incoming::Pong(bytes))),
    };
    let (mut opcode, mut payload) = (opcode, payload);
    if !opcode.is_control() {
        for &size in fragments {
            let (start, rest) = payload.split_at(size.min(payload.len()));
            frame(opcode, start, false);
            frame(Opcode::Ping, b"between", true);
            heard.push(format!("{:?}", Incoming::Ping(b"between")));
            (opcode, payload) = (Opcode::Continuation, rest);
        }
    }
    frame(opcode, payload, true);
    heard.push(name);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn what_is_said_is_heard_however_it_is_cut(
        conversation in proptest::collection::vec((said(), proptest::collection::vec(0_usize..300, 0..4)), 1..6),
        mask in proptest::option::of(any::<[u8; 4]>()),
        cuts in proptest::collection::vec(any::<proptest::sample::Index>(), 0..12),
    ) {
        let (mut stream, mut expected) = (Vec::new(), Vec::new());
        for (said, fragments) in &conversation {
            write(said, fragments, mask, &mut stream, &mut expected);
        }
        let side = if mask.is_some() { Side::Server } else { Side::Client };
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(stream.len())).collect();
        cuts.extend([0, stream.len()]);
        cuts.sort_unstable();
        let pieces: Vec<&[u8]> = cuts.windows(2).map(|pair| &stream[pair[0]..pair[1]]).collect();
        prop_assert_eq!(understand(side, &pieces), expected);
    }

    #[test]
    fn no_bytes_make_a_decoder_panic(raw in proptest::collection::vec(any::<u8>(), 0..300)) {
        let split = raw.len() / 2;
        for side in [Side::Server, Side::Client] {
            let whole = understand(side, &[&raw]);
            prop_assert_eq!(whole, understand(side, &[&raw[..split], &raw[split..]]));
        }
    }
}
