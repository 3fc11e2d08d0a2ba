//! Makes segment files ahead of need, and makes old ones new, on a thread of its own for all shards.
//!
//! A segment that a shard gets exists, is zero-filled or full of an older epoch's bytes, has its header and
//! its name, and all that is synced, directory too. So the shard's writes change no metadata. A file goes
//! round: segment → passed by the projection → free → header of a new segment → renamed to it. Between the
//! last two the directory is synced, so that no name ever stands for another segment's bytes.

use std::{
    collections::{BTreeMap, VecDeque},
    fmt,
    fs::{self, OpenOptions},
    hash::{BuildHasher, RandomState},
    io,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::{Arc, Condvar, Mutex, MutexGuard},
    thread::{self, JoinHandle},
    time::Duration,
};

use store::journal::{BLOCK_BYTES, SEGMENT_BYTES, SEGMENT_FIRST_BYTES, SegmentHeader};

use super::files::{BlockBuffer, SegmentName, open_direct, sync_directory, unfinished_name};

/// How long after a failure the next attempt is made.
const RETRY: Duration = Duration::from_secs(1);
/// Zeros written at once.
const FILL_BYTES: usize = 256 * 1024;

const _: () = assert!(SEGMENT_BYTES.is_multiple_of(FILL_BYTES));
const _: () = assert!(SEGMENT_FIRST_BYTES.is_multiple_of(FILL_BYTES));
const _: () = assert!(FILL_BYTES.is_multiple_of(BLOCK_BYTES));

/// How much it may make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MakerLimits {
    /// All files of the journal together. When the projection stands still, the journal grows to this and
    /// then refuses.
    pub journal_bytes_max: u64,
    /// Free files kept; what is free beyond it is removed.
    pub free_files_max: usize,
}

