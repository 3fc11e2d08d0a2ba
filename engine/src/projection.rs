//! Follows the journals to their durable ends and applies them to SQL, on a thread of its own.
//!
//! It reads the segment files, not the shards' memory, so that a shard owes it nothing: where SQL is slow or
//! fails, the shards go on and the journal grows, up to `MakerLimits::journal_bytes_max`. What is in SQL is
//! told to the shards; segments that are in SQL whole go back to the maker.

mod age;
mod backlog;
mod follower;
mod writeback;

use std::{
    io,
    path::Path,
    sync::{Arc, Condvar, Mutex},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use store::sql::Projection;

use crate::{
    journal::{Disk, Published, SegmentSource, StreamStart},
    priority,
    recovery::Recovered,
};
pub use age::Age;
use backlog::Backlog;
use follower::{Advanced, FollowError, Follower};
use writeback::Writeback;

/// How long it rests after it found something, so that the next batch is worth a commit: SQL shares disk and cores
/// with the shards, and a page that many records touch is written once a batch.
const BUSY: Duration = Duration::from_millis(1_000);
/// While there is more, and SQL gains on the journal even so, it rests so many times as long as its last batch took:
/// messages would wait for its writes on the disk, and for its work on the core.
const RESTS: u32 = 2;
/// How long it rests after it found nothing.
const IDLE: Duration = Duration::from_millis(1_010);
/// After a failure the rest doubles, up to this.
const FAILED_MAX: Duration = Duration::from_secs(5);

const _: () = assert!(BUSY.as_millis() < IDLE.as_millis() && IDLE.as_millis() < FAILED_MAX.as_millis());

/// A stream to follow.
#[derive(Clone, Debug)]
pub struct Followed {
    /// Which.
    pub stream: u32,
    /// Where it went on at the start: as given to its journal.
    pub start: StreamStart,
    /// How far it is durable.
    pub published: Arc<Published>,
}

/// How far SQL is behind the journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lag {
    /// Durable records that SQL does not have.
    pub records: u64,
    /// Records that became durable since the start, and those that SQL lacked then.
    pub durable: u64,
    /// A round is over and could not do what it should.
    pub has_failed: bool,
}

impl Lag {
    /// Whether SQL lacks fewer records than before, and would if the time in between were followed by that many rests as
    /// long as itself.
    fn gains_on(self, before: Self, rests: u32) -> bool {
        let came = self.durable - before.durable;
        let applied = before.records + came - self.records;
        came * u64::from(1 + rests) < applied
    }
}

/// The thread. Dropping it stops it, after all that is durable by then is in SQL, or SQL has failed.
#[derive(Debug)]
pub struct ProjectionThread {
    stop: Arc<(Mutex<bool>, Condvar)>,
    thread: Option<JoinHandle<()>>,
}

impl ProjectionThread {
    /// Starts it for the projector's `database`. It lets others run often, as a shard may wait for the core. `on_lag` is
    /// told how far SQL is behind, before each batch and after each round.
    pub fn start(
        mut projector: Projector,
        database: &Path,
        mut on_lag: Box<dyn FnMut(Lag) + Send>,
    ) -> io::Result<Self> {
        let writeback = Writeback::start(database)?;
        let stop = Arc::new((Mutex::new(false), Condvar::new()));
        let stopped = Arc::clone(&stop);
        let run = move || {
            priority::stand_back(priority::NICE_PROJECTION);
            net::ask_for_short_slices();
            run(&mut projector, &writeback, &mut *on_lag, &stopped);
        };
        let thread = thread::Builder::new().name("projection".into()).spawn(run)?;
        Ok(Self { stop, thread: Some(thread) })
    }
}

impl Drop for ProjectionThread {
    fn drop(&mut self) {
        *self.stop.0.lock().expect("nothing panics while it holds the lock") = true;
        self.stop.1.notify_one();
        if let Some(thread) = self.thread.take() {
            thread.join().expect("the projection does not panic");
        }
    }
}

/// What one round over all streams came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Round {
    /// All that is durable is in SQL.
    Nothing,
    /// And nothing else.
    Failed,
    /// Something was applied.
    Some,
    /// A whole batch: there is surely more.
    Full,
}

fn run(
    projector: &mut Projector,
    writeback: &Writeback,
    on_lag: &mut dyn FnMut(Lag),
    stop: &(Mutex<bool>, Condvar),
) {
    let mut failed = IDLE;
    loop {
        // Asked before the round: what is durable before the stop is then applied.
        let is_stopping = *stop.0.lock().expect("nothing panics while it holds the lock");
        let (began, before) = (Instant::now(), projector.lag());
        writeback.set_working(before.records > 0);
        let round = projector.round(on_lag);
        let lag = projector.lag();
        on_lag(Lag { has_failed: round == Round::Failed, ..lag });
        writeback.set_working(false);
        let rest = match round {
            Round::Full | Round::Some if is_stopping => continue,
            Round::Full if lag.gains_on(before, RESTS) => began.elapsed() * RESTS,
            Round::Full => continue,
            Round::Some => BUSY,
            Round::Nothing => IDLE,
            Round::Failed => failed,
        };
        if is_stopping {
            return;
        }
        failed = if round == Round::Failed { (failed * 2).min(FAILED_MAX) } else { IDLE };
        let guard = stop.0.lock().expect("nothing panics while it holds the lock");
        let waited = stop.1.wait_timeout_while(guard, rest, |is_stopping| !*is_stopping);
        drop(waited.expect("nothing panics while it holds the lock"));
    }
}

