//! Slows down who guesses: after some failures the next attempt is refused for a while that doubles.
//!
//! Pure: the time is an argument. An attempt counts as failed until it is known to be right, so that many at
//! once are no way around. The table is bounded; when it is full, the one longest quiet is forgotten.

use std::collections::HashMap;

/// Failures that cost nothing: people mistype.
pub const FREE_FAILURES: u32 = 5;
/// The first wait, in milliseconds.
pub const WAIT_MS_MIN: u64 = 1_000;
/// The longest wait, in milliseconds.
pub const WAIT_MS_MAX: u64 = 60_000;
/// Quiet after which everything is forgotten, in milliseconds.
pub const FORGET_MS: u64 = 15 * 60_000;
/// Keys remembered at once.
pub const KEYS_MAX: usize = 10_000;

const _: () = assert!(WAIT_MS_MIN < WAIT_MS_MAX && WAIT_MS_MAX < FORGET_MS);

/// Who failed how often. Keys are names, or addresses.
#[derive(Debug, Default)]
pub struct Throttle {
    entries: HashMap<String, Entry>,
}

#[derive(Debug)]
struct Entry {
    failures: u32,
    last_ms: u64,
}

impl Entry {
    /// When the next attempt is welcome.
    fn next_ms(&self) -> u64 {
        match self.failures.checked_sub(FREE_FAILURES) {
            None => 0,
            Some(beyond) => {
                let wait_ms = WAIT_MS_MIN.saturating_mul(1 << beyond.min(32)).min(WAIT_MS_MAX);
                self.last_ms.saturating_add(wait_ms)
            }
        }
    }
}

impl Throttle {
    /// Counts an attempt, or says how many milliseconds it is too early. One that is refused counts nothing.
    pub fn attempt(&mut self, key: &str, now_ms: u64) -> Result<(), u64> {
        self.forget(key, now_ms);
        if let Some(entry) = self.entries.get_mut(key) {
            let early_ms = entry.next_ms().saturating_sub(now_ms);
            if early_ms > 0 {
                return Err(early_ms);
            }
            entry.failures = entry.failures.saturating_add(1);
            entry.last_ms = now_ms;
            return Ok(());
        }
        if self.entries.len() >= KEYS_MAX {
            self.make_room(now_ms);
        }
        self.entries.insert(key.to_owned(), Entry { failures: 1, last_ms: now_ms });
        Ok(())
    }

    /// The attempt was right: all is forgiven, as for a name whose password was known.
    pub fn forgive(&mut self, key: &str) {
        self.entries.remove(key);
    }

    /// The attempt was right, or was none; those before it still count, as for an address from which
    /// somebody knows one password and guesses another.
    pub fn take_back(&mut self, key: &str) {
        if let Some(entry) = self.entries.get_mut(key) {
            entry.failures -= 1;
            if entry.failures == 0 {
                self.entries.remove(key);
            }
        }
    }

    fn forget(&mut self, key: &str, now_ms: u64) {
        if self.entries.get(key).is_some_and(|entry| now_ms.saturating_sub(entry.last_ms) >= FORGET_MS) {
            self.entries.remove(key);
        }
    }

    fn make_room(&mut self, now_ms: u64) {
        self.entries.retain(|_, entry| now_ms.saturating_sub(entry.last_ms) < FORGET_MS);
        if self.entries.len() < KEYS_MAX {
            return;
        }
        let longest_quiet = self.entries.iter().min_by_key(|(key, entry)| (entry.last_ms, *key));
        if let Some(key) = longest_quiet.map(|(key, _)| key.clone()) {
            self.entries.remove(&key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Attempts that all fail, each as soon as it is welcome; the waits between them in seconds.
    fn waits(attempts: usize) -> Vec<u64> {
        let mut throttle = Throttle::default();
        let mut now_ms = 1_000_000;
        let mut waits = Vec::new();
        for _ in 0..attempts {
            let wait_ms = throttle.attempt("a", now_ms).err().unwrap_or(0);
            if wait_ms > 0 {
                assert_eq!(throttle.attempt("a", now_ms + wait_ms - 1), Err(1), "a moment too early");
                now_ms += wait_ms;
                assert_eq!(throttle.attempt("a", now_ms), Ok(()));
            }
            waits.push(wait_ms / 1_000);
        }
        waits
    }

    #[test]
    fn five_are_free_then_the_wait_doubles_up_to_a_minute() {
        assert_eq!(waits(13), [0, 0, 0, 0, 0, 1, 2, 4, 8, 16, 32, 60, 60]);
    }

    #[test]
    fn others_are_not_slowed_down() {
        let mut throttle = Throttle::default();
        for _ in 0..FREE_FAILURES {
            assert_eq!(throttle.attempt("a", 0), Ok(()));
        }
        assert!(throttle.attempt("a", 0).is_err());
        assert_eq!(throttle.attempt("b", 0), Ok(()));
    }

    #[test]
    fn quiet_is_forgotten() {
        let mut throttle = Throttle::default();
        for _ in 0..FREE_FAILURES {
            assert_eq!(throttle.attempt("a", 0), Ok(()));
        }
        for _ in 0..FREE_FAILURES {
            assert_eq!(throttle.attempt("a", FORGET_MS), Ok(()));
        }
        assert!(throttle.attempt("a", FORGET_MS).is_err());
    }

    #[test]
    fn one_right_attempt_takes_back_only_itself() {
        let mut throttle = Throttle::default();
        for _ in 0..FREE_FAILURES - 1 {
            assert_eq!(throttle.attempt("address", 0), Ok(()));
        }
        for _ in 0..10 {
            assert_eq!(throttle.attempt("address", 0), Ok(()));
            throttle.take_back("address");
        }
        assert_eq!(throttle.attempt("address", 0), Ok(()));
        assert!(throttle.attempt("address", 0).is_err());
        throttle.forgive("address");
        assert_eq!(throttle.attempt("address", 0), Ok(()));
    }

    #[test]
    fn the_table_is_bounded_and_drops_the_longest_quiet() {
        let mut throttle = Throttle::default();
        for key in 0..=KEYS_MAX as u64 {
            assert_eq!(throttle.attempt(&key.to_string(), key), Ok(()));
        }
        assert_eq!(throttle.entries.len(), KEYS_MAX);
        assert!(!throttle.entries.contains_key("0"));
        assert!(throttle.entries.contains_key("1"));
    }
}
