//! A shard's journal: takes records, writes them in groups, says how far they are durable.
//!
//! The format is `store::journal`'s; the write itself is the reactor's; segment files come from the
//! [`SegmentMaker`], ready to be written. Runs on the shard's thread and never waits. One write is in flight
//! at most: what is appended meanwhile makes the next group, so groups grow as the disk slows, without a
//! timer.

mod disk;
mod files;
mod maker;
mod published;

#[cfg(test)]
mod tests;

use std::{fmt, io, path::PathBuf, sync::Arc};

use net::{FileId, Reactor};
use store::{
    journal::{BLOCK_BYTES, RECORD_BYTES_MAX, SEGMENT_BYTES, SEGMENT_FIRST_BYTES, TooLong, Writer},
    record::Record,
};

pub use disk::{Directory, Disk, Listed};
pub(crate) use files::{
    BlockBuffer, SegmentName, directory_of, is_unfinished, open_direct, read_full, sync_directory,
};
pub use maker::{
    LeftFiles, MakerLimits, Prepared, SegmentFile, SegmentMaker, SegmentSource, Trouble, Workshop,
};
pub use published::{Position, Published};

/// Most that waits in memory for the disk, a stream. What is appended past it is still kept; it is for
/// admission to stop the flow, see [`Journal::is_full`].
pub const PENDING_BYTES_MAX: usize = 8 * 1024 * 1024;

/// While no further segment can be made, so much of the current one is left to what was accepted already.
const RESERVE_BYTES: usize = 2 * RECORD_BYTES_MAX;

const _: () = assert!(RESERVE_BYTES < SEGMENT_FIRST_BYTES - BLOCK_BYTES);
const _: () = assert!(RECORD_BYTES_MAX < PENDING_BYTES_MAX);

/// Where a stream goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamStart {
    /// The next record's number.
    pub next_number: u64,
    /// The checksum of the record before it; 0 if that is not known any more.
    pub previous: u32,
    /// The next segment's number.
    pub next_segment: u32,
}

impl StreamStart {
    /// A stream that never was.
    pub const NEW: Self = Self { next_number: 1, previous: 0, next_segment: 1 };
}

/// Why a shard has to stop. All but the last are the machine's fault, and none may be tried again: after a
/// failed write nobody knows what is on the disk. A restart reads what is.
#[derive(Debug)]
pub enum JournalError {
    /// A segment that was just made cannot be opened.
    Open {
        /// Which.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// A write failed.
    Write {
        /// Which segment.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// It failed before.
    Stopped,
    /// Ours: a record is longer than `RECORD_BYTES_MAX`, and was not taken.
    TooLong,
}

impl fmt::Display for JournalError {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cure = "check the disk, then start again: what was acknowledged will be read back";
        match self {
            Self::Open { path, error } => write!(to, "cannot open {}: {error}: {cure}", path.display()),
            Self::Write { path, error } => write!(to, "cannot write {}: {error}: {cure}", path.display()),
            Self::Stopped => write!(to, "the journal failed before: {cure}"),
            Self::TooLong => {
                write!(to, "a record is longer than {RECORD_BYTES_MAX} bytes: please report this")
            }
        }
    }
}

impl std::error::Error for JournalError {}

/// Counters since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct JournalStats {
    /// Groups that are durable.
    pub groups: u64,
    /// Records in them.
    pub records: u64,
    /// Bytes written, with the padding.
    pub written_bytes: u64,
    /// Bytes of records.
    pub record_bytes: u64,
}

/// One stream's end that is written.
#[derive(Debug)]
pub struct Journal {
    stream: u32,
    writer: Writer,
    source: SegmentSource,
    current: Option<Current>,
    in_flight: Option<InFlight>,
    next_segment: u32,
    /// The next segment was asked for.
    is_asked: bool,
    next_token: u64,
    durable: u64,
    published: Arc<Published>,
    stats: JournalStats,
    last_group: JournalStats,
    is_stopped: bool,
}

/// The segment that is written.
#[derive(Debug)]
struct Current {
    file: FileId,
    path: PathBuf,
    segment: u32,
    epoch: u64,
    segment_bytes: usize,
    /// Where the next group goes.
    offset: usize,
}

#[derive(Debug)]
struct InFlight {
    token: u64,
    last_number: u64,
    /// Counted when it is durable.
    group: JournalStats,
}

impl Journal {
    /// Goes on with `stream` and asks for its first segment.
    pub fn open(stream: u32, start: StreamStart, source: SegmentSource) -> Self {
        source.ask(stream, start.next_segment, SEGMENT_FIRST_BYTES);
        Self {
            stream,
            writer: Writer::new(stream, start.next_number, start.previous),
            source,
            current: None,
            in_flight: None,
            next_segment: start.next_segment,
            is_asked: true,
            next_token: 0,
            durable: start.next_number - 1,
            published: Arc::new(Published::default()),
            stats: JournalStats::default(),
            last_group: JournalStats::default(),
            is_stopped: false,
        }
    }

