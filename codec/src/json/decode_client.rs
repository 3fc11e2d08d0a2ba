//! Client text to [`ClientMessage`].

use std::borrow::Cow;

use super::check::{
    needed, optional_id, optional_name, optional_number, optional_seq, optional_text, optional_token,
    optional_words,
};
use super::content::ContentObject;
use super::error::{Fault, MessageError};
use super::object::{self, Field, Nested, Numbers, object};
use crate::message::{
    CAPACITY_MAX, ClientMessage, Hello, PREVIEW_BYTES_MAX, PresenceState, RESUMED_CONVERSATIONS_MAX,
    TOKEN_BYTES_MAX, TransferTarget,
};
use crate::valid::is_url;

object! {
    /// The members of every type of client message.
    ClientObject {
        kind: Field<'a> = "type",
        id: Field<'a> = "id",
        conversation: Field<'a> = "conversation",
        content: Nested<ContentObject<'a>> = "content",
        text: Field<'a> = "text",
        seq: Field<'a> = "seq",
        role: Field<'a> = "role",
        site: Field<'a> = "site",
        token: Field<'a> = "token",
        after: Field<'a> = "after",
        page: Field<'a> = "page",
        conversations: Nested<Numbers<'a>> = "conversations",
        score: Field<'a> = "score",
        state: Field<'a> = "state",
        capacity: Field<'a> = "capacity",
        agent: Field<'a> = "agent",
        team: Field<'a> = "team",
        note: Field<'a> = "note",
    }
}

/// Reads one client message.
pub fn decode_client(text: &str) -> Result<ClientMessage<'_>, MessageError> {
    let mut object = match object::read::<ClientObject<'_>>(text) {
        Ok(Nested::Object(object)) => object,
        Ok(Nested::Missing | Nested::Other) => return Err(MessageError::new(Fault::NotObject, None)),
        Err(_) => return Err(MessageError::new(Fault::NotJson, None)),
    };
    let id = optional_id(std::mem::take(&mut object.id)).map_err(|fault| MessageError::new(fault, None))?;
    match object.check(&id) {
        Ok(message) => Ok(message),
        Err(fault) => Err(MessageError::new(fault, id.as_deref())),
    }
}

impl<'a> ClientObject<'a> {
    /// Each arm takes the fields of its type; those of others are ignored, like unknown ones.
    fn check(self, id: &Option<Cow<'a, str>>) -> Result<ClientMessage<'a>, Fault> {
        if let Some(field) = self.repeated {
            return Err(Fault::RepeatedField { field });
        }
        let kind = match &self.kind {
            Field::Text(kind) => kind.as_ref(),
            Field::Missing => return Err(Fault::MissingField { field: "type" }),
            Field::Unsigned(_) | Field::Other => {
                return Err(Fault::BadField { field: "type", expected: "a string" });
            }
        };
        match kind {
            "hello" => self.hello().map(ClientMessage::Hello),
            "message" => Ok(ClientMessage::Message {
                id: needed(id.clone(), "id")?,
                conversation: conversation(self.conversation)?,
                content: content(self.content)?,
            }),
            "note" => Ok(ClientMessage::Note {
                id: needed(id.clone(), "id")?,
                conversation: needed(conversation(self.conversation)?, "conversation")?,
                text: needed(optional_words(self.text, "text")?, "text")?,
            }),
            "typing" => Ok(ClientMessage::Typing {
                conversation: conversation(self.conversation)?,
                text: optional_text(self.text, "text", usize::MAX)?.map(cut_preview),
            }),
            "read" => Ok(ClientMessage::Read {
                conversation: conversation(self.conversation)?,
                seq: needed(optional_seq(&self.seq, "seq")?, "seq")?,
            }),
            "human" => Ok(ClientMessage::Human),
            "rate" => Ok(ClientMessage::Rate {
                score: needed(score(&self.score)?, "score")?,
                text: optional_words(self.text, "text")?,
            }),
            "close" => Ok(ClientMessage::Close { conversation: conversation(self.conversation)? }),
            "presence" => Ok(ClientMessage::Presence {
                state: needed(presence_state(&self.state)?, "state")?,
                capacity: capacity(&self.capacity)?,
            }),
            "transfer" => Ok(ClientMessage::Transfer {
                conversation: needed(conversation(self.conversation)?, "conversation")?,
                to: target(self.agent, self.team)?,
                note: optional_words(self.note, "note")?,
            }),
            "accept" => Ok(ClientMessage::Accept { conversation: self.one_conversation()? }),
            "decline" => Ok(ClientMessage::Decline { conversation: self.one_conversation()? }),
            "takeover" => Ok(ClientMessage::TakeOver { conversation: self.one_conversation()? }),
            "watch" | "unwatch" => Ok(ClientMessage::Watch {
                begins: kind == "watch",
                after: optional_seq(&self.after, "after")?.unwrap_or(0),
                conversation: self.one_conversation()?,
            }),
            "whisper" => Ok(ClientMessage::Whisper {
                id: needed(id.clone(), "id")?,
                conversation: needed(conversation(self.conversation)?, "conversation")?,
                text: needed(optional_words(self.text, "text")?, "text")?,
            }),
            _ => Err(Fault::UnknownType),
        }
    }

    fn one_conversation(self) -> Result<Cow<'a, str>, Fault> {
        needed(conversation(self.conversation)?, "conversation")
    }

