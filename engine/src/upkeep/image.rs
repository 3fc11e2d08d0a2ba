//! A segment's bytes as they were at one moment, though a server may be writing it, or making another
//! segment of its file.

use std::{
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::MetadataExt,
    path::Path,
};

use store::journal::{BLOCK_BYTES, GROUP_BYTES_MAX, Reader, SEGMENT_BYTES, Stop};

use crate::journal::{BlockBuffer, open_direct, read_full};

/// Read at once.
const PART_BYTES: usize = GROUP_BYTES_MAX;
/// A longer file is none of ours.
const FILE_BYTES_MAX: u64 = 4 * SEGMENT_BYTES as u64;

const _: () = assert!(PART_BYTES.is_multiple_of(BLOCK_BYTES));

/// Reads a whole segment. Nothing: there is no file of that name any more, or it is another segment's by
/// now; then all its records are in SQL.
pub(crate) fn read_image(path: &Path) -> io::Result<Option<Vec<u8>>> {
    let Some(file) = there(open_direct(OpenOptions::new().read(true), path))? else { return Ok(None) };
    let about = file.metadata()?;
    if about.len() > FILE_BYTES_MAX {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "it is far longer than a segment"));
    }
    let mut image = vec![0; about.len() as usize];
    let end = image.len();
    read_range(&file, &mut image, 0, end)?;
    while let Some((from, to)) = damage(&image) {
        if !read_range(&file, &mut image, from, to)? {
            // It is there at a second look: it is no group that was written meanwhile.
            break;
        }
    }
    // The file may have been given to another segment meanwhile: then its name or its header is another one.
    let mut block = BlockBuffer::new(BLOCK_BYTES);
    let read = read_full(&file, block.bytes(), 0)?;
    let is_same_header = image.get(..read) == Some(&block.bytes()[..read]);
    let Some(named) = there(fs::metadata(path))? else { return Ok(None) };
    let is_same_file = (named.dev(), named.ino()) == (about.dev(), about.ino());
    Ok((is_same_header && is_same_file).then_some(image))
}

fn there<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// What looks damaged: whole blocks, up to the intact group behind. That group was written when all before it
/// was durable. So a second look sees what is there for good, and each look brings the end further.
fn damage(image: &[u8]) -> Option<(usize, usize)> {
    let mut reader = Reader::new(image, None, None).ok()?;
    reader.by_ref().for_each(drop);
    match reader.stop() {
        Some(Stop::Damaged { offset, valid_at }) => {
            // The group that was expected may itself be what is there now.
            Some((offset / BLOCK_BYTES * BLOCK_BYTES, valid_at.max(offset + 1).next_multiple_of(BLOCK_BYTES)))
        }
        None | Some(Stop::End | Stop::Torn { .. } | Stop::Unknown { .. }) => None,
    }
}

/// Reads so much of the file into the image, and says whether that changed it.
fn read_range(file: &File, image: &mut [u8], from: usize, to: usize) -> io::Result<bool> {
    let mut part = BlockBuffer::new(PART_BYTES);
    let mut is_changed = false;
    for at in (from..to.min(image.len())).step_by(PART_BYTES) {
        let wanted = (to.min(image.len()) - at).min(PART_BYTES);
        // Whole blocks, as reading around the cache demands.
        let buffer = &mut part.bytes()[..wanted.next_multiple_of(BLOCK_BYTES)];
        let read = read_full(file, buffer, at as u64)?.min(wanted);
        is_changed |= image[at..at + read] != buffer[..read];
        image[at..at + read].copy_from_slice(&buffer[..read]);
    }
    Ok(is_changed)
}
