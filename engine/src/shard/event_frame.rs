//! An event as the frame that its readers get: encoded once, and compressed at most once, however many they are.

use std::sync::Arc;

use codec::{
    message::{self, ServerMessage},
    websocket::{COMPRESSED_BYTES_MIN, Compressor, Deflate, Opcode},
};
use store::record::{EventKind, EventRecord};

use super::conversations::wire_role;
use crate::channel::web;

/// The whole WebSocket frame of an event.
#[derive(Debug)]
pub enum EventFrame {
    /// As it is: nobody needed another, so far.
    Plain(Arc<[u8]>),
    /// As it is, and for those who agreed on compression; the same where that gains nothing.
    Both(Box<Both>),
}

/// The two frames of an event.
#[derive(Debug)]
pub struct Both {
    plain: Arc<[u8]>,
    compressed: Arc<[u8]>,
}

impl EventFrame {
    /// Of a frame as [`encode`] makes it.
    pub fn new(plain: Arc<[u8]>) -> Self {
        Self::Plain(plain)
    }

    /// The frame that everybody understands.
    pub fn plain(&self) -> &Arc<[u8]> {
        match self {
            Self::Plain(plain) => plain,
            Self::Both(both) => &both.plain,
        }
    }

    /// The event as JSON. An unmasked header has 2, 4 or 10 bytes (RFC 6455, section 5.2).
    pub fn json(&self) -> &[u8] {
        payload(self.plain())
    }

    /// Makes the compressed frame, if it was not made yet.
    pub fn compress(&mut self, compressor: &mut Compressor) {
        let Self::Plain(plain) = self else { return };
        if plain.len() < COMPRESSED_BYTES_MIN {
            return;
        }
        let mut frame = Vec::with_capacity(plain.len());
        compressor.encode_frame(Deflate::LARGEST_WINDOW, Opcode::Text, payload(plain), &mut frame);
        let compressed = if frame.len() < plain.len() { frame.into() } else { Arc::clone(plain) };
        *self = Self::Both(Box::new(Both { plain: Arc::clone(plain), compressed }));
    }

    /// What a reader gets who agreed on `deflate`. Events are compressed with the largest window: who wants a
    /// smaller one gets what cannot refer to anything outside of it, and else the plain frame.
    pub fn for_reader(&self, deflate: Option<Deflate>) -> Arc<[u8]> {
        let plain = self.plain();
        match (self, deflate) {
            (Self::Both(both), Some(deflate)) if plain.len() <= deflate.window_bytes() => {
                Arc::clone(&both.compressed)
            }
            _ => Arc::clone(plain),
        }
    }
}

/// The event as the plain frame.
pub fn encode(event: &EventRecord, scratch: &mut Vec<u8>) -> Arc<[u8]> {
    scratch.clear();
    web::encode_message(&ServerMessage::Event(wire_event(event)), scratch);
    scratch.as_slice().into()
}

fn payload(frame: &[u8]) -> &[u8] {
    let header = match frame[1] {
        127 => 10,
        126 => 4,
        _ => 2,
    };
    &frame[header..]
}

fn wire_event(event: &EventRecord) -> message::Event<'_> {
    message::Event {
        conversation: event.conversation.as_str().into(),
        seq: event.seq,
        at_ms: event.at_ms,
        kind: match event.kind {
            EventKind::Message => message::EventKind::Message,
            EventKind::Assigned => message::EventKind::Assigned,
            EventKind::Queue => message::EventKind::Queue,
            EventKind::Transferred => message::EventKind::Transferred,
            EventKind::Closed => message::EventKind::Closed,
            EventKind::Rating => message::EventKind::Rating,
            EventKind::Note => message::EventKind::Note,
        },
        id: event.client_id.as_str().into(),
        role: wire_role(event.role),
        from_id: event.from_id.as_str().into(),
        from_name: event.from_name.as_str().into(),
        content: event.content.as_str().into(),
    }
}
