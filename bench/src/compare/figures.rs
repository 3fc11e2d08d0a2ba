//! Numbers of many rounds, and the table that is printed.

use std::fmt;

/// CPU use from which a process counts as busy without a pause.
const BUSY: f64 = 0.9;

/// What one round of one contender cost.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cost {
    /// Messages that visitors (or the clients of an echo) sent.
    pub messages: u64,
    /// CPU time of the server on a message's way.
    pub server_ns: u64,
    /// CPU time of its threads beside the way.
    pub aside_ns: u64,
    /// CPU time of the generator.
    pub generator_ns: u64,
    /// How long it took.
    pub wall_ns: u64,
}

impl Cost {
    fn each_ns(&self) -> f64 {
        self.server_ns as f64 / self.messages.max(1) as f64
    }

    fn share(&self, ns: u64) -> f64 {
        ns as f64 / self.wall_ns.max(1) as f64
    }
}

/// All rounds of one workload.
#[derive(Clone, Debug)]
pub struct Table {
    names: Vec<String>,
    rounds: Vec<Vec<Cost>>,
}

impl Table {
    /// No rounds yet; the first name is what the others are compared with.
    pub fn new(names: Vec<String>) -> Self {
        Self { names, rounds: Vec::new() }
    }

    /// One round, a cost for each name.
    pub fn add(&mut self, costs: Vec<Cost>) {
        assert_eq!(costs.len(), self.names.len());
        self.rounds.push(costs);
    }

    /// Minimum, median and maximum over all rounds.
    fn spread(&self, figure: impl Fn(&[Cost]) -> f64) -> [f64; 3] {
        let mut figures: Vec<f64> = self.rounds.iter().map(|costs| figure(costs)).collect();
        figures.sort_by(f64::total_cmp);
        let at = |index: usize| figures.get(index).copied().unwrap_or_default();
        [at(0), at(figures.len() / 2), at(figures.len().saturating_sub(1))]
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "  {:<16} {:>24}   {:>18}   {:>6} {:>9}   {:>8}",
            "", "ns a message", "first / this", "busy", "generator", "aside ns"
        )?;
        for (index, name) in self.names.iter().enumerate() {
            let [min, median, max] = self.spread(|costs| costs[index].each_ns());
            let [low, ratio, high] =
                self.spread(|costs| costs[0].each_ns() / costs[index].each_ns().max(1.0));
            let [_, busy, _] = self.spread(|costs| costs[index].share(costs[index].server_ns));
            let [_, generator, _] = self.spread(|costs| costs[index].share(costs[index].generator_ns));
            let [_, aside, _] =
                self.spread(|costs| costs[index].aside_ns as f64 / costs[index].messages.max(1) as f64);
            let mark =
                if generator > BUSY && busy < BUSY { "  the generator was the bottleneck" } else { "" };
            writeln!(
                f,
                "  {name:<16} {min:>7.0} {median:>8.0} {max:>7.0}   {low:>5.2} {ratio:>5.2}  {high:>5.2}   {:>5.0}% {:>8.0}%   {aside:>8.0}{mark}",
                busy * 100.0,
                generator * 100.0,
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_are_made_within_a_round_before_the_median_is_taken() {
        let cost = |server_ns| Cost { messages: 1, server_ns, wall_ns: 1_000, ..Cost::default() };
        let mut table = Table::new(vec!["ours".into(), "theirs".into()]);
        // The second round ran on a machine three times as slow.
        for (ours, theirs) in [(100, 200), (300, 600), (100, 250)] {
            table.add(vec![cost(ours), cost(theirs)]);
        }
        let ratios = table.spread(|costs| costs[0].each_ns() / costs[1].each_ns());
        assert_eq!(ratios, [0.4, 0.5, 0.5]);
        assert_eq!(table.spread(|costs| costs[0].each_ns()), [100.0, 100.0, 300.0]);
    }
}
