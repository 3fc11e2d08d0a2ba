//! Makes segment files ahead of need, and makes old ones new, on a thread of its own for all shards. The
//! [`Workshop`] does it and the [`SegmentMaker`] is the thread.
//!
//! A segment that a shard gets exists, is zero-filled or full of an older epoch's bytes, has its header and
//! its name, and all that is synced, directory too. So the shard's writes change no metadata. A file goes
//! round: segment → passed by the projection → free → header of a new segment → renamed to it. Between the
//! last two the directory is synced, so that no name ever stands for another segment's bytes.

use std::{
    collections::{BTreeMap, VecDeque},
    fmt,
    hash::{BuildHasher, RandomState},
    io,
    path::{Path, PathBuf},
    sync::{Arc, Condvar, Mutex, MutexGuard},
    thread::{self, JoinHandle},
    time::Duration,
};

use store::journal::{SEGMENT_BYTES, SegmentHeader};

use super::{
    disk::Disk,
    files::{SegmentName, unfinished_name},
};

/// How long after a failure the next attempt is made.
const RETRY: Duration = Duration::from_secs(1);
const POISONED: &str = "nothing panics while it holds the lock";

/// How much it may make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MakerLimits {
    /// All files of the journal together. When the projection stands still, the journal grows to this and
    /// then refuses.
    pub journal_bytes_max: u64,
    /// Free files kept; what is free beyond it is removed.
    pub free_files_max: usize,
    /// No file is longer, whatever was asked for.
    pub segment_bytes_max: usize,
}

impl Default for MakerLimits {
    fn default() -> Self {
        Self { journal_bytes_max: 4 << 30, free_files_max: 16, segment_bytes_max: SEGMENT_BYTES }
    }
}

/// A segment to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prepared {
    /// The file.
    pub path: PathBuf,
    /// Its number in the stream.
    pub segment: u32,
    /// What its records carry.
    pub epoch: u64,
    /// The file's length.
    pub segment_bytes: usize,
}

/// A file whose records are all in SQL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentFile {
    /// Where it is.
    pub path: PathBuf,
    /// Its length.
    pub file_bytes: u64,
}

/// Why no further segment can be made just now. It is tried again every second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// The disk is full.
    DiskFull,
    /// The journal has reached its own limit, because the projection does not follow.
    LimitReached,
    /// The disk refuses.
    DiskFails,
}

impl fmt::Display for Trouble {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str(match self {
            Self::DiskFull => "the disk is full: free some space",
            Self::LimitReached => {
                "the journal has reached its limit because the database does not follow: see its errors in the log"
            }
            Self::DiskFails => "the disk refuses to make a file: check the disk and the directory's owner",
        })
    }
}

/// The files of former runs.
#[derive(Clone, Debug, Default)]
pub struct LeftFiles {
    /// To be used again: everything in them is in SQL.
    pub free: Vec<SegmentFile>,
    /// Bytes of those that are passed later, when it is.
    pub kept_bytes: u64,
    /// Beyond all epochs used.
    pub epoch_next: u32,
}

#[derive(Debug)]
struct Wanted {
    stream: u32,
    segment: u32,
    segment_bytes: usize,
}

impl Wanted {
    fn name(&self) -> SegmentName {
        SegmentName::Segment { stream: self.stream, segment: self.segment }
    }
}

#[derive(Debug, Default)]
struct State {
    wanted: VecDeque<Wanted>,
    ready: BTreeMap<u32, Prepared>,
    passed: Vec<SegmentFile>,
    trouble: Option<Trouble>,
    is_stopping: bool,
}

/// What shards and the projection ask of the maker. None of it waits for the disk.
#[derive(Clone, Debug)]
pub struct SegmentSource {
    shared: Arc<(Mutex<State>, Condvar)>,
}

impl SegmentSource {
    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.0.lock().expect(POISONED)
    }

    /// Asks for a segment of about this length, to be [taken](Self::take) later.
    pub(super) fn ask(&self, stream: u32, segment: u32, segment_bytes: usize) {
        self.state().wanted.push_back(Wanted { stream, segment, segment_bytes });
        self.shared.1.notify_one();
    }

    /// The segment asked for, if it is ready.
    pub(super) fn take(&self, stream: u32) -> Option<Prepared> {
        self.state().ready.remove(&stream)
    }

    pub(super) fn is_ready(&self, stream: u32) -> bool {
        self.state().ready.contains_key(&stream)
    }

    /// Why no further segment can be made just now, if so.
    pub fn trouble(&self) -> Option<Trouble> {
        self.state().trouble
    }

    /// All records of the file are in SQL, and nobody reads or writes it any more.
    pub fn passed(&self, file: SegmentFile) {
        self.state().passed.push(file);
        self.shared.1.notify_one();
    }
}

