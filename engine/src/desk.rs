//! The desk: who is free, who waits, who gets whom.
//!
//! One team, owned by one shard. A plain data structure: inputs and the time go in, decisions come out. It
//! keeps nothing on disk, because the conversations' own records say who waits and who is served: after a
//! restart the shards tell it again. It does not know what is said in a conversation.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    sync::Arc,
};

use codec::message::PresenceState;

use crate::planted::{self, Planted};

/// What the desk calls a conversation: its id.
pub type ConversationKey = Arc<str>;
/// What the desk calls an agent: the login name.
pub type AgentName = Arc<str>;

/// A live connection of an agent, or of whoever asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Address {
    /// The shard that has the connection.
    pub shard: u16,
    /// The connection there.
    pub connection: u64,
}

/// Shortest time between two announcements of places.
const PLACES_EVERY_MS_MIN: u64 = 1_000;
/// Places announced in a second over the whole queue: a long queue hears more rarely, because each
/// announcement is a durable event of a conversation.
const PLACES_A_SECOND_MAX: u64 = 500;
/// Shortest time between two announcements of what changed about agents.
const STATUSES_EVERY_MS: u64 = 200;
/// Announcements of who came, left or changed in a second, over all agents who hear them: each is told to each, so
/// a thousand agents who come at once would be a million.
const STATUSES_A_SECOND_MAX: u64 = 50_000;
/// The same of agents' loads alone, which every assignment changes and which nobody waits for.
const LOADS_A_SECOND_MAX: u64 = 10_000;

/// Numbers of the desk that the operator chooses.
#[derive(Clone, Copy, Debug)]
pub struct DeskSettings {
    /// How long an agent whose last connection died keeps the conversations, in milliseconds.
    pub lease_ms: u64,
    /// Capacity of an agent who has not said one.
    pub capacity: u16,
}

/// What the desk is told.
#[derive(Clone, Debug, PartialEq)]
pub enum DeskInput {
    /// A conversation wants an agent.
    Enqueue {
        /// Which.
        conversation: ConversationKey,
        /// VIP waits before normal.
        vip: bool,
        /// Since when it waits, milliseconds since 1970.
        since_ms: u64,
        /// It had an agent and lost it: before those of its class who had none.
        at_head: bool,
    },
    /// After a restart: this agent has this conversation.
    Restore {
        /// Which.
        conversation: ConversationKey,
        /// Who.
        agent: AgentName,
    },
    /// The conversation neither waits nor is served any more.
    Leave {
        /// Which.
        conversation: ConversationKey,
    },
    /// An agent connected.
    Arrived {
        /// Who.
        agent: AgentName,
        /// Where.
        address: Address,
    },
    /// An agent's connection is gone.
    Departed {
        /// Who.
        agent: AgentName,
        /// Where.
        address: Address,
    },
    /// An agent says whether to assign.
    Presence {
        /// Who.
        agent: AgentName,
        /// Ready or away.
        state: PresenceState,
        /// Most conversations at once.
        capacity: Option<u16>,
    },
    /// An agent wants another to take over.
    Transfer {
        /// Which.
        conversation: ConversationKey,
        /// Who has it.
        from: AgentName,
        /// Who shall have it.
        to: AgentName,
        /// Who is told if it cannot be.
        asked_by: Address,
    },
}

/// What the desk decides.
#[derive(Clone, Debug, PartialEq)]
pub enum DeskOutput {
    /// The conversation goes to the agent.
    Assign {
        /// Which.
        conversation: ConversationKey,
        /// Who.
        agent: AgentName,
    },
    /// The conversation's place in the queue.
    Place {
        /// Which.
        conversation: ConversationKey,
        /// From 1.
        place: u32,
        /// How many wait.
        waiting: u32,
    },
    /// The agent's lease ended.
    AgentGone {
        /// Which.
        conversation: ConversationKey,
        /// Who is gone.
        agent: AgentName,
    },
    /// A transfer cannot be.
    TransferRefused {
        /// Who asked.
        asked_by: Address,
        /// Why.
        reason: TransferRefusal,
    },
    /// Something about an agent changed that the others may see.
    PresenceChanged(AgentStatus),
}

