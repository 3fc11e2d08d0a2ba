//! The gate as a list of who comes and goes.

use super::*;

const NOW_US: u64 = 1_000_000_000;

fn limits() -> GateLimits {
    GateLimits {
        connections_max: 100,
        address_connections_max: 6,
        address_new: Rate { per_second: 10, burst: 20 },
        unlimited: ["10.0.0.0/8", "::1/128"].map(|network| network.parse().expect("a network")).into(),
    }
}

fn address(text: &str) -> Option<IpAddr> {
    Some(text.parse().expect("an address"))
}

/// As many as get in, up to `count`; then why the next does not.
fn enter(gate: &Gate, from: &str, count: usize) -> (Vec<Permit>, Option<Refusal>) {
    let mut permits = Vec::new();
    for _ in 0..count {
        match gate.enter(address(from), NOW_US) {
            Ok(permit) => permits.push(permit),
            Err(refusal) => return (permits, Some(refusal)),
        }
    }
    (permits, None)
}

#[test]
fn an_address_has_so_many_connections_and_what_leaves_makes_room() {
    let gate = Gate::new(limits());
    let (mut permits, refusal) = enter(&gate, "192.0.2.1", 7);
    assert_eq!((permits.len(), refusal), (6, Some(Refusal::AddressConnections)));
    permits.truncate(4);
    let (more, refusal) = enter(&gate, "192.0.2.1", 7);
    assert_eq!((more.len(), refusal), (2, Some(Refusal::AddressConnections)));
}

#[test]
fn one_address_is_no_other() {
    let gate = Gate::new(limits());
    let same = [("192.0.2.1", "::ffff:192.0.2.1"), ("2001:db8::1", "2001:db8::ffff:2")];
    let other = [("192.0.2.1", "192.0.2.2"), ("2001:db8::1", "2001:db8:0:1::1")];
    for (first, second) in same {
        assert_eq!(gate.key(address(first)), gate.key(address(second)), "{first} {second}");
    }
    for (first, second) in other {
        assert_ne!(gate.key(address(first)), gate.key(address(second)), "{first} {second}");
    }
    for unlimited in ["10.1.2.3", "::1", "::ffff:10.1.2.3"] {
        assert_eq!(gate.key(address(unlimited)), None, "{unlimited}");
    }
    assert_eq!(gate.key(None), None);
    let (_full, _) = enter(&gate, "192.0.2.1", 9);
    assert_eq!(enter(&gate, "192.0.2.2", 6).1, None);
}

#[test]
fn new_connections_are_limited_although_none_stays() {
    let gate = Gate::new(limits());
    let admitted = |now_us| (0..50).filter(|_| gate.enter(address("192.0.2.1"), now_us).is_ok()).count();
    assert_eq!(admitted(NOW_US), 20);
    assert_eq!(admitted(NOW_US + 1_000_000), 10);
    assert_eq!(gate.enter(address("192.0.2.1"), NOW_US).map(drop), Err(Refusal::AddressRate));
}

#[test]
fn the_total_holds_for_everybody() {
    let gate = Gate::new(GateLimits { connections_max: 2, ..limits() });
    let (permits, refusal) = enter(&gate, "10.0.0.1", 5);
    assert_eq!((permits.len(), refusal), (2, Some(Refusal::Total)));
    drop(permits);
    assert_eq!(gate.enter(None, NOW_US).map(|permit| permit.address()), Ok(None));
}

#[test]
fn addresses_that_are_gone_are_forgotten() {
    let gate = Gate::new(limits());
    for number in 0..200_000_u32 {
        let from = Some(IpAddr::from(0xC000_0000_u32.wrapping_add(number).to_be_bytes()));
        gate.enter(from, NOW_US + u64::from(number) * 1_000).expect("a first connection");
    }
    let kept: usize =
        gate.0.stripes.iter().map(|stripe| stripe.lock().expect("nobody panics").addresses.len()).sum();
    assert!(kept <= STRIPES * ADDRESSES_KEPT, "{kept} addresses are kept");
}
