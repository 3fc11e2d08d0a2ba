//! The ringdesk server.

pub mod accounts;
pub mod allowance;
pub mod channel;
pub mod cli;
pub mod config;
pub mod desk;
pub mod driver;
pub mod gate;
pub mod identity;
pub mod jobs;
pub mod journal;
pub mod lanes;
pub mod limits;
pub mod logging;
pub mod origin;
pub mod placement;
pub mod planted;
pub mod pool;
pub mod priority;
pub mod projection;
pub mod recovery;
pub mod server;
pub mod shard;
pub mod shedding;
pub mod upkeep;
