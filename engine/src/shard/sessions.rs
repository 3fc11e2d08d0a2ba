//! Live WebSocket connections: who is behind each, and what they say.

use std::{ops::ControlFlow, sync::Arc};

use codec::{
    json::{self, MessageError},
    message::{ClientMessage, ServerMessage, TransferTarget},
    websocket::{Deflate, Incoming},
};

use super::{
    Ended, Farewell, LaneItem, Output, Outputs, Shard, Urgency,
    connections::{Connection, Stage},
    inbound::{Body, Inbound, Sender},
};
use crate::{
    channel::web,
    desk::{AgentName, AgentStatus, DeskInput, Target},
    identity::AgentRole,
    limits, placement,
    roles::{self, Act, Grant, Who},
};

/// Who is behind a connection.
#[derive(Clone, Debug)]
pub enum Session {
    /// Nobody said hello yet.
    Unknown,
    /// A visitor whose conversation is being fetched, or an agent whose account is: what else they say waits.
    Pending,
    /// A visitor of a conversation of this shard.
    Visitor {
        /// Which.
        conversation: Arc<str>,
        /// The visitor's id.
        visitor: Arc<str>,
        /// Signed as VIP.
        vip: bool,
    },
    /// An agent.
    Agent {
        /// The login name.
        name: AgentName,
        /// What the account may do.
        role: AgentRole,
    },
}

impl Session {
    /// Whether nobody said hello yet.
    pub fn is_unknown(&self) -> bool {
        matches!(self, Self::Unknown)
    }
}

impl Farewell {
    /// Upgraded, then silent.
    pub const NO_HELLO: Self =
        Self::new(4408, "hello_first", "no hello came in time; say hello right after connecting");
    /// Nothing heard for two heartbeats.
    pub const IDLE: Self = Self::new(4408, "idle", "nothing was heard for two heartbeats; connect again");
    /// The server goes down in order.
    pub const STOPPING: Self =
        Self::new(1001, "server_stopping", "the server is stopping; connect again in a moment and resume");
    /// SQL cannot be asked.
    pub const UNAVAILABLE: Self =
        Self::new(1013, "unavailable", "the history cannot be read right now; connect again and resume");
    /// The journal has failed, and with it everything that this shard would have to store.
    pub const STORAGE_FAILED: Self = Self::new(
        1013,
        "storage_failed",
        "the server's disk has failed and what you wrote last may not be stored; connect again in a minute, \
         resume, and send again what was not acknowledged",
    );
    /// Too much is on its way from SQL.
    pub const OVERLOADED: Self = Self::new(
        1013,
        "overloaded",
        "too many conversations are being opened at once; connect again in a moment",
    );
    /// More is held of unfinished messages than there is memory for.
    pub const HELD: Self = Self::new(
        1013,
        "overloaded",
        "the server holds too many unfinished messages; connect again in a moment and resume",
    );
    /// Pings, and nothing but pings.
    pub const FLOOD: Self = Self::new(1008, "flood", "too many pings or pongs; send one in some seconds");
    /// From a web page that this role may not come from.
    pub const WRONG_ORIGIN: Self = Self::new(
        4403,
        "wrong_origin",
        "web pages of this origin may not connect in this role; see --visitor-origins and --agent-origins",
    );
    /// Not the first message.
    const HELLO_FIRST: Self = Self::new(4400, "hello_first", "say hello before anything else");
    /// Not the only hello.
    const HELLO_TWICE: Self =
        Self::new(4400, "hello_twice", "hello was said already; open a connection for another");
    /// Bytes instead of text.
    const BINARY: Self =
        Self::new(1003, "binary", "binary messages are not part of ringdesk.v1; send JSON as text");

    /// A farewell.
    pub(super) const fn new(close_code: u16, code: &'static str, text: &'static str) -> Self {
        Self { close_code, code, text }
    }
}

