//! One client: bytes in, bytes out, and whether it stays. No socket and no clock.

use std::ops::ControlFlow;

use codec::{
    Decoded,
    http::{self, Limits, encode_response_head},
    websocket::{self, Compressor, Decoder, Decompressor, Deflate, Incoming, Opcode, Side},
};

use super::MESSAGE_BYTES_MAX;

/// Request line and header fields, in bytes and in number.
const HEAD: Limits = Limits { head_bytes_max: 16 * 1024, headers_max: 64, body_bytes_max: 0 };
/// Answered as subprotocol to whoever offers it.
const SUBPROTOCOL: &str = "ringdesk.echo";

/// What the clients of one thread share.
#[derive(Debug, Default)]
pub(super) struct Shared {
    /// Whether `permessage-deflate` is granted to those who offer it.
    pub deflate: bool,
    compressor: Compressor,
    decompressor: Decompressor,
}

impl Shared {
    pub fn new(deflate: bool) -> Self {
        Self { deflate, ..Self::default() }
    }
}
/// Takes a text message, and the answers so far.
pub(super) type OnText<'f> = dyn FnMut(&str, &mut Vec<u8>) + 'f;

/// Where a client stands.
#[derive(Debug)]
pub(super) enum Connection {
    /// What there is of its upgrade request.
    Upgrading(Vec<u8>),
    /// Its frames are echoed.
    Open(Decoder, Option<Deflate>),
    /// Nothing it says counts any more.
    Closing,
}

impl Connection {
    pub fn new() -> Self {
        Self::Upgrading(Vec::new())
    }

    /// Takes what arrived and appends the answer to `out`. Each text goes to `on_text`, which may answer, or back,
    /// where there is none. After a break the connection is to be closed.
    pub fn receive(
        &mut self,
        bytes: &mut [u8],
        shared: &mut Shared,
        out: &mut Vec<u8>,
        on_text: Option<&mut OnText<'_>>,
    ) -> ControlFlow<()> {
        let flow = match self {
            Self::Upgrading(held) => {
                held.extend_from_slice(bytes);
                let mut held = std::mem::take(held);
                self.upgrade(&mut held, shared, out, on_text)
            }
            Self::Open(decoder, deflate) => take(decoder, *deflate, bytes, shared, out, on_text),
            Self::Closing => ControlFlow::Continue(()),
        };
        if flow.is_break() {
            *self = Self::Closing;
        }
        flow
    }

    fn upgrade(
        &mut self,
        held: &mut Vec<u8>,
        shared: &mut Shared,
        out: &mut Vec<u8>,
        on_text: Option<&mut OnText<'_>>,
    ) -> ControlFlow<()> {
        let (used, deflate) = match http::decode_request_head(held, &HEAD) {
            Ok(Decoded::NeedMore) => {
                *self = Self::Upgrading(std::mem::take(held));
                return ControlFlow::Continue(());
            }
            Ok(Decoded::Complete { value, used }) => {
                match websocket::accept_upgrade_with_deflate(&value, SUBPROTOCOL, shared.deflate, out) {
                    Ok(deflate) => (used, deflate),
                    Err(error) => return refuse(error.status(), error.text(), out),
                }
            }
            Err(error) => return refuse(error.status(), error.text(), out),
        };
        let decoder = match deflate {
            Some(_) => Decoder::with_deflate,
            None => Decoder::new,
        };
        let mut decoder = decoder(Side::Server, MESSAGE_BYTES_MAX);
        let flow = take(&mut decoder, deflate, &mut held[used..], shared, out, on_text);
        *self = Self::Open(decoder, deflate);
        flow
    }
}

fn take(
    decoder: &mut Decoder,
    deflate: Option<Deflate>,
    bytes: &mut [u8],
    shared: &mut Shared,
    out: &mut Vec<u8>,
    mut on_text: Option<&mut OnText<'_>>,
) -> ControlFlow<()> {
    let mut left = ControlFlow::Continue(());
    let Shared { compressor, decompressor, .. } = shared;
    let mut say = |opcode: Opcode, payload: &[u8], out: &mut Vec<u8>| match deflate {
        Some(deflate) => compressor.encode_frame(deflate, opcode, payload, out),
        None => websocket::encode_frame(opcode, payload, out),
    };
    let received = decoder.receive_with(bytes, decompressor, &mut |message| {
        match message {
            Incoming::Text(text) => match &mut on_text {
                Some(on_text) => on_text(text, out),
                None => say(Opcode::Text, text.as_bytes(), out),
            },
            Incoming::Binary(bytes) => say(Opcode::Binary, bytes, out),
            Incoming::Ping(bytes) => websocket::encode_frame(Opcode::Pong, bytes, out),
            Incoming::Pong(_) => {}
            Incoming::Close(code, reason) => {
                websocket::encode_close(Side::Server, code, reason, out);
                left = ControlFlow::Break(());
            }
        }
        ControlFlow::Continue(())
    });
    match received {
        Ok(_) => left,
        Err(error) => {
            websocket::encode_close(Side::Server, error.close_code(), error.text(), out);
            ControlFlow::Break(())
        }
    }
}

