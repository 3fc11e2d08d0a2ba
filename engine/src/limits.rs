//! What a shard bears, in one place.

use codec::{http, message};

use crate::allowance::Rate;

/// Request line and header fields, in bytes.
pub const HTTP_HEAD_BYTES_MAX: usize = 16 * 1024;
/// Header fields of a request.
pub const HTTP_HEADERS_MAX: usize = 64;
/// Body of a request, in bytes.
pub const HTTP_BODY_BYTES_MAX: u64 = 64 * 1024;
/// Bytes held of a client that sends the next request before it has the last answer.
pub const HTTP_HELD_BYTES_MAX: usize = HTTP_HEAD_BYTES_MAX + HTTP_BODY_BYTES_MAX as usize + 16 * 1024;
/// Longest a new connection may take to send its first request's head, in milliseconds.
pub const HANDSHAKE_MS: u64 = 10_000;
/// Longest a request may take to come in, in milliseconds from its first byte.
pub const HTTP_REQUEST_MS: u64 = 10_000;
/// Longest a connection may be silent between requests, in milliseconds.
pub const HTTP_IDLE_MS: u64 = 60_000;

/// Longest that a peer may take for a PROXY header, and again for a TLS handshake, in milliseconds.
pub const EDGE_MS: u64 = 10_000;

/// One WebSocket message, in bytes: the longest text with room for escapes and fields.
pub const WEB_MESSAGE_BYTES_MAX: usize = 64 * 1024;
/// Longest an upgraded connection may say nothing of itself, in milliseconds.
pub const HELLO_MS: u64 = 10_000;

/// Pings and pongs of one connection a second: browsers send none by themselves, libraries one in some seconds.
pub const PINGS: Rate = Rate { per_second: 10, burst: 10 * PINGS_SECONDS };
/// So many seconds' worth of pings may come at once, after a pause in the network.
pub const PINGS_SECONDS: u32 = 10;
/// Fragments of one WebSocket message: with 64 bytes in each, the longest message fits.
pub const FRAGMENTS_MAX: u32 = 1_024;
/// Bytes that the shards together hold of requests and messages that are not whole: room for 1,000 of the longest.
pub const HELD_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// Connections of one client address: a large network's visitors come by one address.
pub const ADDRESS_CONNECTIONS_MAX: u32 = 32_768;
/// Connections of one client address that have not said hello; each shard has its share of them. Each is there for a
/// moment, or for a request.
pub const ADDRESS_STRANGERS_MAX: u32 = 4_096;
/// New connections of one client address a second: all of [`ADDRESS_CONNECTIONS_MAX`] are back in some seconds.
pub const ADDRESS_NEW_PER_SECOND: u32 = 2_000;
/// So many seconds' worth of new connections may come at once: who lost a network comes back in one moment.
pub const ADDRESS_NEW_SECONDS: u32 = 10;
/// Addresses that are not limited one by one unless the operator says otherwise: a proxy on this machine.
pub const UNLIMITED_ADDRESSES: &str = "127.0.0.0/8,::1/128";
/// Strangers of an address that are looked at to find one that may give its place to a new connection.
pub const STRANGERS_ASKED_MAX: usize = 16;

/// Bytes that a connection may receive while it moves between shards.
pub const MOVING_BYTES_MAX: usize = 128 * 1024;
/// Longest a connection may be on the move, in milliseconds.
pub const MOVING_MS: u64 = 10_000;

/// Time in which every connection is looked at once, in milliseconds.
pub const SWEEP_MS: u64 = 2_000;

/// Time between two shares of clients that are sent away when the server stops, in milliseconds: they must not
/// all come back in the same instant.
pub const DISMISS_EVERY_MS: u64 = 100;

/// Soonest and latest that a client of a server which stops is told to come back, in milliseconds: a restart
/// takes less than the first, and 20,000 clients over the rest are 6,700 a second.
pub const COME_BACK_MS: (u32, u32) = (1_000, 4_000);

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

/// Time between two reports of agents' loads while something is given up, in milliseconds.
pub const SHED_PRESENCE_MS: u64 = 3_000;

/// Time between two reports to the shards of where newcomers would stand, while none are begun, in milliseconds.
pub const OUTLOOKS_MS: u64 = 1_000;

/// Least that a client is told to wait after a refusal for want of room, in milliseconds.
pub const RETRY_AFTER_MS: u32 = 2_000;
/// Most, when many are refused and each has a time of its own.
pub const RETRY_AFTER_MAX_MS: u32 = 30_000;
/// How many of those who were refused are asked back each second by a shard that takes next to nothing.
pub const RETRIES_A_SECOND_MIN: u64 = 50;

/// What a client is told to wait when the disk has failed: somebody has to see to it.
pub const FAILED_RETRY_AFTER_MS: u32 = 30_000;

/// Connections that one agent may have at once.
pub const AGENT_CONNECTIONS_MAX: usize = 16;

