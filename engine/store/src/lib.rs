//! What is kept: the journal (record of truth) and the projection to SQL made of it.
//!
//! The journal part does no I/O: bytes in, records out. The projection is SQLite behind `rusqlite`.

pub mod journal;
pub mod record;
pub mod sql;
