//! Hello: who is behind a connection, and the move to the shard that owns the visitor's conversation.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::Arc,
};

use std::net::IpAddr;

use codec::{
    message::{Hello, ServerMessage},
    websocket::{Decoder, Deflate, Side},
};
use dialog::Event;
use store::record::ConversationRecord;

use super::{
    AgentConnection, Ended, Farewell, LaneItem, Output, Outputs, SITE, Session, Shard, Urgency,
    connections::{Connection, Stage},
    conversations::{Conversation, Feed, Index, Reader},
    edge::Edge,
    loading::Parked,
};
use crate::{
    allowance::Allowance,
    channel::web::{self, WebConnection},
    desk::{Address, AgentName, DeskInput},
    gate::Permit,
    identity::{self, AgentRole, Class, TokenError, Visitor},
    jobs::{Job, StoreUnavailable},
    limits,
    origin::Roles,
    placement,
    roles::Who,
};

/// What goes with a connection that moves to another shard.
#[derive(Debug)]
pub struct Arrival {
    /// In the state that the bytes so far left it.
    pub decoder: Decoder,
    /// What was agreed, if messages may be compressed.
    pub deflate: Option<Deflate>,
    /// What came behind the hello.
    pub bytes: Vec<u8>,
    /// The hello itself.
    pub hello: VisitorHello,
    /// The connection's place among all that there are.
    pub permit: Option<Permit>,
    /// How many more pings are borne.
    pub pings: Allowance,
    /// What lies between its bytes and what they say, in the state that the bytes so far left it in.
    pub edge: Edge,
    /// Whose connection it is, where that was asked.
    pub client: Option<IpAddr>,
}

/// A visitor's hello after its token was checked.
#[derive(Debug)]
pub struct VisitorHello {
    /// Who, as signed.
    pub visitor: Visitor,
    /// The conversation to go on with.
    pub conversation: Option<String>,
    /// The last event the client has of it.
    pub after: u64,
    /// The page the visitor is on.
    pub page: String,
    /// The team that it wants, for a new conversation; empty: the first.
    pub team: String,
    /// Who served it last, once SQL has said so.
    pub last_agent: Option<(AgentName, u64)>,
    /// The token to come back with, for one who had none.
    pub new_token: Option<String>,
}

/// Connections and what goes with them come by different ways; here they meet.
#[derive(Debug, Default)]
pub struct Arrivals {
    halves: HashMap<u64, Half>,
}

#[derive(Debug)]
enum Half {
    Connection(u64),
    Arrival { arrival: Box<Arrival>, since_ms: u64 },
}

impl Arrivals {
    /// The connection is gone before it was known whose it was.
    pub fn forget(&mut self, token: u64) {
        self.halves.remove(&token);
    }

    /// Forgets arrivals whose connection died on the way.
    pub fn expire(&mut self, now_ms: u64) {
        if self.halves.is_empty() {
            return;
        }
        self.halves.retain(|_, half| match half {
            Half::Connection(_) => true,
            Half::Arrival { since_ms, .. } => now_ms.saturating_sub(*since_ms) <= limits::MOVING_MS,
        });
    }
}

impl Farewell {
    const FORGED: Self =
        Self::new(4401, "bad_token", "the token is not one that this server accepts; get a new one");
    const EXPIRED: Self = Self::new(4401, "expired_token", "the token has expired; get a new one");
    const DISABLED: Self = Self::new(4401, "bad_token", "this account was disabled; ask an administrator");
    const UNKNOWN_SITE: Self =
        Self::new(4400, "unknown_site", "this server has no such site; leave it out or use \"default\"");
    const TOO_MANY_CONNECTIONS: Self =
        Self::new(1013, "too_many_connections", "this agent has too many connections; close some windows");
}

impl Shard {
    pub(super) fn hello(&mut self, id: u64, hello: Hello<'_>, out: &mut Outputs) {
        if !self.may_be(id, &hello) {
            self.count_end(Ended::Origin);
            return self.dismiss(id, Farewell::WRONG_ORIGIN, out);
        }
        match hello {
            Hello::Visitor { site, token, conversation, after, page, team } => {
                let site = site.as_deref().unwrap_or(SITE);
                if site != SITE {
                    return self.dismiss(id, Farewell::UNKNOWN_SITE, out);
                }
                let (visitor, new_token) = match self.visitor_of(site, token.as_deref()) {
                    Ok(found) => found,
                    Err(farewell) => return self.dismiss(id, farewell, out),
                };
                let conversation = conversation.map(Into::into);
                let page = page.map(Into::into).unwrap_or_default();
                let team = team.map(Into::into).unwrap_or_default();
                let hello =
                    VisitorHello { visitor, conversation, after, page, team, new_token, last_agent: None };
                self.no_stranger(id);
                self.place_visitor(id, hello, out);
            }
            Hello::Agent { token, conversations } => {
                let resume = conversations.into_iter().map(|(id, after)| (id.into_owned(), after)).collect();
                self.hello_agent(id, &token, resume, out);
            }
        }
    }

