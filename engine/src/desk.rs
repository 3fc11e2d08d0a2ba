//! The desk: who is free, who waits, who gets whom.
//!
//! All teams of a site, owned by one shard, because an agent may be in several and has one capacity. A plain data
//! structure: inputs and the time go in, decisions come out. It keeps nothing on disk, because the conversations'
//! own records say who waits and who is served: after a restart the shards tell it again. It does not know what is
//! said in a conversation.
//!
//! One idea a file: [`words`] is what is said to it and by it, [`teams`] and [`hours`] what an administrator chose,
//! [`queue`] and [`ranking`] who is next and at which place, `waiting` how they come and go, [`agents`] who is there,
//! `assign` who gets whom, [`estimate`] how long it may last, [`board`] what a supervisor sees of it. The rules in words:
//! `docs/routing.md`.

pub mod agents;
mod assign;
pub mod board;
pub mod estimate;
pub mod hours;
pub mod queue;
pub mod ranking;
pub mod teams;
mod waiting;
pub mod words;

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use self::{
    agents::Agents,
    queue::Queue,
    teams::{TeamName, Teams},
};
pub use self::{
    assign::DECLINED_MS,
    words::{
        Address, AgentName, AgentSeat, AgentStatus, Assignment, ConversationKey, DeskCounts, DeskInput,
        DeskOutput, Refusal, Rule, Seats, ServedSeat, Target, WaitingSeat, Wanted, Why,
    },
};

/// Numbers of the desk that the operator chooses.
#[derive(Clone, Copy, Debug)]
pub struct DeskSettings {
    /// How long an agent whose last connection died keeps the conversations, in milliseconds.
    pub lease_ms: u64,
    /// Capacity of an agent who has not said one.
    pub capacity: u16,
}

/// The time of a decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Time {
    /// Milliseconds of a clock that does not go back: for all that lasts.
    pub ms: u64,
    /// Milliseconds since 1970: for business hours, and for how long somebody has waited.
    pub unix_ms: u64,
}

/// The desk of one site.
#[derive(Debug)]
pub struct Desk {
    settings: DeskSettings,
    teams: Arc<Teams>,
    queues: BTreeMap<TeamName, Queue>,
    agents: Agents,
    /// Who gave back what waits, and until when they are passed over.
    declined: HashMap<ConversationKey, Vec<(AgentName, u64)>>,
    arrivals: u64,
}

impl Desk {
    /// An empty desk.
    pub fn new(settings: DeskSettings, teams: Arc<Teams>) -> Self {
        Self {
            settings,
            teams,
            queues: BTreeMap::new(),
            agents: Agents::default(),
            declined: HashMap::new(),
            arrivals: 0,
        }
    }

    /// Takes one input.
    pub fn handle(&mut self, now: Time, input: DeskInput, out: &mut Vec<DeskOutput>) {
        match input {
            DeskInput::Enqueue(wanted) => self.enqueue(now, wanted, out),
            DeskInput::Restore { conversation, agent, team } => self.restore(now, conversation, agent, &team),
            DeskInput::Leave { conversation } => self.leave(now, &conversation, out),
            DeskInput::Arrived { agent, address } => {
                self.arrived(now, &agent, address);
                self.assign(now, out);
            }
            DeskInput::Departed { agent, address } => self.departed(now, &agent, address),
            DeskInput::Presence { agent, state, capacity } => {
                self.presence(&agent, state, capacity);
                self.assign(now, out);
            }
            DeskInput::Transfer { conversation, from, to, asked_by } => {
                self.transfer(now, conversation, &from, to, asked_by, out);
            }
            DeskInput::TakeOver { conversation, agent, team, asked_by } => {
                self.take_over(now, conversation, &agent, &team, asked_by, out);
            }
        }
    }

    /// The operator changed the numbers; leases that run go on as they were given.
    pub fn set_settings(&mut self, settings: DeskSettings) {
        self.settings = settings;
    }

