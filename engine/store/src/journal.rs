//! The journal's format: records to bytes, bytes to records. No I/O, no clock, no threads.
//!
//! A stream is one shard's journal: records numbered from 1 without a gap, cut into segments. A segment is a
//! file of whole blocks; its first block is a [`SegmentHeader`], the rest are groups. A group is what one
//! durable write carries: records back to back from a fresh block on, zero-padded to the block's end. So no
//! sector that holds an acknowledged record is ever written again. The layout byte by byte and the rules of
//! recovery: `docs/journal.md`.
//!
//! [`Writer`] makes groups, [`Reader`] reads a whole segment and says where and why it stopped, and
//! [`Cursor`] reads a window of one, for those who follow a journal that grows.

mod header;
mod layout;
mod reader;
mod salvage;
mod writer;

#[cfg(test)]
mod tests;

pub use header::{HeaderError, SegmentHeader};
pub use layout::RECORD_HEADER_BYTES;
pub use reader::{Cursor, Reader, Step, Stop};
pub use salvage::{salvage, salvage_header};
pub use writer::{Group, TooLong, Writer};

/// The version of the format; in every segment header that is written.
pub const FORMAT_VERSION: u32 = 2;

/// The oldest version that is read: 2 added to 1, and changed nothing of it.
pub const FORMAT_VERSION_OLDEST: u32 = 1;

/// What is written at once is a multiple of this, and begins at a multiple of it.
pub const BLOCK_BYTES: usize = 4096;

/// Largest record with its header. The largest text is 16 KiB; as JSON, where a control character takes six
/// bytes, it is 96 KiB.
pub const RECORD_BYTES_MAX: usize = 128 * 1024;

/// Largest group. Measured: up to 64 KiB a commit costs hardly more than 4 KiB, and at 1 MiB the disk's
/// bandwidth rules.
pub const GROUP_BYTES_MAX: usize = 1024 * 1024;

/// The first segment of a stream after each start: small, so that many shards start quickly.
pub const SEGMENT_FIRST_BYTES: usize = 1024 * 1024;

/// Every other segment.
pub const SEGMENT_BYTES: usize = 16 * 1024 * 1024;

const _: () = {
    assert!(RECORD_HEADER_BYTES < RECORD_BYTES_MAX);
    assert!(RECORD_BYTES_MAX.is_multiple_of(BLOCK_BYTES), "a group of one largest record is whole blocks");
    assert!(RECORD_BYTES_MAX <= GROUP_BYTES_MAX, "every record fits in a group");
    assert!(BLOCK_BYTES + RECORD_BYTES_MAX <= SEGMENT_FIRST_BYTES, "every record fits in every segment");
    assert!(BLOCK_BYTES + GROUP_BYTES_MAX <= SEGMENT_BYTES);
    assert!(GROUP_BYTES_MAX.is_multiple_of(BLOCK_BYTES));
    assert!(SEGMENT_FIRST_BYTES.is_multiple_of(BLOCK_BYTES));
    assert!(SEGMENT_BYTES.is_multiple_of(BLOCK_BYTES));
    assert!(SEGMENT_BYTES <= u32::MAX as usize, "offsets in a segment fit in 32 bits");
};
