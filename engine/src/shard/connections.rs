//! The connections of a shard: one table by slot, their deadlines, and HTTP exchanges.
//!
//! What the bytes say is [`crate::channel`]'s; who is behind a connection is `sessions`' and `hello`'s.

use std::collections::VecDeque;
use std::net::IpAddr;

use bytes::Bytes;

use super::{Ended, Farewell, Output, Outputs, Session, Shard, Urgency, edge::Edge};
use crate::{
    channel::{
        http::{self, HttpConnection, HttpStep, Waiting},
        web::WebConnection,
    },
    gate::Permit,
    jobs::Job,
    limits,
};

/// Where a connection stands.
#[derive(Debug)]
pub enum Stage {
    /// It speaks HTTP, so far.
    Http(Box<HttpConnection>),
    /// It was upgraded.
    Web(Box<WebConnection>),
    /// It goes to another shard; bytes that still come go with it.
    Leaving {
        /// Which shard.
        to: usize,
        /// What the other shard knows it by.
        token: u64,
        /// Who is behind it.
        arrival: Box<super::Arrival>,
    },
    /// It came from another shard, which has not yet said who is behind it.
    Arriving {
        /// What the other shard knows it by.
        token: u64,
        /// What came meanwhile.
        bytes: Vec<u8>,
    },
    /// We are done with it; it ends when its last bytes have left.
    Closing,
}

/// One connection.
#[derive(Debug)]
pub struct Connection {
    /// Its name.
    pub id: u64,
    /// Where it stands.
    pub stage: Stage,
    /// When the peer was last heard, milliseconds of the clock that does not go back.
    pub heard_ms: u64,
    /// Whether a ping was sent since then.
    pub pinged: bool,
    /// What lies between its bytes and what they say.
    pub edge: Edge,
    /// Whose it is, where that was asked: its peer, or whoever a trusted proxy has named.
    pub client: Option<IpAddr>,
    /// Whether `X-Forwarded-For` may name somebody else: not where a proxy that speaks first did not say whom it is for.
    pub reads_forwarded: bool,
    /// Its place among all that there are; none while it is known only that it came from another shard.
    pub permit: Option<Permit>,
    /// Its number among those that have not said hello; 0: it is none of them.
    pub stranger: u64,
    /// Bytes held of it, as they were counted last.
    held_bytes: u32,
}

impl Connection {
    fn holds_bytes(&self) -> usize {
        match &self.stage {
            Stage::Http(http) => http.held_bytes(),
            Stage::Web(web) => web.held_bytes(),
            Stage::Leaving { arrival, .. } => arrival.bytes.len(),
            Stage::Arriving { bytes, .. } => bytes.len(),
            Stage::Closing => 0,
        }
    }
}

/// A million visitors who say nothing have a million of these.
const CONNECTION_BYTES_MAX: usize = 128;
const _: () = assert!(size_of::<Option<Connection>>() <= CONNECTION_BYTES_MAX);

/// HTTP requests that wait for a turn. A network that comes back brings everybody at once, and those who are in a
/// conversation shall not wait for all of them.
#[derive(Debug, Default)]
pub struct Requests {
    queue: VecDeque<u64>,
    /// How many were looked at in this turn.
    stepped: usize,
}

impl Requests {
    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// The next that waits, if it may still be looked at in this turn.
    fn next(&mut self) -> Option<u64> {
        if self.is_empty() || !self.may_step() { None } else { self.queue.pop_front() }
    }

    /// Whether one more may be looked at in this turn, which is then counted.
    fn may_step(&mut self) -> bool {
        let may = self.stepped < limits::REQUESTS_A_TURN;
        self.stepped += usize::from(may);
        may
    }
}

/// The table. The low half of a connection's name is its slot.
#[derive(Debug, Default)]
pub struct Connections {
    slots: Vec<Option<Connection>>,
    open: usize,
    held_bytes: u64,
    /// Where the sweep goes on, and when it was there.
    swept: usize,
    swept_ms: u64,
}

