//! Damage made on purpose, found, mended and read around.

use std::path::{Path, PathBuf};

use super::*;
use crate::{
    record::{ConversationRecord, EventKind, Phase, Record, Role},
    sql::{
        Account, AccountRole, Accounts, LOST_TEXT, Old, Projection, Reader, Rebuilder, Repairer, SearchQuery,
        Terms, open_writer,
    },
};

struct Database {
    directory: tempfile::TempDir,
    path: PathBuf,
}

fn conversation(id: &str) -> Record {
    Record::Conversation(ConversationRecord {
        conversation: id.into(),
        site: "default".into(),
        visitor: format!("visitor of {id}"),
        name: "小明".into(),
        vip: false,
        page: String::new(),
        at_ms: 500,
    })
}

fn event(id: &str, seq: u64, kind: EventKind, phase: Phase) -> Record {
    Record::Event(EventRecord {
        conversation: id.into(),
        seq,
        at_ms: 1000 * seq,
        kind,
        role: Role::Visitor,
        from_id: "v".into(),
        from_name: String::new(),
        client_id: if kind == EventKind::Message { format!("client-{seq}") } else { String::new() },
        content: format!("{{\"text\":\"{}\"}}", "word ".repeat(40)),
        agent: if phase == Phase::Answered { "li".into() } else { String::new() },
        phase,
    })
}

/// Conversations `a` (open), `b` (closed and rated), `c` (nothing said), and one account.
fn records(events: u64) -> Vec<(u64, Record)> {
    let mut records = vec![conversation("a"), conversation("b"), conversation("c")];
    for seq in 1..=events {
        records.push(event("a", seq, EventKind::Message, Phase::Answered));
        records.push(event("b", seq, EventKind::Message, Phase::Queued));
    }
    records.push(event("b", events + 1, EventKind::Closed, Phase::Closed));
    records.push(event("b", events + 2, EventKind::Rating, Phase::Closed));
    (1..).zip(records).collect()
}

fn database(events: u64) -> Database {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("ringdesk.db");
    let mut projection = Projection::open(&path).expect("opens");
    for batch in records(events).chunks(100) {
        projection.apply(3, batch).expect("applies");
    }
    projection.close().expect("closes");
    let li = Account {
        name: "li".into(),
        role: AccountRole::Agent,
        password_hash: "hash".into(),
        created_at_ms: 17,
        disabled: false,
    };
    assert!(Accounts::open(&path).expect("opens").create(&li).expect("writes"));
    Database { directory, path }
}

fn flaws(path: &Path) -> (Vec<Flaw>, Walked) {
    let checker = Checker::open(path, true).expect("opens");
    let mut flaws = Vec::new();
    let walked = checker.walk(&mut |flaw| flaws.push(flaw), &mut |_, _| {}).expect("walks");
    (flaws, walked)
}

fn change(path: &Path, sql: &str) {
    open_writer(path).expect("opens").execute_batch(sql).expect("writes");
}

/// The key of an event of conversation number `conversation`.
fn key(conversation: i64, seq: u64) -> i64 {
    rows::event_key(conversation, seq)
}

#[test]
fn a_whole_database_has_no_flaw_and_is_left_as_it_is() {
    let database = database(10);
    let names = || {
        let entries = std::fs::read_dir(database.directory.path()).expect("lists");
        let mut names: Vec<_> = entries.map(|entry| entry.expect("an entry").file_name()).collect();
        names.sort();
        names
    };
    let before = (names(), std::fs::read(&database.path).expect("reads"));
    let (found, walked) = flaws(&database.path);
    assert_eq!((found, walked.conversations, walked.events), (vec![], 3, 22));
    let checker = Checker::open(&database.path, true).expect("opens");
    assert_eq!(checker.integrity().expect("checks"), [""; 0]);
    assert_eq!((checker.foreign_keys().expect("checks"), checker.missing().expect("checks")), (0, vec![]));
    let (found, known) = checker.version().expect("checks");
    assert_eq!(found, known);
    let counts = Counts { conversations: 3, events: 22, accounts: 1, settings: 0 };
    assert_eq!(checker.counts().expect("counts"), counts);
    assert_eq!(checker.progress().expect("reads"), [(3, 25)].into());
    drop(checker);
    assert_eq!((names(), std::fs::read(&database.path).expect("reads")), before);
}

