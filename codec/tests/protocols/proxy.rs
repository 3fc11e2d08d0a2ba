//! The PROXY protocol against a table of headers, at every split, and against headers written here.

use std::net::{IpAddr, SocketAddr};

use codec::{
    Decoded,
    proxy::{ProxyError, ProxySource, V1_BYTES_MAX, V2_BYTES_MAX, decode},
};
use proptest::prelude::*;

use super::table::{table, unescape};

/// What a header means, in the words of the table.
fn understand(raw: &[u8]) -> String {
    match decode(raw) {
        Err(error) => format!("{error:?}"),
        Ok(Decoded::NeedMore) => "NeedMore".to_owned(),
        Ok(Decoded::Complete { value, used }) => {
            let source = match value {
                ProxySource::Peer => "peer".to_owned(),
                ProxySource::Client(address) => address.to_string(),
            };
            let left = raw[used..].escape_ascii();
            if used == raw.len() { source } else { format!("{source} + \"{left}\"") }
        }
    }
}

#[test]
fn headers_are_taken_and_refused_as_the_table_says() {
    for case in table(include_str!("../vectors/proxy/headers.txt")) {
        let [expected, _] = case.columns();
        let (_, bytes) = case.line.split_once("  ").expect("two columns");
        let bytes = unescape(bytes);
        assert_eq!(understand(&bytes), expected, "{case}");
        check_beginnings(&bytes);
    }
}

/// A beginning is nothing yet, or what the whole is.
fn check_beginnings(bytes: &[u8]) {
    let whole = decode(bytes);
    for end in 0..bytes.len() {
        let early = decode(&bytes[..end]);
        assert!(early == Ok(Decoded::NeedMore) || early == whole, "{} cut at {end}", bytes.escape_ascii());
        if let Ok(Decoded::Complete { used, .. }) = early {
            assert!(used <= end);
        }
    }
}

#[test]
fn a_header_beyond_its_limit_is_refused_before_it_ends() {
    let line = [b"PROXY UNKNOWN ".as_slice(), &[b'x'; 200]].concat();
    assert_eq!(decode(&line[..V1_BYTES_MAX - 1]), Ok(Decoded::NeedMore));
    assert_eq!(decode(&line[..V1_BYTES_MAX]), Err(ProxyError::LineTooLong));
    let head = |length: u16| {
        let mut head = b"\r\n\r\n\0\r\nQUIT\n\x21\x11".to_vec();
        head.extend_from_slice(&length.to_be_bytes());
        head
    };
    assert_eq!(decode(&head(V2_BYTES_MAX as u16 - 16)), Ok(Decoded::NeedMore));
    assert_eq!(decode(&head(V2_BYTES_MAX as u16 - 15)), Err(ProxyError::HeaderTooLong));
}

#[test]
fn every_fault_is_the_peers_and_is_in_its_table() {
    let page = include_str!("../../../docs/protocol/proxy.md");
    for error in ProxyError::ALL {
        let row = format!("| 400 | {} |", error.text());
        assert!(page.contains(&row), "missing: {row}");
    }
}

/// A header of version 1 as HAProxy writes it.
fn line(source: SocketAddr, destination: SocketAddr) -> Vec<u8> {
    let family = if source.is_ipv4() { "TCP4" } else { "TCP6" };
    let (from, to) = (source.ip(), destination.ip());
    format!("PROXY {family} {from} {to} {} {}\r\n", source.port(), destination.port()).into_bytes()
}

/// A header of version 2 with something behind the addresses.
fn binary(source: SocketAddr, destination: SocketAddr, more: &[u8]) -> Vec<u8> {
    let mut addresses = Vec::new();
    for address in [source, destination] {
        match address.ip() {
            IpAddr::V4(address) => addresses.extend_from_slice(&address.octets()),
            IpAddr::V6(address) => addresses.extend_from_slice(&address.octets()),
        }
    }
    addresses.extend_from_slice(&source.port().to_be_bytes());
    addresses.extend_from_slice(&destination.port().to_be_bytes());
    let mut header = b"\r\n\r\n\0\r\nQUIT\n\x21".to_vec();
    header.push(if source.is_ipv4() { 0x11 } else { 0x21 });
    header.extend_from_slice(&((addresses.len() + more.len()) as u16).to_be_bytes());
    header.extend_from_slice(&addresses);
    header.extend_from_slice(more);
    header
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn a_header_that_was_written_is_read_back_at_every_split(
        source in any::<(u128, u16)>(),
        destination in any::<(u128, u16)>(),
        is_v4 in any::<bool>(),
        more in proptest::collection::vec(any::<u8>(), 0..300),
        behind in proptest::collection::vec(any::<u8>(), 0..50),
    ) {
        let address = |(bits, port): (u128, u16)| {
            let ip = if is_v4 { IpAddr::from((bits as u32).to_be_bytes()) } else { IpAddr::from(bits.to_be_bytes()) };
            SocketAddr::new(ip, port)
        };
        let (source, destination) = (address(source), address(destination));
        for header in [line(source, destination), binary(source, destination, &more)] {
            let used = header.len();
            let bytes = [header, behind.clone()].concat();
            prop_assert_eq!(decode(&bytes), Ok(Decoded::Complete { value: ProxySource::Client(source), used }));
            check_beginnings(&bytes);
            prop_assert_eq!(decode(&bytes[..used - 1]), Ok(Decoded::NeedMore));
        }
    }
}
