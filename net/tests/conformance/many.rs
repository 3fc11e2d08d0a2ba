//! More connections than there is room for, of whatever it is.

use std::{
    io::{Read, Write},
    time::Duration,
};

use net::{Backend, CloseReason, Limits};

use crate::{
    common::{Seen, Shard, any_port, limits, pattern},
    stream,
};

pub fn thousands_of_connections_leave_nothing_behind(backend: Backend) {
    let (mut shard, address) = Shard::listening(backend);
    for round in 0..6 {
        let mut peers: Vec<_> = (0..400).map(|_| stream(address)).collect();
        let ids: Vec<_> = peers.iter().map(|_| shard.accepted()).collect();
        for (index, peer) in peers.iter_mut().enumerate() {
            peer.write_all(&pattern(100 + index, 1)).expect("it is open");
        }
        for (index, id) in ids.iter().enumerate() {
            match (index + round) % 4 {
                0 => shard.reactor.close(*id),
                1 => shard.reactor.abort(*id, CloseReason::Ours),
                2 => shard.reactor.send(*id, b"bye").expect("it is open"),
                _ => {}
            }
        }
        shard.turn(Duration::ZERO);
        drop(peers);
        for id in ids {
            shard.closed(id);
        }
        shard.seen.clear();
        shard.quiet();
    }
    let closes = shard.reactor.stats();
    assert_eq!((closes.connections, closes.receive_buffers_out), (0, 0));
}

pub fn connections_over_the_limit_wait_for_a_slot(backend: Backend) {
    let mut shard = Shard::with(backend, Limits { connections_max: 16, ..limits() });
    let address = shard.reactor.listen(any_port()).expect("a free port");
    let mut peers: Vec<_> = (0..24).map(|_| stream(address)).collect();
    for peer in &mut peers {
        peer.write_all(b"served").expect("the kernel took the connection");
    }
    for _ in 0..24 {
        let id = shard.accepted();
        assert_eq!(shard.receive(id, 6), b"served");
        assert!(shard.reactor.stats().connections <= 16);
        shard.reactor.close(id);
        shard.seen.retain(|seen| matches!(seen, Seen::Accepted(_) | Seen::Received(..)));
    }
    drop(peers);
    shard.quiet();
}

/// More than there are buffers to send from, on a backend that has such.
pub fn hundreds_of_slow_readers_delay_nobody_else(backend: Backend) {
    const SLOW: usize = 300;
    let (mut shard, address) = Shard::listening(backend);
    let slow: Vec<_> = (0..SLOW).map(|_| stream(address)).collect();
    let ids: Vec<_> = slow.iter().map(|_| shard.accepted()).collect();
    let part = pattern(128 * 1024, 13);
    let mut stuck = 0;
    while stuck < SLOW * 20 {
        for id in &ids {
            stuck += usize::from(shard.reactor.send(*id, &part).is_err());
        }
        shard.turn(Duration::ZERO);
    }
    let mut peer = stream(address);
    let id = shard.accepted();
    for round in 0..100 {
        let sent = pattern(9_000, round);
        shard.reactor.send(id, &sent).expect("it is open");
        shard.turn(Duration::ZERO);
        let mut got = vec![0; sent.len()];
        peer.set_nonblocking(true).expect("a socket option");
        let (mut count, start) = (0, std::time::Instant::now());
        while count < got.len() {
            match peer.read(&mut got[count..]) {
                Ok(more) => count += more,
                Err(_nothing_yet) => {
                    shard.turn(Duration::from_millis(1));
                }
            }
            assert!(start.elapsed() < Duration::from_secs(5), "it waits for those that read nothing");
        }
        assert!(got == sent, "bytes changed on the way");
    }
    drop((slow, peer));
    for id in ids {
        assert_eq!(shard.closed(id), CloseReason::Peer);
    }
    shard.closed(id);
    shard.quiet();
}
