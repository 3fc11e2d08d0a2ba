//! The connections of this shard that have not said hello, by address and in the order in which they came: when an
//! address has its fill of them, the one that has been silent longest gives its place to a new one. So whoever speaks
//! at once gets in, however many of the same address do not.

use std::collections::{BTreeMap, HashMap};

use crate::gate::Key;

/// All of a shard's.
#[derive(Debug, Default)]
pub struct Strangers {
    by_address: HashMap<Key, BTreeMap<u64, u64>>,
    next: u64,
    len: usize,
}

impl Strangers {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// A new one, and the number it is removed by.
    pub fn insert(&mut self, key: Key, connection: u64) -> u64 {
        self.next += 1;
        self.by_address.entry(key).or_default().insert(self.next, connection);
        self.len += 1;
        self.next
    }

    /// How many an address has.
    pub fn count(&self, key: Key) -> usize {
        self.by_address.get(&key).map_or(0, BTreeMap::len)
    }

    /// It is none any more.
    pub fn remove(&mut self, key: Key, number: u64) {
        let Some(here) = self.by_address.get_mut(&key) else { return };
        self.len -= usize::from(here.remove(&number).is_some());
        if here.is_empty() {
            self.by_address.remove(&key);
        }
    }

    /// Those of an address, the oldest first.
    pub fn of(&self, key: Key) -> impl Iterator<Item = u64> {
        self.by_address.get(&key).into_iter().flat_map(BTreeMap::values).copied()
    }
}
