//! Tests of real server processes, from the smallest contract to a killed server.

#[path = "../common/desk.rs"]
#[allow(dead_code, reason = "shared with the tests of faults: each uses another part")]
mod desk;

mod conversation;
mod hostile;
mod proxies;
mod resume;
mod tls;
mod upkeep;