    /// Whose token it is; without one, a new anonymous visitor of this shard and the token to come back.
    fn visitor_of(&mut self, site: &str, token: Option<&str>) -> Result<(Visitor, Option<String>), Farewell> {
        let now_s = self.now.unix_ms / 1_000;
        if let Some(token) = token {
            let visitor = self.settings.identity.visitor(token, now_s).map_err(farewell_of)?;
            return if visitor.site == site { Ok((visitor, None)) } else { Err(Farewell::UNKNOWN_SITE) };
        }
        let visitor = self.new_visitor(site);
        let token =
            self.settings.identity.sign_anonymous(&visitor.id, site, now_s + identity::ANONYMOUS_TTL_S);
        Ok((visitor, Some(token)))
    }

    /// An anonymous visitor whose conversations this shard owns, so that the connection need not move.
    fn new_visitor(&mut self, site: &str) -> Visitor {
        loop {
            let number = self.token();
            let unique = placement::stable_hash(&[&self.settings.run.to_string(), &number.to_string()]);
            let id = format!("{}{unique:016x}", identity::ANONYMOUS_PREFIX);
            if placement::shard_of_visitor(site, &id, self.settings.shards) == self.index {
                let (name, site) = (String::new(), site.to_owned());
                return Visitor { id, name, class: Class::Normal, site, anonymous: true };
            }
        }
    }

    /// Attaches the visitor here, or sends the connection to where the conversation is.
    fn place_visitor(&mut self, id: u64, hello: VisitorHello, out: &mut Outputs) {
        let to = placement::shard_of_visitor(&hello.visitor.site, &hello.visitor.id, self.settings.shards);
        if to == self.index {
            return self.attach(id, hello, out);
        }
        let token = self.token();
        // The decoder follows when the bytes it is reading are through.
        let (decoder, deflate) = (Decoder::new(Side::Server, 0), self.deflate_of(id));
        let connection = self.connections.find(id).expect("it just said hello");
        let pings = if let Stage::Web(web) = &connection.stage { web.pings } else { Allowance::default() };
        let permit = connection.permit.take();
        let (edge, client) = (Edge::Elsewhere, None);
        let arrival = Arrival { decoder, deflate, bytes: Vec::new(), hello, permit, pings, edge, client };
        connection.stage = Stage::Leaving { to, token, arrival: Box::new(arrival) };
        out.list.push(Output::HandOver { connection: id, to, token });
    }

    pub(super) fn handed_over(&mut self, id: u64, out: &mut Outputs) {
        let Some(Connection { stage: Stage::Leaving { to, token, mut arrival }, edge, client, .. }) =
            self.connections.remove(id)
        else {
            return;
        };
        (arrival.edge, arrival.client) = (edge, client);
        out.lane(to, true, LaneItem::Arrival { token, arrival });
    }

    pub(super) fn connection_adopted(&mut self, id: u64, token: u64, out: &mut Outputs) {
        match self.arrivals.halves.entry(token) {
            Entry::Occupied(entry) => match entry.remove() {
                Half::Arrival { arrival, .. } => self.land(id, *arrival, out),
                Half::Connection(_) => unreachable!("a token names one connection"),
            },
            Entry::Vacant(entry) => {
                entry.insert(Half::Connection(id));
            }
        }
    }

    pub(super) fn arrived(&mut self, token: u64, arrival: Box<Arrival>, out: &mut Outputs) {
        match self.arrivals.halves.remove(&token) {
            Some(Half::Connection(id)) => self.land(id, *arrival, out),
            Some(Half::Arrival { .. }) => unreachable!("a token names one arrival"),
            None => {
                let since_ms = self.now.monotonic_ms();
                self.arrivals.halves.insert(token, Half::Arrival { arrival, since_ms });
            }
        }
    }

