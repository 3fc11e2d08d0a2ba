//! Accepting: several accepts at once, each with room of its own for the peer's address.
//!
//! A multishot accept would save a submission a connection, but it has one place for all addresses, and who
//! connects must be known before anything is spent on it (docs/decisions/0013-accepts-that-name-the-peer.md).

use std::{mem, net::SocketAddr, os::fd::AsRawFd};

use io_uring::{
    opcode,
    types::{CancelBuilder, DestinationSlot, Fd},
};
use socket2::{SockAddr, SockAddrStorage, Socket};

use super::ModernReactor;
use crate::{
    ConnectionId, Time, clock,
    limits::{ACCEPT_PAUSE_MS, ACCEPTS_AT_ONCE},
    notice::Notice,
    token::{Operation, pack},
};

/// Our listener, as long as the kernel may accept from it.
pub(super) struct Listener {
    socket: Socket,
    /// On the heap: the kernel writes there, wherever the listener itself goes.
    places: Box<[Place]>,
    /// To be closed as soon as nothing accepts from it.
    pub(super) stopped: bool,
}

/// One accept.
struct Place {
    address: SockAddrStorage,
    length: libc::socklen_t,
    /// The kernel may accept and write the address.
    armed: bool,
}

impl Place {
    /// The address that the kernel wrote.
    fn peer(&mut self) -> Option<SocketAddr> {
        let storage = mem::replace(&mut self.address, SockAddrStorage::zeroed());
        // SAFETY: the storage was zero before the kernel wrote an address of `length` bytes to it, so all of it is
        // initialised, and `as_socket` looks at the family first.
        unsafe { SockAddr::new(storage, self.length) }.as_socket()
    }
}

impl Listener {
    pub(super) fn new(socket: Socket) -> Self {
        let place = || Place { address: SockAddrStorage::zeroed(), length: 0, armed: false };
        let places = (0..ACCEPTS_AT_ONCE).map(|_| place()).collect();
        Self { socket, places, stopped: false }
    }

    /// Accepts that the kernel has.
    pub(super) fn armed(&self) -> usize {
        self.places.iter().filter(|place| place.armed).count()
    }
}

/// The name of an accept, which belongs to no connection.
fn name_of(place: usize) -> ConnectionId {
    ConnectionId { slot: place as u32, generation: 0 }
}

impl ModernReactor {
    /// Arms as many accepts as would find a slot: the kernel drops a connection that it accepted and has no
    /// descriptor for, while one that is not accepted waits.
    pub(super) fn arm_accepts(&mut self) {
        for index in 0..ACCEPTS_AT_ONCE {
            let Some(listener) = self.listener.as_ref().filter(|listener| !listener.stopped) else { return };
            if listener.places[index].armed {
                continue;
            }
            if self.connections.len() + listener.armed() >= self.limits.connections_max as usize {
                // A slot that is freed ends the pause.
                self.accept_again_us = Some(clock::now().monotonic_us + ACCEPT_PAUSE_MS * 1_000);
                return;
            }
            self.arm_accept(index);
        }
    }

    fn arm_accept(&mut self, index: usize) {
        let Some(listener) = self.listener.as_mut() else { return };
        let place = &mut listener.places[index];
        place.armed = true;
        place.length = place.address.size_of();
        let (address, length) = (&raw mut place.address, &raw mut place.length);
        let entry = opcode::Accept::new(Fd(listener.socket.as_raw_fd()), address.cast(), length)
            .file_index(Some(DestinationSlot::auto_target()))
            .build();
        // SAFETY: address and length are in a box that is freed only when no accept is armed, or leaked with the
        // reactor; nothing here touches them before this operation's completion. The listener stays open as long.
        unsafe { self.push(Operation::Accept, name_of(index), entry) }
    }

    /// Accepts no more. The listener is closed when the last accept has ended.
    pub(super) fn cancel_accepts(&mut self) {
        let Some(listener) = self.listener.as_mut() else { return };
        listener.stopped = true;
        if listener.armed() == 0 {
            *self.listener = None;
            return;
        }
        for index in 0..ACCEPTS_AT_ONCE {
            let accept = CancelBuilder::user_data(pack(Operation::Accept, name_of(index)));
            if self.listener.as_ref().is_some_and(|listener| listener.places[index].armed) {
                let entry = opcode::AsyncCancel2::new(accept).build();
                // SAFETY: a cancel points to no memory.
                unsafe { self.push(Operation::Cancel, crate::token::NOBODY, entry) }
            }
        }
    }

    /// An accept has ended.
    pub(super) fn accepted(&mut self, id: ConnectionId, result: i32, time: Time) {
        let Some(listener) = self.listener.as_mut() else {
            unreachable!("it stays while an accept is armed");
        };
        let place = &mut listener.places[id.slot as usize];
        place.armed = false;
        if result >= 0 {
            let peer = place.peer();
            self.welcome(result as u32, |id| Notice::Accepted(id, peer));
        }
        let Some(listener) = self.listener.as_ref() else { return };
        if listener.stopped {
            if listener.armed() == 0 {
                *self.listener = None;
            }
        } else if matches!(-result, libc::ENFILE | libc::EMFILE | libc::ENOMEM | libc::ENOBUFS) {
            self.accept_again_us = Some(time.monotonic_us + ACCEPT_PAUSE_MS * 1_000);
        } else if self.accept_again_us.is_none() {
            self.arm_accepts();
        }
    }

    /// Accepting waits for descriptors or slots; there may be one now.
    pub(super) fn accept_again(&mut self) {
        if self.accept_again_us.take().is_some() {
            self.arm_accepts();
        }
    }
}
