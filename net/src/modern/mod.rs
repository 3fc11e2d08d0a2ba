//! The reactor over io_uring of Linux 6.0 and later: multishot receive, one ring of receive buffers, registered
//! descriptors, one send a connection and turn, one system call a turn.
//!
//! Every submission carries slot and generation of its connection, which counts what is in flight for it;
//! a slot is free again only when that is zero and the descriptor is closed. Every completion without `MORE`
//! re-arms or ends what it belonged to. Accepting is in `accept`, the life of a connection in `lifecycle`, what
//! completions mean in `completions`, durable writes in `files`.

mod accept;
mod buffers;
mod completions;
mod connection;
mod files;
mod lifecycle;
mod ring;

pub(crate) use self::ring::submissions_for;

use std::{
    collections::VecDeque,
    io,
    mem::ManuallyDrop,
    net::{IpAddr, SocketAddr, TcpStream},
    os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd},
    path::Path,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use io_uring::{
    cqueue, opcode, squeue,
    types::{CancelBuilder, Fd, Fixed},
};

use self::{
    accept::Listener,
    buffers::ReceiveBuffers,
    connection::{Connection, NO_DESCRIPTOR, Outgoing, Phase},
    ring::Ring,
};
use crate::{
    Backend, CloseReason, ConnectionId, Event, FileId, Reactor, SendError, Stats, Time, clock,
    deadlines::Deadlines,
    fabric::{ShardEnd, Shared},
    files::Files,
    limits::{CLOSE_FLUSH_MS_MAX, CLOSE_LINGER_MS_MAX, Limits, RECHECK_MS},
    notice::{Notice, Notices},
    selftest,
    senders::Senders,
    slots::Slots,
    socket,
    token::{NOBODY, Operation, pack, unpack},
};

/// How long a busy shard looks for more work before it sleeps: waking a sleeping core costs about as much.
const SPIN: Duration = Duration::from_micros(30);
/// What came in is completed by the kernel some twenty at a time (`IO_LOCAL_TW_DEFAULT_MAX` in its `io_uring.c`), and no
/// flag says that there is more: with so many, there may be.
const COMPLETIONS_AT_ONCE: usize = 16;
/// Completions after which the kernel is not asked for more in this turn.
const COMPLETIONS_PER_TURN_MAX: usize = 256;
/// How soon to try again what cannot be waited for: a shard that has not opened its port.
const RETRY: Duration = Duration::from_millis(1);
/// How long dropping a reactor waits for the kernel, in steps, before it leaks memory instead.
const DROP_STEP: Duration = Duration::from_millis(50);
const DROP_STEPS_MAX: usize = 100;

/// Whether the rings and buffers of all shards fit into locked memory at once, before any shard starts: one
/// that fails later could not fall back to another backend.
pub(crate) fn rehearse(shards: usize, submissions: u32, limits: &Limits) -> io::Result<()> {
    let rings: io::Result<Vec<_>> = (0..shards)
        .map(|_| {
            let ring = Ring::new(submissions)?;
            let buffers =
                ReceiveBuffers::new(&ring.submitter(), limits.receive_buffers, limits.receive_buffer_bytes)?;
            Ok((ring, buffers))
        })
        .collect();
    rings.map(drop)
}

/// Whether this kernel does what this backend builds on.
pub(crate) fn self_test() -> io::Result<()> {
    selftest::run(ModernReactor::open)
}

/// One shard's reactor.
pub(crate) struct ModernReactor {
    shared: Arc<Shared>,
    shard: usize,
    limits: Limits,
    ring: Ring,
    /// What the kernel writes or reads: given back only when the ring is idle.
    buffers: ManuallyDrop<ReceiveBuffers>,
    connections: ManuallyDrop<Slots<Connection>>,
    files: ManuallyDrop<Files>,
    /// Completions taken from the ring and not looked at yet.
    completions: VecDeque<cqueue::Entry>,
    /// The kernel writes peers' addresses there.
    listener: ManuallyDrop<Option<Listener>>,
    /// When to accept again, after descriptors ran out.
    accept_again_us: Option<u64>,
    senders: Senders,
    /// Connections that wait for receive buffers, longest first.
    starved: VecDeque<ConnectionId>,
    /// Connections to be handed to a shard that has not opened its port yet.
    early: Vec<ConnectionId>,
    flush_deadlines: Deadlines,
    linger_deadlines: Deadlines,
    /// When to arm a receive anew, to find a reset that the kernel did not report.
    recheck_deadlines: Deadlines,
    /// Connections that a poll waits for.
    resting: u64,
    notices: Notices,
    /// The last turn had something to do.
    busy: bool,
    stats: Stats,
}

