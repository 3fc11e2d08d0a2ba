//! What a run found, as a short table for a terminal. Scripts read the lines of the ledger.

use std::fmt;

use crate::{
    ledger::Outcome,
    measure::{Class, Path, Summary},
    report::{Report, Step},
    verify::Verified,
};

/// Differences and faults told on the terminal; the rest is in the report.
const LINES_MAX: usize = 20;

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { scenario, generator, .. } = self;
        writeln!(
            f,
            "\n{}: {} sessions, {} agents, seed {} ({} thread(s), {}), connected in {:.1} s",
            scenario.name,
            scenario.sessions,
            generator.agents,
            generator.seed,
            generator.threads,
            generator.backend,
            self.connect_seconds,
        )?;
        self.write_latencies(f)?;
        self.write_steps(f)?;
        self.write_counts(f)?;
        self.write_memory(f)?;
        self.write_verdict(f)
    }
}

impl Report {
    fn write_latencies(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "\n{:<21} {:<7} {:>9} {:>9} {:>9} {:>9} {:>9}  ms from the scheduled time",
            "path", "class", "count", "p50", "p99", "p99.9", "max"
        )?;
        for latency in &self.latencies {
            write_row(f, latency.path, latency.class, &latency.summary)?;
        }
        write_row(f, "generator's lag", "", &self.lag)?;
        if let Some(floor) = &self.floor {
            write_row(f, "floor: wake-up", "", &floor.wake_up)?;
            write_row(f, "floor: fdatasync", "", &floor.durable_write)?;
        }
        Ok(())
    }

    fn write_steps(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.steps.len() < 2 {
            return Ok(());
        }
        writeln!(
            f,
            "\n{:<18} {:>8} {:>8} {:>8} {:>8} {:>8} {:>7} {:>7} {:>9}  busiest of the server's threads",
            "step", "asked/s", "acks/s", "p50 ms", "p99 ms", "vip p99", "server", "load", "cores"
        )?;
        self.steps.iter().try_for_each(|step| write_step(f, step))?;
        let dropped: u64 = self.steps.iter().map(|step| step.packets_dropped).sum();
        let resent: u64 = self.steps.iter().map(|step| step.segments_resent).sum();
        if dropped + resent > 0 {
            writeln!(
                f,
                "network: {dropped} packets thrown away by this machine, {resent} TCP segments sent again"
            )?;
        }
        if let Some(rate) = self.sustainable_per_second {
            writeln!(f, "sustainable: {rate:.0} messages/s")?;
        }
        Ok(())
    }

    fn write_counts(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Outcome { visitors, agents, lost, waiting, unanswered, doubled, disordered } = self.outcome;
        writeln!(f)?;
        for (who, counts) in [("visitors", visitors), ("agents", agents)] {
            writeln!(
                f,
                "{who:<9} sent {}  acknowledged {}  delivered {}  refused {} ({} refusals)",
                counts.sent, counts.acknowledged, counts.delivered, counts.refused, counts.refusals
            )?;
        }
        writeln!(
            f,
            "lost {lost}  unanswered {unanswered}  doubled {doubled}  out of order {disordered}  \
             dropped connections {}",
            self.dropped_connections
        )?;
        if waiting > 0 {
            writeln!(f, "waiting: {waiting} messages in conversations that have no agent yet")?;
        }
        if let Some(Verified { conversations, stored, missing, differences }) = &self.verified {
            writeln!(
                f,
                "stored: {conversations} conversations with {stored} messages asked of the API, acknowledged and \
                 not stored {missing}, {} differences",
                differences.len()
            )?;
        }
        Ok(())
    }

    fn write_memory(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counted = self.steps.iter().filter(|step| !step.warm_up && !step.search);
        let messages: u64 = counted.clone().map(Step::acknowledged).sum();
        let weighed = |figure: fn(&Step) -> f64| -> f64 {
            counted.clone().map(|step| figure(step) * (step.seconds + step.settle_seconds)).sum()
        };
        writeln!(f, "generator: {:.2} s of CPU", weighed(|step| step.generator_cores))?;
        let memory = &self.memory;
        let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
        if let (Some(before), Some(after), Some(max), Some(each)) = (
            memory.server_rss_bytes_before,
            memory.server_rss_bytes_after,
            memory.server_rss_bytes_max,
            memory.server_bytes_per_session,
        ) {
            let cpu = weighed(|step| step.server_cores.unwrap_or_default());
            write!(f, "server: {cpu:.2} s of CPU")?;
            if messages > 0 {
                write!(f, ", {:.1} µs a durable message", cpu * 1e6 / messages as f64)?;
            }
            writeln!(
                f,
                "\nserver memory: {:.1} MiB before, {:.1} MiB after, {:.1} MiB at most, {each} bytes a session; \
                 kernel: {} bytes a session",
                mib(before),
                mib(after),
                mib(max),
                memory.kernel_bytes_per_session,
            )?;
        }
        Ok(())
    }

    fn write_verdict(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (what, times) in &self.remarks {
            writeln!(f, "remark: {what} ({times} times)")?;
        }
        for fault in &self.faults {
            writeln!(f, "fault: {fault}")?;
        }
        if self.faults_in_all > self.faults.len() as u64 {
            writeln!(f, "fault: … {} in all", self.faults_in_all)?;
        }
        for difference in self.verified.iter().flat_map(|verified| &verified.differences).take(LINES_MAX) {
            writeln!(f, "difference: {difference}")?;
        }
        for target in &self.targets {
            let (bound, met) =
                (if target.at_least { "≥" } else { "≤" }, if target.met { "met" } else { "MISSED" });
            let got = target.got.map_or("not measured".to_owned(), |got| format!("{got:.2} {}", target.unit));
            writeln!(f, "target: {} {bound} {} {}: {got}, {met}", target.what, target.wanted, target.unit)?;
        }
        if !self.valid {
            writeln!(f, "invalid: the generator was the bottleneck")?;
        }
        write!(f, "{}", if self.passed { "passed" } else { "FAILED" })
    }
}

