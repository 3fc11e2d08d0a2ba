//! A run from its first connection to its last: threads, phases, and a line each second. What a run found is
//! [`crate::report`]'s to tell.

use std::{
    fmt, io,
    path::PathBuf,
    sync::{Arc, atomic::Ordering::Relaxed},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use net::{BackendChoice, Fabric, Limits};

use crate::{
    ledger::Side,
    process::{self, Usage},
    shared::{Phase, Plan, Shared},
    worker,
};

/// How often the phases are looked at.
const STEP: Duration = Duration::from_millis(20);
/// Between two lines of progress.
const PROGRESS: Duration = Duration::from_secs(1);
/// Longest wait for agents to be ready, and beyond the planned time for visitors to be welcomed.
const CONNECT_GRACE: Duration = Duration::from_secs(60);
/// Longest wait after the last word for what is under way: an agent's lease may have to end first, and the server
/// may just be starting.
const DRAIN: Duration = Duration::from_secs(60);
/// Longest wait for the ends of conversations.
const CLOSE: Duration = Duration::from_secs(5);
/// From the phase's beginning to the first word, as the threads have it, and some to spare.
const BEGIN: Duration = Duration::from_millis(400);
/// Connections of a thread beside its share of the plan: those that are closing.
const CONNECTIONS_SPARE: u32 = 64;
/// Most threads that are tried for want of descriptors.
const THREADS_MAX: usize = 64;
/// Bytes that may wait for one connection; a server that takes less than this is broken.
const OUTBOX_BYTES_MAX: usize = 1024 * 1024;

/// Why a run came to no result. The server's faults are part of a result; this is not.
#[derive(Debug)]
pub enum RunFault {
    /// The machine's fault: no reactor, or none any more.
    Reactor(io::Error),
    /// The limits of this process do not allow so many connections; how to raise them.
    Capacity(String),
    /// The server's process cannot be watched.
    Watch(String, io::Error),
    /// Not everybody got in, with the first reasons.
    NotConnected(&'static str, u64, u64, Vec<String>),
}

impl fmt::Display for RunFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reactor(error) => write!(f, "no reactor: {error}"),
            Self::Capacity(remedy) => write!(f, "too many sessions for the limits of this process: {remedy}"),
            Self::Watch(pid, error) => write!(f, "--server-pid {pid}: {error}"),
            Self::NotConnected(who, got, wanted, why) => {
                write!(f, "only {got} of {wanted} {who} were welcomed; {}", why.join("; "))
            }
        }
    }
}

impl std::error::Error for RunFault {}

/// How to run, beside what is to be done.
#[derive(Clone, Debug)]
pub struct Machine {
    /// Threads; `None` for as few as hold the connections.
    pub threads: Option<usize>,
    /// How to talk to the kernel.
    pub backend: BackendChoice,
    /// The server's process, to be watched if it is on this machine.
    pub server_pid: Option<u32>,
    /// Visitors fall silent once this file exists, however long they were to speak.
    pub until_file: Option<PathBuf>,
}

/// What was used from the first connection (or word) to the last.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cost {
    /// How long the talking lasted, with its end, in seconds.
    pub seconds: f64,
    /// Processor time of the generator while talking.
    pub generator_cpu_seconds: f64,
    /// Processor time of the server while talking.
    pub server_cpu_seconds: Option<f64>,
    /// The server's resident bytes before the first connection and after the talking.
    pub server_rss_bytes: Option<(u64, u64)>,
}

/// What a run left behind.
pub struct Finished {
    /// Ledger, measures and faults.
    pub shared: Arc<Shared>,
    /// What it took.
    pub cost: Cost,
    /// The backend of the generator.
    pub backend: String,
}

/// Runs the plan. `run` names this run's messages.
pub fn run(plan: Plan, run: u32, machine: &Machine) -> Result<Finished, RunFault> {
    let fabric = enough_threads(&plan, machine)?;
    let backend = format!("{:?}", fabric.backend).to_lowercase();
    let shared = Arc::new(Shared::new(plan, run, fabric.ports.len()));
    let mut director = Director::begin(Arc::clone(&shared), fabric, machine)?;
    director.connect_all()?;
    let cost = director.talk()?;
    director.close_all()?;
    Ok(Finished { shared, cost, backend })
}

