//! What became of the messages that clients have sent into a conversation: one that is sent again gets the first
//! answer, and is not taken twice.

use std::collections::VecDeque;

use store::sql::KNOWN_IDS_MAX;

use crate::placement;

/// When and as what a client's message was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KnownId {
    /// Its number in the conversation.
    pub seq: u64,
    /// When, milliseconds since 1970.
    pub at_ms: u64,
}

/// The newest of a conversation, [`KNOWN_IDS_MAX`] of them. They are searched one by one: most conversations have some
/// ten, there is one of this in each, and a map takes three times the memory.
#[derive(Debug, Default)]
pub struct KnownIds {
    /// By the hash of sender and id, oldest first.
    newest: VecDeque<(u64, KnownId)>,
}

impl KnownIds {
    /// What the sender's message with that id became, if it was taken before.
    pub fn get(&self, sender: &str, id: &str) -> Option<KnownId> {
        let key = placement::stable_hash(&[sender, id]);
        // Who sends again does so soon.
        self.newest.iter().rev().find(|(known, _)| *known == key).map(|(_, known)| *known)
    }

    /// Remembers a message that is new, and forgets the oldest beyond the limit.
    pub fn remember(&mut self, sender: &str, id: &str, known: KnownId) {
        if self.newest.len() == KNOWN_IDS_MAX {
            self.newest.pop_front();
        }
        self.newest.push_back((placement::stable_hash(&[sender, id]), known));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn as_the(number: usize) -> KnownId {
        KnownId { seq: number as u64, at_ms: 0 }
    }

    #[test]
    fn the_newest_are_known_by_sender_and_id() {
        let mut ids = KnownIds::default();
        for number in 0..=KNOWN_IDS_MAX {
            ids.remember("visitor", &number.to_string(), as_the(number));
        }
        assert_eq!(ids.get("visitor", "0"), None, "the oldest makes room");
        assert_eq!(ids.get("visitor", "1"), Some(as_the(1)));
        assert_eq!(ids.get("agent", "1"), None, "somebody else's may be called the same");
        assert_eq!(ids.get("visitor", &KNOWN_IDS_MAX.to_string()), Some(as_the(KNOWN_IDS_MAX)));
    }
}
