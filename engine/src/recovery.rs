//! From a data directory that somebody left, in whatever way, to one that shards can go on with.
//!
//! Reads all segments, whatever the number of shards was, and applies to SQL what is not there yet. So after
//! it, SQL has everything that was ever acknowledged, all segments may be used again, and every stream goes
//! on in a fresh one: a torn tail is never written over. Damage is not repaired here: it is reported, and the
//! server does not start.

mod doctor;
mod scan;

use std::{
    collections::BTreeMap,
    fmt,
    fs::{self, File, TryLockError},
    io::{self, Read, Write},
    path::{Path, PathBuf},
    sync::mpsc,
    thread,
};

use store::{
    journal::{HeaderError, Reader, Stop},
    sql::{Batch, Projection, SqlError},
};

use crate::{
    journal::{
        BlockBuffer, Directory, Disk, SegmentFile, StreamStart, directory_of, is_unfinished, sync_directory,
    },
    planted::{self, Planted},
};

pub use doctor::{Damage, DamageKind, Report, SegmentReport, doctor};
pub(crate) use doctor::{EVIDENCE, examine};
use scan::Found;

/// Batches that wait to be applied, while one is and another is read.
const BATCHES_WAITING_MAX: usize = 1;

/// A lock has a process's number and no more.
const LOCK_BYTES_MAX: u64 = 16;

/// A directory that is this process's alone, as long as this value lives.
#[derive(Debug)]
pub struct DataDirectory {
    path: PathBuf,
    _lock: File,
}

impl DataDirectory {
    /// Makes the directory if it is missing, and locks it.
    pub fn open(path: &Path) -> Result<Self, RecoveryError> {
        let failed = |error| RecoveryError::Disk { path: path.to_owned(), error };
        make_directory(&path.join("journal")).map_err(failed)?;
        let lock =
            File::options().create(true).truncate(false).read(true).write(true).open(path.join("lock"));
        let mut lock = lock.map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => {
                // A full disk must not keep the server from starting: then nobody is named.
                if let Err(error) = name_holder(&mut lock) {
                    tracing::debug!(%error, "the lock does not name this process");
                }
                Ok(Self { path: path.to_owned(), _lock: lock })
            }
            Err(TryLockError::WouldBlock) => {
                Err(RecoveryError::Locked { path: path.to_owned(), holder: holder_of(&lock) })
            }
            Err(TryLockError::Error(error)) => Err(failed(error)),
        }
    }

    /// Where segments are.
    pub fn journal(&self) -> Directory {
        Directory::new(self.path.join("journal"))
    }

    /// Where the database is.
    pub fn database(&self) -> PathBuf {
        self.path.join(crate::pool::records::DATABASE_FILE)
    }
}

/// Writes this process's number into the lock, for whoever finds it locked.
fn name_holder(lock: &mut File) -> io::Result<()> {
    lock.set_len(0)?;
    lock.write_all(std::process::id().to_string().as_bytes())
}

/// The number of the process that has the lock; `None` where it has not written it yet.
fn holder_of(lock: &File) -> Option<u32> {
    let mut text = String::new();
    lock.take(LOCK_BYTES_MAX).read_to_string(&mut text).ok()?;
    text.parse().ok()
}

/// Makes the directory and all above it that are missing, so that they survive power loss.
fn make_directory(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    let above = directory_of(path);
    make_directory(above)?;
    fs::create_dir(path)?;
    sync_directory(above)
}

/// What shards go on with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovered {
    /// Where each stream that ever was goes on.
    pub streams: BTreeMap<u32, StreamStart>,
    /// Files to be used again: everything in them is in SQL.
    pub files: Vec<SegmentFile>,
    /// Beyond all epochs used.
    pub epoch_next: u32,
    /// How many records were applied to SQL.
    pub applied: u64,
    /// Where a write had been cut short: it was never acknowledged.
    pub torn: Vec<(PathBuf, usize)>,
}

impl Recovered {
    /// Where `stream` goes on.
    pub fn start(&self, stream: u32) -> StreamStart {
        self.streams.get(&stream).copied().unwrap_or(StreamStart::NEW)
    }
}

