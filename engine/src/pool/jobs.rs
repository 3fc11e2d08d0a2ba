//! Takes jobs from the shards and sees that each is answered.

use std::{sync::Arc, time::Duration};

use store::sql::Account;
use tokio::{sync::mpsc, time::timeout};

use super::{exchange::Exchanges, link::DoneQueue, records::Records};
use crate::jobs::{Done, Job, KnownOfVisitor, StoreUnavailable};

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
                    let enabled = |account: Account| (!account.disabled).then(|| account.role.into());
                    let role = found.map(|account| account.and_then(enabled));
                    done.push(Done::AgentChecked { connection, name, resume, role }).await;
                });
            }
            Job::LoadConversation { request, conversation } => {
                let (records, done) = (records.clone(), dones[shard].clone());
                tokio::spawn(async move {
                    let found = in_time(records.read(move |reader| reader.conversation(&conversation)));
                    let found = found.await.map(|found| found.map(Box::new));
                    done.push(Done::Conversation { request, found }).await;
                });
            }
            Job::LoadOpen { request, site, visitor } => {
                let (records, done) = (records.clone(), dones[shard].clone());
                tokio::spawn(async move {
                    let question = records.read(move |reader| KnownOfVisitor::read(reader, &site, &visitor));
                    let found = in_time(question).await;
                    done.push(Done::Open { request, found }).await;
                });
            }
            Job::LoadEvents { request, conversation, after, limit, bytes_max } => {
                let (records, done) = (records.clone(), dones[shard].clone());
                tokio::spawn(async move {
                    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
                    let question =
                        records.read(move |reader| reader.events(&conversation, after, limit, bytes_max));
                    let found = in_time(question).await;
                    done.push(Done::Events { request, found }).await;
                });
            }
        }
    }
}

async fn in_time<T>(
    question: impl Future<Output = Result<T, StoreUnavailable>>,
) -> Result<T, StoreUnavailable> {
    timeout(LOAD_DEADLINE, question).await.unwrap_or_else(|_elapsed| {
        tracing::error!("the database took longer than a conversation can wait");
        Err(StoreUnavailable)
    })
}
