//! The ports that join the shards of one process, and what the shards share: a doorbell and a mailbox each.
//! How a backend works is not known here.

use std::{
    io,
    os::fd::OwnedFd,
    sync::{Arc, OnceLock},
};

use crate::{
    Backend, BackendChoice, Capacity, Limits, Reactor, Waker, basic::BasicReactor, cpu, doorbell::Doorbell,
    epoll::EpollReactor, mailbox::Mailbox, modern::ModernReactor, probe,
};

/// What others may touch of one shard.
#[derive(Debug)]
pub(crate) struct ShardEnd {
    pub doorbell: Arc<Doorbell>,
    pub mailbox: Mailbox,
    /// The shard's ring, once it is open: a copy of the descriptor, so that its number cannot come to mean
    /// something else while another shard aims at it.
    pub ring: OnceLock<OwnedFd>,
}

/// What all reactors of a fabric share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub shards: Vec<ShardEnd>,
    /// Limits as the process can keep them.
    pub limits: Limits,
    /// Submissions that fit into a ring of the modern backend.
    pub ring_submissions: u32,
    /// Whether a shard may burn its core for some microseconds before it sleeps.
    pub spin: bool,
}

impl Shared {
    pub(crate) fn new(shards: usize, limits: Limits, ring_submissions: u32) -> io::Result<Arc<Self>> {
        let ends = (0..shards).map(|_| {
            let doorbell = Arc::new(Doorbell::new()?);
            Ok(ShardEnd { doorbell, mailbox: Mailbox::default(), ring: OnceLock::new() })
        });
        let ends = ends.collect::<io::Result<Vec<_>>>()?;
        // A shard that shares its core would take the time from the one that has work.
        let spin = cpu::allowed_cpus().len() > shards;
        Ok(Arc::new(Self { shards: ends, limits, ring_submissions, spin }))
    }
}

/// The place of one shard in the fabric; made on any thread, opened on the shard's own.
#[derive(Debug)]
pub struct Port {
    backend: Backend,
    shard: usize,
    shared: Arc<Shared>,
}

impl Port {
    /// For other threads that want to wake this shard.
    pub fn waker(&self) -> Waker {
        Waker { doorbell: Arc::clone(&self.shared.shards[self.shard].doorbell) }
    }

    /// Pins the calling thread to `cpu`, if given, asks for it to run as soon as it wakes, and makes the reactor on it.
    pub fn open(self, cpu: Option<usize>) -> io::Result<Box<dyn Reactor>> {
        if let Some(cpu) = cpu {
            cpu::pin(cpu)?;
        }
        cpu::ask_for_short_slices();
        match self.backend {
            Backend::Modern => Ok(Box::new(ModernReactor::open(self.shared, self.shard)?)),
            Backend::Basic => Ok(Box::new(BasicReactor::open(self.shared, self.shard)?)),
            Backend::Epoll => Ok(Box::new(EpollReactor::open(self.shared, self.shard)?)),
        }
    }
}

/// Joined ports, and how the choice of backend was made.
#[derive(Debug)]
pub struct Fabric {
    /// The backend all shards use.
    pub backend: Backend,
    /// One line for the log: which backend, why, and what to change to get a better one.
    pub reason: String,
    /// How many connections each shard can hold, and what to raise to hold more.
    pub capacity: Capacity,
    /// One a shard.
    pub ports: Vec<Port>,
}

/// Chooses a backend by probe and self-test and makes the ports of `shards` shards. Raises the soft limits
/// of open files and locked memory to the hard ones.
pub fn fabric(shards: usize, choice: BackendChoice, limits: Limits) -> io::Result<Fabric> {
    if shards == 0 {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "there must be at least one shard"));
    }
    limits.check()?;
    let chosen = probe::choose(shards, choice, &limits)?;
    let limits = Limits { connections_max: chosen.capacity.connections_per_shard, ..limits };
    let shared = Shared::new(shards, limits, chosen.ring_submissions)?;
    let ports = (0..shards).map(|shard| Port { backend: chosen.backend, shard, shared: Arc::clone(&shared) });
    let ports = ports.collect();
    Ok(Fabric { backend: chosen.backend, reason: chosen.reason, capacity: chosen.capacity, ports })
}
