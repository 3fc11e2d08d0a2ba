//! Settings that are lists with commas between.

use std::net::IpAddr;

use ipnet::IpNet;

/// Most entries of one list.
const LIST_MAX: usize = 256;

/// The entries; `None` if there are too many.
pub(super) fn list(text: &str) -> Option<Vec<&str>> {
    let parts: Vec<&str> = text.split(',').map(str::trim).collect();
    (parts.len() <= LIST_MAX).then_some(parts)
}

/// Addresses and networks, or the word `none`; an address is the network of it alone.
pub(super) fn networks(text: &str) -> Option<Vec<IpNet>> {
    if text == "none" {
        return Some(Vec::new());
    }
    let network = |part: &str| part.parse().ok().or_else(|| Some(IpNet::from(part.parse::<IpAddr>().ok()?)));
    list(text)?.into_iter().map(network).collect()
}
