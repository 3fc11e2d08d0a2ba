//! Whose a connection is, through proxies, over TLS and on the move between shards.

use std::net::{IpAddr, Ipv4Addr};

use rustls::version::TLS13;

use super::{tls::TlsPort, world::World};
use crate::{limits, proxies::Proxies};

const PROXY: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 5));
const STRANGER: IpAddr = IpAddr::V4(Ipv4Addr::new(198, 51, 100, 1));
const LINE: &[u8] = b"PROXY TCP4 203.0.113.9 10.0.0.5 4711 443\r\n";
const BINARY: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xcb\0\x71\x09\x0a\0\0\x05\x12\x67\x01\xbb";
const LOCAL: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0";

fn proxies(speak_first: bool) -> Proxies {
    Proxies { networks: ["10.0.0.0/8".parse().expect("a network")].into(), speak_first }
}

/// A visitor connects, and its connection moves wherever its conversation is; whose it is there.
fn client(peer: IpAddr, preface: &[u8], port: Option<TlsPort>, proxies: Proxies) -> Option<String> {
    let mut world = World::behind(proxies, port, 4);
    (world.peer, world.preface) = (Some(peer), preface.to_vec());
    let visitor = world.visitor(0, "u1", "");
    world.say(visitor, "m1", "hello");
    world.run();
    assert_eq!(world.acks(visitor).len(), 1);
    world.client_of(visitor).map(|address| address.to_string())
}

#[test]
fn a_proxy_that_speaks_first_says_whose_a_connection_is_also_before_tls() {
    for (preface, expected) in [(LINE, "203.0.113.9"), (BINARY, "203.0.113.9"), (LOCAL, "10.0.0.5")] {
        for piece in [1, 1000] {
            let port = Some(TlsPort::new(&TLS13, piece));
            assert_eq!(client(PROXY, preface, port, proxies(true)).as_deref(), Some(expected));
        }
        assert_eq!(client(PROXY, preface, None, proxies(true)).as_deref(), Some(expected));
    }
}

#[test]
fn without_a_header_it_is_the_peers() {
    assert_eq!(client(PROXY, b"", None, proxies(false)).as_deref(), Some("10.0.0.5"));
    assert_eq!(client(STRANGER, b"", None, proxies(true)).as_deref(), Some("198.51.100.1"));
    assert_eq!(client(PROXY, b"", None, Proxies::default()), None, "nobody asked");
}

/// Who asks for a page, as the pool hears it.
fn asks(peer: Option<IpAddr>, preface: &[u8], fields: &str, proxies: Proxies) -> Option<String> {
    let mut world = World::behind(proxies, None, 2);
    world.peer = peer;
    let visitor = world.open(0);
    world.send_as_is(visitor, preface.to_vec());
    world.send_as_is(visitor, format!("GET / HTTP/1.1\r\nHost: desk\r\n{fields}\r\n").into_bytes());
    world.run();
    assert_eq!(world.asked_by.len(), 1);
    world.asked_by[0].map(|address| address.to_string())
}

#[test]
fn a_request_is_whose_trusted_proxies_say_it_is() {
    let fields = "X-Forwarded-For: 192.0.2.66, 203.0.113.7\r\nx-forwarded-for: 10.0.0.4\r\n";
    let ask = |peer, preface, proxies| asks(Some(peer), preface, fields, proxies).expect("it was asked");
    assert_eq!(ask(PROXY, b"", proxies(false)), "203.0.113.7");
    assert_eq!(ask(STRANGER, b"", proxies(false)), "198.51.100.1");
    // The header names somebody who is not trusted, then another proxy of ours, then nobody.
    assert_eq!(ask(PROXY, LINE, proxies(true)), "203.0.113.9");
    assert_eq!(ask(PROXY, b"PROXY TCP4 10.0.0.6 10.0.0.5 1 2\r\n", proxies(true)), "203.0.113.7");
    assert_eq!(ask(PROXY, LOCAL, proxies(true)), "10.0.0.5");
    // The driver finds out by itself.
    assert_eq!(asks(Some(PROXY), b"", fields, Proxies::default()), None);
    assert_eq!(asks(None, b"", fields, proxies(true)), None, "who is not known is not trusted");
}

#[test]
fn a_header_that_does_not_come_is_not_waited_for_long() {
    let mut world = World::behind(proxies(true), None, 1);
    world.peer = Some(PROXY);
    let visitor = world.open(0);
    world.send_as_is(visitor, LINE[..20].to_vec());
    world.pass_ms(1_000);
    assert!(!world.clients[visitor].gone);
    world.pass_ms(limits::EDGE_MS + limits::SWEEP_MS);
    assert!(world.clients[visitor].gone);
}
