//! What a reactor reports: one closed enum, and why connections end. What the bytes mean is not known here.

use std::{io, net::SocketAddr};

use crate::ConnectionId;

/// Why a connection is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseReason {
    /// The peer closed or reset it.
    Peer,
    /// We asked for it with [`Reactor::close`] or [`Reactor::abort`].
    Ours,
    /// The peer read too slowly: its outbox passed the limit.
    SlowReader,
    /// `connect` failed, or the kernel reported another error number on the socket.
    Error(i32),
}

/// Something that happened. Everything about one connection arrives in order, and nothing after
/// [`Event::Closed`] or [`Event::HandedOver`].
#[derive(Debug)]
pub enum Event<'a> {
    /// A peer connected to our listener.
    Accepted {
        /// The new connection.
        connection: ConnectionId,
        /// Who it is; `None` where the kernel does not say.
        peer: Option<SocketAddr>,
    },
    /// A [`Reactor::connect`] succeeded.
    Connected {
        /// The connection that `connect` returned.
        connection: ConnectionId,
    },
    /// Another shard handed a connection to this one.
    Adopted {
        /// Its name here.
        connection: ConnectionId,
        /// What the other shard passed to [`Reactor::hand_over`].
        token: u64,
    },
    /// Bytes from the peer. The slice is the receive buffer itself, so that it may be unmasked in place.
    Received {
        /// Whose.
        connection: ConnectionId,
        /// What arrived, at least one byte.
        bytes: &'a mut [u8],
    },
    /// The outbox became empty after it had held at least [`crate::DRAINED_ABOVE_BYTES`].
    Drained {
        /// Whose.
        connection: ConnectionId,
    },
    /// The connection is gone and its name with it. Also reported for a failed `connect`.
    Closed {
        /// Which.
        connection: ConnectionId,
        /// Why.
        reason: CloseReason,
    },
    /// A [`Reactor::hand_over`] is complete: nothing more will be reported for this connection here.
    HandedOver {
        /// Which.
        connection: ConnectionId,
    },
    /// A [`Reactor::write_durable`] ended: with `Ok`, the bytes survive power loss.
    Written {
        /// What was passed to `write_durable`.
        token: u64,
        /// An error is final: the state of the file is unknown and must not be retried.
        result: io::Result<()>,
    },
}
