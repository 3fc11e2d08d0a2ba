//! The shard's registered buffers: what the kernel reads into and writes from without mapping it each time.
//! Each is free or belongs to one operation, so an idle connection holds none, and there are fewer than
//! completions fit.

use std::io;

use super::ring::Ring;
use crate::memory::{Pages, patiently};

/// Buffers for each direction that make one call worth it; a shard seldom has so much at once.
const BUFFERS_MAX: u16 = 256;
/// Below this, memory is too short for the ring to be worth it.
const BUFFERS_MIN: u16 = 16;
/// Bytes of a buffer to send from; more than that goes in parts.
const SEND_BYTES: u32 = 4_096;
/// Bytes registered as one: Linux 5.1 walks to a buffer's pages from the start of what was registered, and
/// registers at most 1,024 pieces.
const GROUP_BYTES: u32 = 64 * 1024;
/// Of the completions, one quarter for each direction: the rest is for polls and files.
const SHARE: u32 = 4;

const _: () = assert!(BUFFERS_MIN <= BUFFERS_MAX && SEND_BYTES <= GROUP_BYTES);

/// Buffers of one size and direction.
#[derive(Debug)]
pub(super) struct Buffers {
    memory: Pages,
    bytes: u32,
    count: u16,
    /// Buffers of one registered group.
    group_buffers: u16,
    /// Number of the first group in the ring's table.
    group_first: u16,
    free: Vec<u16>,
}

/// Makes and registers the buffers to receive into and those to send from: fewer where memory is short.
pub(super) fn register(ring: &Ring, count: u16, bytes: u32) -> io::Result<(Buffers, Buffers)> {
    let most = u16::try_from(ring.completions_max() / SHARE).unwrap_or(u16::MAX).min(BUFFERS_MAX);
    let (mut receives, mut sends) = (count.min(most), most);
    loop {
        let receiving = Buffers::new(receives, bytes, 0)?;
        let sending = Buffers::new(sends, SEND_BYTES, receiving.groups())?;
        let table: Vec<_> = receiving.vectors().chain(sending.vectors()).collect();
        // SAFETY: the vectors name the whole of both mappings. The kernel pins their pages until the ring is
        // gone, and writes to them only for operations, which the owner waits for before it drops either.
        match patiently(|| unsafe { ring.submitter().register_buffers(&table) }) {
            Ok(()) => return Ok((receiving, sending)),
            Err(error) if error.raw_os_error() == Some(libc::ENOMEM) && sends > BUFFERS_MIN => {
                receives = (receives / 2).max(1);
                sends /= 2;
                tracing::warn!(
                    buffers = sends,
                    "locked memory is short: halved the buffers; raise it with ulimit -l or LimitMEMLOCK"
                );
            }
            Err(error) => return Err(error),
        }
    }
}

impl Buffers {
    fn new(count: u16, bytes: u32, group_first: u16) -> io::Result<Self> {
        let memory = Pages::new(usize::from(count) * bytes as usize)?;
        let group_buffers = u16::try_from(GROUP_BYTES / bytes).unwrap_or(u16::MAX).max(1);
        // The first is used first and most, while it is warm.
        let free = (0..count).rev().collect();
        Ok(Self { memory, bytes, count, group_buffers, group_first, free })
    }

    fn groups(&self) -> u16 {
        self.count.div_ceil(self.group_buffers)
    }

    fn vectors(&self) -> impl Iterator<Item = libc::iovec> {
        (0..self.groups()).map(|group| {
            let first = group * self.group_buffers;
            let buffers = self.group_buffers.min(self.count - first);
            let length = usize::from(buffers) * self.bytes as usize;
            libc::iovec { iov_base: self.start(first).cast(), iov_len: length }
        })
    }

    /// Bytes of each buffer.
    pub(super) fn bytes(&self) -> u32 {
        self.bytes
    }

    /// How many there are.
    pub(super) fn count(&self) -> u16 {
        self.count
    }

    /// Buffers that belong to an operation.
    pub(super) fn out(&self) -> u16 {
        self.count - self.free.len() as u16
    }

    /// Whether none is free.
    pub(super) fn is_exhausted(&self) -> bool {
        self.free.is_empty()
    }

    /// A buffer for one operation.
    pub(super) fn take(&mut self) -> Option<u16> {
        self.free.pop()
    }

    /// The operation has completed.
    pub(super) fn give_back(&mut self, id: u16) {
        debug_assert!(!self.free.contains(&id), "a buffer is given back once");
        self.free.push(id);
    }

    /// Where the buffer starts.
    pub(super) fn start(&self, id: u16) -> *mut u8 {
        assert!(id < self.count, "the buffer is ours");
        // SAFETY: `memory` holds `count` buffers of `bytes` each and `id` is less, so the sum stays inside.
        unsafe { self.memory.start().as_ptr().add(usize::from(id) * self.bytes as usize) }
    }

    /// Under which number the buffer's memory is registered.
    pub(super) fn group(&self, id: u16) -> u16 {
        self.group_first + id / self.group_buffers
    }

    /// The first `len` bytes of a buffer that was taken and whose operation, if any, has completed.
    pub(super) fn bytes_of(&mut self, id: u16, len: usize) -> &mut [u8] {
        assert!(len <= self.bytes as usize, "the kernel fills no more than there is");
        // SAFETY: the bytes are inside `memory` (see `start`) and initialised, for they were mapped as zero.
        // The kernel touches them only for an operation, and the caller says that there is none; `&mut self`
        // keeps another from being begun while the slice lives.
        unsafe { std::slice::from_raw_parts_mut(self.start(id), len) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_cover_every_buffer_and_split_none() {
        for (count, bytes) in [(1, 256), (8, 256), (256, 2_048), (100, 3_000), (5, 100_000)] {
            let buffers = Buffers::new(count, bytes, 7).expect("memory");
            let groups: Vec<_> = buffers.vectors().collect();
            for id in 0..count {
                let group = &groups[usize::from(buffers.group(id) - 7)];
                let (start, end) = (group.iov_base.addr(), group.iov_base.addr() + group.iov_len);
                let buffer = buffers.start(id).addr();
                assert!(start <= buffer && buffer + bytes as usize <= end, "{id} of {count} times {bytes}");
            }
            let registered: usize = groups.iter().map(|group| group.iov_len).sum();
            assert_eq!(registered, usize::from(count) * bytes as usize);
        }
    }
}
