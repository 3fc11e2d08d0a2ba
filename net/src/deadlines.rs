//! Deadlines that are all the same time away when set, so that a queue keeps them in order. There is no
//! clock here: time is passed in.

use std::collections::VecDeque;

use crate::ConnectionId;

/// A deadline that was met or moved stays in the queue until it passes; whoever asks checks whether it still
/// means something.
#[derive(Debug)]
pub(crate) struct Deadlines {
    away_us: u64,
    queue: VecDeque<(u64, ConnectionId)>,
}

impl Deadlines {
    pub(crate) fn new(away_ms: u64) -> Self {
        Self { away_us: away_ms * 1_000, queue: VecDeque::new() }
    }

    pub(crate) fn set(&mut self, now_us: u64, id: ConnectionId) {
        self.queue.push_back((now_us + self.away_us, id));
    }

    /// The next one that has passed.
    pub(crate) fn passed(&mut self, now_us: u64) -> Option<ConnectionId> {
        let (_, id) = self.queue.pop_front_if(|(deadline_us, _)| *deadline_us <= now_us)?;
        Some(id)
    }

    /// When to look again.
    pub(crate) fn next_us(&self) -> Option<u64> {
        self.queue.front().map(|(deadline_us, _)| *deadline_us)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deadlines_pass_in_order_and_not_before_their_time() {
        let ids = [1, 2].map(|slot| ConnectionId { slot, generation: 0 });
        let mut deadlines = Deadlines::new(5);
        deadlines.set(1_000, ids[0]);
        deadlines.set(2_000, ids[1]);
        assert_eq!((deadlines.next_us(), deadlines.passed(5_999)), (Some(6_000), None));
        assert_eq!((deadlines.passed(6_000), deadlines.passed(6_000)), (Some(ids[0]), None));
        assert_eq!((deadlines.passed(9_000), deadlines.next_us()), (Some(ids[1]), None));
    }
}
