//! What a server must have back when nobody is connected any more: places, buffers, operations, memory of what was
//! not whole, and descriptors.

use std::{
    collections::HashMap,
    fs, thread,
    time::{Duration, Instant},
};

use serde_json::json;

use crate::desk::Desk;

/// Longest that a server may take to come to rest: a close may wait some seconds for its peer.
const PATIENCE: Duration = Duration::from_secs(30);

/// What must be 0, and what must be as much as something else.
const ZERO: [&str; 7] = [
    "ringdesk_connections",
    "ringdesk_net_operations_in_flight",
    "ringdesk_strangers",
    "ringdesk_http_exchanges",
    "ringdesk_held_bytes",
    "ringdesk_sessions{role=\"visitor\"}",
    "ringdesk_sessions{role=\"agent\"}",
];
const EQUAL: [(&str, &str); 2] = [
    ("ringdesk_net_slots_free", "ringdesk_net_slots"),
    ("ringdesk_net_receive_buffers_free", "ringdesk_net_receive_buffers"),
];

/// A server at rest.
pub struct Quiet {
    descriptors: Vec<String>,
}

impl Quiet {
    /// Once everything that is made at first need has been made, and all is quiet.
    pub fn of(desk: &Desk) -> Self {
        let mut visitor = desk.visitor(json!({}));
        visitor.say("warm", "up");
        visitor.wait_for("ack");
        drop(visitor);
        desk.get("/api/v1/me", "nobody");
        Self { descriptors: wait_for_rest(desk, usize::MAX) }
    }

    /// All is as it was.
    pub fn check(&self, desk: &Desk, after: &str) {
        let before = &self.descriptors;
        let now = wait_for_rest(desk, before.len());
        assert!(now.len() <= before.len(), "{after}: {now:?} are open, and before {before:?}");
    }
}

/// The descriptors of the process at rest; the last look when time is over and there are still too many.
fn wait_for_rest(desk: &Desk, descriptors_max: usize) -> Vec<String> {
    let began = Instant::now();
    loop {
        let unrest = unrest(&metrics(desk));
        let descriptors = descriptors(desk);
        if unrest.is_empty() && descriptors.len() <= descriptors_max {
            return descriptors;
        }
        if began.elapsed() > PATIENCE {
            assert!(unrest.is_empty(), "never at rest: {unrest:?}");
            return descriptors;
        }
        thread::sleep(Duration::from_millis(100));
    }
}

fn unrest(metrics: &HashMap<String, f64>) -> Vec<String> {
    let value = |name: &str| *metrics.get(name).unwrap_or_else(|| panic!("no metric {name}"));
    let zero = ZERO.iter().filter(|name| value(name) != 0.0).map(|name| format!("{name} is {}", value(name)));
    let equal = EQUAL
        .iter()
        .filter(|(part, whole)| value(part) != value(whole))
        .map(|(part, whole)| format!("{part} is {}, {whole} {}", value(part), value(whole)));
    zero.chain(equal).collect()
}

/// Every metric without buckets, by name and labels.
pub fn metrics(desk: &Desk) -> HashMap<String, f64> {
    let text = desk.metrics_text();
    let lines = text.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.rsplit_once(' '));
    lines.filter_map(|(name, value)| Some((name.to_owned(), value.parse().ok()?))).collect()
}

/// How many connections were ended by us for that reason.
pub fn ended(desk: &Desk, reason: &str) -> f64 {
    metrics(desk)[&format!("ringdesk_connections_ended_total{{reason=\"{reason}\"}}")]
}

/// How many connections were refused for that reason.
pub fn refused(desk: &Desk, reason: &str) -> f64 {
    metrics(desk)[&format!("ringdesk_connections_refused_total{{reason=\"{reason}\"}}")]
}

/// Waits until a count is at least so much: metrics follow the shards a few times a second.
pub fn wait_for(what: &str, least: f64, count: impl Fn() -> f64) {
    let began = Instant::now();
    while count() < least {
        assert!(began.elapsed() < PATIENCE, "{what}: {} and not {least}", count());
        thread::sleep(Duration::from_millis(50));
    }
}

/// What the process has open, but for journal and database, whose files come and go with what is written.
fn descriptors(desk: &Desk) -> Vec<String> {
    let entries = fs::read_dir(format!("/proc/{}/fd", desk.id())).expect("it runs");
    let targets = entries.filter_map(|entry| fs::read_link(entry.ok()?.path()).ok());
    let others = targets.filter(|target| !target.starts_with(desk.data()));
    others.map(|target| target.display().to_string()).collect()
}
