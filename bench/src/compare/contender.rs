//! A server as a process of its own: how it is started, where it listens, and what CPU time it has used.

use std::{
    collections::HashMap,
    ffi::OsString,
    fs,
    io::{self, BufRead, BufReader},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

/// What to start.
#[derive(Clone, Debug)]
pub struct Program {
    /// As it is called in the table.
    pub name: String,
    /// The executable.
    pub path: PathBuf,
    /// What follows it; `FOLDER` in them becomes an empty folder of the contender's own.
    pub arguments: Vec<String>,
    /// Threads that are not on a message's way, by the beginning of their names: what they use is told apart.
    pub aside: &'static [&'static str],
    /// It is the whole desk: people have to log in and be assigned.
    pub is_desk: bool,
}

/// A running server; killed when dropped.
#[derive(Debug)]
pub struct Contender {
    process: Child,
    /// What it is.
    pub program: Program,
    /// Where it listens.
    pub address: SocketAddr,
    /// What `FOLDER` became.
    pub folder: tempfile::TempDir,
}

/// CPU time of each thread so far, in nanoseconds.
#[derive(Clone, Debug, Default)]
pub struct CpuTime(HashMap<OsString, Thread>);

#[derive(Clone, Copy, Debug)]
struct Thread {
    ran_ns: u64,
    is_aside: bool,
}

impl CpuTime {
    /// What was used since `before`, on a message's way and beside it. What a thread used that has ended is not in it.
    pub fn since(&self, before: &Self) -> (u64, u64) {
        let used = |is_aside| {
            let threads = self.0.iter().filter(|(_, thread)| thread.is_aside == is_aside);
            threads
                .map(|(id, thread)| thread.ran_ns - before.0.get(id).map_or(0, |before| before.ran_ns))
                .sum()
        };
        (used(false), used(true))
    }
}

impl Contender {
    /// Starts on the CPU that this thread is pinned to.
    pub fn start(program: &Program, folder: &Path) -> io::Result<Self> {
        let folder = tempfile::Builder::new().prefix("ringdesk-compare-").tempdir_in(folder)?;
        let place = folder.path().to_string_lossy();
        let arguments = program.arguments.iter().map(|argument| argument.replace("FOLDER", &place));
        let cannot = |error: io::Error| {
            io::Error::new(error.kind(), format!("cannot start {}: {error}", program.path.display()))
        };
        let mut command = Command::new(&program.path);
        command.args(arguments).env("RINGDESK_LOG", "warn").stdout(Stdio::piped());
        let mut process = command.spawn().map_err(cannot)?;
        let output = process.stdout.take().expect("asked for above");
        let mut lines = BufReader::new(output).lines();
        // `listening on 127.0.0.1:1234 (backend …)`, or the desk's own words.
        let first = lines.next().transpose()?.unwrap_or_default();
        let address = first.split(' ').find_map(|word| word.parse().ok());
        // Whatever else it says must not stop it.
        std::thread::spawn(move || lines.for_each(drop));
        let address = address.ok_or_else(|| cannot(io::Error::other(format!("it said {first:?}"))))?;
        Ok(Self { process, program: program.clone(), address, folder })
    }

    /// What all its threads have used so far.
    pub fn cpu_time(&self) -> io::Result<CpuTime> {
        let mut threads = HashMap::new();
        for task in fs::read_dir(format!("/proc/{}/task", self.process.id()))? {
            let (task, id) = task.map(|task| (task.path(), task.file_name()))?;
            // A thread may end meanwhile; those on the way do not.
            let (Ok(name), Ok(statistics)) =
                (fs::read_to_string(task.join("comm")), fs::read_to_string(task.join("schedstat")))
            else {
                continue;
            };
            let ran_ns: u64 = statistics.split(' ').next().and_then(|ns| ns.parse().ok()).unwrap_or(0);
            let is_aside = self.program.aside.iter().any(|aside| name.starts_with(aside));
            threads.insert(id, Thread { ran_ns, is_aside });
        }
        Ok(CpuTime(threads))
    }
}

impl Drop for Contender {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nothing to do.
        if self.process.kill().is_ok() {
            drop(self.process.wait());
        }
    }
}
