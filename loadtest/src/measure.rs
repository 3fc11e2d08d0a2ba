//! Latencies by path and class, in microseconds from the *scheduled* time.

use hdrhistogram::Histogram;
use serde::Serialize;

/// The longest time told apart, in microseconds; what took longer counts as this.
const LATENCY_US_MAX: u64 = 120_000_000;
/// Decimal digits that a latency keeps.
const DIGITS: u8 = 3;

/// Which way was measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Path {
    /// From the time to connect to the welcome, the first time.
    Connect,
    /// The same after a connection was lost.
    Resume,
    /// A visitor's message to its ack.
    VisitorAck,
    /// A visitor's message to the agent.
    VisitorAgent,
    /// An agent's answer to its ack.
    AgentAck,
    /// An agent's answer to the visitor.
    AgentVisitor,
}

impl Path {
    /// Every path, in the order of the report.
    pub const ALL: [Self; 6] = [
        Self::VisitorAck,
        Self::VisitorAgent,
        Self::AgentAck,
        Self::AgentVisitor,
        Self::Connect,
        Self::Resume,
    ];

    /// As the report calls it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Connect => "connect → welcome",
            Self::Resume => "resume → welcome",
            Self::VisitorAck => "visitor → ack",
            Self::VisitorAgent => "visitor → agent",
            Self::AgentAck => "agent → ack",
            Self::AgentVisitor => "agent → visitor",
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

/// What one thread measured, or all of them together.
#[derive(Clone, Debug)]
pub struct Measures {
    paths: [[Histogram<u64>; 2]; 6],
    /// How late the generator itself was.
    lag: Histogram<u64>,
}

impl Default for Measures {
    fn default() -> Self {
        Self { paths: std::array::from_fn(|_| std::array::from_fn(|_| empty())), lag: empty() }
    }
}

fn empty() -> Histogram<u64> {
    Histogram::new_with_bounds(1, LATENCY_US_MAX, DIGITS).expect("the bounds are right")
}

impl Measures {
    /// Something scheduled for `scheduled_us` was done at `now_us`.
    pub fn record(&mut self, path: Path, class: Class, scheduled_us: u64, now_us: u64) {
        self.paths[path as usize][class as usize].saturating_record(now_us.saturating_sub(scheduled_us));
    }

    /// What was to be sent at `scheduled_us` was sent at `now_us`.
    pub fn record_lag(&mut self, scheduled_us: u64, now_us: u64) {
        self.lag.saturating_record(now_us.saturating_sub(scheduled_us));
    }

    /// Takes in what another thread measured.
    pub fn add(&mut self, other: &Self) {
        let same = "both have the same bounds";
        for (mine, theirs) in self.paths.iter_mut().flatten().zip(other.paths.iter().flatten()) {
            mine.add(theirs).expect(same);
        }
        self.lag.add(&other.lag).expect(same);
    }

    /// One path of one class.
    pub fn path(&self, path: Path, class: Class) -> Summary {
        Summary::of(&self.paths[path as usize][class as usize])
    }

    /// How late the generator was.
    pub fn lag(&self) -> Summary {
        Summary::of(&self.lag)
    }
}

/// What the line of each second tells: little, so that it costs the measured threads little.
#[derive(Clone, Debug)]
pub struct Glance {
    delivery: Histogram<u64>,
    lag: Histogram<u64>,
}

impl Default for Glance {
    fn default() -> Self {
        Self { delivery: empty(), lag: empty() }
    }
}

impl Glance {
    /// Takes in what a thread measured.
    pub fn add(&mut self, measures: &Measures) {
        let same = "both have the same bounds";
        for class in &measures.paths[Path::VisitorAgent as usize] {
            self.delivery.add(class).expect(same);
        }
        self.lag.add(&measures.lag).expect(same);
    }

    /// Visitors' messages to agents, of both classes.
    pub fn delivery(&self) -> Summary {
        Summary::of(&self.delivery)
    }

    /// How late the generator was.
    pub fn lag(&self) -> Summary {
        Summary::of(&self.lag)
    }
}

/// A histogram in a line; times in microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// How many were measured; the rest is 0 without any.
    pub count: u64,
    /// Half were quicker.
    pub p50_us: u64,
    /// One in a hundred was slower.
    pub p99_us: u64,
    /// One in a thousand was slower.
    pub p999_us: u64,
    /// The slowest.
    pub max_us: u64,
}

impl Summary {
    fn of(histogram: &Histogram<u64>) -> Self {
        Self {
            count: histogram.len(),
            p50_us: histogram.value_at_quantile(0.5),
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
    fn threads_add_up() {
        let (mut one, mut other) = (Measures::default(), Measures::default());
        one.record(Path::VisitorAck, Class::Vip, 1_000, 1_500);
        other.record(Path::VisitorAck, Class::Vip, 1_000, 3_000);
        other.record(Path::VisitorAck, Class::Normal, 10, 5);
        one.add(&other);
        let vip = one.path(Path::VisitorAck, Class::Vip);
        assert_eq!((vip.count, vip.p50_us, vip.max_us), (2, 500, 2_000));
        assert_eq!(one.path(Path::VisitorAck, Class::Normal).count, 1, "a clock's whim is no panic");
        assert_eq!(one.path(Path::VisitorAgent, Class::Vip).count, 0);
    }

    #[test]
    fn an_age_counts_as_the_longest_time() {
        let mut measures = Measures::default();
        measures.record_lag(0, u64::MAX);
        assert!(measures.lag().max_us >= LATENCY_US_MAX);
    }
}
