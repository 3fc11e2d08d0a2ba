//! Servers side by side: what a message costs each, in CPU time of its own process.
//!
//! All contenders of a workload run at once, each pinned to the first allowed CPU, with its connections open. The
//! generator has the second. Rounds of the same number of messages alternate between them in a random order that a
//! seed repeats, so that whatever else the machine does hits all alike; what counts is the ratio within a round.
//! How to read it: docs/bench.md.

mod connect;
mod contender;
mod desk;
mod figures;
mod frames;
mod session;

use std::{io, path::Path};

pub use contender::{Contender, Program};
pub use figures::{Cost, Table};
pub use session::Workload;

use session::Session;

/// How much is measured.
#[derive(Clone, Copy, Debug)]
pub struct Extent {
    /// Rounds of each contender.
    pub rounds: u32,
    /// Messages of a round.
    pub messages: u64,
    /// Repeats the order.
    pub seed: u64,
}

/// Pins this thread, and what it starts from now on, to `cpu`.
pub fn pin(cpu: usize) -> io::Result<()> {
    let mut set = rustix::thread::CpuSet::new();
    set.set(cpu);
    Ok(rustix::thread::sched_setaffinity(None, &set)?)
}

/// Runs one workload over all `programs`; the first is what the others are compared with. `folder` is on the disk
/// that durable servers write to.
pub fn compare(
    programs: &[Program],
    workload: Workload,
    extent: Extent,
    folder: &Path,
    [server_cpu, generator_cpu]: [usize; 2],
) -> io::Result<Table> {
    let mut sessions = Vec::new();
    for program in programs {
        pin(server_cpu)?;
        let contender = Contender::start(program, folder)?;
        pin(generator_cpu)?;
        let mut session = Session::open(contender, workload)
            .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", program.name)))?;
        session.round(extent.messages / 10)?;
        sessions.push(session);
    }
    let mut table = Table::new(programs.iter().map(|program| program.name.clone()).collect());
    let mut random = Random(extent.seed);
    for _ in 0..extent.rounds {
        let mut order: Vec<usize> = (0..sessions.len()).collect();
        random.shuffle(&mut order);
        let mut costs = vec![Cost::default(); sessions.len()];
        for index in order {
            costs[index] = sessions[index].round(extent.messages)?;
        }
        table.add(costs);
    }
    Ok(table)
}

/// The order of contenders, the same for the same seed (splitmix64).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    fn shuffle(&mut self, order: &mut [usize]) {
        for end in (1..order.len()).rev() {
            order.swap(end, (self.next() % (end as u64 + 1)) as usize);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_has_everybody_once_and_a_seed_repeats_it() {
        let orders = |seed| {
            let mut random = Random(seed);
            [(); 20].map(|()| {
                let mut order: [usize; 5] = std::array::from_fn(|index| index);
                random.shuffle(&mut order);
                order
            })
        };
        assert_eq!(orders(1), orders(1));
        assert_ne!(orders(1), orders(2));
        for mut order in orders(1) {
            order.sort_unstable();
            assert_eq!(order, [0, 1, 2, 3, 4]);
        }
    }
}
