//! The one table of settings, and the layers their values come from. What a value means is [`super`]'s.

use std::{collections::BTreeMap, path::Path};

use super::{ConfigError, peers, proxies};

/// One setting: a row of the table that flags, variables, file keys and help are made of.
#[derive(Debug)]
pub struct Setting {
    /// The flag without its dashes and the key in the file: `log-format`.
    pub name: &'static str,
    /// What stands for the value in the help.
    pub value_name: &'static str,
    /// What it sets, for the help.
    pub help: &'static str,
    /// What it is when nobody says; empty: nothing.
    pub default: &'static str,
    /// What a value must be, and so the cure of a bad one.
    pub limit: &'static str,
}

impl Setting {
    /// The variable: `RINGDESK_LOG_FORMAT`.
    pub fn variable(&self) -> String {
        format!("RINGDESK_{}", self.name.replace('-', "_").to_uppercase())
    }

    /// The sentence for a bad value: its name where it was given, its limit and the cure.
    pub(super) fn complaint(&self, text: &str, origin: &Origin) -> String {
        let given = match origin {
            Origin::Flag => format!("--{} {text}", self.name),
            Origin::Variable => format!("{}={text}", self.variable()),
            Origin::File(path) => format!("{path}: {} = {text}", self.name),
            Origin::Default => format!("default of {} {text}", self.name),
        };
        format!("{given}: must be {}", self.limit)
    }
}

/// `--listen`.
pub static LISTEN: Setting = Setting {
    name: "listen",
    value_name: "ADDR",
    help: "The public address: WebSocket, API, console and widget",
    default: "0.0.0.0:8080",
    limit: "an IP address and a port from 0 to 65535, such as 0.0.0.0:8080 or [::]:8080 (port 0 picks a free one)",
};
/// `--metrics`.
pub static METRICS: Setting = Setting {
    name: "metrics",
    value_name: "ADDR",
    help: "The address for Prometheus and health checks; keep it private",
    default: "0.0.0.0:9090",
    limit: "an IP address and a port from 0 to 65535, such as 127.0.0.1:9090 (port 0 picks a free one)",
};
/// `--data`.
pub static DATA: Setting = Setting {
    name: "data",
    value_name: "DIR",
    help: "The directory for journal, database and secrets; made if absent",
    default: super::DATA_DEFAULT,
    limit: "the path of a directory, such as ./data or /var/lib/ringdesk",
};
/// `--shards`.
pub static SHARDS: Setting = Setting {
    name: "shards",
    value_name: "N",
    help: "Shards, each a thread with a core [default: cores less one; two of two]",
    default: "",
    limit: "a whole number from 1 to 256; leave it out for one shard a core less one",
};
/// `--backend`.
pub static BACKEND: Setting = Setting {
    name: "backend",
    value_name: "NAME",
    help: "The reactor: auto, modern (io_uring of Linux 6.0+), basic (io_uring of 5.1+) or epoll",
    default: "auto",
    limit: "auto, modern, basic or epoll; auto takes the best that this kernel allows",
};
/// `--log-format`.
pub static LOG_FORMAT: Setting = Setting {
    name: "log-format",
    value_name: "FORMAT",
    help: "How log lines look: text or json",
    default: "text",
    limit: "text or json",
};
/// `--agent-lease-ms`.
pub static AGENT_LEASE_MS: Setting = Setting {
    name: "agent-lease-ms",
    value_name: "MS",
    help: "How long an agent stays present after the connection died, in milliseconds",
    default: "8000",
    limit: "a whole number of milliseconds from 1000 to 120000",
};
/// `--agent-capacity`.
pub static AGENT_CAPACITY: Setting = Setting {
    name: "agent-capacity",
    value_name: "N",
    help: "Conversations at once for an agent who has not chosen a number",
    default: "8",
    limit: "a whole number from 1 to 256",
};
/// `--visitor-idle-s`.
pub static VISITOR_IDLE_S: Setting = Setting {
    name: "visitor-idle-s",
    value_name: "S",
    help: "How long after the last word a conversation that waits for the visitor ends, in seconds",
    default: "1800",
    limit: "a whole number of seconds from 10 to 86400",
};
/// `--agent-silent-s`.
pub static AGENT_SILENT_S: Setting = Setting {
    name: "agent-silent-s",
    value_name: "S",
    help: "How long an agent may leave a visitor unanswered before another one is looked for, in seconds",
    default: "600",
    limit: "a whole number of seconds from 10 to 86400",
};
/// `--rating-s`.
pub static RATING_S: Setting = Setting {
    name: "rating-s",
    value_name: "S",
    help: "How long a visitor is asked how it was, in seconds",
    default: "600",
    limit: "a whole number of seconds from 1 to 86400",
};
/// `--heartbeat-ms`.
pub static HEARTBEAT_MS: Setting = Setting {
    name: "heartbeat-ms",
    value_name: "MS",
    help: "Longest silence of a client before it is taken for dead, in milliseconds",
    default: "30000",
    limit: "a whole number of milliseconds from 5000 to 300000",
};
/// `--websocket-deflate`.
pub static WEBSOCKET_DEFLATE: Setting = Setting {
    name: "websocket-deflate",
    value_name: "on|off",
    help: "Compression of long WebSocket messages (permessage-deflate): fewer bytes for more CPU",
    default: "off",
    limit: "on or off",
};
/// `--tls-cert`.
pub static TLS_CERT: Setting = Setting {
    name: "tls-cert",
    value_name: "FILE",
    help: "Certificate chain in PEM: the public port speaks TLS; read again on SIGHUP",
    default: "",
    limit: "the path of a file in PEM; it goes with --tls-key",
};
/// `--tls-key`.
pub static TLS_KEY: Setting = Setting {
    name: "tls-key",
    value_name: "FILE",
    help: "Private key in PEM that the certificate was made for",
    default: "",
    limit: "the path of a file in PEM; it goes with --tls-cert",
};
/// `--public-url`.
pub static PUBLIC_URL: Setting = Setting {
    name: "public-url",
    value_name: "URL",
    help: "Where browsers reach this server, for links [default: as --listen says]",
    default: "",
    limit: "http:// or https:// with a host and nothing behind it, such as https://desk.example.com",
};
/// `--drain-ms`.
pub static DRAIN_MS: Setting = Setting {
    name: "drain-ms",
    value_name: "MS",
    help: "How long a stop waits for clients to take what is queued for them, in milliseconds",
    default: "10000",
    limit: "a whole number of milliseconds from 0 to 300000",
};

