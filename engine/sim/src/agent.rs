//! What an agent wants: to answer those it has. Now and then also a note, a transfer, an end, or a break.

use std::collections::{BTreeMap, BTreeSet};

use engine::identity::AgentRole;
use serde_json::{Value, json};
use store::record::Role;

use crate::{
    person::{Common, Part, Surroundings},
    pool::is_supervisor,
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

    /// Something that was seen and is not mine.
    fn another(&self, person: &mut Common) -> Option<String> {
        let others: Vec<String> =
            person.seen.keys().filter(|conversation| !self.mine.contains(*conversation)).cloned().collect();
        (!others.is_empty()).then(|| person.random.pick(&others).clone())
    }

    fn take_over(&self, person: &mut Common, world: &mut Surroundings<'_>) {
        if let Some(conversation) = self.another(person) {
            person.send(&json!({"type": "takeover", "conversation": conversation}), world.network);
        }
    }

    /// Reads along, stops it, whispers, takes over.
    fn supervise(&self, person: &mut Common, world: &mut Surroundings<'_>) {
        let known: Vec<&String> = world.ledger.conversations().collect();
        if known.is_empty() {
            return;
        }
        let conversation = (*person.random.pick(&known)).clone();
        match person.random.below(6) {
            0..3 => {
                let after = person.seen.get(&conversation).copied().unwrap_or(0);
                let watch = json!({"type": "watch", "conversation": conversation, "after": after});
                person.send(&watch, world.network);
            }
            3 => person.send(&json!({"type": "unwatch", "conversation": conversation}), world.network),
            4 => person.say(&self.name, &conversation, "whisper", world),
            _ => person.send(&json!({"type": "takeover", "conversation": conversation}), world.network),
        }
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
            // What was assigned at last stays, so that all comes to rest.
            for conversation in &self.mine {
                person.send(&json!({"type": "accept", "conversation": conversation}), world.network);
            }
            return self.be_ready(person, world);
        }
        if is_supervisor(&self.name) && person.random.one_in(6) {
            return self.supervise(person, world);
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
        match person.random.below(36) {
            0..2 => {
                person.send(&json!({"type": "close", "conversation": conversation}), world.network);
            }
            2..4 if !self.others.is_empty() => {
                let to = person.random.pick(&self.others).clone();
                let transfer = json!({"type": "transfer", "conversation": conversation, "agent": to});
                person.send(&transfer, world.network);
            }
            30..32 => {
                person.send(&json!({"type": "decline", "conversation": conversation}), world.network);
            }
            32..34 => {
                person.send(&json!({"type": "accept", "conversation": conversation}), world.network);
            }
            34 => {
                let team = *person.random.pick(&["default", "boots", "returns", "gone"]);
                let transfer = json!({"type": "transfer", "conversation": conversation, "team": team, "note": "for you"});
                person.send(&transfer, world.network);
            }
            35 => self.take_over(person, world),
            4..8 => person.say(&self.name, &conversation, "note", world),
            8 => {
                person.send(&json!({"type": "typing", "conversation": conversation}), world.network);
            }
            _ => person.say(&self.name, &conversation, "message", world),
        }
    }
}
