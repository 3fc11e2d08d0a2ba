//! The two bounded queues between the shards and the pool. Nothing here does work or knows what it carries.
//!
//! Shards → pool: one queue for all, into which a shard never waits; a full one is the shard's to answer for.
//! Pool → shard: one queue a shard, which the shard empties in its turns; the pool waits while it is full,
//! without holding a thread.

use std::sync::Arc;

use crossbeam_queue::ArrayQueue;
use tokio::sync::{Notify, mpsc};

use crate::jobs::{Done, Job};

/// Jobs waiting for the pool, of all shards together.
pub const JOBS_MAX: usize = 4 * 1024;
/// Answers waiting for one shard.
pub const DONES_MAX: usize = 1024;

/// A shard's end towards the pool.
#[derive(Clone, Debug)]
pub struct JobSender {
    shard: usize,
    jobs: mpsc::Sender<(usize, Job)>,
}

impl JobSender {
    /// Leaves a job to the pool, without waiting. The job comes back when the queue is full, or the pool has
    /// stopped: the shard answers as it would for a slow pool.
    pub fn try_send(&self, job: Job) -> Result<(), Job> {
        self.jobs.try_send((self.shard, job)).map_err(|refused| refused.into_inner().1)
    }
}

/// What the pool has for one shard. Clones are the same queue.
#[derive(Clone)]
pub struct DoneQueue(Arc<Queue>);

struct Queue {
    items: ArrayQueue<Done>,
    /// Told each time an item is taken; keeps one notice for whoever asks next, so none is missed.
    room: Notify,
    wake: Box<dyn Fn() + Send + Sync>,
}

impl DoneQueue {
    /// `wake` is called after each push: it wakes the shard that empties this queue.
    pub fn new(wake: impl Fn() + Send + Sync + 'static) -> Self {
        Self(Arc::new(Queue { items: ArrayQueue::new(DONES_MAX), room: Notify::new(), wake: Box::new(wake) }))
    }

    /// For the shard: the oldest item. Never waits.
    pub fn pop(&self) -> Option<Done> {
        let item = self.0.items.pop()?;
        self.0.room.notify_one();
        Some(item)
    }

    /// For the shard, before it sleeps.
    pub fn is_empty(&self) -> bool {
        self.0.items.is_empty()
    }

    /// For the pool's threads: puts an item in or gives it back when the queue is full.
    pub fn try_push(&self, done: Done) -> Result<(), Done> {
        self.0.items.push(done)?;
        (self.0.wake)();
        Ok(())
    }

    /// For the pool's tasks: puts an item in, waiting while the queue is full. Dropping the future takes the
    /// item with it.
    pub async fn push(&self, done: Done) {
        let mut waiting = done;
        while let Err(refused) = self.try_push(waiting) {
            waiting = refused;
            self.0.room.notified().await;
        }
        // Another task may have waited for the same notice: while there is room, it is passed on.
        if !self.0.items.is_full() {
            self.0.room.notify_one();
        }
    }
}

/// The pool's ends: jobs with the shard each came from, and a queue back to each shard.
pub struct PoolEnd {
    /// From all shards.
    pub jobs: mpsc::Receiver<(usize, Job)>,
    /// By shard.
    pub dones: Arc<[DoneQueue]>,
}

/// One shard's ends.
#[derive(Clone)]
pub struct ShardEnd {
    /// Towards the pool.
    pub jobs: JobSender,
    /// From the pool.
    pub dones: DoneQueue,
}

/// Joins as many shards as there are wakers to one pool.
pub fn link<W: Fn() + Send + Sync + 'static>(
    wakers: impl IntoIterator<Item = W>,
) -> (Vec<ShardEnd>, PoolEnd) {
    let (sender, receiver) = mpsc::channel(JOBS_MAX);
    let shards: Vec<ShardEnd> = wakers
        .into_iter()
        .enumerate()
        .map(|(shard, wake)| ShardEnd {
            jobs: JobSender { shard, jobs: sender.clone() },
            dones: DoneQueue::new(wake),
        })
        .collect();
    let dones = shards.iter().map(|end| end.dones.clone()).collect();
    (shards, PoolEnd { jobs: receiver, dones })
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    fn taken(exchange: u64) -> Job {
        Job::HttpTaken { exchange }
    }

    #[test]
    fn a_full_queue_gives_the_job_back_to_its_shard() {
        let (shards, _pool) = link([|| ()]);
        for exchange in 0..JOBS_MAX as u64 {
            assert!(shards[0].jobs.try_send(taken(exchange)).is_ok());
        }
        let refused = shards[0].jobs.try_send(taken(9_999));
        assert!(matches!(refused, Err(Job::HttpTaken { exchange: 9_999 })), "{refused:?}");
    }

    #[test]
    fn a_stopped_pool_gives_the_job_back_too() {
        let (shards, pool) = link([|| ()]);
        drop(pool);
        assert!(shards[0].jobs.try_send(taken(1)).is_err());
    }

    #[tokio::test]
    async fn jobs_name_their_shard() {
        let (shards, mut pool) = link([|| (), || ()]);
        shards[1].jobs.try_send(taken(7)).expect("room");
        let (shard, job) = pool.jobs.recv().await.expect("a job");
        assert_eq!(shard, 1);
        assert!(matches!(job, Job::HttpTaken { exchange: 7 }));
    }

    #[tokio::test]
    async fn answers_wait_for_room_and_none_is_lost() {
        const TASKS: u64 = 4;
        const EACH: u64 = DONES_MAX as u64;
        let woken = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&woken);
        let queue = DoneQueue::new(move || {
            count.fetch_add(1, Ordering::Relaxed);
        });
        let tasks: Vec<_> = (0..TASKS)
            .map(|task| {
                let queue = queue.clone();
                tokio::spawn(async move {
                    for item in 0..EACH {
                        queue.push(Done::Projected { up_to: task * EACH + item }).await;
                    }
                })
            })
            .collect();
        let mut seen = vec![false; (TASKS * EACH) as usize];
        while seen.iter().any(|seen| !seen) {
            tokio::task::yield_now().await;
            while let Some(Done::Projected { up_to }) = queue.pop() {
                assert!(!std::mem::replace(&mut seen[up_to as usize], true), "{up_to} came twice");
            }
        }
        for task in tasks {
            task.await.expect("no panic");
        }
        assert!(queue.is_empty());
        assert_eq!(woken.load(Ordering::Relaxed) as u64, TASKS * EACH);
    }
}