    /// Both halves are here: the visitor says hello to its own shard, and goes on in mid-sentence.
    fn land(&mut self, id: u64, arrival: Arrival, out: &mut Outputs) {
        let now_ms = self.now.monotonic_ms();
        let Some(connection) = self.connections.find(id) else { return };
        let fragments_max = self.settings.peers.fragments_max;
        let mut web = WebConnection::new(Roles::ANY, arrival.deflate, fragments_max, now_ms);
        (web.decoder, web.pings) = (arrival.decoder, arrival.pings);
        connection.permit = arrival.permit;
        let before = std::mem::replace(&mut connection.stage, Stage::Web(Box::new(web)));
        let Stage::Arriving { bytes: mut held, .. } = before else {
            unreachable!("adopted and not yet landed")
        };
        (connection.edge, connection.client) = (arrival.edge, arrival.client);
        self.flush_edge(id, out);
        self.attach(id, arrival.hello, out);
        let mut bytes = arrival.bytes;
        if !bytes.is_empty() {
            self.web_received(id, &mut bytes, out);
        }
        if !held.is_empty() {
            self.received(id, &mut held, out);
        }
        self.bound_held(id, out);
    }

    /// Finds the visitor's conversation: the one named, else the open one, else a new one.
    fn attach(&mut self, id: u64, hello: VisitorHello, out: &mut Outputs) {
        if self.failed {
            return self.dismiss(id, Farewell::STORAGE_FAILED, out);
        }
        let hash = placement::visitor_hash(&hello.visitor.site, &hello.visitor.id);
        // Another visitor's conversation is as good as none: the client kept it from an earlier identity.
        let named =
            hello.conversation.as_deref().filter(|id| placement::hash_of_conversation(id) == Some(hash));
        let Some(named) = named else { return self.attach_open(id, hello, out) };
        match self.conversations.find(named) {
            Some(index) if self.is_with(index, &hello.visitor) => self.seat_visitor(id, index, hello, out),
            Some(_) => self.attach_open(id, hello, out),
            None => {
                let conversation: Arc<str> = named.into();
                *self.session_of(id).expect("it just said hello") = Session::Pending;
                self.park(&conversation, Parked::Visitor { connection: id, hello }, out);
            }
        }
    }

    fn is_with(&mut self, index: Index, visitor: &Visitor) -> bool {
        self.conversations.at(index).is_with(&visitor.site, &visitor.id)
    }

    /// The conversation the visitor named was fetched from SQL, or there is none by that name.
    pub(super) fn attach_loaded(&mut self, id: u64, named: &str, hello: VisitorHello, out: &mut Outputs) {
        if self.session_of(id).is_none() {
            return;
        }
        if self.failed {
            return self.dismiss(id, Farewell::STORAGE_FAILED, out);
        }
        match self.conversations.find(named) {
            Some(index) if self.is_with(index, &hello.visitor) => self.seat_visitor(id, index, hello, out),
            Some(_) => self.attach_open(id, hello, out),
            // It was given in a welcome, and nothing was said in it before the server started anew.
            None if placement::begun_ms(named).is_some_and(|begun| begun < placement::BEGUN_MS_MAX) => {
                self.attach_new(id, named.to_owned(), hello, out);
            }
            None => self.attach_open(id, hello, out),
        }
        self.read_on(id, out);
    }

    fn attach_open(&mut self, id: u64, hello: VisitorHello, out: &mut Outputs) {
        let is_known = self.conversations.open_of(&hello.visitor.site, &hello.visitor.id).is_some();
        // Whoever got a name just now has no conversation anywhere.
        if is_known || hello.new_token.is_some() {
            self.attach_here(id, hello, None, out);
        } else {
            self.park_visitor(id, hello, out);
        }
    }

    /// SQL has said whether the visitor has an open conversation, and it is in memory if so; `last_id` is the last
    /// that SQL has of the visitor.
    pub(super) fn attach_found(
        &mut self,
        id: u64,
        hello: VisitorHello,
        last_id: Option<&str>,
        out: &mut Outputs,
    ) {
        if self.session_of(id).is_none() {
            return;
        }
        if self.failed {
            return self.dismiss(id, Farewell::STORAGE_FAILED, out);
        }
        self.attach_here(id, hello, last_id, out);
        self.read_on(id, out);
    }

    /// To the open conversation in memory, else to a new one.
    fn attach_here(&mut self, id: u64, hello: VisitorHello, last_id: Option<&str>, out: &mut Outputs) {
        if let Some(index) = self.conversations.open_of(&hello.visitor.site, &hello.visitor.id) {
            // `after` counts another conversation's events.
            let named = hello.conversation.as_deref() == Some(&*self.conversations.at(index).id);
            let after = if named || hello.conversation.is_none() { hello.after } else { 0 };
            return self.seat_visitor(id, index, VisitorHello { after, ..hello }, out);
        }
        let named = self.new_name(&hello.visitor, last_id);
        self.attach_new(id, named, VisitorHello { after: 0, ..hello }, out);
    }