/// The thread. Dropping it stops it.
#[derive(Debug)]
pub struct SegmentMaker {
    source: SegmentSource,
    thread: Option<JoinHandle<()>>,
}

impl SegmentMaker {
    /// Starts it with the files that recovery found; `on_ready` is called with a stream whose segment has become ready, and is to
    /// wake its shard.
    pub fn start(
        disk: Arc<dyn Disk>,
        left: LeftFiles,
        limits: MakerLimits,
        on_ready: Box<dyn Fn(u32) + Send>,
    ) -> io::Result<Self> {
        // Epochs must differ, and a peer must not be able to guess one and send what looks like a record.
        let salt = RandomState::new().hash_one(left.epoch_next) as u32;
        let mut workshop = Workshop::new(disk, left, salt, limits);
        let source = workshop.source();
        let thread = thread::Builder::new().name("segments".into()).spawn(move || {
            while workshop.wait() {
                if let Some(stream) = workshop.work() {
                    on_ready(stream);
                }
            }
        })?;
        Ok(Self { source, thread: Some(thread) })
    }

    /// For shards and the projection.
    pub fn source(&self) -> SegmentSource {
        self.source.clone()
    }
}

impl Drop for SegmentMaker {
    fn drop(&mut self) {
        self.source.state().is_stopping = true;
        self.source.shared.1.notify_one();
        if let Some(thread) = self.thread.take() {
            thread.join().expect("the maker of segments does not panic");
        }
    }
}

/// The files, and what is to be done with them. Whoever has it calls [`Workshop::work`].
#[derive(Debug)]
pub struct Workshop {
    source: SegmentSource,
    disk: Arc<dyn Disk>,
    limits: MakerLimits,
    free: Vec<SegmentFile>,
    /// All files of the journal.
    used_bytes: u64,
    epoch_next: u32,
    next_file: u32,
    salt: u32,
}

impl Workshop {
    /// Goes on with the files that recovery found; `salt` is the epochs' other half.
    pub fn new(disk: Arc<dyn Disk>, left: LeftFiles, salt: u32, limits: MakerLimits) -> Self {
        let LeftFiles { free: files, kept_bytes, epoch_next } = left;
        let used_bytes = files.iter().map(|file| file.file_bytes).sum::<u64>() + kept_bytes;
        let state = State { passed: files, ..State::default() };
        let source = SegmentSource { shared: Arc::new((Mutex::new(state), Condvar::new())) };
        Self { source, disk, limits, free: Vec::new(), used_bytes, epoch_next, next_file: 0, salt }
    }

    /// For shards and the projection.
    pub fn source(&self) -> SegmentSource {
        self.source.clone()
    }

    /// Waits for something to do; false: it is to stop.
    fn wait(&self) -> bool {
        let mut state = self.source.state();
        loop {
            if state.is_stopping {
                return false;
            }
            if state.trouble.is_some() && state.passed.is_empty() {
                let (woken, timeout) = self.source.shared.1.wait_timeout(state, RETRY).expect(POISONED);
                if timeout.timed_out() {
                    return true;
                }
                state = woken;
            } else if state.wanted.is_empty() && state.passed.is_empty() {
                state = self.source.shared.1.wait(state).expect(POISONED);
            } else {
                return true;
            }
        }
    }

    /// Whether [`Workshop::work`] would do anything.
    pub fn has_work(&self) -> bool {
        let state = self.source.state();
        !state.passed.is_empty() || !state.wanted.is_empty()
    }

