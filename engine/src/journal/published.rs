//! How far a stream is durable, told by its shard to whoever follows.

use std::sync::atomic::{AtomicU64, Ordering};

/// A place in a stream's files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// Which segment; 0: nothing was written since the start.
    pub segment: u32,
    /// All before this offset is durable.
    pub offset: u32,
}

/// Written by one shard, read by any thread.
#[derive(Debug, Default)]
pub struct Published {
    /// Both parts in one word, so that a reader never sees the offset of another segment.
    position: AtomicU64,
    number: AtomicU64,
}

impl Published {
    pub(super) fn advance(&self, position: Position, number: u64) {
        self.number.store(number, Ordering::Relaxed);
        // The write is in the file already; release is for the number.
        self.position
            .store(u64::from(position.segment) << 32 | u64::from(position.offset), Ordering::Release);
    }

    /// The durable end.
    pub fn position(&self) -> Position {
        let packed = self.position.load(Ordering::Acquire);
        Position { segment: (packed >> 32) as u32, offset: packed as u32 }
    }

    /// The last durable record's number; 0 before the first write since the start.
    pub fn number(&self) -> u64 {
        self.number.load(Ordering::Acquire)
    }
}
