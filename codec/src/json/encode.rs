//! Messages to JSON text, written straight into the output.

use std::borrow::Cow;

use super::time;
use crate::message::{ClientMessage, Event, Hello, PresenceState, Role, ServerMessage, TransferTarget};

/// Writes one server message as JSON text behind what `out` has.
pub fn encode_server(message: &ServerMessage<'_>, out: &mut Vec<u8>) {
    match message {
        ServerMessage::Welcome { conversation, seq, token, version, heartbeat_ms } => {
            Object::new("type", "welcome", out)
                .optional_text("conversation", conversation.as_deref())
                .number("seq", *seq)
                .optional_text("token", token.as_deref())
                .raw("server", |out| {
                    Object::open(out)
                        .text("version", version)
                        .number("heartbeat_ms", u64::from(*heartbeat_ms))
                        .end();
                })
        }
        ServerMessage::Ack { id, seq, at_ms } => {
            Object::new("type", "ack", out).text("id", id).number("seq", *seq).time("at", *at_ms)
        }
        ServerMessage::Refused { id, code, text, retry_after_ms, outlook } => {
            let estimate = outlook.and_then(|outlook| outlook.estimate);
            Object::new("type", "refused", out)
                .text_unless_empty("id", id)
                .text("code", code)
                .text("text", text)
                .optional_number("retry_after_ms", retry_after_ms.map(u64::from))
                .optional_number("place", outlook.map(|outlook| u64::from(outlook.place)))
                .optional_number("estimate_s", estimate.map(|estimate| estimate.likely_s))
                .optional_number("low_s", estimate.map(|estimate| estimate.low_s))
                .optional_number("high_s", estimate.map(|estimate| estimate.high_s))
        }
        ServerMessage::Event(event) => encode_event(event, out),
        ServerMessage::Typing { conversation, role, text } => Object::new("type", "typing", out)
            .text("conversation", conversation)
            .from(*role, "", "")
            .optional_text("text", text.as_deref()),
        ServerMessage::Read { conversation, role, seq } => Object::new("type", "read", out)
            .text("conversation", conversation)
            .from(*role, "", "")
            .number("seq", *seq),
        ServerMessage::Presence { agent, state, capacity, serving } => Object::new("type", "presence", out)
            .text("agent", agent)
            .text("state", state.map_or("gone", PresenceState::name))
            .number("capacity", u64::from(*capacity))
            .number("serving", u64::from(*serving)),
        ServerMessage::Shedding { step } => Object::new("type", "shedding", out).text("step", step),
        ServerMessage::Error { code, text, retry_after_ms } => Object::new("type", "error", out)
            .text("code", code)
            .text("text", text)
            .optional_number("retry_after_ms", retry_after_ms.map(u64::from)),
    }
    .end();
}

fn encode_event<'o>(event: &Event<'_>, out: &'o mut Vec<u8>) -> Object<'o> {
    Object::new("type", "event", out)
        .text("conversation", &event.conversation)
        .number("seq", event.seq)
        .time("at", event.at_ms)
        .text("kind", event.kind.name())
        .text_unless_empty("id", &event.id)
        .from(event.role, &event.from_id, &event.from_name)
        .raw("content", |out| out.extend_from_slice(event.content.as_bytes()))
}

/// Writes one client message: for clients, such as the load generator.
pub fn encode_client(message: &ClientMessage<'_>, out: &mut Vec<u8>) {
    match message {
        ClientMessage::Hello(hello) => encode_hello(hello, out),
        ClientMessage::Message { id, conversation, content } => Object::new("type", "message", out)
            .text("id", id)
            .optional_text("conversation", conversation.as_deref())
            .raw("content", |out| content.encode(out)),
        ClientMessage::Note { id, conversation, text } => Object::new("type", "note", out)
            .text("id", id)
            .text("conversation", conversation)
            .text("text", text),
        ClientMessage::Typing { conversation, text } => Object::new("type", "typing", out)
            .optional_text("conversation", conversation.as_deref())
            .optional_text("text", text.as_deref()),
        ClientMessage::Read { conversation, seq } => Object::new("type", "read", out)
            .optional_text("conversation", conversation.as_deref())
            .number("seq", *seq),
        ClientMessage::Human => Object::new("type", "human", out),
        ClientMessage::Rate { score, text } => Object::new("type", "rate", out)
            .number("score", u64::from(*score))
            .optional_text("text", text.as_deref()),
        ClientMessage::Close { conversation } => {
            Object::new("type", "close", out).optional_text("conversation", conversation.as_deref())
        }
        ClientMessage::Presence { state, capacity } => Object::new("type", "presence", out)
            .text("state", state.name())
            .optional_number("capacity", capacity.map(u64::from)),
        ClientMessage::Transfer { conversation, to, note } => {
            let object = Object::new("type", "transfer", out).text("conversation", conversation);
            match to {
                TransferTarget::Agent(agent) => object.text("agent", agent),
                TransferTarget::Team(team) => object.text("team", team),
            }
            .optional_text("note", note.as_deref())
        }
        ClientMessage::Accept { conversation } => {
            Object::new("type", "accept", out).text("conversation", conversation)
        }
        ClientMessage::Decline { conversation } => {
            Object::new("type", "decline", out).text("conversation", conversation)
        }
        ClientMessage::TakeOver { conversation } => {
            Object::new("type", "takeover", out).text("conversation", conversation)
        }
        ClientMessage::Watch { conversation, after, begins } => {
            Object::new("type", if *begins { "watch" } else { "unwatch" }, out)
                .text("conversation", conversation)
                .optional_number("after", (*after > 0).then_some(*after))
        }
        ClientMessage::Whisper { id, conversation, text } => Object::new("type", "whisper", out)
            .text("id", id)
            .text("conversation", conversation)
            .text("text", text),
    }
    .end();
}

