//! What a run found, as a table for people and as JSON for programs. The schema is in `docs/loadtest.md`.

use std::{collections::BTreeMap, fmt, fs, io, path::Path as FilePath};

use serde::Serialize;

use crate::{
    ledger::Outcome,
    measure::{Class, Path, Summary},
    scenario::{Cost, Finished},
    shared::Plan,
    verify::Verified,
};

/// A generator that is later than this, one time in a hundred, measures itself.
const LAG_US_MAX: u64 = 20_000;

/// Everything a run found.
#[derive(Debug, Serialize)]
pub struct Report {
    /// What was asked for.
    scenario: Scenario,
    /// Nothing lost, unanswered, doubled, out of order or otherwise wrong.
    passed: bool,
    /// False where the generator was the bottleneck: then times say nothing of the server.
    valid: bool,
    outcome: Outcome,
    latencies: Vec<Latency>,
    /// How late the generator was itself.
    lag: Summary,
    cost: Costs,
    verified: Option<Verified>,
    dropped_connections: u64,
    remarks: BTreeMap<String, u64>,
    faults: Vec<String>,
    faults_in_all: u64,
}

#[derive(Debug, Serialize)]
struct Scenario {
    name: &'static str,
    sessions: u32,
    agents: usize,
    rate_per_session: f64,
    seconds: u64,
    vip_share: f64,
    seed: u64,
    threads: usize,
    backend: String,
}

#[derive(Debug, Serialize)]
struct Latency {
    path: &'static str,
    class: &'static str,
    #[serde(flatten)]
    summary: Summary,
}

#[derive(Debug, Serialize)]
struct Costs {
    seconds: f64,
    generator_cpu_seconds: f64,
    server_cpu_seconds: Option<f64>,
    server_rss_bytes_before: Option<u64>,
    server_rss_bytes_after: Option<u64>,
    server_rss_bytes_per_session: Option<u64>,
}

impl Report {
    /// Of a finished run.
    pub fn new(name: &'static str, finished: &Finished, verified: Option<Verified>) -> Self {
        let shared = &finished.shared;
        let Plan { sessions, rate, seconds, vip_share, seed, ref staff, .. } = shared.plan;
        let measures = shared.all_measures();
        let (outcome, lag) = (shared.ledger.outcome(), measures.lag());
        let count = |tally: &std::sync::atomic::AtomicU64| tally.load(std::sync::atomic::Ordering::Relaxed);
        let faults_in_all = count(&shared.tallies.faults);
        let as_stored = verified.as_ref().is_none_or(|verified| verified.differences.is_empty());
        let pairs = Path::ALL.into_iter().flat_map(|path| Class::ALL.map(|class| (path, class)));
        let latencies = pairs.map(|(path, class)| Latency {
            path: path.name(),
            class: class.name(),
            summary: measures.path(path, class),
        });
        Self {
            scenario: Scenario {
                name,
                sessions,
                agents: staff.len(),
                rate_per_session: rate,
                seconds,
                vip_share,
                seed,
                threads: shared.threads(),
                backend: finished.backend.clone(),
            },
            passed: outcome.is_clean() && faults_in_all == 0 && as_stored,
            valid: lag.p99_us <= LAG_US_MAX,
            outcome,
            latencies: latencies.filter(|latency| latency.summary.count > 0).collect(),
            lag,
            cost: Costs::new(&finished.cost, sessions),
            verified,
            dropped_connections: count(&shared.tallies.dropped),
            remarks: shared.remarks(),
            faults: shared.faults(),
            faults_in_all,
        }
    }

    /// Whether nothing was lost and nothing was wrong.
    pub const fn passed(&self) -> bool {
        self.passed
    }

    /// Writes `report.json` in `directory`, which is made if need be.
    pub fn write(&self, directory: &FilePath) -> io::Result<()> {
        fs::create_dir_all(directory)?;
        let text = serde_json::to_string_pretty(self)?;
        fs::write(directory.join("report.json"), text + "\n")
    }
}

