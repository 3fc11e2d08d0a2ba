//! Between conversations and the desk, which may live on another shard.

use std::sync::Arc;

use codec::message::{Estimate, ServerMessage};
use dialog::{Event, State};
use store::record::EventKind;

use super::{
    LaneItem, Outputs, SITE, Shard,
    conversations::Index,
    delivery::Effect,
    inbound::{Draft, json_string},
    reasons::why_member,
};
use crate::{
    channel::web,
    desk::{
        Address, AgentName, Assignment, DeskInput, DeskOutput, Refusal, Rule, Time, Wanted,
        teams::{FIRST_TEAM, TeamName, Teams},
    },
    placement,
};

impl Shard {
    /// Tells the desk, wherever it is.
    pub(super) fn tell_desk(&mut self, input: DeskInput, out: &mut Outputs) {
        let to = placement::shard_of_team(SITE, FIRST_TEAM, self.settings.shards);
        out.lane(to, true, LaneItem::Desk(input));
    }

    /// After a restart: the conversation is back, its last event was then, and the desk must know.
    pub(super) fn restore(&mut self, index: Index, last_at_ms: u64, out: &mut Outputs) {
        self.start_clock(index, self.now.unix_ms.saturating_sub(last_at_ms));
        let conversation = self.conversations.at(index);
        let id = Arc::clone(&conversation.id);
        let input = match (conversation.state(), &conversation.agent) {
            (State::Serving { .. }, Some(agent)) => {
                // As the desk numbers those that it is told again.
                conversation.seat = Some(0);
                let (agent, team) = (Arc::clone(agent), Arc::clone(&conversation.team));
                DeskInput::Restore { conversation: id, agent, team }
            }
            (State::Queued, _) => DeskInput::Enqueue(Wanted {
                conversation: id,
                vip: conversation.visitor.vip,
                since_ms: conversation.visitor.at_ms,
                at_head: false,
                given_up: None,
                team: Arc::clone(&conversation.team),
                last_agent: None,
                declined_by: None,
            }),
            // A bot that was asked died with the process.
            (State::Processing { asked, .. }, _) => return self.bot_is_lost(index, asked, out),
            _ => return self.conversations.drop_if_idle(index),
        };
        self.tell_desk(input, out);
    }

    fn bot_is_lost(&mut self, index: Index, asked: u64, out: &mut Outputs) {
        let Ok(actions) = self.step(index, Event::BotFails { asked }) else {
            unreachable!("the dialog refuses no clock")
        };
        let content = String::from("{\"agent\":null,\"reason\":\"bot_failed\"}");
        let number = self.append(index, Draft::system(EventKind::Assigned, content), out);
        self.carry_out(index, number, actions, out);
    }

    pub(super) fn desk_time(&self) -> Time {
        Time { ms: self.now.monotonic_ms(), unix_ms: self.now.unix_ms }
    }

    /// An administrator changed the teams.
    pub(super) fn set_teams(&mut self, teams: Arc<Teams>) {
        let now = self.desk_time();
        if let Some(desk) = self.desk.as_mut() {
            desk.set_teams(now, teams, &mut self.desk_outputs);
        }
    }

    /// From now on the conversation is for this team, and its next event says so.
    pub(super) fn set_team(&mut self, index: Index, team: &str) {
        // The first is what nothing is said of.
        let team = if team == FIRST_TEAM { "" } else { team };
        let conversation = self.conversations.at(index);
        if *conversation.team != *team {
            conversation.team = team.into();
            conversation.team_recorded = false;
        }
    }

    pub(super) fn desk_input(&mut self, input: DeskInput) {
        let now = self.desk_time();
        let desk = self.desk.as_mut().expect("only the desk's shard gets its inputs");
        if let DeskInput::Arrived { address, .. } = &input {
            self.newcomers.push(*address);
        }
        desk.handle(now, input, &mut self.desk_outputs);
    }

