//! The program's commands as processes: what they print, what they keep, how they end.

use std::{
    io::Write,
    path::Path,
    process::{Command, Output, Stdio},
};

const PASSWORD: &str = "correct horse";

fn ringdesk(data: &Path, line: &str, input: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_ringdesk"))
        .args(line.split(' '))
        .env("RINGDESK_DATA", data)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program was built");
    // A command that refuses its arguments may be gone before it is told anything.
    drop(child.stdin.take().expect("piped").write_all(input.as_bytes()));
    child.wait_with_output().expect("it ends")
}

fn printed(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("text")
}

fn told(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("text")
}

#[test]
fn accounts_can_be_made_before_the_first_start() {
    let directory = tempfile::tempdir().expect("a directory");
    let data = directory.path().join("data");
    let run = |line: &str, input: &str| ringdesk(&data, line, input);
    let add = "agent add --name 小明 --role supervisor --password-stdin";
    let made = run(add, &format!("{PASSWORD}\n"));
    assert!(made.status.success(), "{}", told(&made));
    assert_eq!(printed(&run("agent list", "")), "小明\tsupervisor\tenabled\n");
    let again = run(add, PASSWORD);
    assert_eq!(again.status.code(), Some(1));
    assert!(told(&again).starts_with("ringdesk: an account has the name 小明 already"), "{}", told(&again));
    assert!(run("agent set-password --name 小明 --password-stdin", "another password").status.success());
    assert!(run("agent disable --name 小明", "").status.success());
    assert_eq!(printed(&run("agent list", "")), "小明\tsupervisor\tdisabled\n");
    let nobody = run("agent disable --name nobody", "");
    assert_eq!((nobody.status.code(), told(&nobody).lines().count()), (Some(1), 1));
    let short = run("agent add --name b --role agent --password-stdin", "short\n");
    assert_eq!(short.status.code(), Some(1));
    assert!(told(&short).contains("at least 8 characters"), "{}", told(&short));
}

#[test]
fn a_visitor_token_is_one_line_that_the_secret_verifies() {
    let directory = tempfile::tempdir().expect("a directory");
    let line = "visitor-token --visitor u17 --class vip --ttl 1h";
    let output = ringdesk(directory.path(), line, "");
    assert!(output.status.success(), "{}", told(&output));
    let token = printed(&output);
    assert_eq!((token.lines().count(), told(&output).as_str()), (1, ""));
    let secrets = engine::identity::secrets::Secrets::load_or_create(directory.path()).expect("secrets");
    let visitor = secrets.identity().visitor(token.trim(), 1).expect("a right token");
    assert_eq!((visitor.id.as_str(), visitor.class), ("u17", engine::identity::Class::Vip));
}

#[test]
fn what_is_not_understood_ends_with_2_and_says_why() {
    let directory = tempfile::tempdir().expect("a directory");
    for (line, text) in [
        ("serve --shards 0 --backend x", "ringdesk: --shards 0: must be a whole number from 1 to 256"),
        ("serve --backend uring", "must be auto, modern, basic or epoll"),
        ("serve --nonsense", "unexpected argument"),
        ("visitor-token --visitor u --ttl soon", "ringdesk: --ttl soon: must be a time"),
        ("nothing", "unrecognized subcommand"),
    ] {
        let output = ringdesk(directory.path(), line, "");
        assert_eq!(output.status.code(), Some(2), "{line}");
        assert!(told(&output).contains(text), "{line}: {}", told(&output));
        assert_eq!(printed(&output), "", "{line}");
    }
    assert_eq!(ringdesk(directory.path(), "--version", "").status.code(), Some(0));
}

#[test]
fn doctor_needs_a_data_directory() {
    let directory = tempfile::tempdir().expect("a directory");
    let output = ringdesk(directory.path(), "doctor", "");
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(told(&output).lines().count(), 1, "{}", told(&output));
}

#[test]
fn the_doctor_ends_with_0_or_1_and_says_what_to_type_next() {
    let directory = tempfile::tempdir().expect("a directory");
    let data = directory.path().join("data");
    let add = "agent add --name a --role admin --password-stdin";
    assert!(ringdesk(&data, add, PASSWORD).status.success());
    let healthy = ringdesk(&data, "doctor", "");
    assert_eq!(healthy.status.code(), Some(0), "{}", printed(&healthy));
    assert!(printed(&healthy).contains("1 accounts"), "{}", printed(&healthy));
    let document = ringdesk(&data, "doctor --json", "");
    let document: serde_json::Value = serde_json::from_slice(&document.stdout).expect("one object");
    assert_eq!((&document["healthy"], &document["server_running"]), (&true.into(), &false.into()));
    std::fs::write(data.join("visitor.secret"), "short").expect("writes");
    let damaged = ringdesk(&data, "doctor", "");
    assert_eq!((damaged.status.code(), told(&damaged).lines().count()), (Some(1), 1));
    let text = printed(&damaged);
    assert!(text.contains("[secrets.wrong]") && text.contains("Next: "), "{text}");
}

#[test]
fn a_copy_of_a_copy_has_the_same_accounts() {
    let directory = tempfile::tempdir().expect("a directory");
    let at = |name: &str| directory.path().join(name);
    let add = "agent add --name a --role admin --password-stdin";
    assert!(ringdesk(&at("data"), add, PASSWORD).status.success());
    let backup = format!("backup {}", at("backup").display());
    let made = ringdesk(&at("data"), &backup, "");
    assert!(made.status.success(), "{}", told(&made));
    let restore = format!("restore {} --data {} --verify", at("backup").display(), at("again").display());
    let made = ringdesk(&at("data"), &restore, "");
    assert!(made.status.success() && printed(&made).contains("equal"), "{}", told(&made));
    assert_eq!(printed(&ringdesk(&at("again"), "agent list", "")), "a\tadmin\tenabled\n");
    let over = ringdesk(&at("data"), &restore, "");
    assert_eq!(over.status.code(), Some(1));
    assert!(told(&over).contains("is not empty"), "{}", told(&over));
}
