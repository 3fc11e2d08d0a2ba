//! One agent: takes conversations, answers a share of what visitors say, and checks what it is told.

use std::{
    collections::HashMap,
    sync::{Arc, atomic::Ordering::Relaxed},
};

use codec::message::{
    CAPACITY_MAX, ClientMessage, Event, EventKind, Hello, PresenceState, Role, ServerMessage,
};

use crate::{
    ledger::{MessageName, Side},
    link,
    measure::Path,
    order::{Order, Place},
    post::Post,
    schedule::Random,
    seat::{Context, Due},
    shared::Staff,
};

/// One agent.
#[derive(Debug)]
pub struct Agent {
    staff: Staff,
    conversations: HashMap<Arc<str>, Order>,
    /// Whose conversations they are or were.
    visitors: Vec<u32>,
    /// Reads slowly on purpose, and answers nothing.
    slow: bool,
    post: Post,
    known: bool,
    welcome: bool,
}

impl Agent {
    /// One who has logged in, and reads slowly or at once.
    pub fn new(staff: Staff, slow: bool) -> Self {
        let (conversations, visitors, post) = (HashMap::new(), Vec::new(), Post::default());
        Self { staff, conversations, visitors, slow, post, known: false, welcome: false }
    }

    /// The upgrade is through.
    pub fn hello(&mut self, context: &mut Context<'_>, out: &mut Vec<u8>) {
        let known = self.conversations.iter().map(|(id, order)| ((&**id).into(), order.last()));
        let conversations = known.take(codec::message::RESUMED_CONVERSATIONS_MAX).collect();
        let hello = Hello::Agent { token: self.staff.token.as_str().into(), conversations };
        link::encode(&ClientMessage::Hello(hello), context.random, out);
    }

    /// The connection is gone; what this agent had may go to another and come back.
    pub fn lost(&mut self) {
        self.welcome = false;
        self.conversations.values_mut().for_each(Order::allow_restart);
    }

    /// The time has come to give an answer.
    pub fn answer(&mut self, name: MessageName, context: &mut Context<'_>, out: &mut Vec<u8>) {
        self.post.add(name, context.shared.ledger.conversation(name.visitor));
        self.send(name, context.random, out);
    }

    /// Says something of its own accord at `due_us`, to one of those it serves.
    pub fn begin_conversation(&mut self, due_us: u64, context: &mut Context<'_>) {
        if self.visitors.is_empty() {
            return context.shared.remark("an agent had nobody to speak to".to_owned());
        }
        let visitor = self.visitors[context.random.below(self.visitors.len())];
        let name = context.shared.ledger.send(Side::Agent, visitor, due_us);
        context.later(due_us, Due::Answer(name));
    }

    /// Sends an open answer, now or with the next welcome.
    pub fn send(&mut self, name: MessageName, random: &mut Random, out: &mut Vec<u8>) {
        if self.welcome {
            self.post.send(name, random, out);
        }
    }

    /// Takes one message.
    pub fn hear(&mut self, message: ServerMessage<'_>, context: &mut Context<'_>, out: &mut Vec<u8>) {
        match message {
            ServerMessage::Welcome { .. } => self.welcomed(context, out),
            ServerMessage::Ack { id, seq, .. } => {
                let Some(name) = context.own(&id) else { return };
                self.post.settle(name);
                if let Some(scheduled_us) = context.shared.ledger.acknowledge(name, seq) {
                    context.record(Path::AgentAck, context.shared.plan.class(name.visitor), scheduled_us);
                }
            }
            ServerMessage::Refused { id, code, text, retry_after_ms, .. } => {
                context.refused(&id, &code, &text, retry_after_ms, &mut self.post);
            }
            ServerMessage::Event(event) => self.event(&event, context),
            ServerMessage::Error { code, text, .. } => context.note_fault("agent", &code, &text),
            ServerMessage::Typing { .. }
            | ServerMessage::Read { .. }
            | ServerMessage::Presence { .. }
            | ServerMessage::Shedding { .. } => {}
        }
    }

    fn welcomed(&mut self, context: &mut Context<'_>, out: &mut Vec<u8>) {
        let capacity = Some(CAPACITY_MAX);
        let ready = ClientMessage::Presence { state: PresenceState::Ready, capacity };
        link::encode(&ready, context.random, out);
        self.welcome = true;
        self.post.send_all(context.random, out);
        if !std::mem::replace(&mut self.known, true) {
            context.shared.tallies.agents_ready.fetch_add(1, Relaxed);
        }
    }

    fn event(&mut self, event: &Event<'_>, context: &mut Context<'_>) {
        let is_late = matches!(event.kind, EventKind::Note | EventKind::Rating);
        if is_late && !self.conversations.contains_key(&*event.conversation) {
            // What comes behind the end: a rating, or that there was none.
            return;
        }
        let order = match self.conversations.get_mut(&*event.conversation) {
            Some(order) => order,
            None => self.conversations.entry((&*event.conversation).into()).or_default(),
        };
        match order.gapless(event.seq) {
            Place::Right => {}
            Place::Again => context.shared.ledger.note_doubled(),
            Place::Gap => context.shared.ledger.note_disordered(),
        }
        match event.kind {
            EventKind::Message => self.said(event, context),
            EventKind::Assigned if gives_to(&event.content, &self.staff.name) => {}
            EventKind::Assigned | EventKind::Transferred => order.allow_restart(),
            EventKind::Closed => {
                self.conversations.remove(&*event.conversation);
            }
            EventKind::Queue | EventKind::Rating | EventKind::Note => {}
        }
    }

    fn said(&mut self, event: &Event<'_>, context: &mut Context<'_>) {
        let ledger = &context.shared.ledger;
        let Some(name) = ledger.parse(&event.id) else { return };
        if event.role != Role::Visitor {
            return ledger.echo(name, event.seq);
        }
        let Some(scheduled_us) = ledger.deliver(name, event.seq) else { return };
        if name.number == 0 {
            self.visitors.push(name.visitor);
        }
        let path = match () {
            () if self.slow => Path::SlowAgent,
            () if context.is_bystander(name.visitor, scheduled_us) => Path::Bystander,
            () => Path::VisitorAgent,
        };
        context.record(path, context.shared.plan.class(name.visitor), scheduled_us);
        let scenario = &context.shared.plan.scenario;
        if self.slow || scenario.answer_every == 0 || name.number % scenario.answer_every != 0 {
            return;
        }
        // Between half and one and a half of the mean.
        let thinking_us = (scenario.answer_after_ms * 1_000) as f64 * (0.5 + context.random.unit());
        let due_us = context.now_us + thinking_us as u64;
        let answer = ledger.send(Side::Agent, name.visitor, due_us);
        context.later(due_us, Due::Answer(answer));
    }
}

/// Whether an assignment's content names this agent. Names of accounts need no escapes in JSON.
fn gives_to(content: &str, name: &str) -> bool {
    content
        .split_once("\"agent\":\"")
        .is_some_and(|(_, rest)| rest.strip_prefix(name).is_some_and(|rest| rest.starts_with('"')))
}

#[cfg(test)]
mod tests {
    use super::gives_to;

    #[test]
    fn an_assignment_tells_to_whom() {
        assert!(gives_to(r#"{"agent":"load-0001"}"#, "load-0001"));
        assert!(!gives_to(r#"{"agent":"load-0001"}"#, "load-000"));
        assert!(!gives_to(r#"{"agent":null,"reason":"gone"}"#, "load-0001"));
    }
}
