//! Who gets whom.
//!
//! For the first in a queue: the agent who served this visitor last, if that was not long ago and there is room; else,
//! of the team's members who are ready and have room, the one with the least to do. Whoever gave a conversation
//! back is passed over for a while, so that somebody else sees it first. With several teams, the one whose first has
//! the better rank goes first: VIP before all, then the longest wait, whichever queue it is in.

use std::sync::Arc;

use super::{
    Desk, Time,
    agents::Agent,
    queue::{Rank, Waiting},
    teams::{Team, TeamName},
    words::{
        Address, AgentName, Assignment, ConversationKey, DeskOutput, Refusal, Rule, Target, Wanted, Why,
    },
};

/// So long somebody who gave a conversation back is not given it again.
pub const DECLINED_MS: u64 = 30_000;

/// An agent for somebody who waits, and why this one.
struct Choice {
    agent: AgentName,
    rule: Rule,
    candidates: u16,
}

impl Desk {
    /// Gives those who wait to those who have room, as long as there are both.
    pub(super) fn assign(&mut self, now: Time, out: &mut Vec<DeskOutput>) {
        while let Some((team, rank, conversation, choice)) = self.next(now) {
            let queue = self.queues.get_mut(&team).expect("found there");
            queue.remove(&conversation, Some(now.ms));
            let waited_ms = now.unix_ms.saturating_sub(rank.since_ms);
            self.seat(conversation, team, &choice.agent, (choice.rule, choice.candidates, waited_ms), out);
        }
    }

    /// The first of all queues for whom there is somebody.
    fn next(&self, now: Time) -> Option<(TeamName, Rank, ConversationKey, Choice)> {
        if !self.agents.iter().any(|(_, agent)| agent.is_ready() && agent.has_seat()) {
            return None;
        }
        let firsts = self.queues.iter().filter_map(|(name, queue)| {
            let team = self.teams.or_first(name).1;
            if !self.agents.iter().any(|(agent, about)| takes(name, team, agent, about)) {
                return None;
            }
            // Only those who were given back may have to let others pass.
            let found = queue.iter().find_map(|(rank, waiting)| {
                Some((*rank, Arc::clone(&waiting.conversation), self.choose(now, name, team, waiting)?))
            });
            found.map(|(rank, conversation, choice)| (Arc::clone(name), rank, conversation, choice))
        });
        firsts.min_by_key(|(_, rank, ..)| *rank)
    }

    fn choose(&self, now: Time, name: &str, team: &Team, waiting: &Waiting) -> Option<Choice> {
        let declined = self.declined.get(&waiting.conversation);
        let has_declined = |agent: &str| {
            declined.is_some_and(|by| by.iter().any(|(other, until)| **other == *agent && now.ms < *until))
        };
        let candidates: Vec<(&AgentName, &Agent)> = self
            .agents
            .iter()
            .filter(|(agent, about)| takes(name, team, agent, about) && !has_declined(agent))
            .collect();
        let count = u16::try_from(candidates.len()).unwrap_or(u16::MAX);
        let last = waiting.last_agent.as_ref();
        let last = last.filter(|last| candidates.iter().any(|(agent, _)| agent == last));
        let (agent, rule) = match last {
            Some(last) => (last, Rule::LastAgent),
            None => {
                let least = candidates.iter().min_by_key(|(_, about)| about.load())?;
                (least.0, Rule::LeastLoaded)
            }
        };
        Some(Choice { agent: Arc::clone(agent), rule, candidates: count })
    }

    fn seat(
        &mut self,
        conversation: ConversationKey,
        team: TeamName,
        name: &AgentName,
        (rule, candidates, waited_ms): (Rule, u16, u64),
        out: &mut Vec<DeskOutput>,
    ) {
        let agent = self.agents.get(name).expect("chosen among the agents");
        let serving = u16::try_from(agent.serving()).unwrap_or(u16::MAX);
        let why = Why { rule, serving, capacity: agent.capacity(), candidates, waited_ms };
        let accept_s = self.teams.or_first(&team).1.settings().accept_within_s;
        // Whoever took it, or was chosen by a colleague, need not say so again.
        let is_asked = accept_s > 0 && matches!(rule, Rule::LastAgent | Rule::LeastLoaded);
        let seat = self.agents.sit(Arc::clone(&conversation), Arc::clone(&team), name, rule);
        out.push(DeskOutput::Assign(Assignment {
            conversation,
            agent: Arc::clone(name),
            seat,
            team,
            accept_within_ms: is_asked.then_some(u64::from(accept_s) * 1_000),
            why,
        }));
    }

