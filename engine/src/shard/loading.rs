//! What is on its way from SQL: who waits for it, and until when.
//!
//! Each question has a number, and only the answer with that number counts: one that comes late may be older than
//! what happened since. A question that is not answered in time is answered here, as if SQL had failed.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use store::sql::StoredConversation;

use super::{
    Farewell, Output, Outputs, Session, Shard,
    conversations::{Conversation, Feed, Index},
    hello::VisitorHello,
    inbound::Inbound,
    refusals::{self, Refused},
};
use crate::{
    desk::{Address, AgentName},
    identity::AgentRole,
    jobs::{Done, Job, KnownOfVisitor, StoreUnavailable},
    limits,
};

/// What waits for a conversation.
#[derive(Debug)]
pub enum Parked {
    /// Something wanted of it.
    Inbound(Inbound),
    /// Its visitor.
    Visitor {
        /// The connection.
        connection: u64,
        /// What it said.
        hello: VisitorHello,
    },
    /// An agent who had it when last here.
    AgentReader {
        /// Where.
        address: Address,
        /// What the account may do.
        role: AgentRole,
        /// The last event the client has.
        after: u64,
    },
}

/// A visitor who names no conversation, by site and id.
type VisitorKey = (String, String);

#[derive(Debug)]
enum Asked {
    Conversation(Arc<str>),
    Open(VisitorKey),
    Events { conversation: Arc<str>, after: u64 },
}

/// All questions that are not answered.
#[derive(Debug, Default)]
pub struct Loading {
    last_request: u64,
    /// With the time of the question, milliseconds of the clock that does not go back.
    asked: BTreeMap<u64, (u64, Asked)>,
    conversations: HashMap<Arc<str>, Vec<Parked>>,
    visitors: HashMap<VisitorKey, Vec<(u64, VisitorHello)>>,
}

impl Loading {
    fn ask(&mut self, now_ms: u64, asked: Asked) -> u64 {
        self.last_request += 1;
        self.asked.insert(self.last_request, (now_ms, asked));
        self.last_request
    }

    /// The question, if its answer still counts.
    fn answered(&mut self, request: u64) -> Option<Asked> {
        self.asked.remove(&request).map(|(_, asked)| asked)
    }

    /// A question that has waited for too long.
    fn overdue(&mut self, now_ms: u64) -> Option<Asked> {
        // Questions are numbered in the order of time.
        let entry = self.asked.first_entry()?;
        let (since_ms, _) = entry.get();
        (now_ms > since_ms + limits::LOADING_MS).then(|| entry.remove().1)
    }

    fn has_room(&self) -> bool {
        self.conversations.len() + self.visitors.len() < limits::LOADING_CONVERSATIONS_MAX
    }
}

impl Shard {
    /// Keeps `item` until the conversation has come from SQL, and asks for it.
    pub(super) fn park(&mut self, conversation: &Arc<str>, item: Parked, out: &mut Outputs) {
        let has_room = self.loading.has_room();
        match self.loading.conversations.get_mut(conversation) {
            Some(parked) if parked.len() < limits::PARKED_ITEMS_MAX => parked.push(item),
            None if has_room => {
                self.loading.conversations.insert(Arc::clone(conversation), vec![item]);
                let asked = Asked::Conversation(Arc::clone(conversation));
                let request = self.loading.ask(self.now.monotonic_ms(), asked);
                let job = Job::LoadConversation { request, conversation: Arc::clone(conversation) };
                out.list.push(Output::Job(job));
            }
            Some(_) | None => self.refuse_parked(item, &refusals::OVERLOADED, Farewell::OVERLOADED, out),
        }
    }

    /// Keeps a visitor until SQL has said whether there is a conversation to go on with.
    pub(super) fn park_visitor(&mut self, connection: u64, hello: VisitorHello, out: &mut Outputs) {
        let has_room = self.loading.has_room();
        let key = (hello.visitor.site.clone(), hello.visitor.id.clone());
        match self.loading.visitors.get_mut(&key) {
            Some(parked) if parked.len() < limits::PARKED_ITEMS_MAX => parked.push((connection, hello)),
            None if has_room => {
                self.loading.visitors.insert(key.clone(), vec![(connection, hello)]);
                let (site, visitor) = key.clone();
                let request = self.loading.ask(self.now.monotonic_ms(), Asked::Open(key));
                let job = Job::LoadOpen { request, site, visitor };
                out.list.push(Output::Job(job));
            }
            Some(_) | None => return self.dismiss(connection, Farewell::OVERLOADED, out),
        }
        if let Some(session) = self.session_of(connection) {
            *session = Session::Pending;
        }
    }

    /// Asks for events that are not in memory any more.
    pub(super) fn ask_events(&mut self, conversation: Arc<str>, after: u64, out: &mut Outputs) {
        let asked = Asked::Events { conversation: Arc::clone(&conversation), after };
        let request = self.loading.ask(self.now.monotonic_ms(), asked);
        let job = Job::LoadEvents {
            request,
            conversation,
            after,
            limit: limits::EVENTS_PAGE,
            bytes_max: limits::PAGE_BYTES_MAX,
        };
        out.list.push(Output::Job(job));
    }