impl Shard {
    pub(super) fn web_received(&mut self, id: u64, bytes: &mut [u8], out: &mut Outputs) {
        // The decoder is borrowed from its place while its messages are acted on, which may end the
        // connection; it goes back if the connection is still a web connection then.
        let Some(Connection { stage: Stage::Web(web), .. }) = self.connections.find(id) else { return };
        if matches!(web.session, Session::Pending) {
            return self.hold_bytes(id, bytes, out);
        }
        let idle = codec::websocket::Decoder::new(codec::websocket::Side::Server, 0);
        let mut decoder = std::mem::replace(&mut web.decoder, idle);
        let mut decompressor = std::mem::take(&mut self.decompressor);
        let result = decoder
            .receive_with(bytes, &mut decompressor, &mut |incoming| self.web_incoming(id, incoming, out));
        self.decompressor = decompressor;
        match result {
            Err(error) => {
                self.count_end(Ended::Malformed);
                out.send(id, |bytes| web::encode_close(error.close_code(), error.text(), bytes));
                self.close_now(id, out);
            }
            Ok(used) => match self.connections.find(id).map(|connection| &mut connection.stage) {
                Some(Stage::Web(web)) => {
                    web.decoder = decoder;
                    if used < bytes.len() {
                        self.hold_bytes(id, &bytes[used..], out);
                    }
                }
                Some(Stage::Leaving { arrival, .. }) => {
                    arrival.decoder = decoder;
                    arrival.bytes.extend_from_slice(&bytes[used..]);
                }
                _ => {}
            },
        }
    }

    /// Keeps what comes while the hello waits for the pool, up to a limit.
    fn hold_bytes(&mut self, id: u64, bytes: &[u8], out: &mut Outputs) {
        let Some(Connection { stage: Stage::Web(web), .. }) = self.connections.find(id) else { return };
        if !web.hold(bytes) {
            self.dismiss(id, Farewell::OVERLOADED, out);
        }
    }

    /// The hello was answered: reads what came meanwhile.
    pub(super) fn read_on(&mut self, id: u64, out: &mut Outputs) {
        let Some(Connection { stage: Stage::Web(web), .. }) = self.connections.find(id) else { return };
        let mut held = web.take_held();
        if !held.is_empty() {
            self.web_received(id, &mut held, out);
        }
        self.bound_held(id, out);
    }

    fn web_incoming(&mut self, id: u64, incoming: Incoming<'_>, out: &mut Outputs) -> ControlFlow<()> {
        match incoming {
            Incoming::Text(text) => match json::decode_client(text) {
                Ok(message) => self.client_message(id, message, out),
                Err(error) => self.not_a_message(id, &error, out),
            },
            Incoming::Binary(_) => self.dismiss(id, Farewell::BINARY, out),
            Incoming::Ping(payload) => self.pinged(id, Some(payload), out),
            Incoming::Pong(_) => self.pinged(id, None, out),
            Incoming::Close(code, _) => {
                // 1005 is what no code is called, and must not be sent (RFC 6455, section 7.4.1).
                let code = if code == 1005 { 1000 } else { code };
                out.send(id, |bytes| web::encode_close(code, "", bytes));
                self.close_now(id, out);
            }
        }
        match self.connections.find(id) {
            Some(Connection { stage: Stage::Web(web), .. }) if !matches!(web.session, Session::Pending) => {
                ControlFlow::Continue(())
            }
            _ => ControlFlow::Break(()),
        }
    }

    /// A text that is no message: one that names itself is refused, so that the client's own mistake in one
    /// message does not cost it the connection; anything else ends it.
    fn not_a_message(&mut self, id: u64, error: &MessageError, out: &mut Outputs) {
        let known = self.session_of(id).is_some_and(|session| !session.is_unknown());
        if let Some(message) = error.id().filter(|_| known) {
            self.counts.refused_invalid[0] += 1;
            self.tell_refused(id, message, error.code(), &error.text(), None, out);
            return;
        }
        let text = error.text();
        let message = ServerMessage::Error {
            code: error.code().into(),
            text: text.as_str().into(),
            retry_after_ms: None,
        };
        out.send(id, |bytes| web::encode_message(&message, bytes));
        out.send(id, |bytes| web::encode_close(4400, error.code(), bytes));
        self.close_now(id, out);
    }

