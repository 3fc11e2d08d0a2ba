//! Connections that go to another shard.

use std::{
    collections::HashMap,
    io::{Read, Write},
    sync::Mutex,
    sync::atomic::{AtomicU64, Ordering},
    thread,
    time::Duration,
};

use net::{Backend, CloseReason, ConnectionId, SendError};

use crate::{
    common::{Seen, Shard, any_port, limits, pattern, ports},
    stream,
};

pub fn shards_share_one_port(backend: Backend) {
    let mut shards: Vec<_> = ports(backend, 4, limits()).into_iter().map(Shard::open).collect();
    let address = shards[0].reactor.listen(any_port()).expect("a free port");
    for shard in &mut shards[1..] {
        assert_eq!(shard.reactor.listen(address).expect("the port is shared"), address);
    }
    let peers: Vec<_> = (0..64).map(|_| stream(address)).collect();
    let accepted = |shards: &[Shard]| {
        let counts = shards.iter().map(|shard| shard.reactor.stats().connections);
        counts.collect::<Vec<_>>()
    };
    while accepted(&shards).iter().sum::<u64>() < peers.len() as u64 {
        for shard in &mut shards {
            shard.turn(Duration::ZERO);
        }
    }
    let busy = accepted(&shards).into_iter().filter(|count| *count > 0).count();
    assert!(busy >= 2, "the kernel spreads connections: {:?}", accepted(&shards));
}

/// One moving connection, as all shards and the test see it.
struct Traveller {
    received: Vec<u8>,
    /// Bytes of the pattern that were queued for the peer.
    sent: usize,
    moves: u64,
}

/// What a shard thread of the moving tests does until all connections have closed.
fn host_travellers(
    port: net::Port,
    other: usize,
    listen: Option<&std::sync::mpsc::Sender<std::net::SocketAddr>>,
    travellers: &Mutex<Vec<Traveller>>,
    down: &[u8],
    left: &AtomicU64,
) {
    let mut shard = Shard::open(port);
    if let Some(address) = listen {
        address.send(shard.reactor.listen(any_port()).expect("a free port")).expect("the test waits");
    }
    let mut here: HashMap<ConnectionId, usize> = HashMap::new();
    let mut leaving: HashMap<ConnectionId, usize> = HashMap::new();
    while left.load(Ordering::SeqCst) > 0 {
        shard.turn(Duration::from_millis(1));
        let mut travellers = travellers.lock().expect("no panic");
        for seen in std::mem::take(&mut shard.seen) {
            match seen {
                Seen::Accepted(id) => {
                    here.insert(id, travellers.len());
                    travellers.push(Traveller { received: Vec::new(), sent: 0, moves: 0 });
                }
                Seen::Adopted(id, token) => assert!(here.insert(id, token as usize).is_none()),
                Seen::HandedOver(id) => assert!(leaving.remove(&id).is_some(), "it was leaving"),
                Seen::Received(id, bytes) => {
                    let index = *here.get(&id).or(leaving.get(&id)).expect("it is hosted here");
                    let traveller = &mut travellers[index];
                    let before = traveller.received.len();
                    traveller.received.extend_from_slice(&bytes);
                    // Moves about every 20,000 bytes.
                    if traveller.received.len() / 20_000 > before / 20_000 && here.remove(&id).is_some() {
                        traveller.moves += 1;
                        leaving.insert(id, index);
                        shard.reactor.hand_over(id, other, index as u64);
                        assert_eq!(shard.reactor.send(id, b"late"), Err(SendError::Closed));
                    }
                }
                Seen::Closed(id, reason) => {
                    assert_eq!(reason, CloseReason::Peer);
                    assert!(here.remove(&id).or(leaving.remove(&id)).is_some(), "it was hosted here");
                    left.fetch_sub(1, Ordering::SeqCst);
                }
                Seen::Drained(_) => {}
                other => panic!("unexpected {other:?}"),
            }
        }
        for (id, index) in &here {
            let sent = &mut travellers[*index].sent;
            let part = &down[*sent..down.len().min(*sent + 3_000)];
            if shard.reactor.send(*id, part).is_ok() {
                *sent += part.len();
            }
        }
    }
    shard.quiet();
}

