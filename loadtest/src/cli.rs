//! The command line: what is typed, and what it means. Nothing is connected here.

use std::{
    fmt, fs,
    io::{self, BufRead},
    net::{SocketAddr, ToSocketAddrs},
    path::PathBuf,
};

use clap::{Args, Parser, Subcommand, ValueEnum};
use codec::message::CAPACITY_MAX;
use net::{Backend, BackendChoice};

use crate::scenario::Machine;

/// The name of the secret that visitors' identities are signed with, in the server's data directory.
const VISITOR_SECRET: &str = "visitor.secret";
/// Share of VIPs when nobody says, where identities can be signed.
const VIP_SHARE: f64 = 0.05;
/// Most sessions of one run.
const SESSIONS_MAX: i64 = 2_000_000;

/// Visitors and agents by the thousand, open loop, with proof of zero loss.
#[derive(Debug, Parser)]
#[command(name = "ringdesk-load", version)]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub scenario: ScenarioArguments,
}

/// The scenarios.
#[derive(Debug, Subcommand)]
pub enum ScenarioArguments {
    /// Visitors speak, agents answer; fails if anything is lost, doubled or out of order.
    Chat(ChatArguments),
    /// Visitors connect, say hello and nothing else.
    Idle(CommonArguments),
}

/// What every scenario takes.
#[derive(Debug, Args)]
pub struct CommonArguments {
    /// The server: http://HOST:PORT.
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8080")]
    url: String,
    /// Visitors.
    #[arg(long, value_name = "N", default_value_t = 2_000, value_parser = clap::value_parser!(u32).range(1..=SESSIONS_MAX))]
    pub sessions: u32,
    /// How long they speak, or stay.
    #[arg(long, value_name = "S", default_value_t = 60)]
    pub seconds: u64,
    /// New connections a second.
    #[arg(long, value_name = "N", default_value_t = 2_000, value_parser = clap::value_parser!(u32).range(1..))]
    pub connect_rate: u32,
    /// The same seed makes the same schedule.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// Threads [default: as few as hold the connections].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=64))]
    threads: Option<u16>,
    /// How the generator talks to the kernel.
    #[arg(long, default_value = "auto")]
    backend: BackendName,
    /// The server's process on this machine, to tell its memory and CPU.
    #[arg(long, value_name = "PID")]
    server_pid: Option<u32>,
    /// Stop speaking once this file exists, even if --seconds are not over.
    #[arg(long, value_name = "FILE")]
    until_file: Option<PathBuf>,
    /// Where to write report.json.
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// The server's data directory, for its visitor secret and to make agents' accounts.
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// The secret to sign visitors' identities with [default: visitor.secret in --data; else anonymous].
    #[arg(long, value_name = "FILE")]
    visitor_secret_file: Option<PathBuf>,
}

/// What `chat` takes.
#[derive(Debug, Args)]
pub struct ChatArguments {
    /// Shared with other scenarios.
    #[command(flatten)]
    pub common: CommonArguments,
    /// Agents [default: one for 20 sessions].
    #[arg(long, value_name = "N")]
    agents: Option<u32>,
    /// Messages a second of each visitor.
    #[arg(long, value_name = "R", default_value_t = 0.1)]
    rate_per_session: f64,
    /// Share of visitors who are VIPs [default: 0.05 where identities can be signed].
    #[arg(long, value_name = "SHARE")]
    vip_share: Option<f64>,
    /// Agents answer each how-many-th message of a visitor; 0 for none.
    #[arg(long, value_name = "N", default_value_t = 2)]
    pub answer_every: u32,
    /// How long agents think on average, in milliseconds.
    #[arg(long, value_name = "MS", default_value_t = 500, value_parser = clap::value_parser!(u64).range(..=60_000))]
    pub answer_after_ms: u64,
    /// Agents' accounts are called PREFIX-0001 and so on.
    #[arg(long, value_name = "PREFIX", default_value = "load")]
    pub agent_prefix: String,
    /// A file with the password of these accounts.
    #[arg(long, value_name = "FILE", conflicts_with = "password_stdin")]
    agent_password_file: Option<PathBuf>,
    /// Read that password from standard input.
    #[arg(long)]
    password_stdin: bool,
    /// The server's program, to make the accounts in --data that do not exist.
    #[arg(long, value_name = "PATH", requires = "data")]
    pub ringdesk: Option<PathBuf>,
    /// Conversations whose events are asked of the API afterwards and compared with the ledger.
    #[arg(long, value_name = "N", default_value_t = 50)]
    pub verify: u32,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum BackendName {
    Auto,
    Modern,
    Basic,
    Epoll,
}

/// What was typed and cannot be done: the operator's fault, each with its cure.
#[derive(Debug)]
pub enum UsageFault {
    /// An option has a value out of its limits.
    Value(String),
    /// A file that an option names cannot be read.
    File(PathBuf, io::Error),
    /// Standard input has no password.
    Input(io::Error),
}

impl fmt::Display for UsageFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Value(text) => f.write_str(text),
            Self::File(path, error) => write!(f, "{}: {error}", path.display()),
            Self::Input(error) => write!(f, "standard input: {error}"),
        }
    }
}

impl std::error::Error for UsageFault {}