/// As many threads as asked for, or as few as hold all connections.
fn enough_threads(plan: &Plan, machine: &Machine) -> Result<Fabric, RunFault> {
    let needed = plan.sessions as usize + plan.staff.len();
    let mut threads = machine.threads.unwrap_or(1);
    loop {
        let each = needed.div_ceil(threads) as u32 + CONNECTIONS_SPARE;
        let limits =
            Limits { connections_max: each, outbox_bytes_max: OUTBOX_BYTES_MAX, ..Limits::default() };
        let fabric = net::fabric(threads, machine.backend, limits).map_err(RunFault::Reactor)?;
        match fabric.capacity.remedy {
            None => return Ok(fabric),
            Some(_) if machine.threads.is_none() && threads < THREADS_MAX => threads += 1,
            Some(remedy) => return Err(RunFault::Capacity(remedy)),
        }
    }
}

struct Director {
    shared: Arc<Shared>,
    workers: Vec<JoinHandle<io::Result<()>>>,
    server_pid: Option<String>,
    until_file: Option<PathBuf>,
    server_rss_before: Option<u64>,
    progress: Progress,
}

impl Director {
    fn begin(shared: Arc<Shared>, fabric: Fabric, machine: &Machine) -> Result<Self, RunFault> {
        let server_pid = machine.server_pid.map(|pid| pid.to_string());
        let mut workers = Vec::new();
        for (thread, port) in fabric.ports.into_iter().enumerate() {
            let shared = Arc::clone(&shared);
            let run = move || worker::run(shared, thread, port);
            let handle = thread::Builder::new().name(format!("load-{thread}")).spawn(run);
            workers.push(handle.map_err(RunFault::Reactor)?);
        }
        let progress = Progress::new();
        let mut director = Self {
            shared,
            workers,
            server_pid,
            until_file: machine.until_file.clone(),
            server_rss_before: None,
            progress,
        };
        director.server_rss_before = director.server_usage()?.map(|usage| usage.rss_bytes);
        Ok(director)
    }

    fn server_usage(&self) -> Result<Option<Usage>, RunFault> {
        let Some(pid) = &self.server_pid else { return Ok(None) };
        process::usage(pid).map(Some).map_err(|error| RunFault::Watch(pid.clone(), error))
    }

    fn connect_all(&mut self) -> Result<(), RunFault> {
        let (staff, sessions) = (self.shared.plan.staff.len() as u64, u64::from(self.shared.plan.sessions));
        let planned = |people: u64| people / u64::from(self.shared.plan.connect_rate);
        let (agents, visitors) = (planned(staff), planned(sessions));
        self.wait(CONNECT_GRACE + Duration::from_secs(agents), |shared| {
            shared.tallies.agents_ready.load(Relaxed) >= staff
        })?;
        let ready = self.shared.tallies.agents_ready.load(Relaxed);
        if ready < staff {
            return Err(self.not_connected("agents", ready, staff));
        }
        self.shared.enter(Phase::Visitors);
        self.wait(CONNECT_GRACE + Duration::from_secs(visitors), |shared| {
            shared.tallies.welcomed.load(Relaxed) >= sessions
        })?;
        let welcomed = self.shared.tallies.welcomed.load(Relaxed);
        if welcomed < sessions {
            return Err(self.not_connected("visitors", welcomed, sessions));
        }
        Ok(())
    }

    fn not_connected(&self, who: &'static str, got: u64, wanted: u64) -> RunFault {
        let mut why = self.shared.faults();
        why.extend(self.shared.remarks().into_iter().map(|(what, times)| format!("{what} ({times} times)")));
        RunFault::NotConnected(who, got, wanted, why)
    }

