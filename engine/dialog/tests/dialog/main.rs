//! The machine against data: a table, stories, every path there is, and its own picture.

mod diagram;
mod search;
mod table;
mod transcripts;
mod with_desk;

use std::{fs, path::Path};

/// Compares a file of this crate or of `docs` with what it must be; with `UPDATE=1` it is written instead, to be
/// read before it is committed.
fn assert_current(path: &str, expected: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    if std::env::var_os("UPDATE").is_some_and(|value| value == "1") {
        fs::write(&path, expected).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        return;
    }
    let found = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let at = found.lines().zip(expected.lines()).position(|(found, expected)| found != expected);
    assert!(
        found == expected,
        "{} is not what the machine does, from line {} on; read the difference after UPDATE=1 cargo test -p dialog",
        path.display(),
        at.unwrap_or_else(|| found.lines().count().min(expected.lines().count())) + 1
    );
}
