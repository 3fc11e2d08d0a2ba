//! Segment files by name, and reading and writing them around the page cache.
//!
//! The shards write with `O_DIRECT`. Were the same pages cached by readers, each such write would have to
//! throw them out; so everybody uses `O_DIRECT` where the filesystem can.

use std::{
    fs::{File, OpenOptions},
    io,
    os::unix::fs::{FileExt, OpenOptionsExt},
    path::Path,
};

use store::journal::BLOCK_BYTES;

/// What a file in the journal's directory is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum SegmentName {
    /// A stream's segment: `{stream:02}-{segment:08}.seg`.
    Segment {
        /// Which stream.
        stream: u32,
        /// Its how many-eth.
        segment: u32,
    },
    /// A file to be used again: `free-{number:08}.seg`.
    Free(u32),
}

impl SegmentName {
    pub(crate) fn parse(name: &str) -> Option<Self> {
        let name = name.strip_suffix(".seg")?;
        let (before, after) = name.split_once('-')?;
        let number = after.parse().ok()?;
        match before {
            "free" => Some(Self::Free(number)),
            stream => Some(Self::Segment { stream: stream.parse().ok()?, segment: number }),
        }
    }

    pub(crate) fn file_name(self) -> String {
        match self {
            Self::Segment { stream, segment } => format!("{stream:02}-{segment:08}.seg"),
            Self::Free(number) => format!("free-{number:08}.seg"),
        }
    }
}

/// What a file is called until it is whole; such files are removed at the start.
pub(crate) fn unfinished_name(number: u32) -> String {
    format!("new-{number:08}.tmp")
}

/// Whether a file was left unfinished.
pub(crate) fn is_unfinished(name: &str) -> bool {
    name.starts_with("new-") && name.ends_with(".tmp")
}

/// Opens around the page cache where the filesystem can, else through it.
pub(crate) fn open_direct(options: &mut OpenOptions, path: &Path) -> io::Result<File> {
    match options.clone().custom_flags(libc::O_DIRECT).open(path) {
        Err(error) if error.raw_os_error() == Some(libc::EINVAL) => options.open(path),
        opened => opened,
    }
}

/// Fills `buffer` from `offset` on, or up to the file's end; returns how much.
pub(crate) fn read_full(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut done = 0;
    while done < buffer.len() {
        match file.read_at(&mut buffer[done..], offset + done as u64) {
            Ok(0) => break,
            // A file whose length is no multiple of a block ends with a short read.
            Ok(count) if !count.is_multiple_of(BLOCK_BYTES) => return Ok(done + count),
            Ok(count) => done += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(done)
}

/// Where a file or a directory is.
pub(crate) fn directory_of(path: &Path) -> &Path {
    match path.parent() {
        Some(above) if above != Path::new("") => above,
        Some(_) | None => Path::new("."),
    }
}

/// Makes names in the directory survive power loss.
pub(crate) fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// Zeros at a multiple of the block size, as `O_DIRECT` demands.
#[derive(Debug)]
pub(crate) struct BlockBuffer {
    bytes: Vec<u8>,
    begin: usize,
}

impl BlockBuffer {
    pub(crate) fn new(length: usize) -> Self {
        let bytes = vec![0; length + BLOCK_BYTES];
        // The vector is never grown, so what is aligned stays so.
        let begin = bytes.as_ptr().align_offset(BLOCK_BYTES).min(BLOCK_BYTES);
        Self { bytes, begin }
    }

    pub(crate) fn bytes(&mut self) -> &mut [u8] {
        let length = self.bytes.len() - BLOCK_BYTES;
        &mut self.bytes[self.begin..self.begin + length]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_they_are_written_and_others_are_not_ours() {
        for (name, text) in [
            (SegmentName::Segment { stream: 3, segment: 17 }, "03-00000017.seg"),
            (SegmentName::Segment { stream: 123, segment: u32::MAX }, "123-4294967295.seg"),
            (SegmentName::Free(4), "free-00000004.seg"),
        ] {
            assert_eq!((name.file_name().as_str(), SegmentName::parse(text)), (text, Some(name)));
        }
        for text in ["", "03-00000017", "03-.seg", "-1.seg", "free-x.seg", "3.seg", "03-4294967296.seg"] {
            assert_eq!(SegmentName::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_block_buffer_begins_at_a_block() {
        for _ in 0..8 {
            let mut buffer = BlockBuffer::new(3 * BLOCK_BYTES);
            assert_eq!(buffer.bytes().len(), 3 * BLOCK_BYTES);
            assert_eq!(buffer.bytes().as_ptr().align_offset(BLOCK_BYTES), 0);
        }
    }
}