    /// Takes back what was passed, and makes one segment if one is wanted: returns whose. What cannot be made
    /// stays wanted, and the [`Trouble`] is told.
    pub fn work(&mut self) -> Option<u32> {
        let (passed, wanted) = {
            let mut state = self.source.state();
            (std::mem::take(&mut state.passed), state.wanted.pop_front())
        };
        passed.into_iter().for_each(|file| self.set_free(file));
        let wanted = wanted?;
        let stream = wanted.stream;
        let made = self.prepare(&wanted);
        let mut state = self.source.state();
        match made {
            Ok(prepared) => {
                state.trouble = None;
                state.ready.insert(stream, prepared);
                Some(stream)
            }
            Err((trouble, error)) => {
                state.wanted.push_front(wanted);
                if state.trouble.replace(trouble) != Some(trouble) {
                    tracing::error!(%error, "cannot make a journal segment: {trouble}");
                }
                None
            }
        }
    }

    /// A file that nobody needs becomes free, or is removed. Where that fails, the file stays as it is: the
    /// next start finds it.
    fn set_free(&mut self, file: SegmentFile) {
        let result = if self.free.len() < self.limits.free_files_max {
            self.rename_free(&file)
        } else {
            self.disk.remove(&file.path).map(|()| self.used_bytes -= file.file_bytes)
        };
        if let Err(error) = result {
            let path = file.path.display();
            tracing::warn!(%path, %error, "cannot use a journal file again: check the directory's owner");
        }
    }

    fn rename_free(&mut self, file: &SegmentFile) -> io::Result<()> {
        let taken = self.disk.list()?;
        let path = loop {
            self.next_file += 1;
            let path = self.disk.path(&SegmentName::Free(self.next_file).file_name());
            // Its own name may be one of those.
            if path == file.path || taken.iter().all(|other| other.path != path) {
                break path;
            }
        };
        self.disk.rename(&file.path, &path)?;
        self.free.push(SegmentFile { path, file_bytes: file.file_bytes });
        Ok(())
    }

    fn prepare(&mut self, wanted: &Wanted) -> Result<Prepared, (Trouble, io::Error)> {
        let file = self.file(wanted.segment_bytes.min(self.limits.segment_bytes_max))?;
        self.name(&file, wanted).map_err(|error| {
            // Nobody knows what it is now. Under its old name or its new one, it holds nothing.
            self.remove(&file.path);
            self.remove(&self.disk.path(&wanted.name().file_name()));
            self.used_bytes -= file.file_bytes;
            (trouble(&error), error)
        })
    }

    /// A free file of that length, else a new one, else a free one of any length.
    fn file(&mut self, segment_bytes: usize) -> Result<SegmentFile, (Trouble, io::Error)> {
        if let Some(index) = self.free.iter().position(|file| file.file_bytes == segment_bytes as u64) {
            return Ok(self.free.swap_remove(index));
        }
        self.make(segment_bytes).or_else(|error| self.free.pop().ok_or(error))
    }

    fn make(&mut self, segment_bytes: usize) -> Result<SegmentFile, (Trouble, io::Error)> {
        let used_bytes = self.used_bytes + segment_bytes as u64;
        if used_bytes > self.limits.journal_bytes_max {
            let limit = io::Error::other(format!("{} bytes are in use", self.used_bytes));
            return Err((Trouble::LimitReached, limit));
        }
        self.next_file += 1;
        let path = self.disk.path(&unfinished_name(self.next_file));
        if let Err(error) = self.disk.make(&path, segment_bytes) {
            // Half a file keeps space that others need.
            self.remove(&path);
            return Err((trouble(&error), error));
        }
        self.used_bytes = used_bytes;
        Ok(SegmentFile { path, file_bytes: segment_bytes as u64 })
    }

    fn name(&mut self, file: &SegmentFile, wanted: &Wanted) -> io::Result<Prepared> {
        let Wanted { stream, segment, .. } = *wanted;
        let epoch = u64::from(self.salt) << 32 | u64::from(self.epoch_next);
        self.epoch_next += 1;
        let segment_bytes = u32::try_from(file.file_bytes).map_err(io::Error::other)?;
        let header = SegmentHeader { stream, segment, epoch, segment_bytes };
        self.disk.write_header(&file.path, &header.encode())?;
        let path = self.disk.path(&wanted.name().file_name());
        self.disk.rename(&file.path, &path)?;
        Ok(Prepared { path, segment, epoch, segment_bytes: segment_bytes as usize })
    }

    fn remove(&self, path: &Path) {
        if let Err(error) = self.disk.remove(path) {
            tracing::warn!(path = %path.display(), %error, "cannot remove a journal file");
        }
    }
}

fn trouble(error: &io::Error) -> Trouble {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Trouble::DiskFull,
        _ => Trouble::DiskFails,
    }
}
