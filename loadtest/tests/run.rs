//! `ringdesk-load` against a real server: small runs of the scenarios that come with it, from the command line to
//! the report on the disk. How quick anything was is not looked at.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::Once,
};

use serde_json::Value;

const LOAD: &str = env!("CARGO_BIN_EXE_ringdesk-load");

/// The server's program: beside ours, where a build of the workspace puts it. Where this crate alone is tested, it is
/// built, once.
fn ringdesk() -> PathBuf {
    static BUILT: Once = Once::new();
    let folder = Path::new(LOAD).parent().expect("a program is in a folder");
    let program = folder.join("ringdesk");
    BUILT.call_once(|| {
        if !program.is_file() {
            let profile = if folder.ends_with("release") { "release" } else { "dev" };
            let words = ["build", "--locked", "--workspace", "--bin", "ringdesk", "--profile", profile];
            let status = Command::new(env!("CARGO")).args(words).status().expect("cargo runs");
            assert!(status.success(), "the server cannot be built");
        }
    });
    program
}

struct Server {
    child: Child,
    folder: PathBuf,
    url: String,
    program: PathBuf,
}

impl Server {
    fn start(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("ringdesk-load-{name}-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("a folder");
        let program = ringdesk();
        let mut child = Command::new(&program)
            .args(["serve", "--listen", "127.0.0.1:0", "--metrics", "127.0.0.1:0", "--data"])
            .arg(folder.join("data"))
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the server starts");
        let output = BufReader::new(child.stdout.take().expect("it is piped"));
        // The last line of the banner; the address of the public port is in an earlier one.
        let mut url = String::new();
        for line in output.lines().map_while(Result::ok) {
            if let Some(at) = line.find("http://127.0.0.1:").filter(|_| url.is_empty()) {
                let digits = line[at + 17..].split(|letter: char| !letter.is_ascii_digit()).next();
                url = format!("http://127.0.0.1:{}", digits.expect("a port"));
            }
            if line.contains("Metrics:") {
                break;
            }
        }
        Self { child, folder, url, program }
    }

    /// Runs the words against the server; agents' password is on standard input.
    fn load(&self, words: &[&str]) -> (Output, Value) {
        let out = self.folder.join("report");
        let mut child = Command::new(LOAD)
            .args(words)
            .args(["--url", &self.url, "--password-stdin", "--server-pid", &self.child.id().to_string()])
            .arg("--data")
            .arg(self.folder.join("data"))
            .arg("--ringdesk")
            .arg(&self.program)
            .arg("--out")
            .arg(&out)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the generator starts");
        let mut input = child.stdin.take().expect("it is piped");
        input.write_all(b"only for this test\n").expect("it reads");
        drop(input);
        let output = child.wait_with_output().expect("it ends");
        let text = fs::read_to_string(out.join("report.json"))
            .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stdout)));
        (output, serde_json::from_str(&text).expect("it is JSON"))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.child.kill().expect("it runs until now");
        self.child.wait().expect("it ends");
        fs::remove_dir_all(&self.folder).expect("the folder is ours");
    }
}

fn passed(output: &Output, report: &Value) {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    assert_eq!(report["passed"], true);
    for wrong in ["lost", "unanswered", "doubled", "disordered"] {
        assert_eq!(report["outcome"][wrong], 0, "{wrong}");
    }
    let visitors = &report["outcome"]["visitors"];
    assert_eq!(visitors["sent"], visitors["delivered"]);
}

#[test]
fn the_headline_in_small_passes_and_is_reported() {
    let server = Server::start("headline");
    let (output, report) =
        server.load(&["run", "twenty-thousand", "--sessions", "60", "--step-seconds", "4"]);
    passed(&output, &report);
    assert_eq!(report["scenario"]["sessions"], 60);
    assert_eq!(report["generator"]["agents"], 3);
    assert_eq!(report["steps"].as_array().map(Vec::len), Some(2));
    assert_eq!(report["steps"][0]["visitors"]["sent"], 60, "each said a first word");
    assert!(report["typed"].as_u64() > Some(0));
    assert!(report["memory"]["server_rss_bytes_max"].as_u64() > Some(0));
    assert_eq!(report["verified"]["missing"], 0);
    assert!(report["verified"]["stored"].as_u64() >= Some(60));
    let page = fs::read_to_string(server.folder.join("report/report.html")).expect("the page");
    assert!(page.contains("Percentiles"));
    let names = fs::read_dir(server.folder.join("report")).expect("the folder");
    assert!(
        names
            .filter(|name| name.as_ref().expect("listed").path().extension().is_some_and(|end| end == "hgrm"))
            .count()
            > 3
    );
}

#[test]
fn all_who_drop_in_a_storm_come_back_and_find_everything() {
    let server = Server::start("storm");
    let (output, report) = server.load(&["run", "storm", "--sessions", "80", "--step-seconds", "3"]);
    passed(&output, &report);
    assert_eq!(report["storm_dropped"], 80);
    let resumed = report["latencies"].as_array().expect("a list").iter();
    let resumed = resumed.filter(|latency| latency["path"] == "resume → welcome");
    assert_eq!(resumed.map(|latency| latency["count"].as_u64().expect("a number")).sum::<u64>(), 80);
    assert_eq!(report["dropped_connections"], 0);
}

#[test]
fn a_queue_that_nobody_serves_waits_and_is_no_loss() {
    let server = Server::start("queue");
    let words = ["run", "idle-million", "--sessions", "250", "--agents", "2", "--step-seconds", "2"];
    let (output, report) = server.load(&words);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    assert_eq!(report["outcome"]["visitors"]["acknowledged"], 250);
    assert_eq!(report["outcome"]["waiting"], 50);
    assert_eq!(report["outcome"]["lost"], 0);
    let agents = &report["outcome"]["agents"];
    assert!(agents["sent"].as_u64() > Some(500));
    assert_eq!(agents["sent"], agents["delivered"]);
}

#[test]
fn agents_who_read_slowly_get_everything_late() {
    let server = Server::start("slow");
    let (output, report) = server.load(&["run", "slow-agents", "--sessions", "60", "--step-seconds", "6"]);
    passed(&output, &report);
    let paths = report["latencies"].as_array().expect("a list").iter().map(|latency| &latency["path"]);
    assert!(paths.filter(|path| **path == "visitor → slow agent").count() > 0);
}
