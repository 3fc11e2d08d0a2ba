//! The opening handshake (RFC 6455 section 4), both sides. As a client we ask for no extension.

use sha1_smol::Sha1;

use super::{Deflate, base64, extensions};
use crate::Decoded;
use crate::http::{BodyLength, RequestHead, Version, list_has};

/// What RFC 6455 section 1.3 has both sides append to the key.
const KEY_SUFFIX: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// Largest response head that a client reads, in bytes.
pub const RESPONSE_HEAD_BYTES_MAX: usize = 16 * 1024;

/// Most fields of a response that a client reads.
const RESPONSE_HEADERS_MAX: usize = 64;

/// Why an upgrade is refused, or its answer is not one. All are the peer's fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HandshakeError {
    /// Not a `GET`.
    MethodNotGet,
    /// Not HTTP/1.1.
    VersionNotHttp11,
    /// `Upgrade` does not name `websocket`.
    UpgradeMissing,
    /// `Connection` does not name `upgrade`.
    ConnectionMissing,
    /// A WebSocket version other than 13.
    UnsupportedVersion,
    /// No `Sec-WebSocket-Key`, several, or not 16 bytes in base64.
    BadKey,
    /// An upgrade request with a body: where its frames begin would be open to argument.
    BodyForbidden,
    /// A `Sec-WebSocket-Extensions` that is no list of extensions.
    BadExtensions,
    /// A response that is not HTTP, or beyond its limit.
    BadResponse,
    /// A response with another status than 101.
    NotSwitched,
    /// A `Sec-WebSocket-Accept` that does not answer the key.
    BadAccept,
    /// A subprotocol or an extension that was not asked for.
    NotAskedFor,
}

impl HandshakeError {
    /// Every fault, for tests and documents.
    pub const ALL: [Self; 12] = [
        Self::MethodNotGet,
        Self::VersionNotHttp11,
        Self::UpgradeMissing,
        Self::ConnectionMissing,
        Self::UnsupportedVersion,
        Self::BadKey,
        Self::BodyForbidden,
        Self::BadExtensions,
        Self::BadResponse,
        Self::NotSwitched,
        Self::BadAccept,
        Self::NotAskedFor,
    ];

    /// 400, 405, or 426 with `Sec-WebSocket-Version: 13`; and 502 for a server's wrong answer, as a gateway
    /// would say. No wildcard arm: a new fault must choose its answer here.
    pub const fn status(self) -> u16 {
        match self {
            Self::VersionNotHttp11
            | Self::UpgradeMissing
            | Self::ConnectionMissing
            | Self::BadKey
            | Self::BodyForbidden
            | Self::BadExtensions => 400,
            Self::MethodNotGet => 405,
            Self::UnsupportedVersion => 426,
            Self::BadResponse | Self::NotSwitched | Self::BadAccept | Self::NotAskedFor => 502,
        }
    }

    /// What was wrong, in a sentence.
    pub const fn text(self) -> &'static str {
        match self {
            Self::MethodNotGet => "A WebSocket upgrade is a GET request.",
            Self::VersionNotHttp11 => "A WebSocket upgrade needs HTTP/1.1.",
            Self::UpgradeMissing => "The Upgrade field does not name websocket.",
            Self::ConnectionMissing => "The Connection field does not name Upgrade; is a proxy dropping it?",
            Self::UnsupportedVersion => "The only Sec-WebSocket-Version that this server knows is 13.",
            Self::BadKey => "Sec-WebSocket-Key is not exactly one value of 16 bytes in base64.",
            Self::BodyForbidden => "A WebSocket upgrade has no body.",
            Self::BadExtensions => "Sec-WebSocket-Extensions is not a list of extensions.",
            Self::BadResponse => "The server's answer is not an HTTP/1.1 response of acceptable size.",
            Self::NotSwitched => "The server did not answer 101 Switching Protocols.",
            Self::BadAccept => "The server's Sec-WebSocket-Accept does not answer the key.",
            Self::NotAskedFor => "The server chose a subprotocol or an extension that was not asked for.",
        }
    }
}

/// Whether the head asks for an upgrade to WebSocket at all (`Upgrade: websocket`).
pub fn wants_upgrade(head: &RequestHead<'_>) -> bool {
    list_has(head.values("upgrade"), "websocket")
}

/// Checks an upgrade request and appends the `101` response to `out`. `protocol` is answered as
/// subprotocol when the client offers it. No extension is granted.
pub fn accept_upgrade(
    head: &RequestHead<'_>,
    protocol: &str,
    out: &mut Vec<u8>,
) -> Result<(), HandshakeError> {
    accept_upgrade_with_deflate(head, protocol, false, out).map(drop)
}

/// The same, but if `allowed`, `permessage-deflate` is granted when the client offers it in a way that can be
/// accepted: it is then what the connection has agreed on.
pub fn accept_upgrade_with_deflate(
    head: &RequestHead<'_>,
    protocol: &str,
    allowed: bool,
    out: &mut Vec<u8>,
) -> Result<Option<Deflate>, HandshakeError> {
    let key = check_request(head)?;
    let deflate = match allowed {
        true => extensions::negotiate(head.values("sec-websocket-extensions"))?,
        false => None,
    };
    encode_acceptance(head, key, protocol, deflate, out);
    Ok(deflate)
}

