//! One io_uring: how it is made on kernels of different age, how it is entered, and what it counts. What the
//! operations mean is not known here.

use std::{collections::VecDeque, io, os::fd::AsRawFd, time::Duration};

use io_uring::{
    EnterFlags, IoUring, Probe, cqueue, opcode, squeue,
    types::{SubmitArgs, Timespec},
};

use crate::memory::patiently;

/// Submissions that fit before a turn has to enter the kernel early.
const SUBMISSIONS_MAX: u32 = 1_024;
/// Below this, memory is too short to run a shard.
const SUBMISSIONS_MIN: u32 = 16;
/// Completions for each submission: one connection accepted, receiving and sending makes several at once,
/// and what does not fit costs the kernel an allocation each.
const COMPLETIONS_EACH: u32 = 8;
/// Bytes of locked memory for each submission with its completions, rounded up for pages and heads.
const BYTES_EACH: u64 = 64 + 4 + 16 * COMPLETIONS_EACH as u64 + 64;
/// The longest single wait, because the kernel's seconds are signed.
const WAIT_MAX: Duration = Duration::from_secs(24 * 60 * 60);
/// Threads that the kernel may start for one ring: for files, and for sockets (a shutdown needs one).
const WORKERS_MAX: [u32; 2] = [2, 4];
const _: () = assert!(SUBMISSIONS_MIN <= SUBMISSIONS_MAX && COMPLETIONS_EACH >= 2);

/// Operations without which this backend does not work; all are in Linux 6.0.
const REQUIRED: [(u8, &str); 12] = [
    (opcode::Accept::CODE, "accept"),
    (opcode::AsyncCancel2::CODE, "cancel"),
    (opcode::Close::CODE, "close"),
    (opcode::Connect::CODE, "connect"),
    (opcode::FilesUpdate::CODE, "files update"),
    (opcode::Fsync::CODE, "fsync"),
    (opcode::MsgRingSendFd::CODE, "ring message"),
    (opcode::PollAdd::CODE, "poll"),
    (opcode::Recv::CODE, "receive"),
    (opcode::Send::CODE, "send"),
    (opcode::Shutdown::CODE, "shutdown"),
    (opcode::Write::CODE, "write"),
];

/// One ring. Lives and dies on the thread that made it.
pub(super) struct Ring {
    ring: IoUring,
    /// Submissions that found the queue full, in order.
    backlog: VecDeque<squeue::Entry>,
    /// Submissions whose last completion has not been seen.
    in_flight: usize,
    wait_flags: EnterFlags,
    /// Whether the kernel can make an ordinary descriptor of a registered one (Linux 6.8).
    pub installs: bool,
    /// System calls made.
    pub system_calls: u64,
}

/// Flags from the newest to the oldest kernel: a kernel refuses flags that it does not know with `EINVAL`.
#[derive(Clone, Copy, Debug)]
enum Generation {
    /// Linux 6.6: also no indirection array.
    WithoutArray,
    /// Linux 6.1: completion work runs only when we ask for it.
    Deferred,
    /// Linux 6.0.
    Cooperative,
}

const GENERATIONS: [Generation; 3] =
    [Generation::WithoutArray, Generation::Deferred, Generation::Cooperative];

fn build(generation: Generation, submissions: u32) -> io::Result<IoUring> {
    let mut builder = IoUring::builder();
    builder.dontfork().setup_single_issuer().setup_submit_all().setup_taskrun_flag().setup_clamp();
    builder.setup_cqsize(submissions * COMPLETIONS_EACH);
    match generation {
        Generation::WithoutArray => builder.setup_defer_taskrun().setup_no_sqarray(),
        Generation::Deferred => builder.setup_defer_taskrun(),
        Generation::Cooperative => builder.setup_coop_taskrun(),
    };
    builder.build(submissions)
}

