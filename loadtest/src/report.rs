//! What a run found, as data: the schema of `report.json` is in `docs/loadtest.md`. As text it is
//! [`crate::table`]'s, as a page [`crate::page`]'s.

use std::{collections::BTreeMap, fs, io, path::Path as FilePath, sync::atomic::Ordering::Relaxed};

use serde::Serialize;

use crate::{
    ledger::{Counts, Outcome},
    measure::{Class, Measures, Path, Summary},
    page, percentiles,
    run::{Finished, LAG_US_MAX, Moment, StepResult},
    scenario::Scenario,
    targets::{self, Target},
    timeline::Sample,
    verify::Verified,
};

/// The number of the schema; it grows when a field changes its meaning.
const SCHEMA: u32 = 2;

/// Everything a run found.
#[derive(Debug, Serialize)]
pub struct Report {
    /// The number of the schema.
    pub schema: u32,
    /// When the run ended, milliseconds since 1970.
    pub ended_unix_ms: u64,
    /// What was asked for.
    pub scenario: Scenario,
    /// How it was run.
    pub generator: Generator,
    /// Where.
    pub machine: Machine,
    /// Nothing lost, unanswered, doubled, out of order or otherwise wrong.
    pub passed: bool,
    /// False where the generator was the bottleneck: then times say nothing of the server.
    pub valid: bool,
    /// What the ledger proves.
    pub outcome: Outcome,
    /// What was to be reached, and what was.
    pub targets: Vec<Target>,
    /// Of all steps but those that only warm up or search.
    pub latencies: Vec<Latency>,
    /// How late the generator was itself, in these steps.
    pub lag: Summary,
    /// The machine's own floor in the same minutes.
    pub floor: Option<Floor>,
    /// Step by step.
    pub steps: Vec<Step>,
    /// How long it took to connect all visitors.
    pub connect_seconds: f64,
    /// The highest rate that acks kept up with, messages a second, if it was looked for.
    pub sustainable_per_second: Option<f64>,
    /// Memory.
    pub memory: Memory,
    /// What the API has stored.
    pub verified: Option<Verified>,
    /// Notices that somebody types.
    pub typed: u64,
    /// Connections lost without our asking.
    pub dropped_connections: u64,
    /// Connections that we dropped on purpose.
    pub storm_dropped: u64,
    /// Refusals and closes by reason, and other things worth counting.
    pub remarks: BTreeMap<String, u64>,
    /// What the server did wrong.
    pub faults: Vec<String>,
    /// Also those not kept as text.
    pub faults_in_all: u64,
    /// Second by second.
    pub timeline: Vec<Sample>,
    /// Histograms of the same paths as `latencies`; they go into files of their own.
    #[serde(skip)]
    pub measures: Measures,
}

/// How the generator ran.
#[derive(Debug, Serialize)]
pub struct Generator {
    /// Agents that took part.
    pub agents: usize,
    /// Of all randomness.
    pub seed: u64,
    /// Threads.
    pub threads: usize,
    /// How it talked to the kernel.
    pub backend: String,
}

/// Where the generator ran.
#[derive(Debug, Serialize)]
pub struct Machine {
    /// Processors.
    pub cores: usize,
    /// Their name.
    pub processor: String,
    /// The kernel's release.
    pub kernel: String,
}

/// One path of one class.
#[derive(Debug, Serialize)]
pub struct Latency {
    /// As in [`Path::name`].
    pub path: &'static str,
    /// As in [`Class::name`].
    pub class: &'static str,
    /// The times.
    #[serde(flatten)]
    pub summary: Summary,
}

/// The machine's own floor.
#[derive(Debug, Serialize)]
pub struct Floor {
    /// How late a thread that slept was woken.
    pub wake_up: Summary,
    /// One block written and `fdatasync`.
    pub durable_write: Summary,
}

/// One step.
#[derive(Debug, Serialize)]
pub struct Step {
    /// Its name.
    pub name: String,
    /// It only warms up.
    pub warm_up: bool,
    /// It was tried to find the sustainable rate.
    pub search: bool,
    /// Visitors' messages a second that were asked for.
    pub per_second: f64,
    /// How long it lasted.
    pub seconds: f64,
    /// How long what was under way took to arrive, afterwards.
    pub settle_seconds: f64,
    /// What visitors said.
    pub visitors: Counts,
    /// What agents said.
    pub agents: Counts,
    /// Acks a second before its end.
    pub acknowledged_per_second: f64,
    /// Times of what was scheduled in it.
    pub latencies: Vec<Latency>,
    /// How late the generator was.
    pub lag: Summary,
    /// Processor time of the generator, in cores.
    pub generator_cores: f64,
    /// Processor time of the server, in cores.
    pub server_cores: Option<f64>,
    /// Processor time of the server for each message that was acknowledged, in microseconds.
    pub server_us_per_message: Option<f64>,
    /// Processor time of the server's threads by name, in cores.
    pub server_threads: BTreeMap<String, f64>,
    /// How busy each core of the machine was, 1 for all of the time.
    pub cores_busy: Vec<f64>,
    /// Packets that the machine had no room for.
    pub packets_dropped: u64,
    /// TCP segments that the machine sent again.
    pub segments_resent: u64,
}

