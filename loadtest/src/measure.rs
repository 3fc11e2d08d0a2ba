//! Latencies by step, path and class, in microseconds from the *scheduled* time.

use hdrhistogram::Histogram;
use serde::Serialize;

/// The longest time told apart, in microseconds; what took longer counts as this.
const LATENCY_US_MAX: u64 = 120_000_000;
/// Decimal digits that a latency keeps.
const DIGITS: u8 = 3;
/// Decimal digits in the figures of one second.
const INTERVAL_DIGITS: u8 = 2;

/// Which way was measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Path {
    /// A visitor's message to its ack.
    VisitorAck,
    /// A visitor's message to the agent.
    VisitorAgent,
    /// The same in a storm, of visitors who kept their connections.
    Bystander,
    /// A visitor's message to an agent who reads slowly on purpose.
    SlowAgent,
    /// An agent's answer to its ack.
    AgentAck,
    /// An agent's answer to the visitor.
    AgentVisitor,
    /// From the time to connect to the welcome, the first time.
    Connect,
    /// From the loss of a connection to the welcome of the next.
    Resume,
}

impl Path {
    /// Every path, in the order of the report.
    pub const ALL: [Self; 8] = [
        Self::VisitorAck,
        Self::VisitorAgent,
        Self::Bystander,
        Self::SlowAgent,
        Self::AgentAck,
        Self::AgentVisitor,
        Self::Connect,
        Self::Resume,
    ];

    /// As the report calls it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::VisitorAck => "visitor → ack",
            Self::VisitorAgent => "visitor → agent",
            Self::Bystander => "bystander → agent",
            Self::SlowAgent => "visitor → slow agent",
            Self::AgentAck => "agent → ack",
            Self::AgentVisitor => "agent → visitor",
            Self::Connect => "connect → welcome",
            Self::Resume => "resume → welcome",
        }
    }

    /// As its file is called.
    pub const fn file_name(self) -> &'static str {
        match self {
            Self::VisitorAck => "visitor-ack",
            Self::VisitorAgent => "visitor-agent",
            Self::Bystander => "bystander-agent",
            Self::SlowAgent => "visitor-slow-agent",
            Self::AgentAck => "agent-ack",
            Self::AgentVisitor => "agent-visitor",
            Self::Connect => "connect-welcome",
            Self::Resume => "resume-welcome",
        }
    }
}

/// A visitor's class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Everybody else.
    Normal,
    /// Never waits behind the crowd.
    Vip,
}

impl Class {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Normal, Self::Vip];

    /// The word in tokens and reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Normal => "normal",
            Self::Vip => "vip",
        }
    }
}

/// What was measured in one step of a run. A histogram is made when it is first needed: a run of many threads
/// and steps needs few.
#[derive(Clone, Debug, Default)]
pub struct Measures {
    paths: [[Option<Histogram<u32>>; 2]; Path::ALL.len()],
    /// How late the generator itself was.
    lag: Option<Histogram<u32>>,
}

fn empty(digits: u8) -> Histogram<u32> {
    Histogram::new_with_bounds(1, LATENCY_US_MAX, digits).expect("the bounds are right")
}

fn record(place: &mut Option<Histogram<u32>>, scheduled_us: u64, now_us: u64) {
    place.get_or_insert_with(|| empty(DIGITS)).saturating_record(now_us.saturating_sub(scheduled_us));
}

fn add(mine: &mut Option<Histogram<u32>>, theirs: Option<&Histogram<u32>>) {
    if let Some(theirs) = theirs {
        let mine = mine.get_or_insert_with(|| empty(DIGITS));
        mine.add(theirs).expect("both have the same bounds");
    }
}

impl Measures {
    /// Something scheduled for `scheduled_us` was done at `now_us`.
    fn record(&mut self, path: Path, class: Class, scheduled_us: u64, now_us: u64) {
        record(&mut self.paths[path as usize][class as usize], scheduled_us, now_us);
    }

    /// Takes in what another thread measured, or this one in another step.
    pub fn add(&mut self, other: &Self) {
        for (mine, theirs) in self.paths.iter_mut().flatten().zip(other.paths.iter().flatten()) {
            add(mine, theirs.as_ref());
        }
        add(&mut self.lag, other.lag.as_ref());
    }

    /// Of connections only.
    pub fn only_connections(mut self) -> Self {
        for path in Path::ALL.into_iter().filter(|path| !matches!(path, Path::Connect | Path::Resume)) {
            self.paths[path as usize] = [None, None];
        }
        self.lag = None;
        self
    }

    /// One path of one class, if there was anything on it.
    pub fn path(&self, path: Path, class: Class) -> Option<&Histogram<u32>> {
        self.paths[path as usize][class as usize].as_ref()
    }

    /// One path of both classes.
    pub fn both_classes(&self, path: Path) -> Option<Histogram<u32>> {
        let mut both = None;
        for class in Class::ALL {
            add(&mut both, self.path(path, class));
        }
        both
    }

    /// How late the generator was.
    pub fn lag(&self) -> Summary {
        self.lag.as_ref().map(Summary::of).unwrap_or_default()
    }
}

/// The figures of the last second: of acks, deliveries and the generator's own lag.
#[derive(Clone, Debug)]
pub struct Interval {
    /// Visitors' messages to their acks.
    pub acks: Histogram<u32>,
    /// Visitors' messages to agents.
    pub deliveries: Histogram<u32>,
    /// How late the generator was.
    pub lag: Histogram<u32>,
}