    /// The answer to a question, if that still counts.
    pub(super) fn loaded(&mut self, done: Done, out: &mut Outputs) {
        match done {
            Done::Conversation { request, found } => {
                if let Some(Asked::Conversation(id)) = self.loading.answered(request) {
                    self.conversation_loaded(&id, found, out);
                }
            }
            Done::Open { request, found } => {
                if let Some(Asked::Open(key)) = self.loading.answered(request) {
                    self.open_loaded(&key, found, out);
                }
            }
            Done::Events { request, found } => {
                if let Some(Asked::Events { conversation, after }) = self.loading.answered(request) {
                    self.events_loaded(&conversation, after, found, out);
                }
            }
            _ => unreachable!("only answers of SQL come here"),
        }
    }

    /// SQL cannot be asked.
    pub(super) fn not_loaded(&mut self, request: u64, out: &mut Outputs) {
        if let Some(asked) = self.loading.answered(request) {
            self.answer_unavailable(asked, out);
        }
    }

    /// Gives up what has waited for too long.
    pub(super) fn expire_loading(&mut self, out: &mut Outputs) {
        while let Some(asked) = self.loading.overdue(self.now.monotonic_ms()) {
            self.answer_unavailable(asked, out);
        }
    }

    fn answer_unavailable(&mut self, asked: Asked, out: &mut Outputs) {
        match asked {
            Asked::Conversation(id) => self.conversation_loaded(&id, Err(StoreUnavailable), out),
            Asked::Open(key) => self.open_loaded(&key, Err(StoreUnavailable), out),
            Asked::Events { conversation, after } => {
                self.events_loaded(&conversation, after, Err(StoreUnavailable), out);
            }
        }
    }

    fn refuse_parked(&mut self, item: Parked, refused: &Refused, farewell: Farewell, out: &mut Outputs) {
        match item {
            Parked::Inbound(inbound) => {
                self.counts.refused_overloaded[usize::from(inbound.vip)] += 1;
                self.tell(&inbound, refused, out);
            }
            Parked::Visitor { connection, .. } => self.dismiss(connection, farewell, out),
            Parked::AgentReader { address, .. } => self.dismiss_anywhere(address, farewell, out),
        }
    }

    fn conversation_loaded(
        &mut self,
        id: &Arc<str>,
        found: Result<Option<Box<StoredConversation>>, StoreUnavailable>,
        out: &mut Outputs,
    ) {
        let parked = self.loading.conversations.remove(id).unwrap_or_default();
        let Ok(found) = found else {
            for item in parked {
                self.refuse_parked(item, &refusals::UNAVAILABLE, Farewell::UNAVAILABLE, out);
            }
            return;
        };
        self.take_in(found);
        for item in parked {
            self.take_up(id, item, out);
        }
        if let Some(index) = self.conversations.find(id) {
            self.conversations.drop_if_idle(index);
        }
    }

    /// Into memory, unless it is there already: then memory knows better.
    fn take_in(&mut self, found: Option<Box<StoredConversation>>) -> Option<Index> {
        let stored = found?;
        match self.conversations.find(&stored.record.conversation) {
            Some(index) => Some(index),
            None => {
                let passed_ms = self.now.unix_ms.saturating_sub(stored.last_at_ms);
                let index = self.conversations.insert(Conversation::from_stored(*stored));
                self.start_clock(index, passed_ms);
                Some(index)
            }
        }
    }

    fn take_up(&mut self, id: &Arc<str>, item: Parked, out: &mut Outputs) {
        match item {
            Parked::Visitor { connection, hello } => self.attach_loaded(connection, id, hello, out),
            Parked::Inbound(inbound) if self.conversations.find(id).is_some() => self.inbound(inbound, out),
            Parked::Inbound(inbound) => {
                self.counts.refused_invalid[usize::from(inbound.vip)] += 1;
                self.tell(&inbound, &refusals::UNKNOWN, out);
            }
            Parked::AgentReader { address, role, after } => {
                if let Some(index) = self.conversations.find(id) {
                    self.tell_the_rest(index, (address, role), after, out);
                }
            }
        }
    }

    fn open_loaded(
        &mut self,
        key: &VisitorKey,
        found: Result<KnownOfVisitor, StoreUnavailable>,
        out: &mut Outputs,
    ) {
        let parked = self.loading.visitors.remove(key).unwrap_or_default();
        let Ok(KnownOfVisitor { open, last_id, last_agent }) = found else {
            for (connection, _) in parked {
                self.dismiss(connection, Farewell::UNAVAILABLE, out);
            }
            return;
        };
        // Where another one was begun meanwhile, that is the open one.
        let (site, visitor) = key;
        let taken_in = match self.conversations.open_of(site, visitor) {
            Some(_) => None,
            None => self.take_in(open),
        };
        let last_agent: Option<(AgentName, u64)> = last_agent.map(|(agent, at_ms)| (agent.into(), at_ms));
        for (connection, hello) in parked {
            let hello = VisitorHello { last_agent: last_agent.clone(), ..hello };
            self.attach_found(connection, hello, last_id.as_deref(), out);
        }
        if let Some(index) = taken_in {
            self.conversations.drop_if_idle(index);
        }
    }

    /// The client has taken a page: it is given the next, or what is live.
    pub(super) fn page_taken(&mut self, conversation: &str, address: Address, out: &mut Outputs) {
        let Some(index) = self.conversations.find(conversation) else { return };
        let readers = &mut self.conversations.at(index).readers;
        let paging =
            readers.iter_mut().find(|reader| reader.address == address && reader.feed == Feed::Paging);
        if let Some(reader) = paging {
            reader.feed = Feed::Live;
            self.catch_up(index, out);
        }
    }
}
