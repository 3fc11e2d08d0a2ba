//! Which CPUs the process may use, pinning a thread to one of them, and how soon it runs there. How many shards there
//! are is not decided here.

use std::{io, mem};

/// CPUs that the mask has room for; the largest Linux configuration in use has 8192.
const CPUS_MAX: usize = 8_192;
const WORD_BITS: usize = u64::BITS as usize;
const WORDS: usize = CPUS_MAX / WORD_BITS;

type Mask = [u64; WORDS];

/// The CPUs this process may run on, in order: what affinity, cpuset and cgroup leave of the machine.
pub fn allowed_cpus() -> Vec<usize> {
    let mut mask: Mask = [0; WORDS];
    // SAFETY: `mask` is `size_of::<Mask>()` writable bytes of this frame, aligned for the `unsigned long`s
    // that the kernel stores; it writes at most that many bytes and keeps no pointer.
    let failed = unsafe { libc::sched_getaffinity(0, mem::size_of::<Mask>(), mask.as_mut_ptr().cast()) } != 0;
    if failed {
        tracing::warn!(error = %io::Error::last_os_error(), "cannot read the allowed CPUs; assuming CPU 0");
        return vec![0];
    }
    (0..CPUS_MAX).filter(|cpu| mask[cpu / WORD_BITS] & 1 << (cpu % WORD_BITS) != 0).collect()
}

/// Lets the calling thread run on `cpu` only.
pub(crate) fn pin(cpu: usize) -> io::Result<()> {
    if cpu >= CPUS_MAX {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, format!("there is no CPU {cpu}")));
    }
    let mut mask: Mask = [0; WORDS];
    mask[cpu / WORD_BITS] = 1 << (cpu % WORD_BITS);
    // SAFETY: `mask` is `size_of::<Mask>()` readable bytes of this frame; the kernel copies them during the
    // call. Thread 0 means the caller, so no other thread is affected.
    if unsafe { libc::sched_setaffinity(0, mem::size_of::<Mask>(), mask.as_ptr().cast()) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// The shortest slice that Linux lets a thread ask for, in nanoseconds.
const SLICE_NS: u64 = 100_000;

/// Asks the scheduler to run the calling thread as soon as it wakes, in exchange for shorter turns. A shard does little at a
/// time and everybody waits for it; else it waits for whatever runs on its CPU to use up a slice of some 3 ms. From Linux
/// 6.12 on, a thread that asks for a shorter slice preempts one with a longer (`sched_setattr(2)`, `sched_runtime` of
/// SCHED_OTHER); before, nothing comes of it. Nobody gets less of the CPU. Also for a thread beside the shards that
/// yields often: a yield costs it a slice.
pub fn ask_for_short_slices() {
    let size = mem::size_of::<libc::sched_attr>() as u32;
    let mut attributes = libc::sched_attr {
        size,
        sched_policy: 0,
        sched_flags: 0,
        sched_nice: 0,
        sched_priority: 0,
        sched_runtime: 0,
        sched_deadline: 0,
        sched_period: 0,
    };
    // SAFETY: the kernel writes at most `size` bytes of this frame, and keeps no pointer. Thread 0 means the caller.
    let read = unsafe { libc::syscall(libc::SYS_sched_getattr, 0, &raw mut attributes, size, 0) };
    attributes.sched_runtime = SLICE_NS;
    // SAFETY: the kernel reads as many bytes as the structure says it has, and keeps no pointer.
    let written = unsafe { libc::syscall(libc::SYS_sched_setattr, 0, &raw const attributes, 0) };
    if read != 0 || written != 0 {
        tracing::debug!(error = %io::Error::last_os_error(), "the scheduler takes no wish for short slices");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pinned_thread_is_allowed_one_cpu() {
        let all = allowed_cpus();
        let last = *all.last().expect("a running process may run somewhere");
        let left = std::thread::spawn(move || {
            pin(last).expect("the CPU is an allowed one");
            allowed_cpus()
        });
        assert_eq!(left.join().expect("the thread does not panic"), [last]);
        assert_eq!(allowed_cpus(), all);
    }

    #[test]
    fn a_cpu_that_does_not_exist_is_refused() {
        assert!(pin(CPUS_MAX).is_err());
    }
}
