//! Bytes on their way to one peer, in two halves: what the kernel was given, which must not move until it
//! says so, and what was queued since. Sending is the backend's business.

use crate::{
    SendError,
    limits::{DRAINED_ABOVE_BYTES, OUTBOX_POOLED_BYTES_MAX, OUTBOXES_POOLED_MAX},
};

/// Exists only while something is on its way, so an idle connection has none.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    /// Given to the kernel from `taken` on; neither grown nor freed before the kernel is done.
    leaving: Vec<u8>,
    /// Bytes of `leaving` that the kernel took.
    taken: usize,
    /// Queued behind it.
    queued: Vec<u8>,
    /// Held at least [`DRAINED_ABOVE_BYTES`] since it was last empty.
    was_large: bool,
}

impl Outbox {
    /// Bytes that the kernel has not taken yet.
    pub(crate) fn len(&self) -> usize {
        self.leaving.len() - self.taken + self.queued.len()
    }

    /// Queues all of `bytes` or nothing.
    pub(crate) fn queue(&mut self, bytes: &[u8], bytes_max: usize) -> Result<(), SendError> {
        let len = self.len() + bytes.len();
        if len > bytes_max {
            return Err(SendError::Full);
        }
        self.was_large |= len >= DRAINED_ABOVE_BYTES;
        self.queued.extend_from_slice(bytes);
        Ok(())
    }

    /// What to send next; empty if nothing is left. Stays in place until it was all [`Outbox::advance`]d.
    pub(crate) fn chunk(&mut self) -> &[u8] {
        if self.taken == self.leaving.len() {
            self.leaving.clear();
            self.taken = 0;
            std::mem::swap(&mut self.leaving, &mut self.queued);
        }
        &self.leaving[self.taken..]
    }

    /// The kernel took `bytes` of the chunk.
    pub(crate) fn advance(&mut self, bytes: usize) {
        self.taken += bytes;
        assert!(self.taken <= self.leaving.len(), "the kernel takes no more than it was given");
    }

    /// Whether it held at least [`DRAINED_ABOVE_BYTES`] since it was last empty.
    pub(crate) fn was_large(&self) -> bool {
        self.was_large
    }

    /// Drops what the kernel was not given. The chunk under way stays in place.
    pub(crate) fn drop_queued(&mut self) {
        self.queued.clear();
    }
}

/// Empty outboxes kept for reuse, so that a busy shard does not allocate for each message.
#[derive(Debug, Default)]
pub(crate) struct Outboxes {
    #[expect(clippy::vec_box, reason = "an outbox moves between pool and connection as one word")]
    pool: Vec<Box<Outbox>>,
}

impl Outboxes {
    pub(crate) fn take(&mut self) -> Box<Outbox> {
        self.pool.pop().unwrap_or_default()
    }

    /// Takes back an outbox that the kernel has no part of any more.
    pub(crate) fn give_back(&mut self, mut outbox: Box<Outbox>) {
        let capacity = outbox.leaving.capacity().max(outbox.queued.capacity());
        if self.pool.len() >= OUTBOXES_POOLED_MAX || capacity > OUTBOX_POOLED_BYTES_MAX {
            return;
        }
        outbox.leaving.clear();
        outbox.queued.clear();
        outbox.taken = 0;
        outbox.was_large = false;
        self.pool.push(outbox);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_queued_leaves_in_order_and_in_one_chunk() {
        let mut outbox = Outbox::default();
        outbox.queue(b"ab", 10).expect("fits");
        outbox.queue(b"cd", 10).expect("fits");
        assert_eq!(outbox.chunk(), b"abcd");
        outbox.queue(b"ef", 10).expect("fits");
        outbox.advance(3);
        assert_eq!(outbox.chunk(), b"d", "the chunk under way is not extended");
        outbox.advance(1);
        assert_eq!(outbox.chunk(), b"ef");
        outbox.advance(2);
        assert!(outbox.len() == 0 && outbox.chunk().is_empty());
    }

    #[test]
    fn a_message_over_the_limit_is_refused_whole() {
        let mut outbox = Outbox::default();
        outbox.queue(&[1; 6], 10).expect("fits");
        assert_eq!(outbox.chunk().len(), 6);
        assert_eq!(outbox.queue(&[2; 5], 10), Err(SendError::Full));
        assert_eq!(outbox.len(), 6);
        outbox.advance(1);
        outbox.queue(&[2; 5], 10).expect("one byte left, so five fit");
    }

    #[test]
    fn a_large_fill_is_remembered_until_reuse() {
        let mut outbox = Box::<Outbox>::default();
        outbox.queue(&[0; DRAINED_ABOVE_BYTES - 1], usize::MAX).expect("fits");
        assert!(!outbox.was_large());
        outbox.queue(&[0; 1], usize::MAX).expect("fits");
        let bytes = outbox.chunk().len();
        outbox.advance(bytes);
        assert!(outbox.was_large());
        let mut pool = Outboxes::default();
        pool.give_back(outbox);
        let again = pool.take();
        assert!(!again.was_large() && again.len() == 0);
    }

    #[test]
    fn a_large_buffer_is_not_kept() {
        let mut outbox = Box::<Outbox>::default();
        outbox.queue(&vec![0; OUTBOX_POOLED_BYTES_MAX + 1], usize::MAX).expect("fits");
        let mut pool = Outboxes::default();
        pool.give_back(outbox);
        assert!(pool.pool.is_empty());
    }
}
