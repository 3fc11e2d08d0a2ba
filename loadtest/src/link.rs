//! One WebSocket connection to the server, as a client: bytes in, messages and bytes out. No socket and no
//! clock; who is behind it is [`crate::visitor`]'s and [`crate::agent`]'s.

use std::{fmt, ops::ControlFlow};

use codec::{
    Decoded, json,
    message::{ClientMessage, ServerMessage},
    websocket::{self, Decoder, HandshakeError, Incoming, Opcode, Side, WebSocketError},
};

use crate::schedule::Random;

/// The path of the WebSocket.
const PATH: &str = "/ws";
/// Largest message taken from the server, in bytes.
const MESSAGE_BYTES_MAX: usize = 1024 * 1024;
/// The close code of somebody who leaves as planned.
const NORMAL: u16 = 1000;

/// What the server did wrong. Each is a failure of the run.
#[derive(Debug)]
pub enum LinkFault {
    /// The upgrade.
    Handshake(HandshakeError),
    /// The frames.
    Frame(WebSocketError),
    /// A message that is not of `ringdesk.v1`.
    Message(String),
}

impl fmt::Display for LinkFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Handshake(error) => write!(f, "upgrade: {}", error.text()),
            Self::Frame(error) => write!(f, "frame: {}", error.text()),
            Self::Message(text) => write!(f, "message: {text}"),
        }
    }
}

