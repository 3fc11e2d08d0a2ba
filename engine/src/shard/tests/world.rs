//! A world of shards without machines: lanes, disk, SQL, network and clock are plain values.

mod clients;
mod sql;

use std::net::IpAddr;
use std::{
    collections::{BTreeMap, VecDeque},
    ops::ControlFlow,
    sync::Arc,
};

use codec::websocket::{Decoder, Incoming, Opcode};
use serde_json::Value;
use store::record::{Phase, Record};

use super::{
    super::{DialogSettings, Input, LaneItem, Now, Output, Outputs, Settings, Shard, Urgency},
    tls::{TlsClient, TlsPort},
};
use crate::{
    desk::{DeskSettings, teams::Teams},
    gate::{Gate, GateLimits},
    identity::{AgentRole, Identity},
    jobs::{Done, Job, KnownOfVisitor},
    limits::PeerLimits,
    origin::Origins,
    proxies::Proxies,
};

pub const START_MS: u64 = 1_795_392_000_000;

/// Clocks that the stories of talk do not meet.
pub const DIALOG: DialogSettings =
    DialogSettings { visitor_idle_ms: 1_800_000, agent_silent_ms: 600_000, rating_ms: 300_000, bot: false };

/// A client's end of a connection.
pub struct Client {
    shard: usize,
    connection: u64,
    decoder: Decoder,
    /// Where the port speaks TLS.
    pub tls: Option<TlsClient>,
    upgraded: bool,
    /// Frames that came compressed.
    pub compressed: usize,
    pub received: Vec<Value>,
    /// How soon each thing was to be sent.
    pub urgencies: Vec<Urgency>,
    pub closed_with: Option<u16>,
    pub gone: bool,
}

enum Queued {
    Opened(u64),
    Received(u64, Vec<u8>),
    Drained(u64),
    Closed(u64),
    Adopted(u64, u64),
    HandedOver(u64),
    Lane(LaneItem),
    Durable(u64),
    Done(Done),
}

pub struct World {
    pub shards: Vec<Shard>,
    settings: Settings,
    inboxes: Vec<VecDeque<Queued>>,
    /// Each shard's journal: what is durable, and what is only written.
    pub durable: Vec<Vec<Record>>,
    written: Vec<Vec<Record>>,
    /// While set, the wall clock says 0, as it does before 1970.
    pub is_before_1970: bool,
    /// While set, nothing becomes durable.
    pub disk_waits: bool,
    pub clients: Vec<Client>,
    /// Who connects from now on offers these extensions.
    pub offer: Option<&'static str>,
    /// What clients of a port with TLS need.
    port: Option<TlsPort>,
    /// Where every connection comes from.
    pub peer: Option<IpAddr>,
    /// What clients say before anything else: as a proxy does.
    pub preface: Vec<u8>,
    /// Who asked for what over HTTP.
    pub asked_by: Vec<Option<IpAddr>>,
    /// So many of each journal's last records are not in SQL.
    pub sql_lacks: usize,
    by_connection: BTreeMap<(usize, u64), usize>,
    next_connection: u64,
    now_ms: u64,
}

impl World {
    pub fn new(shards: usize) -> Self {
        Self::with(Teams::default(), Proxies::default(), None, shards)
    }

    pub fn with_teams(shards: usize, teams: Teams) -> Self {
        Self::with(teams, Proxies::default(), None, shards)
    }

    /// One whose port speaks TLS, or does not.
    pub fn on(port: Option<TlsPort>, shards: usize) -> Self {
        Self::behind(Proxies::default(), port, shards)
    }

    /// One behind proxies.
    pub fn behind(proxies: Proxies, port: Option<TlsPort>, shards: usize) -> Self {
        Self::with(Teams::default(), proxies, port, shards)
    }

