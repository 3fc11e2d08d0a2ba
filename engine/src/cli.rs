//! The command line: what was typed → what it means. Doing it is [`commands`]'s and the server's.
//!
//! Exit codes are decided here and nowhere else: 0 done, 1 failed, 2 not understood.

mod commands;
mod upkeep;

use std::{ffi::OsString, path::PathBuf, process::ExitCode};

use clap::{Arg, ArgAction, ArgMatches};

use crate::{
    accounts::{AccountName, NameError},
    config::{self, ConfigError, Loaded, settings},
    identity::{AgentRole, Class, SITE_DEFAULT},
};
use codec::message::NAME_BYTES_MAX;
pub use upkeep::{DoctorAction, DoctorArguments, RestoreArguments};

/// Longest life of a token made by `visitor-token`, in seconds: a year.
const TOKEN_TTL_S_MAX: u64 = 365 * 24 * 60 * 60;

/// What one call of the program is to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Be the server.
    Serve(Box<Loaded>),
    /// Change or show accounts.
    Agent(PathBuf, AgentCommand),
    /// Print a visitor's signed identity.
    VisitorToken {
        /// The data directory.
        data: PathBuf,
        /// Who.
        visitor: VisitorTokenArguments,
    },
    /// Examine the data directory, or mend it.
    Doctor {
        /// The data directory.
        data: PathBuf,
        /// What to do, and how to tell it.
        doctor: DoctorArguments,
    },
    /// Copy the data directory.
    Backup {
        /// The data directory.
        data: PathBuf,
        /// The folder to be made.
        folder: PathBuf,
    },
    /// Make a data directory of a backup, or examine a backup.
    Restore(RestoreArguments),
}

/// What to do with accounts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AgentCommand {
    /// Make one; the password comes on standard input.
    Add(AccountName, AgentRole),
    /// Show all.
    List,
    /// Give it another password, from standard input.
    SetPassword(AccountName),
    /// Refuse its logins from now on.
    Disable(AccountName),
}

/// What a visitor's token is to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VisitorTokenArguments {
    /// The visitor's id within the site.
    pub id: String,
    /// The name to show; may be empty.
    pub name: String,
    /// VIP or not.
    pub class: Class,
    /// Which shop.
    pub site: String,
    /// How long it is good, in seconds.
    pub ttl_s: u64,
}

/// Why what was typed means nothing.
#[derive(Debug)]
pub enum UsageError {
    /// Flags that clap does not take; also its help and version, which are no error.
    Clap(clap::Error),
    /// Settings that make no configuration.
    Config(Vec<ConfigError>),
    /// A value out of its limits, in a sentence.
    Value(String),
}

/// How a call of the program ended.
enum Outcome {
    Done,
    Failed(String),
    NotUnderstood(String),
}

