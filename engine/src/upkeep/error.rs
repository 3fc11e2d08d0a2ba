//! Why a tool did not do what it was asked. Each says whose fault it is, and what to type next.

use std::{
    fmt, io,
    path::{Path, PathBuf},
};

use store::sql::SqlError;

use super::rebuild::Loss;
use crate::recovery::RecoveryError;

/// Why not.
#[derive(Debug)]
pub enum UpkeepError {
    /// The operator's: a server uses the folder, and this cannot be done beside one.
    InUse(PathBuf),
    /// The operator's: there is no data folder.
    NoData(PathBuf),
    /// The operator's: the folder to be made has something in it.
    NotEmpty(PathBuf),
    /// The operator's: a folder that is inside of the one that is copied.
    Inside(PathBuf),
    /// The operator's: no such damage.
    NotThere {
        /// What was named.
        named: String,
        /// What is there instead, if anything.
        found: Vec<String>,
    },
    /// The operator's: the damage cannot be cut; a newer version wrote it.
    Newer(PathBuf),
    /// The operator's: not without saying so.
    WouldLose(Box<Loss>),
    /// The operator's: a backup without its manifest was not finished.
    Unfinished(PathBuf),
    /// The machine's: a backup is not what its manifest says.
    Differs {
        /// Which file or count.
        what: String,
        /// What the manifest says.
        expected: String,
        /// What is there.
        found: String,
    },
    /// The machine's: a manifest that nobody can read.
    Manifest(PathBuf, String),
    /// The machine's: what was made is not what it should be; nothing was replaced.
    NotRight(String),
    /// The machine's: the disk.
    Disk(PathBuf, io::Error),
    /// As the database says.
    Sql(SqlError),
    /// As recovery says.
    Recovery(RecoveryError),
}

impl UpkeepError {
    /// For `map_err` beside a path.
    pub(super) fn disk(path: &Path) -> impl FnOnce(io::Error) -> Self + use<> {
        let path = path.to_owned();
        move |error| Self::Disk(path, error)
    }
}

impl fmt::Display for UpkeepError {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InUse(data) => write!(
                to,
                "a server uses {}, and this changes its files: stop the server first (systemctl stop ringdesk), \
                 then type the same again",
                data.display()
            ),
            Self::NoData(data) => {
                write!(to, "{} is no data folder: name the right one with --data", data.display())
            }
            Self::NotEmpty(folder) => write!(
                to,
                "{} is not empty, and nothing is ever written over: name another folder, or move this one away \
                 first (mv {0} {0}.old)",
                folder.display()
            ),
            Self::Inside(folder) => write!(
                to,
                "{} is inside of the data folder: name a folder elsewhere, on another disk if there is one",
                folder.display()
            ),
            Self::NotThere { named, found } if found.is_empty() => write!(
                to,
                "there is no damage at {named}, and nothing was changed: run `ringdesk doctor` again for what is wrong"
            ),
            Self::NotThere { named, found } => write!(
                to,
                "there is no damage at {named}, and nothing was changed: it is at {}",
                found.join(", ")
            ),
            Self::Newer(path) => write!(
                to,
                "{} was written by a newer version of ringdesk, and is not damaged: run that version, or a newer one",
                path.display()
            ),
            Self::WouldLose(loss) => write!(
                to,
                "nothing was changed, because the new database would lack what the old one had: {loss}. Restore a \
                 backup, or type the same with --accept-loss"
            ),
            Self::Unfinished(backup) => write!(
                to,
                "{} has no manifest.json: it is no backup, or one that was not finished; take another one",
                backup.display()
            ),
            Self::Differs { what, expected, found } => write!(
                to,
                "{what} is not what the manifest says ({found} instead of {expected}): this copy is damaged; use \
                 another backup"
            ),
            Self::Manifest(path, error) => {
                write!(to, "{} cannot be understood: {error}; use another backup", path.display())
            }
            Self::NotRight(what) => write!(
                to,
                "nothing was changed, because what was made is not right: {what}; keep the folder and report this"
            ),
            Self::Disk(path, error) => match error.kind() {
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                    write!(
                        to,
                        "{}: the disk is full: free some space, and type the same again",
                        path.display()
                    )
                }
                io::ErrorKind::PermissionDenied => {
                    write!(to, "{}: not allowed: run this as the user who runs the server", path.display())
                }
                _ => write!(to, "{}: {error}: check the disk and the owner", path.display()),
            },
            Self::Sql(error) => error.fmt(to),
            Self::Recovery(error) => error.fmt(to),
        }
    }
}

impl std::error::Error for UpkeepError {}

impl From<SqlError> for UpkeepError {
    fn from(error: SqlError) -> Self {
        Self::Sql(error)
    }
}

impl From<RecoveryError> for UpkeepError {
    fn from(error: RecoveryError) -> Self {
        match error {
            RecoveryError::Locked { path, .. } => Self::InUse(path),
            other => Self::Recovery(other),
        }
    }
}
