//! The conversations a shard owns, as far as they are in memory.
//!
//! Every conversation that waits or is served is here; of its events only the newest, the rest is in SQL. One
//! that is over, or asks for nobody, goes when nobody reads it any more, and comes back when somebody does.

use std::{
    collections::{BTreeSet, HashMap, VecDeque},
    sync::Arc,
};

use codec::{
    message,
    websocket::{Compressor, Deflate},
};
use dialog::State;
use store::{
    record::{ConversationRecord, EventKind, EventRecord, Phase, Role},
    sql::{KnownMessage, StoredConversation},
};

use super::{
    event_frame::EventFrame,
    known_ids::{KnownId, KnownIds},
    phases::{phase_of, state_of},
};
use crate::{
    desk::{Address, AgentName, teams::TeamName},
    placement,
    planted::{self, Planted},
    roles::{self, Sight, Who},
};

/// Records that are looked at in one turn for what of them may be forgotten: more than are made in one.
const TRIMMED_PER_TURN_MAX: usize = 256;

/// Events kept in memory after they are in SQL: what a short loss of the network misses. Each is a frame of some
/// hundred bytes, for every conversation.
const RECENT_EVENTS_KEPT: usize = 2;

/// Events that there is room for after some were forgotten.
const RECENT_EVENTS_ROOM: usize = 4;

/// Events of a conversation that are compressed at once: each costs some 15 µs.
const COMPRESSED_EVENTS_MAX: usize = 8;

/// Where a conversation is in [`Conversations`]. Reused after it is gone, but never while an effect of it is
/// waiting.
pub type Index = usize;

/// Somebody who gets a conversation's events.
#[derive(Debug)]
pub struct Reader {
    /// Where.
    pub address: Address,
    /// As whom: not everybody sees everything.
    pub who: Who,
    /// What its connection agreed on, if it takes compressed frames.
    pub deflate: Option<Deflate>,
    /// The last event given.
    pub cursor: u64,
    /// What it is given next.
    pub feed: Feed,
    /// Reads along, whoever serves.
    pub watches: bool,
    /// Leaves after this event.
    pub until: Option<u64>,
}

impl Reader {
    /// Whether it is told why a conversation went to an agent.
    pub fn knows_why(&self) -> bool {
        roles::shows(self.who, Sight::Why)
    }
}

/// How a reader gets its events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Feed {
    /// As they become durable.
    Live,
    /// Older ones were asked of SQL; live ones wait.
    Asked,
    /// A page is on its way; the next when the client has taken it.
    Paging,
}

/// An event in memory, ready to send.
#[derive(Debug)]
pub struct Recent {
    /// Its number in the conversation.
    pub seq: u64,
    /// Its number in the journal.
    pub number: u64,
    /// What it is to see.
    pub sight: Sight,
    /// What the readers get.
    pub frame: EventFrame,
}

/// There are some of it in every conversation.
const RECENT_BYTES_MAX: usize = 40;
const _: () = assert!(size_of::<Recent>() <= RECENT_BYTES_MAX);

/// Who a conversation is with: the journal's record of it without its id, in as little memory as that takes.
#[derive(Debug)]
pub struct Visitor {
    /// The shop.
    pub site: Box<str>,
    /// The visitor's id within the site; the sessions of the visitor share it.
    pub id: Arc<str>,
    /// The name to show; may be empty.
    pub name: Box<str>,
    /// Signed as VIP.
    pub vip: bool,
    /// The page the visitor wrote from; may be empty.
    pub page: Box<str>,
    /// When it was begun, milliseconds since 1970.
    pub at_ms: u64,
}

impl From<ConversationRecord> for Visitor {
    fn from(record: ConversationRecord) -> Self {
        let ConversationRecord { conversation: _, site, visitor, name, vip, page, at_ms } = record;
        Self { site: site.into(), id: visitor.into(), name: name.into(), vip, page: page.into(), at_ms }
    }
}

