//! From a data directory that somebody left, in whatever way, to one that shards can go on with.
//!
//! Reads all segments, whatever the number of shards was. What is not in SQL yet is applied to it before anybody is
//! served; or, where each shard goes on with a stream of its own, given to the shards, and applied while they serve.
//! Every stream goes on in a fresh segment: a torn tail is never written over. Damage is not repaired here: it is
//! reported, and the server does not start.

mod directory;
mod doctor;
mod scan;
mod stream;

use std::{
    collections::BTreeMap,
    fmt, io,
    path::{Path, PathBuf},
    sync::{Mutex, mpsc},
    thread,
};

use store::{
    journal::HeaderError,
    record::Record,
    sql::{Batch, Projection, SqlError},
};

use crate::{
    journal::{Disk, LeftFiles, SegmentFile, StreamStart, is_unfinished},
    placement::shard_of_conversation,
};

pub use directory::DataDirectory;
pub use doctor::{Damage, DamageKind, Report, SegmentReport, doctor};
pub(crate) use doctor::{EVIDENCE, examine};
pub use stream::StreamReader;

/// Batches that wait to be applied, while one is and another is read.
const BATCHES_WAITING_MAX: usize = 1;

/// What shards go on with.
#[derive(Debug, Default)]
pub struct Recovered {
    /// Where each stream that ever was goes on.
    pub streams: BTreeMap<u32, StreamStart>,
    /// The files of all of them.
    pub files: LeftFiles,
    /// How many records SQL lacked.
    pub lacked: u64,
    /// Where a write had been cut short: it was never acknowledged.
    pub torn: Vec<(PathBuf, usize)>,
    /// Records that SQL lacks still, by stream: the shard of the same number goes on with them.
    pub lacking: BTreeMap<u32, Vec<Batch>>,
    /// The same records in their files, for the projection.
    pub backlog: Vec<StreamReader>,
}

impl Recovered {
    /// Where `stream` goes on.
    pub fn start(&self, stream: u32) -> StreamStart {
        self.streams.get(&stream).copied().unwrap_or(StreamStart::NEW)
    }

    fn add(&mut self, read: ReadStream) {
        let ReadStream { stream, start, files, torn } = read;
        self.streams.insert(stream, start);
        self.files.free.extend(files);
        self.torn.extend(torn);
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
    Left::find(disk, projection)?.apply(disk, projection)
}

/// Says where the streams go on, and leaves to be applied what SQL lacks, if `shards` can go on with it themselves: if
/// none of it is of other shards, and no stream has more than `records_max` of it. Else it is applied first, as by
/// [`recover`].
///
/// Streams are read by so many `threads` at once.
pub fn take_up(
    disk: &dyn Disk,
    projection: &mut Projection,
    shards: usize,
    records_max: usize,
    threads: usize,
) -> Result<Recovered, RecoveryError> {
    let left = Left::find(disk, projection)?;
    match left.read(disk, shards, records_max, threads)? {
        Some(recovered) => Ok(recovered),
        None => left.apply(disk, projection),
    }
}

/// What somebody left in the directory.
struct Left {
    /// How far SQL is.
    streams: BTreeMap<u32, StreamStart>,
    readers: Vec<StreamReader>,
    free: Vec<SegmentFile>,
    epoch_next: u32,
}

impl Left {
    fn find(disk: &dyn Disk, projection: &mut Projection) -> Result<Self, RecoveryError> {
        // A start that was killed may have applied records in a hurry; files of which SQL has all are used again.
        projection.settle()?;
        let scanned = scan::scan(disk)?;
        for path in &scanned.unusable {
            disk.remove(path).map_err(|error| RecoveryError::Disk { path: path.clone(), error })?;
        }
        let progress = projection.progress()?;
        let start = |number| StreamStart { next_number: number + 1, ..StreamStart::NEW };
        let streams: BTreeMap<u32, StreamStart> =
            progress.into_iter().map(|(stream, number)| (stream, start(number))).collect();
        let start = |stream| streams.get(&stream).copied().unwrap_or(StreamStart::NEW);
        let readers = scanned.streams.into_iter();
        let readers =
            readers.map(|(stream, segments)| StreamReader::new(stream, start(stream), segments)).collect();
        let epoch_next = scanned.epoch_max.checked_add(1).expect("a segment a millisecond for 49 days");
        Ok(Self { streams, readers, free: scanned.free, epoch_next })
    }

    fn apply(self, disk: &dyn Disk, projection: &mut Projection) -> Result<Recovered, RecoveryError> {
        let Self { streams, readers, free, epoch_next } = self;
        let files = LeftFiles { free, kept_bytes: 0, epoch_next };
        let mut recovered = Recovered { files, ..Recovered::default() };
        // Whatever is applied here is in the journal still, until all of it is settled.
        projection.hurry()?;
        let (sender, batches) = mpsc::sync_channel(BATCHES_WAITING_MAX);
        let (read, applied) = thread::scope(|scope| {
            let reading = scope.spawn(|| read_all(disk, readers, sender));
            // Ends when the reader does; an error here ends the reader, too.
            let applied = apply_all(batches, &streams, projection);
            (reading.join().expect("the reader does not panic"), applied)
        });
        recovered.lacked = applied?;
        let read = read?;
        projection.settle()?;
        recovered.streams = streams;
        read.into_iter().for_each(|read| recovered.add(read));
        Ok(recovered)
    }

