//! What SQL lacks at a start: given to the shards, and to SQL while they go on; or to SQL beforehand.

use super::*;
use crate::{placement, recovery::take_up};

/// A conversation of shard 0, of however many.
fn owned_id() -> String {
    let mut ids = (0..).map(|number| placement::conversation_id(number, 1_795_392_000_000));
    let is_owned = |id: &String| (1..5).all(|shards| placement::shard_of_conversation(id, shards) == Some(0));
    ids.find(is_owned).expect("one in four")
}

/// A crash that left these records, and SQL without any.
fn left_behind(path: &Path, conversation: &str, records: u64) {
    let mut life = live(path, MakerLimits::default());
    for seq in 1..=records {
        life.journal.append(&event(conversation, seq, 30_000)).expect("fits");
        if seq % 20 == 0 {
            life.settle();
        }
    }
    life.settle();
    assert_eq!(life.durable, records);
}

fn check_lacking(recovered: &Recovered, expected: std::ops::RangeInclusive<u64>) {
    let lacking = recovered.lacking.get(&0).map_or(&[][..], Vec::as_slice);
    let numbers = lacking.iter().flat_map(store::sql::Batch::records).map(|(number, _)| *number);
    assert!(numbers.eq(expected.clone()), "not {expected:?}");
}

fn seq_in_sql(path: &Path, conversation: &str) -> u64 {
    let reader = Reader::open(&path.join("ringdesk.db")).expect("opens");
    reader.conversation(conversation).expect("reads").map_or(0, |stored| stored.seq)
}

/// As [`live`], and SQL gets what it lacks from [`projector_of`].
fn live_behind(path: &Path) -> Life {
    let data = DataDirectory::open(path).expect("no other server");
    let mut projection = Projection::open(&data.database()).expect("a database");
    let recovered = take_up(&data.journal(), &mut projection, 1, usize::MAX, 2).expect("nothing is damaged");
    let (left, disk) = (recovered.files.clone(), Arc::new(data.journal()));
    let maker = SegmentMaker::start(disk, left, MakerLimits::default(), Box::new(|_| {})).expect("a thread");
    let journal = Journal::open(0, recovered.start(0), maker.source());
    let durable = journal.durable();
    Life { journal, reactor: reactor(), maker, recovered, projection: Some(projection), data, durable }
}

fn projector_of(life: &mut Life) -> Projector {
    let followed =
        Followed { stream: 0, start: life.recovered.start(0), published: life.journal.published() };
    Projector::new(
        life.projection.take().expect("once"),
        &(Arc::new(life.data.journal()) as Arc<dyn Disk>),
        &mut life.recovered,
        vec![followed],
        life.maker.source(),
        Box::new(|_, _| {}),
    )
}

#[test]
fn shards_go_on_while_sql_gets_what_it_lacks_however_often_they_crash() {
    let directory = directory();
    let (path, id) = (directory.path(), owned_id());
    left_behind(path, &id, 1_200);
    let (mut in_sql, mut last) = (0, 1_200);
    // Rounds until the next crash: each is a segment of some five hundred of these records.
    for rounds in [0, 1, 2, 1, usize::MAX] {
        let mut life = live_behind(path);
        assert_eq!((life.durable, life.recovered.lacked), (last, last - in_sql));
        check_lacking(&life.recovered, in_sql + 1..=last);
        assert_eq!(seq_in_sql(path, &id), in_sql);
        let files = segments(path).len();
        let mut projector = projector_of(&mut life);
        assert_eq!(projector.lag().records, last - in_sql);
        life.journal.append(&event(&id, last + 1, 10)).expect("fits");
        life.settle();
        last += 1;
        for _ in 0..rounds {
            assert_eq!(projector.lag().records, last - in_sql);
            let round = projector.round(&mut |_| {});
            in_sql = seq_in_sql(path, &id);
            if round == Round::Nothing {
                break;
            }
        }
        if rounds == usize::MAX {
            assert_eq!((in_sql, projector.lag().records), (last, 0));
            drop((projector, life));
            assert!(segments(path).len() < files, "files of which SQL has all are free");
        }
    }
    assert_eq!(live_behind(path).recovered.lacked, 0);
}

#[test]
fn what_is_not_for_these_shards_or_too_much_is_in_sql_before_they_start() {
    let mine = owned_id();
    let of_other = (0..)
        .map(|number| placement::conversation_id(number, 1_795_392_000_000))
        .find(|id| placement::shard_of_conversation(id, 2) == Some(1))
        .expect("half of all");
    let cases = [
        (mine.as_str(), 1, 40, false),
        (mine.as_str(), 4, 40, false),
        (mine.as_str(), 1, 39, true),
        (of_other.as_str(), 1, 40, false),
        (of_other.as_str(), 2, 40, true),
    ];
    for (id, shards, records_max, is_applied) in cases {
        let directory = directory();
        let path = directory.path();
        left_behind(path, id, 40);
        let data = DataDirectory::open(path).expect("no other server");
        let mut projection = Projection::open(&data.database()).expect("a database");
        let recovered = take_up(&data.journal(), &mut projection, shards, records_max, 1).expect("intact");
        assert_eq!((recovered.start(0).next_number, recovered.lacked), (41, 40));
        assert_eq!(recovered.backlog.is_empty(), is_applied, "{id} {shards} {records_max}");
        assert_eq!(seq_in_sql(path, id), if is_applied { 40 } else { 0 });
        check_lacking(&recovered, 1..=if is_applied { 0 } else { 40 });
    }
}

#[test]
fn records_that_neither_sql_nor_the_journal_has_stop_the_start() {
    let directory = directory();
    let (path, id) = (directory.path(), owned_id());
    left_behind(path, &id, 1_200);
    std::fs::remove_file(segments(path).remove(0)).expect("there are several");
    let data = DataDirectory::open(path).expect("no other server");
    let mut projection = Projection::open(&data.database()).expect("a database");
    let error = take_up(&data.journal(), &mut projection, 1, usize::MAX, 1).expect_err("records are missing");
    assert!(matches!(error, RecoveryError::Sql(store::sql::SqlError::Missing { .. })), "{error}");
}
