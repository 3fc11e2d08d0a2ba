//! Journal, recovery and projection together, on a real disk and a real reactor. A crash is a drop: nothing
//! that the disk was not told to keep is kept in memory.

mod damage;
mod taken_up;

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::Duration,
};

use net::{Backend, BackendChoice, Event, Limits, Reactor};
use store::{
    record::{EventKind, EventRecord, Phase, Record, Role},
    sql::{Projection, Reader},
};

use super::*;
use crate::{
    projection::{Followed, Lag, ProjectionThread, Projector, Round},
    recovery::{DataDirectory, Recovered, RecoveryError, doctor, recover},
};

/// A test that turns so often without an end hangs.
const TURNS_MAX: usize = 10_000;

pub(crate) fn event(conversation: &str, seq: u64, content_bytes: usize) -> Record {
    Record::Event(EventRecord {
        conversation: conversation.into(),
        seq,
        at_ms: seq,
        kind: EventKind::Message,
        role: Role::Visitor,
        from_id: "v".into(),
        from_name: String::new(),
        client_id: format!("id-{seq}"),
        content: "x".repeat(content_bytes),
        agent: String::new(),
        phase: Phase::Queued,
    })
}

fn reactor() -> Box<dyn Reactor> {
    let limits = Limits { connections_max: 16, receive_buffers: 8, ..Limits::default() };
    let mut fabric =
        net::fabric(1, BackendChoice::Exactly(Backend::Epoll), limits).expect("epoll is everywhere");
    fabric.ports.remove(0).open(None).expect("a reactor")
}

/// One server's life: from recovery to a crash.
struct Life {
    journal: Journal,
    reactor: Box<dyn Reactor>,
    maker: SegmentMaker,
    recovered: Recovered,
    projection: Option<Projection>,
    data: DataDirectory,
    /// The last record that was acknowledged.
    durable: u64,
}

fn live(path: &Path, limits: MakerLimits) -> Life {
    let data = DataDirectory::open(path).expect("no other server");
    let mut projection = Projection::open(&data.database()).expect("a database");
    let recovered = recover(&data.journal(), &mut projection).expect("nothing is damaged");
    let left = recovered.files.clone();
    let disk = Arc::new(data.journal());
    let maker = SegmentMaker::start(disk, left, limits, Box::new(|_| {})).expect("a thread");
    let journal = Journal::open(0, recovered.start(0), maker.source());
    let durable = journal.durable();
    Life { journal, reactor: reactor(), maker, recovered, projection: Some(projection), data, durable }
}

impl Life {
    fn append(&mut self, count: u64, content_bytes: usize) {
        for _ in 0..count {
            let number = self.journal.writer.next_number();
            let appended = self.journal.append(&event("c", number, content_bytes)).expect("fits");
            assert_eq!(appended, number);
        }
    }

    fn turn(&mut self) {
        let (journal, durable) = (&mut self.journal, &mut self.durable);
        journal.flush(&mut *self.reactor).expect("the disk works");
        self.reactor
            .turn(Duration::from_millis(1), &mut || false, &mut |_, event| {
                if let Event::Written { token, result } = event {
                    *durable = journal.written(token, result).expect("the disk works");
                }
            })
            .expect("the reactor works");
    }

    fn settle(&mut self) {
        for _ in 0..TURNS_MAX {
            self.turn();
            if self.journal.is_idle() {
                return;
            }
        }
        panic!("the journal does not come to an end");
    }

    fn project(&mut self, projected: Arc<Mutex<u64>>) -> ProjectionThread {
        let followed =
            Followed { stream: 0, start: self.recovered.start(0), published: self.journal.published() };
        let projector = Projector::new(
            self.projection.take().expect("started once"),
            &(Arc::new(self.data.journal()) as Arc<dyn Disk>),
            &mut self.recovered,
            vec![followed],
            self.maker.source(),
            Box::new(move |stream, up_to| {
                assert_eq!(stream, 0);
                *projected.lock().expect("a lock") = up_to;
            }),
        );
        ProjectionThread::start(projector, &self.data.database(), Box::new(|_| {})).expect("a thread")
    }
}

