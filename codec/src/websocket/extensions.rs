//! Which extensions a connection gets: the `Sec-WebSocket-Extensions` field (RFC 6455 section 9.1) and what
//! becomes of the offers of `permessage-deflate` in it (RFC 7692 section 7.1).

use std::{borrow::Cow, num::NonZeroU8};

use super::HandshakeError;
use crate::http::is_token;

/// The name under which the extension is offered.
const NAME: &[u8] = b"permessage-deflate";
/// The logarithms of the window sizes that may be asked for (RFC 7692 section 7.1.2).
const WINDOW_BITS: std::ops::RangeInclusive<u8> = 8..=15;

/// `permessage-deflate` as it was agreed for one connection.
///
/// Context is never taken over, in neither direction: each message is compressed for itself, so that an idle
/// connection holds nothing, and a frame that was compressed once can be sent to many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deflate {
    /// The logarithm of the largest window that the client wants to keep for our messages, if it says.
    server_max_window_bits: Option<NonZeroU8>,
}

impl Deflate {
    /// What is agreed with a client that asks for nothing special: a window of 32 KiB.
    pub const LARGEST_WINDOW: Self = Self { server_max_window_bits: None };

    /// How far back, in bytes, what we compress may refer.
    pub const fn window_bytes(self) -> usize {
        1 << self.window_bits()
    }

    pub(super) const fn window_bits(self) -> u8 {
        match self.server_max_window_bits {
            Some(bits) => bits.get(),
            None => *WINDOW_BITS.end(),
        }
    }

    /// Appends the answer to the offer that was accepted. `client_max_window_bits` is never answered: we bear
    /// any window, as it is kept for no longer than a message.
    pub(super) fn encode_answer(self, out: &mut Vec<u8>) {
        out.extend_from_slice(NAME);
        out.extend_from_slice(b"; server_no_context_takeover; client_no_context_takeover");
        if let Some(bits) = self.server_max_window_bits {
            out.extend_from_slice(format!("; server_max_window_bits={bits}").as_bytes());
        }
    }
}

/// Takes the first offer of `permessage-deflate` that can be accepted. An offer that asks for what RFC 7692 does
/// not know is declined (section 7.1), another extension ignored; only a field that is no list of extensions at
/// all is a fault.
pub(super) fn negotiate<'a>(
    values: impl Iterator<Item = &'a [u8]>,
) -> Result<Option<Deflate>, HandshakeError> {
    let mut agreed = None;
    for value in values {
        let mut reader = Reader(value);
        while let Some(offer) = reader.offer()? {
            agreed = agreed.or(offer);
        }
    }
    Ok(agreed)
}

/// What an offer has said so far.
#[derive(Default)]
struct Offer {
    /// The names that were there: none may come twice.
    seen: [bool; 4],
    server_max_window_bits: Option<NonZeroU8>,
    /// It asks for something that cannot be.
    declined: bool,
}

impl Offer {
    fn parameter(&mut self, name: &[u8], value: Option<&[u8]>) {
        let (index, acceptable) = match (name, value) {
            (b"server_no_context_takeover", value) => (0, value.is_none()),
            (b"client_no_context_takeover", value) => (1, value.is_none()),
            (b"server_max_window_bits", value) => {
                self.server_max_window_bits = value.and_then(window_bits);
                (2, self.server_max_window_bits.is_some())
            }
            (b"client_max_window_bits", value) => (3, value.is_none_or(|value| window_bits(value).is_some())),
            _ => return self.declined = true,
        };
        let again = std::mem::replace(&mut self.seen[index], true);
        self.declined |= again || !acceptable;
    }

    fn answer(&self) -> Option<Deflate> {
        let server_max_window_bits = self.server_max_window_bits;
        (!self.declined).then_some(Deflate { server_max_window_bits })
    }
}

/// A decimal from 8 to 15 without leading zeros.
fn window_bits(value: &[u8]) -> Option<NonZeroU8> {
    let bits = match value {
        [digit @ b'8'..=b'9'] => digit - b'0',
        [b'1', digit @ b'0'..=b'5'] => 10 + digit - b'0',
        _ => return None,
    };
    debug_assert!(WINDOW_BITS.contains(&bits), "the digits are those of the range");
    NonZeroU8::new(bits)
}

/// What is left of one field value.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// The next member of the list: what it would come to, if it is an offer of `permessage-deflate`.
    fn offer(&mut self) -> Result<Option<Option<Deflate>>, HandshakeError> {
        // Empty members are borne (RFC 9110 section 5.6.1.2).
        while self.skip(b',') {}
        if self.0.is_empty() {
            return Ok(None);
        }
        let name = self.token()?;
        let mut offer = Offer::default();
        while self.skip(b';') {
            let parameter = self.token()?;
            let value = if self.skip(b'=') { Some(self.value()?) } else { None };
            offer.parameter(parameter, value.as_deref());
        }
        if !self.0.is_empty() && !self.skip(b',') {
            return Err(HandshakeError::BadExtensions);
        }
        Ok(Some(if name == NAME { offer.answer() } else { None }))
    }

    /// Passes white space, then `mark` if it is next, then white space.
    fn skip(&mut self, mark: u8) -> bool {
        self.0 = self.0.trim_ascii_start();
        let Some(rest) = self.0.strip_prefix(&[mark]) else { return false };
        self.0 = rest.trim_ascii_start();
        true
    }

    fn token(&mut self) -> Result<&'a [u8], HandshakeError> {
        let end = self.0.iter().position(|byte| !is_token(&[*byte])).unwrap_or(self.0.len());
        let (token, rest) = self.0.split_at(end);
        self.0 = rest;
        if token.is_empty() { Err(HandshakeError::BadExtensions) } else { Ok(token) }
    }

    /// A token, or one in quotes.
    fn value(&mut self) -> Result<Cow<'a, [u8]>, HandshakeError> {
        let Some(quoted) = self.0.strip_prefix(b"\"") else { return self.token().map(Cow::Borrowed) };
        let (mut value, mut bytes) = (Vec::new(), quoted.iter());
        loop {
            match bytes.next() {
                Some(b'"') => break,
                Some(b'\\') => value.extend(bytes.next()),
                Some(byte) => value.push(*byte),
                None => return Err(HandshakeError::BadExtensions),
            }
        }
        self.0 = bytes.as_slice();
        if is_token(&value) { Ok(Cow::Owned(value)) } else { Err(HandshakeError::BadExtensions) }
    }
}
