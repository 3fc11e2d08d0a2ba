//! What recovery, the maker of segments and the projection do with files. The writes of records are not
//! here: they go through the reactor.
//!
//! [`Directory`] does it on a real filesystem; the simulator has another one, which forgets what was not
//! synced.

use std::{
    fmt,
    fs::{self, OpenOptions},
    io,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

use store::journal::BLOCK_BYTES;

use super::files::{BlockBuffer, open_direct, read_full, sync_directory};

/// Zeros written at once.
const FILL_BYTES: usize = 256 * 1024;
const _: () = assert!(FILL_BYTES.is_multiple_of(BLOCK_BYTES));

/// A file as the directory lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its name, where that is text; a name that is not is none of ours.
    pub name: String,
    /// Where it is.
    pub path: PathBuf,
    /// Its length.
    pub file_bytes: u64,
}

/// The directory of a journal and its files. All of it blocks.
pub trait Disk: Send + Sync + fmt::Debug {
    /// Where a file of that name is.
    fn path(&self, name: &str) -> PathBuf;

    /// All files, in the order of their names.
    fn list(&self) -> io::Result<Vec<Listed>>;

    /// Fills `buffer` from `offset` on, or up to the file's end; returns how much. Offset and length are
    /// multiples of [`BLOCK_BYTES`], and the buffer is that of a [`BlockBuffer`].
    fn read(&self, path: &Path, offset: u64, buffer: &mut [u8]) -> io::Result<usize>;

    /// Makes a file of zeros, or makes one anew, so that its bytes survive power loss. Its name may not.
    fn make(&self, path: &Path, file_bytes: usize) -> io::Result<()>;

    /// Writes the first block of a file so that it survives power loss.
    fn write_header(&self, path: &Path, block: &[u8; BLOCK_BYTES]) -> io::Result<()>;

    /// Gives a file another name, which survives power loss when this returns.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file; one that is not there is no error.
    fn remove(&self, path: &Path) -> io::Result<()>;
}

/// A directory of a real filesystem.
#[derive(Clone, Debug)]
pub struct Directory {
    path: PathBuf,
}

impl Directory {
    /// The directory must exist.
    pub const fn new(path: PathBuf) -> Self {
        Self { path }
    }
}

impl Disk for Directory {
    fn path(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    fn list(&self) -> io::Result<Vec<Listed>> {
        let mut listed = Vec::new();
        for entry in fs::read_dir(&self.path)? {
            let entry = entry?;
            if let Some(name) = entry.file_name().to_str() {
                let file_bytes = entry.metadata()?.len();
                listed.push(Listed { name: name.to_owned(), path: entry.path(), file_bytes });
            }
        }
        listed.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(listed)
    }

    fn read(&self, path: &Path, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        read_full(&open_direct(OpenOptions::new().read(true), path)?, buffer, offset)
    }

    fn make(&self, path: &Path, file_bytes: usize) -> io::Result<()> {
        let file = open_direct(OpenOptions::new().write(true).create(true).truncate(true), path)?;
        let mut zeros = BlockBuffer::new(FILL_BYTES.min(file_bytes));
        for offset in (0..file_bytes).step_by(zeros.bytes().len()) {
            let length = (file_bytes - offset).min(FILL_BYTES);
            file.write_all_at(&zeros.bytes()[..length], offset as u64)?;
        }
        file.sync_all()
    }

    fn write_header(&self, path: &Path, block: &[u8; BLOCK_BYTES]) -> io::Result<()> {
        let mut aligned = BlockBuffer::new(BLOCK_BYTES);
        aligned.bytes().copy_from_slice(block);
        let file = open_direct(OpenOptions::new().write(true), path)?;
        file.write_all_at(aligned.bytes(), 0)?;
        file.sync_all()
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)?;
        sync_directory(&self.path)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        match fs::remove_file(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            removed => removed,
        }
    }
}
