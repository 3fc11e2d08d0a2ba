//! What goes wrong in one life, and how often. Each seed has its own mix: a life in which everything fails all
//! the time gets nowhere, and one in which a single thing fails often gets deep.

use engine::shard::DialogSettings;

use crate::random::Random;

/// Clocks of conversations that no life is long enough to meet.
const LONG: DialogSettings = DialogSettings {
    visitor_idle_ms: 20_000_000,
    agent_silent_ms: 10_000_000,
    rating_ms: 10_000_000,
    bot: false,
};
/// Clocks that run out all the time.
const SHORT: DialogSettings =
    DialogSettings { visitor_idle_ms: 6_000, agent_silent_ms: 4_000, rating_ms: 3_000, bot: false };

/// `0` in a `…_one_in` means never; times are microseconds of the simulated clock.
#[derive(Clone, Debug)]
pub struct Faults {
    /// Mean time between two ends of the server's process.
    pub crash_every_us: u64,
    /// Of these ends, so many are an orderly stop.
    pub stop_one_in: u64,
    /// The process dies inside an operation on files.
    pub crash_in_disk_one_in: u64,
    /// Shards at the next start: 1 up to this.
    pub shards_max: u64,
    /// A packet takes up to this.
    pub packet_us_max: u64,
    /// A piece of bytes is split in two on the way.
    pub split_one_in: u64,
    /// A client's step cuts its connection instead.
    pub cut_one_in: u64,
    /// A cut that the server does not hear of.
    pub half_open_one_in: u64,
    /// A client that stops reading for some seconds.
    pub slow_reader_one_in: u64,
    /// A journal write takes up to this.
    pub write_us_max: u64,
    /// A journal write that takes a thousand times as long.
    pub slow_write_one_in: u64,
    /// A journal write, or its sync, that fails.
    pub write_fails_one_in: u64,
    /// Another operation on the journal's files that fails.
    pub file_fails_one_in: u64,
    /// Mean time between two changes of whether the disk is full.
    pub full_every_us: u64,
    /// A bit of the journal turns over while the server is down.
    pub rot_one_in: u64,
    /// A job of the pool takes up to this.
    pub job_us_max: u64,
    /// A job that fails.
    pub job_fails_one_in: u64,
    /// A job that is never answered.
    pub job_lost_one_in: u64,
    /// Mean time between two rounds of the projection.
    pub projection_every_us: u64,
    /// The projection stands still for some seconds.
    pub projection_stalls_one_in: u64,
    /// Mean time between two jumps of the wall clock.
    pub clock_jumps_every_us: u64,
    /// How long conversations wait for people.
    pub dialog: DialogSettings,
}

impl Faults {
    /// The mix of a seed.
    pub fn of(random: &mut Random) -> Self {
        let mut sometimes = |often: u64, rare: u64| match random.below(3) {
            0 => 0,
            1 => rare,
            _ => often,
        };
        Self {
            crash_every_us: sometimes(8_000_000, 40_000_000),
            stop_one_in: sometimes(3, 10),
            crash_in_disk_one_in: sometimes(60, 400),
            shards_max: 4,
            packet_us_max: sometimes(100_000, 5_000).max(200),
            split_one_in: sometimes(4, 30),
            cut_one_in: sometimes(12, 60),
            half_open_one_in: sometimes(3, 10),
            slow_reader_one_in: sometimes(30, 200),
            write_us_max: sometimes(30_000, 2_000).max(300),
            slow_write_one_in: sometimes(40, 300),
            write_fails_one_in: sometimes(400, 2_000),
            file_fails_one_in: sometimes(15, 60),
            full_every_us: sometimes(10_000_000, 30_000_000),
            rot_one_in: sometimes(2, 6),
            job_us_max: sometimes(2_000_000, 20_000).max(500),
            job_fails_one_in: sometimes(8, 60),
            job_lost_one_in: sometimes(30, 200),
            projection_every_us: sometimes(1_500_000, 250_000).max(50_000),
            projection_stalls_one_in: sometimes(10, 50),
            clock_jumps_every_us: sometimes(10_000_000, 60_000_000),
            dialog: if sometimes(1, 0) == 0 { LONG } else { SHORT },
        }
    }

    /// Everything works: a life ends so, for what is owed must then be paid.
    pub fn heal(&mut self) {
        *self = Self {
            crash_every_us: 0,
            stop_one_in: 0,
            crash_in_disk_one_in: 0,
            shards_max: self.shards_max,
            packet_us_max: 500,
            split_one_in: 0,
            cut_one_in: 0,
            half_open_one_in: 0,
            slow_reader_one_in: 0,
            write_us_max: 500,
            slow_write_one_in: 0,
            write_fails_one_in: 0,
            file_fails_one_in: 0,
            full_every_us: 0,
            rot_one_in: 0,
            job_us_max: 500,
            job_fails_one_in: 0,
            job_lost_one_in: 0,
            projection_every_us: 100_000,
            projection_stalls_one_in: 0,
            clock_jumps_every_us: 0,
            dialog: LONG,
        };
    }

    /// Whether conversations change by themselves all the time.
    pub fn is_restless(&self) -> bool {
        self.dialog.agent_silent_ms == SHORT.agent_silent_ms
    }
}
