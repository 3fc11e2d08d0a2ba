//! The agents at the desk: who is there, who has what, and whose lease has ended.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    sync::Arc,
};

use codec::message::PresenceState;

use super::{
    Desk, Time,
    teams::TeamName,
    words::{Address, AgentName, AgentStatus, ConversationKey, DeskOutput, Rule},
};
use crate::planted::{self, Planted};

/// Shortest time between two announcements of what changed about agents.
pub(super) const ANNOUNCED_EVERY_MS: u64 = 20;
/// Agents in one announcement of a kind: each is heard by all, in one piece, so that a thousand agents who come at once
/// are not a million pieces.
pub(super) const ANNOUNCED_AT_ONCE_MAX: usize = 64;
/// Announcements of who came, left or changed that are heard in a second, over all agents.
pub(super) const STATUSES_HEARD_A_SECOND: u64 = 5_000;
/// The same of agents' loads alone, which every assignment changes and which nobody waits for.
pub(super) const LOADS_HEARD_A_SECOND: u64 = 1_000;

/// An agent.
#[derive(Debug)]
pub struct Agent {
    addresses: HashSet<Address>,
    state: PresenceState,
    capacity: u16,
    /// What the agent has, and for which team.
    serving: HashMap<ConversationKey, TeamName>,
    /// When the lease ends; counted only while no connection is there.
    lease_until_ms: u64,
}

/// A conversation's seat.
#[derive(Clone, Debug)]
pub struct Seat {
    /// With whom.
    pub agent: AgentName,
    /// Its number; 0 after a restart.
    pub number: u64,
    /// How it came there; nothing: before a restart.
    pub rule: Option<Rule>,
}

impl Agent {
    fn new(capacity: u16, lease_until_ms: u64) -> Self {
        Self {
            addresses: HashSet::new(),
            // A new one takes nothing until it says that it is ready.
            state: PresenceState::Away,
            capacity,
            serving: HashMap::new(),
            lease_until_ms,
        }
    }

    /// Whether any connection is there.
    pub fn is_present(&self) -> bool {
        !self.addresses.is_empty()
    }

    /// Whether the agent is there and takes conversations.
    pub fn is_ready(&self) -> bool {
        self.is_present() && self.state == PresenceState::Ready
    }

    /// Whether one more would not be too many.
    pub fn has_seat(&self) -> bool {
        self.serving.len() < usize::from(self.capacity)
    }

    /// How many of one team's conversations the agent has.
    pub fn serving_of(&self, team: &str) -> usize {
        self.serving.values().filter(|other| ***other == *team).count()
    }

    /// For which team the agent has the conversation.
    pub fn team_of(&self, conversation: &str) -> Option<TeamName> {
        self.serving.get(conversation).cloned()
    }

    /// How many conversations the agent has.
    pub fn serving(&self) -> usize {
        self.serving.len()
    }

    /// Most conversations at once.
    pub const fn capacity(&self) -> u16 {
        self.capacity
    }

    /// Load as a fraction scaled to compare without floats: smaller gets the next conversation.
    pub fn load(&self) -> u64 {
        self.serving.len() as u64 * 1_000_000 / u64::from(self.capacity.max(1))
    }

    fn status(&self, name: &AgentName) -> AgentStatus {
        AgentStatus {
            agent: Arc::clone(name),
            state: Some(if self.is_present() { self.state } else { PresenceState::Away }),
            capacity: self.capacity,
            serving: u16::try_from(self.serving.len()).unwrap_or(u16::MAX),
        }
    }
}

/// All of them, and who has which conversation.
#[derive(Debug, Default)]
pub struct Agents {
    agents: BTreeMap<AgentName, Agent>,
    seats: HashMap<ConversationKey, Seat>,
    last_seat: u64,
    /// Who came, left, or changed state or capacity, and the others have not heard of it.
    stale: BTreeSet<AgentName>,
    /// Whose number of conversations changed, and the others have not heard of it.
    stale_loads: BTreeSet<AgentName>,
    /// When the next of either may be told.
    told_after_ms: [u64; 2],
    /// No lease ends before.
    leases_end_ms: u64,
}

impl Agents {
    /// By name.
    pub fn iter(&self) -> impl Iterator<Item = (&AgentName, &Agent)> {
        self.agents.iter()
    }

    /// The agent of this name.
    pub fn get(&self, name: &str) -> Option<&Agent> {
        self.agents.get(name)
    }

    /// Where the conversation sits.
    pub fn seat(&self, conversation: &str) -> Option<&Seat> {
        self.seats.get(conversation)
    }

    /// Every seat.
    pub fn seats(&self) -> impl Iterator<Item = (&ConversationKey, &Seat)> {
        self.seats.iter()
    }

    /// How many conversations are served.
    pub fn seats_taken(&self) -> usize {
        self.seats.len()
    }

    fn entry(&mut self, name: &AgentName, capacity: u16, lease_until_ms: u64) -> &mut Agent {
        self.stale.insert(Arc::clone(name));
        self.agents.entry(Arc::clone(name)).or_insert_with(|| Agent::new(capacity, lease_until_ms))
    }

    /// Gives the conversation to the agent, who must have a seat for it. The seat's number.
    pub fn sit(
        &mut self,
        conversation: ConversationKey,
        team: TeamName,
        name: &AgentName,
        rule: Rule,
    ) -> u64 {
        let agent = self.agents.get_mut(name).expect("chosen among the agents");
        assert!(agent.is_present() && agent.has_seat(), "nobody is given more than the capacity");
        agent.serving.insert(Arc::clone(&conversation), team);
        self.last_seat += 1;
        let seat = Seat { agent: Arc::clone(name), number: self.last_seat, rule: Some(rule) };
        let before = self.seats.insert(conversation, seat);
        assert!(before.is_none(), "nobody has two seats");
        self.stale_loads.insert(Arc::clone(name));
        self.last_seat
    }

