//! The network between clients and shards, and everything else that a shard hears of later: packets that take
//! their time, connections that are cut, a half of which hears of it, and writes that end.
//!
//! One queue a shard and one for all clients. What belongs to one connection keeps its order; nothing else
//! does.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap},
};

use net::ConnectionId;

use crate::{faults::Faults, random::Random, world::START_MS};

/// What a connection's outbox holds at most, as in production.
const OUTBOX_BYTES_MAX: usize = 1024 * 1024;

/// Names one connection on both of its ends, for ever.
pub type LinkId = u64;

/// What a shard hears.
#[derive(Debug)]
pub enum ToShard {
    Accepted,
    Received(Vec<u8>),
    Drained,
    Closed,
    HandOver,
    Adopted(u64),
    /// A write of this name ended; the reactor's token for it.
    Written(u64, u64),
}

/// What a client hears.
#[derive(Debug)]
pub enum ToClient {
    Received(Vec<u8>),
    Closed,
}

/// Something that happens at a time, in the order in which it was planned.
#[derive(Debug)]
struct Due<T> {
    at_us: u64,
    order: u64,
    link: LinkId,
    what: T,
}

impl<T> PartialEq for Due<T> {
    fn eq(&self, other: &Self) -> bool {
        (self.at_us, self.order) == (other.at_us, other.order)
    }
}

impl<T> Eq for Due<T> {}

impl<T> PartialOrd for Due<T> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> Ord for Due<T> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at_us, self.order).cmp(&(other.at_us, other.order))
    }
}

type Queue<T> = BinaryHeap<Reverse<Due<T>>>;

/// Where the server's end of a connection is.
#[derive(Debug)]
enum Server {
    At {
        shard: usize,
        id: ConnectionId,
    },
    /// On its way; what comes meanwhile waits.
    Between {
        from: usize,
        id: ConnectionId,
        to: usize,
        token: u64,
        waiting: Vec<Vec<u8>>,
    },
    Gone,
}

#[derive(Debug)]
struct Link {
    client: usize,
    server: Server,
    /// The client has its end, too.
    is_heard: bool,
    /// Nothing gets through any more, and only one side may know.
    is_dark: bool,
    /// The client reads nothing before this time.
    reads_after_us: u64,
    last_to_server_us: u64,
    last_to_client_us: u64,
    /// Queued by the shard in this turn.
    outbox: Vec<u8>,
    /// Left, and not yet read by the client.
    in_flight_bytes: usize,
    closes_after_outbox: bool,
}

#[derive(Debug, Default)]
struct Slots {
    generations: Vec<u32>,
    free: Vec<u32>,
}

impl Slots {
    fn take(&mut self) -> ConnectionId {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.generations.push(0);
            self.generations.len() as u32 - 1
        });
        ConnectionId { slot, generation: self.generations[slot as usize] }
    }

    fn give_back(&mut self, id: ConnectionId) {
        self.generations[id.slot as usize] += 1;
        self.free.push(id.slot);
    }
}

/// All of it, with the clock.
#[derive(Debug)]
pub struct Network {
    pub now_us: u64,
    /// What the wall clock is ahead of [`crate::world::START_MS`] plus the time since the beginning.
    pub wall_offset_ms: i64,
    pub faults: Faults,
    random: Random,
    order: u64,
    links: BTreeMap<LinkId, Link>,
    by_connection: BTreeMap<(usize, ConnectionId), LinkId>,
    slots: Vec<Slots>,
    to_shards: Vec<Queue<ToShard>>,
    to_clients: Queue<ToClient>,
    dirty: Vec<LinkId>,
}

impl Network {
    pub fn new(random: Random, faults: Faults) -> Self {
        Self {
            now_us: 1_000_000,
            wall_offset_ms: 0,
            faults,
            random,
            order: 0,
            links: BTreeMap::new(),
            by_connection: BTreeMap::new(),
            slots: Vec::new(),
            to_shards: Vec::new(),
            to_clients: BinaryHeap::new(),
            dirty: Vec::new(),
        }
    }

