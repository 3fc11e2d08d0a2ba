//! What it costs to lose nothing, measured on a real `ringdesk serve` beside the disk's own time.
//!
//! Each part interleaves its variants and gives minimum, median and maximum of its rounds; none of it is a test.

mod ack;
mod floor;
mod journal;
mod process;
mod recovery;

use std::{io, path::Path, time::Duration};

pub use ack::ack_beside_floor;
pub use recovery::{Backlog, Recovery, empty_starts, recover};

/// Microseconds of an ack and of the disk's own write, in the same minutes.
#[derive(Clone, Debug)]
pub struct AckReport {
    /// Which backend the server used.
    pub backend: &'static str,
    /// From a message to its durable ack, as the client sees it.
    pub ack_us: Percentiles,
    /// A 4 KiB write and `fdatasync` into a file that has its blocks.
    pub fdatasync_us: Percentiles,
    /// A 4 KiB write as the journal makes it: `O_DIRECT | O_DSYNC` into zero-filled blocks.
    pub direct_us: Percentiles,
}

/// Of many samples.
#[derive(Clone, Copy, Debug, Default)]
pub struct Percentiles {
    /// How many.
    pub count: u64,
    /// Half are below.
    pub p50: u64,
    /// All but one in a hundred are below.
    pub p99: u64,
    /// The longest.
    pub max: u64,
}

/// Rounds of one thing, in milliseconds.
#[derive(Clone, Debug, Default)]
pub struct Rounds(Vec<f64>);

impl Rounds {
    /// One more.
    pub fn add(&mut self, took: Duration) {
        self.0.push(took.as_secs_f64() * 1e3);
        self.0.sort_by(f64::total_cmp);
    }

    /// The shortest, the one in the middle, and the longest.
    pub fn min_median_max(&self) -> (f64, f64, f64) {
        let at = |index: usize| self.0.get(index).copied().unwrap_or_default();
        (at(0), at(self.0.len() / 2), at(self.0.len().saturating_sub(1)))
    }
}

/// Where everything happens: a program and a folder on the disk to be measured.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// `ringdesk`.
    pub program: &'a Path,
    /// A folder; what is made in it is removed.
    pub folder: &'a Path,
}

impl Place<'_> {
    fn fresh(&self) -> io::Result<tempfile::TempDir> {
        tempfile::Builder::new().prefix("ringdesk-bench-").tempdir_in(self.folder)
    }
}