    fn client_message(&mut self, id: u64, message: ClientMessage<'_>, out: &mut Outputs) {
        let session = self.session_of(id).cloned();
        match (session, message) {
            (None, _) => {}
            (Some(Session::Unknown), ClientMessage::Hello(hello)) => self.hello(id, hello, out),
            (Some(_), ClientMessage::Hello(_)) => self.dismiss(id, Farewell::HELLO_TWICE, out),
            (Some(Session::Pending), _) => unreachable!("held until the pool has answered"),
            (Some(Session::Unknown), _) => self.dismiss(id, Farewell::HELLO_FIRST, out),
            (Some(session), message) if self.refuses_role(id, &session, &message, out) => {}
            (Some(Session::Visitor { conversation, visitor, vip }), message) => {
                self.visitor_message(id, conversation, visitor, vip, message, out);
            }
            (Some(Session::Agent { name, role }), message) => {
                self.agent_message(id, (name, role), message, out);
            }
        }
    }

    fn visitor_message(
        &mut self,
        id: u64,
        conversation: Arc<str>,
        visitor: Arc<str>,
        vip: bool,
        message: ClientMessage<'_>,
        out: &mut Outputs,
    ) {
        let named = match &message {
            ClientMessage::Message { conversation, .. }
            | ClientMessage::Typing { conversation, .. }
            | ClientMessage::Read { conversation, .. }
            | ClientMessage::Close { conversation } => conversation.as_deref(),
            _ => None,
        };
        if named.is_some_and(|named| *named != *conversation) {
            let id_of_message = message_id(&message);
            let text = "the message names another conversation than this connection's; leave it out or say hello to it";
            return self.refuse_invalid(id, &id_of_message, "not_your_conversation", text, vip, out);
        }
        let body = match message {
            ClientMessage::Message { id, content, .. } => {
                Body::Message { id: id.into(), content: content.to_json() }
            }
            ClientMessage::Typing { text, .. } => Body::Typing { text: text.map(Into::into) },
            ClientMessage::Read { seq, .. } => Body::Read { seq },
            ClientMessage::Human => Body::Human,
            ClientMessage::Rate { score, text } => Body::Rate { score, text: text.map(Into::into) },
            ClientMessage::Close { .. } => Body::Close,
            _ => unreachable!("no hello, and nothing that visitors may never do: see client_message"),
        };
        let sender = Sender::Visitor { connection: id, visitor };
        self.admit(conversation, sender, vip, body, out);
    }

    fn agent_message(
        &mut self,
        id: u64,
        (name, role): (AgentName, AgentRole),
        message: ClientMessage<'_>,
        out: &mut Outputs,
    ) {
        let (conversation, body) = match message {
            ClientMessage::Presence { state, capacity } => {
                return self.tell_desk(DeskInput::Presence { agent: name, state, capacity }, out);
            }
            ClientMessage::Message { id, conversation, content } => {
                (conversation, Body::Message { id: id.into(), content: content.to_json() })
            }
            ClientMessage::Note { id, conversation, text } => {
                (Some(conversation), Body::Note { id: id.into(), text: text.into(), whispers: false })
            }
            ClientMessage::Typing { conversation, text } => {
                (conversation, Body::Typing { text: text.map(Into::into) })
            }
            ClientMessage::Read { conversation, seq } => (conversation, Body::Read { seq }),
            ClientMessage::Close { conversation } => (conversation, Body::Close),
            ClientMessage::Transfer { conversation, to, note } => {
                let to = match to {
                    TransferTarget::Agent(agent) => Target::Agent(agent.into()),
                    TransferTarget::Team(team) => Target::Team(team.into()),
                };
                (Some(conversation), Body::Transfer { to, note: note.map(Into::into) })
            }
            ClientMessage::Accept { conversation } => (Some(conversation), Body::Accept),
            ClientMessage::Decline { conversation } => (Some(conversation), Body::Decline),
            ClientMessage::TakeOver { conversation } => (Some(conversation), Body::TakeOver),
            ClientMessage::Watch { conversation, after, begins } => {
                (Some(conversation), Body::Watch { after, begins })
            }
            ClientMessage::Whisper { id, conversation, text } => {
                (Some(conversation), Body::Note { id: id.into(), text: text.into(), whispers: true })
            }
            _ => unreachable!("no hello, and nothing that agents may never do: see client_message"),
        };
        let Some(conversation) = conversation else {
            let text = "an agent has many conversations; name one in \"conversation\"";
            return self.refuse_invalid(id, body.message_id(), "missing_field", text, true, out);
        };
        if placement::shard_of_conversation(&conversation, self.settings.shards).is_none() {
            let text = "there is no such conversation; use the id as an event gave it";
            return self.refuse_invalid(id, body.message_id(), "unknown_conversation", text, true, out);
        }
        let sender = Sender::Agent { address: self.address(id), name, role };
        self.admit(conversation.as_ref().into(), sender, true, body, out);
    }

