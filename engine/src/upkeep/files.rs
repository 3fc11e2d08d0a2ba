//! Files of a folder that is examined, copied or mended: whether a server has it, copies with their hash,
//! names that survive power loss.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Read, Write},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::Path,
};

use sha2::{Digest, Sha256};

use crate::journal::{directory_of, sync_directory};

/// Copied at once.
const PART_BYTES: usize = 1024 * 1024;

/// Permissions that let anybody but the owner read or write.
const OTHERS: u32 = 0o077;

/// A file's length and the hash of its bytes, as hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fingerprint {
    /// Its length.
    pub bytes: u64,
    /// SHA-256.
    pub sha256: String,
}

/// Whether a server uses the folder at this moment.
pub fn is_in_use(data: &Path) -> io::Result<bool> {
    let lock = match File::open(data.join("lock")) {
        Ok(lock) => lock,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error),
    };
    match lock.try_lock_shared() {
        Ok(()) => Ok(false),
        Err(TryLockError::WouldBlock) => Ok(true),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// Whether there is nothing in a folder, or no folder.
pub fn is_empty(folder: &Path) -> io::Result<bool> {
    match fs::read_dir(folder) {
        Ok(mut entries) => Ok(entries.next().is_none()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
        Err(error) => Err(error),
    }
}

/// Makes a folder that only its owner may read, and all above it that are missing.
pub fn make_private(folder: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

/// Whether anybody but its owner may read or write the file.
pub fn is_open_to_others(path: &Path) -> io::Result<bool> {
    Ok(fs::metadata(path)?.permissions().mode() & OTHERS != 0)
}

/// Lets only its owner read and write the file.
pub fn close_to_others(path: &Path) -> io::Result<()> {
    fs::set_permissions(path, fs::Permissions::from_mode(0o600))
}

/// Copies a file to a new one that only its owner may read, and syncs it. `progress` takes the bytes.
pub fn copy(from: &Path, to: &Path, progress: &mut dyn FnMut(u64)) -> io::Result<Fingerprint> {
    let mut source = File::open(from)?;
    let mut target = create(to)?;
    let fingerprint = pour(&mut source, progress, &mut |part| target.write_all(part))?;
    target.sync_all()?;
    Ok(fingerprint)
}

/// Writes a new file that only its owner may read, and syncs it.
pub fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = create(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

/// Reads a file and says what it is.
pub fn fingerprint(path: &Path, progress: &mut dyn FnMut(u64)) -> io::Result<Fingerprint> {
    pour(&mut File::open(path)?, progress, &mut |_| Ok(()))
}

fn pour(
    from: &mut File,
    progress: &mut dyn FnMut(u64),
    to: &mut dyn FnMut(&[u8]) -> io::Result<()>,
) -> io::Result<Fingerprint> {
    let mut part = vec![0; PART_BYTES];
    let mut hash = Sha256::new();
    let mut bytes = 0;
    loop {
        let read = match from.read(&mut part) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        to(&part[..read])?;
        hash.update(&part[..read]);
        bytes += read as u64;
        progress(bytes);
    }
    Ok(Fingerprint { bytes, sha256: format!("{:x}", hash.finalize()) })
}

/// Gives a file another name, which survives power loss when this returns. Both are in the same folder.
pub fn rename(from: &Path, to: &Path) -> io::Result<()> {
    fs::rename(from, to)?;
    sync_directory(directory_of(to))
}

/// Removes a file, if it is there.
pub fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

/// Bytes that this user may still write to the filesystem of a folder.
pub fn free_bytes(folder: &Path) -> io::Result<u64> {
    let about = rustix::fs::statvfs(folder)?;
    Ok(about.f_bavail.saturating_mul(about.f_frsize))
}

/// A number of bytes for people.
pub fn human_bytes(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    if bytes < 1024 {
        return format!("{bytes} bytes");
    }
    let mut value = bytes as f64 / 1024.0;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS[unit])
}

/// A time for people and machines, `2026-11-11T00:00:00.123Z`.
pub fn time_text(at_ms: u64) -> String {
    let mut text = Vec::new();
    codec::json::encode_time(at_ms, &mut text);
    String::from_utf8(text).expect("digits and signs")
}

/// A time as a part of a file's name, `20261111T000000Z`.
pub fn time_name(at_ms: u64) -> String {
    let text = time_text(at_ms);
    let seconds = text.split('.').next().unwrap_or_default();
    seconds.replace(['-', ':'], "") + "Z"
}
