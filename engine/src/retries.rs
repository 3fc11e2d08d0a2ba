//! When those who were refused for want of room may come again.
//!
//! Whoever is refused at one time and told one time comes again at one time, and a shard that refuses again is kept
//! busy by those it refuses: it never gets out (Bronson et al., "Metastable Failures in Distributed Systems", HotOS
//! 2021). So each is given a time of his own, one after another, at half the pace at which the shard has taken
//! messages. Pure: times go in, waits come out.

use crate::limits;

/// Over how long the pace is measured.
const WINDOW_MS: u64 = 1_000;

/// The times that one shard gives.
#[derive(Debug, Default)]
pub struct Retries {
    taken: u64,
    window_began_ms: u64,
    /// Messages taken in each second of the last whole window.
    taken_a_second: u64,
    /// The last time that was given.
    given_us: u64,
}

impl Retries {
    /// A message was taken from its lane, whatever became of it.
    pub fn taken(&mut self, now_ms: u64) {
        let elapsed_ms = now_ms - self.window_began_ms;
        if elapsed_ms >= WINDOW_MS {
            self.taken_a_second = self.taken * 1_000 / elapsed_ms;
            (self.taken, self.window_began_ms) = (0, now_ms);
        }
        self.taken += 1;
    }

    /// How long the next one who is refused shall wait, in milliseconds.
    pub fn next_ms(&mut self, now_us: u64) -> u32 {
        let pace = (self.taken_a_second / 2).max(limits::RETRIES_A_SECOND_MIN);
        let earliest_us = now_us + u64::from(limits::RETRY_AFTER_MS) * 1_000;
        let latest_us = now_us + u64::from(limits::RETRY_AFTER_MAX_MS) * 1_000;
        self.given_us = (self.given_us + 1_000_000 / pace).clamp(earliest_us, latest_us);
        u32::try_from((self.given_us - now_us) / 1_000).expect("not above the longest wait")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `refused` are told at once after two seconds in which `taken` messages were taken each: the first, the
    /// middle and the last.
    fn check(taken: u64, refused: usize, expected: [u32; 3]) {
        let mut retries = Retries::default();
        for number in 0..=2 * taken {
            retries.taken(number * 1_000 / taken);
        }
        let told: Vec<u32> = (0..refused).map(|_| retries.next_ms(2_000_000)).collect();
        assert!(told.is_sorted(), "in the order of their coming");
        assert_eq!([told[0], told[refused / 2], told[refused - 1]], expected, "{taken} a second");
    }

    #[test]
    fn each_has_a_time_of_his_own_at_half_the_pace() {
        check(2_000, 1_001, [2_000, 2_500, 3_000]);
        check(10_000, 5_001, [2_000, 2_500, 3_000]);
        // A shard that took next to nothing, and one with more to turn away than the longest wait has room for.
        check(10, 101, [2_000, 3_000, 4_000]);
        check(200, 10_001, [2_000, 30_000, 30_000]);
    }

    #[test]
    fn whoever_comes_after_the_crowd_waits_no_longer_than_the_least() {
        let mut retries = Retries::default();
        for _ in 0..1_000 {
            retries.next_ms(0);
        }
        assert_eq!(retries.next_ms(60_000_000), limits::RETRY_AFTER_MS);
    }
}
