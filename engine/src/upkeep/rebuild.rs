//! Makes a new database of the journal and of what can be read of the old one, and puts it in its place in
//! one step. The old one is kept.

use std::{
    collections::BTreeMap,
    fmt,
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use store::sql::{Checker, Made, Old, OldRead, Rebuilder, files_beside, settle};

use super::{cut, error::UpkeepError, files, finding::cause, watch::Watch};
use crate::{
    journal::{directory_of, sync_directory},
    recovery::{self, DataDirectory, Report},
};

/// The new database's name until it is whole, with what SQLite puts beside it.
pub(super) const UNFINISHED: &str = "ringdesk.db.rebuilding";
/// What the old one's name begins with afterwards.
pub const KEPT: &str = "ringdesk.db.before-rebuild-";
/// Records written in one transaction.
const BATCH_RECORDS: usize = 20_000;

/// What the new database would lack.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Loss {
    /// Events that their conversations are known to have had.
    pub events: u64,
    /// Conversations they are missing from.
    pub conversations: u64,
    /// Events of which nobody knows the conversation.
    pub orphans: u64,
    /// Records of the journal that cannot be read, or were in the old database only.
    pub records: u64,
    /// What of the old database cannot be read.
    pub unreadable: Vec<String>,
}

impl Loss {
    fn is_none(&self) -> bool {
        self.events == 0 && self.orphans == 0 && self.records == 0 && self.others().is_empty()
    }

    /// Of conversations and events, what is missing in the end is counted.
    fn others(&self) -> Vec<&str> {
        let is_counted = |what: &str| what.starts_with("conversations:") || what.starts_with("events:");
        self.unreadable.iter().map(String::as_str).filter(|what| !is_counted(what)).collect()
    }
}

impl fmt::Display for Loss {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Vec::new();
        if self.events > 0 {
            parts.push(format!("{} events of {} conversations", self.events, self.conversations));
        }
        if self.orphans > 0 {
            parts.push(format!("{} events of conversations nobody knows", self.orphans));
        }
        if self.records > 0 {
            parts.push(format!("{} records that no journal file has any more", self.records));
        }
        let others = self.others();
        if !others.is_empty() {
            parts.push(format!("what cannot be read ({})", others.join("; ")));
        }
        to.write_str(&parts.join(", "))
    }
}

/// What was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rebuilt {
    /// Where the old database is now, if there was one.
    pub kept: Option<PathBuf>,
    /// What was read of it.
    pub old: OldRead,
    /// Records of the journal.
    pub records: u64,
    /// Events that the journal knew otherwise than the old database.
    pub conflicts: u64,
    /// What the new one has.
    pub made: Made,
    /// What it lacks, as was accepted.
    pub loss: Loss,
}

impl fmt::Display for Rebuilt {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (old, walked) = (&self.old, &self.made.walked);
        writeln!(
            to,
            "Read {} conversations, {} events and {} other rows of the old database, and {} records of the journal.",
            old.conversations, old.events, old.others, self.records
        )?;
        writeln!(
            to,
            "The new database has {} conversations and {} events; all that was compared is equal.",
            walked.conversations, walked.events
        )?;
        if old.ids_only > 0 {
            writeln!(to, "Of {} conversations only the id was left: their names are empty.", old.ids_only)?;
        }
        if self.conflicts > 0 {
            writeln!(
                to,
                "{} events were other ones in the old database: the journal's are kept.",
                self.conflicts
            )?;
        }
        match &self.kept {
            Some(kept) => writeln!(to, "The old one is kept as {}.", kept.display())?,
            None => writeln!(to, "There was no old one.")?,
        }
        if self.loss.is_none() {
            write!(to, "Nothing is lost.")
        } else {
            write!(to, "Lost, as accepted: {}. {} notes stand in their places.", self.loss, self.made.notes)
        }
    }
}

/// Makes the database anew. `accepts_loss`: even if something is missing then.
pub fn rebuild(
    data_path: &Path,
    accepts_loss: bool,
    now_ms: u64,
    watch: &Watch,
) -> Result<Rebuilt, UpkeepError> {
    if !data_path.join("journal").is_dir() {
        return Err(UpkeepError::NoData(data_path.to_owned()));
    }
    let data = DataDirectory::open(data_path)?;
    let new = data_path.join(UNFINISHED);
    remove(&new)?;
    let made = make(data_path, &data.database(), &new, accepts_loss, watch);
    let rebuilt = made.and_then(|rebuilt| {
        let kept = swap(&data.database(), &new, now_ms)?;
        Ok(Rebuilt { kept, ..rebuilt })
    });
    if rebuilt.is_err() {
        remove(&new)?;
    }
    rebuilt
}

/// The half-made database, and what SQLite put beside it.
fn remove(new: &Path) -> Result<(), UpkeepError> {
    for path in files_beside(new).iter().map(PathBuf::as_path).chain([new]) {
        files::remove(path).map_err(UpkeepError::disk(path))?;
    }
    Ok(())
}

