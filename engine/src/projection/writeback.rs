//! Gives to the disk, bit by bit, what SQL writes. A commit, and a checkpoint more so, would else give it tens of
//! megabytes in one piece, and a journal's write of one page waits behind them.

use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

/// From one bit to the next.
const PACE: Duration = Duration::from_millis(10);

/// The thread. It sleeps while nothing is applied.
#[derive(Debug)]
pub(super) struct Writeback {
    is_working: Arc<AtomicBool>,
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Writeback {
    /// Starts it for a database and its write-ahead log.
    pub fn start(database: &Path) -> io::Result<Self> {
        let mut log = database.as_os_str().to_owned();
        log.push("-wal");
        let paths = [database.to_owned(), PathBuf::from(log)];
        let (is_working, is_over) = <(Arc<AtomicBool>, Arc<AtomicBool>)>::default();
        let (working, over) = (Arc::clone(&is_working), Arc::clone(&is_over));
        let run = move || {
            if let Err(error) = run(&paths, &working, &over) {
                tracing::warn!(%error, "what SQL writes goes to the disk in one piece: messages may wait behind it");
            }
        };
        let thread = thread::Builder::new().name("writeback".into()).spawn(run)?;
        Ok(Self { is_working, is_over, thread: Some(thread) })
    }

    /// Something is being applied, or nothing is any more.
    pub fn set_working(&self, is_working: bool) {
        self.is_working.store(is_working, Ordering::Release);
        if let Some(thread) = self.thread.as_ref().filter(|_| is_working) {
            thread.thread().unpark();
        }
    }
}

impl Drop for Writeback {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Release);
        self.set_working(true);
        if let Some(thread) = self.thread.take() {
            thread.join().expect("it does not panic");
        }
    }
}

fn run(paths: &[PathBuf], is_working: &AtomicBool, is_over: &AtomicBool) -> io::Result<()> {
    let files: Vec<File> = paths.iter().map(File::open).collect::<io::Result<_>>()?;
    while !is_over.load(Ordering::Acquire) {
        if is_working.load(Ordering::Acquire) {
            files.iter().try_for_each(net::start_writeback)?;
            thread::sleep(PACE);
        } else {
            thread::park();
        }
    }
    Ok(())
}
