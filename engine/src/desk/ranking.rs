//! A sorted map that knows at which position each of its entries is.
//!
//! The standard B-tree map would count all entries before one, and a queue of a million asks for positions thousands of
//! times a second. Here entries are in sorted blocks of some hundred: to find one is a binary search over blocks
//! and one in a block, and its position the sizes of the blocks between it and the nearer end. Who comes last and who
//! is next, which is nearly everybody who is asked for, is found at once.

/// Entries of a block; a fuller one is cut in two.
const BLOCK_MAX: usize = 256;

/// See the module.
#[derive(Clone, Debug)]
pub struct Ranking<K, V> {
    /// Sorted, over blocks and in each; no block is empty.
    blocks: Vec<Vec<(K, V)>>,
    len: usize,
}

impl<K, V> Default for Ranking<K, V> {
    fn default() -> Self {
        Self { blocks: Vec::new(), len: 0 }
    }
}

impl<K: Ord, V> Ranking<K, V> {
    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Adds an entry, or replaces the one with this key.
    pub fn insert(&mut self, key: K, value: V) {
        if self.is_empty() {
            self.blocks.push(Vec::new());
        }
        // Beyond all others: into the last one.
        let block = self.block_of(&key).min(self.blocks.len() - 1);
        let entries = &mut self.blocks[block];
        match entries.binary_search_by(|(other, _)| other.cmp(&key)) {
            Ok(place) => entries[place].1 = value,
            Err(place) => {
                entries.insert(place, (key, value));
                self.len += 1;
            }
        }
        if entries.len() > BLOCK_MAX {
            let rest = entries.split_off(BLOCK_MAX / 2);
            self.blocks.insert(block + 1, rest);
        }
    }

    /// Takes an entry out.
    pub fn remove(&mut self, key: &K) -> Option<V> {
        let (block, place) = self.find(key)?;
        let (_, value) = self.blocks[block].remove(place);
        if self.blocks[block].is_empty() {
            self.blocks.remove(block);
        }
        self.len -= 1;
        Some(value)
    }

    /// The value of this key.
    pub fn get(&self, key: &K) -> Option<&V> {
        let (block, place) = self.find(key)?;
        Some(&self.blocks[block][place].1)
    }

    /// The value of this key, to be changed.
    pub fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        let (block, place) = self.find(key)?;
        Some(&mut self.blocks[block][place].1)
    }

    /// All entries, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.blocks.iter().flatten().map(|(key, value)| (key, value))
    }

    /// The first entry that is not before this key.
    pub fn first_from(&self, key: &K) -> Option<(&K, &V)> {
        let entries = self.blocks.get(self.block_of(key))?;
        let (key, value) = &entries[entries.partition_point(|(other, _)| other < key)];
        Some((key, value))
    }

    /// The values from this position on, in order, to be changed.
    pub fn values_from_mut(&mut self, position: usize) -> impl Iterator<Item = &mut V> {
        let mut before = 0;
        let ends_before = |block: &&Vec<(K, V)>| {
            let ends = before + block.len() <= position;
            before += if ends { block.len() } else { 0 };
            ends
        };
        let block = self.blocks.iter().take_while(ends_before).count();
        self.blocks[block..].iter_mut().flatten().skip(position - before).map(|(_, value)| value)
    }

    /// How many entries are before this key, whether it is there or not.
    pub fn position(&self, key: &K) -> usize {
        let block = self.block_of(key);
        let Some(entries) = self.blocks.get(block) else { return self.len };
        let place = entries.partition_point(|(other, _)| other < key);
        let sizes = |blocks: &[Vec<(K, V)>]| blocks.iter().map(Vec::len).sum::<usize>();
        if block < self.blocks.len() / 2 {
            sizes(&self.blocks[..block]) + place
        } else {
            self.len - sizes(&self.blocks[block..]) + place
        }
    }

    /// The first block that does not end before the key.
    fn block_of(&self, key: &K) -> usize {
        self.blocks.partition_point(|block| block.last().is_none_or(|(last, _)| last < key))
    }

    fn find(&self, key: &K) -> Option<(usize, usize)> {
        let block = self.block_of(key);
        let place = self.blocks.get(block)?.binary_search_by(|(other, _)| other.cmp(key)).ok()?;
        Some((block, place))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, Debug)]
    enum Step {
        Insert(u16),
        Append,
        Remove(u16),
        PopFirst,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            any::<u16>().prop_map(Step::Insert),
            Just(Step::Append),
            any::<u16>().prop_map(Step::Remove),
            Just(Step::PopFirst),
        ]
    }

    proptest! {
        /// Over blocks that are cut and that vanish: 3,000 steps, three quarters of all keys at once among them.
        #[test]
        fn it_is_the_standard_map_that_knows_positions(
            start in 0..2_000_u32,
            steps in prop::collection::vec(step(), 0..1_000),
        ) {
            let mut ranking = Ranking::default();
            let mut map = BTreeMap::new();
            for key in 0..start {
                ranking.insert(key * 7 % 65_536, key);
                map.insert(key * 7 % 65_536, key);
            }
            for step in steps {
                match step {
                    Step::Insert(key) => {
                        ranking.insert(key.into(), 1);
                        map.insert(key.into(), 1);
                    }
                    Step::Append => {
                        let key = map.last_key_value().map_or(0, |(last, _)| last + 1);
                        ranking.insert(key, 2);
                        map.insert(key, 2);
                    }
                    Step::Remove(key) => prop_assert_eq!(ranking.remove(&key.into()), map.remove(&key.into())),
                    Step::PopFirst => {
                        let first = map.first_key_value().map(|(key, _)| *key).unwrap_or_default();
                        prop_assert_eq!(ranking.remove(&first), map.remove(&first));
                    }
                }
            }
            prop_assert_eq!(ranking.len(), map.len());
            prop_assert!(ranking.iter().eq(map.iter()));
            for (position, (key, value)) in map.iter().enumerate() {
                prop_assert_eq!(ranking.position(key), position);
                prop_assert_eq!(ranking.get(key), Some(value));
                prop_assert_eq!(ranking.first_from(key), Some((key, value)));
            }
            prop_assert_eq!(ranking.position(&u32::MAX), map.len());
            for key in 0..64 {
                prop_assert_eq!(ranking.first_from(&(key * 1_021)), map.range(key * 1_021..).next());
            }
            for from in [0, 1, map.len() / 3, map.len()] {
                prop_assert!(ranking.values_from_mut(from.min(map.len())).map(|value| *value).eq(map.values().skip(from).copied()));
            }
        }
    }
}