    /// A process with so many shards begins.
    pub fn boot(&mut self, shards: usize) {
        self.slots = (0..shards).map(|_| Slots::default()).collect();
        self.to_shards = (0..shards).map(|_| BinaryHeap::new()).collect();
    }

    /// The process is gone: clients hear of it, or do not.
    pub fn crash(&mut self) {
        let links: Vec<LinkId> = self.links.keys().copied().collect();
        for link in links {
            self.by_connection.clear();
            let is_dark = self.random.one_in(self.faults.half_open_one_in);
            let end = self.links.get_mut(&link).expect("listed above");
            end.server = Server::Gone;
            end.is_dark |= is_dark;
            self.tell_client(link, ToClient::Closed);
        }
        self.dirty.clear();
        self.slots.clear();
        self.to_shards.clear();
    }

    /// The wall clock, milliseconds since 1970.
    pub fn wall_ms(&self) -> u64 {
        let since_ms = (self.now_us / 1_000) as i64;
        (START_MS as i64 + since_ms + self.wall_offset_ms).max(0) as u64
    }

    fn delay_us(&mut self) -> u64 {
        self.random.between(50, self.faults.packet_us_max)
    }

    fn tell_shard(&mut self, shard: usize, at_us: u64, link: LinkId, what: ToShard) {
        self.order += 1;
        self.to_shards[shard].push(Reverse(Due { at_us, order: self.order, link, what }));
    }

    /// In order behind what the server's end was told before.
    fn tell_server(&mut self, link: LinkId, what: ToShard) {
        let delay_us = self.delay_us();
        let Some(end) = self.links.get_mut(&link) else { return };
        let at_us = (self.now_us + delay_us).max(end.last_to_server_us);
        end.last_to_server_us = at_us;
        match (&mut end.server, what) {
            (Server::At { shard, .. }, what) => {
                let shard = *shard;
                self.tell_shard(shard, at_us, link, what);
            }
            (Server::Between { waiting, .. }, ToShard::Received(bytes)) => waiting.push(bytes),
            (Server::Between { .. } | Server::Gone, _) => {}
        }
    }

    fn tell_client(&mut self, link: LinkId, what: ToClient) {
        let delay_us = self.delay_us();
        let end = self.links.get_mut(&link).expect("told by its server's end");
        let at_us = (self.now_us + delay_us).max(end.last_to_client_us).max(end.reads_after_us);
        end.last_to_client_us = at_us;
        if !end.is_dark && end.is_heard {
            self.order += 1;
            self.to_clients.push(Reverse(Due { at_us, order: self.order, link, what }));
        }
    }

    /// When this shard has something to hear.
    pub fn shard_due_us(&self, shard: usize) -> Option<u64> {
        self.to_shards.get(shard)?.peek().map(|due| due.0.at_us)
    }

    /// When some client has something to hear.
    pub fn clients_due_us(&self) -> Option<u64> {
        self.to_clients.peek().map(|due| due.0.at_us)
    }

    // The clients' side

    /// A client connects to some shard, if the server is up.
    pub fn connect(&mut self, client: usize) -> Option<LinkId> {
        if self.to_shards.is_empty() {
            return None;
        }
        let shard = self.random.below(self.to_shards.len() as u64) as usize;
        self.order += 1;
        let link = self.order;
        let id = self.slots[shard].take();
        self.by_connection.insert((shard, id), link);
        self.links.insert(
            link,
            Link {
                client,
                server: Server::At { shard, id },
                is_heard: true,
                is_dark: false,
                reads_after_us: 0,
                last_to_server_us: 0,
                last_to_client_us: 0,
                outbox: Vec::new(),
                in_flight_bytes: 0,
                closes_after_outbox: false,
            },
        );
        self.tell_server(link, ToShard::Accepted);
        Some(link)
    }

