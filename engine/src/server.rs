//! Starts everything in the right order, and stops it.
//!
//! Recovery before shards, shards before the port opens, the port before the banner. What each part does is
//! its own.

use std::{
    fmt, io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread::{self, JoinHandle},
    time::Instant,
};

use net::{Fabric, Port, Waker};
use store::sql::{Projection, Reader, SqlError};
use tokio::signal::unix::{SignalKind, signal};

use crate::{
    beginnings::beginnings,
    channel::http,
    config::{self, Config, Loaded},
    driver::{Counting, Driver, DriverError, Neighbour},
    gate::Gate,
    identity::secrets::{SecretError, Secrets},
    jobs::Done,
    journal::{Disk, Journal, JournalError, MakerLimits, SegmentMaker},
    lanes::Lanes,
    limits, logging, memory, placement,
    pool::{
        self, Pool, PoolParts,
        api::SetupToken,
        link::{self, DoneQueue, ShardEnd},
        metrics::Metrics,
        records::Records,
    },
    projection::{Age, Followed, Lag, ProjectionThread, Projector},
    recovery::{self, DataDirectory, Recovered, RecoveryError},
    reload::{self, Given},
    shard::{Beginning, Now, Outputs, Settings, Shard},
    tls_files::{TlsFiles, TlsFilesError},
};

/// Why the server does not start, or had to end.
#[derive(Debug)]
pub enum ServeError {
    /// The data folder cannot be used.
    Recovery(RecoveryError),
    /// No secrets to sign with.
    Secrets(SecretError),
    /// Certificate and key cannot be used.
    Tls(TlsFilesError),
    /// The database cannot be used.
    Database(SqlError),
    /// Neither io_uring nor epoll, or not the one asked for.
    Reactor(io::Error),
    /// The public port.
    Listen(SocketAddr, io::Error),
    /// The second port, or threads.
    Start(io::Error),
    /// A shard ended: nothing it has not acknowledged is promised, and the rest is on the disk.
    Shard(usize, DriverError),
    /// A shard's journal had failed before the server was told to stop.
    Journal(usize),
    /// A shard's thread panicked: a fault of ours.
    Panicked(usize),
}

impl fmt::Display for ServeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Recovery(error) => write!(f, "{error}"),
            Self::Secrets(error) => write!(f, "{error}"),
            Self::Tls(error) => write!(f, "{error}"),
            Self::Database(error) => write!(f, "{error}"),
            Self::Reactor(error) => write!(f, "{error}"),
            Self::Listen(address, error) => match error.kind() {
                io::ErrorKind::AddrInUse => write!(
                    f,
                    "cannot listen on {address}: in use by another process; choose another with --listen"
                ),
                io::ErrorKind::PermissionDenied => write!(
                    f,
                    "cannot listen on {address}: not allowed; choose a port above 1023 with --listen"
                ),
                _ => write!(f, "cannot listen on {address}: {error}; choose another with --listen"),
            },
            Self::Start(error) => write!(f, "{error}"),
            Self::Shard(index, error) => write!(f, "shard {index} ended: {error}"),
            Self::Journal(index) => write!(
                f,
                "stopped, but the journal of shard {index} had failed: check the disk; the next start reads back \
                 what was acknowledged"
            ),
            Self::Panicked(index) => {
                write!(f, "shard {index} ended by a fault of the program; please report what stands above")
            }
        }
    }
}

impl std::error::Error for ServeError {}

/// What ends the wait of a running server.
enum Ended {
    Signal,
    Shard(usize, Result<(), DriverError>),
    /// No end: the shard goes on without acknowledging anything.
    Journal(usize),
}

