//! Effects: what waits until the journal says that its cause is durable, and where it goes then.

use std::{collections::VecDeque, sync::Arc};

use codec::message::ServerMessage;
use store::record::{EventKind, EventRecord, Role};

use super::{
    Farewell, LaneItem, Output, Outputs, Shard,
    conversations::{self, Index, Reader},
    inbound::Sender,
};
use crate::{
    channel::web,
    desk::{Address, AgentName, DeskInput},
    jobs::{Job, StoreUnavailable},
    limits,
};

/// Something that may be seen only once its cause is durable.
#[derive(Debug)]
pub enum Effect {
    /// A message was taken.
    Ack {
        /// Who is told.
        sender: Sender,
        /// The client's id.
        id: Box<str>,
        /// Its number in the conversation.
        seq: u64,
        /// When, milliseconds since 1970.
        at_ms: u64,
        /// When its bytes came, microseconds of the clock that does not go back.
        received_us: u64,
    },
    /// A conversation's events up to `seq` may be read.
    Publish {
        /// Which.
        index: Index,
        /// Up to which event.
        seq: u64,
    },
    /// From here on others read the conversation on the desk's side.
    ChangeAgent {
        /// Which.
        index: Index,
        /// Who.
        agent: Option<AgentName>,
    },
    /// A word to the desk.
    Desk(DeskInput),
}

/// What waits, in the order of its causes, and the numbers of the journal.
#[derive(Debug)]
pub struct Effects {
    waiting: VecDeque<(u64, Effect)>,
    last: u64,
    durable: u64,
}

impl Effects {
    /// For a journal whose last record has this number.
    pub fn new(last: u64) -> Self {
        Self { waiting: VecDeque::new(), last, durable: last }
    }

    /// The number of the next record.
    pub fn next(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    /// The number of the last record.
    pub fn last(&self) -> u64 {
        self.last
    }

    /// Whether nothing waits, and nothing is on its way to the disk.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.durable == self.last
    }
}

impl Shard {
    /// Lets `effect` go once the record `number` is durable: now, if it is.
    pub(super) fn hold(&mut self, number: u64, effect: Effect, out: &mut Outputs) {
        if number <= self.effects.durable {
            self.let_go(effect, out);
        } else {
            self.effects.waiting.push_back((number, effect));
        }
    }

    pub(super) fn release(&mut self, up_to: u64, out: &mut Outputs) {
        assert!(up_to <= self.effects.last, "durable beyond what was appended");
        self.effects.durable = up_to;
        while self.effects.waiting.front().is_some_and(|(number, _)| *number <= up_to) {
            let (_, effect) = self.effects.waiting.pop_front().expect("looked at above");
            self.let_go(effect, out);
        }
    }

    fn let_go(&mut self, effect: Effect, out: &mut Outputs) {
        match effect {
            Effect::Ack { sender, id, seq, at_ms, received_us } => {
                let took_us = self.now.monotonic_us.saturating_sub(received_us);
                out.ack_us.push(u32::try_from(took_us).unwrap_or(u32::MAX));
                self.reply(&sender, &ServerMessage::Ack { id: (&*id).into(), seq, at_ms }, out);
            }
            Effect::Publish { index, seq } => {
                self.conversations.at(index).durable = seq;
                self.catch_up(index, out);
            }
            Effect::ChangeAgent { index, agent } => self.change_agent(index, agent, out),
            Effect::Desk(input) => self.tell_desk(input, out),
        }
    }

    /// Gives every reader of the conversation what it lacks of what is durable.
    pub(super) fn catch_up(&mut self, index: Index, out: &mut Outputs) {
        let vip = self.conversations.at(index).record.vip;
        let conversation = self.conversations.at(index);
        let first = conversation.first_recent();
        let mut delivered = 0;
        for reader in conversation.readers.iter_mut().filter(|reader| !reader.loading) {
            while reader.cursor < conversation.durable {
                if reader.cursor + 1 < first {
                    reader.loading = true;
                    let (conversation, after) = (Arc::clone(&conversation.id), reader.cursor);
                    let job = Job::LoadEvents { conversation, after, limit: limits::EVENTS_PAGE };
                    out.list.push(Output::Job { connection: None, job });
                    break;
                }
                let recent = &conversation.recent[(reader.cursor + 1 - first) as usize];
                if !(recent.private && reader.role == Role::Visitor) {
                    give(self.index, reader.address, vip, Arc::clone(&recent.frame), out);
                    delivered += 1;
                }
                reader.cursor = recent.seq;
            }
        }
        conversation.readers.retain(|reader| reader.until.is_none_or(|until| reader.cursor < until));
        self.counts.delivered += delivered;
    }

