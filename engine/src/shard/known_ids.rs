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

/// The newest of a conversation, [`KNOWN_IDS_MAX`] of them. There is one of this in each conversation, and many say little,
/// so nothing is kept in a map, which takes three times the memory; in a long conversation a message that is new costs a
/// look at all tags, 1 KiB.
#[derive(Debug, Default)]
pub struct KnownIds(Option<Box<Newest>>);

/// Oldest first.
#[derive(Debug, Default)]
struct Newest {
    /// Of each, the part of its key that is looked at first.
    tags: VecDeque<u16>,
    packed: VecDeque<Packed>,
}

/// What is known of one message beside its tag, in 16 bytes.
#[derive(Clone, Copy, Debug)]
struct Packed {
    /// The rest of the key, which is the hash of sender and id.
    key: [u8; 6],
    /// As many events as one conversation can have.
    seq: [u8; 4],
    /// Until the year 10889.
    at_ms: [u8; 6],
}

/// Tags that are compared at once.
const TAGS_AT_ONCE: usize = 32;

impl KnownIds {
    /// What the sender's message with that id became, if it was taken before.
    pub fn get(&self, sender: &str, id: &str) -> Option<KnownId> {
        let newest = self.0.as_deref()?;
        let key = placement::stable_hash(&[sender, id]);
        let (older, newer) = newest.tags.as_slices();
        // Who sends again does so soon.
        newest.find(newer, older.len(), key).or_else(|| newest.find(older, 0, key))
    }

    /// Remembers a message that is new, and forgets the oldest beyond the limit.
    pub fn remember(&mut self, sender: &str, id: &str, known: KnownId) {
        let Newest { tags, packed } = &mut **self.0.get_or_insert_default();
        if packed.len() == KNOWN_IDS_MAX {
            tags.pop_front();
            packed.pop_front();
        }
        let key = placement::stable_hash(&[sender, id]);
        tags.push_back(key as u16);
        packed.push_back(Packed::new(key, known));
    }
}

impl Newest {
    /// Looks among these tags, the first of which is that of `packed[from]`.
    fn find(&self, tags: &[u16], from: usize, key: u64) -> Option<KnownId> {
        let (tag, rest) = (key as u16, rest_of(key));
        let chunks = tags.chunks(TAGS_AT_ONCE).enumerate().rev();
        // All of a chunk are compared, as the compiler makes few instructions of that.
        let likely = chunks.filter(|(_, chunk)| chunk.iter().fold(false, |any, one| any | (*one == tag)));
        likely
            .map(|(number, chunk)| (from + number * TAGS_AT_ONCE, chunk.len()))
            .flat_map(|(first, count)| (first..first + count).rev())
            .find(|index| self.packed[*index].key == rest && self.tags[*index] == tag)
            .map(|index| self.packed[index].known())
    }
}

/// The key without its tag.
const fn rest_of(key: u64) -> [u8; 6] {
    let [_, _, a, b, c, d, e, f] = key.to_le_bytes();
    [a, b, c, d, e, f]
}

impl Packed {
    fn new(key: u64, known: KnownId) -> Self {
        let [a, b, c, d, e, f, ..] = known.at_ms.to_le_bytes();
        let seq = u32::try_from(known.seq).expect("a conversation has fewer events").to_le_bytes();
        Self { key: rest_of(key), seq, at_ms: [a, b, c, d, e, f] }
    }

    fn known(&self) -> KnownId {
        let [a, b, c, d, e, f] = self.at_ms;
        let at_ms = u64::from_le_bytes([a, b, c, d, e, f, 0, 0]);
        KnownId { seq: u32::from_le_bytes(self.seq).into(), at_ms }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn as_the(number: usize) -> KnownId {
        KnownId { seq: number as u64, at_ms: 1_795_392_000_000 + number as u64 }
    }

    #[test]
    fn the_newest_are_known_by_sender_and_id() {
        let mut ids = KnownIds::default();
        assert_eq!(ids.get("visitor", "0"), None);
        for number in 0..3 * KNOWN_IDS_MAX {
            ids.remember("visitor", &number.to_string(), as_the(number));
            let known = |number: usize| ids.get("visitor", &number.to_string());
            assert_eq!(known(number), Some(as_the(number)));
            assert_eq!(known(number + 1), None);
            let oldest = (number + 1).saturating_sub(KNOWN_IDS_MAX);
            assert_eq!(known(oldest), Some(as_the(oldest)));
            assert_eq!(known(oldest.wrapping_sub(1)), None, "it has made room");
        }
        let last = (3 * KNOWN_IDS_MAX - 1).to_string();
        assert_eq!(ids.get("agent", &last), None, "somebody else's may be called the same");
    }

    #[test]
    fn a_tag_that_two_have_in_common_is_not_enough() {
        let mut ids = KnownIds::default();
        let tag = |id: &str| placement::stable_hash(&["visitor", id]) as u16;
        let alike = (1..).map(|number: u32| number.to_string()).find(|id| tag(id) == tag("0"));
        let alike = alike.expect("one in 65,536 is");
        ids.remember("visitor", &alike, as_the(1));
        assert_eq!(ids.get("visitor", "0"), None);
        ids.remember("visitor", "0", as_the(2));
        assert_eq!((ids.get("visitor", &alike), ids.get("visitor", "0")), (Some(as_the(1)), Some(as_the(2))));
    }
}
