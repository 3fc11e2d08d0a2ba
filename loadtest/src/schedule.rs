//! When things happen: seeded randomness and Poisson arrivals. No clock is read here.

/// A small generator of random numbers (SplitMix64): the same seed and stream give the same numbers on every
/// machine. Not for secrets.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// One of many independent streams of a seed.
    pub fn new(seed: u64, stream: u64) -> Self {
        let mut random = Self(seed ^ stream.wrapping_mul(0xd134_2543_de82_ef95));
        // Neighbouring streams begin near each other; one step takes them apart.
        random.0 = random.number();
        random
    }

    /// The next number of 64 bits.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    /// A number above 0 and up to 1.
    pub fn unit(&mut self) -> f64 {
        ((self.number() >> 11) + 1) as f64 / (1u64 << 53) as f64
    }

    /// A number below `end`, which is not 0.
    pub fn below(&mut self, end: usize) -> usize {
        // The remainder's preference for small numbers is below one in 2^40 here.
        (self.number() % end as u64) as usize
    }

    /// The numbers below `end` in an order that chance gives (Fisher and Yates).
    pub fn shuffled(&mut self, end: u32) -> Vec<u32> {
        let mut all: Vec<u32> = (0..end).collect();
        for index in (1..all.len()).rev() {
            all.swap(index, self.below(index + 1));
        }
        all
    }

    /// Bytes for the mask of a frame.
    pub fn mask(&mut self) -> [u8; 4] {
        (self.number() as u32).to_le_bytes()
    }
}

/// When somebody speaks: a Poisson process that knows nothing of answers, so that a slow server is asked as
/// often as a quick one. Who speaks is chosen by chance each time, which makes of one process for many visitors
/// one for each of them.
#[derive(Clone, Debug)]
pub struct Arrivals {
    random: Random,
    mean_us: f64,
    next_us: f64,
    end_us: f64,
}

impl Arrivals {
    /// From `begin_us` until `end_us`, `rate` times a second on average; a rate of 0 means never.
    pub fn new(random: Random, rate: f64, begin_us: u64, end_us: u64) -> Self {
        let mut arrivals =
            Self { random, mean_us: 1e6 / rate, next_us: begin_us as f64, end_us: end_us as f64 };
        arrivals.advance();
        arrivals
    }

    fn advance(&mut self) {
        self.next_us -= self.random.unit().ln() * self.mean_us;
    }
}

impl Iterator for Arrivals {
    /// Microseconds of the clock that `begin_us` is of.
    type Item = u64;

    fn next(&mut self) -> Option<u64> {
        // A rate of 0 makes the next time infinite or, after a logarithm of 0, not a number.
        let due = (self.next_us < self.end_us).then_some(self.next_us as u64)?;
        self.advance();
        Some(due)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arrivals(seed: u64, stream: u64, rate: f64, seconds: u64) -> Vec<u64> {
        Arrivals::new(Random::new(seed, stream), rate, 1_000_000, (1 + seconds) * 1_000_000).collect()
    }

    #[test]
    fn the_same_seed_gives_the_same_schedule() {
        assert_eq!(arrivals(7, 3, 2.0, 100), arrivals(7, 3, 2.0, 100));
        assert_ne!(arrivals(7, 3, 2.0, 100), arrivals(7, 4, 2.0, 100));
        assert_ne!(arrivals(7, 3, 2.0, 100), arrivals(8, 3, 2.0, 100));
    }

    #[test]
    fn arrivals_rise_within_their_time_at_the_rate_asked_for() {
        for rate in [0.1, 1.0, 25.0] {
            let all: Vec<u64> = (0..200).flat_map(|stream| arrivals(1, stream, rate, 200)).collect();
            let expected = rate * 200.0 * 200.0;
            let spread = 5.0 * expected.sqrt();
            assert!((all.len() as f64 - expected).abs() < spread, "{} of {expected}", all.len());
            assert!(all.iter().all(|at| (1_000_000..201_000_000).contains(at)));
        }
        let one = arrivals(1, 1, 50.0, 10);
        assert!(one.is_sorted());
    }

    #[test]
    fn gaps_are_as_irregular_as_chance() {
        let all = arrivals(5, 5, 10.0, 10_000);
        let gaps: Vec<f64> = all.windows(2).map(|pair| (pair[1] - pair[0]) as f64).collect();
        let mean = gaps.iter().sum::<f64>() / gaps.len() as f64;
        let variance = gaps.iter().map(|gap| (gap - mean).powi(2)).sum::<f64>() / gaps.len() as f64;
        // Of exponential gaps, the standard deviation is the mean.
        assert!((variance.sqrt() / mean - 1.0).abs() < 0.05, "{} of {mean}", variance.sqrt());
    }

    #[test]
    fn a_rate_of_zero_means_never() {
        assert!(arrivals(1, 1, 0.0, 1_000).is_empty());
    }

    #[test]
    fn a_visitor_of_many_speaks_by_a_poisson_process_too() {
        let mut random = Random::new(3, 3);
        let times = arrivals(3, 4, 1_000.0, 200);
        let mine: Vec<u64> = times.into_iter().filter(|_| random.below(100) == 7).collect();
        let expected: f64 = 2_000.0;
        assert!((mine.len() as f64 - expected).abs() < 5.0 * expected.sqrt(), "{}", mine.len());
        let gaps: Vec<f64> = mine.windows(2).map(|pair| (pair[1] - pair[0]) as f64).collect();
        let mean = gaps.iter().sum::<f64>() / gaps.len() as f64;
        let variance = gaps.iter().map(|gap| (gap - mean).powi(2)).sum::<f64>() / gaps.len() as f64;
        assert!((variance.sqrt() / mean - 1.0).abs() < 0.1, "{} of {mean}", variance.sqrt());
    }

    #[test]
    fn a_shuffle_has_everybody_once_and_depends_on_the_seed() {
        let shuffled = |seed| Random::new(seed, 0).shuffled(1_000);
        let mut sorted = shuffled(1);
        sorted.sort_unstable();
        assert!(sorted.into_iter().eq(0..1_000));
        assert_eq!(shuffled(1), shuffled(1));
        assert_ne!(shuffled(1), shuffled(2));
        assert!(Random::new(1, 0).shuffled(0).is_empty());
    }

    #[test]
    fn units_stay_within_their_bounds() {
        let mut random = Random::new(1, 1);
        assert!((0..10_000).map(|_| random.unit()).all(|unit| unit > 0.0 && unit <= 1.0));
    }
}
