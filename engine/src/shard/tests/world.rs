//! A world of shards without machines: lanes, disk, SQL, network and clock are plain values.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    ops::ControlFlow,
    sync::Arc,
};

use std::net::IpAddr;

use codec::websocket::{Decoder, Incoming, Opcode, Side, encode_close, encode_masked_frame};
use serde_json::Value;
use store::{
    record::{ConversationRecord, EventKind, EventRecord, Phase, Record},
    sql::{KnownMessage, StoredConversation},
};

use super::{
    super::{Beginning, DialogSettings, Input, LaneItem, Now, Output, Outputs, Settings, Shard},
    tls::{TlsClient, TlsPort},
};
use crate::{
    desk::{DeskSettings, teams::Teams},
    gate::{Gate, GateLimits},
    identity::{AgentRole, Class, Identity, VisitorClaims},
    jobs::{Done, Job, KnownOfVisitor},
    limits::{self, PeerLimits},
    origin::Origins,
    placement,
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
            kept_records_max: limits::KEPT_RECORDS_MAX,
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
            let stored = self.sql_open(index);
            let last_number = self.durable[index].len() as u64;
            let beginning = Beginning { last_number, conversations: stored };
            let mut out = Outputs::default();
            let shard = Shard::new(index, self.settings.clone(), beginning, self.now(), &mut out);
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
                if self.inboxes.iter().all(VecDeque::is_empty) {
                    break;
                }
                self.tick();
            }
            assert!(self.inboxes.iter().all(VecDeque::is_empty), "the shards never come to rest");
        }
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
        self.carry_out(index, out);
    }

    fn carry_out(&mut self, index: usize, out: Outputs) {
        for output in out.list {
            match output {
                Output::Send { connection, bytes } => self.send(index, connection, &out.bytes[bytes]),
                Output::SendShared { connection, frame } | Output::SendLater { connection, frame } => {
                    self.send(index, connection, &frame);
                }
                Output::Hurry { .. } => {}
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

    // What SQL would say

    fn events(&self, id: &str) -> Vec<EventRecord> {
        let mine = |record: &Record| match record {
            Record::Event(event) if event.conversation == id => Some(event.clone()),
            _ => None,
        };
        self.durable.iter().flatten().filter_map(mine).collect()
    }

    pub fn sql_conversation(&self, id: &str) -> Option<StoredConversation> {
        let mine = |record: &Record| match record {
            Record::Conversation(conversation) if conversation.conversation == id => {
                Some(conversation.clone())
            }
            _ => None,
        };
        let record: ConversationRecord = self.durable.iter().flatten().filter_map(mine).next_back()?;
        let events = self.events(id);
        let known = |event: &EventRecord| KnownMessage {
            sender: event.from_id.clone(),
            id: event.client_id.clone(),
            seq: event.seq,
            at_ms: event.at_ms,
        };
        Some(StoredConversation {
            record,
            seq: events.last().map_or(0, |event| event.seq),
            phase: events.last().map_or(Phase::Greeting, |event| event.phase),
            agent: events.last().map(|event| event.agent.clone()).unwrap_or_default(),
            rated: events.iter().any(|event| event.kind == EventKind::Rating),
            last_at_ms: events.last().map_or(0, |event| event.at_ms),
            last_message: events
                .iter()
                .filter(|event| event.kind == EventKind::Message)
                .map(|event| event.seq)
                .max()
                .unwrap_or(0),
            team: self.sql_team(id),
            known_ids: events.iter().filter(|event| !event.client_id.is_empty()).map(known).collect(),
        })
    }

    fn sql_ids_of(&self, site: &str, visitor: &str) -> BTreeSet<String> {
        let mine = |record: &Record| match record {
            Record::Conversation(record) if record.site == site && record.visitor == visitor => {
                Some(record.conversation.clone())
            }
            _ => None,
        };
        self.durable.iter().flatten().filter_map(mine).collect()
    }

    fn sql_open_of(&self, site: &str, visitor: &str) -> Option<StoredConversation> {
        let ids = self.sql_ids_of(site, visitor);
        ids.iter().rev().filter_map(|id| self.sql_conversation(id)).find(|stored| !stored.phase.is_over())
    }

    fn sql_team(&self, id: &str) -> String {
        let mine = |record: &Record| match record {
            Record::Team(record) if record.conversation == id => Some(record.team.clone()),
            _ => None,
        };
        self.durable.iter().flatten().filter_map(mine).next_back().unwrap_or_default()
    }

    fn sql_last_agent(&self, site: &str, visitor: &str) -> Option<(String, u64)> {
        let ids = self.ids().into_iter().filter_map(|id| self.sql_conversation(&id));
        ids.filter(|stored| stored.record.site == site && stored.record.visitor == visitor)
            .filter(|stored| !stored.agent.is_empty())
            .max_by_key(|stored| stored.last_at_ms)
            .map(|stored| (stored.agent, stored.last_at_ms))
    }

    /// Every conversation of the journals.
    pub fn ids(&self) -> std::collections::BTreeSet<String> {
        let ids = self.durable.iter().flatten().filter_map(|record| match record {
            Record::Conversation(conversation) => Some(conversation.conversation.clone()),
            Record::Event(_) | Record::Team(_) => None,
        });
        ids.collect()
    }

    fn sql_open(&self, shard: usize) -> Vec<StoredConversation> {
        let ids = self.ids();
        let here = |id: &String| placement::shard_of_conversation(id, self.settings.shards) == Some(shard);
        let stored = ids.into_iter().filter(here).filter_map(|id| self.sql_conversation(&id));
        stored
            .filter(|stored| !matches!(stored.phase, Phase::Greeting | Phase::LeaveMessage | Phase::Closed))
            .collect()
    }

    // What clients do

    /// A client that has not said anything.
    pub fn open(&mut self, shard: usize) -> usize {
        let connection = self.new_connection();
        let decoder = if self.offer.is_some() { Decoder::with_deflate } else { Decoder::new };
        let client = Client {
            shard,
            connection,
            decoder: decoder(Side::Client, 1 << 20),
            tls: self.port.as_ref().map(TlsPort::client),
            upgraded: false,
            compressed: 0,
            received: Vec::new(),
            closed_with: None,
            gone: false,
        };
        self.clients.push(client);
        let client = self.clients.len() - 1;
        self.by_connection.insert((shard, connection), client);
        self.inboxes[shard].push_back(Queued::Opened(connection));
        client
    }

    /// A client that asks for a WebSocket.
    pub fn connect(&mut self, shard: usize) -> usize {
        let client = self.open(shard);
        self.preface.clone().chunks(7).for_each(|piece| self.send_as_is(client, piece.to_vec()));
        let mut request = Vec::new();
        codec::websocket::request_upgrade("desk", "/ws", [7; 16], Some("ringdesk.v1"), &mut request);
        if let Some(offer) = self.offer {
            request.truncate(request.len() - 2);
            request.extend_from_slice(format!("Sec-WebSocket-Extensions: {offer}\r\n\r\n").as_bytes());
        }
        self.send_bytes(client, request);
        client
    }

    /// Whose the connection is, as the shard knows it where it is now.
    pub fn client_of(&mut self, client: usize) -> Option<IpAddr> {
        let Client { shard, connection, .. } = self.clients[client];
        self.shards[shard].connections.find(connection)?.client
    }

    pub fn send_bytes(&mut self, client: usize, bytes: Vec<u8>) {
        let pieces = match &mut self.clients[client].tls {
            Some(tls) => tls.say(&bytes),
            None => vec![bytes],
        };
        pieces.into_iter().for_each(|piece| self.send_as_is(client, piece));
    }

    /// Bytes as they arrive at the server.
    pub fn send_as_is(&mut self, client: usize, bytes: Vec<u8>) {
        let Client { shard, connection, .. } = self.clients[client];
        if self.by_connection.contains_key(&(shard, connection)) {
            self.inboxes[shard].push_back(Queued::Received(connection, bytes));
        }
    }

    pub fn send_frame(&mut self, client: usize, opcode: Opcode, payload: &[u8]) {
        let mut bytes = Vec::new();
        encode_masked_frame(opcode, payload, [1, 2, 3, 4], &mut bytes);
        self.send_bytes(client, bytes);
    }

    pub fn send_text(&mut self, client: usize, text: &str) {
        self.send_frame(client, Opcode::Text, text.as_bytes());
    }

    pub fn leave(&mut self, client: usize) {
        let mut bytes = Vec::new();
        encode_close(Side::Client, 1000, "", &mut bytes);
        self.send_bytes(client, bytes);
        self.run();
    }

    /// The network is cut: the server learns it, the client may not.
    pub fn cut(&mut self, client: usize) {
        let Client { shard, connection, .. } = self.clients[client];
        if self.by_connection.remove(&(shard, connection)).is_some() {
            self.inboxes[shard].push_back(Queued::Closed(connection));
        }
        self.clients[client].gone = true;
    }

    pub fn visitor_token(&self, id: &str, class: Class) -> String {
        let claims = VisitorClaims {
            sub: id.to_owned(),
            name: format!("name of {id}"),
            class,
            site: "default".to_owned(),
            exp: START_MS / 1_000 + 1_000_000,
        };
        self.settings.identity.sign_visitor(&claims)
    }

    pub fn agent_token(&self, name: &str) -> String {
        self.settings.identity.sign_agent(name, AgentRole::Agent, START_MS / 1_000)
    }

    /// A visitor says hello and hears the answer.
    pub fn visitor(&mut self, shard: usize, id: &str, more: &str) -> usize {
        self.visitor_of(shard, id, Class::Normal, more)
    }

    /// A visitor of this class says hello and hears the answer.
    pub fn visitor_of(&mut self, shard: usize, id: &str, class: Class, more: &str) -> usize {
        let client = self.connect(shard);
        let token = self.visitor_token(id, class);
        self.send_text(client, &format!(r#"{{"type":"hello","role":"visitor","token":"{token}"{more}}}"#));
        self.run();
        client
    }

    /// An agent says hello and is ready.
    pub fn agent(&mut self, shard: usize, name: &str) -> usize {
        let client = self.agent_away(shard, name, "");
        self.send_text(client, r#"{"type":"presence","state":"ready","capacity":8}"#);
        self.run();
        client
    }

    pub fn agent_away(&mut self, shard: usize, name: &str, more: &str) -> usize {
        let client = self.connect(shard);
        let token = self.agent_token(name);
        self.send_text(client, &format!(r#"{{"type":"hello","role":"agent","token":"{token}"{more}}}"#));
        self.run();
        client
    }

    pub fn say(&mut self, client: usize, id: &str, text: &str) {
        let message = serde_json::json!({"type":"message","id":id,"content":{"kind":"text","text":text}});
        self.send_text(client, &message.to_string());
    }

    pub fn agent_says(&mut self, client: usize, conversation: &str, id: &str, text: &str) {
        let message = serde_json::json!({
            "type":"message","id":id,"conversation":conversation,"content":{"kind":"text","text":text}
        });
        self.send_text(client, &message.to_string());
    }

    /// The conversation a visitor was welcomed to.
    pub fn conversation(&self, client: usize) -> String {
        let welcome = self.of_type(client, "welcome");
        welcome[0]["conversation"].as_str().expect("a visitor's welcome names it").to_owned()
    }

    pub fn of_type(&self, client: usize, kind: &str) -> Vec<&Value> {
        self.clients[client].received.iter().filter(|message| message["type"] == kind).collect()
    }

    /// What a client saw of a conversation: `seq kind: words`, in order, none twice.
    pub fn seen(&self, client: usize, conversation: &str) -> Vec<String> {
        let mut last = 0;
        let mut seen = Vec::new();
        for event in self.of_type(client, "event") {
            if event["conversation"] != conversation {
                continue;
            }
            let seq = event["seq"].as_u64().expect("a number");
            assert!(seq > last, "{seq} after {last}");
            last = seq;
            let kind = event["kind"].as_str().expect("a word");
            let content = &event["content"];
            let words = match kind {
                "message" | "note" => content["text"].as_str().expect("text").to_owned(),
                "assigned" => content["agent"].as_str().unwrap_or("nobody").to_owned(),
                "queue" => content["place"].to_string(),
                "transferred" => format!("{} to {}", content["from"], content["to"]).replace('"', ""),
                "rating" => content["score"].to_string(),
                "closed" => content["by"].as_str().expect("a word").to_owned(),
                other => panic!("no such kind: {other}"),
            };
            seen.push(format!("{seq} {kind}: {words}"));
        }
        seen
    }

    pub fn acks(&self, client: usize) -> Vec<(String, u64)> {
        let ack =
            |ack: &&Value| (ack["id"].as_str().expect("an id").to_owned(), ack["seq"].as_u64().expect("seq"));
        self.of_type(client, "ack").iter().map(ack).collect()
    }

    /// Where the conversation stands in memory, by the journal's word.
    pub fn phase(&self, id: &str) -> Option<String> {
        let mut all = self.shards.iter().flat_map(Shard::conversations);
        all.find(|(other, ..)| *other == id).map(|(_, phase, _)| format!("{phase:?}"))
    }

    /// How many conversations the client last heard that the agent has.
    pub fn presence(&self, client: usize, agent: &str) -> Option<u64> {
        let presence = self.of_type(client, "presence");
        presence.iter().rfind(|presence| presence["agent"] == agent)?["serving"].as_u64()
    }

    /// The code of the last refusal.
    pub fn refusal(&self, client: usize) -> Option<String> {
        let refused = self.of_type(client, "refused");
        refused.last().map(|refused| refused["code"].as_str().expect("a code").to_owned())
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
