//! The report as one HTML page that a person likes to look at: nothing is loaded from anywhere, and it is right
//! by day and by night. The drawing of lines is [`crate::chart`]'s.

use std::fmt::Write;

use crate::{
    chart::{Chart, Line, escaped, figure},
    measure::{Class, Path, Summary},
    percentiles,
    report::{Report, Step},
    timeline::Sample,
};

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");
/// Seconds between two labels, the first that leaves room.
const SECONDS_TICKS: [f64; 10] = [1.0, 2.0, 5.0, 10.0, 20.0, 60.0, 120.0, 300.0, 600.0, 3_600.0];
const TICKS_MAX: f64 = 10.0;
const MIB: f64 = 1_048_576.0;

/// The whole page.
pub fn page(report: &Report) -> String {
    let charts: String =
        [latency(report), rates(report), memory(report), cores(report)].iter().map(Chart::html).collect();
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <title>{name}: ringdesk-load</title><style>{STYLE}</style></head>\n<body><main>{head}{tiles}\
         <div class=\"grid2\">{curve}{targets}</div>\
         <div class=\"grid2\">{charts}</div>{steps}\
         <div class=\"grid2\">{latencies}{ledger}</div>{remarks}{asked}</main><script>{SCRIPT}</script></body></html>\n",
        name = escaped(&report.scenario.name),
        head = head(report),
        tiles = tiles(report),
        targets = targets(report),
        curve = curve(report).html(),
        steps = steps(report),
        latencies = latencies(report),
        ledger = ledger(report),
        remarks = remarks(report),
        asked = asked(report),
    )
}

fn head(report: &Report) -> String {
    let chip = |good: bool, text: &str| {
        format!("<span class=\"chip {}\">{text}</span>", if good { "good" } else { "bad" })
    };
    let verdict = chip(report.passed, if report.passed { "passed" } else { "failed" });
    let invalid =
        if report.valid { String::new() } else { chip(false, "invalid: the generator was the bottleneck") };
    let missed = report.targets.iter().filter(|target| !target.met).count();
    let targets = match (report.targets.len(), missed) {
        (0, _) => String::new(),
        (all, 0) => chip(true, &format!("{all} of {all} targets met")),
        (all, missed) => chip(false, &format!("{missed} of {all} targets missed")),
    };
    let at = time_text(report.ended_unix_ms);
    let (scenario, machine) = (&report.scenario, &report.machine);
    format!(
        "<header><h1>{}</h1>{verdict}{invalid}{targets}<p>{}</p><p>{at} · {} cores, {} · Linux {} · seed {} · \
         generator: {} threads, {}</p></header>",
        escaped(&scenario.name),
        escaped(&scenario.about),
        machine.cores,
        escaped(&machine.processor),
        escaped(&machine.kernel),
        report.generator.seed,
        report.generator.threads,
        escaped(&report.generator.backend),
    )
}

