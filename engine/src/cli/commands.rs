//! What the commands do, except for the server itself. What they mean was decided in [`super`].

mod upkeep;

use std::{
    fmt,
    io::{self, Read, Write},
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

use store::sql::{Account, Accounts, SqlError};

use super::{AgentCommand, Command, VisitorTokenArguments};
use crate::{
    accounts::{AccountName, HashError, PASSWORD_BYTES_MAX, Password, PasswordError},
    identity::{
        AgentRole, VisitorClaims,
        secrets::{SecretError, Secrets},
    },
    pool::records::DATABASE_FILE,
    server::{self, ServeError},
    upkeep::{error::UpkeepError, restore},
};

/// Why a command that was understood did not come about.
#[derive(Debug)]
pub(super) enum CommandError {
    /// No secrets to sign with.
    Secrets(SecretError),
    /// Standard output takes nothing.
    Output(io::Error),
    /// Standard input gives nothing.
    Input(io::Error),
    /// What it gave is no password.
    Password(PasswordError),
    /// No hash of it could be made.
    Hash(HashError),
    /// The database does not do it.
    Database(SqlError),
    /// There is an account of this name.
    NameTaken(AccountName),
    /// There is none.
    NoSuchAccount(AccountName),
    /// The server does not start, or had to end.
    Serve(ServeError),
    /// A tool did not do what it was asked.
    Upkeep(UpkeepError),
    /// The folder is damaged, as printed.
    Damaged(PathBuf),
    /// A restore into the folder was not ended.
    Unrestored(PathBuf),
}

impl fmt::Display for CommandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Secrets(error) => error.fmt(f),
            Self::Output(error) => write!(f, "standard output takes nothing: {error}"),
            Self::Input(error) => write!(f, "no password could be read from standard input: {error}"),
            Self::Password(error) => {
                write!(f, "{}; give another on standard input", error.text())
            }
            Self::Hash(error) => error.fmt(f),
            Self::Database(error) => error.fmt(f),
            Self::NameTaken(name) => {
                write!(f, "an account has the name {name} already; choose another, or use agent set-password")
            }
            Self::NoSuchAccount(name) => write!(f, "no account has the name {name}; see agent list"),
            Self::Serve(error) => error.fmt(f),
            Self::Upkeep(error) => error.fmt(f),
            Self::Damaged(data) => write!(f, "{} is damaged: what to type next stands above", data.display()),
            Self::Unrestored(data) => write!(
                f,
                "a restore into {} was begun and not ended: type the same ringdesk restore again",
                data.display()
            ),
        }
    }
}

pub(super) fn execute(command: Command) -> Result<(), CommandError> {
    match command {
        Command::Serve(loaded) => {
            restored(&loaded.config.data)?;
            server::serve(*loaded).map_err(CommandError::Serve)
        }
        Command::Agent(data, command) => agent(&data, command),
        Command::VisitorToken { data, visitor } => visitor_token(&data, visitor),
        Command::Doctor { data, doctor } => upkeep::doctor(&data, doctor),
        Command::Backup { data, folder } => upkeep::backup(&data, &folder),
        Command::Restore(arguments) => upkeep::restore(&arguments),
    }
}

/// A folder that is half restored must not be taken for a new one.
fn restored(data: &Path) -> Result<(), CommandError> {
    if restore::is_unfinished(data) { Err(CommandError::Unrestored(data.to_owned())) } else { Ok(()) }
}

/// Straight to SQL: works before the first start and while the server runs.
fn agent(data: &Path, command: AgentCommand) -> Result<(), CommandError> {
    restored(data)?;
    // Makes the data directory, too; the server would make the same secrets.
    Secrets::load_or_create(data).map_err(CommandError::Secrets)?;
    let accounts = Accounts::open(&data.join(DATABASE_FILE)).map_err(CommandError::Database)?;
    match command {
        AgentCommand::Add(name, role) => add(&accounts, name, role),
        AgentCommand::List => list(&accounts),
        AgentCommand::SetPassword(name) => {
            let hash = read_password()?.hash().map_err(CommandError::Hash)?;
            existed(accounts.set_password(name.as_str(), &hash), name)
        }
        AgentCommand::Disable(name) => existed(accounts.set_disabled(name.as_str(), true), name),
    }
}

fn add(accounts: &Accounts, name: AccountName, role: AgentRole) -> Result<(), CommandError> {
    let account = Account {
        name: name.as_str().to_owned(),
        role: role.into(),
        password_hash: read_password()?.hash().map_err(CommandError::Hash)?,
        created_at_ms: now_unix_s() * 1_000,
        disabled: false,
    };
    match accounts.create(&account).map_err(CommandError::Database)? {
        true => Ok(()),
        false => Err(CommandError::NameTaken(name)),
    }
}

fn list(accounts: &Accounts) -> Result<(), CommandError> {
    for account in accounts.list().map_err(CommandError::Database)? {
        let state = if account.disabled { "disabled" } else { "enabled" };
        print(&format!("{}\t{}\t{state}", account.name, AgentRole::from(account.role).name()))?;
    }
    Ok(())
}

fn existed(changed: Result<bool, SqlError>, name: AccountName) -> Result<(), CommandError> {
    match changed.map_err(CommandError::Database)? {
        true => Ok(()),
        false => Err(CommandError::NoSuchAccount(name)),
    }
}

/// All of standard input without the end of its last line: `echo` adds one, `printf` does not.
fn read_password() -> Result<Password, CommandError> {
    let mut text = String::new();
    let bytes_max = PASSWORD_BYTES_MAX as u64 + 2;
    io::stdin().take(bytes_max).read_to_string(&mut text).map_err(CommandError::Input)?;
    if text.ends_with('\n') {
        text.pop();
        if text.ends_with('\r') {
            text.pop();
        }
    }
    Password::new(text).map_err(CommandError::Password)
}

fn visitor_token(data: &Path, visitor: VisitorTokenArguments) -> Result<(), CommandError> {
    restored(data)?;
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
    now_unix_ms() / 1_000
}

fn now_unix_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}

/// A reader that has gone away (`ringdesk … | head -1`) is no failure.
fn print(line: &str) -> Result<(), CommandError> {
    match writeln!(io::stdout(), "{line}") {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(CommandError::Output(error)),
        _ => Ok(()),
    }
}
