//! Bytes that go to and fro: how much, how fast, and whose.

use std::{
    io::{Read, Write},
    net::{IpAddr, Ipv4Addr},
    thread,
    time::Duration,
};

use net::{Backend, CloseReason, ConnectionId, Limits, SendError};

use crate::{
    common::{Seen, Shard, any_port, limits, pattern, ports},
    stream,
};

pub fn what_a_peer_sends_can_be_sent_back(backend: Backend) {
    let (mut shard, address) = Shard::listening(backend);
    let mut peer = stream(address);
    let id = shard.accepted();
    for round in 0..50 {
        let sent = pattern(1 + round * 37, round as u64);
        peer.write_all(&sent).expect("it is open");
        let bytes = shard.receive(id, sent.len());
        shard.reactor.send(id, &bytes).expect("it is open");
        shard.turn(Duration::ZERO);
        let mut back = vec![0; sent.len()];
        peer.read_exact(&mut back).expect("it comes back");
        assert_eq!(back, sent);
    }
    let stats = shard.reactor.stats();
    assert_eq!(stats.received_bytes, stats.sent_bytes);
    drop(peer);
    assert_eq!(shard.closed(id), CloseReason::Peer);
    shard.quiet();
}

pub fn both_ends_of_a_connection_can_be_ours(backend: Backend) {
    let (mut shard, address) = Shard::listening(backend);
    let ours = shard.reactor.connect(None, address).expect("a socket");
    shard.connected(ours);
    let theirs = shard.accepted();
    shard.reactor.send(ours, b"ping").expect("it is open");
    assert_eq!(shard.receive(theirs, 4), b"ping");
    shard.reactor.send(theirs, b"pong").expect("it is open");
    assert_eq!(shard.receive(ours, 4), b"pong");
    shard.reactor.close(ours);
    assert_eq!(shard.closed(theirs), CloseReason::Peer);
    assert_eq!(shard.closed(ours), CloseReason::Ours);
    shard.quiet();
}

pub fn a_local_address_can_be_chosen(backend: Backend) {
    let (mut shard, address) = Shard::listening(backend);
    let from = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 9));
    let ours = shard.reactor.connect(Some(from), address).expect("a socket");
    shard.connected(ours);
    let theirs = shard.accepted();
    if let Some(peer) = shard.reactor.peer(theirs) {
        assert_eq!(peer.ip(), from);
    }
}

pub fn the_peers_address_is_known(backend: Backend) {
    let (mut shard, address) = Shard::listening(backend);
    let mut peer = stream(address);
    let id = shard.accepted();
    peer.write_all(b"meanwhile").expect("it is open");
    let local = peer.local_addr().expect("it is bound");
    // A kernel that cannot say is allowed; a wrong answer is not.
    if let Some(address) = shard.reactor.peer(id) {
        assert_eq!(address, local);
    }
    assert_eq!(shard.receive(id, 9), b"meanwhile", "asking loses no bytes");
    assert_eq!(shard.reactor.peer(ConnectionId { slot: 99, generation: 0 }), None);
}

pub fn each_connection_of_a_storm_comes_with_its_own_address(backend: Backend) {
    const COUNT: usize = 300;
    let (mut shard, address) = Shard::listening(backend);
    let mut peers: Vec<_> = (0..COUNT).map(|_| stream(address)).collect();
    for (number, peer) in peers.iter_mut().enumerate() {
        peer.write_all(&(number as u64).to_le_bytes()).expect("it is open");
    }
    for _ in 0..COUNT {
        let id = shard.accepted();
        let number = u64::from_le_bytes(shard.receive(id, 8).try_into().expect("eight bytes"));
        let local = peers[number as usize].local_addr().expect("it is bound");
        assert_eq!(shard.peers[&id], Some(local), "connection {number}");
    }
    drop(peers);
    shard.quiet();
}

pub fn a_large_transfer_survives_a_slow_reader(backend: Backend) {
    let (mut shard, address) = Shard::listening(backend);
    let mut peer = stream(address);
    let id = shard.accepted();
    let sent = pattern(8 * 1024 * 1024, 1);
    let expected = sent.clone();
    let reader = thread::spawn(move || {
        let mut got = vec![0; expected.len()];
        for part in got.chunks_mut(64 * 1024) {
            peer.read_exact(part).expect("it comes");
            thread::sleep(Duration::from_micros(500));
        }
        assert!(got == expected, "bytes changed on the way");
    });
    shard.send_all(id, &sent);
    assert_eq!(shard.closed(id), CloseReason::Peer);
    reader.join().expect("the reader is content");
    shard.quiet();
}

pub fn large_transfers_run_both_ways_at_once(backend: Backend) {
    let (mut shard, address) = Shard::listening(backend);
    let peer = stream(address);
    let id = shard.accepted();
    let (up, down) = (pattern(4 * 1024 * 1024, 2), pattern(4 * 1024 * 1024, 3));
    let mut writer = peer.try_clone().expect("a descriptor");
    let sent = up.clone();
    let writer = thread::spawn(move || writer.write_all(&sent).expect("it is open"));
    let mut reader = peer;
    let expected = down.clone();
    let reader = thread::spawn(move || {
        let mut got = vec![0; expected.len()];
        reader.read_exact(&mut got).expect("it comes");
        assert!(got == expected, "bytes changed on the way");
    });
    shard.send_all(id, &down);
    // The peer ends when both of its threads have.
    assert_eq!(shard.closed(id), CloseReason::Peer);
    reader.join().expect("the reader is content");
    writer.join().expect("the writer is content");
    assert!(shard.bytes(id) == up, "bytes changed on the way");
    shard.quiet();
}

