//! A WebSocket echo server: what comes goes back, and nothing else is done.
//!
//! Made of `net` and `codec` alone, so that what is measured here is theirs. Messages are not understood and
//! nothing is durable. Or, where asked for, a tiny chat, as the baselines serve it (bench/baselines).

mod chat;
mod connection;
mod shard;

use std::{
    convert::Infallible,
    io,
    net::SocketAddr,
    sync::mpsc::{self, Sender},
    thread,
};

use net::{Backend, BackendChoice, Limits, Port, allowed_cpus};

use self::shard::Shard;

/// Most shards that one server has.
pub const SHARDS_MAX: i64 = 256;
/// Largest message that is echoed, in bytes.
pub const MESSAGE_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Bytes that a peer may leave unread: two messages of the largest size, with their headers.
pub const OUTBOX_BYTES_MAX: usize = 2 * MESSAGE_BYTES_MAX + 64 * 1024;

const _: () = assert!(OUTBOX_BYTES_MAX > MESSAGE_BYTES_MAX);
const _: () = assert!(OUTBOX_BYTES_MAX < u32::MAX as usize);

/// What to serve.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Where to listen; port 0 picks one.
    pub listen: SocketAddr,
    /// Threads, from 1 to [`SHARDS_MAX`].
    pub shards: usize,
    /// How to talk to the kernel.
    pub backend: BackendChoice,
    /// What is done with a text.
    pub service: Service,
}

/// What is done with a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    /// It goes back.
    Echo {
        /// Whether `permessage-deflate` is granted to those who offer it.
        deflate: bool,
    },
    /// `agent 3` says who one is, `visitor 3` whom one writes to; what a visitor says then is acknowledged with its
    /// first 16 bytes and delivered as it is. Visitor and agent must be on one shard.
    Chat,
}

/// Serves until the process ends. `ready` is called once, when every shard accepts, with the address and the
/// name of the backend. The only way back is an error, always the machine's.
pub fn serve(settings: Settings, ready: impl FnOnce(SocketAddr, &str)) -> io::Result<Infallible> {
    let limits = Limits { outbox_bytes_max: OUTBOX_BYTES_MAX, ..Limits::default() };
    let fabric = net::fabric(settings.shards, settings.backend, limits)?;
    let cpus = allowed_cpus();
    let pinned = settings.shards <= cpus.len();
    let (sender, news) = mpsc::channel();
    let mut listen = settings.listen;
    for (index, port) in fabric.ports.into_iter().enumerate() {
        let cpu = pinned.then(|| cpus[index]);
        let place = Place { cpu, listen, service: settings.service };
        spawn(port, index, place, sender.clone())?;
        // The first shard may have picked the port that the others share.
        match news.recv().expect("we hold a sender") {
            News::Listening(bound) => listen = bound,
            News::Failed(error) => return Err(error),
        }
    }
    ready(listen, name(fabric.backend));
    loop {
        if let News::Failed(error) = news.recv().expect("we hold a sender") {
            return Err(error);
        }
    }
}

/// What a shard tells the thread that started it.
enum News {
    Listening(SocketAddr),
    Failed(io::Error),
}

const fn name(backend: Backend) -> &'static str {
    match backend {
        Backend::Modern => "modern",
        Backend::Basic => "basic",
        Backend::Epoll => "epoll",
    }
}

/// Where a shard runs, and what it serves.
#[derive(Clone, Copy)]
struct Place {
    cpu: Option<usize>,
    listen: SocketAddr,
    service: Service,
}

fn spawn(port: Port, index: usize, place: Place, news: Sender<News>) -> io::Result<()> {
    let run = move || {
        let Err(error) = run_shard(port, place, &news);
        news.send(News::Failed(error)).expect("the main thread listens as long as the process lives");
    };
    thread::Builder::new().name(format!("echo-{index}")).spawn(run)?;
    Ok(())
}

fn run_shard(port: Port, place: Place, news: &Sender<News>) -> io::Result<Infallible> {
    let mut reactor = port.open(place.cpu)?;
    let bound = reactor.listen(place.listen)?;
    news.send(News::Listening(bound)).expect("the main thread waits for this");
    let mut shard = Shard::new(place.service);
    loop {
        shard.turn(reactor.as_mut())?;
    }
}
