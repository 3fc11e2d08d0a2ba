//! How connections begin to end, and what is still sent and told then.

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    thread,
    time::Duration,
};

use net::{Backend, CloseReason, SendError};

use crate::{
    common::{Seen, Shard, any_port, pattern},
    read_to_end, stream,
};

pub fn a_peer_that_closes_is_reported_after_its_bytes(backend: Backend) {
    let (mut shard, address) = Shard::listening(backend);
    let mut peer = stream(address);
    let sent = pattern(200_000, 6);
    let id = shard.accepted();
    let parts = sent.clone();
    let writer = thread::spawn(move || peer.write_all(&parts).expect("it is open"));
    assert_eq!(shard.closed(id), CloseReason::Peer);
    writer.join().expect("the writer is content");
    assert!(shard.bytes(id) == sent, "bytes were lost before the end");
    assert!(matches!(shard.seen.last(), Some(Seen::Closed(..))), "nothing comes after the end");
    assert_eq!(shard.reactor.send(id, b"late"), Err(SendError::Closed));
    shard.quiet();
}

pub fn a_peer_that_resets_is_reported(backend: Backend) {
    let (mut shard, address) = Shard::listening(backend);
    let peer = stream(address);
    let id = shard.accepted();
    socket2::SockRef::from(&peer).set_linger(Some(Duration::ZERO)).expect("a socket option");
    drop(peer);
    assert_eq!(shard.closed(id), CloseReason::Peer);
    shard.quiet();
}

/// Linux 6.18 wakes a multishot receive once for the bytes and the reset, and it takes only the bytes.
pub fn a_reset_right_behind_bytes_is_reported(backend: Backend) {
    let (mut shard, address) = Shard::listening(backend);
    let mut peers: Vec<_> = (0..30).map(|_| stream(address)).collect();
    let ids: Vec<_> = peers.iter().map(|_| shard.accepted()).collect();
    for peer in &mut peers {
        peer.write_all(&pattern(3_000, 1)).expect("it is open");
        socket2::SockRef::from(&*peer).set_linger(Some(Duration::ZERO)).expect("a socket option");
    }
    drop(peers);
    for id in ids {
        assert_eq!(shard.closed(id), CloseReason::Peer);
    }
    shard.quiet();
}

pub fn close_sends_what_is_queued_first(backend: Backend) {
    let (mut shard, address) = Shard::listening(backend);
    let mut peer = stream(address);
    let id = shard.accepted();
    // Bytes that nobody reads must not turn the end into a reset.
    peer.write_all(b"unread").expect("it is open");
    let sent = pattern(200_000, 7);
    shard.reactor.send(id, &sent).expect("it fits");
    shard.reactor.close(id);
    assert_eq!(shard.reactor.send(id, b"late"), Err(SendError::Closed));
    let reader = thread::spawn(move || read_to_end(peer));
    assert_eq!(shard.closed(id), CloseReason::Ours);
    assert!(reader.join().expect("the reader is content") == sent, "bytes were lost before the end");
    shard.quiet();
}

pub fn close_ends_although_the_peer_reads_nothing(backend: Backend) {
    let (mut shard, address) = Shard::listening(backend);
    let peer = stream(address);
    let id = shard.accepted();
    let part = pattern(64 * 1024, 8);
    let mut refused = 0;
    while refused < 20 {
        if shard.reactor.send(id, &part).is_err() {
            refused += 1;
            shard.turn(Duration::from_millis(2));
        }
    }
    shard.reactor.close(id);
    assert_eq!(shard.closed(id), CloseReason::Ours);
    shard.quiet();
    drop(peer);
}

pub fn abort_ends_at_once_and_says_why(backend: Backend) {
    let (mut shard, address) = Shard::listening(backend);
    let mut peer = stream(address);
    let id = shard.accepted();
    shard.reactor.send(id, &pattern(100_000, 9)).expect("it fits");
    shard.reactor.abort(id, CloseReason::SlowReader);
    assert_eq!(shard.reactor.send(id, b"late"), Err(SendError::Closed));
    assert_eq!(shard.closed(id), CloseReason::SlowReader);
    let mut rest = Vec::new();
    // An end or a reset: either tells the peer.
    if peer.read_to_end(&mut rest).is_ok() {
        assert!(rest.is_empty(), "what was queued was dropped");
    }
    shard.quiet();
}

pub fn a_stale_name_harms_nobody(backend: Backend) {
    let (mut shard, address) = Shard::listening(backend);
    drop(stream(address));
    let old = shard.accepted();
    shard.closed(old);
    shard.quiet();
    shard.seen.clear();
    let mut peer = stream(address);
    let new = shard.accepted();
    assert_eq!(new.slot, old.slot, "the slot is used again");
    assert_eq!(shard.reactor.send(old, b"stale"), Err(SendError::Closed));
    shard.reactor.close(old);
    shard.reactor.abort(old, CloseReason::SlowReader);
    shard.reactor.hand_over(old, 0, 1);
    assert_eq!(shard.reactor.peer(old), None);
    shard.reactor.send(new, b"fresh").expect("it is open");
    shard.turn(Duration::ZERO);
    let mut fresh = [0; 5];
    peer.read_exact(&mut fresh).expect("it comes");
    assert_eq!(&fresh, b"fresh");
    assert!(!shard.seen.iter().any(|seen| matches!(seen, Seen::Closed(..) | Seen::HandedOver(..))));
}

pub fn a_refused_connection_is_reported(backend: Backend) {
    let nobody = TcpListener::bind(any_port()).expect("a free port").local_addr().expect("it is bound");
    let mut shard = Shard::one(backend);
    let id = shard.reactor.connect(None, nobody).expect("a socket");
    shard.reactor.send(id, b"hello?").expect("bytes may wait for the connection");
    assert_eq!(shard.closed(id), CloseReason::Error(libc::ECONNREFUSED));
    assert!(!shard.seen.contains(&Seen::Connected(id)));
    shard.quiet();
}

pub fn a_listener_that_stopped_takes_no_more(backend: Backend) {
    let (mut shard, address) = Shard::listening(backend);
    let mut peer = stream(address);
    let id = shard.accepted();
    shard.reactor.stop_listening();
    for _ in 0..10 {
        shard.turn(Duration::from_millis(1));
    }
    assert!(TcpStream::connect(address).is_err(), "nobody listens any more");
    peer.write_all(b"still").expect("connections stay");
    assert_eq!(shard.receive(id, 5), b"still");
}
