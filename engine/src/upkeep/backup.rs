//! Copies a data folder while a server writes it: complete to everything acknowledged before the command
//! began.
//!
//! The order makes it so. What was acknowledged is in a segment or, if that was recycled, in SQL. So the
//! segments are copied first, then the database: a segment that goes away under the copy is in the database
//! by then. Of a stream's segments the newest is copied first: if it has a record, the one before it is
//! complete, and so is the copy that is made of that one next. At last the copies are applied to the copied
//! database by the same code that a start uses, and thrown away: the backup is one file and the secrets. The
//! server is asked nothing and waits for nothing.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use store::sql::{Checker, Counts, Flaw, Projection, files_beside, snapshot};

use super::{
    error::UpkeepError,
    files,
    image::read_image,
    manifest::{FORMAT, FileEntry, MANIFEST_FILE, Manifest},
    watch::Watch,
};
use crate::{
    identity::secrets::{LOGIN_FILE, VISITOR_FILE},
    journal::{SegmentName, directory_of, sync_directory},
    pool::records::DATABASE_FILE,
    recovery::{DataDirectory, RecoveryError, recover},
};

/// What was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackedUp {
    /// What it says about itself.
    pub manifest: Manifest,
    /// Records that were in the journal only.
    pub applied: u64,
    /// Things the doctor would have to say of it.
    pub flaws: u64,
}

/// Makes a backup of `data` in `folder`. `now_ms` says what time it is.
pub fn backup(
    data: &Path,
    folder: &Path,
    now_ms: &dyn Fn() -> u64,
    watch: &Watch,
) -> Result<BackedUp, UpkeepError> {
    let began_at_ms = now_ms();
    if !data.join(DATABASE_FILE).is_file() {
        return Err(UpkeepError::NoData(data.to_owned()));
    }
    begin(data, folder)?;
    let journal = folder.join("journal");
    copy_segments(&data.join("journal"), &journal, watch)?;
    let database = folder.join(DATABASE_FILE);
    snapshot(&data.join(DATABASE_FILE), &database, &mut watch.begin("copying the database"))?;
    files::close_to_others(&database).map_err(UpkeepError::disk(&database))?;
    let applied = apply(data, folder)?;
    for secret in [VISITOR_FILE, LOGIN_FILE] {
        copy_secret(&data.join(secret), &folder.join(secret))?;
    }
    remove_scaffold(folder)?;
    let (mut manifest, flaws) = describe(folder, watch)?;
    manifest.began_at = files::time_text(began_at_ms);
    manifest.ended_at = files::time_text(now_ms());
    manifest.write(folder)?;
    let above = directory_of(folder);
    sync_directory(above).map_err(UpkeepError::disk(above))?;
    Ok(BackedUp { manifest, applied, flaws })
}

fn begin(data: &Path, folder: &Path) -> Result<(), UpkeepError> {
    if !files::is_empty(folder).map_err(UpkeepError::disk(folder))? {
        return Err(UpkeepError::NotEmpty(folder.to_owned()));
    }
    files::make_private(&folder.join("journal")).map_err(UpkeepError::disk(folder))?;
    let is_inside = match (fs::canonicalize(data), fs::canonicalize(folder)) {
        (Ok(data), Ok(folder)) => folder.starts_with(data),
        (Err(error), _) | (_, Err(error)) => return Err(UpkeepError::Disk(folder.to_owned(), error)),
    };
    if is_inside {
        let made = [folder.join("journal"), folder.to_owned()];
        made.iter().try_for_each(fs::remove_dir).map_err(UpkeepError::disk(folder))?;
        return Err(UpkeepError::Inside(folder.to_owned()));
    }
    Ok(())
}

fn copy_segments(from: &Path, to: &Path, watch: &Watch) -> Result<(), UpkeepError> {
    let names = segment_names(from).map_err(UpkeepError::disk(from))?;
    let mut told = watch.begin("copying the journal");
    for (index, name) in names.iter().enumerate() {
        let name = name.file_name();
        let (from, to) = (from.join(&name), to.join(&name));
        if let Some(image) = read_image(&from).map_err(UpkeepError::disk(&from))? {
            files::write(&to, &image).map_err(UpkeepError::disk(&to))?;
        }
        told(index as u64 + 1, names.len() as u64);
    }
    Ok(())
}