    pub(super) fn events_loaded(
        &mut self,
        conversation: &Arc<str>,
        after: u64,
        found: Result<Vec<EventRecord>, StoreUnavailable>,
        out: &mut Outputs,
    ) {
        let Some(index) = self.conversations.find(conversation) else { return };
        let events = found.unwrap_or_default();
        let waits = |reader: &Reader| reader.loading && reader.cursor == after;
        if events.first().is_none_or(|first| first.seq != after + 1) {
            // What is not in memory is in SQL: so SQL could not be asked. The clients come back and resume.
            let waiting: Vec<_> =
                self.conversations.at(index).readers.iter().filter(|reader| waits(reader)).collect();
            let addresses: Vec<_> = waiting.into_iter().map(|reader| reader.address).collect();
            for address in addresses {
                self.dismiss_anywhere(address, Farewell::UNAVAILABLE, out);
            }
            return;
        }
        let vip = self.conversations.at(index).record.vip;
        let frames: Vec<_> = events.iter().map(|event| (event, conversations::event_frame(event))).collect();
        for reader in self.conversations.at(index).readers.iter_mut().filter(|reader| waits(reader)) {
            for (event, frame) in &frames {
                if !(event.kind == EventKind::Note && reader.role == Role::Visitor) {
                    give(self.index, reader.address, vip, Arc::clone(frame), out);
                }
                reader.cursor = event.seq;
            }
            reader.loading = false;
        }
        self.catch_up(index, out);
    }

    /// The events so far went to the old agent; from here on the new one reads, from the beginning.
    fn change_agent(&mut self, index: Index, agent: Option<AgentName>, out: &mut Outputs) {
        let addresses = agent.and_then(|name| self.agents.get(&name).cloned()).unwrap_or_default();
        self.conversations.at(index).readers.retain(|reader| {
            reader.role == Role::Visitor || reader.until.is_some() || addresses.contains(&reader.address)
        });
        for address in addresses {
            let known = self.conversations.at(index).readers.iter().any(|reader| reader.address == address);
            if !known {
                self.add_agent_reader(index, address, 0, None, out);
            }
        }
    }

    pub(super) fn tell_typing(
        &mut self,
        index: Index,
        sender: &Sender,
        text: Option<&str>,
        out: &mut Outputs,
    ) -> Result<(), super::inbound::Refused> {
        let role = sender.wire_role();
        let id = Arc::clone(&self.conversations.at(index).id);
        // Only agents see what is being typed.
        let text = text.filter(|_| matches!(sender, Sender::Visitor { .. })).map(Into::into);
        let message = ServerMessage::Typing { conversation: (&*id).into(), role, text };
        self.tell_others(index, sender, &message, out)
    }

    pub(super) fn tell_read(
        &mut self,
        index: Index,
        sender: &Sender,
        seq: u64,
        out: &mut Outputs,
    ) -> Result<(), super::inbound::Refused> {
        let role = sender.wire_role();
        let conversation = self.conversations.at(index);
        let (id, seq) = (Arc::clone(&conversation.id), seq.min(conversation.durable));
        let message = ServerMessage::Read { conversation: (&*id).into(), role, seq };
        self.tell_others(index, sender, &message, out)
    }

    /// Something without a number, for the other side of the conversation.
    fn tell_others(
        &mut self,
        index: Index,
        sender: &Sender,
        message: &ServerMessage<'_>,
        out: &mut Outputs,
    ) -> Result<(), super::inbound::Refused> {
        self.check_sender(index, sender, dialog::Event::AgentNote)?;
        let mut frame = Vec::new();
        web::encode_message(message, &mut frame);
        let frame: Arc<[u8]> = frame.into();
        let conversation = self.conversations.at(index);
        for reader in conversation.readers.iter().filter(|reader| reader.role != sender.role()) {
            give(self.index, reader.address, conversation.record.vip, Arc::clone(&frame), out);
        }
        Ok(())
    }

    /// A frame for a connection of any shard.
    pub(super) fn deliver(&mut self, address: Address, frame: Arc<[u8]>, out: &mut Outputs) {
        give(self.index, address, true, frame, out);
    }

    pub(super) fn deliver_here(&mut self, connection: u64, frame: Arc<[u8]>, out: &mut Outputs) {
        if self.session_of(connection).is_some() {
            out.list.push(Output::SendShared { connection, frame });
        }
    }
}

fn give(here: usize, address: Address, vip: bool, frame: Arc<[u8]>, out: &mut Outputs) {
    let Address { shard, connection } = address;
    if usize::from(shard) == here {
        out.list.push(Output::SendShared { connection, frame });
    } else {
        out.lane(usize::from(shard), vip, LaneItem::Deliver { connection, frame });
    }
}
