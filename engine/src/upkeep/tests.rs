//! Folders damaged on purpose: what the doctor says, and what the other tools make of them.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use store::{
    journal::{BLOCK_BYTES, SegmentHeader, Writer},
    record::{ConversationRecord, EventKind, EventRecord, Phase, Record, Role},
    sql::{Account, AccountRole, Accounts, Projection, Reader},
};

use super::{
    cut::cut,
    doctor::{Examined, examine},
    error::UpkeepError,
    watch::Watch,
};
use crate::{
    cli::{self, Command, DoctorAction},
    identity::secrets::{Secrets, VISITOR_FILE},
    recovery::{DataDirectory, RecoveryError, recover},
};

mod backup;
mod rebuild;

/// Blocks of a segment in these tests.
const SEGMENT_BLOCKS: usize = 5;
const NOW_MS: u64 = 1_795_000_000_000;
const FIRST: &str = "00-00000001.seg";
const SECOND: &str = "00-00000002.seg";

/// A data folder as a server that was killed left it: stream 0 has two segments.
struct Desk {
    directory: tempfile::TempDir,
}

fn conversation(id: &str) -> Record {
    Record::Conversation(ConversationRecord {
        conversation: id.into(),
        site: "default".into(),
        visitor: format!("visitor of {id}"),
        name: "小明".into(),
        vip: false,
        page: String::new(),
        at_ms: 1,
    })
}

fn message(id: &str, seq: u64) -> Record {
    Record::Event(EventRecord {
        conversation: id.into(),
        seq,
        at_ms: 1000 * seq,
        kind: EventKind::Message,
        role: Role::Visitor,
        from_id: "v".into(),
        from_name: String::new(),
        client_id: format!("m{seq}"),
        content: format!("{{\"text\":\"number {seq}\"}}"),
        agent: String::new(),
        phase: Phase::Queued,
    })
}

/// Records 1 to 18: two conversations, then eight messages of each in turn.
fn records() -> Vec<Record> {
    let mut records = vec![conversation("a"), conversation("b")];
    records.extend((1..=8).flat_map(|seq| [message("a", seq), message("b", seq)]));
    records
}

impl Desk {
    /// Segment 1 has records 1 to 12 in four groups, segment 2 has 13 to 18 in two.
    fn killed() -> Self {
        let desk = Self { directory: tempfile::tempdir().expect("a directory") };
        fs::create_dir(desk.journal()).expect("makes");
        let mut writer = Writer::new(0, 1, 0);
        let mut records = records().into_iter();
        for (segment, groups) in [(1, 4), (2, 2)] {
            let epoch = 0x5eed_0000_0000 + u64::from(segment);
            let segment_bytes = (SEGMENT_BLOCKS * BLOCK_BYTES) as u32;
            let mut image = SegmentHeader { stream: 0, segment, epoch, segment_bytes }.encode().to_vec();
            for _ in 0..groups {
                for record in records.by_ref().take(3) {
                    writer.append(&record).expect("fits");
                }
                image.extend(writer.seal(epoch, usize::MAX).expect("pending").bytes);
            }
            image.resize(segment_bytes as usize, 0);
            fs::write(desk.segment(segment), image).expect("writes");
        }
        Secrets::load_or_create(desk.path()).expect("secrets");
        desk.account();
        desk
    }

    /// All of the journal is in SQL.
    fn applied() -> Self {
        let desk = Self::killed();
        assert_eq!(desk.start().expect("starts"), 19);
        desk
    }

    /// So much of the journal is in SQL.
    fn applied_up_to(last: u64) -> Self {
        let desk = Self::killed();
        let records: Vec<_> = (1..=last).zip(records()).collect();
        let mut projection = Projection::open(&desk.database()).expect("opens");
        projection.apply(0, &records).expect("applies");
        projection.close().expect("closes");
        desk
    }

    fn path(&self) -> &Path {
        self.directory.path()
    }

    fn journal(&self) -> PathBuf {
        self.path().join("journal")
    }

    fn segment(&self, segment: u32) -> PathBuf {
        self.journal().join(if segment == 1 { FIRST } else { SECOND })
    }

    fn database(&self) -> PathBuf {
        self.path().join("ringdesk.db")
    }

