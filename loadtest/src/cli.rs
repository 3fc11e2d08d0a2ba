//! The command line: what is typed, and what it means. Nothing is connected here.

use std::{
    fmt, fs,
    io::{self, BufRead},
    net::{SocketAddr, ToSocketAddrs},
    path::PathBuf,
};

use clap::{Args, Parser, Subcommand, ValueEnum};
use net::{Backend, BackendChoice};

use crate::{
    run::Machine,
    scenario::{SESSIONS_MAX, Scenario, ScenarioFault, Step},
};

/// The name of the secret that visitors' identities are signed with, in the server's data directory.
const VISITOR_SECRET: &str = "visitor.secret";
/// Share of VIPs when nobody says, where identities can be signed.
const VIP_SHARE: f64 = 0.05;

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
    /// Runs a scenario: one that comes with the program, or a TOML file.
    Run(Box<RunArguments>),
    /// Visitors speak, agents answer; fails if anything is lost, doubled or out of order.
    Chat(Box<ChatArguments>),
    /// Visitors connect, say hello and nothing else.
    Idle(Box<IdleArguments>),
    /// Lists the scenarios that come with the program.
    List,
}

/// What every scenario takes.
#[derive(Debug, Args)]
pub struct CommonArguments {
    /// The server: http://HOST:PORT.
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8080")]
    url: String,
    /// The same seed makes the same schedule.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// Threads [default: as few as hold the connections].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=128))]
    threads: Option<u16>,
    /// How the generator talks to the kernel.
    #[arg(long, default_value = "auto")]
    backend: BackendName,
    /// The server's process on this machine, to tell its memory and CPU.
    #[arg(long, value_name = "PID")]
    server_pid: Option<u32>,
    /// Stop speaking once this file exists, even if the time is not over.
    #[arg(long, value_name = "FILE")]
    until_file: Option<PathBuf>,
    /// Where to write report.html, report.json and the histograms; the machine's floor is measured there, too.
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// The server's data directory, for its visitor secret and to make agents' accounts.
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// The secret to sign visitors' identities with [default: visitor.secret in --data; else anonymous].
    #[arg(long, value_name = "FILE")]
    visitor_secret_file: Option<PathBuf>,
}

/// Where agents come from.
#[derive(Debug, Default, Args)]
pub struct PeopleArguments {
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
}

/// What `run` takes.
#[derive(Debug, Args)]
pub struct RunArguments {
    /// A scenario's name (see `list`), or a file.
    #[arg(value_name = "SCENARIO")]
    name: String,
    /// Shared with other scenarios.
    #[command(flatten)]
    pub common: CommonArguments,
    /// Agents.
    #[command(flatten)]
    pub people: PeopleArguments,
    /// Visitors, instead of what the scenario says.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=i64::from(SESSIONS_MAX)))]
    sessions: Option<u32>,
    /// Agents, instead of what the scenario says.
    #[arg(long, value_name = "N")]
    agents: Option<u32>,
    /// Length of each step, instead of what the scenario says; for a quick look.
    #[arg(long, value_name = "S", value_parser = clap::value_parser!(u64).range(1..))]
    step_seconds: Option<u64>,
}

/// What `chat` takes.
#[derive(Debug, Args)]
pub struct ChatArguments {
    /// Shared with other scenarios.
    #[command(flatten)]
    pub common: CommonArguments,
    /// Agents' accounts.
    #[command(flatten)]
    pub people: PeopleArguments,
    /// How many, and how long.
    #[command(flatten)]
    pub crowd: CrowdArguments,
    /// Agents [default: one for 20 sessions].
    #[arg(long, value_name = "N")]
    agents: Option<u32>,
    /// Messages a second of each visitor.
    #[arg(long, value_name = "R", default_value_t = 0.1)]
    rate_per_session: f64,
    /// Share of visitors who are VIPs [default: 0.05 where identities can be signed].
    #[arg(long, value_name = "SHARE")]
    vip_share: Option<f64>,
    /// Visitors type before each message.
    #[arg(long)]
    typing: bool,
    /// Agents answer each how-many-th message of a visitor; 0 for none.
    #[arg(long, value_name = "N", default_value_t = 2)]
    pub answer_every: u32,
    /// How long agents think on average, in milliseconds.
    #[arg(long, value_name = "MS", default_value_t = 500)]
    pub answer_after_ms: u64,
    /// Conversations whose events are asked of the API afterwards and compared with the ledger.
    #[arg(long, value_name = "N", default_value_t = 50)]
    pub verify: u32,
}

/// What `idle` takes.
#[derive(Debug, Args)]
pub struct IdleArguments {
    /// Shared with other scenarios.
    #[command(flatten)]
    pub common: CommonArguments,
    /// How many, and how long.
    #[command(flatten)]
    pub crowd: CrowdArguments,
}

/// How many visitors, and how long.
#[derive(Debug, Args)]
pub struct CrowdArguments {
    /// Visitors.
    #[arg(long, value_name = "N", default_value_t = 2_000, value_parser = clap::value_parser!(u32).range(1..=i64::from(SESSIONS_MAX)))]
    pub sessions: u32,
    /// How long they speak, or stay.
    #[arg(long, value_name = "S", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..))]
    pub seconds: u64,
    /// New connections a second.
    #[arg(long, value_name = "N", default_value_t = 2_000, value_parser = clap::value_parser!(u32).range(1..))]
    pub connect_rate: u32,
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
    /// The scenario of this name, or in this file, cannot be run.
    Scenario(String, ScenarioFault),
}

