//! One shard: what a core decides, without I/O and without a clock.
//!
//! Inputs go in with the time, outputs come out; `driver` carries them out in production, a test or a
//! simulator does it elsewhere. The rule that everything here serves: an effect (an ack, a delivery, a word
//! to the desk) waits until the journal says that its cause is durable.
//!
//! The folder follows one message: [`crate::channel`] makes bytes into messages, `hello` says who speaks,
//! `inbound` decides, `delivery` lets go of what became durable, `desk_link` talks with the desk.

mod agent_acts;
mod beginning;
mod connections;
mod conversations;
mod delivery;
mod desk_link;
mod edge;
mod event_frame;
mod hello;
pub mod inbound;
mod known_ids;
mod loading;
mod news;
mod overload;
mod peers;
mod phases;
mod preface;
pub mod reasons;
mod refusals;
mod sessions;
mod strangers;
#[cfg(test)]
mod tests;
mod timers;
mod words;

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use codec::{
    tls::TlsConfig,
    websocket::{Compressor, Decompressor, Deflate},
};
use store::record::Phase;

pub use self::{
    beginning::Beginning,
    delivery::{AckTook, Sayer},
    edge::TlsRefusal,
    hello::Arrival,
    inbound::Inbound,
    overload::Shed,
    peers::{Ended, PeerCounts},
    sessions::Session,
    timers::DialogSettings,
    words::{Farewell, Input, LaneItem, Output, Outputs, Urgency},
};
use self::{connections::Connections, conversations::Conversations, delivery::Effects, strangers::Strangers};
use crate::{
    desk::{
        Address, AgentName, Desk, DeskOutput, DeskSettings,
        teams::{FIRST_TEAM, Teams},
    },
    gate::Gate,
    identity::{AgentRole, Identity},
    jobs::{Done, Job},
    limits::PeerLimits,
    origin::Origins,
    placement,
    proxies::Proxies,
    shedding::Step,
};

/// The site of visitors who name none.
pub const SITE: &str = "default";

/// Longest time between two turns, in milliseconds: leases, places and deadlines are looked at so often.
pub const TICK_MS: u64 = 100;

/// The time of a turn, as the driver read it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Now {
    /// Milliseconds since 1970.
    pub unix_ms: u64,
    /// Microseconds of a clock that does not go back.
    pub monotonic_us: u64,
}

impl Now {
    /// Milliseconds of the clock that does not go back.
    pub const fn monotonic_ms(self) -> u64 {
        self.monotonic_us / 1_000
    }
}

/// What the operator chose.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How many shards there are.
    pub shards: usize,
    /// Of the desk.
    pub desk: DeskSettings,
    /// The teams at the start; later ones come by [`Done::Teams`].
    pub teams: Arc<Teams>,
    /// Of the dialog.
    pub dialog: DialogSettings,
    /// Longest silence that either side bears, in milliseconds.
    pub heartbeat_ms: u32,
    /// Whether `permessage-deflate` is granted to clients that offer it.
    pub websocket_deflate: bool,
    /// A number no other run of the server has: names of anonymous visitors are made of it.
    pub run: u64,
    /// Signs and checks tokens.
    pub identity: Identity,
    /// Counts who connects, for all shards.
    pub gate: Gate,
    /// What one connection may do.
    pub peers: PeerLimits,
    /// Records that SQL may lack before new messages are refused; see [`crate::limits::KEPT_RECORDS_MEMORY`].
    pub kept_records_max: usize,
    /// Which web pages may connect.
    pub origins: Origins,
    /// Whether and how the public port speaks TLS.
    pub tls: Option<TlsConfig>,
    /// Which proxies are believed about who a client is.
    pub proxies: Proxies,
}