/// What came.
#[derive(Debug)]
pub enum Heard<'a> {
    /// The upgrade is through: say hello.
    Open,
    /// A message.
    Message(ServerMessage<'a>),
    /// The server leaves, for this reason.
    Goodbye(u16, &'a str),
}

/// One connection, from its first byte.
#[derive(Debug)]
pub struct Link {
    key: [u8; 16],
    state: State,
}

#[derive(Debug)]
enum State {
    Upgrading(Vec<u8>),
    Open(Decoder),
}

impl Link {
    /// A connection to `host`, with its request appended to `out`.
    pub fn begin(host: &str, random: &mut Random, out: &mut Vec<u8>) -> Self {
        let mut key = [0; 16];
        key[..8].copy_from_slice(&random.number().to_le_bytes());
        key[8..].copy_from_slice(&random.number().to_le_bytes());
        websocket::request_upgrade(host, PATH, key, Some(json::SUBPROTOCOL), out);
        Self { key, state: State::Upgrading(Vec::new()) }
    }

    /// Takes what arrived. Pings are answered in `out`; all else is `on_heard`'s, which may answer there too.
    pub fn receive(
        &mut self,
        bytes: &mut [u8],
        out: &mut Vec<u8>,
        on_heard: &mut dyn FnMut(Heard<'_>, &mut Vec<u8>),
    ) -> Result<(), LinkFault> {
        match &mut self.state {
            State::Open(decoder) => receive_frames(decoder, bytes, out, on_heard),
            State::Upgrading(held) => {
                held.extend_from_slice(bytes);
                let answer = websocket::read_upgrade_response(held, self.key, Some(json::SUBPROTOCOL));
                let used = match answer.map_err(LinkFault::Handshake)? {
                    Decoded::NeedMore => return Ok(()),
                    Decoded::Complete { used, .. } => used,
                };
                let mut held = std::mem::take(held);
                let mut decoder = Decoder::new(Side::Client, MESSAGE_BYTES_MAX);
                on_heard(Heard::Open, out);
                let received = receive_frames(&mut decoder, &mut held[used..], out, on_heard);
                self.state = State::Open(decoder);
                received
            }
        }
    }
}

fn receive_frames(
    decoder: &mut Decoder,
    bytes: &mut [u8],
    out: &mut Vec<u8>,
    on_heard: &mut dyn FnMut(Heard<'_>, &mut Vec<u8>),
) -> Result<(), LinkFault> {
    let mut fault = None;
    let received = decoder.receive(bytes, &mut |incoming| {
        match incoming {
            Incoming::Text(text) => match json::decode_server(text) {
                Ok(message) => on_heard(Heard::Message(message), out),
                Err(error) => fault = Some(LinkFault::Message(format!("{error:?} in {text}"))),
            },
            Incoming::Binary(bytes) => {
                fault = Some(LinkFault::Message(format!("{} binary bytes", bytes.len())));
            }
            Incoming::Ping(bytes) => websocket::encode_masked_frame(Opcode::Pong, bytes, [0; 4], out),
            Incoming::Pong(_) => {}
            Incoming::Close(code, reason) => on_heard(Heard::Goodbye(code, reason), out),
        }
        ControlFlow::Continue(())
    });
    match (received, fault) {
        (Err(error), _) => Err(LinkFault::Frame(error)),
        (Ok(_), Some(fault)) => Err(fault),
        (Ok(_), None) => Ok(()),
    }
}

/// Appends one message as a frame.
pub fn encode(message: &ClientMessage<'_>, random: &mut Random, out: &mut Vec<u8>) {
    let mut text = Vec::with_capacity(256);
    json::encode_client(message, &mut text);
    websocket::encode_masked_frame(Opcode::Text, &text, random.mask(), out);
}

/// Appends a goodbye.
pub fn encode_goodbye(out: &mut Vec<u8>) {
    websocket::encode_close(Side::Client, NORMAL, "", out);
}

#[cfg(test)]
mod tests {
    use codec::http::{Limits, decode_request_head};

    use super::*;

    const LIMITS: Limits = Limits { head_bytes_max: 4096, headers_max: 32, body_bytes_max: 0 };

    /// An upgraded link, and the server's answer followed by `frames`, given in pieces of `step`.
    fn heard(frames: &[u8], step: usize) -> (Vec<String>, Vec<u8>, bool) {
        let mut random = Random::new(1, 1);
        let mut request = Vec::new();
        let mut link = Link::begin("desk:8080", &mut random, &mut request);
        let Ok(Decoded::Complete { value: head, .. }) = decode_request_head(&request, &LIMITS) else {
            panic!("a right request");
        };
        let mut input = Vec::new();
        websocket::accept_upgrade(&head, json::SUBPROTOCOL, &mut input).expect("a right upgrade");
        input.extend_from_slice(frames);
        let (mut all, mut out, mut fine) = (Vec::new(), Vec::new(), true);
        for piece in input.chunks(step) {
            let on_heard = &mut |heard: Heard<'_>, _: &mut Vec<u8>| all.push(format!("{heard:?}"));
            fine &= link.receive(&mut piece.to_vec(), &mut out, on_heard).is_ok();
        }
        (all, out, fine)
    }

    #[test]
    fn what_a_server_says_is_heard_in_any_pieces() {
        let mut frames = Vec::new();
        let ack = ServerMessage::Ack { id: "x".into(), seq: 3, at_ms: 5 };
        let mut text = Vec::new();
        json::encode_server(&ack, &mut text);
        websocket::encode_frame(Opcode::Text, &text, &mut frames);
        websocket::encode_frame(Opcode::Ping, b"?", &mut frames);
        websocket::encode_close(Side::Server, 1001, "later", &mut frames);
        for step in [1, 5, 4096] {
            let (all, out, fine) = heard(&frames, step);
            let expected =
                ["Open".to_owned(), format!("Message({ack:?})"), "Goodbye(1001, \"later\")".to_owned()];
            assert_eq!(all, expected);
            assert_eq!(out, [0x8a, 0x81, 0, 0, 0, 0, b'?']);
            assert!(fine);
        }
    }

    #[test]
    fn what_is_not_ringdesk_is_a_fault() {
        let mut frames = Vec::new();
        websocket::encode_frame(Opcode::Text, b"hello", &mut frames);
        assert!(!heard(&frames, 4096).2);
        assert!(!heard(&[0x82, 0], 4096).2);
        assert!(!heard(&[0xff, 0], 4096).2);
    }
}
