//! Who may connect: how many connections there are, in all and from one address, and how fast new ones come.
//!
//! The one thing that shards share besides lanes, because an address is limited and not its share of a shard. It is
//! asked when a connection comes, when a proxy has named its client, when that has said hello, and when it is gone: never for
//! a message. What is
//! refused here was refused before anything was spent on it.
//!
//! How many connections of an address may keep silent is each shard's own affair (`shard::strangers`).

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
};

use ipnet::IpNet;

use crate::allowance::{Allowance, Rate};

/// Parts that are locked one by one.
const STRIPES: usize = 64;
/// Addresses of a part that are kept before those that say nothing any more are looked for.
const ADDRESSES_KEPT: usize = 1_024;

/// How many may connect.
#[derive(Clone, Debug)]
pub struct GateLimits {
    /// Connections in all.
    pub connections_max: u64,
    /// Connections from one address.
    pub address_connections_max: u32,
    /// New connections from one address.
    pub address_new: Rate,
    /// Addresses that are not limited one by one: proxies, and this machine.
    pub unlimited: Arc<[IpNet]>,
}

/// Why a connection is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// There are too many connections.
    Total,
    /// Too many new ones from this address.
    AddressRate,
    /// Too many from this address.
    AddressConnections,
    /// Too many from this address that have not said hello, and none of them can be done without.
    AddressStrangers,
}

impl Refusal {
    /// Every one, with its word for metrics.
    pub const ALL: [(Self, &'static str); 4] = [
        (Self::Total, "total"),
        (Self::AddressRate, "address_rate"),
        (Self::AddressConnections, "address_connections"),
        (Self::AddressStrangers, "address_strangers"),
    ];

    /// What an operator can do about it.
    pub const fn cure(self) -> &'static str {
        match self {
            Self::Total => "raise --connections-max and the limit of open files, or add a node",
            Self::AddressRate => {
                "if the address is a proxy's, name it with --unlimited-addresses; else see --address-new-per-second"
            }
            Self::AddressConnections => {
                "if the address is a proxy's, name it with --unlimited-addresses; else see --address-connections-max"
            }
            Self::AddressStrangers => {
                "if the address is a proxy's, name it with --unlimited-addresses; else see --address-strangers-max"
            }
        }
    }
}

/// What is counted as one address: an IPv4 address, or the 64 bits of an IPv6 address that one customer of a
/// network has to give out as it likes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Key(u128);

impl Key {
    fn of(address: IpAddr) -> Self {
        Self(match address.to_canonical() {
            IpAddr::V4(address) => address.to_ipv6_mapped().to_bits(),
            IpAddr::V6(address) => address.to_bits() >> 64 << 64,
        })
    }
}

#[derive(Debug, Default)]
struct Address {
    connections: u32,
    new: Allowance,
}

#[derive(Debug, Default)]
struct Stripe {
    addresses: HashMap<Key, Address>,
    /// How many there may be before the idle ones are looked for again.
    kept_max: usize,
}

#[derive(Debug)]
struct Inner {
    limits: RwLock<Arc<GateLimits>>,
    connections: AtomicU64,
    stripes: [Mutex<Stripe>; STRIPES],
}

/// Counts for all shards. Clones are the same gate.
#[derive(Clone, Debug)]
pub struct Gate(Arc<Inner>);

/// One connection's place. Gives it back when it is dropped.
#[derive(Debug)]
pub struct Permit {
    gate: Gate,
    address: Option<IpAddr>,
    /// Whether it is counted under its address.
    is_limited: bool,
}

/// Every connection has one.
const PERMIT_BYTES_MAX: usize = 32;
const _: () = assert!(size_of::<Permit>() <= PERMIT_BYTES_MAX);

impl GateLimits {
    /// For tests and simulations: everybody.
    pub fn none() -> Self {
        Self {
            connections_max: u64::MAX,
            address_connections_max: u32::MAX,
            address_new: Rate { per_second: 1_000_000, burst: u32::MAX },
            unlimited: Arc::default(),
        }
    }
}