#[test]
fn every_flaw_is_found_and_told_once() {
    let row = |key, id: &str, columns: &[&'static str]| Flaw::Row {
        key,
        conversation: id.into(),
        columns: columns.to_vec(),
    };
    let cases = [
        ("UPDATE conversations SET seq = 4 WHERE id = 'a'".to_owned(), row(1, "a", &["seq"])),
        ("UPDATE conversations SET phase = 3 WHERE id = 'a'".to_owned(), row(1, "a", &["phase"])),
        (
            "UPDATE conversations SET agent = 'x', last_at = 1 WHERE id = 'a'".to_owned(),
            row(1, "a", &["agent", "last_at"]),
        ),
        (
            "UPDATE conversations SET rated = 0, closed_at = 5 WHERE id = 'b'".to_owned(),
            row(2, "b", &["rated", "closed_at"]),
        ),
        ("UPDATE conversations SET closed_at = 5 WHERE id = 'a'".to_owned(), row(1, "a", &["closed_at"])),
        (
            "UPDATE conversations SET last_message = 5 WHERE id = 'a'".to_owned(),
            row(1, "a", &["last_message"]),
        ),
        ("UPDATE conversations SET last_at = 5 WHERE id = 'c'".to_owned(), row(3, "c", &["last_at"])),
        (
            format!("DELETE FROM events WHERE key IN ({}, {})", key(1, 3), key(1, 4)),
            Flaw::Gap { conversation: "a".into(), first: 3, last: 4 },
        ),
        (
            format!("DELETE FROM events WHERE key = {}", key(1, 10)),
            Flaw::Gap { conversation: "a".into(), first: 10, last: 10 },
        ),
        ("DELETE FROM conversations WHERE id = 'a'".to_owned(), Flaw::Orphans { key: 1, events: 10 }),
        (
            format!("UPDATE events SET client_id = 'client-2' WHERE key = {}", key(1, 9)),
            Flaw::Doubled {
                conversation: "a".into(),
                sender: "v".into(),
                id: "client-2".into(),
                seqs: (2, 9),
            },
        ),
        (
            format!("UPDATE events SET kind = 77 WHERE key = {}", key(1, 9)),
            Flaw::Value { column: "events.kind", value: 77 },
        ),
        (
            "UPDATE conversations SET phase = 0 WHERE id = 'c'".to_owned(),
            Flaw::Value { column: "phase", value: 0 },
        ),
    ];
    for (sql, expected) in cases {
        let database = database(10);
        change(&database.path, &sql);
        assert_eq!(flaws(&database.path).0, [expected], "{sql}");
    }
}

#[test]
fn a_missing_index_is_named() {
    let database = database(1);
    change(&database.path, "DROP INDEX conversations_open");
    let checker = Checker::open(&database.path, true).expect("opens");
    assert_eq!(checker.missing().expect("checks"), ["index conversations_open"]);
}

#[test]
fn wrong_rows_are_written_again_and_the_hash_stays() {
    let database = database(10);
    let before = flaws(&database.path).1;
    change(
        &database.path,
        "UPDATE conversations SET phase = 2, agent = 'x', rated = 1 - rated, last_at = 7, closed_at = NULL,
             last_message = 99, seq = seq - (seq > 3)",
    );
    let mut repairer = Repairer::open(&database.path).expect("opens");
    assert_eq!(repairer.rewrite_rows(&mut |_, _| {}).expect("repairs"), 3);
    assert_eq!(repairer.rewrite_rows(&mut |_, _| {}).expect("repairs"), 0);
    repairer.reindex().expect("reindexes");
    drop(repairer);
    assert_eq!(flaws(&database.path), (vec![], before));
}

#[test]
fn a_row_that_knows_of_more_events_is_not_written_over() {
    let database = database(10);
    change(&database.path, &format!("DELETE FROM events WHERE key = {}", key(1, 10)));
    let mut repairer = Repairer::open(&database.path).expect("opens");
    assert_eq!(repairer.rewrite_rows(&mut |_, _| {}).expect("repairs"), 0);
    drop(repairer);
    assert!(matches!(flaws(&database.path).0[..], [Flaw::Gap { first: 10, .. }]));
}

#[test]
fn what_was_salvaged_has_notes_in_its_gaps() {
    let database = database(10);
    let mut projection = Projection::open(&database.path).expect("opens");
    // Records 26 to 28 are lost, 29 is there, 30 is lost, too.
    let salvaged = [(29, event("a", 14, EventKind::Message, Phase::Answered))];
    assert_eq!(projection.apply_salvaged(3, &salvaged, 30).expect("applies"), 3);
    assert_eq!(projection.apply_salvaged(3, &salvaged, 30).expect("applies again, to no effect"), 0);
    assert_eq!(projection.progress().expect("reads"), [(3, 30)].into());
    projection.close().expect("closes");
    assert_eq!(flaws(&database.path).0, []);
    let events = Reader::open(&database.path).expect("opens").events("a", 10, 10, usize::MAX).expect("reads");
    assert!(events[..3].iter().all(|event| event.kind == EventKind::Note && event.agent == "li"));
    assert!(events[0].content.contains(LOST_TEXT), "{}", events[0].content);
    assert_eq!((events.len(), events[3].seq), (4, 14));
}

