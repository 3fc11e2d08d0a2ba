//! What a shard's thread shows to the outside: differences of its counts, a few times a second.

use net::Reactor;
use store::record::Phase;

use crate::{
    identity::Class,
    journal::JournalStats,
    pool::metrics::{DropReason, Metrics, Outcome, SessionRole},
    shard::{Counts, Shard, TlsRefusal},
};

/// Time between two publications, in microseconds.
const PUBLISH_US: u64 = 250_000;
const CLASSES: [Class; 2] = [Class::Normal, Class::Vip];

/// One shard's share of the process's metrics.
pub struct Counting {
    metrics: Metrics,
    published_us: u64,
    counts: Counts,
    connections: u64,
    phases: [u64; Phase::ALL.len()],
    waiting: u64,
    ready: u64,
}

impl Counting {
    /// Nothing published yet.
    pub fn new(metrics: Metrics) -> Self {
        Self {
            metrics,
            published_us: 0,
            counts: Counts::default(),
            connections: 0,
            phases: [0; Phase::ALL.len()],
            waiting: 0,
            ready: 0,
        }
    }

    /// How long a message took to be durable and acknowledged.
    pub fn durable_ack(&self, microseconds: u32) {
        self.metrics.durable_ack_seconds().record(f64::from(microseconds) / 1e6);
    }

    /// One journal write.
    pub fn journal_write(&self, group: JournalStats) {
        self.metrics.journal_batch_records().record(group.records as f64);
        self.metrics.journal_batch_bytes().record(group.written_bytes as f64);
    }

    /// The pool's queue was full.
    pub fn job_refused(&self) {
        self.metrics.jobs_refused().increment(1);
    }

    /// Publishes what changed, if it is time.
    pub fn publish(&mut self, now_us: u64, shard: &Shard, reactor: &dyn Reactor) {
        if now_us.saturating_sub(self.published_us) < PUBLISH_US {
            return;
        }
        self.published_us = now_us;
        let counts = shard.counts();
        self.publish_messages(&counts);
        for (reason, _) in TlsRefusal::ALL {
            let since = counts.refused_tls[reason as usize] - self.counts.refused_tls[reason as usize];
            self.metrics.tls_refused(reason).increment(since);
        }
        let visitors = |counts: &Counts| counts.visitors.iter().sum::<u64>();
        change(self.metrics.sessions(SessionRole::Visitor), visitors(&self.counts), visitors(&counts));
        change(self.metrics.sessions(SessionRole::Agent), self.counts.agents, counts.agents);
        self.counts = counts;

        let connections = reactor.stats().connections;
        change(self.metrics.connections(), self.connections, connections);
        self.connections = connections;

        let phases = shard.conversations_by_phase();
        for (phase, (before, now)) in Phase::ALL.into_iter().zip(self.phases.into_iter().zip(phases)) {
            change(self.metrics.conversations(phase), before, now);
        }
        self.phases = phases;

        if let Some(desk) = shard.desk_counts() {
            let waiting = desk.waiting_vip + desk.waiting_normal;
            change(self.metrics.desk_waiting(), self.waiting, waiting);
            change(self.metrics.desk_agents_ready(), self.ready, desk.agents_ready);
            (self.waiting, self.ready) = (waiting, desk.agents_ready);
        }
    }

    fn publish_messages(&self, counts: &Counts) {
        let before = &self.counts;
        for (index, class) in CLASSES.into_iter().enumerate() {
            let since = |of: fn(&Counts) -> [u64; 2]| of(counts)[index] - of(before)[index];
            let overloaded = since(|counts| counts.refused_overloaded);
            let journal_full = since(|counts| counts.refused_journal);
            let invalid = since(|counts| counts.refused_invalid);
            self.metrics.messages(class, Outcome::Accepted).increment(since(|counts| counts.accepted));
            self.metrics.messages(class, Outcome::Duplicate).increment(since(|counts| counts.repeated));
            self.metrics.messages(class, Outcome::Refused).increment(overloaded + journal_full + invalid);
            self.metrics.messages_dropped(class, DropReason::Overloaded).increment(overloaded);
            self.metrics.messages_dropped(class, DropReason::JournalFull).increment(journal_full);
        }
    }
}

fn change(gauge: &metrics::Gauge, before: u64, now: u64) {
    gauge.increment(now as f64 - before as f64);
}
