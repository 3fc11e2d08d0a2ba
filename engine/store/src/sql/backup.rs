//! A copy of the database as it is at one moment, while others read and write it.
//!
//! Pages are copied a few at a time inside one read transaction, so writers never wait for it, and it never
//! begins anew because they wrote. `VACUUM INTO` would do as well and write less; it cannot pause, and says
//! nothing of its progress (docs/decisions/0008-online-backup.md).

use std::{fs::File, path::Path, thread, time::Duration};

use rusqlite::{
    Connection,
    backup::{Backup, StepResult},
};

use super::{BUSY, Progress, SqlError, open_reader};

/// Pages copied at once, 4 KiB each, and then synced: were all of them synced at the end, the server's own
/// writes would wait behind hundreds of megabytes.
const PAGES_AT_ONCE: i32 = 256;
/// So long the disk is the server's between two steps: at most 100 MB are copied a second.
const PAUSE: Duration = Duration::from_millis(10);

/// Copies the database at `from` to a new file at `to`. All that was committed before is in it.
pub fn snapshot(from: &Path, to: &Path, progress: Progress<'_>) -> Result<(), SqlError> {
    let from = open_reader(from)?;
    from.execute_batch("BEGIN")?;
    // The first read fixes the moment.
    let _: i64 = from.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    let path = to;
    let mut to = Connection::open(path)?;
    to.busy_timeout(BUSY)?;
    // A copy that is not complete is thrown away, so it needs no journal; and pages are to be written, not
    // gathered.
    to.execute_batch("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -1024;")?;
    let backup = Backup::new(&from, &mut to)?;
    loop {
        let step = backup.step(PAGES_AT_ONCE)?;
        sync(path);
        let pages = backup.progress();
        let all = u64::try_from(pages.pagecount).unwrap_or(0);
        progress(all.saturating_sub(u64::try_from(pages.remaining).unwrap_or(0)), all);
        match step {
            StepResult::Done => return Ok(()),
            StepResult::More | StepResult::Busy | StepResult::Locked => thread::sleep(PAUSE),
            _ => unreachable!("SQLite knows no other result of a step"),
        }
    }
}

/// What fails here, fails again when the whole copy is synced, and is told then.
fn sync(path: &Path) {
    drop(File::open(path).and_then(|file| file.sync_data()));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        record::{ConversationRecord, Record},
        sql::{Checker, Projection},
    };

    #[test]
    fn a_snapshot_is_one_moment_while_others_write() {
        let directory = tempfile::tempdir().expect("a directory");
        let (from, to) = (directory.path().join("ringdesk.db"), directory.path().join("copy.db"));
        let mut projection = Projection::open(&from).expect("opens");
        let mut number = 0;
        let mut write = |projection: &mut Projection| {
            let records: Vec<_> = (0..500)
                .map(|_| {
                    number += 1;
                    let record = ConversationRecord {
                        conversation: format!("c{number}"),
                        site: "default".into(),
                        visitor: "v".into(),
                        name: String::new(),
                        vip: false,
                        page: "x".repeat(10_000),
                        at_ms: number,
                    };
                    (number, Record::Conversation(record))
                })
                .collect();
            projection.apply(0, &records).expect("applies");
        };
        write(&mut projection);
        let mut steps = 0;
        snapshot(&from, &to, &mut |done, all| {
            assert!(done <= all);
            steps += 1;
            write(&mut projection);
        })
        .expect("copies");
        assert!(steps > 1, "the writer had no chance");
        let count = |path| Checker::open(path, false).expect("opens").counts().expect("counts").conversations;
        assert_eq!((count(&to), count(&from)), (500, 500 * (steps + 1)));
        assert_eq!(Checker::open(&to, false).expect("opens").integrity().expect("checks"), [""; 0]);
    }
}
