//! What waits for room in other shards' lanes.
//!
//! Two kinds wait. What follows from something promised (a delivery, a word to the desk) waits for as long as it
//! takes, and nothing overtakes it. A client's message is promised to nobody yet: it is held for a while, in order,
//! and then given back to be refused, so that the client can decide what to do. What has no id to be sent again by (an
//! end, a rating, a wish for a human) is held longer: a refusal of it is nothing that a client can make good by itself.

use std::collections::VecDeque;

use super::Neighbour;
use crate::{
    limits,
    shard::{Inbound, LaneItem, inbound::Body},
};

/// After how many milliseconds what waits is tried again. All shards may wait for one, and while they try, that one has no
/// processor: together they try some 8,000 times a second at most.
pub(super) const fn retry_ms(shards: usize) -> u64 {
    shards.div_ceil(8) as u64
}

/// Of one lane of one shard.
#[derive(Default)]
struct Waiting {
    promised: VecDeque<LaneItem>,
    /// With the time since when, microseconds of the clock that does not go back.
    held: VecDeque<(u64, Box<Inbound>)>,
}

/// `[normal, VIP]` for each shard.
pub(super) struct Backlog(Vec<[Waiting; 2]>);

impl Backlog {
    pub fn new(shards: usize) -> Self {
        Self((0..shards).map(|_| Default::default()).collect())
    }

    /// Items of both kinds.
    pub fn len(&self) -> usize {
        self.0.iter().flatten().map(|waiting| waiting.promised.len() + waiting.held.len()).sum()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Into the lane, or behind what waits for it. A message that cannot even wait is given back.
    pub fn put(
        &mut self,
        neighbours: &[Neighbour],
        (to, vip): (usize, bool),
        item: LaneItem,
        now_us: u64,
    ) -> Option<Box<Inbound>> {
        let waiting = &mut self.0[to][usize::from(vip)];
        let is_first = waiting.promised.is_empty() && waiting.held.is_empty();
        let result = if is_first { neighbours[to].lanes.push(vip, item) } else { Err(item) };
        match result {
            Ok(()) => (neighbours[to].wake)(),
            Err(LaneItem::Inbound(inbound)) if waiting.held.len() >= held_max(&inbound) => {
                return Some(inbound);
            }
            Err(LaneItem::Inbound(inbound)) => waiting.held.push_back((now_us, inbound)),
            Err(item) => waiting.promised.push_back(item),
        }
        None
    }

    /// Tries again what waited for room, and gives back what was held for too long.
    pub fn push(&mut self, neighbours: &[Neighbour], now_us: u64, refuse: &mut impl FnMut(Box<Inbound>)) {
        for (neighbour, lanes) in neighbours.iter().zip(&mut self.0) {
            for (vip, waiting) in [false, true].into_iter().zip(lanes) {
                waiting.push(neighbour, vip);
                waiting.expire(now_us, refuse);
            }
        }
    }
}

impl Waiting {
    fn expire(&mut self, now_us: u64, refuse: &mut impl FnMut(Box<Inbound>)) {
        let could_be = |(since_us, _): &(u64, _)| now_us >= since_us + limits::HOLD_NORMAL_US;
        if !self.held.front().is_some_and(could_be) {
            return;
        }
        for (since_us, inbound) in std::mem::take(&mut self.held) {
            match now_us >= since_us + hold_us(&inbound) {
                true => refuse(inbound),
                false => self.held.push_back((since_us, inbound)),
            }
        }
    }

