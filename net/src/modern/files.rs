//! Durable writes on the shard's own ring: how they are submitted and how they end.

use std::{io, os::fd::AsRawFd};

use io_uring::{
    opcode,
    types::{Fd, FsyncFlags},
};

use super::ModernReactor;
use crate::{ConnectionId, FileId, durable::Durability, notice::Notice, token::Operation};

impl ModernReactor {
    pub(crate) fn start_write(
        &mut self,
        file: FileId,
        offset: u64,
        bytes: &[u8],
        token: u64,
    ) -> io::Result<()> {
        let name = self.files.begin(file, offset, bytes, token)?;
        let bytes = self.files.bytes_of(name);
        let descriptor = Fd(self.files.file_of(name).file.as_raw_fd());
        let entry = opcode::Write::new(descriptor, bytes.as_ptr(), bytes.len() as u32).offset(offset).build();
        // SAFETY: the bytes are a heap allocation of the pending write, which nobody changes and which is
        // kept until this operation's completion; so is the file.
        unsafe { self.push(Operation::Write, name, entry) }
        Ok(())
    }

    /// A write, or the sync that follows it where the filesystem needs one, has ended.
    pub(crate) fn wrote(&mut self, operation: Operation, name: ConnectionId, result: i32) {
        let expected = match operation {
            Operation::Write => self.files.bytes_of(name).len(),
            _ => 0,
        };
        let file = self.files.file_of(name);
        let outcome = match usize::try_from(result) {
            Err(_) => Err(io::Error::from_raw_os_error(-result)),
            Ok(count) if count != expected => {
                Err(io::Error::new(io::ErrorKind::WriteZero, format!("wrote {count} of {expected} bytes")))
            }
            Ok(_) if operation == Operation::Write && file.durability == Durability::WriteThenSync => {
                let descriptor = Fd(file.file.as_raw_fd());
                let entry = opcode::Fsync::new(descriptor).flags(FsyncFlags::DATASYNC).build();
                // SAFETY: a sync points to no memory; the file is kept until its completion.
                return unsafe { self.push(Operation::Sync, name, entry) };
            }
            Ok(_) => Ok(()),
        };
        let token = self.files.end(name);
        self.notices.push(Notice::Written(token, outcome));
    }
}
