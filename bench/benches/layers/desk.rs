//! A shard with an agent and visitors, without sockets, disk and pool: what it wants done is done at once.

use std::{collections::VecDeque, sync::Arc};

use codec::websocket::{Opcode, encode_masked_frame, request_upgrade};
use engine::{
    desk::DeskSettings,
    gate::{Gate, GateLimits},
    identity::{AgentRole, Identity},
    jobs::{Done, Job, KnownOfVisitor},
    limits::PeerLimits,
    origin::Origins,
    proxies::Proxies,
    shard::{Beginning, DialogSettings, Input, LaneItem, Now, Output, Outputs, Settings, Shard},
};

const START_MS: u64 = 1_795_392_000_000;
/// An agent has at most so many seats.
const SEATS_MAX: usize = 100;

pub struct OneShard {
    shard: Shard,
    out: Outputs,
    lane: VecDeque<LaneItem>,
    now: Now,
    /// The last record.
    last: u64,
    /// Connections of visitors.
    visitors: Vec<u64>,
    said: u64,
    frame: Vec<u8>,
    /// Frames that the shard sent.
    frames: u64,
}

impl OneShard {
    /// So many visitors, each served by an agent.
    pub fn new(visitors: usize) -> Self {
        let agents = visitors.div_ceil(SEATS_MAX);
        let identity = Identity::new(&[1; 32], &[2; 32]);
        let settings = Settings {
            shards: 1,
            desk: DeskSettings { lease_ms: 10_000, capacity: SEATS_MAX as u16 },
            teams: Arc::default(),
            dialog: DialogSettings {
                visitor_idle_ms: 1_800_000,
                agent_silent_ms: 600_000,
                rating_ms: 600_000,
                bot: false,
            },
            heartbeat_ms: 30_000,
            websocket_deflate: false,
            run: 7,
            identity: identity.clone(),
            gate: Gate::new(GateLimits::none()),
            peers: PeerLimits::default(),
            kept_records_max: usize::MAX / 2,
            origins: Origins::default(),
            tls: None,
            proxies: Proxies::default(),
        };
        let (now, mut out) = (Now { unix_ms: START_MS, monotonic_us: 1_000_000 }, Outputs::default());
        let shard = Shard::new(0, settings, Beginning::default(), now, &mut out);
        let (lane, visitor_lines) = (VecDeque::new(), Vec::new());
        let mut desk = Self {
            shard,
            out,
            lane,
            now,
            last: 0,
            visitors: visitor_lines,
            said: 0,
            frame: Vec::new(),
            frames: 0,
        };
        for agent in 0..agents as u64 {
            let token = identity.sign_agent(&format!("agent-{agent:03}"), AgentRole::Agent, START_MS / 1_000);
            desk.connect(agent);
            desk.say(agent, &format!(r#"{{"type":"hello","role":"agent","token":"{token}"}}"#));
            let presence = format!(r#"{{"type":"presence","state":"ready","capacity":{SEATS_MAX}}}"#);
            desk.say(agent, &presence);
        }
        for visitor in agents as u64..(agents + visitors) as u64 {
            desk.connect(visitor);
            desk.say(visitor, r#"{"type":"hello","role":"visitor"}"#);
            desk.visitors.push(visitor);
        }
        desk.everybody_says_something();
        desk.now.monotonic_us += 1_000_000;
        desk.nothing_happens();
        desk.frames = 0;
        desk.everybody_says_something();
        assert_eq!(desk.frames, 3 * visitors as u64, "an ack and two events for each message");
        desk
    }

    fn connect(&mut self, connection: u64) {
        self.shard.begin(self.now);
        self.shard.handle(Input::Opened { connection, peer: None }, &mut self.out);
        let mut request = Vec::new();
        request_upgrade("bench", "/ws", [7; 16], Some("ringdesk.v1"), &mut request);
        self.shard.handle(Input::Received { connection, bytes: &mut request }, &mut self.out);
        self.end_turn();
    }

    fn say(&mut self, connection: u64, text: &str) {
        self.shard.begin(self.now);
        self.receive(connection, text);
        self.end_turn();
    }

    fn receive(&mut self, connection: u64, text: &str) {
        self.frame.clear();
        encode_masked_frame(Opcode::Text, text.as_bytes(), [1, 2, 3, 4], &mut self.frame);
        self.shard.handle(Input::Received { connection, bytes: &mut self.frame }, &mut self.out);
    }

    /// One turn with a message of each visitor, and one in which they become durable.
    pub fn everybody_says_something(&mut self) {
        self.now.unix_ms += 1;
        self.now.monotonic_us += 1_000;
        self.shard.begin(self.now);
        for index in 0..self.visitors.len() {
            self.said += 1;
            self.frame.clear();
            // The client's work, of which nothing is to be counted: it reuses what it has.
            let mut text = [0; 160];
            let text = message(self.said, &mut text);
            encode_masked_frame(Opcode::Text, text, [1, 2, 3, 4], &mut self.frame);
            let connection = self.visitors[index];
            self.shard.handle(Input::Received { connection, bytes: &mut self.frame }, &mut self.out);
        }
        self.end_turn();
    }

    pub fn nothing_happens(&mut self) {
        self.shard.begin(self.now);
        self.end_turn();
    }

    /// Does what the shard wants, until it wants nothing more.
    fn end_turn(&mut self) {
        self.shard.finish(&mut self.out);
        loop {
            let durable = self.last;
            let mut list = std::mem::take(&mut self.out.list);
            let mut jobs = Vec::new();
            for output in list.drain(..) {
                match output {
                    Output::Send { .. } | Output::SendShared { .. } => self.frames += 1,
                    Output::Lane { item, .. } => self.lane.push_back(item),
                    Output::Record { number, .. } => self.last = number,
                    Output::Job(job) => jobs.push(job),
                    Output::Flush { .. } => unreachable!("there is no TLS"),
                    Output::Abort { connection } | Output::Close { connection } => {
                        panic!("connection {connection} was closed")
                    }
                    Output::HandOver { .. } => unreachable!("there is one shard"),
                }
            }
            self.out.list = list;
            self.out.clear();
            let is_quiet = self.lane.is_empty() && jobs.is_empty() && self.last == durable;
            if is_quiet {
                return;
            }
            while let Some(item) = self.lane.pop_front() {
                self.shard.handle(Input::Lane(item), &mut self.out);
            }
            for job in jobs {
                self.shard.handle(Input::Done(answer(job)), &mut self.out);
            }
            if self.last > durable {
                let up_to = self.last;
                self.shard.handle(Input::Durable { up_to }, &mut self.out);
                self.shard.handle(Input::Done(Done::Projected { up_to }), &mut self.out);
            }
        }
    }
}

/// Nobody was there before, and every agent may come in.
fn answer(job: Job) -> Done {
    match job {
        Job::CheckAgent { connection, name, resume } => Done::AgentChecked {
            connection,
            name: Arc::clone(&name),
            resume,
            role: Ok(Some(AgentRole::Agent)),
        },
        Job::LoadConversation { request, .. } => Done::Conversation { request, found: Ok(None) },
        Job::LoadOpen { request, .. } => Done::Open { request, found: Ok(KnownOfVisitor::default()) },
        Job::LoadEvents { request, .. } => Done::Events { request, found: Ok(Vec::new()) },
        Job::Http { .. } | Job::HttpTaken { .. } | Job::HttpGone { .. } => unreachable!("nobody speaks HTTP"),
    }
}

/// The message of that number, written into `room`.
fn message(number: u64, room: &mut [u8]) -> &[u8] {
    use std::io::Write;
    let mut cursor = std::io::Cursor::new(room);
    let written = write!(
        cursor,
        r#"{{"type":"message","id":"{number:016x}","content":{{"kind":"text","text":"Is the blue one still there? 还有蓝色的吗?"}}}}"#
    );
    written.expect("there is room");
    let length = cursor.position() as usize;
    &cursor.into_inner()[..length]
}