    fn with(teams: Teams, proxies: Proxies, port: Option<TlsPort>, shards: usize) -> Self {
        let settings = Settings {
            shards,
            desk: DeskSettings { lease_ms: 10_000, capacity: 8 },
            teams: Arc::new(teams),
            dialog: DIALOG,
            heartbeat_ms: 30_000,
            websocket_deflate: true,
            run: 7,
            identity: Identity::new(&[1; 32], &[2; 32]),
            gate: Gate::new(GateLimits::none()),
            peers: PeerLimits::default(),
            kept_records_max: usize::MAX / 2,
            origins: Origins::default(),
            tls: port.as_ref().map(|port| port.server.clone()),
            proxies,
        };
        let mut world = Self {
            shards: Vec::new(),
            settings,
            inboxes: (0..shards).map(|_| VecDeque::new()).collect(),
            durable: vec![Vec::new(); shards],
            written: vec![Vec::new(); shards],
            is_before_1970: false,
            disk_waits: false,
            clients: Vec::new(),
            offer: None,
            port,
            peer: None,
            preface: Vec::new(),
            asked_by: Vec::new(),
            sql_lacks: 0,
            by_connection: BTreeMap::new(),
            next_connection: 0,
            now_ms: 1_000,
        };
        world.boot();
        world
    }

    /// The same server with compression off.
    pub fn without_deflate(&mut self) {
        self.settings.websocket_deflate = false;
        self.crash();
    }

    /// The same server with so little room for what SQL lacks.
    pub fn keeping(&mut self, records: usize) {
        self.settings.kept_records_max = records;
        self.crash();
    }

    fn boot(&mut self) {
        self.start_shards();
        self.run();
    }

    fn start_shards(&mut self) {
        for index in 0..self.settings.shards {
            let mut out = Outputs::default();
            let (settings, beginning) = (self.settings.clone(), self.beginning(index));
            let shard = Shard::new(index, settings, beginning, self.now(), &mut out);
            self.shards.push(shard);
            self.carry_out(index, out);
        }
    }

    /// Every process dies: what was not durable is gone, connections with it. Then all start anew.
    pub fn crash(&mut self) {
        self.shards.clear();
        self.inboxes.iter_mut().for_each(VecDeque::clear);
        self.written.iter_mut().for_each(Vec::clear);
        self.by_connection.clear();
        self.clients.iter_mut().for_each(|client| client.gone = true);
        self.disk_waits = false;
        self.boot();
    }

    /// As [`World::crash`], seen before anything else can happen.
    pub fn crash_without_clocks(&mut self) {
        self.shards.clear();
        self.inboxes.iter_mut().for_each(VecDeque::clear);
        self.by_connection.clear();
        self.clients.iter_mut().for_each(|client| client.gone = true);
        self.start_shards();
    }

    fn now(&self) -> Now {
        let unix_ms = if self.is_before_1970 { 0 } else { START_MS + self.now_ms };
        Now { unix_ms, monotonic_us: self.now_ms * 1_000 }
    }

    /// One turn of each shard, that much later.
    pub fn wait_ms(&mut self, ms: u64) {
        self.now_ms += ms;
        self.tick();
    }

    pub fn pass_ms(&mut self, ms: u64) {
        self.tick_until(self.now_ms + ms);
        self.run();
    }

    fn tick_until(&mut self, end: u64) {
        while self.now_ms < end {
            self.now_ms = (self.now_ms / 100 * 100 + 100).min(end);
            self.tick();
        }
    }

    /// Time passes, and whoever is connected shows now and then that it lives.
    pub fn pass_minutes(&mut self, minutes: u64) {
        for _ in 0..3 * minutes {
            let connected: Vec<usize> = self.by_connection.values().copied().collect();
            connected.into_iter().for_each(|client| self.send_frame(client, Opcode::Ping, b""));
            self.tick_until(self.now_ms + 20_000);
        }
        self.run();
    }

    pub fn tick(&mut self) {
        for index in 0..self.shards.len() {
            self.turn(index);
        }
    }

    /// Until nothing is on its way any more.
    pub fn run(&mut self) {
        // The places of a queue and the loads of agents are told on the next tick.
        for _ in 0..3 {
            self.now_ms += 1_000;
            self.tick();
            for _ in 0..10_000 {
                if self.is_at_rest() {
                    break;
                }
                self.tick();
            }
            assert!(self.is_at_rest(), "the shards never come to rest");
        }
    }

    fn is_at_rest(&self) -> bool {
        self.inboxes.iter().all(VecDeque::is_empty) && !self.shards.iter().any(Shard::has_chores)
    }

