//! How a connection of the modern backend begins, changes hands and ends.

use std::os::fd::AsRawFd;

use io_uring::{
    opcode, squeue,
    types::{CancelBuilder, DestinationSlot, Fd, Fixed},
};

use super::{
    ModernReactor,
    buffers::GROUP,
    connection::{Connection, NO_DESCRIPTOR, Phase},
};
use crate::{
    CloseReason, ConnectionId, Time, clock,
    mailbox::{Cargo, Parcel},
    notice::Notice,
    token::{Operation, pack},
};

/// `IORING_RECV_MULTISHOT`: go on after the first bytes.
pub(super) const MULTISHOT: u16 = 2;
/// With `IORING_RECVSEND_POLL_FIRST`: wait for bytes before taking a buffer.
const POLL_FIRST_MULTISHOT: u16 = 1 | MULTISHOT;
/// What a quiet connection is polled for; its errors are reported unasked.
const READABLE: u32 = (libc::POLLIN | libc::POLLRDHUP) as u32;
/// `IORING_MSG_RING_CQE_SKIP`: the other ring gets the descriptor without a completion; the mailbox tells.
const WITHOUT_COMPLETION: u32 = 1;
/// `IORING_FILE_INDEX_ALLOC`: the kernel chooses the place in the table.
const CHOOSE_PLACE: i32 = -1;

impl ModernReactor {
    pub(super) fn register_outgoing(&mut self, id: ConnectionId) {
        let connection = self.connections.get_mut(id).expect("it was just made");
        let outgoing = connection.outgoing.as_mut().expect("it was just made");
        let descriptor = &raw mut outgoing.descriptor;
        let entry = opcode::FilesUpdate::new(descriptor, 1).offset(CHOOSE_PLACE).build();
        // SAFETY: the kernel reads and writes `descriptor`, which is in a box that stays until `connected`,
        // a later completion, or until the slot is freed, which waits for this one.
        unsafe { self.submit(Operation::Register, id, entry) }
    }

    pub(super) fn submit_connect(&mut self, id: ConnectionId) {
        let connection = self.connections.get(id).expect("it is connecting");
        let address = &connection.outgoing.as_ref().expect("it is connecting").address;
        let descriptor = Fixed(connection.descriptor);
        let entry = opcode::Connect::new(descriptor, address.as_ptr().cast(), address.len()).build();
        // SAFETY: the address is in a box that stays until this operation's completion.
        unsafe { self.submit(Operation::Connect, id, entry) }
    }

    /// Arms the multishot receive, if it is not and should be.
    pub(super) fn arm_receive(&mut self, id: ConnectionId) {
        self.arm_receive_as(id, POLL_FIRST_MULTISHOT);
    }

    /// As [`Self::arm_receive`], also where bytes are known to be there.
    pub(super) fn arm_receive_as(&mut self, id: ConnectionId, manner: u16) {
        let Some(connection) = self.connections.get_mut(id) else { return };
        if connection.receiving || connection.starved || !connection.receives() {
            return;
        }
        connection.receiving = true;
        let entry = opcode::Recv::new(Fixed(connection.descriptor), std::ptr::null_mut(), 0)
            .ioprio(manner)
            .buf_group(GROUP)
            .build()
            .flags(squeue::Flags::BUFFER_SELECT);
        // SAFETY: it points to no memory itself: the kernel takes buffers of the group, which stay as long
        // as anything is in flight on this ring.
        unsafe { self.submit(Operation::Receive, id, entry) }
    }

    /// Decides to look at the connection again when it has been quiet for a while.
    pub(super) fn recheck(&mut self, id: ConnectionId, now_us: u64) {
        let Some(connection) = self.connections.get_mut(id) else { return };
        if std::mem::replace(&mut connection.rechecked, true) {
            connection.talks = true;
        } else {
            connection.talks = false;
            self.recheck_deadlines.set(now_us, id);
        }
    }

