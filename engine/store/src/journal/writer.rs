//! Records to groups. Where a group goes and when, its caller decides.

use rkyv::{api::high::to_bytes_in, rancor};

use super::{
    BLOCK_BYTES, GROUP_BYTES_MAX, RECORD_BYTES_MAX, RECORD_HEADER_BYTES,
    layout::{self, Seal},
};
use crate::record::Record;

/// A record is longer than [`RECORD_BYTES_MAX`]; nothing was appended. Our own fault: what peers send is
/// bounded far below it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLong;

/// Numbers a stream's records and makes groups of them.
///
/// [`append`](Self::append) takes a record; [`seal`](Self::seal) makes one group of as many of the pending
/// records as fit, to be written at once. What does not fit stays pending, for the next group or the next
/// segment.
#[derive(Debug)]
pub struct Writer {
    stream: u32,
    next_number: u64,
    /// Number of the first pending record.
    next_sealed: u64,
    /// Checksum of the last sealed record.
    previous: u32,
    /// Records back to back with unfinished headers.
    pending: Vec<u8>,
    /// The last group made.
    group: Vec<u8>,
}

/// What is to be written at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Group<'a> {
    /// Whole blocks.
    pub bytes: &'a [u8],
    /// How many records.
    pub records: u32,
    /// The number of the last record.
    pub last_number: u64,
    /// Bytes without the padding at the end.
    pub used_bytes: usize,
}

impl Writer {
    /// Goes on with a stream: `next_number` is the first record's number (1 in a new stream), `previous` the
    /// checksum of the record before it (0 in a new stream).
    pub fn new(stream: u32, next_number: u64, previous: u32) -> Self {
        assert!(next_number > 0, "0 means no record");
        Self {
            stream,
            next_number,
            next_sealed: next_number,
            previous,
            pending: Vec::new(),
            group: Vec::new(),
        }
    }

    /// Takes a record and returns its number.
    pub fn append(&mut self, record: &Record) -> Result<u64, TooLong> {
        let begin = self.pending.len();
        self.pending.resize(begin + RECORD_HEADER_BYTES, 0);
        let pending = std::mem::take(&mut self.pending);
        self.pending = to_bytes_in::<_, rancor::Panic>(record, pending)
            .expect("an archive in memory of strings and numbers does not fail");
        let payload_bytes = self.pending.len() - begin - RECORD_HEADER_BYTES;
        if layout::record_bytes(payload_bytes) > RECORD_BYTES_MAX {
            self.pending.truncate(begin);
            return Err(TooLong);
        }
        layout::begin(&mut self.pending[begin..], payload_bytes);
        self.pending.resize(begin + layout::record_bytes(payload_bytes), 0);
        let number = self.next_number;
        self.next_number += 1;
        Ok(number)
    }

    /// Makes a group for the segment of `epoch` of as many records as fit in `room_bytes` and
    /// [`GROUP_BYTES_MAX`]. `None`: nothing is pending, or not even the first record fits.
    pub fn seal(&mut self, epoch: u64, room_bytes: usize) -> Option<Group<'_>> {
        let limit = room_bytes.min(GROUP_BYTES_MAX) / BLOCK_BYTES * BLOCK_BYTES;
        let mut end = 0;
        let mut records = 0;
        while end < self.pending.len() {
            let payload_bytes = layout::payload_bytes(&self.pending[end..]);
            let record_bytes = layout::record_bytes(payload_bytes);
            if end + record_bytes > limit {
                break;
            }
            let seal = Seal {
                epoch,
                number: self.next_sealed,
                previous: self.previous,
                stream: self.stream,
                first_in_group: records == 0,
            };
            let record = &mut self.pending[end..end + RECORD_HEADER_BYTES + payload_bytes];
            self.previous = layout::seal(record, seal);
            self.next_sealed += 1;
            records += 1;
            end += record_bytes;
        }
        (records > 0).then(|| self.take_group(end, records))
    }

    fn take_group(&mut self, end: usize, records: u32) -> Group<'_> {
        self.group.clear();
        if end == self.pending.len() {
            std::mem::swap(&mut self.group, &mut self.pending);
        } else {
            self.group.extend_from_slice(&self.pending[..end]);
            self.pending.drain(..end);
        }
        self.group.resize(end.next_multiple_of(BLOCK_BYTES), 0);
        Group { bytes: &self.group, records, last_number: self.next_sealed - 1, used_bytes: end }
    }

    /// Bytes appended and not sealed yet.
    pub fn pending_bytes(&self) -> usize {
        self.pending.len()
    }

    /// The number the next record gets.
    pub fn next_number(&self) -> u64 {
        self.next_number
    }
}