    fn push(&mut self, neighbour: &Neighbour, vip: bool) {
        while let Some(item) = self.promised.pop_front() {
            if let Err(item) = neighbour.lanes.push(vip, item) {
                return self.promised.push_front(item);
            }
            (neighbour.wake)();
        }
        while let Some((since_us, inbound)) = self.held.pop_front() {
            match neighbour.lanes.push(vip, LaneItem::Inbound(inbound)) {
                Ok(()) => (neighbour.wake)(),
                Err(LaneItem::Inbound(inbound)) => return self.held.push_front((since_us, inbound)),
                Err(other) => unreachable!("a full lane gives back what it was given: {other:?}"),
            }
        }
    }
}

/// Longest that it waits for room, in microseconds.
const fn hold_us(inbound: &Inbound) -> u64 {
    match inbound.body {
        _ if is_wish(&inbound.body) => limits::HOLD_WISH_US,
        _ if inbound.vip => limits::HOLD_VIP_US,
        _ => limits::HOLD_NORMAL_US,
    }
}

/// How many may wait before it.
const fn held_max(inbound: &Inbound) -> usize {
    if is_wish(&inbound.body) { limits::HELD_WISHES_MAX } else { limits::HELD_MESSAGES_MAX }
}

/// It has no id to be sent again by.
const fn is_wish(body: &Body) -> bool {
    matches!(body, Body::Human | Body::Rate { .. } | Body::Close | Body::Transfer { .. })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{
        lanes::Lanes,
        shard::{Farewell, inbound::Sender},
    };

    const NORMAL: (usize, bool) = (0, false);

    fn neighbours() -> Vec<Neighbour> {
        vec![Neighbour { lanes: Arc::new(Lanes::new(1)), wake: Arc::new(|| ()) }]
    }

    fn message(number: u64) -> LaneItem {
        inbound(number, Body::Read { seq: 1 })
    }

    fn inbound(number: u64, body: Body) -> LaneItem {
        LaneItem::Inbound(Box::new(Inbound {
            conversation: "c".into(),
            sender: Sender::Visitor { connection: number, visitor: "v".into() },
            vip: false,
            received_us: 0,
            body,
        }))
    }

    fn promised(connection: u64) -> LaneItem {
        LaneItem::Dismiss { connection, farewell: Farewell::IDLE }
    }

    fn number(item: &LaneItem) -> u64 {
        match item {
            LaneItem::Dismiss { connection, .. } => *connection,
            LaneItem::Inbound(inbound) => sender(inbound),
            other => panic!("not put here: {other:?}"),
        }
    }

    fn sender(inbound: &Inbound) -> u64 {
        let Sender::Visitor { connection, .. } = inbound.sender else { panic!("a visitor's") };
        connection
    }

    fn taken(neighbours: &[Neighbour]) -> Vec<u64> {
        let mut taken = Vec::new();
        neighbours[0].lanes.drain(10, 0, |item| taken.push(number(&item)));
        taken
    }

    #[test]
    fn a_message_is_held_in_order_until_there_is_room() {
        let neighbours = neighbours();
        let mut backlog = Backlog::new(1);
        for index in 1..=3 {
            assert!(backlog.put(&neighbours, NORMAL, message(index), 0).is_none());
        }
        let mut refuse = |inbound: Box<Inbound>| panic!("{inbound:?}");
        let mut seen = Vec::new();
        for _ in 0..3 {
            seen.extend(taken(&neighbours));
            backlog.push(&neighbours, limits::HOLD_NORMAL_US - 1, &mut refuse);
        }
        assert_eq!(seen, [1, 2, 3]);
        assert!(backlog.is_empty());
    }

    #[test]
    fn what_was_held_for_too_long_is_given_back_and_what_is_promised_is_not() {
        let neighbours = neighbours();
        let mut backlog = Backlog::new(1);
        for item in [message(1), message(2), promised(3), message(4)] {
            assert!(backlog.put(&neighbours, NORMAL, item, 7).is_none());
        }
        let mut refused = Vec::new();
        backlog.push(&neighbours, 7 + limits::HOLD_NORMAL_US, &mut |inbound| refused.push(sender(&inbound)));
        assert_eq!(refused, [2, 4]);
        assert_eq!(taken(&neighbours), [1]);
        backlog.push(&neighbours, 1 << 40, &mut |inbound| panic!("{inbound:?}"));
        assert_eq!(taken(&neighbours), [3]);
    }

    #[test]
    fn a_wish_that_cannot_be_sent_again_by_id_is_held_longer_and_holds_up_nothing() {
        let neighbours = neighbours();
        let mut backlog = Backlog::new(1);
        for item in [message(1), inbound(2, Body::Close), message(3)] {
            assert!(backlog.put(&neighbours, NORMAL, item, 0).is_none());
        }
        let mut refused = Vec::new();
        let mut at = |now_us, backlog: &mut Backlog| {
            backlog.push(&neighbours, now_us, &mut |inbound| refused.push(sender(&inbound)));
            refused.clone()
        };
        assert_eq!(at(limits::HOLD_NORMAL_US, &mut backlog), [3]);
        assert_eq!(at(limits::HOLD_WISH_US - 1, &mut backlog), [3]);
        assert_eq!(at(limits::HOLD_WISH_US, &mut backlog), [3, 2]);
        assert!(backlog.is_empty());
    }

    #[test]
    fn no_more_messages_are_held_than_there_is_room_for() {
        let neighbours = neighbours();
        let mut backlog = Backlog::new(1);
        for index in 0..=limits::HELD_MESSAGES_MAX as u64 {
            assert!(backlog.put(&neighbours, NORMAL, message(index), 0).is_none());
        }
        let refused = backlog.put(&neighbours, NORMAL, message(9), 0).expect("no room to wait");
        assert_eq!(sender(&refused), 9);
        // A refusal of these is nothing that a client can make good by itself.
        for index in limits::HELD_MESSAGES_MAX..limits::HELD_WISHES_MAX {
            assert!(backlog.put(&neighbours, NORMAL, inbound(index as u64, Body::Close), 0).is_none());
        }
        let refused = backlog.put(&neighbours, NORMAL, inbound(10, Body::Close), 0).expect("no room to wait");
        assert_eq!(sender(&refused), 10);
    }
}
