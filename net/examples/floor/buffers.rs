//! The ring of receive buffers. They live as long as the process, so that the kernel may always write to them.

use std::{
    io,
    sync::atomic::{AtomicU16, Ordering},
};

use io_uring::{IoUring, types::BufRingEntry};

/// Buffers; a power of two.
const COUNT: u16 = 1_024;
/// Bytes of each.
const BYTES: usize = 2_048;
const PAGE_BYTES: usize = 4_096;

#[derive(Clone)]
#[repr(C, align(4096))]
pub struct Page([u8; PAGE_BYTES]);

/// Zeroed whole pages that are never freed.
pub fn leak_pages(bytes: usize) -> &'static mut [u8] {
    let pages = vec![Page([0; PAGE_BYTES]); bytes.div_ceil(PAGE_BYTES)].leak();
    // SAFETY: a `Page` is its bytes, without padding, and all of them are initialised; the slice was leaked, so it
    // lives for ever, and the mutable borrow passes to the result.
    unsafe { std::slice::from_raw_parts_mut(pages.as_mut_ptr().cast(), pages.len() * PAGE_BYTES) }
}

pub struct Buffers {
    ring: *mut BufRingEntry,
    memory: *mut u8,
    tail: u16,
}

impl Buffers {
    pub fn new(ring: &IoUring) -> io::Result<Self> {
        let entries = leak_pages(usize::from(COUNT) * size_of::<BufRingEntry>()).as_mut_ptr();
        let memory = leak_pages(usize::from(COUNT) * BYTES).as_mut_ptr();
        let address = entries.expose_provenance() as u64;
        // SAFETY: `entries` are pages for `COUNT` entries, zero, and never freed.
        unsafe { ring.submitter().register_buf_ring_with_flags(address, COUNT, 0, 0) }?;
        let mut buffers = Self { ring: entries.cast(), memory, tail: 0 };
        (0..COUNT).for_each(|id| buffers.give_back(id));
        buffers.publish();
        Ok(buffers)
    }

    /// The bytes of a buffer that a completion named and that was not given back.
    pub fn bytes(&self, id: u16, len: usize) -> &[u8] {
        assert!(id < COUNT && len <= BYTES);
        // SAFETY: inside the leaked memory by the assertion above; the kernel wrote it before it posted the
        // completion, and writes again only after `give_back` and `publish`, which need `&mut self`.
        unsafe { std::slice::from_raw_parts(self.memory.add(usize::from(id) * BYTES), len) }
    }

    pub fn give_back(&mut self, id: u16) {
        let index = usize::from(self.tail & (COUNT - 1));
        let address = self.memory.expose_provenance() as u64 + (usize::from(id) * BYTES) as u64;
        // SAFETY: `index < COUNT`, so the entry is inside the leaked ring; it is above the published tail, so the
        // kernel does not read it now. The fields are set one by one: the tail lies in the last of entry 0.
        unsafe {
            let entry = &mut *self.ring.add(index);
            entry.set_addr(address);
            entry.set_len(BYTES as u32);
            entry.set_bid(id);
        }
        self.tail = self.tail.wrapping_add(1);
    }

    pub fn publish(&mut self) {
        // SAFETY: the tail is in the first entry, aligned for a `u16`, never freed, and only read by the kernel; the
        // release orders it after the entries.
        unsafe {
            let tail = BufRingEntry::tail(self.ring).cast_mut();
            AtomicU16::from_ptr(tail).store(self.tail, Ordering::Release);
        }
    }
}