/// Items in each lane of a shard: some tenths of a second of work. More would only be a longer wait before the same
/// refusal.
pub const LANE_ITEMS_MAX: usize = 2 * 1024;
/// Messages held for room in one lane, by each shard.
pub const HELD_MESSAGES_MAX: usize = LANE_ITEMS_MAX;
/// The same for what has no id to be sent again by, behind the messages: everybody of a shard may go at once.
pub const HELD_WISHES_MAX: usize = 16 * 1024;
/// Longest that a normal message is held for room in its lane, in microseconds; then it is refused.
pub const HOLD_NORMAL_US: u64 = 50_000;
/// The same for a VIP's or an agent's message: their lane is full only if nearly all are VIPs.
pub const HOLD_VIP_US: u64 = 1_000_000;
/// The same for what has no id to be sent again by: the end of a conversation, a rating, a wish for a human.
pub const HOLD_WISH_US: u64 = 10_000_000;
/// Items that wait for room in other shards' lanes before new messages are refused: each message makes a few.
pub const BACKLOG_ITEMS_MAX: usize = 64 * 1024;
/// Of the memory there is, the part for records that SQL does not have yet and that the shards therefore keep. When it is
/// used up, new messages are refused; VIPs' and agents' from twice as much on.
pub const KEPT_RECORDS_MEMORY: u64 = 16;
/// What a record takes that is kept, roughly.
pub const KEPT_RECORD_BYTES: u64 = 512;
/// Items taken from the VIP lane for each one from the normal lane while both have some.
pub const VIP_WEIGHT: usize = 8;
/// The same when normal messages have waited for [`AGED_US`].
pub const VIP_WEIGHT_AGED: usize = 2;
/// From this wait on normal messages age, in microseconds: half of what is held before it is refused.
pub const AGED_US: u64 = HOLD_NORMAL_US / 2;
/// Items taken from the lanes in one turn. A VIP's message waits for the turn that is under way, so a turn is short.
pub const LANE_BUDGET: usize = 64;
/// Connections that wait to be sent what is queued for them, from which on less is taken from the lanes: what is taken in
/// faster than it can be answered would wait there, where nobody can refuse it.
pub const SENDERS_MAX: u64 = 256;
/// Items taken from the lanes in one turn then. With fewer, turns cost more than what they do (decision 0021).
pub const LANE_BUDGET_BEHIND: usize = 32;
/// HTTP requests that are looked at in one turn: those who come wait for those who are here, not the other way round.
pub const REQUESTS_A_TURN: usize = 16;

const _: () = assert!(HELD_MESSAGES_MAX < HELD_WISHES_MAX);
const _: () = assert!(VIP_WEIGHT_AGED < VIP_WEIGHT && HOLD_NORMAL_US < HOLD_VIP_US);
const _: () = assert!(WEB_MESSAGE_BYTES_MAX >= 3 * message::TEXT_BYTES_MAX);
const _: () = assert!(COME_BACK_MS.0 < COME_BACK_MS.1);
const _: () = assert!(ADDRESS_STRANGERS_MAX < ADDRESS_CONNECTIONS_MAX);
const _: () = assert!(FRAGMENTS_MAX as usize * 64 >= WEB_MESSAGE_BYTES_MAX);
const _: () = assert!(HELD_BYTES_MAX >= 256 * HTTP_HELD_BYTES_MAX as u64);
const _: () = assert!(MOVING_BYTES_MAX >= WEB_MESSAGE_BYTES_MAX);
const _: () = assert!(HTTP_HELD_BYTES_MAX > HTTP_HEAD_BYTES_MAX + HTTP_BODY_BYTES_MAX as usize);
const _: () = assert!(DRAINED_ABOVE_BYTES < crate::jobs::HTTP_PIECE_BYTES_MAX);

/// Canned replies of a site.
pub const REPLIES_MAX: usize = 500;
/// Characters of a canned reply's shortcut.
pub const REPLY_SHORTCUT_CHARACTERS_MAX: usize = 32;
/// Bytes of a canned reply's text; it must fit into a message also once names are filled in.
pub const REPLY_TEXT_BYTES_MAX: usize = 4 * 1024;
const _: () = assert!(REPLY_TEXT_BYTES_MAX < codec::message::TEXT_BYTES_MAX);

/// What one connection may do, as the operator chose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerLimits {
    /// As [`HANDSHAKE_MS`].
    pub handshake_ms: u64,
    /// As [`HTTP_REQUEST_MS`].
    pub request_ms: u64,
    /// As [`HELLO_MS`].
    pub hello_ms: u64,
    /// As [`PINGS`].
    pub pings: Rate,
    /// As [`FRAGMENTS_MAX`].
    pub fragments_max: u32,
    /// As [`HELD_BYTES_MAX`].
    pub held_bytes_max: u64,
    /// As [`ADDRESS_STRANGERS_MAX`].
    pub address_strangers_max: u32,
}

impl Default for PeerLimits {
    fn default() -> Self {
        Self {
            handshake_ms: HANDSHAKE_MS,
            request_ms: HTTP_REQUEST_MS,
            hello_ms: HELLO_MS,
            pings: PINGS,
            fragments_max: FRAGMENTS_MAX,
            held_bytes_max: HELD_BYTES_MAX,
            address_strangers_max: ADDRESS_STRANGERS_MAX,
        }
    }
}

/// For requests of the public port.
pub const HTTP: http::Limits = http::Limits {
    head_bytes_max: HTTP_HEAD_BYTES_MAX,
    headers_max: HTTP_HEADERS_MAX,
    body_bytes_max: HTTP_BODY_BYTES_MAX,
};