/// Why a transfer cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransferRefusal {
    /// The other agent is not there, or away.
    NotReady,
    /// The other agent has as many conversations as the capacity allows.
    Full,
    /// Whoever asked does not have the conversation (any more).
    NotYours,
    /// Whoever asked is the one to have it.
    ToYourself,
}

/// What others may see of an agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentStatus {
    /// Who.
    pub agent: AgentName,
    /// `None`: gone.
    pub state: Option<PresenceState>,
    /// Most conversations at once.
    pub capacity: u16,
    /// Conversations now.
    pub serving: u16,
}

/// What [`Desk`] counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DeskCounts {
    /// Waiting VIP conversations.
    pub waiting_vip: u64,
    /// Waiting normal conversations.
    pub waiting_normal: u64,
    /// Conversations with an agent.
    pub serving: u64,
    /// Agents who take conversations.
    pub agents_ready: u64,
}

/// The whole desk as it is: for tests and for whoever wants to look at it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seats {
    /// Who waits, the next to be served first.
    pub queue: Vec<WaitingSeat>,
    /// Who is served, and by whom.
    pub served: Vec<(ConversationKey, AgentName)>,
    /// The agents.
    pub agents: Vec<AgentSeat>,
}

/// A conversation that waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WaitingSeat {
    /// Which.
    pub conversation: ConversationKey,
    /// Signed as VIP.
    pub vip: bool,
}

/// An agent at the desk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentSeat {
    /// Who.
    pub name: AgentName,
    /// Conversations now.
    pub serving: usize,
    /// Whether another would be given.
    pub has_room: bool,
}

/// Where a conversation stands in the queue: smaller is served first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Rank {
    normal: bool,
    first_time: bool,
    since_ms: u64,
    /// Breaks ties by arrival.
    number: u64,
}

#[derive(Debug)]
struct Waiting {
    conversation: ConversationKey,
    announced: Option<u32>,
}

#[derive(Debug)]
struct Agent {
    addresses: HashSet<Address>,
    state: PresenceState,
    capacity: u16,
    serving: HashSet<ConversationKey>,
    /// When the lease ends; counted only while no connection is there.
    lease_until_ms: u64,
}

impl Agent {
    fn is_present(&self) -> bool {
        !self.addresses.is_empty()
    }

    fn has_room(&self) -> bool {
        self.is_present()
            && self.state == PresenceState::Ready
            && self.serving.len() < usize::from(self.capacity)
    }

    /// Load as a fraction scaled to compare without floats: smaller gets the next conversation.
    fn load(&self) -> u64 {
        self.serving.len() as u64 * 1_000_000 / u64::from(self.capacity.max(1))
    }
}

/// The desk of one team.
#[derive(Debug)]
pub struct Desk {
    settings: DeskSettings,
    queue: BTreeMap<Rank, Waiting>,
    ranks: HashMap<ConversationKey, Rank>,
    served_by: HashMap<ConversationKey, AgentName>,
    agents: BTreeMap<AgentName, Agent>,
    arrivals: u64,
    places_stale: bool,
    places_after_ms: u64,
    /// Who came, left, or changed state or capacity.
    stale_statuses: BTreeSet<AgentName>,
    statuses_after_ms: u64,
    /// Whose number of conversations changed.
    stale_loads: BTreeSet<AgentName>,
}

impl Desk {
    /// An empty desk.
    pub fn new(settings: DeskSettings) -> Self {
        Self {
            settings,
            queue: BTreeMap::new(),
            ranks: HashMap::new(),
            served_by: HashMap::new(),
            agents: BTreeMap::new(),
            arrivals: 0,
            places_stale: false,
            places_after_ms: 0,
            stale_statuses: BTreeSet::new(),
            statuses_after_ms: 0,
            stale_loads: BTreeSet::new(),
        }
    }