impl fmt::Display for UsageFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Value(text) => f.write_str(text),
            Self::File(path, error) => write!(f, "{}: {error}", path.display()),
            Self::Input(error) => write!(f, "standard input: {error}"),
            Self::Scenario(name, fault) => write!(f, "{name}: {fault}"),
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
            floor_directory: self.out.clone(),
        }
    }

    /// The file to sign visitors with, if there is one.
    pub fn visitor_secret(&self) -> Option<PathBuf> {
        let in_data = || self.data.as_ref().map(|data| data.join(VISITOR_SECRET));
        self.visitor_secret_file.clone().or_else(in_data)
    }
}

impl RunArguments {
    /// The scenario, with what the command line says instead.
    pub fn scenario(&self) -> Result<Scenario, UsageFault> {
        let mut scenario = match Scenario::built_in(&self.name) {
            Some(scenario) => scenario,
            None => {
                let path = PathBuf::from(&self.name);
                let text = fs::read_to_string(&path).map_err(|error| UsageFault::File(path, error))?;
                Scenario::parse(&text).map_err(|fault| UsageFault::Scenario(self.name.clone(), fault))?
            }
        };
        scenario.sessions = self.sessions.unwrap_or(scenario.sessions);
        scenario.agents = self.agents.or(scenario.agents);
        if let Some(seconds) = self.step_seconds {
            scenario.steps.iter_mut().for_each(|step| step.seconds = seconds);
        }
        if scenario.vip_share > 0.0 && self.common.visitor_secret().is_none() {
            let text = "has VIPs, and only signed visitors can be VIPs; give --visitor-secret-file or --data";
            return Err(UsageFault::Value(format!("{} {text}", self.name)));
        }
        scenario.check().map_err(|fault| UsageFault::Scenario(self.name.clone(), fault))?;
        Ok(scenario)
    }
}

impl IdleArguments {
    /// Visitors who do nothing.
    pub fn scenario(&self) -> Scenario {
        Scenario::idle(self.crowd.sessions, self.crowd.seconds, self.crowd.connect_rate)
    }
}

impl ChatArguments {
    /// One step of talking.
    pub fn scenario(&self) -> Result<Scenario, UsageFault> {
        let CrowdArguments { sessions, seconds, connect_rate } = self.crowd;
        let per_session = Some(self.rate_per_session);
        let step = Step { name: "chat".to_owned(), seconds, per_session, ..Step::default() };
        let scenario = Scenario {
            name: "chat".to_owned(),
            agents: self.agents,
            sessions_per_agent: 20,
            vip_share: self.vip_share()?,
            typing: self.typing,
            answer_every: self.answer_every,
            answer_after_ms: self.answer_after_ms,
            verify: self.verify,
            steps: vec![step],
            ..Scenario::idle(sessions, seconds, connect_rate)
        };
        scenario.check().map_err(|fault| UsageFault::Scenario("chat".to_owned(), fault))?;
        Ok(scenario)
    }

    /// The share of VIPs: only a signed identity makes one.
    fn vip_share(&self) -> Result<f64, UsageFault> {
        match (self.vip_share, self.common.visitor_secret()) {
            (None, None) => Ok(0.0),
            (None, Some(_)) => Ok(VIP_SHARE),
            (Some(share), None) if share > 0.0 => Err(UsageFault::Value(format!(
                "--vip-share {share}: only signed visitors can be VIPs; give --visitor-secret-file or --data"
            ))),
            (Some(share), _) => Ok(share),
        }
    }
}

impl PeopleArguments {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> ScenarioArguments {
        let words = std::iter::once("ringdesk-load").chain(line.split_whitespace());
        Arguments::try_parse_from(words).expect("right").scenario
    }

    fn chat(line: &str) -> Box<ChatArguments> {
        match parse(&format!("chat {line}")) {
            ScenarioArguments::Chat(chat) => chat,
            other => panic!("asked for chat: {other:?}"),
        }
    }

    fn run(line: &str) -> Result<Scenario, UsageFault> {
        match parse(&format!("run {line}")) {
            ScenarioArguments::Run(run) => run.scenario(),
            other => panic!("asked for run: {other:?}"),
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
        assert_eq!(chat("--sessions 2000").scenario().expect("right").agents(), 100);
        assert_eq!(chat("--sessions 101 --agents 2").scenario().expect("right").agents(), 2);
        assert!(chat("--sessions 101 --agents 1").scenario().is_err());
    }

    #[test]
    fn vips_need_a_secret() {
        assert_eq!(chat("").scenario().expect("right").vip_share, 0.0);
        assert_eq!(chat("--data somewhere").scenario().expect("right").vip_share, VIP_SHARE);
        assert!(chat("--vip-share 0.1").scenario().is_err());
        assert!(chat("--vip-share 1.1 --data somewhere").scenario().is_err());
        assert!(chat("--rate-per-session NaN").scenario().is_err());
        assert!(run("steps").is_err(), "a scenario with VIPs");
    }

    #[test]
    fn the_command_line_changes_a_scenario_and_cannot_make_it_wrong() {
        let scenario = run("twenty-thousand --data d --sessions 200 --step-seconds 3").expect("right");
        assert_eq!((scenario.sessions, scenario.agents()), (200, 10));
        assert!(scenario.steps.iter().all(|step| step.seconds == 3));
        assert!(run("twenty-thousand --data d --agents 1").is_err());
        assert!(run("no-such-scenario").is_err_and(|fault| fault.to_string().contains("no-such-scenario")));
    }
}
