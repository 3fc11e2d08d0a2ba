//! The fourth backend: a reactor whose sockets, files and clock are values. It shows the driver exactly what
//! `net`'s backends show it, in the same order; nothing here touches the machine.

use std::{
    cell::RefCell,
    io,
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
    rc::Rc,
    sync::Arc,
    time::Duration,
};

use net::{Backend, CloseReason, ConnectionId, Event, FileId, Reactor, SendError, Stats, Time};

use crate::{
    disk::SimDisk,
    network::{Network, ToShard},
};

/// Events of one turn at most: how much comes at once is up to chance below it.
const EVENTS_A_TURN: usize = 64;

pub struct SimReactor {
    pub shard: usize,
    pub network: Rc<RefCell<Network>>,
    pub disk: Arc<SimDisk>,
    pub files: Vec<PathBuf>,
}

impl SimReactor {
    fn event(&self, connection: Option<ConnectionId>, what: ToShard, report: &mut dyn FnMut(Event<'_>)) {
        let Some(connection) = connection else {
            let ToShard::Written(name, token) = what else { unreachable!("all else is of a connection") };
            return report(Event::Written { token, result: self.disk.end_write(name) });
        };
        report(match what {
            ToShard::Accepted => Event::Accepted { connection, peer: None },
            ToShard::Received(mut bytes) => {
                return report(Event::Received { connection, bytes: &mut bytes });
            }
            ToShard::Drained => Event::Drained { connection },
            ToShard::Closed => Event::Closed { connection, reason: CloseReason::Peer },
            ToShard::HandOver => Event::HandedOver { connection },
            ToShard::Adopted(token) => Event::Adopted { connection, token },
            ToShard::Written(..) => unreachable!("of no connection"),
        });
    }
}

impl Reactor for SimReactor {
    fn backend(&self) -> Backend {
        Backend::Epoll
    }

    fn listen(&mut self, address: SocketAddr) -> io::Result<SocketAddr> {
        Ok(address)
    }

    fn stop_listening(&mut self) {}

    fn connect(&mut self, _from: Option<IpAddr>, _to: SocketAddr) -> io::Result<ConnectionId> {
        unreachable!("the server connects to nobody over the reactor")
    }

    fn peer(&mut self, _connection: ConnectionId) -> Option<SocketAddr> {
        None
    }

    fn send(&mut self, connection: ConnectionId, bytes: &[u8]) -> Result<(), SendError> {
        match self.network.borrow_mut().shard_sends(self.shard, connection, bytes) {
            Some(true) => Ok(()),
            Some(false) => Err(SendError::Closed),
            None => Err(SendError::Full),
        }
    }

    fn send_later(&mut self, connection: ConnectionId, bytes: &[u8]) -> Result<(), SendError> {
        self.send(connection, bytes)
    }

    fn hurry(&mut self, _connection: ConnectionId) {}

    fn close(&mut self, connection: ConnectionId) {
        self.network.borrow_mut().shard_closes(self.shard, connection);
    }

    fn abort(&mut self, connection: ConnectionId, _reason: CloseReason) {
        self.network.borrow_mut().shard_closes(self.shard, connection);
    }

    fn hand_over(&mut self, connection: ConnectionId, to: usize, token: u64) {
        self.network.borrow_mut().shard_hands_over(self.shard, connection, to, token);
    }

    fn open_file(&mut self, path: &Path) -> io::Result<FileId> {
        self.files.push(path.to_owned());
        Ok(FileId(self.files.len() as u32 - 1))
    }

    fn close_file(&mut self, _file: FileId) {}

    fn write_durable(&mut self, file: FileId, offset: u64, bytes: &[u8], token: u64) {
        let (name, us) = self.disk.begin_write(&self.files[file.0 as usize], offset, bytes);
        self.network.borrow_mut().write_ends(self.shard, us, name, token);
    }

    fn turn(
        &mut self,
        _wait: Duration,
        _ready: &mut dyn FnMut() -> bool,
        on_event: &mut dyn FnMut(Time, Event<'_>),
    ) -> io::Result<Time> {
        self.network.borrow_mut().flush();
        let time = self.now();
        for _ in 0..EVENTS_A_TURN {
            // Not borrowed while the event is acted on.
            let next = self.network.borrow_mut().next_for_shard(self.shard);
            let Some((connection, what)) = next else { break };
            self.event(connection, what, &mut |event| on_event(time, event));
        }
        Ok(time)
    }

    fn report_written(&mut self, on_event: &mut dyn FnMut(Time, Event<'_>)) -> io::Result<()> {
        let time = self.now();
        loop {
            // Not borrowed while the event is acted on.
            let next = self.network.borrow_mut().next_written(self.shard);
            let Some(what) = next else { return Ok(()) };
            self.event(None, what, &mut |event| on_event(time, event));
        }
    }

    fn now(&self) -> Time {
        let network = self.network.borrow();
        Time { unix_ms: network.wall_ms(), monotonic_us: network.now_us }
    }

    fn stats(&self) -> Stats {
        Stats::default()
    }
}
