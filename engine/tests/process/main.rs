//! Tests of real server processes, from the smallest contract to a killed server.

#[path = "../common/desk.rs"]
#[allow(dead_code, reason = "shared with the tests of faults: each uses another part")]
mod desk;

mod compression;
mod conversation;
mod hostile;
mod hostile_flood;
mod hostile_frames;
mod hostile_http;
mod hostile_pages;
mod hostile_slow;
mod lifecycle;
mod proxies;
mod quiet;
mod reload;
mod resume;
mod tls;
mod upkeep;
