//! A table whose entries are named by slot and generation, so that a name that outlived its entry finds
//! nothing. What is in the table is the backend's business.

use crate::ConnectionId;

/// Generations are 24 bits, so that a slot, a generation and an operation fit in the 64 bits that the
/// kernel carries for us.
pub(crate) const GENERATION_MASK: u32 = (1 << 24) - 1;

/// Grows as needed up to its limit and never shrinks; a free slot costs its size and no more.
#[derive(Debug)]
pub(crate) struct Slots<T> {
    entries: Vec<Entry<T>>,
    free: Vec<u32>,
    slots_max: u32,
}

#[derive(Debug)]
struct Entry<T> {
    generation: u32,
    value: Option<T>,
}

impl<T> Slots<T> {
    pub(crate) fn new(slots_max: u32) -> Self {
        Self { entries: Vec::new(), free: Vec::new(), slots_max }
    }

    /// Entries in use.
    pub(crate) fn len(&self) -> usize {
        self.entries.len() - self.free.len()
    }

    pub(crate) fn is_full(&self) -> bool {
        self.free.is_empty() && self.entries.len() >= self.slots_max as usize
    }

    /// Puts a value into a free slot; gives it back if there is none.
    pub(crate) fn insert(&mut self, value: T) -> Result<ConnectionId, T> {
        if let Some(slot) = self.free.pop() {
            let entry = &mut self.entries[slot as usize];
            entry.value = Some(value);
            return Ok(ConnectionId { slot, generation: entry.generation });
        }
        if self.is_full() {
            return Err(value);
        }
        let slot = self.entries.len() as u32;
        self.entries.push(Entry { generation: 0, value: Some(value) });
        Ok(ConnectionId { slot, generation: 0 })
    }

    pub(crate) fn get(&self, id: ConnectionId) -> Option<&T> {
        let entry = self.entries.get(id.slot as usize)?;
        entry.value.as_ref().filter(|_| entry.generation == id.generation)
    }

    pub(crate) fn get_mut(&mut self, id: ConnectionId) -> Option<&mut T> {
        let entry = self.entries.get_mut(id.slot as usize)?;
        entry.value.as_mut().filter(|_| entry.generation == id.generation)
    }

    /// All entries in use.
    pub(crate) fn values(&self) -> impl Iterator<Item = &T> {
        self.entries.iter().filter_map(|entry| entry.value.as_ref())
    }

    /// Empties the slot; from now on `id` names nobody.
    pub(crate) fn remove(&mut self, id: ConnectionId) -> Option<T> {
        let entry = self.entries.get_mut(id.slot as usize)?;
        if entry.generation != id.generation {
            return None;
        }
        let value = entry.value.take()?;
        entry.generation = (entry.generation + 1) & GENERATION_MASK;
        self.free.push(id.slot);
        Some(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_outlives_its_entry_and_finds_nothing() {
        let mut slots = Slots::new(2);
        let first = slots.insert("first").expect("room for two");
        assert_eq!(slots.remove(first), Some("first"));
        let second = slots.insert("second").expect("room for two");
        assert_eq!(second.slot, first.slot, "the slot is used again");
        assert_ne!(second.generation, first.generation);
        assert_eq!(slots.get(first), None);
        assert_eq!(slots.get_mut(first), None);
        assert_eq!(slots.remove(first), None);
        assert_eq!(slots.get(second), Some(&"second"));
    }

    #[test]
    fn a_full_table_gives_the_value_back() {
        let mut slots = Slots::new(2);
        let ids = [1, 2].map(|value| slots.insert(value).expect("room for two"));
        assert!(slots.is_full());
        assert_eq!(slots.insert(3), Err(3));
        assert_eq!(slots.len(), 2);
        slots.remove(ids[0]);
        assert!(!slots.is_full());
        assert!(slots.insert(3).is_ok());
    }

    #[test]
    fn a_name_never_seen_finds_nothing() {
        let mut slots = Slots::<u8>::new(2);
        let stranger = ConnectionId { slot: 7, generation: 7 };
        assert_eq!(slots.get(stranger), None);
        assert_eq!(slots.remove(stranger), None);
    }

    #[test]
    fn generations_wrap_at_24_bits() {
        let mut slots = Slots::new(1);
        let id = slots.insert(()).expect("room for one");
        slots.entries[0].generation = GENERATION_MASK;
        let last = ConnectionId { generation: GENERATION_MASK, ..id };
        slots.remove(last).expect("the last generation is in use");
        assert_eq!(slots.insert(()).expect("room for one").generation, 0);
    }
}
