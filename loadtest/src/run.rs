//! A run from its first connection to its last: threads, phases, and the steps of the scenario. What a run found
//! is [`crate::report`]'s to tell.

use std::{
    collections::BTreeMap,
    fmt, io,
    path::PathBuf,
    sync::{Arc, atomic::Ordering::Relaxed},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use net::{BackendChoice, Fabric, Limits};

use crate::{
    floor::{self, Floor},
    ledger::{Counts, Side},
    measure,
    process::{self, MachineUsage, Usage},
    scenario::{Search, Step},
    share::{Share, shares},
    shared::{Phase, Plan, Shared, TimedStep},
    timeline::{Sample, Timeline},
    worker,
};

/// How often the phases are looked at.
const STEP: Duration = Duration::from_millis(20);
/// Longest wait for agents to be ready, and beyond the planned time for visitors to be welcomed.
const CONNECT_GRACE: Duration = Duration::from_secs(60);
/// Longest wait after a step for what is under way, before the next begins.
const SETTLE: Duration = Duration::from_secs(20);
/// Longest wait after the last word for what is under way: an agent's lease may have to end first, and the server
/// may just be starting.
const DRAIN: Duration = Duration::from_secs(60);
/// Longest wait for the ends of conversations.
const CLOSE: Duration = Duration::from_secs(5);
/// From the moment a step gets its time to its beginning, so that all threads have heard of it.
const BEGIN_AFTER: Duration = Duration::from_millis(200);
/// Sessions beyond which nobody says goodbye at the end: a million at once kept two cores in the kernel for a quarter
/// of an hour. The process ends with its connections, which takes seconds.
const GOODBYES_MAX: u32 = 100_000;
/// Connections of a thread beside its share of the plan: those that are closing.
const CONNECTIONS_SPARE: u32 = 64;
/// Most threads that are tried for want of descriptors.
const THREADS_MAX: usize = 128;
/// Bytes that may wait for one connection; a server that takes less than this is broken.
const OUTBOX_BYTES_MAX: usize = 1024 * 1024;
/// Threads beyond which each has fewer receive buffers: together they hold as many bytes.
const THREADS_WITH_ALL_BUFFERS: usize = 8;
/// Of what was said in a step, what may be unanswered at its end if the server keeps up.
const BACKLOG_SHARE_MAX: f64 = 0.02;
/// A generator that is later than this, one time in a hundred, measures itself.
pub const LAG_US_MAX: u64 = 20_000;

/// Why a run came to no result. The server's faults are part of a result; this is not.
#[derive(Debug)]
pub enum RunFault {
    /// The machine's fault: no reactor, or none any more; no `/proc`; no file to write to.
    Machine(io::Error),
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
            Self::Machine(error) => write!(f, "the machine does not bear this run: {error}"),
            Self::Capacity(remedy) => write!(f, "too many sessions for the limits of this process: {remedy}"),
            Self::Watch(pid, error) => write!(f, "--server-pid {pid}: {error}"),
            Self::NotConnected(who, got, wanted, why) => {
                write!(f, "only {got} of {wanted} {who} were welcomed; {}", why.join("; "))
            }
        }
    }
}

impl std::error::Error for RunFault {}

impl From<io::Error> for RunFault {
    fn from(error: io::Error) -> Self {
        Self::Machine(error)
    }
}

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
    /// Where to measure the machine's own floor.
    pub floor_directory: Option<PathBuf>,
}

/// All that is used, at one moment.
#[derive(Clone, Debug, Default)]
pub struct Moment {
    /// The generator.
    pub own: Usage,
    /// The server, if it is watched.
    pub server: Option<Usage>,
    /// The server's threads, by name.
    pub server_threads: BTreeMap<String, f64>,
    /// The machine.
    pub machine: MachineUsage,
}

