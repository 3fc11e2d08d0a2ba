//! What must hold of the desk between any two turns, whatever happened.

use std::collections::{BTreeMap, BTreeSet};

use engine::{
    desk::{Desk, Seats},
    shard::Shard,
};
use store::record::Phase;

/// Watches one desk over a life of the process.
#[derive(Debug, Default)]
pub struct DeskCheck {
    /// The queue before the last turn, first to be served first.
    queue: Vec<String>,
}

impl DeskCheck {
    /// Looks at the desk after a turn of its shard.
    pub fn look(&mut self, desk: &Desk) {
        let seats = desk.seats();
        assert_one_place_each(&seats);
        let waits = !seats.queue.is_empty();
        let free: Vec<_> =
            seats.agents.iter().filter(|agent| agent.has_room).map(|agent| &agent.name).collect();
        assert!(!waits || free.is_empty(), "{:?} wait while {free:?} have room", seats.queue);
        let normal = seats.queue.iter().position(|waiting| !waiting.vip).unwrap_or(seats.queue.len());
        assert!(seats.queue[normal..].iter().all(|waiting| !waiting.vip), "a VIP waits behind the crowd");
        self.assert_served_in_order(&seats);
        self.queue = seats.queue.iter().map(|waiting| waiting.conversation.to_string()).collect();
    }

    /// Whoever was served since the last look had nobody before it who still waits.
    fn assert_served_in_order(&mut self, seats: &Seats) {
        let waiting: BTreeSet<&str> = seats.queue.iter().map(|waiting| &*waiting.conversation).collect();
        let served: BTreeSet<&str> = seats.served.iter().map(|(conversation, _)| &**conversation).collect();
        let mut passed_over = None;
        for conversation in &self.queue {
            if waiting.contains(conversation.as_str()) {
                passed_over = passed_over.or(Some(conversation));
            } else if served.contains(conversation.as_str()) {
                assert!(passed_over.is_none(), "{conversation} was served before {passed_over:?}");
            }
        }
    }
}

fn assert_one_place_each(seats: &Seats) {
    let mut places = BTreeSet::new();
    let served = seats.served.iter().map(|(conversation, _)| conversation);
    for conversation in seats.queue.iter().map(|waiting| &waiting.conversation).chain(served) {
        assert!(places.insert(conversation), "{conversation} has two places at the desk");
    }
    let mut serving: BTreeMap<&str, usize> = BTreeMap::new();
    for (_, agent) in &seats.served {
        *serving.entry(agent).or_default() += 1;
    }
    for agent in &seats.agents {
        let has = serving.remove(&*agent.name).unwrap_or(0);
        assert_eq!(has, agent.serving, "{} and the desk count differently", agent.name);
    }
    assert!(serving.is_empty(), "conversations with agents who are not there: {serving:?}");
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
                (Phase::Answered | Phase::Unanswered, None) => panic!("{id} is served by nobody"),
                _ => {}
            }
        }
        seats = seats.or_else(|| shard.desk().map(Desk::seats));
    }
    let seats = seats.expect("some shard has the desk");
    let desk_waiting: BTreeSet<String> =
        seats.queue.iter().map(|waiting| waiting.conversation.to_string()).collect();
    let desk_served: BTreeMap<String, String> =
        seats.served.iter().map(|(id, agent)| (id.to_string(), agent.to_string())).collect();
    assert_eq!(desk_waiting, waiting, "the desk's queue and the conversations that wait");
    assert_eq!(desk_served, served, "the desk's seats and the conversations that are served");
}
