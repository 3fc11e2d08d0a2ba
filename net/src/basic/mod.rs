//! The reactor over what io_uring had in Linux 5.1: polls, reads and writes on registered buffers, and syncs.
//!
//! Which sockets are ready is told by one epoll instance, and that is the only thing the ring polls: so the
//! number of connections is not bounded by the ring, whose completions a kernel before 5.5 loses when there is
//! no room for them. The listener, the doorbell and a timer are watched by the same instance. What is ready is
//! then read, and what is queued is written, by one call for all connections of a turn. A reactor sleeps in
//! the ring while that has something under way, and else in the instance itself, which costs less.
//!
//! Nothing here is newer than Linux 5.1; `restriction` lets the kernel itself hold us to that. Sockets are
//! non-blocking, for a kernel of that age would wait for a blocking one inside the call that submits. The life
//! of a connection is in `lifecycle`, what completions mean in `completions`, durable writes in `files`.

mod buffers;
mod completions;
mod connection;
mod exchange;
mod files;
mod lifecycle;
mod restriction;
mod ring;
mod timer;

use std::{
    collections::VecDeque,
    io,
    mem::ManuallyDrop,
    net::{IpAddr, SocketAddr, TcpListener},
    os::fd::{AsRawFd, RawFd},
    path::Path,
    sync::Arc,
    time::Duration,
};

use io_uring::cqueue;

pub(crate) use self::restriction::is_restricted;
use self::{
    buffers::{Buffers, register},
    connection::{Connection, Phase},
    ring::Ring,
    timer::Timer,
};
use crate::{
    Backend, CloseReason, ConnectionId, Event, FileId, Limits, Reactor, SendError, Stats, Time, clock,
    deadlines::Deadlines,
    fabric::{ShardEnd, Shared},
    files::Files,
    limits::{ACCEPTS_PER_TURN_MAX, CLOSE_FLUSH_MS_MAX, CLOSE_LINGER_MS_MAX},
    notice::{Notice, Notices},
    poller::{Poller, READ, READ_EDGE, WRITE},
    selftest,
    senders::Senders,
    slots::Slots,
    socket,
};

/// Keys that no connection has: generations are 24 bits.
const LISTENER: u64 = u64::MAX;
const DOORBELL: u64 = u64::MAX - 1;
const TIMER: u64 = u64::MAX - 2;

/// One shard's reactor.
pub(crate) struct BasicReactor {
    shared: Arc<Shared>,
    shard: usize,
    limits: Limits,
    ring: Ring,
    /// What the kernel writes or reads: given back only when the ring is idle.
    receives: ManuallyDrop<Buffers>,
    sends: ManuallyDrop<Buffers>,
    files: ManuallyDrop<Files>,
    /// Completions taken from the ring and not looked at yet.
    completions: VecDeque<cqueue::Entry>,
    poller: Poller,
    /// The ring polls the poller.
    polling: bool,
    /// The poller has something to report.
    due: bool,
    /// How much the poller reported that was not looked at yet; `None` if it was not asked.
    reports: Option<usize>,
    timer: Timer,
    connections: Slots<Connection>,
    listener: Option<TcpListener>,
    /// When to accept again, after descriptors or slots ran out.
    accept_again_us: Option<u64>,
    senders: Senders,
    /// Connections to be handed over at the start of the next turn: what was reported of them in this one must
    /// be in the caller's hands before another shard can report more.
    departing: Vec<ConnectionId>,
    /// Bytes were reported in this turn.
    reported_bytes: bool,
    flush_deadlines: Deadlines,
    linger_deadlines: Deadlines,
    notices: Notices,
    /// Something was reported in this turn, so the caller must have its say before we sleep.
    active: bool,
    /// How often more the ring may be entered in this turn for what is found on the way.
    rounds_left: u32,
    stats: Stats,
}

/// Whether this kernel does what this backend builds on.
pub(crate) fn self_test() -> io::Result<()> {
    selftest::run(BasicReactor::open)
}

/// Whether the rings and buffers of all shards fit into locked memory at once, before any shard starts: one
/// that fails later could not fall back to another backend.
pub(crate) fn rehearse(shards: usize, submissions: u32, limits: &Limits) -> io::Result<()> {
    let rings: io::Result<Vec<_>> = (0..shards)
        .map(|_| {
            let ring = Ring::new(submissions, is_restricted())?;
            let buffers = register(&ring, limits.receive_buffers, limits.receive_buffer_bytes)?;
            Ok((ring, buffers))
        })
        .collect();
    rings.map(drop)
}

