//! One io_uring as Linux 5.1 makes it: no flags, two completions a submission, no time-out and no other
//! comfort. What the operations mean is not known here.

use std::{
    collections::VecDeque,
    io,
    os::fd::{AsRawFd, RawFd},
    time::Duration,
};

use io_uring::{EnterFlags, IoUring, cqueue, squeue};

use super::restriction;
use crate::memory::patiently;

/// Submissions that fit before a turn has to enter the kernel early.
const SUBMISSIONS_MAX: u32 = 512;
/// Below this, memory is too short for the ring to be worth it: epoll needs none.
const SUBMISSIONS_MIN: u32 = 64;

const _: () = assert!(SUBMISSIONS_MIN <= SUBMISSIONS_MAX && SUBMISSIONS_MIN.is_power_of_two());

/// One ring. Lives and dies on the thread that made it.
pub(super) struct Ring {
    ring: IoUring,
    /// Submissions for which there is no room yet, in order.
    backlog: VecDeque<squeue::Entry>,
    /// Submissions whose completion has not been taken.
    in_flight: usize,
    /// System calls made.
    pub system_calls: u64,
}

fn build(submissions: u32, restricted: bool) -> io::Result<IoUring> {
    let mut builder = IoUring::builder();
    builder.dontfork();
    if !restricted {
        return builder.build(submissions);
    }
    let ring = builder.setup_r_disabled().build(submissions)?;
    restriction::restrict(&ring.submitter())?;
    Ok(ring)
}

/// Makes the largest ring that memory allows.
fn build_best(mut submissions: u32, restricted: bool) -> io::Result<IoUring> {
    loop {
        match patiently(|| build(submissions, restricted)) {
            Err(error) if error.raw_os_error() == Some(libc::ENOMEM) && submissions > SUBMISSIONS_MIN => {
                submissions /= 2;
                tracing::warn!(
                    submissions,
                    "locked memory is short: halved a ring; raise it with ulimit -l or LimitMEMLOCK"
                );
            }
            result => return result,
        }
    }
}

impl Ring {
    /// Makes a ring of `submissions`, or of less where memory is short.
    pub(super) fn new(submissions: u32, restricted: bool) -> io::Result<Self> {
        let submissions = submissions.clamp(SUBMISSIONS_MIN, SUBMISSIONS_MAX);
        let ring = build_best(submissions, restricted)?;
        Ok(Self { ring, backlog: VecDeque::new(), in_flight: 0, system_calls: 0 })
    }

