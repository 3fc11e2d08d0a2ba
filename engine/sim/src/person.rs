//! A visitor or an agent: connects, says hello, comes back after every loss and says again what was not
//! answered. What they have in common is here; what they want to do is `visitor`'s and `agent`'s.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use store::record::Role;

use crate::{
    client::{Heard, Wire},
    faults::Faults,
    ledger::{Fate, Ledger},
    network::{LinkId, Network, ToClient},
    random::Random,
    server::Machine,
};

/// Pause between two attempts to connect.
const RECONNECT_US: (u64, u64) = (50_000, 1_500_000);
/// Pause between two things that a person does.
const PAUSE_US: (u64, u64) = (20_000, 2_500_000);

/// Something said that was not answered.
#[derive(Clone, Debug)]
pub struct Unanswered {
    pub id: String,
    pub conversation: String,
    pub message: Value,
    /// To be said again at this time.
    pub again_us: Option<u64>,
}

/// What differs between visitors and agents.
pub trait Part {
    /// Their name in the record, once it is known.
    fn name(&self) -> String;
    fn role(&self) -> Role;
    /// The first message on a connection. The machine signs who they are, at this time, in seconds since 1970.
    fn hello(&mut self, machine: &Machine, now_s: u64, seen: &BTreeMap<String, u64>) -> Value;
    /// The server took the hello.
    fn welcomed(&mut self, person: &mut Common, welcome: &Value, world: &mut Surroundings<'_>);
    /// Something other than acks and refusals was heard.
    fn heard(&mut self, message: &Value);
    /// A message was refused for good with this code.
    fn refused(&mut self, code: &str);
    /// The conversations of which this person must have seen everything at the end.
    fn has_read(&self) -> Vec<String>;
    /// Does something, if it likes.
    fn act(&mut self, person: &mut Common, world: &mut Surroundings<'_>);
}

/// What a person acts upon.
pub struct Surroundings<'a> {
    pub network: &'a mut Network,
    pub ledger: &'a mut Ledger,
    pub machine: &'a Machine,
    pub faults: &'a Faults,
    /// Nobody begins anything new.
    pub is_ending: bool,
}

/// What all persons have.
pub struct Common {
    pub index: usize,
    pub random: Random,
    wire: Option<Wire>,
    is_welcome: bool,
    pub unanswered: Vec<Unanswered>,
    /// The last event seen of each conversation.
    pub seen: BTreeMap<String, u64>,
    said: u64,
    pub next_us: u64,
    log: bool,
}

/// A person.
pub struct Person {
    pub common: Common,
    pub part: Box<dyn Part>,
}

impl Common {
    /// Says something new, to be answered.
    pub fn say(&mut self, name: &str, conversation: &str, kind: &str, world: &mut Surroundings<'_>) {
        self.said += 1;
        let id = format!("{kind}{}", self.said);
        // Some of it is long, so that groups have all sizes.
        let length = if self.random.one_in(12) { self.random.below(9_000) } else { self.random.below(40) };
        let text = format!("{name} {id} {}", "x".repeat(length as usize));
        let message = match kind {
            "note" | "whisper" => json!({"type": kind, "id": id, "conversation": conversation, "text": text}),
            _ => json!({
                "type": kind, "id": id, "conversation": conversation,
                "content": {"kind": "text", "text": text},
            }),
        };
        world.ledger.sent(name, &id, conversation, &text);
        self.send(&message, world.network);
        self.unanswered.push(Unanswered {
            id,
            conversation: conversation.to_owned(),
            message,
            again_us: None,
        });
    }

    /// Sends a message on the connection, if there is one.
    pub fn send(&self, message: &Value, network: &mut Network) {
        if let Some(wire) = &self.wire {
            wire.say(message, network);
        }
    }

    /// What was said in other conversations than this one cannot be said again.
    pub fn abandon_others(&mut self, name: &str, conversation: &str, ledger: &mut Ledger) {
        self.unanswered.retain(|unanswered| {
            let stays = unanswered.conversation == conversation;
            if !stays {
                ledger.told(name, &unanswered.id, Fate::Abandoned);
            }
            stays
        });
    }

    /// Ends the connection; the server hears of it, or not.
    pub fn leave(&mut self, is_told: bool, network: &mut Network) {
        if let Some(wire) = self.wire.take() {
            network.client_leaves(wire.link, is_told);
        }
        self.is_welcome = false;
        self.next_us = network.now_us + self.random.between(RECONNECT_US.0, RECONNECT_US.1);
    }

