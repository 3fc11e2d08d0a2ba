//! Bytes to records: a window of a segment, or all of it with the reason why it ends.

use rkyv::rancor;

use super::{
    BLOCK_BYTES, HeaderError, SegmentHeader,
    layout::{self, Framed, NotFramed},
};
use crate::record::Record;

/// A place in a segment, and which record is expected there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// The segment's.
    pub epoch: u64,
    /// Where the next record is looked for.
    pub offset: usize,
    /// Its number, where that is known.
    pub number: Option<u64>,
    /// The checksum of the record before it, where that is known.
    pub previous: Option<u32>,
}

/// What [`Cursor::step`] found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// The record expected.
    Record {
        /// Its number.
        number: u64,
        /// What it says.
        record: Record,
    },
    /// The window ends before the record does.
    Short,
    /// What is expected is not here: the end of what was written, or worse.
    Nothing,
    /// The record is intact, and is none that this version knows.
    Unknown,
}

impl Cursor {
    /// Before the first record of the segment.
    pub fn new(epoch: u64, number: Option<u64>, previous: Option<u32>) -> Self {
        Self { epoch, offset: BLOCK_BYTES, number, previous }
    }

    /// Reads one record and goes behind it. `window` holds the segment's bytes from `window_at` on, which is
    /// not behind the cursor.
    pub fn step(&mut self, window: &[u8], window_at: usize) -> Step {
        let Some(bytes) = window.get(self.offset - window_at..) else { return Step::Short };
        match self.expected(bytes, self.offset.is_multiple_of(BLOCK_BYTES)) {
            Ok(framed) => self.take(framed, 0),
            Err(NotFramed::Short) => Step::Short,
            Err(NotFramed::Bad) => self.step_over_padding(bytes),
        }
    }

    /// The group may have ended: then zeros follow to the block's end, and a group begins after them.
    fn step_over_padding(&mut self, bytes: &[u8]) -> Step {
        let padding = self.offset.next_multiple_of(BLOCK_BYTES) - self.offset;
        let Some((zeros, bytes)) = bytes.split_at_checked(padding) else { return Step::Short };
        if padding == 0 || !is_zero(zeros) {
            return Step::Nothing;
        }
        match self.expected(bytes, true) {
            Ok(framed) if framed.first_in_group => self.take(framed, padding),
            Err(NotFramed::Short) => Step::Short,
            Ok(_) | Err(NotFramed::Bad) => Step::Nothing,
        }
    }

    fn expected<'a>(&self, bytes: &'a [u8], at_block: bool) -> Result<Framed<'a>, NotFramed> {
        let framed = layout::read(bytes)?;
        let is_expected = framed.epoch == self.epoch
            && self.number.is_none_or(|number| number == framed.number)
            && self.previous.is_none_or(|previous| previous == framed.previous)
            && (at_block || !framed.first_in_group);
        if is_expected { Ok(framed) } else { Err(NotFramed::Bad) }
    }

    fn take(&mut self, framed: Framed<'_>, padding: usize) -> Step {
        let Ok(record) = rkyv::from_bytes::<Record, rancor::Failure>(framed.payload) else {
            return Step::Unknown;
        };
        self.offset += padding + framed.record_bytes;
        self.number = Some(framed.number + 1);
        self.previous = Some(framed.checksum);
        Step::Record { number: framed.number, record }
    }
}

/// Where a segment's records end, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// Nothing of this epoch follows the last record: zeros, or what an older segment left in the file.
    End,
    /// What follows the last record is not intact, and no later group is there: a write was cut short. It was
    /// never acknowledged, so nothing is lost.
    Torn {
        /// The end of the last record.
        offset: usize,
    },
    /// Something acknowledged is not intact: a later group is there, and was only written after this one was
    /// durable.
    Damaged {
        /// The end of the last intact record before.
        offset: usize,
        /// Where the next intact group begins.
        valid_at: usize,
    },
    /// The record is intact, and is none that this version knows.
    Unknown {
        /// Where it is, or the padding before it.
        offset: usize,
    },
}

/// Yields the records of a whole segment.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    image: &'a [u8],
    header: SegmentHeader,
    cursor: Cursor,
    stop: Option<Stop>,
}

impl<'a> Reader<'a> {
    /// Reads the header. `number` and `previous` are those of the stream so far, where they are known: a
    /// segment that does not go on from them has no records.
    pub fn new(image: &'a [u8], number: Option<u64>, previous: Option<u32>) -> Result<Self, HeaderError> {
        let header = SegmentHeader::decode(image)?;
        Ok(Self { image, header, cursor: Cursor::new(header.epoch, number, previous), stop: None })
    }

    /// Whose segment it is.
    pub fn header(&self) -> SegmentHeader {
        self.header
    }

    /// Why there are no more records; known after `next` returned `None`.
    pub fn stop(&self) -> Option<Stop> {
        self.stop
    }

    /// What is expected next.
    pub fn cursor(&self) -> Cursor {
        self.cursor
    }

    fn why(&self) -> Stop {
        let offset = self.cursor.offset.min(self.image.len());
        let block = offset.next_multiple_of(BLOCK_BYTES).min(self.image.len());
        // The block may itself be where the later group begins, if that is not the one expected.
        let later = (block..self.image.len()).step_by(BLOCK_BYTES).find(|&at| self.is_group(at));
        match later {
            Some(valid_at) => Stop::Damaged { offset, valid_at },
            None if !is_zero(&self.image[offset..block]) => Stop::Torn { offset },
            None if layout::begins(&self.image[block..], self.header.epoch) => Stop::Torn { offset },
            None => Stop::End,
        }
    }

    fn is_group(&self, at: usize) -> bool {
        let epoch = self.header.epoch;
        layout::read(&self.image[at..]).is_ok_and(|framed| framed.epoch == epoch && framed.first_in_group)
    }
}

fn is_zero(bytes: &[u8]) -> bool {
    bytes.iter().all(|&byte| byte == 0)
}

impl Iterator for Reader<'_> {
    type Item = (u64, Record);

    fn next(&mut self) -> Option<Self::Item> {
        if self.stop.is_some() {
            return None;
        }
        match self.cursor.step(self.image, 0) {
            Step::Record { number, record } => return Some((number, record)),
            Step::Unknown => self.stop = Some(Stop::Unknown { offset: self.cursor.offset }),
            Step::Short | Step::Nothing => self.stop = Some(self.why()),
        }
        None
    }
}
