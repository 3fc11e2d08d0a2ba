//! One turn of the basic backend: what is given to the kernel, how it is waited for, and what is done with
//! what is ready.

use std::{
    io::{self, Write},
    mem::ManuallyDrop,
    net::Shutdown,
    os::fd::AsRawFd,
    time::Duration,
};

use io_uring::{opcode, types::Fd};

use super::{BasicReactor, DOORBELL, LISTENER, TIMER, connection::Phase};
use crate::{
    ConnectionId, Time, clock,
    notice::{Notice, OnEvent},
    poller::Ready,
    token::{NOBODY, Operation, pack},
};

/// How often the ring is entered in one turn for what is found on the way, before others get their turn.
const ROUNDS_MAX: u32 = 16;
/// How long dropping a reactor waits for the kernel, in steps, before it leaks memory instead.
const DROP_STEP: Duration = Duration::from_millis(50);
const DROP_STEPS_MAX: usize = 100;

impl BasicReactor {
    pub(super) fn take_turn(
        &mut self,
        wait: Duration,
        ready: &mut dyn FnMut() -> bool,
        on_event: OnEvent<'_>,
    ) -> io::Result<Time> {
        self.stats.turns += 1;
        self.rounds_left = ROUNDS_MAX;
        let time = clock::now();
        self.depart();
        self.collect();
        self.expire(time);
        self.active = self.notices.report(time, on_event);
        self.flush_senders(time, on_event)?;
        let busy = self.active || self.ring.has_unsubmitted() || !self.senders.is_empty();
        let wait = if busy { Duration::ZERO } else { self.shorten(wait, time) };
        self.sleep(wait, time, ready)?;
        let time = clock::now();
        self.handle_all(time, on_event);
        if std::mem::take(&mut self.due) || self.reports.is_some() {
            self.serve(time, on_event)?;
        }
        self.collect();
        self.notices.report(time, on_event);
        Ok(time)
    }

    /// Sends the turn's share of what is queued, as much at once as there are buffers.
    fn flush_senders(&mut self, time: Time, on_event: OnEvent<'_>) -> io::Result<()> {
        let mut share = self.senders.share();
        while let Some(id) = self.senders.next(&mut self.connections, &mut share) {
            if self.sends.is_exhausted() {
                self.exchange(time, on_event)?;
            }
            self.flush(id);
        }
        self.active |= self.notices.report(time, on_event);
        self.exchange_all(time, on_event)
    }

    /// Submits, and handles what came of it: once, whatever that leads to.
    fn exchange(&mut self, time: Time, on_event: OnEvent<'_>) -> io::Result<()> {
        self.ring.enter(false)?;
        self.handle_all(time, on_event);
        Ok(())
    }

    /// Submits until nothing is left to submit, or the turn has had its share.
    fn exchange_all(&mut self, time: Time, on_event: OnEvent<'_>) -> io::Result<()> {
        while self.ring.has_unsubmitted() && self.rounds_left > 0 {
            self.rounds_left -= 1;
            self.exchange(time, on_event)?;
        }
        Ok(())
    }

    /// Handles what the kernel has completed.
    fn handle_all(&mut self, time: Time, on_event: OnEvent<'_>) {
        self.ring.take(&mut self.completions);
        while let Some(completion) = self.completions.pop_front() {
            self.handle(&completion, time, on_event);
            self.active |= self.notices.report(time, on_event);
        }
    }

    /// Lets the ring tell when the poller has something.
    fn arm_poll(&mut self) {
        if self.polling {
            return;
        }
        self.polling = true;
        let entry = opcode::PollAdd::new(Fd(self.poller.descriptor()), libc::POLLIN as u32).build();
        // SAFETY: a poll points to no memory. The descriptor is open as long as `self.poller`.
        unsafe { self.ring.push(entry.user_data(pack(Operation::Wake, NOBODY))) }
    }

    /// Waits until something happens, unless there is work already: in the ring if that has something to wait
    /// for, such as a journal's write, else in the poller itself, which then has less to do for it.
    fn sleep(&mut self, wait: Duration, time: Time, ready: &mut dyn FnMut() -> bool) -> io::Result<()> {
        if self.due {
            return Ok(());
        }
        if wait.is_zero() {
            // Asking the poller itself costs less than having it asked.
            self.due = true;
            return Ok(());
        }
        let in_ring = self.ring.in_flight() > usize::from(self.polling);
        if in_ring {
            let wait_us = u64::try_from(wait.as_micros()).unwrap_or(u64::MAX);
            let at_us = time.monotonic_us.saturating_add(wait_us);
            self.stats.system_calls += u64::from(self.timer.set(time.monotonic_us, at_us)?);
            self.arm_poll();
        }
        self.end().doorbell.lie_down();
        let idle = !ready() && self.end().mailbox.is_empty();
        let result = if in_ring {
            self.ring.enter(idle)
        } else {
            self.ask_poller(if idle { wait } else { Duration::ZERO }).map(|count| self.reports = Some(count))
        };
        self.end().doorbell.get_up();
        result
    }

    /// Lets the poller say how much is ready.
    fn ask_poller(&mut self, wait: Duration) -> io::Result<usize> {
        self.stats.system_calls += 1;
        self.poller.wait(wait)
    }

