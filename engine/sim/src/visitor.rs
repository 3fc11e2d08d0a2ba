//! What a visitor wants: to be heard. Now and then also a human, an end, a rating, or another device.

use std::collections::BTreeMap;

use engine::identity::{Class, VisitorClaims};
use serde_json::{Value, json};
use store::record::Role;

use crate::{
    person::{Common, Part, Surroundings},
    server::Machine,
};

pub struct Visitor {
    /// Signed under this id; else anonymous.
    signed: Option<String>,
    /// The team that it asks for; empty: none.
    team: &'static str,
    class: Class,
    token: Option<String>,
    /// As the server calls an anonymous one: known from its own words.
    name: String,
    conversation: Option<String>,
    is_over: bool,
}

impl Visitor {
    pub fn new(number: usize, is_signed: bool, class: Class, team: &'static str) -> Self {
        let signed = is_signed.then(|| format!("u{number}"));
        let name = signed.clone().unwrap_or_default();
        Self { signed, team, class, token: None, name, conversation: None, is_over: false }
    }

    /// Leaves, and knows no conversation any more: what was said in it and not answered is given up.
    fn begin_anew(&mut self, person: &mut Common, world: &mut Surroundings<'_>) {
        person.leave(true, world.network);
        person.abandon_others(&self.name, "", world.ledger);
        self.conversation = None;
        self.is_over = false;
    }
}

impl Part for Visitor {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn role(&self) -> Role {
        Role::Visitor
    }

    fn hello(&mut self, machine: &Machine, now_s: u64, seen: &BTreeMap<String, u64>) -> Value {
        let mut hello = json!({"type": "hello", "role": "visitor", "page": "https://shop/1"});
        if !self.team.is_empty() {
            hello["team"] = self.team.into();
        }
        if let Some(id) = &self.signed {
            let claims = VisitorClaims {
                sub: id.clone(),
                name: format!("name of {id}"),
                class: self.class,
                site: "default".to_owned(),
                exp: now_s + 10_000_000,
            };
            hello["token"] = machine.identity.sign_visitor(&claims).into();
        } else if let Some(token) = &self.token {
            hello["token"] = token.as_str().into();
        }
        if let Some(conversation) = &self.conversation {
            hello["conversation"] = conversation.as_str().into();
            hello["after"] = seen.get(conversation).copied().unwrap_or(0).into();
        }
        hello
    }

    fn welcomed(&mut self, person: &mut Common, welcome: &Value, world: &mut Surroundings<'_>) {
        let conversation = welcome["conversation"].as_str().expect("a visitor's welcome names it");
        if let Some(token) = welcome["token"].as_str() {
            self.token = Some(token.to_owned());
            self.name = machine_name(world.machine, token, world.network.wall_ms() / 1_000);
        }
        if self.conversation.as_deref() != Some(conversation) {
            if self.conversation.is_none() {
                // The client has nothing of it: it is told everything.
                person.seen.remove(conversation);
            }
            self.conversation = Some(conversation.to_owned());
            self.is_over = false;
        }
        person.abandon_others(&self.name, conversation, world.ledger);
    }

    fn heard(&mut self, message: &Value) {
        if message["kind"] == "closed" && message["conversation"].as_str() == self.conversation.as_deref() {
            self.is_over = true;
        }
    }

    fn refused(&mut self, code: &str) {
        if code == "conversation_closed" {
            self.is_over = true;
        }
    }

    fn has_read(&self) -> Vec<String> {
        self.conversation.iter().cloned().collect()
    }

    fn act(&mut self, person: &mut Common, world: &mut Surroundings<'_>) {
        if world.is_ending {
            return;
        }
        let Some(conversation) = self.conversation.clone() else { return };
        if self.is_over && person.random.one_in(3) {
            return self.begin_anew(person, world);
        }
        match person.random.below(40) {
            0 => person.send(&json!({"type": "human"}), world.network),
            1 => person.send(&json!({"type": "typing", "text": "so"}), world.network),
            2 => {
                let seq = person.seen.get(&conversation).copied().unwrap_or(0);
                person.send(&json!({"type": "read", "seq": seq}), world.network);
            }
            3 => person.send(&json!({"type": "rate", "score": 4}), world.network),
            4 => person.send(&json!({"type": "close"}), world.network),
            5 if person.random.one_in(3) => {
                // Another device, or a cleared one: nothing is known any more but who one is.
                self.begin_anew(person, world);
            }
            5..30 => person.say(&self.name, &conversation, "message", world),
            _ => {}
        }
    }
}

/// Who an anonymous token is.
fn machine_name(machine: &Machine, token: &str, now_s: u64) -> String {
    machine.identity.visitor(token, now_s).expect("the server signs what it accepts").id
}
