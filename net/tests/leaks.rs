//! What a process must have back when all is quiet: descriptors and memory. Counts the descriptors of the
//! whole process, so each check has the process for itself; what reactors do is tested in `conformance`.

mod common;

use std::{
    io::{Read, Write},
    net::TcpStream,
    sync::{Mutex, MutexGuard},
    time::Duration,
};

use common::{Seen, Shard, any_port, limits, pattern, ports};
use net::{Backend, CloseReason};

static ALONE: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    ALONE.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

fn open_descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").expect("Linux has it").count()
}

fn resident_bytes() -> usize {
    let text = std::fs::read_to_string("/proc/self/statm").expect("Linux has it");
    let pages = text.split(' ').nth(1).and_then(|pages| pages.parse::<usize>().ok());
    pages.expect("the second number is the resident pages") * 4096
}

/// Connections that end in every way there is, over and over.
fn churn(shards: &mut [Shard], address: std::net::SocketAddr, rounds: usize) {
    for round in 0..rounds {
        let mut peers: Vec<_> = (0..100).map(|_| TcpStream::connect(address).expect("it listens")).collect();
        let mut ids: Vec<_> = peers.iter().map(|_| shards[0].accepted()).collect();
        for peer in &mut peers {
            peer.write_all(&pattern(3_000, round as u64)).expect("it is open");
        }
        let ours = shards[0].reactor.connect(None, address).expect("a socket");
        shards[0].connected(ours);
        ids.push(shards[0].accepted());
        ids.push(ours);
        for (index, id) in ids.iter().enumerate() {
            let reactor = &mut shards[0].reactor;
            match (index + round) % 5 {
                0 => reactor.close(*id),
                1 => reactor.abort(*id, CloseReason::SlowReader),
                2 => reactor.hand_over(*id, 1, index as u64),
                3 => reactor.send(*id, b"bye").expect("it is open"),
                _ => {}
            }
        }
        for shard in shards.iter_mut() {
            shard.turn(Duration::ZERO);
        }
        drop(peers);
        if let Some(id) = ids.pop() {
            shards[0].reactor.close(id);
        }
        while shards.iter().any(|shard| shard.reactor.stats().connections > 0) {
            for shard in shards.iter_mut() {
                shard.turn(Duration::from_millis(1));
            }
        }
        for shard in shards.iter_mut() {
            assert_eq!(shard.reactor.stats().receive_buffers_out, 0);
            let opened = shard.seen.iter().filter(|seen| matches!(seen, Seen::Adopted(..))).count();
            let closed = shard.seen.iter().filter(|seen| matches!(seen, Seen::Closed(..))).count();
            assert!(closed >= opened, "each adopted connection closed");
            shard.seen.clear();
        }
    }
}

fn check(backend: Backend) {
    let _alone = alone();
    let before = open_descriptors();
    let mut shards: Vec<_> = ports(backend, 2, limits()).into_iter().map(Shard::open).collect();
    let address = shards[0].reactor.listen(any_port()).expect("a free port");
    churn(&mut shards, address, 5);
    let (warm, memory) = (open_descriptors(), resident_bytes());
    churn(&mut shards, address, 40);
    assert_eq!(open_descriptors(), warm, "descriptors leaked");
    let grown = resident_bytes().saturating_sub(memory);
    assert!(grown < 4 * 1024 * 1024, "{grown} bytes leaked over {} connections", 40 * 102);
    drop(shards);
    assert_eq!(open_descriptors(), before, "a reactor left descriptors behind");
    assert!(TcpStream::connect(address).is_err(), "a reactor left its listener behind");
}

#[test]
fn basic_gives_everything_back() {
    check(Backend::Basic);
}

#[test]
fn epoll_gives_everything_back() {
    check(Backend::Epoll);
}

#[test]
fn modern_gives_everything_back() {
    check(Backend::Modern);
}

/// A reactor that is dropped in the middle of everything ends its connections.
fn check_drop(backend: Backend) {
    let _alone = alone();
    let before = open_descriptors();
    let (mut shard, address) = Shard::listening(backend);
    let file = tempfile::NamedTempFile::new_in(".").expect("a temporary file");
    file.as_file().set_len(1 << 20).expect("room on the disk");
    let mut peers: Vec<_> = (0..20).map(|_| TcpStream::connect(address).expect("it listens")).collect();
    let ids: Vec<_> = peers.iter().map(|_| shard.accepted()).collect();
    for id in &ids {
        shard.reactor.send(*id, &pattern(200_000, 1)).expect("it fits");
    }
    let written = shard.reactor.open_file(file.path()).expect("it can be opened");
    shard.reactor.write_durable(written, 0, &vec![7; 1 << 20], 1);
    shard.reactor.connect(None, address).expect("a socket");
    shard.turn(Duration::ZERO);
    drop(shard);
    for peer in &mut peers {
        peer.set_read_timeout(Some(Duration::from_secs(20))).expect("a socket option");
        let mut rest = Vec::new();
        if let Err(error) = peer.read_to_end(&mut rest) {
            assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "the peer is told");
        }
    }
    drop(peers);
    let read = std::fs::read(file.path()).expect("it can be read");
    assert!(read.iter().all(|byte| *byte == 7), "a write that was begun is finished");
    drop(file);
    assert_eq!(open_descriptors(), before, "a reactor left descriptors behind");
}

#[test]
fn basic_can_be_dropped_at_any_time() {
    check_drop(Backend::Basic);
}

#[test]
fn epoll_can_be_dropped_at_any_time() {
    check_drop(Backend::Epoll);
}

#[test]
fn modern_can_be_dropped_at_any_time() {
    check_drop(Backend::Modern);
}
