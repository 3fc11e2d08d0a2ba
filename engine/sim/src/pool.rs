//! The pool of a simulated server: it answers shards' jobs from the real SQL, late, with a failure, or never.

use std::collections::BTreeMap;

use engine::{
    identity::AgentRole,
    jobs::{Done, Job, KnownOfVisitor, StoreUnavailable},
    pool::link::PoolEnd,
};
use store::sql::{Reader, SqlError};

use crate::{faults::Faults, random::Random};

pub struct SimPool {
    end: PoolEnd,
    reader: Reader,
    random: Random,
    /// By time and order.
    under_way: BTreeMap<(u64, u64), (usize, Job)>,
    order: u64,
}

impl SimPool {
    pub fn new(end: PoolEnd, reader: Reader, random: Random) -> Self {
        Self { end, reader, random, under_way: BTreeMap::new(), order: 0 }
    }

    /// Takes jobs in, and says when the next is due.
    pub fn due_us(&mut self, now_us: u64, faults: &Faults) -> Option<u64> {
        while let Ok((shard, job)) = self.end.jobs.try_recv() {
            if self.random.one_in(faults.job_lost_one_in) {
                continue;
            }
            self.order += 1;
            let at_us = now_us + self.random.between(100, faults.job_us_max);
            self.under_way.insert((at_us, self.order), (shard, job));
        }
        self.under_way.keys().next().map(|(at_us, _)| *at_us)
    }

    /// Answers what is due.
    pub fn work(&mut self, now_us: u64, faults: &Faults) {
        while let Some(entry) = self.under_way.first_entry() {
            if entry.key().0 > now_us {
                return;
            }
            let (shard, job) = entry.remove();
            let is_failing = self.random.one_in(faults.job_fails_one_in);
            if let Some(done) = self.answer(job, is_failing) {
                // A full queue loses the answer, as a pool that died would.
                drop(self.end.dones[shard].try_push(done));
            }
        }
    }

    fn answer(&self, job: Job, is_failing: bool) -> Option<Done> {
        Some(match job {
            Job::CheckAgent { connection, name, resume } => {
                let role = if is_failing { Err(StoreUnavailable) } else { Ok(Some(role_of(&name))) };
                Done::AgentChecked { connection, name, resume, role }
            }
            Job::LoadConversation { request, conversation } => {
                let found = ask(is_failing, || self.reader.conversation(&conversation));
                Done::Conversation { request, found: found.map(|found| found.map(Box::new)) }
            }
            Job::LoadOpen { request, site, visitor } => {
                let found = ask(is_failing, || KnownOfVisitor::read(&self.reader, &site, &visitor));
                Done::Open { request, found }
            }
            Job::LoadEvents { request, conversation, after, limit, bytes_max } => {
                let events = || self.reader.events(&conversation, after, limit as usize, bytes_max);
                Done::Events { request, found: ask(is_failing, events) }
            }
            // Nobody in the simulator speaks HTTP after the upgrade.
            Job::Http { .. } | Job::HttpTaken { .. } | Job::HttpGone { .. } => return None,
        })
    }
}

/// One of them sees what the others do.
pub fn is_supervisor(name: &str) -> bool {
    name == "cho"
}

fn role_of(name: &str) -> AgentRole {
    if is_supervisor(name) { AgentRole::Supervisor } else { AgentRole::Agent }
}

fn ask<T>(is_failing: bool, question: impl FnOnce() -> Result<T, SqlError>) -> Result<T, StoreUnavailable> {
    if is_failing {
        return Err(StoreUnavailable);
    }
    Ok(question().unwrap_or_else(|error| panic!("SQL failed: {error}")))
}