impl Costs {
    fn new(cost: &Cost, sessions: u32) -> Self {
        let rss = cost.server_rss_bytes;
        Self {
            seconds: cost.seconds,
            generator_cpu_seconds: cost.generator_cpu_seconds,
            server_cpu_seconds: cost.server_cpu_seconds,
            server_rss_bytes_before: rss.map(|(before, _)| before),
            server_rss_bytes_after: rss.map(|(_, after)| after),
            server_rss_bytes_per_session: rss
                .map(|(before, after)| after.saturating_sub(before) / u64::from(sessions.max(1))),
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { scenario, .. } = self;
        writeln!(
            f,
            "\n{}: {} sessions, {} agents, {} messages/s each for {} s, seed {} ({} thread(s), {})",
            scenario.name,
            scenario.sessions,
            scenario.agents,
            scenario.rate_per_session,
            scenario.seconds,
            scenario.seed,
            scenario.threads,
            scenario.backend,
        )?;
        self.write_latencies(f)?;
        self.write_counts(f)?;
        self.write_cost(f)?;
        self.write_verdict(f)
    }
}

impl Report {
    fn write_latencies(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "\n{:<18} {:<7} {:>9} {:>9} {:>9} {:>9} {:>9}  ms from the scheduled time",
            "path", "class", "count", "p50", "p99", "p99.9", "max"
        )?;
        for Latency { path, class, summary } in &self.latencies {
            write_row(f, path, class, summary)?;
        }
        write_row(f, "generator's lag", "", &self.lag)
    }

    fn write_counts(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Outcome { visitors, agents, lost, unanswered, doubled, disordered } = self.outcome;
        writeln!(f)?;
        for (who, counts) in [("visitors", visitors), ("agents", agents)] {
            writeln!(
                f,
                "{who:<9} sent {}  acknowledged {}  delivered {}  refused {} ({} refusals)",
                counts.sent, counts.acknowledged, counts.delivered, counts.refused, counts.refusals
            )?;
        }
        writeln!(
            f,
            "lost {lost}  unanswered {unanswered}  doubled {doubled}  out of order {disordered}  \
             dropped connections {}",
            self.dropped_connections
        )?;
        if let Some(Verified { conversations, stored, missing, differences }) = &self.verified {
            writeln!(
                f,
                "stored: {conversations} conversations with {stored} messages asked of the API, acknowledged and not stored {missing}, \
                 {} differences",
                differences.len()
            )?;
        }
        Ok(())
    }

    fn write_cost(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Costs { seconds, generator_cpu_seconds, .. } = self.cost;
        writeln!(f, "generator: {generator_cpu_seconds:.2} s of CPU in {seconds:.1} s")?;
        if let Some(cpu) = self.cost.server_cpu_seconds {
            let messages = self.outcome.visitors.acknowledged + self.outcome.agents.acknowledged;
            write!(f, "server: {cpu:.2} s of CPU")?;
            if messages > 0 {
                write!(f, ", {:.1} µs a durable message", cpu * 1e6 / messages as f64)?;
            }
            writeln!(f)?;
        }
        let costs = &self.cost;
        if let (Some(before), Some(after), Some(each)) =
            (costs.server_rss_bytes_before, costs.server_rss_bytes_after, costs.server_rss_bytes_per_session)
        {
            let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
            let (before, after) = (mib(before), mib(after));
            writeln!(
                f,
                "server memory: {before:.1} MiB before, {after:.1} MiB after, {each} bytes a session"
            )?;
        }
        Ok(())
    }

    fn write_verdict(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (what, times) in &self.remarks {
            writeln!(f, "remark: {what} ({times} times)")?;
        }
        for fault in &self.faults {
            writeln!(f, "fault: {fault}")?;
        }
        if self.faults_in_all > self.faults.len() as u64 {
            writeln!(f, "fault: … {} in all", self.faults_in_all)?;
        }
        for difference in self.verified.iter().flat_map(|verified| &verified.differences).take(20) {
            writeln!(f, "difference: {difference}")?;
        }
        if !self.valid {
            writeln!(f, "invalid: the generator was the bottleneck")?;
        }
        write!(f, "{}", if self.passed { "passed" } else { "FAILED" })
    }
}

fn write_row(f: &mut fmt::Formatter<'_>, path: &str, class: &str, summary: &Summary) -> fmt::Result {
    let Summary { count, p50_us, p99_us, p999_us, max_us } = *summary;
    let [p50, p99, p999, max] = [p50_us, p99_us, p999_us, max_us].map(|us| us as f64 / 1e3);
    writeln!(f, "{path:<18} {class:<7} {count:>9} {p50:>9.2} {p99:>9.2} {p999:>9.2} {max:>9.2}")
}
