//! What Linux 5.1 had, as a list that the kernel enforces: the proof that this backend needs nothing newer.
//!
//! A ring made under [`VARIABLE`] starts disabled, is given the list, and is then enabled: from there on the
//! kernel (5.10 or newer has this) refuses any operation, flag or registration that is not on it.

use std::io;

use io_uring::{Submitter, opcode, register::Restriction};

/// Set to anything, it restricts the rings of this backend. For tests; read when a ring is made.
const VARIABLE: &str = "RINGDESK_RESTRICT_51";

/// All operations of Linux 5.1, used here or not.
const OPERATIONS: [u8; 8] = [
    opcode::Nop::CODE,
    opcode::Readv::CODE,
    opcode::Writev::CODE,
    opcode::Fsync::CODE,
    opcode::ReadFixed::CODE,
    opcode::WriteFixed::CODE,
    opcode::PollAdd::CODE,
    opcode::PollRemove::CODE,
];
/// Registering and unregistering buffers and files.
const REGISTRATIONS: [u8; 4] = [0, 1, 2, 3];
/// `IOSQE_FIXED_FILE`, the only flag there was.
const FLAGS: u8 = 1;

/// Whether rings are to be restricted.
pub(crate) fn is_restricted() -> bool {
    std::env::var_os(VARIABLE).is_some()
}

/// Restricts a disabled ring and enables it.
pub(super) fn restrict(submitter: &Submitter<'_>) -> io::Result<()> {
    let operations = OPERATIONS.into_iter().map(Restriction::sqe_op);
    let registrations = REGISTRATIONS.into_iter().map(Restriction::register_op);
    let flags = std::iter::once(Restriction::sqe_flags_allowed(FLAGS));
    let mut list: Vec<_> = operations.chain(registrations).chain(flags).collect();
    submitter.register_restrictions(&mut list)?;
    submitter.register_enable_rings()
}