/// Follows all streams; whoever has it calls [`Projector::round`].
pub struct Projector {
    projection: Projection,
    /// What comes before all that the followers read.
    backlog: Option<(Backlog, Trouble)>,
    /// Records that SQL lacked at the start.
    lacked: u64,
    followers: Vec<(Follower, Trouble)>,
    source: SegmentSource,
    on_projected: Box<dyn FnMut(u32, u64) + Send>,
}

/// What a stream failed with last, so that the log says it once.
#[derive(Debug, Default)]
struct Trouble(Option<String>);

impl Projector {
    /// Begins with what `recovered` left, then where the streams went on at the start. `on_projected` is called with a
    /// stream and the number of its last record that is in SQL.
    pub fn new(
        projection: Projection,
        disk: &Arc<dyn Disk>,
        recovered: &mut Recovered,
        streams: Vec<Followed>,
        source: SegmentSource,
        on_projected: Box<dyn FnMut(u32, u64) + Send>,
    ) -> Self {
        let left = std::mem::take(&mut recovered.backlog);
        let lacked = recovered.lacked;
        let backlog = (!left.is_empty()).then(|| Backlog::new(Arc::clone(disk), left, lacked));
        let followers = streams.into_iter().map(|stream| Follower::new(stream, Arc::clone(disk)));
        Self {
            projection,
            backlog: backlog.map(|backlog| (backlog, Trouble::default())),
            lacked,
            followers: followers.map(|follower| (follower, Trouble::default())).collect(),
            source,
            on_projected,
        }
    }

    /// How far SQL is behind.
    pub fn lag(&self) -> Lag {
        let left = self.backlog.as_ref().map_or(0, |(backlog, _)| backlog.records);
        let mut lag = Lag { records: left, durable: self.lacked, has_failed: false };
        for (follower, _) in &self.followers {
            lag.records += follower.lag_records();
            lag.durable += follower.durable_records();
        }
        lag
    }

    /// Applies up to one batch of each stream, and says before each how far SQL is behind: a round over many streams is
    /// long. Nobody is followed before SQL has what a former run left.
    pub fn round(&mut self, on_lag: &mut dyn FnMut(Lag)) -> Round {
        if let Some(round) = self.backlog_round(on_lag) {
            return round;
        }
        let mut round = Round::Nothing;
        for at in 0..self.followers.len() {
            on_lag(self.lag());
            let (follower, trouble) = &mut self.followers[at];
            let advanced = follower.advance(&mut self.projection, &self.source);
            // A stream that cannot go on does not make the others wait.
            round = round.max(told(follower.stream(), advanced, trouble, &mut *self.on_projected));
        }
        round
    }

    /// One batch of what a former run left, if there still is any.
    fn backlog_round(&mut self, on_lag: &mut dyn FnMut(Lag)) -> Option<Round> {
        let lag = self.lag();
        let (backlog, trouble) = self.backlog.as_mut()?;
        on_lag(lag);
        let Some(stream) = backlog.stream() else {
            self.backlog = None;
            tracing::info!("the database has all that was recovered from the journal");
            return None;
        };
        let advanced = backlog.advance(&mut self.projection, &self.source);
        Some(match told(stream, advanced, trouble, &mut *self.on_projected) {
            Round::Failed => Round::Failed,
            Round::Nothing | Round::Some | Round::Full => Round::Full,
        })
    }
}

/// Whoever waits for it hears how far SQL is, and the log that it is not, and that it is again.
fn told(
    stream: u32,
    advanced: Result<Option<Advanced>, FollowError>,
    trouble: &mut Trouble,
    on_projected: &mut dyn FnMut(u32, u64),
) -> Round {
    match advanced {
        Ok(None) => Round::Nothing,
        Ok(Some(advanced)) => {
            on_projected(stream, advanced.up_to);
            if trouble.0.take().is_some() {
                tracing::info!(stream, "the database follows the journal again");
            }
            if advanced.is_full { Round::Full } else { Round::Some }
        }
        Err(error) => {
            let error = error.to_string();
            if trouble.0.as_ref() != Some(&error) {
                tracing::error!(stream, error, "the database does not follow the journal; trying again");
                trouble.0 = Some(error);
            }
            Round::Failed
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sql_rests_only_where_it_gains_on_the_journal_even_so() {
        let lag = |records, durable| Lag { records, durable, has_failed: false };
        // How many came, how many were applied.
        for (came, applied, expected) in [
            (0, 1, true),
            (0, 0, false),
            (10, 31, true),
            (10, 30, false),
            (100, 90, false),
            (100, 110, false),
        ] {
            let (before, after) = (lag(1_000, 5_000), lag(1_000 + came - applied, 5_000 + came));
            assert_eq!(after.gains_on(before, 2), expected, "{came} came, {applied} were applied");
        }
    }
}
