//! Connections that are not wanted: who is refused, who gives its place to another, who does more than anybody
//! needs. What each may do is `limits::PeerLimits`; who may connect at all is the gate's.

use std::net::IpAddr;

use codec::{
    message::Hello,
    websocket::{Opcode, encode_frame},
};

use super::{
    Farewell, Output, Outputs, Shard,
    connections::{Connection, Stage},
};
use crate::{
    channel::http::{self, HttpConnection},
    gate::{Key, Permit, Refusal},
    limits,
};

/// Why we ended a connection that did nothing wrong for long enough, or something wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// No first request came in time.
    Handshake,
    /// A request did not come to its end in time.
    Request,
    /// No hello came in time.
    Hello,
    /// Nothing was heard for two heartbeats.
    Silence,
    /// It had not said hello, and a newer connection of its address had no other place.
    MadeRoom,
    /// Too many pings.
    Pings,
    /// Bytes that are not HTTP or not WebSocket.
    Malformed,
    /// Too much was held of what is not whole.
    Held,
    /// A web page that may not connect.
    Origin,
    /// It read too slowly.
    SlowReader,
}

impl Ended {
    /// Every one, with its word for metrics.
    pub const ALL: [(Self, &'static str); 10] = [
        (Self::Handshake, "handshake_timeout"),
        (Self::Request, "request_timeout"),
        (Self::Hello, "hello_timeout"),
        (Self::Silence, "silence"),
        (Self::MadeRoom, "made_room"),
        (Self::Pings, "ping_flood"),
        (Self::Malformed, "malformed"),
        (Self::Held, "held_bytes"),
        (Self::Origin, "wrong_origin"),
        (Self::SlowReader, "slow_reader"),
    ];
}

/// What became of connections that were not wanted, and what unfinished ones cost now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PeerCounts {
    /// Connections refused, in the order of [`Refusal::ALL`].
    pub refused: [u64; Refusal::ALL.len()],
    /// Connections ended, in the order of [`Ended::ALL`].
    pub ended: [u64; Ended::ALL.len()],
    /// The address that was refused last.
    pub refused_last: Option<IpAddr>,
    /// Connections of limited addresses that have not said hello.
    pub strangers: u64,
    /// Requests that are being answered.
    pub exchanges: u64,
    /// Bytes held of what is not whole.
    pub held_bytes: u64,
}

impl Shard {
    /// A peer connected: it gets a place, or is refused before anything was spent on it.
    pub(super) fn opened(&mut self, id: u64, peer: Option<IpAddr>, out: &mut Outputs) {
        match self.place_for(peer, out) {
            Ok(permit) => {
                let now_ms = self.now.monotonic_ms();
                let stage = Stage::Http(Box::new(HttpConnection::new(now_ms)));
                let edge = self.edge_for(peer);
                self.connections.insert(id, stage, edge, Some(permit), now_ms);
                self.is_stranger(id);
            }
            Err(refusal) => {
                self.count_refusal(refusal, peer);
                out.list.push(Output::Abort { connection: id });
            }
        }
    }

    fn count_refusal(&mut self, refusal: Refusal, peer: Option<IpAddr>) {
        self.counts.peers.refused[refusal as usize] += 1;
        self.counts.peers.refused_last = peer;
    }

    /// A place among those of the address.
    fn place_for(&mut self, peer: Option<IpAddr>, out: &mut Outputs) -> Result<Permit, Refusal> {
        let permit = self.settings.gate.enter(peer, self.now.monotonic_us)?;
        self.place_for_stranger(peer, out)?;
        Ok(permit)
    }

    /// Where the address has its fill of strangers, one of them makes room. Each shard bounds its share of them: the
    /// kernel spreads an address's connections over all shards.
    fn place_for_stranger(&mut self, address: Option<IpAddr>, out: &mut Outputs) -> Result<(), Refusal> {
        let share = (self.settings.peers.address_strangers_max as usize / self.settings.shards).max(1);
        match self.settings.gate.key(address) {
            Some(key) if self.strangers.count(key) >= share => self.make_room(key, out),
            _ => Ok(()),
        }
    }

