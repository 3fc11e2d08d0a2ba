//! What Linux says about a process: its memory and the time it used.

use std::{fs, io};

use serde::Serialize;

/// Clock ticks a second in `/proc/PID/stat`: the same on every Linux of our architectures.
const TICKS_PER_SECOND: f64 = 100.0;

/// A process at one moment.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Usage {
    /// Resident memory now.
    pub rss_bytes: u64,
    /// Processor time since its start, of all threads.
    pub cpu_seconds: f64,
}

/// What process `pid` uses; `"self"` is this one.
pub fn usage(pid: &str) -> io::Result<Usage> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    parse(&stat, &status)
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, format!("/proc/{pid} is not as expected")))
}

fn parse(stat: &str, status: &str) -> Option<Usage> {
    // The name, in brackets, may have spaces: fields are counted behind it. 14 and 15 are utime and stime.
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_ascii_whitespace().skip(11);
    let user: f64 = fields.next()?.parse().ok()?;
    let system: f64 = fields.next()?.parse().ok()?;
    let rss = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = rss.trim().strip_suffix(" kB")?.trim().parse().ok()?;
    Some(Usage { rss_bytes: kib * 1024, cpu_seconds: (user + system) / TICKS_PER_SECOND })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usage_is_read_from_proc() {
        let stat = "7 (a) b) S 1 7 7 0 -1 4194304 9 0 0 0 150 50 0 0 20 0 4 0 5 6 7";
        let usage = parse(stat, "Name:\tx\nVmRSS:\t    1024 kB\nThreads:\t1\n").expect("right");
        assert_eq!((usage.rss_bytes, usage.cpu_seconds), (1_048_576, 2.0));
        assert!(parse(stat, "Name:\tx\n").is_none());
        assert!(super::usage("self").expect("we run").rss_bytes > 0);
    }
}
