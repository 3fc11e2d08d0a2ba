//! Those who wait: how they come into a queue, how they leave it without an agent, and what they are told meanwhile.

use std::sync::Arc;

use codec::message::Outlook;

use super::{
    Desk, Time,
    hours::Open,
    queue::{Queue, Rank, Waiting},
    teams::TeamName,
    words::{DeskOutput, Wanted},
};
use crate::planted::{self, Planted};

/// Shortest time between the beginnings of two rounds of telling places, in milliseconds.
const ROUND_MS_MIN: u64 = 1_000;
/// Places of one queue that are told at once, and the time to the next, in milliseconds: a long queue hears more rarely,
/// because each word is a durable event of a conversation.
const PLACES_AT_ONCE: usize = 50;
const PLACES_EVERY_MS: u64 = 100;
/// Those who are looked at for it: most of a long queue may know its places.
const PLACES_LOOKED_AT: usize = 2_000;

impl Desk {
    pub(super) fn enqueue(&mut self, now: Time, wanted: Wanted, out: &mut Vec<DeskOutput>) {
        if self.waits(&wanted.conversation) {
            return;
        }
        if let Some(seat) = self.agents.seat(&wanted.conversation) {
            if wanted.given_up != Some(seat.number) {
                // It was given another seat while the word was on its way, and will hear of it.
                return;
            }
            self.agents.stand_up(&wanted.conversation);
        }
        self.note_declined(now, &wanted);
        let conversation = Arc::clone(&wanted.conversation);
        match self.teams.open_for(&wanted.team, now.unix_ms) {
            Ok(team) => {
                let team = Arc::clone(team);
                self.wait(now, wanted, Arc::clone(&team));
                self.assign(now, out);
                self.tell_place(now, &team, &conversation, out);
            }
            Err(opens_at_ms) => {
                self.declined.remove(&conversation);
                out.push(DeskOutput::Closed { conversation, opens_at_ms });
                // A seat may have become free.
                self.assign(now, out);
            }
        }
    }

    fn wait(&mut self, now: Time, wanted: Wanted, team: TeamName) {
        self.arrivals += 1;
        let rank = Rank {
            normal: !wanted.vip,
            first_time: !wanted.at_head,
            since_ms: wanted.since_ms,
            number: self.arrivals,
        };
        let rank = if planted::is(Planted::NormalFirst) { Rank { normal: true, ..rank } } else { rank };
        let window_ms = u64::from(self.teams.or_first(&team).1.settings().prefer_last_agent_s) * 1_000;
        let recent = |at_ms: u64| now.unix_ms.saturating_sub(at_ms) <= window_ms && window_ms > 0;
        let last_agent = wanted.last_agent.filter(|(_, at_ms)| recent(*at_ms)).map(|(agent, _)| agent);
        let waiting = Waiting {
            conversation: wanted.conversation,
            vip: wanted.vip,
            announced: None,
            entered_ms: now.ms,
            has_moved: false,
            last_agent,
        };
        self.queues.entry(team).or_default().insert(rank, waiting);
    }

    /// Whoever still waits hears the place at once; those behind hear with the next announcement.
    fn tell_place(&mut self, now: Time, team: &TeamName, conversation: &str, out: &mut Vec<DeskOutput>) {
        let Some(queue) = self.queues.get_mut(team) else { return };
        let Some(place) = queue.place(conversation) else { return };
        let waiting = queue.len() as u32;
        queue.places_stale |= place < waiting;
        queue.announced(conversation, place);
        let estimate = queue.rate.estimate(now.ms, place);
        let (conversation, team) = (conversation.into(), Arc::clone(team));
        out.push(DeskOutput::Place { conversation, team, place, waiting, estimate });
    }

    /// Who has waited for too long goes to another team, or leaves a message.
    pub(super) fn overflow(&mut self, now: Time, out: &mut Vec<DeskOutput>) {
        let teams: Vec<TeamName> = self.queues.keys().cloned().collect();
        for team in teams {
            let settings = self.teams.or_first(&team).1.settings();
            let Some(after_ms) = Some(u64::from(settings.overflow_after_s) * 1_000).filter(|ms| *ms > 0)
            else {
                continue;
            };
            let to = settings.overflow_to.clone();
            while let Some((rank, waiting)) =
                now.ms.checked_sub(after_ms).and_then(|before_ms| self.queues.get(&team)?.overdue(before_ms))
            {
                self.queues.get_mut(&team).expect("listed above").remove(&waiting.conversation, None);
                self.move_on(now, rank, waiting, to.as_deref(), out);
            }
        }
    }