    fn hello(self) -> Result<Hello<'a>, Fault> {
        const ROLES: Fault = Fault::BadField { field: "role", expected: "visitor or agent" };
        let token = optional_token(self.token, "token", TOKEN_BYTES_MAX)?;
        match &self.role {
            Field::Text(role) if role == "visitor" => Ok(Hello::Visitor {
                site: optional_name(self.site, "site")?,
                token,
                conversation: conversation(self.conversation)?,
                after: optional_seq(&self.after, "after")?.unwrap_or(0),
                page: page(self.page)?,
                team: optional_name(self.team, "team")?,
            }),
            Field::Text(role) if role == "agent" => Ok(Hello::Agent {
                token: needed(token, "token")?,
                conversations: conversations(self.conversations)?,
            }),
            Field::Missing => Err(Fault::MissingField { field: "role" }),
            Field::Text(_) | Field::Unsigned(_) | Field::Other => Err(ROLES),
        }
    }
}

fn conversation(field: Field<'_>) -> Result<Option<Cow<'_, str>>, Fault> {
    optional_name(field, "conversation")
}

fn target<'a>(agent: Field<'a>, team: Field<'a>) -> Result<TransferTarget<'a>, Fault> {
    match (optional_name(agent, "agent")?, optional_name(team, "team")?) {
        (Some(agent), None) => Ok(TransferTarget::Agent(agent)),
        (None, Some(team)) => Ok(TransferTarget::Team(team)),
        (None, None) => Err(Fault::MissingField { field: "agent" }),
        (Some(_), Some(_)) => Err(Fault::BadField { field: "team", expected: "left out beside an agent" }),
    }
}

fn content<'a>(content: Nested<ContentObject<'a>>) -> Result<crate::message::Content<'a>, Fault> {
    match content {
        Nested::Missing => Err(Fault::MissingField { field: "content" }),
        Nested::Object(object) => object.check(),
        Nested::Other => Err(Fault::BadField { field: "content", expected: "an object" }),
    }
}

/// The page is told to agents for their convenience. Addresses of shops grow long with what advertisements
/// add to them; that must not keep a visitor out, so one that is too long or not of the web is left out.
fn page(field: Field<'_>) -> Result<Option<Cow<'_, str>>, Fault> {
    let page = optional_text(field, "page", usize::MAX)?;
    Ok(page.filter(|page| is_url(page)))
}

fn conversations<'a>(field: Nested<Numbers<'a>>) -> Result<Vec<(Cow<'a, str>, u64)>, Fault> {
    const FIELD: &str = "conversations";
    const BAD: Fault =
        Fault::BadField { field: FIELD, expected: "an object of conversation names and numbers" };
    match field {
        Nested::Missing => Ok(Vec::new()),
        Nested::Other => Err(BAD),
        Nested::Object(Numbers { too_many: true, .. }) => {
            Err(Fault::TooLarge { field: FIELD, limit: RESUMED_CONVERSATIONS_MAX, unit: "members" })
        }
        Nested::Object(Numbers { bad: true, .. }) => Err(BAD),
        Nested::Object(Numbers { entries, .. }) => {
            for (name, seq) in &entries {
                optional_name(Field::Text(Cow::Borrowed(name)), FIELD)?;
                optional_seq(&Field::Unsigned(*seq), FIELD)?;
            }
            Ok(entries)
        }
    }
}

fn score(field: &Field<'_>) -> Result<Option<u8>, Fault> {
    let score = optional_number(field, "score", 1..=5, "a whole number from 1 to 5")?;
    Ok(score.map(|score| score as u8))
}

fn capacity(field: &Field<'_>) -> Result<Option<u16>, Fault> {
    const _: () = assert!(CAPACITY_MAX == 100, "the words below say so");
    let range = 1..=u64::from(CAPACITY_MAX);
    let capacity = optional_number(field, "capacity", range, "a whole number from 1 to 100")?;
    Ok(capacity.map(|capacity| capacity as u16))
}

fn presence_state(field: &Field<'_>) -> Result<Option<PresenceState>, Fault> {
    match field {
        Field::Missing => Ok(None),
        Field::Text(state) if state == "ready" => Ok(Some(PresenceState::Ready)),
        Field::Text(state) if state == "away" => Ok(Some(PresenceState::Away)),
        Field::Text(_) | Field::Unsigned(_) | Field::Other => {
            Err(Fault::BadField { field: "state", expected: "ready or away" })
        }
    }
}

/// A preview is a courtesy: what is too long is cut at a character.
fn cut_preview(text: Cow<'_, str>) -> Cow<'_, str> {
    let end = text.floor_char_boundary(PREVIEW_BYTES_MAX);
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(&text[..end]),
        Cow::Owned(mut text) => {
            text.truncate(end);
            Cow::Owned(text)
        }
    }
}