/// The whole program.
pub fn run() -> ExitCode {
    let variable = |name: &str| std::env::var(name).ok();
    let outcome = match parse(std::env::args_os(), variable) {
        Ok(command) => match commands::execute(command) {
            Ok(()) => Outcome::Done,
            Err(error) => Outcome::Failed(error.to_string()),
        },
        Err(UsageError::Clap(error)) => return print_clap(&error),
        Err(UsageError::Config(errors)) => {
            Outcome::NotUnderstood(errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
        }
        Err(UsageError::Value(text)) => Outcome::NotUnderstood(text),
    };
    let (text, code) = match outcome {
        Outcome::Done => return ExitCode::SUCCESS,
        Outcome::Failed(text) => (text, 1),
        Outcome::NotUnderstood(text) => (text, 2),
    };
    for line in text.lines() {
        eprintln!("ringdesk: {line}");
    }
    ExitCode::from(code)
}

/// Help and version go to standard output and are a success; the rest is usage.
fn print_clap(error: &clap::Error) -> ExitCode {
    if error.print().is_err() {
        // Nobody reads: `ringdesk --help | head -1` is no failure.
        return ExitCode::SUCCESS;
    }
    ExitCode::from(if error.use_stderr() { 2 } else { 0 })
}

/// What the arguments mean, with the variables for what they leave out.
pub fn parse(
    arguments: impl IntoIterator<Item = impl Into<OsString> + Clone>,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<Command, UsageError> {
    let matches = grammar().try_get_matches_from(arguments).map_err(UsageError::Clap)?;
    let (verb, given) = matches.subcommand().expect("the grammar requires a subcommand");
    match verb {
        "serve" => serve(given, variable),
        "agent" => {
            let (verb, given) = given.subcommand().expect("the grammar requires a subcommand");
            Ok(Command::Agent(data(given, variable), agent(verb, given)?))
        }
        "visitor-token" => {
            Ok(Command::VisitorToken { visitor: visitor_token(given)?, data: data(given, variable) })
        }
        "doctor" => Ok(Command::Doctor { doctor: upkeep::doctor(given)?, data: data(given, variable) }),
        "backup" => Ok(Command::Backup { folder: upkeep::folder(given), data: data(given, variable) }),
        "restore" => Ok(Command::Restore(upkeep::restore(given)?)),
        unknown => unreachable!("the grammar has no {unknown}"),
    }
}

fn serve(given: &ArgMatches, variable: impl Fn(&str) -> Option<String>) -> Result<Command, UsageError> {
    let flags = settings::SETTINGS
        .iter()
        .filter_map(|setting| given.get_one::<String>(setting.name).map(|text| (setting.name, text.clone())))
        .collect();
    let file = given.get_one::<PathBuf>("config").cloned();
    config::load(flags, file, variable)
        .map(|loaded| Command::Serve(Box::new(loaded)))
        .map_err(UsageError::Config)
}

fn agent(verb: &str, given: &ArgMatches) -> Result<AgentCommand, UsageError> {
    match verb {
        "add" => {
            let role = text(given, "role");
            let role = AgentRole::from_name(role).ok_or_else(|| {
                UsageError::Value(format!("--role {role}: must be agent, supervisor or admin"))
            })?;
            Ok(AgentCommand::Add(account_name(given)?, role))
        }
        "list" => Ok(AgentCommand::List),
        "set-password" => Ok(AgentCommand::SetPassword(account_name(given)?)),
        "disable" => Ok(AgentCommand::Disable(account_name(given)?)),
        unknown => unreachable!("the grammar has no agent {unknown}"),
    }
}

fn account_name(given: &ArgMatches) -> Result<AccountName, UsageError> {
    let name = text(given, "name");
    AccountName::new(name)
        .map_err(|error: NameError| UsageError::Value(format!("--name {name}: {}", error.text())))
}

fn visitor_token(given: &ArgMatches) -> Result<VisitorTokenArguments, UsageError> {
    let limited = |flag: &'static str, bytes_min: usize| {
        let text = text(given, flag);
        match text.len() {
            bytes if bytes >= bytes_min && bytes <= NAME_BYTES_MAX => Ok(text.to_owned()),
            bytes => Err(UsageError::Value(format!(
                "--{flag}: has {bytes} bytes; must have {bytes_min} to {NAME_BYTES_MAX}"
            ))),
        }
    };
    let id = limited("visitor", 1)?;
    if id.starts_with(crate::identity::ANONYMOUS_PREFIX) {
        return Err(UsageError::Value(format!(
            "--visitor {id}: ids that begin with anon- are the server's own; choose another"
        )));
    }
    let class = match text(given, "class") {
        "vip" => Class::Vip,
        "normal" => Class::Normal,
        other => return Err(UsageError::Value(format!("--class {other}: must be vip or normal"))),
    };
    let ttl = text(given, "ttl");
    let ttl_s = seconds(ttl).ok_or_else(|| {
        UsageError::Value(format!("--ttl {ttl}: must be a time from 1s to 365d, such as 90s, 15m, 1h or 30d"))
    })?;
    Ok(VisitorTokenArguments { id, name: limited("name", 0)?, class, site: limited("site", 1)?, ttl_s })
}

/// `90s`, `15m`, `1h`, `30d` in seconds.
fn seconds(text: &str) -> Option<u64> {
    let unit_s = match text.bytes().last()? {
        b's' => 1,
        b'm' => 60,
        b'h' => 60 * 60,
        b'd' => 24 * 60 * 60,
        _ => return None,
    };
    let number: u64 = text[..text.len() - 1].parse().ok()?;
    number.checked_mul(unit_s).filter(|seconds| (1..=TOKEN_TTL_S_MAX).contains(seconds))
}

/// A flag that the grammar requires or gives a default.
fn text<'a>(given: &'a ArgMatches, flag: &str) -> &'a str {
    given.get_one::<String>(flag).expect("the grammar requires it or has a default")
}

