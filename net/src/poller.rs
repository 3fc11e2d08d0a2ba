//! The epoll descriptor: what is watched and what became ready. Knows keys, not connections.

use std::{
    io,
    os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd},
    time::Duration,
};

/// Readiness reports taken at once.
const REPORTS_MAX: usize = 512;

/// Level-triggered reading, with the peer's end of writing.
pub(crate) const READ: u32 = (libc::EPOLLIN | libc::EPOLLRDHUP) as u32;
/// Level-triggered writing.
pub(crate) const WRITE: u32 = libc::EPOLLOUT as u32;
/// Reading, reported once for each time it becomes possible.
pub(crate) const READ_EDGE: u32 = (libc::EPOLLIN | libc::EPOLLET) as u32;

/// One epoll instance.
pub(crate) struct Poller {
    epoll: OwnedFd,
    reports: Vec<libc::epoll_event>,
}

/// Something is ready.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ready {
    pub key: u64,
    pub readable: bool,
    pub writable: bool,
}

impl Poller {
    pub(crate) fn new() -> io::Result<Self> {
        // SAFETY: takes no pointer; a result that is not -1 is a new descriptor that nobody else owns.
        let descriptor = unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) };
        if descriptor < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: `descriptor` was just made, is open, and its ownership passes here and only here.
        let epoll = unsafe { OwnedFd::from_raw_fd(descriptor) };
        Ok(Self { epoll, reports: Vec::with_capacity(REPORTS_MAX) })
    }

    /// For a ring to poll: it is readable as long as something that is watched is ready.
    pub(crate) fn descriptor(&self) -> RawFd {
        self.epoll.as_raw_fd()
    }

    /// Begins to watch. A descriptor that is closed is forgotten by itself.
    pub(crate) fn add(&self, descriptor: RawFd, interest: u32, key: u64) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_ADD, descriptor, interest, key)
    }

    /// Watches for something else.
    pub(crate) fn change(&self, descriptor: RawFd, interest: u32, key: u64) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_MOD, descriptor, interest, key)
    }

    /// Watches no more.
    pub(crate) fn remove(&self, descriptor: RawFd) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_DEL, descriptor, 0, 0)
    }

    fn control(&self, operation: libc::c_int, descriptor: RawFd, interest: u32, key: u64) -> io::Result<()> {
        let mut event = libc::epoll_event { events: interest, u64: key };
        // SAFETY: `event` lives through the call and the kernel copies it; a descriptor that is not open
        // makes the call fail and nothing else.
        if unsafe { libc::epoll_ctl(self.epoll.as_raw_fd(), operation, descriptor, &mut event) } != 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(())
    }

    /// Waits, and returns how many things are ready; read them with [`Poller::ready`]. A signal ends it
    /// early.
    pub(crate) fn wait(&mut self, wait: Duration) -> io::Result<usize> {
        // Rounded up: rounded down, the last part of a millisecond would be spent in a busy loop.
        let wait_ms = wait.as_nanos().div_ceil(1_000_000).min(i32::MAX as u128) as i32;
        self.reports.clear();
        // SAFETY: `reports` owns room for `REPORTS_MAX` entries and is not touched until the call returns;
        // the kernel writes at most as many.
        let count = unsafe {
            libc::epoll_wait(
                self.epoll.as_raw_fd(),
                self.reports.as_mut_ptr(),
                REPORTS_MAX as libc::c_int,
                wait_ms,
            )
        };
        if count < 0 {
            let error = io::Error::last_os_error();
            return if error.kind() == io::ErrorKind::Interrupted { Ok(0) } else { Err(error) };
        }
        // SAFETY: the kernel just initialised the first `count` entries, and `count <= REPORTS_MAX`, which
        // is the capacity.
        unsafe { self.reports.set_len(count as usize) };
        Ok(self.reports.len())
    }

    /// The report of that index of the last wait.
    pub(crate) fn ready(&self, index: usize) -> Ready {
        let libc::epoll_event { events, u64: key } = self.reports[index];
        let failed = events & (libc::EPOLLERR | libc::EPOLLHUP) as u32 != 0;
        Ready { key, readable: failed || events & READ != 0, writable: failed || events & WRITE != 0 }
    }
}