    /// Takes one input; `now_ms` counts milliseconds of any clock that does not go back.
    pub fn handle(&mut self, now_ms: u64, input: DeskInput, out: &mut Vec<DeskOutput>) {
        match input {
            DeskInput::Enqueue { conversation, vip, since_ms, at_head } => {
                self.enqueue(conversation, vip, since_ms, at_head, out);
            }
            DeskInput::Restore { conversation, agent } => self.restore(now_ms, conversation, agent),
            DeskInput::Leave { conversation } => self.leave(&conversation, out),
            DeskInput::Arrived { agent, address } => self.arrived(now_ms, agent, address, out),
            DeskInput::Departed { agent, address } => self.departed(now_ms, &agent, address),
            DeskInput::Presence { agent, state, capacity } => self.presence(&agent, state, capacity, out),
            DeskInput::Transfer { conversation, from, to, asked_by } => {
                self.transfer(conversation, &from, &to, asked_by, out);
            }
        }
    }

    /// What time alone decides: leases that end, places and loads to announce.
    pub fn tick(&mut self, now_ms: u64, out: &mut Vec<DeskOutput>) {
        self.end_leases(now_ms, out);
        self.announce_statuses(now_ms, out);
        if self.places_stale && now_ms >= self.places_after_ms {
            self.announce_places(now_ms, out);
        }
    }

    /// Everybody at the desk, for an agent who just came.
    pub fn statuses(&self) -> impl Iterator<Item = AgentStatus> {
        self.agents.iter().map(|(name, agent)| status(name, agent))
    }

    /// Who waits, who is served, and who serves.
    pub fn seats(&self) -> Seats {
        let waiting = |(rank, waiting): (&Rank, &Waiting)| WaitingSeat {
            conversation: Arc::clone(&waiting.conversation),
            vip: !rank.normal,
        };
        let agent = |(name, agent): (&AgentName, &Agent)| AgentSeat {
            name: Arc::clone(name),
            serving: agent.serving.len(),
            has_room: agent.has_room(),
        };
        let mut served: Vec<_> = self.served_by.iter().map(|(id, name)| (id.clone(), name.clone())).collect();
        // The map has no order of its own.
        served.sort();
        Seats {
            queue: self.queue.iter().map(waiting).collect(),
            served,
            agents: self.agents.iter().map(agent).collect(),
        }
    }

    /// How many wait and are served.
    pub fn counts(&self) -> DeskCounts {
        let waiting_vip = self.queue.keys().take_while(|rank| !rank.normal).count() as u64;
        DeskCounts {
            waiting_vip,
            waiting_normal: self.queue.len() as u64 - waiting_vip,
            serving: self.served_by.len() as u64,
            agents_ready: self
                .agents
                .values()
                .filter(|agent| agent.is_present() && agent.state == PresenceState::Ready)
                .count() as u64,
        }
    }

    fn enqueue(
        &mut self,
        conversation: ConversationKey,
        vip: bool,
        since_ms: u64,
        at_head: bool,
        out: &mut Vec<DeskOutput>,
    ) {
        if self.ranks.contains_key(&conversation) {
            return;
        }
        self.unseat(&conversation);
        self.arrivals += 1;
        let rank = Rank { normal: !vip, first_time: !at_head, since_ms, number: self.arrivals };
        self.ranks.insert(Arc::clone(&conversation), rank);
        self.queue.insert(rank, Waiting { conversation: Arc::clone(&conversation), announced: None });
        self.assign(out);
        // Who still waits hears the place at once; those behind hear with the next announcement.
        if self.ranks.contains_key(&conversation) {
            let place = self.queue.range(..=rank).count() as u32;
            let waiting = self.queue.len() as u32;
            self.places_stale |= place < waiting;
            self.queue.get_mut(&rank).expect("inserted above, and still ranked").announced = Some(place);
            out.push(DeskOutput::Place { conversation, place, waiting });
        }
    }

