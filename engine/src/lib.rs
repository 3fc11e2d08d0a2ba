//! The ringdesk server.

pub mod accounts;
pub mod channel;
pub mod cli;
pub mod config;
pub mod desk;
pub mod driver;
pub mod identity;
pub mod jobs;
pub mod journal;
pub mod lanes;
pub mod limits;
pub mod logging;
pub mod placement;
pub mod planted;
pub mod pool;
pub mod priority;
pub mod projection;
pub mod proxies;
pub mod recovery;
pub mod server;
pub mod shard;
pub mod tls_files;
pub mod upkeep;
