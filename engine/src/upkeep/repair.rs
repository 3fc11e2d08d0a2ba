//! Puts right what can be put right without anything being lost, and says each thing it did.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use store::sql::{Checker, Repairer, SqlError};

use super::{
    doctor::{is_index_only, leftovers},
    error::UpkeepError,
    files,
    watch::Watch,
};
use crate::{
    identity::secrets::{LOGIN_FILE, VISITOR_FILE},
    journal::is_unfinished,
    pool::records::DATABASE_FILE,
    recovery::DataDirectory,
};

/// Repairs the folder; what was done, a line each.
pub fn repair(data: &Path, watch: &Watch) -> Result<Vec<String>, UpkeepError> {
    if !data.is_dir() {
        return Err(UpkeepError::NoData(data.to_owned()));
    }
    let _mine = DataDirectory::open(data)?;
    let mut did = Vec::new();
    remove_leftovers(data, &mut did)?;
    close_secrets(data, &mut did)?;
    let database = data.join(DATABASE_FILE);
    if database.exists() {
        repair_database(&database, watch, &mut did)?;
    }
    Ok(did)
}

fn remove_leftovers(data: &Path, did: &mut Vec<String>) -> Result<(), UpkeepError> {
    let journal = data.join("journal");
    let half_made = half_made(&journal).map_err(UpkeepError::disk(&journal))?;
    for path in half_made.into_iter().chain(leftovers(data)) {
        fs::remove_file(&path).map_err(UpkeepError::disk(&path))?;
        did.push(format!("removed the half-made file {}", path.display()));
    }
    Ok(())
}

fn half_made(journal: &Path) -> io::Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(journal)? {
        let entry = entry?;
        if entry.file_name().to_str().is_some_and(is_unfinished) {
            paths.push(entry.path());
        }
    }
    Ok(paths)
}

fn close_secrets(data: &Path, did: &mut Vec<String>) -> Result<(), UpkeepError> {
    for path in [VISITOR_FILE, LOGIN_FILE].map(|name| data.join(name)) {
        if path.exists() && files::is_open_to_others(&path).map_err(UpkeepError::disk(&path))? {
            files::close_to_others(&path).map_err(UpkeepError::disk(&path))?;
            did.push(format!("{} can be read by its owner only now", path.display()));
        }
    }
    Ok(())
}

fn repair_database(database: &Path, watch: &Watch, did: &mut Vec<String>) -> Result<(), UpkeepError> {
    let complaints = complaints(database)?;
    let mut repairer = Repairer::open(database)?;
    if !complaints.is_empty() {
        if !is_index_only(&complaints) {
            // Its tables cannot be trusted: the doctor says to make it anew.
            return Ok(());
        }
        repairer.reindex()?;
        did.push("made the database's indexes anew".to_owned());
    }
    let rows = repairer.rewrite_rows(&mut watch.begin("checking conversations"))?;
    if rows > 0 {
        did.push(format!("wrote {rows} conversations' rows again, as their events say"));
    }
    Ok(())
}

fn complaints(database: &Path) -> Result<Vec<String>, SqlError> {
    Checker::open(database, true)?.integrity()
}