impl Default for MakerLimits {
    fn default() -> Self {
        Self { journal_bytes_max: 4 << 30, free_files_max: 16 }
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
        self.shared.0.lock().expect("nothing panics while it holds the lock")
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
    /// Starts it. `files` are those that recovery left to be used again, `epoch_next` what it found to be
    /// beyond all epochs used; `on_ready` is called with a stream whose segment has become ready, and is to
    /// wake its shard.
    pub fn start(
        directory: PathBuf,
        files: Vec<SegmentFile>,
        epoch_next: u32,
        limits: MakerLimits,
        on_ready: Box<dyn Fn(u32) + Send>,
    ) -> io::Result<Self> {
        let state = State { passed: files, ..State::default() };
        let source = SegmentSource { shared: Arc::new((Mutex::new(state), Condvar::new())) };
        let used_bytes = source.state().passed.iter().map(|file| file.file_bytes).sum();
        let mut workshop = Workshop {
            directory,
            limits,
            free: Vec::new(),
            used_bytes,
            epoch_next,
            next_file: 0,
            // Epochs must differ, and a peer must not be able to guess one and send what looks like a record.
            salt: RandomState::new().hash_one(epoch_next) as u32,
            zeros: BlockBuffer::new(FILL_BYTES),
        };
        let worker = source.clone();
        let thread = thread::Builder::new()
            .name("segments".into())
            .spawn(move || work(&worker, &mut workshop, &*on_ready))?;
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

fn work(source: &SegmentSource, workshop: &mut Workshop, on_ready: &dyn Fn(u32)) {
    while let Some((passed, wanted)) = next_work(source) {
        for file in passed {
            workshop.set_free(file);
        }
        let Some(wanted) = wanted else { continue };
        let stream = wanted.stream;
        match workshop.prepare(&wanted) {
            Ok(prepared) => {
                let mut state = source.state();
                state.trouble = None;
                state.ready.insert(stream, prepared);
                drop(state);
                on_ready(stream);
            }
            Err((trouble, error)) => {
                let mut state = source.state();
                state.wanted.push_front(wanted);
                if state.trouble.replace(trouble) != Some(trouble) {
                    let directory = workshop.directory.display();
                    tracing::error!(%directory, %error, "cannot make a journal segment: {trouble}");
                }
            }
        }
    }
}

/// Waits for something to do; `None`: it is to stop.
fn next_work(source: &SegmentSource) -> Option<(Vec<SegmentFile>, Option<Wanted>)> {
    let mut state = source.state();
    loop {
        if state.is_stopping {
            return None;
        }
        let is_waiting = state.trouble.is_some() && state.passed.is_empty();
        if is_waiting {
            let (woken, timeout) =
                source.shared.1.wait_timeout(state, RETRY).expect("nothing panics while it holds the lock");
            state = woken;
            if !timeout.timed_out() {
                continue;
            }
        } else if state.wanted.is_empty() && state.passed.is_empty() {
            state = source.shared.1.wait(state).expect("nothing panics while it holds the lock");
            continue;
        }
        return Some((std::mem::take(&mut state.passed), state.wanted.pop_front()));
    }
}

/// The files.
struct Workshop {
    directory: PathBuf,
    limits: MakerLimits,
    free: Vec<SegmentFile>,
    /// All files of the journal.
    used_bytes: u64,
    epoch_next: u32,
    next_file: u32,
    salt: u32,
    zeros: BlockBuffer,
}

impl Workshop {
    /// A file that nobody needs becomes free, or is removed. Where that fails, the file stays as it is: the
    /// next start finds it.
    fn set_free(&mut self, file: SegmentFile) {
        let result = if self.free.len() < self.limits.free_files_max {
            self.rename_free(&file)
        } else {
            fs::remove_file(&file.path).map(|()| self.used_bytes -= file.file_bytes)
        };
        if let Err(error) = result {
            let path = file.path.display();
            tracing::warn!(%path, %error, "cannot use a journal file again: check the directory's owner");
        }
    }

    fn rename_free(&mut self, file: &SegmentFile) -> io::Result<()> {
        let path = loop {
            self.next_file += 1;
            let path = self.directory.join(SegmentName::Free(self.next_file).file_name());
            // Its own name may be one of those.
            if path == file.path || !path.try_exists()? {
                break path;
            }
        };
        fs::rename(&file.path, &path)?;
        sync_directory(&self.directory)?;
        self.free.push(SegmentFile { path, file_bytes: file.file_bytes });
        Ok(())
    }

    fn prepare(&mut self, wanted: &Wanted) -> Result<Prepared, (Trouble, io::Error)> {
        let file = self.file(wanted.segment_bytes)?;
        self.name(&file, wanted).map_err(|error| {
            // Nobody knows what it is now. Under its old name or its new one, it holds nothing.
            let path = self.directory.join(wanted.name().file_name());
            for path in [&file.path, &path] {
                if let Err(error) = remove(path) {
                    tracing::warn!(path = %path.display(), %error, "cannot remove a journal file");
                }
            }
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
        let path = self.directory.join(unfinished_name(self.next_file));
        if let Err(error) = fill(&path, segment_bytes, self.zeros.bytes()) {
            // Half a file keeps space that others need.
            if let Err(error) = remove(&path) {
                tracing::warn!(path = %path.display(), %error, "cannot remove a journal file");
            }
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
        let mut block = BlockBuffer::new(BLOCK_BYTES);
        block.bytes().copy_from_slice(&header.encode());
        let opened = open_direct(OpenOptions::new().write(true), &file.path)?;
        opened.write_all_at(block.bytes(), 0)?;
        opened.sync_all()?;
        let path = self.directory.join(wanted.name().file_name());
        fs::rename(&file.path, &path)?;
        sync_directory(&self.directory)?;
        Ok(Prepared { path, segment, epoch, segment_bytes: segment_bytes as usize })
    }
}

fn trouble(error: &io::Error) -> Trouble {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Trouble::DiskFull,
        _ => Trouble::DiskFails,
    }
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

fn fill(path: &Path, segment_bytes: usize, zeros: &[u8]) -> io::Result<()> {
    let file = open_direct(OpenOptions::new().write(true).create(true).truncate(true), path)?;
    for offset in (0..segment_bytes).step_by(zeros.len()) {
        file.write_all_at(zeros, offset as u64)?;
    }
    file.sync_all()
}
