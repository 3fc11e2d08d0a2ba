//! A disk that keeps what it was told to keep, and of the rest whatever chance says.
//!
//! Two ways in: [`Disk`], for recovery, the maker of segments and the projection, whose every operation is
//! durable when it returns; and durable writes, which end later and of which a crash keeps any subset of
//! sectors. An operation that a crash interrupts is done, half done or not done.

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard},
};

use engine::journal::{Disk, Listed};
use store::journal::BLOCK_BYTES;

use crate::{faults::Faults, random::Random};

/// What the disk writes at once, whatever happens.
const SECTOR_BYTES: usize = 512;
const DIRECTORY: &str = "/sim/journal";

/// The disk, shared by all that runs on the machine.
#[derive(Debug)]
pub struct SimDisk(Mutex<State>);

#[derive(Debug)]
struct State {
    random: Random,
    faults: Faults,
    files: BTreeMap<PathBuf, File>,
    /// Durable writes under way, by token.
    writes: BTreeMap<u64, Write>,
    next_write: u64,
    is_full: bool,
    /// The process died inside an operation: nothing it still tries reaches the disk.
    is_dead: bool,
}

#[derive(Clone, Debug, Default)]
struct File {
    bytes: Vec<u8>,
    /// Where groups of the present segment were written, in order; forgotten with a new header.
    groups: Vec<(usize, usize)>,
}

#[derive(Debug)]
struct Write {
    path: PathBuf,
    offset: usize,
    bytes: Vec<u8>,
}

/// A bit that turned over.
#[derive(Clone, Debug)]
pub struct Rot {
    /// In which file.
    pub path: PathBuf,
    at: usize,
    bit: u8,
}

impl SimDisk {
    /// An empty disk.
    pub fn new(random: Random, faults: Faults) -> Self {
        Self(Mutex::new(State {
            random,
            faults,
            files: BTreeMap::new(),
            writes: BTreeMap::new(),
            next_write: 0,
            is_full: false,
            is_dead: false,
        }))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("the simulator has one thread")
    }

    /// From now on only these faults happen.
    pub fn set_faults(&self, faults: Faults) {
        self.state().faults = faults;
    }

    /// The disk fills up, or there is room again.
    pub fn set_full(&self, is_full: bool) {
        self.state().is_full = is_full;
    }

    /// Whether the process died inside an operation.
    pub fn is_dead(&self) -> bool {
        self.state().is_dead
    }

    /// Begins a durable write; returns its name and how long it takes.
    pub fn begin_write(&self, path: &Path, offset: u64, bytes: &[u8]) -> (u64, u64) {
        let mut state = self.state();
        let took_us = state.write_us();
        state.next_write += 1;
        let write = Write { path: path.to_owned(), offset: offset as usize, bytes: bytes.to_vec() };
        let name = state.next_write;
        state.writes.insert(name, write);
        (name, took_us)
    }

    /// Ends a durable write: all of it is kept, or it fails and any part of it is.
    pub fn end_write(&self, name: u64) -> io::Result<()> {
        let mut state = self.state();
        let write = state.writes.remove(&name).expect("begun and not yet ended");
        let fails = state.faults.write_fails_one_in;
        if state.random.one_in(fails) {
            state.keep_some(&write);
            return Err(io::Error::from_raw_os_error(EIO));
        }
        let sectors = write.bytes.len() / SECTOR_BYTES;
        state.keep(&write, |_| true);
        assert!(sectors > 0, "a group is not empty");
        let file = state.files.get_mut(&write.path).expect("written above");
        file.groups.push((write.offset, write.bytes.len()));
        Ok(())
    }

    /// Power is lost, or the process is killed: of what was under way, chance keeps some.
    pub fn crash(&self) {
        let mut state = self.state();
        for write in std::mem::take(&mut state.writes).into_values() {
            state.keep_some(&write);
        }
        state.is_dead = false;
    }

    /// Turns over a bit of something that was acknowledged and that a later group of the same segment proves
    /// to have been: the one kind of rot that recovery must find.
    pub fn rot(&self) -> Option<Rot> {
        let mut state = self.state();
        let State { random, files, .. } = &mut *state;
        let rotten: Vec<_> = files.iter().filter(|(_, file)| file.groups.len() >= 2).collect();
        let (path, file) = rotten.get(random.below(rotten.len().max(1) as u64) as usize)?;
        let (offset, _) = file.groups[random.below(file.groups.len() as u64 - 1) as usize];
        // Within the first record's header and the beginning of its payload, so not in the padding.
        let rot =
            Rot { path: (*path).clone(), at: offset + random.below(48) as usize, bit: 1 << random.below(8) };
        state.turn_over(&rot);
        Some(rot)
    }

    /// The operator puts the file back from a backup.
    pub fn put_back(&self, rot: &Rot) {
        self.state().turn_over(rot);
    }
}

const EIO: i32 = 5;
const ENOSPC: i32 = 28;