    pub(super) fn submitter(&self) -> io_uring::Submitter<'_> {
        self.ring.submitter()
    }

    /// Completions that fit. No more submissions than this are in the kernel's hands at once, for before 5.5
    /// it loses a completion that it has no room for.
    pub(super) fn completions_max(&self) -> u32 {
        self.ring.params().cq_entries()
    }

    /// Submissions whose completion has not been taken.
    pub(super) fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// Whether entering would submit something.
    pub(super) fn has_unsubmitted(&mut self) -> bool {
        !self.backlog.is_empty() || !self.ring.submission().is_empty()
    }

    /// Queues a submission; the kernel sees it at the next [`Ring::enter`], or earlier if the queue is full.
    ///
    /// # Safety
    ///
    /// Memory that `entry` points to must stay where it is and as it is, until the completion of the entry
    /// was taken.
    pub(super) unsafe fn push(&mut self, entry: squeue::Entry) {
        self.in_flight += 1;
        self.backlog.push_back(entry);
        self.fill();
        if !self.backlog.is_empty() && self.room() > 0 {
            self.submit_early();
            self.fill();
        }
    }

    /// How many more the kernel may be given before completions are taken.
    fn room(&self) -> usize {
        let given = self.in_flight - self.backlog.len();
        (self.completions_max() as usize).saturating_sub(given)
    }

    /// Moves what waits into the queue as far as there is room.
    fn fill(&mut self) {
        let room = self.room();
        let mut queue = self.ring.submission();
        for _ in 0..room {
            let Some(entry) = self.backlog.front() else { return };
            // SAFETY: whoever called `push` with this entry promised that what it points to stays until its
            // completion; it has none yet, because the kernel has not seen it.
            if unsafe { queue.push(entry) }.is_err() {
                return;
            }
            self.backlog.pop_front();
        }
    }

    /// Makes room; what fails here is tried again when the ring is entered.
    fn submit_early(&mut self) {
        if let Err(error) = self.enter_once(0) {
            tracing::debug!(%error, "an early submission has to wait");
        }
    }

    /// Submits everything that there is room for, and with `sleep` waits for a completion.
    pub(super) fn enter(&mut self, sleep: bool) -> io::Result<()> {
        loop {
            self.fill();
            let before = self.ring.submission().len();
            // Whoever has more to submit comes back, and has completions to take.
            let wait = sleep && self.backlog.is_empty();
            match self.enter_once(u32::from(wait)) {
                Ok(()) => {}
                Err(error) => match error.raw_os_error() {
                    // A signal came; completions must be taken first.
                    Some(libc::EINTR | libc::EBUSY | libc::EAGAIN) => return Ok(()),
                    _ => return Err(error),
                },
            }
            // A submission that the kernel refuses ends the call: those behind it were not looked at.
            let after = self.ring.submission().len();
            if after == 0 || after >= before {
                return Ok(());
            }
        }
    }

    fn enter_once(&mut self, completions: u32) -> io::Result<()> {
        let submissions = self.ring.submission().len() as u32;
        self.system_calls += 1;
        let flags = EnterFlags::GETEVENTS.bits();
        // SAFETY: no argument is passed, so the kernel reads none; `submissions` is what the queue of this
        // ring holds.
        unsafe { self.ring.submitter().enter::<libc::sigset_t>(submissions, completions, flags, None) }?;
        Ok(())
    }

    /// Takes all completions out, so that the kernel has its queue free before any is looked at.
    pub(super) fn take(&mut self, completions: &mut VecDeque<cqueue::Entry>) {
        for completion in self.ring.completion() {
            self.in_flight -= 1;
            completions.push_back(completion);
        }
    }

    /// Waits for completions without submitting, for a while at most: entering the ring has no time-out, but
    /// its descriptor can be polled. Only for the end of a reactor.
    pub(super) fn wait_at_most(&mut self, wait: Duration) {
        let descriptor: RawFd = self.ring.as_raw_fd();
        let mut poll = libc::pollfd { fd: descriptor, events: libc::POLLIN, revents: 0 };
        // SAFETY: `poll` is one entry of this frame, which the kernel reads and writes during the call.
        if unsafe { libc::poll(&raw mut poll, 1, wait.as_millis() as libc::c_int) } < 0 {
            tracing::debug!(error = %io::Error::last_os_error(), "waiting for a ring ended early");
        }
    }
}

#[cfg(test)]
mod tests {
    use io_uring::{opcode, types::Fd};

    use super::*;

    /// Submits one entry that points to no memory and returns what came of it.
    fn outcome(ring: &mut Ring, entry: squeue::Entry) -> i32 {
        // SAFETY: the callers below pass entries that point to no memory.
        unsafe { ring.push(entry) }
        ring.enter(true).expect("a ring can be entered");
        let mut completions = VecDeque::new();
        ring.take(&mut completions);
        completions.pop_front().expect("it was waited for").result()
    }

    #[test]
    fn a_restricted_ring_refuses_what_came_after_linux_5_1() {
        let Ok(mut ring) = Ring::new(8, true) else {
            // A host without io_uring, or before 5.10: there is nothing to prove it with.
            return;
        };
        assert_eq!(outcome(&mut ring, opcode::Nop::new().build()), 0, "5.1 had it");
        for entry in [
            opcode::Close::new(Fd(-1)).build(),
            opcode::Shutdown::new(Fd(-1), 0).build(),
            opcode::AsyncCancel::new(7).build(),
            opcode::Nop::new().build().flags(squeue::Flags::IO_LINK),
            opcode::Nop::new().build().flags(squeue::Flags::ASYNC),
        ] {
            assert_eq!(outcome(&mut ring, entry.clone()), -libc::EACCES, "{entry:?}");
        }
        assert!(ring.submitter().register_iowq_max_workers(&mut [1, 1]).is_err());
    }

    #[test]
    fn no_more_is_in_flight_than_completions_fit() {
        let Ok(mut ring) = Ring::new(8, false) else { return };
        let (count, mut completions) = (1_000, VecDeque::new());
        for number in 0..count {
            // SAFETY: a no-operation points to no memory.
            unsafe { ring.push(opcode::Nop::new().build().user_data(number)) }
            let given = ring.in_flight() - ring.backlog.len();
            assert!(given <= ring.completions_max() as usize);
        }
        while ring.in_flight() > 0 {
            ring.enter(false).expect("a ring can be entered");
            ring.take(&mut completions);
        }
        assert!(completions.iter().map(cqueue::Entry::user_data).eq(0..count), "none lost, in order");
    }
}
