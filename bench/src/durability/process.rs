//! A `ringdesk serve` of our own on loopback, from its first moment to its kill.

use std::{
    fs,
    io::{self, BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

/// Longest that a start may take.
const PATIENCE: Duration = Duration::from_secs(300);
const LOOKED_AT_EVERY: Duration = Duration::from_millis(100);

pub(super) struct Server {
    process: Child,
    pub address: SocketAddr,
    metrics: SocketAddr,
    /// From before the process was made until it served a request.
    pub took: Duration,
}

impl Server {
    /// Starts on a data folder, and waits until `/health/ready` says 200. `more` are further arguments.
    pub fn start(program: &Path, data: &Path, more: &[&str]) -> io::Result<Self> {
        let began = Instant::now();
        let mut process = Command::new(program)
            .args(["serve", "--listen", "127.0.0.1:0", "--metrics", "127.0.0.1:0", "--data"])
            .arg(data)
            .args(more)
            .env("RINGDESK_LOG", "warn")
            .stdout(Stdio::piped())
            .spawn()?;
        let mut banner = BufReader::new(process.stdout.take().expect("asked for above")).lines();
        let first = banner.next().transpose()?.unwrap_or_default();
        let address = first.rsplit(' ').next().and_then(|address| address.parse().ok());
        let address =
            address.ok_or_else(|| io::Error::other(format!("the server did not start: {first}")))?;
        let metrics = loop {
            let line =
                banner.next().transpose()?.ok_or_else(|| io::Error::other("the banner names no metrics"))?;
            if let Some((_, metrics)) = line.split_once("Metrics:") {
                let address = metrics.trim().trim_start_matches("http://").trim_end_matches("/metrics");
                break address.parse().map_err(io::Error::other)?;
            }
        };
        while !is_ready(address)? {
            if began.elapsed() > PATIENCE {
                return Err(io::Error::new(io::ErrorKind::TimedOut, "the server is not ready"));
            }
        }
        Ok(Self { process, address, metrics, took: began.elapsed() })
    }

    /// Waits until SQL has all that is in the journal, and says how long that was.
    pub fn wait_for_sql(&self) -> io::Result<Duration> {
        let began = Instant::now();
        let is_even = |metrics: &str| metrics.lines().any(|line| line == "ringdesk_projection_lag_records 0");
        while !is_even(&get(self.metrics, "/metrics")?) {
            if began.elapsed() > PATIENCE {
                return Err(io::Error::new(io::ErrorKind::TimedOut, "SQL does not follow"));
            }
            thread::sleep(LOOKED_AT_EVERY);
        }
        Ok(began.elapsed())
    }

    /// Its memory at its highest, bytes.
    pub fn memory_max(&self) -> io::Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
        kib.map(|kib| kib * 1024).ok_or_else(|| io::Error::other("the kernel tells no VmHWM"))
    }
}

fn is_ready(address: SocketAddr) -> io::Result<bool> {
    Ok(get(address, "/health/ready")?.starts_with("HTTP/1.1 200 "))
}

fn get(address: SocketAddr, path: &str) -> io::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream
        .write_all(format!("GET {path} HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n").as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nothing to do.
        if self.process.kill().is_ok() {
            drop(self.process.wait());
        }
    }
}
