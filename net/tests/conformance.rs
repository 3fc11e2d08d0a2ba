//! What every backend must do, in the same words for each. What one backend does inside is not tested here.

mod common;

use std::{
    collections::HashMap,
    io::{Read, Write},
    net::{IpAddr, Ipv4Addr, TcpListener, TcpStream},
    os::unix::fs::FileExt,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use common::{Seen, Shard, any_port, limits, pattern, ports};
use net::{Backend, CloseReason, ConnectionId, Limits, SendError};

macro_rules! suite {
    ($($scenario:ident,)*) => {
        mod basic {
            $(#[test] fn $scenario() { super::$scenario(net::Backend::Basic); })*
        }
        mod epoll {
            $(#[test] fn $scenario() { super::$scenario(net::Backend::Epoll); })*
        }
        mod modern {
            $(#[test] fn $scenario() { super::$scenario(net::Backend::Modern); })*
        }
    };
}

suite! {
    what_a_peer_sends_can_be_sent_back,
    both_ends_of_a_connection_can_be_ours,
    a_local_address_can_be_chosen,
    the_peers_address_is_known,
    each_connection_of_a_storm_comes_with_its_own_address,
    a_large_transfer_survives_a_slow_reader,
    large_transfers_run_both_ways_at_once,
    many_small_writes_arrive_in_order,
    a_full_outbox_refuses_and_says_when_it_drained,
    a_peer_that_closes_is_reported_after_its_bytes,
    a_peer_that_resets_is_reported,
    a_reset_right_behind_bytes_is_reported,
    close_sends_what_is_queued_first,
    close_ends_although_the_peer_reads_nothing,
    abort_ends_at_once_and_says_why,
    a_stale_name_harms_nobody,
    a_refused_connection_is_reported,
    a_listener_that_stopped_takes_no_more,
    shards_share_one_port,
    a_connection_moves_between_shards_under_traffic,
    many_connections_move_at_once_with_their_tokens,
    who_is_hurried_is_sent_to_in_the_next_turn_and_everybody_in_the_end,
    what_is_queued_leaves_before_the_connection_does,
    a_connection_whose_peer_left_is_closed_and_not_handed_over,
    a_waker_is_never_lost,
    a_waker_is_never_lost_while_a_send_waits,
    work_made_visible_to_ready_is_not_slept_over,
    durable_writes_are_in_the_file,
    writes_to_what_is_not_there_fail,
    a_device_that_is_full_fails_the_write,
    more_readable_bytes_than_buffers_lose_none,
    thousands_of_connections_leave_nothing_behind,
    connections_over_the_limit_wait_for_a_slot,
    hundreds_of_slow_readers_delay_nobody_else,
    bytes_at_the_moment_of_rest_are_not_lost,
    a_quiet_connection_tells_of_a_reset_and_of_an_end,
    a_quiet_connection_moves_with_the_bytes_that_wake_it,
    a_quiet_connection_can_be_closed_and_aborted,
}

/// Everything again where the kernel refuses what Linux 5.1 had not: in a process of its own, because the
/// variable that asks for it is the process's.
#[test]
fn basic_needs_nothing_that_linux_5_1_had_not() {
    let program = std::env::current_exe().expect("a test is a program");
    let run = std::process::Command::new(program).arg("basic::").env("RINGDESK_RESTRICT_51", "1").output();
    let output = run.expect("it can be started");
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{told}");
    assert!(told.contains(" passed; 0 failed; 0 ignored"), "{told}");
}

fn stream(address: std::net::SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).expect("the shard listens");
    stream.set_nodelay(true).expect("a socket option");
    stream
}

fn read_to_end(mut stream: TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).expect("the peer ends in order");
    bytes
}

fn what_a_peer_sends_can_be_sent_back(backend: Backend) {
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

fn both_ends_of_a_connection_can_be_ours(backend: Backend) {
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

fn a_local_address_can_be_chosen(backend: Backend) {
    let (mut shard, address) = Shard::listening(backend);
    let from = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 9));
    let ours = shard.reactor.connect(Some(from), address).expect("a socket");
    shard.connected(ours);
    let theirs = shard.accepted();
    if let Some(peer) = shard.reactor.peer(theirs) {
        assert_eq!(peer.ip(), from);
    }
}

fn the_peers_address_is_known(backend: Backend) {
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

fn each_connection_of_a_storm_comes_with_its_own_address(backend: Backend) {
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

fn a_large_transfer_survives_a_slow_reader(backend: Backend) {
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

fn large_transfers_run_both_ways_at_once(backend: Backend) {
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

fn many_small_writes_arrive_in_order(backend: Backend) {
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

fn a_full_outbox_refuses_and_says_when_it_drained(backend: Backend) {
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

fn a_peer_that_closes_is_reported_after_its_bytes(backend: Backend) {
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

fn a_peer_that_resets_is_reported(backend: Backend) {
    let (mut shard, address) = Shard::listening(backend);
    let peer = stream(address);
    let id = shard.accepted();
    socket2::SockRef::from(&peer).set_linger(Some(Duration::ZERO)).expect("a socket option");
    drop(peer);
    assert_eq!(shard.closed(id), CloseReason::Peer);
    shard.quiet();
}

/// Linux 6.18 wakes a multishot receive once for the bytes and the reset, and it takes only the bytes.
fn a_reset_right_behind_bytes_is_reported(backend: Backend) {
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

fn close_sends_what_is_queued_first(backend: Backend) {
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

fn close_ends_although_the_peer_reads_nothing(backend: Backend) {
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

fn abort_ends_at_once_and_says_why(backend: Backend) {
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

fn a_stale_name_harms_nobody(backend: Backend) {
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

fn a_refused_connection_is_reported(backend: Backend) {
    let nobody = TcpListener::bind(any_port()).expect("a free port").local_addr().expect("it is bound");
    let mut shard = Shard::one(backend);
    let id = shard.reactor.connect(None, nobody).expect("a socket");
    shard.reactor.send(id, b"hello?").expect("bytes may wait for the connection");
    assert_eq!(shard.closed(id), CloseReason::Error(libc::ECONNREFUSED));
    assert!(!shard.seen.contains(&Seen::Connected(id)));
    shard.quiet();
}

fn a_listener_that_stopped_takes_no_more(backend: Backend) {
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

fn shards_share_one_port(backend: Backend) {
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

fn a_connection_moves_between_shards_under_traffic(backend: Backend) {
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

fn many_connections_move_at_once_with_their_tokens(backend: Backend) {
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

fn who_is_hurried_is_sent_to_in_the_next_turn_and_everybody_in_the_end(backend: Backend) {
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

fn what_is_queued_leaves_before_the_connection_does(backend: Backend) {
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

fn a_connection_whose_peer_left_is_closed_and_not_handed_over(backend: Backend) {
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

/// A lost wake-up would show as a turn that sleeps for its whole, very long wait.
fn a_waker_is_never_lost(backend: Backend) {
    let port = ports(backend, 1, limits()).remove(0);
    let waker = port.waker();
    wake_often(Shard::open(port), waker);
}

/// A backend may sleep in another place while the kernel has something of it.
fn a_waker_is_never_lost_while_a_send_waits(backend: Backend) {
    let port = ports(backend, 1, limits()).remove(0);
    let waker = port.waker();
    let mut shard = Shard::open(port);
    let address = shard.reactor.listen(any_port()).expect("a free port");
    let peer = stream(address);
    let id = shard.accepted();
    let mut refused = 0;
    while refused < 20 {
        if shard.reactor.send(id, &pattern(64 * 1024, 8)).is_err() {
            refused += 1;
            shard.turn(Duration::from_millis(2));
        }
    }
    wake_often(shard, waker);
    drop(peer);
}

fn wake_often(mut shard: Shard, waker: net::Waker) {
    const ROUNDS: u64 = 20_000;
    let (asked, answered) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let hammer = {
        let (asked, answered) = (Arc::clone(&asked), Arc::clone(&answered));
        thread::spawn(move || {
            for round in 1..=ROUNDS {
                asked.store(round, Ordering::Release);
                waker.wake();
                // Sometimes in step with the reactor, sometimes against it.
                while round % 3 != 0 && answered.load(Ordering::Acquire) < round {
                    std::hint::spin_loop();
                    if round % 64 == 0 {
                        thread::yield_now();
                    }
                }
            }
        })
    };
    let mut last = 0;
    while last < ROUNDS {
        let turn = shard.reactor.turn(
            Duration::from_secs(3_600),
            &mut || asked.load(Ordering::Acquire) != last,
            &mut |_, _| {},
        );
        turn.expect("a turn works");
        last = asked.load(Ordering::Acquire);
        answered.store(last, Ordering::Release);
    }
    hammer.join().expect("the hammer ends");
}

fn work_made_visible_to_ready_is_not_slept_over(backend: Backend) {
    let mut shard = Shard::one(backend);
    let turn = shard.reactor.turn(Duration::from_secs(3_600), &mut || true, &mut |_, _| {});
    turn.expect("a turn works, and at once");
}

fn durable_writes_are_in_the_file(backend: Backend) {
    let mut shard = Shard::one(backend);
    let file = tempfile::NamedTempFile::new_in(".").expect("a temporary file");
    file.as_file().write_all_at(&vec![0; 64 * 4_096], 0).expect("room on the disk");
    let id = shard.reactor.open_file(file.path()).expect("it can be opened");
    let blocks = pattern(64 * 4_096, 12);
    let mut offset = 0;
    for (token, count) in [1, 2, 5, 8, 16, 32].into_iter().enumerate() {
        let bytes = &blocks[offset..offset + count * 4_096];
        shard.reactor.write_durable(id, offset as u64, bytes, token as u64);
        offset += bytes.len();
    }
    for token in 0..6 {
        assert!(shard.written(token), "write {token} failed");
    }
    shard.reactor.write_durable(id, 0, &blocks[4_096..8_192], 6);
    // Closing waits for the last write.
    shard.reactor.close_file(id);
    assert!(shard.written(6));
    let read = std::fs::read(file.path()).expect("it can be read");
    assert!(read[..4_096] == blocks[4_096..8_192] && read[4_096..offset] == blocks[4_096..offset]);
    assert_eq!(read.len(), blocks.len(), "the file did not grow");
}

fn writes_to_what_is_not_there_fail(backend: Backend) {
    let mut shard = Shard::one(backend);
    let file = tempfile::NamedTempFile::new_in(".").expect("a temporary file");
    file.as_file().set_len(8_192).expect("room on the disk");
    assert!(shard.reactor.open_file(&file.path().join("none")).is_err());
    let id = shard.reactor.open_file(file.path()).expect("it can be opened");
    let block = vec![1; 4_096];
    shard.reactor.write_durable(id, 8_192, &block, 1);
    shard.reactor.write_durable(id, 100, &block, 2);
    shard.reactor.write_durable(id, 0, &block[..100], 3);
    shard.reactor.close_file(id);
    shard.reactor.write_durable(id, 0, &block, 4);
    shard.reactor.write_durable(net::FileId(77), 0, &block, 5);
    for token in 1..=5 {
        assert!(!shard.written(token), "write {token} was wrong and worked");
    }
    let reopened = shard.reactor.open_file(file.path()).expect("it can be opened");
    shard.reactor.write_durable(reopened, 0, &block, 6);
    assert!(shard.written(6));
}

fn a_device_that_is_full_fails_the_write(backend: Backend) {
    let mut shard = Shard::one(backend);
    let id = shard.reactor.open_file(std::path::Path::new("/dev/full")).expect("it can be opened");
    shard.reactor.write_durable(id, 0, &vec![1; 4_096], 1);
    assert!(!shard.written(1));
}

fn more_readable_bytes_than_buffers_lose_none(backend: Backend) {
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

fn thousands_of_connections_leave_nothing_behind(backend: Backend) {
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

fn connections_over_the_limit_wait_for_a_slot(backend: Backend) {
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
fn hundreds_of_slow_readers_delay_nobody_else(backend: Backend) {
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

fn bytes_at_the_moment_of_rest_are_not_lost(backend: Backend) {
    const PEERS: usize = 120;
    let (mut shard, address) = Shard::listening(backend);
    let mut peers: Vec<_> = (0..PEERS).map(|_| stream(address)).collect();
    let ids: Vec<_> = peers.iter().map(|_| shard.accepted()).collect();
    let start = std::time::Instant::now();
    // One after the other, from before the first goes to rest until after the last has.
    let writer = thread::spawn(move || {
        for (index, peer) in peers.iter_mut().enumerate() {
            let at = Duration::from_micros(1_900_000 + index as u64 * 2_500);
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

fn a_quiet_connection_tells_of_a_reset_and_of_an_end(backend: Backend) {
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

fn a_quiet_connection_moves_with_the_bytes_that_wake_it(backend: Backend) {
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

fn a_quiet_connection_can_be_closed_and_aborted(backend: Backend) {
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