impl Default for Interval {
    fn default() -> Self {
        let empty = || empty(INTERVAL_DIGITS);
        Self { acks: empty(), deliveries: empty(), lag: empty() }
    }
}

impl Interval {
    /// Takes in what another thread measured.
    pub fn add(&mut self, other: &Self) {
        let same = "both have the same bounds";
        self.acks.add(&other.acks).expect(same);
        self.deliveries.add(&other.deliveries).expect(same);
        self.lag.add(&other.lag).expect(same);
    }

    /// Forgets everything, to be used again.
    pub fn clear(&mut self) {
        self.acks.reset();
        self.deliveries.reset();
        self.lag.reset();
    }
}

/// What one thread measured.
#[derive(Debug, Default)]
pub struct ThreadMeasures {
    steps: Vec<Measures>,
    interval: Interval,
}

impl ThreadMeasures {
    /// Something that was scheduled in `step` for `scheduled_us` was done at `now_us`.
    pub fn record(&mut self, step: usize, path: Path, class: Class, scheduled_us: u64, now_us: u64) {
        self.step(step).record(path, class, scheduled_us, now_us);
        let took_us = now_us.saturating_sub(scheduled_us);
        match path {
            Path::VisitorAck => self.interval.acks.saturating_record(took_us),
            Path::VisitorAgent => self.interval.deliveries.saturating_record(took_us),
            _ => {}
        }
    }

    /// What was to be sent in `step` at `scheduled_us` was sent at `now_us`.
    pub fn record_lag(&mut self, step: usize, scheduled_us: u64, now_us: u64) {
        record(&mut self.step(step).lag, scheduled_us, now_us);
        self.interval.lag.saturating_record(now_us.saturating_sub(scheduled_us));
    }

    /// What was measured in `step`, if anything.
    pub fn of_step(&self, step: usize) -> Option<&Measures> {
        self.steps.get(step)
    }

    /// Takes out what was measured since the last time, and puts an empty one in its place: that is quick, so
    /// that it costs the measured thread little.
    pub fn swap_interval(&mut self, empty: &mut Interval) {
        std::mem::swap(&mut self.interval, empty);
    }

    fn step(&mut self, step: usize) -> &mut Measures {
        if step >= self.steps.len() {
            self.steps.resize_with(step + 1, Measures::default);
        }
        &mut self.steps[step]
    }
}

/// A histogram in a line; times in microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// How many were measured; the rest is 0 without any.
    pub count: u64,
    /// Half were quicker.
    pub p50_us: u64,
    /// One in ten was slower.
    pub p90_us: u64,
    /// One in a hundred was slower.
    pub p99_us: u64,
    /// One in a thousand was slower.
    pub p999_us: u64,
    /// The slowest.
    pub max_us: u64,
}

impl Summary {
    /// Of any histogram.
    pub fn of(histogram: &Histogram<u32>) -> Self {
        Self {
            count: histogram.len(),
            p50_us: histogram.value_at_quantile(0.5),
            p90_us: histogram.value_at_quantile(0.9),
            p99_us: histogram.value_at_quantile(0.99),
            p999_us: histogram.value_at_quantile(0.999),
            max_us: histogram.max(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_and_steps_add_up() {
        let (mut one, mut other) = (ThreadMeasures::default(), ThreadMeasures::default());
        one.record(0, Path::VisitorAck, Class::Vip, 1_000, 1_500);
        other.record(1, Path::VisitorAck, Class::Vip, 1_000, 3_000);
        other.record(1, Path::VisitorAck, Class::Normal, 10, 5);
        let mut all = Measures::default();
        for (thread, step) in [(&one, 0), (&other, 1)] {
            all.add(thread.of_step(step).expect("it was recorded"));
        }
        let vip = Summary::of(all.path(Path::VisitorAck, Class::Vip).expect("it was recorded"));
        assert_eq!((vip.count, vip.p50_us, vip.max_us), (2, 500, 2_000));
        let normal = all.path(Path::VisitorAck, Class::Normal).expect("it was recorded");
        assert_eq!(normal.len(), 1, "a clock's whim is no panic");
        assert_eq!(all.both_classes(Path::VisitorAck).expect("it was recorded").len(), 3);
        assert!(all.path(Path::VisitorAgent, Class::Vip).is_none());
        assert!(one.of_step(1).is_none());
    }

    #[test]
    fn an_interval_is_taken_once() {
        let mut thread = ThreadMeasures::default();
        thread.record(0, Path::VisitorAgent, Class::Normal, 0, 70);
        thread.record_lag(0, 0, 5);
        let mut taken = Interval::default();
        thread.swap_interval(&mut taken);
        assert_eq!((taken.deliveries.len(), taken.lag.len(), taken.acks.len()), (1, 1, 0));
        taken.clear();
        thread.swap_interval(&mut taken);
        assert_eq!(taken.deliveries.len(), 0);
    }

    #[test]
    fn an_age_counts_as_the_longest_time() {
        let mut thread = ThreadMeasures::default();
        thread.record_lag(0, 0, u64::MAX);
        assert!(thread.of_step(0).expect("it was recorded").lag().max_us >= LATENCY_US_MAX);
    }
}
