//! Bytes to messages and back, for every protocol ringdesk speaks.
//!
//! No socket, no clock, no thread: callers own the bytes and the time. Each protocol is one file here, one
//! page in `docs/protocol/` and one folder of vectors in `tests/vectors/`.

pub mod http;
pub mod json;
pub mod message;
pub mod websocket;

/// What a decoder made of the bytes it was shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decoded<T> {
    /// The bytes are a true beginning; show them again with more behind them.
    NeedMore,
    /// One value, made of the first `used` bytes.
    Complete {
        /// The value.
        value: T,
        /// How many bytes it took.
        used: usize,
    },
}
