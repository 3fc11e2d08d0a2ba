//! Makes a data folder of a backup, or says whether a backup is whole.
//!
//! The files are copied into a folder of their own inside of the data folder, and get their places when all
//! of them are there and right. While that folder is there, the restore is unfinished: the server does not
//! start, and the same command may be typed again.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use super::{
    error::UpkeepError,
    files,
    manifest::{MANIFEST_FILE, Manifest},
    watch::Watch,
};
use crate::{journal::sync_directory, recovery::DataDirectory};

/// Where files are until all of them are there.
pub const UNFINISHED: &str = "restoring";

/// Whether a restore into the folder was begun and not ended.
pub fn is_unfinished(data: &Path) -> bool {
    data.join(UNFINISHED).exists()
}

/// Compares a backup with its manifest: its files, and what the database holds. Changes nothing.
pub fn verify(backup: &Path, watch: &Watch) -> Result<Manifest, UpkeepError> {
    let manifest = Manifest::read(backup)?;
    manifest.verify_files(backup, watch)?;
    manifest.verify_content(backup, watch)?;
    Ok(manifest)
}

/// Makes the data folder. `verifies`: what was made is read again and compared.
pub fn restore(backup: &Path, data: &Path, verifies: bool, watch: &Watch) -> Result<Manifest, UpkeepError> {
    let manifest = Manifest::read(backup)?;
    manifest.verify_files(backup, watch)?;
    let unfinished = begin(data, &manifest)?;
    // Until it ends, no server gets the folder.
    let mine = DataDirectory::open(data)?;
    copy(backup, &unfinished, &manifest, watch)?;
    for name in manifest.files.keys() {
        let to = data.join(name);
        fs::rename(unfinished.join(name), &to).map_err(UpkeepError::disk(&to))?;
    }
    sync_directory(data).map_err(UpkeepError::disk(data))?;
    if verifies {
        manifest.verify_files(data, watch)?;
        manifest.verify_content(data, watch)?;
    }
    fs::remove_dir(&unfinished).map_err(UpkeepError::disk(&unfinished))?;
    sync_directory(data).map_err(UpkeepError::disk(data))?;
    drop(mine);
    Ok(manifest)
}

/// The folder is empty, or what another restore left of it is removed.
fn begin(data: &Path, manifest: &Manifest) -> Result<PathBuf, UpkeepError> {
    let failed = UpkeepError::disk(data);
    let is_ours = |name: &str| {
        let is_restored = is_unfinished(data) && manifest.files.contains_key(name);
        // A fresh filesystem has the last one.
        is_restored || [UNFINISHED, "journal", "lock", "lost+found"].contains(&name)
    };
    files::make_private(data).map_err(UpkeepError::disk(data))?;
    let names = names(data).map_err(failed)?;
    let is_restorable = names.iter().all(|name| is_ours(name)) && has_no_segments(&data.join("journal"))?;
    if !is_restorable {
        return Err(UpkeepError::NotEmpty(data.to_owned()));
    }
    let unfinished = data.join(UNFINISHED);
    if unfinished.exists() {
        fs::remove_dir_all(&unfinished).map_err(UpkeepError::disk(&unfinished))?;
    }
    fs::create_dir(&unfinished).map_err(UpkeepError::disk(&unfinished))?;
    sync_directory(data).map_err(UpkeepError::disk(data))?;
    for name in names.iter().filter(|name| manifest.files.contains_key(*name)) {
        let path = data.join(name);
        fs::remove_file(&path).map_err(UpkeepError::disk(&path))?;
    }
    Ok(unfinished)
}

fn names(folder: &Path) -> io::Result<Vec<String>> {
    let entries = fs::read_dir(folder)?;
    entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect()
}

fn has_no_segments(journal: &Path) -> Result<bool, UpkeepError> {
    files::is_empty(journal).map_err(UpkeepError::disk(journal))
}

fn copy(backup: &Path, to: &Path, manifest: &Manifest, watch: &Watch) -> Result<(), UpkeepError> {
    let mut told = watch.begin("copying");
    let mut done = 0;
    for (name, expected) in &manifest.files {
        debug_assert_ne!(name, MANIFEST_FILE);
        let target = to.join(name);
        let found =
            files::copy(&backup.join(name), &target, &mut |bytes| told(done + bytes, manifest.bytes()))
                .map_err(UpkeepError::disk(&target))?;
        expected.compare(&target, &found)?;
        done += found.bytes;
    }
    sync_directory(to).map_err(UpkeepError::disk(to))
}
