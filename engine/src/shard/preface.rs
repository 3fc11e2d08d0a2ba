//! Before a connection says anything: of a trusted proxy that speaks first, whom it is for. Nobody else is waited
//! for.

use std::net::IpAddr;

use codec::{
    Decoded,
    proxy::{self, ProxyError, ProxySource},
};
use http::{HeaderMap, HeaderValue};

use super::{Output, Outputs, Shard, connections::Connection, edge::Edge};
use crate::{channel, limits};

/// What the proxies on the way say of who it was.
const FORWARDED_FOR: &str = "x-forwarded-for";

/// What is known of a connection that has not come beyond it.
#[derive(Debug)]
pub struct Preface {
    /// What came so far.
    held: Vec<u8>,
    /// When the connection was accepted, milliseconds of the clock that does not go back.
    pub(super) since_ms: u64,
}

impl Shard {
    /// What lies between a connection that was just accepted and what it says; `None`: the kernel does not tell who
    /// its peer is.
    pub(super) fn edge_for(&self, peer: Option<IpAddr>) -> Edge {
        if !peer.is_some_and(|peer| self.settings.proxies.expects_header(peer)) {
            return self.new_edge();
        }
        Edge::Preface(Box::new(Preface { held: Vec::new(), since_ms: self.now.monotonic_ms() }))
    }

    /// From now on this is whose connection it is, for limits, throttling and logs: when a PROXY header names somebody
    /// else than the peer, and again when the request for a WebSocket does. Whether that client has a place.
    fn set_client(&mut self, id: u64, client: IpAddr, out: &mut Outputs) -> bool {
        let client = client.to_canonical();
        if let Some(connection) = self.connections.find(id) {
            connection.client = Some(client);
        }
        self.is_placed_as(id, client, out)
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
        let (source, used) = match proxy::decode(&preface.held) {
            Ok(Decoded::Complete { value, used }) => (value, used),
            Ok(Decoded::NeedMore) => return,
            Err(error) => return self.refuse_header(id, error, out),
        };
        let mut rest = preface.held.split_off(used);
        let edge = self.new_edge();
        let connection = self.connections.find(id).expect("found above");
        connection.edge = edge;
        // A proxy that speaks first passes on bytes as they are: where it does not know its client, anybody may have
        // written what they forward.
        connection.reads_forwarded = source != ProxySource::Peer;
        if let ProxySource::Client(client) = source
            && !self.set_client(id, client.ip(), out)
        {
            // As at the door: nothing more is spent on it.
            self.leave_stage(id, out);
            return out.list.push(Output::Abort { connection: id });
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

    /// A WebSocket is for one client: whose it is was said by the request that asked for it. Whether that client has a
    /// place; if not, the proxy was told so.
    pub(super) fn may_upgrade_for(&mut self, id: u64, forwarded: Option<&[u8]>, out: &mut Outputs) -> bool {
        let Some(&mut Connection { client: Some(client), reads_forwarded: true, .. }) =
            self.connections.find(id)
        else {
            return true;
        };
        let client = self.settings.proxies.client(client, forwarded.into_iter());
        if self.set_client(id, client, out) {
            return true;
        }
        let text = "too many connections from this address; try again in a moment";
        out.send(id, |bytes| channel::http::encode_error(429, text, bytes));
        self.close_now(id, out);
        false
    }
}
