//! A data directory that one process has for itself.

use std::{
    fs::{self, File, TryLockError},
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

use super::RecoveryError;
use crate::journal::{Directory, directory_of, sync_directory};

/// A lock has a process's number and no more.
const LOCK_BYTES_MAX: u64 = 16;

/// A directory that is this process's alone, as long as this value lives.
#[derive(Debug)]
pub struct DataDirectory {
    path: PathBuf,
    _lock: File,
}

impl DataDirectory {
    /// Makes the directory if it is missing, and locks it.
    pub fn open(path: &Path) -> Result<Self, RecoveryError> {
        let failed = |error| RecoveryError::Disk { path: path.to_owned(), error };
        make_directory(&path.join("journal")).map_err(failed)?;
        let lock =
            File::options().create(true).truncate(false).read(true).write(true).open(path.join("lock"));
        let mut lock = lock.map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => {
                // A full disk must not keep the server from starting: then nobody is named.
                if let Err(error) = name_holder(&mut lock) {
                    tracing::debug!(%error, "the lock does not name this process");
                }
                Ok(Self { path: path.to_owned(), _lock: lock })
            }
            Err(TryLockError::WouldBlock) => {
                Err(RecoveryError::Locked { path: path.to_owned(), holder: holder_of(&lock) })
            }
            Err(TryLockError::Error(error)) => Err(failed(error)),
        }
    }

    /// Where segments are.
    pub fn journal(&self) -> Directory {
        Directory::new(self.path.join("journal"))
    }

    /// Where the database is.
    pub fn database(&self) -> PathBuf {
        self.path.join(crate::pool::records::DATABASE_FILE)
    }
}

/// Writes this process's number into the lock, for whoever finds it locked.
fn name_holder(lock: &mut File) -> io::Result<()> {
    lock.set_len(0)?;
    lock.write_all(std::process::id().to_string().as_bytes())
}

/// The number of the process that has the lock; `None` where it has not written it yet.
fn holder_of(lock: &File) -> Option<u32> {
    let mut text = String::new();
    lock.take(LOCK_BYTES_MAX).read_to_string(&mut text).ok()?;
    text.parse().ok()
}

/// Makes the directory and all above it that are missing, so that they survive power loss.
fn make_directory(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    let above = directory_of(path);
    make_directory(above)?;
    fs::create_dir(path)?;
    sync_directory(above)
}