impl ModernReactor {
    pub(crate) fn open(shared: Arc<Shared>, shard: usize) -> io::Result<Self> {
        let limits = shared.limits;
        let ring =
            Ring::new(shared.ring_submissions).map_err(|error| context("cannot make a ring", error))?;
        ring.submitter().register_files_sparse(limits.connections_max).map_err(|error| {
            let text = format!("cannot register {} descriptors (raise ulimit -n)", limits.connections_max);
            context(&text, error)
        })?;
        let buffers =
            ReceiveBuffers::new(&ring.submitter(), limits.receive_buffers, limits.receive_buffer_bytes)
                .map_err(|error| context("cannot register receive buffers (raise ulimit -l)", error))?;
        let mut reactor = Self {
            shared,
            shard,
            limits,
            ring,
            buffers: ManuallyDrop::new(buffers),
            connections: ManuallyDrop::new(Slots::new(limits.connections_max)),
            files: ManuallyDrop::new(Files::default()),
            completions: VecDeque::new(),
            listener: ManuallyDrop::new(None),
            accept_again_us: None,
            senders: Senders::new(limits.outbox_bytes_max),
            starved: VecDeque::new(),
            early: Vec::new(),
            flush_deadlines: Deadlines::new(CLOSE_FLUSH_MS_MAX),
            linger_deadlines: Deadlines::new(CLOSE_LINGER_MS_MAX),
            recheck_deadlines: Deadlines::new(RECHECK_MS),
            notices: Notices::default(),
            resting: 0,
            busy: false,
            stats: Stats::default(),
        };
        reactor.arm_doorbell();
        reactor.ring.enter(None)?;
        reactor.publish_ring()?;
        Ok(reactor)
    }

    /// Lets other shards send descriptors here.
    fn publish_ring(&self) -> io::Result<()> {
        // SAFETY: the ring's descriptor is open as long as `self.ring`, which outlives this borrow.
        let ring = unsafe { BorrowedFd::borrow_raw(self.ring.descriptor()) }.try_clone_to_owned()?;
        self.end().ring.set(ring).expect("a port is opened once, so its ring is published once");
        Ok(())
    }

    fn end(&self) -> &ShardEnd {
        &self.shared.shards[self.shard]
    }

    /// Queues a submission that belongs to no connection.
    ///
    /// # Safety
    ///
    /// As [`Ring::push`].
    unsafe fn push(&mut self, operation: Operation, id: ConnectionId, entry: squeue::Entry) {
        // SAFETY: the caller keeps the promise of `Ring::push`.
        unsafe { self.ring.push(entry.user_data(pack(operation, id))) }
    }

    /// Queues a submission of a connection, which counts it.
    ///
    /// # Safety
    ///
    /// As [`Ring::push`].
    unsafe fn submit(&mut self, operation: Operation, id: ConnectionId, entry: squeue::Entry) {
        let connection = self.connections.get_mut(id).expect("only a live connection submits");
        connection.operations += 1;
        // SAFETY: the caller keeps the promise of `Ring::push`.
        unsafe { self.push(operation, id, entry) }
    }

    fn arm_doorbell(&mut self) {
        let doorbell = Fd(self.end().doorbell.descriptor());
        let entry = opcode::PollAdd::new(doorbell, libc::POLLIN as u32).multi(true).build();
        // SAFETY: a poll points to no memory. The descriptor is open as long as `shared`.
        unsafe { self.push(Operation::Wake, NOBODY, entry) }
    }

    /// Closes a registered descriptor that no connection has.
    fn discard(&mut self, descriptor: u32) {
        let entry = opcode::Close::new(Fixed(descriptor)).build();
        // SAFETY: a close points to no memory.
        unsafe { self.push(Operation::Discard, NOBODY, entry) }
    }

    /// Takes the connections that other shards left for this one.
    fn collect(&mut self) {
        while let Some(parcel) = self.end().mailbox.take() {
            self.adopt(parcel);
        }
    }

    fn flush_senders(&mut self) {
        let mut share = self.senders.share();
        while let Some(id) = self.senders.next(&mut self.connections, &mut share) {
            self.flush(id);
        }
    }

    /// Re-arms connections that ran out of buffers, longest waiting first, no more than can be served.
    fn feed_starved(&mut self) {
        for _ in 0..self.buffers.count() {
            let Some(id) = self.starved.pop_front() else { return };
            if let Some(connection) = self.connections.get_mut(id) {
                connection.starved = false;
                self.arm_receive(id);
            }
        }
    }