/// Why the server does not start.
#[derive(Debug)]
pub enum RecoveryError {
    /// The operator's: another process has the directory.
    Locked {
        /// Which directory.
        path: PathBuf,
        /// The process, where it could be told.
        holder: Option<u32>,
    },
    /// The operator's: a newer version wrote the file.
    Version {
        /// Which file.
        path: PathBuf,
        /// Its format's version.
        version: u32,
    },
    /// The machine's: something acknowledged cannot be read.
    Damaged {
        /// Which file.
        path: PathBuf,
        /// Where in it.
        offset: usize,
    },
    /// The machine's: the disk refuses.
    Disk {
        /// Which file or directory.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// As the database says.
    Sql(SqlError),
}

impl fmt::Display for RecoveryError {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Locked { path, holder } => {
                let (named, how) = match holder {
                    Some(number) => (format!(" (process {number})"), format!(" with `kill {number}`")),
                    None => (String::new(), String::new()),
                };
                write!(
                    to,
                    "another ringdesk{named} uses {}: stop it{how}, or choose another directory with --data",
                    path.display()
                )
            }
            Self::Version { path, version } => write!(
                to,
                "{} has journal format {version}, written by a newer version: run that version, or a newer one",
                path.display()
            ),
            Self::Damaged { path, offset } => write!(
                to,
                "{} is damaged at offset {offset}, and what was there had been acknowledged: put an intact copy of \
                 the file back, or go on without what is lost, which this tells: {}",
                path.display(),
                crate::upkeep::cut::command(path, *offset)
            ),
            Self::Disk { path, error } => {
                write!(to, "cannot use {}: {error}: check the disk and the owner", path.display())
            }
            Self::Sql(error) => error.fmt(to),
        }
    }
}

impl std::error::Error for RecoveryError {}

impl From<SqlError> for RecoveryError {
    fn from(error: SqlError) -> Self {
        Self::Sql(error)
    }
}

/// Brings SQL up to the journal's end and says where the streams go on.
///
/// A thread of its own reads and checks while this one applies: on two cores, most of the reading costs nothing.
pub fn recover(disk: &dyn Disk, projection: &mut Projection) -> Result<Recovered, RecoveryError> {
    let scanned = scan::scan(disk)?;
    let mut recovered = Recovered { epoch_next: 1, ..Recovered::default() };
    for path in &scanned.unusable {
        disk.remove(path).map_err(|error| RecoveryError::Disk { path: path.clone(), error })?;
    }
    for (stream, number) in projection.progress()? {
        recovered.streams.insert(stream, StreamStart { next_number: number + 1, ..StreamStart::NEW });
    }
    // Whatever is applied here is in the journal still, until all of it is settled.
    projection.hurry()?;
    let starts = &recovered.streams;
    let (sender, batches) = mpsc::sync_channel(BATCHES_WAITING_MAX);
    let (read, applied) = thread::scope(|scope| {
        let reading = scope.spawn(|| read_streams(disk, &scanned.streams, starts, sender));
        // Ends when the reader does; an error here ends the reader, too.
        let applied = apply_all(batches, starts, projection);
        (reading.join().expect("the reader does not panic"), applied)
    });
    recovered.applied = applied?;
    let read = read?;
    projection.settle()?;
    recovered.streams.extend(read.starts);
    recovered.torn = read.torn;
    recovered.epoch_next = scanned.epoch_max.checked_add(1).expect("a segment a millisecond for 49 days");
    recovered.files = scanned.into_files();
    Ok(recovered)
}

/// What the reader found out.
#[derive(Default)]
struct ReadStreams {
    starts: BTreeMap<u32, StreamStart>,
    torn: Vec<(PathBuf, usize)>,
}

fn read_streams(
    disk: &dyn Disk,
    streams: &BTreeMap<u32, Vec<Found>>,
    starts: &BTreeMap<u32, StreamStart>,
    batches: mpsc::SyncSender<(u32, Batch)>,
) -> Result<ReadStreams, RecoveryError> {
    let mut read = ReadStreams::default();
    for (stream, segments) in streams {
        let start = starts.get(stream).copied().unwrap_or(StreamStart::NEW);
        let mut reader = StreamReader {
            disk,
            stream: *stream,
            batches: &batches,
            tail: Tail { number: None, previous: None, place: None },
            torn: Vec::new(),
        };
        read.starts.insert(*stream, reader.read(start, segments)?);
        read.torn.append(&mut reader.torn);
    }
    Ok(read)
}