    /// Notes who gave it back.
    pub(super) fn note_declined(&mut self, now: Time, wanted: &Wanted) {
        if let Some(agent) = &wanted.declined_by {
            let by = self.declined.entry(Arc::clone(&wanted.conversation)).or_default();
            by.retain(|(other, until)| other != agent && now.ms < *until);
            by.push((Arc::clone(agent), now.ms + DECLINED_MS));
        }
    }

    /// Forgets whose pause is over; whether there was anybody.
    pub(super) fn forget_declined(&mut self, now: Time) -> bool {
        let mut forgotten = false;
        self.declined.retain(|_, by| {
            let before = by.len();
            by.retain(|(_, until)| now.ms < *until);
            forgotten |= by.len() < before;
            !by.is_empty()
        });
        forgotten
    }

    pub(super) fn transfer(
        &mut self,
        now: Time,
        conversation: ConversationKey,
        from: &AgentName,
        to: Target,
        asked_by: Address,
        out: &mut Vec<DeskOutput>,
    ) {
        let Some(seat) = self.agents.seat(&conversation).filter(|seat| seat.agent == *from) else {
            let reason = Refusal::NotYours;
            return out.push(DeskOutput::Refused { conversation, asked_by, reason });
        };
        let seat = seat.number;
        let refusal = match &to {
            Target::Agent(to) => self.refusal_of(from, to),
            Target::Team(team) => match self.teams.get(team).map(|(_, team)| team.at(now.unix_ms)) {
                None => Some(Refusal::NoSuchTeam),
                Some(super::hours::Open::Later { .. }) => Some(Refusal::TeamClosed),
                Some(super::hours::Open::Now) => None,
            },
        };
        if let Some(reason) = refusal {
            return out.push(DeskOutput::Refused { conversation, asked_by, reason });
        }
        match to {
            Target::Team(team) => {
                out.push(DeskOutput::GivenToTeam { conversation, from: Arc::clone(from), team, seat });
            }
            Target::Agent(to) => {
                let team = self.team_of(&conversation);
                self.agents.stand_up(&conversation);
                self.seat(conversation, team, &to, (Rule::Transferred, 1, 0), out);
                self.assign(now, out);
            }
        }
    }

    fn refusal_of(&self, from: &AgentName, to: &AgentName) -> Option<Refusal> {
        if from == to {
            return Some(Refusal::ToYourself);
        }
        match self.agents.get(to) {
            Some(agent) if agent.is_ready() && agent.has_seat() => None,
            Some(agent) if agent.is_ready() => Some(Refusal::Full),
            _ => Some(Refusal::NotReady),
        }
    }

    pub(super) fn take_over(
        &mut self,
        now: Time,
        conversation: ConversationKey,
        agent: &AgentName,
        team: &str,
        asked_by: Address,
        out: &mut Vec<DeskOutput>,
    ) {
        let reason = match (self.agents.seat(&conversation), self.agents.get(agent)) {
            (Some(seat), _) if seat.agent == *agent => Some(Refusal::ToYourself),
            (_, Some(about)) if about.is_present() && about.has_seat() => None,
            (_, Some(about)) if about.is_present() => Some(Refusal::Full),
            _ => Some(Refusal::NotReady),
        };
        if let Some(reason) = reason {
            return out.push(DeskOutput::Refused { conversation, asked_by, reason });
        }
        let waited = self.queues.values_mut().find_map(|queue| queue.remove(&conversation, Some(now.ms)));
        let waited_ms = waited.map_or(0, |(rank, _)| now.unix_ms.saturating_sub(rank.since_ms));
        self.agents.stand_up(&conversation);
        let team = Arc::clone(self.teams.or_first(team).0);
        self.seat(conversation, team, agent, (Rule::TookOver, 1, waited_ms), out);
        self.assign(now, out);
    }
}

/// Whether the agent could be given one more conversation of the team.
fn takes(name: &str, team: &Team, agent: &str, about: &Agent) -> bool {
    about.is_ready()
        && about.has_seat()
        && team.has(agent)
        && team.capacity(agent).is_none_or(|capacity| about.serving_of(name) < usize::from(capacity))
}
