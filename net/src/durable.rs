//! Files for writes that survive power loss: how they are opened, the memory they are written from, and the
//! write itself where it is done by an ordinary system call.

use std::{
    fs::{File, OpenOptions},
    io,
    os::unix::fs::{FileExt, OpenOptionsExt},
    path::Path,
};

use crate::limits::BLOCK_BYTES;

/// Buffers kept for reuse.
const BUFFERS_POOLED_MAX: usize = 4;
/// A buffer larger than this is freed and not kept.
const BUFFER_POOLED_BYTES_MAX: usize = 1024 * 1024;

/// How a write to the file becomes durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Durability {
    /// Each write is durable when it returns (`O_DSYNC`), with `O_DIRECT` where the filesystem can.
    EachWrite,
    /// The filesystem refuses `O_DSYNC`: each write is followed by `fdatasync`.
    WriteThenSync,
}

/// An open journal file.
#[derive(Debug)]
pub(crate) struct DurableFile {
    pub file: File,
    pub durability: Durability,
    /// Bytes the file had when it was opened; writes stay within. `None` for what is no regular file.
    bytes: Option<u64>,
}

impl DurableFile {
    /// Opens an existing file in the best way that its filesystem allows.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let ways = [
            (libc::O_DIRECT | libc::O_DSYNC, Durability::EachWrite),
            (libc::O_DSYNC, Durability::EachWrite),
            (0, Durability::WriteThenSync),
        ];
        let mut refusal = io::Error::from_raw_os_error(libc::EINVAL);
        for (flags, durability) in ways {
            match OpenOptions::new().write(true).custom_flags(flags).open(path) {
                Ok(file) => {
                    let metadata = file.metadata()?;
                    let bytes = metadata.is_file().then_some(metadata.len());
                    return Ok(Self { file, durability, bytes });
                }
                // EINVAL: the filesystem does not know the flag. Anything else would fail again.
                Err(error) if error.raw_os_error() == Some(libc::EINVAL) => refusal = error,
                Err(error) => return Err(error),
            }
        }
        Err(refusal)
    }

    /// Refuses a write that is not of whole blocks or would grow the file.
    pub(crate) fn check(&self, offset: u64, len: usize) -> io::Result<()> {
        let end = offset.checked_add(len as u64);
        let whole = offset.is_multiple_of(BLOCK_BYTES as u64) && len.is_multiple_of(BLOCK_BYTES) && len > 0;
        if !whole || end.is_none() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "a durable write is of whole blocks"));
        }
        if self.bytes.is_some_and(|bytes| end.is_some_and(|end| end > bytes)) {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "a durable write never grows its file"));
        }
        Ok(())
    }

    /// Writes and waits until it is durable. An error is final.
    pub(crate) fn write(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all_at(bytes, offset)?;
        match self.durability {
            Durability::EachWrite => Ok(()),
            Durability::WriteThenSync => self.file.sync_data(),
        }
    }
}

#[derive(Clone, Copy, Debug)]
#[repr(C, align(4096))]
struct Block([u8; BLOCK_BYTES]);

const _: () = assert!(align_of::<Block>() == BLOCK_BYTES && size_of::<Block>() == BLOCK_BYTES);

/// Whole blocks of memory at a multiple of the block size, as `O_DIRECT` demands. Does not move while the
/// kernel reads it, wherever its owner goes.
#[derive(Debug, Default)]
pub(crate) struct BlockBuffer {
    blocks: Vec<Block>,
}

impl BlockBuffer {
    /// The bytes, whose number is a multiple of [`BLOCK_BYTES`].
    pub(crate) fn bytes(&self) -> &[u8] {
        // SAFETY: a `Block` is `BLOCK_BYTES` initialised bytes without padding (asserted above), so `len`
        // blocks are `len * BLOCK_BYTES` initialised bytes, within one allocation, borrowed as `self` is.
        unsafe { std::slice::from_raw_parts(self.blocks.as_ptr().cast(), self.blocks.len() * BLOCK_BYTES) }
    }

    fn copy_from(&mut self, bytes: &[u8]) {
        self.blocks.clear();
        self.blocks.reserve_exact(bytes.len() / BLOCK_BYTES);
        for block in bytes.chunks_exact(BLOCK_BYTES) {
            self.blocks.push(Block(block.try_into().expect("chunks are exactly one block")));
        }
    }
}

/// Buffers kept for reuse.
#[derive(Debug, Default)]
pub(crate) struct BlockBuffers {
    pool: Vec<BlockBuffer>,
}

impl BlockBuffers {
    /// A buffer that holds a copy of `bytes`, whose number is a multiple of [`BLOCK_BYTES`].
    pub(crate) fn copy(&mut self, bytes: &[u8]) -> BlockBuffer {
        let mut buffer = self.pool.pop().unwrap_or_default();
        buffer.copy_from(bytes);
        buffer
    }

    /// Takes back a buffer that nobody reads any more.
    pub(crate) fn give_back(&mut self, buffer: BlockBuffer) {
        let small = buffer.blocks.capacity() * BLOCK_BYTES <= BUFFER_POOLED_BYTES_MAX;
        if small && self.pool.len() < BUFFERS_POOLED_MAX {
            self.pool.push(buffer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_are_aligned_and_hold_the_bytes_even_when_reused() {
        let mut buffers = BlockBuffers::default();
        for fill in [1u8, 2, 3] {
            let bytes = vec![fill; BLOCK_BYTES * usize::from(fill)];
            let buffer = buffers.copy(&bytes);
            assert_eq!(buffer.bytes(), bytes);
            assert!(buffer.bytes().as_ptr().addr().is_multiple_of(BLOCK_BYTES));
            buffers.give_back(buffer);
        }
        assert_eq!(buffers.pool.len(), 1);
    }

    #[test]
    fn writes_of_part_blocks_or_past_the_end_are_refused() {
        let file = tempfile::NamedTempFile::new().expect("a temporary file can be made");
        file.as_file().set_len(2 * BLOCK_BYTES as u64).expect("the file can be sized");
        let durable = DurableFile::open(file.path()).expect("it can be opened");
        let block = BLOCK_BYTES as u64;
        for (offset, len, fine) in [
            (0, BLOCK_BYTES, true),
            (block, BLOCK_BYTES, true),
            (0, 2 * BLOCK_BYTES, true),
            (block, 2 * BLOCK_BYTES, false),
            (2 * block, BLOCK_BYTES, false),
            (1, BLOCK_BYTES, false),
            (0, 100, false),
            (0, 0, false),
            (u64::MAX - block + 1, 2 * BLOCK_BYTES, false),
        ] {
            assert_eq!(durable.check(offset, len).is_ok(), fine, "{len} bytes at {offset}");
        }
    }
}
