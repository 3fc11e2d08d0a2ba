//! The ringdesk server.

pub mod accounts;
pub mod cli;
pub mod config;
pub mod desk;
pub mod identity;
pub mod jobs;
pub mod placement;
