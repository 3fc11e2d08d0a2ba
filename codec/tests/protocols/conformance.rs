//! The conformance kit over the protocols of this crate.

use std::ops::ControlFlow;

use codec::conformance::Conformance;
use codec::http::Limits;
use codec::json::decode_server;
use codec::message::ServerMessage;
use codec::protocol::{Culprit, Framing, Http1, Protocol, ResponseHead, RingdeskV1};
use codec::websocket::{Decoder, Incoming, Opcode, Side, WebSocketError, encode_frame, encode_masked_frame};
use codec::{Decoded, websocket};

use super::table::{from_hex, table, unescape};

const LIMITS: Limits = Limits { head_bytes_max: 512, headers_max: 8, body_bytes_max: 32 };

#[test]
fn http_heads_conform() {
    let kit = Conformance { protocol: &Http1, context: || LIMITS };
    let two = b"GET / HTTP/1.1\r\nHost: a\r\n\r\nPOST /x HTTP/1.0\r\nContent-Length: 5\r\n\r\n";
    kit.check_accepted(two);
    for case in table(include_str!("../vectors/http/heads.txt")) {
        let (expected, bytes) = case.line.split_once("  ").expect("two columns");
        if !expected.contains([' ', 'N']) && !expected.is_empty() {
            kit.check_refused(&unescape(bytes), Culprit::Peer);
        }
    }
    kit.check_oversized(format!("GET /{}", "a".repeat(9000)).as_bytes(), 512);
    kit.check_oversized(format!("GET / HTTP/1.1\r\nA: {}", "a".repeat(9000)).as_bytes(), 512);
    let response = ResponseHead { status: 204, headers: &[("Connection", b"close")] };
    let expected = "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n".to_owned();
    kit.check_round_trip(&response, 64, |bytes| String::from_utf8_lossy(bytes).into_owned(), &expected);
}

