//! Choosing a backend: what the kernel offers, what it really does, and what to tell the operator. The
//! backends themselves are not here.

use std::io;

use crate::{Backend, BackendChoice, Capacity, Limits, limits};

/// A backend and why.
#[derive(Debug)]
pub(crate) struct Chosen {
    pub backend: Backend,
    pub reason: String,
    pub capacity: Capacity,
}

/// Chooses for `shards` shards.
pub(crate) fn choose(shards: usize, choice: BackendChoice, limits: &Limits) -> io::Result<Chosen> {
    let resources = limits::raise_resource_limits();
    match choice {
        BackendChoice::Exactly(Backend::Modern) => {
            Err(io::Error::new(io::ErrorKind::Unsupported, "this build has no modern backend"))
        }
        BackendChoice::Exactly(Backend::Epoll) | BackendChoice::Auto => Ok(Chosen {
            backend: Backend::Epoll,
            reason: "epoll: as configured".to_owned(),
            capacity: limits::capacity_of_process(limits, resources, shards),
        }),
    }
}