/// Memory in bytes: the server's where it is watched.
#[derive(Debug, Serialize)]
pub struct Memory {
    /// The server before the first connection.
    pub server_rss_bytes_before: Option<u64>,
    /// When everybody was connected and nobody had spoken.
    pub server_rss_bytes_connected: Option<u64>,
    /// After the last step.
    pub server_rss_bytes_after: Option<u64>,
    /// At its highest, since its start.
    pub server_rss_bytes_max: Option<u64>,
    /// What the sessions added until everybody was connected, for each.
    pub server_bytes_per_session: Option<u64>,
    /// The same after the last step.
    pub server_bytes_per_session_after: Option<u64>,
    /// The generator after the last step.
    pub generator_rss_bytes: u64,
    /// The kernel's own objects for each session, both ends, where both are on this machine.
    pub kernel_bytes_per_session: u64,
}

impl Report {
    /// Of a finished run.
    pub fn new(finished: Finished, verified: Option<Verified>) -> Self {
        let shared = &finished.shared;
        let plan = &shared.plan;
        let measures = whole(&finished);
        let (outcome, lag) = (shared.ledger.outcome(), measures.lag());
        let faults_in_all = shared.tallies.faults.load(Relaxed);
        let as_stored = verified.as_ref().is_none_or(|verified| verified.differences.is_empty());
        let floor = finished.floor.as_ref().map(|floor| Floor {
            wake_up: Summary::of(&floor.wake_up),
            durable_write: Summary::of(&floor.durable_write),
        });
        let steps = finished.steps.iter().enumerate();
        let steps = steps.map(|(number, step)| Step::new(step, &shared.measures_of_step(number))).collect();
        let mut report = Self {
            schema: SCHEMA,
            ended_unix_ms: net::now().unix_ms,
            generator: Generator {
                agents: plan.staff.len(),
                seed: plan.seed,
                threads: shared.threads(),
                backend: finished.backend.clone(),
            },
            machine: Machine::here(),
            scenario: plan.scenario.clone(),
            passed: outcome.is_clean() && faults_in_all == 0 && as_stored,
            valid: lag.p99_us <= LAG_US_MAX,
            outcome,
            targets: Vec::new(),
            latencies: latencies(&measures),
            lag,
            floor,
            steps,
            connect_seconds: finished.connect_seconds,
            sustainable_per_second: finished.sustainable,
            memory: Memory::new(&finished),
            verified,
            typed: shared.tallies.typed.load(Relaxed),
            dropped_connections: shared.tallies.dropped.load(Relaxed),
            storm_dropped: shared.tallies.storm_dropped.load(Relaxed),
            remarks: shared.remarks(),
            faults: shared.faults(),
            faults_in_all,
            timeline: finished.samples,
            measures,
        };
        report.targets = targets::compare(&report);
        report
    }

    /// Writes `report.json`, `report.html` and a `.hgrm` for each path in `directory`, which is made if need be.
    pub fn write(&self, directory: &FilePath) -> io::Result<()> {
        fs::create_dir_all(directory)?;
        let text = serde_json::to_string_pretty(self)?;
        fs::write(directory.join("report.json"), text + "\n")?;
        fs::write(directory.join("report.html"), page::page(self))?;
        for path in Path::ALL {
            for class in Class::ALL {
                if let Some(histogram) = self.measures.path(path, class) {
                    let name = format!("{}-{}.hgrm", path.file_name(), class.name());
                    fs::write(directory.join(name), percentiles::hgrm(histogram))?;
                }
            }
        }
        Ok(())
    }
}

/// All steps that count; connections are made before the first, so theirs are taken from all.
fn whole(finished: &Finished) -> Measures {
    let mut all = Measures::default();
    for (number, step) in finished.steps.iter().enumerate() {
        let measures = finished.shared.measures_of_step(number);
        let counts = !step.timed.step.warm_up && !step.timed.search;
        all.add(&if counts { measures } else { measures.only_connections() });
    }
    all
}