fn encode_hello<'o>(hello: &Hello<'_>, out: &'o mut Vec<u8>) -> Object<'o> {
    let object = Object::new("type", "hello", out);
    match hello {
        Hello::Visitor { site, token, conversation, after, page, team } => object
            .text("role", Role::Visitor.name())
            .optional_text("site", site.as_deref())
            .optional_text("token", token.as_deref())
            .optional_text("conversation", conversation.as_deref())
            .optional_number("after", (*after > 0).then_some(*after))
            .optional_text("page", page.as_deref())
            .optional_text("team", team.as_deref()),
        Hello::Agent { token, conversations } => {
            let object = object.text("role", Role::Agent.name()).text("token", token);
            match conversations.is_empty() {
                true => object,
                false => object.raw("conversations", |out| encode_numbers(conversations, out)),
            }
        }
    }
}

fn encode_numbers(numbers: &[(Cow<'_, str>, u64)], out: &mut Vec<u8>) {
    let mut object = Object::open(out);
    for (name, number) in numbers {
        object = object.entry(name, *number);
    }
    object.end();
}

/// A JSON object being written: nothing is kept but where.
pub(super) struct Object<'o> {
    out: &'o mut Vec<u8>,
    empty: bool,
}

impl<'o> Object<'o> {
    /// Begins an object.
    fn open(out: &'o mut Vec<u8>) -> Self {
        out.push(b'{');
        Self { out, empty: true }
    }

    /// Begins an object with the member that says what it is.
    pub(super) fn new(name: &'static str, value: &str, out: &'o mut Vec<u8>) -> Self {
        Self::open(out).text(name, value)
    }

    pub(super) fn end(self) {
        self.out.push(b'}');
    }

    /// Our own names have nothing to escape.
    fn name(&mut self, name: &'static str) {
        debug_assert!(!needs_escapes(name));
        self.separate();
        self.out.push(b'"');
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(b"\":");
    }

    fn separate(&mut self) {
        if !std::mem::replace(&mut self.empty, false) {
            self.out.push(b',');
        }
    }

    /// A number whose name is data.
    fn entry(mut self, name: &str, number: u64) -> Self {
        self.separate();
        encode_string(name, self.out);
        self.out.push(b':');
        encode_number(number, self.out);
        self
    }

    pub(super) fn text(mut self, name: &'static str, text: &str) -> Self {
        self.name(name);
        encode_string(text, self.out);
        self
    }

    fn text_unless_empty(self, name: &'static str, text: &str) -> Self {
        if text.is_empty() { self } else { self.text(name, text) }
    }

    pub(super) fn optional_text(self, name: &'static str, text: Option<&str>) -> Self {
        match text {
            Some(text) => self.text(name, text),
            None => self,
        }
    }

    fn number(mut self, name: &'static str, number: u64) -> Self {
        self.name(name);
        encode_number(number, self.out);
        self
    }

    pub(super) fn optional_number(self, name: &'static str, number: Option<u64>) -> Self {
        match number {
            Some(number) => self.number(name, number),
            None => self,
        }
    }

    fn time(mut self, name: &'static str, at_ms: u64) -> Self {
        self.name(name);
        self.out.push(b'"');
        time::encode(at_ms, self.out);
        self.out.push(b'"');
        self
    }

    /// Who said or did it.
    fn from(self, role: Role, id: &str, name: &str) -> Self {
        self.raw("from", |out| {
            let from = Object::open(out).text("role", role.name());
            from.text_unless_empty("id", id).text_unless_empty("name", name).end();
        })
    }

    /// A member whose value is written by `write`, verbatim.
    fn raw(mut self, name: &'static str, write: impl FnOnce(&mut Vec<u8>)) -> Self {
        self.name(name);
        write(self.out);
        self
    }
}

fn encode_number(number: u64, out: &mut Vec<u8>) {
    serde_json::to_writer(out, &number).expect("a vector takes every write");
}

/// Whether JSON must escape something (RFC 8259 section 7). Without an early end, so that the compiler looks at many
/// bytes at once.
fn needs_escapes(text: &str) -> bool {
    text.bytes().fold(false, |found, byte| found | (byte < 0x20) | (byte == b'"') | (byte == b'\\'))
}

fn encode_string(text: &str, out: &mut Vec<u8>) {
    if needs_escapes(text) {
        return serde_json::to_writer(out, text).expect("a vector takes every write");
    }
    out.reserve(text.len() + 2);
    out.push(b'"');
    out.extend_from_slice(text.as_bytes());
    out.push(b'"');
}