/// Submissions a ring, so that the rings of all shards fit into half of the locked memory that an ordinary
/// user may have. The other half is for their buffers and for other processes of the same user.
pub(crate) fn submissions_for(shards: usize, locked_bytes: u64) -> u32 {
    let fit = locked_bytes / 2 / shards as u64 / BYTES_EACH;
    let fit = u32::try_from(fit).unwrap_or(u32::MAX).clamp(SUBMISSIONS_MIN, SUBMISSIONS_MAX);
    // The largest power of two that is not above.
    1 << fit.ilog2()
}

/// Makes the best ring that kernel and memory allow.
fn build_best(mut submissions: u32) -> io::Result<IoUring> {
    let mut generations = GENERATIONS.into_iter();
    let mut generation = Generation::WithoutArray;
    generations.next();
    loop {
        let error = match patiently(|| build(generation, submissions)) {
            Ok(ring) => return Ok(ring),
            Err(error) => error,
        };
        match error.raw_os_error() {
            Some(libc::EINVAL) => match generations.next() {
                Some(older) => generation = older,
                None => return Err(error),
            },
            Some(libc::ENOMEM) if submissions > SUBMISSIONS_MIN => {
                submissions /= 2;
                tracing::warn!(
                    submissions,
                    "locked memory is short: halved a ring; raise it with ulimit -l or LimitMEMLOCK"
                );
            }
            _ => return Err(error),
        }
    }
}

impl Ring {
    /// Makes a ring of `submissions`, or of less where memory is short.
    pub(super) fn new(submissions: u32) -> io::Result<Self> {
        let ring = build_best(submissions)?;
        let mut probe = Probe::new();
        ring.submitter().register_probe(&mut probe)?;
        if let Some((_, name)) = REQUIRED.iter().find(|(code, _)| !probe.is_supported(*code)) {
            let text = format!("this kernel's io_uring has no {name}; Linux 6.0 or newer has it");
            return Err(io::Error::new(io::ErrorKind::Unsupported, text));
        }
        let features = ring.params();
        if !features.is_feature_nodrop() || !features.is_feature_ext_arg() {
            let text = "this kernel's io_uring loses completions or cannot time out; use Linux 6.0 or newer";
            return Err(io::Error::new(io::ErrorKind::Unsupported, text));
        }
        let mut wait_flags = EnterFlags::GETEVENTS | EnterFlags::EXT_ARG;
        if features.is_feature_no_iowait() {
            wait_flags |= EnterFlags::NO_IOWAIT;
        }
        if let Err(error) = ring.submitter().register_iowq_max_workers(&mut WORKERS_MAX.clone()) {
            tracing::debug!(%error, "the kernel's worker threads stay unlimited");
        }
        let installs = probe.is_supported(opcode::FixedFdInstall::CODE);
        Ok(Self { ring, backlog: VecDeque::new(), in_flight: 0, wait_flags, installs, system_calls: 0 })
    }

