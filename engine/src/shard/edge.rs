//! What lies between a connection's bytes and what they say: TLS, where the port speaks it, and before that whatever
//! tells who it is (`preface`).
//!
//! Below it are ciphertext and the driver, above it HTTP and WebSocket, which do not know of it. What is sent is
//! sealed last, when the driver carries it out, so that it is in the order in which it leaves.

use codec::tls::{TlsConnection, TlsFault};

use super::{
    Output, Outputs, Shard,
    connections::{Connection, Stage},
    preface::Preface,
};
use crate::{channel::http, limits};

/// What lies between.
#[derive(Debug)]
pub enum Edge {
    /// Nothing.
    Plain,
    /// TLS, in the state that the bytes so far left it in.
    Tls(Box<Tls>),
    /// It is not yet known who it is.
    Preface(Box<Preface>),
    /// It is on its way from another shard: until it is here, bytes mean nothing and nothing can be said.
    Elsewhere,
}

/// TLS of one connection.
#[derive(Debug)]
pub struct Tls {
    connection: TlsConnection,
    /// When it began, milliseconds of the clock that does not go back.
    since_ms: u64,
}

/// Why TLS closed a connection, in the order of [`super::Counts::refused_tls`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsRefusal {
    /// It spoke plain HTTP.
    PlainHttp,
    /// The handshake took too long.
    Timeout,
    /// The peer gave up, often because it does not trust the certificate.
    Alert,
    /// No version or cipher that both speak.
    NothingInCommon,
    /// It was not TLS, or was changed on its way.
    Malformed,
}

impl TlsRefusal {
    /// Every reason with its word in `/metrics`.
    pub const ALL: [(Self, &'static str); 5] = [
        (Self::PlainHttp, "plain_http"),
        (Self::Timeout, "timeout"),
        (Self::Alert, "alert"),
        (Self::NothingInCommon, "nothing_in_common"),
        (Self::Malformed, "malformed"),
    ];

    fn of(fault: &TlsFault) -> Self {
        match fault {
            TlsFault::PlainHttp => Self::PlainHttp,
            TlsFault::Alert(_) => Self::Alert,
            TlsFault::NothingInCommon(_) => Self::NothingInCommon,
            TlsFault::MessageTooLong | TlsFault::Malformed(_) => Self::Malformed,
        }
    }
}

impl Edge {
    /// Whether it takes the peer too long to get beyond it.
    pub(super) fn is_late(&self, now_ms: u64) -> bool {
        match self {
            Self::Tls(tls) => {
                tls.connection.is_handshaking() && now_ms.saturating_sub(tls.since_ms) > limits::EDGE_MS
            }
            Self::Preface(preface) => now_ms.saturating_sub(preface.since_ms) > limits::EDGE_MS,
            Self::Plain | Self::Elsewhere => false,
        }
    }
}

impl Shard {
    /// For a connection that was just accepted.
    pub(super) fn new_edge(&self) -> Edge {
        let since_ms = self.now.monotonic_ms();
        match &self.settings.tls {
            Some(config) => Edge::Tls(Box::new(Tls { connection: TlsConnection::new(config), since_ms })),
            None => Edge::Plain,
        }
    }

    pub(super) fn received(&mut self, id: u64, bytes: &mut [u8], out: &mut Outputs) {
        match self.connections.find(id) {
            Some(Connection { edge: Edge::Tls(_), .. }) => self.sealed_received(id, bytes, out),
            Some(Connection { edge: Edge::Preface(_), .. }) => self.preface_received(id, bytes, out),
            // One that arrives keeps its bytes.
            Some(Connection { edge: Edge::Plain | Edge::Elsewhere, .. }) => {
                self.plain_received(id, bytes, out)
            }
            None => {}
        }
    }

    /// Ciphertext: what it says goes on, what TLS has to say of itself goes back.
    fn sealed_received(&mut self, id: u64, bytes: &mut [u8], out: &mut Outputs) {
        let Some(Connection { edge: Edge::Tls(tls), .. }) = self.connections.find(id) else { return };
        let mut plain = std::mem::take(&mut self.plain);
        let result = tls.connection.receive(bytes, &mut plain);
        let has_ended = tls.connection.peer_has_ended();
        self.flush_edge(id, out);
        // Ciphertext alone is no sign of life: it could trickle in for ever.
        if !plain.is_empty() {
            self.plain_received(id, &mut plain, out);
            plain.clear();
        }
        self.plain = plain;
        match result {
            Err(fault) => self.refuse_tls(id, &fault, out),
            // As when the peer closes the connection itself.
            Ok(()) if has_ended => self.close_now(id, out),
            Ok(()) => {}
        }
    }

    fn refuse_tls(&mut self, id: u64, fault: &TlsFault, out: &mut Outputs) {
        let client = self.connections.find(id).and_then(|connection| connection.client);
        tracing::debug!(connection = id, ?client, %fault, "a connection is closed");
        self.count_tls_refusal(TlsRefusal::of(fault));
        if *fault == TlsFault::PlainHttp
            && let Some(connection) = self.connections.find(id)
        {
            connection.edge = Edge::Plain;
            out.send(id, |bytes| {
                http::encode_error(400, "this port speaks TLS; use https:// or wss://", bytes)
            });
        }
        self.close_now(id, out);
    }

    pub(super) fn edge_timed_out(&mut self, id: u64, out: &mut Outputs) {
        tracing::debug!(
            connection = id,
            "a connection is closed: its PROXY header or TLS handshake took too long"
        );
        if let Some(Connection { edge: Edge::Tls(_), .. }) = self.connections.find(id) {
            self.count_tls_refusal(TlsRefusal::Timeout);
        }
        self.close_now(id, out);
    }

    fn count_tls_refusal(&mut self, refusal: TlsRefusal) {
        self.counts.refused_tls[refusal as usize] += 1;
    }

    /// Sends what TLS has to say of itself. While the connection is on its way to another shard it waits: that one
    /// sends it.
    pub(super) fn flush_edge(&mut self, id: u64, out: &mut Outputs) {
        match self.connections.find(id) {
            Some(Connection { stage: Stage::Leaving { .. }, .. }) => {}
            Some(Connection { edge: Edge::Tls(tls), .. }) if tls.connection.wants_flush() => {
                out.list.push(Output::Flush { connection: id });
            }
            Some(_) | None => {}
        }
    }

    /// For the driver: what is to be sent so that `bytes` are said; nothing where nothing can be said, and then the
    /// connection is of no use any more.
    pub fn seal<'a>(&mut self, id: u64, bytes: &'a [u8], sealed: &'a mut Vec<u8>) -> Option<&'a [u8]> {
        if self.settings.tls.is_none() {
            return Some(bytes);
        }
        // Never in plain because something is not known here.
        let connection = self.connections.find(id)?;
        match &mut connection.edge {
            Edge::Plain => Some(bytes),
            Edge::Preface(_) | Edge::Elsewhere => None,
            Edge::Tls(tls) => {
                sealed.clear();
                if bytes.is_empty() {
                    tls.connection.flush(sealed);
                    return Some(sealed);
                }
                tls.connection.seal(bytes, sealed).then_some(sealed.as_slice())
            }
        }
    }

    /// For the driver: what is to be sent before the connection closes, if anything.
    pub fn seal_end<'a>(&mut self, id: u64, sealed: &'a mut Vec<u8>) -> &'a [u8] {
        sealed.clear();
        if let Some(Connection { edge: Edge::Tls(tls), .. }) = self.connections.find(id) {
            tls.connection.close(sealed);
        }
        sealed
    }
}