/// How a step went.
#[derive(Clone, Debug)]
pub struct StepResult {
    /// What was to be done, and when.
    pub timed: Arc<TimedStep>,
    /// How long it lasted.
    pub seconds: f64,
    /// How long what was under way took to arrive, afterwards.
    pub settle_seconds: f64,
    /// What visitors and agents said in it, with its end.
    pub counts: [Counts; 2],
    /// Acks before its end.
    pub acknowledged_in_time: u64,
    /// Before and after.
    pub moments: (Moment, Moment),
}

/// What a run left behind.
#[derive(Debug)]
pub struct Finished {
    /// Ledger, measures and faults.
    pub shared: Arc<Shared>,
    /// One for each of [`Shared::timetable`].
    pub steps: Vec<StepResult>,
    /// Second by second.
    pub samples: Vec<Sample>,
    /// Before the first connection.
    pub before: Moment,
    /// When everybody was there.
    pub connected: Moment,
    /// After the last step, with everybody still there.
    pub after: Moment,
    /// How long it took to connect all visitors.
    pub connect_seconds: f64,
    /// The highest rate that acks kept up with, if it was looked for.
    pub sustainable: Option<f64>,
    /// The machine's own floor while people spoke.
    pub floor: Option<Floor>,
    /// The backend of the generator.
    pub backend: String,
}

/// Runs the plan. `run` names this run's messages.
pub fn run(plan: Plan, run: u32, machine: &Machine) -> Result<Finished, RunFault> {
    let (fabric, shares) = enough_threads(&plan, machine)?;
    let backend = format!("{:?}", fabric.backend).to_lowercase();
    let shared = Arc::new(Shared::new(plan, run, fabric.ports.len()));
    let mut director = Director::begin(Arc::clone(&shared), fabric, shares, machine)?;
    let before = director.moment()?;
    let connect_seconds = director.connect_all()?;
    let connected = director.moment()?;
    let floor = machine.floor_directory.as_deref().map(floor::Measuring::begin).transpose()?;
    shared.enter(Phase::Talking);
    director.talk()?;
    shared.enter(Phase::Draining);
    director.wait(DRAIN, |shared| shared.ledger.open() == 0)?;
    let floor = floor.map(floor::Measuring::end).transpose()?;
    let after = director.moment()?;
    let (steps, sustainable) = (std::mem::take(&mut director.results), director.sustainable);
    let samples = director.close_all()?;
    Ok(Finished {
        shared,
        steps,
        samples,
        before,
        connected,
        after,
        connect_seconds,
        sustainable,
        floor,
        backend,
    })
}

