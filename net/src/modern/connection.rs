//! One connection of the modern backend: what is true of it, not what is done with it.

use std::os::fd::RawFd;

use socket2::{SockAddr, Socket};

use crate::{
    CloseReason,
    outbox::Outbox,
    senders::{Place, Sender},
};

/// Instead of a registered descriptor, while there is none.
pub(super) const NO_DESCRIPTOR: u32 = u32::MAX;

/// Where a connection is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Our socket is put into the table, then connected.
    Connecting,
    /// Bytes flow both ways.
    Open,
    /// Closing: what is queued is sent, what arrives is dropped.
    Flushing,
    /// Closing: our end is sent, the peer's is awaited, so that no reset overtakes the last bytes.
    Lingering,
    /// To be handed over: what is queued is sent, then receiving is cancelled.
    Leaving {
        /// The shard that gets it.
        to: u32,
        /// What it is told.
        token: u64,
    },
    /// The descriptor is on its way to the other ring.
    Handing {
        /// The shard that gets it.
        to: u32,
        /// What it is told.
        token: u64,
    },
    /// The other ring has it; ours is closed.
    Left,
    /// Everything under way is cancelled, then the descriptor is closed.
    Ending(CloseReason),
}

/// A socket on its way into the table, and where it is to connect. The kernel reads and writes this.
#[derive(Debug)]
pub(super) struct Outgoing {
    /// Held until the table has it.
    pub socket: Option<Socket>,
    /// In: the ordinary descriptor. Out: the registered one.
    pub descriptor: RawFd,
    pub address: SockAddr,
}

/// One slot of the table.
#[derive(Debug)]
pub(super) struct Connection {
    pub phase: Phase,
    /// Its place in the registered file table.
    pub descriptor: u32,
    /// Submissions whose last completion has not come. The slot is not reused before this is zero.
    pub operations: u16,
    /// A multishot receive is armed.
    pub receiving: bool,
    /// It is to be cancelled, and the cancel was submitted.
    pub cancelled: bool,
    /// It is to be looked at again after a while.
    pub rechecked: bool,
    /// Bytes came again since that was decided.
    pub talks: bool,
    /// When its receive has ended, a poll is to be armed instead.
    pub tired: bool,
    /// A poll is armed, which says when there is something to receive.
    pub resting: bool,
    /// It waits for receive buffers.
    pub starved: bool,
    /// A send is under way.
    pub sending: bool,
    /// A send failed: nothing can be sent any more, but the peer's last bytes may still come.
    pub broken: bool,
    /// Among those who have something to send.
    pub sender: Place,
    /// The peer sent its end; nothing more can be received.
    pub ended: bool,
    /// The descriptor's close was submitted.
    pub closing: bool,
    /// What is on its way to the peer; `None` while that is nothing.
    pub outbox: Option<Box<Outbox>>,
    /// While connecting.
    pub outgoing: Option<Box<Outgoing>>,
}

const _: () = assert!(size_of::<Connection>() <= 120, "a slot adds 8 bytes to this and stays within 128");

impl Connection {
    pub(super) fn new(descriptor: u32, phase: Phase) -> Self {
        Self {
            phase,
            descriptor,
            operations: 0,
            receiving: false,
            cancelled: false,
            rechecked: false,
            talks: false,
            tired: false,
            resting: false,
            starved: false,
            sending: false,
            broken: false,
            sender: Place::None,
            ended: false,
            closing: false,
            outbox: None,
            outgoing: None,
        }
    }

    /// Whether bytes of the peer are reported.
    pub(super) fn reports_bytes(&self) -> bool {
        matches!(self.phase, Phase::Open | Phase::Leaving { .. } | Phase::Handing { .. })
    }

    /// Whether what is queued goes out.
    pub(super) fn sends(&self) -> bool {
        matches!(self.phase, Phase::Open | Phase::Flushing | Phase::Leaving { .. }) && !self.broken
    }

    /// Whether to go on receiving.
    pub(super) fn receives(&self) -> bool {
        !self.ended
            && !self.cancelled
            && matches!(self.phase, Phase::Open | Phase::Flushing | Phase::Lingering | Phase::Leaving { .. })
    }
}

impl Sender for Connection {
    fn takes_bytes(&self) -> bool {
        matches!(self.phase, Phase::Open | Phase::Connecting) && !self.broken
    }

    fn sending(&mut self) -> (&mut Option<Box<Outbox>>, &mut Place) {
        (&mut self.outbox, &mut self.sender)
    }
}
