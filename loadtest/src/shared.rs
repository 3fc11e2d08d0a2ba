//! What the threads of a run share: the plan, the phase, the ledger and the tallies.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicU8, AtomicU64, AtomicUsize, Ordering},
    },
};

use crate::{
    ledger::Ledger,
    measure::{Class, Interval, Measures, ThreadMeasures},
    scenario::{Scenario, Step},
};

/// Faults kept as text; of more, only the number.
const FAULTS_KEPT_MAX: usize = 20;
/// Kinds of remarks that are counted apart.
const REMARKS_KEPT_MAX: usize = 100;

/// What is to be done, and where. Made once, from the command line.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The server.
    pub address: SocketAddr,
    /// Its name for the `Host` field.
    pub host: String,
    /// What is to happen.
    pub scenario: Scenario,
    /// Tokens of visitors, by number; empty for anonymous ones.
    pub visitor_tokens: Vec<String>,
    /// Who answers.
    pub staff: Vec<Staff>,
    /// Of all randomness.
    pub seed: u64,
}

/// A step that has its time. Times are microseconds of the reactors' clock.
#[derive(Clone, Debug)]
pub struct TimedStep {
    /// What was asked for.
    pub step: Step,
    /// Messages a second of all visitors.
    pub rate: f64,
    /// It was tried to find the sustainable rate.
    pub search: bool,
    /// When it begins.
    pub begin_us: u64,
    /// When it ends.
    pub end_us: u64,
}

/// An agent who has logged in.
#[derive(Clone, Debug)]
pub struct Staff {
    /// The account's name.
    pub name: String,
    /// What the login gave.
    pub token: String,
}

impl Plan {
    /// The class of a visitor, spread evenly over all of them.
    pub fn class(&self, visitor: u32) -> Class {
        let vip_share = self.scenario.vip_share;
        let before = (f64::from(visitor) * vip_share).floor();
        let after = (f64::from(visitor + 1) * vip_share).floor();
        if after > before { Class::Vip } else { Class::Normal }
    }
}

/// Where a run stands. Each phase begins when the one before has reached its end everywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Phase {
    /// Agents connect.
    Agents,
    /// Visitors connect.
    Visitors,
    /// Visitors speak, agents answer.
    Talking,
    /// What is under way comes to its end.
    Draining,
    /// Visitors end their conversations.
    Closing,
    /// Everybody hangs up.
    Ending,
}

impl Phase {
    const ALL: [Self; 6] =
        [Self::Agents, Self::Visitors, Self::Talking, Self::Draining, Self::Closing, Self::Ending];

    /// The phase that follows; the last one lasts.
    pub fn next(self) -> Self {
        Self::ALL.get(self as usize + 1).copied().unwrap_or(self)
    }
}

/// How many are where. All only ever rise.
#[derive(Debug, Default)]
pub struct Tallies {
    /// Agents who are ready.
    pub agents_ready: AtomicU64,
    /// Visitors who were welcomed.
    pub welcomed: AtomicU64,
    /// Connections lost without our asking.
    pub dropped: AtomicU64,
    /// Connections that we dropped on purpose.
    pub storm_dropped: AtomicU64,
    /// Notices that somebody types.
    pub typed: AtomicU64,
    /// Conversations that have something to close.
    pub to_close: AtomicU64,
    /// Conversations seen to be closed.
    pub closed: AtomicU64,
    /// Faults, also those not kept as text.
    pub faults: AtomicU64,
}

/// What the threads share.
#[derive(Debug)]
pub struct Shared {
    /// What is to be done.
    pub plan: Plan,
    /// What was done.
    pub ledger: Ledger,
    /// How many are where.
    pub tallies: Tallies,
    phase: AtomicU8,
    timetable: Mutex<Vec<Arc<TimedStep>>>,
    /// How many steps the timetable has: asked often, so without its lock.
    steps: AtomicUsize,
    /// By thread.
    measures: Vec<Mutex<ThreadMeasures>>,
    faults: Mutex<Vec<String>>,
    remarks: Mutex<BTreeMap<String, u64>>,
}

impl Shared {
    /// Before anything happened.
    pub fn new(plan: Plan, run: u32, threads: usize) -> Self {
        let may_wait = plan.scenario.has_queue();
        Self {
            ledger: Ledger::new(run, plan.scenario.sessions, may_wait),
            plan,
            tallies: Tallies::default(),
            phase: AtomicU8::new(Phase::Agents as u8),
            timetable: Mutex::default(),
            steps: AtomicUsize::new(0),
            measures: (0..threads).map(|_| Mutex::default()).collect(),
            faults: Mutex::default(),
            remarks: Mutex::default(),
        }
    }

