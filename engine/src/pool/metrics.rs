//! What is counted, under which name: handles for whoever counts, and the text that Prometheus reads.
//!
//! Every label is one of a few words known here; nothing that a client says becomes one. Every counter
//! exists from the start at 0, so that a rate is right from the first scrape on.

mod live;
mod network;

use std::sync::Arc;

use metrics::{
    Counter, Gauge, Histogram, counter, describe_counter, describe_gauge, describe_histogram, gauge,
    histogram,
};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};
use net::Backend;
use store::record::Phase;

pub use self::{
    live::{Live, Point, Recent, STEP_S, Took},
    network::Level,
};
use crate::{
    gate::Refusal,
    identity::Class,
    shard::{Ended, Sayer, Shed, TlsRefusal},
    shedding::Step,
};

/// What became of a client's message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Durable and acknowledged.
    Accepted,
    /// A resend, answered with its first number.
    Duplicate,
    /// Refused with a code; the client knows.
    Refused,
}

/// Why a message was refused for want of something of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DropReason {
    /// The lane was full.
    Overloaded,
    /// The journal takes no more.
    JournalFull,
    /// The conversation could not be read.
    Unavailable,
}

/// Who has a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionRole {
    /// A visitor.
    Visitor,
    /// An agent.
    Agent,
}

