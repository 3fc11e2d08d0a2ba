//! The settings that hold hostile peers: how many may connect, how long they may take, where they may come from.

use ipnet::IpNet;

use super::{
    ConfigError, Layers, Setting, in_range,
    list::{list, networks},
    take,
};
use crate::{
    allowance::Rate,
    gate::GateLimits,
    limits::{self, PeerLimits},
    origin::{Origins, Pages},
};

/// Fewest and most connections of the process.
const CONNECTIONS_MAX: (u64, u64) = (16, 10_000_000);
/// Fewest and most connections of one address, of either kind.
const ADDRESS_MAX: (u32, u32) = (1, 10_000_000);
/// Fewest and most new connections of one address a second.
const ADDRESS_NEW: (u32, u32) = (1, 1_000_000);
/// Shortest and longest time that a client may take for one step.
const STEP_MS: (u64, u64) = (100, 300_000);
/// Fewest and most pings a second.
const PINGS: (u32, u32) = (1, 10_000);
/// Fewest and most fragments of a message.
const FRAGMENTS_MAX: (u32, u32) = (1, 65_536);
/// Fewest and most mebibytes held of what is not whole.
const HELD_MIB: (u64, u64) = (1, 65_536);

/// `--connections-max`.
pub static CONNECTIONS_MAX_SETTING: Setting = Setting {
    name: "connections-max",
    value_name: "N",
    help: "Connections in all [default: as many as the limit of open files allows]",
    default: "",
    limit: "a whole number from 16 to 10000000; leave it out for what the limit of open files allows",
};
/// `--address-connections-max`.
pub static ADDRESS_CONNECTIONS_MAX_SETTING: Setting = Setting {
    name: "address-connections-max",
    value_name: "N",
    help: "Connections from one client address",
    default: "32768",
    limit: "a whole number from 1 to 10000000",
};
/// `--address-strangers-max`.
pub static ADDRESS_STRANGERS_MAX_SETTING: Setting = Setting {
    name: "address-strangers-max",
    value_name: "N",
    help: "Connections from one client address that have not said hello",
    default: "4096",
    limit: "a whole number from 1 to 10000000",
};
/// `--address-new-per-second`.
pub static ADDRESS_NEW_SETTING: Setting = Setting {
    name: "address-new-per-second",
    value_name: "N",
    help: "New connections from one client address a second; ten times as many at once",
    default: "2000",
    limit: "a whole number from 1 to 1000000",
};
/// `--unlimited-addresses`.
pub static UNLIMITED_ADDRESSES_SETTING: Setting = Setting {
    name: "unlimited-addresses",
    value_name: "LIST",
    help: "Addresses that are not limited one by one, such as your proxies: networks with commas between, or none",
    default: limits::UNLIMITED_ADDRESSES,
    limit: "none, or up to 256 addresses and networks with commas between, such as 127.0.0.0/8,10.1.0.7,2001:db8::/32",
};
/// `--handshake-ms`.
pub static HANDSHAKE_MS_SETTING: Setting = Setting {
    name: "handshake-ms",
    value_name: "MS",
    help: "How long a new connection may take for the head of its first request, in milliseconds",
    default: "10000",
    limit: "a whole number of milliseconds from 100 to 300000",
};
/// `--request-ms`.
pub static REQUEST_MS_SETTING: Setting = Setting {
    name: "request-ms",
    value_name: "MS",
    help: "How long a request may take to come in, from its first byte to its last, in milliseconds",
    default: "10000",
    limit: "a whole number of milliseconds from 100 to 300000",
};
/// `--hello-ms`.
pub static HELLO_MS_SETTING: Setting = Setting {
    name: "hello-ms",
    value_name: "MS",
    help: "How long a WebSocket may take to say hello, in milliseconds",
    default: "10000",
    limit: "a whole number of milliseconds from 100 to 300000",
};
/// `--pings-per-second`.
pub static PINGS_SETTING: Setting = Setting {
    name: "pings-per-second",
    value_name: "N",
    help: "Pings and pongs of one connection a second; ten times as many at once",
    default: "10",
    limit: "a whole number from 1 to 10000",
};
/// `--fragments-max`.
pub static FRAGMENTS_MAX_SETTING: Setting = Setting {
    name: "fragments-max",
    value_name: "N",
    help: "Fragments of one WebSocket message",
    default: "1024",
    limit: "a whole number from 1 to 65536",
};
/// `--held-mib-max`.
pub static HELD_MIB_SETTING: Setting = Setting {
    name: "held-mib-max",
    value_name: "MIB",
    help: "Memory for requests and messages that are not whole yet, of all connections, in MiB",
    default: "64",
    limit: "a whole number of MiB from 1 to 65536",
};
/// `--visitor-origins`.
pub static VISITOR_ORIGINS_SETTING: Setting = Setting {
    name: "visitor-origins",
    value_name: "LIST",
    help: "Web pages whose visitors may connect: any, own, or origins with commas between",
    default: "any",
    limit: "any, own, or up to 256 origins with commas between, such as https://shop.example",
};
/// `--agent-origins`.
pub static AGENT_ORIGINS_SETTING: Setting = Setting {
    name: "agent-origins",
    value_name: "LIST",
    help: "Web pages beside our own console whose agents may connect: any, own, or origins with commas between",
    default: "own",
    limit: "any, own, or up to 256 origins with commas between, such as https://intranet.example",
};