fn apply_all(
    batches: mpsc::Receiver<(u32, Batch)>,
    starts: &BTreeMap<u32, StreamStart>,
    projection: &mut Projection,
) -> Result<u64, SqlError> {
    let mut applied = 0;
    for (stream, batch) in batches {
        let first = batch.records().first().map_or(0, |(number, _)| *number);
        let before = starts.get(&stream).copied().unwrap_or(StreamStart::NEW).next_number.max(first) - 1;
        applied += projection.apply(stream, batch.records())?.saturating_sub(before);
    }
    Ok(applied)
}

/// Reads one stream's segments.
struct StreamReader<'a> {
    disk: &'a dyn Disk,
    stream: u32,
    batches: &'a mpsc::SyncSender<(u32, Batch)>,
    tail: Tail,
    torn: Vec<(PathBuf, usize)>,
}

/// Where reading a stream has come to.
struct Tail {
    /// The number expected next.
    number: Option<u64>,
    /// The checksum of the record before it.
    previous: Option<u32>,
    /// Where the last record ended.
    place: Option<(PathBuf, usize)>,
}

impl StreamReader<'_> {
    /// `start` is how far SQL is. Segments are in order.
    fn read(&mut self, mut start: StreamStart, segments: &[Found]) -> Result<StreamStart, RecoveryError> {
        for (index, segment) in segments.iter().enumerate() {
            start.next_segment = segment.header.segment + 1;
            let next_first = segments[index + 1..].iter().find_map(|later| later.first_number);
            if next_first.is_some_and(|first| first <= start.next_number) {
                // All of it is in SQL already.
                continue;
            }
            self.read_segment(segment, next_first)?;
            start.next_number = start.next_number.max(self.tail.number.unwrap_or(0));
        }
        // Where SQL is ahead, the journal was removed or put back from an older backup: the chain begins anew.
        let is_known = self.tail.number == Some(start.next_number);
        start.previous = self.tail.previous.filter(|_| is_known).unwrap_or(0);
        Ok(start)
    }

    /// A segment's records, up to the next segment's first.
    fn read_segment(&mut self, segment: &Found, next_first: Option<u64>) -> Result<(), RecoveryError> {
        if let (Some(first), Some(needed), Some((path, offset))) =
            (segment.first_number, self.tail.number, &self.tail.place)
            && first > needed
        {
            return Err(RecoveryError::Damaged { path: path.clone(), offset: *offset });
        }
        let path = &segment.file.path;
        let mut image = BlockBuffer::new(segment.header.segment_bytes as usize);
        let read = self.disk.read(path, 0, image.bytes());
        let read = read.map_err(|error| RecoveryError::Disk { path: path.clone(), error })?;
        let mut reader = Reader::new(&image.bytes()[..read], self.tail.number, self.tail.previous)
            .map_err(|error| header_error(path, error))?;
        // A write that was still in flight when its process was killed may have landed after the next process
        // had read this segment and begun the next one. What the next segment begins with is what is true.
        let end = next_first.unwrap_or(u64::MAX);
        let mut batch = Batch::default();
        while reader.cursor().number.is_none_or(|number| number < end)
            && let Some((number, record)) = reader.next()
        {
            batch.push(number, record);
            if batch.is_full() {
                self.send(std::mem::take(&mut batch));
            }
        }
        if matches!(reader.stop(), Some(Stop::Torn { .. })) && planted::is(Planted::CutTooFar) {
            batch.pop();
        }
        self.send(batch);
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

    /// Where SQL has failed nobody takes it any more; the error is told there.
    fn send(&self, batch: Batch) {
        if !batch.records().is_empty() && self.batches.send((self.stream, batch)).is_err() {
            tracing::debug!("SQL failed while the journal was read");
        }
    }
}

fn header_error(path: &Path, error: HeaderError) -> RecoveryError {
    match error {
        HeaderError::Short | HeaderError::Blank | HeaderError::Damaged => {
            RecoveryError::Damaged { path: path.to_owned(), offset: 0 }
        }
        HeaderError::Version(version) => RecoveryError::Version { path: path.to_owned(), version },
    }
}
