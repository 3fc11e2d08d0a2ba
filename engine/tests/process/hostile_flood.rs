//! Too many connections: what each limit refuses, that it is counted, and that honest visitors behind the same
//! address go on.

use std::{
    io::{ErrorKind, Read},
    net::{IpAddr, SocketAddr, TcpStream},
    time::Duration,
};

use serde_json::json;
use socket2::{Domain, Socket, Type};

use crate::{
    desk::{Client, Desk, connect},
    quiet::{Quiet, ended, metrics, refused, wait_for},
};

const BACKENDS: [&str; 3] = ["modern", "basic", "epoll"];
/// Limits hold for this machine's own addresses, too.
const EVERYBODY: (&str, &str) = ("RINGDESK_UNLIMITED_ADDRESSES", "none");
const ELSEWHERE: [u8; 4] = [127, 0, 0, 77];

/// Connects from another address than everybody else.
fn connect_from(from: [u8; 4], to: SocketAddr) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    socket.bind(&SocketAddr::new(IpAddr::from(from), 0).into()).expect("all of 127/8 is ours");
    socket.connect(&to.into()).expect("it listens");
    let stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a timeout is a timeout");
    stream
}

/// Whether the server ends the connection without a word.
fn is_refused(stream: &mut TcpStream) -> bool {
    match stream.read(&mut [0]) {
        Ok(count) => count == 0,
        Err(error) => error.kind() == ErrorKind::ConnectionReset,
    }
}

fn says_and_is_heard(visitor: &mut Client, id: &str) {
    visitor.say(id, "hello");
    assert_eq!(visitor.wait_for("ack")["id"], id);
}

#[test]
fn a_flood_of_connections_that_never_speak_keeps_nobody_of_the_same_address_out() {
    const STRANGERS_MAX: usize = 8;
    for backend in BACKENDS {
        let limit = STRANGERS_MAX.to_string();
        let desk = Desk::start_with(backend, 2, &[EVERYBODY, ("RINGDESK_ADDRESS_STRANGERS_MAX", &limit)]);
        let quiet = Quiet::of(&desk);
        let mut before = desk.visitor(json!({}));
        let flood: Vec<TcpStream> = (0..200).map(|_| connect(desk.address)).collect();
        let let_go = || ended(&desk, "made_room") + refused(&desk, "address_strangers");
        wait_for("who gave its place", (200 - STRANGERS_MAX) as f64, let_go);
        let strangers = metrics(&desk)["ringdesk_strangers"];
        assert!(strangers <= STRANGERS_MAX as f64, "{backend}: {strangers} strangers");
        let mut visitors: Vec<Client> = (0..20).map(|_| desk.visitor(json!({}))).collect();
        for visitor in visitors.iter_mut().chain([&mut before]) {
            says_and_is_heard(visitor, "m1");
        }
        drop((flood, visitors, before));
        quiet.check(&desk, backend);
    }
}

/// The settings, how many get in, and why the next does not.
#[test]
fn beyond_a_limit_the_next_is_refused_and_counted_and_another_address_is_not() {
    let cases = [
        ("address_connections", [("RINGDESK_ADDRESS_CONNECTIONS_MAX", "5"), EVERYBODY], 5),
        ("address_rate", [("RINGDESK_ADDRESS_NEW_PER_SECOND", "1"), EVERYBODY], 10),
    ];
    for backend in BACKENDS {
        for (reason, settings, room) in &cases {
            let desk = Desk::start_with(backend, 2, settings);
            let mut visitors: Vec<Client> = (0..*room).map(|_| desk.visitor(json!({}))).collect();
            // The rate gives back one a second meanwhile; twenty at once it does not.
            let mut more: Vec<TcpStream> = (0..20).map(|_| connect(desk.address)).collect();
            wait_for(reason, 1.0, || refused(&desk, reason));
            assert!(is_refused(more.last_mut().expect("twenty")), "{backend}: {reason}");
            let mut elsewhere = Client::upgrade(connect_from(ELSEWHERE, desk.address), "").hello(&json!({}));
            for visitor in visitors.iter_mut().chain([&mut elsewhere]) {
                says_and_is_heard(visitor, "m1");
            }
            desk.wait_for_log("--unlimited-addresses");
        }
    }
}

#[test]
fn the_limit_of_all_connections_holds_and_what_leaves_makes_room() {
    for backend in BACKENDS {
        let desk = Desk::start_with(backend, 2, &[("RINGDESK_CONNECTIONS_MAX", "16")]);
        let quiet = Quiet::of(&desk);
        let mut visitors: Vec<Client> = (0..16).map(|_| desk.visitor(json!({}))).collect();
        assert!(is_refused(&mut connect(desk.address)), "{backend}");
        wait_for("total", 1.0, || refused(&desk, "total"));
        for visitor in &mut visitors {
            says_and_is_heard(visitor, "m1");
        }
        drop(visitors);
        quiet.check(&desk, backend);
        says_and_is_heard(&mut desk.visitor(json!({})), "m1");
    }
}

/// A proxy on this machine has everybody behind it.
#[test]
fn this_machines_own_addresses_are_not_limited_unless_it_is_asked_for() {
    let limits = [
        ("RINGDESK_ADDRESS_CONNECTIONS_MAX", "2"),
        ("RINGDESK_ADDRESS_STRANGERS_MAX", "1"),
        ("RINGDESK_ADDRESS_NEW_PER_SECOND", "1"),
    ];
    let desk = Desk::start_with("epoll", 2, &limits);
    let mut visitors: Vec<Client> = (0..40).map(|_| desk.visitor(json!({}))).collect();
    visitors.iter_mut().for_each(|visitor| says_and_is_heard(visitor, "m1"));
}

/// Visitors whose conversations are on other shards than the one that took the connection: the place moves with it.
#[test]
fn a_place_is_given_back_once_wherever_its_connection_went() {
    for backend in BACKENDS {
        let desk = Desk::start_with(backend, 4, &[EVERYBODY, ("RINGDESK_ADDRESS_CONNECTIONS_MAX", "10")]);
        let quiet = Quiet::of(&desk);
        let tokens: Vec<String> =
            (0..10).map(|number| desk.visitor_token(&format!("u{number}"), "normal")).collect();
        for _ in 0..5 {
            let visitors: Vec<Client> =
                tokens.iter().map(|token| desk.visitor(json!({"token": token}))).collect();
            assert!(is_refused(&mut connect(desk.address)), "{backend}");
            drop(visitors);
            quiet.check(&desk, backend);
        }
    }
}