    pub(super) fn submitter(&self) -> io_uring::Submitter<'_> {
        self.ring.submitter()
    }

    pub(super) fn descriptor(&self) -> std::os::fd::RawFd {
        self.ring.as_raw_fd()
    }

    /// Submissions whose last completion has not been seen.
    pub(super) fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// Queues a submission; the kernel sees it at the next [`Ring::enter`], or earlier if the queue is full.
    ///
    /// # Safety
    ///
    /// Memory that `entry` points to must stay where it is and as it is, until the last completion of the
    /// entry was seen.
    pub(super) unsafe fn push(&mut self, entry: squeue::Entry) {
        self.in_flight += 1;
        if self.backlog.is_empty() && self.ring.submission().is_full() {
            self.submit_early();
        }
        self.backlog.push_back(entry);
        self.fill();
    }

    /// Moves what waits into the queue as far as there is room.
    fn fill(&mut self) {
        let mut queue = self.ring.submission();
        while let Some(entry) = self.backlog.front() {
            // SAFETY: whoever called `push` with this entry promised that what it points to stays until its
            // last completion; it has none yet, because the kernel has not seen it.
            if unsafe { queue.push(entry) }.is_err() {
                return;
            }
            self.backlog.pop_front();
        }
    }

    /// Makes room; what fails here is tried again when the ring is entered.
    fn submit_early(&mut self) {
        self.system_calls += 1;
        if let Err(error) = self.ring.submit() {
            tracing::debug!(%error, "an early submission has to wait");
        }
    }

    /// Submits everything and waits for a completion, for `wait` at most; `None` does not wait.
    pub(super) fn enter(&mut self, wait: Option<Duration>) -> io::Result<()> {
        loop {
            self.fill();
            let last = self.backlog.is_empty();
            let waiting = wait.filter(|_| last);
            let before = self.backlog.len();
            match self.enter_once(waiting) {
                Ok(()) if last => return Ok(()),
                Ok(()) => {
                    self.fill();
                    // The kernel takes no more before completions are taken: come back after that.
                    if self.backlog.len() == before {
                        return Ok(());
                    }
                }
                Err(error) => match error.raw_os_error() {
                    // Time is over; a signal came; completions must be taken first.
                    Some(libc::ETIME | libc::EINTR | libc::EBUSY | libc::EAGAIN) => return Ok(()),
                    _ => return Err(error),
                },
            }
        }
    }

    fn enter_once(&mut self, wait: Option<Duration>) -> io::Result<()> {
        let queue = self.ring.submission();
        let idle = queue.is_empty() && !queue.taskrun() && !queue.cq_overflow();
        let submissions = queue.len() as u32;
        drop(queue);
        let Some(wait) = wait else {
            if idle {
                return Ok(());
            }
            self.system_calls += 1;
            let flags = EnterFlags::GETEVENTS.bits();
            // SAFETY: no argument is passed, so the kernel reads none; `submissions` is what the queue of
            // this ring holds.
            unsafe { self.ring.submitter().enter::<libc::sigset_t>(submissions, 0, flags, None) }?;
            return Ok(());
        };
        self.system_calls += 1;
        let timespec = Timespec::from(wait.min(WAIT_MAX));
        let arguments = SubmitArgs::new().timespec(&timespec);
        let flags = self.wait_flags.bits();
        // SAFETY: `EXT_ARG` is set and `SubmitArgs` is a transparent `io_uring_getevents_arg`, whose size
        // `enter` passes along; it and the `timespec` it points to live in this frame, and the kernel reads
        // them before the call returns.
        unsafe { self.ring.submitter().enter(submissions, 1, flags, Some(&arguments)) }?;
        Ok(())
    }

    /// Whether entering would bring something: completions, or work of the kernel that leads to some.
    pub(super) fn has_news(&mut self) -> bool {
        let queue = self.ring.submission();
        let news = queue.taskrun() || queue.cq_overflow();
        drop(queue);
        news || !self.ring.completion().is_empty()
    }

    /// Lets the kernel go on with what it has, without a wait.
    pub(super) fn ask(&mut self) -> io::Result<()> {
        self.system_calls += 1;
        let flags = EnterFlags::GETEVENTS.bits();
        // SAFETY: no argument is passed, so the kernel reads none, and nothing is submitted.
        match unsafe { self.ring.submitter().enter::<libc::sigset_t>(0, 0, flags, None) } {
            Ok(_) => Ok(()),
            Err(error) if matches!(error.raw_os_error(), Some(libc::EINTR | libc::EBUSY | libc::EAGAIN)) => {
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// Takes all completions out, so that the kernel has its queue free before any is looked at.
    pub(super) fn take(&mut self, completions: &mut VecDeque<cqueue::Entry>) {
        for completion in self.ring.completion() {
            if !cqueue::more(completion.flags()) {
                self.in_flight -= 1;
            }
            completions.push_back(completion);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rings_of_all_shards_fit_into_locked_memory() {
        for (shards, locked_bytes, submissions) in [
            (4, 8 << 20, 1_024),
            (4, u64::MAX, 1_024),
            (64, 8 << 20, 128),
            (2, 64 << 10, 32),
            (1, 0, SUBMISSIONS_MIN),
        ] {
            assert_eq!(submissions_for(shards, locked_bytes), submissions, "{shards} in {locked_bytes}");
        }
    }
}