/// The new database of an old one and some records.
fn rebuilt(database: &Database, records: &[(u64, Record)], fills_gaps: bool) -> (PathBuf, OldReadMade) {
    let path = database.directory.path().join("new.db");
    let mut rebuilder = Rebuilder::create(&path).expect("creates");
    let old = Old::open(&database.path).expect("opens");
    let read = rebuilder.add_old(&old, &mut |_, _| {}).expect("reads");
    rebuilder.add_records(records).expect("adds");
    rebuilder.set_progress(3, 25).expect("writes");
    let made = rebuilder.finish(fills_gaps, &mut |_, _| {}).expect("finishes");
    let differing = rebuilder.differing(&old).expect("compares");
    let conflicts = rebuilder.conflicts();
    rebuilder.close().expect("closes");
    (path, OldReadMade { read, made, differing, conflicts })
}

struct OldReadMade {
    read: crate::sql::OldRead,
    made: crate::sql::Made,
    differing: u64,
    conflicts: u64,
}

/// How many events a search finds.
fn found_words(path: &Path) -> usize {
    let query = SearchQuery {
        terms: Terms::parse("word").expect("a word"),
        site: "default".into(),
        from_ms: 0,
        until_ms: 1 << 40,
        visitor: None,
        agent: None,
        conversation: None,
        before: u64::MAX,
        limit: 1000,
    };
    Reader::open(path).expect("opens").search(&query).expect("searches").hits.len()
}

#[test]
fn a_database_made_anew_from_either_source_is_the_same() {
    let database = database(200);
    let before = flaws(&database.path).1;
    let all = records(200);
    for part in [&all[..0], &all[100..], &all[..]] {
        change(&database.path, "UPDATE conversations SET agent = 'wrong'");
        let (path, told) = rebuilt(&database, part, false);
        assert_eq!((told.read.conversations, told.read.events, told.read.others), (3, 402, 1));
        assert_eq!((told.read.unreadable.len(), told.differing, told.conflicts), (0, 0, 0));
        assert_eq!((told.made.missing, &told.made.walked), (0, &before));
        assert_eq!(flaws(&path), (vec![], before.clone()));
        assert_eq!(found_words(&path), found_words(&database.path));
        let accounts = Accounts::open(&path).expect("opens").list().expect("lists");
        assert_eq!(accounts.len(), 1);
        std::fs::remove_file(&path).expect("removes");
    }
}

#[test]
fn what_the_old_database_lacks_comes_from_the_journal_or_is_counted() {
    let database = database(200);
    let before = flaws(&database.path).1;
    let sql = format!(
        "DELETE FROM events WHERE key > {} AND key < {}; UPDATE events SET content = 'x' WHERE key = {}",
        key(1, 10),
        key(1, 20),
        key(2, 5)
    );
    change(&database.path, &sql);
    let (path, told) = rebuilt(&database, &records(200), false);
    assert_eq!((told.made.missing, told.conflicts, &told.made.walked), (0, 1, &before));
    std::fs::remove_file(&path).expect("removes");
    let (path, told) = rebuilt(&database, &[], false);
    assert_eq!((told.made.missing, told.made.gapped, told.made.notes), (9, 1, 0));
    std::fs::remove_file(&path).expect("removes");
    let (path, told) = rebuilt(&database, &[], true);
    assert_eq!((told.made.missing, told.made.notes), (9, 9));
    assert_eq!(flaws(&path).0, []);
}

#[test]
fn an_event_that_a_rebuild_cannot_write_ends_it() {
    let database = database(0);
    let path = database.directory.path().join("new.db");
    let mut rebuilder = Rebuilder::create(&path).expect("creates");
    change(&path, "CREATE TRIGGER full BEFORE INSERT ON events BEGIN SELECT RAISE(ABORT, 'full'); END");
    let error = rebuilder.add_records(&records(1)).expect_err("nothing can be written");
    assert!(error.to_string().contains("full"), "{error}");
}

#[test]
fn whatever_page_is_destroyed_what_is_left_is_read_and_the_journal_gives_the_rest() {
    const PAGE_BYTES: usize = 4096;
    let intact = database(200);
    let before = flaws(&intact.path).1;
    let bytes = std::fs::read(&intact.path).expect("reads");
    for page in 1..bytes.len() / PAGE_BYTES {
        let mut damaged = bytes.clone();
        damaged[page * PAGE_BYTES..(page + 1) * PAGE_BYTES].fill(0xa5);
        let database = database(0);
        std::fs::write(&database.path, damaged).expect("writes");
        let (path, told) = rebuilt(&database, &records(200), false);
        let OldReadMade { read, made, differing, .. } = told;
        assert_eq!((made.missing, differing), (0, 0), "page {page}: {read:?}");
        assert_eq!(made.walked.events, before.events, "page {page}: {read:?}");
        // Keys may be other ones where a row of the old database was lost.
        assert!(made.walked == before || !read.unreadable.is_empty(), "page {page}: {read:?}");
        assert_eq!(flaws(&path).0, [], "page {page}");
        let left = rebuilt_without_journal(&database);
        assert!(left > 0 || read.events == 0, "page {page}: {read:?}");
    }
}

fn rebuilt_without_journal(database: &Database) -> u64 {
    std::fs::remove_file(database.directory.path().join("new.db")).expect("removes");
    rebuilt(database, &[], false).1.read.events
}