/// What a shard counts; read by the driver, never decided on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Visitors connected, normal and VIP.
    pub visitors: [u64; 2],
    /// Agents' connections.
    pub agents: u64,
    /// Conversations in memory.
    pub conversations: u64,
    /// Messages made durable, normal and VIP.
    pub accepted: [u64; 2],
    /// Resends answered with the first `seq`, normal and VIP.
    pub repeated: [u64; 2],
    /// Messages refused because a lane was full, normal and VIP.
    pub refused_overloaded: [u64; 2],
    /// Messages refused because the journal could take no more, normal and VIP.
    pub refused_journal: [u64; 2],
    /// Messages refused because of what they said or where, normal and VIP.
    pub refused_invalid: [u64; 2],
    /// What had no number and was not passed on, in the order of [`Shed::ALL`].
    pub shed: [u64; Shed::ALL.len()],
    /// How much is given up now.
    pub step: Step,
    /// Events that reached a reader's outbox.
    pub delivered: u64,
    /// What became of connections that are not wanted.
    pub peers: PeerCounts,
    /// Connections that TLS closed, in the order of [`TlsRefusal::ALL`].
    pub refused_tls: [u64; TlsRefusal::ALL.len()],
}

/// Where an agent is connected, on any shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct AgentConnection {
    address: Address,
    role: AgentRole,
}

/// One core's share of the conversations and connections.
pub struct Shard {
    index: usize,
    settings: Settings,
    now: Now,
    /// A number per connection given away or HTTP request: makes names that are never used twice.
    next_token: u64,
    connections: Connections,
    requests: connections::Requests,
    strangers: Strangers,
    exchanges: HashMap<u64, u64>,
    arrivals: hello::Arrivals,
    conversations: Conversations,
    loading: loading::Loading,
    effects: Effects,
    agents: BTreeMap<AgentName, Vec<AgentConnection>>,
    /// Those of their connections that take compressed frames.
    deflating: BTreeMap<Address, Deflate>,
    compressor: Compressor,
    decompressor: Decompressor,
    desk: Option<Desk>,
    desk_outputs: Vec<DeskOutput>,
    /// No conversation that was begun in this run, or brought back by a client or the journal, has a later time in its id.
    newest_begun_ms: u64,
    /// Agents who just came and do not know yet who else is there.
    newcomers: Vec<Address>,
    journal_full: bool,
    overloaded: bool,
    overload: overload::Overload,
    news: news::News,
    /// The journal has failed: nothing that this shard owns can be promised any more.
    failed: bool,
    /// Some shard's journal has: the whole server is not ready.
    storage_failed: bool,
    stopping: bool,
    /// When the last share of clients was sent away.
    dismissed_ms: u64,
    counts: Counts,
    /// Plaintext of one receive; kept for its memory.
    plain: Vec<u8>,
    /// What was said in the log once and is not said again.
    warned: Vec<&'static str>,
    /// Where a frame is written before it is kept.
    scratch: Vec<u8>,
}

impl Shard {
    /// A shard that goes on where its journal ended. What it has to tell the desk comes out of the first
    /// turn.
    pub fn new(index: usize, settings: Settings, beginning: Beginning, now: Now, out: &mut Outputs) -> Self {
        let has_desk = placement::shard_of_team(SITE, FIRST_TEAM, settings.shards) == index;
        let mut shard = Self {
            index,
            now,
            next_token: 0,
            connections: Connections::default(),
            requests: connections::Requests::default(),
            strangers: Strangers::default(),
            exchanges: HashMap::new(),
            arrivals: hello::Arrivals::default(),
            conversations: Conversations::default(),
            loading: loading::Loading::default(),
            effects: Effects::new(beginning.last_number),
            agents: BTreeMap::new(),
            deflating: BTreeMap::new(),
            compressor: Compressor::default(),
            decompressor: Decompressor::default(),
            desk: has_desk.then(|| Desk::new(settings.desk, Arc::clone(&settings.teams))),
            desk_outputs: Vec::new(),
            newest_begun_ms: 0,
            newcomers: Vec::new(),
            journal_full: false,
            overloaded: false,
            overload: overload::Overload::new(settings.shards),
            news: news::News::default(),
            failed: false,
            storage_failed: false,
            stopping: false,
            dismissed_ms: 0,
            counts: Counts::default(),
            plain: Vec::new(),
            warned: Vec::new(),
            scratch: Vec::new(),
            settings,
        };
        shard.resume(beginning.conversations, beginning.unprojected, out);
        shard
    }

