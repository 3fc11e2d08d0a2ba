//! How bytes of a connection become messages of the engine: one file a channel.
//!
//! The wire itself is `codec`'s; what a message does is the shard's. Here is what lies between: which
//! request is whose, and which connection speaks which protocol by now.

pub mod http;
pub mod web;