/// A moment in UTC (the algorithm of days from civil, backwards).
fn time_text(unix_ms: u64) -> String {
    let (days, seconds) = (unix_ms / 86_400_000, unix_ms / 1_000 % 86_400);
    let shifted = days + 719_468;
    let (era, of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    format!("{year}-{month:02}-{day:02} {:02}:{:02} UTC", seconds / 3_600, seconds / 60 % 60)
}

fn tiles(report: &Report) -> String {
    let tile = |value: String, unit: &str, what: &str| {
        format!("<div class=\"card tile\"><b>{value}<small>{unit}</small></b><span>{what}</span></div>")
    };
    let mut all = String::from("<div class=\"tiles\">");
    if let Some(delivery) = report.measures.both_classes(Path::VisitorAgent) {
        let summary = Summary::of(&delivery);
        for (us, what) in [(summary.p50_us, "p50"), (summary.p99_us, "p99"), (summary.p999_us, "p99.9")] {
            all += &tile(ms(us), "ms", &format!("visitor → agent, {what}"));
        }
    }
    let outcome = &report.outcome;
    let wrong = outcome.lost + outcome.doubled + outcome.disordered + outcome.unanswered;
    let messages = outcome.visitors.acknowledged + outcome.agents.acknowledged;
    let of = format!("lost, doubled, out of order or unanswered of {} messages", figure(messages as f64));
    all += &tile(figure(wrong as f64), "", &of);
    if let Some(bytes) = report.memory.server_rss_bytes_max {
        all += &tile(figure((bytes as f64 / MIB).round()), "MiB", "server memory at its highest");
    }
    let counted = report.steps.iter().filter(|step| !step.warm_up && !step.search);
    let best = counted.map(|step| step.acknowledged_per_second).fold(0.0, f64::max);
    if best > 0.0 {
        all += &tile(figure(best.round()), "/s", "durable messages, in the busiest step");
    }
    all + "</div>"
}

fn ms(us: u64) -> String {
    let ms = us as f64 / 1e3;
    if ms < 10.0 { format!("{ms:.2}") } else { figure((ms * 10.0).round() / 10.0) }
}

fn targets(report: &Report) -> String {
    let mut rows = String::new();
    for target in &report.targets {
        let (class, word) = if target.met { ("met", "✓ met") } else { ("missed", "✗ missed") };
        let got = target.got.map_or("not measured".to_owned(), |got| format!("{got:.2} {}", target.unit));
        let bound = if target.at_least { "≥" } else { "≤" };
        let _ = write!(
            rows,
            "<tr><td class=\"text\">{}</td><td>{bound} {} {}</td><td>{got}</td><td class=\"{class}\">{word}</td></tr>",
            target.what,
            figure(target.wanted),
            target.unit
        );
    }
    if let Some(floor) = &report.floor {
        for (what, summary) in
            [("a sleeping thread wakes up", floor.wake_up), ("one fdatasync", floor.durable_write)]
        {
            let _ = write!(
                rows,
                "<tr class=\"faint\"><td class=\"text\">this machine's floor: {what}</td>\
                 <td colspan=\"3\">p50 {} · p99 {} · p99.9 {} ms</td></tr>",
                ms(summary.p50_us),
                ms(summary.p99_us),
                ms(summary.p999_us)
            );
        }
    }
    table("Targets", &["what", "wanted", "reached", ""], &rows)
}

fn table(caption: &str, heads: &[&str], rows: &str) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let class = |head: &str| if head == "class" { " class=\"text\"" } else { "" };
    let heads: String = heads.iter().map(|head| format!("<th{}>{head}</th>", class(head))).collect();
    format!(
        "<div class=\"card wide\"><table><caption>{caption}</caption><thead><tr>{heads}</tr></thead>\
         <tbody>{rows}</tbody></table></div>"
    )
}

fn curve(report: &Report) -> Chart {
    let line = |name, color, path| {
        let histogram = report.measures.both_classes(path);
        histogram.map(|histogram| Line::new(name, color, percentiles::curve(&histogram)))
    };
    let mut lines: Vec<Line> = [
        line("visitor → agent", 0, Path::VisitorAgent),
        line("visitor → ack", 1, Path::VisitorAck),
        line("agent → visitor", 3, Path::AgentVisitor),
        line("bystander → agent", 2, Path::Bystander),
        line("resume → welcome", 5, Path::Resume),
    ]
    .into_iter()
    .flatten()
    .collect();
    if let Some(floor) = &report.floor {
        let points = |summary: Summary| {
            let quantiles = [
                (0.301, summary.p50_us),
                (1.0, summary.p90_us),
                (2.0, summary.p99_us),
                (3.0, summary.p999_us),
            ];
            quantiles.into_iter().map(|(nines, us)| (nines, us as f64 / 1e3)).collect()
        };
        lines.push(Line::dashed("floor: fdatasync", 2, points(floor.durable_write)));
        lines.push(Line::dashed("floor: wake-up", 4, points(floor.wake_up)));
    }
    let most = lines.iter().flat_map(|line| &line.points).map(|point| point.0).fold(0.0, f64::max);
    let names = ["min", "90 %", "99 %", "99.9 %", "99.99 %", "99.999 %", "99.9999 %"];
    let x_ticks = names.iter().enumerate().map(|(nines, name)| (nines as f64, (*name).to_owned()));
    Chart {
        title: "Percentiles",
        about: "From the moment a message was due, so that nothing hides a stall. All classes.",
        unit: "ms",
        logarithmic: true,
        lines,
        x_ticks: x_ticks.filter(|(nines, _)| *nines <= most.max(1.0)).collect(),
        marks: Vec::new(),
    }
}

/// Something over time.
fn over_time(
    report: &Report,
    title: &'static str,
    about: &'static str,
    unit: &'static str,
    lines: Vec<Line>,
) -> Chart {
    let last = report.timeline.last().map_or(0.0, |sample| sample.second);
    let each = SECONDS_TICKS.into_iter().find(|each| last / each <= TICKS_MAX).unwrap_or(last.max(1.0));
    let ticks = (0..).map(|tick| f64::from(tick) * each).take_while(|at| *at <= last);
    let x_ticks = ticks.map(|at| (at, format!("{} s", figure(at)))).collect();
    let mut marks: Vec<(f64, String)> = Vec::new();
    let mut before = None;
    for sample in &report.timeline {
        if before != Some(sample.step) && report.steps.len() > 1 {
            let name = report.steps.get(sample.step).map_or("", |step| step.name.as_str());
            marks.push((sample.second, name.to_owned()));
        }
        before = Some(sample.step);
    }
    Chart { title, about, unit, logarithmic: false, lines, x_ticks, marks }
}