    /// Takes the conversation from its agent, if it has one.
    pub fn stand_up(&mut self, conversation: &str) -> Option<Seat> {
        let seat = self.seats.remove(conversation)?;
        let agent = self.agents.get_mut(&seat.agent).expect("who serves is at the desk");
        agent.serving.remove(conversation);
        self.stale_loads.insert(Arc::clone(&seat.agent));
        Some(seat)
    }

    /// Everybody at the desk.
    pub fn statuses(&self) -> impl Iterator<Item = AgentStatus> {
        self.agents.iter().map(|(name, agent)| agent.status(name))
    }

    /// Some of those of whom there is something new.
    fn take_stale(&mut self, now_ms: u64) -> Vec<AgentStatus> {
        let hearers = self.agents.len().max(1) as u64;
        let mut told = Vec::new();
        for (kind, heard_a_second) in [(0, STATUSES_HEARD_A_SECOND), (1, LOADS_HEARD_A_SECOND)] {
            if now_ms < self.told_after_ms[kind] {
                continue;
            }
            let before = told.len();
            for _ in 0..ANNOUNCED_AT_ONCE_MAX {
                let stale = if kind == 0 { &mut self.stale } else { &mut self.stale_loads };
                let Some(name) = stale.pop_first() else { break };
                // What is told is all of it: state, capacity and load.
                self.stale.remove(&name);
                self.stale_loads.remove(&name);
                told.push(name);
            }
            if told.len() > before {
                let pause_ms = (hearers * 1_000 / heard_a_second).max(ANNOUNCED_EVERY_MS);
                self.told_after_ms[kind] = now_ms + pause_ms;
            }
        }
        told.iter().filter_map(|name| Some(self.agents.get(name)?.status(name))).collect()
    }
}

impl Desk {
    pub(super) fn restore(&mut self, now: Time, conversation: ConversationKey, name: AgentName, team: &str) {
        let lease_until_ms = now.ms + self.settings.lease_ms;
        let team = Arc::clone(self.teams.or_first(team).0);
        let agent = self.agents.entry(&name, self.settings.capacity, lease_until_ms);
        agent.serving.insert(Arc::clone(&conversation), team);
        self.agents.leases_end_ms = self.agents.leases_end_ms.min(lease_until_ms);
        self.agents.seats.insert(conversation, Seat { agent: name, number: 0, rule: None });
    }

    pub(super) fn arrived(&mut self, now: Time, name: &AgentName, address: Address) {
        self.agents.entry(name, self.settings.capacity, now.ms).addresses.insert(address);
    }

    pub(super) fn departed(&mut self, now: Time, name: &AgentName, address: Address) {
        if let Some(agent) = self.agents.agents.get_mut(name) {
            agent.addresses.remove(&address);
            agent.lease_until_ms = now.ms + self.settings.lease_ms;
            self.agents.leases_end_ms = self.agents.leases_end_ms.min(agent.lease_until_ms);
            self.agents.stale.insert(Arc::clone(name));
        }
    }

    pub(super) fn presence(&mut self, name: &AgentName, state: PresenceState, capacity: Option<u16>) {
        if let Some(agent) = self.agents.agents.get_mut(name) {
            agent.state = state;
            agent.capacity = capacity.unwrap_or(agent.capacity);
            self.agents.stale.insert(Arc::clone(name));
        }
    }

    pub(super) fn end_leases(&mut self, now: Time, out: &mut Vec<DeskOutput>) {
        let agents = &mut self.agents;
        if now.ms < agents.leases_end_ms {
            return;
        }
        let absent = || agents.iter().filter(|(_, agent)| !agent.is_present());
        let (ended, running): (Vec<_>, Vec<_>) =
            absent().partition(|(_, agent)| now.ms >= agent.lease_until_ms);
        let gone: Vec<AgentName> = ended.into_iter().map(|(name, _)| Arc::clone(name)).collect();
        agents.leases_end_ms =
            running.into_iter().map(|(_, agent)| agent.lease_until_ms).min().unwrap_or(u64::MAX);
        let mut statuses = Vec::new();
        for name in gone {
            let agent = agents.agents.remove(&name).expect("listed above");
            let mut returned: Vec<_> = agent.serving.into_keys().collect();
            // The set has no order of its own; the record of decisions must.
            returned.sort();
            if planted::is(Planted::KeptSeat) {
                returned.pop();
            }
            for conversation in returned {
                let seat = agents.seats.remove(&conversation).expect("who is served has a seat");
                out.push(DeskOutput::AgentGone { conversation, agent: Arc::clone(&name), seat: seat.number });
            }
            statuses.push(AgentStatus { agent: name, state: None, capacity: agent.capacity, serving: 0 });
        }
        announce(statuses, out);
    }

    /// A turn of the desk's shard must stay short, however many agents there are.
    pub(super) fn announce_statuses(&mut self, now: Time, out: &mut Vec<DeskOutput>) {
        announce(self.agents.take_stale(now.ms), out);
    }
}

fn announce(statuses: Vec<AgentStatus>, out: &mut Vec<DeskOutput>) {
    if !statuses.is_empty() {
        out.push(DeskOutput::PresenceChanged(statuses.into()));
    }
}
