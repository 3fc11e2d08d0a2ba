//! What a shard does less of under pressure. How much, [`crate::shedding`] decides.

use std::{collections::BTreeMap, sync::Arc};

use codec::message::{Outlook, ServerMessage};

use super::{
    LaneItem, Outputs, Shard,
    conversations::Index,
    inbound::{Body, Inbound},
    refusals,
};
use crate::{
    channel::web,
    desk::{
        AgentName, AgentStatus,
        teams::{FIRST_TEAM, TeamName},
    },
    limits,
    retries::Retries,
    shedding::{Ladder, Step},
};

/// What is not passed on while something is given up, without a word to whoever sent it: it tells of now only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shed {
    /// Somebody is typing.
    Typing,
    /// Somebody has read.
    Read,
    /// An agent's load, replaced by a newer one before it was told.
    Presence,
}

impl Shed {
    /// Every kind, with its word in metrics.
    pub const ALL: [(Self, &'static str); 3] =
        [(Self::Typing, "typing"), (Self::Read, "read"), (Self::Presence, "presence")];

    /// What a client's message is of these; `None`: it is never given up without a word.
    const fn of(body: &Body) -> Option<Self> {
        match body {
            Body::Typing { .. } => Some(Self::Typing),
            Body::Read { .. } => Some(Self::Read),
            _ => None,
        }
    }
}

/// The pressure on a shard, and what it knows of the others'.
#[derive(Debug)]
pub(super) struct Overload {
    ladder: Ladder,
    /// When those who are refused may come again.
    pub retries: Retries,
    /// How long the last normal message had waited, in microseconds.
    normal_delay_us: u64,
    /// How much each shard gives up.
    steps: Vec<Step>,
    /// Agents' newest loads that wait to be told.
    presence: BTreeMap<AgentName, AgentStatus>,
    presence_told_ms: u64,
    /// Where newcomers would stand, by team, as the desk said last.
    pub outlooks: Arc<[(TeamName, Outlook)]>,
    /// On the desk's shard: when it says so next.
    outlooks_after_ms: u64,
}

impl Overload {
    pub fn new(shards: usize) -> Self {
        Self {
            ladder: Ladder::default(),
            retries: Retries::default(),
            normal_delay_us: 0,
            steps: vec![Step::None; shards],
            presence: BTreeMap::new(),
            presence_told_ms: 0,
            outlooks: Arc::new([]),
            outlooks_after_ms: 0,
        }
    }

    pub const fn step(&self) -> Step {
        self.ladder.step()
    }

    /// The most that any shard gives up: what agents are told.
    fn highest(&self) -> Step {
        self.steps.iter().copied().max().unwrap_or_default()
    }

    /// Something was taken from a lane; when its bytes came, and when that is, in microseconds.
    pub fn taken(&mut self, vip: bool, received_us: u64, now_us: u64) {
        if !vip {
            self.normal_delay_us = now_us.saturating_sub(received_us);
            self.ladder.delayed(self.normal_delay_us);
            self.retries.taken(now_us / 1_000);
        }
    }
}

impl Shard {
    /// How long the last normal message had waited in its lane, in microseconds.
    pub fn normal_delay_us(&self) -> u64 {
        self.overload.normal_delay_us
    }

    /// The owner's lane stayed full: nothing was taken, and the client is told so.
    pub(super) fn lane_full(&mut self, inbound: &Inbound, out: &mut Outputs) {
        if let Some(kind) = Shed::of(&inbound.body) {
            self.counts.shed[kind as usize] += 1;
            return;
        }
        self.counts.refused_overloaded[usize::from(inbound.vip)] += 1;
        if !inbound.vip {
            self.overload.ladder.refused();
        }
        self.tell(inbound, &refusals::OVERLOADED, out);
    }

    /// Whether it tells of now only and is given up.
    pub(super) fn sheds(&mut self, inbound: &Inbound) -> bool {
        let Some(kind) = Shed::of(&inbound.body) else { return false };
        let is_shed = !inbound.vip && self.overload.step() >= Step::Typing;
        self.counts.shed[kind as usize] += u64::from(is_shed);
        is_shed
    }

    /// Whether a message would begin a conversation, and none are begun.
    pub(super) fn sheds_new(&mut self, index: Index, vip: bool) -> bool {
        !vip && self.overload.step() >= Step::Conversations && self.conversations.at(index).seq == 0
    }

    /// Where the conversation's visitor would stand, if it were begun; nothing, where nobody ever waited.
    pub(super) fn outlook(&mut self, index: Index) -> Option<Outlook> {
        let team = &self.conversations.at(index).team;
        let team = if team.is_empty() { FIRST_TEAM } else { team };
        let outlooks = &self.overload.outlooks;
        outlooks.iter().find(|(name, _)| **name == *team).map(|(_, outlook)| *outlook)
    }

    /// While some shard begins no conversations, the desk's shard tells all of them where newcomers would stand.
    fn tell_outlooks(&mut self, out: &mut Outputs) {
        let now = self.desk_time();
        let is_due =
            self.overload.highest() >= Step::Conversations && now.ms >= self.overload.outlooks_after_ms;
        let Some(desk) = self.desk.as_ref().filter(|_| is_due) else { return };
        self.overload.outlooks_after_ms = now.ms + limits::OUTLOOKS_MS;
        let outlooks: Arc<[(TeamName, Outlook)]> = desk.outlooks(now).into();
        for shard in 0..self.settings.shards {
            out.lane(shard, true, LaneItem::Outlooks(Arc::clone(&outlooks)));
        }
    }

    /// What is new of agents is told as it comes, or, while something is given up, the newest of some seconds.
    pub(super) fn presence(&mut self, statuses: &[AgentStatus]) {
        if self.overload.step() == Step::None {
            return self.tell_presence(statuses);
        }
        for status in statuses {
            let is_replaced = self.overload.presence.insert(status.agent.clone(), status.clone()).is_some();
            self.counts.shed[Shed::Presence as usize] += u64::from(is_replaced);
        }
    }

    /// Some shard gives up more or less than before.
    pub(super) fn shedding(&mut self, shard: usize, step: Step, out: &mut Outputs) {
        let before = self.overload.highest();
        self.overload.steps[shard] = step;
        let highest = self.overload.highest();
        if highest != before {
            self.tell_agents_here(&shedding_message(highest), out);
            if highest < Step::Conversations {
                self.overload.outlooks = Arc::new([]); // Of another hour, the next time.
            }
        }
    }

    /// An agent who comes is told, if something is given up.
    pub(super) fn tell_shedding(&self, connection: u64, out: &mut Outputs) {
        let highest = self.overload.highest();
        if highest != Step::None {
            out.send(connection, |bytes| web::encode_message(&shedding_message(highest), bytes));
        }
    }

    /// Looks at the pressure, and tells what waited.
    pub(super) fn tick_overload(&mut self, out: &mut Outputs) {
        let now_ms = self.now.monotonic_ms();
        if let Some(step) = self.overload.ladder.look(now_ms) {
            let (shard, step_name) = (self.index, step.name());
            let delay_ms = self.overload.normal_delay_us / 1_000;
            tracing::warn!(
                shard,
                step = step_name,
                delay_ms,
                "the shard gives up more or less than before; see docs/routing.md"
            );
            for to in 0..self.settings.shards {
                out.lane(to, true, LaneItem::Shedding { shard, step });
            }
        }
        self.tell_outlooks(out);
        let is_due = self.overload.step() == Step::None
            || now_ms >= self.overload.presence_told_ms + limits::SHED_PRESENCE_MS;
        if is_due && !self.overload.presence.is_empty() {
            self.overload.presence_told_ms = now_ms;
            let statuses = std::mem::take(&mut self.overload.presence);
            self.tell_presence(statuses.values());
        }
    }
}

fn shedding_message(step: Step) -> ServerMessage<'static> {
    ServerMessage::Shedding { step: step.name().into() }
}