/// One conversation.
#[derive(Debug)]
pub struct Conversation {
    /// Its id.
    pub id: Arc<str>,
    /// Who it is with.
    pub visitor: Visitor,
    /// Whether that is in the journal as it is.
    pub recorded: bool,
    /// Where the dialog stands.
    state: State,
    /// Who serves it; after its end, who did.
    pub agent: Option<AgentName>,
    /// The last event decided.
    pub seq: u64,
    /// The last event that is durable: the last that anyone may see.
    pub durable: u64,
    /// Whether the visitor has rated.
    pub rated: bool,
    /// Its seat at the desk, as the desk numbers them; nothing: it has none.
    pub seat: Option<u64>,
    /// The seat that it gives up with the next word to the desk.
    pub given_up: Option<u64>,
    /// Who gave it back, or left it unanswered, and is not asked again at once.
    pub declined_by: Option<AgentName>,
    /// So long its agent has to accept it; nothing: it needs no word, or has it.
    pub accept_within_ms: Option<u64>,
    /// Which team it is for; empty: the first.
    pub team: TeamName,
    /// Whether `team` is in the journal as it is.
    pub team_recorded: bool,
    /// Who served the visitor last, and when the last word of it was, milliseconds since 1970.
    pub last_agent: Option<(AgentName, u64)>,
    /// The desk was asked for an agent, and has said nothing since.
    pub asked_desk: bool,
    /// When its state has lasted for too long, milliseconds of the clock that does not go back.
    deadline_ms: Option<u64>,
    /// The newest events; they end with `seq`.
    pub recent: VecDeque<Recent>,
    /// Who gets the events.
    pub readers: Vec<Reader>,
    /// What became of the newest messages.
    pub known_ids: KnownIds,
}

/// Everybody who is connected has one.
const CONVERSATION_BYTES_MAX: usize = 384;
const _: () = assert!(size_of::<Conversation>() <= CONVERSATION_BYTES_MAX);

impl Conversation {
    /// One in which nothing was said yet.
    pub fn new(mut record: ConversationRecord) -> Self {
        Self {
            id: std::mem::take(&mut record.conversation).into(),
            visitor: Visitor::from(record),
            recorded: false,
            state: State::Greeting,
            agent: None,
            seq: 0,
            durable: 0,
            rated: false,
            seat: None,
            given_up: None,
            declined_by: None,
            accept_within_ms: None,
            team: TeamName::default(),
            team_recorded: true,
            last_agent: None,
            asked_desk: false,
            deadline_ms: None,
            recent: VecDeque::new(),
            readers: Vec::new(),
            known_ids: KnownIds::default(),
        }
    }

    /// As SQL has it.
    pub fn from_stored(stored: StoredConversation) -> Self {
        let agent = agent_of(&stored.agent);
        let mut conversation = Self {
            recorded: true,
            state: state_of(stored.phase, stored.last_message),
            last_agent: agent.clone().map(|agent| (agent, stored.last_at_ms)),
            agent,
            team: stored.team.into(),
            seq: stored.seq,
            durable: stored.seq,
            rated: stored.rated,
            ..Self::new(stored.record)
        };
        for known in stored.known_ids.into_iter().filter(|_| !planted::is(Planted::ForgottenIds)) {
            let KnownMessage { sender, id, seq, at_ms } = known;
            conversation.known_ids.remember(&sender, &id, KnownId { seq, at_ms });
        }
        conversation
    }

    /// The journal has another record of who it is with.
    pub fn set_visitor(&mut self, record: ConversationRecord) {
        self.visitor = record.into();
    }

    /// Takes the next event that the journal has of it, with its number there, and which SQL lacks. `last_message` is the
    /// number of the last message.
    pub fn go_on(&mut self, number: u64, event: &EventRecord, last_message: u64, scratch: &mut Vec<u8>) {
        if event.seq != self.seq + 1 {
            // What is in memory has no gap.
            self.recent.clear();
        }
        self.seq = event.seq;
        self.durable = event.seq;
        self.state = state_of(event.phase, last_message);
        self.agent = agent_of(&event.agent);
        if let Some(agent) = &self.agent {
            self.last_agent = Some((Arc::clone(agent), event.at_ms));
        }
        self.rated |= event.kind == EventKind::Rating;
        if !event.client_id.is_empty() && !planted::is(Planted::ForgottenIds) {
            let known = KnownId { seq: event.seq, at_ms: event.at_ms };
            self.known_ids.remember(&event.from_id, &event.client_id, known);
        }
        let frame = EventFrame::of(event, scratch);
        self.recent.push_back(Recent { seq: event.seq, number, sight: event.kind.into(), frame });
    }

    /// What the journal is to have of it.
    pub fn record(&self) -> ConversationRecord {
        let Visitor { site, id, name, vip, page, at_ms } = &self.visitor;
        ConversationRecord {
            conversation: self.id.as_ref().to_owned(),
            site: site.as_ref().to_owned(),
            visitor: id.as_ref().to_owned(),
            name: name.as_ref().to_owned(),
            vip: *vip,
            page: page.as_ref().to_owned(),
            at_ms: *at_ms,
        }
    }

    /// Whether it is with this visitor.
    pub fn is_with(&self, site: &str, visitor: &str) -> bool {
        *self.visitor.id == *visitor && *self.visitor.site == *site
    }