    fn account(&self) {
        let li = Account {
            name: "li".into(),
            role: AccountRole::Admin,
            password_hash: "hash".into(),
            created_at_ms: 17,
            disabled: false,
        };
        assert!(Accounts::open(&self.database()).expect("opens").create(&li).expect("writes"));
    }

    /// As a server starts: the number that stream 0 goes on with.
    fn start(&self) -> Result<u64, RecoveryError> {
        let data = DataDirectory::open(self.path())?;
        let mut projection = Projection::open(&data.database())?;
        let recovered = recover(&data.journal(), &mut projection)?;
        projection.close()?;
        Ok(recovered.start(0).next_number)
    }

    fn examine(&self) -> Examined {
        examine(self.path(), &Watch::new()).expect("a folder")
    }

    fn flip(&self, segment: u32, at: usize) {
        let path = self.segment(segment);
        let mut bytes = fs::read(&path).expect("reads");
        bytes[at] ^= 1;
        fs::write(path, bytes).expect("writes");
    }

    fn sql(&self, sql: &str) {
        // By hand, as something else might.
        let path = self.database();
        store::sql::change_by_hand(&path, sql).expect("changes");
    }

    fn events(&self, conversation: &str) -> Vec<EventRecord> {
        Reader::open(&self.database())
            .expect("opens")
            .events(conversation, 0, 100, usize::MAX)
            .expect("reads")
    }

    fn cut(&self, file: &str, offset: usize) -> Result<super::cut::Cut, UpkeepError> {
        cut(self.path(), file, offset, NOW_MS, &Watch::new())
    }
}

/// Every file with its bytes.
fn everything(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).expect("lists") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(everything(&path));
        } else {
            found.insert(path.clone(), fs::read(path).expect("reads"));
        }
    }
    found
}

#[test]
fn the_doctor_changes_nothing_and_finds_nothing_in_a_healthy_folder() {
    let desk = Desk::applied();
    let before = everything(desk.path());
    let examined = desk.examine();
    assert_eq!(examined.keys(), disk_is_low(&examined));
    assert!(!examined.is_damaged());
    let database = examined.database.expect("was read");
    assert_eq!((database.conversations, database.events, database.accounts), (2, 16, 1));
    assert_eq!(everything(desk.path()), before);
}

/// The machine that runs the tests may have little space.
fn disk_is_low(examined: &Examined) -> Vec<&'static str> {
    examined.keys().into_iter().filter(|key| *key == "disk.low").collect()
}

