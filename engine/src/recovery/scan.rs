//! What lies in the journal's directory, by name, header and first record. Nothing is changed here.

use std::{collections::BTreeMap, path::PathBuf};

use store::journal::{BLOCK_BYTES, Cursor, RECORD_BYTES_MAX, SegmentHeader, Step};

use super::{RecoveryError, header_error, is_unfinished};
use crate::journal::{BlockBuffer, Disk, Listed, SegmentFile, SegmentName};

/// A stream's segment.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub file: SegmentFile,
    pub header: SegmentHeader,
    /// The number of its first record; nothing if it has none, or that is not intact.
    pub first_number: Option<u64>,
}

/// What lies there.
#[derive(Debug, Default)]
pub(super) struct Scanned {
    /// Each stream's segments in order.
    pub streams: BTreeMap<u32, Vec<Found>>,
    pub free: Vec<SegmentFile>,
    /// Half-made files, and free ones of which nobody knows what is in them.
    pub unusable: Vec<PathBuf>,
    /// The greatest epoch used, without its salt.
    pub epoch_max: u32,
}

/// Where the first record of a segment ends at the latest.
pub(super) const HEAD_BYTES: usize = BLOCK_BYTES + RECORD_BYTES_MAX;
const _: () = assert!(HEAD_BYTES.is_multiple_of(BLOCK_BYTES));

pub(super) fn scan(disk: &dyn Disk) -> Result<Scanned, RecoveryError> {
    let mut scanned = Scanned::default();
    let mut head = BlockBuffer::new(HEAD_BYTES);
    let directory = disk.path("");
    for Listed { name, path, file_bytes } in
        disk.list().map_err(|error| RecoveryError::Disk { path: directory, error })?
    {
        if is_unfinished(&name) {
            scanned.unusable.push(path);
        } else if let Some(name) = SegmentName::parse(&name) {
            let read = disk
                .read(&path, 0, head.bytes())
                .map_err(|error| RecoveryError::Disk { path: path.clone(), error })?;
            scanned.add(name, SegmentFile { path, file_bytes }, &head.bytes()[..read])?;
        }
    }
    for segments in scanned.streams.values_mut() {
        segments.sort_by_key(|found| found.header.segment);
    }
    Ok(scanned)
}

impl Scanned {
    fn add(&mut self, name: SegmentName, file: SegmentFile, head: &[u8]) -> Result<(), RecoveryError> {
        let header = match (name, SegmentHeader::decode(head)) {
            (_, Ok(header)) => header,
            (SegmentName::Free(_), Err(_)) => {
                self.unusable.push(file.path);
                return Ok(());
            }
            (SegmentName::Segment { .. }, Err(error)) => return Err(header_error(&file.path, error)),
        };
        self.epoch_max = self.epoch_max.max(header.epoch as u32);
        let SegmentName::Segment { stream, segment } = name else {
            self.free.push(file);
            return Ok(());
        };
        let is_whole = u64::from(header.segment_bytes) == file.file_bytes;
        if (header.stream, header.segment) != (stream, segment) || !is_whole {
            return Err(RecoveryError::Damaged { path: file.path, offset: 0 });
        }
        let first_number = first_number(&header, head);
        self.streams.entry(stream).or_default().push(Found { file, header, first_number });
        Ok(())
    }
}

/// The number of a segment's first record, if it has one that is intact.
pub(super) fn first_number(header: &SegmentHeader, head: &[u8]) -> Option<u64> {
    match Cursor::new(header.epoch, None, None).step(head, 0) {
        Step::Record { number, .. } => Some(number),
        Step::Short | Step::Nothing | Step::Unknown => None,
    }
}
