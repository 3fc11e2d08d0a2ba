//! How long a start takes: on an empty folder, and on a journal that was left behind.

use std::{io, time::Duration};

pub use super::journal::Content as Backlog;
use super::{Place, Rounds, journal, process::Server};

/// Starts on empty folders.
pub fn empty_starts(place: Place<'_>, rounds: u32) -> io::Result<Rounds> {
    let mut took = Rounds::default();
    for _ in 0..rounds {
        let data = place.fresh()?;
        took.add(Server::start(place.program, data.path(), "auto")?.took);
    }
    Ok(took)
}

/// One start on a journal of which SQL has nothing, and another one after a kill, when SQL has all of it. Returns
/// the number of records and both times.
pub fn recover(place: Place<'_>, backlog: Backlog) -> io::Result<(u64, Duration, Duration)> {
    let data = place.fresh()?;
    let records = journal::write(data.path(), backlog)?;
    let first = Server::start(place.program, data.path(), "auto")?.took;
    let again = Server::start(place.program, data.path(), "auto")?.took;
    Ok((records, first, again))
}