    /// The hash its visitor is found by.
    fn visitor_hash(&self) -> u64 {
        placement::visitor_hash(&self.visitor.site, &self.visitor.id)
    }

    /// Where the dialog stands.
    pub fn state(&self) -> State {
        self.state
    }

    /// Whether it may go from memory: the desk does not have it, no clock runs, nothing is pending, nobody is there.
    fn is_idle(&self) -> bool {
        let is_expected = self.state.is_at_desk() || self.asked_desk || self.deadline_ms.is_some();
        let is_asked = matches!(self.state, State::Processing { .. });
        !is_expected && !is_asked && self.readers.is_empty() && self.durable == self.seq
    }

    /// Compresses the newest durable events once, if a reader is about to get them that agreed on it. Older ones
    /// go as they are: somebody comes back after long, and the turn is everybody's.
    pub fn compress_newest(&mut self, compressor: &mut Compressor) {
        let durable = self.durable;
        let lacks = |reader: &&Reader| {
            reader.deflate.is_some() && reader.feed == Feed::Live && reader.cursor < durable
        };
        let Some(cursor) = self.readers.iter().filter(lacks).map(|reader| reader.cursor).min() else {
            return;
        };
        let newest = self.recent.iter_mut().rev().skip_while(|recent| recent.seq > durable);
        for recent in newest.take(COMPRESSED_EVENTS_MAX).take_while(|recent| recent.seq > cursor) {
            recent.frame.compress(compressor);
        }
    }

    /// The first event in memory; one past the last if there is none.
    pub fn first_recent(&self) -> u64 {
        self.recent.front().map_or(self.seq + 1, |recent| recent.seq)
    }
}

/// A shard's conversations.
#[derive(Debug, Default)]
pub struct Conversations {
    slots: slab::Slab<Conversation>,
    by_id: HashMap<Arc<str>, Index>,
    /// How many stand where, in the order of [`Phase::ALL`].
    by_phase: [u64; Phase::ALL.len()],
    /// The one of each visitor that is not over, by the visitor's hash.
    open_by_visitor: HashMap<u64, Index>,
    /// Journal number and conversation of every event that SQL does not have yet.
    unprojected: VecDeque<(u64, Index)>,
    /// The last record that SQL is known to have.
    projected: u64,
    /// When whose state has lasted for too long.
    deadlines: BTreeSet<(u64, Index)>,
}

impl Conversations {
    /// How many are in memory.
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Id, phase and agent of each.
    pub fn all(&self) -> impl Iterator<Item = (&str, Phase, Option<&str>)> {
        self.slots.iter().map(|(_, conversation)| {
            (&*conversation.id, phase_of(conversation.state), conversation.agent.as_deref())
        })
    }

    /// How many stand where, in the order of [`Phase::ALL`].
    pub fn by_phase(&self) -> [u64; Phase::ALL.len()] {
        self.by_phase
    }

    fn count(&mut self, state: State) -> &mut u64 {
        // The numbers of phases begin with 1.
        &mut self.by_phase[phase_of(state) as usize - 1]
    }

    /// The dialog of the conversation at `index`, which must be in use, stands here from now on.
    pub fn set_state(&mut self, index: Index, state: State) {
        let before = std::mem::replace(&mut self.slots[index].state, state);
        *self.count(before) -= 1;
        *self.count(state) += 1;
    }

    /// Adds one that is not there.
    pub fn insert(&mut self, conversation: Conversation) -> Index {
        let id = Arc::clone(&conversation.id);
        let visitor = conversation.visitor_hash();
        let is_open = !conversation.state.is_over();
        *self.count(conversation.state) += 1;
        let index = self.slots.insert(conversation);
        self.by_id.insert(id, index);
        if is_open {
            self.open_by_visitor.insert(visitor, index);
        }
        index
    }

    /// Where the conversation is.
    pub fn find(&self, id: &str) -> Option<Index> {
        self.by_id.get(id).copied()
    }

    /// The visitor's conversation that is not over.
    pub fn open_of(&self, site: &str, visitor: &str) -> Option<Index> {
        let index = *self.open_by_visitor.get(&placement::visitor_hash(site, visitor))?;
        let conversation = self.slots.get(index)?;
        // The hash alone could be another visitor's.
        (conversation.is_with(site, visitor) && !conversation.state.is_over()).then_some(index)
    }

    /// The conversation at `index`, which must be in use.
    pub fn at(&mut self, index: Index) -> &mut Conversation {
        &mut self.slots[index]
    }

