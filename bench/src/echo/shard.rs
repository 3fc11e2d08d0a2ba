//! The clients of one thread, and how a turn serves them.

use std::{io, time::Duration};

use codec::websocket::{self, Side};
use net::{CloseReason, ConnectionId, Event, Reactor, SendError};

use super::{
    Service,
    chat::{self, Chat},
    connection::{Connection, Shared},
};

/// How long a turn may sleep: nothing here waits for the time, so it hardly matters.
const WAIT: Duration = Duration::from_secs(60);
/// A buffer of answers that grew past this is given back after the turn.
const ANSWERS_BYTES_KEPT: usize = 1024 * 1024;
/// The close code that asks a peer to come back later.
const TRY_AGAIN_LATER: u16 = 1013;

/// What one thread serves.
#[derive(Debug)]
pub(super) struct Shard {
    service: Service,
    chat: Chat,
    /// By slot; the name tells whether the slot still is whose we think.
    connections: Vec<Option<(ConnectionId, Connection)>>,
    shared: Shared,
    /// The bytes of all answers of the turn, one after the other.
    answers: Vec<u8>,
    /// Whose they are.
    replies: Vec<Reply>,
}

#[derive(Clone, Copy, Debug)]
struct Reply {
    connection: ConnectionId,
    /// Where its bytes end; they begin where the one before ended.
    end: usize,
    /// Nothing follows.
    last: bool,
}

impl Shard {
    /// Without clients.
    pub fn new(service: Service) -> Self {
        let (connections, answers, replies) = (Vec::new(), Vec::new(), Vec::new());
        let shared = Shared::new(service == Service::Echo { deflate: true });
        Self { service, chat: Chat::default(), connections, shared, answers, replies }
    }

    /// One turn: everything that arrived is answered, and the answers leave with the next one.
    pub fn turn(&mut self, reactor: &mut dyn Reactor) -> io::Result<()> {
        reactor.turn(WAIT, &mut || false, &mut |_, event| self.handle(event))?;
        let mut start = 0;
        for reply in self.replies.drain(..) {
            deliver(reactor, reply, &self.answers[start..reply.end]);
            start = reply.end;
        }
        self.answers.clear();
        if self.answers.capacity() > ANSWERS_BYTES_KEPT {
            self.answers = Vec::new();
        }
        Ok(())
    }

    fn handle(&mut self, event: Event<'_>) {
        match event {
            Event::Accepted { connection, .. } => self.insert(connection),
            Event::Received { connection, bytes } => self.receive(connection, bytes),
            Event::Closed { connection, .. } => {
                let place = &mut self.connections[connection.slot as usize];
                place.take_if(|(id, _)| *id == connection);
            }
            Event::Drained { .. } => {}
            Event::Connected { .. } | Event::Adopted { .. } | Event::HandedOver { .. } => {
                unreachable!("this server neither connects nor hands over")
            }
            Event::Written { .. } => unreachable!("this server writes no files"),
        }
    }

    fn insert(&mut self, id: ConnectionId) {
        let slot = id.slot as usize;
        if slot >= self.connections.len() {
            self.connections.resize_with(slot + 1, || None);
        }
        self.connections[slot] = Some((id, Connection::new()));
    }

    fn receive(&mut self, id: ConnectionId, bytes: &mut [u8]) {
        let place = self.connections.get_mut(id.slot as usize).and_then(Option::as_mut);
        let Some((_, connection)) = place.filter(|(owner, _)| *owner == id) else { return };
        let before = self.answers.len();
        let Self { service, chat, shared, answers, .. } = self;
        let flow = match service {
            Service::Echo { .. } => connection.receive(bytes, shared, answers, None),
            Service::Chat => {
                let on_text = &mut |text: &str, out: &mut Vec<u8>| chat.take(id, text, out);
                connection.receive(bytes, shared, answers, Some(on_text))
            }
        };
        let last = flow.is_break();
        if last || self.answers.len() > before {
            self.replies.push(Reply { connection: id, end: self.answers.len(), last });
        }
        for chat::Delivery { to, frame } in self.chat.deliveries() {
            self.answers.extend_from_slice(frame);
            self.replies.push(Reply { connection: to, end: self.answers.len(), last: false });
        }
        self.chat.forget_deliveries();
    }
}

/// Queues one answer. A peer that left more unread than its outbox holds is told to come back when it reads,
/// or, where not even that fits, is cut off.
fn deliver(reactor: &mut dyn Reactor, reply: Reply, bytes: &[u8]) {
    let id = reply.connection;
    match reactor.send(id, bytes) {
        Ok(()) if reply.last => reactor.close(id),
        Ok(()) => {}
        // Gone already: its `Closed` was reported or follows.
        Err(SendError::Closed) => {}
        Err(SendError::Full) => {
            let mut goodbye = Vec::new();
            let text = "You read too slowly for what you send.";
            websocket::encode_close(Side::Server, TRY_AGAIN_LATER, text, &mut goodbye);
            match reactor.send(id, &goodbye) {
                Ok(()) => reactor.close(id),
                Err(SendError::Full | SendError::Closed) => reactor.abort(id, CloseReason::SlowReader),
            }
        }
    }
}