fn write_row(f: &mut fmt::Formatter<'_>, path: &str, class: &str, summary: &Summary) -> fmt::Result {
    let Summary { count, p50_us, p99_us, p999_us, max_us, .. } = *summary;
    let [p50, p99, p999, max] = [p50_us, p99_us, p999_us, max_us].map(|us| us as f64 / 1e3);
    writeln!(f, "{path:<21} {class:<7} {count:>9} {p50:>9.2} {p99:>9.2} {p999:>9.2} {max:>9.2}")
}

fn write_step(f: &mut fmt::Formatter<'_>, step: &Step) -> fmt::Result {
    let of = |class| step.latency(Path::VisitorAgent, class).unwrap_or_default();
    let (normal, vip) = (of(Class::Normal), of(Class::Vip));
    let cores: Vec<String> = step.cores_busy.iter().map(|busy| format!("{:.0}", busy * 100.0)).collect();
    let mut threads: Vec<(&String, &f64)> = step.server_threads.iter().collect();
    threads.sort_by(|one, other| other.1.total_cmp(one.1));
    let busiest: Vec<String> =
        threads.iter().take(3).map(|(name, cores)| format!("{name} {:.0} %", **cores * 100.0)).collect();
    writeln!(
        f,
        "{:<18} {:>8.0} {:>8.0} {:>8.2} {:>8.2} {:>8.2} {:>7.2} {:>7.2} {:>7} %  {}",
        step.name,
        step.per_second,
        step.acknowledged_per_second,
        normal.p50_us as f64 / 1e3,
        normal.p99_us as f64 / 1e3,
        vip.p99_us as f64 / 1e3,
        step.server_cores.unwrap_or_default(),
        step.generator_cores,
        cores.join("/"),
        busiest.join(", "),
    )
}

#[cfg(test)]
mod tests {
    use crate::report::tests::sample;

    #[test]
    fn the_lines_that_scripts_read_are_there() {
        let text = sample().to_string();
        for line in [
            "visitors  sent 40  acknowledged 40  delivered 40  refused 0 (0 refusals)",
            "lost 0  unanswered 0  doubled 0  out of order 0  dropped connections 0",
            "stored: 10 conversations with 40 messages asked of the API, acknowledged and not stored 0, 0 differences",
            "passed",
        ] {
            assert!(text.lines().any(|told| told == line), "{line}\n{text}");
        }
    }
}