    /// One turn: takes in all that happened, then what time alone decides.
    pub fn turn<'a>(&mut self, now: Now, inputs: impl IntoIterator<Item = Input<'a>>, out: &mut Outputs) {
        self.begin(now);
        for input in inputs {
            self.handle(input, out);
        }
        self.finish(out);
    }

    /// Begins a turn at `now`.
    pub fn begin(&mut self, now: Now) {
        self.now = now;
    }

    /// Takes one input of the turn.
    pub fn handle(&mut self, input: Input<'_>, out: &mut Outputs) {
        match input {
            Input::Opened { connection, peer } => self.opened(connection, peer, out),
            Input::Received { connection, bytes } => self.received(connection, bytes, out),
            Input::Drained { connection } => self.drained(connection, out),
            Input::Closed { connection } => self.closed(connection, out),
            Input::Adopted { connection, token } => self.adopted(connection, token, out),
            Input::HandedOver { connection } => self.handed_over(connection, out),
            Input::Lane(item) => self.lane_item(item, out),
            Input::LaneFull(inbound) => self.lane_full(&inbound, out),
            Input::Durable { up_to } => self.release(up_to, out),
            Input::Done(done) => self.done(done, out),
            Input::JobRefused(job) => self.job_refused(job, out),
        }
    }

    /// Ends the turn: what time alone decides.
    pub fn finish(&mut self, out: &mut Outputs) {
        self.take_requests(out);
        self.run_clocks(out);
        self.tick_desk(out);
        self.tick_overload(out);
        self.tell_news(out);
        self.sweep(out);
        self.conversations.trim();
    }

    /// Whether it has something to do that it did not do in its last turn, and is to be given turns for it.
    pub fn has_chores(&self) -> bool {
        self.conversations.has_to_trim() || !self.requests.is_empty()
    }

    /// Whether the journal can take no more, and whether too much waits for other shards: while either is so,
    /// new messages are refused.
    pub fn pressure(&mut self, journal_full: bool, overloaded: bool) {
        self.journal_full = journal_full;
        self.overloaded = overloaded;
    }

    /// The journal has failed. What waits for it is never let go; who depends on it is told, and nothing is
    /// promised again. Agents stay for the conversations of other shards.
    pub fn fail(&mut self, out: &mut Outputs) {
        self.failed = true;
        for shard in 0..self.settings.shards {
            out.lane(shard, true, LaneItem::StorageFailed);
        }
        for id in self.connections.all() {
            if matches!(self.session_of(id), Some(Session::Visitor { .. })) {
                self.dismiss(id, Farewell::STORAGE_FAILED, out);
            }
        }
    }

    /// Whether every decision of this shard is durable and every effect let go, or never will be.
    pub fn is_settled(&self) -> bool {
        self.failed || self.effects.is_empty()
    }

    /// What was counted so far.
    pub fn counts(&self) -> Counts {
        let peers = PeerCounts {
            strangers: self.strangers.len() as u64,
            exchanges: self.exchanges.len() as u64,
            held_bytes: self.connections.held_bytes(),
            ..self.counts.peers
        };
        Counts {
            conversations: self.conversations.len() as u64,
            step: self.overload.step(),
            peers,
            ..self.counts
        }
    }

    /// How many conversations in memory stand where, in the order of [`Phase::ALL`].
    pub fn conversations_by_phase(&self) -> [u64; Phase::ALL.len()] {
        self.conversations.by_phase()
    }

    /// The conversations in memory: id, phase and agent.
    pub fn conversations(&self) -> impl Iterator<Item = (&str, Phase, Option<&str>)> {
        self.conversations.all()
    }

    /// The desk, on the shard that has it.
    pub fn desk(&self) -> Option<&Desk> {
        self.desk.as_ref()
    }

    /// The desk's numbers, on the shard that has it.
    pub fn desk_counts(&self) -> Option<crate::desk::DeskCounts> {
        self.desk.as_ref().map(Desk::counts)
    }

    fn lane_item(&mut self, item: LaneItem, out: &mut Outputs) {
        match item {
            LaneItem::Inbound(inbound) => self.inbound(*inbound, out),
            LaneItem::Deliver { connection, frame, urgency } => {
                self.deliver_here(connection, frame, urgency, out);
            }
            LaneItem::Page { connection, conversation, page } => {
                self.page_here(connection, conversation, page, out);
            }
            LaneItem::PageTaken { conversation, address } => self.page_taken(&conversation, address, out),
            LaneItem::Dismiss { connection, farewell } => self.dismiss(connection, farewell, out),
            LaneItem::Arrival { token, arrival } => self.arrived(token, arrival, out),
            LaneItem::AgentArrived { agent, address, role, deflate, resume } => {
                self.agent_arrived(agent, (address, role), deflate, &resume, out);
            }
            LaneItem::AgentDeparted { agent, address } => self.agent_departed(&agent, address),
            LaneItem::Desk(input) => self.desk_input(input),
            LaneItem::DeskSays(output) => self.desk_says(output, out),
            LaneItem::StorageFailed => self.storage_failed = true,
            LaneItem::Presence(statuses) => self.presence(&statuses),
            LaneItem::Shedding { shard, step } => self.shedding(shard, step, out),
            LaneItem::Outlooks(outlooks) => self.overload.outlooks = outlooks,
        }
    }

    fn done(&mut self, done: Done, out: &mut Outputs) {
        match done {
            Done::HttpBytes { exchange, bytes, last, close } => {
                self.http_bytes(exchange, &bytes, last, close, out);
            }
            Done::AgentChecked { connection, name, resume, role } => {
                self.agent_checked(connection, name, resume, role, out);
            }
            Done::Conversation { .. } | Done::Open { .. } | Done::Events { .. } => self.loaded(done, out),
            Done::Recent { conversation, knows_why, reply } => {
                reply(self.conversations.recent_events(&conversation, knows_why));
            }
            Done::Board { reply } => {
                let desk = self.desk.as_ref().expect("only the desk's shard is asked");
                reply(desk.board());
            }
            Done::Teams(teams) => self.set_teams(teams),
            Done::Projected { up_to } => self.conversations.projected(up_to),
            Done::Settings(settings) => self.set_settings(*settings),
        }
    }

    /// The operator changed what may be changed while the server runs. Clocks that run go on as they were set.
    fn set_settings(&mut self, settings: Settings) {
        if let Some(desk) = self.desk.as_mut() {
            desk.set_settings(settings.desk);
        }
        self.settings = settings;
    }

    fn job_refused(&mut self, job: Job, out: &mut Outputs) {
        match job {
            Job::Http { exchange, .. } => self.http_unavailable(exchange, out),
            // The next piece is asked for when the pool has room: it asks again by deadline and gives up.
            Job::HttpTaken { exchange } | Job::HttpGone { exchange } => {
                tracing::warn!(
                    exchange,
                    "the pool's queue is full: an HTTP exchange will run into its deadline"
                );
            }
            Job::CheckAgent { connection, name, resume } => {
                self.agent_checked(connection, name, resume, Err(crate::jobs::StoreUnavailable), out);
            }
            Job::LoadConversation { request, .. }
            | Job::LoadOpen { request, .. }
            | Job::LoadEvents { request, .. } => self.not_loaded(request, out),
        }
    }

    fn token(&mut self) -> u64 {
        self.next_token += 1;
        (self.index as u64) << 48 | self.next_token
    }

    fn address(&self, connection: u64) -> Address {
        Address { shard: self.index as u16, connection }
    }
}