    /// What the desk decided goes to the conversations' shards; what agents may see, to all.
    pub(super) fn tick_desk(&mut self, out: &mut Outputs) {
        let now = self.desk_time();
        let Some(desk) = self.desk.as_mut() else { return };
        desk.tick(now, &mut self.desk_outputs);
        if !self.newcomers.is_empty() {
            // Written once and given to all of them in one piece: a thousand who come at once hear a million.
            let mut frames = Vec::new();
            for status in desk.statuses() {
                web::encode_message(&super::sessions::presence_message(&status), &mut frames);
            }
            let frames: Arc<[u8]> = frames.into();
            for address in std::mem::take(&mut self.newcomers) {
                self.deliver(address, Arc::clone(&frames), out);
            }
        }
        for output in std::mem::take(&mut self.desk_outputs) {
            match &output {
                DeskOutput::Assign(Assignment { conversation, .. })
                | DeskOutput::Place { conversation, .. }
                | DeskOutput::Closed { conversation, .. }
                | DeskOutput::TimedOut { conversation }
                | DeskOutput::GivenToTeam { conversation, .. }
                | DeskOutput::AgentGone { conversation, .. } => {
                    let to = placement::shard_of_conversation(conversation, self.settings.shards)
                        .expect("the desk knows only what shards told it");
                    out.lane(to, true, LaneItem::DeskSays(output));
                }
                DeskOutput::Refused { conversation, asked_by, reason } => {
                    self.tell_refused_by_desk(*asked_by, *reason, out);
                    let to = placement::shard_of_conversation(conversation, self.settings.shards)
                        .expect("the desk knows only what shards told it");
                    out.lane(to, true, LaneItem::DeskSays(output));
                }
                DeskOutput::PresenceChanged(statuses) => {
                    for shard in 0..self.settings.shards {
                        out.lane(shard, true, LaneItem::Presence(Arc::clone(statuses)));
                    }
                }
            }
        }
    }

    fn tell_refused_by_desk(&mut self, asked_by: Address, reason: Refusal, out: &mut Outputs) {
        let (code, text) = match reason {
            Refusal::NotReady => {
                ("agent_unavailable", "that agent is not ready; choose another, or wait until they are")
            }
            Refusal::Full => {
                ("agent_unavailable", "there is no room for one more; choose another, or end one")
            }
            Refusal::NoSuchTeam => ("team_unavailable", "there is no such team; choose another"),
            Refusal::TeamClosed => ("team_unavailable", "that team is closed now; choose another"),
            Refusal::ToYourself => ("bad_field", "you have this conversation already; choose another agent"),
            Refusal::NotYours => ("not_your_conversation", "you do not have this conversation any more"),
        };
        let refused = ServerMessage::Refused {
            id: "".into(),
            code: code.into(),
            text: text.into(),
            retry_after_ms: None,
            outlook: None,
        };
        let mut frame = Vec::new();
        web::encode_message(&refused, &mut frame);
        self.deliver(asked_by, frame.into(), out);
    }

    pub(super) fn desk_says(&mut self, output: DeskOutput, out: &mut Outputs) {
        if self.failed {
            // The conversation is the next start's; its seat is for one that can be served.
            if let DeskOutput::Assign(Assignment { conversation, .. }) = output {
                self.tell_desk(DeskInput::Leave { conversation }, out);
            }
            return;
        }
        match output {
            DeskOutput::Assign(assignment) => self.assigned(assignment, out),
            DeskOutput::AgentGone { conversation, agent: _, seat } => {
                let content = String::from("{\"agent\":null,\"reason\":\"agent_left\"}");
                self.seat_lost(&conversation, seat, Event::AgentGone, content, out);
            }
            DeskOutput::GivenToTeam { conversation, from, team, seat } => {
                if let Some(index) = self.sits(&conversation, seat) {
                    self.set_team(index, &team);
                }
                let (by, to) = (json_string(&from), json_string(&team));
                let content =
                    format!("{{\"agent\":null,\"reason\":\"given_to_team\",\"by\":{by},\"team\":{to}}}");
                self.seat_lost(&conversation, seat, Event::GivenToTeam, content, out);
            }
            DeskOutput::Place { conversation, team, place, waiting, estimate } => {
                let content = place_content(&team, place, waiting, estimate);
                self.waits_at(&conversation, &team, content, out);
            }
            DeskOutput::Closed { conversation, opens_at_ms } => {
                let opens_at = opens_at_ms.map(opens_at_member).unwrap_or_default();
                let content = format!("{{\"agent\":null,\"reason\":\"closed\"{opens_at}}}");
                self.desk_event(&conversation, Event::DeskClosed, EventKind::Assigned, content, out);
            }
            DeskOutput::TimedOut { conversation } => {
                let content = String::from("{\"agent\":null,\"reason\":\"queue_timeout\"}");
                self.desk_event(&conversation, Event::QueueTimeout, EventKind::Assigned, content, out);
            }
            DeskOutput::Refused { conversation, .. } => self.desk_has_refused(&conversation),
            DeskOutput::PresenceChanged(_) => {
                unreachable!("told by `tick_desk` without the conversation")
            }
        }
    }

