//! The shard's receive buffers: one ring of them, from which the kernel takes one when bytes have arrived,
//! so that an idle connection holds none.

use std::{
    io,
    ptr::NonNull,
    sync::atomic::{AtomicU16, Ordering},
};

use io_uring::{Submitter, types::BufRingEntry};

use crate::memory::{Pages, patiently};

/// The only group of buffers on the ring.
pub(super) const GROUP: u16 = 0;

/// Buffers of one size, each either in the kernel's ring or taken and not yet given back.
pub(super) struct ReceiveBuffers {
    /// The ring of descriptions, shared with the kernel.
    ring: Pages,
    memory: Pages,
    count: u16,
    bytes: u32,
    /// Where the next description goes; the kernel sees it when published.
    tail: u16,
    /// Buffers that came with a completion and were not given back.
    out: u16,
}

impl ReceiveBuffers {
    /// Makes `count` (a power of two) buffers of `bytes` each and gives all to the kernel.
    pub(super) fn new(submitter: &Submitter<'_>, count: u16, bytes: u32) -> io::Result<Self> {
        assert!(count.is_power_of_two());
        let ring = Pages::new(usize::from(count) * size_of::<BufRingEntry>())?;
        let memory = Pages::new(usize::from(count) * bytes as usize)?;
        let address = ring.start().as_ptr().expose_provenance() as u64;
        // SAFETY: `ring` is a mapping of `count` entries, page-aligned and zero, and it stays until after
        // the io_uring is gone or idle: the reactor owns both and drops its pages last, or leaks them.
        patiently(|| unsafe { submitter.register_buf_ring_with_flags(address, count, GROUP, 0) })?;
        let mut buffers = Self { ring, memory, count, bytes, tail: 0, out: count };
        for id in 0..count {
            buffers.give_back(id);
        }
        buffers.publish();
        Ok(buffers)
    }

    /// Buffers that hold bytes which were not given back.
    pub(super) fn out(&self) -> u16 {
        self.out
    }

    /// How many there are.
    pub(super) fn count(&self) -> u16 {
        self.count
    }

    /// A completion came with this buffer: it is ours until given back.
    pub(super) fn taken(&mut self) {
        self.out += 1;
        debug_assert!(self.out <= self.count);
    }

    /// The first `len` bytes of a buffer that was [`ReceiveBuffers::taken`].
    pub(super) fn bytes_of(&mut self, id: u16, len: usize) -> &mut [u8] {
        assert!(id < self.count && len <= self.bytes as usize, "the kernel names a buffer of ours");
        // SAFETY: the sum stays inside `memory`, which holds `count` buffers, because `id < count`. The
        // bytes are initialised (mapped as zero). The kernel finished writing before it posted the
        // completion that named the buffer, and does not touch it again before `give_back` and `publish`;
        // `&mut self` keeps both from happening while the slice lives.
        unsafe {
            let start = self.memory.start().as_ptr().add(usize::from(id) * self.bytes as usize);
            std::slice::from_raw_parts_mut(start, len)
        }
    }

    /// Puts a buffer back; the kernel may use it after the next [`ReceiveBuffers::publish`].
    pub(super) fn give_back(&mut self, id: u16) {
        assert!(id < self.count, "the kernel names a buffer of ours");
        let offset = usize::from(id) * self.bytes as usize;
        debug_assert!(offset + self.bytes as usize <= self.memory.bytes());
        let address = self.memory.start().as_ptr().expose_provenance() as u64 + offset as u64;
        let index = usize::from(self.tail & (self.count - 1));
        // SAFETY: `index < count`, so the entry is inside the mapped ring. The kernel reads entries only
        // below the published tail, which this one is not; it was read long ago, as there are only `count`
        // buffers and this one is in our hands. Set field by field: the tail shares memory with the last
        // field of entry 0, which must not be overwritten.
        unsafe {
            let entry = &mut *self.entries().add(index).as_ptr();
            entry.set_addr(address);
            entry.set_len(self.bytes);
            entry.set_bid(id);
        }
        self.tail = self.tail.wrapping_add(1);
        self.out -= 1;
    }

    /// Shows the kernel what was given back.
    pub(super) fn publish(&mut self) {
        // SAFETY: the ring's first entry is mapped and holds the tail in its last two bytes, aligned for a
        // `u16`. The kernel only reads it, at any time, so it is accessed as an atomic; the release orders
        // it after the entries written before.
        unsafe {
            let tail = BufRingEntry::tail(self.entries().as_ptr()).cast_mut();
            AtomicU16::from_ptr(tail).store(self.tail, Ordering::Release);
        }
    }

    fn entries(&self) -> NonNull<BufRingEntry> {
        self.ring.start().cast()
    }
}