    /// Takes a record and returns its number: one more than that of the record before it.
    pub fn append(&mut self, record: &Record) -> Result<u64, JournalError> {
        self.writer.append(record).map_err(|TooLong| JournalError::TooLong)
    }

    /// Begins to write all that is pending, or as much as one group takes, unless a write is in flight or no
    /// segment is ready. To be called at the end of each turn, and after [`Journal::written`].
    pub fn flush(&mut self, reactor: &mut dyn Reactor) -> Result<(), JournalError> {
        if self.is_stopped {
            return Err(JournalError::Stopped);
        }
        if self.in_flight.is_some() || self.writer.pending_bytes() == 0 {
            return Ok(());
        }
        if !self.write_group(reactor) && self.next_segment(reactor)? {
            let is_written = self.write_group(reactor);
            assert!(is_written, "the largest record fits in the smallest segment");
        }
        Ok(())
    }

    /// False: there is no segment, or no room in it.
    fn write_group(&mut self, reactor: &mut dyn Reactor) -> bool {
        let Some(current) = &mut self.current else { return false };
        let Some(group) = self.writer.seal(current.epoch, current.segment_bytes - current.offset) else {
            return false;
        };
        reactor.write_durable(current.file, current.offset as u64, group.bytes, self.next_token);
        current.offset += group.bytes.len();
        let counted = JournalStats {
            groups: 1,
            records: group.records.into(),
            written_bytes: group.bytes.len() as u64,
            record_bytes: group.used_bytes as u64,
        };
        self.in_flight =
            Some(InFlight { token: self.next_token, last_number: group.last_number, group: counted });
        self.next_token += 1;
        if !self.is_asked && current.offset >= current.segment_bytes / 4 {
            self.source.ask(self.stream, self.next_segment, SEGMENT_BYTES);
            self.is_asked = true;
        }
        true
    }

    /// Goes over to the next segment; false: it is not ready yet.
    fn next_segment(&mut self, reactor: &mut dyn Reactor) -> Result<bool, JournalError> {
        if !self.is_asked {
            self.source.ask(self.stream, self.next_segment, SEGMENT_BYTES);
            self.is_asked = true;
        }
        let Some(prepared) = self.source.take(self.stream) else { return Ok(false) };
        let file = match reactor.open_file(&prepared.path) {
            Ok(file) => file,
            Err(error) => {
                self.is_stopped = true;
                return Err(JournalError::Open { path: prepared.path, error });
            }
        };
        let opened = Current {
            file,
            path: prepared.path,
            segment: prepared.segment,
            epoch: prepared.epoch,
            segment_bytes: prepared.segment_bytes,
            offset: BLOCK_BYTES,
        };
        if let Some(full) = self.current.replace(opened) {
            reactor.close_file(full.file);
        }
        self.next_segment += 1;
        self.is_asked = false;
        Ok(true)
    }

    /// Takes the reactor's `Written` and returns the number up to which all records are durable now.
    pub fn written(&mut self, token: u64, result: io::Result<()>) -> Result<u64, JournalError> {
        let in_flight = self.in_flight.take().expect("only a write that was begun ends");
        assert_eq!(token, in_flight.token, "one write is in flight at a time");
        let current = self.current.as_ref().expect("a write is into a segment");
        if let Err(error) = result {
            self.is_stopped = true;
            return Err(JournalError::Write { path: current.path.clone(), error });
        }
        self.durable = in_flight.last_number;
        self.last_group = in_flight.group;
        self.stats.groups += in_flight.group.groups;
        self.stats.records += in_flight.group.records;
        self.stats.written_bytes += in_flight.group.written_bytes;
        self.stats.record_bytes += in_flight.group.record_bytes;
        let offset = u32::try_from(current.offset).expect("a segment is shorter than 4 GiB");
        self.published.advance(Position { segment: current.segment, offset }, self.durable);
        Ok(self.durable)
    }

    /// Whether new messages must be refused with `journal_full`: the disk is too slow for what waits in
    /// memory, or no further segment can be made and what is left of this one is for what was accepted.
    pub fn is_full(&self) -> bool {
        let pending = self.writer.pending_bytes();
        let room = self.current.as_ref().map_or(0, |current| current.segment_bytes - current.offset);
        pending >= PENDING_BYTES_MAX
            || (room < pending + RESERVE_BYTES
                && self.source.trouble().is_some()
                && !self.source.is_ready(self.stream))
    }

    /// Bytes appended that are not being written yet.
    pub fn pending_bytes(&self) -> usize {
        self.writer.pending_bytes()
    }

    /// Whether everything appended is durable.
    pub fn is_idle(&self) -> bool {
        self.in_flight.is_none() && self.writer.pending_bytes() == 0
    }

    /// The number up to which all records are durable; 0: none ever was.
    pub fn durable(&self) -> u64 {
        self.durable
    }

    /// How far the stream is durable, for the projection to follow.
    pub fn published(&self) -> Arc<Published> {
        Arc::clone(&self.published)
    }

    /// Counters since the start.
    pub fn stats(&self) -> JournalStats {
        self.stats
    }

    /// The group that became durable last.
    pub fn last_group(&self) -> JournalStats {
        self.last_group
    }
}
