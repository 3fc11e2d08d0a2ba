//! What a server is told before it starts: flags → meaning → limits.
//!
//! The same settings come as flags, as `RINGDESK_*` variables and from a TOML file ([`settings`] has the one
//! table of them); a flag beats a variable beats the file beats the default. A [`Config`] that exists is
//! valid. Nothing here listens, opens or creates anything.

mod list;
pub mod peers;
pub mod proxies;
pub mod settings;

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};

use net::{Backend, BackendChoice};
use peers::Peers;
use settings::{Layers, Setting, Value};

use crate::{proxies::Proxies, tls_files::TlsFiles};

/// Most shards of one process.
pub const SHARDS_MAX: usize = 256;
/// Shortest and longest time that an agent's presence outlives its connection.
pub const AGENT_LEASE_MS: (u32, u32) = (1_000, 120_000);
/// Fewest and most conversations that one agent serves at once.
pub const AGENT_CAPACITY: (u16, u16) = (1, 256);
/// Shortest and longest silence that a client may be told to keep.
pub const HEARTBEAT_MS: (u32, u32) = (5_000, 300_000);
/// Shortest and longest time that a stop waits for clients.
pub const DRAIN_MS: (u32, u32) = (0, 300_000);
/// Shortest and longest time, in seconds, that a conversation waits for its visitor.
pub const VISITOR_IDLE_S: (u32, u32) = (10, 86_400);
/// Shortest and longest time, in seconds, that a visitor waits for the agent's answer.
pub const AGENT_SILENT_S: (u32, u32) = (10, 86_400);
/// Shortest and longest time, in seconds, that a visitor is asked for a rating.
pub const RATING_S: (u32, u32) = (1, 86_400);
/// Longest configuration file in bytes.
pub const FILE_BYTES_MAX: u64 = 64 * 1024;
/// Where everything is kept when nobody says otherwise.
pub const DATA_DEFAULT: &str = "./data";

const _: () = assert!(AGENT_LEASE_MS.0 < AGENT_LEASE_MS.1 && HEARTBEAT_MS.0 < HEARTBEAT_MS.1);

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line, for collectors.
    Json,
}

/// Everything a server is told. Each field is the setting of the same name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The public port: WebSocket, API, console, widget, health.
    pub listen: SocketAddr,
    /// The port for `/metrics` and health.
    pub metrics: SocketAddr,
    /// Journal, database and secrets.
    pub data: PathBuf,
    /// Shards; `None` leaves it to [`default_shards`].
    pub shards: Option<usize>,
    /// The reactor's backend.
    pub backend: BackendChoice,
    /// How log lines look.
    pub log_format: LogFormat,
    /// How long an agent's presence outlives its connection.
    pub agent_lease_ms: u32,
    /// Conversations at once for an agent who has not said.
    pub agent_capacity: u16,
    /// How long a conversation waits for its visitor.
    pub visitor_idle_s: u32,
    /// How long a visitor waits for the agent's answer.
    pub agent_silent_s: u32,
    /// How long a visitor is asked for a rating.
    pub rating_s: u32,
    /// The longest silence clients are asked to keep.
    pub heartbeat_ms: u32,
    /// Whether WebSocket messages are compressed for clients that offer it.
    pub websocket_deflate: bool,
    /// Certificate and key of the public port; `None`: it speaks plain HTTP.
    pub tls: Option<TlsFiles>,
    /// Which proxies are believed.
    pub proxies: Proxies,
    /// Where browsers reach this server, without a slash at the end; `None`: as `listen` says.
    pub public_url: Option<String>,
    /// How long a stop waits for clients.
    pub drain_ms: u32,
    /// What is asked of peers.
    pub peers: Peers,
}

impl Config {
    /// The address to print in links.
    pub fn public_url(&self) -> String {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        match &self.public_url {
            Some(url) => url.clone(),
            None if self.listen.ip().is_unspecified() => {
                format!("{scheme}://localhost:{}", self.listen.port())
            }
            None => format!("{scheme}://{}", self.listen),
        }
    }
}

/// Shards for a machine with so many CPUs: one is left to the pool from three on, since below that an idle
/// core costs more than the pool does.
pub fn default_shards(cpus: usize) -> usize {
    match cpus {
        0 | 1 => 1,
        2 => 2,
        more => (more - 1).min(SHARDS_MAX),
    }
}

/// A setting that cannot be taken, with the cure. The operator's fault, always.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError(String);

impl ConfigError {
    pub(crate) fn new(what: impl Into<String>) -> Self {
        Self(what.into())
    }
}

impl std::fmt::Display for ConfigError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ConfigError {}

