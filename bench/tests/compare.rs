//! The comparison itself, on servers that are there when the tests of this crate run: that it ends and prints a row
//! for each. How the figures come out is not tested.

use std::{path::Path, process::Command};

#[test]
fn each_server_gets_a_row() {
    let program = Path::new(env!("CARGO_BIN_EXE_ringdesk-compare"));
    if net::allowed_cpus().len() < 2 {
        eprintln!("left out: a comparison needs two CPUs");
        return;
    }
    let ours = Path::new(env!("CARGO_BIN_EXE_ringdesk-echo")).parent().expect("it is in a folder");
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let output = Command::new(program)
        .arg("--ours")
        .arg(ours)
        .arg("--folder")
        .arg(folder.path())
        .args(["--workloads", "echo,chat", "--only", "basic,epoll"])
        .args(["--rounds", "2", "--messages", "1000", "--connections", "4"])
        .output()
        .expect("it starts");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    for workload in ["echo, 4 connections", "chat, 4 connections"] {
        let rows = text.split(workload).nth(1).expect("a table of the workload");
        for name in ["modern", "basic", "epoll"] {
            let row = rows.lines().find(|line| line.trim_start().starts_with(name)).expect("a row");
            let median: f64 =
                row.split_whitespace().nth(2).and_then(|word| word.parse().ok()).expect("a number");
            assert!(median > 0.0, "{row}");
        }
    }
}