    pub fn client_sends(&mut self, link: LinkId, bytes: Vec<u8>) {
        if self.links.get(&link).is_none_or(|end| end.is_dark) {
            return;
        }
        if bytes.len() > 1 && self.random.one_in(self.faults.split_one_in) {
            let at = 1 + self.random.below(bytes.len() as u64 - 1) as usize;
            let (first, second) = bytes.split_at(at);
            self.tell_server(link, ToShard::Received(first.to_vec()));
            self.tell_server(link, ToShard::Received(second.to_vec()));
        } else {
            self.tell_server(link, ToShard::Received(bytes));
        }
    }

    /// The client's end is gone; the server hears of it, or never does.
    pub fn client_leaves(&mut self, link: LinkId, is_told: bool) {
        let Some(end) = self.links.get_mut(&link) else { return };
        end.is_heard = false;
        end.is_dark |= !is_told;
        if is_told {
            self.tell_server(link, ToShard::Closed);
        }
    }

    /// The client reads nothing for a while.
    pub fn client_pauses(&mut self, link: LinkId, us: u64) {
        let until_us = self.now_us + us;
        if let Some(end) = self.links.get_mut(&link) {
            end.reads_after_us = until_us;
        }
    }

    /// The next thing that a client hears by now: which client, on which link.
    pub fn next_for_clients(&mut self) -> Option<(usize, LinkId, ToClient)> {
        while self.to_clients.peek().is_some_and(|due| due.0.at_us <= self.now_us) {
            let Reverse(due) = self.to_clients.pop().expect("looked at above");
            let Some(end) = self.links.get_mut(&due.link) else { continue };
            if let ToClient::Received(bytes) = &due.what {
                end.in_flight_bytes -= bytes.len();
            }
            if end.is_heard && !end.is_dark {
                return Some((end.client, due.link, due.what));
            }
        }
        None
    }

    // The shards' side

    /// The next thing that a shard hears by now, with the connection's name there. `None` for a name: not of a
    /// connection.
    pub fn next_for_shard(&mut self, shard: usize) -> Option<(Option<ConnectionId>, ToShard)> {
        while self.to_shards[shard].peek().is_some_and(|due| due.0.at_us <= self.now_us) {
            let Reverse(Due { link, what, .. }) = self.to_shards[shard].pop().expect("looked at above");
            if matches!(what, ToShard::Written(..)) {
                return Some((None, what));
            }
            match (self.links.get(&link).map(|end| &end.server), &what) {
                (Some(Server::At { shard: at, id }), _) if *at == shard => {
                    let id = *id;
                    if matches!(what, ToShard::Closed) {
                        self.server_end_is_gone(link);
                    }
                    return Some((Some(id), what));
                }
                (Some(Server::Between { from, id, .. }), ToShard::HandOver) if *from == shard => {
                    let id = *id;
                    self.arrive(link);
                    return Some((Some(id), what));
                }
                (Some(Server::Between { from, id, .. }), _) if *from == shard => {
                    // Until it has left, what was on its way is still heard here.
                    return Some((Some(*id), what));
                }
                _ => {}
            }
        }
        None
    }

    /// The same if it is the end of a write, as [`net::Reactor::report_written`] asks.
    pub fn next_written(&mut self, shard: usize) -> Option<ToShard> {
        let is_written = |due: &Reverse<Due<_>>| matches!(due.0.what, ToShard::Written(..));
        let is_next =
            self.to_shards[shard].peek().is_some_and(|due| due.0.at_us <= self.now_us && is_written(due));
        is_next.then(|| self.to_shards[shard].pop().expect("looked at above").0.what)
    }

    fn server_end_is_gone(&mut self, link: LinkId) {
        let end = self.links.get_mut(&link).expect("whose end is gone");
        if let Server::At { shard, id } = std::mem::replace(&mut end.server, Server::Gone) {
            self.by_connection.remove(&(shard, id));
            self.slots[shard].give_back(id);
        }
    }

