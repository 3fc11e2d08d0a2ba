//! Before a connection says anything: who is at its other end, and, of a trusted proxy that speaks first, whom it is
//! for. Bytes that come earlier wait. Without trusted proxies there is none of this.

use std::net::IpAddr;

use codec::{
    Decoded,
    proxy::{self, ProxyError, ProxySource},
};
use http::{HeaderMap, HeaderValue};

use super::{
    Output, Outputs, Shard,
    connections::{Connection, Stage},
    edge::Edge,
};
use crate::{channel, limits};

/// What the proxies on the way say of who it was.
const FORWARDED_FOR: &str = "x-forwarded-for";

/// What is known of a connection that has not come beyond it.
#[derive(Debug)]
pub struct Preface {
    /// What came so far.
    held: Vec<u8>,
    /// Whether a PROXY header is expected; `None`: it is not yet known who the peer is.
    expects_header: Option<bool>,
    /// When the connection was accepted, milliseconds of the clock that does not go back.
    pub(super) since_ms: u64,
}

impl Shard {
    pub(super) fn opened(&mut self, id: u64, out: &mut Outputs) {
        let since_ms = self.now.monotonic_ms();
        let edge = if self.settings.proxies.is_empty() {
            self.new_edge()
        } else {
            out.list.push(Output::AskPeer { connection: id });
            Edge::Preface(Box::new(Preface { held: Vec::new(), expects_header: None, since_ms }))
        };
        self.connections.insert(id, Stage::Http(Box::default()), edge, since_ms);
    }

    /// The driver says who the peer is; `None` where the kernel does not tell.
    pub(super) fn peer_known(&mut self, id: u64, peer: Option<IpAddr>, out: &mut Outputs) {
        self.unknown_peers = if peer.is_some() { 0 } else { self.unknown_peers.saturating_add(1) };
        if self.unknown_peers == limits::UNKNOWN_PEERS {
            self.warn_once(
                "this kernel does not tell the modern backend who connects, so no proxy is trusted: start with \
                 --backend basic or epoll, or with Linux 6.8",
            );
        }
        let expects = peer.is_some_and(|peer| self.settings.proxies.expects_header(peer));
        let Some(connection) = self.connections.find(id) else { return };
        let Edge::Preface(preface) = &mut connection.edge else { return };
        preface.expects_header = Some(expects);
        if let Some(peer) = peer {
            self.set_client(id, peer);
        }
        self.read_preface(id, out);
    }

    /// From now on this is whose connection it is: for limits, throttling and logs. The one place where that is
    /// decided; called when the peer is known, again when a PROXY header names somebody else, and again when the
    /// request for a WebSocket does.
    pub(super) fn set_client(&mut self, id: u64, client: IpAddr) {
        if let Some(connection) = self.connections.find(id) {
            connection.client = Some(client.to_canonical());
        }
    }

    pub(super) fn preface_received(&mut self, id: u64, bytes: &[u8], out: &mut Outputs) {
        let Some(Connection { edge: Edge::Preface(preface), .. }) = self.connections.find(id) else { return };
        if preface.held.len() + bytes.len() > limits::HTTP_HELD_BYTES_MAX {
            return self.close_now(id, out);
        }
        preface.held.extend_from_slice(bytes);
        self.read_preface(id, out);
    }

    /// Goes on as far as it is known who the peer is and what it says of itself.
    fn read_preface(&mut self, id: u64, out: &mut Outputs) {
        let Some(Connection { edge: Edge::Preface(preface), .. }) = self.connections.find(id) else { return };
        let (source, used) = match preface.expects_header {
            None => return,
            Some(false) => (None, 0),
            Some(true) => match proxy::decode(&preface.held) {
                Ok(Decoded::Complete { value, used }) => (Some(value), used),
                Ok(Decoded::NeedMore) => return,
                Err(error) => return self.refuse_header(id, error, out),
            },
        };
        let mut rest = preface.held.split_off(used);
        let edge = self.new_edge();
        let connection = self.connections.find(id).expect("found above");
        connection.edge = edge;
        // A proxy that speaks first passes on bytes as they are: where it does not know its client, anybody may have
        // written what they forward.
        connection.reads_forwarded = source != Some(ProxySource::Peer);
        if let Some(ProxySource::Client(client)) = source {
            self.set_client(id, client.ip());
        }
        if !rest.is_empty() {
            self.received(id, &mut rest, out);
        }
    }

    /// Said in plain, whatever the port speaks: whoever was to send the header reads no TLS yet.
    fn refuse_header(&mut self, id: u64, error: ProxyError, out: &mut Outputs) {
        let Some(connection) = self.connections.find(id) else { return };
        connection.edge = Edge::Plain;
        let proxy = connection.client.map(|address| address.to_string()).unwrap_or_default();
        tracing::debug!(connection = id, proxy, %error, "a connection is closed");
        self.warn_once(
            "a trusted proxy did not begin a connection with a PROXY header: let it send one (HAProxy: send-proxy-v2; \
             nginx: proxy_protocol on), leave it out of --trusted-proxies, or set --proxy-protocol off",
        );
        out.send(id, |bytes| channel::http::encode_error(400, error.text(), bytes));
        self.close_now(id, out);
    }

    /// What every connection of a proxy may run into is said once.
    fn warn_once(&mut self, what: &'static str) {
        if !self.warned.contains(&what) {
            self.warned.push(what);
            tracing::warn!(shard = self.index, "{what}");
        }
    }

    /// Who sent a request: as far as trusted proxies say so, and `None` where nobody asked who the peer is.
    pub(super) fn client_of_request(&mut self, id: u64, headers: &HeaderMap) -> Option<IpAddr> {
        let Connection { client, reads_forwarded, .. } = *self.connections.find(id)?;
        let forwarded = headers.get_all(FORWARDED_FOR).iter().map(HeaderValue::as_bytes);
        let client = client?;
        Some(if reads_forwarded { self.settings.proxies.client(client, forwarded) } else { client })
    }

    /// A WebSocket is for one client: whose it is was said by the request that asked for it.
    pub(super) fn upgraded_for(&mut self, id: u64, forwarded: Option<&[u8]>) {
        if let Some(connection) = self.connections.find(id)
            && connection.reads_forwarded
            && let Some(client) = connection.client
        {
            self.set_client(id, self.settings.proxies.client(client, forwarded.into_iter()));
        }
    }
}
