//! The generator's connections: opened, upgraded, and named by their place in a list.

use std::{
    io,
    net::SocketAddr,
    time::{Duration, Instant},
};

use codec::websocket::request_upgrade;
use net::{BackendChoice, ConnectionId, Event, Limits, Reactor, fabric};

/// Longest silence before a server is given up.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);
const TURN: Duration = Duration::from_millis(50);

/// Connections of one server, by number.
pub(super) struct Lines {
    reactor: Box<dyn Reactor>,
    ids: Vec<ConnectionId>,
    /// The number of each slot of the reactor.
    numbers: Vec<usize>,
}

impl Lines {
    pub fn new() -> io::Result<Self> {
        let mut fabric = fabric(1, BackendChoice::Auto, Limits::default())?;
        let port = fabric.ports.pop().expect("one was asked for");
        Ok(Self { reactor: port.open(None)?, ids: Vec::new(), numbers: Vec::new() })
    }

    /// Opens `count` more and upgrades them.
    pub fn open(
        &mut self,
        to: SocketAddr,
        count: usize,
        target: &str,
        protocol: Option<&str>,
    ) -> io::Result<()> {
        let mut request = Vec::new();
        request_upgrade("bench", target, [7; 16], protocol, &mut request);
        for _ in 0..count {
            let id = self.reactor.connect(None, to)?;
            let slot = id.slot as usize;
            self.numbers.resize(self.numbers.len().max(slot + 1), usize::MAX);
            self.numbers[slot] = self.ids.len();
            self.ids.push(id);
            // Waits until the connection is made.
            self.reactor.send(id, &request).map_err(|error| io::Error::other(format!("{error:?}")))?;
            self.upgraded()?;
        }
        Ok(())
    }

    /// Waits for the answer to the last request.
    fn upgraded(&mut self) -> io::Result<()> {
        let last = self.ids.len() - 1;
        let mut head = Vec::new();
        self.listen_until(|number, bytes| {
            if number == last {
                head.extend_from_slice(bytes);
            }
            head.ends_with(b"\r\n\r\n")
        })?;
        match head.starts_with(b"HTTP/1.1 101 ") {
            true => Ok(()),
            false => Err(io::Error::other(format!("no upgrade: {}", String::from_utf8_lossy(&head)))),
        }
    }

    pub fn send(&mut self, number: usize, bytes: &[u8]) -> io::Result<()> {
        let sent = self.reactor.send(self.ids[number], bytes);
        sent.map_err(|error| io::Error::other(format!("a connection takes nothing: {error:?}")))
    }

    /// One turn: what was sent leaves, what arrived is given to `on_bytes` with the connection's number. Whether
    /// anything arrived.
    pub fn turn(&mut self, on_bytes: &mut dyn FnMut(usize, &[u8])) -> io::Result<bool> {
        let (mut heard, mut gone) = (false, None);
        let Self { reactor, numbers, .. } = self;
        reactor.turn(TURN, &mut || false, &mut |_, event| match event {
            Event::Received { connection, bytes } => {
                heard = true;
                on_bytes(numbers[connection.slot as usize], bytes);
            }
            Event::Closed { connection, reason } => gone = Some((connection.slot, reason)),
            _ => {}
        })?;
        match gone {
            Some((slot, reason)) => {
                let number = numbers[slot as usize];
                Err(io::Error::other(format!("connection {number} was closed: {reason:?}")))
            }
            None => Ok(heard),
        }
    }

    /// Turns until `on_bytes` says that it has heard enough.
    pub fn listen_until(&mut self, mut on_bytes: impl FnMut(usize, &[u8]) -> bool) -> io::Result<()> {
        let (mut is_enough, mut heard_at) = (false, Instant::now());
        while !is_enough {
            if self.turn(&mut |number, bytes| is_enough |= on_bytes(number, bytes))? {
                heard_at = Instant::now();
            } else if heard_at.elapsed() > PATIENCE {
                return Err(io::Error::new(io::ErrorKind::TimedOut, "the server says nothing more"));
            }
        }
        Ok(())
    }

    /// Turns until nothing has arrived for a while.
    pub fn listen_until_quiet(&mut self) -> io::Result<()> {
        let mut heard_at = Instant::now();
        while heard_at.elapsed() < Duration::from_millis(300) {
            if self.turn(&mut |_, _| {})? {
                heard_at = Instant::now();
            }
        }
        Ok(())
    }
}
