//! Writes that survive power loss.

use std::{
    io::Write,
    os::unix::fs::FileExt,
    time::{Duration, Instant},
};

use net::Backend;

use crate::{
    common::{Seen, Shard, pattern},
    stream,
};

pub fn durable_writes_are_in_the_file(backend: Backend) {
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

pub fn a_write_that_ended_is_told_before_the_next_turn_and_what_came_in_is_kept(backend: Backend) {
    const PEERS: usize = 50;
    let (mut shard, address) = Shard::listening(backend);
    let mut peers: Vec<_> = (0..PEERS).map(|_| stream(address)).collect();
    let ids: Vec<_> = peers.iter().map(|_| shard.accepted()).collect();
    let file = tempfile::NamedTempFile::new_in(".").expect("a temporary file");
    file.as_file().write_all_at(&vec![0; 4_096], 0).expect("room on the disk");
    let id = shard.reactor.open_file(file.path()).expect("it can be opened");
    shard.reactor.write_durable(id, 0, &pattern(4_096, 1), 7);
    shard.turn(Duration::ZERO);
    for peer in &mut peers {
        peer.write_all(&pattern(3_000, 2)).expect("it is open");
    }
    let start = Instant::now();
    let is_told = |shard: &Shard| shard.seen.contains(&Seen::Written(7, true));
    while !is_told(&shard) && backend != Backend::Basic && start.elapsed() < Duration::from_secs(60) {
        shard.report_written();
    }
    assert!(is_told(&shard) || backend == Backend::Basic, "only a turn tells of a write");
    assert!(shard.written(7), "the write failed");
    for id in ids {
        assert!(shard.receive(id, 3_000) == pattern(3_000, 2), "what came in meanwhile changed or was lost");
    }
}

pub fn writes_to_what_is_not_there_fail(backend: Backend) {
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

pub fn a_device_that_is_full_fails_the_write(backend: Backend) {
    let mut shard = Shard::one(backend);
    let id = shard.reactor.open_file(std::path::Path::new("/dev/full")).expect("it can be opened");
    shard.reactor.write_durable(id, 0, &vec![1; 4_096], 1);
    assert!(!shard.written(1));
}
