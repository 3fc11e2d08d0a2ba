//! A `ringdesk serve` of our own on loopback, from its first moment to its kill.

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

/// Longest that a start may take.
const PATIENCE: Duration = Duration::from_secs(300);

pub(super) struct Server {
    process: Child,
    pub address: SocketAddr,
    /// From before the process was made until it served a request.
    pub took: Duration,
}

impl Server {
    /// Starts on a data folder, and waits until `/health/ready` says 200.
    pub fn start(program: &Path, data: &Path, backend: &str) -> io::Result<Self> {
        let began = Instant::now();
        let mut process = Command::new(program)
            .args([
                "serve",
                "--listen",
                "127.0.0.1:0",
                "--metrics",
                "127.0.0.1:0",
                "--backend",
                backend,
                "--data",
            ])
            .arg(data)
            .env("RINGDESK_LOG", "warn")
            .stdout(Stdio::piped())
            .spawn()?;
        let mut banner = BufReader::new(process.stdout.take().expect("asked for above")).lines();
        let first = banner.next().transpose()?.unwrap_or_default();
        let address = first.rsplit(' ').next().and_then(|address| address.parse().ok());
        let address =
            address.ok_or_else(|| io::Error::other(format!("the server did not start: {first}")))?;
        while !is_ready(address)? {
            if began.elapsed() > PATIENCE {
                return Err(io::Error::new(io::ErrorKind::TimedOut, "the server is not ready"));
            }
        }
        Ok(Self { process, address, took: began.elapsed() })
    }
}

fn is_ready(address: SocketAddr) -> io::Result<bool> {
    let mut stream = TcpStream::connect(address)?;
    stream.write_all(b"GET /health/ready HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer.starts_with("HTTP/1.1 200 "))
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nothing to do.
        if self.process.kill().is_ok() {
            drop(self.process.wait());
        }
    }
}