#[test]
fn ringdesk_v1_conforms() {
    let kit = Conformance { protocol: &RingdeskV1, context: || () };
    for case in table(include_str!("../vectors/json/client.txt")) {
        let (expected, text) = case.line.split_once("  ").expect("two columns");
        match expected.starts_with('{') {
            _ if text.contains('^') => {}
            true => kit.check_accepted(text.trim_end().as_bytes()),
            false => kit.check_refused(text.as_bytes(), Culprit::Peer),
        }
    }
    kit.check_refused(b"{\"type\":\"human\",\"x\":\"\xff\"}", Culprit::Peer);
    let long = format!(r#"{{"type":"rate","score":5,"text":"{}"}}"#, "x".repeat(20_000));
    kit.check_oversized(long.as_bytes(), 20_000);
    let message = ServerMessage::Ack { id: "m1".into(), seq: 18, at_ms: 1 };
    let reread = |bytes: &[u8]| {
        let text = std::str::from_utf8(bytes).expect("JSON is UTF-8");
        format!("{:?}", decode_server(text))
    };
    kit.check_round_trip(&message, 100, reread, &format!("{:?}", Ok::<_, ()>(&message)));
}

/// Frames as a protocol: what comes out of a fresh decoder first.
struct Frames(Side);

impl Protocol for Frames {
    type Context = usize;
    type Incoming<'a> = String;
    type Outgoing<'a> = &'a str;
    type Error = WebSocketError;

    const FRAMING: Framing = Framing::Own;

    fn decode(&self, raw: &[u8], max: &mut usize) -> Result<Decoded<String>, WebSocketError> {
        let mut first = None;
        let used = Decoder::new(self.0, *max).receive(&mut raw.to_vec(), &mut |incoming| {
            first = Some(format!("{incoming:?}"));
            ControlFlow::Break(())
        })?;
        Ok(match first {
            Some(value) => Decoded::Complete { value, used },
            None => Decoded::NeedMore,
        })
    }

    fn encode(&self, text: &&str, _max: &mut usize, out: &mut Vec<u8>) -> Result<(), WebSocketError> {
        encode_frame(Opcode::Text, text.as_bytes(), out);
        Ok(())
    }
}

#[test]
fn websocket_frames_conform() {
    let server = Conformance { protocol: &Frames(Side::Server), context: || 1000 };
    let client = Conformance { protocol: &Frames(Side::Client), context: || 1000 };
    let mut stream = Vec::new();
    encode_masked_frame(Opcode::Text, "你好".as_bytes(), [1, 2, 3, 4], &mut stream);
    encode_masked_frame(Opcode::Ping, b"", [0; 4], &mut stream);
    encode_masked_frame(Opcode::Binary, &[7; 300], [9, 9, 9, 1], &mut stream);
    server.check_accepted(&stream);
    for case in table(include_str!("../vectors/websocket/frames.txt")) {
        let [side, hex, expected] = case.columns();
        let fault = WebSocketError::ALL.iter().any(|error| format!("{error:?}") == expected);
        match side {
            "server" if fault => server.check_refused(&from_hex(hex), Culprit::Peer),
            "client" if fault => client.check_refused(&from_hex(hex), Culprit::Peer),
            _ => {}
        }
    }
    let mut large = Vec::new();
    encode_masked_frame(Opcode::Binary, &[0; 1001], [1, 2, 3, 4], &mut large);
    server.check_oversized(&large, 4);
    let reread = |bytes: &[u8]| {
        let mut heard = String::new();
        let mut decoder = websocket::Decoder::new(Side::Client, 1000);
        let result = decoder.receive(&mut bytes.to_vec(), &mut |incoming| {
            if let Incoming::Text(text) = incoming {
                heard.push_str(text);
            }
            ControlFlow::Continue(())
        });
        assert_eq!(result, Ok(bytes.len()));
        heard
    };
    server.check_round_trip(&"你好", 8, reread, &"你好".to_owned());
}

/// Protocols that break one promise each: a kit that does not notice proves nothing.
#[derive(Clone, Copy, Debug)]
enum Broken {
    CompletesEarly,
    UsesTooMuch,
    HoldsWithoutEnd,
    ReadsOnlyWhole,
}

impl Protocol for Broken {
    type Context = ();
    type Incoming<'a> = &'a [u8];
    type Outgoing<'a> = ();
    type Error = WebSocketError;

    const FRAMING: Framing = Framing::Own;

    /// A line, were it not for the fault.
    fn decode<'a>(&self, raw: &'a [u8], (): &mut ()) -> Result<Decoded<&'a [u8]>, WebSocketError> {
        let end = raw.iter().position(|&byte| byte == b'\n');
        match (self, end) {
            (Self::CompletesEarly, None) if raw.len() > 2 => {
                Ok(Decoded::Complete { value: raw, used: raw.len() })
            }
            (Self::ReadsOnlyWhole, None) if !raw.is_empty() => Err(WebSocketError::TextNotUtf8),
            (Self::UsesTooMuch, Some(end)) => Ok(Decoded::Complete { value: raw, used: end + 2 }),
            (_, Some(end)) => Ok(Decoded::Complete { value: &raw[..end], used: end + 1 }),
            (_, None) => Ok(Decoded::NeedMore),
        }
    }

    fn encode(&self, (): &(), (): &mut (), out: &mut Vec<u8>) -> Result<(), WebSocketError> {
        out.clear();
        Ok(())
    }
}

#[test]
fn the_kit_notices_every_broken_promise() {
    type Check = fn(&Conformance<'_, Broken, fn()>);
    let lines: Check = |kit| kit.check_accepted(b"one\ntwo\n");
    let endless: Check = |kit| kit.check_oversized(&[b'x'; 100], 50);
    let answer: Check = |kit| kit.check_round_trip(&(), 10, <[u8]>::to_vec, &Vec::new());
    for (broken, check) in [
        (Broken::CompletesEarly, lines),
        (Broken::UsesTooMuch, lines),
        (Broken::ReadsOnlyWhole, lines),
        (Broken::HoldsWithoutEnd, endless),
        (Broken::HoldsWithoutEnd, answer),
    ] {
        let kit = Conformance::<_, fn()> { protocol: &broken, context: || () };
        let noticed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| check(&kit))).is_err();
        assert!(noticed, "{broken:?} went unnoticed");
    }
}