/// Every setting, in the order of the help.
pub static SETTINGS: [&Setting; 32] = [
    &LISTEN,
    &METRICS,
    &DATA,
    &SHARDS,
    &BACKEND,
    &LOG_FORMAT,
    &AGENT_LEASE_MS,
    &AGENT_CAPACITY,
    &VISITOR_IDLE_S,
    &AGENT_SILENT_S,
    &RATING_S,
    &HEARTBEAT_MS,
    &WEBSOCKET_DEFLATE,
    &TLS_CERT,
    &TLS_KEY,
    &proxies::TRUSTED_PROXIES,
    &proxies::PROXY_PROTOCOL,
    &PUBLIC_URL,
    &DRAIN_MS,
    &peers::CONNECTIONS_MAX_SETTING,
    &peers::ADDRESS_CONNECTIONS_MAX_SETTING,
    &peers::ADDRESS_STRANGERS_MAX_SETTING,
    &peers::ADDRESS_NEW_SETTING,
    &peers::UNLIMITED_ADDRESSES_SETTING,
    &peers::HANDSHAKE_MS_SETTING,
    &peers::REQUEST_MS_SETTING,
    &peers::HELLO_MS_SETTING,
    &peers::PINGS_SETTING,
    &peers::FRAGMENTS_MAX_SETTING,
    &peers::HELD_MIB_SETTING,
    &peers::VISITOR_ORIGINS_SETTING,
    &peers::AGENT_ORIGINS_SETTING,
];

/// Those that a running server cannot change: a changed one counts from the next start on.
pub static FIXED: [&Setting; 7] = [&LISTEN, &METRICS, &DATA, &SHARDS, &BACKEND, &LOG_FORMAT, &DRAIN_MS];

/// Where a value was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    Flag,
    Variable,
    /// The file's path.
    File(String),
    Default,
}

/// A value as it was written.
pub(super) struct Value {
    pub(super) text: String,
    pub(super) origin: Origin,
}

/// The values of all layers; the strongest one is asked first.
pub(super) struct Layers {
    flags: BTreeMap<&'static str, String>,
    variables: BTreeMap<&'static str, String>,
    file: BTreeMap<String, String>,
    file_path: String,
}

impl Layers {
    /// Unknown keys of the file are errors. Unknown `RINGDESK_*` variables are not: Kubernetes sets
    /// `RINGDESK_SERVICE_HOST` and its like for a service of that name.
    pub(super) fn new(
        flags: Vec<(&'static str, String)>,
        variable: impl Fn(&str) -> Option<String>,
        file: Option<(&Path, &str)>,
    ) -> Result<Self, Vec<ConfigError>> {
        let variables = SETTINGS
            .iter()
            .filter_map(|setting| variable(&setting.variable()).map(|text| (setting.name, text)))
            .collect();
        let (file_path, file) = match file {
            Some((path, text)) => {
                let path = path.display().to_string();
                let values = parse_file(&path, text)?;
                (path, values)
            }
            None => (String::new(), BTreeMap::new()),
        };
        Ok(Self { flags: flags.into_iter().collect(), variables, file, file_path })
    }

    pub(super) fn value(&self, setting: &Setting) -> Option<Value> {
        let given = |text: &String, origin| Value { text: text.clone(), origin };
        if let Some(text) = self.flags.get(setting.name) {
            return Some(given(text, Origin::Flag));
        }
        if let Some(text) = self.variables.get(setting.name) {
            return Some(given(text, Origin::Variable));
        }
        if let Some(text) = self.file.get(setting.name) {
            return Some(given(text, Origin::File(self.file_path.clone())));
        }
        let default = !setting.default.is_empty();
        default.then(|| Value { text: setting.default.to_owned(), origin: Origin::Default })
    }
}

fn parse_file(path: &str, text: &str) -> Result<BTreeMap<String, String>, Vec<ConfigError>> {
    let table: toml::Table = text.parse().map_err(|error: toml::de::Error| {
        vec![ConfigError::new(format!("{path}: not TOML: {}", error.to_string().trim_end()))]
    })?;
    let mut values = BTreeMap::new();
    let mut errors = Vec::new();
    for (key, value) in table {
        if !SETTINGS.iter().any(|setting| setting.name == key) {
            errors.push(ConfigError::new(format!(
                "{path}: unknown key {key}; the keys are {}",
                SETTINGS.map(|setting| setting.name).join(", ")
            )));
            continue;
        }
        match value {
            toml::Value::String(text) => drop(values.insert(key, text)),
            toml::Value::Integer(number) => drop(values.insert(key, number.to_string())),
            other => errors.push(ConfigError::new(format!(
                "{path}: {key} is a {}; must be a text or a whole number",
                other.type_str()
            ))),
        }
    }
    if errors.is_empty() { Ok(values) } else { Err(errors) }
}
