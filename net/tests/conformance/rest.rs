//! Connections at which nothing happens for long.

use std::{
    io::{Read, Write},
    thread,
    time::Duration,
};

use net::{Backend, CloseReason};

use crate::{
    common::{Seen, Shard, any_port, limits, pattern, ports},
    stream,
};

/// Turns until all these connections rest, where the backend knows rest; else for a moment.
fn let_rest(shard: &mut Shard, count: u64) {
    if shard.reactor.backend() != Backend::Modern {
        shard.turn(Duration::from_millis(20));
        return;
    }
    let start = std::time::Instant::now();
    while shard.reactor.stats().resting < count {
        assert!(start.elapsed() < Duration::from_secs(20), "resting: {}", shard.reactor.stats().resting);
        shard.turn(Duration::from_millis(20));
    }
}

pub fn bytes_at_the_moment_of_rest_are_not_lost(backend: Backend) {
    const PEERS: usize = 120;
    let (mut shard, address) = Shard::listening(backend);
    let mut peers: Vec<_> = (0..PEERS).map(|_| stream(address)).collect();
    let ids: Vec<_> = peers.iter().map(|_| shard.accepted()).collect();
    let start = std::time::Instant::now();
    // One after the other, from before the first goes to rest until after the last has.
    let writer = thread::spawn(move || {
        for (index, peer) in peers.iter_mut().enumerate() {
            let at = Duration::from_micros(900_000 + index as u64 * 2_500);
            thread::sleep(at.saturating_sub(start.elapsed()));
            peer.write_all(&pattern(500, index as u64)).expect("it is open");
        }
        peers
    });
    let mut seen: Vec<Vec<u8>> = ids.iter().map(|id| shard.receive(*id, 500)).collect();
    let mut peers = writer.join().expect("the writer is content");
    let_rest(&mut shard, PEERS as u64);
    // From rest they wake, talk, and rest again.
    for (index, peer) in peers.iter_mut().enumerate() {
        peer.write_all(&pattern(70_000, index as u64)).expect("it is open");
    }
    let more: Vec<Vec<u8>> = ids.iter().map(|id| shard.receive(*id, 70_000)).collect();
    let mut expected: Vec<_> = (0..PEERS as u64).map(|index| pattern(500, index)).collect();
    let mut expected_more: Vec<_> = (0..PEERS as u64).map(|index| pattern(70_000, index)).collect();
    // Which peer a connection is, is known by its bytes alone.
    for vectors in [&mut seen, &mut expected, &mut expected_more] {
        vectors.sort();
    }
    assert!(seen == expected, "bytes changed or were lost");
    let mut more = more;
    more.sort();
    assert!(more == expected_more, "bytes changed or were lost");
    let_rest(&mut shard, PEERS as u64);
    drop(peers);
    shard.quiet();
}

pub fn only_the_quiet_rest(backend: Backend) {
    let (mut shard, address) = Shard::listening(backend);
    let mut talker = stream(address);
    let id = shard.accepted();
    let quiet = stream(address);
    shard.accepted();
    // Longer than it takes a quiet one to be put to rest, twice.
    for number in 0..10 {
        talker.write_all(&pattern(100, number)).expect("it is open");
        assert_eq!(shard.receive(id, 100), pattern(100, number));
        let until = std::time::Instant::now() + Duration::from_millis(500);
        while std::time::Instant::now() < until {
            shard.turn(Duration::from_millis(20));
        }
    }
    if backend == Backend::Modern {
        assert_eq!(shard.reactor.stats().resting, 1);
    }
    let_rest(&mut shard, 2);
    drop((talker, quiet));
    shard.quiet();
}

pub fn a_quiet_connection_tells_of_a_reset_and_of_an_end(backend: Backend) {
    let (mut shard, address) = Shard::listening(backend);
    let (reset, mut ended) = (stream(address), stream(address));
    let ids = [shard.accepted(), shard.accepted()];
    let_rest(&mut shard, 2);
    socket2::SockRef::from(&reset).set_linger(Some(Duration::ZERO)).expect("a socket option");
    drop(reset);
    ended.write_all(b"last words").expect("it is open");
    drop(ended);
    for id in ids {
        assert_eq!(shard.closed(id), CloseReason::Peer);
    }
    assert_eq!([shard.bytes(ids[0]), shard.bytes(ids[1])].concat(), b"last words");
    shard.quiet();
}

pub fn a_quiet_connection_moves_with_the_bytes_that_wake_it(backend: Backend) {
    let mut shards: Vec<_> = ports(backend, 2, limits()).into_iter().map(Shard::open).collect();
    let address = shards[0].reactor.listen(any_port()).expect("a free port");
    let mut peers: Vec<_> = (0..20).map(|_| stream(address)).collect();
    let ids: Vec<_> = peers.iter().map(|_| shards[0].accepted()).collect();
    let_rest(&mut shards[0], 20);
    for (token, id) in ids.iter().enumerate() {
        shards[0].reactor.hand_over(*id, 1, token as u64);
    }
    for peer in &mut peers {
        peer.write_all(b"wake up").expect("it is open");
    }
    let mut bytes = 0;
    while bytes < 20 * 7 {
        for shard in &mut shards {
            shard.turn(Duration::from_millis(1));
        }
        let seen = shards.iter().flat_map(|shard| &shard.seen);
        bytes = seen.map(|seen| if let Seen::Received(_, bytes) = seen { bytes.len() } else { 0 }).sum();
    }
    shards[0].until("the hand-overs", |seen| {
        (seen.iter().filter(|seen| matches!(seen, Seen::HandedOver(_))).count() == 20).then_some(())
    });
    // Where they arrived they rest as well.
    let_rest(&mut shards[1], 20);
    drop(peers);
    for shard in &mut shards {
        shard.quiet();
    }
}

pub fn a_quiet_connection_can_be_closed_and_aborted(backend: Backend) {
    let (mut shard, address) = Shard::listening(backend);
    let (closed, aborted) = (stream(address), stream(address));
    let ids = [shard.accepted(), shard.accepted()];
    let_rest(&mut shard, 2);
    shard.reactor.send(ids[0], b"good night").expect("it is open");
    shard.reactor.close(ids[0]);
    shard.reactor.abort(ids[1], CloseReason::SlowReader);
    assert_eq!(shard.closed(ids[1]), CloseReason::SlowReader);
    let readers = [closed, aborted].map(|mut peer| {
        thread::spawn(move || {
            let mut bytes = Vec::new();
            // A reset ends it as well.
            peer.read_to_end(&mut bytes).map_or(Vec::new(), |_| bytes)
        })
    });
    assert_eq!(shard.closed(ids[0]), CloseReason::Ours);
    let heard = readers.map(|reader| reader.join().expect("the reader is content")).concat();
    assert!(heard == b"good night", "{heard:?}");
    shard.quiet();
}
