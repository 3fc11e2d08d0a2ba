//! One connection of the basic backend: what is true of it, not what is done with it.

use std::net::TcpStream;

use crate::{
    CloseReason,
    outbox::Outbox,
    senders::{Place, Sender},
};

/// Where a connection is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// `connect` was called and has not ended.
    Connecting,
    /// Bytes flow both ways.
    Open,
    /// Closing: what is queued is sent, what arrives is dropped.
    Flushing,
    /// Closing: our end is sent, the peer's is awaited, so that no reset overtakes the last bytes.
    Lingering,
    /// To be handed over as soon as what is queued was sent.
    Leaving {
        /// The shard that gets it.
        to: u32,
        /// What it is told.
        token: u64,
    },
    /// Shut down; its operations are about to end, and then it is closed.
    Ending(CloseReason),
}

/// One slot of the table.
#[derive(Debug)]
pub(super) struct Connection {
    pub stream: TcpStream,
    pub phase: Phase,
    /// What is on its way to the peer; `None` while that is nothing.
    pub outbox: Option<Box<Outbox>>,
    /// The buffer of a read under way.
    pub receiving: Option<u16>,
    /// The buffer of a write under way.
    pub sending: Option<u16>,
    /// Among those who have something to send.
    pub sender: Place,
    /// The peer sent its end; nothing more can be read.
    pub ended: bool,
    /// What epoll was told to watch.
    pub interest: u32,
}

const _: () = assert!(size_of::<Connection>() <= 120, "a slot adds 8 bytes to this and stays within 128");

impl Connection {
    pub(super) fn new(stream: TcpStream, phase: Phase, interest: u32) -> Self {
        Self {
            stream,
            phase,
            outbox: None,
            receiving: None,
            sending: None,
            sender: Place::None,
            ended: false,
            interest,
        }
    }

    /// Whether the kernel still has a buffer for it. The slot is not reused before it has none.
    pub(super) fn is_in_flight(&self) -> bool {
        self.receiving.is_some() || self.sending.is_some()
    }

    /// Whether bytes of the peer are reported.
    pub(super) fn reports_bytes(&self) -> bool {
        matches!(self.phase, Phase::Open | Phase::Leaving { .. })
    }

    /// Whether there may be something to read.
    pub(super) fn reads(&self) -> bool {
        !self.ended && !matches!(self.phase, Phase::Connecting | Phase::Ending(_))
    }

    /// Whether what is queued goes out.
    pub(super) fn sends(&self) -> bool {
        !matches!(self.phase, Phase::Connecting | Phase::Ending(_))
    }

    pub(super) fn queued_bytes(&self) -> usize {
        self.outbox.as_ref().map_or(0, |outbox| outbox.len())
    }

    /// Why it is gone when the peer ended it now.
    pub(super) fn reason_of_end(&self) -> CloseReason {
        match self.phase {
            Phase::Ending(reason) => reason,
            Phase::Flushing | Phase::Lingering => CloseReason::Ours,
            Phase::Connecting | Phase::Open | Phase::Leaving { .. } => CloseReason::Peer,
        }
    }
}

impl Sender for Connection {
    fn takes_bytes(&self) -> bool {
        matches!(self.phase, Phase::Open | Phase::Connecting)
    }

    fn sending(&mut self) -> (&mut Option<Box<Outbox>>, &mut Place) {
        (&mut self.outbox, &mut self.sender)
    }
}
