//! How often something may happen: a rate with a burst, in eight bytes and without a timer.

/// So many a second, and so many at once after a pause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// From 1 to 1,000,000.
    pub per_second: u32,
    /// At least 1.
    pub burst: u32,
}

impl Rate {
    /// Microseconds that one time takes up.
    fn each_us(self) -> u64 {
        1_000_000 / u64::from(self.per_second.max(1))
    }
}

/// What is left of a [`Rate`]: a token bucket, kept as the time at which it is full again.
#[derive(Clone, Copy, Debug, Default)]
pub struct Allowance {
    full_us: u64,
}

impl Allowance {
    /// Takes one, if there is one at `now_us`.
    pub fn take(&mut self, rate: Rate, now_us: u64) -> bool {
        let full_us = self.full_us.max(now_us);
        let ahead_us = rate.each_us() * u64::from(rate.burst.saturating_sub(1));
        if full_us - now_us > ahead_us {
            return false;
        }
        self.full_us = full_us + rate.each_us();
        true
    }

    /// Whether nothing is missing: as good as new.
    pub fn is_full(&self, now_us: u64) -> bool {
        self.full_us <= now_us
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: Rate = Rate { per_second: 10, burst: 3 };

    /// How many of `times` are granted.
    fn granted(allowance: &mut Allowance, now_us: u64, times: usize) -> usize {
        (0..times).filter(|_| allowance.take(RATE, now_us)).count()
    }

    #[test]
    fn a_burst_then_the_rate() {
        let mut allowance = Allowance::default();
        for (now_us, expected) in
            [(5_000_000, 3), (5_099_999, 0), (5_100_000, 1), (5_350_000, 2), (9_000_000, 3)]
        {
            assert_eq!(granted(&mut allowance, now_us, 10), expected, "at {now_us}");
        }
    }

    #[test]
    fn it_is_as_good_as_new_when_all_has_come_back() {
        let mut allowance = Allowance::default();
        granted(&mut allowance, 1_000_000, 3);
        assert!(!allowance.is_full(1_299_999));
        assert!(allowance.is_full(1_300_000));
    }
}
