//! One stream's segments in order: what of them is intact, and where the stream goes on.

use std::{collections::VecDeque, path::PathBuf};

use store::{
    journal::{Reader, Stop},
    sql::Batch,
};

use super::{RecoveryError, header_error, scan::Found};
use crate::{
    journal::{BlockBuffer, Disk, SegmentFile, StreamStart},
    planted::{self, Planted},
};

/// Reads one stream, a segment at a time.
#[derive(Clone, Debug)]
pub struct StreamReader {
    stream: u32,
    unread: VecDeque<Unread>,
    start: StreamStart,
    tail: Tail,
    torn: Vec<(PathBuf, usize)>,
}

#[derive(Clone, Debug)]
struct Unread {
    found: Found,
    /// A write that was still in flight when its process was killed may have landed after the next process had read
    /// this segment and begun the next one. What the next segment begins with, at this number, is what is true.
    end: Option<u64>,
}

/// Where reading a stream has come to.
#[derive(Clone, Debug, Default)]
struct Tail {
    /// The number expected next.
    number: Option<u64>,
    /// The checksum of the record before it.
    previous: Option<u32>,
    /// Where the last record ended.
    place: Option<(PathBuf, usize)>,
}

impl StreamReader {
    /// `start` is how far SQL is. Segments are in order.
    pub(super) fn new(stream: u32, start: StreamStart, segments: Vec<Found>) -> Self {
        let mut unread = VecDeque::with_capacity(segments.len());
        let mut end = None;
        for found in segments.into_iter().rev() {
            let first_number = found.first_number;
            unread.push_front(Unread { found, end });
            end = first_number.or(end);
        }
        Self { stream, unread, start, tail: Tail::default(), torn: Vec::new() }
    }

    /// Whose records.
    pub(crate) fn stream(&self) -> u32 {
        self.stream
    }

    /// The first record that SQL lacks, or would lack.
    pub(super) fn next_number(&self) -> u64 {
        self.start.next_number
    }

    /// Of a stream that goes on elsewhere with that record: nothing from there on is read.
    pub(super) fn up_to(mut self, next_number: u64) -> Self {
        for unread in &mut self.unread {
            unread.end = Some(unread.end.map_or(next_number, |end| end.min(next_number)));
        }
        self
    }

    /// Reads the next segment of which SQL lacks something, and that in batches. Returns the files that are behind it then, and
    /// its own; none: there is no further one. After an error it is where it was.
    pub(crate) fn read_next(
        &mut self,
        disk: &dyn Disk,
        take: &mut dyn FnMut(Batch),
    ) -> Result<Vec<SegmentFile>, RecoveryError> {
        let mut behind = Vec::new();
        while let Some(unread) = self.unread.front() {
            let is_in_sql = unread.end.is_some_and(|end| end <= self.start.next_number);
            if !is_in_sql {
                let unread = unread.clone();
                self.read_segment(disk, &unread, take)?;
                self.start.next_number = self.start.next_number.max(self.tail.number.unwrap_or(0));
            }
            let Unread { found, .. } = self.unread.pop_front().expect("looked at above");
            self.start.next_segment = found.header.segment + 1;
            behind.push(found.file);
            if !is_in_sql {
                break;
            }
        }
        Ok(behind)
    }

    /// Where the stream goes on when all was read, and where a write had been cut short.
    pub(super) fn finish(mut self) -> (StreamStart, Vec<(PathBuf, usize)>) {
        // Where SQL is ahead, the journal was removed or put back from an older backup: the chain begins anew.
        let is_known = self.tail.number == Some(self.start.next_number);
        self.start.previous = self.tail.previous.filter(|_| is_known).unwrap_or(0);
        (self.start, self.torn)
    }

    /// A segment's records, up to the next segment's first.
    fn read_segment(
        &mut self,
        disk: &dyn Disk,
        Unread { found, end }: &Unread,
        take: &mut dyn FnMut(Batch),
    ) -> Result<(), RecoveryError> {
        if let (Some(first), Some(needed), Some((path, offset))) =
            (found.first_number, self.tail.number, &self.tail.place)
            && first > needed
        {
            return Err(RecoveryError::Damaged { path: path.clone(), offset: *offset });
        }
        let path = &found.file.path;
        let mut image = BlockBuffer::new(found.header.segment_bytes as usize);
        let read = disk.read(path, 0, image.bytes());
        let read = read.map_err(|error| RecoveryError::Disk { path: path.clone(), error })?;
        let mut reader = Reader::new(&image.bytes()[..read], self.tail.number, self.tail.previous)
            .map_err(|error| header_error(path, error))?;
        let end = end.unwrap_or(u64::MAX);
        let mut batch = Batch::default();
        while reader.cursor().number.is_none_or(|number| number < end)
            && let Some((number, record)) = reader.next()
        {
            if number >= self.start.next_number {
                batch.push(number, record);
            }
            if batch.is_full() {
                take(std::mem::take(&mut batch));
            }
        }
        if matches!(reader.stop(), Some(Stop::Torn { .. })) && planted::is(Planted::CutTooFar) {
            batch.pop();
        }
        if !batch.records().is_empty() {
            take(batch);
        }
        let cursor = reader.cursor();
        match reader.stop() {
            None | Some(Stop::End) => {}
            Some(Stop::Torn { offset }) => self.torn.push((path.clone(), offset)),
            Some(Stop::Damaged { offset, .. } | Stop::Unknown { offset }) => {
                return Err(RecoveryError::Damaged { path: path.clone(), offset });
            }
        }
        self.tail = Tail {
            number: cursor.number,
            previous: cursor.previous,
            place: Some((path.clone(), cursor.offset)),
        };
        Ok(())
    }
}
