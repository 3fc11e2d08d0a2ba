//! The small values that cross the border of this crate: names, times, refusals and counters. No behaviour.

/// A connection of one reactor. The generation makes a late use of a closed connection harmless: it names
/// nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnectionId {
    /// Index into the reactor's connection table.
    pub slot: u32,
    /// How often that slot was used before; 24 bits.
    pub generation: u32,
}

impl ConnectionId {
    /// Both parts in one number, for tables that need a plain key.
    pub const fn to_u64(self) -> u64 {
        (self.generation as u64) << 32 | self.slot as u64
    }

    /// The inverse of [`ConnectionId::to_u64`].
    pub const fn from_u64(packed: u64) -> Self {
        Self { slot: packed as u32, generation: (packed >> 32) as u32 }
    }
}

/// A file opened with [`Reactor::open_file`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FileId(pub u32);

/// The time of one turn, read once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Time {
    /// Milliseconds since 1970-01-01T00:00:00Z by the system clock.
    pub unix_ms: u64,
    /// Microseconds of a clock that never goes back; its zero means nothing.
    pub monotonic_us: u64,
}

/// Which implementation of [`Reactor`] runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Backend {
    /// io_uring of Linux 6.0 and later: multishot, buffer rings, direct descriptors.
    Modern,
    /// What io_uring had in Linux 5.1: reads and writes of many connections in one call.
    Basic,
    /// epoll and ordinary system calls: where io_uring is absent or forbidden.
    Epoll,
}

/// What [`Reactor::send`] can refuse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SendError {
    /// The connection is closed or closing; nothing was queued.
    Closed,
    /// The outbox would pass its limit; nothing was queued. Whether the peer is closed as a slow reader is
    /// the caller's choice.
    Full,
}

/// Counters since the reactor was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Connections that exist now.
    pub connections: u64,
    /// Connections that there may be.
    pub slots: u64,
    /// Turns taken.
    pub turns: u64,
    /// System calls made (`io_uring_enter`, or epoll, read, write and the like).
    pub system_calls: u64,
    /// Times the receive buffers ran out and a connection had to wait for one.
    pub buffers_exhausted: u64,
    /// Receive buffers that there are, where the kernel takes them from a pool.
    pub receive_buffers: u64,
    /// Operations under way for connections and files; what waits for whoever comes next is not counted. Zero when
    /// nothing is connected and nothing is written.
    pub in_flight: u64,
    /// Receive buffers that hold bytes which were not reported yet; zero when nothing is going on.
    pub receive_buffers_out: u64,
    /// Connections with something queued that waits for its turn to be sent, about.
    pub senders: u64,
    /// Connections that were quiet for some seconds and wait by a poll, where the backend knows anything that
    /// costs the kernel less than what it waits by while they talk.
    pub resting: u64,
    /// Bytes received.
    pub received_bytes: u64,
    /// Bytes the kernel took from us.
    pub sent_bytes: u64,
}

/// Which backend to use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BackendChoice {
    /// The best that the probe and the self-test allow.
    Auto,
    /// Exactly this one, or an error that says what is missing.
    Exactly(Backend),
}