fn make(
    data: &Path,
    database: &Path,
    new: &Path,
    accepts_loss: bool,
    watch: &Watch,
) -> Result<Rebuilt, UpkeepError> {
    let mut rebuilder = Rebuilder::create(new)?;
    let mut loss = Loss::default();
    let mut progress = BTreeMap::new();
    let old = open_old(database, &mut loss);
    let mut read = OldRead::default();
    if let Some(old) = &old {
        read = rebuilder.add_old(old, &mut watch.begin("reading the old database"))?;
        progress = old.progress().unwrap_or_default();
        loss.orphans = read.orphans;
        loss.unreadable.clone_from(&read.unreadable);
    }
    let journal = data.join("journal");
    let report = recovery::examine(&journal, &mut watch.begin("examining the journal"))
        .map_err(UpkeepError::disk(&journal))?;
    loss.records = records_lost(&report, &progress);
    let records = add_journal(&report, &mut progress, &mut rebuilder, watch)?;
    for (stream, number) in &progress {
        rebuilder.set_progress(*stream, *number)?;
    }
    let made = rebuilder.finish(accepts_loss, &mut watch.begin("checking the new database"))?;
    (loss.events, loss.conversations) = (made.missing, made.gapped);
    if !accepts_loss && !loss.is_none() {
        return Err(UpkeepError::WouldLose(Box::new(loss)));
    }
    let conflicts = rebuilder.conflicts();
    let differing = old.as_ref().map_or(Ok(0), |old| rebuilder.differing(old))?;
    rebuilder.close()?;
    drop(old);
    // Where the journal knew it otherwise, it is meant to differ.
    if differing > conflicts {
        return Err(UpkeepError::NotRight(format!(
            "{differing} conversations have other events than before"
        )));
    }
    check(new)?;
    Ok(Rebuilt { kept: None, old: read, records, conflicts, made, loss })
}

fn open_old(database: &Path, loss: &mut Loss) -> Option<Old> {
    let told = if database.exists() {
        match Old::open(database) {
            Ok(old) => return Some(old),
            Err(error) => cause(&error),
        }
    } else {
        "it is not there".to_owned()
    };
    loss.unreadable.push(format!("accounts, settings and all that only ringdesk.db had: {told}"));
    None
}

/// Records that are neither in the old database, as far as it is known, nor in any segment.
fn records_lost(report: &Report, progress: &BTreeMap<u32, u64>) -> u64 {
    let missing: u64 = report.missing(progress).map(|(_, needed, given)| given - needed).sum();
    let of = |stream| progress.get(&stream).copied().unwrap_or(0);
    let damaged: u64 =
        report.damages(progress).map(|(segment, damage, _)| damage.lost_records(of(segment.stream))).sum();
    missing + damaged
}

fn add_journal(
    report: &Report,
    progress: &mut BTreeMap<u32, u64>,
    rebuilder: &mut Rebuilder,
    watch: &Watch,
) -> Result<u64, UpkeepError> {
    let mut told = watch.begin("applying the journal");
    let mut all = 0;
    for (index, segment) in report.segments.iter().enumerate() {
        let records = cut::records(segment, segment.damage.is_some())?;
        for batch in records.chunks(BATCH_RECORDS) {
            rebuilder.add_records(batch)?;
        }
        all += records.len() as u64;
        if let Some(&(last, _)) = records.last() {
            let known = progress.entry(segment.stream).or_insert(0);
            *known = last.max(*known);
        }
        told(index as u64 + 1, report.segments.len() as u64);
    }
    Ok(all)
}

/// A last look, with other eyes than those of the maker.
fn check(new: &Path) -> Result<(), UpkeepError> {
    let checker = Checker::open(new, true)?;
    let mut wrong = checker.integrity()?;
    checker.walk(&mut |flaw| wrong.push(format!("{flaw:?}")), &mut |_, _| {})?;
    // Twice-sent messages were there before, and orphans were counted.
    wrong.retain(|flaw| !flaw.starts_with("Doubled"));
    match wrong.first() {
        Some(first) => Err(UpkeepError::NotRight(first.clone())),
        None => Ok(()),
    }
}

/// The old database gets another name, then the new one gets its. At each moment there is one of them.
fn swap(database: &Path, new: &Path, now_ms: u64) -> Result<Option<PathBuf>, UpkeepError> {
    File::open(new).and_then(|file| file.sync_all()).map_err(UpkeepError::disk(new))?;
    let folder = directory_of(database);
    let mut kept = None;
    if database.exists() {
        // What is in its log goes to the file itself. If it cannot, the log is kept with it.
        let is_settled = settle(database).is_ok_and(|is_settled| is_settled);
        let name = folder.join(format!("{KEPT}{}", files::time_name(now_ms)));
        keep(database, &name, is_settled).map_err(UpkeepError::disk(&name))?;
        kept = Some(name);
    }
    files::rename(new, database).map_err(UpkeepError::disk(database))?;
    Ok(kept)
}

fn keep(database: &Path, kept: &Path, is_settled: bool) -> io::Result<()> {
    fs::hard_link(database, kept)?;
    for (beside, kept) in files_beside(database).iter().zip(files_beside(kept)) {
        if !is_settled && beside.exists() {
            fs::hard_link(beside, kept)?;
        }
    }
    sync_directory(directory_of(database))?;
    // A log beside the new database would be taken for its own.
    for beside in files_beside(database) {
        files::remove(&beside)?;
    }
    sync_directory(directory_of(database))
}
