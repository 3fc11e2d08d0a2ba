//! Which threads wait when there is not enough processor for all.
//!
//! A shard is what a visitor waits for; the projection and the pool are what an operator waits for. On a machine
//! with few cores they meet on one, and the kernel would give both the same share: then a burst of SQL is a delay
//! of messages.

/// How much less a thread beside the shards weighs: at 5, about a third of a shard's share while both want the
/// core (`sched(7)`), so that SQL goes on even then.
const NICE_BESIDE_SHARDS: i32 = 5;

/// Lets the calling thread, and no other, stand back behind the shards. Linux counts niceness by thread
/// (`setpriority(2)`, "C library/kernel differences").
pub fn stand_back() {
    if let Err(error) = rustix::process::nice(NICE_BESIDE_SHARDS) {
        tracing::warn!(%error, "a thread beside the shards cannot stand back: bursts of SQL may delay messages");
    }
}