    /// Whoever has not said hello yet is the client that a proxy names: its limits count from here on. Whether it has
    /// a place; if not, that is counted, and the connection is the caller's to end.
    pub(super) fn is_placed_as(&mut self, id: u64, client: IpAddr, out: &mut Outputs) -> bool {
        let Some(Connection { permit: Some(permit), .. }) = self.connections.find(id) else { return true };
        if permit.address().map(|address| address.to_canonical()) == Some(client) {
            return true;
        }
        self.no_stranger(id);
        let now_us = self.now.monotonic_us;
        let placed = self.place_for_stranger(Some(client), out).and_then(|()| {
            let connection = self.connections.find(id).expect("another one has made room");
            connection.permit.as_mut().expect("found above").rename(client, now_us)
        });
        if let Err(refusal) = placed {
            self.count_refusal(refusal, Some(client));
            return false;
        }
        self.is_stranger(id);
        true
    }

    /// It has not said hello, and counts among those of its address who have not.
    fn is_stranger(&mut self, id: u64) {
        let connection = self.connections.find(id).expect("it was just placed");
        let key = connection.permit.as_ref().and_then(Permit::key);
        connection.stranger = key.map_or(0, |key| self.strangers.insert(key, id));
    }

    /// Ends the stranger of an address that has been here longest and is not being answered.
    fn make_room(&mut self, key: Key, out: &mut Outputs) -> Result<(), Refusal> {
        let oldest: Vec<u64> = self.strangers.of(key).take(limits::STRANGERS_ASKED_MAX).collect();
        let is_idle = |connection: &Connection| match &connection.stage {
            Stage::Http(http) => http.exchange.is_none(),
            Stage::Web(web) => web.session.is_unknown(),
            Stage::Closing => true,
            Stage::Leaving { .. } | Stage::Arriving { .. } => false,
        };
        let idle =
            oldest.into_iter().find(|id| self.connections.find(*id).is_some_and(|found| is_idle(found)));
        let id = idle.ok_or(Refusal::AddressStrangers)?;
        self.no_stranger(id);
        self.leave_stage(id, out);
        if let Some(connection) = self.connections.find(id) {
            connection.permit = None;
        }
        self.count_end(Ended::MadeRoom);
        out.list.push(Output::Abort { connection: id });
        Ok(())
    }

    /// The client has said hello, or is gone.
    pub(super) fn no_stranger(&mut self, id: u64) {
        let Some(connection) = self.connections.find(id) else { return };
        let key = connection.permit.as_ref().and_then(Permit::key);
        let number = std::mem::take(&mut connection.stranger);
        if let Some(key) = key.filter(|_| number > 0) {
            self.strangers.remove(key, number);
        }
    }

    pub(super) fn count_end(&mut self, why: Ended) {
        self.counts.peers.ended[why as usize] += 1;
    }

    /// Counts what is held of the connection now, and ends it if that is what is too much.
    pub(super) fn bound_held(&mut self, id: u64, out: &mut Outputs) {
        let held_bytes_max = self.settings.peers.held_bytes_max / self.settings.shards as u64;
        if self.connections.recount(id) == 0 || self.connections.held_bytes() <= held_bytes_max {
            return;
        }
        self.count_end(Ended::Held);
        match self.connections.find(id).map(|connection| &connection.stage) {
            Some(Stage::Web(_)) => self.dismiss(id, Farewell::HELD, out),
            Some(Stage::Http(http)) if http.exchange.is_none() => {
                out.send(id, |bytes| {
                    http::encode_error(503, "too many unfinished requests; try again in a moment", bytes);
                });
                self.close_now(id, out);
            }
            _ => self.close_now(id, out),
        }
    }

    /// A ping, which is answered, or a pong; either may be one too many.
    pub(super) fn pinged(&mut self, id: u64, answered: Option<&[u8]>, out: &mut Outputs) {
        let (rate, now_us) = (self.settings.peers.pings, self.now.monotonic_us);
        let Some(Connection { stage: Stage::Web(web), .. }) = self.connections.find(id) else { return };
        if !web.pings.take(rate, now_us) {
            self.count_end(Ended::Pings);
            return self.dismiss(id, Farewell::FLOOD, out);
        }
        if let Some(payload) = answered {
            out.send(id, |bytes| encode_frame(Opcode::Pong, payload, bytes));
        }
    }

    /// Whether the web page may have people of this role.
    pub(super) fn may_be(&mut self, id: u64, hello: &Hello<'_>) -> bool {
        match self.connections.find(id).map(|connection| &connection.stage) {
            Some(Stage::Web(web)) => match hello {
                Hello::Visitor { .. } => web.roles.visitor,
                Hello::Agent { .. } => web.roles.agent,
            },
            _ => true,
        }
    }
}
