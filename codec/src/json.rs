//! `ringdesk.v1`: one JSON object a WebSocket text frame.
//!
//! Text to messages and back; frames are [`crate::websocket`], meaning is the engine's. Unknown fields are
//! ignored, unknown types refused, every limit is checked here and nowhere else. The table of types, fields,
//! limits and codes is `docs/protocol/websocket.md`.

mod check;
mod content;
mod decode_client;
mod decode_server;
mod encode;
mod error;
mod object;
mod time;

pub use decode_client::decode_client;
pub use decode_server::decode_server;
pub use encode::{encode_client, encode_server};
pub use error::{Fault, MessageError};
pub use time::{AT_MS_MAX, decode as decode_time, encode as encode_time};

/// The subprotocol's name in the handshake.
pub const SUBPROTOCOL: &str = "ringdesk.v1";