/// SQL has exactly the events 1 to `last`.
fn check_sql(path: &Path, last: u64) {
    let reader = Reader::open(&path.join("ringdesk.db")).expect("opens");
    let stored = reader.conversation("c").expect("reads");
    assert_eq!(stored.map_or(0, |stored| stored.seq), last);
    let mut seen = 0;
    loop {
        let events = reader.events("c", seen, 1000, usize::MAX).expect("reads");
        let Some(newest) = events.last() else { break };
        assert!(events.iter().zip(seen + 1..).all(|(event, seq)| event.seq == seq));
        seen = newest.seq;
    }
    assert_eq!(seen, last);
}

fn segments(path: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(path.join("journal")).expect("is there");
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    paths.retain(|path| !path.to_string_lossy().contains("free-"));
    paths.sort();
    paths
}

fn directory() -> tempfile::TempDir {
    tempfile::tempdir().expect("a directory")
}

#[test]
fn what_was_acknowledged_is_there_after_a_crash() {
    let directory = directory();
    let path = directory.path();
    let mut last = 0;
    for count in [1, 700, 3, 50] {
        let mut life = live(path, MakerLimits::default());
        assert_eq!(life.durable, last);
        life.append(count, 200);
        life.settle();
        last += count;
        assert_eq!(life.durable, last);
        // More is appended and perhaps written, and never acknowledged.
        life.append(10, 200);
        drop(life);
        let data = DataDirectory::open(path).expect("the lock is free again");
        let mut projection = Projection::open(&data.database()).expect("a database");
        let recovered = recover(&data.journal(), &mut projection).expect("nothing is damaged");
        assert_eq!(recovered.start(0).next_number, last + 1);
        drop((data, projection));
        check_sql(path, last);
    }
}

#[test]
fn a_journal_goes_over_into_the_next_segments_and_comes_back_whole() {
    let directory = directory();
    let mut life = live(directory.path(), MakerLimits::default());
    for _ in 0..40 {
        life.append(20, 30_000);
        life.settle();
    }
    assert!(life.journal.published().position().segment >= 3);
    assert_eq!(life.durable, 800);
    let stats = life.journal.stats();
    assert_eq!((stats.records, stats.written_bytes % 4096), (800, 0));
    drop(life);
    let life = live(directory.path(), MakerLimits::default());
    assert_eq!((life.durable, life.recovered.lacked), (800, 800));
    check_sql(directory.path(), 800);
}

#[test]
fn the_projection_follows_and_its_files_are_used_again() {
    let directory = directory();
    let mut life = live(directory.path(), MakerLimits::default());
    let projected = Arc::new(Mutex::new(0));
    let thread = life.project(Arc::clone(&projected));
    for _ in 0..80 {
        life.append(20, 30_000);
        life.settle();
    }
    assert!(life.journal.published().position().segment >= 4);
    // Dropping it waits until all that is durable is in SQL.
    drop(thread);
    assert_eq!(*projected.lock().expect("a lock"), 1600);
    check_sql(directory.path(), 1600);
    // The segment that is written, the one made ahead, and perhaps one on its way.
    drop(life);
    assert!(segments(directory.path()).len() <= 3, "{:?}", segments(directory.path()));
}

#[test]
fn a_crash_between_the_commit_and_the_free_list_loses_and_doubles_nothing() {
    let directory = directory();
    let path = directory.path();
    let mut life = live(path, MakerLimits::default());
    for _ in 0..10 {
        life.append(20, 30_000);
        life.settle();
    }
    drop(life);
    // SQL gets everything, and nobody gets to free a segment: any part of them may be left.
    let names = segments(path);
    assert!(names.len() >= 3);
    for _ in 0..2 {
        let data = DataDirectory::open(path).expect("no other server");
        let mut projection = Projection::open(&data.database()).expect("a database");
        recover(&data.journal(), &mut projection).expect("nothing is damaged");
    }
    std::fs::remove_file(&names[1]).expect("one was freed");
    let mut life = live(path, MakerLimits::default());
    assert_eq!((life.durable, life.recovered.lacked), (200, 0));
    life.append(5, 100);
    life.settle();
    drop(life);
    assert_eq!(live(path, MakerLimits::default()).durable, 205);
    check_sql(path, 205);
}