    /// Arms the poll of a connection that is quiet, in place of its receive.
    pub(super) fn rest(&mut self, id: ConnectionId) {
        let Some(connection) = self.connections.get_mut(id) else { return };
        if !connection.receives() || connection.resting {
            return;
        }
        connection.resting = true;
        self.resting += 1;
        let entry = opcode::PollAdd::new(Fixed(connection.descriptor), READABLE).build();
        // SAFETY: a poll points to no memory.
        unsafe { self.submit(Operation::Rest, id, entry) }
    }

    /// Cancels an armed receive, which arms it anew: that looks at the socket first, so it finds an end for
    /// which the kernel did not wake the receive that was armed.
    fn rearm_receive(&mut self, id: ConnectionId) {
        let Some(connection) = self.connections.get(id) else { return };
        let armed = connection.receiving && connection.receives();
        self.cancel_if(id, (armed, Operation::Receive));
    }

    /// Sends what is queued, unless a send is under way.
    pub(super) fn flush(&mut self, id: ConnectionId) {
        let Some(connection) = self.connections.get_mut(id) else { return };
        if connection.sending || !connection.sends() {
            return;
        }
        let descriptor = Fixed(connection.descriptor);
        if let Some(outbox) = &mut connection.outbox {
            let chunk = outbox.chunk();
            if !chunk.is_empty() {
                let entry = opcode::Send::new(descriptor, chunk.as_ptr(), chunk.len() as u32)
                    .flags(libc::MSG_NOSIGNAL | libc::MSG_WAITALL)
                    .build();
                connection.sending = true;
                // SAFETY: the chunk is on the heap and stays where and as it is until `advance`: queueing
                // touches only the other half, and the outbox is given back only when `sending` is false,
                // which this operation's completion makes it.
                return unsafe { self.submit(Operation::Send, id, entry) };
            }
            if outbox.was_large() && connection.phase == Phase::Open {
                self.notices.push(Notice::Drained(id));
            }
            self.senders.outboxes.give_back(connection.outbox.take().expect("it was just looked at"));
        }
        self.progress(id);
    }

    pub(super) fn adopt(&mut self, parcel: Parcel) {
        match parcel.cargo {
            Cargo::Registered(descriptor) => {
                self.welcome(descriptor, |id| Notice::Adopted(id, parcel.token));
            }
            Cargo::Stream(_) => unreachable!("all shards of a fabric use one backend"),
        }
    }

    /// The peer sent its end.
    pub(super) fn ended(&mut self, id: ConnectionId) {
        let Some(connection) = self.connections.get(id) else { return };
        match connection.phase {
            Phase::Connecting | Phase::Open | Phase::Leaving { .. } => self.finish(id, CloseReason::Peer),
            Phase::Lingering => self.finish(id, CloseReason::Ours),
            // Goes on: it may still read what is queued for it.
            Phase::Flushing => {}
            Phase::Handing { .. } | Phase::Left | Phase::Ending(_) => {}
        }
    }

    /// Receiving failed.
    pub(super) fn failed(&mut self, id: ConnectionId, number: i32) {
        let Some(connection) = self.connections.get(id) else { return };
        let reason = match connection.phase {
            Phase::Flushing | Phase::Lingering => CloseReason::Ours,
            _ if matches!(number, libc::ECONNRESET | libc::EPIPE) => CloseReason::Peer,
            _ => CloseReason::Error(number),
        };
        self.finish(id, reason);
    }

    /// Sending failed. What the peer sent before is still reported: receiving will find it, and then the
    /// end.
    pub(super) fn failed_to_send(&mut self, id: ConnectionId, number: i32) {
        let Some(connection) = self.connections.get_mut(id) else { return };
        match connection.phase {
            Phase::Open | Phase::Leaving { .. } => {
                connection.broken = true;
                if let Some(outbox) = connection.outbox.take() {
                    self.senders.outboxes.give_back(outbox);
                }
                connection.tired = false;
                // Makes the end certain to be found even where the error was already taken by this send.
                self.arm_receive(id);
                self.rearm_receive(id);
            }
            _ => self.failed(id, number),
        }
    }