    /// Sets the conversation's clock, or stops it.
    pub fn set_deadline(&mut self, index: Index, deadline_ms: Option<u64>) {
        let before = std::mem::replace(&mut self.slots[index].deadline_ms, deadline_ms);
        if let Some(before) = before {
            self.deadlines.remove(&(before, index));
        }
        if let Some(deadline_ms) = deadline_ms {
            self.deadlines.insert((deadline_ms, index));
        }
    }

    /// The conversation whose deadline has passed first; it has none then.
    pub fn overdue(&mut self, now_ms: u64) -> Option<Index> {
        let (_, index) = *self.deadlines.first().filter(|(deadline_ms, _)| *deadline_ms <= now_ms)?;
        self.set_deadline(index, None);
        Some(index)
    }

    /// Every conversation an agent serves.
    pub fn served_by(&self, agent: &str) -> Vec<Index> {
        let serves = |conversation: &Conversation| {
            matches!(conversation.state, State::Serving { .. })
                && conversation.agent.as_deref() == Some(agent)
        };
        self.slots.iter().filter(|(_, conversation)| serves(conversation)).map(|(index, _)| index).collect()
    }

    /// Notes an event that SQL will have once the journal's record `number` is projected.
    pub fn unprojected(&mut self, number: u64, index: Index) {
        self.unprojected.push_back((number, index));
    }

    /// A connection reads nothing any more.
    pub fn remove_reader(&mut self, address: Address) {
        let mut left = Vec::new();
        for (index, conversation) in &mut self.slots {
            let before = conversation.readers.len();
            conversation.readers.retain(|reader| reader.address != address);
            if conversation.readers.len() < before {
                left.push(index);
            }
        }
        left.into_iter().for_each(|index| self.drop_if_idle(index));
    }

    /// SQL has all records up to this one: their events may be forgotten.
    pub fn projected(&mut self, up_to: u64) {
        self.projected = self.projected.max(up_to);
    }

    /// Records that SQL does not have yet, or that were not forgotten yet.
    pub fn kept(&self) -> usize {
        self.unprojected.len()
    }

    /// Whether there is something to forget.
    pub fn has_to_trim(&self) -> bool {
        self.unprojected.front().is_some_and(|(number, _)| *number <= self.projected)
    }

    /// Forgets events that SQL has, beyond the newest few of their conversations: a share of them, as SQL gets
    /// tens of thousands at once.
    pub fn trim(&mut self) {
        let projected = self.projected;
        for _ in 0..TRIMMED_PER_TURN_MAX {
            let Some((number, index)) = self.unprojected.front().copied() else { return };
            if number > projected {
                return;
            }
            self.unprojected.pop_front();
            let Some(conversation) = self.slots.get_mut(index) else { continue };
            while conversation.recent.len() > RECENT_EVENTS_KEPT
                && conversation.recent.front().is_some_and(|recent| recent.number <= projected)
            {
                conversation.recent.pop_front();
            }
            // Not before: to give back a part each time would copy the rest each time.
            if conversation.recent.len() <= RECENT_EVENTS_ROOM {
                conversation.recent.shrink_to(RECENT_EVENTS_ROOM);
            }
            self.drop_if_idle(index);
        }
    }

    /// Lets the conversation go from memory if nothing and nobody needs it.
    pub fn drop_if_idle(&mut self, index: Index) {
        let Some(conversation) = self.slots.get(index) else { return };
        let projected = self.unprojected.front().map_or(u64::MAX, |(number, _)| *number);
        let in_sql = conversation.recent.back().is_none_or(|newest| newest.number < projected);
        if !conversation.is_idle() || !in_sql {
            return;
        }
        let conversation = self.slots.remove(index);
        *self.count(conversation.state) -= 1;
        self.by_id.remove(&conversation.id);
        let visitor = conversation.visitor_hash();
        if self.open_by_visitor.get(&visitor) == Some(&index) {
            self.open_by_visitor.remove(&visitor);
        }
    }

    /// The durable events in memory as JSON, oldest first, with their numbers.
    pub fn recent_events(&self, id: &str, knows_why: bool) -> Vec<(u64, Arc<[u8]>)> {
        let Some(conversation) = self.find(id).and_then(|index| self.slots.get(index)) else {
            return Vec::new();
        };
        let durable = conversation.recent.iter().filter(|recent| recent.seq <= conversation.durable);
        durable.map(|recent| (recent.seq, recent.frame.json(knows_why).into())).collect()
    }
}

/// The agent in a record; nobody has no name.
fn agent_of(name: &str) -> Option<AgentName> {
    (!name.is_empty()).then(|| name.into())
}

/// The role's word on the wire.
pub fn wire_role(role: Role) -> message::Role {
    match role {
        Role::Visitor => message::Role::Visitor,
        Role::Agent => message::Role::Agent,
        Role::System => message::Role::System,
    }
}
