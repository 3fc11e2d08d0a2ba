//! The pool: everything that may be slow, on tokio threads apart from the shards'.
//!
//! Shards leave jobs in a bounded queue and find the answers in another ([`link`]); nothing here can make a
//! shard wait. The HTTP API, the database and the second port live here; what a conversation does, does not.

pub mod api;
mod assets;
pub mod clock;
pub mod exchange;
mod jobs;
pub mod link;
pub mod metrics;
mod private_port;
pub mod records;
mod throttle;

use std::{
    io,
    net::{SocketAddr, TcpListener},
    sync::Arc,
    time::Duration,
};

use api::{Api, ApiParts, SetupToken, ShardOf};
use clock::Clock;
use exchange::Exchanges;
use link::PoolEnd;
use metrics::Metrics;
use records::Records;
use tokio::runtime::{Builder, Handle, Runtime};

use crate::{identity::secrets::Secrets, priority};

/// Threads that run tasks.
const WORKERS: usize = 2;
/// Threads that may block: readers, the accounts' writer, hashes of passwords, and a few to spare.
const BLOCKING_THREADS_MAX: usize = 12;
/// How often histograms are folded; in between they grow by what is recorded.
const UPKEEP: Duration = Duration::from_secs(1);
/// Longest that a stop waits for blocking threads.
const STOP_DEADLINE: Duration = Duration::from_secs(3);

const _: () = assert!(BLOCKING_THREADS_MAX > records::READERS + 2);

/// What a pool is made of.
pub struct PoolParts {
    /// The pool's ends of [`link::link`].
    pub end: PoolEnd,
    /// The database, opened.
    pub records: Records,
    /// To sign and read tokens with.
    pub secrets: Secrets,
    /// Where everything is counted.
    pub metrics: Metrics,
    /// Which shard owns a conversation.
    pub shard_of: ShardOf,
    /// Where `/metrics` is served.
    pub metrics_address: SocketAddr,
    /// Makes the first administrator, if there is none yet: [`needs_setup`].
    pub setup: Option<SetupToken>,
}

/// A running pool. Dropping it stops it.
pub struct Pool {
    runtime: Option<Runtime>,
    api: Api,
    metrics_address: SocketAddr,
}

impl Pool {
    /// Starts the threads and opens the second port. An error names the address.
    pub fn start(parts: PoolParts) -> io::Result<Self> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(WORKERS)
            .max_blocking_threads(BLOCKING_THREADS_MAX)
            .thread_name("pool")
            .on_thread_start(|| priority::stand_back(priority::NICE_POOL))
            .enable_all()
            .build()?;
        let listener = private_port::bind(parts.metrics_address)?;
        let metrics_address = listener.local_addr()?;
        let PoolEnd { jobs, dones } = parts.end;
        let clock = Clock::system();
        let api = Api::new(ApiParts {
            secrets: parts.secrets,
            records: parts.records.clone(),
            clock: clock.clone(),
            metrics: parts.metrics.clone(),
            dones: Arc::clone(&dones),
            shard_of: parts.shard_of,
            setup: parts.setup,
        });
        let exchanges = Exchanges::new(api::router(api.clone()), Arc::clone(&dones), clock.clone());
        runtime.spawn(jobs::run(jobs, exchanges, parts.records, dones));
        runtime.spawn(upkeep(parts.metrics.clone(), clock));
        runtime.spawn(serve(listener, api.clone(), parts.metrics));
        // The first wrong login must not tell by its time that it was the first.
        runtime.spawn_blocking(crate::accounts::warm_up);
        Ok(Self { runtime: Some(runtime), api, metrics_address })
    }

    /// The runtime, for other work of the pool, such as the projection.
    pub fn handle(&self) -> &Handle {
        self.runtime.as_ref().expect("taken only when dropped").handle()
    }

    /// Where `/metrics` is; tells the port where 0 was asked for.
    pub const fn metrics_address(&self) -> SocketAddr {
        self.metrics_address
    }

    /// What `/health/ready` says from now on, on both ports, with the status 503.
    pub fn set_not_ready(&self, why: &'static str) {
        self.api.set_not_ready(why);
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_timeout(STOP_DEADLINE);
        }
    }
}

/// Whether nobody can make accounts yet, so that the start should print a set-up link. Blocks.
pub fn needs_setup(records: &Records) -> Result<bool, store::sql::SqlError> {
    records.any_admin().map(|any| !any)
}

/// The one-time link to print.
pub fn setup_link(public_url: &str, token: &SetupToken) -> String {
    // Behind the #, the token never leaves the browser but in the request that uses it.
    format!("{public_url}/console/#/setup?token={}", token.as_str())
}

async fn upkeep(metrics: Metrics, clock: Clock) {
    let mut tick = tokio::time::interval(UPKEEP);
    let mut seconds = 0;
    loop {
        tick.tick().await;
        metrics.upkeep();
        seconds += UPKEEP.as_secs();
        if seconds.is_multiple_of(metrics::STEP_S) {
            metrics.live().step(clock.unix_ms());
        }
    }
}

async fn serve(listener: TcpListener, api: Api, metrics: Metrics) {
    if let Err(error) = private_port::serve(listener, api, metrics).await {
        tracing::error!(%error, "the metrics port is closed; restart to open it again");
    }
}

#[cfg(test)]
#[path = "pool/tests.rs"]
mod tests;