fn slot(id: u64) -> usize {
    id as u32 as usize
}

impl Connections {
    /// The connection by that name, if it is still there.
    pub fn find(&mut self, id: u64) -> Option<&mut Connection> {
        self.slots.get_mut(slot(id))?.as_mut().filter(|connection| connection.id == id)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.open
    }

    /// Bytes held of all of them.
    pub fn held_bytes(&self) -> u64 {
        self.held_bytes
    }

    /// Counts again what is held of one; says how much that is.
    pub fn recount(&mut self, id: u64) -> usize {
        let Some(connection) = self.find(id) else { return 0 };
        let (before, now) = (connection.held_bytes, connection.holds_bytes());
        connection.held_bytes = now as u32;
        self.held_bytes = self.held_bytes + now as u64 - u64::from(before);
        now
    }

    /// Takes a new one into the table.
    pub(super) fn insert(&mut self, id: u64, stage: Stage, edge: Edge, permit: Option<Permit>, now_ms: u64) {
        let slot = slot(id);
        if self.slots.len() <= slot {
            self.slots.resize_with(slot + 1, || None);
        }
        let client = permit.as_ref().and_then(Permit::address);
        let connection = Connection {
            id,
            stage,
            heard_ms: now_ms,
            pinged: false,
            edge,
            client,
            reads_forwarded: true,
            permit,
            stranger: 0,
            held_bytes: 0,
        };
        let before = self.slots[slot].replace(connection);
        assert!(before.is_none(), "the reactor names a slot anew only after it said Closed");
        self.open += 1;
    }

    /// Takes the connection out of the table.
    pub fn remove(&mut self, id: u64) -> Option<Connection> {
        self.find(id)?;
        self.open -= 1;
        let connection = self.slots[slot(id)].take()?;
        self.held_bytes -= u64::from(connection.held_bytes);
        Some(connection)
    }

    /// The part of the table whose turn it is to be looked at: all of it once in [`limits::SWEEP_MS`].
    fn due(&mut self, now_ms: u64) -> Vec<u64> {
        let elapsed_ms = now_ms.saturating_sub(self.swept_ms).min(limits::SWEEP_MS);
        let share = (self.slots.len() as u64 * elapsed_ms / limits::SWEEP_MS) as usize;
        if share == 0 {
            return Vec::new();
        }
        self.swept_ms = now_ms;
        if self.swept >= self.slots.len() {
            self.swept = 0;
        }
        let end = (self.swept + share).min(self.slots.len());
        let ids = self.slots[self.swept..end].iter().flatten().map(|connection| connection.id).collect();
        self.swept = end;
        ids
    }

    /// Every connection there is.
    pub fn all(&self) -> Vec<u64> {
        self.slots.iter().flatten().map(|connection| connection.id).collect()
    }
}

impl Shard {
    pub(super) fn adopted(&mut self, connection: u64, token: u64, out: &mut Outputs) {
        let stage = Stage::Arriving { token, bytes: Vec::new() };
        self.connections.insert(connection, stage, Edge::Elsewhere, None, self.now.monotonic_ms());
        self.connection_adopted(connection, token, out);
    }

    /// What a peer says, whatever lies between it and its bytes.
    pub(super) fn plain_received(&mut self, id: u64, bytes: &mut [u8], out: &mut Outputs) {
        let now_ms = self.now.monotonic_ms();
        let Some(connection) = self.connections.find(id) else { return };
        connection.heard_ms = now_ms;
        connection.pinged = false;
        match &mut connection.stage {
            Stage::Http(_) => self.http_received(id, bytes, out),
            Stage::Web(_) => self.web_received(id, bytes, out),
            Stage::Leaving { arrival, .. } => {
                if arrival.bytes.len() + bytes.len() > limits::MOVING_BYTES_MAX {
                    self.close_now(id, out);
                } else {
                    arrival.bytes.extend_from_slice(bytes);
                }
            }
            Stage::Arriving { bytes: held, .. } => {
                if held.len() + bytes.len() > limits::MOVING_BYTES_MAX {
                    self.close_now(id, out);
                } else {
                    held.extend_from_slice(bytes);
                }
            }
            Stage::Closing => {}
        }
        self.bound_held(id, out);
    }