/// What was typed, which does not change while the process runs.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Typed {
    flags: Vec<(&'static str, String)>,
    config: Option<PathBuf>,
}

/// A configuration, and how to read it again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loaded {
    /// What it means.
    pub config: Config,
    typed: Typed,
    /// What was said of each setting.
    texts: Vec<Option<String>>,
}

/// What is different in a configuration that was read again, by the names of settings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// What counts at once.
    pub now: Vec<&'static str>,
    /// What counts from the next start on.
    pub at_restart: Vec<&'static str>,
}

/// Reads the file that the flags or the variables name, and makes a configuration of all layers.
///
/// `flags` are the values typed, by setting; `variable` reads the environment.
pub fn load(
    flags: Vec<(&'static str, String)>,
    config: Option<PathBuf>,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<Loaded, Vec<ConfigError>> {
    Typed { flags, config }.load(variable)
}

impl Typed {
    fn load(self, variable: impl Fn(&str) -> Option<String>) -> Result<Loaded, Vec<ConfigError>> {
        let path = self.config.clone().or_else(|| variable("RINGDESK_CONFIG").map(PathBuf::from));
        let file = match &path {
            Some(path) => Some((path.as_path(), read_file(path).map_err(|error| vec![error])?)),
            None => None,
        };
        let file = file.as_ref().map(|(path, text)| (*path, text.as_str()));
        let layers = Layers::new(self.flags.clone(), variable, file)?;
        let texts = settings::SETTINGS.iter().map(|setting| layers.value(setting).map(|value| value.text));
        Ok(Loaded { config: resolve(&layers)?, typed: self, texts: texts.collect() })
    }
}

impl Loaded {
    /// As it is now: the flags of old, the variables and the file as they are.
    pub fn again(&self, variable: impl Fn(&str) -> Option<String>) -> Result<Self, Vec<ConfigError>> {
        self.typed.clone().load(variable)
    }

    /// What is different in `newer`.
    pub fn changes(&self, newer: &Self) -> Changes {
        let texts = self.texts.iter().zip(&newer.texts);
        let changed = settings::SETTINGS.iter().zip(texts).filter(|(_, (old, new))| old != new);
        let has_tls = |loaded: &Self| loaded.config.tls.is_some();
        let waits = |setting: &Setting| {
            let is_tls = [&settings::TLS_CERT, &settings::TLS_KEY].iter().any(|tls| tls.name == setting.name);
            let is_fixed = settings::FIXED.iter().any(|fixed| fixed.name == setting.name);
            is_fixed || (is_tls && has_tls(self) != has_tls(newer))
        };
        let (at_restart, now): (Vec<_>, Vec<_>) =
            changed.map(|(setting, _)| *setting).partition(|setting| waits(setting));
        let names = |settings: Vec<&Setting>| settings.into_iter().map(|setting| setting.name).collect();
        Changes { now: names(now), at_restart: names(at_restart) }
    }

    /// With TLS as it runs, where that is not for this run to change.
    pub fn with_tls_of(self, running: &Self) -> Self {
        let tls = running.config.tls.clone();
        if self.config.tls.is_some() == tls.is_some() {
            return self;
        }
        Self { config: Config { tls, ..self.config }, ..self }
    }
}

fn read_file(path: &Path) -> Result<String, ConfigError> {
    let fault =
        |what: String| ConfigError::new(format!("--config {}: {what}; name a TOML file", path.display()));
    let bytes = std::fs::metadata(path).map_err(|error| fault(format!("cannot be read: {error}")))?.len();
    if bytes > FILE_BYTES_MAX {
        return Err(fault(format!("has {bytes} bytes, more than {FILE_BYTES_MAX}")));
    }
    std::fs::read_to_string(path).map_err(|error| fault(format!("cannot be read: {error}")))
}

/// Gives every value its meaning. All that is wrong is told at once, not one mistake a start.
fn resolve(layers: &Layers) -> Result<Config, Vec<ConfigError>> {
    let mut errors = Vec::new();
    let certificate = take(layers, &settings::TLS_CERT, directory, &mut errors);
    let key = take(layers, &settings::TLS_KEY, directory, &mut errors);
    if certificate.is_some() != key.is_some() && errors.is_empty() {
        let (given, other) = if key.is_none() { ("cert", "key") } else { ("key", "cert") };
        errors.push(ConfigError::new(format!("--tls-{given} goes with --tls-{other}; give both or none")));
    }
    let config = Config {
        proxies: proxies::resolve(layers, &mut errors),
        tls: certificate.zip(key).map(|(certificate, key)| TlsFiles { certificate, key }),
        listen: take(layers, &settings::LISTEN, address, &mut errors).unwrap_or(([0, 0, 0, 0], 0).into()),
        metrics: take(layers, &settings::METRICS, address, &mut errors).unwrap_or(([0, 0, 0, 0], 0).into()),
        data: take(layers, &settings::DATA, directory, &mut errors).unwrap_or_default(),
        shards: take(layers, &settings::SHARDS, |text| number(text, 1, SHARDS_MAX), &mut errors),
        backend: take(layers, &settings::BACKEND, backend, &mut errors).unwrap_or(BackendChoice::Auto),
        log_format: take(layers, &settings::LOG_FORMAT, log_format, &mut errors).unwrap_or(LogFormat::Text),
        agent_lease_ms: take(layers, &settings::AGENT_LEASE_MS, in_range(AGENT_LEASE_MS), &mut errors)
            .unwrap_or_default(),
        agent_capacity: take(layers, &settings::AGENT_CAPACITY, in_range(AGENT_CAPACITY), &mut errors)
            .unwrap_or_default(),
        visitor_idle_s: take(layers, &settings::VISITOR_IDLE_S, in_range(VISITOR_IDLE_S), &mut errors)
            .unwrap_or_default(),
        agent_silent_s: take(layers, &settings::AGENT_SILENT_S, in_range(AGENT_SILENT_S), &mut errors)
            .unwrap_or_default(),
        rating_s: take(layers, &settings::RATING_S, in_range(RATING_S), &mut errors).unwrap_or_default(),
        heartbeat_ms: take(layers, &settings::HEARTBEAT_MS, in_range(HEARTBEAT_MS), &mut errors)
            .unwrap_or_default(),
        websocket_deflate: take(layers, &settings::WEBSOCKET_DEFLATE, on_or_off, &mut errors)
            .unwrap_or_default(),
        public_url: take(layers, &settings::PUBLIC_URL, public_url, &mut errors),
        drain_ms: take(layers, &settings::DRAIN_MS, in_range(DRAIN_MS), &mut errors).unwrap_or_default(),
        peers: peers::resolve(layers, &mut errors),
    };
    if config.listen == config.metrics && config.listen.port() != 0 && errors.is_empty() {
        errors.push(ConfigError::new(format!(
            "--metrics {}: is the address of --listen, too; choose another port",
            config.metrics
        )));
    }
    if errors.is_empty() { Ok(config) } else { Err(errors) }
}

/// The meaning of one setting, or `None` where it was not given or is wrong; what is wrong goes to `errors`.
fn take<T>(
    layers: &Layers,
    setting: &'static Setting,
    parse: impl Fn(&str) -> Option<T>,
    errors: &mut Vec<ConfigError>,
) -> Option<T> {
    let Value { text, origin } = layers.value(setting)?;
    let parsed = parse(&text);
    if parsed.is_none() {
        errors.push(ConfigError::new(setting.complaint(&text, &origin)));
    }
    parsed
}

fn address(text: &str) -> Option<SocketAddr> {
    text.parse().ok()
}

fn directory(text: &str) -> Option<PathBuf> {
    (!text.is_empty() && !text.contains('\0')).then(|| PathBuf::from(text))
}

fn number<T: std::str::FromStr + PartialOrd>(text: &str, min: T, max: T) -> Option<T> {
    text.parse().ok().filter(|value| *value >= min && *value <= max)
}

fn in_range<T: std::str::FromStr + PartialOrd + Copy>((min, max): (T, T)) -> impl Fn(&str) -> Option<T> {
    move |text| number(text, min, max)
}

fn backend(text: &str) -> Option<BackendChoice> {
    match text {
        "auto" => Some(BackendChoice::Auto),
        "modern" => Some(BackendChoice::Exactly(Backend::Modern)),
        "basic" => Some(BackendChoice::Exactly(Backend::Basic)),
        "epoll" => Some(BackendChoice::Exactly(Backend::Epoll)),
        _ => None,
    }
}

fn log_format(text: &str) -> Option<LogFormat> {
    match text {
        "text" => Some(LogFormat::Text),
        "json" => Some(LogFormat::Json),
        _ => None,
    }
}

fn on_or_off(text: &str) -> Option<bool> {
    match text {
        "on" => Some(true),
        "off" => Some(false),
        _ => None,
    }
}

fn public_url(text: &str) -> Option<String> {
    let uri: http::Uri = text.parse().ok()?;
    let right = matches!(uri.scheme_str(), Some("http" | "https"))
        && uri.host().is_some_and(|host| !host.is_empty())
        && matches!(uri.path(), "" | "/")
        && uri.query().is_none();
    right.then(|| text.trim_end_matches('/').to_owned())
}

#[cfg(test)]
#[path = "config/tests.rs"]
mod tests;
