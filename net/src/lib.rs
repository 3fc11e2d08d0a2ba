//! The reactor: sockets, journal files and time for one shard thread.
//!
//! [`fabric`] makes the ports that join the shards of one process; each shard thread opens its port
//! and gets a [`Reactor`]. A reactor is driven by calling [`Reactor::turn`] for ever: one turn sends all
//! that was queued, waits, and reports what happened as [`Event`]s. This is the only crate with `unsafe`
//! code and the only one that reads a clock. What the bytes mean is not known here.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    path::Path,
    time::Duration,
};

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

/// Why a connection is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseReason {
    /// The peer closed or reset it.
    Peer,
    /// We asked for it with [`Reactor::close`] or [`Reactor::abort`].
    Ours,
    /// The peer read too slowly: its outbox passed the limit.
    SlowReader,
    /// `connect` failed, or the kernel reported another error number on the socket.
    Error(i32),
}

/// Something that happened. Everything about one connection arrives in order, and nothing after
/// [`Event::Closed`] or [`Event::HandedOver`].
#[derive(Debug)]
pub enum Event<'a> {
    /// A peer connected to our listener.
    Accepted {
        /// The new connection.
        connection: ConnectionId,
    },
    /// A [`Reactor::connect`] succeeded.
    Connected {
        /// The connection that `connect` returned.
        connection: ConnectionId,
    },
    /// Another shard handed a connection to this one.
    Adopted {
        /// Its name here.
        connection: ConnectionId,
        /// What the other shard passed to [`Reactor::hand_over`].
        token: u64,
    },
    /// Bytes from the peer. The slice is the receive buffer itself, so that it may be unmasked in place.
    Received {
        /// Whose.
        connection: ConnectionId,
        /// What arrived, at least one byte.
        bytes: &'a mut [u8],
    },
    /// The outbox became empty after [`Reactor::send`] had filled it past half its limit.
    Drained {
        /// Whose.
        connection: ConnectionId,
    },
    /// The connection is gone and its name with it. Also reported for a failed `connect`.
    Closed {
        /// Which.
        connection: ConnectionId,
        /// Why.
        reason: CloseReason,
    },
    /// A [`Reactor::hand_over`] is complete: nothing more will be reported for this connection here.
    HandedOver {
        /// Which.
        connection: ConnectionId,
    },
    /// A [`Reactor::write_durable`] ended: with `Ok`, the bytes survive power loss.
    Written {
        /// What was passed to `write_durable`.
        token: u64,
        /// An error is final: the state of the file is unknown and must not be retried.
        result: io::Result<()>,
    },
}

/// Which implementation of [`Reactor`] runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Backend {
    /// io_uring of Linux 6.0 and later: multishot, buffer rings, direct descriptors.
    Modern,
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
    /// Turns taken.
    pub turns: u64,
    /// System calls made (`io_uring_enter`, or epoll, read, write and the like).
    pub system_calls: u64,
    /// Times the receive buffers ran out and a connection had to wait for one.
    pub buffers_exhausted: u64,
    /// Bytes received and sent.
    pub received_bytes: u64,
    /// Bytes the kernel took from us.
    pub sent_bytes: u64,
}

/// Sockets, files and time of one shard. Not `Send`: it lives and dies on the shard's thread.
pub trait Reactor {
    /// Which implementation this is.
    fn backend(&self) -> Backend;

    /// Listens on `address` with `SO_REUSEPORT`, so that every shard has a listener of its own on the same
    /// port, and accepts from now on. Returns the address bound (port 0 picks one).
    fn listen(&mut self, address: SocketAddr) -> io::Result<SocketAddr>;

    /// Stops accepting; connections stay.
    fn stop_listening(&mut self);

    /// Begins to connect; ends with [`Event::Connected`] or [`Event::Closed`]. `from` chooses the local
    /// address, for loads that need more than one address's worth of ports.
    fn connect(&mut self, from: Option<IpAddr>, to: SocketAddr) -> io::Result<ConnectionId>;

    /// The peer's address, asked of the kernel on demand; `None` where the kernel cannot say.
    fn peer(&mut self, connection: ConnectionId) -> Option<SocketAddr>;