    pub(super) fn closed(&mut self, id: u64, out: &mut Outputs) {
        self.no_stranger(id);
        let Some(connection) = self.connections.remove(id) else { return };
        match connection.stage {
            Stage::Http(http) => self.http_gone(http.exchange, out),
            Stage::Web(web) => self.session_ended(id, &web.session, out),
            Stage::Leaving { .. } | Stage::Closing => {}
            Stage::Arriving { token, .. } => self.arrivals.forget(token),
        }
    }

    /// Ends the connection without a word: what is queued still leaves.
    pub(super) fn close_now(&mut self, id: u64, out: &mut Outputs) {
        self.leave_stage(id, out);
        out.list.push(Output::Close { connection: id });
    }

    /// Lets go of all that the connection was.
    pub(super) fn leave_stage(&mut self, id: u64, out: &mut Outputs) {
        let Some(connection) = self.connections.find(id) else { return };
        let stage = std::mem::replace(&mut connection.stage, Stage::Closing);
        self.connections.recount(id);
        match stage {
            Stage::Http(http) => self.http_gone(http.exchange, out),
            Stage::Web(web) => self.session_ended(id, &web.session, out),
            Stage::Arriving { token, .. } => self.arrivals.forget(token),
            // Its answer went out with what made it close; or it is another shard's now.
            Stage::Closing | Stage::Leaving { .. } => {}
        }
    }

    /// Looks at the connections whose turn it is: who has been silent too long is asked, then closed.
    pub(super) fn sweep(&mut self, out: &mut Outputs) {
        let now_ms = self.now.monotonic_ms();
        self.arrivals.expire(now_ms);
        self.expire_loading(out);
        for id in self.connections.due(now_ms) {
            self.check_silence(id, now_ms, out);
        }
        if self.stopping && now_ms >= self.dismissed_ms + limits::DISMISS_EVERY_MS {
            self.dismissed_ms = now_ms;
            self.dismiss_a_share(out);
        }
    }

    fn check_silence(&mut self, id: u64, now_ms: u64, out: &mut Outputs) {
        let heartbeat_ms = u64::from(self.settings.heartbeat_ms);
        let connection = self.connections.find(id).expect("listed by the sweep");
        if connection.edge.is_late(now_ms) {
            return self.edge_timed_out(id, out);
        }
        let silent_ms = now_ms.saturating_sub(connection.heard_ms);
        match &connection.stage {
            // Waiting for the pool, or for others' turn, is not the client's silence.
            Stage::Http(http) if http.exchange.is_some() || http.is_queued => {}
            Stage::Http(http) => {
                let waiting = http.waiting();
                let (since_ms, limit_ms) = match waiting {
                    Waiting::First(since_ms) => (since_ms, self.settings.peers.handshake_ms),
                    Waiting::Rest(since_ms) => (since_ms, self.settings.peers.request_ms),
                    Waiting::Next(since_ms) => (since_ms, limits::HTTP_IDLE_MS),
                };
                if now_ms.saturating_sub(since_ms) > limit_ms {
                    self.http_timed_out(id, waiting, out);
                }
            }
            Stage::Web(web) => {
                let since_ms = now_ms.saturating_sub(web.since_ms);
                let is_pending = matches!(web.session, Session::Pending);
                let hello_ms = self.settings.peers.hello_ms;
                if web.session.is_unknown() && since_ms > hello_ms {
                    self.count_end(Ended::Hello);
                    self.dismiss(id, Farewell::NO_HELLO, out);
                } else if is_pending && since_ms > hello_ms + limits::LOADING_MS {
                    self.dismiss(id, Farewell::UNAVAILABLE, out);
                } else if silent_ms > 2 * heartbeat_ms {
                    self.count_end(Ended::Silence);
                    self.dismiss(id, Farewell::IDLE, out);
                } else if silent_ms > heartbeat_ms && !connection.pinged {
                    connection.pinged = true;
                    out.send(id, crate::channel::web::encode_ping);
                }
            }
            Stage::Leaving { .. } | Stage::Arriving { .. } => {
                if silent_ms > limits::MOVING_MS {
                    self.close_now(id, out);
                }
            }
            Stage::Closing => {}
        }
    }