/// Runs the server until a signal ends it.
pub fn serve(loaded: Loaded) -> Result<(), ServeError> {
    let mut config = loaded.config.clone();
    logging::start(config.log_format);
    net::give_memory_back_at_once();
    net::refuse_huge_pages();
    let tls = config.tls.as_ref().map(TlsFiles::load).transpose().map_err(ServeError::Tls)?;
    let data = DataDirectory::open(&config.data).map_err(ServeError::Recovery)?;
    let secrets = Secrets::load_or_create(&config.data).map_err(ServeError::Secrets)?;
    let disk: Arc<dyn Disk> = Arc::new(data.journal());
    let mut projection = Projection::open(&data.database()).map_err(ServeError::Database)?;
    let cpus = net::allowed_cpus();
    let shards = config.shards.unwrap_or_else(|| config::default_shards(cpus.len()));
    let kept_records_max =
        (memory::limit_bytes() / limits::KEPT_RECORDS_MEMORY / limits::KEPT_RECORD_BYTES) as usize;
    // VIPs may have made twice as many.
    let records_max = 2 * kept_records_max / shards;
    let mut recovered = recovery::take_up(&*disk, &mut projection, shards, records_max, cpus.len())
        .map_err(ServeError::Recovery)?;
    tell_recovered(&recovered);

    let Fabric { backend, reason, ports, capacity } =
        net::fabric(shards, config.backend, net::Limits::default()).map_err(ServeError::Reactor)?;
    tracing::info!(?backend, "{reason}");
    let metrics = Metrics::new();
    metrics.backend_runs(backend);

    let wakers: Vec<Waker> = ports.iter().map(Port::waker).collect();
    let (ends, pool_end) = link::link(wakers.iter().map(|waker| {
        let waker = waker.clone();
        move || waker.wake()
    }));
    let maker = start_maker(&disk, &recovered, wakers.clone()).map_err(ServeError::Start)?;
    let journals: Vec<Journal> = (0..shards as u32)
        .map(|stream| Journal::open(stream, recovered.start(stream), maker.source()))
        .collect();
    let followed = journals.iter().zip(0..).map(|(journal, stream)| Followed {
        stream,
        start: recovered.start(stream),
        published: journal.published(),
    });
    let followed = followed.collect();
    let beginnings = Reader::open(&data.database())
        .and_then(|reader| beginnings(&reader, &mut recovered, shards))
        .map_err(ServeError::Database)?;
    projection.pause_often(thread::yield_now).map_err(ServeError::Database)?;
    let on_projected = tell_projected(&ends);
    let projector = Projector::new(projection, &disk, &mut recovered, followed, maker.source(), on_projected);
    let on_lag = count_lag(metrics.clone());
    let projection =
        ProjectionThread::start(projector, &data.database(), on_lag).map_err(ServeError::Start)?;

    let records = Records::open(&config.data).map_err(ServeError::Database)?;
    let teams = Arc::new(records.all_teams().map_err(ServeError::Database)?);
    let needed = pool::needs_setup(&records).map_err(ServeError::Database)?;
    let setup = needed.then(SetupToken::random).transpose().map_err(ServeError::Start)?;
    let pool = Pool::start(PoolParts {
        end: pool_end,
        records,
        secrets: secrets.clone(),
        metrics: metrics.clone(),
        shard_of: Box::new(move |id| placement::shard_of_conversation(id, shards)),
        metrics_address: config.metrics,
        setup: setup.clone(),
    })
    .map_err(ServeError::Start)?;

    let room = u64::from(capacity.connections_per_shard) * shards as u64;
    let given = Given {
        shards,
        teams,
        run: getrandom::u64().map_err(|error| ServeError::Start(io::Error::other(error)))?,
        identity: secrets.identity(),
        gate: Gate::new(config.peers.gate(room, &config.proxies.networks)),
        capacity: room,
        kept_records_max,
    };
    let settings = given.with(&config, tls);
    let dones: Vec<DoneQueue> = ends.iter().map(|end| end.dones.clone()).collect();
    let neighbours = wakers
        .iter()
        .map(|waker| {
            let waker = waker.clone();
            let lanes = Arc::new(Lanes::new(limits::LANE_ITEMS_MAX));
            Neighbour { lanes, wake: Arc::new(move || waker.wake()) }
        })
        .collect();
    let (ended, endings) = mpsc::channel();
    let mut crew = Crew {
        settings,
        neighbours,
        metrics,
        stop: Arc::new(AtomicBool::new(false)),
        drain_ms: config.drain_ms.into(),
        ended: ended.clone(),
        threads: Vec::new(),
        // More shards than CPUs take turns on all of them.
        cpus: if shards <= cpus.len() { cpus } else { Vec::new() },
    };
    for (index, (((port, journal), pool), beginning)) in
        ports.into_iter().zip(journals).zip(ends).zip(beginnings).enumerate()
    {
        // The first shard may choose the port; the others share it.
        config.listen = crew.start(index, port, journal, pool, beginning, config.listen)?;
    }
    watch_signals(&pool, ended).map_err(ServeError::Start)?;
    reload::on_hangup(&pool, given, loaded, dones).map_err(ServeError::Start)?;
    println!("{}", banner(&config, pool.metrics_address(), &reason, setup.as_ref()));

    let failed = wait_for_the_end(&endings, &pool)?;
    tracing::info!("stopping: clients are told to come back; a second signal ends at once");
    pool.set_not_ready(http::STOPPING);
    crew.stop()?;
    // In this order: what is durable goes to SQL, then nobody needs segments or answers any more.
    drop(projection);
    drop(maker);
    drop(pool);
    tracing::info!("stopped");
    failed.map_or(Ok(()), |index| Err(ServeError::Journal(index)))
}