fn latencies(measures: &Measures) -> Vec<Latency> {
    let pairs = Path::ALL.into_iter().flat_map(|path| Class::ALL.map(|class| (path, class)));
    let latency = |(path, class): (Path, Class)| {
        let summary = Summary::of(measures.path(path, class)?);
        Some(Latency { path: path.name(), class: class.name(), summary })
    };
    pairs.filter_map(latency).collect()
}

impl Step {
    fn new(step: &StepResult, measures: &Measures) -> Self {
        let (before, after) = &step.moments;
        let seconds = step.seconds + step.settle_seconds;
        let server = before.server.zip(after.server);
        let server_cpu = server.map(|(before, after)| after.cpu_seconds - before.cpu_seconds);
        let acknowledged: u64 = step.counts.iter().map(|counts| counts.acknowledged).sum();
        let cores = |name: &String, cpu_seconds: &f64| {
            let before = before.server_threads.get(name).copied().unwrap_or_default();
            (name.clone(), (cpu_seconds - before).max(0.0) / seconds)
        };
        let busy = before.machine.busy_seconds.iter().zip(&after.machine.busy_seconds);
        Self {
            name: step.timed.step.name.clone(),
            warm_up: step.timed.step.warm_up,
            search: step.timed.search,
            per_second: step.timed.rate,
            seconds: step.seconds,
            settle_seconds: step.settle_seconds,
            visitors: step.counts[0],
            agents: step.counts[1],
            acknowledged_per_second: step.acknowledged_in_time as f64 / step.seconds,
            latencies: latencies(measures),
            lag: measures.lag(),
            generator_cores: (after.own.cpu_seconds - before.own.cpu_seconds) / seconds,
            server_cores: server_cpu.map(|cpu| cpu / seconds),
            server_us_per_message: server_cpu
                .filter(|_| acknowledged > 0)
                .map(|cpu| cpu * 1e6 / acknowledged as f64),
            server_threads: after.server_threads.iter().map(|(name, cpu)| cores(name, cpu)).collect(),
            cores_busy: busy.map(|(before, after)| ((after - before) / seconds).min(1.0)).collect(),
            packets_dropped: after.machine.packets_dropped.saturating_sub(before.machine.packets_dropped),
            segments_resent: after.machine.segments_resent.saturating_sub(before.machine.segments_resent),
        }
    }

    /// One path of one class.
    pub fn latency(&self, path: Path, class: Class) -> Option<Summary> {
        let wanted = |latency: &&Latency| latency.path == path.name() && latency.class == class.name();
        self.latencies.iter().find(wanted).map(|latency| latency.summary)
    }

    /// Visitors' and agents' messages that were acknowledged in it.
    pub const fn acknowledged(&self) -> u64 {
        self.visitors.acknowledged + self.agents.acknowledged
    }
}

impl Memory {
    fn new(finished: &Finished) -> Self {
        let Finished { before, connected, after, shared, .. } = finished;
        let sessions = u64::from(shared.plan.scenario.sessions);
        let rss = |moment: &Moment| moment.server.map(|server| server.rss_bytes);
        let each = |moment: &Moment| {
            rss(before).zip(rss(moment)).map(|(before, after)| after.saturating_sub(before) / sessions)
        };
        let slab = |moment: &Moment| moment.machine.slab_bytes;
        Self {
            server_rss_bytes_before: rss(before),
            server_rss_bytes_connected: rss(connected),
            server_rss_bytes_after: rss(after),
            server_rss_bytes_max: after.server.map(|server| server.rss_bytes_max),
            server_bytes_per_session: each(connected),
            server_bytes_per_session_after: each(after),
            generator_rss_bytes: after.own.rss_bytes,
            kernel_bytes_per_session: slab(connected).saturating_sub(slab(before)) / sessions,
        }
    }
}

