//! What each completion of the kernel means.

use io_uring::cqueue;

use super::{
    ModernReactor,
    connection::{Connection, NO_DESCRIPTOR, Phase},
    installed,
    lifecycle::MULTISHOT,
};
use crate::{
    CloseReason, ConnectionId, Event, Time, clock,
    mailbox::{Cargo, Parcel},
    notice::{Notice, OnEvent},
    token::{Operation, unpack},
};

impl ModernReactor {
    pub(super) fn handle(&mut self, completion: &cqueue::Entry, time: Time, on_event: OnEvent<'_>) {
        let (operation, id) = unpack(completion.user_data());
        let (result, last) = (completion.result(), !cqueue::more(completion.flags()));
        match operation {
            Operation::Wake if last => self.arm_doorbell(),
            Operation::Wake | Operation::Discard => {}
            Operation::Accept => self.accepted(id, result, time),
            Operation::Write | Operation::Sync => self.wrote(operation, id, result),
            Operation::Rest => self.rested(id, result),
            Operation::Receive => self.received(id, completion, time, on_event),
            Operation::Cancel => self.settle_if_alive(id),
            Operation::Send => self.sent(id, result),
            Operation::Register => self.registered(id, result),
            Operation::Connect => self.connected(id, result),
            Operation::Shutdown => self.shut_down(id, result),
            Operation::HandOver => self.handed_over(id, result),
            Operation::Close => self.closed(id, result),
            Operation::Install => {
                drop(installed(result));
                self.settle(id);
            }
        }
    }

    /// One submission of the connection has had its last completion.
    pub(super) fn settle(&mut self, id: ConnectionId) {
        let connection = self.connections.get_mut(id).expect("its slot is kept while it has operations");
        connection.operations -= 1;
        self.progress(id);
    }

    /// As [`Self::settle`], for an operation that may belong to nobody.
    fn settle_if_alive(&mut self, id: ConnectionId) {
        if self.connections.get(id).is_some() {
            self.settle(id);
        }
    }

    /// Takes a connected descriptor of the table into a slot.
    pub(super) fn welcome(&mut self, descriptor: u32, notice: impl FnOnce(ConnectionId) -> Notice) {
        match self.connections.insert(Connection::new(descriptor, Phase::Open)) {
            Ok(id) => {
                self.notices.push(notice(id));
                self.arm_receive(id);
                self.recheck(id, clock::now().monotonic_us);
            }
            // As many slots as descriptors, but one that is connecting has the first before the second.
            Err(_) => {
                tracing::warn!("a connection was dropped: all slots are in use");
                self.discard(descriptor);
            }
        }
    }

    fn received(&mut self, id: ConnectionId, completion: &cqueue::Entry, time: Time, on_event: OnEvent<'_>) {
        let result = completion.result();
        let Some(connection) = self.connections.get_mut(id) else {
            unreachable!("its slot is kept while it receives")
        };
        if let Some(buffer) = cqueue::buffer_select(completion.flags()) {
            self.buffers.taken();
            if result > 0 {
                self.stats.received_bytes += result as u64;
                if connection.reports_bytes() {
                    let bytes = self.buffers.bytes_of(buffer, result as usize);
                    on_event(time, Event::Received { connection: id, bytes });
                }
            }
            self.buffers.give_back(buffer);
        }
        if result != -libc::ECANCELED {
            self.recheck(id, time.monotonic_us);
        }
        if cqueue::more(completion.flags()) {
            return;
        }
        let connection = self.connections.get_mut(id).expect("its slot is kept while it receives");
        connection.receiving = false;
        let rests = std::mem::take(&mut connection.tired) && !connection.rechecked;
        match -result {
            0 => connection.ended = true,
            libc::ENOBUFS => {
                self.stats.buffers_exhausted += 1;
                if connection.receives() {
                    connection.starved = true;
                    self.starved.push_back(id);
                }
            }
            libc::ECANCELED if rests => self.rest(id),
            libc::ECANCELED => {
                self.arm_receive(id);
                self.recheck(id, time.monotonic_us);
            }
            // Bytes whose request ended for a reason of the kernel's own, or a signal.
            ..0 | libc::EAGAIN | libc::EINTR => self.arm_receive(id),
            number => {
                connection.ended = true;
                self.failed(id, number);
            }
        }
        if self.connections.get(id).is_some_and(|connection| connection.ended) {
            self.ended(id);
        }
        self.settle(id);
    }

