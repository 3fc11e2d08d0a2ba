//! A channel of one's own, as a demonstration: a visitor speaks in lines, as over telnet.
//!
//! `docs/add-a-channel.md` walks through it. Not a channel that ships: it is as small as can be.
//! `cargo run -p codec --example line_channel` shows a conversation.

use std::borrow::Cow;

use codec::message::{ClientMessage, Content, Hello, ID_BYTES_MAX, ServerMessage, TEXT_BYTES_MAX};
use codec::protocol::{Answer, Culprit, Framing, Protocol, ProtocolError};
use codec::{Decoded, valid};

/// Longest line: the longest text, its id, the word before them and the spaces between.
const LINE_BYTES_MAX: usize = TEXT_BYTES_MAX + ID_BYTES_MAX + 8;

/// `hello`, `say ID WORDS`, `typing`, `bye`, each ended by a line feed.
struct LineChannel;

/// What a site has configured.
#[derive(Clone)]
struct Site {
    name: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum LineError {
    NotText,
    TooLong,
    UnknownWord,
}

impl ProtocolError for LineError {
    fn culprit(&self) -> Culprit {
        Culprit::Peer
    }

    /// No wildcard arm: a new error must choose its answer here.
    fn answer(&self) -> Answer {
        let (number, text) = match self {
            Self::NotText => (400, "The line is not text; send UTF-8."),
            Self::TooLong => (413, "The line is too long; say less at once."),
            Self::UnknownWord => (400, "Say hello, say ID WORDS, typing or bye."),
        };
        Answer { number, text: Cow::Borrowed(text) }
    }
}

impl Protocol for LineChannel {
    type Context = Site;
    type Incoming<'a> = ClientMessage<'a>;
    type Outgoing<'a> = ServerMessage<'a>;
    type Error = LineError;

    const FRAMING: Framing = Framing::Own;

    fn decode<'a>(&self, raw: &'a [u8], site: &mut Site) -> Result<Decoded<ClientMessage<'a>>, LineError> {
        let within = &raw[..raw.len().min(LINE_BYTES_MAX)];
        let Some(end) = within.iter().position(|&byte| byte == b'\n') else {
            let endless = within.len() == LINE_BYTES_MAX;
            return if endless { Err(LineError::TooLong) } else { Ok(Decoded::NeedMore) };
        };
        let line = std::str::from_utf8(&within[..end]).map_err(|_| LineError::NotText)?;
        Ok(Decoded::Complete { value: parse(line, site)?, used: end + 1 })
    }

    fn encode(
        &self,
        message: &ServerMessage<'_>,
        _site: &mut Site,
        out: &mut Vec<u8>,
    ) -> Result<(), LineError> {
        let line = match message {
            ServerMessage::Welcome { seq, .. } => format!("welcome {seq}\n"),
            ServerMessage::Ack { id, seq, .. } => format!("ok {id} {seq}\n"),
            ServerMessage::Refused { id, code, .. } => format!("no {id} {code}\n"),
            ServerMessage::Event(event) => {
                format!("{} {} {}\n", event.seq, event.role.name(), event.content)
            }
            ServerMessage::Error { code, .. } => format!("error {code}\n"),
            // A line once printed cannot be taken back: what tells of now alone is not shown.
            ServerMessage::Typing { .. }
            | ServerMessage::Read { .. }
            | ServerMessage::Presence { .. }
            | ServerMessage::Shedding { .. } => String::new(),
        };
        out.extend_from_slice(line.as_bytes());
        Ok(())
    }
}

fn parse<'a>(line: &'a str, site: &Site) -> Result<ClientMessage<'a>, LineError> {
    let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
    match (word, rest.split_once(' ')) {
        ("hello", None) => Ok(ClientMessage::Hello(Hello::Visitor {
            site: Some(Cow::Owned(site.name.clone())),
            token: None,
            conversation: None,
            after: 0,
            page: None,
            team: None,
        })),
        ("say", Some((id, text))) if valid::is_id(id) && valid::is_text(text) => {
            let content = Content::Text { text: Cow::Borrowed(text) };
            Ok(ClientMessage::Message { id: Cow::Borrowed(id), conversation: None, content })
        }
        ("typing", None) => Ok(ClientMessage::Typing { conversation: None, text: None }),
        ("bye", None) => Ok(ClientMessage::Close { conversation: None }),
        _ => Err(LineError::UnknownWord),
    }
}

fn main() {
    let mut site = Site { name: "default".to_owned() };
    for line in ["hello\n", "say 1 where is my order?\n", "shout\n"] {
        match LineChannel.decode(line.as_bytes(), &mut site) {
            Ok(decoded) => println!("{decoded:?}"),
            Err(error) => println!("{:?}", error.answer()),
        }
    }
}

#[cfg(test)]
mod tests {
    use codec::conformance::Conformance;

    use super::*;

    #[test]
    fn the_line_channel_conforms() {
        let kit = Conformance { protocol: &LineChannel, context: || Site { name: "default".to_owned() } };
        kit.check_accepted("hello\ntyping\nsay 1 你好 世界\nbye\n".as_bytes());
        kit.check_refused(b"say 1 \xff\n", Culprit::Peer);
        kit.check_refused(b"hello\nshout\n", Culprit::Peer);
        kit.check_oversized(&[b'x'; 2 * LINE_BYTES_MAX], LINE_BYTES_MAX);
        let ack = ServerMessage::Ack { id: "1".into(), seq: 7, at_ms: 0 };
        kit.check_round_trip(&ack, 80, <[u8]>::to_vec, &b"ok 1 7\n".to_vec());
    }
}
