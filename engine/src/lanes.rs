//! The lanes of a shard: two bounded lock-free queues, VIP and normal.
//!
//! Any shard may push; only the owner drains, by weight, so that VIP wins and normal never starves. Who is
//! told when a lane is full is decided elsewhere.

use crossbeam_queue::ArrayQueue;

use crate::{limits, shard::LaneItem};

/// The two lanes of one shard.
#[derive(Debug)]
pub struct Lanes {
    vip: ArrayQueue<LaneItem>,
    normal: ArrayQueue<LaneItem>,
}

impl Lanes {
    /// Empty lanes.
    pub fn new(items_max: usize) -> Self {
        Self { vip: ArrayQueue::new(items_max), normal: ArrayQueue::new(items_max) }
    }

    /// Puts an item into a lane; a full lane gives it back.
    pub fn push(&self, vip: bool, item: LaneItem) -> Result<(), LaneItem> {
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
    /// normal one.
    pub fn drain(&self, budget: usize, mut take: impl FnMut(LaneItem)) {
        let mut left = budget;
        while left > 0 {
            let before = left;
            // A lane found empty is not asked again: asking costs a fence.
            for (lane, weight) in [(&self.vip, limits::VIP_WEIGHT), (&self.normal, 1)] {
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
        let mut taken = Vec::new();
        lanes.drain(budget, |item| match item {
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
    fn each_lane_keeps_its_order_and_its_bound() {
        let lanes = Lanes::new(2);
        assert!(lanes.push(false, item(1)).is_ok());
        assert!(lanes.push(false, item(2)).is_ok());
        assert!(lanes.push(false, item(3)).is_err(), "full");
        assert!(lanes.push(true, item(4)).is_ok(), "the other lane has room");
        assert_eq!(drained(&lanes, 10), [4, 1, 2]);
        assert!(lanes.is_empty());
    }
}
