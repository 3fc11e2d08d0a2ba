//! What must hold of the desk and of the conversations between any two turns, whatever happened.

use std::collections::{BTreeMap, BTreeSet};

use engine::{
    desk::{AgentSeat, Desk, Rule, Seats, WaitingSeat, teams::Teams},
    shard::Shard,
};
use store::{record::Phase, sql::Reader};

/// Watches one desk over a life of the process.
#[derive(Debug, Default)]
pub struct DeskCheck {
    /// As it was before the last turn.
    before: Seats,
    last_seat: u64,
}

impl DeskCheck {
    /// Looks at the desk after a turn of its shard.
    pub fn look(&mut self, desk: &Desk, teams: &Teams) {
        let seats = desk.seats();
        assert_one_place_each(&seats);
        for (team, _) in teams.all() {
            let queue: Vec<_> = seats.queue.iter().filter(|waiting| waiting.team == *team).collect();
            // VIP before normal; of a class, whoever lost an agent; of these, the longest wait.
            let order = |waiting: &&WaitingSeat| (!waiting.vip, !waiting.at_head, waiting.since_ms);
            assert!(queue.is_sorted_by_key(order), "{team}: out of order: {queue:?}");
        }
        for waiting in &seats.queue {
            let free = seats.agents.iter().find(|agent| could_take(&seats, teams, agent, waiting));
            assert!(free.is_none(), "{waiting:?} waits while {free:?} has room");
        }
        self.assert_new_seats(&seats, teams);
        self.last_seat = seats.served.iter().map(|seat| seat.seat).fold(self.last_seat, u64::max);
        self.before = seats;
    }

    /// Whoever was given a seat since the last look: within the capacity, by a member of the team, and nobody who
    /// waited before it waits still.
    fn assert_new_seats(&self, seats: &Seats, teams: &Teams) {
        let still: BTreeSet<_> = seats.queue.iter().map(|waiting| &waiting.conversation).collect();
        for seat in seats.served.iter().filter(|seat| seat.seat > self.last_seat) {
            let agent = seats.agents.iter().find(|agent| agent.name == seat.agent);
            let agent = agent.unwrap_or_else(|| panic!("{seat:?} is with nobody"));
            let earlier = self.before.agents.iter().find(|before| before.name == agent.name);
            // The capacity may have been lowered behind the seat, in the same turn.
            let capacity = earlier.map_or(0, |earlier| earlier.capacity).max(agent.capacity);
            assert!(agent.serving <= capacity, "{agent:?} is above the capacity with {seat:?}");
            if !matches!(seat.rule, Some(Rule::LeastLoaded | Rule::LastAgent)) {
                continue;
            }
            assert!(teams.or_first(&seat.team).1.has(&seat.agent), "{seat:?}: not of that team");
            let queue = self.before.queue.iter().filter(|waiting| waiting.team == seat.team);
            let passed_over = queue
                .take_while(|waiting| waiting.conversation != seat.conversation)
                .find(|waiting| waiting.declined_by.is_empty() && still.contains(&waiting.conversation));
            let waited = |waiting: &WaitingSeat| {
                waiting.conversation == seat.conversation && waiting.team == seat.team
            };
            assert!(
                !self.before.queue.iter().any(waited) || passed_over.is_none(),
                "{seat:?} was served before {passed_over:?}"
            );
        }
    }
}

fn could_take(seats: &Seats, teams: &Teams, agent: &AgentSeat, waiting: &WaitingSeat) -> bool {
    let team = teams.or_first(&waiting.team).1;
    let of_team = || {
        let served = seats.served.iter();
        served.filter(|seat| seat.agent == agent.name && seat.team == waiting.team).count()
    };
    agent.is_ready
        && agent.serving < agent.capacity
        && team.has(&agent.name)
        && team.capacity(&agent.name).is_none_or(|capacity| of_team() < usize::from(capacity))
        && !waiting.declined_by.contains(&agent.name)
}

fn assert_one_place_each(seats: &Seats) {
    let mut places = BTreeSet::new();
    let served = seats.served.iter().map(|seat| &seat.conversation);
    for conversation in seats.queue.iter().map(|waiting| &waiting.conversation).chain(served) {
        assert!(places.insert(conversation), "{conversation} has two places at the desk");
    }
    let mut serving: BTreeMap<&str, usize> = BTreeMap::new();
    for seat in &seats.served {
        *serving.entry(&seat.agent).or_default() += 1;
    }
    for agent in &seats.agents {
        let has = serving.remove(&*agent.name).unwrap_or(0);
        assert_eq!(has, agent.serving, "{} and the desk count differently", agent.name);
    }
    assert!(serving.is_empty(), "conversations with agents who are not there: {serving:?}");
}

/// Whoever is served has an agent, and whoever waits or has left a message has none.
pub fn assert_one_owner_or_none(shard: &Shard) {
    for (id, phase, agent) in shard.conversations() {
        match phase {
            Phase::Answered | Phase::Unanswered => assert!(agent.is_some(), "{id} is served by nobody"),
            Phase::Queued | Phase::LeaveMessage => assert_eq!(agent, None, "{id} waits, and has an agent"),
            _ => {}
        }
    }
}

/// At rest, the desk and the conversations say the same: who waits, and who has whom.
pub fn assert_agreement<'a>(shards: impl Iterator<Item = &'a Shard>) {
    let mut waiting = BTreeSet::new();
    let mut served = BTreeMap::new();
    let mut seats = None;
    for shard in shards {
        for (id, phase, agent) in shard.conversations() {
            match (phase, agent) {
                (Phase::Queued, _) => {
                    waiting.insert(id.to_owned());
                }
                (Phase::Answered | Phase::Unanswered, Some(agent)) => {
                    served.insert(id.to_owned(), agent.to_owned());
                }
                _ => {}
            }
        }
        seats = seats.or_else(|| shard.desk().map(Desk::seats));
    }
    let seats = seats.expect("some shard has the desk");
    let desk_waiting: BTreeSet<String> =
        seats.queue.iter().map(|waiting| waiting.conversation.to_string()).collect();
    let desk_served: BTreeMap<String, String> =
        seats.served.iter().map(|seat| (seat.conversation.to_string(), seat.agent.to_string())).collect();
    assert_eq!(desk_waiting, waiting, "the desk's queue and the conversations that wait");
    assert_eq!(desk_served, served, "the desk's seats and the conversations that are served");
}

/// At rest, the record says of every conversation what its shard says: read again, it gives the same states.
pub fn assert_recorded<'a>(shards: impl Iterator<Item = &'a Shard>, record: &Reader) {
    for shard in shards {
        for (id, phase, agent) in shard.conversations() {
            let Some(stored) = record.conversation(id).expect("SQL answers") else {
                assert!(
                    matches!(phase, Phase::Greeting | Phase::WaitingUserInput),
                    "{id}: {phase:?} of nothing"
                );
                continue;
            };
            let recorded = (!stored.agent.is_empty()).then_some(stored.agent.as_str());
            assert_eq!((stored.phase, recorded), (phase, agent), "{id}: the record and the shard differ");
        }
    }
}