    fn restore(&mut self, now_ms: u64, conversation: ConversationKey, name: AgentName) {
        let lease_until_ms = now_ms + self.settings.lease_ms;
        self.agent(&name, lease_until_ms).serving.insert(Arc::clone(&conversation));
        self.stale_statuses.insert(Arc::clone(&name));
        self.served_by.insert(conversation, name);
    }

    fn leave(&mut self, conversation: &ConversationKey, out: &mut Vec<DeskOutput>) {
        if let Some(rank) = self.ranks.remove(conversation) {
            self.queue.remove(&rank);
            self.places_stale = true;
        }
        if self.unseat(conversation) {
            self.assign(out);
        }
    }

    fn arrived(&mut self, now_ms: u64, name: AgentName, address: Address, out: &mut Vec<DeskOutput>) {
        self.agent(&name, now_ms).addresses.insert(address);
        self.stale_statuses.insert(name);
        self.assign(out);
    }

    fn departed(&mut self, now_ms: u64, name: &AgentName, address: Address) {
        if let Some(agent) = self.agents.get_mut(name) {
            agent.addresses.remove(&address);
            agent.lease_until_ms = now_ms + self.settings.lease_ms;
            self.stale_statuses.insert(Arc::clone(name));
        }
    }

    fn presence(
        &mut self,
        name: &AgentName,
        state: PresenceState,
        capacity: Option<u16>,
        out: &mut Vec<DeskOutput>,
    ) {
        let Some(agent) = self.agents.get_mut(name) else { return };
        agent.state = state;
        agent.capacity = capacity.unwrap_or(agent.capacity);
        self.stale_statuses.insert(Arc::clone(name));
        self.assign(out);
    }

    fn transfer(
        &mut self,
        conversation: ConversationKey,
        from: &AgentName,
        to: &AgentName,
        asked_by: Address,
        out: &mut Vec<DeskOutput>,
    ) {
        let refusal = if self.served_by.get(&conversation) != Some(from) {
            Some(TransferRefusal::NotYours)
        } else if from == to {
            Some(TransferRefusal::ToYourself)
        } else {
            match self.agents.get(to) {
                Some(agent) if agent.has_room() => None,
                Some(agent) if agent.is_present() && agent.state == PresenceState::Ready => {
                    Some(TransferRefusal::Full)
                }
                _ => Some(TransferRefusal::NotReady),
            }
        };
        if let Some(reason) = refusal {
            out.push(DeskOutput::TransferRefused { asked_by, reason });
            return;
        }
        self.unseat(&conversation);
        self.seat(conversation, to, out);
        self.assign(out);
    }

    /// The agent by that name, made if new; a new one takes nothing until it says it is ready.
    fn agent(&mut self, name: &AgentName, lease_until_ms: u64) -> &mut Agent {
        let capacity = self.settings.capacity;
        self.agents.entry(Arc::clone(name)).or_insert_with(|| Agent {
            addresses: HashSet::new(),
            state: PresenceState::Away,
            capacity,
            serving: HashSet::new(),
            lease_until_ms,
        })
    }

    /// Takes the conversation from its agent; whether it had one.
    fn unseat(&mut self, conversation: &ConversationKey) -> bool {
        let Some(name) = self.served_by.remove(conversation) else { return false };
        let agent = self.agents.get_mut(&name).expect("who serves is at the desk");
        agent.serving.remove(conversation);
        self.stale_loads.insert(name);
        true
    }

    fn seat(&mut self, conversation: ConversationKey, name: &AgentName, out: &mut Vec<DeskOutput>) {
        let agent = self.agents.get_mut(name).expect("chosen among the agents");
        assert!(agent.has_room(), "nobody is given more than the capacity");
        agent.serving.insert(Arc::clone(&conversation));
        self.stale_loads.insert(Arc::clone(name));
        self.served_by.insert(Arc::clone(&conversation), Arc::clone(name));
        out.push(DeskOutput::Assign { conversation, agent: Arc::clone(name) });
    }