#[test]
fn a_used_file_says_nothing_of_its_past() {
    let directory = directory();
    let path = directory.path();
    let mut last = 0;
    // Each start makes the files of the one before anew, with groups of another shape.
    for (count, content_bytes) in [(30, 30_000), (5, 10), (100, 5_000), (1, 1), (2, 60_000)] {
        let mut life = live(path, MakerLimits::default());
        life.append(count, content_bytes);
        life.settle();
        last += count;
    }
    assert_eq!(live(path, MakerLimits::default()).durable, last);
    check_sql(path, last);
}

#[test]
fn a_torn_tail_is_cut_and_damage_stops_the_start() {
    let directory = directory();
    let path = directory.path();
    let mut life = live(path, MakerLimits::default());
    for _ in 0..3 {
        life.append(2, 100);
        life.settle();
    }
    drop(life);
    let segment = segments(path).remove(0);
    let intact = std::fs::read(&segment).expect("reads");
    let check = |at: usize, expected: Result<u64, usize>| {
        let mut bytes = intact.clone();
        bytes[at] ^= 1;
        std::fs::write(&segment, bytes).expect("writes");
        let data = DataDirectory::open(path).expect("no other server");
        let mut projection =
            Projection::open(&directory.path().join(format!("{at}.db"))).expect("a database");
        let found = match recover(&data.journal(), &mut projection) {
            Ok(recovered) => Ok(recovered.start(0).next_number - 1),
            Err(RecoveryError::Damaged { path, offset }) => {
                assert_eq!(path, segment);
                Err(offset)
            }
            Err(other) => panic!("{other}"),
        };
        match (found, expected) {
            (Ok(found), Ok(expected)) => assert_eq!(found, expected, "at {at}"),
            (Err(found), Err(expected)) => assert_eq!(found / 4096, expected / 4096, "at {at}"),
            (found, expected) => panic!("{found:?}, not {expected:?}, at {at}"),
        }
        let report = doctor(path).expect("reads");
        assert_eq!(report.is_damaged(), expected.is_err(), "{report}");
    };
    check(10, Err(0));
    check(4096 + 50, Err(4096));
    check(2 * 4096 + 50, Err(4096));
    check(3 * 4096 + 50, Ok(4));
    // Stale bytes or padding after the end: nothing was there.
    check(5 * 4096 + 50, Ok(6));
}

#[test]
fn a_lost_record_before_a_later_segment_is_damage() {
    let directory = directory();
    let path = directory.path();
    let mut life = live(path, MakerLimits::default());
    for _ in 0..4 {
        life.append(20, 30_000);
        life.settle();
    }
    drop(life);
    let segment = segments(path).remove(0);
    let mut bytes = std::fs::read(&segment).expect("reads");
    let report = doctor(path).expect("reads");
    assert!(!report.is_damaged() && report.segments.len() >= 2, "{report}");
    // The last group of the first segment looks torn, but the second segment goes on after it.
    let last = bytes.chunks(4096).rposition(|block| block.starts_with(b"RDr1")).expect("a group") * 4096;
    bytes[last] = 0;
    std::fs::write(&segment, bytes).expect("writes");
    assert!(doctor(path).expect("reads").is_damaged());
    let data = DataDirectory::open(path).expect("no other server");
    let mut projection = Projection::open(&data.database()).expect("a database");
    let error = recover(&data.journal(), &mut projection).expect_err("records are missing");
    assert!(matches!(&error, RecoveryError::Damaged { path, .. } if *path == segment), "{error}");
}

#[test]
fn a_stream_whose_shard_is_gone_is_recovered_too() {
    let directory = directory();
    let path = directory.path();
    let mut life = live(path, MakerLimits::default());
    let mut other = Journal::open(7, StreamStart::NEW, life.maker.source());
    other.append(&event("of another shard", 1, 10)).expect("fits");
    std::mem::swap(&mut life.journal, &mut other);
    life.settle();
    drop((life, other));
    let life = live(path, MakerLimits::default());
    assert_eq!(life.recovered.start(7).next_number, 2);
    assert_eq!(life.recovered.start(0), StreamStart { next_segment: 2, ..StreamStart::NEW });
    assert_eq!(life.recovered.start(5), StreamStart::NEW);
    let reader = Reader::open(&path.join("ringdesk.db")).expect("opens");
    assert!(reader.conversation("of another shard").expect("reads").is_some());
}

