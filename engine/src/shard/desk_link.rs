//! Between conversations and the desk, which may live on another shard.

use std::sync::Arc;

use codec::message::ServerMessage;
use dialog::{Event, State};
use store::{record::EventKind, sql::StoredConversation};

use super::{
    LaneItem, Outputs, SITE, Shard, TEAM,
    conversations::Conversation,
    delivery::Effect,
    inbound::{Draft, json_string},
};
use crate::{
    channel::web,
    desk::{Address, AgentName, DeskInput, DeskOutput, TransferRefusal},
    placement,
};

impl Shard {
    /// Tells the desk, wherever it is.
    pub(super) fn tell_desk(&mut self, input: DeskInput, out: &mut Outputs) {
        let to = placement::shard_of_team(SITE, TEAM, self.settings.shards);
        out.lane(to, true, LaneItem::Desk(input));
    }

    /// After a restart: the conversation is back, and the desk must know.
    pub(super) fn restore(&mut self, stored: StoredConversation, out: &mut Outputs) {
        let index = self.conversations.insert(Conversation::from_stored(stored));
        let conversation = self.conversations.at(index);
        let id = Arc::clone(&conversation.id);
        let input = match (conversation.state, &conversation.agent) {
            (State::Serving { .. }, Some(agent)) => {
                DeskInput::Restore { conversation: id, agent: Arc::clone(agent) }
            }
            (State::Queued, _) => DeskInput::Enqueue {
                conversation: id,
                vip: conversation.record.vip,
                since_ms: conversation.record.at_ms,
                at_head: false,
            },
            _ => return,
        };
        self.tell_desk(input, out);
    }

    pub(super) fn desk_input(&mut self, input: DeskInput) {
        let now_ms = self.now.monotonic_ms();
        let desk = self.desk.as_mut().expect("only the desk's shard gets its inputs");
        if let DeskInput::Arrived { address, .. } = &input {
            self.newcomers.push(*address);
        }
        desk.handle(now_ms, input, &mut self.desk_outputs);
    }

    /// What the desk decided goes to the conversations' shards; what agents may see, to all.
    pub(super) fn tick_desk(&mut self, out: &mut Outputs) {
        let Some(desk) = self.desk.as_mut() else { return };
        desk.tick(self.now.monotonic_ms(), &mut self.desk_outputs);
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
                DeskOutput::Assign { conversation, .. }
                | DeskOutput::Place { conversation, .. }
                | DeskOutput::AgentGone { conversation, .. } => {
                    let to = placement::shard_of_conversation(conversation, self.settings.shards)
                        .expect("the desk knows only what shards told it");
                    out.lane(to, true, LaneItem::DeskSays(output));
                }
                DeskOutput::TransferRefused { asked_by, reason } => {
                    self.tell_transfer_refused(*asked_by, *reason, out);
                }
                DeskOutput::PresenceChanged(status) => {
                    for shard in 0..self.settings.shards {
                        out.lane(shard, true, LaneItem::Presence(status.clone()));
                    }
                }
            }
        }
    }

    fn tell_transfer_refused(&mut self, asked_by: Address, reason: TransferRefusal, out: &mut Outputs) {
        let (code, text) = match reason {
            TransferRefusal::NotReady => {
                ("agent_unavailable", "that agent is not ready; choose another, or wait until they are")
            }
            TransferRefusal::Full => ("agent_unavailable", "that agent has no room; choose another"),
            TransferRefusal::ToYourself => {
                ("bad_field", "you have this conversation already; choose another agent")
            }
            TransferRefusal::NotYours => {
                ("not_your_conversation", "you do not have this conversation any more")
            }
        };
        let refused = ServerMessage::Refused {
            id: "".into(),
            code: code.into(),
            text: text.into(),
            retry_after_ms: None,
        };
        let mut frame = Vec::new();
        web::encode_message(&refused, &mut frame);
        self.deliver(asked_by, frame.into(), out);
    }

    pub(super) fn desk_says(&mut self, output: DeskOutput, out: &mut Outputs) {
        if self.failed {
            // The conversation is the next start's; its seat is for one that can be served.
            if let DeskOutput::Assign { conversation, .. } = output {
                self.tell_desk(DeskInput::Leave { conversation }, out);
            }
            return;
        }
        match output {
            DeskOutput::Assign { conversation, agent } => self.assigned(conversation, agent, out),
            DeskOutput::AgentGone { conversation, agent } => self.agent_gone(&conversation, &agent, out),
            DeskOutput::Place { conversation, place, waiting } => {
                let content = format!("{{\"place\":{place},\"waiting\":{waiting}}}");
                self.desk_event(&conversation, Event::PlaceChanged, EventKind::Queue, content, out);
            }
            DeskOutput::TransferRefused { .. } | DeskOutput::PresenceChanged(_) => {
                unreachable!("told by `tick_desk` without the conversation")
            }
        }
    }

    fn assigned(&mut self, id: Arc<str>, agent: AgentName, out: &mut Outputs) {
        let Some(index) = self.conversations.find(&id) else {
            // It ended and went from memory while the desk decided.
            return self.tell_desk(DeskInput::Leave { conversation: id }, out);
        };
        let conversation = self.conversations.at(index);
        let before = match conversation.state {
            State::Serving { .. } => conversation.agent.clone(),
            _ => None,
        };
        let Ok(actions) = self.step(index, Event::AgentAssigned) else {
            unreachable!("the dialog refuses no assignment")
        };
        if !actions.contains(&dialog::Action::SaveToDb) {
            return self.carry_out(index, self.effects.last(), actions, out);
        }
        self.conversations.at(index).agent = Some(Arc::clone(&agent));
        let (kind, content) = match before {
            Some(from) => (
                EventKind::Transferred,
                format!("{{\"from\":{},\"to\":{}}}", json_string(&from), json_string(&agent)),
            ),
            None => (EventKind::Assigned, format!("{{\"agent\":{}}}", json_string(&agent))),
        };
        let number = self.append(index, Draft::system(kind, content), out);
        self.carry_out(index, number, actions, out);
        self.hold(number, Effect::ChangeAgent { index, agent: Some(agent) }, out);
    }

    fn agent_gone(&mut self, id: &str, agent: &AgentName, out: &mut Outputs) {
        let Some(index) = self.conversations.find(id) else { return };
        let conversation = self.conversations.at(index);
        let serves = matches!(conversation.state, State::Serving { .. });
        if !serves || conversation.agent.as_ref() != Some(agent) {
            return;
        }
        let Ok(actions) = self.step(index, Event::AgentGone) else {
            unreachable!("the dialog refuses no loss of an agent")
        };
        self.conversations.at(index).agent = None;
        let content = String::from("{\"agent\":null,\"reason\":\"agent_left\"}");
        let number = self.append(index, Draft::system(EventKind::Assigned, content), out);
        self.carry_out(index, number, actions, out);
        self.hold(number, Effect::ChangeAgent { index, agent: None }, out);
    }

    /// An event that the desk causes, if it still means something.
    fn desk_event(&mut self, id: &str, event: Event, kind: EventKind, content: String, out: &mut Outputs) {
        let Some(index) = self.conversations.find(id) else { return };
        let Ok(actions) = self.step(index, event) else { return };
        if actions.is_empty() {
            return;
        }
        let number = self.append(index, Draft::system(kind, content), out);
        self.carry_out(index, number, actions, out);
    }
}