/// The newest first.
fn segment_names(journal: &Path) -> io::Result<Vec<SegmentName>> {
    let entries = match fs::read_dir(journal) {
        // Accounts may be made before the first start.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut names = Vec::new();
    for entry in entries {
        let name = entry?.file_name();
        let name = name.to_str().and_then(SegmentName::parse);
        names.extend(name.filter(|name| matches!(name, SegmentName::Segment { .. })));
    }
    names.sort();
    names.reverse();
    Ok(names)
}

/// Applies the copied segments to the copied database; how many records that were.
fn apply(data: &Path, folder: &Path) -> Result<u64, UpkeepError> {
    let copy = DataDirectory::open(folder)?;
    let mut projection = Projection::open(&copy.database())?;
    let recovered = recover(&copy.journal(), &mut projection).map_err(|error| match error {
        // The operator is to look at the file that was copied.
        RecoveryError::Damaged { path, offset } => {
            let name = path.file_name().unwrap_or_default();
            RecoveryError::Damaged { path: data.join("journal").join(name), offset }
        }
        other => other,
    })?;
    projection.close()?;
    Ok(recovered.lacked)
}

fn copy_secret(from: &Path, to: &Path) -> Result<(), UpkeepError> {
    match files::copy(from, to, &mut |_| {}) {
        // The server makes them at first need.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        copied => copied.map(drop).map_err(UpkeepError::disk(from)),
    }
}

/// What was needed to make it.
fn remove_scaffold(folder: &Path) -> Result<(), UpkeepError> {
    let journal = folder.join("journal");
    fs::remove_dir_all(&journal).map_err(UpkeepError::disk(&journal))?;
    let lock = folder.join("lock");
    fs::remove_file(&lock).map_err(UpkeepError::disk(&lock))?;
    for beside in files_beside(&folder.join(DATABASE_FILE)) {
        files::remove(&beside).map_err(UpkeepError::disk(&beside))?;
    }
    Ok(())
}

/// Reads all that was made: a backup that cannot be read is none.
fn describe(folder: &Path, watch: &Watch) -> Result<(Manifest, u64), UpkeepError> {
    let database = folder.join(DATABASE_FILE);
    File::open(&database).and_then(|file| file.sync_all()).map_err(UpkeepError::disk(&database))?;
    let checker = Checker::open(&database, true)?;
    watch.begin("checking the copy's pages")(0, 1);
    if let Some(complaint) = checker.integrity()?.into_iter().next() {
        return Err(UpkeepError::NotRight(format!(
            "the database is damaged ({complaint}); run `ringdesk doctor` for what to do"
        )));
    }
    let mut flaws = 0;
    let mut count = |_: Flaw| flaws += 1;
    let walked = checker.walk(&mut count, &mut watch.begin("reading every event"))?;
    let Counts { conversations, events, accounts, settings } = checker.counts()?;
    let manifest = Manifest {
        format: FORMAT,
        ringdesk: env!("CARGO_PKG_VERSION").into(),
        began_at: String::new(),
        ended_at: String::new(),
        files: entries(folder, watch)?,
        conversations,
        events,
        accounts,
        settings,
        streams: checker.progress()?,
        content_sha256: walked.sha256,
    };
    Ok((manifest, flaws))
}

fn entries(
    folder: &Path,
    watch: &Watch,
) -> Result<std::collections::BTreeMap<String, FileEntry>, UpkeepError> {
    let names = [DATABASE_FILE, VISITOR_FILE, LOGIN_FILE];
    let there: Vec<(&str, PathBuf)> =
        names.iter().map(|name| (*name, folder.join(name))).filter(|(_, path)| path.exists()).collect();
    let mut told = watch.begin("hashing files");
    let mut entries = std::collections::BTreeMap::new();
    for (name, path) in there {
        debug_assert_ne!(name, MANIFEST_FILE);
        let all = fs::metadata(&path).map_err(UpkeepError::disk(&path))?.len();
        let found =
            files::fingerprint(&path, &mut |bytes| told(bytes, all)).map_err(UpkeepError::disk(&path))?;
        entries.insert(name.to_owned(), FileEntry { bytes: found.bytes, sha256: found.sha256 });
    }
    Ok(entries)
}
