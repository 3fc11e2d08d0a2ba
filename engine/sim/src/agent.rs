//! What an agent wants: to answer those it has. Now and then also a note, a transfer, an end, or a break.

use std::collections::{BTreeMap, BTreeSet};

use engine::identity::AgentRole;
use serde_json::{Value, json};
use store::record::Role;

use crate::{
    person::{Common, Part, Surroundings},
    server::Machine,
};

/// Conversations that an agent names when it comes back.
const RESUMED_MAX: usize = 20;

pub struct Agent {
    name: String,
    others: Vec<String>,
    mine: BTreeSet<String>,
}

impl Agent {
    pub fn new(name: String, others: Vec<String>) -> Self {
        Self { name, others, mine: BTreeSet::new() }
    }

    fn be_ready(&self, person: &mut Common, world: &mut Surroundings<'_>) {
        let capacity = 1 + person.random.below(4);
        person.send(&json!({"type": "presence", "state": "ready", "capacity": capacity}), world.network);
    }
}

impl Part for Agent {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn role(&self) -> Role {
        Role::Agent
    }

    fn hello(&mut self, machine: &Machine, now_s: u64, seen: &BTreeMap<String, u64>) -> Value {
        let token = machine.identity.sign_agent(&self.name, AgentRole::Agent, now_s);
        let mine = seen.iter().filter(|(conversation, _)| self.mine.contains(*conversation));
        let others = seen.iter().filter(|(conversation, _)| !self.mine.contains(*conversation));
        let known: BTreeMap<&String, &u64> = mine.chain(others).take(RESUMED_MAX).collect();
        json!({"type": "hello", "role": "agent", "token": token, "conversations": known})
    }

    fn welcomed(&mut self, person: &mut Common, _welcome: &Value, world: &mut Surroundings<'_>) {
        self.be_ready(person, world);
    }

    fn heard(&mut self, message: &Value) {
        let Some(conversation) = message["conversation"].as_str() else { return };
        let content = &message["content"];
        let has_it = match message["kind"].as_str() {
            Some("assigned") => content["agent"] == self.name.as_str(),
            Some("transferred") => content["to"] == self.name.as_str(),
            Some("closed") => false,
            _ => return,
        };
        if has_it {
            self.mine.insert(conversation.to_owned());
        } else {
            self.mine.remove(conversation);
        }
    }

    fn refused(&mut self, _code: &str) {}

    fn has_read(&self) -> Vec<String> {
        self.mine.iter().cloned().collect()
    }

    fn act(&mut self, person: &mut Common, world: &mut Surroundings<'_>) {
        if world.is_ending {
            return self.be_ready(person, world);
        }
        let mine: Vec<&String> = self.mine.iter().collect();
        if mine.is_empty() || person.random.one_in(15) {
            if person.random.one_in(3) {
                person.send(&json!({"type": "presence", "state": "away"}), world.network);
            } else {
                self.be_ready(person, world);
            }
            return;
        }
        let conversation = (*person.random.pick(&mine)).clone();
        match person.random.below(30) {
            0..2 => {
                person.send(&json!({"type": "close", "conversation": conversation}), world.network);
            }
            2..4 if !self.others.is_empty() => {
                let to = person.random.pick(&self.others).clone();
                let transfer = json!({"type": "transfer", "conversation": conversation, "agent": to});
                person.send(&transfer, world.network);
            }
            4..8 => person.say(&self.name, &conversation, "note", world),
            8 => {
                person.send(&json!({"type": "typing", "conversation": conversation}), world.network);
            }
            _ => person.say(&self.name, &conversation, "message", world),
        }
    }
}