    /// Begins to leave: from now on a share of the clients is told to come back elsewhere each turn, so that
    /// they do not all come at once.
    pub fn stop(&mut self) {
        self.stopping = true;
    }

    /// Every connection there is.
    pub fn connections(&self) -> Vec<u64> {
        self.connections.all()
    }

    /// Whether everybody has left after [`Shard::stop`].
    pub fn is_empty(&self) -> bool {
        self.connections.len() == 0
    }

    fn dismiss_a_share(&mut self, out: &mut Outputs) {
        let all = self.connections.all();
        let share = all.len() / 8 + 16;
        for id in all.into_iter().take(share) {
            match self.connections.find(id).map(|connection| &connection.stage) {
                Some(Stage::Web(_)) => self.dismiss(id, Farewell::STOPPING, out),
                Some(Stage::Http(http)) if http.exchange.is_none() => self.close_now(id, out),
                _ => {}
            }
        }
    }

    // HTTP

    fn http_received(&mut self, id: u64, bytes: &[u8], out: &mut Outputs) {
        let now_ms = self.now.monotonic_ms();
        let Some(Connection { stage: Stage::Http(http), .. }) = self.connections.find(id) else { return };
        http.hold(bytes, now_ms);
        if self.requests.is_empty() && self.requests.may_step() {
            self.http_step(id, out);
        } else if !std::mem::replace(&mut http.is_queued, true) {
            self.requests.queue.push_back(id);
        }
    }

    /// Ends the turn for requests: those that wait have what is left of it.
    pub(super) fn take_requests(&mut self, out: &mut Outputs) {
        while let Some(id) = self.requests.next() {
            if let Some(Connection { stage: Stage::Http(http), .. }) = self.connections.find(id) {
                http.is_queued = false;
                self.http_step(id, out);
                self.bound_held(id, out);
            }
        }
        self.requests.stepped = 0;
    }

    /// Makes the next request of what was received, if it is whole and the last one is answered.
    fn http_step(&mut self, id: u64, out: &mut Outputs) {
        let unready = match (self.stopping, self.storage_failed) {
            (true, _) => Some(http::STOPPING),
            (false, true) => Some(http::DISK_FAILED),
            (false, false) => None,
        };
        loop {
            let Some(Connection { stage: Stage::Http(http), .. }) = self.connections.find(id) else { return };
            match http.next_step(unready, &self.settings.origins, self.settings.websocket_deflate) {
                HttpStep::NeedMore => return,
                HttpStep::Continue => out.send(id, |bytes| bytes.extend_from_slice(http::CONTINUE)),
                HttpStep::Upgraded { response, deflate, rest, roles, forwarded } => {
                    if !self.may_upgrade_for(id, forwarded.as_deref(), out) {
                        return;
                    }
                    out.send_with(Urgency::Later, id, |bytes| bytes.extend_from_slice(&response));
                    let now_ms = self.now.monotonic_ms();
                    let connection = self.connections.find(id).expect("found above");
                    let fragments_max = self.settings.peers.fragments_max;
                    let web = WebConnection::new(roles, deflate, fragments_max, now_ms);
                    connection.stage = Stage::Web(Box::new(web));
                    let mut rest = rest;
                    if !rest.is_empty() {
                        self.web_received(id, &mut rest, out);
                    }
                    return;
                }
                HttpStep::Answered { response, close } => {
                    out.send(id, |bytes| bytes.extend_from_slice(&response));
                    if close {
                        return self.close_now(id, out);
                    }
                }
                HttpStep::Refused { response, by_origin } => {
                    self.count_end(if by_origin { Ended::Origin } else { Ended::Malformed });
                    out.send(id, |bytes| bytes.extend_from_slice(&response));
                    return self.close_now(id, out);
                }
                HttpStep::Request(request) => {
                    let exchange = self.token();
                    let peer = self.client_of_request(id, request.headers());
                    let connection = self.connections.find(id).expect("found above");
                    let Stage::Http(http) = &mut connection.stage else { unreachable!("matched above") };
                    http.exchange = Some(exchange);
                    self.exchanges.insert(exchange, id);
                    out.list.push(Output::Job(Job::Http { exchange, peer, request }));
                    return;
                }
            }
        }
    }

