//! The ringdesk server.

pub mod accounts;
pub mod channel;
pub mod cli;
pub mod config;
pub mod desk;
pub mod identity;
pub mod jobs;
pub mod limits;
pub mod placement;
pub mod shard;
