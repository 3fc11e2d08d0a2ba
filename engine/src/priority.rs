//! Which threads wait when there is not enough processor for all.
//!
//! A shard is what a visitor waits for; the projection and the pool are what an operator waits for. On a machine
//! with few cores they meet on one, and the kernel would give both the same share: then a burst of SQL is a delay
//! of messages.

/// How much less than a shard the pool weighs: at 5, about a third while both want the core (`sched(7)`).
pub const NICE_POOL: i32 = 5;
/// And the projection: a sixth, so that SQL goes on even then. A busy shard lets it have the core once a turn besides
/// ([`net::Reactor::report_written`]).
pub const NICE_PROJECTION: i32 = 8;

/// Lets the calling thread, and no other, stand back behind the shards. Linux counts niceness by thread
/// (`setpriority(2)`, "C library/kernel differences").
pub fn stand_back(nice: i32) {
    if let Err(error) = rustix::process::nice(nice) {
        tracing::warn!(%error, "a thread beside the shards cannot stand back: bursts of SQL may delay messages");
    }
}
