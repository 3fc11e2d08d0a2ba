//! HTTP/1.1 framing (RFC 9112), strict: what two readers could understand differently is refused.

use crate::Decoded;

/// What a request may cost.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Request line and header fields together, in bytes.
    pub head_bytes_max: usize,
    /// Number of header fields.
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

/// A request line and its header fields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestHead<'a> {
    /// Such as `GET`.
    pub method: &'a str,
    /// Origin form: path and query.
    pub target: &'a str,
    /// Fields in order; names as sent.
    pub headers: Vec<(&'a str, &'a [u8])>,
    /// What follows the head.
    pub body: BodyLength,
    /// Whether another request may follow on the connection.
    pub keep_alive: bool,
    /// Whether the client waits for `100 Continue`.
    pub expects_continue: bool,
}

impl<'a> RequestHead<'a> {
    /// The value of a field that may appear once; the name without regard to case.
    pub fn header(&self, _name: &str) -> Option<&'a [u8]> {
        unimplemented!()
    }
}

/// Why a request is not one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HttpError;

impl HttpError {
    /// The status the peer gets; the connection is closed after it.
    pub const fn status(self) -> u16 {
        unimplemented!()
    }

    /// What was wrong, in a sentence.
    pub const fn text(self) -> &'static str {
        unimplemented!()
    }
}

/// Reads a request head from the beginning of `raw`.
pub fn decode_request_head<'a>(
    _raw: &'a [u8],
    _limits: &Limits,
) -> Result<Decoded<RequestHead<'a>>, HttpError> {
    unimplemented!()
}

/// Reads the body that a head announced, piece by piece.
#[derive(Debug)]
pub struct BodyDecoder;

impl BodyDecoder {
    /// For one request. A body that is too large by its `Content-Length` is refused here.
    pub fn new(_length: BodyLength, _limits: &Limits) -> Result<Self, HttpError> {
        unimplemented!()
    }

    /// Takes bytes from `raw`, appends what is body to `body`. Returns how many bytes of `raw` it took and
    /// whether the body is complete; bytes after the body are left.
    pub fn receive(&mut self, _raw: &[u8], _body: &mut Vec<u8>) -> Result<(usize, bool), HttpError> {
        unimplemented!()
    }
}

/// Appends a status line, the fields and the empty line to `out`.
pub fn encode_response_head<'a>(
    _status: u16,
    _headers: impl IntoIterator<Item = (&'a str, &'a [u8])>,
    _out: &mut Vec<u8>,
) {
    unimplemented!()
}
