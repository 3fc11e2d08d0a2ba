//! How long somebody at some place of a queue will wait: from the measured rate at which it is served.
//!
//! Only time in which somebody waits is measured: an empty queue says nothing of how fast a full one moves. With
//! `n` departures in `t` milliseconds of such time, the one at place `k` waits for about `k * t / n`. How far that
//! may be off has two reasons: `k` departures are as irregular as chance makes them (for a Poisson process, their
//! time varies by one part in the square root of `k`), and the rate was measured from `n` only (one part in the
//! square root of `n`). Whole numbers throughout, so that equal seeds give equal lives.

use std::collections::VecDeque;

use codec::message::Estimate;

/// Departures that are remembered: enough for an error of some ten per cent, few enough to follow a shift's change.
const DEPARTURES_KEPT: usize = 64;
/// Fewer say nothing.
const DEPARTURES_MIN: usize = 5;
/// The band holds nine of ten: so many standard deviations, in thousandths.
const BAND_THOUSANDTHS: u64 = 1_645;
/// Longest wait that is told, in seconds: beyond it nobody plans.
const SECONDS_MAX: u64 = 24 * 3_600;

/// The measured rate of one queue.
#[derive(Clone, Debug, Default)]
pub struct ServiceRate {
    /// Time between one departure and the one before, in milliseconds, the newest last.
    intervals: VecDeque<u64>,
    sum_ms: u64,
    /// Since when the present interval runs; nothing while nobody waits.
    since_ms: Option<u64>,
}

impl ServiceRate {
    /// Somebody waits where nobody did.
    pub fn begins(&mut self, now_ms: u64) {
        self.since_ms.get_or_insert(now_ms);
    }

    /// The first of the queue was served; others wait still, or not.
    pub fn served(&mut self, now_ms: u64, others_wait: bool) {
        if let Some(since_ms) = self.since_ms {
            let interval_ms = now_ms.saturating_sub(since_ms);
            self.intervals.push_back(interval_ms);
            self.sum_ms += interval_ms;
        }
        if self.intervals.len() > DEPARTURES_KEPT {
            self.sum_ms -= self.intervals.pop_front().unwrap_or_default();
        }
        self.since_ms = others_wait.then_some(now_ms);
    }

    /// Nobody waits any more, and nobody was served: the time tells nothing.
    pub fn ends(&mut self) {
        self.since_ms = None;
    }

    /// For the one at `place`, from 1; nothing while too little is known.
    pub fn estimate(&self, now_ms: u64, place: u32) -> Option<Estimate> {
        let count = self.intervals.len() as u64;
        if count < DEPARTURES_MIN as u64 {
            return None;
        }
        let place = u64::from(place);
        // What has passed since the last departure counts: a queue that stands still must not look fast.
        let mean_ms = self.sum_ms / count;
        let open_ms = self.since_ms.map_or(0, |since_ms| now_ms.saturating_sub(since_ms));
        let sum_ms = self.sum_ms + open_ms.saturating_sub(mean_ms);
        let likely_ms = place * sum_ms / count;
        let spread_ms = likely_ms * BAND_THOUSANDTHS / 1_000;
        // sqrt(1/k + 1/n), in thousandths.
        let relative = (1_000_000 / place + 1_000_000 / count).isqrt();
        let band_ms = spread_ms * relative / 1_000;
        let seconds = |ms: u64| ms.div_ceil(1_000).min(SECONDS_MAX);
        Some(Estimate {
            likely_s: seconds(likely_ms),
            low_s: (likely_ms.saturating_sub(band_ms) / 1_000).min(SECONDS_MAX),
            high_s: seconds(likely_ms + band_ms),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_steady_queue_is_foretold_and_a_short_memory_says_nothing() {
        let mut rate = ServiceRate::default();
        rate.begins(0);
        for count in 1..=20_u64 {
            assert_eq!(rate.estimate(count * 30_000, 1).is_some(), count > 5, "{count}");
            rate.served(count * 30_000, true);
        }
        let estimate = rate.estimate(600_000, 4).expect("known");
        assert_eq!(estimate.likely_s, 120);
        assert!(estimate.low_s < 120 && estimate.high_s > 120, "{estimate:?}");
        // The farther back, the surer in proportion.
        let far = rate.estimate(600_000, 100).expect("known");
        assert_eq!(far.likely_s, 3_000);
        assert!(far.high_s < 2 * far.likely_s, "{far:?}");
    }

    #[test]
    fn a_queue_that_stands_still_looks_slower_and_an_empty_one_does_not() {
        let mut rate = ServiceRate::default();
        rate.begins(0);
        (1..=10).for_each(|count| rate.served(count * 10_000, true));
        assert_eq!(rate.estimate(100_000, 1).expect("known").likely_s, 10);
        assert_eq!(rate.estimate(300_000, 1).expect("known").likely_s, 29);
        rate.ends();
        assert_eq!(rate.estimate(900_000, 1).expect("known").likely_s, 10);
    }

    /// Nine of ten: measured on a queue with exponential service, arrivals and service from a seed.
    #[test]
    fn nine_of_ten_wait_as_long_as_the_band_says() {
        let mut state = 7_u64;
        let mut random = move || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            ((state >> 11) as f64) / ((1_u64 << 53) as f64)
        };
        let mut rate = ServiceRate::default();
        let (mut now_ms, mut told) = (0_u64, VecDeque::new());
        let (mut inside, mut all) = (0_u32, 0_u32);
        rate.begins(0);
        for _ in 0..20_000 {
            // Between two departures somebody comes who is twentieth in the queue.
            told.push_back((now_ms, rate.estimate(now_ms, 20)));
            now_ms += (-(1.0 - random()).ln() * 30_000.0) as u64;
            rate.served(now_ms, true);
            if told.len() == 20 {
                let (since_ms, estimate) = told.pop_front().expect("twenty");
                let Some(estimate) = estimate else { continue };
                let waited_s = (now_ms - since_ms) / 1_000;
                all += 1;
                inside += u32::from((estimate.low_s..=estimate.high_s).contains(&waited_s));
            }
        }
        let percent = inside * 100 / all;
        println!("{percent} % of {all} waits were inside the band");
        assert!((86..=94).contains(&percent), "{percent} %");
    }
}