    /// A name that no conversation of the visitor has or had. The clock alone does not give one: it may be set back,
    /// and before 1970 it stands still. What this run has used, or has of former runs from the journal, is no newer than
    /// `newest_begun_ms`; all else is in SQL.
    fn new_name(&self, visitor: &Visitor, last_id: Option<&str>) -> String {
        let hash = placement::visitor_hash(&visitor.site, &visitor.id);
        let last_ms = last_id.and_then(placement::begun_ms).unwrap_or(0).max(self.newest_begun_ms);
        placement::conversation_id(hash, self.now.unix_ms.max(last_ms + 1))
    }

    fn attach_new(&mut self, id: u64, named: String, hello: VisitorHello, out: &mut Outputs) {
        let begun_ms = placement::begun_ms(&named).expect("named here, or checked");
        self.newest_begun_ms = self.newest_begun_ms.max(begun_ms);
        let record = ConversationRecord {
            conversation: named,
            site: hello.visitor.site.clone(),
            visitor: hello.visitor.id.clone(),
            name: hello.visitor.name.clone(),
            vip: hello.visitor.class == Class::Vip,
            page: hello.page.clone(),
            at_ms: self.now.unix_ms,
        };
        let index = self.conversations.insert(Conversation::new(record));
        let conversation = self.conversations.at(index);
        conversation.last_agent.clone_from(&hello.last_agent);
        self.set_team(index, &hello.team);
        self.seat_visitor(id, index, hello, out);
    }

    /// Welcomes the visitor and gives what it has missed.
    fn seat_visitor(&mut self, id: u64, index: Index, hello: VisitorHello, out: &mut Outputs) {
        let (address, deflate) = (self.address(id), self.deflate_of(id));
        let conversation = self.conversations.at(index);
        let visitor = hello.visitor;
        let vip = visitor.class == Class::Vip;
        let known = &mut conversation.visitor;
        if *known.name != visitor.name || known.vip != vip || *known.page != hello.page {
            known.name = visitor.name.into();
            known.vip = vip;
            known.page = hello.page.into();
            // Journaled with the next event: a page view alone is not worth a write.
            conversation.recorded = false;
        }
        let (state, _) = dialog::next_state(&conversation.state(), &Event::VisitorArrived);
        self.conversations.set_state(index, state);
        let conversation = self.conversations.at(index);
        let cursor = hello.after.min(conversation.durable);
        let reader = Reader {
            address,
            who: Who::Visitor,
            deflate,
            watches: false,
            cursor,
            feed: Feed::Live,
            until: None,
        };
        // Hardly any has more than its visitor and one agent, and a vector's own guess is four.
        conversation.readers.reserve_exact(1);
        conversation.readers.push(reader);
        let welcome = ServerMessage::Welcome {
            conversation: Some((&*conversation.id).into()),
            seq: conversation.durable,
            token: hello.new_token.map(Into::into),
            version: env!("CARGO_PKG_VERSION").into(),
            heartbeat_ms: self.settings.heartbeat_ms,
        };
        // Where thousands come back at once, those who are here go first.
        let urgency = if vip { Urgency::Urgent } else { Urgency::Later };
        out.send_with(urgency, id, |bytes| web::encode_message(&welcome, bytes));
        let (conversation, visitor) = (Arc::clone(&conversation.id), Arc::clone(&conversation.visitor.id));
        let session = Session::Visitor { conversation, visitor, vip };
        *self.session_of(id).expect("it just said hello") = session;
        self.counts.visitors[usize::from(vip)] += 1;
        self.catch_up_with(index, Some(address), out);
    }

    fn hello_agent(&mut self, id: u64, token: &str, resume: Arc<[(String, u64)]>, out: &mut Outputs) {
        let agent = match self.settings.identity.agent(token, self.now.unix_ms / 1_000) {
            Ok(agent) => agent,
            Err(error) => return self.dismiss(id, farewell_of(error), out),
        };
        let name: AgentName = agent.name.into();
        if self.agents.get(&name).is_some_and(|addresses| addresses.len() >= limits::AGENT_CONNECTIONS_MAX) {
            return self.dismiss(id, Farewell::TOO_MANY_CONNECTIONS, out);
        }
        self.no_stranger(id);
        *self.session_of(id).expect("it just said hello") = Session::Pending;
        out.list.push(Output::Job(Job::CheckAgent { connection: id, name, resume }));
    }

