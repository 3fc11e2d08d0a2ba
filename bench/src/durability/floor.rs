//! The disk's own time for a durable write, without any of us: the floor under every ack.

use std::{
    fs::{File, OpenOptions},
    io,
    os::unix::fs::{FileExt, OpenOptionsExt},
    path::Path,
    time::{Duration, Instant},
};

use store::journal::BLOCK_BYTES;

/// Blocks of each file; writes go round.
const BLOCKS: u64 = 256;

/// Two ways to write 4 KiB so that it survives power loss, into blocks that are there already.
pub(super) struct Floor {
    plain: File,
    direct: File,
    /// Where a block may be written from with `O_DIRECT`.
    buffer: Vec<u8>,
    begin: usize,
    next: u64,
}

impl Floor {
    pub fn new(folder: &Path) -> io::Result<Self> {
        let zeros = vec![0; BLOCK_BYTES * BLOCKS as usize];
        for name in ["plain", "direct"] {
            std::fs::write(folder.join(name), &zeros)?;
            File::open(folder.join(name))?.sync_all()?;
        }
        let open =
            |name: &str, flags| OpenOptions::new().write(true).custom_flags(flags).open(folder.join(name));
        let buffer = vec![7; 2 * BLOCK_BYTES];
        let begin = buffer.as_ptr().align_offset(BLOCK_BYTES);
        Ok(Self {
            plain: open("plain", 0)?,
            direct: open("direct", libc::O_DIRECT | libc::O_DSYNC)?,
            buffer,
            begin,
            next: 0,
        })
    }

    fn next_offset(&mut self) -> u64 {
        self.next += 1;
        self.next % BLOCKS * BLOCK_BYTES as u64
    }

    /// A write through the page cache, then `fdatasync`.
    pub fn fdatasync(&mut self) -> io::Result<Duration> {
        let offset = self.next_offset();
        let began = Instant::now();
        self.plain.write_all_at(&self.buffer[self.begin..self.begin + BLOCK_BYTES], offset)?;
        self.plain.sync_data()?;
        Ok(began.elapsed())
    }

    /// A write as the journal makes it.
    pub fn direct(&mut self) -> io::Result<Duration> {
        let offset = self.next_offset();
        let began = Instant::now();
        self.direct.write_all_at(&self.buffer[self.begin..self.begin + BLOCK_BYTES], offset)?;
        Ok(began.elapsed())
    }
}
