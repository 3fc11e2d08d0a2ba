//! Examines a data folder: the journal, the database, and one against the other. Changes nothing, and works
//! beside a server.
//!
//! The journal is read before the database: a segment that is recycled in between is in SQL by then. The
//! other way round, records might seem to be nowhere.

use std::{
    collections::{BTreeMap, HashMap},
    fs, io,
    path::Path,
};

use serde::Serialize;
use store::{
    journal::Stop,
    sql::{Checker, Counts, Flaw, SqlError, Walked},
};

use super::{
    error::UpkeepError,
    files,
    finding::{self, Finding, Level},
    watch::Watch,
};
use crate::{
    identity::secrets::{LOGIN_FILE, SecretError, VISITOR_FILE, check},
    pool::records::DATABASE_FILE,
    recovery::{self, Report},
};

/// Less space than this is told: some segments, and what SQLite needs.
const FREE_BYTES_MIN: u64 = 1 << 30;
/// So many records the database may be behind a running server before that is told.
const BEHIND_RECORDS_MAX: u64 = 20_000;
/// Flaws of one kind that are kept as examples.
const FLAWS_MAX: usize = 100;

/// What was found in a data folder.
#[derive(Debug, Default)]
pub struct Examined {
    /// Whether a server uses it.
    pub is_in_use: bool,
    /// The journal, if it could be read.
    pub journal: Report,
    /// The database, if it could be read.
    pub database: Option<DatabaseFacts>,
    /// How far the database is with each stream.
    pub progress: BTreeMap<u32, u64>,
    /// Space left on the disk.
    pub free_bytes: Option<u64>,
    /// What is wrong or good to know, the worst first.
    pub findings: Vec<Finding>,
}

/// What is in the database.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DatabaseFacts {
    /// The version of its tables.
    pub version: i64,
    /// Conversations.
    pub conversations: u64,
    /// Events.
    pub events: u64,
    /// Accounts.
    pub accounts: u64,
    /// Settings.
    pub settings: u64,
    /// A hash of all events, as in a backup's manifest.
    pub content_sha256: String,
}

impl Examined {
    /// Whether something cannot be read, or the server will not start.
    pub fn is_damaged(&self) -> bool {
        self.findings.iter().any(|finding| finding.level == Level::Damage)
    }

    /// The keys of all findings.
    pub fn keys(&self) -> Vec<&'static str> {
        self.findings.iter().map(|finding| finding.key).collect()
    }
}

/// Examines the folder.
pub fn examine(data: &Path, watch: &Watch) -> Result<Examined, UpkeepError> {
    let mut examined = Examined::default();
    match fs::metadata(data) {
        Ok(about) if about.is_dir() => {}
        Ok(_) => return Err(UpkeepError::NoData(data.to_owned())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(UpkeepError::NoData(data.to_owned()));
        }
        Err(error) => return Err(UpkeepError::Disk(data.to_owned(), error)),
    }
    match fs::read_dir(data).and_then(|_| files::is_in_use(data)) {
        Ok(is_in_use) => examined.is_in_use = is_in_use,
        Err(error) => {
            examined.findings.push(finding::folder_unreadable(data, &error));
            return Ok(examined);
        }
    }
    if !data.join(DATABASE_FILE).exists() && !data.join("journal").exists() {
        // A wrong folder must not be called healthy.
        return Err(UpkeepError::NoData(data.to_owned()));
    }
    examined.examine(data, watch);
    // Stable: what is equally bad stays in the order it was looked for.
    examined.findings.sort_by_key(|finding| std::cmp::Reverse(finding.level));
    Ok(examined)
}

impl Examined {
    fn examine(&mut self, data: &Path, watch: &Watch) {
        if self.is_in_use {
            self.findings.push(finding::in_use());
        }
        let journal = data.join("journal");
        match recovery::examine(&journal, &mut watch.begin("reading the journal")) {
            Ok(report) => self.journal = report,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => self.findings.push(finding::journal_unreadable(&journal, &error)),
        }
        self.database(data, watch);
        self.journal_findings();
        self.secrets(data);
        let leftovers = leftovers(data).len() + self.journal.unfinished.len();
        // A server makes files all the time.
        if leftovers > 0 && !self.is_in_use {
            self.findings.push(finding::leftovers(leftovers));
        }
        self.free_bytes = files::free_bytes(data).ok();
        if let Some(free_bytes) = self.free_bytes.filter(|free_bytes| *free_bytes < FREE_BYTES_MIN) {
            self.findings.push(finding::disk_low(free_bytes));
        }
    }

    fn database(&mut self, data: &Path, watch: &Watch) {
        let path = data.join(DATABASE_FILE);
        if !path.exists() {
            let has_journal = !self.journal.segments.is_empty();
            self.findings.push(finding::database_absent(&path, has_journal, data));
        } else if let Err(error) = self.read_database(&path, data, watch) {
            self.findings.push(finding::database_unreadable(&path, &error, data));
        }
    }

