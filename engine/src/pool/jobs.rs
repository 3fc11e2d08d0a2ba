//! Takes jobs from the shards and sees that each is answered.

use std::{sync::Arc, time::Duration};

use store::{
    record::EventRecord,
    sql::{SqlError, StoredConversation},
};
use tokio::{sync::mpsc, time::timeout};

use super::{exchange::Exchanges, link::DoneQueue, records::Records};
use crate::jobs::{Done, Job, StoreUnavailable};

/// Longest that a shard waits for SQL before it is told that there is no answer.
const LOAD_DEADLINE: Duration = Duration::from_secs(10);

/// Runs until all shards are gone.
pub(super) async fn run(
    mut jobs: mpsc::Receiver<(usize, Job)>,
    exchanges: Exchanges,
    records: Records,
    dones: Arc<[DoneQueue]>,
) {
    while let Some((shard, job)) = jobs.recv().await {
        match job {
            Job::Http { exchange, peer, request } => exchanges.begin(shard, exchange, peer, *request),
            Job::HttpTaken { exchange } => exchanges.taken(shard, exchange),
            Job::HttpGone { exchange } => exchanges.gone(shard, exchange),
            Job::CheckAgent { connection, name, resume } => {
                let (records, done) = (records.clone(), dones[shard].clone());
                tokio::spawn(async move {
                    let account = Arc::clone(&name);
                    let question = records.accounts(move |accounts| accounts.find(&account));
                    let found = in_time(question).await;
                    let allowed = found.map(|account| account.is_some_and(|account| !account.disabled));
                    done.push(Done::AgentChecked { connection, name, resume, allowed }).await;
                });
            }
            Job::LoadConversation { conversation } => {
                let (records, done) = (records.clone(), dones[shard].clone());
                tokio::spawn(async move {
                    let found = load_conversation(&records, &conversation).await;
                    done.push(Done::Conversation { conversation, found }).await;
                });
            }
            Job::LoadEvents { conversation, after, limit } => {
                let (records, done) = (records.clone(), dones[shard].clone());
                tokio::spawn(async move {
                    let found = load_events(&records, &conversation, after, limit).await;
                    done.push(Done::Events { conversation, after, found }).await;
                });
            }
        }
    }
}

async fn load_conversation(
    records: &Records,
    conversation: &Arc<str>,
) -> Result<Option<Box<StoredConversation>>, StoreUnavailable> {
    let id = Arc::clone(conversation);
    let question = records.read(move |reader| reader.conversation(&id));
    Ok(in_time(question).await?.map(Box::new))
}

async fn load_events(
    records: &Records,
    conversation: &Arc<str>,
    after: u64,
    limit: u32,
) -> Result<Vec<EventRecord>, StoreUnavailable> {
    let id = Arc::clone(conversation);
    in_time(records.read(move |reader| -> Result<_, SqlError> {
        reader.events(&id, after, usize::try_from(limit).unwrap_or(usize::MAX))
    }))
    .await
}

async fn in_time<T>(
    question: impl Future<Output = Result<T, StoreUnavailable>>,
) -> Result<T, StoreUnavailable> {
    timeout(LOAD_DEADLINE, question).await.unwrap_or_else(|_elapsed| {
        tracing::error!("the database took longer than a conversation can wait");
        Err(StoreUnavailable)
    })
}
