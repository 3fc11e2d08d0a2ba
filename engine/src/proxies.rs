//! Which proxies are believed, and who the client is behind them: the one answer to "whose connection is this?" for
//! login throttling, limits and logs.
//!
//! Anybody can write `X-Forwarded-For` or a PROXY header. So both are read only where the connection comes from a
//! network that the operator named, and of `X-Forwarded-For` only what such proxies have added themselves: from the
//! right, up to the first address that is none of theirs.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use ipnet::IpNet;

/// What the operator said of proxies. Clones are the same.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proxies {
    /// Networks whose hosts are believed.
    pub networks: Arc<[IpNet]>,
    /// Whether they begin each connection with a PROXY header.
    pub speak_first: bool,
}

impl Proxies {
    /// Whether that address is believed about others.
    pub fn trusts(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.networks.iter().any(|network| network.contains(&address))
    }

    /// Whether a connection from there must begin with a PROXY header.
    pub fn expects_header(&self, peer: IpAddr) -> bool {
        self.speak_first && self.trusts(peer)
    }

    /// Who sent a request that came from `nearest`, by the values of its `X-Forwarded-For` fields in order. Where
    /// something stands there that is no address, whoever passed it on is as far as it can be known.
    pub fn client<'a>(
        &self,
        nearest: IpAddr,
        forwarded: impl DoubleEndedIterator<Item = &'a [u8]>,
    ) -> IpAddr {
        let mut client = nearest.to_canonical();
        for hop in forwarded.rev().flat_map(|value| value.rsplit(|byte| *byte == b',')) {
            match address_of(hop) {
                Some(address) if self.trusts(client) => client = address.to_canonical(),
                _ => break,
            }
        }
        client
    }
}

/// `192.0.2.1`, `2001:db8::1`, and as some proxies write them: `192.0.2.1:80`, `[2001:db8::1]`, `[2001:db8::1]:80`.
fn address_of(hop: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(hop).ok()?.trim_matches([' ', '\t']);
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
    bare.unwrap_or(text).parse().ok().or_else(|| text.parse().ok().map(|address: SocketAddr| address.ip()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxies() -> Proxies {
        let networks =
            ["10.0.0.0/8", "2001:db8:1::/48", "192.0.2.7/32"].map(|text| text.parse().expect("a network"));
        Proxies { networks: networks.into(), speak_first: true }
    }

    #[track_caller]
    fn check(nearest: &str, forwarded: &[&str], client: &str) {
        let nearest = nearest.parse().expect("an address");
        let values = forwarded.iter().map(|value| value.as_bytes());
        assert_eq!(proxies().client(nearest, values).to_string(), client, "{forwarded:?}");
    }

    #[test]
    fn who_is_not_trusted_is_not_believed() {
        check("198.51.100.1", &["203.0.113.9"], "198.51.100.1");
        check("2001:db8:2::1", &["203.0.113.9"], "2001:db8:2::1");
        check("198.51.100.1", &[], "198.51.100.1");
    }

    #[test]
    fn a_trusted_proxy_says_who_its_client_is() {
        check("10.1.2.3", &["203.0.113.9"], "203.0.113.9");
        check("::ffff:10.1.2.3", &["::ffff:203.0.113.9"], "203.0.113.9");
        check("2001:db8:1::5", &[" 2001:db8:9::9\t"], "2001:db8:9::9");
        check("192.0.2.7", &["203.0.113.9:4711"], "203.0.113.9");
        check("192.0.2.7", &["[2001:db8:9::9]:4711"], "2001:db8:9::9");
        check("192.0.2.7", &["[2001:db8:9::9]"], "2001:db8:9::9");
        check("192.0.2.8", &["203.0.113.9"], "192.0.2.8");
    }

    #[test]
    fn what_a_client_wrote_itself_is_behind_what_the_proxy_added_and_is_not_read() {
        check("10.1.2.3", &["10.0.0.1, 203.0.113.9"], "203.0.113.9");
        check("10.1.2.3", &["198.51.100.7,203.0.113.9, 10.9.9.9"], "203.0.113.9");
        check("10.1.2.3", &["198.51.100.7", "203.0.113.9", "10.9.9.9"], "203.0.113.9");
        check("10.1.2.3", &["203.0.113.9, 10.0.0.1", "10.0.0.2,10.0.0.3"], "203.0.113.9");
    }

    #[test]
    fn where_every_hop_is_ours_the_first_is_the_client() {
        check("10.1.2.3", &["10.0.0.1, 10.0.0.2"], "10.0.0.1");
        check("10.1.2.3", &[], "10.1.2.3");
    }

    #[test]
    fn what_is_no_address_ends_it() {
        for nonsense in
            ["", "unknown", "203.0.113.9 10.0.0.1", "_hidden", "[::1", "203.0.113.999", "10.0.0.1:x"]
        {
            check("10.1.2.3", &[nonsense], "10.1.2.3");
            check("10.1.2.3", &["203.0.113.9", nonsense], "10.1.2.3");
            check("10.1.2.3", &[nonsense, "10.0.0.1"], "10.0.0.1");
        }
        let proxies = proxies();
        assert_eq!(
            proxies.client([10, 1, 2, 3].into(), [b"\xff".as_slice()].into_iter()),
            IpAddr::from([10, 1, 2, 3])
        );
    }

    #[test]
    fn a_header_is_expected_of_trusted_peers_where_it_is_switched_on() {
        let (mut proxies, ours, other) = (proxies(), [10, 1, 2, 3].into(), [198, 51, 100, 1].into());
        assert!(proxies.expects_header(ours) && !proxies.expects_header(other));
        proxies.speak_first = false;
        assert!(!proxies.expects_header(ours) && !proxies.expects_header(other));
    }
}
