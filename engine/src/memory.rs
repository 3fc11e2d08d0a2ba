//! How much memory this process may use.

use std::{fs, path::Path};

/// Where Linux mounts control groups, version 2.
const CGROUPS: &str = "/sys/fs/cgroup";

/// Bytes: the machine's, or what the control groups leave of it (cgroup-v2.rst, `memory.max`).
pub fn limit_bytes() -> u64 {
    let machine = rustix::system::sysinfo();
    let machine_bytes = machine.totalram as u64 * u64::from(machine.mem_unit);
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    machine_bytes.min(group_bytes(&groups, Path::new(CGROUPS)))
}

/// The least limit of the group and of all that it is in. No limit can be read where there is none: `max`, the root
/// group, version 1.
fn group_bytes(groups: &str, mounted_at: &Path) -> u64 {
    let Some(group) = groups.lines().find_map(|line| line.strip_prefix("0::/")) else { return u64::MAX };
    Path::new(group)
        .ancestors()
        .filter_map(|group| fs::read_to_string(mounted_at.join(group).join("memory.max")).ok())
        .filter_map(|limit| limit.trim().parse().ok())
        .min()
        .unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_limit_of_all_groups_counts() {
        let folder = tempfile::tempdir().expect("a folder");
        let check = |limits: &[(&str, &str)], groups: &str, expected: u64| {
            for (group, limit) in limits {
                let group = folder.path().join(group);
                fs::create_dir_all(&group).expect("made");
                fs::write(group.join("memory.max"), limit).expect("written");
            }
            assert_eq!(group_bytes(groups, folder.path()), expected, "{groups}");
        };
        let limits = [("pod", "4096\n"), ("pod/inner", "max\n"), ("wide", "max\n"), ("wide/tight", "1024\n")];
        check(&limits, "0::/pod/inner\n", 4096);
        check(&[], "0::/wide/tight\n", 1024);
        check(&[], "0::/wide\n", u64::MAX);
        check(&[], "0::/\n", u64::MAX);
        check(&[], "5:memory:/pod\n", u64::MAX);
    }

    #[test]
    fn this_machine_has_some() {
        assert!(limit_bytes() > 64 << 20);
    }
}