    /// Gives the first in the queue to the least loaded agent while both exist.
    fn assign(&mut self, out: &mut Vec<DeskOutput>) {
        while !self.queue.is_empty() {
            let free = self.agents.iter().filter(|(_, agent)| agent.has_room());
            let Some(name) = free.min_by_key(|(_, agent)| agent.load()).map(|(name, _)| Arc::clone(name))
            else {
                return;
            };
            let (_, waiting) = self.queue.pop_first().expect("not empty");
            self.ranks.remove(&waiting.conversation);
            self.places_stale = true;
            self.seat(waiting.conversation, &name, out);
        }
    }

    fn end_leases(&mut self, now_ms: u64, out: &mut Vec<DeskOutput>) {
        let ended = |agent: &Agent| !agent.is_present() && now_ms >= agent.lease_until_ms;
        let gone: Vec<AgentName> =
            self.agents.iter().filter(|(_, agent)| ended(agent)).map(|(name, _)| Arc::clone(name)).collect();
        for name in gone {
            let agent = self.agents.remove(&name).expect("listed above");
            let mut returned: Vec<_> = agent.serving.into_iter().collect();
            // The set has no order of its own; the record of decisions must.
            returned.sort();
            if planted::is(Planted::KeptSeat) {
                returned.pop();
            }
            for conversation in returned {
                self.served_by.remove(&conversation);
                out.push(DeskOutput::AgentGone { conversation, agent: Arc::clone(&name) });
            }
            let gone = AgentStatus { agent: name, state: None, capacity: agent.capacity, serving: 0 };
            out.push(DeskOutput::PresenceChanged(gone));
        }
    }

    /// Each is told to each, so of many only some at once: a turn of the desk's shard must stay short.
    fn announce_statuses(&mut self, now_ms: u64, out: &mut Vec<DeskOutput>) {
        if now_ms < self.statuses_after_ms {
            return;
        }
        let hearers = self.agents.len().max(1) as u64;
        let at_once =
            |a_second_max: u64| (a_second_max * STATUSES_EVERY_MS / 1_000 / hearers).max(1) as usize;
        let mut told = Vec::new();
        for _ in 0..at_once(STATUSES_A_SECOND_MAX) {
            let Some(name) = self.stale_statuses.pop_first() else { break };
            // What is told is all of it: state, capacity and load.
            self.stale_loads.remove(&name);
            told.push(name);
        }
        for _ in 0..at_once(LOADS_A_SECOND_MAX) {
            let Some(name) = self.stale_loads.pop_first() else { break };
            self.stale_statuses.remove(&name);
            told.push(name);
        }
        if !told.is_empty() {
            self.statuses_after_ms = now_ms + STATUSES_EVERY_MS;
        }
        let known = |name: &AgentName| self.agents.get(name).map(|agent| status(name, agent));
        out.extend(told.iter().filter_map(known).map(DeskOutput::PresenceChanged));
    }

    fn announce_places(&mut self, now_ms: u64, out: &mut Vec<DeskOutput>) {
        let waiting = self.queue.len() as u32;
        for (entry, place) in self.queue.values_mut().zip(1..) {
            if entry.announced != Some(place) {
                entry.announced = Some(place);
                out.push(DeskOutput::Place { conversation: Arc::clone(&entry.conversation), place, waiting });
            }
        }
        self.places_stale = false;
        let every_ms = (u64::from(waiting) * 1_000 / PLACES_A_SECOND_MAX).max(PLACES_EVERY_MS_MIN);
        self.places_after_ms = now_ms + every_ms;
    }
}

fn status(name: &AgentName, agent: &Agent) -> AgentStatus {
    AgentStatus {
        agent: Arc::clone(name),
        state: Some(if agent.is_present() { agent.state } else { PresenceState::Away }),
        capacity: agent.capacity,
        serving: u16::try_from(agent.serving.len()).unwrap_or(u16::MAX),
    }
}

#[cfg(test)]
mod tests;
