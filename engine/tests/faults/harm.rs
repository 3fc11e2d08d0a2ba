//! What the faulty disk does to whom, as a test commands it.

use std::{
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use fuser::Errno;

/// What a program asks of the disk that can go wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Bytes into a file, by whatever way.
    Write,
    /// `fsync`, `fdatasync`, or what `O_DSYNC` makes the kernel ask after a write.
    Sync,
}

/// How it goes wrong.
#[derive(Clone, Copy, Debug)]
pub enum Harm {
    /// Nothing is done, and this is the answer.
    Fail(Errno),
    /// Half of the bytes are written, and the answer says so.
    Short,
    /// It is done, so much later.
    Slow(Duration),
}

/// Which files, by their names without folders.
pub type Files = fn(&str) -> bool;

/// The commands in force, shared by the test and its file system.
#[derive(Debug, Default)]
pub struct Harms {
    rules: Mutex<Vec<(Files, Operation, Harm)>>,
    struck: AtomicU64,
}

impl Harms {
    /// From now on.
    pub fn order(&self, files: Files, operation: Operation, harm: Harm) {
        self.rules.lock().expect("nobody panics with it").push((files, operation, harm));
    }

    /// The disk is well again.
    pub fn lift(&self) {
        self.rules.lock().expect("nobody panics with it").clear();
    }

    /// How often any harm was done.
    pub fn struck(&self) -> u64 {
        self.struck.load(Ordering::Relaxed)
    }

    /// What is to happen to this one, if anything. Counted.
    pub fn strike(&self, name: &str, operation: Operation) -> Option<Harm> {
        let rules = self.rules.lock().expect("nobody panics with it");
        let rule = rules.iter().find(|(files, of, _)| *of == operation && files(name));
        let harm = rule.map(|(.., harm)| *harm)?;
        self.struck.fetch_add(1, Ordering::Relaxed);
        Some(harm)
    }
}