    fn say_again(&mut self, world: &mut Surroundings<'_>) {
        let now_us = world.network.now_us;
        for unanswered in &mut self.unanswered {
            if unanswered.again_us.is_some_and(|again_us| again_us <= now_us)
                && let Some(wire) = &self.wire
            {
                unanswered.again_us = None;
                wire.say(&unanswered.message, world.network);
            }
        }
    }
}

impl Person {
    pub fn new(index: usize, part: Box<dyn Part>, mut random: Random, log: bool) -> Self {
        let next_us = 1_000_000 + random.below(3_000_000);
        let common = Common {
            index,
            random,
            wire: None,
            is_welcome: false,
            unanswered: Vec::new(),
            seen: BTreeMap::new(),
            said: 0,
            next_us,
            log,
        };
        Self { common, part }
    }

    /// Whether the person is connected, and everything it said was answered.
    pub fn is_settled(&self) -> bool {
        self.common.is_welcome && self.common.unanswered.is_empty()
    }

    /// Its time has come.
    pub fn act(&mut self, world: &mut Surroundings<'_>) {
        let now_us = world.network.now_us;
        let common = &mut self.common;
        common.next_us = now_us + common.random.between(PAUSE_US.0, PAUSE_US.1);
        match &common.wire {
            None => {
                common.wire = Wire::open(common.index, world.network);
                return;
            }
            Some(wire) if wire.is_silent(now_us) => return common.leave(false, world.network),
            Some(_) if !common.is_welcome => return,
            Some(wire) => {
                let link = wire.link;
                if common.random.one_in(world.faults.slow_reader_one_in) {
                    let us = common.random.below(8_000_000);
                    world.network.client_pauses(link, us);
                }
            }
        }
        if common.random.one_in(world.faults.cut_one_in) {
            let is_told = !common.random.one_in(world.faults.half_open_one_in);
            return common.leave(is_told, world.network);
        }
        common.say_again(world);
        self.part.act(&mut self.common, world);
    }

    /// Something came on a link.
    pub fn hears(&mut self, link: LinkId, what: ToClient, world: &mut Surroundings<'_>) {
        let Some(wire) = self.common.wire.as_mut().filter(|wire| wire.link == link) else { return };
        let heard = match what {
            ToClient::Received(bytes) => wire.receive(bytes, world.network),
            ToClient::Closed => return self.common.leave(true, world.network),
        };
        for heard in heard {
            if self.common.log {
                println!("  {:>12} {} hears {heard:?}", world.network.now_us, self.part.name());
            }
            match heard {
                Heard::Upgraded => {
                    let hello =
                        self.part.hello(world.machine, world.network.wall_ms() / 1_000, &self.common.seen);
                    self.common.send(&hello, world.network);
                }
                Heard::Message(message) => self.message(&message, world),
                Heard::Closing(_) | Heard::Refused => return self.common.leave(true, world.network),
            }
        }
    }

    fn message(&mut self, message: &Value, world: &mut Surroundings<'_>) {
        let id = message["id"].as_str().unwrap_or_default();
        match message["type"].as_str().expect("a word") {
            "welcome" => self.welcomed(message, world),
            "ack" => {
                let seq = message["seq"].as_u64().expect("an ack has a number");
                world.ledger.told(&self.part.name(), id, Fate::Acknowledged(seq));
                self.common.unanswered.retain(|unanswered| unanswered.id != id);
            }
            "refused" => self.refused(id, message, world),
            "event" => self.event(message, world),
            _ => self.part.heard(message),
        }
    }

    fn welcomed(&mut self, welcome: &Value, world: &mut Surroundings<'_>) {
        self.common.is_welcome = true;
        self.part.welcomed(&mut self.common, welcome, world);
        for unanswered in &mut self.common.unanswered {
            unanswered.again_us = Some(0);
        }
        self.common.say_again(world);
    }

    fn refused(&mut self, id: &str, refused: &Value, world: &mut Surroundings<'_>) {
        let code = refused["code"].as_str().expect("a refusal has a code");
        if id.is_empty() {
            return self.part.refused(code);
        }
        let Some(place) = self.common.unanswered.iter().position(|unanswered| unanswered.id == id) else {
            return;
        };
        if let Some(ms) = refused["retry_after_ms"].as_u64() {
            self.common.unanswered[place].again_us = Some(world.network.now_us + ms * 1_000);
            return;
        }
        self.common.unanswered.remove(place);
        world.ledger.told(&self.part.name(), id, Fate::Refused(code.to_owned()));
        self.part.refused(code);
    }

    fn event(&mut self, event: &Value, world: &mut Surroundings<'_>) {
        let conversation = event["conversation"].as_str().expect("an event names its conversation");
        let seq = event["seq"].as_u64().expect("an event has a number");
        world.ledger.saw(&self.part.name(), self.part.role(), conversation, event);
        let last = self.common.seen.entry(conversation.to_owned()).or_insert(0);
        // An agent who gets a conversation again reads it again from its beginning.
        let is_again = self.part.role() == Role::Agent && seq <= *last;
        assert!(seq > *last || is_again, "{} sees {seq} after {last} of {conversation}", self.part.name());
        *last = seq.max(*last);
        self.part.heard(event);
    }
}
