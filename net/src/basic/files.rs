//! Durable writes on the shard's own ring: how they are submitted and how they end.

use std::{io, os::fd::AsRawFd};

use io_uring::{
    opcode,
    types::{Fd, FsyncFlags},
};

use super::BasicReactor;
use crate::{
    ConnectionId, FileId,
    files::Outcome,
    notice::Notice,
    token::{Operation, pack},
};

impl BasicReactor {
    pub(super) fn start_write(
        &mut self,
        file: FileId,
        offset: u64,
        bytes: &[u8],
        token: u64,
    ) -> io::Result<()> {
        let name = self.files.begin(file, offset, bytes, token)?;
        let vector = self.files.vector_of(name);
        let descriptor = Fd(self.files.file_of(name).file.as_raw_fd());
        let entry = opcode::Writev::new(descriptor, vector, 1).offset(offset).build();
        // SAFETY: the vector and the bytes it names are heap allocations of the pending write, which nobody
        // changes and which are kept until this operation's completion (a kernel before 5.5 may read the
        // vector until then); so is the file.
        unsafe { self.ring.push(entry.user_data(pack(Operation::Write, name))) }
        Ok(())
    }

    /// A write, or the sync that follows it where the filesystem needs one, has ended. The sync is submitted
    /// only now: there are no links before 5.3, and nothing else orders the two.
    pub(super) fn wrote(&mut self, operation: Operation, name: ConnectionId, result: i32) {
        match self.files.judge(operation, name, result) {
            Outcome::SyncFirst => {
                let descriptor = Fd(self.files.file_of(name).file.as_raw_fd());
                let entry = opcode::Fsync::new(descriptor).flags(FsyncFlags::DATASYNC).build();
                // SAFETY: a sync points to no memory; the file is kept until its completion.
                unsafe { self.ring.push(entry.user_data(pack(Operation::Sync, name))) }
            }
            Outcome::Ended(result) => {
                let token = self.files.end(name);
                self.notices.push(Notice::Written(token, result));
            }
        }
    }
}
