//! A small disk that fills up: what was accepted is kept, what is new is refused with a code, and when there is room it
//! goes on by itself.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    BACKENDS,
    desk::Desk,
    ledger::{Answer, Visitor},
};

/// Some segments and a database, and not for long.
const DISK_MB: usize = 144;
/// What is taken away to make room.
const BALLAST_MB: usize = 96;
const VISITORS: usize = 2;
/// Messages of the largest size until the disk must be full.
const MESSAGES_MAX: usize = 8_000;

/// A disk of its own in memory, as long as this lives.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn mount() -> Option<Self> {
        let folder = tempfile::tempdir().expect("a folder to mount on");
        let size = format!("size={DISK_MB}m");
        let mounted =
            Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(folder.path()).status();
        if mounted.is_ok_and(|status| status.success()) {
            return Some(Self(folder));
        }
        assert!(std::env::var_os("CI").is_none(), "cannot mount a small disk");
        eprintln!("SKIPPED: a small disk cannot be mounted here; run the test as root");
        None
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    /// Something else that needs space, and may go.
    fn ballast(&self) -> PathBuf {
        let path = self.path().join("ballast");
        fs::write(&path, vec![7; BALLAST_MB << 20]).expect("there is room yet");
        path
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // The server is gone by now; if not, the test has failed already.
        drop(Command::new("umount").arg("-l").arg(self.path()).status());
    }
}

/// Talks until it is refused: the code, and when to try again.
fn fill_up(visitors: &mut [Visitor]) -> (String, Option<u64>) {
    for number in 0..MESSAGES_MAX {
        let visitor = &mut visitors[number % VISITORS];
        match visitor.talk_at_length() {
            // What came in before the disk was found full stays in memory until there is room.
            None | Some(Answer::Acknowledged(_)) => {}
            Some(Answer::Refused(code, retry_after_ms)) => return (code, retry_after_ms),
            Some(other) => panic!("neither taken nor refused: {other:?}"),
        }
    }
    panic!("a disk of {DISK_MB} MB is never full");
}

#[test]
fn a_disk_that_fills_up_refuses_keeps_and_goes_on_when_there_is_room() {
    for backend in BACKENDS {
        for is_killed in [false, true] {
            eprintln!("backend {backend}, killed while full: {is_killed}");
            let Some(disk) = SmallDisk::mount() else { return };
            let ballast = disk.ballast();
            let mut desk = Desk::on(&disk.path().join("data"), backend, 1);
            desk.start_again();
            desk.add_agent("ann", "supervisor");
            let token = desk.login("ann");
            let mut visitors = Visitor::crowd(&desk, VISITORS);
            let (code, retry_after_ms) = fill_up(&mut visitors);
            assert_eq!(code, "journal_full");
            assert!(retry_after_ms > Some(0));
            assert_eq!(desk.both_ports("/health/live"), [200, 200]);

            if is_killed {
                desk.kill();
                if desk.try_start().is_err() {
                    // It may say that there is no room to start in; then room is made first.
                    let log = desk.log();
                    assert!(log.contains("disk") || log.contains("space"), "{log}");
                }
            }
            fs::remove_file(&ballast).expect("it is there");
            if !desk.is_running() {
                desk.start_again();
            }
            for visitor in &mut visitors {
                visitor.come_back(&desk);
                // What was refused is sent again until it is taken, and new words, too: nobody restarts anything.
                visitor.say();
                visitor.send_all_until_taken();
                visitor.check(&desk, &token);
            }
            assert_eq!(desk.stop(), Some(0));
        }
    }
}