    fn http_timed_out(&mut self, id: u64, waiting: Waiting, out: &mut Outputs) {
        let has_begun = match waiting {
            Waiting::First(_) => {
                self.count_end(Ended::Handshake);
                self.connections.recount(id) > 0
            }
            Waiting::Rest(_) => {
                self.count_end(Ended::Request);
                true
            }
            Waiting::Next(_) => false,
        };
        if has_begun {
            out.send(id, |bytes| http::encode_error(408, "the request did not come in time", bytes));
        }
        self.close_now(id, out);
    }

    fn http_gone(&mut self, exchange: Option<u64>, out: &mut Outputs) {
        let Some(exchange) = exchange else { return };
        self.exchanges.remove(&exchange);
        out.list.push(Output::Job(Job::HttpGone { exchange }));
    }

    pub(super) fn http_unavailable(&mut self, exchange: u64, out: &mut Outputs) {
        let Some(id) = self.exchanges.remove(&exchange) else { return };
        if let Some(Connection { stage: Stage::Http(http), .. }) = self.connections.find(id) {
            http.exchange = None;
        }
        out.send(id, |bytes| {
            http::encode_error(503, "too many requests at once; try again in a second", bytes)
        });
        self.close_now(id, out);
    }

    pub(super) fn http_bytes(
        &mut self,
        exchange: u64,
        bytes: &Bytes,
        last: bool,
        close: bool,
        out: &mut Outputs,
    ) {
        let Some(id) = self.exchanges.get(&exchange).copied() else { return };
        out.send(id, |buffer| buffer.extend_from_slice(bytes));
        let Some(Connection { stage: Stage::Http(http), .. }) = self.connections.find(id) else { return };
        if !last {
            if bytes.len() < limits::DRAINED_ABOVE_BYTES {
                out.list.push(Output::Job(Job::HttpTaken { exchange }));
            } else {
                // The next piece is asked for once this one has left.
                http.piece_in_flight = true;
            }
            return;
        }
        http.exchange = None;
        self.exchanges.remove(&exchange);
        if close {
            self.close_now(id, out);
        } else {
            self.http_step(id, out);
            self.bound_held(id, out);
        }
    }

    pub(super) fn drained(&mut self, id: u64, out: &mut Outputs) {
        match self.connections.find(id).map(|connection| &mut connection.stage) {
            Some(Stage::Http(http)) => {
                if std::mem::take(&mut http.piece_in_flight)
                    && let Some(exchange) = http.exchange
                {
                    out.list.push(Output::Job(Job::HttpTaken { exchange }));
                }
            }
            Some(Stage::Web(web)) => {
                for conversation in web.take_pages() {
                    self.tell_page_taken(id, conversation, out);
                }
            }
            _ => {}
        }
    }
}
