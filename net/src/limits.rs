//! What a reactor may use, what the process is allowed to use, and what follows from both. Numbers only:
//! no socket and no ring is made here.

use std::io;

/// Milliseconds that a closing peer has to take what is queued for it.
pub(crate) const CLOSE_FLUSH_MS_MAX: u64 = 5_000;
/// Milliseconds that a closing peer has to send its own end, after it was sent ours.
pub(crate) const CLOSE_LINGER_MS_MAX: u64 = 1_000;
/// Milliseconds without bytes after which a connection's armed receive ends and a poll takes its place, for which the
/// kernel holds a third of the memory; up to twice as long where more bytes came in that time. The poll finds a reset
/// that came together with the last bytes: Linux 6.18 does not wake a multishot receive for such a reset, and it would
/// wait for ever.
pub(crate) const RECHECK_MS: u64 = 1_000;
/// Milliseconds without accepting after the process or the table ran out of descriptors.
pub(crate) const ACCEPT_PAUSE_MS: u64 = 100;
/// Connections waiting to be accepted; the kernel caps it at `net.core.somaxconn`.
pub(crate) const BACKLOG: i32 = 16_384;
/// Accepts that a ring has under way at once, each with room for the peer's address: so many connections can come
/// between two turns before the next has to wait for one.
pub(crate) const ACCEPTS_AT_ONCE: usize = 64;
/// Connections accepted in one turn, so that a storm of them does not starve those that exist.
pub(crate) const ACCEPTS_PER_TURN_MAX: usize = 256;
/// An outbox that held so many bytes is reported by [`crate::Event::Drained`] when it is empty: below it,
/// nobody paces what is sent.
pub const DRAINED_ABOVE_BYTES: usize = 16 * 1024;
/// Outbox buffers kept for reuse by each reactor.
pub(crate) const OUTBOXES_POOLED_MAX: usize = 1_024;
/// An outbox buffer that grew past this many bytes is freed and not kept.
pub(crate) const OUTBOX_POOLED_BYTES_MAX: usize = 4 * 1024;
/// Length and offset of a durable write are multiples of this, and so is its memory.
pub(crate) const BLOCK_BYTES: usize = 4_096;
/// Writes that may wait for the helper thread of the epoll backend at once.
pub(crate) const WRITES_QUEUED_MAX: usize = 64;
/// Descriptors of the process that are not connections: files, listeners, rings, pipes, logs.
const DESCRIPTORS_RESERVED: u64 = 128;
/// The most entries that the kernel lets a registered file table have.
const REGISTERED_FILES_MAX: u64 = 1 << 20;
/// Fewest connections a shard for which a start makes sense.
const CONNECTIONS_MIN: u32 = 16;

const _: () = assert!(BLOCK_BYTES.is_power_of_two());
const _: () = assert!(CLOSE_LINGER_MS_MAX <= CLOSE_FLUSH_MS_MAX);
const _: () = assert!(CONNECTIONS_MIN as u64 <= DESCRIPTORS_RESERVED);

/// What a reactor may use.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections a shard.
    pub connections_max: u32,
    /// Bytes queued for one connection before [`SendError::Full`](crate::SendError::Full).
    pub outbox_bytes_max: usize,
    /// Receive buffers a shard; a power of two.
    pub receive_buffers: u16,
    /// Bytes of each receive buffer.
    pub receive_buffer_bytes: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections_max: 65_536,
            outbox_bytes_max: 1024 * 1024,
            receive_buffers: 512,
            receive_buffer_bytes: 2048,
        }
    }
}

impl Limits {
    /// Refuses what no backend could run with.
    pub(crate) fn check(&self) -> io::Result<()> {
        let fault = if !self.receive_buffers.is_power_of_two() || self.receive_buffers > 32_768 {
            "receive_buffers must be a power of two up to 32768"
        } else if self.receive_buffer_bytes == 0 {
            "receive_buffer_bytes must not be zero"
        } else if self.outbox_bytes_max == 0 || self.outbox_bytes_max > u32::MAX as usize {
            "outbox_bytes_max must be between 1 and 4294967295"
        } else if self.connections_max == 0 {
            "connections_max must not be zero"
        } else {
            return Ok(());
        };
        Err(io::Error::new(io::ErrorKind::InvalidInput, fault))
    }
}