/// One damage, and what the doctor says of it.
type Case = (&'static str, fn() -> Desk, fn(&Desk), &'static [&'static str], bool);

#[test]
fn every_damage_has_its_finding() {
    const BLOCK: usize = BLOCK_BYTES;
    let cases: &[Case] = &[
        ("records to come", Desk::killed, |_| {}, &["database.behind"], false),
        (
            "a flipped byte in the middle",
            Desk::killed,
            |desk| desk.flip(1, 2 * BLOCK + 50),
            &["journal.damaged", "database.behind"],
            true,
        ),
        (
            "the same, and SQL has it",
            Desk::applied,
            |desk| desk.flip(1, 2 * BLOCK + 50),
            &["journal.damaged_behind"],
            false,
        ),
        (
            "the same in the last segment: a start stops there",
            Desk::applied,
            |desk| desk.flip(2, BLOCK + 50),
            &["journal.damaged"],
            true,
        ),
        (
            "a torn tail",
            Desk::killed,
            |desk| desk.flip(2, 2 * BLOCK + 50),
            &["journal.torn", "database.behind"],
            false,
        ),
        (
            "a lost end before another segment",
            Desk::killed,
            |desk| desk.flip(1, 4 * BLOCK + 50),
            &["journal.damaged", "database.behind"],
            true,
        ),
        ("a header", Desk::applied, |desk| desk.flip(1, 20), &["journal.damaged"], true),
        (
            "a segment under another's name",
            Desk::applied,
            |desk| fs::rename(desk.segment(2), desk.journal().join("00-00000009.seg")).expect("renames"),
            &["journal.damaged"],
            true,
        ),
        (
            "a journal that was begun without its beginning",
            Desk::killed,
            |desk| fs::remove_file(desk.segment(1)).expect("removes"),
            &["journal.missing", "database.behind"],
            true,
        ),
        (
            "no database",
            Desk::killed,
            |desk| fs::remove_file(desk.database()).expect("removes"),
            &["database.absent"],
            true,
        ),
        (
            "something else as a database",
            Desk::applied,
            |desk| fs::write(desk.database(), [7; 9000]).expect("writes"),
            &["database.unreadable"],
            true,
        ),
        (
            "a database of the future",
            Desk::applied,
            |desk| desk.sql("PRAGMA user_version = 999"),
            &["database.newer"],
            true,
        ),
        (
            "a lost index",
            Desk::applied,
            |desk| desk.sql("DROP INDEX conversations_open"),
            &["database.tables"],
            true,
        ),
        (
            "a wrong row",
            Desk::applied,
            |desk| desk.sql("UPDATE conversations SET phase = 2"),
            &["conversations.rows"],
            true,
        ),
        (
            "a lost event",
            Desk::applied,
            |desk| desk.sql("DELETE FROM events WHERE key = (1 << 24) + 5"),
            &["events.missing"],
            true,
        ),
        (
            "a lost conversation",
            Desk::applied,
            |desk| desk.sql("DELETE FROM conversations WHERE key = 2"),
            &["events.orphans"],
            true,
        ),
        (
            "a message twice",
            Desk::applied,
            |desk| desk.sql("UPDATE events SET client_id = 'm1' WHERE key = (1 << 24) + 5"),
            &["events.doubled"],
            true,
        ),
        (
            "a value of nobody",
            Desk::applied,
            |desk| desk.sql("UPDATE events SET role = 9 WHERE key = (1 << 24) + 5"),
            &["database.values"],
            true,
        ),
        (
            "a secret for everybody",
            Desk::applied,
            |desk| {
                let open = fs::Permissions::from_mode(0o644);
                fs::set_permissions(desk.path().join(VISITOR_FILE), open).expect("changes");
            },
            &["secrets.open"],
            false,
        ),
        (
            "no secret",
            Desk::applied,
            |desk| fs::remove_file(desk.path().join(VISITOR_FILE)).expect("removes"),
            &["secrets.absent"],
            false,
        ),
        (
            "a secret that is none",
            Desk::applied,
            |desk| fs::write(desk.path().join(VISITOR_FILE), "short").expect("writes"),
            &["secrets.wrong"],
            true,
        ),
        (
            "half-made files",
            Desk::applied,
            |desk| fs::write(desk.journal().join("new-00000001.tmp"), "x").expect("writes"),
            &["folder.leftovers"],
            false,
        ),
    ];
    for (name, desk, damage, keys, is_damaged) in cases {
        let desk = desk();
        damage(&desk);
        let examined = desk.examine();
        let mut found = examined.keys();
        found.retain(|key| *key != "disk.low");
        assert_eq!((found.as_slice(), examined.is_damaged()), (*keys, *is_damaged), "{name}");
        for finding in &examined.findings {
            assert!(finding.what.ends_with('.') && finding.means.ends_with('.'), "{name}: {finding:?}");
            assert!(
                !examined.is_damaged()
                    || finding.level < super::finding::Level::Damage
                    || !finding.next.is_empty()
            );
        }
        // What it calls damage of the journal, a start stops at, and nothing else.
        if keys.iter().any(|key| key.starts_with("journal.")) {
            let stops = keys.contains(&"journal.damaged") || keys.contains(&"journal.missing");
            assert_eq!(desk.start().is_err(), stops, "{name}");
        }
    }
}

#[test]
fn a_folder_that_a_server_uses_is_told() {
    let desk = Desk::applied();
    let _server = DataDirectory::open(desk.path()).expect("free");
    let examined = desk.examine();
    assert!(examined.is_in_use && examined.keys().contains(&"server.running"));
    assert!(matches!(desk.cut(FIRST, 0), Err(UpkeepError::InUse(_))));
    assert!(matches!(super::repair::repair(desk.path(), &Watch::new()), Err(UpkeepError::InUse(_))));
}

#[test]
fn a_folder_that_is_none_is_refused() {
    let directory = tempfile::tempdir().expect("a directory");
    let nowhere = directory.path().join("nowhere");
    assert!(matches!(examine(&nowhere, &Watch::new()), Err(UpkeepError::NoData(_))));
    assert!(matches!(examine(directory.path(), &Watch::new()), Err(UpkeepError::NoData(_))));
    fs::create_dir(directory.path().join("journal")).expect("makes");
    let new = examine(directory.path(), &Watch::new()).expect("a folder");
    assert!(new.keys().contains(&"folder.new") && !new.is_damaged(), "{:?}", new.keys());
}

#[test]
fn a_repair_puts_right_what_can_be_and_says_so() {
    let desk = Desk::applied();
    let before = desk.examine().database.expect("was read");
    desk.sql("UPDATE conversations SET phase = 2, agent = 'x'");
    fs::write(desk.journal().join("new-00000001.tmp"), "x").expect("writes");
    fs::write(desk.path().join(".secret-0123"), "x").expect("writes");
    let open = fs::Permissions::from_mode(0o644);
    fs::set_permissions(desk.path().join(VISITOR_FILE), open).expect("changes");
    let did = super::repair::repair(desk.path(), &Watch::new()).expect("repairs");
    assert_eq!(did.len(), 4, "{did:?}");
    let examined = desk.examine();
    assert_eq!((examined.keys(), examined.database.clone()), (disk_is_low(&examined), Some(before)));
    assert_eq!(super::repair::repair(desk.path(), &Watch::new()).expect("repairs"), [""; 0]);
}

/// Where a start stops, if it does.
fn stop(desk: &Desk) -> Option<(String, usize)> {
    match desk.start() {
        Ok(_) => None,
        Err(RecoveryError::Damaged { path, offset }) => {
            Some((path.file_name().expect("a name").to_string_lossy().into_owned(), offset))
        }
        Err(other) => panic!("{other}"),
    }
}

/// Of zeros to the end of a block, each so many-eth byte is flipped.
const PADDING_STEP: usize = 61;

fn is_padding(image: &[u8], at: usize) -> bool {
    image[at..(at / BLOCK_BYTES + 1) * BLOCK_BYTES].iter().all(|&byte| byte == 0)
}

#[test]
fn whatever_byte_is_flipped_the_doctor_names_the_place_or_nothing_is_lost() {
    let (desk, nothing) = (Desk::killed(), BTreeMap::new());
    for segment in [1, 2] {
        let intact = fs::read(desk.segment(segment)).expect("reads");
        for at in 0..intact.len() {
            if is_padding(&intact, at) && !at.is_multiple_of(PADDING_STEP) {
                continue;
            }
            desk.flip(segment, at);
            let report = crate::recovery::doctor(desk.path()).expect("reads");
            let found: Vec<_> = report.damages(&nothing).collect();
            let is_torn = report.segments[1].stop != Some(store::journal::Stop::End);
            match found[..] {
                [(place, damage, true)] => {
                    assert_eq!(place.path, desk.segment(segment), "{at}");
                    // The end of the record before it; padding belongs to the group before.
                    let block = |offset: usize| offset / BLOCK_BYTES;
                    let is_near = damage.offset <= at && block(at) - block(damage.offset) <= 1;
                    assert!(is_near, "{segment}, {at}: told {}", damage.offset);
                    assert!(damage.lost_records(0) <= 1, "{segment}, {at}: {:?}", damage.lost);
                }
                [] => {
                    let last_group = if segment == 1 { 5 } else { 2 } * BLOCK_BYTES;
                    let is_last = segment == 2 && at >= last_group;
                    // Else it is in what follows the last record of a segment.
                    assert!(is_last || is_padding(&intact, at), "{segment}, {at}: not found");
                    assert!(!is_torn || segment == 2, "{segment}, {at}");
                }
                ref other => panic!("{segment}, {at}: {other:?}"),
            }
            fs::write(desk.segment(segment), &intact).expect("writes");
        }
    }
}

#[test]
fn a_damage_that_is_cut_lets_the_server_start_with_all_that_is_left() {
    // Not each byte: each of these opens databases. The step is prime to all lengths.
    for applied in [0, 4, 18] {
        for (segment, at) in [1, 2]
            .into_iter()
            .flat_map(|segment| (0..SEGMENT_BLOCKS * BLOCK_BYTES).step_by(1021).map(move |at| (segment, at)))
        {
            let desk = if applied == 0 { Desk::killed() } else { Desk::applied_up_to(applied) };
            desk.flip(segment, at);
            let Some((file, offset)) = stop(&desk) else { continue };
            let place = format!("{applied}, {file}@{offset} for {at}");
            let told = desk.cut(&file, offset).unwrap_or_else(|error| panic!("{place}: {error}"));
            let lost: u64 = told.lost.iter().map(|(first, last)| last - first + 1).sum();
            assert!(lost <= 1, "{place}: {told:?}");
            assert_eq!(desk.start().unwrap_or_else(|error| panic!("{place}: {error}")), 19, "{place}");
            assert!(told.evidence.exists() && !desk.journal().join(&file).exists(), "{place}");
            check_cut(&desk, &told, &place);
        }
    }
}

/// Everything is there but what was told to be lost; in its place is a note.
fn check_cut(desk: &Desk, told: &super::cut::Cut, place: &str) {
    let examined = desk.examine();
    assert!(!examined.is_damaged(), "{place}: {:?}", examined.findings);
    assert!(examined.keys().contains(&"journal.evidence"), "{place}");
    let lost = |number: u64| told.lost.iter().any(|&(first, last)| (first..=last).contains(&number));
    let mut notes = 0;
    for (number, record) in (1..).zip(records()) {
        let Record::Event(expected) = record else { continue };
        let events = desk.events(&expected.conversation);
        let found = events.get(expected.seq as usize - 1);
        match found {
            Some(found) if lost(number) => {
                assert_eq!((found.kind, found.role), (EventKind::Note, Role::System), "{place}");
                notes += 1;
            }
            // The end of a conversation leaves no gap behind.
            None => assert!(lost(number), "{place}: {number} is missing"),
            Some(found) => assert_eq!(*found, expected, "{place}"),
        }
    }
    assert_eq!(notes, told.notes, "{place}");
}

#[test]
fn several_damages_are_cut_one_after_the_other() {
    let desk = Desk::killed();
    desk.flip(1, 2 * BLOCK_BYTES + 50);
    desk.flip(1, 3 * BLOCK_BYTES + 50);
    desk.flip(2, BLOCK_BYTES + 50);
    let (second, offset) = (SECOND, BLOCK_BYTES);
    let error = desk.cut(second, offset).expect_err("the first one comes first").to_string();
    assert!(error.contains(FIRST), "{error}");
    assert!(matches!(desk.cut(FIRST, 17), Err(UpkeepError::NotThere { .. })));
    let mut lost = 0;
    while let Some((file, offset)) = stop(&desk) {
        lost += desk.cut(&file, offset).expect("cuts").lost.len();
    }
    assert_eq!(lost, 3);
    assert!(!desk.examine().is_damaged());
    assert!(matches!(desk.cut(FIRST, 17), Err(UpkeepError::NotThere { found, .. }) if found.is_empty()));
}

#[test]
fn a_cut_that_was_killed_before_the_file_was_put_aside_can_be_repeated() {
    let desk = Desk::killed();
    let intact = {
        desk.flip(1, 2 * BLOCK_BYTES + 50);
        fs::read(desk.segment(1)).expect("reads")
    };
    let (file, offset) = stop(&desk).expect("it stops");
    let first = desk.cut(&file, offset).expect("cuts");
    fs::write(desk.segment(1), intact).expect("writes");
    let again = desk.cut(&file, offset).expect("cuts again");
    assert_eq!((first.lost.len(), again.lost.len(), again.notes), (1, 0, 0));
    assert!(stop(&desk).is_none());
    assert_eq!(desk.events("a").len(), 8);
}

#[test]
fn the_servers_own_words_name_the_command_that_helps() {
    let desk = Desk::killed();
    desk.flip(1, 2 * BLOCK_BYTES + 50);
    let error = desk.start().expect_err("damaged").to_string();
    let examined = desk.examine();
    let finding = examined.findings.iter().find(|finding| finding.key == "journal.damaged").expect("found");
    for text in [error, finding.next.clone()] {
        let command = text.split("ringdesk doctor").nth(1).unwrap_or_else(|| panic!("{text}"));
        let command = command.lines().next().expect("a beginning").trim();
        let words = ["ringdesk", "doctor"].into_iter().chain(command.split(' '));
        let Ok(Command::Doctor { data, doctor }) = cli::parse(words, |_| None) else { panic!("{text}") };
        let DoctorAction::CutDamaged { file, offset } = doctor.action else { panic!("{text}") };
        assert_eq!(
            (data.as_path(), file.as_str(), Some((file.clone(), offset))),
            (desk.path(), FIRST, stop(&desk))
        );
    }
}
