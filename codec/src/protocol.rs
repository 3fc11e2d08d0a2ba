//! The contract of a protocol: what a new channel implements, and what [`crate::conformance`] checks of it.
//!
//! Not here: connections, retries, accounts. A channel's engine half drives a protocol, never the reverse.
//! A walk through a first one is `docs/add-a-channel.md`.

use std::borrow::Cow;
use std::fmt::Debug;

use crate::http::{HttpError, Limits, RequestHead, decode_request_head, encode_response_head};
use crate::json::{MessageError, decode_client, encode_server};
use crate::message::{ClientMessage, ServerMessage};
use crate::websocket::{HandshakeError, WebSocketError};

/// What a decoder made of the bytes it was shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decoded<T> {
    /// The bytes are a true beginning; show them again with more behind them.
    NeedMore,
    /// One value, made of the first `used` bytes.
    Complete {
        /// The value.
        value: T,
        /// How many bytes it took.
        used: usize,
    },
}

/// Who tells where a message ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// The protocol: `raw` is a stream that begins with a message and may end within one.
    Own,
    /// Whatever carries it, such as a WebSocket frame or an HTTP body: `raw` is one whole message, more never
    /// comes, and all of it is used.
    Carrier,
}

/// Bytes to messages and back, for one kind of peer.
///
/// An implementation does no I/O, reads no clock and draws no random numbers: what it needs of those is in its
/// context. It allocates nothing but its output and what the values themselves own. Whatever the bytes are, it
/// does not panic, and it refuses what is too large before it has spent memory on it.
pub trait Protocol {
    /// Keys, limits, mode: configuration, not the state of a network.
    type Context;
    /// What the peer says. Borrows from the bytes where it can.
    type Incoming<'a>: Debug;
    /// What the peer is told.
    type Outgoing<'a>: Debug;
    /// What can go wrong, either way.
    type Error: ProtocolError;

    /// Who tells where a message ends.
    const FRAMING: Framing;

    /// Reads one message from the beginning of `raw`. The same bytes mean the same however they were cut on
    /// their way: a beginning is [`Decoded::NeedMore`] or already the fault that the whole has.
    fn decode<'a>(
        &self,
        raw: &'a [u8],
        context: &mut Self::Context,
    ) -> Result<Decoded<Self::Incoming<'a>>, Self::Error>;

    /// Writes one message behind what `out` has. On an error, what `out` had is still its beginning, and the
    /// caller cuts it back to that.
    fn encode(
        &self,
        message: &Self::Outgoing<'_>,
        context: &mut Self::Context,
        out: &mut Vec<u8>,
    ) -> Result<(), Self::Error>;
}

/// An error that knows whose it is and what the peer is told.
pub trait ProtocolError: Debug {
    /// Who can mend it.
    fn culprit(&self) -> Culprit;
    /// What the peer gets.
    fn answer(&self) -> Answer;
}

/// Who can mend an error. Mistakes of our own are assertions and not errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Culprit {
    /// Whoever sent the bytes.
    Peer,
    /// Whoever runs the server: a wrong key, a limit too low.
    Operator,
    /// The machine: out of memory, files or time.
    Machine,
}

/// What a peer is told of an error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The protocol's own number for it: an HTTP status, a WebSocket close code.
    pub number: u16,
    /// What happened and what to do, in a sentence.
    pub text: Cow<'static, str>,
}

/// Close code for a text that is not a message of `ringdesk.v1`, where no `refused` could name it.
pub const CLOSE_NOT_A_MESSAGE: u16 = 4400;

impl ProtocolError for HttpError {
    fn culprit(&self) -> Culprit {
        Culprit::Peer
    }
    fn answer(&self) -> Answer {
        Answer { number: self.status(), text: Cow::Borrowed(self.text()) }
    }
}

impl ProtocolError for HandshakeError {
    fn culprit(&self) -> Culprit {
        Culprit::Peer
    }
    fn answer(&self) -> Answer {
        Answer { number: self.status(), text: Cow::Borrowed(self.text()) }
    }
}

impl ProtocolError for WebSocketError {
    fn culprit(&self) -> Culprit {
        Culprit::Peer
    }
    fn answer(&self) -> Answer {
        Answer { number: self.close_code(), text: Cow::Borrowed(self.text()) }
    }
}

impl ProtocolError for MessageError {
    fn culprit(&self) -> Culprit {
        Culprit::Peer
    }
    fn answer(&self) -> Answer {
        Answer { number: CLOSE_NOT_A_MESSAGE, text: Cow::Owned(self.text()) }
    }
}

/// The server's side of `ringdesk.v1`: one JSON object, carried by a WebSocket text frame or an HTTP body.
#[derive(Clone, Copy, Debug)]
pub struct RingdeskV1;

impl Protocol for RingdeskV1 {
    type Context = ();
    type Incoming<'a> = ClientMessage<'a>;
    type Outgoing<'a> = ServerMessage<'a>;
    type Error = MessageError;

    const FRAMING: Framing = Framing::Carrier;

    fn decode<'a>(&self, raw: &'a [u8], (): &mut ()) -> Result<Decoded<ClientMessage<'a>>, MessageError> {
        // JSON is UTF-8 (RFC 8259 section 8.1), and a WebSocket frame has proved it; an HTTP body has not.
        let text = std::str::from_utf8(raw).map_err(|_| MessageError::not_json())?;
        Ok(Decoded::Complete { value: decode_client(text)?, used: raw.len() })
    }

    fn encode(
        &self,
        message: &ServerMessage<'_>,
        (): &mut (),
        out: &mut Vec<u8>,
    ) -> Result<(), MessageError> {
        encode_server(message, out);
        Ok(())
    }
}

/// The server's side of HTTP/1.1: request heads come, response heads go.
#[derive(Clone, Copy, Debug)]
pub struct Http1;

/// A response head to be written.
#[derive(Clone, Copy, Debug)]
pub struct ResponseHead<'a> {
    /// Three digits.
    pub status: u16,
    /// Names and values, in order.
    pub headers: &'a [(&'a str, &'a [u8])],
}

impl Protocol for Http1 {
    type Context = Limits;
    type Incoming<'a> = RequestHead<'a>;
    type Outgoing<'a> = ResponseHead<'a>;
    type Error = HttpError;

    const FRAMING: Framing = Framing::Own;

    fn decode<'a>(&self, raw: &'a [u8], limits: &mut Limits) -> Result<Decoded<RequestHead<'a>>, HttpError> {
        decode_request_head(raw, limits)
    }

    fn encode(
        &self,
        message: &ResponseHead<'_>,
        _limits: &mut Limits,
        out: &mut Vec<u8>,
    ) -> Result<(), HttpError> {
        encode_response_head(message.status, message.headers.iter().copied(), out);
        Ok(())
    }
}
