//! One visitor: says hello, speaks when the schedule says so, and checks what it is told.

use std::sync::atomic::Ordering::Relaxed;

use codec::message::{ClientMessage, EventKind, Hello, Role, ServerMessage};

use crate::{
    ledger::{MessageName, Side},
    link,
    measure::{Class, Path},
    order::{Order, Place},
    post::Post,
    schedule::Random,
    seat::Context,
};

/// One visitor.
#[derive(Debug)]
pub struct Visitor {
    number: u32,
    class: Class,
    /// What it comes back with; empty for one who is anonymous and new.
    token: String,
    order: Order,
    post: Post,
    /// It was welcomed once.
    known: bool,
    /// It was welcomed on this connection.
    welcome: bool,
    closed: bool,
}

impl Visitor {
    /// Visitor `number`, with a signed token or an empty one.
    pub fn new(number: u32, class: Class, token: String) -> Self {
        let (order, post) = (Order::default(), Post::default());
        Self { number, class, token, order, post, known: false, welcome: false, closed: false }
    }

    /// The upgrade is through.
    pub fn hello(&mut self, context: &mut Context<'_>, out: &mut Vec<u8>) {
        let conversation = context.shared.ledger.conversation(self.number);
        let hello = Hello::Visitor {
            site: None,
            token: (!self.token.is_empty()).then(|| self.token.as_str().into()),
            conversation: conversation.as_deref().map(Into::into),
            after: self.order.last(),
            page: Some("https://shop.example/item/1".into()),
            team: None,
        };
        link::encode(&ClientMessage::Hello(hello), context.random, out);
    }

    /// The connection is gone.
    pub fn lost(&mut self) {
        self.welcome = false;
    }

    /// The schedule says that this visitor speaks at `scheduled_us`.
    pub fn speak(&mut self, scheduled_us: u64, context: &mut Context<'_>, out: &mut Vec<u8>) {
        let name = context.shared.ledger.send(Side::Visitor, self.number, scheduled_us);
        self.post.add(name, None);
        self.send(name, context.random, out);
    }

    /// Is seen to type.
    pub fn type_something(&mut self, context: &mut Context<'_>, out: &mut Vec<u8>) {
        if self.welcome {
            context.shared.tallies.typed.fetch_add(1, Relaxed);
            link::encode(&ClientMessage::Typing { conversation: None, text: None }, context.random, out);
        }
    }

    /// Sends an open message, now or with the next welcome.
    pub fn send(&mut self, name: MessageName, random: &mut Random, out: &mut Vec<u8>) {
        if self.welcome {
            self.post.send(name, random, out);
        }
    }

    /// Ends the conversation, if there is one.
    pub fn close(&mut self, context: &mut Context<'_>, out: &mut Vec<u8>) {
        if self.order.last() > 0 && self.welcome && !self.closed {
            context.shared.tallies.to_close.fetch_add(1, Relaxed);
            link::encode(&ClientMessage::Close { conversation: None }, context.random, out);
        }
    }

    /// Takes one message.
    pub fn hear(&mut self, message: ServerMessage<'_>, context: &mut Context<'_>, out: &mut Vec<u8>) {
        match message {
            ServerMessage::Welcome { conversation, token, .. } => {
                if let Some(token) = token {
                    self.token = token.into_owned();
                }
                let conversation = conversation.unwrap_or_default();
                self.welcomed(&conversation, context, out);
            }
            ServerMessage::Ack { id, seq, .. } => {
                let Some(name) = context.own(&id) else { return };
                self.post.settle(name);
                if let Some(scheduled_us) = context.shared.ledger.acknowledge(name, seq) {
                    context.record(Path::VisitorAck, self.class, scheduled_us);
                }
            }
            ServerMessage::Refused { id, code, text, retry_after_ms, .. } => {
                context.refused(&id, &code, &text, retry_after_ms, &mut self.post);
            }
            ServerMessage::Event(event) => self.event(&event, context),
            ServerMessage::Error { code, text, .. } => context.note_fault("visitor", &code, &text),
            ServerMessage::Typing { .. }
            | ServerMessage::Read { .. }
            | ServerMessage::Presence { .. }
            | ServerMessage::Shedding { .. } => {}
        }
    }

    fn welcomed(&mut self, conversation: &str, context: &mut Context<'_>, out: &mut Vec<u8>) {
        if !context.shared.ledger.begin(self.number, conversation) {
            context.note_fault("visitor", "other_conversation", conversation);
        }
        let path = if self.known { Path::Resume } else { Path::Connect };
        context.record(path, self.class, context.connect_us);
        if !self.known {
            self.known = true;
            context.shared.tallies.welcomed.fetch_add(1, Relaxed);
        }
        self.welcome = true;
        self.post.send_all(context.random, out);
    }

    fn event(&mut self, event: &codec::message::Event<'_>, context: &mut Context<'_>) {
        let ledger = &context.shared.ledger;
        if ledger.conversation(self.number).as_deref() != Some(&*event.conversation) {
            return context.note_fault("visitor", "foreign_event", &event.conversation);
        }
        match self.order.rising(event.seq) {
            Place::Right => {}
            Place::Again => ledger.note_doubled(),
            Place::Gap => ledger.note_disordered(),
        }
        match event.kind {
            EventKind::Message => {
                let Some(name) = ledger.parse(&event.id) else { return };
                if event.role == Role::Visitor {
                    ledger.echo(name, event.seq);
                } else if let Some(scheduled_us) = ledger.deliver(name, event.seq) {
                    context.record(Path::AgentVisitor, self.class, scheduled_us);
                }
            }
            EventKind::Closed => {
                if !std::mem::replace(&mut self.closed, true) {
                    context.shared.tallies.closed.fetch_add(1, Relaxed);
                }
            }
            EventKind::Note => context.note_fault("visitor", "note_seen", "a private note reached a visitor"),
            EventKind::Assigned | EventKind::Queue | EventKind::Transferred | EventKind::Rating => {}
        }
    }
}