fn encode_acceptance(
    head: &RequestHead<'_>,
    key: &[u8],
    protocol: &str,
    deflate: Option<Deflate>,
    out: &mut Vec<u8>,
) {
    out.extend_from_slice(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n");
    out.extend_from_slice(b"Connection: Upgrade\r\nSec-WebSocket-Accept: ");
    out.extend_from_slice(&accept_value(key));
    // Unlike other tokens of HTTP, subprotocols are compared by case (RFC 6455 section 4.1).
    let mut offers =
        head.values("sec-websocket-protocol").flat_map(|value| value.split(|&byte| byte == b','));
    if offers.any(|offer| offer.trim_ascii() == protocol.as_bytes()) {
        out.extend_from_slice(b"\r\nSec-WebSocket-Protocol: ");
        out.extend_from_slice(protocol.as_bytes());
    }
    if let Some(deflate) = deflate {
        out.extend_from_slice(b"\r\nSec-WebSocket-Extensions: ");
        deflate.encode_answer(out);
    }
    out.extend_from_slice(b"\r\n\r\n");
}

/// RFC 6455 section 4.2.1. The key, as sent.
fn check_request<'a>(head: &RequestHead<'a>) -> Result<&'a [u8], HandshakeError> {
    if head.method != "GET" {
        return Err(HandshakeError::MethodNotGet);
    }
    if head.version != Version::Http11 {
        return Err(HandshakeError::VersionNotHttp11);
    }
    if !wants_upgrade(head) {
        return Err(HandshakeError::UpgradeMissing);
    }
    if !list_has(head.values("connection"), "upgrade") {
        return Err(HandshakeError::ConnectionMissing);
    }
    let mut versions = head.values("sec-websocket-version");
    if versions.next() != Some(b"13".as_slice()) || versions.next().is_some() {
        return Err(HandshakeError::UnsupportedVersion);
    }
    if head.body != BodyLength::None {
        return Err(HandshakeError::BodyForbidden);
    }
    let mut keys = head.values("sec-websocket-key");
    match (keys.next(), keys.next()) {
        (Some(key), None) if base64::is_16_bytes(key) => Ok(key),
        _ => Err(HandshakeError::BadKey),
    }
}

/// What answers a key: base64 of the SHA-1 of it and the suffix.
fn accept_value(key: &[u8]) -> [u8; base64::SHA1_CHARS] {
    let mut hash = Sha1::new();
    hash.update(key);
    hash.update(KEY_SUFFIX);
    base64::encode(&hash.digest().bytes())
}

/// Appends a client's upgrade request. The caller vouches for `host`, `target` and `protocol`: they are
/// configuration, and are asserted to be free of white space.
pub fn request_upgrade(host: &str, target: &str, key: [u8; 16], protocol: Option<&str>, out: &mut Vec<u8>) {
    for part in [host, target, protocol.unwrap_or("none")] {
        assert!(part.bytes().all(|byte| byte.is_ascii_graphic()), "{part:?} would break the request");
    }
    let key: [u8; base64::KEY_CHARS] = base64::encode(&key);
    for part in [b"GET ".as_slice(), target.as_bytes(), b" HTTP/1.1\r\nHost: ", host.as_bytes()] {
        out.extend_from_slice(part);
    }
    out.extend_from_slice(b"\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13");
    out.extend_from_slice(b"\r\nSec-WebSocket-Key: ");
    out.extend_from_slice(&key);
    if let Some(protocol) = protocol {
        out.extend_from_slice(b"\r\nSec-WebSocket-Protocol: ");
        out.extend_from_slice(protocol.as_bytes());
    }
    out.extend_from_slice(b"\r\n\r\n");
}

/// Reads the server's answer to [`request_upgrade`], given the same key and protocol: bytes used, once it is
/// whole and right.
pub fn read_upgrade_response(
    raw: &[u8],
    key: [u8; 16],
    protocol: Option<&str>,
) -> Result<Decoded<()>, HandshakeError> {
    let mut fields = [httparse::EMPTY_HEADER; RESPONSE_HEADERS_MAX];
    let mut response = httparse::Response::new(&mut fields);
    let within = &raw[..raw.len().min(RESPONSE_HEAD_BYTES_MAX)];
    match response.parse(within).map_err(|_| HandshakeError::BadResponse)? {
        httparse::Status::Partial if raw.len() >= RESPONSE_HEAD_BYTES_MAX => Err(HandshakeError::BadResponse),
        httparse::Status::Partial => Ok(Decoded::NeedMore),
        httparse::Status::Complete(used) => {
            check_response(&response, key, protocol)?;
            Ok(Decoded::Complete { value: (), used })
        }
    }
}

/// RFC 6455 section 4.1, what a client must check.
fn check_response(
    response: &httparse::Response<'_, '_>,
    key: [u8; 16],
    protocol: Option<&str>,
) -> Result<(), HandshakeError> {
    let values = |name: &'static str| {
        let fields = response.headers.iter().filter(move |field| field.name.eq_ignore_ascii_case(name));
        fields.map(|field| field.value)
    };
    if response.version != Some(1) {
        return Err(HandshakeError::BadResponse);
    }
    if response.code != Some(101) {
        return Err(HandshakeError::NotSwitched);
    }
    if !list_has(values("upgrade"), "websocket") {
        return Err(HandshakeError::UpgradeMissing);
    }
    if !list_has(values("connection"), "upgrade") {
        return Err(HandshakeError::ConnectionMissing);
    }
    let key: [u8; base64::KEY_CHARS] = base64::encode(&key);
    let accept = accept_value(&key);
    let mut accepts = values("sec-websocket-accept");
    if accepts.next() != Some(accept.as_slice()) || accepts.next().is_some() {
        return Err(HandshakeError::BadAccept);
    }
    let chosen = values("sec-websocket-protocol").any(|value| protocol.map(str::as_bytes) != Some(value));
    if chosen || values("sec-websocket-extensions").next().is_some() {
        return Err(HandshakeError::NotAskedFor);
    }
    Ok(())
}
