//! WebSocket connections of browsers and apps: frames to messages and back.

use std::{ops::ControlFlow, sync::Arc};

use codec::{
    json,
    message::ServerMessage,
    websocket::{self, Decoder, Deflate, Opcode, Side},
};

use crate::{allowance::Allowance, limits, origin::Roles, shard::Session};

/// One upgraded connection.
#[derive(Debug)]
pub struct WebConnection {
    /// Bytes to messages.
    pub decoder: Decoder,
    /// What was agreed, if messages may be compressed.
    pub deflate: Option<Deflate>,
    /// Who is behind it.
    pub session: Session,
    /// What came while its hello waits for the pool.
    pub held: Vec<u8>,
    /// Conversations of which a page is in its outbox: each goes on when the outbox is empty.
    pub pages: Vec<Arc<str>>,
    /// Who the person may be, as far as the web page says.
    pub roles: Roles,
    /// How many more pings are borne.
    pub pings: Allowance,
    /// Since when it is upgraded, milliseconds of the clock that does not go back.
    pub since_ms: u64,
}

impl WebConnection {
    /// One that has said nothing yet.
    pub fn new(roles: Roles, deflate: Option<Deflate>, fragments_max: u32, now_ms: u64) -> Self {
        let decoder = match deflate {
            Some(_) => Decoder::with_deflate(Side::Server, limits::WEB_MESSAGE_BYTES_MAX),
            None => Decoder::new(Side::Server, limits::WEB_MESSAGE_BYTES_MAX),
        };
        Self {
            decoder: decoder.with_fragments_max(fragments_max),
            deflate,
            session: Session::Unknown,
            held: Vec::new(),
            pages: Vec::new(),
            roles,
            pings: Allowance::default(),
            since_ms: now_ms,
        }
    }

    /// Bytes held of what is not whole, or waits for the pool.
    pub fn held_bytes(&self) -> usize {
        self.decoder.held_bytes() + self.held.len()
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
