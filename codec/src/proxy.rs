//! The PROXY protocol, versions 1 and 2: what a proxy writes before the bytes of its client, so that we know who that
//! is. A server's side, reading only. <https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt>,
//! `docs/protocol/proxy.md`.
//!
//! Whom to believe is not known here: anybody can write such a header.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use crate::protocol::{Answer, Culprit, Decoded, ProtocolError};

/// The longest header of version 1, its line end included (section 2.1).
pub const V1_BYTES_MAX: usize = 107;
/// The longest header of version 2 that is taken: 16 bytes, addresses, and what else a proxy may say of a connection.
/// The protocol would allow 65,551; those in use have less than 1,000.
pub const V2_BYTES_MAX: usize = 4 * 1024;

/// Both versions begin so; neither is a beginning of HTTP or TLS.
const V1_BEGIN: &[u8] = b"PROXY ";
const V2_BEGIN: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
/// The signature, version and command, family and transport, and the length of the rest.
const V2_HEAD_BYTES: usize = 16;

/// Who is at the other end of the proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProxySource {
    /// The proxy speaks for itself, as in its health checks, or does not know: the peer of the connection is who
    /// speaks.
    Peer,
    /// The client that the proxy took the connection from.
    Client(SocketAddr),
}

/// Why the bytes are no header. All are the fault of the peer, or of whoever configured it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProxyError {
    /// They begin in another way than either version.
    Missing,
    /// A line that has not ended after [`V1_BYTES_MAX`].
    LineTooLong,
    /// A line that is not `PROXY TCP4|TCP6 source destination port port`, with single spaces.
    BadLine,
    /// A version other than 1 and 2.
    UnknownVersion,
    /// A command other than LOCAL and PROXY.
    UnknownCommand,
    /// An address family or transport that the protocol does not have.
    UnknownFamily,
    /// Addresses of a transport without connections.
    NotAStream,
    /// More than [`V2_BYTES_MAX`].
    HeaderTooLong,
    /// Less than the addresses that it says it has.
    AddressesCut,
}

impl ProxyError {
    /// Every fault, for tests and documents.
    pub const ALL: [Self; 9] = [
        Self::Missing,
        Self::LineTooLong,
        Self::BadLine,
        Self::UnknownVersion,
        Self::UnknownCommand,
        Self::UnknownFamily,
        Self::NotAStream,
        Self::HeaderTooLong,
        Self::AddressesCut,
    ];

    /// What the peer is told.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Missing => "A PROXY protocol header is expected from this address and is not there.",
            Self::LineTooLong => "The PROXY protocol line does not end within 107 bytes.",
            Self::BadLine => {
                "The PROXY protocol line is not PROXY, TCP4 or TCP6, two addresses and two ports."
            }
            Self::UnknownVersion => "The PROXY protocol's version is not 1 or 2.",
            Self::UnknownCommand => "The PROXY protocol's command is not LOCAL or PROXY.",
            Self::UnknownFamily => "The PROXY protocol's address family is not one that it has.",
            Self::NotAStream => "The PROXY protocol's header is not of a TCP connection.",
            Self::HeaderTooLong => "The PROXY protocol header is larger than this server takes.",
            Self::AddressesCut => "The PROXY protocol header is too short for its addresses.",
        }
    }
}

impl fmt::Display for ProxyError {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str(self.text())
    }
}

impl std::error::Error for ProxyError {}

impl ProtocolError for ProxyError {
    fn culprit(&self) -> Culprit {
        Culprit::Peer
    }
    fn answer(&self) -> Answer {
        Answer { number: 400, text: self.text().into() }
    }
}

/// Reads a header from the beginning of `raw`. A beginning of one is [`Decoded::NeedMore`], or already the fault that
/// the whole has.
pub fn decode(raw: &[u8]) -> Result<Decoded<ProxySource>, ProxyError> {
    if begins(raw, V1_BEGIN) {
        decode_line(raw)
    } else if begins(raw, V2_BEGIN) {
        decode_binary(raw)
    } else {
        Err(ProxyError::Missing)
    }
}

/// Whether `raw` begins with `begin`, as far as it goes.
fn begins(raw: &[u8], begin: &[u8]) -> bool {
    let length = raw.len().min(begin.len());
    raw[..length] == begin[..length]
}