    /// Puts a message into the lane of the shard that owns its conversation. Agents' messages ride with the
    /// VIPs': an answer relieves the desk, whoever it is for.
    fn admit(&mut self, conversation: Arc<str>, sender: Sender, vip: bool, body: Body, out: &mut Outputs) {
        let to = placement::shard_of_conversation(&conversation, self.settings.shards)
            .expect("checked where the name came in");
        let inbound = Inbound { conversation, sender, vip, received_us: self.now.monotonic_us, body };
        out.lane(to, vip, LaneItem::Inbound(Box::new(inbound)));
    }

    /// Whether the message is nothing for this role, which the client is told.
    fn refuses_role(
        &mut self,
        id: u64,
        session: &Session,
        message: &ClientMessage<'_>,
        out: &mut Outputs,
    ) -> bool {
        let Some(act) = act_of(message) else { return false };
        let (who, vip) = match session {
            Session::Visitor { vip, .. } => (Who::Visitor, *vip),
            Session::Agent { role, .. } => ((*role).into(), true),
            Session::Unknown | Session::Pending => return false,
        };
        if roles::grant(who, act) != Grant::Never {
            return false;
        }
        let text = format!("\"{}\" is not for this role; see docs/roles.md", act.name());
        self.refuse_invalid(id, &message_id(message), "wrong_role", &text, vip, out);
        true
    }

    fn refuse_invalid(
        &mut self,
        id: u64,
        message: &str,
        code: &str,
        text: &str,
        vip: bool,
        out: &mut Outputs,
    ) {
        self.counts.refused_invalid[usize::from(vip)] += 1;
        self.tell_refused(id, message, code, text, None, out);
    }

    pub(super) fn tell_refused(
        &mut self,
        id: u64,
        message: &str,
        code: &str,
        text: &str,
        retry_after_ms: Option<u32>,
        out: &mut Outputs,
    ) {
        let refused = ServerMessage::Refused {
            id: message.into(),
            code: code.into(),
            text: text.into(),
            retry_after_ms,
            outlook: None,
        };
        out.send(id, |bytes| web::encode_message(&refused, bytes));
    }

    /// Tells the peer why, then closes.
    pub(super) fn dismiss(&mut self, id: u64, farewell: Farewell, out: &mut Outputs) {
        if !matches!(self.connections.find(id), Some(Connection { stage: Stage::Web(_), .. })) {
            return;
        }
        let retry_after_ms = (farewell == Farewell::STOPPING).then(|| self.come_back_ms(id));
        let message =
            ServerMessage::Error { code: farewell.code.into(), text: farewell.text.into(), retry_after_ms };
        out.send(id, |bytes| web::encode_message(&message, bytes));
        out.send(id, |bytes| web::encode_close(farewell.close_code, farewell.code, bytes));
        self.close_now(id, out);
    }