impl BasicReactor {
    pub(crate) fn open(shared: Arc<Shared>, shard: usize) -> io::Result<Self> {
        let limits = shared.limits;
        let ring = Ring::new(shared.ring_submissions, is_restricted())
            .map_err(|error| context("cannot make a ring", error))?;
        let (receives, sends) = register(&ring, limits.receive_buffers, limits.receive_buffer_bytes)
            .map_err(|error| context("cannot register buffers (raise ulimit -l)", error))?;
        let (poller, timer) = (Poller::new()?, Timer::new()?);
        poller.add(shared.shards[shard].doorbell.descriptor(), READ_EDGE, DOORBELL)?;
        poller.add(timer.descriptor(), READ_EDGE, TIMER)?;
        ignore_broken_pipes();
        Ok(Self {
            shared,
            shard,
            limits,
            ring,
            receives: ManuallyDrop::new(receives),
            sends: ManuallyDrop::new(sends),
            files: ManuallyDrop::new(Files::default()),
            completions: VecDeque::new(),
            poller,
            polling: false,
            due: false,
            reports: None,
            timer,
            connections: Slots::new(limits.connections_max),
            listener: None,
            accept_again_us: None,
            senders: Senders::new(limits.outbox_bytes_max),
            departing: Vec::new(),
            reported_bytes: false,
            flush_deadlines: Deadlines::new(CLOSE_FLUSH_MS_MAX),
            linger_deadlines: Deadlines::new(CLOSE_LINGER_MS_MAX),
            notices: Notices::default(),
            active: false,
            rounds_left: 0,
            stats: Stats::default(),
        })
    }

    fn end(&self) -> &ShardEnd {
        &self.shared.shards[self.shard]
    }

    /// Takes the connections that other shards left for this one.
    fn collect(&mut self) {
        while let Some(parcel) = self.end().mailbox.take() {
            self.adopt(parcel);
        }
    }

    /// How long the kernel may keep us: until the caller's wish or the next deadline of our own.
    fn shorten(&self, wait: Duration, now: Time) -> Duration {
        let next = [self.flush_deadlines.next_us(), self.linger_deadlines.next_us(), self.accept_again_us];
        let next_us = next.into_iter().flatten().min();
        next_us.map_or(wait, |at_us| wait.min(Duration::from_micros(at_us.saturating_sub(now.monotonic_us))))
    }

    fn accept(&mut self, time: Time) {
        for _ in 0..ACCEPTS_PER_TURN_MAX {
            let Some(listener) = &self.listener else { return };
            if self.connections.is_full() {
                return self.pause_accepting(time);
            }
            self.stats.system_calls += 1;
            match listener.accept() {
                Ok((stream, peer)) => self.welcome(stream, |id| Notice::Accepted(id, Some(peer))),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) => match error.raw_os_error() {
                    // The peer gave up, or a signal came, before we got to it: look at the next.
                    Some(libc::ECONNABORTED | libc::EINTR | libc::EPROTO) => {}
                    _ => {
                        tracing::warn!(%error, "cannot accept; trying again after a pause");
                        return self.pause_accepting(time);
                    }
                },
            }
        }
    }

    /// Watches for what the connection can still do.
    fn watch(&mut self, id: ConnectionId, full: bool) {
        let Some(connection) = self.connections.get_mut(id) else { return };
        let interest = if connection.ended { 0 } else { READ } | if full { WRITE } else { 0 };
        if interest == connection.interest || matches!(connection.phase, Phase::Ending(_)) {
            return;
        }
        connection.interest = interest;
        self.stats.system_calls += 1;
        if let Err(error) = self.poller.change(connection.stream.as_raw_fd(), interest, id.to_u64()) {
            self.failed(id, &error);
        }
    }

    /// Stops watching a descriptor that stays open.
    fn forget(&mut self, descriptor: RawFd) {
        self.stats.system_calls += 1;
        if let Err(error) = self.poller.remove(descriptor) {
            tracing::error!(%error, "cannot stop watching a connection");
        }
    }
}

fn context(what: &str, error: io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{what}: {error}"))
}