impl Machine {
    fn here() -> Self {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let model = read("/proc/cpuinfo");
        let model = model.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
        Self {
            cores: net::allowed_cpus().len(),
            processor: model.map_or("unknown", |(_, name)| name.trim()).to_owned(),
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
        }
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::scenario::Scenario;

    /// A run that went well: 40 messages, one step.
    pub fn sample() -> Report {
        let summary =
            Summary { count: 40, p50_us: 500, p90_us: 900, p99_us: 2_000, p999_us: 9_000, max_us: 9_500 };
        let mut thread = crate::measure::ThreadMeasures::default();
        for took_us in 0..40 {
            thread.record(0, Path::VisitorAgent, Class::Normal, 0, 480 + took_us * took_us);
        }
        let mut measures = Measures::default();
        measures.add(thread.of_step(0).expect("it was recorded"));
        let latency = Latency { path: "visitor → agent", class: "normal", summary };
        let counts = Counts { sent: 40, acknowledged: 40, delivered: 40, refused: 0, refusals: 0 };
        let step = Step {
            name: "evening <1>".to_owned(),
            warm_up: false,
            search: false,
            per_second: 20.0,
            seconds: 2.0,
            settle_seconds: 0.1,
            visitors: counts,
            agents: Counts::default(),
            acknowledged_per_second: 20.0,
            latencies: vec![latency],
            lag: summary,
            generator_cores: 0.1,
            server_cores: Some(0.2),
            server_us_per_message: Some(50.0),
            server_threads: BTreeMap::from([("shard-0".to_owned(), 0.2)]),
            cores_busy: vec![0.5, 0.25],
            packets_dropped: 0,
            segments_resent: 3,
        };
        let second = |second: f64| Sample {
            second,
            sent: 20.0,
            acknowledged: 20.0,
            delivered: 20.0,
            ack: summary,
            delivery: summary,
            server_cores: Some(0.2),
            server_rss_bytes: Some(40 << 20),
            ..Sample::default()
        };
        Report {
            schema: SCHEMA,
            ended_unix_ms: 1_760_000_000_000,
            scenario: Scenario::idle(10, 2, 10),
            generator: Generator { agents: 1, seed: 1, threads: 1, backend: "modern".to_owned() },
            machine: Machine { cores: 2, processor: "A & B".to_owned(), kernel: "6.18".to_owned() },
            passed: true,
            valid: true,
            outcome: Outcome { visitors: counts, ..Outcome::default() },
            targets: Vec::new(),
            latencies: latencies(&measures),
            lag: summary,
            floor: Some(Floor { wake_up: summary, durable_write: summary }),
            steps: vec![step],
            connect_seconds: 0.5,
            sustainable_per_second: None,
            memory: Memory {
                server_rss_bytes_before: Some(30 << 20),
                server_rss_bytes_connected: Some(31 << 20),
                server_rss_bytes_after: Some(40 << 20),
                server_rss_bytes_max: Some(52 << 20),
                server_bytes_per_session: Some(1_024),
                server_bytes_per_session_after: Some(2_048),
                generator_rss_bytes: 10 << 20,
                kernel_bytes_per_session: 7_000,
            },
            verified: Some(Verified { conversations: 10, stored: 40, ..Verified::default() }),
            typed: 40,
            dropped_connections: 0,
            storm_dropped: 0,
            remarks: BTreeMap::new(),
            faults: Vec::new(),
            faults_in_all: 0,
            timeline: vec![second(1.0), second(2.0), second(3.0)],
            measures,
        }
    }

    /// Fields of `value` as paths, without the places in lists.
    fn fields(value: &serde_json::Value, path: &str, found: &mut std::collections::BTreeSet<String>) {
        match value {
            serde_json::Value::Object(object) => {
                for (name, value) in object {
                    let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                    found.insert(path.clone());
                    fields(value, &path, found);
                }
            }
            serde_json::Value::Array(list) => list.iter().for_each(|value| fields(value, path, found)),
            _ => {}
        }
    }

    #[test]
    fn every_field_of_the_report_is_explained_in_its_document() {
        let document = include_str!("../../docs/loadtest.md");
        let (_, schema) = document.split_once("## report.json").expect("the chapter");
        let schema = schema.split("\n## ").next().expect("the chapter");
        let mut found = std::collections::BTreeSet::new();
        fields(&serde_json::to_value(sample()).expect("it becomes JSON"), "", &mut found);
        assert!(found.contains("steps.visitors.sent"));
        for field in found {
            let name = field.rsplit('.').next().expect("a name");
            let told = name == "shard-0" || schema.contains(&format!("`{name}`"));
            // What was asked for is explained with the scenarios.
            assert!(told || field.starts_with("scenario."), "{field} is not in docs/loadtest.md");
        }
    }

    #[test]
    fn a_report_is_written_whole() {
        let directory = std::env::temp_dir().join(format!("ringdesk-report-{}", std::process::id()));
        sample().write(&directory).expect("written");
        let mut names: Vec<String> = fs::read_dir(&directory)
            .expect("a folder")
            .map(|entry| entry.expect("listed").file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        assert_eq!(names, ["report.html", "report.json", "visitor-agent-normal.hgrm"]);
        let json = fs::read_to_string(directory.join("report.json")).expect("read");
        let json: serde_json::Value = serde_json::from_str(&json).expect("it is JSON");
        assert_eq!(json["latencies"][0]["path"], "visitor → agent");
        assert_eq!(json["latencies"][0]["count"], 40);
        fs::remove_dir_all(&directory).expect("removed");
    }
}
