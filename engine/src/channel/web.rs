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
    /// What it has not come to yet: nothing, most of the time.
    unfinished: Option<Box<Unfinished>>,
    /// Who the person may be, as far as the web page says.
    pub roles: Roles,
    /// How many more pings are borne.
    pub pings: Allowance,
    /// Since when it is upgraded, milliseconds of the clock that does not go back.
    pub since_ms: u64,
}

/// What a connection has not come to yet.
#[derive(Debug, Default)]
struct Unfinished {
    /// What came while its hello waits for the pool.
    held: Vec<u8>,
    /// Conversations of which a page is in its outbox: each goes on when the outbox is empty.
    pages: Vec<Arc<str>>,
}

/// A million visitors who say nothing have a million of these.
const WEB_CONNECTION_BYTES_MAX: usize = 112;
const _: () = assert!(size_of::<WebConnection>() <= WEB_CONNECTION_BYTES_MAX);

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
            unfinished: None,
            roles,
            pings: Allowance::default(),
            since_ms: now_ms,
        }
    }

    /// Bytes held of what is not whole, or waits for the pool.
    pub fn held_bytes(&self) -> usize {
        self.decoder.held_bytes() + self.unread_bytes()
    }

    fn unread_bytes(&self) -> usize {
        self.unfinished.as_ref().map_or(0, |unfinished| unfinished.held.len())
    }

    /// Keeps what comes while its hello waits for the pool; says whether there was room.
    pub fn hold(&mut self, bytes: &[u8]) -> bool {
        let has_room = self.unread_bytes() + bytes.len() <= limits::MOVING_BYTES_MAX;
        if has_room {
            self.unfinished.get_or_insert_default().held.extend_from_slice(bytes);
        }
        has_room
    }

    /// What was held, to be read now.
    pub fn take_held(&mut self) -> Vec<u8> {
        self.take(|unfinished| &mut unfinished.held)
    }

    /// A page of the conversation is in its outbox.
    pub fn page_sent(&mut self, conversation: Arc<str>) {
        self.unfinished.get_or_insert_default().pages.push(conversation);
    }

    /// The conversations that go on, as the outbox is empty.
    pub fn take_pages(&mut self) -> Vec<Arc<str>> {
        self.take(|unfinished| &mut unfinished.pages)
    }

    fn take<T>(&mut self, of: impl FnOnce(&mut Unfinished) -> &mut Vec<T>) -> Vec<T> {
        let Some(unfinished) = &mut self.unfinished else { return Vec::new() };
        let taken = std::mem::take(of(unfinished));
        if unfinished.held.is_empty() && unfinished.pages.is_empty() {
            self.unfinished = None;
        }
        taken
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
