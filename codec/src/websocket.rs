//! WebSocket (RFC 6455), both sides.

use std::ops::ControlFlow;

use crate::http::RequestHead;

/// Which side of the connection we are: it decides who masks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Receives masked frames, sends plain ones.
    Server,
    /// The other way round.
    Client,
}

/// What a frame is, as on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Opcode {
    /// More of the message before.
    Continuation = 0x0,
    /// UTF-8.
    Text = 0x1,
    /// Bytes.
    Binary = 0x2,
    /// Goodbye.
    Close = 0x8,
    /// Are you there?
    Ping = 0x9,
    /// Yes.
    Pong = 0xA,
}

/// A whole message, or a control frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Incoming<'a> {
    /// A text message, checked to be UTF-8.
    Text(&'a str),
    /// A binary message.
    Binary(&'a [u8]),
    /// Answer with a pong of the same bytes.
    Ping(&'a [u8]),
    /// An answer to a ping.
    Pong(&'a [u8]),
    /// The peer is leaving; no code was 1005.
    Close(u16, &'a str),
}

/// Why the peer's bytes are not WebSocket, or not within the limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WebSocketError;

impl WebSocketError {
    /// The close code the peer gets (RFC 6455 section 7.4.1).
    pub const fn close_code(self) -> u16 {
        unimplemented!()
    }

    /// What was wrong, in a sentence of at most 123 bytes: it fits a close frame.
    pub const fn text(self) -> &'static str {
        unimplemented!()
    }
}

/// Bytes of one connection to messages. Holds bytes only while a frame or a message is incomplete.
#[derive(Debug)]
pub struct Decoder;

impl Decoder {
    /// `message_bytes_max` bounds one message, over all its fragments.
    pub fn new(_side: Side, _message_bytes_max: usize) -> Self {
        unimplemented!()
    }

    /// Takes what arrived, unmasking in place, and reports each whole message and control frame. Returns
    /// how many bytes of `raw` were taken: all of them, unless `on_message` broke off. The rest may be
    /// given again, also to this decoder on another shard.
    pub fn receive(
        &mut self,
        _raw: &mut [u8],
        _on_message: &mut dyn FnMut(Incoming<'_>) -> ControlFlow<()>,
    ) -> Result<usize, WebSocketError> {
        unimplemented!()
    }

    /// Bytes held for an incomplete frame or message.
    pub fn held_bytes(&self) -> usize {
        unimplemented!()
    }
}

/// Appends one unmasked, unfragmented frame: what a server sends.
pub fn encode_frame(_opcode: Opcode, _payload: &[u8], _out: &mut Vec<u8>) {
    unimplemented!()
}

/// Appends one masked frame: what a client sends. The mask is the caller's, because randomness is.
pub fn encode_masked_frame(_opcode: Opcode, _payload: &[u8], _mask: [u8; 4], _out: &mut Vec<u8>) {
    unimplemented!()
}

/// Appends a close frame; a reason of more than 123 bytes is cut at a character.
pub fn encode_close(_side: Side, _code: u16, _reason: &str, _out: &mut Vec<u8>) {
    unimplemented!()
}

/// Why an upgrade is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HandshakeError;

impl HandshakeError {
    /// 400, 405, or 426 with `Sec-WebSocket-Version: 13`.
    pub const fn status(self) -> u16 {
        unimplemented!()
    }

    /// What was wrong, in a sentence.
    pub const fn text(self) -> &'static str {
        unimplemented!()
    }
}

/// Whether the head asks for an upgrade to WebSocket at all (`Upgrade: websocket`).
pub fn wants_upgrade(_head: &RequestHead<'_>) -> bool {
    unimplemented!()
}

/// Checks an upgrade request and appends the `101` response to `out`. `protocol` is answered as
/// subprotocol when the client offers it.
pub fn accept_upgrade(
    _head: &RequestHead<'_>,
    _protocol: &str,
    _out: &mut Vec<u8>,
) -> Result<(), HandshakeError> {
    unimplemented!()
}

/// Appends a client's upgrade request.
pub fn request_upgrade(
    _host: &str,
    _target: &str,
    _key: [u8; 16],
    _protocol: Option<&str>,
    _out: &mut Vec<u8>,
) {
    unimplemented!()
}

/// Reads the server's answer to [`request_upgrade`]: bytes used, once it is whole and right.
pub fn read_upgrade_response(_raw: &[u8], _key: [u8; 16]) -> Result<crate::Decoded<()>, HandshakeError> {
    unimplemented!()
}