    fn read_database(&mut self, path: &Path, data: &Path, watch: &Watch) -> Result<(), SqlError> {
        let checker = Checker::open(path, !self.is_in_use)?;
        let (version, known) = checker.version()?;
        if version > known || version < 0 {
            self.findings.push(finding::database_newer(version, known));
            return Ok(());
        }
        let missing = checker.missing()?;
        if version < known {
            self.findings.push(finding::database_older(version, known));
        } else if !missing.is_empty() {
            self.findings.push(finding::tables_missing(&missing, data));
        }
        self.progress = checker.progress()?;
        watch.begin("checking the database's pages")(0, 1);
        let complaints = checker.integrity()?;
        if !complaints.is_empty() {
            let is_index_only = is_index_only(&complaints);
            self.findings.push(finding::structure(&complaints, is_index_only, data));
        }
        let broken = checker.foreign_keys()?;
        if broken > 0 {
            self.findings.push(finding::foreign_keys(broken, data));
        }
        let mut flaws = Flaws::default();
        let walked = checker.walk(&mut |flaw| flaws.add(flaw), &mut watch.begin("checking conversations"));
        self.findings.extend(flaws.findings(data));
        self.database = Some(facts(version, checker.counts()?, walked?));
        Ok(())
    }

    fn journal_findings(&mut self) {
        let mut found = Vec::new();
        for (segment, damage, is_needed) in self.journal.damages(&self.progress) {
            let progress = self.progress.get(&segment.stream).copied().unwrap_or(0);
            found.push(match is_needed {
                true => finding::damaged(segment, damage, progress),
                false => finding::damaged_behind(segment, damage),
            });
        }
        for (stream, needed, given) in self.journal.missing(&self.progress) {
            found.push(finding::missing(stream, needed, given));
        }
        // The last write of a running server is always under way.
        for segment in self.journal.segments.iter().filter(|segment| segment.damage.is_none()) {
            if let (Some(Stop::Torn { offset }), None, false) = (segment.stop, segment.end, self.is_in_use) {
                found.push(finding::torn(segment, offset));
            }
        }
        for stream in self.journal.streams() {
            let progress = self.progress.get(&stream).copied().unwrap_or(0);
            let behind = self.journal.last_number(stream).saturating_sub(progress);
            // Beside a running server it always is.
            let behind_max = if self.is_in_use { BEHIND_RECORDS_MAX } else { 0 };
            if behind > behind_max && self.database.is_some() {
                found.push(finding::behind(stream, behind, self.is_in_use));
            }
        }
        if !self.journal.evidence.is_empty() {
            found.push(finding::evidence(self.journal.evidence.len()));
        }
        self.findings.extend(found);
    }

    fn secrets(&mut self, data: &Path) {
        if self.database.is_none() && self.journal.segments.is_empty() {
            return;
        }
        for name in [VISITOR_FILE, LOGIN_FILE] {
            let path = data.join(name);
            match check(&path) {
                Ok(()) if files::is_open_to_others(&path).unwrap_or(false) => {
                    self.findings.push(finding::secret_open(&path));
                }
                Ok(()) => {}
                Err(SecretError::Io(_, error)) if error.kind() == io::ErrorKind::NotFound => {
                    self.findings.push(finding::secret_absent(name));
                }
                Err(error) => self.findings.push(finding::secret_wrong(&error.to_string())),
            }
        }
    }
}

fn facts(version: i64, counts: Counts, walked: Walked) -> DatabaseFacts {
    let Counts { conversations, events, accounts, settings } = counts;
    DatabaseFacts { version, conversations, events, accounts, settings, content_sha256: walked.sha256 }
}

/// Whether all complaints are about indexes: those are made anew from their tables.
pub(super) fn is_index_only(complaints: &[String]) -> bool {
    complaints.iter().all(|line| {
        line.contains("missing from index")
            || line.contains("wrong # of entries in index")
            || line.contains("non-unique entry in index")
            || line.contains("rowid not at end-of-record for row")
    })
}

/// Files beside the journal that a process which was killed left half-made.
pub(super) fn leftovers(data: &Path) -> Vec<std::path::PathBuf> {
    let Ok(entries) = fs::read_dir(data) else { return Vec::new() };
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let is_leftover =
        |name: &str| name.starts_with(".secret-") || name.starts_with(super::rebuild::UNFINISHED);
    paths.filter(|path| path.file_name().and_then(|name| name.to_str()).is_some_and(is_leftover)).collect()
}

/// Flaws by kind, so that one cause is told once.
#[derive(Default)]
struct Flaws {
    kinds: Vec<std::mem::Discriminant<Flaw>>,
    by_kind: HashMap<std::mem::Discriminant<Flaw>, (Vec<Flaw>, u64)>,
}

impl Flaws {
    fn add(&mut self, flaw: Flaw) {
        let kind = std::mem::discriminant(&flaw);
        let (examples, all) = self.by_kind.entry(kind).or_insert_with(|| {
            self.kinds.push(kind);
            (Vec::new(), 0)
        });
        *all += 1;
        if examples.len() < FLAWS_MAX {
            examples.push(flaw);
        }
    }

    fn findings(&self, data: &Path) -> Vec<Finding> {
        let of = |kind| self.by_kind.get(kind);
        let kinds = self.kinds.iter().filter_map(of);
        kinds.filter_map(|(examples, all)| finding::flaws(examples, *all, data)).collect()
    }
}
