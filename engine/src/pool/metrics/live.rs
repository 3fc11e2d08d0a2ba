//! What the supervisors' board shows of the last minutes.
//!
//! Prometheus keeps its own history of counts that only rise; a board that is opened now wants the last minute from
//! us. So the same things are counted here once more, cheaply, and every [`STEP_S`] seconds what came since is put
//! aside: twelve steps are the last minute, and of each of the last [`POINTS`] steps two percentiles are kept.

use std::{
    collections::VecDeque,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
};

use super::DropReason;
use crate::{identity::Class, shard::Sayer, shedding::Step};

/// Seconds of one step.
pub const STEP_S: u64 = 5;
/// Steps that are the last minute.
const WINDOW: usize = 12;
/// Steps of which the percentiles are kept: ten minutes.
const POINTS: usize = 120;

/// Buckets in each doubling of a time: none is wider than an eighth of it.
const FINE: u64 = 8;
const FINE_BITS: u32 = FINE.ilog2();
/// Longest time that is told apart from longer ones, in microseconds: 67 seconds.
const LONGEST_US: u64 = (1 << 26) - 1;
const BUCKETS: usize = bucket(LONGEST_US) + 1;

const SAYERS: usize = Sayer::ALL.len();
const REASONS: usize = DropReason::ALL.len();

/// How many messages took how long, by whose they were.
type Times = [[u64; BUCKETS]; SAYERS];
/// Messages refused, by class and reason.
pub type Refused = [[u64; REASONS]; 2];

/// Counts since the start, and what came in each of the last steps.
#[derive(Debug)]
pub struct Live {
    times: [[AtomicU64; BUCKETS]; SAYERS],
    refused: [[AtomicU64; REASONS]; 2],
    shards: [AtomicI64; Step::ALL.len()],
    history: Mutex<History>,
}

#[derive(Debug)]
struct History {
    times: Box<Times>,
    refused: Refused,
    /// The newest last; at most [`WINDOW`].
    steps: VecDeque<(Box<Times>, Refused)>,
    /// The newest last; at most [`POINTS`].
    points: VecDeque<Point>,
}

/// How long messages took from their arrival until they were durable and acknowledged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Took {
    /// How many there were.
    pub messages: u64,
    /// Half of them took at most so many microseconds; 0 without any.
    pub p50_us: u64,
    /// All but one in a hundred did.
    pub p99_us: u64,
}

/// One step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Point {
    /// When it ended, milliseconds since 1970.
    pub at_ms: u64,
    /// In the order of [`Sayer::ALL`].
    pub took: [Took; SAYERS],
}

/// The last minute, or less where the server has not run for so long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recent {
    /// How long it is.
    pub seconds: u64,
    /// In the order of [`Sayer::ALL`].
    pub took: [Took; SAYERS],
    /// Messages refused for want of something of ours.
    pub refused: Refused,
    /// Shards at each step of giving up, in the order of [`Step::ALL`].
    pub shards: [u64; Step::ALL.len()],
    /// The last ten minutes, a point a step, the newest last.
    pub points: Vec<Point>,
}

impl Default for Live {
    fn default() -> Self {
        Self {
            times: [const { [const { AtomicU64::new(0) }; BUCKETS] }; SAYERS],
            refused: [const { [const { AtomicU64::new(0) }; REASONS] }; 2],
            shards: [const { AtomicI64::new(0) }; Step::ALL.len()],
            history: Mutex::new(History {
                times: Box::new([[0; BUCKETS]; SAYERS]),
                refused: Refused::default(),
                steps: VecDeque::with_capacity(WINDOW),
                points: VecDeque::with_capacity(POINTS),
            }),
        }
    }
}

impl Live {
    /// A message was acknowledged so long after its arrival.
    pub fn acknowledged(&self, by: Sayer, microseconds: u32) {
        let bucket = bucket(u64::from(microseconds).min(LONGEST_US));
        self.times[by as usize][bucket].fetch_add(1, Ordering::Relaxed);
    }

    /// Messages were refused for want of something of ours.
    pub fn refused(&self, class: Class, reason: DropReason, messages: u64) {
        self.refused[class as usize][reason as usize].fetch_add(messages, Ordering::Relaxed);
    }

