//! The reactor over epoll and ordinary system calls, for hosts where io_uring is absent or forbidden.
//!
//! Level-triggered, so that a connection that was not read to its end is simply reported again; one read and
//! one write a connection and turn in the common case. The life of a connection is in `lifecycle`.

mod connection;
mod lifecycle;
mod writer;

use std::{
    io::{self, Read, Write},
    net::{IpAddr, SocketAddr, TcpListener, TcpStream},
    os::fd::AsRawFd,
    path::Path,
    sync::Arc,
    time::Duration,
};

use self::{
    connection::{Connection, Phase},
    writer::{Job, Writer},
};
use crate::{
    Backend, CloseReason, ConnectionId, Event, FileId, Reactor, SendError, Stats, Time, clock,
    deadlines::Deadlines,
    durable::{BlockBuffers, DurableFile},
    fabric::{ShardEnd, Shared},
    limits::{ACCEPT_PAUSE_MS, ACCEPTS_PER_TURN_MAX, CLOSE_FLUSH_MS_MAX, CLOSE_LINGER_MS_MAX, Limits},
    notice::{Notice, Notices, OnEvent},
    poller::{Poller, READ, READ_EDGE, Ready, WRITE},
    senders::Senders,
    slots::Slots,
    socket,
};

/// Keys that no connection has: generations are 24 bits.
const LISTENER: u64 = u64::MAX;
const DOORBELL: u64 = u64::MAX - 1;
/// Bytes read at once, from whichever connection is readable.
const READ_BYTES: usize = 32 * 1024;
/// Bytes read from one connection in one turn, before others get theirs.
const READ_BYTES_PER_TURN_MAX: usize = 4 * READ_BYTES;

/// One shard's reactor.
pub(crate) struct EpollReactor {
    shared: Arc<Shared>,
    shard: usize,
    limits: Limits,
    poller: Poller,
    connections: Slots<Connection>,
    listener: Option<TcpListener>,
    /// When to accept again, after descriptors or slots ran out.
    accept_again_us: Option<u64>,
    buffer: Box<[u8]>,
    senders: Senders,
    /// Connections to be handed over at the start of the next turn: what was reported of them in this one must
    /// be in the caller's hands before another shard can report more.
    departing: Vec<ConnectionId>,
    /// Bytes were reported in this turn.
    reported_bytes: bool,
    flush_deadlines: Deadlines,
    linger_deadlines: Deadlines,
    notices: Notices,
    files: Vec<Option<Arc<DurableFile>>>,
    buffers: BlockBuffers,
    writer: Option<Writer>,
    stats: Stats,
}

impl EpollReactor {
    pub(crate) fn open(shared: Arc<Shared>, shard: usize) -> io::Result<Self> {
        let limits = shared.limits;
        let poller = Poller::new()?;
        poller.add(shared.shards[shard].doorbell.descriptor(), READ_EDGE, DOORBELL)?;
        Ok(Self {
            shared,
            shard,
            limits,
            poller,
            connections: Slots::new(limits.connections_max),
            listener: None,
            accept_again_us: None,
            buffer: vec![0; READ_BYTES].into_boxed_slice(),
            senders: Senders::new(limits.outbox_bytes_max),
            departing: Vec::new(),
            reported_bytes: false,
            flush_deadlines: Deadlines::new(CLOSE_FLUSH_MS_MAX),
            linger_deadlines: Deadlines::new(CLOSE_LINGER_MS_MAX),
            notices: Notices::default(),
            files: Vec::new(),
            buffers: BlockBuffers::default(),
            writer: None,
            stats: Stats::default(),
        })
    }

    fn end(&self) -> &ShardEnd {
        &self.shared.shards[self.shard]
    }

    /// Takes what other threads left for this reactor.
    fn collect(&mut self) {
        while let Some(parcel) = self.end().mailbox.take() {
            self.adopt(parcel);
        }
        while let Some(done) = self.writer.as_mut().and_then(Writer::take) {
            self.buffers.give_back(done.buffer);
            self.notices.push(Notice::Written(done.token, done.result));
        }
    }

