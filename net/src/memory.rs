//! Memory that the kernel has a part in: pages straight from it (zero, page-aligned, and costing nothing until
//! touched), and what the limit of locked memory is charged with.

use std::{io, ptr::NonNull, time::Duration};

/// A ring that was closed gives its locked memory back a little later; so short a while is waited for it.
const MEMORY_PAUSE: Duration = Duration::from_millis(10);
const MEMORY_PAUSES_MAX: u32 = 10;

/// `mi_option_purge_delay` of mimalloc 3 (`mi_option_e` in `mimalloc.h`; its crate gives options no names).
const PURGE_DELAY: libmimalloc_sys::mi_option_t = 15;

/// From now on mimalloc gives memory back to the kernel as soon as it is free, and not some milliseconds later: that is
/// only looked at when more is allocated, so that a quiet server keeps what a burst of logins took, 19 MiB for each
/// password hashed at once. Does nothing where mimalloc is not the allocator. Call it before other threads run.
pub fn give_memory_back_at_once() {
    // SAFETY: the option is one of the allocator's, with a value it takes; no other thread runs, as it must not.
    unsafe { libmimalloc_sys::mi_option_set(PURGE_DELAY, 0) };
}

/// Lets the kernel give this process memory in ordinary pages only. A huge one, which mimalloc asks for, is cleared whole by
/// whoever touches it first, which took a shard 7.5 ms at a time on a virtual machine, and it counts whole however little
/// of it is used (`PR_SET_THP_DISABLE` of `prctl(2)`).
pub fn refuse_huge_pages() {
    // SAFETY: the call takes numbers only.
    if unsafe { libc::prctl(libc::PR_SET_THP_DISABLE, 1, 0, 0, 0) } != 0 {
        tracing::debug!(error = %io::Error::last_os_error(), "the kernel gives huge pages as it likes");
    }
}

/// A private mapping, given back on drop.
#[derive(Debug)]
pub(crate) struct Pages {
    start: NonNull<u8>,
    bytes: usize,
}

impl Pages {
    pub(crate) fn new(bytes: usize) -> io::Result<Self> {
        // SAFETY: an anonymous mapping at an address of the kernel's choice overlaps nothing that exists.
        let start = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                bytes,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
                -1,
                0,
            )
        };
        if start == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let start = NonNull::new(start.cast()).expect("the kernel maps nothing at address zero unasked");
        Ok(Self { start, bytes })
    }

    pub(crate) fn start(&self) -> NonNull<u8> {
        self.start
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        // SAFETY: `new` mapped exactly these bytes and nobody else unmaps them. The reactor drops its pages
        // only after the last operation of its ring has completed, else it leaks them, so that the kernel
        // does not write here any more.
        if unsafe { libc::munmap(self.start.as_ptr().cast(), self.bytes) } != 0 {
            tracing::error!(error = %io::Error::last_os_error(), "cannot unmap receive buffers");
        }
    }
}

/// Does what needs locked memory, and tries again for a while if there is none.
pub(crate) fn patiently<T>(make: impl Fn() -> io::Result<T>) -> io::Result<T> {
    let mut pauses = 0;
    loop {
        match make() {
            Err(error) if error.raw_os_error() == Some(libc::ENOMEM) && pauses < MEMORY_PAUSES_MAX => {
                pauses += 1;
                std::thread::sleep(MEMORY_PAUSE);
            }
            result => return result,
        }
    }
}
