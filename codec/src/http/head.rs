//! Request heads: lines are checked here for what smuggling lives on, fields are split by `httparse`.

use std::mem::MaybeUninit;

use memchr::{memchr, memchr2};

use super::{BodyLength, HttpError, Limits, RequestHead, Version, target};
use crate::Decoded;

/// Most header fields that are ever taken, whatever [`Limits::headers_max`] says: they are split on the stack.
pub const HEADERS_MAX: usize = 128;

/// Digits of the largest `u64`.
const CONTENT_LENGTH_DIGITS_MAX: usize = 20;

/// Reads a request head from the beginning of `raw`.
///
/// A head that does not end within `head_bytes_max` is an error even before the rest of it comes. A fault in
/// the lines themselves is told as soon as its line is whole; all others once the head is.
pub fn decode_request_head<'a>(
    raw: &'a [u8],
    limits: &Limits,
) -> Result<Decoded<RequestHead<'a>>, HttpError> {
    match head_bytes(raw, limits.head_bytes_max)? {
        None => Ok(Decoded::NeedMore),
        Some(used) => Ok(Decoded::Complete { value: parse(&raw[..used], limits)?, used }),
    }
}

/// How long the head is with its empty line, once that is there. Every line before it is checked.
fn head_bytes(raw: &[u8], head_bytes_max: usize) -> Result<Option<usize>, HttpError> {
    let within = &raw[..raw.len().min(head_bytes_max)];
    if within.first().is_some_and(|&first| !is_token(&[first])) {
        return Err(HttpError::BadRequestLine);
    }
    let mut start = 0;
    while let Some(length) = memchr(b'\n', &within[start..]) {
        let line = &within[start..start + length];
        let first = start == 0;
        start += length + 1;
        if check_line(line, first)? {
            return Ok(Some(start));
        }
    }
    match (raw.len() >= head_bytes_max, start) {
        (false, _) => Ok(None),
        (true, 0) => Err(HttpError::TargetTooLong),
        (true, _) => Err(HttpError::HeadTooLarge),
    }
}

/// Checks one line, given without its line feed. True for the empty line that ends the head.
fn check_line(line: &[u8], first: bool) -> Result<bool, HttpError> {
    match memchr2(b'\r', b'\0', line) {
        None => return Err(HttpError::BareLineFeed),
        Some(at) if line[at] == b'\0' => return Err(HttpError::ControlCharacter),
        Some(at) if at + 1 != line.len() => return Err(HttpError::BareCarriageReturn),
        Some(_) => {}
    }
    if !first && matches!(line[0], b' ' | b'\t') {
        return Err(HttpError::FoldedField);
    }
    Ok(line.len() == 1)
}

fn parse<'a>(head: &'a [u8], limits: &Limits) -> Result<RequestHead<'a>, HttpError> {
    let mut fields = [const { MaybeUninit::uninit() }; HEADERS_MAX];
    let mut request = httparse::Request::new(&mut []);
    let fields = &mut fields[..limits.headers_max.min(HEADERS_MAX)];
    let status = request.parse_with_uninit_headers(head, fields).map_err(|error| split_error(error, head))?;
    let (Some(method), Some(whole), Some(minor)) = (request.method, request.path, request.version) else {
        return Err(HttpError::BadRequestLine);
    };
    if !status.is_complete() {
        return Err(HttpError::BadRequestLine);
    }
    let version = if minor == 0 { Version::Http10 } else { Version::Http11 };
    let headers = request.headers.iter().map(|field| (field.name, field.value)).collect();
    let target = target::parse(whole)?;
    let mut head = RequestHead {
        method,
        target: target.origin,
        version,
        headers,
        body: BodyLength::None,
        keep_alive: false,
        expects_continue: false,
    };
    check_host(&head, target.authority)?;
    head.body = body_length(&head)?;
    head.keep_alive = keep_alive(&head);
    head.expects_continue = expects_continue(&head)?;
    Ok(head)
}

fn split_error(error: httparse::Error, head: &[u8]) -> HttpError {
    match error {
        httparse::Error::HeaderName => HttpError::BadHeaderName,
        httparse::Error::HeaderValue => HttpError::BadHeaderValue,
        // Lines were checked before: what `httparse` still finds wrong about one is in the request line.
        httparse::Error::NewLine | httparse::Error::Status | httparse::Error::Token => {
            HttpError::BadRequestLine
        }
        httparse::Error::TooManyHeaders => HttpError::TooManyHeaders,
        httparse::Error::Version if names_http(head) => HttpError::UnsupportedVersion,
        // A PROXY header, say, which is none of HTTP's.
        httparse::Error::Version => HttpError::BadRequestLine,
    }
}