/// The data directory of commands other than `serve`: flag, else variable, else default.
fn data(given: &ArgMatches, variable: impl Fn(&str) -> Option<String>) -> PathBuf {
    given
        .get_one::<PathBuf>("data")
        .cloned()
        .or_else(|| variable(&settings::DATA.variable()).map(PathBuf::from))
        .unwrap_or_else(|| PathBuf::from(config::DATA_DEFAULT))
}

fn grammar() -> clap::Command {
    clap::Command::new("ringdesk")
        .version(env!("CARGO_PKG_VERSION"))
        .about("A whole online customer-service desk in one binary")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(serve_grammar())
        .subcommand(agent_grammar())
        .subcommand(
            clap::Command::new("visitor-token")
                .about("Print a visitor's signed identity, as the shop's back end would sign it")
                .arg(data_argument())
                .arg(flag("visitor", "ID", "The visitor's id, 1 to 128 bytes").required(true))
                .arg(flag("name", "NAME", "The name agents see").default_value(""))
                .arg(flag("class", "CLASS", "vip or normal").default_value("normal"))
                .arg(flag("ttl", "TIME", "How long it is good: 90s, 15m, 1h, 30d").default_value("1h"))
                .arg(flag("site", "SITE", "The shop").default_value(SITE_DEFAULT)),
        )
        .subcommand(upkeep::doctor_grammar())
        .subcommand(upkeep::backup_grammar())
        .subcommand(upkeep::restore_grammar())
}

fn serve_grammar() -> clap::Command {
    clap::Command::new("serve")
        .about("Run the server")
        .after_help(
            "Each setting may also be a RINGDESK_* variable (--log-format: RINGDESK_LOG_FORMAT) or a key of \
             the file (log-format = \"json\"). A flag beats a variable beats the file.",
        )
        .args(settings::SETTINGS.map(|setting| {
            let help = match setting.default {
                "" => setting.help.to_owned(),
                default => format!("{} [default: {default}]", setting.help),
            };
            Arg::new(setting.name)
                .long(setting.name)
                .value_name(setting.value_name)
                .help(help)
                .allow_hyphen_values(true)
        }))
        .arg(
            flag("config", "FILE", "A TOML file with the same settings [variable: RINGDESK_CONFIG]")
                .value_parser(clap::value_parser!(PathBuf)),
        )
}

fn agent_grammar() -> clap::Command {
    let name = || {
        flag("name", "NAME", "The account: 1 to 64 letters, digits or one of ._-@")
            .required(true)
            .allow_hyphen_values(true)
    };
    let password = || {
        Arg::new("password-stdin")
            .long("password-stdin")
            .required(true)
            .action(ArgAction::SetTrue)
            .help("Read the password, at least 8 characters, from standard input")
    };
    clap::Command::new("agent")
        .about("Accounts of the people at the desk; works while the server runs")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(
            clap::Command::new("add")
                .about("Make an account")
                .arg(data_argument())
                .arg(name())
                .arg(flag("role", "ROLE", "agent, supervisor or admin").required(true))
                .arg(password()),
        )
        .subcommand(clap::Command::new("list").about("Show all accounts").arg(data_argument()))
        .subcommand(
            clap::Command::new("set-password")
                .about("Give an account another password")
                .arg(data_argument())
                .arg(name())
                .arg(password()),
        )
        .subcommand(
            clap::Command::new("disable")
                .about("Refuse an account's logins from now on")
                .arg(data_argument())
                .arg(name()),
        )
}

fn flag(name: &'static str, value_name: &'static str, help: &'static str) -> Arg {
    Arg::new(name).long(name).value_name(value_name).help(help)
}

fn data_argument() -> Arg {
    flag("data", "DIR", "The server's data directory [variable: RINGDESK_DATA] [default: ./data]")
        .value_parser(clap::value_parser!(PathBuf))
}

#[cfg(test)]
#[path = "cli/tests.rs"]
mod tests;