/// Version 1, section 2.1.
fn decode_line(raw: &[u8]) -> Result<Decoded<ProxySource>, ProxyError> {
    let within = &raw[..raw.len().min(V1_BYTES_MAX)];
    let Some(end) = memchr::memchr(b'\n', within) else {
        return if raw.len() < V1_BYTES_MAX { Ok(Decoded::NeedMore) } else { Err(ProxyError::LineTooLong) };
    };
    let line = within[..end].strip_suffix(b"\r").ok_or(ProxyError::BadLine)?;
    let words = line.strip_prefix(V1_BEGIN).ok_or(ProxyError::BadLine)?;
    let words = std::str::from_utf8(words).map_err(|_| ProxyError::BadLine)?;
    Ok(Decoded::Complete { value: source_of(words)?, used: end + 1 })
}

/// What stands behind `PROXY `.
fn source_of(words: &str) -> Result<ProxySource, ProxyError> {
    let (family, rest) = words.split_once(' ').unwrap_or((words, ""));
    match family {
        // What else it says is not looked at.
        "UNKNOWN" => Ok(ProxySource::Peer),
        "TCP4" => client::<Ipv4Addr>(rest),
        "TCP6" => client::<Ipv6Addr>(rest),
        _ => Err(ProxyError::BadLine),
    }
}

/// `source destination port port`; all four must be right, though only the source counts.
fn client<A: FromStr + Into<IpAddr>>(words: &str) -> Result<ProxySource, ProxyError> {
    let mut words = words.split(' ');
    let mut next = || words.next().ok_or(ProxyError::BadLine);
    let address = |word: &str| word.parse::<A>().map_err(|_| ProxyError::BadLine);
    let (source, _destination) = (address(next()?)?, address(next()?)?);
    let (port, _) = (port(next()?)?, port(next()?)?);
    if words.next().is_some() {
        return Err(ProxyError::BadLine);
    }
    Ok(ProxySource::Client(SocketAddr::new(source.into(), port)))
}

/// Decimal digits without zeros before them.
fn port(word: &str) -> Result<u16, ProxyError> {
    let is_plain =
        word.bytes().all(|digit| digit.is_ascii_digit()) && (word == "0" || !word.starts_with('0'));
    word.parse().ok().filter(|_| is_plain).ok_or(ProxyError::BadLine)
}

/// Version 2, section 2.2.
fn decode_binary(raw: &[u8]) -> Result<Decoded<ProxySource>, ProxyError> {
    let is_local = match raw.get(V2_BEGIN.len()) {
        None => return Ok(Decoded::NeedMore),
        Some(0x20) => true,
        Some(0x21) => false,
        Some(0x22..=0x2f) => return Err(ProxyError::UnknownCommand),
        Some(_) => return Err(ProxyError::UnknownVersion),
    };
    let Some(&family) = raw.get(V2_BEGIN.len() + 1) else { return Ok(Decoded::NeedMore) };
    let address_bytes = address_bytes(family, is_local)?;
    let &[high, low] = match raw.get(V2_HEAD_BYTES - 2..V2_HEAD_BYTES) {
        Some(length) => <&[u8; 2]>::try_from(length).expect("two bytes"),
        None => return Ok(Decoded::NeedMore),
    };
    let length = usize::from(u16::from_be_bytes([high, low]));
    if V2_HEAD_BYTES + length > V2_BYTES_MAX {
        return Err(ProxyError::HeaderTooLong);
    }
    if length < address_bytes {
        return Err(ProxyError::AddressesCut);
    }
    let used = V2_HEAD_BYTES + length;
    let Some(rest) = raw.get(V2_HEAD_BYTES..used) else { return Ok(Decoded::NeedMore) };
    Ok(Decoded::Complete { value: source_in(rest, family, address_bytes), used })
}

/// How long source and destination are together; 0: the peer of the connection is who speaks.
fn address_bytes(family: u8, is_local: bool) -> Result<usize, ProxyError> {
    match family {
        // Whatever the proxy says for itself is to be skipped.
        _ if is_local => Ok(0),
        // Unspecified, or Unix sockets.
        0x00 | 0x31 => Ok(0),
        0x11 => Ok(2 * (4 + 2)),
        0x21 => Ok(2 * (16 + 2)),
        0x12 | 0x22 | 0x32 => Err(ProxyError::NotAStream),
        _ => Err(ProxyError::UnknownFamily),
    }
}

/// Both addresses, then both ports; behind them is what else the proxy says, which we have no use for.
fn source_in(rest: &[u8], family: u8, address_bytes: usize) -> ProxySource {
    let address: IpAddr = match family {
        _ if address_bytes == 0 => return ProxySource::Peer,
        0x11 => <[u8; 4]>::try_from(&rest[..4]).expect("its length was looked at").into(),
        _ => <[u8; 16]>::try_from(&rest[..16]).expect("its length was looked at").into(),
    };
    let port_at = address_bytes - 4;
    ProxySource::Client(SocketAddr::new(address, u16::from_be_bytes([rest[port_at], rest[port_at + 1]])))
}