    fn has_mail(&self) -> bool {
        !self.end().mailbox.is_empty() || self.writer.as_ref().is_some_and(Writer::has_done)
    }

    fn flush_senders(&mut self) {
        let mut share = self.senders.share();
        while let Some(id) = self.senders.next(&mut self.connections, &mut share) {
            self.flush(id);
        }
    }

    /// How long the kernel may keep us: until the caller's wish or the next deadline of our own.
    fn shorten(&self, wait: Duration, now: Time) -> Duration {
        let next = [self.flush_deadlines.next_us(), self.linger_deadlines.next_us(), self.accept_again_us];
        let next_us = next.into_iter().flatten().min();
        next_us.map_or(wait, |at_us| wait.min(Duration::from_micros(at_us.saturating_sub(now.monotonic_us))))
    }

    /// Waits until something is ready, unless there is work already.
    fn wait(&mut self, wait: Duration, ready: &mut dyn FnMut() -> bool) -> io::Result<usize> {
        self.stats.system_calls += 1;
        if wait.is_zero() {
            return self.poller.wait(wait);
        }
        self.end().doorbell.lie_down();
        let wait = if ready() || self.has_mail() { Duration::ZERO } else { wait };
        let result = self.poller.wait(wait);
        self.end().doorbell.get_up();
        result
    }

    fn handle(&mut self, ready: Ready, time: Time, on_event: OnEvent<'_>) {
        match ready.key {
            DOORBELL => {}
            LISTENER => self.accept(time),
            key => {
                let id = ConnectionId::from_u64(key);
                let connecting = self.connections.get(id).is_some_and(|c| c.phase == Phase::Connecting);
                if connecting {
                    self.finish_connect(id);
                    // Reported before the bytes that may have come with it.
                    self.notices.report(time, on_event);
                }
                if ready.readable {
                    self.read(id, time, on_event);
                }
                if ready.writable {
                    self.flush(id);
                }
            }
        }
        self.notices.report(time, on_event);
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
                        tracing::warn!(%error, "cannot accept; trying again in {ACCEPT_PAUSE_MS} ms");
                        return self.pause_accepting(time);
                    }
                },
            }
        }
    }

    /// Takes a connected socket into the table.
    fn welcome(&mut self, stream: TcpStream, notice: impl FnOnce(ConnectionId) -> Notice) {
        if let Err(error) = stream.set_nonblocking(true) {
            tracing::warn!(%error, "cannot use an accepted socket");
            return;
        }
        let descriptor = stream.as_raw_fd();
        match self.connections.insert(Connection::new(stream, Phase::Open, READ)) {
            Ok(id) => {
                self.notices.push(notice(id));
                if let Err(error) = self.poller.add(descriptor, READ, id.to_u64()) {
                    self.finish(id, CloseReason::Error(error.raw_os_error().unwrap_or(libc::EIO)));
                }
            }
            Err(_) => tracing::warn!("a connection was dropped: all slots are in use"),
        }
    }

    fn pause_accepting(&mut self, time: Time) {
        self.accept_again_us = Some(time.monotonic_us + ACCEPT_PAUSE_MS * 1_000);
        self.watch_listener(0);
    }

    fn watch_listener(&mut self, interest: u32) {
        let Some(listener) = &self.listener else { return };
        if let Err(error) = self.poller.change(listener.as_raw_fd(), interest, LISTENER) {
            tracing::error!(%error, "cannot watch the listener");
        }
    }

    /// Reads what there is, but no more than a connection's share of the turn.
    fn read(&mut self, id: ConnectionId, time: Time, on_event: OnEvent<'_>) {
        let mut share = READ_BYTES_PER_TURN_MAX;
        while let Some(connection) = self.connections.get_mut(id).filter(|c| !c.ended) {
            self.stats.system_calls += 1;
            match connection.stream.read(&mut self.buffer) {
                Ok(0) => return self.ended(id),
                Ok(count) => {
                    self.stats.received_bytes += count as u64;
                    if connection.reports_bytes() {
                        self.reported_bytes = true;
                        on_event(time, Event::Received { connection: id, bytes: &mut self.buffer[..count] });
                    }
                    share = share.saturating_sub(count);
                    if count < READ_BYTES || share == 0 {
                        return;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) => return self.failed(id, &error),
            }
        }
    }

    /// Sends what is queued; watches for room if the kernel does not take it all.
    fn flush(&mut self, id: ConnectionId) {
        let Some(connection) = self.connections.get_mut(id) else { return };
        if connection.phase == Phase::Connecting {
            return;
        }
        let mut full = false;
        while let Some(outbox) = &mut connection.outbox {
            let chunk = outbox.chunk();
            if chunk.is_empty() {
                if outbox.was_large() && connection.phase == Phase::Open {
                    self.notices.push(Notice::Drained(id));
                }
                self.senders.outboxes.give_back(connection.outbox.take().expect("it was just looked at"));
                break;
            }
            self.stats.system_calls += 1;
            match connection.stream.write(chunk) {
                Ok(count) => {
                    self.stats.sent_bytes += count as u64;
                    outbox.advance(count);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    full = true;
                    break;
                }
                Err(error) => return self.failed_to_send(id, &error),
            }
        }
        self.watch(id, full);
        self.flushed(id);
    }

    /// Watches for what the connection can still do.
    fn watch(&mut self, id: ConnectionId, full: bool) {
        let Some(connection) = self.connections.get_mut(id) else { return };
        let interest = if connection.ended { 0 } else { READ } | if full { WRITE } else { 0 };
        if interest == connection.interest {
            return;
        }
        connection.interest = interest;
        self.stats.system_calls += 1;
        if let Err(error) = self.poller.change(connection.stream.as_raw_fd(), interest, id.to_u64()) {
            self.failed(id, &error);
        }
    }

    fn start_write(&mut self, file: FileId, offset: u64, bytes: &[u8], token: u64) -> io::Result<()> {
        let file = self.files.get(file.0 as usize).and_then(Option::as_ref);
        let file = Arc::clone(file.ok_or_else(|| io::Error::from_raw_os_error(libc::EBADF))?);
        file.check(offset, bytes.len())?;
        let buffer = self.buffers.copy(bytes);
        let writer = match &mut self.writer {
            Some(writer) => writer,
            None => self.writer.insert(Writer::start(Arc::clone(&self.shared.shards[self.shard].doorbell))?),
        };
        writer.write(Job { file, offset, buffer, token });
        Ok(())
    }
}

