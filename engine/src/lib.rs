//! The ringdesk server.

pub mod desk;
pub mod jobs;
pub mod placement;
