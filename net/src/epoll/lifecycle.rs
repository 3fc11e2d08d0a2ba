//! How a connection of the epoll backend begins, changes hands and ends.

use std::{
    io,
    net::{Shutdown, TcpStream},
    os::fd::AsRawFd,
};

use super::{EpollReactor, connection::Phase};
use crate::{
    CloseReason, ConnectionId, Time, clock,
    mailbox::{Cargo, Parcel},
    notice::Notice,
    poller::READ,
};

impl EpollReactor {
    pub(super) fn finish_connect(&mut self, id: ConnectionId) {
        let Some(connection) = self.connections.get_mut(id) else { return };
        match connection.stream.take_error() {
            Ok(None) => {
                connection.phase = Phase::Open;
                self.notices.push(Notice::Connected(id));
                // The engine may have queued something before; this also stops watching for room.
                self.flush(id);
            }
            Ok(Some(error)) | Err(error) => self.failed(id, &error),
        }
    }

    pub(super) fn adopt(&mut self, parcel: Parcel) {
        match parcel.cargo {
            Cargo::Stream(stream) => self.welcome(stream, |id| Notice::Adopted(id, parcel.token)),
            Cargo::Registered(_) => unreachable!("all shards of a fabric use one backend"),
        }
    }

    /// The peer sent its end.
    pub(super) fn ended(&mut self, id: ConnectionId) {
        let Some(connection) = self.connections.get_mut(id) else { return };
        if connection.phase == Phase::Flushing && connection.queued_bytes() > 0 {
            // It may still read what is queued for it; `flushed` ends it.
            connection.ended = true;
            return self.watch(id, true);
        }
        let reason = connection.reason_of_end();
        self.finish(id, reason);
    }

    /// Reading failed or the socket reported an error.
    pub(super) fn failed(&mut self, id: ConnectionId, error: &io::Error) {
        let Some(connection) = self.connections.get(id) else { return };
        let reason = match error.raw_os_error() {
            Some(libc::ECONNRESET | libc::EPIPE) => connection.reason_of_end(),
            _ if connection.reason_of_end() == CloseReason::Ours => CloseReason::Ours,
            number => CloseReason::Error(number.unwrap_or(libc::EIO)),
        };
        self.finish(id, reason);
    }

    /// Sending failed. What the peer sent before is still reported: reading will find it, and then the end.
    pub(super) fn failed_to_send(&mut self, id: ConnectionId, error: &io::Error) {
        let Some(connection) = self.connections.get_mut(id) else { return };
        if !connection.reports_bytes() {
            return self.failed(id, error);
        }
        if let Some(outbox) = connection.outbox.take() {
            self.senders.outboxes.give_back(outbox);
        }
        // Makes the end certain to be found even where the error was already taken by this send.
        if let Err(error) = connection.stream.shutdown(Shutdown::Both) {
            tracing::debug!(%error, "the connection had already ended");
        }
        self.watch(id, false);
    }

    pub(super) fn begin_close(&mut self, id: ConnectionId) {
        let now_us = clock::now().monotonic_us;
        let Some(connection) = self.connections.get_mut(id) else { return };
        match connection.phase {
            Phase::Connecting => self.finish(id, CloseReason::Ours),
            Phase::Flushing | Phase::Lingering => {}
            Phase::Open | Phase::Leaving { .. } => {
                connection.phase = Phase::Flushing;
                self.flush_deadlines.set(now_us, id);
                self.senders.let_send(&mut self.connections, id);
            }
        }
    }

    pub(super) fn begin_hand_over(&mut self, id: ConnectionId, to: usize, token: u64) {
        assert!(to < self.shared.shards.len(), "there is no shard {to}");
        let Some(connection) = self.connections.get_mut(id) else { return };
        if connection.phase == Phase::Open {
            connection.phase = Phase::Leaving { to: to as u32, token };
            self.senders.let_send(&mut self.connections, id);
        }
    }

    /// Goes on with a connection that waited for its outbox to be empty.
    pub(super) fn flushed(&mut self, id: ConnectionId) {
        let Some(connection) = self.connections.get_mut(id) else { return };
        if connection.outbox.is_some() {
            return;
        }
        match connection.phase {
            Phase::Connecting | Phase::Open | Phase::Lingering => {}
            Phase::Flushing if connection.ended => self.finish(id, CloseReason::Ours),
            Phase::Flushing => {
                connection.phase = Phase::Lingering;
                self.stats.system_calls += 1;
                match connection.stream.shutdown(Shutdown::Write) {
                    Ok(()) => self.linger_deadlines.set(clock::now().monotonic_us, id),
                    Err(_already_ended) => self.finish(id, CloseReason::Ours),
                }
            }
            Phase::Leaving { .. } if self.reported_bytes => self.departing.push(id),
            Phase::Leaving { to, token } => self.leave(id, to as usize, token),
        }
    }

    /// Hands over what had to wait for this turn.
    pub(super) fn depart(&mut self) {
        self.reported_bytes = false;
        for id in std::mem::take(&mut self.departing) {
            self.flushed(id);
        }
    }

    fn leave(&mut self, id: ConnectionId, to: usize, token: u64) {
        let Some(connection) = self.connections.remove(id) else { return };
        self.forget(&connection.stream);
        let end = &self.shared.shards[to];
        end.mailbox.put(Parcel { cargo: Cargo::Stream(connection.stream), token });
        end.doorbell.ring();
        self.notices.push(Notice::HandedOver(id));
        self.slot_freed();
    }

    /// The descriptor lives on in another reactor, so closing does not end the watch.
    fn forget(&mut self, stream: &TcpStream) {
        self.stats.system_calls += 1;
        if let Err(error) = self.poller.remove(stream.as_raw_fd()) {
            tracing::error!(%error, "cannot stop watching a connection that was handed over");
        }
    }

    /// Ends the connection now, whatever is queued.
    pub(super) fn finish(&mut self, id: ConnectionId, reason: CloseReason) {
        let Some(connection) = self.connections.remove(id) else { return };
        if let Some(outbox) = connection.outbox {
            self.senders.outboxes.give_back(outbox);
        }
        self.stats.system_calls += 1;
        drop(connection.stream);
        self.notices.push(Notice::Closed(id, reason));
        self.slot_freed();
    }

    /// Accepting waits for descriptors or slots; there is one of each now.
    fn slot_freed(&mut self) {
        if self.accept_again_us.take().is_some() {
            self.watch_listener(READ);
        }
    }

    /// Ends what took too long to close, and accepts again after a pause.
    pub(super) fn expire(&mut self, time: Time) {
        while let Some(id) = self.flush_deadlines.passed(time.monotonic_us) {
            self.expire_in(id, Phase::Flushing);
        }
        while let Some(id) = self.linger_deadlines.passed(time.monotonic_us) {
            self.expire_in(id, Phase::Lingering);
        }
        if self.accept_again_us.is_some_and(|at_us| at_us <= time.monotonic_us) {
            self.slot_freed();
        }
    }

    fn expire_in(&mut self, id: ConnectionId, phase: Phase) {
        if self.connections.get(id).is_some_and(|connection| connection.phase == phase) {
            self.finish(id, CloseReason::Ours);
        }
    }
}
