//! Whoever wakes a shard is noticed.

use std::{
    sync::Arc,
    sync::atomic::{AtomicU64, Ordering},
    thread,
    time::Duration,
};

use net::Backend;

use crate::{
    common::{Shard, any_port, limits, pattern, ports},
    stream,
};

/// A lost wake-up would show as a turn that sleeps for its whole, very long wait.
pub fn a_waker_is_never_lost(backend: Backend) {
    let port = ports(backend, 1, limits()).remove(0);
    let waker = port.waker();
    wake_often(Shard::open(port), waker);
}

/// A backend may sleep in another place while the kernel has something of it.
pub fn a_waker_is_never_lost_while_a_send_waits(backend: Backend) {
    let port = ports(backend, 1, limits()).remove(0);
    let waker = port.waker();
    let mut shard = Shard::open(port);
    let address = shard.reactor.listen(any_port()).expect("a free port");
    let peer = stream(address);
    let id = shard.accepted();
    let mut refused = 0;
    while refused < 20 {
        if shard.reactor.send(id, &pattern(64 * 1024, 8)).is_err() {
            refused += 1;
            shard.turn(Duration::from_millis(2));
        }
    }
    wake_often(shard, waker);
    drop(peer);
}

fn wake_often(mut shard: Shard, waker: net::Waker) {
    const ROUNDS: u64 = 20_000;
    let (asked, answered) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let hammer = {
        let (asked, answered) = (Arc::clone(&asked), Arc::clone(&answered));
        thread::spawn(move || {
            for round in 1..=ROUNDS {
                asked.store(round, Ordering::Release);
                waker.wake();
                // Sometimes in step with the reactor, sometimes against it.
                while round % 3 != 0 && answered.load(Ordering::Acquire) < round {
                    std::hint::spin_loop();
                    if round % 64 == 0 {
                        thread::yield_now();
                    }
                }
            }
        })
    };
    let mut last = 0;
    while last < ROUNDS {
        let turn = shard.reactor.turn(
            Duration::from_secs(3_600),
            &mut || asked.load(Ordering::Acquire) != last,
            &mut |_, _| {},
        );
        turn.expect("a turn works");
        last = asked.load(Ordering::Acquire);
        answered.store(last, Ordering::Release);
    }
    hammer.join().expect("the hammer ends");
}

pub fn work_made_visible_to_ready_is_not_slept_over(backend: Backend) {
    let mut shard = Shard::one(backend);
    let turn = shard.reactor.turn(Duration::from_secs(3_600), &mut || true, &mut |_, _| {});
    turn.expect("a turn works, and at once");
}
