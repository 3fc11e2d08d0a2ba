//! Choosing a backend: what the kernel offers, what it really does, and what to tell the operator. The
//! backends themselves are not here.

use std::{fs, io};

use crate::{Backend, BackendChoice, Capacity, Limits, limits, modern};

/// With as much locked memory as this for each shard, nobody needs to try whether it suffices.
const LOCKED_BYTES_AMPLE: u64 = 4 * 1024 * 1024;

/// A backend and why.
#[derive(Debug)]
pub(crate) struct Chosen {
    pub backend: Backend,
    pub reason: String,
    pub capacity: Capacity,
    /// Submissions that fit into a ring of the modern backend.
    pub ring_submissions: u32,
}

/// Chooses for `shards` shards.
pub(crate) fn choose(shards: usize, choice: BackendChoice, limits: &Limits) -> io::Result<Chosen> {
    let resources = limits::raise_resource_limits();
    let ring_submissions = modern::submissions_for(shards, resources.locked_bytes);
    let modern = |reason: &str| Chosen {
        backend: Backend::Modern,
        reason: format!("io_uring: {reason}"),
        capacity: limits::capacity_of_ring(limits, resources),
        ring_submissions,
    };
    let epoll = |reason: &str| Chosen {
        backend: Backend::Epoll,
        reason: format!("epoll: {reason}"),
        capacity: limits::capacity_of_process(limits, resources, shards),
        ring_submissions,
    };
    let try_modern = || -> io::Result<()> {
        modern::self_test()?;
        if resources.locked_bytes < LOCKED_BYTES_AMPLE * shards as u64 {
            modern::rehearse(shards, ring_submissions, limits)?;
        }
        Ok(())
    };
    match choice {
        BackendChoice::Exactly(Backend::Epoll) => Ok(epoll("as configured")),
        BackendChoice::Exactly(Backend::Modern) => match try_modern() {
            Ok(()) => Ok(modern("as configured; its self-test passed")),
            Err(error) => Err(io::Error::new(error.kind(), explain(&error))),
        },
        BackendChoice::Auto => Ok(match try_modern() {
            Ok(()) => modern("this kernel passed the self-test"),
            Err(error) => epoll(&explain(&error)),
        }),
    }
}

/// Why io_uring cannot be used, and what to change.
fn explain(error: &io::Error) -> String {
    let setting = fs::read_to_string("/proc/sys/kernel/io_uring_disabled");
    let disabled = setting.ok().and_then(|text| text.trim().parse().ok());
    explain_with(error, disabled)
}

fn explain_with(error: &io::Error, disabled: Option<u32>) -> String {
    // Errors of the ring were given context, which keeps their kind and drops their number.
    let remedy = match (error.kind(), disabled) {
        (io::ErrorKind::PermissionDenied, Some(1)) => {
            "run as a member of kernel.io_uring_group, or: sysctl kernel.io_uring_disabled=0"
        }
        (io::ErrorKind::PermissionDenied, Some(2..)) => "sysctl kernel.io_uring_disabled=0",
        (io::ErrorKind::PermissionDenied, _) => {
            "allow io_uring_setup, io_uring_enter and io_uring_register in the seccomp profile"
        }
        (io::ErrorKind::Unsupported, _) => {
            "use Linux 6.0 or newer, or allow the io_uring system calls in the seccomp profile"
        }
        (io::ErrorKind::OutOfMemory, _) => "raise the limit of locked memory (ulimit -l, LimitMEMLOCK)",
        (io::ErrorKind::InvalidInput, _) => "use Linux 6.0 or newer",
        _ => "report this with the kernel's version (uname -a)",
    };
    format!("io_uring cannot be used: {error}; to change that: {remedy}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_obstacle_has_its_own_remedy() {
        for (number, disabled, remedy) in [
            (libc::ENOSYS, None, "Linux 6.0 or newer"),
            (libc::EPERM, Some(0), "seccomp"),
            (libc::EPERM, None, "seccomp"),
            (libc::EPERM, Some(1), "kernel.io_uring_group"),
            (libc::EPERM, Some(2), "kernel.io_uring_disabled=0"),
            (libc::ENOMEM, Some(0), "LimitMEMLOCK"),
            (libc::EINVAL, Some(0), "Linux 6.0"),
            (libc::EIO, Some(0), "uname"),
        ] {
            let text = explain_with(&io::Error::from_raw_os_error(number), disabled);
            assert!(text.contains(remedy), "{number}: {text}");
        }
    }
}