#[test]
fn half_made_files_and_strangers_do_not_hinder_a_start() {
    let directory = directory();
    let path = directory.path().join("a/b");
    let mut life = live(&path, MakerLimits::default());
    life.append(1, 10);
    life.settle();
    drop(life);
    for name in ["new-00000001.tmp", "free-00000077.seg", "README", "1-2.seg.bak"] {
        std::fs::write(path.join("journal").join(name), [7; 5000]).expect("writes");
    }
    let life = live(&path, MakerLimits::default());
    assert_eq!(life.durable, 1);
    let is_there = |name: &str| path.join("journal").join(name).exists();
    assert!(!is_there("new-00000001.tmp") && !is_there("free-00000077.seg"));
    assert!(is_there("README") && is_there("1-2.seg.bak"));
}

#[test]
fn a_projection_that_failed_tries_again() {
    let directory = directory();
    let path = directory.path();
    let mut life = live(path, MakerLimits::default());
    // SQL lacks records 1 to 4, as if a batch had failed.
    life.journal = Journal::open(1, StreamStart { next_number: 5, ..StreamStart::NEW }, life.maker.source());
    let record = |seq| event("c", seq, 10);
    for seq in 5..=9 {
        assert_eq!(life.journal.append(&record(seq)).expect("fits"), seq);
    }
    life.settle();
    let followed = Followed {
        stream: 1,
        start: StreamStart { next_number: 5, ..StreamStart::NEW },
        published: life.journal.published(),
    };
    let projected = Arc::new(Mutex::new(0));
    let told = Arc::clone(&projected);
    let projector = Projector::new(
        life.projection.take().expect("started once"),
        &(Arc::new(life.data.journal()) as Arc<dyn Disk>),
        &mut life.recovered,
        vec![followed],
        life.maker.source(),
        Box::new(move |_, up_to| *told.lock().expect("a lock") = up_to),
    );
    let lag = Arc::new(Mutex::new(None));
    let seen = Arc::clone(&lag);
    let on_round = Box::new(move |lag| *seen.lock().expect("a lock") = Some(lag));
    let thread = ProjectionThread::start(projector, &life.data.database(), on_round).expect("a thread");
    std::thread::sleep(Duration::from_millis(50));
    assert_eq!(*projected.lock().expect("a lock"), 0);
    assert_eq!(*lag.lock().expect("a lock"), Some(Lag { records: 5, durable: 5, has_failed: true }));
    let missing: Vec<_> = (1..=4).map(|seq| (seq, record(seq))).collect();
    Projection::open(&life.data.database()).expect("opens").apply(1, &missing).expect("applies");
    drop(thread);
    assert_eq!(*lag.lock().expect("a lock"), Some(Lag { records: 0, durable: 5, has_failed: false }));
    assert_eq!(*projected.lock().expect("a lock"), 9);
    check_sql(path, 9);
}

#[test]
fn two_servers_cannot_share_a_directory() {
    let directory = directory();
    let _first = DataDirectory::open(directory.path()).expect("free");
    let error = DataDirectory::open(directory.path()).expect_err("taken");
    assert!(matches!(error, RecoveryError::Locked { .. }), "{error}");
}

#[test]
fn at_its_limit_the_journal_refuses_and_keeps_what_it_accepted() {
    let directory = directory();
    // Room for the first segment only; nobody frees any.
    let limits = MakerLimits { journal_bytes_max: SEGMENT_FIRST_BYTES as u64, ..MakerLimits::default() };
    let mut life = live(directory.path(), limits);
    let mut accepted = 0;
    for _ in 0..TURNS_MAX {
        if life.journal.is_full() {
            break;
        }
        life.append(1, 30_000);
        accepted += 1;
        life.settle();
        if life.maker.source().trouble().is_none() && accepted > 10 {
            // The maker has not said yet that it cannot.
            std::thread::sleep(Duration::from_millis(1));
        }
    }
    assert_eq!(life.maker.source().trouble(), Some(Trouble::LimitReached));
    assert!(life.journal.is_full());
    assert_eq!(life.durable, accepted);
    // What the desk still has to say finds room.
    life.append(3, 1_000);
    life.settle();
    drop(life);
    let life = live(directory.path(), limits);
    assert_eq!(life.durable, accepted + 3);
    assert!(!life.journal.is_full());
}
