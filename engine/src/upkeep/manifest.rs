//! What a backup says about itself. It is written last: a folder without it is no backup.

use std::{collections::BTreeMap, fmt, fs, io, path::Path};

use serde::{Deserialize, Serialize};
use store::sql::{Checker, Counts};

use super::{
    error::UpkeepError,
    files::{self, Fingerprint},
    watch::Watch,
};
use crate::pool::records::DATABASE_FILE;

/// The manifest's name in a backup.
pub const MANIFEST_FILE: &str = "manifest.json";
/// The version of what is written.
pub const FORMAT: u32 = 1;
/// A longer one is none of ours.
const MANIFEST_BYTES_MAX: u64 = 1 << 20;

/// What is in a backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// The version of this document and of the folder's layout.
    pub format: u32,
    /// Which ringdesk made it.
    pub ringdesk: String,
    /// When the command began: everything acknowledged before is in it.
    pub began_at: String,
    /// When it was complete.
    pub ended_at: String,
    /// Its files by name.
    pub files: BTreeMap<String, FileEntry>,
    /// Conversations.
    pub conversations: u64,
    /// Events.
    pub events: u64,
    /// Accounts.
    pub accounts: u64,
    /// Settings.
    pub settings: u64,
    /// The last record of each journal stream that is in it; numbering goes on from there.
    pub streams: BTreeMap<u32, u64>,
    /// A hash of all conversations and events in the order of their keys.
    pub content_sha256: String,
}

/// A file of a backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileEntry {
    /// Its length.
    pub bytes: u64,
    /// The hash of its bytes.
    pub sha256: String,
}

impl Manifest {
    /// Reads that of a backup.
    pub fn read(backup: &Path) -> Result<Self, UpkeepError> {
        let path = backup.join(MANIFEST_FILE);
        let wrong = |why: String| UpkeepError::Manifest(path.clone(), why);
        let bytes = match fs::metadata(&path) {
            Ok(about) if about.len() > MANIFEST_BYTES_MAX => return Err(wrong("it is far too long".into())),
            Ok(_) => fs::read(&path).map_err(UpkeepError::disk(&path))?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(UpkeepError::Unfinished(backup.to_owned()));
            }
            Err(error) => return Err(UpkeepError::Disk(path, error)),
        };
        let manifest: Self = serde_json::from_slice(&bytes).map_err(|error| wrong(error.to_string()))?;
        if manifest.format != FORMAT {
            let format = manifest.format;
            return Err(wrong(format!("it has format {format}, this program knows {FORMAT}")));
        }
        let is_plain = |name: &String| !name.is_empty() && !name.contains('/') && name != "." && name != "..";
        if !manifest.files.keys().all(is_plain) || !manifest.files.contains_key(DATABASE_FILE) {
            return Err(wrong("its files are not those of a backup".into()));
        }
        Ok(manifest)
    }

    /// Writes it, so that it is there whole or not at all.
    pub fn write(&self, backup: &Path) -> Result<(), UpkeepError> {
        let path = backup.join(MANIFEST_FILE);
        let half_made = backup.join(format!("{MANIFEST_FILE}.new"));
        let text = serde_json::to_vec_pretty(self).expect("names and numbers are JSON");
        files::write(&half_made, &text).map_err(UpkeepError::disk(&half_made))?;
        files::rename(&half_made, &path).map_err(UpkeepError::disk(&path))
    }

    /// All bytes of its files.
    pub fn bytes(&self) -> u64 {
        self.files.values().map(|file| file.bytes).sum()
    }

    /// Compares the files of a folder with it.
    pub fn verify_files(&self, folder: &Path, watch: &Watch) -> Result<(), UpkeepError> {
        let mut told = watch.begin("comparing files");
        let mut done = 0;
        for (name, expected) in &self.files {
            let path = folder.join(name);
            let found = files::fingerprint(&path, &mut |bytes| told(done + bytes, self.bytes()))
                .map_err(UpkeepError::disk(&path))?;
            expected.compare(&path, &found)?;
            done += found.bytes;
        }
        Ok(())
    }

    /// Compares what the database of a folder holds with it. Nobody may use the database.
    pub fn verify_content(&self, folder: &Path, watch: &Watch) -> Result<(), UpkeepError> {
        let checker = Checker::open(&folder.join(DATABASE_FILE), true)?;
        watch.begin("checking the database's pages")(0, 1);
        if let Some(complaint) = checker.integrity()?.first() {
            return Err(differs("the database's file", "whole", complaint));
        }
        let walked = checker.walk(&mut |_| {}, &mut watch.begin("reading every event"))?;
        let Counts { conversations, events, accounts, settings } = checker.counts()?;
        for (what, expected, found) in [
            ("the number of conversations", self.conversations, conversations),
            ("the number of events", self.events, events),
            ("the number of accounts", self.accounts, accounts),
            ("the number of settings", self.settings, settings),
        ] {
            if expected != found {
                return Err(differs(what, &expected.to_string(), &found.to_string()));
            }
        }
        let progress = checker.progress()?;
        if progress != self.streams {
            return Err(differs("streams", &format!("{:?}", self.streams), &format!("{progress:?}")));
        }
        if walked.sha256 != self.content_sha256 {
            return Err(differs("the hash of all events", &self.content_sha256, &walked.sha256));
        }
        Ok(())
    }
}

impl FileEntry {
    /// Whether a file is this one.
    pub fn compare(&self, path: &Path, found: &Fingerprint) -> Result<(), UpkeepError> {
        let Fingerprint { bytes, sha256 } = found;
        if *bytes != self.bytes {
            return Err(differs(path.display(), &format!("{} bytes", self.bytes), &format!("{bytes} bytes")));
        }
        if *sha256 != self.sha256 {
            return Err(differs(path.display(), &self.sha256, sha256));
        }
        Ok(())
    }
}

fn differs(what: impl fmt::Display, expected: &str, found: &str) -> UpkeepError {
    UpkeepError::Differs { what: what.to_string(), expected: expected.into(), found: found.into() }
}

/// For a person.
impl fmt::Display for Manifest {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(to, "  conversations  {:>12}", self.conversations)?;
        writeln!(to, "  events         {:>12}", self.events)?;
        writeln!(to, "  accounts       {:>12}", self.accounts)?;
        writeln!(to, "  settings       {:>12}", self.settings)?;
        writeln!(to, "  size           {:>12}", files::human_bytes(self.bytes()))?;
        write!(to, "  as of          {}", self.began_at)
    }
}
