//! Decisions: what somebody wants of a conversation that this shard owns.

use std::sync::Arc;

use codec::message::{self, ServerMessage};
use dialog::{Action, Event, Refusal, State};
use store::record::{EventKind, EventRecord, Record, Role, TeamRecord};

use super::{
    Farewell, LaneItem, Output, Outputs, Shard, Urgency,
    conversations::{Index, Recent},
    delivery::{Effect, Sayer},
    event_frame::EventFrame,
    known_ids::KnownId,
    loading::Parked,
    phases,
    refusals::{
        ALREADY_RATED, CLOSED, JOURNAL_FULL, NOT_YOURS, NOTHING_SAID, OVERLOADED, Refused, STORAGE_FAILED,
    },
};
use crate::{
    channel::web,
    desk::{Address, AgentName, DeskInput, Target, Wanted},
    identity::AgentRole,
    roles::{Act, Grant, grant},
};

/// Something wanted of a conversation.
#[derive(Debug)]
pub struct Inbound {
    /// Which.
    pub conversation: Arc<str>,
    /// By whom.
    pub sender: Sender,
    /// The lane it came by.
    pub vip: bool,
    /// When its bytes came, microseconds of the clock that does not go back.
    pub received_us: u64,
    /// What.
    pub body: Body,
}

/// Who wants it, and where the answer goes.
#[derive(Clone, Debug)]
pub enum Sender {
    /// The conversation's visitor, connected to this shard.
    Visitor {
        /// The connection.
        connection: u64,
        /// The visitor's id.
        visitor: Arc<str>,
    },
    /// An agent, connected anywhere.
    Agent {
        /// Where.
        address: Address,
        /// The login name.
        name: AgentName,
        /// What the account may do.
        role: AgentRole,
    },
}

impl Sender {
    pub(super) const fn role(&self) -> Role {
        match self {
            Self::Visitor { .. } => Role::Visitor,
            Self::Agent { .. } => Role::Agent,
        }
    }

    pub(super) const fn wire_role(&self) -> message::Role {
        match self {
            Self::Visitor { .. } => message::Role::Visitor,
            Self::Agent { .. } => message::Role::Agent,
        }
    }

    fn id(&self) -> &str {
        match self {
            Self::Visitor { visitor, .. } => visitor,
            Self::Agent { name, .. } => name,
        }
    }
}

/// What is wanted.
#[derive(Debug)]
pub enum Body {
    /// Say something.
    Message {
        /// The client's id of it.
        id: Box<str>,
        /// Checked JSON.
        content: String,
    },
    /// Leave a note for agents.
    Note {
        /// The client's id of it.
        id: Box<str>,
        /// The note.
        text: Box<str>,
        /// A supervisor's word to the agent.
        whispers: bool,
    },
    /// Somebody is typing.
    Typing {
        /// What, if shared.
        text: Option<Box<str>>,
    },
    /// Somebody has read.
    Read {
        /// Up to which event.
        seq: u64,
    },
    /// A human is wanted.
    Human,
    /// A rating.
    Rate {
        /// 1 to 5.
        score: u8,
        /// A remark.
        text: Option<Box<str>>,
    },
    /// End it.
    Close,
    /// Give it to another agent, or to a team.
    Transfer {
        /// Whom.
        to: Target,
        /// A remark for whoever gets it.
        note: Option<Box<str>>,
    },
    /// What was assigned will be answered.
    Accept,
    /// What was assigned is given back.
    Decline,
    /// Take what was not assigned.
    TakeOver,
    /// Read along, or no more.
    Watch {
        /// The last event the client has.
        after: u64,
        /// Whether to begin.
        begins: bool,
    },
}

impl Body {
    /// The client's id, where it has one.
    pub fn message_id(&self) -> &str {
        match self {
            Self::Message { id, .. } | Self::Note { id, .. } => id,
            Self::Typing { .. }
            | Self::Read { .. }
            | Self::Human
            | Self::Rate { .. }
            | Self::Close
            | Self::Transfer { .. }
            | Self::Accept
            | Self::Decline
            | Self::TakeOver
            | Self::Watch { .. } => "",
        }
    }
}

/// An event about to be appended.
pub(super) struct Draft<'a> {
    pub kind: EventKind,
    pub role: Role,
    pub from_id: &'a str,
    pub from_name: String,
    pub client_id: &'a str,
    pub content: String,
}

impl Draft<'_> {
    /// Something the server itself does.
    pub fn system(kind: EventKind, content: String) -> Self {
        Self { kind, role: Role::System, from_id: "", from_name: String::new(), client_id: "", content }
    }
}

