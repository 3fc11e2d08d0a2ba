//! SQL for tasks that must not block: questions go to the blocking threads, a few at a time.
//!
//! What can be asked is `store::sql`'s; who may ask, the API's.

use std::{
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use store::sql::{Accounts, Reader, Replies, SqlError, StoredTeam, Teams as StoredTeams};
use tokio::sync::Semaphore;

use crate::{
    desk::teams::{Team, Teams},
    jobs::StoreUnavailable,
};

/// The database's file in the data directory.
pub const DATABASE_FILE: &str = "ringdesk.db";
/// Questions answered at once; each has a thread and a connection.
pub const READERS: usize = 4;

/// The database. Clones are the same.
#[derive(Clone)]
pub struct Records(Arc<Shared>);

struct Shared {
    /// Those that nobody uses; as many as `permits`.
    readers: Mutex<Vec<Reader>>,
    permits: Semaphore,
    accounts: Mutex<Accounts>,
    teams: Mutex<StoredTeams>,
    replies: Mutex<Replies>,
}

impl Records {
    /// Opens the database in `data`, making it if it is not there.
    pub fn open(data: &Path) -> Result<Self, SqlError> {
        let path = data.join(DATABASE_FILE);
        let accounts = Accounts::open(&path)?;
        let teams = StoredTeams::open(&path)?;
        let replies = Replies::open(&path)?;
        let readers = (0..READERS).map(|_| Reader::open(&path)).collect::<Result<_, _>>()?;
        Ok(Self(Arc::new(Shared {
            readers: Mutex::new(readers),
            permits: Semaphore::new(READERS),
            accounts: Mutex::new(accounts),
            teams: Mutex::new(teams),
            replies: Mutex::new(replies),
        })))
    }

    /// Whether there is an administrator. Blocks.
    pub fn any_admin(&self) -> Result<bool, SqlError> {
        lock(&self.0.accounts).any_admin()
    }

    /// The teams, for a start. Blocks.
    pub fn all_teams(&self) -> Result<Teams, SqlError> {
        lock(&self.0.teams).list().map(teams_of)
    }

    /// Asks about conversations. The error was logged.
    pub async fn read<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Reader) -> Result<T, SqlError> + Send + 'static,
    ) -> Result<T, StoreUnavailable> {
        let _permit = self.0.permits.acquire().await.expect("the semaphore is never closed");
        let shared = Arc::clone(&self.0);
        blocking(move || {
            let reader = lock(&shared.readers).pop().expect("there are as many readers as permits");
            let answer = question(&reader);
            lock(&shared.readers).push(reader);
            answer
        })
        .await
    }

    /// Asks about teams or changes them. The error was logged.
    pub async fn teams<T: Send + 'static>(
        &self,
        question: impl FnOnce(&StoredTeams) -> Result<T, SqlError> + Send + 'static,
    ) -> Result<T, StoreUnavailable> {
        let shared = Arc::clone(&self.0);
        blocking(move || question(&lock(&shared.teams))).await
    }

    /// Asks about canned replies or changes them. The error was logged.
    pub async fn replies<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Replies) -> Result<T, SqlError> + Send + 'static,
    ) -> Result<T, StoreUnavailable> {
        let shared = Arc::clone(&self.0);
        blocking(move || question(&lock(&shared.replies))).await
    }

    /// Asks about accounts or changes them. The error was logged.
    pub async fn accounts<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Accounts) -> Result<T, SqlError> + Send + 'static,
    ) -> Result<T, StoreUnavailable> {
        let shared = Arc::clone(&self.0);
        blocking(move || question(&lock(&shared.accounts))).await
    }
}

/// The teams as the desk asks them. One whose settings cannot be read is left out and told in the log: its visitors
/// go to the first team.
pub fn teams_of(stored: Vec<StoredTeam>) -> Teams {
    let read = |StoredTeam { name, settings, .. }: StoredTeam| {
        let settings = serde_json::from_str(&settings).map_err(|error| error.to_string());
        match settings.and_then(Team::new) {
            Ok(team) => Some((name.into(), team)),
            Err(error) => {
                tracing::error!(team = name, error, "a team is left out; set it again, or remove it");
                None
            }
        }
    };
    Teams::new(stored.into_iter().filter_map(read))
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, SqlError> + Send + 'static,
) -> Result<T, StoreUnavailable> {
    match tokio::task::spawn_blocking(work).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(error)) => {
            tracing::error!(%error, "a question to the database failed");
            Err(StoreUnavailable)
        }
        Err(error) => {
            tracing::error!(%error, "a question to the database was not answered");
            Err(StoreUnavailable)
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    // What is behind these locks is whole after every statement, also in a thread that panicked.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