/// What is asked of peers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peers {
    /// Connections in all; `None`: as many as the limit of open files allows.
    pub connections_max: Option<u64>,
    /// Connections of one address.
    pub address_connections_max: u32,
    /// New connections of one address a second.
    pub address_new_per_second: u32,
    /// Addresses that are not limited one by one.
    pub unlimited: Vec<IpNet>,
    /// What one connection may do.
    pub limits: PeerLimits,
    /// Web pages whose visitors may connect.
    pub visitor_origins: Pages,
    /// Web pages beside the console whose agents may.
    pub agent_origins: Pages,
}

impl Peers {
    /// What the gate is to hold, of a process that has room for so many connections. Trusted proxies are not bounded:
    /// behind one address they bring everybody.
    pub fn gate(&self, capacity: u64, trusted: &[IpNet]) -> GateLimits {
        GateLimits {
            connections_max: self.connections_max.unwrap_or(capacity),
            address_connections_max: self.address_connections_max,
            address_new: Rate {
                per_second: self.address_new_per_second,
                burst: self.address_new_per_second.saturating_mul(limits::ADDRESS_NEW_SECONDS),
            },
            unlimited: self.unlimited.iter().chain(trusted).copied().collect(),
        }
    }

    /// Which pages may connect to a server that browsers reach by this address, where that was said.
    pub fn origins(&self, public_url: Option<&str>) -> Origins {
        Origins {
            visitors: self.visitor_origins.clone(),
            agents: self.agent_origins.clone(),
            own: public_url.map(str::to_owned),
        }
    }
}

/// The meaning of these settings; what is wrong goes to `errors`.
pub(super) fn resolve(layers: &Layers, errors: &mut Vec<ConfigError>) -> Peers {
    let mut number = |setting, range| take(layers, setting, in_range(range), errors).unwrap_or_default();
    let address_connections_max = number(&ADDRESS_CONNECTIONS_MAX_SETTING, ADDRESS_MAX);
    let address_strangers_max = number(&ADDRESS_STRANGERS_MAX_SETTING, ADDRESS_MAX);
    let address_new_per_second = number(&ADDRESS_NEW_SETTING, ADDRESS_NEW);
    let pings_per_second = number(&PINGS_SETTING, PINGS);
    let fragments_max = number(&FRAGMENTS_MAX_SETTING, FRAGMENTS_MAX);
    let mut step = |setting| take(layers, setting, in_range(STEP_MS), errors).unwrap_or_default();
    let handshake_ms = step(&HANDSHAKE_MS_SETTING);
    let request_ms = step(&REQUEST_MS_SETTING);
    let hello_ms = step(&HELLO_MS_SETTING);
    let held_mib = take(layers, &HELD_MIB_SETTING, in_range(HELD_MIB), errors).unwrap_or_default();
    let mut pages = |setting| take(layers, setting, pages, errors).unwrap_or(Pages::Own);
    Peers {
        visitor_origins: pages(&VISITOR_ORIGINS_SETTING),
        agent_origins: pages(&AGENT_ORIGINS_SETTING),
        connections_max: take(layers, &CONNECTIONS_MAX_SETTING, in_range(CONNECTIONS_MAX), errors),
        unlimited: take(layers, &UNLIMITED_ADDRESSES_SETTING, networks, errors).unwrap_or_default(),
        address_connections_max,
        address_new_per_second,
        limits: PeerLimits {
            address_strangers_max,
            handshake_ms,
            request_ms,
            hello_ms,
            pings: Rate { per_second: pings_per_second, burst: pings_per_second * limits::PINGS_SECONDS },
            fragments_max,
            held_bytes_max: held_mib * 1024 * 1024,
        },
    }
}

fn pages(text: &str) -> Option<Pages> {
    match text {
        "any" => Some(Pages::Any),
        "own" => Some(Pages::Own),
        _ => {
            let origins =
                list(text)?.into_iter().map(|part| super::public_url(part).filter(|url| url == part));
            Some(Pages::Listed(origins.collect::<Option<Vec<_>>>()?.into()))
        }
    }
}