/// A write to a socket whose peer is gone also sends a signal, which would end the process, and Linux 5.1 has
/// no operation that takes `MSG_NOSIGNAL`. Rust's runtime ignores it from the start; a host in another
/// language that uses this crate might not.
fn ignore_broken_pipes() {
    // SAFETY: the disposition is a constant of the system and no handler of ours, so nothing runs later.
    if unsafe { libc::signal(libc::SIGPIPE, libc::SIG_IGN) } == libc::SIG_ERR {
        tracing::warn!(error = %io::Error::last_os_error(), "cannot ignore SIGPIPE");
    }
}

impl Reactor for BasicReactor {
    fn backend(&self) -> Backend {
        Backend::Basic
    }

    fn listen(&mut self, address: SocketAddr) -> io::Result<SocketAddr> {
        if self.listener.is_some() {
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, "this reactor already listens"));
        }
        let (listener, bound) = socket::listener(address)?;
        listener.set_nonblocking(true)?;
        self.poller.add(listener.as_raw_fd(), READ, LISTENER)?;
        self.listener = Some(listener.into());
        Ok(bound)
    }

    fn stop_listening(&mut self) {
        self.listener = None;
        self.accept_again_us = None;
    }

    fn connect(&mut self, from: Option<IpAddr>, to: SocketAddr) -> io::Result<ConnectionId> {
        let socket = socket::outgoing(from, to)?;
        socket.set_nonblocking(true)?;
        self.stats.system_calls += 3;
        match socket.connect(&to.into()) {
            Ok(()) => {}
            Err(error) if error.raw_os_error() == Some(libc::EINPROGRESS) => {}
            Err(error) => return Err(error),
        }
        let connection = Connection::new(socket.into(), Phase::Connecting, READ | WRITE);
        let descriptor = connection.stream.as_raw_fd();
        let Ok(id) = self.connections.insert(connection) else {
            return Err(io::Error::other("all connection slots are in use"));
        };
        if let Err(error) = self.poller.add(descriptor, READ | WRITE, id.to_u64()) {
            self.connections.remove(id);
            return Err(error);
        }
        Ok(id)
    }

    fn peer(&mut self, connection: ConnectionId) -> Option<SocketAddr> {
        self.connections.get(connection)?.stream.peer_addr().ok()
    }

    fn send(&mut self, id: ConnectionId, bytes: &[u8]) -> Result<(), SendError> {
        self.senders.send(&mut self.connections, id, bytes)
    }

    fn send_later(&mut self, id: ConnectionId, bytes: &[u8]) -> Result<(), SendError> {
        self.senders.send_later(&mut self.connections, id, bytes)
    }

    fn hurry(&mut self, connection: ConnectionId) {
        self.senders.hurry(&mut self.connections, connection);
    }

    fn close(&mut self, connection: ConnectionId) {
        self.begin_close(connection);
    }

    fn abort(&mut self, connection: ConnectionId, reason: CloseReason) {
        self.finish(connection, reason);
    }

    fn hand_over(&mut self, connection: ConnectionId, to: usize, token: u64) {
        self.begin_hand_over(connection, to, token);
    }

    fn open_file(&mut self, path: &Path) -> io::Result<FileId> {
        self.files.open(path)
    }

    fn close_file(&mut self, file: FileId) {
        self.files.close(file);
    }

    fn write_durable(&mut self, file: FileId, offset: u64, bytes: &[u8], token: u64) {
        if let Err(error) = self.start_write(file, offset, bytes, token) {
            self.notices.push(Notice::Written(token, Err(error)));
        }
    }

    fn turn(
        &mut self,
        wait: Duration,
        ready: &mut dyn FnMut() -> bool,
        on_event: &mut dyn FnMut(Time, Event<'_>),
    ) -> io::Result<Time> {
        self.take_turn(wait, ready, on_event)
    }

    fn report_written(&mut self, _on_event: &mut dyn FnMut(Time, Event<'_>)) -> io::Result<()> {
        Ok(())
    }

    fn now(&self) -> Time {
        clock::now()
    }

    fn stats(&self) -> Stats {
        Stats {
            connections: self.connections.len() as u64,
            senders: self.senders.len() as u64,
            slots: self.limits.connections_max.into(),
            receive_buffers: u64::from(self.receives.count()),
            in_flight: (self.ring.in_flight() - usize::from(self.polling)) as u64,
            receive_buffers_out: u64::from(self.receives.out()),
            system_calls: self.stats.system_calls + self.ring.system_calls,
            ..self.stats
        }
    }
}
