//! Who takes part: agents' accounts and logins, and visitors' signed identities. All before the run.

use std::{
    fmt, fs,
    io::{self, Write},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Command, ExitStatus, Stdio},
    time::{SystemTime, UNIX_EPOCH},
};

use serde::{Deserialize, Serialize};

use crate::{
    http::{self, HttpFault},
    measure::Class,
    shared::Staff,
};

/// How long a visitor's identity lasts, in seconds: longer than any run.
const IDENTITY_TTL_S: u64 = 24 * 60 * 60;
/// Logins at once: each costs the server a deliberate tenth of a second of work or so.
const LOGINS_AT_ONCE: usize = 4;

/// Why somebody cannot take part.
#[derive(Debug)]
pub enum AccountFault {
    /// The server's program cannot be run.
    Program(PathBuf, io::Error),
    /// It ran, and made no account.
    NotMade(String, ExitStatus),
    /// The server knows no such agent with this password.
    Login(String, HttpFault),
    /// The secret cannot be read.
    Secret(PathBuf, io::Error),
}

impl fmt::Display for AccountFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Program(path, error) => {
                write!(f, "{}: {error}; give its path with --ringdesk", path.display())
            }
            Self::NotMade(name, status) => write!(f, "the account {name} was not made ({status})"),
            Self::Login(name, fault) => write!(
                f,
                "{name} cannot log in: {fault}; if the account has another password, use another --agent-prefix"
            ),
            Self::Secret(path, error) => write!(f, "{}: {error}", path.display()),
        }
    }
}

impl std::error::Error for AccountFault {}

/// Names of the agents: `PREFIX-0001` and so on.
pub fn names(prefix: &str, agents: u32) -> Vec<String> {
    (1..=agents).map(|number| format!("{prefix}-{number:04}")).collect()
}

/// Makes the accounts that do not exist, with the server's own program on its data directory.
pub fn create(ringdesk: &Path, data: &Path, names: &[String], password: &str) -> Result<(), AccountFault> {
    let fault = |error| AccountFault::Program(ringdesk.to_owned(), error);
    let list = Command::new(ringdesk).args(["agent", "list", "--data"]).arg(data).output().map_err(fault)?;
    let list = String::from_utf8_lossy(&list.stdout);
    let known: Vec<&str> = list.split_whitespace().collect();
    let missing: Vec<&String> = names.iter().filter(|name| !known.contains(&name.as_str())).collect();
    for (done, name) in missing.iter().enumerate() {
        let mut child = Command::new(ringdesk)
            .args(["agent", "add", "--name", name, "--role", "agent", "--password-stdin", "--data"])
            .arg(data)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .map_err(fault)?;
        let mut input = child.stdin.take().expect("it is piped");
        input.write_all(format!("{password}\n").as_bytes()).map_err(fault)?;
        drop(input);
        let status = child.wait().map_err(fault)?;
        if !status.success() {
            return Err(AccountFault::NotMade((*name).clone(), status));
        }
        if (done + 1) % 25 == 0 || done + 1 == missing.len() {
            eprintln!("accounts: {} of {} made", done + 1, missing.len());
        }
    }
    Ok(())
}

#[derive(Serialize)]
struct Login<'a> {
    name: &'a str,
    password: &'a str,
}

#[derive(Deserialize)]
struct LoggedIn {
    token: String,
}

/// Logs all of them in, a few at once.
pub fn log_in(
    address: SocketAddr,
    host: &str,
    names: &[String],
    password: &str,
) -> Result<Vec<Staff>, AccountFault> {
    let share = names.len().div_ceil(LOGINS_AT_ONCE).max(1);
    std::thread::scope(|scope| {
        let threads: Vec<_> = names
            .chunks(share)
            .map(|names| {
                let each =
                    move || names.iter().map(|name| log_in_one(address, host, name, password)).collect();
                scope.spawn::<_, Result<Vec<Staff>, AccountFault>>(each)
            })
            .collect();
        let mut all = Vec::with_capacity(names.len());
        for thread in threads {
            all.extend(thread.join().expect("a login does not panic")?);
        }
        Ok(all)
    })
}

fn log_in_one(address: SocketAddr, host: &str, name: &str, password: &str) -> Result<Staff, AccountFault> {
    let body = serde_json::to_string(&Login { name, password }).expect("strings become JSON");
    let answer = http::request(address, host, "POST", "/api/v1/login", None, &body)
        .and_then(|body| serde_json::from_slice::<LoggedIn>(&body).map_err(HttpFault::NotJson));
    match answer {
        Ok(LoggedIn { token }) => Ok(Staff { name: name.to_owned(), token }),
        Err(fault) => Err(AccountFault::Login(name.to_owned(), fault)),
    }
}

#[derive(Serialize)]
struct Claims {
    sub: String,
    name: String,
    class: &'static str,
    site: &'static str,
    exp: u64,
}

/// Signs an identity for each visitor, as a shop's back end would. `run` keeps visitors of different runs apart.
pub fn sign_visitors(
    secret: &Path,
    run: u32,
    classes: impl Iterator<Item = Class>,
) -> Result<Vec<String>, AccountFault> {
    let text = fs::read_to_string(secret).map_err(|error| AccountFault::Secret(secret.to_owned(), error))?;
    let key = jsonwebtoken::EncodingKey::from_secret(text.trim_end_matches(['\r', '\n']).as_bytes());
    let now_s = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let header = jsonwebtoken::Header::new(jsonwebtoken::Algorithm::HS256);
    let sign = |(number, class): (usize, Class)| {
        let claims = Claims {
            sub: format!("load-{run:08x}-{number}"),
            name: format!("Visitor {number}"),
            class: class.name(),
            site: "default",
            exp: now_s + IDENTITY_TTL_S,
        };
        jsonwebtoken::encode(&header, &claims, &key).expect("an HMAC of any bytes exists")
    };
    Ok(classes.enumerate().map(sign).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agents_are_named_in_order() {
        assert_eq!(names("load", 2), ["load-0001", "load-0002"]);
        assert_eq!(names("x", 10_000)[9_999], "x-10000");
    }
}