    /// When the client shall come back to a server that is stopping: another time for each, so that they do not
    /// all come in the same instant.
    fn come_back_ms(&self, id: u64) -> u32 {
        let (first, last) = limits::COME_BACK_MS;
        let parts = [self.settings.run, self.index as u64, id].map(|part| part.to_string());
        let hash = placement::stable_hash(&parts.each_ref().map(String::as_str));
        first + (hash % u64::from(last - first + 1)) as u32
    }

    pub(super) fn session_of(&mut self, id: u64) -> Option<&mut Session> {
        match &mut self.connections.find(id)?.stage {
            Stage::Web(web) => Some(&mut web.session),
            _ => None,
        }
    }

    pub(super) fn deflate_of(&mut self, id: u64) -> Option<Deflate> {
        match &self.connections.find(id)?.stage {
            Stage::Web(web) => web.deflate,
            _ => None,
        }
    }

    /// The connection is gone or going: its reader leaves, its agent may.
    pub(super) fn session_ended(&mut self, id: u64, session: &Session, out: &mut Outputs) {
        match session {
            Session::Unknown | Session::Pending => {}
            Session::Visitor { conversation, vip, .. } => {
                self.counts.visitors[usize::from(*vip)] -= 1;
                let address = self.address(id);
                if let Some(index) = self.conversations.find(conversation) {
                    self.conversations.at(index).readers.retain(|reader| reader.address != address);
                    self.conversations.drop_if_idle(index);
                }
            }
            Session::Agent { name, .. } => {
                self.counts.agents -= 1;
                let address = self.address(id);
                for shard in 0..self.settings.shards {
                    out.lane(shard, true, LaneItem::AgentDeparted { agent: Arc::clone(name), address });
                }
                self.tell_desk(DeskInput::Departed { agent: Arc::clone(name), address }, out);
            }
        }
    }

    /// Something for every agent connected to this shard.
    pub(super) fn tell_agents_here(&self, message: &ServerMessage<'_>, out: &mut Outputs) {
        let mut frame = Vec::new();
        web::encode_message(message, &mut frame);
        let frame: Arc<[u8]> = frame.into();
        for connection in self.agents_here() {
            let frame = Arc::clone(&frame);
            out.list.push(Output::SendShared { connection, frame, urgency: Urgency::Normal });
        }
    }

    /// The connections of agents to this shard.
    pub(super) fn agents_here(&self) -> impl Iterator<Item = u64> {
        let addresses = self.agents.values().flatten().map(|connection| connection.address);
        addresses.filter(|address| usize::from(address.shard) == self.index).map(|address| address.connection)
    }
}

/// What agents are told of one of them.
pub(super) fn presence_message(status: &AgentStatus) -> ServerMessage<'_> {
    ServerMessage::Presence {
        agent: (&*status.agent).into(),
        state: status.state,
        capacity: status.capacity,
        serving: status.serving,
    }
}

/// What the table of roles calls it; `None`: not in it, as nobody has a role before.
const fn act_of(message: &ClientMessage<'_>) -> Option<Act> {
    Some(match message {
        ClientMessage::Hello(_) => return None,
        ClientMessage::Message { .. } => Act::Message,
        ClientMessage::Note { .. } => Act::Note,
        ClientMessage::Typing { .. } => Act::Typing,
        ClientMessage::Read { .. } => Act::Read,
        ClientMessage::Human => Act::Human,
        ClientMessage::Rate { .. } => Act::Rate,
        ClientMessage::Close { .. } => Act::Close,
        ClientMessage::Presence { .. } => Act::Presence,
        ClientMessage::Transfer { .. } => Act::Transfer,
        ClientMessage::Accept { .. } => Act::Accept,
        ClientMessage::Decline { .. } => Act::Decline,
        ClientMessage::TakeOver { .. } => Act::TakeOver,
        ClientMessage::Watch { .. } => Act::Watch,
        ClientMessage::Whisper { .. } => Act::Whisper,
    })
}

fn message_id(message: &ClientMessage<'_>) -> String {
    match message {
        ClientMessage::Message { id, .. }
        | ClientMessage::Note { id, .. }
        | ClientMessage::Whisper { id, .. } => id.to_string(),
        _ => String::new(),
    }
}
