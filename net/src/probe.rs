//! Choosing a backend: what the kernel offers, what it really does, and what to tell the operator. The
//! backends themselves are not here.

use std::{fs, io};

use crate::{
    Backend, BackendChoice, Capacity, Limits, basic,
    limits::{self, ResourceLimits},
    modern,
};

/// With as much locked memory as this for each shard, nobody needs to try whether it suffices.
const LOCKED_BYTES_AMPLE: u64 = 4 * 1024 * 1024;

/// A backend and why.
#[derive(Debug)]
pub(crate) struct Chosen {
    pub backend: Backend,
    pub reason: String,
    pub capacity: Capacity,
    /// Submissions that fit into a ring of a backend over io_uring.
    pub ring_submissions: u32,
}

/// What a choice is made for.
#[derive(Clone, Copy)]
struct Wish<'a> {
    shards: usize,
    limits: &'a Limits,
    resources: ResourceLimits,
    ring_submissions: u32,
}

/// Chooses for `shards` shards.
pub(crate) fn choose(shards: usize, choice: BackendChoice, limits: &Limits) -> io::Result<Chosen> {
    let resources = limits::raise_resource_limits();
    let ring_submissions = modern::submissions_for(shards, resources.locked_bytes);
    let wish = Wish { shards, limits, resources, ring_submissions };
    match choice {
        BackendChoice::Auto => Ok(wish.best()),
        BackendChoice::Exactly(backend) => match wish.attempt(backend) {
            Ok(()) => Ok(wish.chosen(backend, &format!("as configured{}", tested(backend)))),
            Err(error) => Err(io::Error::new(error.kind(), without_ring(&obstacle(&error, backend)))),
        },
    }
}

/// What was seen of a backend before it was chosen.
fn tested(backend: Backend) -> &'static str {
    match backend {
        Backend::Modern => "; its self-test passed",
        Backend::Basic if basic::is_restricted() => {
            "; its self-test passed, and the kernel refuses what Linux 5.1 had not"
        }
        Backend::Basic => "; its self-test passed",
        Backend::Epoll => "",
    }
}

impl Wish<'_> {
    /// The cheapest backend that this kernel allows; `docs/decisions/0006-basic-or-epoll.md` has the figures.
    fn best(&self) -> Chosen {
        let Err(error) = self.attempt(Backend::Modern) else {
            return self.chosen(Backend::Modern, "this kernel passed the self-test");
        };
        let newest = obstacle(&error, Backend::Modern);
        match self.attempt(Backend::Basic) {
            Ok(()) => {
                let why = format!("this kernel passed the self-test; in the way of a faster one: {newest}");
                self.chosen(Backend::Basic, &why)
            }
            // What stands in the way of both is told once.
            Err(other) if other.kind() == error.kind() => self.chosen(Backend::Epoll, &without_ring(&newest)),
            Err(other) => {
                let oldest = without_ring(&obstacle(&other, Backend::Basic));
                self.chosen(Backend::Epoll, &format!("{oldest}; in the way of a faster one: {newest}"))
            }
        }
    }

    /// Whether a backend works here.
    fn attempt(&self, backend: Backend) -> io::Result<()> {
        let Self { shards, limits, resources, ring_submissions } = *self;
        let is_short = resources.locked_bytes < LOCKED_BYTES_AMPLE * shards as u64;
        match backend {
            Backend::Modern => {
                modern::self_test()?;
                if is_short { modern::rehearse(shards, ring_submissions, limits) } else { Ok(()) }
            }
            Backend::Basic => {
                basic::self_test()?;
                if is_short { basic::rehearse(shards, ring_submissions, limits) } else { Ok(()) }
            }
            Backend::Epoll => Ok(()),
        }
    }

    fn chosen(&self, backend: Backend, why: &str) -> Chosen {
        let Self { shards, limits, resources, ring_submissions } = *self;
        let (interface, capacity) = match backend {
            Backend::Modern => ("io_uring", limits::capacity_of_ring(limits, resources)),
            Backend::Basic => {
                ("io_uring of Linux 5.1", limits::capacity_of_process(limits, resources, shards))
            }
            Backend::Epoll => ("epoll", limits::capacity_of_process(limits, resources, shards)),
        };
        Chosen { backend, reason: format!("{interface}: {why}"), capacity, ring_submissions }
    }
}

fn without_ring(obstacle: &str) -> String {
    format!("io_uring cannot be used: {obstacle}")
}

/// What stands in the way of a backend over io_uring, and what to change.
fn obstacle(error: &io::Error, backend: Backend) -> String {
    let setting = fs::read_to_string("/proc/sys/kernel/io_uring_disabled");
    let disabled = setting.ok().and_then(|text| text.trim().parse().ok());
    obstacle_with(error, backend, disabled)
}

fn obstacle_with(error: &io::Error, backend: Backend, disabled: Option<u32>) -> String {
    let version = match backend {
        Backend::Modern => "6.0",
        Backend::Basic | Backend::Epoll => "5.1",
    };
    // Errors of the ring were given context, which keeps their kind and drops their number.
    let remedy = match (error.kind(), disabled) {
        (io::ErrorKind::PermissionDenied, Some(1)) => {
            "run as a member of kernel.io_uring_group, or: sysctl kernel.io_uring_disabled=0".to_owned()
        }
        (io::ErrorKind::PermissionDenied, Some(2..)) => "sysctl kernel.io_uring_disabled=0".to_owned(),
        (io::ErrorKind::PermissionDenied, _) => {
            "allow io_uring_setup, io_uring_enter and io_uring_register in the seccomp profile".to_owned()
        }
        (io::ErrorKind::Unsupported, _) => {
            format!("use Linux {version} or newer, or allow the io_uring system calls in the seccomp profile")
        }
        (io::ErrorKind::OutOfMemory, _) => {
            "raise the limit of locked memory (ulimit -l, LimitMEMLOCK)".to_owned()
        }
        (io::ErrorKind::InvalidInput, _) => format!("use Linux {version} or newer"),
        _ => "report this with the kernel's version (uname -a)".to_owned(),
    };
    format!("{error}; to change that: {remedy}")
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
            let error = io::Error::from_raw_os_error(number);
            let text = obstacle_with(&error, Backend::Modern, disabled);
            assert!(text.contains(remedy), "{number}: {text}");
        }
    }
}
