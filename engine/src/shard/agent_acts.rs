//! What agents do with conversations beside talking: accept, give back, hand over, take over, read along.

use std::sync::Arc;

use dialog::{Action, Event, State};
use store::record::EventKind;

use super::{
    Outputs, Shard,
    conversations::{Feed, Index, Reader},
    delivery::Effect,
    inbound::{Draft, Inbound, Sender, json_string},
    refusals::{self, Refused},
};
use crate::{
    desk::{Address, AgentName, DeskInput, Target},
    identity::AgentRole,
    roles::{Act, Grant, grant},
};

/// The agent behind what came in.
struct Asking<'a> {
    name: &'a AgentName,
    address: Address,
    role: AgentRole,
}

fn asking(inbound: &Inbound) -> Asking<'_> {
    let Sender::Agent { address, name, role } = &inbound.sender else {
        unreachable!("visitors are refused where this comes in");
    };
    Asking { name, address: *address, role: *role }
}

impl Shard {
    /// The agent will answer: from here on only its silence counts.
    pub(super) fn accept(&mut self, index: Index, inbound: &Inbound) -> Result<(), Refused> {
        self.check_sender(index, &inbound.sender, Event::AgentMessage)?;
        let conversation = self.conversations.at(index);
        if conversation.accept_within_ms.take().is_some() {
            self.start_clock(index, 0);
        }
        Ok(())
    }

    /// The agent gives back what the visitor still waits for.
    pub(super) fn decline(
        &mut self,
        index: Index,
        inbound: &Inbound,
        out: &mut Outputs,
    ) -> Result<(), Refused> {
        self.check_sender(index, &inbound.sender, Event::AgentDeclines)?;
        let name = Arc::clone(asking(inbound).name);
        let content = format!("{{\"agent\":null,\"reason\":\"declined\",\"by\":{}}}", json_string(&name));
        self.conversations.at(index).declined_by = Some(name);
        self.lose_agent(index, Event::AgentDeclines, content, out)
    }

    /// The conversation leaves its agent by this event, and whoever reads it is told.
    pub(super) fn lose_agent(
        &mut self,
        index: Index,
        event: Event,
        content: String,
        out: &mut Outputs,
    ) -> Result<(), Refused> {
        let actions =
            self.step(index, event).inspect_err(|_| self.conversations.at(index).declined_by = None)?;
        if !actions.contains(&Action::SaveToDb) {
            return Ok(());
        }
        self.conversations.at(index).agent = None;
        let number = self.append(index, Draft::system(EventKind::Assigned, content), out);
        self.carry_out(index, number, actions, out);
        self.hold(number, Effect::ChangeAgent { index, agent: None }, out);
        Ok(())
    }

    /// To another agent or to a team, if the desk finds that it can be; a remark goes before.
    pub(super) fn transfer(
        &mut self,
        index: Index,
        inbound: &Inbound,
        to: &Target,
        note: Option<&str>,
        out: &mut Outputs,
    ) -> Result<(), Refused> {
        self.check_sender(index, &inbound.sender, Event::AgentMessage)?;
        let Asking { name, address, .. } = asking(inbound);
        if let Some(note) = note {
            if self.journal_full {
                return Err(refusals::JOURNAL_FULL);
            }
            let actions = self.step(index, Event::AgentNote)?;
            let content = format!("{{\"text\":{}}}", json_string(note));
            self.append_from(index, &inbound.sender, EventKind::Note, content, actions, out);
        }
        let input = DeskInput::Transfer {
            conversation: Arc::clone(&inbound.conversation),
            from: Arc::clone(name),
            to: to.clone(),
            asked_by: address,
        };
        // What the other agent reads first must be there before the conversation is.
        self.hold(self.effects.last(), Effect::Desk(input), out);
        Ok(())
    }

    /// Supervisors take what they like, agents what waits for nobody in particular.
    pub(super) fn take_over(
        &mut self,
        index: Index,
        inbound: &Inbound,
        out: &mut Outputs,
    ) -> Result<(), Refused> {
        let Asking { name, address, role } = asking(inbound);
        let conversation = self.conversations.at(index);
        if conversation.state().is_over() {
            return Err(refusals::CLOSED);
        }
        if conversation.seq == 0 {
            return Err(refusals::NOTHING_SAID);
        }
        if grant(role.into(), Act::TakeOver) != Grant::Any && conversation.state() != State::LeaveMessage {
            return Err(refusals::NOT_YOURS);
        }
        // The desk's answer must find it here.
        conversation.asked_desk = true;
        let input = DeskInput::TakeOver {
            conversation: Arc::clone(&inbound.conversation),
            agent: Arc::clone(name),
            team: Arc::clone(&conversation.team),
            asked_by: address,
        };
        self.hold(self.effects.last(), Effect::Desk(input), out);
        Ok(())
    }

    /// A supervisor reads along from here on, or no more.
    pub(super) fn watch(
        &mut self,
        index: Index,
        inbound: &Inbound,
        after: u64,
        begins: bool,
        out: &mut Outputs,
    ) -> Result<(), Refused> {
        let Asking { name, address, role } = asking(inbound);
        let conversation = self.conversations.at(index);
        let serves = conversation.agent.as_ref() == Some(name);
        if let Some(reader) = conversation.readers.iter_mut().find(|reader| reader.address == address) {
            reader.watches = begins;
            if begins {
                reader.until = None;
            }
        } else if begins {
            let cursor = after.min(conversation.durable);
            let deflate = self.deflating.get(&address).copied();
            conversation.readers.push(Reader {
                address,
                who: role.into(),
                deflate,
                watches: true,
                cursor,
                feed: Feed::Live,
                until: None,
            });
            self.catch_up(index, out);
            return Ok(());
        }
        if !begins && !serves {
            // What is decided and not yet durable is told when it is: that a conversation was lost among it.
            let conversation = self.conversations.at(index);
            let until = conversation.seq;
            conversation.readers.retain(|reader| reader.address != address || reader.cursor < until);
            let leaving = conversation.readers.iter_mut().find(|reader| reader.address == address);
            if let Some(reader) = leaving {
                reader.until = reader.until.or(Some(until));
            }
            self.conversations.drop_if_idle(index);
        }
        Ok(())
    }
}
