//! One life of the server's process, made of the same parts as `engine::server` and in the same order: recovery,
//! journals, projection, shards with their drivers, lanes and desk. It is stepped from outside.

use std::{
    cell::RefCell,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use engine::{
    beginnings::beginnings,
    desk::{DeskSettings, teams::Teams},
    driver::{Counting, Driver, Neighbour, Running},
    gate::{Gate, GateLimits},
    identity::Identity,
    journal::{Disk, Journal, MakerLimits, Workshop},
    lanes::Lanes,
    limits::{self, PeerLimits},
    origin::Origins,
    pool::{link, metrics::Metrics},
    projection::{Followed, Projector, Round},
    proxies::Proxies,
    recovery::{self, RecoveryError},
    server::tell_projected,
    shard::{DialogSettings, Now, Outputs, Settings, Shard},
};
use net::Reactor;
use store::sql::{Projection, Reader};

use crate::{
    disk::SimDisk, faults::Faults, network::Network, pool::SimPool, random::Random, reactor::SimReactor,
};

/// Every segment has so many bytes: the least that the journal allows, so that a short life goes through many.
const SEGMENT_BYTES: usize = 384 * 1024;
const JOURNAL_BYTES_MAX: u64 = 16 * SEGMENT_BYTES as u64;
/// Silence that either side bears.
pub const HEARTBEAT_MS: u32 = 6_000;
const LEASE_MS: u64 = 4_000;
/// How long a stop waits for its clients.
const DRAIN_MS: u64 = 10_000;
/// What an agent takes who has not said otherwise.
const CAPACITY: u16 = 3;

/// What outlives the process.
pub struct Machine {
    pub network: Rc<RefCell<Network>>,
    pub disk: Arc<SimDisk>,
    /// The name of the database in memory.
    pub database: String,
    pub identity: Identity,
    pub metrics: Metrics,
}

/// A running process.
pub struct Server {
    shards: Vec<Running>,
    woken: Vec<Arc<AtomicBool>>,
    turned_us: Vec<u64>,
    has_ended: Vec<bool>,
    pool: SimPool,
    workshop: Workshop,
    projector: Projector,
    stop: Arc<AtomicBool>,
    failed: Arc<AtomicBool>,
    /// The records that SQL lacked.
    pub recovered: u64,
}

impl Server {
    /// Recovers and starts. What SQL lacks it gets beforehand, if that is more than `lacking_max` records of a stream.
    pub fn start(
        machine: &Machine,
        shards: usize,
        lacking_max: usize,
        dialog: DialogSettings,
        teams: &Teams,
        random: &mut Random,
    ) -> Result<Self, RecoveryError> {
        let mut projection = Projection::open_shared_memory(&machine.database)?;
        let mut recovered = recovery::take_up(&*machine.disk, &mut projection, shards, lacking_max, 1)?;
        machine.network.borrow_mut().boot(shards);

        let woken: Vec<_> = (0..shards).map(|_| Arc::new(AtomicBool::new(true))).collect();
        let wake = |shard: &Arc<AtomicBool>| {
            let shard = Arc::clone(shard);
            move || shard.store(true, Ordering::Relaxed)
        };
        let (ends, pool_end) = link::link(woken.iter().map(wake));
        let disk: Arc<dyn Disk> = Arc::<SimDisk>::clone(&machine.disk);
        let maker_limits = MakerLimits {
            journal_bytes_max: JOURNAL_BYTES_MAX,
            free_files_max: 3,
            segment_bytes_max: SEGMENT_BYTES,
        };
        let salt = random.next() as u32;
        let workshop = Workshop::new(Arc::clone(&disk), recovered.files.clone(), salt, maker_limits);
        let journals: Vec<Journal> = (0..shards as u32)
            .map(|stream| Journal::open(stream, recovered.start(stream), workshop.source()))
            .collect();
        let followed = journals.iter().zip(0..).map(|(journal, stream)| Followed {
            stream,
            start: recovered.start(stream),
            published: journal.published(),
        });
        let followed = followed.collect();
        let reader = Reader::open_shared_memory(&machine.database)?;
        let beginnings = beginnings(&reader, &mut recovered, shards)?;
        let on_projected = tell_projected(&ends);
        let projector =
            Projector::new(projection, &disk, &mut recovered, followed, workshop.source(), on_projected);

        let settings = Settings {
            shards,
            desk: DeskSettings { lease_ms: LEASE_MS, capacity: CAPACITY },
            teams: Arc::new(teams.clone()),
            dialog,
            heartbeat_ms: HEARTBEAT_MS,
            websocket_deflate: false,
            run: random.next(),
            identity: machine.identity.clone(),
            gate: Gate::new(GateLimits::none()),
            peers: PeerLimits::default(),
            kept_records_max: usize::MAX / 2,
            origins: Origins::default(),
            tls: None,
            proxies: Proxies::default(),
        };
        // Mostly so small that they are full again and again.
        let lane_items = *random.pick(&[4, 16, limits::LANE_ITEMS_MAX]);
        let neighbours: Arc<[Neighbour]> = woken
            .iter()
            .map(|shard| Neighbour { lanes: Arc::new(Lanes::new(lane_items)), wake: Arc::new(wake(shard)) })
            .collect();
        let stop = Arc::new(AtomicBool::new(false));
        let failed = Arc::new(AtomicBool::new(false));
        let mut server = Self {
            shards: Vec::new(),
            woken,
            turned_us: vec![0; shards],
            has_ended: vec![false; shards],
            pool: SimPool::new(pool_end, reader, random.split()),
            workshop,
            projector,
            stop: Arc::clone(&stop),
            failed: Arc::clone(&failed),
            recovered: recovered.lacked,
        };
        let parts = journals.into_iter().zip(ends).zip(beginnings);
        for (index, ((journal, pool), beginning)) in parts.enumerate() {
            let reactor = SimReactor {
                shard: index,
                network: Rc::clone(&machine.network),
                disk: Arc::clone(&machine.disk),
                files: Vec::new(),
            };
            let time = reactor.now();
            let now = Now { unix_ms: time.unix_ms, monotonic_us: time.monotonic_us };
            let mut outputs = Outputs::default();
            let failed = Arc::clone(&failed);
            let driver = Driver {
                index,
                shard: Shard::new(index, settings.clone(), beginning, now, &mut outputs),
                reactor: Box::new(reactor),
                journal,
                neighbours: Arc::clone(&neighbours),
                pool,
                counting: Counting::new(machine.metrics.clone()),
                stop: Arc::clone(&stop),
                drain_ms: DRAIN_MS,
                sealed: Vec::new(),
                on_journal_failed: Box::new(move |_| failed.store(true, Ordering::Relaxed)),
            };
            server.shards.push(Running::begin(driver, outputs));
        }
        Ok(server)
    }

    /// The shards, to be looked at.
    pub fn shards(&self) -> impl Iterator<Item = &Shard> {
        self.shards.iter().map(Running::shard)
    }

    /// Whether a shard's journal has failed: the operator is to restart.
    pub fn has_failed(&self) -> bool {
        self.failed.load(Ordering::Relaxed)
    }

    /// SIGTERM.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
        self.woken.iter().for_each(|shard| shard.store(true, Ordering::Relaxed));
    }

    /// Whether every shard has ended after [`Server::stop`].
    pub fn has_stopped(&self) -> bool {
        self.has_ended.iter().all(|has_ended| *has_ended)
    }

    /// When which shard takes its next turn.
    pub fn next_turn_us(&self, network: &Network) -> Option<(u64, usize)> {
        let due = |shard: usize| {
            let tick_us = self.turned_us[shard] + engine::shard::TICK_MS * 1_000;
            let heard_us = network.shard_due_us(shard).unwrap_or(u64::MAX);
            let woken_us = if self.woken[shard].load(Ordering::Relaxed) { 0 } else { u64::MAX };
            tick_us.min(heard_us).min(woken_us).max(network.now_us)
        };
        let shards = (0..self.shards.len()).filter(|shard| !self.has_ended[*shard]);
        shards.map(|shard| (due(shard), shard)).min()
    }

    /// One shard's turn.
    pub fn turn(&mut self, shard: usize, now_us: u64) {
        self.woken[shard].store(false, Ordering::Relaxed);
        self.turned_us[shard] = now_us;
        match self.shards[shard].turn() {
            Ok(goes_on) => self.has_ended[shard] = !goes_on,
            Err(error) => panic!("a simulated reactor does not fail: {error}"),
        }
    }

    /// When the pool has something to answer.
    pub fn pool_due_us(&mut self, now_us: u64, faults: &Faults) -> Option<u64> {
        self.pool.due_us(now_us, faults)
    }

    /// Answers what is due.
    pub fn pool_works(&mut self, now_us: u64, faults: &Faults) {
        self.pool.work(now_us, faults);
    }

    /// Whether segments are wanted or given back.
    pub fn workshop_has_work(&self) -> bool {
        self.workshop.has_work()
    }

    /// Makes one segment; false: it could not, and tries again later.
    pub fn workshop_works(&mut self) -> bool {
        let ready = self.workshop.work();
        if let Some(shard) = ready.and_then(|stream| self.woken.get(stream as usize)) {
            shard.store(true, Ordering::Relaxed);
        }
        self.workshop.source().trouble().is_none()
    }

    /// Durable records that SQL does not have.
    pub fn lag_records(&self) -> u64 {
        self.projector.lag().records
    }

    /// One round of the projection.
    pub fn projects(&mut self) -> Round {
        self.projector.round(&mut |_| ())
    }
}
