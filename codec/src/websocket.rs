//! WebSocket (RFC 6455), both sides: frames, messages, close codes and the handshake.
//!
//! The one extension spoken is `permessage-deflate` (RFC 7692), where both sides agree on it. What the messages
//! say is not known here; that is [`crate::json`]. Wire and close codes: `docs/protocol/websocket.md`.

mod base64;
mod decoder;
mod deflate;
mod encode;
mod error;
mod extensions;
mod handshake;
mod header;
mod partial;

pub use decoder::Decoder;
pub use deflate::{COMPRESSED_BYTES_MIN, Compressor, Decompressor};
pub use encode::{encode_close, encode_frame, encode_frame_with, encode_masked_frame};
pub use error::WebSocketError;
pub use extensions::Deflate;
pub use handshake::{
    HandshakeError, RESPONSE_HEAD_BYTES_MAX, accept_upgrade, accept_upgrade_with_deflate,
    read_upgrade_response, request_upgrade, wants_upgrade,
};

/// Largest payload of a control frame in bytes (RFC 6455 section 5.5).
pub const CONTROL_BYTES_MAX: usize = 125;

/// Longest reason of a close frame in bytes: a control frame less the code.
pub const REASON_BYTES_MAX: usize = CONTROL_BYTES_MAX - 2;

/// What [`Incoming::Close`] says when the peer gave no code (RFC 6455 section 7.1.5).
pub const NO_CODE: u16 = 1005;

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

impl Opcode {
    /// Whether frames of this kind may come between the fragments of a message.
    pub const fn is_control(self) -> bool {
        matches!(self, Self::Close | Self::Ping | Self::Pong)
    }
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
