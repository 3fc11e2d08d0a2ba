//! HTTP/1.1 framing (RFC 9112), strict: what two readers could understand differently is refused.
//!
//! Heads and bodies only. What a method or a path means, cookies, and anything that needs a clock belong to
//! the caller. What is accepted and refused, with the answers, is `docs/protocol/http.md`.

mod body;
mod error;
mod head;
mod response;
mod target;

pub use body::{BodyDecoder, OVERHEAD_BYTES_MAX};
pub use error::HttpError;
pub use head::{HEADERS_MAX, decode_request_head};
pub use response::{encode_response_head, reason};

pub(crate) use head::{is_token, list_has};

/// What a request may cost.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Request line and header fields together, in bytes.
    pub head_bytes_max: usize,
    /// Number of header fields; never more than [`HEADERS_MAX`] are taken.
    pub headers_max: usize,
    /// Body after transfer decoding, in bytes.
    pub body_bytes_max: u64,
}

/// How the body is framed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyLength {
    /// No body.
    None,
    /// `Content-Length`.
    Exactly(u64),
    /// `Transfer-Encoding: chunked`.
    Chunked,
}

/// The versions we speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    /// HTTP/1.0: no `Host` needed, closes unless asked to stay.
    Http10,
    /// HTTP/1.1.
    Http11,
}

/// A request line and its header fields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestHead<'a> {
    /// Such as `GET`.
    pub method: &'a str,
    /// Origin form: path and query. An absolute form has been reduced to it.
    pub target: &'a str,
    /// As in the request line.
    pub version: Version,
    /// Fields in order; names as sent, values without white space around them.
    pub headers: Vec<(&'a str, &'a [u8])>,
    /// What follows the head.
    pub body: BodyLength,
    /// Whether another request may follow on the connection.
    pub keep_alive: bool,
    /// Whether the client waits for `100 Continue`.
    pub expects_continue: bool,
}

impl<'a> RequestHead<'a> {
    /// The value of a field that may appear once; the name without regard to case. Of a field sent more
    /// than once this is the first: where that matters, count [`RequestHead::values`].
    pub fn header(&self, name: &str) -> Option<&'a [u8]> {
        self.values(name).next()
    }

    /// All values of a field, in order.
    pub fn values<'h>(&'h self, name: &'h str) -> impl Iterator<Item = &'a [u8]> + 'h {
        self.headers
            .iter()
            .filter(move |(field, _)| field.eq_ignore_ascii_case(name))
            .map(|(_, value)| *value)
    }
}