/// Waits until a signal comes or a shard ends. Returns the first shard whose journal has failed, if any has.
fn wait_for_the_end(endings: &mpsc::Receiver<Ended>, pool: &Pool) -> Result<Option<usize>, ServeError> {
    let mut failed = None;
    loop {
        match endings.recv().expect("the crew keeps a sender") {
            Ended::Signal => return Ok(failed),
            Ended::Journal(index) => {
                failed = failed.or(Some(index));
                pool.set_not_ready(http::DISK_FAILED);
            }
            Ended::Shard(index, Err(error)) => return Err(ServeError::Shard(index, error)),
            Ended::Shard(index, Ok(())) => return Err(ServeError::Panicked(index)),
        }
    }
}

/// The shards' threads and what they share.
struct Crew {
    settings: Settings,
    neighbours: Arc<[Neighbour]>,
    metrics: Metrics,
    stop: Arc<AtomicBool>,
    drain_ms: u64,
    ended: mpsc::Sender<Ended>,
    threads: Vec<JoinHandle<()>>,
    cpus: Vec<usize>,
}

impl Crew {
    /// Starts one shard and returns the address it listens on.
    fn start(
        &mut self,
        index: usize,
        port: Port,
        journal: Journal,
        pool: ShardEnd,
        beginning: Beginning,
        listen: SocketAddr,
    ) -> Result<SocketAddr, ServeError> {
        let (listens, listening) = mpsc::channel();
        let settings = self.settings.clone();
        let neighbours = Arc::clone(&self.neighbours);
        let counting = Counting::new(self.metrics.clone());
        let (stop, drain_ms, ended) = (Arc::clone(&self.stop), self.drain_ms, self.ended.clone());
        let on_journal_failed = tell_journal_failed(index, self.metrics.clone(), self.ended.clone());
        let cpu = self.cpus.get(index).copied();
        let run = move || {
            let mut reactor = match port.open(cpu) {
                Ok(reactor) => reactor,
                Err(error) => return tell(&listens, Err(ServeError::Reactor(error))),
            };
            let address = match reactor.listen(listen) {
                Ok(address) => address,
                Err(error) => return tell(&listens, Err(ServeError::Listen(listen, error))),
            };
            tell(&listens, Ok(address));
            let time = reactor.now();
            let now = Now { unix_ms: time.unix_ms, monotonic_us: time.monotonic_us };
            let mut outputs = Outputs::default();
            let shard = Shard::new(index, settings, beginning, now, &mut outputs);
            let driver = Driver {
                index,
                shard,
                reactor,
                journal,
                neighbours,
                pool,
                counting,
                stop,
                drain_ms,
                on_journal_failed,
                sealed: Vec::new(),
            };
            let result = driver.run(outputs);
            tell(&ended, Ended::Shard(index, result));
        };
        let thread = thread::Builder::new().name(format!("shard {index}")).spawn(run);
        self.threads.push(thread.map_err(ServeError::Start)?);
        listening.recv().unwrap_or(Err(ServeError::Panicked(index)))
    }

