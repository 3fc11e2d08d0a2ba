//! One ring, one loop: receives, writes, sends; one system call a turn.

use std::{
    fs::{File, OpenOptions},
    io,
    os::{
        fd::{AsRawFd, RawFd},
        unix::fs::OpenOptionsExt,
    },
    path::Path,
};

use io_uring::{
    IoUring, cqueue, opcode, squeue,
    types::{Fd, Fixed},
};

use crate::buffers::{Buffers, leak_pages};

const CONNECTIONS_MAX: u32 = 4_096;
/// Bytes of a journal record of a short message, as `ringdesk` writes it.
const RECORD_BYTES: usize = 256;
/// Bytes of an `event` of a short message, as `ringdesk` sends it.
const EVENT_BYTES: usize = 280;
const ACK_BYTES: usize = 80;
const ID_BYTES: usize = 16;
const BLOCK_BYTES: usize = 4_096;
const FILE_BYTES: usize = 16 << 20;
const GROUP_BYTES_MAX: usize = 1 << 20;
const UPGRADED: &[u8] =
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n";
/// `IORING_RECV_MULTISHOT` with `IORING_RECVSEND_POLL_FIRST`.
const MULTISHOT: u16 = 3;

const ACCEPT: u64 = 1 << 32;
const RECEIVE: u64 = 2 << 32;
const SEND: u64 = 3 << 32;
const WRITE: u64 = 4 << 32;

pub enum Mode {
    Echo,
    Chat,
    Durable(Journal),
}

/// Where groups go, and what waits for them.
pub struct Journal {
    file: File,
    memory: &'static mut [u8],
    offset: usize,
    /// Visitors and their agents whose messages are being written.
    leaving: Vec<(u32, u32)>,
    /// Those whose messages came meanwhile.
    pending: Vec<(u32, u32)>,
}

impl Journal {
    pub fn open(path: &Path) -> io::Result<Self> {
        std::fs::write(path, vec![0; FILE_BYTES])?;
        File::open(path)?.sync_all()?;
        let file = OpenOptions::new().write(true).custom_flags(libc::O_DIRECT | libc::O_DSYNC).open(path)?;
        let memory = leak_pages(GROUP_BYTES_MAX);
        Ok(Self { file, memory, offset: 0, leaving: Vec::new(), pending: Vec::new() })
    }
}

#[derive(Clone, Copy)]
enum Stage {
    Upgrading,
    Open,
    Visitor { agent: u32 },
}

struct Connection {
    stage: Stage,
    sending: bool,
    dirty: bool,
    queued: Vec<u8>,
    leaving: Vec<u8>,
}

pub struct Server {
    mode: Mode,
    ring: IoUring,
    buffers: Buffers,
    /// By registered descriptor.
    connections: Vec<Connection>,
    /// The descriptor of each agent.
    agents: Vec<u32>,
    dirty: Vec<u32>,
}

impl Server {
    pub fn new(mode: Mode) -> io::Result<Self> {
        let mut builder = IoUring::builder();
        builder.setup_single_issuer().setup_defer_taskrun().setup_submit_all().setup_cqsize(8_192);
        let ring = builder.build(1_024)?;
        ring.submitter().register_files_sparse(CONNECTIONS_MAX)?;
        let buffers = Buffers::new(&ring)?;
        Ok(Self { mode, ring, buffers, connections: Vec::new(), agents: Vec::new(), dirty: Vec::new() })
    }

    /// Serves until the process ends.
    pub fn run(mut self, listener: RawFd) -> io::Result<()> {
        let accept = opcode::AcceptMulti::new(Fd(listener)).allocate_file_index(true).build();
        self.push(accept.user_data(ACCEPT));
        let mut completions = Vec::new();
        loop {
            self.ring.submitter().submit_and_wait(1)?;
            completions.extend(self.ring.completion());
            for completion in completions.drain(..) {
                self.handle(&completion);
            }
            self.buffers.publish();
            self.write();
            self.send();
        }
    }