    /// A shard gives up more or less than before; at first, there is no before.
    pub fn steps(&self, before: Option<Step>, now: Step) {
        if let Some(before) = before {
            self.shards[before as usize].fetch_sub(1, Ordering::Relaxed);
        }
        self.shards[now as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// Puts aside what came since the last time; to be called every [`STEP_S`] seconds.
    pub fn step(&self, unix_ms: u64) {
        let mut history = self.history();
        let mut came: Box<Times> = Box::new([[0; BUCKETS]; SAYERS]);
        for (sayer, times) in self.times.iter().enumerate() {
            for (bucket, count) in times.iter().enumerate() {
                let now = count.load(Ordering::Relaxed);
                came[sayer][bucket] = now - std::mem::replace(&mut history.times[sayer][bucket], now);
            }
        }
        let mut refused = Refused::default();
        for (class, reasons) in self.refused.iter().enumerate() {
            for (reason, count) in reasons.iter().enumerate() {
                let now = count.load(Ordering::Relaxed);
                refused[class][reason] = now - std::mem::replace(&mut history.refused[class][reason], now);
            }
        }
        push(&mut history.points, POINTS, Point { at_ms: unix_ms, took: came.each_ref().map(took) });
        push(&mut history.steps, WINDOW, (came, refused));
    }

    /// The last minute.
    pub fn recent(&self) -> Recent {
        let history = self.history();
        let mut times: Box<Times> = Box::new([[0; BUCKETS]; SAYERS]);
        let mut refused = Refused::default();
        for (step_times, step_refused) in &history.steps {
            add(times.as_flattened_mut(), step_times.as_flattened());
            add(refused.as_flattened_mut(), step_refused.as_flattened());
        }
        Recent {
            seconds: history.steps.len() as u64 * STEP_S,
            took: times.each_ref().map(took),
            refused,
            shards: self.shards.each_ref().map(|shards| shards.load(Ordering::Relaxed).max(0) as u64),
            points: history.points.iter().copied().collect(),
        }
    }

    fn history(&self) -> MutexGuard<'_, History> {
        // Counts alone, whole at any time.
        self.history.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn push<T>(to: &mut VecDeque<T>, most: usize, item: T) {
    if to.len() == most {
        to.pop_front();
    }
    to.push_back(item);
}

fn add(to: &mut [u64], more: &[u64]) {
    for (to, more) in to.iter_mut().zip(more) {
        *to += more;
    }
}

/// The bucket of a time: one for each microsecond at first, then [`FINE`] for each doubling.
const fn bucket(us: u64) -> usize {
    if us < FINE {
        return us as usize;
    }
    let above = us.ilog2() - FINE_BITS;
    ((above as u64 + 1) * FINE + (us >> above) - FINE) as usize
}

/// The longest time of a bucket, in microseconds.
const fn longest_of(bucket: usize) -> u64 {
    let (doubling, place) = (bucket as u64 / FINE, bucket as u64 % FINE);
    if doubling == 0 { place } else { ((FINE + place + 1) << (doubling - 1)) - 1 }
}

fn took(times: &[u64; BUCKETS]) -> Took {
    let messages: u64 = times.iter().sum();
    let within = |part: u64| {
        let wanted = (messages * part).div_ceil(100);
        let mut seen = 0;
        let found = times.iter().position(|count| {
            seen += count;
            seen >= wanted && wanted > 0
        });
        found.map_or(0, longest_of)
    };
    Took { messages, p50_us: within(50), p99_us: within(99) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_time_is_in_a_bucket_that_is_no_wider_than_an_eighth_of_it() {
        let mut before = None;
        for us in
            (0..70_000).chain((17..26).flat_map(|bits| [(1 << bits) - 1, 1 << bits])).chain([LONGEST_US])
        {
            let (bucket, longest) = (bucket(us), longest_of(bucket(us)));
            assert!(longest >= us && longest - us <= us / FINE, "{us} is in {bucket}, up to {longest}");
            assert!(before.is_none_or(|before| bucket >= before), "{us}");
            before = Some(bucket);
        }
        assert_eq!(bucket(LONGEST_US), BUCKETS - 1);
    }

    #[test]
    fn percentiles_are_by_whose_the_message_was() {
        let live = Live::default();
        for us in 1..=100 {
            live.acknowledged(Sayer::Normal, us * 1_000);
        }
        live.acknowledged(Sayer::Vip, 3);
        live.acknowledged(Sayer::Agent, u32::MAX);
        live.step(1);
        let [vip, normal, agent] = live.recent().took;
        assert_eq!(vip, Took { messages: 1, p50_us: 3, p99_us: 3 });
        assert_eq!((normal.messages, agent.messages), (100, 1));
        assert!((50_000..=56_250).contains(&normal.p50_us), "{normal:?}");
        assert!((99_000..=111_375).contains(&normal.p99_us), "{normal:?}");
        assert_eq!(agent.p99_us, LONGEST_US);
    }

    #[test]
    fn only_the_last_minute_counts_and_ten_minutes_are_drawn() {
        let live = Live::default();
        live.acknowledged(Sayer::Vip, 100);
        live.refused(Class::Normal, DropReason::Overloaded, 7);
        assert_eq!(live.recent().seconds, 0);
        for step in 1..=WINDOW as u64 {
            live.step(step);
            let recent = live.recent();
            assert_eq!((recent.seconds, recent.took[0].messages), (step * STEP_S, 1));
            assert_eq!(recent.refused[Class::Normal as usize][DropReason::Overloaded as usize], 7);
        }
        live.step(13);
        let recent = live.recent();
        assert_eq!((recent.seconds, recent.took[0]), (60, Took::default()));
        assert_eq!(recent.refused, Refused::default());
        assert_eq!(recent.points.len(), 13);
        assert_eq!((recent.points[0].at_ms, recent.points[0].took[0].messages), (1, 1));
        for step in 14..=POINTS as u64 + 1 {
            live.step(step);
        }
        assert_eq!(live.recent().points.len(), POINTS);
        assert_eq!(live.recent().points[0].at_ms, 2);
    }

    #[test]
    fn a_shard_is_at_one_step() {
        let live = Live::default();
        live.steps(None, Step::None);
        live.steps(None, Step::None);
        live.steps(Some(Step::None), Step::Typing);
        assert_eq!(live.recent().shards, [1, 1, 0, 0, 0]);
    }
}
