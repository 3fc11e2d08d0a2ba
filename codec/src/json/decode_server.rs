//! Server text to [`ServerMessage`]: for clients, such as the load generator.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::check::{needed, optional_number, optional_text};
use super::error::{Fault, MessageError};
use super::object::{self, Field, Nested, object};
use super::time;
use crate::message::{Estimate, Event, EventKind, Outlook, PresenceState, Role, ServerMessage};

object! {
    /// The members of every type of server message.
    ServerObject {
        kind: Field<'a> = "type",
        event_kind: Field<'a> = "kind",
        conversation: Field<'a> = "conversation",
        seq: Field<'a> = "seq",
        at: Field<'a> = "at",
        id: Field<'a> = "id",
        from: Nested<FromObject<'a>> = "from",
        content: Option<&'a RawValue> = "content",
        text: Field<'a> = "text",
        code: Field<'a> = "code",
        token: Field<'a> = "token",
        server: Nested<AboutObject<'a>> = "server",
        retry_after_ms: Field<'a> = "retry_after_ms",
        agent: Field<'a> = "agent",
        state: Field<'a> = "state",
        capacity: Field<'a> = "capacity",
        serving: Field<'a> = "serving",
        step: Field<'a> = "step",
        place: Field<'a> = "place",
        estimate_s: Field<'a> = "estimate_s",
        low_s: Field<'a> = "low_s",
        high_s: Field<'a> = "high_s",
    }
}

object! {
    /// Who said or did it.
    FromObject {
        role: Field<'a> = "role",
        id: Field<'a> = "id",
        name: Field<'a> = "name",
    }
}

object! {
    /// What a server says about itself.
    AboutObject {
        version: Field<'a> = "version",
        heartbeat_ms: Field<'a> = "heartbeat_ms",
    }
}

/// Reads one server message: for clients, such as the load generator.
pub fn decode_server(text: &str) -> Result<ServerMessage<'_>, MessageError> {
    let decoded = match object::read::<ServerObject<'_>>(text) {
        Ok(Nested::Object(object)) => object.check(),
        Ok(Nested::Missing | Nested::Other) => Err(Fault::NotObject),
        Err(_) => Err(Fault::NotJson),
    };
    decoded.map_err(|fault| MessageError::new(fault, None))
}

impl<'a> ServerObject<'a> {
    fn check(mut self) -> Result<ServerMessage<'a>, Fault> {
        if let Some(field) = self.repeated {
            return Err(Fault::RepeatedField { field });
        }
        let kind = text(std::mem::take(&mut self.kind), "type")?;
        match kind.as_ref() {
            "welcome" => welcome(self.conversation, &self.seq, self.token, self.server),
            "ack" => Ok(ServerMessage::Ack {
                id: text(self.id, "id")?,
                seq: number(&self.seq, "seq", u64::MAX)?,
                at_ms: at_ms(self.at)?,
            }),
            "refused" => Ok(ServerMessage::Refused {
                id: optional(self.id, "id")?.unwrap_or_default(),
                code: text(self.code, "code")?,
                text: text(self.text, "text")?,
                retry_after_ms: retry_after_ms(&self.retry_after_ms)?,
                outlook: outlook(&self.place, [&self.estimate_s, &self.low_s, &self.high_s])?,
            }),
            "event" => self.event().map(ServerMessage::Event),
            "typing" => Ok(ServerMessage::Typing {
                conversation: text(self.conversation, "conversation")?,
                role: from(self.from)?.0,
                text: optional(self.text, "text")?,
            }),
            "read" => Ok(ServerMessage::Read {
                conversation: text(self.conversation, "conversation")?,
                role: from(self.from)?.0,
                seq: number(&self.seq, "seq", u64::MAX)?,
            }),
            "presence" => Ok(ServerMessage::Presence {
                agent: text(self.agent, "agent")?,
                state: presence_state(self.state)?,
                capacity: number(&self.capacity, "capacity", u64::from(u16::MAX))? as u16,
                serving: number(&self.serving, "serving", u64::from(u16::MAX))? as u16,
            }),
            "shedding" => Ok(ServerMessage::Shedding { step: text(self.step, "step")? }),
            "error" => Ok(ServerMessage::Error {
                code: text(self.code, "code")?,
                text: text(self.text, "text")?,
                retry_after_ms: retry_after_ms(&self.retry_after_ms)?,
            }),
            _ => Err(Fault::UnknownType),
        }
    }

    fn event(self) -> Result<Event<'a>, Fault> {
        let word = text(self.event_kind, "kind")?;
        let kind = EventKind::ALL.into_iter().find(|kind| kind.name() == word);
        let (role, from_id, from_name) = from(self.from)?;
        let content = needed(self.content.map(RawValue::get), "content")?;
        if !content.starts_with('{') {
            return Err(Fault::BadField { field: "content", expected: "an object" });
        }
        Ok(Event {
            conversation: text(self.conversation, "conversation")?,
            seq: number(&self.seq, "seq", u64::MAX)?,
            at_ms: at_ms(self.at)?,
            kind: kind.ok_or(Fault::BadField { field: "kind", expected: "a kind of event" })?,
            id: optional(self.id, "id")?.unwrap_or_default(),
            role,
            from_id,
            from_name,
            content: Cow::Borrowed(content),
        })
    }
}