/// As many threads as asked for, or as few as hold all connections.
fn enough_threads(plan: &Plan, machine: &Machine) -> Result<(Fabric, Vec<Share>), RunFault> {
    let mut threads = machine.threads.unwrap_or(1);
    loop {
        let shares = shares(plan, threads);
        let most = shares.iter().map(Share::people).max().unwrap_or_default() as u32;
        let usual = Limits::default();
        let fewer = (shares.len() / THREADS_WITH_ALL_BUFFERS).next_power_of_two().min(8) as u16;
        let limits = Limits {
            connections_max: most + CONNECTIONS_SPARE,
            outbox_bytes_max: OUTBOX_BYTES_MAX,
            receive_buffers: usual.receive_buffers / fewer,
            ..usual
        };
        let fabric = net::fabric(shares.len(), machine.backend, limits)?;
        match fabric.capacity.remedy {
            None => return Ok((fabric, shares)),
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
    timeline: Timeline,
    results: Vec<StepResult>,
    sustainable: Option<f64>,
}

impl Director {
    fn begin(
        shared: Arc<Shared>,
        fabric: Fabric,
        shares: Vec<Share>,
        machine: &Machine,
    ) -> Result<Self, RunFault> {
        let server_pid = machine.server_pid.map(|pid| pid.to_string());
        let mut workers = Vec::new();
        for (thread, (port, share)) in fabric.ports.into_iter().zip(shares).enumerate() {
            let shared = Arc::clone(&shared);
            let run = move || worker::run(shared, thread, share, port);
            workers.push(thread::Builder::new().name(format!("load-{thread}")).spawn(run)?);
        }
        Ok(Self {
            shared,
            workers,
            timeline: Timeline::begin(server_pid.clone()),
            server_pid,
            until_file: machine.until_file.clone(),
            results: Vec::new(),
            sustainable: None,
        })
    }

    fn moment(&self) -> Result<Moment, RunFault> {
        let mut moment =
            Moment { own: process::usage("self")?, machine: process::machine()?, ..Moment::default() };
        if let Some(pid) = &self.server_pid {
            let watch = |error| RunFault::Watch(pid.clone(), error);
            moment.server = Some(process::usage(pid).map_err(watch)?);
            moment.server_threads = process::threads(pid).map_err(watch)?;
        }
        Ok(moment)
    }

    /// Returns how long the visitors took, in seconds.
    fn connect_all(&mut self) -> Result<f64, RunFault> {
        let plan = &self.shared.plan;
        let (staff, sessions) = (plan.staff.len() as u64, u64::from(plan.scenario.sessions));
        let planned = |people: u64| people / u64::from(plan.scenario.connect_per_second);
        let (agents, visitors) = (planned(staff), planned(sessions));
        self.wait(CONNECT_GRACE + Duration::from_secs(agents), |shared| {
            shared.tallies.agents_ready.load(Relaxed) >= staff
        })?;
        let ready = self.shared.tallies.agents_ready.load(Relaxed);
        if ready < staff {
            return Err(self.not_connected("agents", ready, staff));
        }
        self.shared.enter(Phase::Visitors);
        let begun = Instant::now();
        self.wait(CONNECT_GRACE + Duration::from_secs(2 * visitors), |shared| {
            shared.tallies.welcomed.load(Relaxed) >= sessions
        })?;
        let welcomed = self.shared.tallies.welcomed.load(Relaxed);
        if welcomed < sessions {
            return Err(self.not_connected("visitors", welcomed, sessions));
        }
        Ok(begun.elapsed().as_secs_f64())
    }

    fn not_connected(&self, who: &'static str, got: u64, wanted: u64) -> RunFault {
        let mut why = self.shared.faults();
        why.extend(self.shared.remarks().into_iter().map(|(what, times)| format!("{what} ({times} times)")));
        RunFault::NotConnected(who, got, wanted, why)
    }

    /// All steps, one after the other.
    fn talk(&mut self) -> Result<(), RunFault> {
        let scenario = self.shared.plan.scenario.clone();
        for step in scenario.steps {
            let rate = match (step.times_sustainable, scenario.sustainable) {
                (Some(times), Some(search)) => {
                    if self.sustainable.is_none() {
                        self.sustainable = Some(self.search(search)?);
                    }
                    times * self.sustainable.unwrap_or_default()
                }
                _ => step.rate(scenario.sessions),
            };
            self.step(step, rate, false)?;
            if self.is_told_to_stop() {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Raises the rate until acks do not keep up or come late, and returns the last one with which they did not.
    fn search(&mut self, search: Search) -> Result<f64, RunFault> {
        let (mut sustainable, mut rate) = (search.begin_per_second / search.factor, search.begin_per_second);
        loop {
            let step = Step { name: format!("try {rate:.0}/s"), seconds: search.seconds, ..Step::default() };
            self.step(step, rate, true)?;
            let number = self.results.len() - 1;
            let tried = &self.results[number];
            let said: u64 = tried.counts.iter().map(|counts| counts.sent).sum();
            let refused: u64 = tried.counts.iter().map(|counts| counts.refusals).sum();
            let behind = said.saturating_sub(tried.acknowledged_in_time) as f64;
            if refused > 0 || behind > said as f64 * BACKLOG_SHARE_MAX || self.is_told_to_stop() {
                return Ok(sustainable);
            }
            let measures = self.shared.measures_of_step(number);
            let acks = measures.both_classes(measure::Path::VisitorAck);
            if acks.is_some_and(|acks| acks.value_at_quantile(0.99) as f64 > search.ack_p99_ms_max * 1_000.0)
            {
                return Ok(sustainable);
            }
            if measures.lag().p99_us > LAG_US_MAX {
                self.shared.remark("the search ended because the generator was late".to_owned());
                return Ok(sustainable);
            }
            sustainable = rate;
            rate *= search.factor;
        }
    }

    fn step(&mut self, step: Step, rate: f64, search: bool) -> Result<(), RunFault> {
        let counts = |shared: &Shared| [Side::Visitor, Side::Agent].map(|side| shared.ledger.counts(side));
        let sessions = u64::from(self.shared.plan.scenario.sessions);
        let seconds = match step.each_once {
            true => (sessions as f64 / rate).ceil() as u64,
            false => step.seconds,
        };
        let (each_once, counts_before, before) = (step.each_once, counts(&self.shared), self.moment()?);
        let begin_us = net::now().monotonic_us + BEGIN_AFTER.as_micros() as u64;
        let end_us = begin_us + seconds * 1_000_000;
        self.shared.schedule(TimedStep { step, rate, search, begin_us, end_us });
        let begun = Instant::now();
        self.wait_or_stop(BEGIN_AFTER + Duration::from_secs(seconds))?;
        if each_once {
            let due = counts_before[0].sent + sessions;
            self.wait(CONNECT_GRACE, |shared| shared.ledger.counts(Side::Visitor).sent >= due)?;
        }
        let in_time: u64 = counts(&self.shared).iter().map(|counts| counts.acknowledged).sum();
        let lasted = begun.elapsed().saturating_sub(BEGIN_AFTER).as_secs_f64();
        let settling = Instant::now();
        if !self.is_told_to_stop() {
            self.wait(SETTLE, |shared| shared.ledger.open() == 0)?;
        }
        let counts_after = counts(&self.shared);
        self.results.push(StepResult {
            timed: self.shared.timetable().pop().expect("the step has its time"),
            seconds: lasted,
            settle_seconds: settling.elapsed().as_secs_f64(),
            counts: [0, 1].map(|side| counts_after[side].since(&counts_before[side])),
            acknowledged_in_time: in_time
                - counts_before.iter().map(|counts| counts.acknowledged).sum::<u64>(),
            moments: (before, self.moment()?),
        });
        Ok(())
    }

    fn is_told_to_stop(&self) -> bool {
        self.until_file.as_deref().is_some_and(std::path::Path::exists)
    }

    fn wait_or_stop(&mut self, longest: Duration) -> Result<(), RunFault> {
        let until_file = self.until_file.clone();
        self.wait(longest, |_| until_file.as_deref().is_some_and(std::path::Path::exists))
    }

    fn close_all(mut self) -> Result<Vec<Sample>, RunFault> {
        if self.shared.plan.scenario.sessions > GOODBYES_MAX {
            return Ok(self.timeline.into_samples());
        }
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
        Ok(self.timeline.into_samples())
    }

    /// Until `done` says so, at most for `longest`.
    fn wait(&mut self, longest: Duration, done: impl Fn(&Shared) -> bool) -> Result<(), RunFault> {
        let begun = Instant::now();
        while begun.elapsed() < longest && !done(&self.shared) {
            thread::sleep(STEP.min(longest.saturating_sub(begun.elapsed())));
            self.timeline.tell(&self.shared)?;
            if let Some(at) = self.workers.iter().position(JoinHandle::is_finished) {
                join(self.workers.swap_remove(at))?;
            }
        }
        Ok(())
    }
}

fn join(worker: JoinHandle<io::Result<()>>) -> Result<(), RunFault> {
    match worker.join() {
        Ok(result) => result.map_err(RunFault::Machine),
        Err(panic) => std::panic::resume_unwind(panic),
    }
}
