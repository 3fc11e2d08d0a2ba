//! SIGHUP: flags, variables, the configuration file, certificate and key are read again. What can change while the
//! server runs does; what cannot is named in the log. Where anything is wrong, everything stays as it was.

use std::{io, sync::Arc};

use codec::tls::TlsConfig;
use tokio::signal::unix::{SignalKind, signal};

use crate::{
    config::{Config, Loaded},
    desk::{DeskSettings, teams::Teams},
    gate::Gate,
    identity::Identity,
    jobs::Done,
    pool::{Pool, link::DoneQueue},
    shard::{DialogSettings, Settings},
    tls_files::TlsFiles,
};

/// What the shards are told that no operator chooses, or chooses elsewhere.
#[derive(Clone, Debug)]
pub struct Given {
    /// How many shards there are.
    pub shards: usize,
    /// The teams at the start.
    pub teams: Arc<Teams>,
    /// A number no other run of the server has.
    pub run: u64,
    /// Signs and checks tokens.
    pub identity: Identity,
    /// Counts who connects.
    pub gate: Gate,
    /// Connections that the process has room for.
    pub capacity: u64,
    /// Records that SQL may lack; see [`crate::limits::KEPT_RECORDS_MEMORY`].
    pub kept_records_max: usize,
}

impl Given {
    /// What the shards are told in all.
    pub fn with(&self, config: &Config, tls: Option<TlsConfig>) -> Settings {
        Settings {
            shards: self.shards,
            desk: DeskSettings { lease_ms: config.agent_lease_ms.into(), capacity: config.agent_capacity },
            teams: Arc::clone(&self.teams),
            dialog: DialogSettings {
                visitor_idle_ms: u64::from(config.visitor_idle_s) * 1_000,
                agent_silent_ms: u64::from(config.agent_silent_s) * 1_000,
                rating_ms: u64::from(config.rating_s) * 1_000,
                // The bot is a later chapter: until it can be configured, there is none.
                bot: false,
            },
            heartbeat_ms: config.heartbeat_ms,
            websocket_deflate: config.websocket_deflate,
            run: self.run,
            identity: self.identity.clone(),
            gate: self.gate.clone(),
            peers: config.peers.limits,
            kept_records_max: self.kept_records_max / self.shards,
            origins: config.peers.origins(config.public_url.as_deref()),
            tls,
            proxies: config.proxies.clone(),
        }
    }
}

/// Reads everything again at each SIGHUP.
pub fn on_hangup(pool: &Pool, given: Given, loaded: Loaded, dones: Vec<DoneQueue>) -> io::Result<()> {
    let _runtime = pool.handle().enter();
    let mut hangup = signal(SignalKind::hangup())?;
    let mut running = Running { given, loaded, dones };
    pool.handle().spawn(async move {
        while hangup.recv().await.is_some() {
            running.reload().await;
        }
    });
    Ok(())
}

struct Running {
    given: Given,
    /// As it was read last, with what waits for a restart.
    loaded: Loaded,
    dones: Vec<DoneQueue>,
}

impl Running {
    async fn reload(&mut self) {
        let newer = match self.loaded.again(|name| std::env::var(name).ok()) {
            Ok(newer) => newer,
            Err(errors) => {
                for error in errors {
                    tracing::error!(%error, "nothing was changed by this SIGHUP");
                }
                return;
            }
        };
        let changes = self.loaded.changes(&newer);
        let newer = newer.with_tls_of(&self.loaded);
        let files = newer.config.tls.as_ref();
        let tls = match files.map(TlsFiles::load).transpose() {
            Ok(tls) => tls,
            Err(error) => {
                return tracing::error!(%error, "certificate and key, and all else, stay as they were");
            }
        };
        let config = &newer.config;
        self.given.gate.set_limits(config.peers.gate(self.given.capacity, &config.proxies.networks));
        let settings = self.given.with(config, tls);
        for queue in &self.dones {
            queue.push(Done::Settings(Box::new(settings.clone()))).await;
        }
        let files = if files.is_some() { "; new connections get the certificate as it is now" } else { "" };
        tracing::info!(changed = changes.now.join(", "), "settings were read again{files}");
        if !changes.at_restart.is_empty() {
            let settings = changes.at_restart.join(", ");
            tracing::warn!(settings, "changed, and counts from the next start on");
        }
        self.loaded = newer;
    }
}
