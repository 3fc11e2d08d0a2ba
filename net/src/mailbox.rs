//! Connections on their way from one reactor to another. Holds the descriptor and what the engine said about
//! it together, so that they cannot be mixed up; waking the receiver is the sender's business.

use std::{
    collections::VecDeque,
    net::TcpStream,
    sync::{
        Mutex, MutexGuard,
        atomic::{AtomicUsize, Ordering},
    },
};

/// How a connection travels.
#[derive(Debug)]
pub(crate) enum Cargo {
    /// An ordinary descriptor; closed if the parcel is dropped.
    Stream(TcpStream),
    /// A descriptor that the sender put into the receiver's registered table.
    Registered(u32),
}

/// One connection on its way.
#[derive(Debug)]
pub(crate) struct Parcel {
    /// The connection itself.
    pub cargo: Cargo,
    /// What the engine passed to `hand_over`.
    pub token: u64,
}

/// Where other reactors leave connections for this one. Has no limit of its own: each parcel is a live
/// connection, and those are limited.
#[derive(Debug, Default)]
pub(crate) struct Mailbox {
    parcels: Mutex<VecDeque<Parcel>>,
    /// Length of `parcels`, so that looking into an empty mailbox takes no lock.
    waiting: AtomicUsize,
}

impl Mailbox {
    pub(crate) fn put(&self, parcel: Parcel) {
        let mut parcels = self.lock();
        parcels.push_back(parcel);
        self.waiting.store(parcels.len(), Ordering::Release);
    }

    pub(crate) fn take(&self) -> Option<Parcel> {
        if self.is_empty() {
            return None;
        }
        let mut parcels = self.lock();
        let parcel = parcels.pop_front();
        self.waiting.store(parcels.len(), Ordering::Release);
        parcel
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.load(Ordering::Acquire) == 0
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Parcel>> {
        self.parcels.lock().expect("nothing panics while it holds this lock")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parcels_arrive_in_order_and_each_once() {
        let mailbox = Mailbox::default();
        assert!(mailbox.is_empty() && mailbox.take().is_none());
        for token in 0..3 {
            mailbox.put(Parcel { cargo: Cargo::Registered(token as u32 + 10), token });
        }
        assert!(!mailbox.is_empty());
        for expected in 0..3 {
            let parcel = mailbox.take().expect("three were put");
            assert_eq!(parcel.token, expected);
            assert!(matches!(parcel.cargo, Cargo::Registered(slot) if u64::from(slot) == expected + 10));
        }
        assert!(mailbox.is_empty() && mailbox.take().is_none());
    }
}