    fn assigned(&mut self, assignment: Assignment, out: &mut Outputs) {
        let Some(index) = self.conversations.find(&assignment.conversation) else {
            // It ended and went from memory while the desk decided.
            return self.tell_desk(DeskInput::Leave { conversation: assignment.conversation }, out);
        };
        let conversation = self.conversations.at(index);
        conversation.asked_desk = false;
        let is_served = matches!(conversation.state(), State::Serving { .. });
        let before = conversation.agent.clone().filter(|agent| is_served && *agent != assignment.agent);
        let event = match assignment.why.rule {
            Rule::TookOver => Event::AgentTakesOver,
            _ => Event::AgentAssigned,
        };
        let Ok(actions) = self.step(index, event) else { unreachable!("the dialog refuses no assignment") };
        if !actions.contains(&dialog::Action::SaveToDb) {
            return self.carry_out(index, self.effects.last(), actions, out);
        }
        self.sit_down(index, &assignment);
        let (kind, content) = assignment_content(&assignment, before.as_ref());
        let number = self.append(index, Draft::system(kind, content), out);
        self.carry_out(index, number, actions, out);
        self.hold(number, Effect::ChangeAgent { index, agent: Some(assignment.agent) }, out);
    }

    fn sit_down(&mut self, index: Index, assignment: &Assignment) {
        let conversation = self.conversations.at(index);
        conversation.agent = Some(Arc::clone(&assignment.agent));
        conversation.seat = Some(assignment.seat);
        conversation.given_up = None;
        conversation.accept_within_ms = assignment.accept_within_ms;
        self.set_team(index, &assignment.team);
        self.start_clock(index, 0);
    }

    /// Where the conversation has this seat.
    fn sits(&mut self, id: &str, seat: u64) -> Option<Index> {
        let index = self.conversations.find(id)?;
        (self.conversations.at(index).seat == Some(seat)).then_some(index)
    }

    /// Something about a seat that the conversation may have left meanwhile.
    fn seat_lost(&mut self, id: &str, seat: u64, event: Event, content: String, out: &mut Outputs) {
        let Some(index) = self.sits(id, seat) else { return };
        let Ok(()) = self.lose_agent(index, event, content, out) else {
            unreachable!("the dialog refuses no word of the desk")
        };
    }

    /// Whoever asked was told; the conversation waits for no word any more.
    fn desk_has_refused(&mut self, id: &str) {
        if let Some(index) = self.conversations.find(id) {
            self.conversations.at(index).asked_desk = false;
            self.conversations.drop_if_idle(index);
        }
    }

    fn waits_at(&mut self, id: &str, team: &TeamName, content: String, out: &mut Outputs) {
        if let Some(index) = self.conversations.find(id) {
            self.set_team(index, team);
        }
        self.desk_event(id, Event::PlaceChanged, EventKind::Queue, content, out);
    }

    /// An event that the desk causes, if it still means something.
    fn desk_event(&mut self, id: &str, event: Event, kind: EventKind, content: String, out: &mut Outputs) {
        let Some(index) = self.conversations.find(id) else { return };
        self.conversations.at(index).asked_desk = false;
        let Ok(actions) = self.step(index, event) else { return };
        if actions.is_empty() {
            return;
        }
        let number = self.append(index, Draft::system(kind, content), out);
        self.carry_out(index, number, actions, out);
    }
}

fn place_content(team: &str, place: u32, waiting: u32, estimate: Option<Estimate>) -> String {
    let estimate = estimate.map(|Estimate { likely_s, low_s, high_s }| {
        format!(",\"estimate_s\":{likely_s},\"low_s\":{low_s},\"high_s\":{high_s}")
    });
    let team = (team != FIRST_TEAM).then(|| format!(",\"team\":{}", json_string(team)));
    format!(
        "{{\"place\":{place},\"waiting\":{waiting}{}{}}}",
        estimate.unwrap_or_default(),
        team.unwrap_or_default()
    )
}

fn opens_at_member(unix_ms: u64) -> String {
    let mut text = Vec::new();
    codec::json::encode_time(unix_ms, &mut text);
    format!(",\"opens_at\":\"{}\"", String::from_utf8_lossy(&text))
}

fn assignment_content(assignment: &Assignment, before: Option<&AgentName>) -> (EventKind, String) {
    let (agent, why) = (json_string(&assignment.agent), why_member(assignment));
    let took = if assignment.why.rule == Rule::TookOver { ",\"takeover\":true" } else { "" };
    let accept = assignment.accept_within_ms.map(|ms| format!(",\"accept_within_s\":{}", ms / 1_000));
    let accept = accept.unwrap_or_default();
    match before {
        Some(from) => {
            let from = json_string(from);
            (EventKind::Transferred, format!("{{\"from\":{from},\"to\":{agent}{took}{accept}{why}}}"))
        }
        None => (EventKind::Assigned, format!("{{\"agent\":{agent}{took}{accept}{why}}}")),
    }
}