fn series(report: &Report, name: &str, color: usize, value: impl Fn(&Sample) -> Option<f64>) -> Line {
    let points = report.timeline.iter().filter_map(|sample| Some((sample.second, value(sample)?)));
    Line::new(name, color, points.collect())
}

fn latency(report: &Report) -> Chart {
    let delivery = |of: fn(&Summary) -> u64| {
        move |sample: &Sample| {
            let some = sample.delivery.count > 0;
            some.then(|| of(&sample.delivery) as f64 / 1e3)
        }
    };
    let lines = vec![
        series(report, "slowest", 5, delivery(|summary| summary.max_us)),
        series(report, "p99", 0, delivery(|summary| summary.p99_us)),
        series(report, "p50", 1, delivery(|summary| summary.p50_us)),
    ];
    let about = "Visitor → agent, second by second.";
    Chart { logarithmic: true, ..over_time(report, "Latency over time", about, "ms", lines) }
}

fn rates(report: &Report) -> Chart {
    let lines = vec![
        series(report, "sent", 4, |sample| Some(sample.sent)),
        series(report, "acknowledged", 1, |sample| Some(sample.acknowledged)),
        series(report, "delivered", 0, |sample| Some(sample.delivered)),
        series(report, "refused", 5, |sample| (sample.refusals > 0.0).then_some(sample.refusals)),
    ];
    over_time(report, "Messages a second", "Visitors' and agents' messages together.", "/s", lines)
}

fn memory(report: &Report) -> Chart {
    let lines = vec![series(report, "server, resident", 3, |sample| {
        sample.server_rss_bytes.map(|bytes| bytes as f64 / MIB)
    })];
    over_time(report, "Memory", "Of the server's process.", "MiB", lines)
}

fn cores(report: &Report) -> Chart {
    let lines = vec![
        series(report, "server", 0, |sample| sample.server_cores),
        series(report, "generator", 4, |sample| Some(sample.generator_cores)),
    ];
    over_time(report, "Processor time", "1 is one core for all of the time.", "cores", lines)
}

fn steps(report: &Report) -> String {
    if report.steps.len() < 2 {
        return String::new();
    }
    let rows: String = report.steps.iter().map(step_row).collect();
    let heads = [
        "step",
        "asked/s",
        "acks/s",
        "p50 ms",
        "p99 ms",
        "VIP p99",
        "server",
        "µs a message",
        "cores busy",
        "server's busiest threads",
    ];
    table("Steps", &heads, &rows)
}

fn step_row(step: &Step) -> String {
    let of = |class| step.latency(Path::VisitorAgent, class).unwrap_or_default();
    let mut threads: Vec<(&String, &f64)> = step.server_threads.iter().collect();
    threads.sort_by(|one, other| other.1.total_cmp(one.1));
    let percent = |share: f64| format!("{:.0} %", share * 100.0);
    let threads: Vec<String> = threads
        .iter()
        .take(3)
        .map(|(name, cores)| format!("{} {}", escaped(name), percent(**cores)))
        .collect();
    let busy: Vec<String> = step.cores_busy.iter().map(|busy| percent(*busy)).collect();
    format!(
        "<tr{}><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td>\
         <td>{}</td></tr>",
        if step.warm_up || step.search { " class=\"faint\"" } else { "" },
        escaped(&step.name),
        figure(step.per_second.round()),
        figure(step.acknowledged_per_second.round()),
        ms(of(Class::Normal).p50_us),
        ms(of(Class::Normal).p99_us),
        ms(of(Class::Vip).p99_us),
        step.server_cores.map(percent).unwrap_or_default(),
        step.server_us_per_message.map(|us| figure(us.round())).unwrap_or_default(),
        busy.join(" · "),
        threads.join(", "),
    )
}