impl Shard {
    pub(super) fn inbound(&mut self, mut inbound: Inbound, out: &mut Outputs) {
        if self.failed {
            self.counts.refused_journal[usize::from(inbound.vip)] += 1;
            return self.tell(&inbound, &STORAGE_FAILED, out);
        }
        self.overload.taken(inbound.vip, inbound.received_us, self.now.monotonic_us);
        if self.sheds(&inbound) {
            return;
        }
        let Some(index) = self.conversations.find(&inbound.conversation) else {
            let conversation = Arc::clone(&inbound.conversation);
            return self.park(&conversation, Parked::Inbound(inbound), out);
        };
        if let Err(refused) = self.decide(index, &mut inbound, out) {
            // What may be tried again was counted where it was found out.
            if refused.is_for_now() {
                return self.tell(&inbound, &refused, out);
            }
            self.counts.refused_invalid[usize::from(inbound.vip)] += 1;
            // Whatever it was refused for must not be undone by a crash once the client knows of it.
            let id = inbound.body.message_id().into();
            let effect = Effect::Refuse { sender: inbound.sender, id, refused };
            self.hold(self.effects.last(), effect, out);
        }
    }

    fn decide(&mut self, index: Index, inbound: &mut Inbound, out: &mut Outputs) -> Result<(), Refused> {
        match &inbound.body {
            Body::Message { .. } | Body::Note { .. } => self.say(index, inbound, out),
            Body::Typing { text } => self.tell_typing(index, &inbound.sender, text.as_deref(), out),
            Body::Read { seq } => self.tell_read(index, &inbound.sender, *seq, out),
            Body::Human => self.ask_for_human(index, out),
            Body::Rate { score, text } => self.rate(index, inbound, *score, text.as_deref(), out),
            Body::Close => self.close(index, inbound, out),
            Body::Transfer { to, note } => self.transfer(index, inbound, to, note.as_deref(), out),
            Body::Accept => self.accept(index, inbound),
            Body::Decline => self.decline(index, inbound, out),
            Body::TakeOver => self.take_over(index, inbound, out),
            Body::Watch { after, begins } => self.watch(index, inbound, *after, *begins, out),
        }
    }

    /// Takes what is said out of `inbound`, and its id with it once it is taken for good.
    fn say(&mut self, index: Index, inbound: &mut Inbound, out: &mut Outputs) -> Result<(), Refused> {
        let vip = usize::from(inbound.vip);
        let Inbound { sender, body, received_us, .. } = inbound;
        let (kind, id, content) = match body {
            Body::Message { id, content } => (EventKind::Message, id, std::mem::take(content)),
            Body::Note { id, text, whispers } => {
                let whisper = if *whispers { ",\"whisper\":true" } else { "" };
                (EventKind::Note, id, format!("{{\"text\":{}{whisper}}}", json_string(text)))
            }
            _ => unreachable!("nothing else is said"),
        };
        if let Some(known) = self.conversations.at(index).known_ids.get(sender.id(), id) {
            self.counts.repeated[vip] += 1;
            let effect = ack(sender, vip == 1, std::mem::take(id), known, *received_us);
            self.hold(self.effects.last(), effect, out);
            return Ok(());
        }
        let event = match (kind, &*sender) {
            (EventKind::Note, _) => Event::AgentNote,
            (_, Sender::Visitor { .. }) => {
                let number = self.conversations.at(index).seq + 1;
                Event::VisitorMessage { number, bot: self.settings.dialog.bot }
            }
            (_, Sender::Agent { .. }) => Event::AgentMessage,
        };
        match sender {
            // Supervisors may remark on everything that was said.
            Sender::Agent { role, .. }
                if kind == EventKind::Note && grant((*role).into(), Act::Note) == Grant::Any =>
            {
                if self.conversations.at(index).seq == 0 {
                    return Err(NOTHING_SAID);
                }
            }
            _ => self.check_sender(index, sender, event)?,
        }
        if self.journal_full {
            self.counts.refused_journal[vip] += 1;
            return Err(JOURNAL_FULL);
        }
        let lags = self.conversations.kept() >= self.settings.kept_records_max << vip;
        if self.overloaded || lags {
            self.counts.refused_overloaded[vip] += 1;
            return Err(OVERLOADED);
        }
        if self.sheds_new(index, vip == 1) {
            self.counts.refused_overloaded[vip] += 1;
            return Err(Refused::not_begun(self.outlook(index)));
        }
        let actions = self.step(index, event)?;
        let from_name = self.name_of(sender, index);
        let draft =
            Draft { kind, role: sender.role(), from_id: sender.id(), from_name, client_id: id, content };
        let number = self.append(index, draft, out);
        let conversation = self.conversations.at(index);
        let known = KnownId { seq: conversation.seq, at_ms: self.now.unix_ms };
        conversation.known_ids.remember(sender.id(), id, known);
        self.counts.accepted[vip] += 1;
        self.hold(number, ack(sender, vip == 1, std::mem::take(id), known, *received_us), out);
        self.carry_out(index, number, actions, out);
        Ok(())
    }

