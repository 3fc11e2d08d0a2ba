//! Pages straight from the kernel: zero, page-aligned, and costing nothing until touched.

use std::{io, ptr::NonNull};

/// A private mapping, given back on drop.
#[derive(Debug)]
pub(super) struct Pages {
    start: NonNull<u8>,
    bytes: usize,
}

impl Pages {
    pub(super) fn new(bytes: usize) -> io::Result<Self> {
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

    pub(super) fn start(&self) -> NonNull<u8> {
        self.start
    }

    pub(super) fn bytes(&self) -> usize {
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