impl Outcome {
    const ALL: [(Self, &'static str); 3] =
        [(Self::Accepted, "accepted"), (Self::Duplicate, "duplicate"), (Self::Refused, "refused")];
}

impl DropReason {
    pub(super) const ALL: [(Self, &'static str); 3] = [
        (Self::Overloaded, "overloaded"),
        (Self::JournalFull, "journal_full"),
        (Self::Unavailable, "unavailable"),
    ];
}

pub(in crate::pool) const CLASSES: [(Class, &str); 2] = [(Class::Vip, "vip"), (Class::Normal, "normal")];
const PHASES: [(Phase, &str); Phase::ALL.len()] = [
    (Phase::Greeting, "greeting"),
    (Phase::WaitingUserInput, "waiting_user_input"),
    (Phase::Queued, "queued"),
    (Phase::Answered, "answered"),
    (Phase::Unanswered, "unanswered"),
    (Phase::Closed, "closed"),
    (Phase::WaitingMissed, "waiting_user_input_missed"),
    (Phase::Processing, "processing"),
    (Phase::ProcessingMissed, "processing_missed"),
    (Phase::LeaveMessage, "leave_message"),
    (Phase::Rating, "rating"),
];

/// Handles to everything that is counted. Clones count the same; counting is a few atomic operations.
#[derive(Clone)]
pub struct Metrics(Arc<Handles>);

struct Handles {
    prometheus: PrometheusHandle,
    sessions: [Gauge; 2],
    connections: Gauge,
    messages: Vec<Counter>,
    dropped: Vec<Counter>,
    shed: [Counter; Shed::ALL.len()],
    shedding: [Gauge; Step::ALL.len()],
    durable_ack_seconds: [Histogram; Sayer::ALL.len()],
    journal_batch_records: Histogram,
    journal_batch_bytes: Histogram,
    backends: [(Backend, Gauge); 3],
    conversations: Vec<Gauge>,
    desk_waiting: Gauge,
    desk_agents_ready: Gauge,
    jobs_refused: Counter,
    logins: [Counter; 3],
    tls_refused: [Counter; TlsRefusal::ALL.len()],
    journals_failed: Gauge,
    projection_lag_records: Gauge,
    projection_lag_seconds: Gauge,
    projection_errors: Counter,
    resident_memory_bytes: Gauge,
    network: network::Network,
    live: Live,
}

/// How a login ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoginOutcome {
    /// With a token.
    Accepted,
    /// Wrong name or password.
    Wrong,
    /// Too many wrong ones before.
    Throttled,
}

const SECONDS: &[f64] =
    &[0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.015, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5];
const RECORDS: &[f64] = &[1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0, 4096.0];
const BYTES: &[f64] =
    &[4096.0, 8192.0, 16384.0, 32768.0, 65536.0, 131072.0, 262144.0, 524288.0, 1048576.0, 4194304.0];

impl Metrics {
    /// A registry of its own, everything at 0.
    pub fn new() -> Self {
        let recorder = match buckets() {
            Ok(builder) => builder.build_recorder(),
            Err(error) => unreachable!("the buckets are constants and not empty: {error}"),
        };
        let prometheus = recorder.handle();
        metrics::with_local_recorder(&recorder, || {
            describe();
            Self(Arc::new(Handles::register(prometheus)))
        })
    }

    /// Live sessions by who has them: increment and decrement.
    pub fn sessions(&self, role: SessionRole) -> &Gauge {
        &self.0.sessions[match role {
            SessionRole::Visitor => 0,
            SessionRole::Agent => 1,
        }]
    }

    /// Connections of all shards: increment and decrement.
    pub fn connections(&self) -> &Gauge {
        &self.0.connections
    }

    /// What all connections hold now: increment and decrement.
    pub fn level(&self, level: Level) -> &Gauge {
        self.0.network.level(level)
    }

    /// Connections refused, by reason.
    pub fn connections_refused(&self, refusal: Refusal) -> &Counter {
        self.0.network.refused(refusal)
    }

    /// Connections ended because of their peer, by reason.
    pub fn connections_ended(&self, why: Ended) -> &Counter {
        self.0.network.ended(why)
    }

    /// Shards whose journal has failed: incremented once each.
    pub fn journals_failed(&self) -> &Gauge {
        &self.0.journals_failed
    }

    /// Durable records that SQL lacks.
    pub fn projection_lag_records(&self) -> &Gauge {
        &self.0.projection_lag_records
    }

    /// For how long SQL has lacked some.
    pub fn projection_lag_seconds(&self) -> &Gauge {
        &self.0.projection_lag_seconds
    }

    /// Rounds of the projection that failed.
    pub fn projection_errors(&self) -> &Counter {
        &self.0.projection_errors
    }

    /// Clients' messages by class and what became of them.
    pub fn messages(&self, class: Class, outcome: Outcome) -> &Counter {
        &self.0.messages[class as usize * Outcome::ALL.len() + outcome as usize]
    }

    /// Messages refused for want of something of ours. They count as [`Outcome::Refused`], too.
    pub fn messages_dropped(&self, class: Class, reason: DropReason) -> &Counter {
        &self.0.dropped[class as usize * DropReason::ALL.len() + reason as usize]
    }

    /// What told of now only and was not passed on.
    pub fn shed(&self, kind: Shed) -> &Counter {
        &self.0.shed[kind as usize]
    }

    /// Shards that give up that much: increment and decrement.
    pub fn shedding(&self, step: Step) -> &Gauge {
        &self.0.shedding[step as usize]
    }

    /// Seconds from a message's arrival to its ack, which is after its record was durable.
    pub fn durable_ack_seconds(&self, by: Sayer) -> &Histogram {
        &self.0.durable_ack_seconds[by as usize]
    }

    /// What the board shows of the last minutes.
    pub fn live(&self) -> &Live {
        &self.0.live
    }

    /// Records of one journal write.
    pub fn journal_batch_records(&self) -> &Histogram {
        &self.0.journal_batch_records
    }

    /// Bytes of one journal write.
    pub fn journal_batch_bytes(&self) -> &Histogram {
        &self.0.journal_batch_bytes
    }

    /// Says which backend runs.
    pub fn backend_runs(&self, backend: Backend) {
        for (known, gauge) in &self.0.backends {
            gauge.set(if *known == backend { 1.0 } else { 0.0 });
        }
    }

    /// Conversations in memory by phase: increment and decrement.
    pub fn conversations(&self, phase: Phase) -> &Gauge {
        // The numbers of phases begin with 1.
        &self.0.conversations[phase as usize - 1]
    }

    /// Conversations waiting for an agent.
    pub fn desk_waiting(&self) -> &Gauge {
        &self.0.desk_waiting
    }

    /// Agents who take conversations.
    pub fn desk_agents_ready(&self) -> &Gauge {
        &self.0.desk_agents_ready
    }

    /// Jobs that found the pool's queue full.
    pub fn jobs_refused(&self) -> &Counter {
        &self.0.jobs_refused
    }

    /// Logins by how they ended.
    pub fn logins(&self, outcome: LoginOutcome) -> &Counter {
        &self.0.logins[outcome as usize]
    }

    /// Connections that TLS closed, by why.
    pub fn tls_refused(&self, reason: TlsRefusal) -> &Counter {
        &self.0.tls_refused[reason as usize]
    }

    /// Folds what histograms have gathered; to be called every second or so, or they grow.
    pub fn upkeep(&self) {
        self.0.prometheus.run_upkeep();
    }

    /// The text that Prometheus reads.
    pub fn render(&self) -> String {
        if let Some(bytes) = resident_memory_bytes() {
            self.0.resident_memory_bytes.set(bytes as f64);
        }
        self.0.network.look();
        self.0.prometheus.render()
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

fn buckets() -> Result<PrometheusBuilder, BuildError> {
    PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Full("ringdesk_durable_ack_seconds".into()), SECONDS)?
        .set_buckets_for_metric(Matcher::Full("ringdesk_journal_batch_records".into()), RECORDS)?
        .set_buckets_for_metric(Matcher::Full("ringdesk_journal_batch_bytes".into()), BYTES)
}

impl Handles {
    fn register(prometheus: PrometheusHandle) -> Self {
        let mut messages = Vec::new();
        let mut dropped = Vec::new();
        for (_, class) in CLASSES {
            for (_, outcome) in Outcome::ALL {
                messages.push(counter!("ringdesk_messages_total", "class" => class, "outcome" => outcome));
            }
            for (_, reason) in DropReason::ALL {
                dropped
                    .push(counter!("ringdesk_messages_dropped_total", "class" => class, "reason" => reason));
            }
        }
        let at_zero = |gauge: Gauge| {
            gauge.set(0.0);
            gauge
        };
        for counter in messages.iter().chain(&dropped) {
            counter.absolute(0);
        }
        let handles = Self {
            prometheus,
            sessions: ["visitor", "agent"].map(|role| at_zero(gauge!("ringdesk_sessions", "role" => role))),
            connections: at_zero(gauge!("ringdesk_connections")),
            messages,
            dropped,
            shed: Shed::ALL.map(|(_, kind)| counter!("ringdesk_shed_total", "kind" => kind)),
            shedding: Step::ALL
                .map(|step| at_zero(gauge!("ringdesk_shedding_shards", "step" => step.name()))),
            durable_ack_seconds: Sayer::ALL
                .map(|(_, class)| histogram!("ringdesk_durable_ack_seconds", "class" => class)),
            journal_batch_records: histogram!("ringdesk_journal_batch_records"),
            journal_batch_bytes: histogram!("ringdesk_journal_batch_bytes"),
            backends: [(Backend::Modern, "modern"), (Backend::Basic, "basic"), (Backend::Epoll, "epoll")]
                .map(|(backend, name)| {
                    (backend, at_zero(gauge!("ringdesk_backend_info", "backend" => name)))
                }),
            conversations: PHASES
                .iter()
                .map(|(_, phase)| at_zero(gauge!("ringdesk_conversations", "phase" => *phase)))
                .collect(),
            desk_waiting: at_zero(gauge!("ringdesk_desk_waiting")),
            desk_agents_ready: at_zero(gauge!("ringdesk_desk_agents_ready")),
            jobs_refused: counter!("ringdesk_pool_jobs_refused_total"),
            logins: ["accepted", "wrong", "throttled"]
                .map(|outcome| counter!("ringdesk_logins_total", "outcome" => outcome)),
            tls_refused: TlsRefusal::ALL
                .map(|(_, reason)| counter!("ringdesk_tls_refused_total", "reason" => reason)),
            journals_failed: at_zero(gauge!("ringdesk_journals_failed")),
            projection_lag_records: at_zero(gauge!("ringdesk_projection_lag_records")),
            projection_lag_seconds: at_zero(gauge!("ringdesk_projection_lag_seconds")),
            projection_errors: counter!("ringdesk_projection_errors_total"),
            resident_memory_bytes: at_zero(gauge!("process_resident_memory_bytes")),
            network: network::Network::register(),
            live: Live::default(),
        };
        gauge!("ringdesk_build_info", "version" => env!("CARGO_PKG_VERSION")).set(1.0);
        handles
    }
}

fn describe() {
    network::describe();
    describe_gauge!("ringdesk_sessions", "Live sessions by role.");
    describe_gauge!("ringdesk_connections", "Open connections on the public port.");
    describe_counter!("ringdesk_messages_total", "Messages from clients by class and outcome.");
    describe_counter!(
        "ringdesk_messages_dropped_total",
        "Messages refused because the server lacked something, by class and reason. The client was told."
    );
    describe_counter!(
        "ringdesk_shed_total",
        "What tells of now only and was not passed on under pressure, by kind. Nobody was told."
    );
    describe_gauge!("ringdesk_shedding_shards", "Shards by how much they give up under pressure.");
    describe_histogram!(
        "ringdesk_durable_ack_seconds",
        "Seconds from a message's arrival to its acknowledgement, after it was durable, by whose it was."
    );
    describe_histogram!("ringdesk_journal_batch_records", "Records of one journal write.");
    describe_histogram!("ringdesk_journal_batch_bytes", "Bytes of one journal write.");
    describe_gauge!("ringdesk_backend_info", "1 for the reactor backend that runs.");
    describe_gauge!("ringdesk_conversations", "Conversations in memory by phase.");
    describe_gauge!("ringdesk_desk_waiting", "Conversations waiting for an agent.");
    describe_gauge!("ringdesk_desk_agents_ready", "Agents who take conversations.");
    describe_counter!("ringdesk_pool_jobs_refused_total", "Jobs of shards that found the pool's queue full.");
    describe_counter!("ringdesk_logins_total", "Logins by outcome.");
    describe_counter!("ringdesk_tls_refused_total", "Connections that TLS closed, by why.");
    describe_gauge!("ringdesk_build_info", "1, with the version of this build.");
    describe_gauge!(
        "ringdesk_journals_failed",
        "Shards whose journal could not be written: they acknowledge nothing until the server is restarted."
    );
    describe_gauge!(
        "ringdesk_projection_lag_records",
        "Durable journal records that the database does not have yet."
    );
    describe_gauge!(
        "ringdesk_projection_lag_seconds",
        "The age of the oldest durable record that the database does not have yet; 0 while it has them all."
    );
    describe_counter!(
        "ringdesk_projection_errors_total",
        "Rounds in which the database could not take what the journal has."
    );
    describe_gauge!("process_resident_memory_bytes", "Resident memory of the process in bytes.");
}

/// As the kernel tells it; `None` where there is no `/proc`.
fn resident_memory_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kib| kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str, begin: &str) -> String {
        let found = text.lines().find(|line| line.starts_with(begin));
        found.unwrap_or_else(|| panic!("no {begin} in\n{text}")).to_owned()
    }

    #[test]
    fn everything_is_there_before_anything_happened() {
        let text = Metrics::new().render();
        for begin in [
            "ringdesk_sessions{role=\"visitor\"} 0",
            "ringdesk_sessions{role=\"agent\"} 0",
            "ringdesk_connections 0",
            "ringdesk_messages_total{class=\"vip\",outcome=\"accepted\"} 0",
            "ringdesk_messages_dropped_total{class=\"normal\",reason=\"overloaded\"} 0",
            "ringdesk_conversations{phase=\"queued\"} 0",
            "ringdesk_desk_waiting 0",
            "ringdesk_backend_info{backend=\"modern\"} 0",
            "ringdesk_backend_info{backend=\"basic\"} 0",
            "process_resident_memory_bytes ",
            "ringdesk_net_slots_free 0",
            "ringdesk_connections_refused_total{reason=\"address_strangers\"} 0",
            "ringdesk_connections_ended_total{reason=\"ping_flood\"} 0",
        ] {
            line(&text, begin);
        }
        for name in ["ringdesk_durable_ack_seconds", "ringdesk_messages_total", "ringdesk_build_info"] {
            line(&text, &format!("# HELP {name} "));
        }
    }

    #[test]
    fn each_handle_counts_under_its_own_labels() {
        let metrics = Metrics::new();
        for (class_index, (class, class_name)) in CLASSES.into_iter().enumerate() {
            for (index, (outcome, name)) in Outcome::ALL.into_iter().enumerate() {
                let value = (class_index * 10 + index + 1) as u64;
                metrics.messages(class, outcome).increment(value);
                let labels = format!("{{class=\"{class_name}\",outcome=\"{name}\"}} {value}");
                line(&metrics.render(), &format!("ringdesk_messages_total{labels}"));
            }
            for (index, (reason, name)) in DropReason::ALL.into_iter().enumerate() {
                let value = (class_index * 10 + index + 1) as u64;
                metrics.messages_dropped(class, reason).increment(value);
                let labels = format!("{{class=\"{class_name}\",reason=\"{name}\"}} {value}");
                line(&metrics.render(), &format!("ringdesk_messages_dropped_total{labels}"));
            }
        }
        for (index, (phase, name)) in PHASES.into_iter().enumerate() {
            metrics.conversations(phase).increment((index + 1) as f64);
            line(&metrics.render(), &format!("ringdesk_conversations{{phase=\"{name}\"}} {}", index + 1));
        }
        metrics.backend_runs(Backend::Epoll);
        line(&metrics.render(), "ringdesk_backend_info{backend=\"epoll\"} 1");
        metrics.logins(LoginOutcome::Throttled).increment(1);
        line(&metrics.render(), "ringdesk_logins_total{outcome=\"throttled\"} 1");
        for (index, (reason, name)) in TlsRefusal::ALL.into_iter().enumerate() {
            metrics.tls_refused(reason).increment(index as u64 + 1);
            line(
                &metrics.render(),
                &format!("ringdesk_tls_refused_total{{reason=\"{name}\"}} {}", index + 1),
            );
        }
    }

    #[test]
    fn histograms_have_buckets() {
        let metrics = Metrics::new();
        metrics.durable_ack_seconds(Sayer::Vip).record(0.0007);
        metrics.upkeep();
        let text = metrics.render();
        line(&text, "ringdesk_durable_ack_seconds_bucket{class=\"vip\",le=\"0.0005\"} 0");
        line(&text, "ringdesk_durable_ack_seconds_bucket{class=\"vip\",le=\"0.001\"} 1");
        line(&text, "ringdesk_durable_ack_seconds_count{class=\"normal\"} 0");
    }
}