    fn turn(&mut self, index: usize) {
        let mut queued: Vec<Queued> = self.inboxes[index].drain(..).collect();
        let mut out = Outputs::default();
        let now = self.now();
        let shard = &mut self.shards[index];
        shard.begin(now);
        for item in &mut queued {
            let item = std::mem::replace(item, Queued::Opened(u64::MAX));
            match item {
                Queued::Opened(connection) => {
                    shard.handle(Input::Opened { connection, peer: self.peer }, &mut out)
                }
                Queued::Received(connection, mut bytes) => {
                    shard.handle(Input::Received { connection, bytes: &mut bytes }, &mut out);
                }
                Queued::Drained(connection) => shard.handle(Input::Drained { connection }, &mut out),
                Queued::Closed(connection) => shard.handle(Input::Closed { connection }, &mut out),
                Queued::Adopted(connection, token) => {
                    shard.handle(Input::Adopted { connection, token }, &mut out);
                }
                Queued::HandedOver(connection) => shard.handle(Input::HandedOver { connection }, &mut out),
                Queued::Lane(item) => shard.handle(Input::Lane(item), &mut out),
                Queued::Durable(up_to) => shard.handle(Input::Durable { up_to }, &mut out),
                Queued::Done(done) => shard.handle(Input::Done(done), &mut out),
            }
        }
        shard.finish(&mut out);
        let mut by_phase = [0; Phase::ALL.len()];
        shard.conversations().for_each(|(_, phase, _)| by_phase[phase as usize - 1] += 1);
        assert_eq!(shard.conversations_by_phase(), by_phase);
        self.carry_out(index, out);
    }

    fn carry_out(&mut self, index: usize, out: Outputs) {
        for output in out.list {
            match output {
                Output::Send { connection, bytes, urgency } => {
                    self.note_urgency(index, connection, urgency);
                    self.send(index, connection, &out.bytes[bytes]);
                }
                Output::SendShared { connection, frame, urgency } => {
                    self.note_urgency(index, connection, urgency);
                    self.send(index, connection, &frame);
                }
                Output::Abort { .. } => unreachable!("nobody is limited in this world"),
                Output::Flush { connection } => self.send(index, connection, &[]),
                Output::Close { connection } => {
                    let mut sealed = Vec::new();
                    let end = self.shards[index].seal_end(connection, &mut sealed).to_vec();
                    self.carry(index, connection, end);
                    if let Some(client) = self.by_connection.remove(&(index, connection)) {
                        self.clients[client].gone = true;
                    }
                    self.inboxes[index].push_back(Queued::Closed(connection));
                }
                Output::HandOver { connection, to, token } => self.hand_over(index, connection, to, token),
                Output::Lane { to, item, .. } => self.inboxes[to].push_back(Queued::Lane(item)),
                Output::Record { number, record } => {
                    self.written[index].push(record);
                    let expected = self.durable[index].len() + self.written[index].len();
                    assert_eq!(number, expected as u64, "records are numbered without a gap");
                }
                Output::Job(job) => self.job(index, job),
            }
        }
        self.sync(index);
    }

    /// The network of this world takes all at once, so that there is no order to see.
    fn note_urgency(&mut self, index: usize, connection: u64, urgency: Urgency) {
        if let Some(client) = self.by_connection.get(&(index, connection)) {
            self.clients[*client].urgencies.push(urgency);
        }
    }

    fn sync(&mut self, index: usize) {
        if self.disk_waits || self.written[index].is_empty() {
            return;
        }
        let written = std::mem::take(&mut self.written[index]);
        self.durable[index].extend(written);
        self.inboxes[index].push_back(Queued::Durable(self.durable[index].len() as u64));
    }

    /// The journals of all shards have failed.
    pub fn disk_fails(&mut self) {
        self.disk_waits = true;
        for index in 0..self.shards.len() {
            let mut out = Outputs::default();
            self.shards[index].fail(&mut out);
            self.carry_out(index, out);
        }
        self.run();
    }

    /// The disk works again.
    pub fn disk_goes_on(&mut self) {
        self.disk_waits = false;
        (0..self.shards.len()).for_each(|index| self.sync(index));
        self.run();
    }

    /// SQL has everything that is durable, and the shards hear it.
    pub fn project(&mut self) {
        for index in 0..self.shards.len() {
            let up_to = self.durable[index].len() as u64;
            self.inboxes[index].push_back(Queued::Done(Done::Projected { up_to }));
        }
        self.run();
    }

