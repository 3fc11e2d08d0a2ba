//! The deterministic simulator: one server with its machine, its network and its people on one thread, from one
//! seed.
//!
//! What runs is the real thing: drivers, shards, lanes, dialog, desk, journal, recovery, projection and SQL. What
//! is simulated is what may fail: the disk, the network, the clocks, the pool, the life of the process, and what
//! people do. Checks run all the time and at the end of each life; a failure is a panic, and its seed replays it.
//!
//! It knows `net` by its [`Reactor`](net::Reactor) trait only, as a fourth backend:
//! `docs/decisions/0007-the-simulator-is-a-reactor.md`.

mod agent;
mod client;
mod desk_check;
mod disk;
mod faults;
mod ledger;
mod network;
mod person;
mod pool;
mod random;
mod reactor;
mod server;
mod visitor;
mod world;

use engine::pool::metrics::Metrics;

pub use ledger::Counts;
pub use world::Summary;

/// Lives the life of a seed. Panics where anything is not as it must be.
pub fn live(seed: u64, metrics: &Metrics, log: bool) -> Summary {
    world::World::new(seed, metrics.clone(), log).live()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_seeds_live_equal_lives() {
        let metrics = Metrics::new();
        for seed in 0..20 {
            assert_eq!(live(seed, &metrics, false), live(seed, &metrics, false), "seed {seed}");
        }
    }

    #[test]
    fn in_some_hundred_lives_everything_goes_wrong_that_can() {
        let metrics = Metrics::new();
        let lives: Vec<Summary> = (0..200).map(|seed| live(seed, &metrics, false)).collect();
        let sum = |of: fn(&Summary) -> u64| lives.iter().map(of).sum::<u64>();
        assert!(sum(|life| life.crashes) > 100);
        assert!(sum(|life| life.stops) > 50);
        assert!(sum(|life| life.disk_failures) > 0);
        assert!(sum(|life| life.rot_found) > 0);
        assert!(sum(|life| life.recovered) > 100);
        assert!(sum(|life| life.lacking) > 100);
        assert!(sum(|life| life.counts.acknowledged) > 5_000);
        assert!(sum(|life| life.counts.refused) > 100);
    }
}
