//! Waking a reactor that sleeps in the kernel. Carries no data: work goes by queues, this only says "look".
//!
//! The sleeper publishes that it sleeps and then looks at its queues once more; the waker fills a queue and
//! then looks whether somebody sleeps. A full fence stands between both steps on both sides, so at least one
//! sees the other and no wake-up is lost. Only the waker that turns the flag writes the eventfd.

use std::{
    fs::File,
    io::{self, Write},
    os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering, fence},
    },
};

/// One a reactor, shared with all who may wake it.
#[derive(Debug)]
pub(crate) struct Doorbell {
    sleeping: AtomicBool,
    /// Watched by edge, never read: its counter would need 2^64 wake-ups to fill.
    eventfd: File,
}

impl Doorbell {
    pub(crate) fn new() -> io::Result<Self> {
        // SAFETY: takes no pointer; a result that is not -1 is a new descriptor that nobody else owns.
        let descriptor = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) };
        if descriptor < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: `descriptor` was just made by `eventfd`, is open, and ownership passes here and only here.
        let eventfd = File::from(unsafe { OwnedFd::from_raw_fd(descriptor) });
        Ok(Self { sleeping: AtomicBool::new(false), eventfd })
    }

    /// For the reactor to watch: it becomes readable, by edge, when a sleeping reactor is woken.
    pub(crate) fn descriptor(&self) -> RawFd {
        self.eventfd.as_raw_fd()
    }

    /// The reactor says that it is about to sleep; it must look at its queues after this.
    pub(crate) fn lie_down(&self) {
        self.sleeping.store(true, Ordering::SeqCst);
        fence(Ordering::SeqCst);
    }

    /// The reactor is awake again.
    pub(crate) fn get_up(&self) {
        self.sleeping.store(false, Ordering::SeqCst);
    }

    /// Wakes the reactor if it sleeps.
    pub(crate) fn ring(&self) {
        fence(Ordering::SeqCst);
        if !self.sleeping.load(Ordering::SeqCst) || !self.sleeping.swap(false, Ordering::SeqCst) {
            return;
        }
        if let Err(error) = (&self.eventfd).write_all(&1u64.to_ne_bytes()) {
            tracing::error!(%error, "cannot wake a reactor; it sleeps until its next deadline");
        }
    }
}

/// Wakes a reactor that sleeps; costs one atomic load when it does not. Any thread may use it.
#[derive(Clone, Debug)]
pub struct Waker {
    pub(crate) doorbell: Arc<Doorbell>,
}

impl Waker {
    /// To be called after the work was made visible to `ready` of
    /// [`Reactor::turn`](crate::Reactor::turn).
    pub fn wake(&self) {
        self.doorbell.ring();
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    fn rings(doorbell: &Doorbell) -> u64 {
        let mut counter = [0; 8];
        match (&doorbell.eventfd).read_exact(&mut counter) {
            Ok(()) => u64::from_ne_bytes(counter),
            Err(error) => {
                assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
                0
            }
        }
    }

    #[test]
    fn only_the_first_to_wake_a_sleeper_rings() {
        let doorbell = Doorbell::new().expect("an eventfd can be made");
        doorbell.ring();
        assert_eq!(rings(&doorbell), 0, "nobody slept");
        doorbell.lie_down();
        doorbell.ring();
        doorbell.ring();
        assert_eq!(rings(&doorbell), 1);
        doorbell.lie_down();
        doorbell.get_up();
        doorbell.ring();
        assert_eq!(rings(&doorbell), 0, "it got up by itself");
    }
}