    fn push(&mut self, entry: squeue::Entry) {
        loop {
            // SAFETY: all memory that entries point to is kept: receive buffers and the journal's are never freed, and
            // `leaving` of a connection is neither changed nor moved while `sending`.
            if unsafe { self.ring.submission().push(&entry) }.is_ok() {
                return;
            }
            self.ring.submit().expect("a full queue can be submitted");
        }
    }

    fn handle(&mut self, completion: &cqueue::Entry) {
        let (token, result) = (completion.user_data(), completion.result());
        let descriptor = token as u32;
        match token & !u64::from(u32::MAX) {
            ACCEPT => {
                assert!(cqueue::more(completion.flags()) && result >= 0, "accepting ended: {result}");
                self.accepted(result as u32);
            }
            RECEIVE => self.received(descriptor, completion),
            SEND => {
                let connection = &mut self.connections[descriptor as usize];
                connection.sending = false;
                if result >= 0 {
                    assert_eq!(result as usize, connection.leaving.len(), "short messages leave whole");
                    connection.leaving.clear();
                    if !connection.queued.is_empty() {
                        self.mark(descriptor);
                    }
                }
            }
            WRITE => self.written(result),
            // A close.
            _ => {}
        }
    }

    fn accepted(&mut self, descriptor: u32) {
        let fresh = || Connection {
            stage: Stage::Upgrading,
            sending: false,
            dirty: false,
            queued: Vec::new(),
            leaving: Vec::new(),
        };
        let slot = descriptor as usize;
        if self.connections.len() <= slot {
            self.connections.resize_with(slot + 1, fresh);
        }
        self.connections[slot] = fresh();
        self.arm(descriptor);
    }

    fn arm(&mut self, descriptor: u32) {
        let entry = opcode::Recv::new(Fixed(descriptor), std::ptr::null_mut(), 0)
            .ioprio(MULTISHOT)
            .build()
            .flags(squeue::Flags::BUFFER_SELECT);
        self.push(entry.user_data(RECEIVE | u64::from(descriptor)));
    }

    fn received(&mut self, descriptor: u32, completion: &cqueue::Entry) {
        if let Some(buffer) = cqueue::buffer_select(completion.flags()) {
            self.take(descriptor, buffer, completion.result().max(0) as usize);
            self.buffers.give_back(buffer);
        }
        if cqueue::more(completion.flags()) {
            return;
        }
        match -completion.result() {
            ..0 | libc::ENOBUFS => self.arm(descriptor),
            _ => self.push(opcode::Close::new(Fixed(descriptor)).build()),
        }
    }

    fn take(&mut self, descriptor: u32, buffer: u16, len: usize) {
        let Self { mode, buffers, connections, agents, dirty, .. } = self;
        let bytes = buffers.bytes(buffer, len);
        let connection = &mut connections[descriptor as usize];
        let mut queue = |connection: &mut Connection, descriptor, payload: &[u8]| {
            put_frame(payload, &mut connection.queued);
            mark(connection, descriptor, dirty);
        };
        match connection.stage {
            Stage::Upgrading => {
                assert!(bytes.ends_with(b"\r\n\r\n"), "a request comes whole");
                connection.queued.extend_from_slice(UPGRADED);
                connection.stage = Stage::Open;
                mark(connection, descriptor, dirty);
            }
            Stage::Open if matches!(mode, Mode::Echo) => {
                frames(bytes, |_, payload| queue(connection, descriptor, payload));
            }
            Stage::Open => frames(bytes, |mask, payload| {
                match hello(mask, payload) {
                    Some(("agent", number)) => {
                        if agents.len() <= number {
                            agents.resize(number + 1, 0);
                        }
                        agents[number] = descriptor;
                    }
                    Some(("visitor", number)) => connection.stage = Stage::Visitor { agent: agents[number] },
                    _ => {}
                };
            }),
            Stage::Visitor { agent } => frames(bytes, |_, payload| match mode {
                Mode::Durable(journal) => journal.pending.push((descriptor, agent)),
                Mode::Echo | Mode::Chat => {
                    queue(&mut connections[descriptor as usize], descriptor, &payload[..ID_BYTES]);
                    queue(&mut connections[agent as usize], agent, payload);
                }
            }),
        }
    }

