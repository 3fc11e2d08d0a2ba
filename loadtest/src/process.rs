//! What Linux says about a process and the machine: memory, and the time they used.

use std::{collections::BTreeMap, fs, io};

use serde::Serialize;

/// Clock ticks a second in `/proc/PID/stat`: the same on every Linux of our architectures.
const TICKS_PER_SECOND: f64 = 100.0;

/// A process at one moment.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Usage {
    /// Resident memory now.
    pub rss_bytes: u64,
    /// Resident memory at its highest.
    pub rss_bytes_max: u64,
    /// Processor time since its start, of all threads.
    pub cpu_seconds: f64,
}

/// What process `pid` uses; `"self"` is this one.
pub fn usage(pid: &str) -> io::Result<Usage> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    parse(&stat, &status).ok_or_else(|| unexpected(&format!("/proc/{pid}")))
}

/// Processor seconds of the threads of process `pid`, by their names; those of one name together.
pub fn threads(pid: &str) -> io::Result<BTreeMap<String, f64>> {
    let mut all = BTreeMap::new();
    for entry in fs::read_dir(format!("/proc/{pid}/task"))? {
        // A thread may end meanwhile.
        let Ok(stat) = fs::read_to_string(entry?.path().join("stat")) else { continue };
        let name = stat.split_once('(').and_then(|(_, rest)| rest.rsplit_once(')')).map(|(name, _)| name);
        if let (Some(name), Some(cpu_seconds)) = (name, cpu_seconds(&stat)) {
            *all.entry(name.to_owned()).or_default() += cpu_seconds;
        }
    }
    Ok(all)
}

/// The machine at one moment; counts are since its start.
#[derive(Clone, Debug, Default)]
pub struct MachineUsage {
    /// Seconds that each core was busy.
    pub busy_seconds: Vec<f64>,
    /// The kernel's own objects (its slabs): sockets and what belongs to them are here.
    pub slab_bytes: u64,
    /// Packets that a core had no room for: those over loopback, too.
    pub packets_dropped: u64,
    /// TCP segments sent again, whatever the reason.
    pub segments_resent: u64,
}

/// The machine now.
pub fn machine() -> io::Result<MachineUsage> {
    let busy_seconds = parse_cores(&fs::read_to_string("/proc/stat")?);
    let slab = kib_of(&fs::read_to_string("/proc/meminfo")?, "Slab:");
    Ok(MachineUsage {
        busy_seconds,
        slab_bytes: slab.ok_or_else(|| unexpected("/proc/meminfo"))?,
        packets_dropped: parse_dropped(&fs::read_to_string("/proc/net/softnet_stat")?),
        segments_resent: parse_resent(&fs::read_to_string("/proc/net/snmp")?).unwrap_or_default(),
    })
}

/// The second column of each core's line, hexadecimal.
fn parse_dropped(softnet: &str) -> u64 {
    let dropped = |line: &str| u64::from_str_radix(line.split_ascii_whitespace().nth(1)?, 16).ok();
    softnet.lines().filter_map(dropped).sum()
}

/// `RetransSegs` of the two lines that begin with `Tcp:`, names and values.
fn parse_resent(snmp: &str) -> Option<u64> {
    let mut lines = snmp.lines().filter_map(|line| line.strip_prefix("Tcp:"));
    let (names, values) = (lines.next()?, lines.next()?);
    let at = names.split_ascii_whitespace().position(|name| name == "RetransSegs")?;
    values.split_ascii_whitespace().nth(at)?.parse().ok()
}

fn unexpected(path: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("{path} is not as expected"))
}

fn parse(stat: &str, status: &str) -> Option<Usage> {
    Some(Usage {
        rss_bytes: kib_of(status, "VmRSS:")?,
        rss_bytes_max: kib_of(status, "VmHWM:")?,
        cpu_seconds: cpu_seconds(stat)?,
    })
}

fn cpu_seconds(stat: &str) -> Option<f64> {
    // The name, in brackets, may have spaces: fields are counted behind it. 14 and 15 are utime and stime.
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_ascii_whitespace().skip(11);
    let user: f64 = fields.next()?.parse().ok()?;
    let system: f64 = fields.next()?.parse().ok()?;
    Some((user + system) / TICKS_PER_SECOND)
}

/// A line `NAME 12 kB`, in bytes.
fn kib_of(text: &str, name: &str) -> Option<u64> {
    let rest = text.lines().find_map(|line| line.strip_prefix(name))?;
    let kib: u64 = rest.trim().strip_suffix(" kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

/// All but idle and waiting for the disk, of each `cpuN` line of `/proc/stat`.
fn parse_cores(stat: &str) -> Vec<f64> {
    let cores = stat.lines().filter(|line| line.starts_with("cpu") && !line.starts_with("cpu "));
    let busy = |line: &str| {
        let ticks = line.split_ascii_whitespace().skip(1).take(8).enumerate();
        let busy = ticks.filter(|(index, _)| !matches!(index, 3 | 4));
        busy.filter_map(|(_, ticks)| ticks.parse::<f64>().ok()).sum::<f64>() / TICKS_PER_SECOND
    };
    cores.map(busy).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usage_is_read_from_proc() {
        let stat = "7 (a) b) S 1 7 7 0 -1 4194304 9 0 0 0 150 50 0 0 20 0 4 0 5 6 7";
        let status = "Name:\tx\nVmHWM:\t 2048 kB\nVmRSS:\t    1024 kB\nThreads:\t1\n";
        let usage = parse(stat, status).expect("right");
        assert_eq!((usage.rss_bytes, usage.rss_bytes_max, usage.cpu_seconds), (1 << 20, 2 << 20, 2.0));
        assert!(parse(stat, "Name:\tx\n").is_none());
        assert!(super::usage("self").expect("we run").rss_bytes > 0);
        assert!(!threads("self").expect("we run").is_empty());
    }

    #[test]
    fn a_core_is_busy_unless_it_idles_or_waits_for_the_disk() {
        let stat = "cpu  9 9 9 9 9 9 9 9 0 0\ncpu0 100 0 50 7000 9000 0 30 20 0 0\ncpu1 0 0 0 5 0 0 0 0 0 0\nintr 1\n";
        assert_eq!(parse_cores(stat), [2.0, 0.0]);
        assert_eq!(parse_dropped("0ff0 00000010 0\n01 00000001 0\n"), 17);
        assert_eq!(parse_resent("Ip: A\nIp: 1\nTcp: InSegs RetransSegs\nTcp: 9 7\n"), Some(7));
        let machine = machine().expect("it is a Linux");
        assert!(!machine.busy_seconds.is_empty() && machine.slab_bytes > 0);
    }
}
