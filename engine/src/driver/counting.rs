//! What a shard's thread shows to the outside: differences of its counts, a few times a second.

use net::{Reactor, Stats};
use store::record::Phase;

use super::complaints::Complaints;
use crate::{
    gate::Refusal,
    identity::Class,
    journal::JournalStats,
    pool::metrics::{DropReason, Level, Metrics, Outcome, SessionRole},
    shard::{AckTook, Counts, Ended, PeerCounts, Shard, Shed, TlsRefusal},
    shedding::Step,
};

/// Time between two publications, in microseconds.
const PUBLISH_US: u64 = 250_000;
const CLASSES: [Class; 2] = [Class::Normal, Class::Vip];

/// One shard's share of the process's metrics.
pub struct Counting {
    metrics: Metrics,
    published_us: u64,
    counts: Counts,
    /// As it was published; nothing before the first time.
    step: Option<Step>,
    connections: u64,
    slow_readers: u64,
    levels: [u64; Level::ALL.len()],
    complaints: Complaints,
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
            step: None,
            connections: 0,
            slow_readers: 0,
            levels: [0; Level::ALL.len()],
            complaints: Complaints::default(),
            phases: [0; Phase::ALL.len()],
            waiting: 0,
            ready: 0,
        }
    }

    /// How long a message took to be durable and acknowledged.
    pub fn durable_ack(&self, ack: AckTook) {
        self.metrics.durable_ack_seconds(ack.by).record(f64::from(ack.microseconds) / 1e6);
        self.metrics.live().acknowledged(ack.by, ack.microseconds);
    }

    /// One journal write.
    pub fn journal_write(&self, group: JournalStats) {
        self.metrics.journal_batch_records().record(group.records as f64);
        self.metrics.journal_batch_bytes().record(group.written_bytes as f64);
    }

    /// A connection was ended because its outbox was full.
    pub fn slow_reader(&mut self) {
        self.slow_readers += 1;
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
        let mut counts = shard.counts();
        counts.peers.ended[Ended::SlowReader as usize] = self.slow_readers;
        self.publish_messages(&counts);
        self.publish_shedding(&counts);
        self.publish_peers(&counts.peers, now_us);
        self.publish_levels(&counts.peers, &reactor.stats());
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

    fn publish_peers(&mut self, now: &PeerCounts, now_us: u64) {
        let before = &self.counts.peers;
        for (refusal, _) in Refusal::ALL {
            let more = now.refused[refusal as usize] - before.refused[refusal as usize];
            self.metrics.connections_refused(refusal).increment(more);
        }
        for (ended, _) in Ended::ALL {
            let more = now.ended[ended as usize] - before.ended[ended as usize];
            self.metrics.connections_ended(ended).increment(more);
        }
        self.complaints.hear(before, now, now_us);
    }

    fn publish_levels(&mut self, peers: &PeerCounts, stats: &Stats) {
        for (index, (level, _)) in Level::ALL.into_iter().enumerate() {
            let now = match level {
                Level::Slots => stats.slots,
                Level::SlotsFree => stats.slots - stats.connections,
                Level::ReceiveBuffers => stats.receive_buffers,
                Level::ReceiveBuffersFree => stats.receive_buffers - stats.receive_buffers_out,
                Level::InFlight => stats.in_flight,
                Level::Strangers => peers.strangers,
                Level::Exchanges => peers.exchanges,
                Level::HeldBytes => peers.held_bytes,
            };
            change(self.metrics.level(level), self.levels[index], now);
            self.levels[index] = now;
        }
    }

    fn publish_shedding(&mut self, counts: &Counts) {
        for (kind, (before, now)) in Shed::ALL.into_iter().zip(self.counts.shed.into_iter().zip(counts.shed))
        {
            self.metrics.shed(kind.0).increment(now - before);
        }
        if self.step != Some(counts.step) {
            let before = self.step.replace(counts.step);
            if let Some(before) = before {
                self.metrics.shedding(before).decrement(1.0);
            }
            self.metrics.shedding(counts.step).increment(1.0);
            self.metrics.live().steps(before, counts.step);
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
            self.metrics.live().refused(class, DropReason::Overloaded, overloaded);
            self.metrics.live().refused(class, DropReason::JournalFull, journal_full);
        }
    }
}

fn change(gauge: &metrics::Gauge, before: u64, now: u64) {
    gauge.increment(now as f64 - before as f64);
}
