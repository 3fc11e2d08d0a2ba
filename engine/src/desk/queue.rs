//! One team's queue: who is served next, who waits at which place, and who has waited for too long.

use std::collections::{BTreeSet, HashMap};

use super::{AgentName, ConversationKey, estimate::ServiceRate, ranking::Ranking};

/// Where a conversation stands in a queue: smaller is served first. VIP before all; then whoever had an agent and lost
/// it; then whoever has waited longest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rank {
    /// Not VIP.
    pub normal: bool,
    /// Never had an agent.
    pub first_time: bool,
    /// Since when it waits, milliseconds since 1970.
    pub since_ms: u64,
    /// Breaks ties by arrival.
    pub number: u64,
}

/// A conversation that waits.
#[derive(Clone, Debug)]
pub struct Waiting {
    /// Which.
    pub conversation: ConversationKey,
    /// Signed as VIP.
    pub vip: bool,
    /// The place it was told.
    pub announced: Option<u32>,
    /// When it came into this queue, milliseconds of the clock that does not go back.
    pub entered_ms: u64,
    /// It came from another team's queue, and goes to no third one.
    pub has_moved: bool,
    /// Who served this visitor not long ago.
    pub last_agent: Option<AgentName>,
}

/// One team's queue.
#[derive(Debug, Default)]
pub struct Queue {
    order: Ranking<Rank, Waiting>,
    ranks: HashMap<ConversationKey, Rank>,
    /// By the time they came.
    entered: BTreeSet<(u64, Rank)>,
    /// How fast it is served.
    pub rate: ServiceRate,
    /// Places have changed since a round of telling them began.
    pub places_stale: bool,
    /// How far the round is, in places, and when it began; nothing: there is none.
    pub round: Option<(usize, u64)>,
    /// When more places may be told.
    pub places_after_ms: u64,
}

impl Queue {
    /// Adds one that does not wait here yet.
    pub fn insert(&mut self, rank: Rank, waiting: Waiting) {
        self.rate.begins(waiting.entered_ms);
        self.ranks.insert(ConversationKey::clone(&waiting.conversation), rank);
        self.entered.insert((waiting.entered_ms, rank));
        self.order.insert(rank, waiting);
    }

    /// Takes one out; whether it was served tells the rate.
    pub fn remove(&mut self, conversation: &str, served_at_ms: Option<u64>) -> Option<(Rank, Waiting)> {
        let rank = self.ranks.remove(conversation)?;
        let waiting = self.order.remove(&rank)?;
        self.entered.remove(&(waiting.entered_ms, rank));
        self.places_stale = true;
        match served_at_ms {
            Some(now_ms) => self.rate.served(now_ms, !self.is_empty()),
            None if self.is_empty() => self.rate.ends(),
            None => {}
        }
        Some((rank, waiting))
    }

    /// Whether it waits here.
    pub fn contains(&self, conversation: &str) -> bool {
        self.ranks.contains_key(conversation)
    }

    /// Those that wait, the next to be served first.
    pub fn iter(&self) -> impl Iterator<Item = (&Rank, &Waiting)> {
        self.order.iter()
    }

    /// Those behind so many others, the next to be served first, for whoever tells them their places.
    pub fn waiting_from_mut(&mut self, position: usize) -> impl Iterator<Item = &mut Waiting> {
        self.order.values_from_mut(position)
    }

    /// The place of one that waits, from 1.
    pub fn place(&self, conversation: &str) -> Option<u32> {
        let rank = self.ranks.get(conversation)?;
        Some(self.order.position(rank) as u32 + 1)
    }

    /// Notes that it was told its place.
    pub fn announced(&mut self, conversation: &str, place: u32) {
        if let Some(waiting) = self.ranks.get(conversation).and_then(|rank| self.order.get_mut(rank)) {
            waiting.announced = Some(place);
        }
    }

    /// The one that has been here longest, if it came at or before `entered_ms`.
    pub fn overdue(&self, entered_ms: u64) -> Option<(Rank, Waiting)> {
        let (_, rank) = self.entered.first().filter(|(entered, _)| *entered <= entered_ms)?;
        Some((*rank, self.order.get(rank)?.clone()))
    }

    /// Since when the one of a class that has waited longest waits, milliseconds since 1970. Looks at two of them.
    pub fn oldest_since_ms(&self, vip: bool) -> Option<u64> {
        let first_of = |first_time| {
            let from = Rank { normal: !vip, first_time, since_ms: 0, number: 0 };
            let (rank, _) = self.order.first_from(&from)?;
            (rank.normal != vip && rank.first_time == first_time).then_some(rank.since_ms)
        };
        [false, true].into_iter().filter_map(first_of).min()
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.order.len()
    }

    /// Whether nobody does.
    pub fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    /// How many VIPs wait.
    pub fn vips(&self) -> usize {
        self.order.position(&Rank { normal: true, first_time: false, since_ms: 0, number: 0 })
    }
}
