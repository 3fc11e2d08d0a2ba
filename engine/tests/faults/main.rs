//! Tests of real server processes over disks that fail, fill up and slow down, and under clocks that jump.

#[path = "../common/desk.rs"]
#[allow(dead_code, reason = "shared with the process tests: each uses another part")]
mod desk;

mod clock;
mod disk;
mod full;
mod harm;
mod journal_fails;
mod ledger;
mod nodes;
mod sql_fails;

/// Every test runs over each of them.
const BACKENDS: [&str; 3] = ["modern", "basic", "epoll"];
