//! How old SQL is.

use std::collections::VecDeque;

/// Looks that are remembered; of those beyond, the newest stands for several.
const LOOKS_MAX: usize = 4_096;

/// The age of the oldest record that SQL lacks. Where messages come without a pause SQL always lacks some, and is none the
/// older for it.
#[derive(Debug, Default)]
pub struct Age {
    /// When how many records were durable, milliseconds and since the start; only what SQL lacks.
    looks: VecDeque<(u64, u64)>,
}

impl Age {
    /// The age in milliseconds, as far as it was looked at. So many records are durable since the start, and SQL lacks so
    /// many of them.
    pub fn look(&mut self, now_ms: u64, durable: u64, lacks: u64) -> u64 {
        let in_sql = durable - lacks;
        while self.looks.front().is_some_and(|(_, durable)| *durable <= in_sql) {
            self.looks.pop_front();
        }
        let is_full = self.looks.len() == LOOKS_MAX;
        match self.looks.back_mut() {
            Some((_, newest)) if *newest == durable || is_full => *newest = durable,
            _ if lacks > 0 => self.looks.push_back((now_ms, durable)),
            _ => {}
        }
        self.looks.front().map_or(0, |(since_ms, _)| now_ms.saturating_sub(*since_ms))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sql_is_as_old_as_the_oldest_that_it_lacks() {
        let mut age = Age::default();
        // When, durable, lacking; the age.
        let looks = [
            (0, 0, 0, 0),
            (1_000, 10, 10, 0),
            (2_000, 20, 20, 1_000),
            (2_500, 20, 20, 1_500),
            (3_000, 30, 20, 1_000),
            (4_000, 40, 10, 0),
            (5_000, 50, 10, 0),
            (6_000, 60, 9, 0),
            (9_000, 60, 9, 3_000),
            (9_500, 60, 0, 0),
            (10_000, 60, 0, 0),
        ];
        for (now_ms, durable, lacks, expected) in looks {
            assert_eq!(age.look(now_ms, durable, lacks), expected, "at {now_ms}");
        }
    }

    #[test]
    fn a_database_that_fails_for_days_takes_no_more_memory() {
        let mut age = Age::default();
        let last = 10 * LOOKS_MAX as u64;
        for look in 1..=last {
            assert_eq!(age.look(look, look, look), look - 1);
        }
        assert_eq!(age.looks.len(), LOOKS_MAX);
        assert_eq!(age.look(last + 1, last, 0), 0);
    }
}
