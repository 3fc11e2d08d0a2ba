//! The ringdesk server.

pub mod jobs;
