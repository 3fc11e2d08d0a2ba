//! An event as the frame that its readers get: encoded once, and compressed at most once, however many they are.

use std::{borrow::Cow, sync::Arc};

use codec::{
    message::{self, ServerMessage},
    websocket::{COMPRESSED_BYTES_MIN, Compressor, Deflate, Opcode},
};
use store::record::{EventKind, EventRecord};

use super::{conversations::wire_role, reasons::without_reason};
use crate::channel::web;

/// The whole WebSocket frame of an event.
#[derive(Debug)]
pub enum EventFrame {
    /// As it is: nobody needed another, so far.
    Plain(Arc<[u8]>),
    /// More than one.
    Several(Box<Several>),
}

/// The frames of an event.
#[derive(Debug)]
pub struct Several {
    plain: Arc<[u8]>,
    /// For those who agreed on compression; the same where that gains nothing, nothing where nobody asked yet.
    compressed: Option<Arc<[u8]>>,
    /// For those who are told why a conversation went to an agent; nothing where there is no reason in it.
    with_reason: Option<Arc<[u8]>>,
}

impl EventFrame {
    /// Of an event, with its reason apart.
    pub fn of(event: &EventRecord, scratch: &mut Vec<u8>) -> Self {
        let shown = without_reason(event);
        let plain = encode(&shown, scratch);
        match shown {
            Cow::Borrowed(_) => Self::Plain(plain),
            Cow::Owned(_) => {
                let with_reason = Some(encode(event, scratch));
                Self::Several(Box::new(Several { plain, compressed: None, with_reason }))
            }
        }
    }

    /// The frame without the reason and not compressed.
    fn plain(&self) -> &Arc<[u8]> {
        match self {
            Self::Plain(plain) => plain,
            Self::Several(frames) => &frames.plain,
        }
    }

    fn with_reason(&self) -> Option<&Arc<[u8]>> {
        match self {
            Self::Plain(_) => None,
            Self::Several(frames) => frames.with_reason.as_ref(),
        }
    }

    /// The frame, not compressed, as those get it who are told the reason, or those who are not.
    pub fn plain_for(&self, knows_why: bool) -> &Arc<[u8]> {
        self.with_reason().filter(|_| knows_why).unwrap_or(self.plain())
    }

    /// The event as JSON. An unmasked header has 2, 4 or 10 bytes (RFC 6455, section 5.2).
    pub fn json(&self, knows_why: bool) -> &[u8] {
        payload(self.plain_for(knows_why))
    }

    /// Makes the compressed frame, if it was not made yet.
    pub fn compress(&mut self, compressor: &mut Compressor) {
        let is_made = matches!(&*self, Self::Several(frames) if frames.compressed.is_some());
        let plain = self.plain();
        if is_made || plain.len() < COMPRESSED_BYTES_MIN {
            return;
        }
        let mut frame = Vec::with_capacity(plain.len());
        compressor.encode_frame(Deflate::LARGEST_WINDOW, Opcode::Text, payload(plain), &mut frame);
        let compressed = Some(if frame.len() < plain.len() { frame.into() } else { Arc::clone(plain) });
        let (plain, with_reason) = (Arc::clone(plain), self.with_reason().cloned());
        *self = Self::Several(Box::new(Several { plain, compressed, with_reason }));
    }

    /// What a reader gets who agreed on `deflate`. Events are compressed with the largest window: who wants a
    /// smaller one gets what cannot refer to anything outside of it, and else the plain frame. A reason is never
    /// compressed: few are told it.
    pub fn for_reader(&self, knows_why: bool, deflate: Option<Deflate>) -> Arc<[u8]> {
        let plain = self.plain_for(knows_why);
        let compressed = match self {
            Self::Several(frames) if Arc::ptr_eq(plain, &frames.plain) => frames.compressed.as_ref(),
            _ => None,
        };
        let fits = deflate.is_some_and(|deflate| plain.len() <= deflate.window_bytes());
        Arc::clone(compressed.filter(|_| fits).unwrap_or(plain))
    }
}

/// The event as the plain frame.
fn encode(event: &EventRecord, scratch: &mut Vec<u8>) -> Arc<[u8]> {
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
