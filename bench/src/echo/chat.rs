//! The tiny chat: who is behind which connection, and what is said to whom. No socket.

use codec::websocket::{self, Opcode};
use net::ConnectionId;

/// Bytes of a message that are its name.
const ID_BYTES: usize = 16;
/// Agents are numbered below this.
const AGENTS_MAX: usize = 65_536;

/// Who takes part.
#[derive(Debug, Default)]
pub(super) struct Chat {
    /// By the slot of the connection.
    people: Vec<Option<(ConnectionId, Person)>>,
    agents: Vec<Option<ConnectionId>>,
    /// What the messages that came last are to bring, one after the other.
    frames: Vec<u8>,
    /// Whom, and where its frame ends.
    ends: Vec<(ConnectionId, usize)>,
}

#[derive(Clone, Copy, Debug)]
enum Person {
    Agent,
    Visitor { agent: usize },
}

/// A frame for somebody else than who spoke.
#[derive(Clone, Copy, Debug)]
pub(super) struct Delivery<'a> {
    pub to: ConnectionId,
    pub frame: &'a [u8],
}

impl Chat {
    /// Takes a text of `from`; what `from` is told goes to `out`.
    pub fn take(&mut self, from: ConnectionId, text: &str, out: &mut Vec<u8>) {
        let slot = from.slot as usize;
        let known = self.people.get(slot).copied().flatten().filter(|(owner, _)| *owner == from);
        match known {
            None => self.introduce(from, text),
            Some((_, Person::Agent)) => {}
            Some((_, Person::Visitor { agent })) => {
                let id = &text.as_bytes()[..text.len().min(ID_BYTES)];
                websocket::encode_frame(Opcode::Text, id, out);
                if let Some(to) = self.agents.get(agent).copied().flatten() {
                    websocket::encode_frame(Opcode::Text, text.as_bytes(), &mut self.frames);
                    self.ends.push((to, self.frames.len()));
                }
            }
        }
    }

    fn introduce(&mut self, from: ConnectionId, text: &str) {
        let Some((who, number)) = text.split_once(' ') else { return };
        let Some(number) = number.parse().ok().filter(|number| *number < AGENTS_MAX) else { return };
        let person = match who {
            "agent" => {
                self.agents.resize(self.agents.len().max(number + 1), None);
                self.agents[number] = Some(from);
                Person::Agent
            }
            "visitor" => Person::Visitor { agent: number },
            _ => return,
        };
        let slot = from.slot as usize;
        self.people.resize(self.people.len().max(slot + 1), None);
        self.people[slot] = Some((from, person));
    }

    /// What is to be delivered, in order.
    pub fn deliveries(&self) -> impl Iterator<Item = Delivery<'_>> {
        self.ends.iter().enumerate().map(|(index, (to, end))| {
            let start = index.checked_sub(1).map_or(0, |before| self.ends[before].1);
            Delivery { to: *to, frame: &self.frames[start..*end] }
        })
    }

    /// They are on their way.
    pub fn forget_deliveries(&mut self) {
        self.frames.clear();
        self.ends.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn person(slot: u32) -> ConnectionId {
        ConnectionId { slot, generation: 0 }
    }

    #[test]
    fn a_visitor_is_acknowledged_and_the_agent_gets_the_message() {
        let (mut chat, mut out) = (Chat::default(), Vec::new());
        chat.take(person(7), "agent 3", &mut out);
        chat.take(person(1), "visitor 3", &mut out);
        chat.take(person(2), "visitor 4", &mut out);
        assert!(out.is_empty());
        chat.take(person(1), "0123456789abcdef and more", &mut out);
        chat.take(person(2), "nobody hears this", &mut out);
        chat.take(person(7), "agents only listen", &mut out);
        assert_eq!(out, b"\x81\x100123456789abcdef\x81\x10nobody hears thi");
        let delivered: Vec<_> = chat.deliveries().map(|it| (it.to, it.frame.to_vec())).collect();
        assert_eq!(delivered, [(person(7), b"\x81\x190123456789abcdef and more".to_vec())]);
        chat.forget_deliveries();
        assert_eq!(chat.deliveries().count(), 0);
    }

    #[test]
    fn a_slot_used_again_is_somebody_new() {
        let (mut chat, mut out) = (Chat::default(), Vec::new());
        chat.take(person(1), "visitor 0", &mut out);
        let successor = ConnectionId { slot: 1, generation: 1 };
        chat.take(successor, "hello", &mut out);
        assert!(out.is_empty(), "it did not say who it is");
    }
}