fn refuse(status: u16, text: &str, out: &mut Vec<u8>) -> ControlFlow<()> {
    let length = text.len().to_string();
    let fields = [
        ("Content-Type", b"text/plain; charset=utf-8".as_slice()),
        ("Content-Length", length.as_bytes()),
        ("Sec-WebSocket-Version", b"13"),
        ("Connection", b"close"),
    ];
    encode_response_head(status, fields, out);
    out.extend_from_slice(text.as_bytes());
    ControlFlow::Break(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const UPGRADE: &[u8] =
        b"GET /any HTTP/1.1\r\nHost: echo\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
        Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

    /// Gives `input` in pieces of `step` bytes. What came back, and whether the connection is to be closed.
    fn answer(input: &[u8], step: usize) -> (Vec<u8>, bool) {
        answer_with(&mut Shared::new(false), input, step)
    }

    fn answer_with(shared: &mut Shared, input: &[u8], step: usize) -> (Vec<u8>, bool) {
        let mut connection = Connection::new();
        let (mut out, mut closed) = (Vec::new(), false);
        for piece in input.chunks(step) {
            closed |= connection.receive(&mut piece.to_vec(), shared, &mut out, None).is_break();
        }
        (out, closed)
    }

    fn check(frames: &[u8], expected: &[u8], closes: bool) {
        let input = [UPGRADE, frames].concat();
        for step in [1, 7, usize::MAX] {
            let (out, closed) = answer(&input, step.min(input.len()));
            let head = out.windows(4).position(|four| four == b"\r\n\r\n").expect("a response") + 4;
            assert!(out.starts_with(b"HTTP/1.1 101 "), "{}", String::from_utf8_lossy(&out[..head]));
            assert_eq!(&out[head..], expected, "in steps of {step}");
            assert_eq!(closed, closes);
        }
    }

    #[test]
    fn what_comes_goes_back_unmasked() {
        check(&[0x81, 0x82, 0, 0, 0, 0, b'h', b'i'], b"\x81\x02hi", false);
        check(&[0x82, 0x81, 1, 0, 0, 0, 0xff], b"\x82\x01\xfe", false);
        check(&[0x89, 0x81, 0, 0, 0, 0, b'p'], b"\x8a\x01p", false);
        check(&[0x8a, 0x80, 0, 0, 0, 0], b"", false);
    }

    #[test]
    fn fragments_come_back_as_one_message() {
        let frames = [0x01, 0x81, 0, 0, 0, 0, b'a', 0x89, 0x80, 0, 0, 0, 0, 0x80, 0x81, 0, 0, 0, 0, b'b'];
        check(&frames, b"\x8a\x00\x81\x02ab", false);
    }

    #[test]
    fn a_close_is_answered_with_its_code_and_ends_all() {
        let frames = [0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe8, 0x81, 0x80, 0, 0, 0, 0];
        check(&frames, b"\x88\x02\x03\xe8", true);
    }

    #[test]
    fn a_fault_is_answered_with_its_code() {
        let (out, closed) = answer(&[UPGRADE, &[0x81, 0x81, 0, 0, 0, 0, 0xff]].concat(), 512);
        let at = out.windows(2).position(|two| two == 1007u16.to_be_bytes()).expect("code 1007");
        assert_eq!(out[at - 2], 0x88);
        assert!(closed);
    }

    #[test]
    fn what_comes_compressed_goes_back_compressed_if_both_sides_want_it() {
        let text = "over and over ".repeat(100);
        let offer = String::from_utf8_lossy(UPGRADE)
            .replace("\r\n\r\n", "\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n");
        let mut input = offer.into_bytes();
        Compressor::default().encode_masked_frame(Opcode::Text, text.as_bytes(), [1, 2, 3, 4], &mut input);
        let (out, closed) = answer_with(&mut Shared::new(true), &input, 100);
        let head = out.windows(4).position(|four| four == b"\r\n\r\n").expect("a response") + 4;
        let mut frame = out[head..].to_vec();
        assert!(!closed && frame.len() < 100, "{} bytes came back", frame.len());
        let mut heard = Vec::new();
        let mut decoder = Decoder::with_deflate(Side::Client, text.len());
        let received = decoder.receive(&mut frame, &mut |message| {
            heard.push(format!("{message:?}"));
            ControlFlow::Continue(())
        });
        received.expect("right frames");
        assert_eq!(heard, [format!("{:?}", Incoming::Text(&text))]);
        // Not granted, a compressed frame is a fault.
        assert!(answer(&input, 100).1);
    }

    #[test]
    fn what_is_no_upgrade_is_told_so() {
        let (out, closed) = answer(b"GET / HTTP/1.1\r\nHost: echo\r\n\r\n", 512);
        let text = String::from_utf8(out).expect("text");
        assert!(text.starts_with("HTTP/1.1 400 "), "{text}");
        assert!(text.ends_with("The Upgrade field does not name websocket."), "{text}");
        assert!(closed);
    }
}