/// Whether the request line ends with some version of HTTP.
fn names_http(head: &[u8]) -> bool {
    let line = head.split(|byte| *byte == b'\r').next().unwrap_or_default();
    let version = line.rsplit(|byte| *byte == b' ').next().unwrap_or_default();
    version.get(..5).is_some_and(|begin| begin.eq_ignore_ascii_case(b"HTTP/"))
}

fn check_host(head: &RequestHead<'_>, authority: Option<&str>) -> Result<(), HttpError> {
    let mut hosts = head.values("host");
    let host = match (hosts.next(), hosts.next()) {
        (Some(_), Some(_)) => return Err(HttpError::RepeatedHost),
        (Some(host), None) => host,
        (None, _) if head.version == Version::Http11 => return Err(HttpError::MissingHost),
        (None, _) => return Ok(()),
    };
    if !target::is_host(host) {
        return Err(HttpError::BadHost);
    }
    match authority {
        Some(named) if !named.as_bytes().eq_ignore_ascii_case(host) => Err(HttpError::HostMismatch),
        _ => Ok(()),
    }
}

/// RFC 9112 section 6.3, without its leniencies: every case in which two readers have been seen to differ
/// is an error.
fn body_length(head: &RequestHead<'_>) -> Result<BodyLength, HttpError> {
    let mut lengths = head.values("content-length");
    let mut encodings = head.values("transfer-encoding");
    let (length, encoding) = (lengths.next(), encodings.next());
    if lengths.next().is_some() {
        return Err(HttpError::RepeatedContentLength);
    }
    if encodings.next().is_some() {
        return Err(HttpError::RepeatedTransferEncoding);
    }
    match (length, encoding) {
        (None, None) => Ok(BodyLength::None),
        (Some(_), Some(_)) => Err(HttpError::ContentLengthWithTransferEncoding),
        (Some(length), None) => content_length(length),
        (None, Some(_)) if head.version == Version::Http10 => Err(HttpError::TransferEncodingInHttp10),
        (None, Some(value)) if value.eq_ignore_ascii_case(b"chunked") => Ok(BodyLength::Chunked),
        (None, Some(_)) => Err(HttpError::UnsupportedTransferEncoding),
    }
}

fn content_length(value: &[u8]) -> Result<BodyLength, HttpError> {
    if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
        return Err(HttpError::BadContentLength);
    }
    if value.len() > CONTENT_LENGTH_DIGITS_MAX {
        return Err(HttpError::BodyTooLarge);
    }
    let add = |sum: u64, digit: &u8| sum.checked_mul(10)?.checked_add(u64::from(digit - b'0'));
    match value.iter().try_fold(0, add) {
        None => Err(HttpError::BodyTooLarge),
        Some(0) => Ok(BodyLength::None),
        Some(length) => Ok(BodyLength::Exactly(length)),
    }
}

/// RFC 9112 section 9.3.
fn keep_alive(head: &RequestHead<'_>) -> bool {
    let closes = list_has(head.values("connection"), "close");
    let stays = head.version == Version::Http11 || list_has(head.values("connection"), "keep-alive");
    stays && !closes
}

/// RFC 9110 section 10.1.1. Without a body there is nothing to wait for, and HTTP/1.0 does not know it.
fn expects_continue(head: &RequestHead<'_>) -> Result<bool, HttpError> {
    if head.version == Version::Http10 {
        return Ok(false);
    }
    if head.values("expect").any(|value| !value.eq_ignore_ascii_case(b"100-continue")) {
        return Err(HttpError::UnsupportedExpectation);
    }
    Ok(head.header("expect").is_some() && head.body != BodyLength::None)
}

/// Whether `bytes` is a token (RFC 9110 section 5.6.2).
pub(crate) fn is_token(bytes: &[u8]) -> bool {
    let allowed = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    !bytes.is_empty() && bytes.iter().all(allowed)
}

/// Whether one of several comma-separated lists has `token`, without regard to case.
pub(crate) fn list_has<'a>(values: impl Iterator<Item = &'a [u8]>, token: &str) -> bool {
    values
        .flat_map(|value| value.split(|&byte| byte == b','))
        .any(|member| member.trim_ascii().eq_ignore_ascii_case(token.as_bytes()))
}