    /// How long the kernel may keep us: until the caller's wish or the next deadline of our own.
    fn shorten(&self, wait: Duration, now: Time) -> Duration {
        let wait = if self.early.is_empty() { wait } else { wait.min(RETRY) };
        let next = [
            self.flush_deadlines.next_us(),
            self.linger_deadlines.next_us(),
            self.recheck_deadlines.next_us(),
            self.accept_again_us,
        ];
        let next_us = next.into_iter().flatten().min();
        next_us.map_or(wait, |at_us| wait.min(Duration::from_micros(at_us.saturating_sub(now.monotonic_us))))
    }

    /// Submits everything, and waits for a completion unless there is work already.
    fn wait(&mut self, wait: Duration, ready: &mut dyn FnMut() -> bool) -> io::Result<()> {
        if wait.is_zero() || !self.completions.is_empty() {
            return self.ring.enter(None);
        }
        if self.busy && self.shared.spin {
            self.ring.enter(None)?;
            if self.spin(ready) {
                return self.ring.enter(None);
            }
        }
        self.end().doorbell.lie_down();
        let idle = !ready() && self.end().mailbox.is_empty();
        let result = self.ring.enter(idle.then_some(wait));
        self.end().doorbell.get_up();
        result
    }

    /// Takes what the kernel has completed, and what it completes when it is asked again: what came in must not wait for
    /// what goes out.
    fn take_completions(&mut self) -> io::Result<()> {
        loop {
            let before = self.completions.len();
            self.ring.take(&mut self.completions);
            let taken = self.completions.len();
            if taken - before < COMPLETIONS_AT_ONCE || taken >= COMPLETIONS_PER_TURN_MAX {
                return Ok(());
            }
            self.ring.ask()?;
        }
    }

    fn spin(&mut self, ready: &mut dyn FnMut() -> bool) -> bool {
        let start = Instant::now();
        while start.elapsed() < SPIN {
            if self.ring.has_news() || ready() || !self.end().mailbox.is_empty() {
                return true;
            }
            std::hint::spin_loop();
        }
        false
    }
}

fn context(what: &str, error: io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{what}: {error}"))
}

impl Reactor for ModernReactor {
    fn backend(&self) -> Backend {
        Backend::Modern
    }

    fn listen(&mut self, address: SocketAddr) -> io::Result<SocketAddr> {
        if self.listener.is_some() {
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, "this reactor already listens"));
        }
        let (socket, bound) = socket::listener(address)?;
        *self.listener = Some(Listener::new(socket));
        self.arm_accepts();
        self.ring.enter(None)?;
        Ok(bound)
    }

    fn stop_listening(&mut self) {
        self.accept_again_us = None;
        self.cancel_accepts();
    }

    fn connect(&mut self, from: Option<IpAddr>, to: SocketAddr) -> io::Result<ConnectionId> {
        // An ordinary socket that is then moved into the table: so that options and the local address can
        // be set by every kernel, at two more system calls a connection that we begin.
        let socket = socket::outgoing(from, to)?;
        self.stats.system_calls += 3;
        let descriptor = socket.as_raw_fd();
        let mut connection = Connection::new(NO_DESCRIPTOR, Phase::Connecting);
        let outgoing = Outgoing { socket: Some(socket), descriptor, address: to.into() };
        connection.outgoing = Some(Box::new(outgoing));
        let Ok(id) = self.connections.insert(connection) else {
            return Err(io::Error::other("all connection slots are in use"));
        };
        self.register_outgoing(id);
        Ok(id)
    }

    fn peer(&mut self, connection: ConnectionId) -> Option<SocketAddr> {
        let descriptor = self.connections.get(connection).map(|connection| connection.descriptor)?;
        if !self.ring.installs || descriptor == NO_DESCRIPTOR {
            return None;
        }
        let stream = self.install(connection, descriptor)?;
        stream.peer_addr().ok()
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
        self.stats.turns += 1;
        let time = clock::now();
        self.collect();
        self.expire(time);
        self.retry_early();
        self.feed_starved();
        self.flush_senders();
        let reported = self.notices.report(time, on_event);
        let wait =
            if reported || !self.senders.is_empty() { Duration::ZERO } else { self.shorten(wait, time) };
        self.wait(wait, ready)?;
        self.take_completions()?;
        let time = clock::now();
        self.busy = !self.completions.is_empty();
        while let Some(completion) = self.completions.pop_front() {
            self.handle(&completion, time, on_event);
            self.notices.report(time, on_event);
        }
        self.buffers.publish();
        self.collect();
        self.notices.report(time, on_event);
        Ok(time)
    }

    fn report_written(&mut self, on_event: &mut dyn FnMut(Time, Event<'_>)) -> io::Result<()> {
        if self.files.is_idle() {
            return Ok(());
        }
        // Where the disk has a volatile cache and no FUA, a worker of the kernel's (`dio/…`) ends the write, on the CPU of
        // the disk's interrupt. If that is ours and we do not sleep, it would wait for the next tick, twice.
        if self.senders.outlast_a_turn() {
            thread::yield_now();
        }
        if !self.ring.has_news() {
            return Ok(());
        }
        self.ring.ask()?;
        self.take_completions()?;
        for _ in 0..self.completions.len() {
            let completion = self.completions.pop_front().expect("so many are there");
            match unpack(completion.user_data()) {
                (operation @ (Operation::Write | Operation::Sync), name) => {
                    self.wrote(operation, name, completion.result());
                }
                _ => self.completions.push_back(completion),
            }
        }
        self.notices.report(clock::now(), on_event);
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
            receive_buffers: u64::from(self.buffers.count()),
            receive_buffers_out: u64::from(self.buffers.out()),
            resting: self.resting,
            in_flight: (self.ring.in_flight() as u64).saturating_sub(self.standing()),
            system_calls: self.stats.system_calls + self.ring.system_calls,
            ..self.stats
        }
    }
}