    /// Does what has become possible, reading for all connections at once.
    fn serve(&mut self, time: Time, on_event: OnEvent<'_>) -> io::Result<()> {
        let count = match self.reports.take() {
            Some(count) => count,
            None => self.ask_poller(Duration::ZERO)?,
        };
        for index in 0..count {
            let ready = self.poller.ready(index);
            match ready.key {
                DOORBELL | TIMER => {}
                LISTENER => self.accept(time),
                key => self.serve_connection(ConnectionId::from_u64(key), ready, time, on_event)?,
            }
        }
        self.notices.report(time, on_event);
        self.exchange_all(time, on_event)
    }

    fn serve_connection(
        &mut self,
        id: ConnectionId,
        ready: Ready,
        time: Time,
        on_event: OnEvent<'_>,
    ) -> io::Result<()> {
        if self.connections.get(id).is_some_and(|connection| connection.phase == Phase::Connecting) {
            self.finish_connect(id);
            // Reported before the bytes that may have come with it.
            self.notices.report(time, on_event);
        }
        if ready.readable {
            if self.receives.is_exhausted() {
                self.exchange(time, on_event)?;
            }
            self.begin_read(id);
        }
        if ready.writable {
            self.flush(id);
        }
        Ok(())
    }

    /// Reads once, unless a read is under way. Without a buffer it is left for the next turn, for which the
    /// poller will name it again.
    pub(super) fn begin_read(&mut self, id: ConnectionId) {
        let Some(connection) = self.connections.get_mut(id) else { return };
        if connection.receiving.is_some() || !connection.reads() {
            return;
        }
        let Some(buffer) = self.receives.take() else {
            self.stats.buffers_exhausted += 1;
            return;
        };
        connection.receiving = Some(buffer);
        let descriptor = Fd(connection.stream.as_raw_fd());
        let (start, bytes) = (self.receives.start(buffer), self.receives.bytes());
        let entry = opcode::ReadFixed::new(descriptor, start, bytes, self.receives.group(buffer)).build();
        // SAFETY: the buffer belongs to this operation until its completion gives it back, and its memory
        // stays as long as anything is in flight; the socket is open until then, too.
        unsafe { self.ring.push(entry.user_data(pack(Operation::Receive, id))) }
    }

    /// Sends what is queued, unless a send is under way.
    pub(super) fn flush(&mut self, id: ConnectionId) {
        let Some(connection) = self.connections.get_mut(id) else { return };
        if connection.sending.is_some() || !connection.sends() {
            return;
        }
        let Some(outbox) = &mut connection.outbox else {
            self.watch(id, false);
            return self.flushed(id);
        };
        let chunk = outbox.chunk();
        if chunk.is_empty() {
            if outbox.was_large() && connection.phase == Phase::Open {
                self.notices.push(Notice::Drained(id));
            }
            self.senders.outboxes.give_back(connection.outbox.take().expect("it was just looked at"));
            self.watch(id, false);
            return self.flushed(id);
        }
        let Some(buffer) = self.sends.take() else { return self.send_without_ring(id) };
        let count = chunk.len().min(self.sends.bytes() as usize);
        self.sends.bytes_of(buffer, count).copy_from_slice(&chunk[..count]);
        connection.sending = Some(buffer);
        let descriptor = Fd(connection.stream.as_raw_fd());
        let (start, group) = (self.sends.start(buffer), self.sends.group(buffer));
        let entry = opcode::WriteFixed::new(descriptor, start, count as u32, group).build();
        // SAFETY: the buffer belongs to this operation until its completion gives it back, so nobody changes
        // it, and its memory stays as long as anything is in flight; the socket is open until then, too.
        unsafe { self.ring.push(entry.user_data(pack(Operation::Send, id))) }
    }

    /// Sends by an ordinary call. Slow readers can hold all buffers, where the kernel (5.7 to 6.x) waits for
    /// room by itself instead of saying that there is none; the others must not wait for them.
    fn send_without_ring(&mut self, id: ConnectionId) {
        loop {
            let connection = self.connections.get_mut(id).expect("it was just looked at");
            let Some(outbox) = &mut connection.outbox else { return self.flush(id) };
            let chunk = outbox.chunk();
            if chunk.is_empty() {
                return self.flush(id);
            }
            self.stats.system_calls += 1;
            match connection.stream.write(chunk) {
                Ok(count) => {
                    self.stats.sent_bytes += count as u64;
                    outbox.advance(count);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return self.watch(id, true),
                Err(error) => return self.failed_to_send(id, &error),
            }
        }
    }

    /// Lets the kernel finish everything, so that memory it uses can be freed.
    fn drain(&mut self) -> io::Result<()> {
        for connection in self.connections.values().filter(|connection| connection.is_in_flight()) {
            if let Err(error) = connection.stream.shutdown(Shutdown::Both) {
                tracing::debug!(%error, "the connection had already ended");
            }
        }
        if self.polling {
            let entry = opcode::PollRemove::new(pack(Operation::Wake, NOBODY)).build();
            // SAFETY: removing a poll points to no memory.
            unsafe { self.ring.push(entry.user_data(pack(Operation::Cancel, NOBODY))) }
        }
        for _ in 0..DROP_STEPS_MAX {
            self.ring.enter(false)?;
            let time = clock::now();
            self.rounds_left = 0;
            self.handle_all(time, &mut |_, _| {});
            if self.ring.in_flight() == 0 {
                break;
            }
            self.ring.wait_at_most(DROP_STEP);
        }
        Ok(())
    }
}

impl Drop for BasicReactor {
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
            ManuallyDrop::drop(&mut self.receives);
            ManuallyDrop::drop(&mut self.sends);
        }
    }
}