    fn arrive(&mut self, link: LinkId) {
        let end = self.links.get_mut(&link).expect("on its way");
        let Server::Between { from, id, to, token, waiting } =
            std::mem::replace(&mut end.server, Server::Gone)
        else {
            unreachable!("asked for above");
        };
        self.by_connection.remove(&(from, id));
        self.slots[from].give_back(id);
        let id = self.slots[to].take();
        self.by_connection.insert((to, id), link);
        let end = self.links.get_mut(&link).expect("on its way");
        end.server = Server::At { shard: to, id };
        let is_heard = end.is_heard;
        self.tell_server(link, ToShard::Adopted(token));
        for bytes in waiting {
            self.tell_server(link, ToShard::Received(bytes));
        }
        if !is_heard {
            self.tell_server(link, ToShard::Closed);
        }
    }

    fn link_of(&self, shard: usize, id: ConnectionId) -> Option<LinkId> {
        self.by_connection.get(&(shard, id)).copied()
    }

    /// Queues bytes; false: the connection is gone or going, `None`: its outbox is full.
    pub fn shard_sends(&mut self, shard: usize, id: ConnectionId, bytes: &[u8]) -> Option<bool> {
        let Some(link) = self.link_of(shard, id) else { return Some(false) };
        let end = self.links.get_mut(&link).expect("named by its shard");
        if end.closes_after_outbox {
            return Some(false);
        }
        if end.outbox.len() + end.in_flight_bytes + bytes.len() > OUTBOX_BYTES_MAX {
            return None;
        }
        end.outbox.extend_from_slice(bytes);
        self.dirty.push(link);
        Some(true)
    }

    /// Everything queued leaves.
    pub fn flush(&mut self) {
        for link in std::mem::take(&mut self.dirty) {
            self.flush_link(link);
        }
    }

    fn flush_link(&mut self, link: LinkId) {
        let Some(end) = self.links.get_mut(&link) else { return };
        let bytes = std::mem::take(&mut end.outbox);
        if bytes.is_empty() {
            return;
        }
        let is_large = bytes.len() >= net::DRAINED_ABOVE_BYTES;
        if !end.is_dark && end.is_heard {
            end.in_flight_bytes += bytes.len();
            self.tell_client(link, ToClient::Received(bytes));
            let end = self.links.get_mut(&link).expect("found above");
            let at_us = end.last_to_client_us;
            if let (true, Server::At { shard, .. }) = (is_large, &end.server) {
                let shard = *shard;
                self.tell_shard(shard, at_us, link, ToShard::Drained);
            }
        }
    }

    /// Closes: politely behind what is queued, or at once.
    pub fn shard_closes(&mut self, shard: usize, id: ConnectionId) {
        let Some(link) = self.link_of(shard, id) else { return };
        self.flush_link(link);
        let end = self.links.get_mut(&link).expect("named by its shard");
        if std::mem::replace(&mut end.closes_after_outbox, true) {
            return;
        }
        self.tell_client(link, ToClient::Closed);
        self.tell_server(link, ToShard::Closed);
    }

    pub fn shard_hands_over(&mut self, shard: usize, id: ConnectionId, to: usize, token: u64) {
        let Some(link) = self.link_of(shard, id) else { return };
        self.flush_link(link);
        self.tell_server(link, ToShard::HandOver);
        let end = self.links.get_mut(&link).expect("named by its shard");
        end.server = Server::Between { from: shard, id, to, token, waiting: Vec::new() };
    }

    /// A write that was begun ends after `us`.
    pub fn write_ends(&mut self, shard: usize, us: u64, name: u64, token: u64) {
        let at_us = self.now_us + us;
        self.tell_shard(shard, at_us, 0, ToShard::Written(name, token));
    }
}