/// How many connections the limits of the process allow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capacity {
    /// Connections each shard can hold: what was asked for, or less.
    pub connections_per_shard: u32,
    /// What to raise to get what was asked for; `None` if that is what there is.
    pub remedy: Option<String>,
}

/// What the process may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ResourceLimits {
    /// Open files (`RLIMIT_NOFILE`).
    pub files: u64,
    /// Bytes of locked memory (`RLIMIT_MEMLOCK`), which rings of ordinary users are charged to.
    pub locked_bytes: u64,
}

/// Raises the soft limits of open files and locked memory to the hard ones, and says what there is now.
/// A limit that cannot be raised stays: the capacity follows from what is there.
pub(crate) fn raise_resource_limits() -> ResourceLimits {
    let limits =
        ResourceLimits { files: raise(libc::RLIMIT_NOFILE), locked_bytes: raise(libc::RLIMIT_MEMLOCK) };
    tracing::debug!(?limits, "resource limits");
    limits
}

fn raise(resource: libc::__rlimit_resource_t) -> u64 {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limit` is a live, writable `rlimit` of this frame; the kernel writes it before returning and
    // keeps no pointer to it.
    if unsafe { libc::getrlimit(resource, &mut limit) } != 0 {
        tracing::warn!(resource, error = %io::Error::last_os_error(), "cannot read a resource limit");
        return 1024;
    }
    let wanted = libc::rlimit { rlim_cur: limit.rlim_max, rlim_max: limit.rlim_max };
    // SAFETY: `wanted` is a live `rlimit` of this frame that the kernel only reads during the call.
    if limit.rlim_cur < limit.rlim_max && unsafe { libc::setrlimit(resource, &wanted) } == 0 {
        return limit.rlim_max;
    }
    limit.rlim_cur
}

/// With ordinary descriptors, all shards share the limit of the process.
pub(crate) fn capacity_of_process(limits: &Limits, resources: ResourceLimits, shards: usize) -> Capacity {
    let each = resources.files.saturating_sub(DESCRIPTORS_RESERVED) / shards as u64;
    let needed = u64::from(limits.connections_max) * shards as u64 + DESCRIPTORS_RESERVED;
    capacity(limits, each, &format!("raise the limit of open files (ulimit -Hn, LimitNOFILE) to {needed}"))
}

/// With registered descriptors, each ring has the limit of the process for itself.
pub(crate) fn capacity_of_ring(limits: &Limits, resources: ResourceLimits) -> Capacity {
    let needed = u64::from(limits.connections_max);
    let remedy = if needed > REGISTERED_FILES_MAX {
        format!("use more shards: the kernel registers at most {REGISTERED_FILES_MAX} files a ring")
    } else {
        format!("raise the limit of open files (ulimit -Hn, LimitNOFILE) to {needed}, or use more shards")
    };
    capacity(limits, resources.files.min(REGISTERED_FILES_MAX), &remedy)
}

fn capacity(limits: &Limits, allowed: u64, remedy: &str) -> Capacity {
    let allowed = u32::try_from(allowed).unwrap_or(u32::MAX).max(CONNECTIONS_MIN);
    if allowed >= limits.connections_max {
        return Capacity { connections_per_shard: limits.connections_max, remedy: None };
    }
    Capacity { connections_per_shard: allowed, remedy: Some(remedy.to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(connections_max: u32, files: u64, shards: usize, process: u32, ring: u32) {
        let limits = Limits { connections_max, ..Limits::default() };
        let resources = ResourceLimits { files, locked_bytes: 0 };
        let of_process = capacity_of_process(&limits, resources, shards);
        let of_ring = capacity_of_ring(&limits, resources);
        assert_eq!((of_process.connections_per_shard, of_ring.connections_per_shard), (process, ring));
        assert_eq!(of_process.remedy.is_some(), process < connections_max);
        assert_eq!(of_ring.remedy.is_some(), ring < connections_max);
    }

    #[test]
    fn capacity_follows_from_the_limit_of_open_files() {
        check(1_000, 20_000, 2, 1_000, 1_000);
        check(65_536, 20_000, 2, 9_936, 20_000);
        check(65_536, 1_024, 4, 224, 1_024);
        check(2_000_000, 10_000_000, 2, 2_000_000, 1 << 20);
        check(100, 10, 1, 16, 16);
    }
}
