//! Copies, whole and not.

use super::*;
use crate::upkeep::{
    backup::{BackedUp, backup},
    manifest::{MANIFEST_FILE, Manifest},
    restore::{is_unfinished, restore, verify},
};

struct Copies {
    directory: tempfile::TempDir,
}

impl Copies {
    fn new() -> Self {
        Self { directory: tempfile::tempdir().expect("a directory") }
    }

    fn folder(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }
}

fn back_up(desk: &Desk, folder: &Path) -> Result<BackedUp, UpkeepError> {
    backup(desk.path(), folder, &|| NOW_MS, &Watch::new())
}

/// The folder as a desk.
fn at(path: &Path) -> Examined {
    examine(path, &Watch::new()).expect("a folder")
}

#[test]
fn a_backup_has_all_of_journal_and_database_and_comes_back_whole() {
    for desk in [Desk::killed(), Desk::applied_up_to(5), Desk::applied()] {
        let copies = Copies::new();
        let (folder, data) = (copies.folder("backup"), copies.folder("a/data"));
        let before = everything(&desk.journal());
        let made = back_up(&desk, &folder).expect("copies");
        assert_eq!(everything(&desk.journal()), before);
        let manifest = &made.manifest;
        assert_eq!((manifest.conversations, manifest.events, manifest.accounts), (2, 16, 1));
        assert_eq!((manifest.streams.clone(), made.flaws), ([(0, 18)].into(), 0));
        let names: Vec<_> = everything(&folder).into_keys().collect();
        assert_eq!(names.len(), 4, "{names:?}");
        for path in names {
            let mode = fs::metadata(&path).expect("stat").permissions().mode() & 0o777;
            assert_eq!(mode, 0o600, "{}", path.display());
        }
        let untouched = everything(&folder);
        assert_eq!(verify(&folder, &Watch::new()).expect("whole"), *manifest);
        assert_eq!(restore(&folder, &data, true, &Watch::new()).expect("restores"), *manifest);
        assert_eq!(everything(&folder), untouched);
        assert!(!is_unfinished(&data));
        let examined = at(&data);
        assert!(!examined.is_damaged(), "{:?}", examined.findings);
        let expected = Some(manifest.content_sha256.clone());
        assert_eq!(examined.database.map(|database| database.content_sha256), expected);
        let secret = |data: &Path| fs::read(data.join(VISITOR_FILE)).expect("reads");
        assert_eq!(secret(&data), secret(desk.path()));
    }
}

#[test]
fn a_backup_goes_into_an_empty_folder_outside_of_the_data() {
    let desk = Desk::applied();
    let copies = Copies::new();
    let folder = copies.folder("backup");
    fs::create_dir(&folder).expect("makes");
    back_up(&desk, &folder).expect("an empty folder is right");
    assert!(matches!(back_up(&desk, &folder), Err(UpkeepError::NotEmpty(_))));
    let inside = desk.path().join("backup");
    assert!(matches!(back_up(&desk, &inside), Err(UpkeepError::Inside(_))));
    assert!(!inside.exists());
    let nothing = copies.folder("nothing");
    let error = backup(&nothing, &copies.folder("b"), &|| NOW_MS, &Watch::new());
    assert!(matches!(error, Err(UpkeepError::NoData(_))));
}

#[test]
fn a_damaged_original_gives_no_backup() {
    let desk = Desk::killed();
    desk.flip(1, 2 * BLOCK_BYTES + 50);
    let copies = Copies::new();
    let folder = copies.folder("backup");
    let error = back_up(&desk, &folder).expect_err("records are lost").to_string();
    assert!(error.contains(&desk.segment(1).display().to_string()), "{error}");
    assert!(matches!(verify(&folder, &Watch::new()), Err(UpkeepError::Unfinished(_))));
}

