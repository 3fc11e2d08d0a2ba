//! The lanes of a shard: two bounded lock-free queues, VIP and normal.
//!
//! Any shard may push; only the owner drains, by weight, so that VIP wins and normal never starves: the longer
//! normal messages have waited, the more of them go with the VIPs. Who is told when a lane is full is decided
//! elsewhere.

use std::sync::atomic::{AtomicBool, Ordering};

use crossbeam_queue::ArrayQueue;

use crate::{limits, shard::LaneItem};

/// The two lanes of one shard.
#[derive(Debug)]
pub struct Lanes {
    vip: ArrayQueue<LaneItem>,
    normal: ArrayQueue<LaneItem>,
    is_closed: AtomicBool,
}

impl Lanes {
    /// Empty lanes.
    pub fn new(items_max: usize) -> Self {
        Self {
            vip: ArrayQueue::new(items_max),
            normal: ArrayQueue::new(items_max),
            is_closed: AtomicBool::new(false),
        }
    }

    /// Nobody drains these any more: what is put in from now on is dropped, so that nobody waits for room. For a
    /// shard that has stopped: all that it promised is durable, and its clients are gone.
    pub fn close(&self) {
        self.is_closed.store(true, Ordering::Release);
    }

    /// Puts an item into a lane; a full lane gives it back.
    pub fn push(&self, vip: bool, item: LaneItem) -> Result<(), LaneItem> {
        if self.is_closed.load(Ordering::Acquire) {
            return Ok(());
        }
        if vip { self.vip.push(item) } else { self.normal.push(item) }
    }

    /// Whether there is nothing to take.
    pub fn is_empty(&self) -> bool {
        self.vip.is_empty() && self.normal.is_empty()
    }

    /// Items waiting, normal and VIP.
    pub fn waiting(&self) -> [usize; 2] {
        [self.normal.len(), self.vip.len()]
    }

    /// Takes up to `budget` items: while both lanes have some, [`limits::VIP_WEIGHT`] VIP items for each
    /// normal one, and [`limits::VIP_WEIGHT_AGED`] when normal messages have waited for
    /// [`limits::AGED_US`]. `normal_delay_us` is how long the last one had.
    pub fn drain(&self, budget: usize, normal_delay_us: u64, mut take: impl FnMut(LaneItem)) {
        let is_aged = normal_delay_us >= limits::AGED_US;
        let weight = if is_aged { limits::VIP_WEIGHT_AGED } else { limits::VIP_WEIGHT };
        let mut left = budget;
        while left > 0 {
            let before = left;
            // A lane found empty is not asked again: asking costs a fence.
            for (lane, weight) in [(&self.vip, weight), (&self.normal, 1)] {
                for item in std::iter::from_fn(|| lane.pop()).take(weight.min(left)) {
                    take(item);
                    left -= 1;
                }
            }
            if left == before {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shard::Farewell;

    fn item(connection: u64) -> LaneItem {
        LaneItem::Dismiss { connection, farewell: Farewell::IDLE }
    }

    fn drained(lanes: &Lanes, budget: usize) -> Vec<u64> {
        drained_after(lanes, budget, 0)
    }

    fn drained_after(lanes: &Lanes, budget: usize, normal_delay_us: u64) -> Vec<u64> {
        let mut taken = Vec::new();
        lanes.drain(budget, normal_delay_us, |item| match item {
            LaneItem::Dismiss { connection, .. } => taken.push(connection),
            other => panic!("not pushed here: {other:?}"),
        });
        taken
    }

    #[test]
    fn vip_wins_and_normal_never_starves() {
        let lanes = Lanes::new(64);
        for number in 0..20 {
            lanes.push(true, item(number)).expect("room");
            lanes.push(false, item(100 + number)).expect("room");
        }
        assert_eq!(drained(&lanes, 18), [0, 1, 2, 3, 4, 5, 6, 7, 100, 8, 9, 10, 11, 12, 13, 14, 15, 101]);
        assert_eq!(drained(&lanes, 6), [16, 17, 18, 19, 102, 103]);
        assert_eq!(lanes.waiting(), [16, 0]);
    }

    #[test]
    fn normal_messages_that_have_waited_get_more_of_the_turn() {
        let lanes = Lanes::new(64);
        for number in 0..6 {
            lanes.push(true, item(number)).expect("room");
            lanes.push(false, item(100 + number)).expect("room");
        }
        assert_eq!(drained_after(&lanes, 6, limits::AGED_US), [0, 1, 100, 2, 3, 101]);
        assert_eq!(drained_after(&lanes, 4, limits::AGED_US - 1), [4, 5, 102, 103]);
    }

    #[test]
    fn each_lane_keeps_its_order_and_its_bound() {
        let lanes = Lanes::new(2);
        assert!(lanes.push(false, item(1)).is_ok());
        assert!(lanes.push(false, item(2)).is_ok());
        assert!(lanes.push(false, item(3)).is_err(), "full");
        assert!(lanes.push(true, item(4)).is_ok(), "the other lane has room");
        assert_eq!(drained(&lanes, 10), [4, 1, 2]);
        assert!(lanes.is_empty());
    }

    #[test]
    fn a_stop_does_not_wait_for_room_in_the_lanes_of_a_shard_that_has_stopped() {
        let lanes = Lanes::new(1);
        assert!(lanes.push(false, item(1)).is_ok());
        assert!(lanes.push(false, item(2)).is_err(), "full");
        lanes.close();
        assert!(lanes.push(false, item(2)).is_ok());
        assert_eq!(drained(&lanes, 10), [1]);
    }
}