    fn submit_shutdown(&mut self, id: ConnectionId, how: i32) {
        let connection = self.connections.get(id).expect("only a live connection is shut down");
        let entry = opcode::Shutdown::new(Fixed(connection.descriptor), how).build();
        // SAFETY: a shutdown points to no memory.
        unsafe { self.submit(Operation::Shutdown, id, entry) }
    }

    pub(super) fn begin_close(&mut self, id: ConnectionId) {
        let Some(connection) = self.connections.get_mut(id) else { return };
        match connection.phase {
            Phase::Connecting => self.finish(id, CloseReason::Ours),
            Phase::Open | Phase::Leaving { .. } if connection.broken => self.finish(id, CloseReason::Ours),
            Phase::Open | Phase::Leaving { .. } => {
                connection.phase = Phase::Flushing;
                // A hand-over that was begun may have stopped receiving; lingering needs it again.
                connection.cancelled = false;
                self.arm_receive(id);
                self.flush_deadlines.set(clock::now().monotonic_us, id);
                self.senders.let_send(&mut self.connections, id);
            }
            Phase::Flushing | Phase::Lingering => {}
            Phase::Handing { .. } | Phase::Left | Phase::Ending(_) => {}
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

    /// Ends the connection, whatever is queued. One that is already in another ring goes on there.
    pub(super) fn finish(&mut self, id: ConnectionId, reason: CloseReason) {
        let Some(connection) = self.connections.get_mut(id) else { return };
        if matches!(connection.phase, Phase::Handing { .. } | Phase::Left | Phase::Ending(_)) {
            return;
        }
        let connecting = connection.phase == Phase::Connecting && connection.descriptor != NO_DESCRIPTOR;
        let Connection { receiving, resting, sending, .. } = *connection;
        connection.phase = Phase::Ending(reason);
        if let Some(outbox) = &mut connection.outbox {
            outbox.drop_queued();
        }
        // Each by its name. All of a descriptor in one cancel makes the kernel look at everything that the ring
        // waits for: 20,000 who left at once cost five seconds.
        for operation in [
            (connecting, Operation::Connect),
            (receiving, Operation::Receive),
            (resting, Operation::Rest),
            (sending, Operation::Send),
        ] {
            self.cancel_if(id, operation);
        }
        self.progress(id);
    }

    /// Takes the next step of a connection that waits for its operations to end.
    pub(super) fn progress(&mut self, id: ConnectionId) {
        let Some(connection) = self.connections.get(id) else { return };
        let flushed = !connection.sending && connection.outbox.is_none();
        match connection.phase {
            Phase::Connecting | Phase::Open | Phase::Lingering | Phase::Handing { .. } => {}
            Phase::Flushing if flushed && connection.ended => self.finish(id, CloseReason::Ours),
            Phase::Flushing if flushed => self.linger(id),
            Phase::Leaving { to, token } if flushed && !connection.broken => self.leave(id, to, token),
            Phase::Flushing | Phase::Leaving { .. } => {}
            Phase::Left | Phase::Ending(_) => self.close_or_free(id),
        }
    }

    fn linger(&mut self, id: ConnectionId) {
        let connection = self.connections.get_mut(id).expect("it makes progress");
        connection.phase = Phase::Lingering;
        self.linger_deadlines.set(clock::now().monotonic_us, id);
        self.submit_shutdown(id, libc::SHUT_WR);
        self.arm_receive(id);
    }

    /// Stops receiving, then passes the descriptor on.
    fn leave(&mut self, id: ConnectionId, to: u32, token: u64) {
        let connection = self.connections.get_mut(id).expect("it makes progress");
        if !std::mem::replace(&mut connection.cancelled, true) {
            let (receiving, resting) = (connection.receiving, connection.resting);
            for operation in [(receiving, Operation::Receive), (resting, Operation::Rest)] {
                self.cancel_if(id, operation);
            }
        }
        let connection = self.connections.get_mut(id).expect("it makes progress");
        if connection.operations > 0 {
            return;
        }
        if to as usize == self.shard {
            return self.leave_for_myself(id, token);
        }
        let connection = self.connections.get_mut(id).expect("it makes progress");
        let Some(ring) = self.shared.shards[to as usize].ring.get() else {
            return self.early.push(id);
        };
        connection.phase = Phase::Handing { to, token };
        let target = Fd(ring.as_raw_fd());
        let source = Fixed(connection.descriptor);
        let place = DestinationSlot::auto_target();
        let entry =
            opcode::MsgRingSendFd::new(target, source, place, 0).opcode_flags(WITHOUT_COMPLETION).build();
        // SAFETY: a ring message points to no memory; the target's descriptor is open as long as `shared`.
        unsafe { self.submit(Operation::HandOver, id, entry) }
    }

    fn cancel_if(&mut self, id: ConnectionId, (armed, operation): (bool, Operation)) {
        if armed {
            let entry = opcode::AsyncCancel2::new(CancelBuilder::user_data(pack(operation, id))).build();
            // SAFETY: a cancel points to no memory.
            unsafe { self.submit(Operation::Cancel, id, entry) }
        }
    }

    /// The descriptor stays where it is; only its slot changes, as for any other receiver.
    fn leave_for_myself(&mut self, id: ConnectionId, token: u64) {
        let connection = self.connections.remove(id).expect("it makes progress");
        self.notices.push(Notice::HandedOver(id));
        let cargo = Cargo::Registered(connection.descriptor);
        self.shared.shards[self.shard].mailbox.put(Parcel { cargo, token });
    }

    /// Tries again what waited for a shard to open its port.
    pub(super) fn retry_early(&mut self) {
        for id in std::mem::take(&mut self.early) {
            self.progress(id);
        }
    }

    fn close_or_free(&mut self, id: ConnectionId) {
        let connection = self.connections.get_mut(id).expect("it makes progress");
        if connection.operations > 0 {
            return;
        }
        if connection.descriptor != NO_DESCRIPTOR && !connection.closing {
            connection.closing = true;
            let entry = opcode::Close::new(Fixed(connection.descriptor)).build();
            // SAFETY: a close points to no memory.
            return unsafe { self.submit(Operation::Close, id, entry) };
        }
        let connection = self.connections.remove(id).expect("it was just looked at");
        if let Some(outbox) = connection.outbox {
            self.senders.outboxes.give_back(outbox);
        }
        self.notices.push(match connection.phase {
            Phase::Ending(reason) => Notice::Closed(id, reason),
            _ => Notice::HandedOver(id),
        });
        self.accept_again();
    }

    /// Ends what took too long to close, and accepts again after a pause.
    pub(super) fn expire(&mut self, time: Time) {
        while let Some(id) = self.flush_deadlines.passed(time.monotonic_us) {
            self.expire_in(id, Phase::Flushing);
        }
        while let Some(id) = self.linger_deadlines.passed(time.monotonic_us) {
            self.expire_in(id, Phase::Lingering);
        }
        while let Some(id) = self.recheck_deadlines.passed(time.monotonic_us) {
            let Some(connection) = self.connections.get_mut(id) else { continue };
            connection.rechecked = false;
            if connection.talks {
                self.recheck(id, time.monotonic_us);
            } else {
                connection.tired = true;
                self.rearm_receive(id);
            }
        }
        if self.accept_again_us.is_some_and(|at_us| at_us <= time.monotonic_us) {
            self.accept_again();
        }
    }

    fn expire_in(&mut self, id: ConnectionId, phase: Phase) {
        if self.connections.get(id).is_some_and(|connection| connection.phase == phase) {
            self.finish(id, CloseReason::Ours);
        }
    }
}
