//! What the commands do, except for the server itself. What they mean was decided in [`super`].

use std::{
    fmt,
    io::{self, Write},
    path::Path,
    time::{SystemTime, UNIX_EPOCH},
};

use super::{AgentCommand, Command, VisitorTokenArguments};
use crate::identity::{
    VisitorClaims,
    secrets::{SecretError, Secrets},
};

/// Why a command that was understood did not come about.
#[derive(Debug)]
pub(super) enum CommandError {
    /// No secrets to sign with.
    Secrets(SecretError),
    /// Standard output takes nothing.
    Output(io::Error),
    /// The part of the program that does it has not come yet.
    NotInThisBuild(&'static str),
}

impl fmt::Display for CommandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Secrets(error) => error.fmt(f),
            Self::Output(error) => write!(f, "standard output takes nothing: {error}"),
            Self::NotInThisBuild(what) => write!(f, "{what} is not in this build"),
        }
    }
}

pub(super) fn execute(command: Command) -> Result<(), CommandError> {
    match command {
        Command::Serve(_) => Err(CommandError::NotInThisBuild("serve")),
        Command::Agent(_, command) => match command {
            AgentCommand::Add(..)
            | AgentCommand::List
            | AgentCommand::SetPassword(_)
            | AgentCommand::Disable(_) => Err(CommandError::NotInThisBuild("agent")),
        },
        Command::VisitorToken { data, visitor } => visitor_token(&data, visitor),
        Command::Doctor(_) => Err(CommandError::NotInThisBuild("doctor")),
    }
}

fn visitor_token(data: &Path, visitor: VisitorTokenArguments) -> Result<(), CommandError> {
    let secrets = Secrets::load_or_create(data).map_err(CommandError::Secrets)?;
    let claims = VisitorClaims {
        sub: visitor.id,
        name: visitor.name,
        class: visitor.class,
        site: visitor.site,
        exp: now_unix_s().saturating_add(visitor.ttl_s),
    };
    print(&secrets.identity().sign_visitor(&claims))
}

fn now_unix_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// A reader that has gone away (`ringdesk … | head -1`) is no failure.
fn print(line: &str) -> Result<(), CommandError> {
    match writeln!(io::stdout(), "{line}") {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(CommandError::Output(error)),
        _ => Ok(()),
    }
}