fn welcome<'a>(
    conversation: Field<'a>,
    seq: &Field<'a>,
    token: Field<'a>,
    server: Nested<AboutObject<'a>>,
) -> Result<ServerMessage<'a>, Fault> {
    let Nested::Object(server) = server else {
        return Err(Fault::MissingField { field: "server" });
    };
    Ok(ServerMessage::Welcome {
        conversation: optional(conversation, "conversation")?,
        seq: number(seq, "seq", u64::MAX)?,
        token: optional(token, "token")?,
        version: text(server.version, "server.version")?,
        heartbeat_ms: number(&server.heartbeat_ms, "server.heartbeat_ms", u64::from(u32::MAX))? as u32,
    })
}

/// What the server sends has no limits of its own here: the client bounded the frame.
fn optional<'a>(field: Field<'a>, name: &'static str) -> Result<Option<Cow<'a, str>>, Fault> {
    optional_text(field, name, usize::MAX)
}

fn text<'a>(field: Field<'a>, name: &'static str) -> Result<Cow<'a, str>, Fault> {
    needed(optional(field, name)?, name)
}

fn number(field: &Field<'_>, name: &'static str, max: u64) -> Result<u64, Fault> {
    needed(optional_number(field, name, 0..=max, "a whole number")?, name)
}

fn retry_after_ms(field: &Field<'_>) -> Result<Option<u32>, Fault> {
    let milliseconds =
        optional_number(field, "retry_after_ms", 0..=u64::from(u32::MAX), "a number of milliseconds")?;
    Ok(milliseconds.map(|milliseconds| milliseconds as u32))
}

/// An estimate that lacks one of its numbers is none.
fn outlook(place: &Field<'_>, [likely, low, high]: [&Field<'_>; 3]) -> Result<Option<Outlook>, Fault> {
    let seconds = |field, name| optional_number(field, name, 0..=u64::MAX, "a number of seconds");
    let likely_s = seconds(likely, "estimate_s")?;
    let (low_s, high_s) = (seconds(low, "low_s")?, seconds(high, "high_s")?);
    let known = likely_s.zip(low_s).zip(high_s);
    let estimate = known.map(|((likely_s, low_s), high_s)| Estimate { likely_s, low_s, high_s });
    let place = optional_number(place, "place", 1..=u64::from(u32::MAX), "a place, from 1")?;
    Ok(place.map(|place| Outlook { place: place as u32, estimate }))
}

fn at_ms(field: Field<'_>) -> Result<u64, Fault> {
    let at = text(field, "at")?;
    time::decode(&at)
        .ok_or(Fault::BadField { field: "at", expected: "a time such as 2026-11-11T00:00:00.123Z" })
}

fn from<'a>(field: Nested<FromObject<'a>>) -> Result<(Role, Cow<'a, str>, Cow<'a, str>), Fault> {
    let Nested::Object(from) = field else {
        return Err(Fault::MissingField { field: "from" });
    };
    let word = text(from.role, "from.role")?;
    let role = [Role::Visitor, Role::Agent, Role::System].into_iter().find(|role| role.name() == word);
    let role = role.ok_or(Fault::BadField { field: "from.role", expected: "visitor, agent or system" })?;
    let id = optional(from.id, "from.id")?.unwrap_or_default();
    Ok((role, id, optional(from.name, "from.name")?.unwrap_or_default()))
}

fn presence_state(field: Field<'_>) -> Result<Option<PresenceState>, Fault> {
    match text(field, "state")?.as_ref() {
        "ready" => Ok(Some(PresenceState::Ready)),
        "away" => Ok(Some(PresenceState::Away)),
        "gone" => Ok(None),
        _ => Err(Fault::BadField { field: "state", expected: "ready, away or gone" }),
    }
}
