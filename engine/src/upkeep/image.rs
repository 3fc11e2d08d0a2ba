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
/// So often damage must be seen in the same place before it is believed.
const LOOKS: usize = 3;

const _: () = assert!(PART_BYTES.is_multiple_of(BLOCK_BYTES));

/// Reads a whole segment. Nothing: there is no file of that name any more, or it is another segment's by
/// now; then all its records are in SQL.
///
/// A group is written when the one before it is durable. So the file is read from its end to its beginning:
/// if a group is in the image, those before it are. Inside of one part even that may fail; damage that is
/// not there at a second look was none.
pub(crate) fn read_image(path: &Path) -> io::Result<Option<Vec<u8>>> {
    let mut seen = None;
    for _ in 0..LOOKS {
        let Some(image) = read_once(path)? else { return Ok(None) };
        let damage = damage(&image);
        if damage.is_none() || damage == seen {
            return Ok(Some(image));
        }
        seen = damage;
    }
    read_once(path)
}

fn read_once(path: &Path) -> io::Result<Option<Vec<u8>>> {
    let Some(file) = there(open_direct(OpenOptions::new().read(true), path))? else { return Ok(None) };
    let about = file.metadata()?;
    if about.len() > FILE_BYTES_MAX {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "it is far longer than a segment"));
    }
    let image = read_backwards(&file, about.len() as usize)?;
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

fn read_backwards(file: &File, file_bytes: usize) -> io::Result<Vec<u8>> {
    let mut image = vec![0; file_bytes];
    let mut part = BlockBuffer::new(PART_BYTES);
    for at in (0..file_bytes).step_by(PART_BYTES).rev() {
        let read = read_full(file, part.bytes(), at as u64)?.min(file_bytes - at);
        image[at..at + read].copy_from_slice(&part.bytes()[..read]);
    }
    Ok(image)
}

fn damage(image: &[u8]) -> Option<usize> {
    let mut reader = match Reader::new(image, None, None) {
        Ok(reader) => reader,
        Err(_) => return Some(0),
    };
    reader.by_ref().for_each(drop);
    match reader.stop() {
        Some(Stop::Damaged { offset, .. }) => Some(offset),
        None | Some(Stop::End | Stop::Torn { .. } | Stop::Unknown { .. }) => None,
    }
}