    /// Copies `bytes` to the connection's outbox. All that a turn queues for a connection leaves in one
    /// send at the next [`Reactor::turn`].
    fn send(&mut self, connection: ConnectionId, bytes: &[u8]) -> Result<(), SendError>;

    /// Sends what is queued, then closes. [`Event::Closed`] follows; bytes still arriving are dropped. A
    /// peer that does not take what is queued is aborted after a few seconds.
    fn close(&mut self, connection: ConnectionId);

    /// Closes at once, dropping what is queued, and says why in [`Event::Closed`].
    fn abort(&mut self, connection: ConnectionId, reason: CloseReason);

    /// Gives the connection to the reactor of shard `to`, which sees [`Event::Adopted`] with `token`. What
    /// is queued is sent first; bytes that arrive before it has left are still reported here, before
    /// [`Event::HandedOver`]; bytes after that are reported there.
    fn hand_over(&mut self, connection: ConnectionId, to: usize, token: u64);

    /// Opens an existing file for durable writes. Its blocks must be allocated and zero-filled: this crate
    /// never grows a file.
    fn open_file(&mut self, path: &Path) -> io::Result<FileId>;

    /// Closes the file after its last write.
    fn close_file(&mut self, file: FileId);

    /// Writes `bytes` at `offset` so that they survive power loss, and reports [`Event::Written`]. Offset
    /// and length are multiples of 4096; the bytes are copied, so the caller may reuse them at once.
    fn write_durable(&mut self, file: FileId, offset: u64, bytes: &[u8], token: u64);

    /// One turn: submits everything queued since the last one, waits until something happens, another
    /// thread wakes us or `wait` is over, and reports what happened. Before it would sleep it publishes
    /// that it sleeps and asks `ready`: if that says yes (work came by another way than the kernel), it
    /// does not sleep. A [`Waker`] used after that is never lost. Returns the time of the turn.
    fn turn(
        &mut self,
        wait: Duration,
        ready: &mut dyn FnMut() -> bool,
        on_event: &mut dyn FnMut(Time, Event<'_>),
    ) -> io::Result<Time>;

    /// The time as of now, for work before the first turn.
    fn now(&self) -> Time;

    /// Counters since the start.
    fn stats(&self) -> Stats;
}

/// Which backend to use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BackendChoice {
    /// The best that the probe and the self-test allow.
    Auto,
    /// Exactly this one, or an error that says what is missing.
    Exactly(Backend),
}

/// What a reactor may use.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections a shard.
    pub connections_max: u32,
    /// Bytes queued for one connection before [`SendError::Full`].
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
            receive_buffers: 1024,
            receive_buffer_bytes: 2048,
        }
    }
}

/// Wakes a reactor that sleeps; costs one atomic load when it does not. Any thread may use it.
#[derive(Clone, Debug)]
pub struct Waker;

impl Waker {
    /// To be called after the work was made visible to `ready` of [`Reactor::turn`].
    pub fn wake(&self) {
        unimplemented!()
    }
}

/// The place of one shard in the fabric; made on any thread, opened on the shard's own.
#[derive(Debug)]
pub struct Port;

impl Port {
    /// For other threads that want to wake this shard.
    pub fn waker(&self) -> Waker {
        unimplemented!()
    }

    /// Pins the calling thread to `cpu`, if given, and makes the reactor on it.
    pub fn open(self, _cpu: Option<usize>) -> io::Result<Box<dyn Reactor>> {
        unimplemented!()
    }
}

/// Joined ports, and how the choice of backend was made.
#[derive(Debug)]
pub struct Fabric {
    /// The backend all shards use.
    pub backend: Backend,
    /// One line for the log: which backend, why, and what to change to get a better one.
    pub reason: String,
    /// One a shard.
    pub ports: Vec<Port>,
}

/// Chooses a backend by probe and self-test and makes the ports of `shards` shards.
pub fn fabric(_shards: usize, _choice: BackendChoice, _limits: Limits) -> io::Result<Fabric> {
    unimplemented!()
}

/// The CPUs this process may run on, in order.
pub fn allowed_cpus() -> Vec<usize> {
    unimplemented!()
}
