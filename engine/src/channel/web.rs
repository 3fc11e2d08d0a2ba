//! WebSocket connections of browsers and apps: frames to messages and back.

use std::{ops::ControlFlow, sync::Arc};

use codec::{
    json,
    message::ServerMessage,
    websocket::{self, Decoder, Opcode, Side},
};

use crate::{limits, shard::Session};

/// One upgraded connection.
#[derive(Debug)]
pub struct WebConnection {
    /// Bytes to messages.
    pub decoder: Decoder,
    /// Who is behind it.
    pub session: Session,
    /// What came while its hello waits for the pool.
    pub held: Vec<u8>,
    /// Conversations of which a page is in its outbox: each goes on when the outbox is empty.
    pub pages: Vec<Arc<str>>,
    /// Since when it is upgraded, milliseconds of the clock that does not go back.
    pub since_ms: u64,
}

impl WebConnection {
    /// One that has said nothing yet.
    pub fn new(now_ms: u64) -> Self {
        let decoder = Decoder::new(Side::Server, limits::WEB_MESSAGE_BYTES_MAX);
        Self { decoder, session: Session::Unknown, held: Vec::new(), pages: Vec::new(), since_ms: now_ms }
    }
}

/// Whether to read on after a message: not when the connection goes to another shard or ends.
pub type ReadOn = ControlFlow<()>;

/// Appends one message as a frame.
pub fn encode_message(message: &ServerMessage<'_>, out: &mut Vec<u8>) {
    websocket::encode_frame_with(Opcode::Text, out, |out| json::encode_server(message, out));
}

/// Appends a ping without payload.
pub fn encode_ping(out: &mut Vec<u8>) {
    websocket::encode_frame(Opcode::Ping, &[], out);
}

/// Appends a close frame.
pub fn encode_close(code: u16, reason: &str, out: &mut Vec<u8>) {
    websocket::encode_close(Side::Server, code, reason, out);
}
