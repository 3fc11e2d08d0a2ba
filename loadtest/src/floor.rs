//! The machine's own floor: how late a sleeping thread is woken, and how long the disk takes for one durable
//! block, in the same minutes as the run. No server is asked. A latency below these cannot be had.

use std::{
    fs::{File, OpenOptions},
    io::{self, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use hdrhistogram::Histogram;

/// How long each sleep is meant to last.
const SLEEP: Duration = Duration::from_millis(2);
/// Sleeps between two writes: rare, so that the server's disk is not the busier for it.
const SLEEPS_PER_WRITE: u32 = 25;
/// What is written: one block, as the server's journal does at low load.
const BLOCK_BYTES: usize = 4096;
/// The file's size; blocks are used again and again, so that it never grows.
const BLOCKS: u64 = 256;
/// The longest time told apart, in microseconds.
const US_MAX: u64 = 60_000_000;
/// Decimal digits that a time keeps.
const DIGITS: u8 = 3;
/// The file, which is removed at the end.
const FILE_NAME: &str = "floor.tmp";

/// What was measured.
#[derive(Clone, Debug)]
pub struct Floor {
    /// How late a thread that slept was woken.
    pub wake_up: Histogram<u32>,
    /// One block written and `fdatasync`.
    pub durable_write: Histogram<u32>,
}

/// The measurement, while it goes on.
#[derive(Debug)]
pub struct Measuring {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<io::Result<Floor>>,
    path: PathBuf,
}

impl Measuring {
    /// Begins to measure, with a file in `directory`.
    pub fn begin(directory: &Path) -> io::Result<Self> {
        let path = directory.join(FILE_NAME);
        let file = prepared(&path)?;
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let run = move || measure(file, &stopped);
        let thread = thread::Builder::new().name("floor".to_owned()).spawn(run)?;
        Ok(Self { stop, thread, path })
    }

    /// Ends it.
    pub fn end(self) -> io::Result<Floor> {
        self.stop.store(true, Relaxed);
        let floor = self.thread.join().expect("the measurement does not panic");
        std::fs::remove_file(&self.path)?;
        floor
    }
}

/// A file whose blocks are there and written, as the journal's are.
fn prepared(path: &Path) -> io::Result<File> {
    let mut file = OpenOptions::new().create(true).truncate(true).write(true).open(path)?;
    for _ in 0..BLOCKS {
        file.write_all(&[0; BLOCK_BYTES])?;
    }
    file.sync_all()?;
    Ok(file)
}

fn measure(mut file: File, stop: &AtomicBool) -> io::Result<Floor> {
    let empty = || Histogram::new_with_bounds(1, US_MAX, DIGITS).expect("the bounds are right");
    let mut floor = Floor { wake_up: empty(), durable_write: empty() };
    let mut sleeps = 0;
    while !stop.load(Relaxed) {
        let begun = Instant::now();
        thread::sleep(SLEEP);
        floor.wake_up.saturating_record(begun.elapsed().saturating_sub(SLEEP).as_micros() as u64);
        sleeps += 1;
        if sleeps % SLEEPS_PER_WRITE == 0 {
            let block = u64::from(sleeps / SLEEPS_PER_WRITE) % BLOCKS;
            file.seek(SeekFrom::Start(block * BLOCK_BYTES as u64))?;
            let begun = Instant::now();
            file.write_all(&[sleeps as u8; BLOCK_BYTES])?;
            file.sync_data()?;
            floor.durable_write.saturating_record(begun.elapsed().as_micros() as u64);
        }
    }
    Ok(floor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_floor_is_measured_and_leaves_nothing_behind() {
        let directory = std::env::temp_dir().join(format!("ringdesk-floor-{}", std::process::id()));
        std::fs::create_dir_all(&directory).expect("a folder");
        let measuring = Measuring::begin(&directory).expect("it begins");
        while !measuring.path.exists() {}
        thread::sleep(SLEEP * SLEEPS_PER_WRITE * 3);
        let floor = measuring.end().expect("it ends");
        assert!(!floor.wake_up.is_empty());
        assert!(std::fs::read_dir(&directory).expect("a folder").next().is_none());
        std::fs::remove_dir(&directory).expect("it is empty");
    }
}
