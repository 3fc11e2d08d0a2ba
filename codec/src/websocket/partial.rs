//! What a decoder holds while a frame or a message is incomplete: nothing else of a connection costs memory.

use super::header::Frame;
use super::{CONTROL_BYTES_MAX, Opcode, WebSocketError};

/// Boxed by the decoder, and only while it is needed.
#[derive(Debug, Default)]
pub(super) struct Partial {
    /// The frame whose payload is not whole yet.
    pub(super) frame: Option<Frame>,
    /// How many bytes of that payload have come.
    pub(super) received: usize,
    /// The message under way, over all its fragments.
    pub(super) message: Message,
    /// How many fragments of it have begun.
    pub(super) fragments: u32,
    /// The payload of a control frame under way; it may come between the fragments of a message.
    pub(super) control: Vec<u8>,
}

/// A message under way.
#[derive(Debug, Default)]
pub(super) enum Message {
    #[default]
    None,
    Text(Text),
    Binary(Vec<u8>),
    /// As it came: what it says is known when it is whole.
    Compressed {
        opcode: Opcode,
        bytes: Vec<u8>,
    },
}

impl Message {
    /// Bytes of it so far; `None` without a message.
    pub(super) fn len(&self) -> Option<usize> {
        match self {
            Self::None => None,
            Self::Text(text) => Some(text.len()),
            Self::Binary(bytes) | Self::Compressed { bytes, .. } => Some(bytes.len()),
        }
    }
}

impl Partial {
    pub(super) fn held_bytes(&self) -> usize {
        self.message.len().unwrap_or(0) + self.control.len()
    }

    /// Appends unmasked payload of the frame under way to where it belongs.
    pub(super) fn append(&mut self, bytes: &[u8], control: bool) -> Result<(), WebSocketError> {
        self.received += bytes.len();
        if control {
            debug_assert!(self.control.len() + bytes.len() <= CONTROL_BYTES_MAX, "the header was checked");
            self.control.extend_from_slice(bytes);
            return Ok(());
        }
        match &mut self.message {
            Message::None => unreachable!("a data frame's header begins its message"),
            Message::Text(text) => text.append(bytes),
            Message::Binary(message) | Message::Compressed { bytes: message, .. } => {
                message.extend_from_slice(bytes);
                Ok(())
            }
        }
    }
}

/// UTF-8 that arrives in pieces. A byte that cannot be is refused when it comes, not when the message ends.
#[derive(Debug, Default)]
pub(super) struct Text {
    whole: String,
    /// The beginning of a character whose end is still to come.
    tail: [u8; 4],
    tail_bytes: usize,
}

impl Text {
    fn len(&self) -> usize {
        self.whole.len() + self.tail_bytes
    }

    fn append(&mut self, mut bytes: &[u8]) -> Result<(), WebSocketError> {
        while self.tail_bytes > 0 {
            let Some((&byte, rest)) = bytes.split_first() else {
                return Ok(());
            };
            bytes = rest;
            self.complete_tail(byte)?;
        }
        match std::str::from_utf8(bytes) {
            Ok(text) => self.whole.push_str(text),
            Err(error) => {
                let (valid, tail) = bytes.split_at(error.valid_up_to());
                if error.error_len().is_some() {
                    return Err(WebSocketError::TextNotUtf8);
                }
                self.whole.push_str(std::str::from_utf8(valid).expect("valid_up_to ends what is valid"));
                self.tail[..tail.len()].copy_from_slice(tail);
                self.tail_bytes = tail.len();
            }
        }
        Ok(())
    }

    fn complete_tail(&mut self, byte: u8) -> Result<(), WebSocketError> {
        // A character has at most four bytes, and with the fourth it is whole or impossible.
        self.tail[self.tail_bytes] = byte;
        self.tail_bytes += 1;
        match std::str::from_utf8(&self.tail[..self.tail_bytes]) {
            Ok(character) => {
                self.whole.push_str(character);
                self.tail_bytes = 0;
                Ok(())
            }
            Err(error) if error.error_len().is_none() => Ok(()),
            Err(_) => Err(WebSocketError::TextNotUtf8),
        }
    }

    /// The text of a message that has ended.
    pub(super) fn finish(&self) -> Result<&str, WebSocketError> {
        if self.tail_bytes > 0 { Err(WebSocketError::TextNotUtf8) } else { Ok(&self.whole) }
    }
}
