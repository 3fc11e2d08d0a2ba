//! Memory that the kernel has a part in: pages straight from it (zero, page-aligned, and costing nothing until
//! touched), and what the limit of locked memory is charged with.

use std::{io, ptr::NonNull, time::Duration};

/// A ring that was closed gives its locked memory back a little later; so short a while is waited for it.
const MEMORY_PAUSE: Duration = Duration::from_millis(10);
const MEMORY_PAUSES_MAX: u32 = 10;

/// Blocks from this size on are the kernel's again as soon as they are free.
const GIVEN_BACK_BYTES_MIN: libc::c_int = 1 << 20;

/// From now on large blocks go back to the kernel when they are freed. The C library keeps them otherwise, up to 32 MiB
/// each, as soon as one of that size was freed once (`mallopt(3)`, `M_MMAP_THRESHOLD`): a server that hashes passwords
/// with 19 MiB each keeps as much for every thread that ever did. Does nothing where the C library is another one.
pub fn give_large_blocks_back() {
    #[cfg(target_env = "gnu")]
    // SAFETY: a number of a setting and a value that it may have; the C library locks what it changes.
    if unsafe { libc::mallopt(libc::M_MMAP_THRESHOLD, GIVEN_BACK_BYTES_MIN) } == 0 {
        tracing::warn!("the C library keeps large blocks of memory after they are freed");
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
