//! The files of a reactor over io_uring and what is being written to them: no thread of ours waits for a
//! disk. Submitting is the backend's business.

use std::{io, path::Path};

use crate::{
    ConnectionId, FileId,
    durable::{BlockBuffer, BlockBuffers, Durability, DurableFile},
    slots::Slots,
    token::Operation,
};

/// Writes under way at once; a shard has one or two.
const WRITES_MAX: u32 = 4_096;

/// The files of one reactor and what is being written to them.
#[derive(Debug)]
pub(crate) struct Files {
    files: Vec<Option<OpenFile>>,
    /// Named as connections are, so that the kernel can carry the name.
    writes: Slots<Box<PendingWrite>>,
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
    /// Names the buffer, for a kernel that wants to be told so; also read until the completion, so it is in a
    /// box and does not move.
    vector: libc::iovec,
    file: FileId,
    token: u64,
}

/// What came of one operation of a write.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// It was written; it is durable after a sync.
    SyncFirst,
    /// It is durable, or failed for good.
    Ended(io::Result<()>),
}

impl Default for Files {
    fn default() -> Self {
        Self { files: Vec::new(), writes: Slots::new(WRITES_MAX), buffers: BlockBuffers::default() }
    }
}

impl Files {
    pub(crate) fn open(&mut self, path: &Path) -> io::Result<FileId> {
        let open = OpenFile { file: DurableFile::open(path)?, writes: 0, closing: false };
        let free = self.files.iter().position(Option::is_none);
        let index = free.unwrap_or_else(|| {
            self.files.push(None);
            self.files.len() - 1
        });
        self.files[index] = Some(open);
        Ok(FileId(index as u32))
    }

    pub(crate) fn close(&mut self, id: FileId) {
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
    pub(crate) fn is_idle(&self) -> bool {
        self.writes.len() == 0
    }

    /// Takes a write in; says what to submit for it.
    pub(crate) fn begin(
        &mut self,
        id: FileId,
        offset: u64,
        bytes: &[u8],
        token: u64,
    ) -> io::Result<ConnectionId> {
        let open = self.files.get_mut(id.0 as usize).and_then(Option::as_mut).filter(|open| !open.closing);
        let open = open.ok_or_else(|| io::Error::from_raw_os_error(libc::EBADF))?;
        open.file.check(offset, bytes.len())?;
        let buffer = self.buffers.copy(bytes);
        let bytes = buffer.bytes();
        let vector = libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() };
        let name = self.writes.insert(Box::new(PendingWrite { buffer, vector, file: id, token }));
        let name = name.map_err(|_| io::Error::other(format!("more than {WRITES_MAX} writes at once")))?;
        open.writes += 1;
        Ok(name)
    }

    /// The file a write goes to.
    pub(crate) fn file_of(&self, name: ConnectionId) -> &DurableFile {
        let write = self.writes.get(name).expect("a write is kept until it has ended");
        let open = self.files[write.file.0 as usize].as_ref();
        &open.expect("a file is kept until its last write has ended").file
    }

    /// Bytes of a write.
    pub(crate) fn bytes_of(&self, name: ConnectionId) -> &[u8] {
        self.writes.get(name).expect("a write is kept until it has ended").buffer.bytes()
    }

    /// Bytes of a write, as a vector of one that stays where it is until [`Files::end`].
    pub(crate) fn vector_of(&self, name: ConnectionId) -> *const libc::iovec {
        &raw const self.writes.get(name).expect("a write is kept until it has ended").vector
    }

    /// What the result of a write, or of the sync behind it, means.
    pub(crate) fn judge(&self, operation: Operation, name: ConnectionId, result: i32) -> Outcome {
        let written = operation == Operation::Write;
        let expected = if written { self.bytes_of(name).len() } else { 0 };
        match usize::try_from(result) {
            Err(_) => Outcome::Ended(Err(io::Error::from_raw_os_error(-result))),
            Ok(count) if count != expected => {
                let text = format!("wrote {count} of {expected} bytes");
                Outcome::Ended(Err(io::Error::new(io::ErrorKind::WriteZero, text)))
            }
            Ok(_) if written && self.file_of(name).durability == Durability::WriteThenSync => {
                Outcome::SyncFirst
            }
            Ok(_) => Outcome::Ended(Ok(())),
        }
    }

    /// The kernel is done with a write; gives back its token.
    pub(crate) fn end(&mut self, name: ConnectionId) -> u64 {
        let write = self.writes.remove(name).expect("a write ends once");
        self.buffers.give_back(write.buffer);
        let open = self.files[write.file.0 as usize].as_mut();
        open.expect("a file is kept until its last write has ended").writes -= 1;
        self.close_if_idle(write.file);
        write.token
    }
}