pub fn a_connection_moves_between_shards_under_traffic(backend: Backend) {
    const TRAVELLERS: usize = 6;
    const BYTES: usize = 600_000;
    let travellers = Mutex::new(Vec::new());
    let left = AtomicU64::new(TRAVELLERS as u64);
    let down = pattern(BYTES, 99);
    let mut shards = ports(backend, 2, limits()).into_iter();
    let (first, second) = (shards.next().expect("two ports"), shards.next().expect("two ports"));
    thread::scope(|scope| {
        let (sender, receiver) = std::sync::mpsc::channel();
        let (travellers, left, down) = (&travellers, &left, &down[..]);
        scope.spawn(move || host_travellers(first, 1, Some(&sender), travellers, down, left));
        scope.spawn(move || host_travellers(second, 0, None, travellers, down, left));
        let address = receiver.recv().expect("the first shard listens");
        for index in 0..TRAVELLERS {
            let peer = stream(address);
            while travellers.lock().expect("no panic").len() <= index {
                thread::yield_now();
            }
            let mut writer = peer.try_clone().expect("a descriptor");
            scope.spawn(move || {
                for (count, part) in pattern(BYTES, index as u64).chunks(997).enumerate() {
                    writer.write_all(part).expect("it is open");
                    // Moves between the parts of it, however busy the machine is.
                    let sent = (count + 1) * 997;
                    while count % 20 == 0
                        && sent <= BYTES
                        && travellers.lock().expect("no panic")[index].received.len() < sent
                    {
                        thread::sleep(Duration::from_millis(1));
                    }
                }
            });
            let mut reader = peer;
            scope.spawn(move || {
                let mut got = vec![0; BYTES];
                reader.read_exact(&mut got).expect("it comes");
                assert!(got == down, "bytes changed on the way down");
                // Keeps its end open until all of its own bytes were seen.
                while travellers.lock().expect("no panic")[index].received.len() < BYTES {
                    thread::sleep(Duration::from_millis(1));
                }
            });
        }
    });
    for (index, traveller) in travellers.into_inner().expect("no panic").into_iter().enumerate() {
        assert!(traveller.received == pattern(BYTES, index as u64), "bytes changed on the way up");
        assert!(traveller.moves >= 3, "moved only {} times", traveller.moves);
    }
}

pub fn many_connections_move_at_once_with_their_tokens(backend: Backend) {
    const COUNT: usize = 200;
    let mut shards: Vec<_> = ports(backend, 2, limits()).into_iter().map(Shard::open).collect();
    let address = shards[0].reactor.listen(any_port()).expect("a free port");
    let mut peers: Vec<_> = (0..COUNT).map(|_| stream(address)).collect();
    for (index, peer) in peers.iter_mut().enumerate() {
        peer.write_all(&(index as u64).to_le_bytes()).expect("it is open");
    }
    for _ in 0..COUNT {
        let id = shards[0].accepted();
        let token = shards[0].receive(id, 8).try_into().expect("eight bytes");
        shards[0].reactor.hand_over(id, 1, u64::from_le_bytes(token));
    }
    let adopted = |seen: &[Seen]| {
        let ids = seen.iter().filter_map(|seen| match seen {
            Seen::Adopted(id, token) => Some((*id, *token)),
            _ => None,
        });
        Some(ids.collect::<Vec<_>>()).filter(|ids| ids.len() == COUNT)
    };
    let arrived = loop {
        shards[0].turn(Duration::ZERO);
        shards[1].turn(Duration::ZERO);
        if let Some(arrived) = adopted(&shards[1].seen) {
            break arrived;
        }
    };
    for (id, token) in arrived {
        shards[1].reactor.send(id, &token.to_le_bytes()).expect("it is open");
    }
    // A turn sends to a share of them.
    for _ in 0..COUNT {
        shards[1].turn(Duration::ZERO);
    }
    for (index, peer) in peers.iter_mut().enumerate() {
        let mut token = [0; 8];
        peer.read_exact(&mut token).expect("it comes");
        assert_eq!(u64::from_le_bytes(token), index as u64, "a token came with another's connection");
    }
    drop(peers);
    shards[0].quiet();
    shards[1].quiet();
}

pub fn what_is_queued_leaves_before_the_connection_does(backend: Backend) {
    let mut shards: Vec<_> = ports(backend, 2, limits()).into_iter().map(Shard::open).collect();
    let address = shards[0].reactor.listen(any_port()).expect("a free port");
    let mut peer = stream(address);
    let id = shards[0].accepted();
    let sent = pattern(200_000, 11);
    shards[0].reactor.send(id, &sent).expect("it fits");
    shards[0].reactor.hand_over(id, 1, 42);
    let reader = thread::spawn(move || {
        let mut got = vec![0; 200_005];
        peer.read_exact(&mut got).expect("it comes");
        got
    });
    shards[0].until("the hand-over", |seen| seen.contains(&Seen::HandedOver(id)).then_some(()));
    let new = shards[1].until("the adoption", |seen| {
        seen.iter().find_map(|seen| if let Seen::Adopted(id, 42) = seen { Some(*id) } else { None })
    });
    shards[1].reactor.send(new, b"after").expect("it is open");
    shards[1].turn(Duration::ZERO);
    let got = reader.join().expect("the reader is content");
    assert!(got[..sent.len()] == sent && &got[sent.len()..] == b"after", "bytes changed on the way");
}

pub fn a_connection_whose_peer_left_is_closed_and_not_handed_over(backend: Backend) {
    let mut shards: Vec<_> = ports(backend, 2, limits()).into_iter().map(Shard::open).collect();
    let address = shards[0].reactor.listen(any_port()).expect("a free port");
    let mut peer = stream(address);
    let id = shards[0].accepted();
    peer.write_all(b"bye").expect("it is open");
    drop(peer);
    shards[0]
        .until("the close", |seen| seen.iter().any(|seen| matches!(seen, Seen::Closed(..))).then_some(()));
    shards[0].reactor.hand_over(id, 1, 1);
    for _ in 0..5 {
        shards[0].turn(Duration::from_millis(1));
        shards[1].turn(Duration::from_millis(1));
    }
    assert_eq!(shards[0].bytes(id), b"bye");
    assert!(shards[1].seen.is_empty(), "{:?}", shards[1].seen);
}
