//! What each completion of the kernel means.

use std::io;

use io_uring::cqueue;

use super::{BasicReactor, connection::Phase};
use crate::{
    ConnectionId, Event, Time,
    notice::OnEvent,
    token::{Operation, unpack},
};

impl BasicReactor {
    pub(super) fn handle(&mut self, completion: &cqueue::Entry, time: Time, on_event: OnEvent<'_>) {
        let (operation, id) = unpack(completion.user_data());
        let result = completion.result();
        match operation {
            Operation::Wake => {
                self.polling = false;
                self.due = true;
            }
            Operation::Cancel => {}
            Operation::Write | Operation::Sync => self.wrote(operation, id, result),
            Operation::Receive => self.received(id, result, time, on_event),
            Operation::Send => self.sent(id, result),
            Operation::Accept
            | Operation::Rest
            | Operation::Register
            | Operation::Connect
            | Operation::Shutdown
            | Operation::HandOver
            | Operation::Close
            | Operation::Discard
            | Operation::Install => unreachable!("Linux 5.1 has no {operation:?}"),
        }
    }

    fn received(&mut self, id: ConnectionId, result: i32, time: Time, on_event: OnEvent<'_>) {
        let connection = self.connections.get_mut(id).expect("its slot is kept while it receives");
        let buffer = connection.receiving.take().expect("it was given one");
        if result > 0 {
            self.stats.received_bytes += result as u64;
            if connection.reports_bytes() {
                let bytes = self.receives.bytes_of(buffer, result as usize);
                self.active = true;
                self.reported_bytes = true;
                on_event(time, Event::Received { connection: id, bytes });
            }
        }
        self.receives.give_back(buffer);
        match result {
            0 => self.ended(id),
            // A full buffer: there is more, and it may have its share of the turn.
            1.. if result as u32 == self.receives.bytes() && self.rounds_left > 0 => self.begin_read(id),
            // Where nothing was there after all, epoll says when something is.
            1.. => {}
            _ if matches!(-result, libc::EAGAIN | libc::EINTR) => {}
            _ => self.failed(id, &io::Error::from_raw_os_error(-result)),
        }
        self.settle(id);
    }

    fn sent(&mut self, id: ConnectionId, result: i32) {
        let connection = self.connections.get_mut(id).expect("its slot is kept while it sends");
        let buffer = connection.sending.take().expect("it was given one");
        self.sends.give_back(buffer);
        if !matches!(connection.phase, Phase::Ending(_)) {
            match result {
                0.. => {
                    let outbox = connection.outbox.as_mut().expect("it is kept while it is sent from");
                    outbox.advance(result as usize);
                    self.stats.sent_bytes += result as u64;
                    self.flush(id);
                }
                _ if -result == libc::EAGAIN => self.watch(id, true),
                _ if -result == libc::EINTR => self.flush(id),
                _ => self.failed_to_send(id, &io::Error::from_raw_os_error(-result)),
            }
        }
        self.settle(id);
    }

    /// Goes on with a connection that waited for its operations to end.
    fn settle(&mut self, id: ConnectionId) {
        let Some(connection) = self.connections.get(id).filter(|connection| !connection.is_in_flight())
        else {
            return;
        };
        match connection.phase {
            Phase::Ending(reason) => self.free(id, reason),
            Phase::Leaving { .. } => self.flushed(id),
            Phase::Connecting | Phase::Open | Phase::Flushing | Phase::Lingering => {}
        }
    }
}