    fn move_on(
        &mut self,
        now: Time,
        rank: Rank,
        waiting: Waiting,
        to: Option<&str>,
        out: &mut Vec<DeskOutput>,
    ) {
        let known = to.filter(|_| !waiting.has_moved).and_then(|to| self.teams.get(to)).map(|(name, _)| name);
        let open = known.and_then(|name| self.teams.open_for(name, now.unix_ms).ok()).cloned();
        let Some(team) = open else {
            self.declined.remove(&waiting.conversation);
            return out.push(DeskOutput::TimedOut { conversation: waiting.conversation });
        };
        let conversation = Arc::clone(&waiting.conversation);
        let waiting = Waiting { entered_ms: now.ms, has_moved: true, announced: None, ..waiting };
        self.queues.entry(Arc::clone(&team)).or_default().insert(rank, waiting);
        self.assign(now, out);
        self.tell_place(now, &team, &conversation, out);
    }

    /// Where a team has closed and nobody of it is there any more, those who wait are told so. As long as somebody is,
    /// they are still served.
    pub(super) fn close_teams(&mut self, now: Time, out: &mut Vec<DeskOutput>) {
        for (name, queue) in &mut self.queues {
            if queue.is_empty() {
                continue;
            }
            let team = self.teams.or_first(name).1;
            let Open::Later { opens_at_ms } = team.at(now.unix_ms) else { continue };
            let is_there = self.agents.iter().any(|(agent, about)| about.is_ready() && team.has(agent));
            if is_there {
                continue;
            }
            let waiting: Vec<_> =
                queue.iter().map(|(_, waiting)| Arc::clone(&waiting.conversation)).collect();
            for conversation in waiting {
                queue.remove(&conversation, None);
                self.declined.remove(&conversation);
                out.push(DeskOutput::Closed { conversation, opens_at_ms });
            }
        }
    }

    /// Tells those whose places have changed, from the front, a few at a time. Who moved while a round passed hears in
    /// the next one.
    pub(super) fn announce_places(&mut self, now: Time, out: &mut Vec<DeskOutput>) {
        for (team, queue) in &mut self.queues {
            if now.ms < queue.places_after_ms || (queue.round.is_none() && !queue.places_stale) {
                continue;
            }
            let (from, began_ms) = queue.round.unwrap_or_else(|| {
                queue.places_stale = false;
                (0, now.ms)
            });
            let (count, rate) = (queue.len(), queue.rate.clone());
            let mut to = from.min(count);
            let mut told = 0;
            for waiting in queue.waiting_from_mut(to).take(PLACES_LOOKED_AT) {
                to += 1;
                let place = to as u32;
                if waiting.announced.replace(place) == Some(place) {
                    continue;
                }
                told += 1;
                out.push(DeskOutput::Place {
                    conversation: Arc::clone(&waiting.conversation),
                    team: Arc::clone(team),
                    place,
                    waiting: count as u32,
                    estimate: rate.estimate(now.ms, place),
                });
                if told == PLACES_AT_ONCE {
                    break;
                }
            }
            queue.places_after_ms = now.ms + PLACES_EVERY_MS;
            queue.round = Some((to, began_ms)).filter(|_| to < count);
            if queue.round.is_none() {
                queue.places_after_ms = queue.places_after_ms.max(began_ms + ROUND_MS_MIN);
            }
        }
    }

    /// Where each team's next newcomer, if not VIP, would stand.
    pub fn outlooks(&self, now: Time) -> Vec<(TeamName, Outlook)> {
        let outlook = |queue: &Queue| {
            let place = queue.len() as u32 + 1;
            Outlook { place, estimate: queue.rate.estimate(now.ms, place) }
        };
        self.queues.iter().map(|(team, queue)| (Arc::clone(team), outlook(queue))).collect()
    }
}