    /// Begins to write all that is pending, unless a write is under way.
    fn write(&mut self) {
        let Mode::Durable(journal) = &mut self.mode else { return };
        if !journal.leaving.is_empty() || journal.pending.is_empty() {
            return;
        }
        std::mem::swap(&mut journal.leaving, &mut journal.pending);
        let used = journal.leaving.len() * RECORD_BYTES;
        let bytes = used.next_multiple_of(BLOCK_BYTES);
        if journal.offset + bytes > FILE_BYTES {
            journal.offset = 0;
        }
        // The records have to get there, whatever they are.
        journal.memory[..used].fill(journal.offset as u8 | 1);
        let entry = opcode::Write::new(Fd(journal.file.as_raw_fd()), journal.memory.as_ptr(), bytes as u32)
            .offset(journal.offset as u64)
            .build();
        journal.offset += bytes;
        self.push(entry.user_data(WRITE));
    }

    fn written(&mut self, result: i32) {
        let Self { mode: Mode::Durable(journal), connections, dirty, .. } = self else { return };
        assert!(result > 0, "a write failed: {result}");
        for (visitor, agent) in journal.leaving.drain(..) {
            let connection = &mut connections[visitor as usize];
            put_frame(&[b'a'; ACK_BYTES], &mut connection.queued);
            put_frame(&[b'e'; EVENT_BYTES], &mut connection.queued);
            mark(connection, visitor, dirty);
            let connection = &mut connections[agent as usize];
            put_frame(&[b'e'; EVENT_BYTES], &mut connection.queued);
            mark(connection, agent, dirty);
        }
    }

    fn mark(&mut self, descriptor: u32) {
        mark(&mut self.connections[descriptor as usize], descriptor, &mut self.dirty);
    }

    /// One send for each connection that has something, and none under way.
    fn send(&mut self) {
        for index in 0..self.dirty.len() {
            let descriptor = self.dirty[index];
            let connection = &mut self.connections[descriptor as usize];
            connection.dirty = false;
            if connection.sending || connection.queued.is_empty() {
                continue;
            }
            connection.sending = true;
            std::mem::swap(&mut connection.leaving, &mut connection.queued);
            let (start, len) = (connection.leaving.as_ptr(), connection.leaving.len() as u32);
            let entry = opcode::Send::new(Fixed(descriptor), start, len).flags(libc::MSG_NOSIGNAL).build();
            self.push(entry.user_data(SEND | u64::from(descriptor)));
        }
        self.dirty.clear();
    }
}

fn mark(connection: &mut Connection, descriptor: u32, dirty: &mut Vec<u32>) {
    if !std::mem::replace(&mut connection.dirty, true) {
        dirty.push(descriptor);
    }
}

/// Reports each masked frame's mask and payload as it lies there.
fn frames(mut bytes: &[u8], mut each: impl FnMut([u8; 4], &[u8])) {
    while let [opcode, length, rest @ ..] = bytes {
        if *opcode != 0x81 {
            return;
        }
        let (length, rest) = match length & 0x7f {
            126 => (usize::from(rest[0]) << 8 | usize::from(rest[1]), &rest[2..]),
            short => (usize::from(short), rest),
        };
        let (mask, rest) = rest.split_first_chunk().expect("frames come whole");
        each(*mask, &rest[..length]);
        bytes = &rest[length..];
    }
}

fn hello(mask: [u8; 4], payload: &[u8]) -> Option<(&'static str, usize)> {
    let text: Vec<u8> = payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask).collect();
    let (who, number) = std::str::from_utf8(&text).ok()?.split_once(' ')?;
    let who = ["agent", "visitor"].into_iter().find(|known| *known == who)?;
    Some((who, number.parse().ok()?))
}

fn put_frame(payload: &[u8], out: &mut Vec<u8>) {
    out.push(0x81);
    if payload.len() < 126 {
        out.push(payload.len() as u8);
    } else {
        out.push(126);
        out.extend_from_slice(&(payload.len() as u16).to_be_bytes());
    }
    out.extend_from_slice(payload);
}
