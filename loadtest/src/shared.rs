//! What the threads of a run share: the plan, the phase, the ledger and the tallies.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{
        Mutex, MutexGuard,
        atomic::{AtomicU8, AtomicU64, Ordering},
    },
};

use crate::{
    ledger::Ledger,
    measure::{Class, Glance, Measures},
};

/// Faults kept as text; of more, only the number.
const FAULTS_KEPT_MAX: usize = 20;
/// Kinds of remarks that are counted apart.
const REMARKS_KEPT_MAX: usize = 100;

/// What is to be done. Made once, from the command line.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The server.
    pub address: SocketAddr,
    /// Its name for the `Host` field.
    pub host: String,
    /// How many visitors.
    pub sessions: u32,
    /// Tokens of visitors, by number; empty for anonymous ones.
    pub visitor_tokens: Vec<String>,
    /// Who answers.
    pub staff: Vec<Staff>,
    /// Conversations that each agent takes at once.
    pub capacity: u16,
    /// Share of visitors who are VIPs.
    pub vip_share: f64,
    /// Messages a second of each visitor.
    pub rate: f64,
    /// How long visitors speak, in seconds.
    pub seconds: u64,
    /// Agents answer each how-many-th message of a visitor; 0 means none.
    pub answer_every: u32,
    /// How long an agent thinks on average, in milliseconds.
    pub answer_after_ms: u64,
    /// New connections a second.
    pub connect_rate: u32,
    /// Of all randomness.
    pub seed: u64,
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
        let before = (f64::from(visitor) * self.vip_share).floor();
        let after = (f64::from(visitor + 1) * self.vip_share).floor();
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
    /// When speaking began, microseconds of the reactors' clock; 0 before.
    begun_us: AtomicU64,
    /// By thread.
    measures: Vec<Mutex<Measures>>,
    faults: Mutex<Vec<String>>,
    remarks: Mutex<BTreeMap<String, u64>>,
}

impl Shared {
    /// Before anything happened.
    pub fn new(plan: Plan, run: u32, threads: usize) -> Self {
        Self {
            ledger: Ledger::new(run, plan.sessions),
            plan,
            tallies: Tallies::default(),
            phase: AtomicU8::new(Phase::Agents as u8),
            begun_us: AtomicU64::new(0),
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

    /// When speaking begins: the first who asks says.
    pub fn begin_us(&self, proposed_us: u64) -> u64 {
        let order = Ordering::AcqRel;
        match self.begun_us.compare_exchange(0, proposed_us, order, Ordering::Acquire) {
            Ok(_) => proposed_us,
            Err(begun_us) => begun_us,
        }
    }

    /// How many threads there are.
    pub fn threads(&self) -> usize {
        self.measures.len()
    }

    /// One thread's measures.
    pub fn measures(&self, thread: usize) -> MutexGuard<'_, Measures> {
        self.measures[thread].lock().expect("no holder of measures panics")
    }

    /// All that was measured until now.
    pub fn all_measures(&self) -> Measures {
        let mut all = Measures::default();
        for thread in 0..self.measures.len() {
            let measures = self.measures(thread).clone();
            all.add(&measures);
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

    /// The least of that, for the line of each second.
    pub fn glance(&self) -> Glance {
        let mut glance = Glance::default();
        for thread in 0..self.measures.len() {
            glance.add(&self.measures(thread));
        }
        glance
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
            sessions: 1_000,
            visitor_tokens: Vec::new(),
            staff: Vec::new(),
            capacity: 100,
            vip_share,
            rate: 0.0,
            seconds: 0,
            answer_every: 0,
            answer_after_ms: 0,
            connect_rate: 1,
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
    fn the_first_who_asks_says_when_speaking_begins() {
        let shared = Shared::new(plan(0.0), 1, 1);
        assert_eq!([shared.begin_us(7), shared.begin_us(9)], [7, 7]);
    }
}
