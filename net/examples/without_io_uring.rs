//! Runs a program on a host that forbids io_uring: `without_io_uring EPERM|ENOSYS PROGRAM [ARGUMENT…]`. What a
//! container's filter does to it is tried with this on kernels that have io_uring.

use std::{env, io, os::unix::process::CommandExt, process::Command};

#[path = "../tests/common/filter.rs"]
mod filter;

fn main() -> io::Result<()> {
    let mut words = env::args_os().skip(1);
    let number = match words.next().as_deref().and_then(|word| word.to_str()) {
        Some("EPERM") => libc::EPERM,
        Some("ENOSYS") => libc::ENOSYS,
        _ => return Err(io::Error::other("usage: without_io_uring EPERM|ENOSYS PROGRAM [ARGUMENT…]")),
    };
    let program = words.next().ok_or_else(|| io::Error::other("name a program to run"))?;
    filter::block_io_uring(number);
    // Only comes back if the program cannot be started.
    Err(Command::new(program).args(words).exec())
}
