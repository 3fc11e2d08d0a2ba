//! When to wake up, as a descriptor: entering the ring has no time-out on Linux 5.1.

use std::{
    io,
    os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd},
    ptr,
};

/// The longest single wait; what is later is asked for again.
const AWAY_US_MAX: u64 = 24 * 60 * 60 * 1_000_000;
const US_PER_SECOND: u64 = 1_000_000;

/// Watched by edge, never read.
#[derive(Debug)]
pub(super) struct Timer {
    descriptor: OwnedFd,
    /// When it goes off.
    at_us: Option<u64>,
}

impl Timer {
    pub(super) fn new() -> io::Result<Self> {
        // SAFETY: takes no pointer; a result that is not -1 is a new descriptor that nobody else owns.
        let descriptor =
            unsafe { libc::timerfd_create(libc::CLOCK_MONOTONIC, libc::TFD_CLOEXEC | libc::TFD_NONBLOCK) };
        if descriptor < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: `descriptor` was just made, is open, and its ownership passes here and only here.
        let descriptor = unsafe { OwnedFd::from_raw_fd(descriptor) };
        Ok(Self { descriptor, at_us: None })
    }

    /// For the reactor to watch: it becomes readable, by edge, each time it goes off.
    pub(super) fn descriptor(&self) -> RawFd {
        self.descriptor.as_raw_fd()
    }

    /// Makes it go off at `at_us` or before, and says whether that took a system call: one that is set to go
    /// off earlier stays, because waking once in vain costs less than setting it each turn.
    pub(super) fn set(&mut self, now_us: u64, at_us: u64) -> io::Result<bool> {
        let at_us = at_us.min(now_us + AWAY_US_MAX);
        if self.at_us.is_some_and(|set_us| set_us > now_us && set_us <= at_us) {
            return Ok(false);
        }
        // Zero would mean never.
        let away_us = at_us.saturating_sub(now_us).max(1);
        let value = libc::timespec {
            tv_sec: (away_us / US_PER_SECOND) as libc::time_t,
            tv_nsec: (away_us % US_PER_SECOND * 1_000) as libc::c_long,
        };
        let once =
            libc::itimerspec { it_interval: libc::timespec { tv_sec: 0, tv_nsec: 0 }, it_value: value };
        // SAFETY: `once` lives through the call and the kernel copies it; the old value is not asked for.
        if unsafe { libc::timerfd_settime(self.descriptor(), 0, &raw const once, ptr::null_mut()) } != 0 {
            return Err(io::Error::last_os_error());
        }
        self.at_us = Some(now_us + away_us);
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timer_is_set_anew_only_when_it_would_be_late() {
        let mut timer = Timer::new().expect("a timer can be made");
        for (now_us, at_us, set) in [
            (0, 1_000_000, true),
            (10, 2_000_000, false),
            (10, 1_000_000, false),
            (10, 999_999, true),
            (999_999, 2_000_000, true),
            (3_000_000, 3_000_000, true),
            (3_000_000, u64::MAX, false),
            (3_000_001, u64::MAX, true),
        ] {
            let done = timer.set(now_us, at_us).expect("a timer can be set");
            assert_eq!(done, set, "at {now_us} for {at_us}");
        }
    }
}
