//! Second by second: a line on the terminal while a run goes on, and a sample for its report.

use std::{
    io,
    sync::atomic::Ordering::Relaxed,
    time::{Duration, Instant},
};

use serde::Serialize;

use crate::{
    ledger::{Counts, Side},
    measure::{Interval, Summary},
    process::{self, Usage},
    shared::{Phase, Shared},
};

/// Between two lines of progress.
const PROGRESS: Duration = Duration::from_secs(1);
/// Most samples of one report: a run that lasts longer keeps every second one, then every fourth, and so on.
const SAMPLES_MAX: usize = 3_600;

/// One second of talking.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Sample {
    /// Seconds since the first step began to be prepared.
    pub second: f64,
    /// The step, from 0.
    pub step: usize,
    /// Messages a second that were due, of both sides.
    pub sent: f64,
    /// Acks a second.
    pub acknowledged: f64,
    /// Deliveries a second.
    pub delivered: f64,
    /// Refusals a second.
    pub refusals: f64,
    /// Messages under way.
    pub open: u64,
    /// Visitors' messages to their acks.
    pub ack: Summary,
    /// Visitors' messages to their agents.
    pub delivery: Summary,
    /// How late the generator was, one time in a hundred.
    pub lag_p99_us: u64,
    /// Processor time of the generator, in cores.
    pub generator_cores: f64,
    /// Processor time of the server, in cores.
    pub server_cores: Option<f64>,
    /// Resident memory of the server.
    pub server_rss_bytes: Option<u64>,
}

/// Counts of both sides together.
#[derive(Clone, Copy, Debug, Default)]
struct Both {
    sent: u64,
    acknowledged: u64,
    delivered: u64,
    refusals: u64,
}

impl Both {
    fn of(shared: &Shared) -> Self {
        let add = |one: Counts, other: Counts| Self {
            sent: one.sent + other.sent,
            acknowledged: one.acknowledged + other.acknowledged,
            delivered: one.delivered + other.delivered,
            refusals: one.refusals + other.refusals,
        };
        add(shared.ledger.counts(Side::Visitor), shared.ledger.counts(Side::Agent))
    }
}

/// What watches a run.
#[derive(Debug)]
pub struct Timeline {
    begun: Instant,
    told: Instant,
    talking_since: Option<Instant>,
    server_pid: Option<String>,
    before: Both,
    own_before: Usage,
    server_before: Option<Usage>,
    spare: Interval,
    samples: Vec<Sample>,
    /// Every how-many-th sample is kept.
    keep_every: usize,
    taken: usize,
}

impl Timeline {
    /// From now on.
    pub fn begin(server_pid: Option<String>) -> Self {
        let now = Instant::now();
        Self {
            begun: now,
            told: now,
            talking_since: None,
            server_pid,
            before: Both::default(),
            own_before: Usage::default(),
            server_before: None,
            spare: Interval::default(),
            samples: Vec::new(),
            keep_every: 1,
            taken: 0,
        }
    }

    /// Second by second.
    pub fn into_samples(self) -> Vec<Sample> {
        self.samples
    }

    /// Tells the last second, if it is over.
    pub fn tell(&mut self, shared: &Shared) -> io::Result<()> {
        let since = self.told.elapsed();
        if since < PROGRESS {
            return Ok(());
        }
        self.told = Instant::now();
        let seconds = self.begun.elapsed().as_secs();
        let load = |tally: &std::sync::atomic::AtomicU64| tally.load(Relaxed);
        let tallies = &shared.tallies;
        match shared.phase() {
            Phase::Agents => println!("{seconds:>4} s  {} agents ready", load(&tallies.agents_ready)),
            Phase::Visitors => println!("{seconds:>4} s  {} visitors welcomed", load(&tallies.welcomed)),
            Phase::Talking | Phase::Draining => {
                let sample = self.sample(since.as_secs_f64(), shared)?;
                tell_sample(seconds, &sample, shared);
                self.keep(sample);
            }
            Phase::Closing | Phase::Ending => {
                println!("{seconds:>4} s  {} conversations closed", load(&tallies.closed));
            }
        }
        Ok(())
    }

    fn sample(&mut self, seconds: f64, shared: &Shared) -> io::Result<Sample> {
        let first = self.talking_since.is_none();
        let talking_since = *self.talking_since.get_or_insert_with(Instant::now);
        let (now, own) = (Both::of(shared), process::usage("self")?);
        let server = self.server_pid.as_deref().map(process::usage).transpose()?;
        let interval = shared.take_interval(&mut self.spare);
        let rate = |now: u64, before: u64| (now - before) as f64 / seconds;
        let cores = |now: Usage, before: Usage| (now.cpu_seconds - before.cpu_seconds) / seconds;
        let (own_before, server_before) =
            if first { (own, server) } else { (self.own_before, self.server_before) };
        let sample = Sample {
            second: talking_since.elapsed().as_secs_f64(),
            step: shared.steps().saturating_sub(1),
            sent: rate(now.sent, self.before.sent),
            acknowledged: rate(now.acknowledged, self.before.acknowledged),
            delivered: rate(now.delivered, self.before.delivered),
            refusals: rate(now.refusals, self.before.refusals),
            open: shared.ledger.open(),
            ack: Summary::of(&interval.acks),
            delivery: Summary::of(&interval.deliveries),
            lag_p99_us: interval.lag.value_at_quantile(0.99),
            generator_cores: cores(own, own_before),
            server_cores: server.zip(server_before).map(|(now, before)| cores(now, before)),
            server_rss_bytes: server.map(|server| server.rss_bytes),
        };
        (self.before, self.own_before, self.server_before) = (now, own, server);
        Ok(sample)
    }

    fn keep(&mut self, sample: Sample) {
        if self.taken.is_multiple_of(self.keep_every) {
            self.samples.push(sample);
        }
        self.taken += 1;
        if self.samples.len() > SAMPLES_MAX {
            let mut index = 0;
            self.samples.retain(|_| {
                index += 1;
                index % 2 == 1
            });
            self.keep_every *= 2;
        }
    }
}

fn tell_sample(seconds: u64, sample: &Sample, shared: &Shared) {
    let all = Both::of(shared);
    let steps = shared.timetable();
    let step = steps.last().map_or("", |step| step.step.name.as_str());
    println!(
        "{seconds:>4} s  {step}  {:>6.0}/s  sent {}  acknowledged {}  delivered {}  refusals {}  dropped {}  \
         visitor → agent p50 {:.2} p99 {:.2} ms  own lag p99 {:.2} ms",
        sample.sent,
        all.sent,
        all.acknowledged,
        all.delivered,
        all.refusals,
        shared.tallies.dropped.load(Relaxed),
        sample.delivery.p50_us as f64 / 1e3,
        sample.delivery.p99_us as f64 / 1e3,
        sample.lag_p99_us as f64 / 1e3,
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_run_keeps_samples_of_all_of_it() {
        let mut timeline = Timeline::begin(None);
        for second in 0..4 * SAMPLES_MAX {
            timeline.keep(Sample { second: second as f64, ..Sample::default() });
        }
        let samples = timeline.into_samples();
        assert!((SAMPLES_MAX / 2..=SAMPLES_MAX).contains(&samples.len()), "{}", samples.len());
        assert_eq!(samples[0].second, 0.0);
        assert!(samples.last().expect("some").second > 4.0 * SAMPLES_MAX as f64 - 10.0);
        let gaps: Vec<f64> = samples.windows(2).map(|pair| pair[1].second - pair[0].second).collect();
        assert!(gaps.iter().all(|gap| *gap == gaps[0]), "evenly spread");
    }
}