    fn talk(&mut self) -> Result<Cost, RunFault> {
        let own = || process::usage("self").map_err(RunFault::Reactor);
        let (own_before, server_before) = (own()?, self.server_usage()?);
        let begun = Instant::now();
        self.shared.enter(Phase::Talking);
        let speaking = BEGIN + Duration::from_secs(self.shared.plan.seconds);
        let until_file = self.until_file.take();
        self.wait(speaking, |_| until_file.as_deref().is_some_and(std::path::Path::exists))?;
        self.shared.enter(Phase::Draining);
        self.wait(DRAIN, |shared| shared.ledger.open() == 0)?;
        let (own_after, server_after) = (own()?, self.server_usage()?);
        let server = server_before.zip(server_after);
        Ok(Cost {
            seconds: begun.elapsed().as_secs_f64(),
            generator_cpu_seconds: own_after.cpu_seconds - own_before.cpu_seconds,
            server_cpu_seconds: server.map(|(before, after)| after.cpu_seconds - before.cpu_seconds),
            server_rss_bytes: self.server_rss_before.zip(server_after.map(|usage| usage.rss_bytes)),
        })
    }

    fn close_all(mut self) -> Result<(), RunFault> {
        self.shared.enter(Phase::Closing);
        // Threads notice the phase one after the other; only then is it known how many will close.
        self.wait(STEP * 5, |_| false)?;
        self.wait(CLOSE, |shared| {
            shared.tallies.closed.load(Relaxed) >= shared.tallies.to_close.load(Relaxed)
        })?;
        self.shared.enter(Phase::Ending);
        for worker in self.workers {
            join(worker)?;
        }
        Ok(())
    }

    /// Until `done` says so, at most for `longest`.
    fn wait(&mut self, longest: Duration, done: impl Fn(&Shared) -> bool) -> Result<(), RunFault> {
        let begun = Instant::now();
        while begun.elapsed() < longest && !done(&self.shared) {
            thread::sleep(STEP.min(longest.saturating_sub(begun.elapsed())));
            self.progress.tell(&self.shared);
            if let Some(at) = self.workers.iter().position(JoinHandle::is_finished) {
                join(self.workers.swap_remove(at))?;
            }
        }
        Ok(())
    }
}

fn join(worker: JoinHandle<io::Result<()>>) -> Result<(), RunFault> {
    match worker.join() {
        Ok(result) => result.map_err(RunFault::Reactor),
        Err(panic) => std::panic::resume_unwind(panic),
    }
}

/// The line of each second.
struct Progress {
    begun: Instant,
    told: Instant,
    sent: u64,
}

impl Progress {
    fn new() -> Self {
        let now = Instant::now();
        Self { begun: now, told: now, sent: 0 }
    }

    fn tell(&mut self, shared: &Shared) {
        let since = self.told.elapsed();
        if since < PROGRESS {
            return;
        }
        self.told = Instant::now();
        let seconds = self.begun.elapsed().as_secs();
        let load = |tally: &std::sync::atomic::AtomicU64| tally.load(Relaxed);
        let tallies = &shared.tallies;
        match shared.phase() {
            Phase::Agents => println!("{seconds:>4} s  {} agents ready", load(&tallies.agents_ready)),
            Phase::Visitors => println!("{seconds:>4} s  {} visitors welcomed", load(&tallies.welcomed)),
            Phase::Talking | Phase::Draining => self.tell_messages(seconds, since, shared),
            Phase::Closing | Phase::Ending => {
                println!("{seconds:>4} s  {} conversations closed", load(&tallies.closed));
            }
        }
    }

    fn tell_messages(&mut self, seconds: u64, since: Duration, shared: &Shared) {
        let (visitors, agents) = (shared.ledger.counts(Side::Visitor), shared.ledger.counts(Side::Agent));
        let sent = visitors.sent + agents.sent;
        let rate = (sent - self.sent) as f64 / since.as_secs_f64();
        self.sent = sent;
        let glance = shared.glance();
        println!(
            "{seconds:>4} s  {rate:>6.0}/s  sent {sent}  acknowledged {}  delivered {}  refusals {}  dropped {}  \
             visitor → agent p99 {:.2} ms  own lag p99 {:.2} ms",
            visitors.acknowledged + agents.acknowledged,
            visitors.delivered + agents.delivered,
            visitors.refusals + agents.refusals,
            shared.tallies.dropped.load(Relaxed),
            glance.delivery().p99_us as f64 / 1e3,
            glance.lag().p99_us as f64 / 1e3,
        );
    }
}