impl Gate {
    /// With nobody connected.
    pub fn new(limits: GateLimits) -> Self {
        let stripes = std::array::from_fn(|_| Mutex::default());
        let limits = RwLock::new(Arc::new(limits));
        Self(Arc::new(Inner { limits, connections: AtomicU64::new(0), stripes }))
    }

    /// Holds newcomers to these from now on; whoever is connected stays.
    pub fn set_limits(&self, limits: GateLimits) {
        // One value, whole at any time.
        *self.0.limits.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(limits);
    }

    fn limits(&self) -> Arc<GateLimits> {
        Arc::clone(&self.0.limits.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// What the address is counted under; `None` if it is not limited.
    pub fn key(&self, address: Option<IpAddr>) -> Option<Key> {
        let address = address?.to_canonical();
        let is_unlimited = self.limits().unlimited.iter().any(|network| network.contains(&address));
        (!is_unlimited).then(|| Key::of(address))
    }

    /// Takes a place for a new connection, or says why there is none.
    pub fn enter(&self, address: Option<IpAddr>, now_us: u64) -> Result<Permit, Refusal> {
        // Counted before it is known whether there is room: two shards must not both take the last place.
        let before = self.0.connections.fetch_add(1, Ordering::Relaxed);
        let mut permit = Permit { gate: self.clone(), address: None, is_limited: false };
        if before >= self.limits().connections_max {
            return Err(Refusal::Total);
        }
        permit.take(address, now_us)?;
        Ok(permit)
    }

    fn stripe(&self, key: Key) -> MutexGuard<'_, Stripe> {
        // The bits of an address that its owner chooses least: the end of its network.
        let mixed = ((key.0 >> 64 ^ key.0) as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
        self.0.stripes[mixed as usize % STRIPES].lock().expect("nothing panics while it holds this lock")
    }
}

impl Stripe {
    fn enter(&mut self, key: Key, limits: &GateLimits, now_us: u64) -> Result<(), Refusal> {
        if self.addresses.len() >= self.kept_max.max(ADDRESSES_KEPT) {
            self.addresses.retain(|_, address| address.connections > 0 || !address.new.is_full(now_us));
            // Looked for again when there are twice as many, so that it costs each connection the same.
            self.kept_max = 2 * self.addresses.len();
        }
        let address = self.addresses.entry(key).or_default();
        if !address.new.take(limits.address_new, now_us) {
            return Err(Refusal::AddressRate);
        }
        if address.connections >= limits.address_connections_max {
            return Err(Refusal::AddressConnections);
        }
        address.connections += 1;
        Ok(())
    }
}

impl Permit {
    /// The client's address: who is limited, and who is told to the API. The peer's, where nothing says otherwise.
    pub fn address(&self) -> Option<IpAddr> {
        self.address
    }

    /// Counts the place as another address's from now on, or says why that has no room for it; then nothing changes.
    pub fn rename(&mut self, address: IpAddr, now_us: u64) -> Result<(), Refusal> {
        let before = self.key();
        self.take(Some(address), now_us)?;
        self.leave(before);
        Ok(())
    }

    /// What its address is counted under; `None` if that was not limited when it came.
    pub fn key(&self) -> Option<Key> {
        self.address.filter(|_| self.is_limited).map(Key::of)
    }

    fn take(&mut self, address: Option<IpAddr>, now_us: u64) -> Result<(), Refusal> {
        let key = self.gate.key(address);
        if let Some(key) = key {
            self.gate.stripe(key).enter(key, &self.gate.limits(), now_us)?;
        }
        (self.address, self.is_limited) = (address, key.is_some());
        Ok(())
    }

    fn leave(&self, key: Option<Key>) {
        let Some(key) = key else { return };
        if let Some(address) = self.gate.stripe(key).addresses.get_mut(&key) {
            address.connections -= 1;
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.gate.0.connections.fetch_sub(1, Ordering::Relaxed);
        self.leave(self.key());
    }
}

#[cfg(test)]
#[path = "gate/tests.rs"]
mod tests;
