//! How long a start takes: on an empty folder, and on a journal that was left behind.

use std::{io, time::Duration};

pub use super::journal::Content as Backlog;
use super::{Place, Rounds, journal, process::Server};

/// Starts on empty folders.
pub fn empty_starts(place: Place<'_>, rounds: u32) -> io::Result<Rounds> {
    let mut took = Rounds::default();
    for _ in 0..rounds {
        let data = place.fresh()?;
        took.add(Server::start(place.program, data.path(), &[])?.took);
    }
    Ok(took)
}

/// What a start on a journal came to.
#[derive(Clone, Copy, Debug)]
pub struct Recovery {
    /// Records of the journal.
    pub records: u64,
    /// Until it served, when SQL had nothing of it.
    pub first: Duration,
    /// From there until SQL had all.
    pub sql: Duration,
    /// Memory at its highest until then, bytes.
    pub memory_max: u64,
    /// Until another start served, after a kill, when SQL had all.
    pub again: Duration,
}

/// Starts on a journal of which SQL has nothing, waits for SQL, kills the server and starts another one.
pub fn recover(place: Place<'_>, backlog: Backlog) -> io::Result<Recovery> {
    let data = place.fresh()?;
    let records = journal::write(data.path(), backlog)?;
    // All conversations of the journal are one shard's.
    let start = || Server::start(place.program, data.path(), &["--shards", "1"]);
    let server = start()?;
    let (first, sql, memory_max) = (server.took, server.wait_for_sql()?, server.memory_max()?);
    drop(server);
    Ok(Recovery { records, first, sql, memory_max, again: start()?.took })
}