impl State {
    fn write_us(&mut self) -> u64 {
        let took_us = self.random.between(100, self.faults.write_us_max);
        let slow = self.faults.slow_write_one_in;
        if self.random.one_in(slow) { took_us * 1_000 } else { took_us }
    }

    fn turn_over(&mut self, rot: &Rot) {
        let file = self.files.get_mut(&rot.path).expect("it was there when it rotted");
        file.bytes[rot.at] ^= rot.bit;
    }

    /// All sectors of a write for which `which` says so.
    fn keep(&mut self, write: &Write, mut which: impl FnMut(usize) -> bool) {
        let file = self.files.get_mut(&write.path).expect("a file in use is not removed");
        for (index, sector) in write.bytes.chunks(SECTOR_BYTES).enumerate() {
            let at = write.offset + index * SECTOR_BYTES;
            if which(index) {
                file.bytes[at..at + sector.len()].copy_from_slice(sector);
            }
        }
    }

    /// Nothing, everything, a beginning, or any sectors.
    fn keep_some(&mut self, write: &Write) {
        let sectors = write.bytes.len() / SECTOR_BYTES;
        let mut random = self.random.split();
        match random.below(4) {
            0 => {}
            1 => self.keep(write, |_| true),
            2 => {
                let until = random.below(sectors as u64 + 1) as usize;
                self.keep(write, |sector| sector < until);
            }
            _ => self.keep(write, |_| random.one_in(2)),
        }
    }

    /// Before each operation: whether it is done at all, and whether it is the last one of this process.
    fn enter(&mut self) -> io::Result<Fate> {
        if self.is_dead {
            return Err(io::Error::from_raw_os_error(EIO));
        }
        let (crash, fails) = (self.faults.crash_in_disk_one_in, self.faults.file_fails_one_in);
        if self.random.one_in(crash) {
            self.is_dead = true;
            return Ok(Fate::Interrupted);
        }
        if self.random.one_in(fails) {
            return Err(io::Error::from_raw_os_error(EIO));
        }
        Ok(Fate::Done)
    }
}

#[derive(PartialEq, Eq)]
enum Fate {
    Done,
    /// The process dies in the middle of it.
    Interrupted,
}

impl Fate {
    fn result(self) -> io::Result<()> {
        match self {
            Self::Done => Ok(()),
            Self::Interrupted => Err(io::Error::from_raw_os_error(EIO)),
        }
    }
}

fn not_found() -> io::Error {
    io::Error::from(io::ErrorKind::NotFound)
}

impl Disk for SimDisk {
    fn path(&self, name: &str) -> PathBuf {
        Path::new(DIRECTORY).join(name)
    }

    fn list(&self) -> io::Result<Vec<Listed>> {
        let mut state = self.state();
        state.enter()?.result()?;
        let listed = |(path, file): (&PathBuf, &File)| {
            let name = path.file_name()?.to_str()?.to_owned();
            Some(Listed { name, path: path.clone(), file_bytes: file.bytes.len() as u64 })
        };
        Ok(state.files.iter().filter_map(listed).collect())
    }

    fn read(&self, path: &Path, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let mut state = self.state();
        state.enter()?.result()?;
        let file = state.files.get(path).ok_or_else(not_found)?;
        let from = file.bytes.get(offset as usize..).unwrap_or_default();
        let length = from.len().min(buffer.len());
        buffer[..length].copy_from_slice(&from[..length]);
        Ok(length)
    }

    fn make(&self, path: &Path, file_bytes: usize) -> io::Result<()> {
        let mut state = self.state();
        let fate = state.enter()?;
        if fate == Fate::Interrupted || state.is_full {
            let length = state.random.below(file_bytes as u64 + 1) as usize;
            state.files.insert(path.to_owned(), File { bytes: vec![0; length], groups: Vec::new() });
            fate.result()?;
            return Err(io::Error::from_raw_os_error(ENOSPC));
        }
        state.files.insert(path.to_owned(), File { bytes: vec![0; file_bytes], groups: Vec::new() });
        Ok(())
    }

    fn write_header(&self, path: &Path, block: &[u8; BLOCK_BYTES]) -> io::Result<()> {
        let mut state = self.state();
        let fate = state.enter()?;
        let file = state.files.get_mut(path).ok_or_else(not_found)?;
        file.groups.clear();
        let write = Write { path: path.to_owned(), offset: 0, bytes: block.to_vec() };
        match fate {
            Fate::Done => state.keep(&write, |_| true),
            Fate::Interrupted => state.keep_some(&write),
        }
        fate.result()
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.state();
        let fate = state.enter()?;
        if fate == Fate::Done || state.random.one_in(2) {
            let file = state.files.remove(from).ok_or_else(not_found)?;
            state.files.insert(to.to_owned(), file);
        }
        fate.result()
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        let fate = state.enter()?;
        if fate == Fate::Done || state.random.one_in(2) {
            state.files.remove(path);
        }
        fate.result()
    }
}
