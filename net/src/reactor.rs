//! The one interface that every backend implements. No implementation and no choice of backend lives here.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    path::Path,
    time::Duration,
};

use crate::{Backend, CloseReason, ConnectionId, Event, FileId, SendError, Stats, Time};

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

    /// Copies `bytes` to the connection's outbox. All that is queued for a connection leaves in one send, at the
    /// next [`Reactor::turn`] unless so many connections have something to send that it has to wait for another.
    fn send(&mut self, connection: ConnectionId, bytes: &[u8]) -> Result<(), SendError>;

    /// Like [`Reactor::send`] for what nobody waits for: alone it leaves when nothing else is to be sent, or nearly so.
    fn send_later(&mut self, connection: ConnectionId, bytes: &[u8]) -> Result<(), SendError>;

    /// Lets what is queued for the connection leave before what is queued for those that were not named so, this
    /// once.
    fn hurry(&mut self, connection: ConnectionId);

    /// Sends what is queued, then closes. [`Event::Closed`] follows; bytes still arriving are dropped. A
    /// peer that does not take what is queued is aborted after a few seconds.
    fn close(&mut self, connection: ConnectionId);

    /// Closes at once, dropping what is queued, and says why in [`Event::Closed`].
    fn abort(&mut self, connection: ConnectionId, reason: CloseReason);

    /// Gives the connection to the reactor of shard `to`, which sees [`Event::Adopted`] with `token`. What
    /// is queued is sent first; bytes that arrive before it has left are still reported here, before
    /// [`Event::HandedOver`]; bytes after that are reported there, and not before the turn has returned that
    /// reported the last ones here.
    fn hand_over(&mut self, connection: ConnectionId, to: usize, token: u64);

    /// Opens an existing file for durable writes. Its blocks must be allocated and zero-filled: this crate
    /// never grows a file.
    fn open_file(&mut self, path: &Path) -> io::Result<FileId>;

    /// Closes the file after its last write.
    fn close_file(&mut self, file: FileId);

    /// Writes `bytes` at `offset` so that they survive power loss, and reports [`Event::Written`]. Offset
    /// and length are multiples of 4096; the bytes are copied, so the caller may reuse them at once.
    fn write_durable(&mut self, file: FileId, offset: u64, bytes: &[u8], token: u64);

    /// One turn: submits what was queued since the last one, or a share of it, waits until something happens, another
    /// thread wakes us or `wait` is over, and reports what happened. Before it would sleep it publishes
    /// that it sleeps and asks `ready`: if that says yes (work came by another way than the kernel), it
    /// does not sleep. A [`Waker`] used after that is never lost. Returns the time of the turn.
    fn turn(
        &mut self,
        wait: Duration,
        ready: &mut dyn FnMut() -> bool,
        on_event: &mut dyn FnMut(Time, Event<'_>),
    ) -> io::Result<Time>;

    /// Reports durable writes that have ended since the turn, so that what waited for them can be sent by the next one, and
    /// whatever else is there to be told without a look at sockets. While a write is under way and more waits to be sent to
    /// than a turn can, others may have the CPU for a moment. Sends nothing and waits for nothing; what came in stays
    /// for the next turn. [`Backend::Basic`] leaves the writes to the next turn, too.
    fn report_written(&mut self, on_event: &mut dyn FnMut(Time, Event<'_>)) -> io::Result<()>;

    /// The time as of now, for work before the first turn.
    fn now(&self) -> Time;

    /// Counters since the start.
    fn stats(&self) -> Stats;
}