    fn ask_for_human(&mut self, index: Index, out: &mut Outputs) -> Result<(), Refused> {
        let actions = self.step(index, Event::VisitorAsksHuman)?;
        self.carry_out(index, self.effects.last(), actions, out);
        Ok(())
    }

    fn rate(
        &mut self,
        index: Index,
        inbound: &Inbound,
        score: u8,
        text: Option<&str>,
        out: &mut Outputs,
    ) -> Result<(), Refused> {
        let conversation = self.conversations.at(index);
        if conversation.rated {
            return Err(ALREADY_RATED);
        }
        if conversation.seq == 0 {
            return Err(NOTHING_SAID);
        }
        conversation.rated = true;
        let actions = self.step(index, Event::VisitorRates)?;
        let remark = text.map(|text| format!(",\"text\":{}", json_string(text))).unwrap_or_default();
        self.append_from(
            index,
            &inbound.sender,
            EventKind::Rating,
            format!("{{\"score\":{score}{remark}}}"),
            actions,
            out,
        );
        Ok(())
    }

    fn close(&mut self, index: Index, inbound: &Inbound, out: &mut Outputs) -> Result<(), Refused> {
        let rated = self.conversations.at(index).rated;
        let (event, by) = match inbound.sender {
            Sender::Visitor { .. } => (Event::VisitorCloses { rated }, "visitor"),
            Sender::Agent { .. } => (Event::AgentCloses { rated }, "agent"),
        };
        self.check_sender(index, &inbound.sender, event)?;
        if self.conversations.at(index).seq == 0 {
            return Err(NOTHING_SAID);
        }
        let actions = self.step(index, event)?;
        self.append_from(
            index,
            &inbound.sender,
            EventKind::Closed,
            format!("{{\"by\":\"{by}\"}}"),
            actions,
            out,
        );
        Ok(())
    }

    /// An agent may act only in a conversation that it has; closed ones say so first.
    pub(super) fn check_sender(
        &mut self,
        index: Index,
        sender: &Sender,
        event: Event,
    ) -> Result<(), Refused> {
        let conversation = self.conversations.at(index);
        let Sender::Agent { name, .. } = sender else { return Ok(()) };
        if event != Event::AgentNote && conversation.state().is_over() {
            return Err(CLOSED);
        }
        if conversation.agent.as_ref() == Some(name) { Ok(()) } else { Err(NOT_YOURS) }
    }

