//! What a run was to reach, beside what it reached. A target that is missed does not fail a run: only what is
//! lost does.

use serde::Serialize;

use crate::{
    measure::{Class, Path, Summary},
    report::{Report, Step},
};

/// Bytes of a MiB.
const MIB: f64 = 1_048_576.0;

/// One target.
#[derive(Clone, Debug, Serialize)]
pub struct Target {
    /// What is limited, in words.
    pub what: &'static str,
    /// At most this; for what is kept, at least.
    pub wanted: f64,
    /// This was reached; nothing where it could not be measured.
    pub got: Option<f64>,
    /// As written behind the figures.
    pub unit: &'static str,
    /// More is better.
    pub at_least: bool,
    /// Whether it was met.
    pub met: bool,
}

fn target(what: &'static str, wanted: f64, got: Option<f64>, unit: &'static str, at_least: bool) -> Target {
    let met = got.is_some_and(|got| if at_least { got >= wanted } else { got <= wanted });
    Target { what, wanted, got, unit, at_least, met }
}

/// Every target that the scenario names.
pub fn compare(report: &Report) -> Vec<Target> {
    let wanted = report.scenario.targets;
    let ms = |path: Path, of: fn(Summary) -> u64| {
        let both = report.measures.both_classes(path)?;
        Some(of(Summary::of(&both)) as f64 / 1e3)
    };
    let p99 = |summary: Summary| summary.p99_us;
    let delivery = Path::VisitorAgent;
    let at_most =
        |what, wanted: Option<f64>, got, unit| wanted.map(|wanted| target(what, wanted, got, unit, false));
    let rss = report.memory.server_rss_bytes_max.map(|bytes| bytes as f64 / MIB);
    let each = report.memory.server_bytes_per_session.map(|bytes| bytes as f64);
    let all = [
        at_most(
            "visitor → agent p50",
            wanted.visitor_agent_p50_ms,
            ms(delivery, |summary| summary.p50_us),
            "ms",
        ),
        at_most("visitor → agent p99", wanted.visitor_agent_p99_ms, ms(delivery, p99), "ms"),
        at_most(
            "visitor → agent p99.9",
            wanted.visitor_agent_p999_ms,
            ms(delivery, |summary| summary.p999_us),
            "ms",
        ),
        at_most("server memory at its highest", wanted.server_rss_mb, rss, "MiB"),
        at_most("server memory a session", wanted.server_bytes_per_session, each, "B"),
        at_most(
            "p99 of the busiest step over the first",
            wanted.p99_growth,
            growth(report, busiest(report), Class::Normal),
            "×",
        ),
        at_most(
            "VIPs' p99 of the busiest step over the first",
            wanted.vip_p99_growth,
            growth(report, busiest(report), Class::Vip),
            "×",
        ),
        wanted.goodput_kept.map(|wanted| {
            target("acks of the busiest step over the one before", wanted, goodput(report), "×", true)
        }),
        at_most(
            "p99 of the last step over the first",
            wanted.p99_after,
            growth(report, counted(report).next_back(), Class::Normal),
            "×",
        ),
        at_most(
            "the last who dropped is back",
            wanted.resume_max_ms,
            ms(Path::Resume, |summary| summary.max_us),
            "ms",
        ),
        at_most("bystander → agent p99", wanted.bystander_p99_ms, ms(Path::Bystander, p99), "ms"),
    ];
    all.into_iter().flatten().collect()
}

fn counted(report: &Report) -> impl DoubleEndedIterator<Item = &Step> {
    report.steps.iter().filter(|step| !step.warm_up && !step.search)
}

/// The step that asked for most.
fn busiest(report: &Report) -> Option<&Step> {
    counted(report).max_by(|one, other| one.per_second.total_cmp(&other.per_second))
}

/// The p99 from visitor to agent of a step over that of the first.
fn growth(report: &Report, step: Option<&Step>, class: Class) -> Option<f64> {
    let p99 = |step: &Step| Some(step.latency(Path::VisitorAgent, class)?.p99_us as f64);
    Some(p99(step?)? / p99(counted(report).next()?)?)
}

fn goodput(report: &Report) -> Option<f64> {
    let busiest = busiest(report)?;
    let before = counted(report).take_while(|step| step.name != busiest.name).last()?;
    Some(busiest.acknowledged_per_second / before.acknowledged_per_second)
}

#[cfg(test)]
mod tests {
    use crate::{report::tests::sample, scenario::Targets};

    #[test]
    fn targets_are_met_missed_or_not_measured() {
        let mut report = sample();
        report.scenario.targets = Targets {
            visitor_agent_p50_ms: Some(1.0),
            visitor_agent_p99_ms: Some(1.0),
            resume_max_ms: Some(2_000.0),
            goodput_kept: Some(1.0),
            ..Targets::default()
        };
        let targets = super::compare(&report);
        let found: Vec<_> =
            targets.iter().map(|target| (target.what, target.met, target.got.is_some())).collect();
        assert_eq!(
            found,
            [
                ("visitor → agent p50", true, true),
                ("visitor → agent p99", false, true),
                ("acks of the busiest step over the one before", false, false),
                ("the last who dropped is back", false, false),
            ]
        );
    }
}