    /// Where the run stands.
    pub fn phase(&self) -> Phase {
        Phase::ALL[usize::from(self.phase.load(Ordering::Acquire))]
    }

    /// The next phase begins.
    pub fn enter(&self, phase: Phase) {
        self.phase.store(phase as u8, Ordering::Release);
    }

    /// Another step has its time.
    pub fn schedule(&self, step: TimedStep) {
        let mut timetable = self.timetable.lock().expect("no holder of the timetable panics");
        timetable.push(Arc::new(step));
        self.steps.store(timetable.len(), Ordering::Release);
    }

    /// How many steps have their times.
    pub fn steps(&self) -> usize {
        self.steps.load(Ordering::Acquire)
    }

    /// The steps that have their times.
    pub fn timetable(&self) -> Vec<Arc<TimedStep>> {
        self.timetable.lock().expect("no holder of the timetable panics").clone()
    }

    /// How many threads there are.
    pub fn threads(&self) -> usize {
        self.measures.len()
    }

    /// One thread's measures.
    pub fn measures(&self, thread: usize) -> MutexGuard<'_, ThreadMeasures> {
        self.measures[thread].lock().expect("no holder of measures panics")
    }

    /// All that was measured in a step until now. Not while somebody speaks: it stops each thread for a moment.
    pub fn measures_of_step(&self, step: usize) -> Measures {
        let mut all = Measures::default();
        for thread in 0..self.measures.len() {
            if let Some(measures) = self.measures(thread).of_step(step) {
                all.add(measures);
            }
        }
        all
    }

    /// What was measured since the last time. `spare` is used for all threads in turn.
    pub fn take_interval(&self, spare: &mut Interval) -> Interval {
        let mut all = Interval::default();
        for thread in 0..self.measures.len() {
            spare.clear();
            self.measures(thread).swap_interval(spare);
            all.add(spare);
        }
        all
    }

    /// The server, or the way to it, did something wrong.
    pub fn note_fault(&self, text: String) {
        self.tallies.faults.fetch_add(1, Ordering::Relaxed);
        let mut faults = self.faults.lock().expect("no holder of the faults panics");
        if faults.len() < FAULTS_KEPT_MAX {
            faults.push(text);
        }
    }

    /// Something worth counting that is no fault: a refusal's code, a reason to close.
    pub fn remark(&self, what: String) {
        let mut remarks = self.remarks.lock().expect("no holder of the remarks panics");
        if remarks.len() < REMARKS_KEPT_MAX || remarks.contains_key(&what) {
            *remarks.entry(what).or_default() += 1;
        }
    }

    /// How often what was remarked.
    pub fn remarks(&self) -> BTreeMap<String, u64> {
        self.remarks.lock().expect("no holder of the remarks panics").clone()
    }

    /// The first faults, as text.
    pub fn faults(&self) -> Vec<String> {
        self.faults.lock().expect("no holder of the faults panics").clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(vip_share: f64) -> Plan {
        Plan {
            address: ([127, 0, 0, 1], 1).into(),
            host: "desk".to_owned(),
            scenario: Scenario { vip_share, ..Scenario::idle(1_000, 1, 1) },
            visitor_tokens: Vec::new(),
            staff: Vec::new(),
            seed: 1,
        }
    }

    #[test]
    fn the_share_of_vips_is_exact_and_spread() {
        for (share, expected) in [(0.0, 0), (0.05, 50), (0.5, 500), (1.0, 1_000)] {
            let plan = plan(share);
            let count = |visitors: std::ops::Range<u32>| {
                visitors.filter(|visitor| plan.class(*visitor) == Class::Vip).count()
            };
            assert_eq!(count(0..1_000), expected);
            assert_eq!(count(0..500), expected / 2);
        }
    }

    #[test]
    fn a_step_is_seen_by_all_once_it_has_its_time() {
        let shared = Shared::new(plan(0.0), 1, 1);
        assert_eq!(shared.steps(), 0);
        let step = Step { name: "first".to_owned(), ..Step::default() };
        shared.schedule(TimedStep { step, rate: 1.0, search: false, begin_us: 7, end_us: 9 });
        assert_eq!((shared.steps(), shared.timetable()[0].begin_us), (1, 7));
    }
}
