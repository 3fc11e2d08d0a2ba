//! The 64 bits that the kernel carries from a submission to its completions: operation, generation, slot.

use crate::{ConnectionId, slots::GENERATION_MASK};

/// What was asked of the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Operation {
    /// Accepting connections.
    Accept = 1,
    /// Polling what wakes the reactor.
    Wake,
    /// Cancelling, of whatever; its result says nothing that the cancelled operation does not say.
    Cancel,
    /// Receiving from a connection.
    Receive,
    /// Polling a connection that is quiet.
    Rest,
    /// The one send of a connection.
    Send,
    /// Putting an outgoing socket into the table.
    Register,
    /// Connecting it.
    Connect,
    /// Sending our end.
    Shutdown,
    /// Giving the descriptor to another ring.
    HandOver,
    /// Closing the descriptor of a connection.
    Close,
    /// Closing a descriptor that no connection has.
    Discard,
    /// Asking for an ordinary copy of a descriptor.
    Install,
    /// A durable write.
    Write,
    /// The sync that makes the write before it durable.
    Sync,
}

const OPERATIONS: [Operation; 15] = [
    Operation::Accept,
    Operation::Wake,
    Operation::Cancel,
    Operation::Receive,
    Operation::Rest,
    Operation::Send,
    Operation::Register,
    Operation::Connect,
    Operation::Shutdown,
    Operation::HandOver,
    Operation::Close,
    Operation::Discard,
    Operation::Install,
    Operation::Write,
    Operation::Sync,
];

/// For operations that belong to no connection.
pub(crate) const NOBODY: ConnectionId = ConnectionId { slot: u32::MAX, generation: 0 };

/// Both parts in one number.
pub(crate) fn pack(operation: Operation, id: ConnectionId) -> u64 {
    debug_assert!(id.generation <= GENERATION_MASK);
    (operation as u64) << 56 | id.to_u64()
}

/// The inverse of [`pack`].
pub(crate) fn unpack(token: u64) -> (Operation, ConnectionId) {
    let operation = OPERATIONS[(token >> 56) as usize - 1];
    let ConnectionId { slot, generation } = ConnectionId::from_u64(token);
    (operation, ConnectionId { slot, generation: generation & GENERATION_MASK })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operation_and_name_comes_back() {
        let ids = [
            NOBODY,
            ConnectionId { slot: 0, generation: 0 },
            ConnectionId { slot: u32::MAX, generation: GENERATION_MASK },
        ];
        for (index, operation) in OPERATIONS.into_iter().enumerate() {
            assert_eq!(operation as usize, index + 1, "the table is in the order of the numbers");
            for id in ids {
                assert_eq!(unpack(pack(operation, id)), (operation, id));
            }
        }
    }
}