#[test]
fn any_change_of_a_backup_is_found_before_anything_is_made() {
    let copies = Copies::new();
    let (folder, data) = (copies.folder("backup"), copies.folder("data"));
    let made = back_up(&Desk::applied(), &folder).expect("copies");
    for name in made.manifest.files.keys() {
        let path = folder.join(name);
        let intact = fs::read(&path).expect("reads");
        let mut flipped = intact.clone();
        flipped[intact.len() / 2] ^= 1;
        for bytes in [&flipped[..], &intact[1..], b""] {
            fs::write(&path, bytes).expect("writes");
            let error = restore(&folder, &data, false, &Watch::new()).expect_err("damaged");
            assert!(matches!(error, UpkeepError::Differs { .. }), "{name}: {error}");
            assert!(verify(&folder, &Watch::new()).is_err() && !data.exists(), "{name}");
        }
        fs::remove_file(&path).expect("removes");
        assert!(verify(&folder, &Watch::new()).is_err(), "{name}");
        fs::write(&path, intact).expect("writes");
    }
    verify(&folder, &Watch::new()).expect("whole again");
    fs::remove_file(folder.join(MANIFEST_FILE)).expect("removes");
    let error = restore(&folder, &data, false, &Watch::new());
    assert!(matches!(error, Err(UpkeepError::Unfinished(_))));
}

#[test]
fn a_manifest_of_nobody_is_refused() {
    let copies = Copies::new();
    let folder = copies.folder("backup");
    let made = back_up(&Desk::applied(), &folder).expect("copies");
    let write = |manifest: &Manifest| {
        fs::write(folder.join(MANIFEST_FILE), serde_json::to_vec(manifest).expect("JSON")).expect("writes");
    };
    let mut newer = made.manifest.clone();
    newer.format += 1;
    let mut elsewhere = made.manifest.clone();
    let entry = elsewhere.files["ringdesk.db"].clone();
    elsewhere.files.insert("../../etc/passwd".into(), entry);
    let mut counts = made.manifest.clone();
    counts.events += 1;
    for manifest in [newer, elsewhere, counts] {
        write(&manifest);
        let error = verify(&folder, &Watch::new()).expect_err("wrong");
        assert!(matches!(error, UpkeepError::Manifest(..) | UpkeepError::Differs { .. }), "{error}");
    }
    fs::write(folder.join(MANIFEST_FILE), "{").expect("writes");
    assert!(matches!(verify(&folder, &Watch::new()), Err(UpkeepError::Manifest(..))));
}

#[test]
fn a_restore_that_was_interrupted_anywhere_is_repeated() {
    let copies = Copies::new();
    let folder = copies.folder("backup");
    back_up(&Desk::applied(), &folder).expect("copies");
    type Left = fn(&Path);
    let left: &[Left] = &[
        |data| fs::create_dir_all(data.join("restoring")).expect("makes"),
        |data| {
            fs::create_dir_all(data.join("restoring")).expect("makes");
            fs::write(data.join("restoring/ringdesk.db"), "half").expect("writes");
        },
        |data| {
            fs::create_dir_all(data.join("restoring")).expect("makes");
            fs::write(data.join("ringdesk.db"), "half").expect("writes");
        },
    ];
    for (number, left) in left.iter().enumerate() {
        let data = copies.folder(&format!("data{number}"));
        left(&data);
        assert!(is_unfinished(&data));
        restore(&folder, &data, true, &Watch::new()).expect("repeats");
        assert!(!is_unfinished(&data) && !at(&data).is_damaged());
    }
}

#[test]
fn a_restore_writes_over_nothing() {
    let copies = Copies::new();
    let folder = copies.folder("backup");
    let desk = Desk::applied();
    back_up(&desk, &folder).expect("copies");
    let before = everything(desk.path());
    let error = restore(&folder, desk.path(), false, &Watch::new());
    assert!(matches!(error, Err(UpkeepError::NotEmpty(_))));
    assert_eq!(everything(desk.path()), before);
}