impl Reactor for EpollReactor {
    fn backend(&self) -> Backend {
        Backend::Epoll
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
        let file = Arc::new(DurableFile::open(path)?);
        let free = self.files.iter().position(Option::is_none);
        let index = free.unwrap_or_else(|| {
            self.files.push(None);
            self.files.len() - 1
        });
        self.files[index] = Some(file);
        Ok(FileId(index as u32))
    }

    fn close_file(&mut self, file: FileId) {
        // Writes under way hold the file by themselves.
        if let Some(entry) = self.files.get_mut(file.0 as usize) {
            *entry = None;
        }
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
        self.stats.turns += 1;
        let time = clock::now();
        self.depart();
        self.collect();
        self.flush_senders();
        self.expire(time);
        let reported = self.notices.report(time, on_event);
        let wait =
            if reported || !self.senders.is_empty() { Duration::ZERO } else { self.shorten(wait, time) };
        let count = self.wait(wait, ready)?;
        let time = clock::now();
        for index in 0..count {
            self.handle(self.poller.ready(index), time, on_event);
        }
        self.collect();
        self.notices.report(time, on_event);
        Ok(time)
    }

    fn report_written(&mut self, on_event: &mut dyn FnMut(Time, Event<'_>)) -> io::Result<()> {
        self.collect();
        self.notices.report(clock::now(), on_event);
        Ok(())
    }

    fn now(&self) -> Time {
        clock::now()
    }

    fn stats(&self) -> Stats {
        let in_flight = self.writer.as_ref().map_or(0, Writer::under_way);
        Stats {
            connections: self.connections.len() as u64,
            senders: self.senders.len() as u64,
            slots: self.limits.connections_max.into(),
            in_flight,
            ..self.stats
        }
    }
}