    /// Nothing: it is not for these shards, or too much.
    fn read(
        &self,
        disk: &dyn Disk,
        shards: usize,
        records_max: usize,
        threads: usize,
    ) -> Result<Option<Recovered>, RecoveryError> {
        let readers = Mutex::new(self.readers.iter());
        let read_some = || {
            let next = || readers.lock().expect("nothing panics while it holds the lock").next();
            std::iter::from_fn(next).map(|reader| Lacking::read(reader, disk, shards, records_max)).collect()
        };
        let read: Vec<Result<Option<Lacking>, RecoveryError>> = thread::scope(|scope| {
            let others: Vec<_> =
                (1..threads.min(self.readers.len())).map(|_| scope.spawn(read_some)).collect();
            let mut read: Vec<_> = read_some();
            for other in others {
                read.extend(other.join().expect("the reader does not panic"));
            }
            read
        });
        let files = LeftFiles { free: self.free.clone(), kept_bytes: 0, epoch_next: self.epoch_next };
        let mut recovered = Recovered { streams: self.streams.clone(), files, ..Recovered::default() };
        for lacking in read {
            let Some(Lacking { mut read, records, reader }) = lacking? else { return Ok(None) };
            if !records.is_empty() {
                recovered.lacked += records.iter().map(|batch| batch.records().len() as u64).sum::<u64>();
                recovered.lacking.insert(read.stream, records);
                recovered.backlog.push(reader.up_to(read.start.next_number));
                // They become free when all that is in them is in SQL.
                recovered.files.kept_bytes += read.files.drain(..).map(|file| file.file_bytes).sum::<u64>();
            }
            recovered.add(read);
        }
        Ok(Some(recovered))
    }
}

/// A stream that was read to its end.
struct ReadStream {
    stream: u32,
    start: StreamStart,
    files: Vec<SegmentFile>,
    torn: Vec<(PathBuf, usize)>,
}

impl ReadStream {
    fn all(
        mut reader: StreamReader,
        disk: &dyn Disk,
        take: &mut dyn FnMut(Batch),
    ) -> Result<Self, RecoveryError> {
        let mut files = Vec::new();
        loop {
            let mut behind = reader.read_next(disk, take)?;
            if behind.is_empty() {
                break;
            }
            files.append(&mut behind);
        }
        let stream = reader.stream();
        let (start, torn) = reader.finish();
        Ok(Self { stream, start, files, torn })
    }
}

/// What SQL lacks of a stream, for the shard of the same number.
struct Lacking {
    read: ReadStream,
    records: Vec<Batch>,
    /// Before all of it.
    reader: StreamReader,
}

impl Lacking {
    /// Nothing: it is not for that shard, or too much, or does not begin where SQL ends.
    fn read(
        reader: &StreamReader,
        disk: &dyn Disk,
        shards: usize,
        records_max: usize,
    ) -> Result<Option<Self>, RecoveryError> {
        let (stream, mut next_number) = (reader.stream(), reader.next_number());
        let (mut records, mut count, mut is_fit) = (Vec::new(), 0, true);
        let owner = stream as usize;
        let mut take = |batch: Batch| {
            let is_owned = |(_, record): &(u64, Record)| {
                shard_of_conversation(record.conversation(), shards) == Some(owner)
            };
            count += batch.records().len();
            is_fit &= batch.records().first().is_some_and(|(first, _)| *first == next_number)
                && count <= records_max
                && batch.records().iter().all(is_owned);
            next_number += batch.records().len() as u64;
            if is_fit {
                records.push(batch);
            } else {
                records.clear();
            }
        };
        let read = ReadStream::all(reader.clone(), disk, &mut take)?;
        Ok(is_fit.then(|| Self { read, records, reader: reader.clone() }))
    }
}

fn read_all(
    disk: &dyn Disk,
    readers: Vec<StreamReader>,
    batches: mpsc::SyncSender<(u32, Batch)>,
) -> Result<Vec<ReadStream>, RecoveryError> {
    let read = |reader: StreamReader| {
        let stream = reader.stream();
        ReadStream::all(reader, disk, &mut |batch| {
            // Where SQL has failed nobody takes it any more; the error is told there.
            if batches.send((stream, batch)).is_err() {
                tracing::debug!("SQL failed while the journal was read");
            }
        })
    };
    readers.into_iter().map(read).collect()
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

fn header_error(path: &Path, error: HeaderError) -> RecoveryError {
    match error {
        HeaderError::Short | HeaderError::Blank | HeaderError::Damaged => {
            RecoveryError::Damaged { path: path.to_owned(), offset: 0 }
        }
        HeaderError::Version(version) => RecoveryError::Version { path: path.to_owned(), version },
    }
}
