//! The two secret files of a data directory: made on first need, then only read.
//!
//! A secret is the *text* of its file without the line's end, as bytes: what the shop's back end pastes into
//! its JWT library is what we use.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

/// The file whose secret the shop's back end signs its visitors with.
pub const VISITOR_FILE: &str = "visitor.secret";
/// The file whose secret signs logins; it never leaves the server.
pub const LOGIN_FILE: &str = "login.secret";
/// Random bytes of a secret that we make; twice as many hexadecimal digits.
const SECRET_RANDOM_BYTES: usize = 32;
/// Shortest and longest secret accepted, for operators who bring their own.
const SECRET_BYTES: (usize, usize) = (32, 512);

const _: () = assert!(SECRET_RANDOM_BYTES * 2 >= SECRET_BYTES.0);

/// Both secrets.
#[derive(Clone)]
pub struct Secrets {
    /// The text of [`VISITOR_FILE`].
    pub visitor: String,
    /// The text of [`LOGIN_FILE`].
    pub login: String,
}

/// Why there are no secrets, with the file.
#[derive(Debug)]
pub enum SecretError {
    /// The machine's fault: the file cannot be made or read.
    Io(PathBuf, io::Error),
    /// The operator's fault: the file has something else in it.
    NotASecret(PathBuf),
}

impl std::fmt::Display for SecretError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Io(path, error) => write!(
                f,
                "{}: {error}; the data directory must be writable by the user who runs ringdesk",
                path.display()
            ),
            Self::NotASecret(path) => write!(
                f,
                "{}: not a secret: one line of {} to {} visible ASCII characters; put the old one back, or \
                 delete the file to have a new one made (tokens signed with the old one end)",
                path.display(),
                SECRET_BYTES.0,
                SECRET_BYTES.1
            ),
        }
    }
}

impl std::error::Error for SecretError {}

impl Secrets {
    /// Reads both, making what is not there: the directory, and files that only their owner may read. Two
    /// processes that do so at once get the same secrets.
    pub fn load_or_create(data: &Path) -> Result<Self, SecretError> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(data)
            .map_err(|error| SecretError::Io(data.to_owned(), error))?;
        Ok(Self { visitor: secret(data, VISITOR_FILE)?, login: secret(data, LOGIN_FILE)? })
    }

    /// The identity that signs and reads with them.
    pub fn identity(&self) -> super::Identity {
        super::Identity::new(self.visitor.as_bytes(), self.login.as_bytes())
    }
}

fn secret(data: &Path, name: &str) -> Result<String, SecretError> {
    let path = data.join(name);
    let fault = |error| SecretError::Io(path.clone(), error);
    if !path.try_exists().map_err(fault)? {
        create(data, &path).map_err(fault)?;
    }
    read(&path)
}

fn read(path: &Path) -> Result<String, SecretError> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::InvalidData => {
            return Err(SecretError::NotASecret(path.to_owned()));
        }
        Err(error) => return Err(SecretError::Io(path.to_owned(), error)),
    };
    let text = text.trim_end_matches(['\r', '\n']);
    let right = (SECRET_BYTES.0..=SECRET_BYTES.1).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_graphic());
    if right { Ok(text.to_owned()) } else { Err(SecretError::NotASecret(path.to_owned())) }
}

/// Whether there is a secret in the file.
pub fn check(path: &Path) -> Result<(), SecretError> {
    read(path).map(drop)
}

/// Writes a temporary file and links it to its name: whoever sees the name sees the whole secret, and of two
/// that race the second finds the first one's.
fn create(data: &Path, path: &Path) -> io::Result<()> {
    let temporary = data.join(format!(".secret-{}", random_hex(8)?));
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
    let written = random_hex(SECRET_RANDOM_BYTES)
        .and_then(|secret| file.write_all(format!("{secret}\n").as_bytes()))
        .and_then(|()| file.sync_all())
        .and_then(|()| match fs::hard_link(&temporary, path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            linked => linked,
        });
    fs::remove_file(&temporary)?;
    written?;
    File::open(data)?.sync_all()
}

/// So many random bytes as hexadecimal digits.
pub fn random_hex(bytes: usize) -> io::Result<String> {
    let mut random = vec![0; bytes];
    getrandom::fill(&mut random).map_err(|error| io::Error::other(error.to_string()))?;
    Ok(random.iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn secrets_are_made_once_and_only_their_owner_reads_them() {
        let directory = tempfile::tempdir().expect("a directory");
        let data = directory.path().join("data");
        let first = Secrets::load_or_create(&data).expect("made");
        let second = Secrets::load_or_create(&data).expect("read");
        assert_eq!((&first.visitor, &first.login), (&second.visitor, &second.login));
        assert_ne!(first.visitor, first.login);
        assert_eq!(first.visitor.len(), 64);
        let mut names = Vec::new();
        for entry in fs::read_dir(&data).expect("listed") {
            let entry = entry.expect("an entry");
            assert_eq!(entry.metadata().expect("stat").permissions().mode() & 0o777, 0o600);
            names.push(entry.file_name());
        }
        assert_eq!(names.len(), 2, "no temporary file stays: {names:?}");
    }

    #[test]
    fn starts_that_race_agree() {
        let directory = tempfile::tempdir().expect("a directory");
        let load = || Secrets::load_or_create(directory.path()).expect("loaded").visitor;
        let all: Vec<String> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(load)).collect();
            threads.into_iter().map(|thread| thread.join().expect("no panic")).collect()
        });
        assert!(all.iter().all(|secret| *secret == all[0]));
    }

    #[test]
    fn a_file_with_something_else_in_it_is_refused_by_name() {
        let directory = tempfile::tempdir().expect("a directory");
        for text in ["", "short", "with a space in it, and longer than 32", &"x".repeat(513)] {
            fs::write(directory.path().join(VISITOR_FILE), text).expect("written");
            let told = Secrets::load_or_create(directory.path()).err().expect("refused").to_string();
            assert!(told.contains("visitor.secret: not a secret"), "{told}");
        }
    }
}
