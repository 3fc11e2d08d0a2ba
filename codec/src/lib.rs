//! Bytes to messages and back, for every protocol ringdesk speaks.
//!
//! No socket, no clock, no thread: callers own the bytes and the time. Each protocol is one file here, one
//! page in `docs/protocol/` and one folder of vectors in `tests/vectors/`. What all of them promise is
//! [`protocol`]; [`conformance`] checks it, and [`fuzz`] has the bodies of the fuzz targets.

pub mod conformance;
pub mod fuzz;
pub mod http;
pub mod json;
pub mod message;
pub mod protocol;
pub mod proxy;
pub mod tls;
pub mod valid;
pub mod websocket;

pub use protocol::Decoded;
