//! Durable writes on the shard's own ring: how they are submitted and how they end.

use std::{io, os::fd::AsRawFd};

use io_uring::{
    opcode,
    types::{Fd, FsyncFlags},
};

use super::ModernReactor;
use crate::{ConnectionId, FileId, files::Outcome, notice::Notice, token::Operation};

impl ModernReactor {
    pub(super) fn start_write(
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
    pub(super) fn wrote(&mut self, operation: Operation, name: ConnectionId, result: i32) {
        match self.files.judge(operation, name, result) {
            Outcome::SyncFirst => {
                let descriptor = Fd(self.files.file_of(name).file.as_raw_fd());
                let entry = opcode::Fsync::new(descriptor).flags(FsyncFlags::DATASYNC).build();
                // SAFETY: a sync points to no memory; the file is kept until its completion.
                unsafe { self.push(Operation::Sync, name, entry) }
            }
            Outcome::Ended(result) => {
                let token = self.files.end(name);
                self.notices.push(Notice::Written(token, result));
            }
        }
    }
}