impl CommonArguments {
    /// The server's address, and its name for the `Host` field.
    pub fn server(&self) -> Result<(SocketAddr, String), UsageFault> {
        let fault = |why: &str| UsageFault::Value(format!("--url {}: {why}", self.url));
        let host = self.url.strip_prefix("http://").ok_or_else(|| fault("must begin with http://"))?;
        let host = host.trim_end_matches('/');
        let usable = !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'/');
        if !usable {
            return Err(fault("must be http://HOST:PORT"));
        }
        let with_port = if host.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok()) {
            host.to_owned()
        } else {
            format!("{host}:80")
        };
        let mut addresses = with_port.to_socket_addrs().map_err(|error| fault(&error.to_string()))?;
        let address = addresses.next().ok_or_else(|| fault("the host has no address"))?;
        Ok((address, host.to_owned()))
    }

    /// Threads, backend and what to watch.
    pub fn machine(&self) -> Machine {
        let backend = match self.backend {
            BackendName::Auto => BackendChoice::Auto,
            BackendName::Modern => BackendChoice::Exactly(Backend::Modern),
            BackendName::Basic => BackendChoice::Exactly(Backend::Basic),
            BackendName::Epoll => BackendChoice::Exactly(Backend::Epoll),
        };
        Machine {
            threads: self.threads.map(usize::from),
            backend,
            server_pid: self.server_pid,
            until_file: self.until_file.clone(),
        }
    }

    /// The file to sign visitors with, if there is one.
    pub fn visitor_secret(&self) -> Option<PathBuf> {
        let in_data = || self.data.as_ref().map(|data| data.join(VISITOR_SECRET));
        self.visitor_secret_file.clone().or_else(in_data)
    }
}

impl ChatArguments {
    /// How many agents; everybody must be served at once.
    pub fn agents(&self) -> Result<u32, UsageFault> {
        let sessions = self.common.sessions;
        let agents = self.agents.unwrap_or(sessions.div_ceil(20));
        let least = sessions.div_ceil(u32::from(CAPACITY_MAX));
        if agents < least {
            return Err(UsageFault::Value(format!(
                "--agents {agents}: {sessions} sessions need at least {least}, {CAPACITY_MAX} conversations each"
            )));
        }
        Ok(agents)
    }

    /// Messages a second of each visitor.
    pub fn rate(&self) -> Result<f64, UsageFault> {
        within("--rate-per-session", self.rate_per_session, 1_000.0)
    }

    /// The share of VIPs: only a signed identity makes one.
    pub fn vip_share(&self) -> Result<f64, UsageFault> {
        match (self.vip_share, self.common.visitor_secret()) {
            (None, None) => Ok(0.0),
            (None, Some(_)) => Ok(VIP_SHARE),
            (Some(share), None) if share > 0.0 => Err(UsageFault::Value(format!(
                "--vip-share {share}: only signed visitors can be VIPs; give --visitor-secret-file or --data"
            ))),
            (Some(share), _) => within("--vip-share", share, 1.0),
        }
    }

    /// The password of the agents' accounts.
    pub fn password(&self) -> Result<String, UsageFault> {
        let text = match &self.agent_password_file {
            Some(path) => fs::read_to_string(path).map_err(|error| UsageFault::File(path.clone(), error))?,
            None if self.password_stdin => {
                let mut line = String::new();
                io::stdin().lock().read_line(&mut line).map_err(UsageFault::Input)?;
                line
            }
            None => {
                let text = "agents need a password: give --password-stdin or --agent-password-file";
                return Err(UsageFault::Value(text.to_owned()));
            }
        };
        Ok(text.trim_end_matches(['\r', '\n']).to_owned())
    }
}

fn within(name: &str, value: f64, most: f64) -> Result<f64, UsageFault> {
    if (0.0..=most).contains(&value) {
        return Ok(value);
    }
    Err(UsageFault::Value(format!("{name} {value}: must be from 0 to {most}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chat(line: &str) -> ChatArguments {
        let words = ["ringdesk-load", "chat"].into_iter().chain(line.split_whitespace());
        match Arguments::try_parse_from(words).expect("right").scenario {
            ScenarioArguments::Chat(chat) => chat,
            ScenarioArguments::Idle(_) => panic!("asked for chat"),
        }
    }

    #[test]
    fn the_grammar_holds_together() {
        <Arguments as clap::CommandFactory>::command().debug_assert();
    }

    #[test]
    fn urls_are_read_or_refused_by_name() {
        let server = |url: &str| chat(&format!("--url {url}")).common.server();
        let (address, host) = server("http://127.0.0.1:8123/").expect("right");
        assert_eq!((address.to_string().as_str(), host.as_str()), ("127.0.0.1:8123", "127.0.0.1:8123"));
        assert_eq!(server("http://127.0.0.1").expect("right").0.port(), 80);
        for wrong in ["127.0.0.1:80", "https://127.0.0.1", "http://", "http://127.0.0.1/path"] {
            assert!(server(wrong).is_err_and(|fault| fault.to_string().contains(wrong)), "{wrong}");
        }
    }

    #[test]
    fn everybody_is_served() {
        assert_eq!(chat("--sessions 2000").agents().expect("right"), 100);
        assert_eq!(chat("--sessions 101 --agents 2").agents().expect("right"), 2);
        assert!(chat("--sessions 101 --agents 1").agents().is_err());
    }

    #[test]
    fn vips_need_a_secret() {
        assert_eq!(chat("").vip_share().expect("right"), 0.0);
        assert_eq!(chat("--data somewhere").vip_share().expect("right"), VIP_SHARE);
        assert!(chat("--vip-share 0.1").vip_share().is_err());
        assert!(chat("--vip-share 1.1 --data somewhere").vip_share().is_err());
        assert!(chat("--rate-per-session NaN").rate().is_err());
    }
}