    /// One step of the dialog; a refusal changes nothing.
    pub(super) fn step(&mut self, index: Index, event: Event) -> Result<&'static [Action], Refusal> {
        let conversation = self.conversations.at(index);
        let before = conversation.state();
        let (state, actions) = dialog::next_state(&before, &event);
        if let [Action::Refuse(refusal)] = actions {
            return Err(*refusal);
        }
        self.conversations.set_state(index, state);
        let conversation = self.conversations.at(index);
        if !matches!(state, State::Serving { .. }) {
            conversation.given_up = conversation.seat.take().or(conversation.given_up);
        }
        if state != (State::Serving { unanswered: true }) {
            conversation.accept_within_ms = None;
        }
        // An agent who goes on writing gives the visitor time; a visitor who does gives the agent none.
        if state != before || matches!(event, Event::AgentMessage | Event::AgentAssigned) {
            self.start_clock(index, 0);
        }
        Ok(actions)
    }

    pub(super) fn append_from(
        &mut self,
        index: Index,
        sender: &Sender,
        kind: EventKind,
        content: String,
        actions: &[Action],
        out: &mut Outputs,
    ) {
        let from_name = self.name_of(sender, index);
        let draft =
            Draft { kind, role: sender.role(), from_id: sender.id(), from_name, client_id: "", content };
        let number = self.append(index, draft, out);
        self.carry_out(index, number, actions, out);
    }

    /// The name that others read beside what is said.
    fn name_of(&mut self, sender: &Sender, index: Index) -> String {
        match sender {
            Sender::Visitor { .. } => self.conversations.at(index).visitor.name.as_ref().to_owned(),
            Sender::Agent { name, .. } => name.as_ref().to_owned(),
        }
    }

    /// Gives the event its `seq` and journals it. Who reads it is told by [`Shard::carry_out`].
    pub(super) fn append(&mut self, index: Index, draft: Draft<'_>, out: &mut Outputs) -> u64 {
        let at_ms = self.now.unix_ms;
        let conversation = self.conversations.at(index);
        if !conversation.recorded {
            conversation.recorded = true;
            let record = Record::Conversation(conversation.record());
            let number = self.effects.next();
            out.list.push(Output::Record { number, record });
        }
        if !conversation.team_recorded {
            conversation.team_recorded = true;
            let record = Record::Team(TeamRecord {
                conversation: conversation.id.as_ref().to_owned(),
                team: conversation.team.as_ref().to_owned(),
                at_ms,
            });
            let number = self.effects.next();
            out.list.push(Output::Record { number, record });
        }
        if let Some(agent) = &conversation.agent {
            conversation.last_agent = Some((Arc::clone(agent), at_ms));
        }
        conversation.seq += 1;
        let event = EventRecord {
            conversation: conversation.id.as_ref().to_owned(),
            seq: conversation.seq,
            at_ms,
            kind: draft.kind,
            role: draft.role,
            from_id: draft.from_id.to_owned(),
            from_name: draft.from_name,
            client_id: draft.client_id.to_owned(),
            content: draft.content,
            agent: conversation.agent.as_deref().unwrap_or_default().to_owned(),
            phase: phases::phase_of(conversation.state()),
        };
        let number = self.effects.next();
        let frame = EventFrame::of(&event, &mut self.scratch);
        conversation.recent.push_back(Recent { seq: event.seq, number, sight: event.kind.into(), frame });
        self.conversations.unprojected(number, index);
        out.list.push(Output::Record { number, record: Record::Event(event) });
        number
    }

    /// Does what the dialog asked for, once the journal's record `number` is durable.
    pub(super) fn carry_out(&mut self, index: Index, number: u64, actions: &[Action], out: &mut Outputs) {
        for action in actions {
            let conversation = self.conversations.at(index);
            let id = Arc::clone(&conversation.id);
            let effect = match action {
                Action::SaveToDb => Effect::Publish { index, seq: conversation.seq },
                Action::Enqueue | Action::EnqueueAtHead => {
                    conversation.asked_desk = true;
                    let at_head = *action == Action::EnqueueAtHead;
                    Effect::Desk(DeskInput::Enqueue(Wanted {
                        conversation: id,
                        vip: conversation.visitor.vip,
                        since_ms: self.now.unix_ms,
                        at_head,
                        given_up: conversation.given_up.take(),
                        team: Arc::clone(&conversation.team),
                        last_agent: conversation.last_agent.clone().filter(|_| !at_head),
                        declined_by: conversation.declined_by.take(),
                    }))
                }
                Action::LeaveDesk => Effect::Desk(DeskInput::Leave { conversation: id }),
                Action::CallNlp | Action::Answer | Action::AskAgain => {
                    unreachable!("no bot is configured, and messages say so")
                }
                Action::Refuse(_) => unreachable!("`step` makes it an error"),
            };
            self.hold(number, effect, out);
        }
    }

    /// Answers whoever wants something.
    pub(super) fn reply(&mut self, sender: &Sender, message: &ServerMessage<'_>, out: &mut Outputs) {
        self.reply_with(Urgency::Normal, sender, message, out);
    }

    /// An agent, for whom a visitor waits, is always answered at once.
    pub(super) fn reply_with(
        &mut self,
        urgency: Urgency,
        sender: &Sender,
        message: &ServerMessage<'_>,
        out: &mut Outputs,
    ) {
        match sender {
            Sender::Visitor { connection, .. } => {
                out.send_with(urgency, *connection, |bytes| web::encode_message(message, bytes));
            }
            Sender::Agent { address, .. } => {
                let mut frame = Vec::new();
                web::encode_message(message, &mut frame);
                self.deliver(*address, frame.into(), out);
            }
        }
    }

    pub(super) fn dismiss_anywhere(&mut self, address: Address, farewell: Farewell, out: &mut Outputs) {
        let item = LaneItem::Dismiss { connection: address.connection, farewell };
        out.lane(usize::from(address.shard), true, item);
    }
}

fn ack(sender: &Sender, vip: bool, id: Box<str>, known: KnownId, received_us: u64) -> Effect {
    let by = match sender {
        Sender::Visitor { .. } if vip => Sayer::Vip,
        Sender::Visitor { .. } => Sayer::Normal,
        Sender::Agent { .. } => Sayer::Agent,
    };
    Effect::Ack { sender: sender.clone(), by, id, seq: known.seq, at_ms: known.at_ms, received_us }
}

/// A JSON string literal.
pub(super) fn json_string(text: &str) -> String {
    serde_json::to_string(text).expect("a string is always JSON")
}
