//! What a shard bears, in one place.

use codec::{http, message};

/// Request line and header fields, in bytes.
pub const HTTP_HEAD_BYTES_MAX: usize = 16 * 1024;
/// Header fields of a request.
pub const HTTP_HEADERS_MAX: usize = 64;
/// Body of a request, in bytes.
pub const HTTP_BODY_BYTES_MAX: u64 = 64 * 1024;
/// Bytes held of a client that sends the next request before it has the last answer.
pub const HTTP_HELD_BYTES_MAX: usize = HTTP_HEAD_BYTES_MAX + HTTP_BODY_BYTES_MAX as usize + 16 * 1024;
/// Longest a request may take to come in, in milliseconds from its first byte.
pub const HTTP_REQUEST_MS: u64 = 10_000;
/// Longest a connection may be silent between requests, in milliseconds.
pub const HTTP_IDLE_MS: u64 = 60_000;
/// So many connections in a row of which nobody knows the peer are no accident: one that was reset at once, as health
/// checks are, has none either.
pub const UNKNOWN_PEERS: u32 = 64;

/// Longest that a peer may take for a PROXY header, and again for a TLS handshake, in milliseconds.
pub const EDGE_MS: u64 = 10_000;

/// One WebSocket message, in bytes: the longest text with room for escapes and fields.
pub const WEB_MESSAGE_BYTES_MAX: usize = 64 * 1024;
/// Longest an upgraded connection may say nothing of itself, in milliseconds.
pub const HELLO_MS: u64 = 10_000;

/// Bytes that a connection may receive while it moves between shards.
pub const MOVING_BYTES_MAX: usize = 128 * 1024;
/// Longest a connection may be on the move, in milliseconds.
pub const MOVING_MS: u64 = 10_000;

/// Time in which every connection is looked at once, in milliseconds.
pub const SWEEP_MS: u64 = 2_000;

/// Time between two shares of clients that are sent away when the server stops, in milliseconds: they must not
/// all come back in the same instant.
pub const DISMISS_EVERY_MS: u64 = 100;

/// The outbox reports that it became empty when it held so many bytes: the border of what is paced.
pub const DRAINED_ABOVE_BYTES: usize = 16 * 1024;

/// Items that one conversation may have waiting while it is fetched from SQL.
pub const PARKED_ITEMS_MAX: usize = 64;
/// Conversations that may be on their way from SQL at once.
pub const LOADING_CONVERSATIONS_MAX: usize = 4_096;
/// Longest that a shard waits for SQL, in milliseconds: a little more than the pool does, so that its answer comes
/// first where there is one.
pub const LOADING_MS: u64 = 12_000;
/// Events fetched from SQL at once.
pub const EVENTS_PAGE: u32 = 200;
/// Bytes of old events given to a client at once: the next are given when it has taken these, so that neither its
/// outbox nor its shard's turn grows with what it missed.
pub const PAGE_BYTES_MAX: usize = 128 * 1024;

/// What a client is told to wait after a refusal for want of room, in milliseconds.
pub const RETRY_AFTER_MS: u32 = 2_000;

/// What a client is told to wait when the disk has failed: somebody has to see to it.
pub const FAILED_RETRY_AFTER_MS: u32 = 30_000;

/// Connections that one agent may have at once.
pub const AGENT_CONNECTIONS_MAX: usize = 16;

/// Items in each lane of a shard.
pub const LANE_ITEMS_MAX: usize = 16 * 1024;
/// Items that wait for room in other shards' lanes before new messages are refused: each message makes a few.
pub const BACKLOG_ITEMS_MAX: usize = 4 * LANE_ITEMS_MAX;
/// Items taken from the VIP lane for each one from the normal lane while both have some.
pub const VIP_WEIGHT: usize = 8;
/// Items taken from the lanes in one turn.
pub const LANE_BUDGET: usize = 4_096;

const _: () = assert!(WEB_MESSAGE_BYTES_MAX >= 3 * message::TEXT_BYTES_MAX);
const _: () = assert!(MOVING_BYTES_MAX >= WEB_MESSAGE_BYTES_MAX);
const _: () = assert!(HTTP_HELD_BYTES_MAX > HTTP_HEAD_BYTES_MAX + HTTP_BODY_BYTES_MAX as usize);
const _: () = assert!(DRAINED_ABOVE_BYTES < crate::jobs::HTTP_PIECE_BYTES_MAX);

/// For requests of the public port.
pub const HTTP: http::Limits = http::Limits {
    head_bytes_max: HTTP_HEAD_BYTES_MAX,
    headers_max: HTTP_HEADERS_MAX,
    body_bytes_max: HTTP_BODY_BYTES_MAX,
};