fn latencies(report: &Report) -> String {
    let row = |path: &str, class: &str, summary: &Summary, faint: bool| {
        format!(
            "<tr{}><td>{path}</td><td class=\"text\">{class}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
            if faint { " class=\"faint\"" } else { "" },
            figure(summary.count as f64),
            ms(summary.p50_us),
            ms(summary.p99_us),
            ms(summary.p999_us),
            ms(summary.max_us)
        )
    };
    let mut rows: String = report
        .latencies
        .iter()
        .map(|latency| row(latency.path, latency.class, &latency.summary, false))
        .collect();
    rows += &row("generator's own lag", "", &report.lag, true);
    table("Latencies, ms", &["path", "class", "count", "p50", "p99", "p99.9", "max"], &rows)
}

fn ledger(report: &Report) -> String {
    let outcome = &report.outcome;
    let mut rows = String::new();
    let mut row = |what: &str, value: String| {
        let _ = write!(rows, "<tr><td>{what}</td><td>{value}</td></tr>");
    };
    let both = |of: fn(&crate::ledger::Counts) -> u64| {
        let (visitors, agents) = (of(&outcome.visitors), of(&outcome.agents));
        format!("{} + {}", figure(visitors as f64), figure(agents as f64))
    };
    row("sent, visitors + agents", both(|counts| counts.sent));
    row("acknowledged", both(|counts| counts.acknowledged));
    row("delivered", both(|counts| counts.delivered));
    row("refused for good", both(|counts| counts.refused));
    if outcome.waiting > 0 {
        row("waiting for a first agent", figure(outcome.waiting as f64));
    }
    for (what, count) in [
        ("lost", outcome.lost),
        ("unanswered", outcome.unanswered),
        ("doubled", outcome.doubled),
        ("out of order", outcome.disordered),
    ] {
        row(what, figure(count as f64));
    }
    if let Some(verified) = &report.verified {
        let value = format!(
            "{} in {} conversations, {} missing",
            figure(verified.stored as f64),
            figure(verified.conversations as f64),
            verified.missing
        );
        row("stored, asked of the API", value);
    }
    let resent: u64 = report.steps.iter().map(|step| step.segments_resent).sum();
    let dropped: u64 = report.steps.iter().map(|step| step.packets_dropped).sum();
    let network = format!("{} / {}", figure(dropped as f64), figure(resent as f64));
    row("packets lost / segments resent, whole machine", network);
    row("connections lost", figure(report.dropped_connections as f64));
    if let Some(bytes) = report.memory.server_bytes_per_session {
        row("server memory a session, connected", format!("{} B", figure(bytes as f64)));
    }
    row(
        "kernel memory a session, both ends",
        format!("{} B", figure(report.memory.kernel_bytes_per_session as f64)),
    );
    table("The ledger", &["", "messages"], &rows)
}

fn remarks(report: &Report) -> String {
    let mut rows = String::new();
    for (what, times) in &report.remarks {
        let _ = write!(rows, "<tr><td class=\"text\">{}</td><td>{times}</td></tr>", escaped(what));
    }
    let differences = report.verified.iter().flat_map(|verified| &verified.differences);
    for fault in report.faults.iter().chain(differences.take(20)) {
        let _ = write!(rows, "<tr><td class=\"text missed\">{}</td><td></td></tr>", escaped(fault));
    }
    table("Remarks", &["what", "times"], &rows)
}

fn asked(report: &Report) -> String {
    let text = toml::to_string(&report.scenario).unwrap_or_default();
    format!("<details><summary>The scenario</summary><pre>{}</pre></details>", escaped(&text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::tests::sample;

    #[test]
    fn the_page_is_whole_and_loads_nothing() {
        let page = page(&sample());
        for part in ["<h1>idle</h1>", "passed", "Percentiles", "Latency over time", "Memory", "The ledger"] {
            assert!(page.contains(part), "{part}");
        }
        for outside in ["http:", "https:", "src=", "@import", "url("] {
            assert!(!page.contains(outside), "{outside}");
        }
        assert!(page.contains("prefers-color-scheme: dark"));
        assert_eq!(page.matches("<figure").count(), page.matches("</figure>").count());
    }

    #[test]
    fn what_a_scenario_says_is_text_and_no_markup() {
        let mut report = sample();
        report.scenario.name = "<script>".to_owned();
        report.remarks.insert("a < b".to_owned(), 1);
        let page = page(&report);
        assert!(page.contains("&lt;script&gt;") && page.contains("a &lt; b"));
        assert!(!page.contains("<h1><script>"));
    }

    #[test]
    fn a_moment_is_told_in_utc() {
        assert_eq!(time_text(0), "1970-01-01 00:00 UTC");
        assert_eq!(time_text(1_760_000_000_000), "2025-10-09 08:53 UTC");
        assert_eq!(time_text(951_782_400_000), "2000-02-29 00:00 UTC");
    }
}
