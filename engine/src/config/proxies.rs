//! The settings that say which proxies are believed. What is done with what they say is [`crate::proxies`]'s.

use super::{ConfigError, Layers, Setting, list::networks, take};
use crate::proxies::Proxies;

/// `--trusted-proxies`.
pub static TRUSTED_PROXIES: Setting = Setting {
    name: "trusted-proxies",
    value_name: "LIST",
    help: "Your proxies: addresses and networks whose X-Forwarded-For and PROXY headers are believed, or none",
    default: "none",
    limit: "none, or up to 256 addresses and networks with commas between, such as 127.0.0.1,10.1.0.0/16,2001:db8::/32",
};
/// `--proxy-protocol`.
pub static PROXY_PROTOCOL: Setting = Setting {
    name: "proxy-protocol",
    value_name: "MODE",
    help: "Whether trusted proxies begin each connection with a PROXY header (v1 or v2): off or on",
    default: "off",
    limit: "off, or on where --trusted-proxies names who sends it",
};

/// The meaning of both; what is wrong goes to `errors`.
pub(super) fn resolve(layers: &Layers, errors: &mut Vec<ConfigError>) -> Proxies {
    let networks = take(layers, &TRUSTED_PROXIES, networks, errors).unwrap_or_default();
    let is_named = !networks.is_empty();
    let mode = |text: &str| match text {
        "off" => Some(false),
        "on" if is_named => Some(true),
        _ => None,
    };
    let speak_first = take(layers, &PROXY_PROTOCOL, mode, errors).unwrap_or_default();
    Proxies { networks: networks.into(), speak_first }
}
