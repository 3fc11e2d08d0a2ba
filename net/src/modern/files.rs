//! Durable writes on the shard's own ring: no thread of ours waits for a disk.

use std::{io, os::fd::AsRawFd, path::Path};

use io_uring::{
    opcode,
    types::{Fd, FsyncFlags},
};

use super::{ModernReactor, token::Operation};
use crate::{
    ConnectionId, FileId,
    durable::{BlockBuffer, BlockBuffers, Durability, DurableFile},
    notice::Notice,
    slots::Slots,
};

/// Writes under way at once; a shard has one or two.
const WRITES_MAX: u32 = 4_096;

/// The files of one reactor and what is being written to them.
#[derive(Debug)]
pub(super) struct Files {
    files: Vec<Option<OpenFile>>,
    /// Named as connections are, so that the kernel can carry the name.
    writes: Slots<PendingWrite>,
    buffers: BlockBuffers,
}

#[derive(Debug)]
struct OpenFile {
    file: DurableFile,
    /// Writes under way.
    writes: u32,
    /// No more writes; to be closed after the last.
    closing: bool,
}

#[derive(Debug)]
struct PendingWrite {
    /// Read by the kernel until the write's completion.
    buffer: BlockBuffer,
    file: FileId,
    token: u64,
}

impl Default for Files {
    fn default() -> Self {
        Self { files: Vec::new(), writes: Slots::new(WRITES_MAX), buffers: BlockBuffers::default() }
    }
}

impl Files {
    pub(super) fn open(&mut self, path: &Path) -> io::Result<FileId> {
        let open = OpenFile { file: DurableFile::open(path)?, writes: 0, closing: false };
        let free = self.files.iter().position(Option::is_none);
        let index = free.unwrap_or_else(|| {
            self.files.push(None);
            self.files.len() - 1
        });
        self.files[index] = Some(open);
        Ok(FileId(index as u32))
    }

    pub(super) fn close(&mut self, id: FileId) {
        if let Some(open) = self.files.get_mut(id.0 as usize).and_then(Option::as_mut) {
            open.closing = true;
            self.close_if_idle(id);
        }
    }

    fn close_if_idle(&mut self, id: FileId) {
        let entry = &mut self.files[id.0 as usize];
        if entry.as_ref().is_some_and(|open| open.closing && open.writes == 0) {
            *entry = None;
        }
    }

    /// Whether no write is under way.
    pub(super) fn is_idle(&self) -> bool {
        self.writes.len() == 0
    }

    /// Takes a write in; says what to submit for it.
    fn begin(&mut self, id: FileId, offset: u64, bytes: &[u8], token: u64) -> io::Result<ConnectionId> {
        let open = self.files.get_mut(id.0 as usize).and_then(Option::as_mut).filter(|open| !open.closing);
        let open = open.ok_or_else(|| io::Error::from_raw_os_error(libc::EBADF))?;
        open.file.check(offset, bytes.len())?;
        let buffer = self.buffers.copy(bytes);
        let name = self.writes.insert(PendingWrite { buffer, file: id, token });
        let name = name.map_err(|_| io::Error::other(format!("more than {WRITES_MAX} writes at once")))?;
        open.writes += 1;
        Ok(name)
    }

    /// The file a write goes to.
    fn file_of(&self, name: ConnectionId) -> &DurableFile {
        let write = self.writes.get(name).expect("a write is kept until it has ended");
        let open = self.files[write.file.0 as usize].as_ref();
        &open.expect("a file is kept until its last write has ended").file
    }

    /// Bytes of a write.
    fn bytes_of(&self, name: ConnectionId) -> &[u8] {
        self.writes.get(name).expect("a write is kept until it has ended").buffer.bytes()
    }

    /// The kernel is done with a write; gives back its token.
    fn end(&mut self, name: ConnectionId) -> u64 {
        let write = self.writes.remove(name).expect("a write ends once");
        self.buffers.give_back(write.buffer);
        let open = self.files[write.file.0 as usize].as_mut();
        open.expect("a file is kept until its last write has ended").writes -= 1;
        self.close_if_idle(write.file);
        write.token
    }
}

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