impl ModernReactor {
    /// Operations that wait for whoever comes next: the accepts and the doorbell's poll.
    fn standing(&self) -> u64 {
        let accepts = (*self.listener).as_ref().map_or(0, Listener::armed);
        accepts as u64 + 1
    }

    /// Makes an ordinary descriptor of a registered one. Other completions that come meanwhile are kept for
    /// the next turn.
    fn install(&mut self, id: ConnectionId, descriptor: u32) -> Option<TcpStream> {
        let entry = opcode::FixedFdInstall::new(Fixed(descriptor), 0).build();
        // SAFETY: an install points to no memory.
        unsafe { self.submit(Operation::Install, id, entry) }
        let wanted = pack(Operation::Install, id);
        loop {
            if let Err(error) = self.ring.enter(Some(RETRY)) {
                // Its completion is handled by a later turn, which closes the descriptor.
                tracing::warn!(%error, "cannot ask for a peer's address");
                return None;
            }
            let before = self.completions.len();
            self.ring.take(&mut self.completions);
            let arrived = self.completions.range(before..).position(|c| c.user_data() == wanted);
            if let Some(index) = arrived {
                let completion = self.completions.remove(before + index).expect("it was just found");
                self.settle(id);
                return installed(completion.result());
            }
        }
    }

    /// Lets the kernel finish or give up everything, so that memory it uses can be freed.
    fn drain(&mut self) -> io::Result<()> {
        // Writes first: a cancel would reach one that waits for a worker of the kernel, and leave half of it.
        for _ in 0..DROP_STEPS_MAX {
            if self.files.is_idle() {
                break;
            }
            self.drain_step()?;
        }
        let entry = opcode::AsyncCancel2::new(CancelBuilder::any()).build();
        // SAFETY: a cancel points to no memory.
        unsafe { self.push(Operation::Cancel, NOBODY, entry) }
        for _ in 0..DROP_STEPS_MAX {
            if self.ring.in_flight() == 0 {
                break;
            }
            self.drain_step()?;
        }
        self.ring.submitter().unregister_files()
    }

    /// Waits a little; what ends is put away, and told to nobody.
    fn drain_step(&mut self) -> io::Result<()> {
        self.ring.enter(Some(DROP_STEP))?;
        self.ring.take(&mut self.completions);
        while let Some(completion) = self.completions.pop_front() {
            match unpack(completion.user_data()) {
                (Operation::Install, _) => drop(installed(completion.result())),
                (operation @ (Operation::Write | Operation::Sync), name) => {
                    self.wrote(operation, name, completion.result());
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// The ordinary descriptor that an install made, if it did.
fn installed(result: i32) -> Option<TcpStream> {
    if result < 0 {
        return None;
    }
    // SAFETY: the kernel made this descriptor for us just now and told nobody else; each completion of an
    // install is seen once, so it gets one owner.
    Some(TcpStream::from(unsafe { OwnedFd::from_raw_fd(result) }))
}

impl Drop for ModernReactor {
    fn drop(&mut self) {
        if let Err(error) = self.drain() {
            tracing::error!(%error, "cannot end a ring in order");
        }
        if self.ring.in_flight() > 0 {
            tracing::error!(
                operations = self.ring.in_flight(),
                "the kernel still uses a ring's memory: leaked"
            );
            return;
        }
        // SAFETY: each is dropped here and nowhere else, and not used again: `self` is going away. No
        // operation is in flight, so the kernel neither reads nor writes what they own.
        unsafe {
            ManuallyDrop::drop(&mut self.files);
            ManuallyDrop::drop(&mut self.connections);
            ManuallyDrop::drop(&mut self.buffers);
            ManuallyDrop::drop(&mut self.listener);
        }
    }
}