    /// Ends the shards in order, and waits for them.
    fn stop(self) -> Result<(), ServeError> {
        self.stop.store(true, Ordering::Release);
        self.neighbours.iter().for_each(|neighbour| (neighbour.wake)());
        for (index, thread) in self.threads.into_iter().enumerate() {
            thread.join().map_err(|_| ServeError::Panicked(index))?;
        }
        Ok(())
    }
}

/// The log, the metrics and whoever asks for readiness hear of it.
fn tell_journal_failed(
    index: usize,
    metrics: Metrics,
    ended: mpsc::Sender<Ended>,
) -> Box<dyn FnMut(&JournalError) + Send> {
    Box::new(move |error| {
        tracing::error!(
            shard = index,
            %error,
            "this shard acknowledges nothing any more and sends its visitors away; others go on. Restart the server \
             when the disk is well: `ringdesk doctor` says what it holds"
        );
        metrics.journals_failed().increment(1.0);
        tell(&ended, Ended::Journal(index));
    })
}

/// Tells somebody who may have gone: then nobody needs to know.
fn tell<T>(sender: &mpsc::Sender<T>, what: T) {
    if sender.send(what).is_err() {
        tracing::debug!("told nobody: the server is ending");
    }
}

fn tell_recovered(recovered: &Recovered) {
    for (path, offset) in &recovered.torn {
        tracing::warn!(
            path = %path.display(),
            offset,
            "a write was cut short by the last end of the server; it was never acknowledged, and is left out"
        );
    }
    if recovered.lacked > 0 {
        tracing::info!(records = recovered.lacked, "recovered from the journal");
    }
}

fn start_maker(disk: &Arc<dyn Disk>, recovered: &Recovered, wakers: Vec<Waker>) -> io::Result<SegmentMaker> {
    let wake = move |stream: u32| wakers[stream as usize].wake();
    let left = recovered.files.clone();
    SegmentMaker::start(Arc::clone(disk), left, MakerLimits::default(), Box::new(wake))
}

/// Lets each shard know how far SQL has come. A full queue misses one notice; a later one says more.
pub fn tell_projected(ends: &[ShardEnd]) -> Box<dyn FnMut(u32, u64) + Send> {
    let dones: Vec<_> = ends.iter().map(|end| end.dones.clone()).collect();
    Box::new(move |stream, up_to| {
        if let Some(queue) = dones.get(stream as usize)
            && queue.try_push(Done::Projected { up_to }).is_err()
        {
            tracing::debug!(stream, up_to, "the shard hears with the next batch how far SQL has come");
        }
    })
}

/// Shows how far SQL is behind, and how old it is.
fn count_lag(metrics: Metrics) -> Box<dyn FnMut(Lag) + Send> {
    let (began, mut age) = (Instant::now(), Age::default());
    Box::new(move |lag| {
        let age_ms = age.look(began.elapsed().as_millis() as u64, lag.durable, lag.records);
        metrics.projection_lag_records().set(lag.records as f64);
        metrics.projection_lag_seconds().set(age_ms as f64 / 1e3);
        metrics.projection_errors().increment(lag.has_failed.into());
    })
}

/// From when this returns, no signal is missed: the banner, which may be what a script waits for, comes after.
fn watch_signals(pool: &Pool, ended: mpsc::Sender<Ended>) -> io::Result<()> {
    let _runtime = pool.handle().enter();
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    pool.handle().spawn(async move {
        let mut is_first = true;
        loop {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            if !std::mem::take(&mut is_first) {
                std::process::exit(1);
            }
            tell(&ended, Ended::Signal);
        }
    });
    Ok(())
}

/// What a person sees first: where to go next.
fn banner(config: &Config, metrics: SocketAddr, reason: &str, setup: Option<&SetupToken>) -> String {
    let (url, listen) = (config.public_url(), config.listen);
    let setup = setup.map_or_else(String::new, |token| {
        format!("  First administrator, once: {}\n", pool::setup_link(&url, token))
    });
    format!(
        "ringdesk {} on {listen}\n{reason}\n\n  Demo shop: {url}/demo\n  Console:   {url}/console/\n{setup}  Metrics:   http://{metrics}/metrics",
        env!("CARGO_PKG_VERSION"),
    )
}