    /// The account of an agent with a good token was looked up: the token may outlive it.
    pub(super) fn agent_checked(
        &mut self,
        id: u64,
        name: AgentName,
        resume: Arc<[(String, u64)]>,
        role: Result<Option<AgentRole>, StoreUnavailable>,
        out: &mut Outputs,
    ) {
        if !matches!(self.session_of(id), Some(Session::Pending)) {
            return;
        }
        let role = match role {
            Ok(Some(role)) => role,
            Ok(None) => return self.dismiss(id, Farewell::DISABLED, out),
            Err(StoreUnavailable) => return self.dismiss(id, Farewell::UNAVAILABLE, out),
        };
        let address = self.address(id);
        *self.session_of(id).expect("it just said hello") = Session::Agent { name: Arc::clone(&name), role };
        self.counts.agents += 1;
        let welcome = ServerMessage::Welcome {
            conversation: None,
            seq: 0,
            token: None,
            version: env!("CARGO_PKG_VERSION").into(),
            heartbeat_ms: self.settings.heartbeat_ms,
        };
        out.send(id, |bytes| web::encode_message(&welcome, bytes));
        self.tell_shedding(id, out);
        let deflate = self.deflate_of(id);
        for shard in 0..self.settings.shards {
            let (agent, resume) = (Arc::clone(&name), Arc::clone(&resume));
            let item = LaneItem::AgentArrived { agent, address, role, deflate, resume };
            out.lane(shard, true, item);
        }
        self.tell_desk(DeskInput::Arrived { agent: name, address }, out);
        self.read_on(id, out);
    }

    /// An agent connected somewhere: what it serves here is read there from now on.
    pub(super) fn agent_arrived(
        &mut self,
        agent: AgentName,
        (address, role): (Address, AgentRole),
        deflate: Option<Deflate>,
        resume: &[(String, u64)],
        out: &mut Outputs,
    ) {
        self.deflating.extend(deflate.map(|deflate| (address, deflate)));
        let known = |id: &str| resume.iter().find(|(named, _)| named == id).map(|(_, after)| *after);
        let served = self.conversations.served_by(&agent);
        for index in &served {
            let cursor = known(&self.conversations.at(*index).id).unwrap_or(0);
            self.add_agent_reader(*index, (address, role), cursor, None, out);
        }
        let here = |id: &str| placement::shard_of_conversation(id, self.settings.shards) == Some(self.index);
        let resumed: Vec<_> = resume.iter().filter(|(id, _)| here(id)).collect();
        for (id, after) in resumed {
            match self.conversations.find(id) {
                Some(index) if served.contains(&index) => {}
                Some(index) => self.tell_the_rest(index, (address, role), *after, out),
                None => {
                    let id: Arc<str> = id.as_str().into();
                    self.park(&id, Parked::AgentReader { address, role, after: *after }, out);
                }
            }
        }
        self.agents.entry(agent).or_default().push(AgentConnection { address, role });
    }

    /// An agent gets what happened in a conversation that it had when it was last here, up to now.
    pub(super) fn tell_the_rest(
        &mut self,
        index: Index,
        who: (Address, AgentRole),
        after: u64,
        out: &mut Outputs,
    ) {
        // What is decided and not yet durable is told when it is: an end or a transfer among it.
        let until = self.conversations.at(index).seq;
        if after < until {
            self.add_agent_reader(index, who, after, Some(until), out);
        }
    }

    pub(super) fn add_agent_reader(
        &mut self,
        index: Index,
        (address, role): (Address, AgentRole),
        after: u64,
        until: Option<u64>,
        out: &mut Outputs,
    ) {
        let conversation = self.conversations.at(index);
        let cursor = after.min(conversation.durable);
        let deflate = self.deflating.get(&address).copied();
        conversation.readers.retain(|reader| reader.address != address);
        conversation.readers.reserve_exact(1);
        conversation.readers.push(Reader {
            address,
            who: role.into(),
            deflate,
            watches: false,
            cursor,
            feed: Feed::Live,
            until,
        });
        self.catch_up(index, out);
    }

    pub(super) fn agent_departed(&mut self, agent: &AgentName, address: Address) {
        self.deflating.remove(&address);
        if let Some(connections) = self.agents.get_mut(agent) {
            connections.retain(|known| known.address != address);
            if connections.is_empty() {
                self.agents.remove(agent);
            }
        }
        self.conversations.remove_reader(address);
    }
}

fn farewell_of(error: TokenError) -> Farewell {
    match error {
        TokenError::Expired => Farewell::EXPIRED,
        TokenError::Forged | TokenError::Malformed => Farewell::FORGED,
    }
}