    /// An administrator changed the teams: who waits for one that is gone waits for the first.
    pub fn set_teams(&mut self, now: Time, teams: Arc<Teams>, out: &mut Vec<DeskOutput>) {
        self.teams = teams;
        let gone: Vec<TeamName> =
            self.queues.keys().filter(|name| self.teams.get(name).is_none()).cloned().collect();
        for name in gone {
            let old = self.queues.remove(&name).expect("listed above");
            let first = Arc::clone(self.teams.or_first(&name).0);
            let queue = self.queues.entry(first).or_default();
            queue.places_stale = true;
            for (rank, waiting) in old.iter() {
                queue.insert(*rank, waiting.clone());
            }
        }
        self.assign(now, out);
    }

    /// What time alone decides: leases, overflows and hours that end, places and loads to announce.
    pub fn tick(&mut self, now: Time, out: &mut Vec<DeskOutput>) {
        self.end_leases(now, out);
        self.overflow(now, out);
        self.close_teams(now, out);
        if self.forget_declined(now) {
            // Somebody may be asked again.
            self.assign(now, out);
        }
        self.announce_statuses(now, out);
        self.announce_places(now, out);
    }

    /// Everybody at the desk, for an agent who just came.
    pub fn statuses(&self) -> impl Iterator<Item = AgentStatus> {
        self.agents.statuses()
    }

    /// What is being counted.
    pub fn counts(&self) -> DeskCounts {
        let waiting_vip = self.queues.values().map(|queue| queue.vips() as u64).sum();
        let waiting: u64 = self.queues.values().map(|queue| queue.len() as u64).sum();
        DeskCounts {
            waiting_vip,
            waiting_normal: waiting - waiting_vip,
            serving: self.agents.seats_taken() as u64,
            agents_ready: self.agents.iter().filter(|(_, agent)| agent.is_ready()).count() as u64,
        }
    }

    /// Who waits, who is served, and who serves.
    pub fn seats(&self) -> Seats {
        let declined_by = |conversation: &ConversationKey| {
            let declined = self.declined.get(conversation);
            declined.map(|by| by.iter().map(|(agent, _)| Arc::clone(agent)).collect()).unwrap_or_default()
        };
        let waiting =
            self.queues.iter().flat_map(|(team, queue)| queue.iter().map(move |found| (team, found)));
        let queue = waiting
            .map(|(team, (rank, waiting))| WaitingSeat {
                conversation: Arc::clone(&waiting.conversation),
                team: Arc::clone(team),
                vip: waiting.vip,
                at_head: !rank.first_time,
                since_ms: rank.since_ms,
                declined_by: declined_by(&waiting.conversation),
            })
            .collect();
        let mut served: Vec<_> = self
            .agents
            .seats()
            .map(|(conversation, seat)| ServedSeat {
                conversation: Arc::clone(conversation),
                agent: Arc::clone(&seat.agent),
                team: self.team_of(conversation),
                seat: seat.number,
                rule: seat.rule,
            })
            .collect();
        served.sort_by(|one, other| one.conversation.cmp(&other.conversation));
        let agents = self.agents.iter().map(|(name, agent)| AgentSeat {
            name: Arc::clone(name),
            serving: agent.serving(),
            capacity: agent.capacity().into(),
            is_ready: agent.is_ready(),
        });
        Seats { queue, served, agents: agents.collect() }
    }

    fn leave(&mut self, now: Time, conversation: &ConversationKey, out: &mut Vec<DeskOutput>) {
        self.declined.remove(conversation);
        for queue in self.queues.values_mut() {
            queue.remove(conversation, None);
        }
        if self.agents.stand_up(conversation).is_some() {
            self.assign(now, out);
        }
    }

    fn waits(&self, conversation: &str) -> bool {
        self.queues.values().any(|queue| queue.contains(conversation))
    }

    /// For which team a conversation that is served is.
    fn team_of(&self, conversation: &str) -> TeamName {
        let team = self
            .agents
            .seat(conversation)
            .and_then(|seat| self.agents.get(&seat.agent)?.team_of(conversation));
        team.unwrap_or_else(|| Arc::clone(self.teams.or_first("").0))
    }
}

#[cfg(test)]
mod tests;