pub fn many_small_writes_arrive_in_order(backend: Backend) {
    let (mut shard, address) = Shard::listening(backend);
    let mut peer = stream(address);
    let id = shard.accepted();
    let sent = pattern(60_000, 4);
    let parts = sent.clone();
    let writer = thread::spawn(move || {
        let mut rest = &parts[..];
        let mut len = 1;
        while !rest.is_empty() {
            let (part, left) = rest.split_at(len.min(rest.len()));
            peer.write_all(part).expect("it is open");
            rest = left;
            len = len % 61 + 1;
        }
        peer
    });
    assert!(shard.receive(id, sent.len()) == sent, "bytes changed on the way");
    let mut peer = writer.join().expect("the writer is content");
    for (index, part) in sent.chunks(7).enumerate() {
        shard.reactor.send(id, part).expect("it fits");
        if index % 13 == 0 {
            shard.turn(Duration::ZERO);
        }
    }
    shard.turn(Duration::ZERO);
    shard.reactor.close(id);
    let reader = thread::spawn(move || {
        let mut got = Vec::new();
        peer.read_to_end(&mut got).expect("it ends in order");
        got
    });
    shard.closed(id);
    assert!(reader.join().expect("the reader is content") == sent, "bytes changed on the way");
}

pub fn a_full_outbox_refuses_and_says_when_it_drained(backend: Backend) {
    let (mut shard, address) = Shard::listening(backend);
    let mut peer = stream(address);
    let id = shard.accepted();
    let part = pattern(16 * 1024, 5);
    let mut sent = 0;
    // The kernel takes some megabytes before it says no.
    loop {
        match shard.reactor.send(id, &part) {
            Ok(()) => sent += part.len(),
            Err(SendError::Full) => {
                let before = shard.reactor.stats().sent_bytes;
                for _ in 0..5 {
                    shard.turn(Duration::from_millis(5));
                }
                if shard.reactor.stats().sent_bytes == before {
                    break;
                }
            }
            Err(SendError::Closed) => panic!("it is open"),
        }
    }
    assert_eq!(shard.reactor.send(id, &part), Err(SendError::Full));
    shard.seen.clear();
    let reader = thread::spawn(move || {
        let mut got = vec![0; sent];
        peer.read_exact(&mut got).expect("it comes");
        (peer, got)
    });
    shard.until("the outbox to drain", |seen| seen.contains(&Seen::Drained(id)).then_some(()));
    shard.reactor.send(id, b"again").expect("there is room again");
    shard.turn(Duration::ZERO);
    let (mut peer, got) = reader.join().expect("the reader is content");
    assert!(got.chunks(part.len()).all(|chunk| chunk == part), "bytes changed on the way");
    let mut again = [0; 5];
    peer.read_exact(&mut again).expect("it comes");
    assert_eq!(&again, b"again");
    let drained = shard.seen.iter().filter(|seen| **seen == Seen::Drained(id)).count();
    assert_eq!(drained, 1, "five bytes are not half of the limit");
}

pub fn who_is_hurried_is_sent_to_in_the_next_turn_and_everybody_in_the_end(backend: Backend) {
    const COUNT: usize = 100;
    const HURRIED: usize = COUNT - 1;
    let mut shard = Shard::open(ports(backend, 1, limits()).remove(0));
    let address = shard.reactor.listen(any_port()).expect("a free port");
    let mut peers: Vec<_> = (0..COUNT)
        .map(|_| {
            let peer = stream(address);
            (shard.accepted(), peer)
        })
        .collect();
    for (index, (id, _)) in peers.iter().enumerate() {
        let sent = match index % 2 {
            0 => shard.reactor.send(*id, b"message"),
            _ => shard.reactor.send_later(*id, b"message"),
        };
        sent.expect("it is open");
    }
    shard.reactor.hurry(peers[HURRIED].0);
    shard.turn(Duration::ZERO);
    let mut heard = |index: usize| {
        peers[index].1.set_nonblocking(true).expect("it is a socket");
        peers[index].1.read(&mut [0; 16]).ok()
    };
    assert_eq!(heard(HURRIED), Some(7));
    assert_eq!(heard(HURRIED - 1), None, "a turn sends to a share");
    for _ in 0..COUNT {
        shard.turn(Duration::ZERO);
    }
    assert!((0..HURRIED).all(|index| heard(index) == Some(7)));
    drop(peers);
    shard.quiet();
}

pub fn more_readable_bytes_than_buffers_lose_none(backend: Backend) {
    const PEERS: usize = 40;
    let few = Limits { receive_buffers: 8, receive_buffer_bytes: 256, ..limits() };
    let mut shard = Shard::with(backend, few);
    let address = shard.reactor.listen(any_port()).expect("a free port");
    let peers: Vec<_> = (0..PEERS).map(|_| stream(address)).collect();
    let ids: Vec<_> = peers.iter().map(|_| shard.accepted()).collect();
    // All of it waits in the sockets before the shard looks.
    for (index, mut peer) in peers.into_iter().enumerate() {
        peer.write_all(&index.to_le_bytes()).expect("it is open");
        peer.write_all(&pattern(20_000, index as u64)).expect("it is open");
    }
    for id in &ids {
        assert_eq!(shard.closed(*id), CloseReason::Peer);
    }
    let mut seen = 0;
    for id in ids {
        let bytes = shard.bytes(id);
        let (index, rest) = bytes.split_at(8);
        let index = u64::from_le_bytes(index.try_into().expect("eight bytes"));
        assert!(rest == pattern(20_000, index), "bytes changed on the way");
        seen += index;
    }
    assert_eq!(seen, (0..PEERS as u64).sum());
    if backend == Backend::Modern {
        assert!(shard.reactor.stats().buffers_exhausted > 0, "eight buffers must have run out");
    }
    shard.quiet();
}