    /// The poll of a quiet connection has ended: there is something to receive, or it was cancelled.
    fn rested(&mut self, id: ConnectionId, result: i32) {
        let connection = self.connections.get_mut(id).expect("its slot is kept while it is polled");
        connection.resting = false;
        self.resting -= 1;
        // A poll that failed for another reason leaves it to the receive to say why.
        if result != -libc::ECANCELED {
            self.arm_receive_as(id, MULTISHOT);
        }
        self.settle(id);
    }

    fn sent(&mut self, id: ConnectionId, result: i32) {
        let Some(connection) = self.connections.get_mut(id) else {
            unreachable!("its slot is kept while it sends")
        };
        connection.sending = false;
        let outbox = connection.outbox.as_mut().expect("it is kept while it is sent from");
        if result >= 0 {
            outbox.advance(result as usize);
            self.stats.sent_bytes += result as u64;
            self.flush(id);
        } else if result == -libc::EAGAIN || result == -libc::EINTR {
            self.flush(id);
        } else {
            self.failed_to_send(id, -result);
        }
        self.settle(id);
    }

    fn registered(&mut self, id: ConnectionId, result: i32) {
        let Some(connection) = self.connections.get_mut(id) else { unreachable!("its slot is kept") };
        let outgoing = connection.outgoing.as_mut().expect("it is kept until it is connected");
        outgoing.socket = None;
        if result == 1 {
            connection.descriptor = outgoing.descriptor as u32;
            if connection.phase == Phase::Connecting {
                self.submit_connect(id);
            }
        } else {
            self.finish(id, CloseReason::Error(if result < 0 { -result } else { libc::ENFILE }));
        }
        self.settle(id);
    }

    fn connected(&mut self, id: ConnectionId, result: i32) {
        let Some(connection) = self.connections.get_mut(id) else { unreachable!("its slot is kept") };
        connection.outgoing = None;
        if connection.phase == Phase::Connecting {
            if result == 0 {
                connection.phase = Phase::Open;
                self.notices.push(Notice::Connected(id));
                self.arm_receive(id);
                self.recheck(id, clock::now().monotonic_us);
                self.flush(id);
            } else {
                self.finish(id, CloseReason::Error(-result));
            }
        }
        self.settle(id);
    }

    fn shut_down(&mut self, id: ConnectionId, result: i32) {
        let lingering = self.connections.get(id).is_some_and(|c| c.phase == Phase::Lingering);
        if result < 0 && lingering {
            self.finish(id, CloseReason::Ours);
        }
        self.settle(id);
    }

    fn handed_over(&mut self, id: ConnectionId, result: i32) {
        let Some(connection) = self.connections.get_mut(id) else { unreachable!("its slot is kept") };
        let Phase::Handing { to, token } = connection.phase else {
            unreachable!("nothing ends this phase but this completion")
        };
        match result {
            0.. => {
                connection.phase = Phase::Left;
                let end = &self.shared.shards[to as usize];
                end.mailbox.put(Parcel { cargo: Cargo::Registered(result as u32), token });
                end.doorbell.ring();
            }
            // Both rings were busy with each other.
            _ if result == -libc::EAGAIN => connection.phase = Phase::Leaving { to, token },
            _ => {
                connection.phase = Phase::Leaving { to, token };
                self.finish(id, CloseReason::Error(-result));
            }
        }
        self.settle(id);
    }

    fn closed(&mut self, id: ConnectionId, result: i32) {
        if result < 0 {
            tracing::error!(error = -result, "cannot close a registered descriptor");
        }
        let Some(connection) = self.connections.get_mut(id) else { unreachable!("its slot is kept") };
        connection.descriptor = NO_DESCRIPTOR;
        self.settle(id);
    }
}
