//! The borders of the house, held by a test: who may know whom, where `unsafe` and clocks live, and that
//! what the documents name exists.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// Who may know whom. An edge missing here is a failing test, not a review comment.
const MAY_USE: &[(&str, &[&str])] = &[
    ("codec", &[]),
    ("net", &[]),
    ("engine/dialog", &[]),
    ("engine/store", &[]),
    ("engine", &["codec", "dialog", "net", "store"]),
    // The simulator is a reactor: docs/decisions/0007-the-simulator-is-a-reactor.md.
    ("engine/sim", &["codec", "engine", "net", "store"]),
    // The generator uses the reactor, too: docs/decisions/0001-loadtest-uses-net.md.
    ("loadtest", &["codec", "net"]),
    // The journal that is recovered is written by the bench: it is the format that is measured. Layers are measured
    // one by one, so each is known.
    ("bench", &["codec", "dialog", "engine", "net", "store"]),
];

/// Folders of sources that must not read a clock or do I/O: they are given time and bytes.
const PURE: &[&str] = &[
    "codec/src",
    "engine/dialog/src",
    "engine/src/shard",
    "engine/src/channel",
    "engine/src/desk.rs",
    "engine/src/desk",
];

/// What a pure source may not name, and what to use instead.
const IMPURE: &[(&str, &str)] = &[
    ("SystemTime", "the time of the turn"),
    ("Instant::now", "the time of the turn"),
    ("std::fs", "bytes given by the caller"),
    ("std::net::Tcp", "bytes given by the caller"),
    ("std::thread", "nothing: a shard is one thread"),
    ("net::", "numbers for connections and `Output`s"),
    ("tokio", "jobs to the pool"),
];

/// A `SAFETY:` stands at most so many lines above its block.
const SAFETY_LINES_MAX: usize = 12;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("engine is inside the house").to_owned()
}

fn sources(under: &Path) -> Vec<PathBuf> {
    if under.is_file() {
        return vec![under.to_owned()];
    }
    let mut found = Vec::new();
    for entry in fs::read_dir(under).unwrap_or_else(|error| panic!("{}: {error}", under.display())) {
        let path = entry.expect("listed").path();
        let name = path.file_name().expect("has a name").to_string_lossy().into_owned();
        if path.is_dir() && !["target", "node_modules", "dist"].contains(&name.as_str()) {
            found.extend(sources(&path));
        } else if name.ends_with(".rs") {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The code of a line: without what follows `//`, good enough for sources that rustfmt has seen.
fn code(line: &str) -> &str {
    line.split("//").next().unwrap_or_default()
}

#[test]
fn crates_know_only_whom_they_may() {
    let ours: BTreeSet<&str> =
        ["codec", "net", "dialog", "store", "engine", "sim", "loadtest", "bench"].into();
    for (folder, allowed) in MAY_USE {
        let manifest = read(&root().join(folder).join("Cargo.toml"));
        for line in manifest.lines() {
            let name = line.split(['.', ' ', '=']).next().unwrap_or_default();
            let is_dependency = line.contains("workspace = true") && ours.contains(name);
            assert!(!is_dependency || allowed.contains(&name), "{folder} may not know {name}");
        }
    }
    let members = read(&root().join("Cargo.toml"));
    let members = members.lines().find(|line| line.starts_with("members")).expect("a workspace");
    assert_eq!(members.matches('"').count() / 2, MAY_USE.len(), "a crate without a line in MAY_USE");
}

#[test]
fn unsafe_lives_in_net_only_and_each_block_has_its_proof() {
    let unsafe_word = ["un", "safe "].concat();
    for source in sources(&root()) {
        let text = read(&source);
        let lines: Vec<&str> = text.lines().collect();
        let in_net = source.starts_with(root().join("net"));
        for (number, line) in lines.iter().enumerate() {
            let code = code(line);
            if !code.contains(&unsafe_word) || code.contains('"') {
                continue;
            }
            let place = format!("{}:{}", source.display(), number + 1);
            assert!(in_net, "{place}: only net may be unsafe");
            if code.contains(&format!("{unsafe_word}{{")) || code.contains(&format!("{unsafe_word}impl")) {
                let above = &lines[number.saturating_sub(SAFETY_LINES_MAX)..number];
                assert!(above.iter().any(|line| line.contains("SAFETY:")), "{place}: where is the proof?");
            }
        }
    }
}

#[test]
fn the_pure_parts_read_no_clock_and_do_no_io() {
    for folder in PURE {
        for source in sources(&root().join(folder)) {
            for (number, line) in read(&source).lines().enumerate() {
                for (banned, instead) in IMPURE {
                    let named = code(line).match_indices(banned).any(|(at, _)| {
                        // `my_net::` is another word.
                        !line[..at].ends_with(|before: char| {
                            before.is_alphanumeric() || before == '_' || before == ':'
                        })
                    });
                    assert!(!named, "{}:{}: use {instead}, not {banned}", source.display(), number + 1);
                }
            }
        }
    }
}

#[test]
fn every_source_opens_by_saying_what_it_is() {
    for source in sources(&root()) {
        assert!(read(&source).starts_with("//!"), "{}: begin with `//!`", source.display());
    }
}

#[test]
fn paths_named_in_documents_exist() {
    let mut documents = vec![root().join("README.md"), root().join("CONTRIBUTING.md")];
    let mut folders = vec![root().join("docs")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("docs exist") {
            let path = entry.expect("listed").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "md") {
                documents.push(path);
            }
        }
    }
    let beginnings = ["codec/", "net/", "engine/", "loadtest/", "bench/", "web/", "docs/", "deploy/", ".ci/"];
    for document in documents {
        let text = read(&document);
        // Words in backticks, outside of fenced blocks.
        let prose: String = text.split("```").step_by(2).collect::<Vec<_>>().join(" ");
        for word in prose.split('`').skip(1).step_by(2) {
            let is_path = beginnings.iter().any(|beginning| word.starts_with(beginning))
                && !word.contains(['*', ' ', '{', '<', '…']);
            let path = word.split(':').next().unwrap_or_default();
            let is_made = path.contains("/dist") || path.contains("/screenshots");
            assert!(
                !is_path || is_made || root().join(path).exists(),
                "{}: `{word}` is not there",
                document.display()
            );
        }
    }
}
