//! Effects: what waits until the journal says that its cause is durable, and where it goes then.

use std::{collections::VecDeque, sync::Arc};

use codec::message::ServerMessage;
use store::record::EventRecord;

use super::{
    AgentConnection, Farewell, LaneItem, Output, Outputs, Shard, Urgency,
    connections::{Connection, Stage},
    conversations::{Feed, Index, Reader},
    event_frame::EventFrame,
    inbound::Sender,
    refusals::Refused,
};
use crate::{
    channel::web,
    desk::{Address, AgentName, DeskInput},
    jobs::StoreUnavailable,
    limits, placement,
    planted::{self, Planted},
    roles::{self, Who},
};

/// Whose message it was, for the counting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sayer {
    /// A visitor signed as VIP.
    Vip,
    /// Any other visitor.
    Normal,
    /// An agent.
    Agent,
}

impl Sayer {
    /// Everybody, with the word in metrics.
    pub const ALL: [(Self, &'static str); 3] =
        [(Self::Vip, "vip"), (Self::Normal, "normal"), (Self::Agent, "agent")];
}

/// A message was acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AckTook {
    /// Whose it was.
    pub by: Sayer,
    /// From its receipt until it was durable.
    pub microseconds: u32,
}

/// Something that may be seen only once its cause is durable.
#[derive(Debug)]
pub enum Effect {
    /// A message was taken.
    Ack {
        /// Who is told.
        sender: Sender,
        /// For the counting.
        by: Sayer,
        /// The client's id.
        id: Box<str>,
        /// Its number in the conversation.
        seq: u64,
        /// When, milliseconds since 1970.
        at_ms: u64,
        /// When its bytes came, microseconds of the clock that does not go back.
        received_us: u64,
    },
    /// Something was not done, for good.
    Refuse {
        /// Who is told.
        sender: Sender,
        /// The client's id; may be empty.
        id: Box<str>,
        /// Why.
        refused: Refused,
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
        if number <= self.effects.durable || planted::is(Planted::EarlyAck) {
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
            Effect::Ack { sender, by, id, seq, at_ms, received_us } => {
                let took_us = self.now.monotonic_us.saturating_sub(received_us);
                out.acks.push(AckTook { by, microseconds: u32::try_from(took_us).unwrap_or(u32::MAX) });
                let ack = ServerMessage::Ack { id: (&*id).into(), seq, at_ms };
                self.reply_with(Urgency::of(by == Sayer::Vip), &sender, &ack, out);
            }
            Effect::Refuse { sender, id, refused } => self.reply_refused(&sender, &id, &refused, None, out),
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
        self.catch_up_with(index, None, out);
    }

    /// The same when somebody has just come, for whom others should not have to wait.
    pub(super) fn catch_up_with(&mut self, index: Index, newcomer: Option<Address>, out: &mut Outputs) {
        let here = self.index;
        let conversation = self.conversations.at(index);
        conversation.compress_newest(&mut self.compressor);
        let (id, vip) = (Arc::clone(&conversation.id), conversation.visitor.vip);
        let first = conversation.first_recent();
        let mut delivered = 0;
        let mut to_ask = Vec::new();
        let mut pages = Vec::new();
        for reader in conversation.readers.iter_mut().filter(|reader| reader.feed == Feed::Live) {
            let (who, knows_why, deflate) = (reader.who, reader.knows_why(), reader.deflate);
            if reader.cursor >= conversation.durable {
                continue;
            }
            if reader.cursor + 1 < first {
                reader.feed = Feed::Asked;
                to_ask.push(reader.cursor);
                continue;
            }
            let lacking = || conversation.recent.range((reader.cursor + 1 - first) as usize..);
            let until =
                lacking().take_while(|recent| recent.seq <= conversation.durable).scan(0, |bytes, recent| {
                    let fits = *bytes < limits::PAGE_BYTES_MAX;
                    *bytes += recent.frame.plain_for(knows_why).len();
                    fits.then_some(recent.seq)
                });
            let until = until.last().expect("something durable is lacking, and the first of it always fits");
            let frames = lacking()
                .take_while(|recent| recent.seq <= until)
                .filter(|recent| roles::shows(who, recent.sight) || planted::is(Planted::LeakedNotes))
                .map(|recent| recent.frame.for_reader(knows_why, deflate));
            if until < conversation.durable {
                reader.feed = Feed::Paging;
                pages.push((reader.address, frames.collect()));
            } else {
                let is_newcomer = newcomer == Some(reader.address) && !vip;
                let urgency = if is_newcomer { Urgency::Later } else { Urgency::of(vip) };
                for frame in frames {
                    give(here, reader.address, urgency, frame, out);
                    delivered += 1;
                }
            }
            reader.cursor = until;
        }
        conversation.readers.retain(|reader| reader.until.is_none_or(|until| reader.cursor < until));
        self.counts.delivered += delivered;
        to_ask.into_iter().for_each(|after| self.ask_events(Arc::clone(&id), after, out));
        pages.into_iter().for_each(|(address, page)| self.give_page(&id, address, vip, page, out));
    }

    pub(super) fn events_loaded(
        &mut self,
        id: &Arc<str>,
        after: u64,
        found: Result<Vec<EventRecord>, StoreUnavailable>,
        out: &mut Outputs,
    ) {
        let Some(index) = self.conversations.find(id) else { return };
        let events = found.unwrap_or_default();
        let waits = |reader: &Reader| reader.feed == Feed::Asked && reader.cursor == after;
        let conversation = self.conversations.at(index);
        if events.first().is_none_or(|first| first.seq != after + 1) {
            // What is not in memory is in SQL: so SQL could not be asked. The clients come back and resume.
            let waiting = conversation.readers.iter().filter(|reader| waits(reader));
            let addresses: Vec<_> = waiting.map(|reader| reader.address).collect();
            for address in addresses {
                self.dismiss_anywhere(address, Farewell::UNAVAILABLE, out);
            }
            return;
        }
        let vip = conversation.visitor.vip;
        let scratch = &mut self.scratch;
        let frames: Vec<_> = events.iter().map(|event| (event, EventFrame::of(event, scratch))).collect();
        let mut pages = Vec::new();
        for reader in conversation.readers.iter_mut().filter(|reader| waits(reader)) {
            let visible = |event: &EventRecord| roles::shows(reader.who, event.kind.into());
            let page = frames
                .iter()
                .filter(|(event, _)| visible(event))
                .map(|(_, frame)| Arc::clone(frame.plain_for(reader.knows_why())));
            pages.push((reader.address, page.collect()));
            reader.cursor = events.last().expect("looked at above").seq;
            reader.feed = Feed::Paging;
        }
        pages.into_iter().for_each(|(address, page)| self.give_page(id, address, vip, page, out));
    }

    /// Old events for a connection of any shard, which says when the client has taken them.
    fn give_page(
        &mut self,
        id: &Arc<str>,
        address: Address,
        vip: bool,
        page: Vec<Arc<[u8]>>,
        out: &mut Outputs,
    ) {
        let Address { shard, connection } = address;
        self.counts.delivered += page.len() as u64;
        if usize::from(shard) == self.index {
            return self.page_here(connection, Arc::clone(id), page, out);
        }
        let item = LaneItem::Page { connection, conversation: Arc::clone(id), page };
        out.lane(usize::from(shard), vip, item);
    }

    /// In one step with the sends: a client that takes them at once is not missed.
    pub(super) fn page_here(
        &mut self,
        connection: u64,
        id: Arc<str>,
        page: Vec<Arc<[u8]>>,
        out: &mut Outputs,
    ) {
        let Some(Connection { stage: Stage::Web(web), .. }) = self.connections.find(connection) else {
            return;
        };
        let bytes: usize = page.iter().map(|frame| frame.len()).sum();
        let urgency = Urgency::Normal;
        out.list.extend(page.into_iter().map(|frame| Output::SendShared { connection, frame, urgency }));
        if bytes >= limits::DRAINED_ABOVE_BYTES {
            web.page_sent(id);
        } else {
            self.tell_page_taken(connection, id, out);
        }
    }

    pub(super) fn tell_page_taken(&mut self, connection: u64, conversation: Arc<str>, out: &mut Outputs) {
        let address = self.address(connection);
        if let Some(to) = placement::shard_of_conversation(&conversation, self.settings.shards) {
            out.lane(to, true, LaneItem::PageTaken { conversation, address });
        }
    }

    /// The events so far went to the old agent; from here on the new one reads, from the beginning.
    fn change_agent(&mut self, index: Index, agent: Option<AgentName>, out: &mut Outputs) {
        let connections = agent.and_then(|name| self.agents.get(&name).cloned()).unwrap_or_default();
        let conversation = self.conversations.at(index);
        let durable = conversation.durable;
        let stays = |address| connections.iter().any(|connection| connection.address == address);
        let leaves =
            |reader: &Reader| reader.who != Who::Visitor && !reader.watches && !stays(reader.address);
        // Whoever is still being given older events must yet see that it was lost.
        conversation.readers.retain(|reader| !leaves(reader) || reader.cursor < durable);
        for reader in conversation.readers.iter_mut().filter(|reader| leaves(reader)) {
            reader.until = reader.until.or(Some(durable));
        }
        for AgentConnection { address, role } in connections {
            let mut readers = self.conversations.at(index).readers.iter_mut();
            match readers.find(|reader| reader.address == address) {
                // Whoever was still being told what happened before stays for what happens now.
                Some(reader) => reader.until = None,
                None => self.add_agent_reader(index, (address, role), 0, None, out),
            }
        }
    }

    pub(super) fn tell_typing(
        &mut self,
        index: Index,
        sender: &Sender,
        text: Option<&str>,
        out: &mut Outputs,
    ) -> Result<(), Refused> {
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
    ) -> Result<(), Refused> {
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
    ) -> Result<(), Refused> {
        self.check_sender(index, sender, dialog::Event::AgentNote)?;
        let mut frame = Vec::new();
        web::encode_message(message, &mut frame);
        let frame: Arc<[u8]> = frame.into();
        let by_visitor = matches!(sender, Sender::Visitor { .. });
        let conversation = self.conversations.at(index);
        for reader in conversation.readers.iter().filter(|reader| (reader.who == Who::Visitor) != by_visitor)
        {
            give(self.index, reader.address, Urgency::of(conversation.visitor.vip), Arc::clone(&frame), out);
        }
        Ok(())
    }

    /// A frame for a connection of any shard.
    pub(super) fn deliver(&mut self, address: Address, frame: Arc<[u8]>, out: &mut Outputs) {
        give(self.index, address, Urgency::Urgent, frame, out);
    }

    pub(super) fn deliver_here(
        &mut self,
        connection: u64,
        frame: Arc<[u8]>,
        urgency: Urgency,
        out: &mut Outputs,
    ) {
        if self.session_of(connection).is_some() {
            out.list.push(Output::SendShared { connection, frame, urgency });
        }
    }
}

fn give(here: usize, address: Address, urgency: Urgency, frame: Arc<[u8]>, out: &mut Outputs) {
    let Address { shard, connection } = address;
    if usize::from(shard) == here {
        out.list.push(Output::SendShared { connection, frame, urgency });
    } else {
        let is_urgent = urgency == Urgency::Urgent;
        out.lane(usize::from(shard), is_urgent, LaneItem::Deliver { connection, frame, urgency });
    }
}
