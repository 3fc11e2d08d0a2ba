//! Databases made anew.

use super::*;
use crate::upkeep::rebuild::{Rebuilt, rebuild};

fn run(desk: &Desk, accepts_loss: bool) -> Result<Rebuilt, UpkeepError> {
    rebuild(desk.path(), accepts_loss, NOW_MS, &Watch::new())
}

#[test]
fn a_database_made_anew_is_the_same_and_the_old_one_is_kept() {
    let desk = Desk::applied();
    let before = desk.examine().database.expect("was read");
    for damage in [
        "UPDATE conversations SET agent = 'x'",
        "DROP INDEX conversations_open",
        "DELETE FROM events WHERE key > 0",
        "DELETE FROM progress",
    ] {
        desk.sql(damage);
        let rebuilt = run(&desk, false).unwrap_or_else(|error| panic!("{damage}: {error}"));
        let kept = rebuilt.kept.clone().expect("there was one");
        assert!(rebuilt.to_string().ends_with("Nothing is lost."), "{rebuilt}");
        let examined = desk.examine();
        assert_eq!(
            (examined.keys(), examined.database),
            (disk_is_low(&desk.examine()), Some(before.clone()))
        );
        assert_eq!(desk.start().expect("starts"), 19);
        fs::remove_file(kept).expect("it is kept");
    }
}

#[test]
fn what_only_the_old_database_had_is_kept_or_the_loss_is_told() {
    let desk = Desk::applied();
    for segment in [1, 2] {
        fs::remove_file(desk.segment(segment)).expect("recycled");
    }
    let before = desk.examine().database.expect("was read");
    run(&desk, false).expect("nothing is lost");
    assert_eq!(desk.examine().database, Some(before));
    desk.sql("DELETE FROM events WHERE key = (1 << 24) + 5");
    let untouched = everything(desk.path());
    let error = run(&desk, false).expect_err("one event is lost");
    assert!(error.to_string().contains("1 events of 1 conversations"), "{error}");
    assert_eq!(everything(desk.path()), untouched);
    fs::remove_file(kept(&desk)).expect("the first one");
    let rebuilt = run(&desk, true).expect("as accepted");
    assert_eq!((rebuilt.made.missing, rebuilt.made.notes), (1, 1));
    assert!(!desk.examine().is_damaged());
    assert_eq!(desk.events("a")[4].kind, EventKind::Note);
}

fn kept(desk: &Desk) -> PathBuf {
    let files = everything(desk.path());
    files.into_keys().find(|path| path.to_string_lossy().contains("before-rebuild")).expect("kept")
}

#[test]
fn without_a_database_the_journal_makes_one_if_the_loss_is_accepted() {
    for is_there in [false, true] {
        let desk = Desk::killed();
        fs::write(desk.database(), [7; 9000]).expect("writes");
        if !is_there {
            fs::remove_file(desk.database()).expect("removes");
        }
        let error = run(&desk, false).expect_err("accounts are lost");
        assert!(error.to_string().contains("--accept-loss"), "{error}");
        let rebuilt = run(&desk, true).expect("as accepted");
        assert_eq!((rebuilt.records, rebuilt.kept.is_some()), (18, is_there));
        assert_eq!((desk.events("a").len(), desk.start().expect("starts")), (8, 19));
        assert!(!desk.examine().is_damaged());
    }
}

#[test]
fn a_log_beside_the_old_database_is_part_of_it_and_never_of_the_new_one() {
    let desk = Desk::killed();
    // A process that was killed leaves its log.
    let mut projection = Projection::open(&desk.database()).expect("opens");
    let records: Vec<_> = (1..).zip(records()).collect();
    projection.apply(0, &records).expect("applies");
    std::mem::forget(projection);
    for segment in [1, 2] {
        fs::remove_file(desk.segment(segment)).expect("recycled");
    }
    run(&desk, false).expect("nothing is lost");
    assert_eq!(desk.events("b").len(), 8);
    assert!(!desk.examine().is_damaged());
}