    fn hand_over(&mut self, from: usize, connection: u64, to: usize, token: u64) {
        let Some(client) = self.by_connection.remove(&(from, connection)) else { return };
        let adopted = self.new_connection();
        self.by_connection.insert((to, adopted), client);
        (self.clients[client].shard, self.clients[client].connection) = (to, adopted);
        self.inboxes[from].push_back(Queued::HandedOver(connection));
        self.inboxes[to].push_back(Queued::Adopted(adopted, token));
    }

    fn new_connection(&mut self) -> u64 {
        self.next_connection += 1;
        self.next_connection << 32 | self.next_connection
    }

    fn job(&mut self, index: usize, job: Job) {
        let done = match job {
            Job::CheckAgent { connection, name, resume } => {
                let role = match &*name {
                    "fired" => None,
                    "boss" => Some(AgentRole::Supervisor),
                    "root" => Some(AgentRole::Admin),
                    _ => Some(AgentRole::Agent),
                };
                Done::AgentChecked { connection, name, resume, role: Ok(role) }
            }
            Job::LoadConversation { request, conversation } => {
                let found = self.sql_conversation(&conversation).map(Box::new);
                Done::Conversation { request, found: Ok(found) }
            }
            Job::LoadOpen { request, site, visitor } => {
                let open = self.sql_open_of(&site, &visitor).map(Box::new);
                let last_id = self.sql_ids_of(&site, &visitor).pop_last();
                let last_agent = self.sql_last_agent(&site, &visitor);
                Done::Open { request, found: Ok(KnownOfVisitor { open, last_id, last_agent }) }
            }
            Job::LoadEvents { request, conversation, after, limit, .. } => {
                let events = self.events(&conversation).into_iter().filter(|event| event.seq > after);
                let found = Ok(events.take(limit as usize).collect());
                Done::Events { request, found }
            }
            Job::Http { peer, .. } => return self.asked_by.push(peer),
            Job::HttpTaken { .. } | Job::HttpGone { .. } => return,
        };
        self.inboxes[index].push_back(Queued::Done(done));
    }

    fn send(&mut self, index: usize, connection: u64, bytes: &[u8]) {
        let mut sealed = Vec::new();
        let bytes = self.shards[index].seal(connection, bytes, &mut sealed);
        let bytes = bytes.expect("nothing is said that cannot be").to_vec();
        self.carry(index, connection, bytes);
    }

    /// Bytes as they leave the server.
    fn carry(&mut self, index: usize, connection: u64, bytes: Vec<u8>) {
        // As if each of them had filled the outbox: a page ends with one at least.
        self.inboxes[index].push_back(Queued::Drained(connection));
        let Some(number) = self.by_connection.get(&(index, connection)).copied() else { return };
        let mut bytes = bytes;
        if let Some(tls) = &mut self.clients[number].tls {
            bytes = tls.hear(&bytes);
            self.send_bytes(number, Vec::new());
        }
        if bytes.is_empty() {
            return;
        }
        let client = &mut self.clients[number];
        if !client.upgraded {
            assert!(bytes.starts_with(b"HTTP/1.1 101 "), "{}", String::from_utf8_lossy(&bytes));
            client.upgraded = true;
            let end = bytes.windows(4).position(|end| end == b"\r\n\r\n").expect("a whole head") + 4;
            bytes.drain(..end);
        }
        client.compressed += usize::from(bytes.first().is_some_and(|first| first & 0x40 != 0));
        let (received, closed_with) = (&mut client.received, &mut client.closed_with);
        let result = client.decoder.receive(&mut bytes, &mut |incoming| {
            match incoming {
                Incoming::Text(text) => received.push(serde_json::from_str(text).expect("servers send JSON")),
                Incoming::Close(code, _) => *closed_with = Some(code),
                Incoming::Binary(_) => panic!("servers send no binary"),
                Incoming::Ping(_) | Incoming::Pong(_) => {}
            }
            ControlFlow::Continue(())
        });
        result.expect("servers keep to RFC 6455");
    }

    /// In every journal every conversation's events are numbered from 1 without a gap.
    pub fn assert_gapless(&self) {
        let mut last: BTreeMap<Arc<str>, u64> = BTreeMap::new();
        for record in self.durable.iter().flatten() {
            if let Record::Event(event) = record {
                let before = last.insert(event.conversation.as_str().into(), event.seq).unwrap_or(0);
                assert_eq!(event.seq, before + 1, "{}", event.conversation);
            }
        }
    }
}
