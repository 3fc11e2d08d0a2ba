//! Whether one reader gets a conversation's events in order: none twice, and for an agent none missing.

/// What a number told about its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// As it must be.
    Right,
    /// Seen before.
    Again,
    /// Something before it is missing.
    Gap,
}

/// One reader's place in one conversation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Order {
    last: u64,
    /// The conversation went to somebody else: should it come back, it comes from its beginning.
    may_restart: bool,
}

impl Order {
    /// The last number seen; 0 before the first.
    pub const fn last(&self) -> u64 {
        self.last
    }

    /// From now on the events may begin again at 1, once.
    pub const fn allow_restart(&mut self) {
        self.may_restart = true;
    }

    /// For a reader who sees every event.
    pub const fn gapless(&mut self, seq: u64) -> Place {
        if self.may_restart && seq == 1 {
            self.may_restart = false;
            self.last = 1;
            return Place::Right;
        }
        let gap = seq > self.last + 1;
        match self.rising(seq) {
            Place::Right if gap => Place::Gap,
            place => place,
        }
    }

    /// For a reader to whom some events are not shown.
    pub const fn rising(&mut self, seq: u64) -> Place {
        if seq <= self.last {
            return Place::Again;
        }
        self.last = seq;
        Place::Right
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Place::{Again, Gap, Right};

    fn check(seqs: &[u64], gapless: &[Place], rising: &[Place]) {
        let (mut strict, mut loose) = (Order::default(), Order::default());
        assert_eq!(seqs.iter().map(|seq| strict.gapless(*seq)).collect::<Vec<_>>(), gapless);
        assert_eq!(seqs.iter().map(|seq| loose.rising(*seq)).collect::<Vec<_>>(), rising);
    }

    #[test]
    fn order_is_as_the_reader_may_expect_it() {
        check(&[1, 2, 3], &[Right, Right, Right], &[Right, Right, Right]);
        check(&[1, 3, 4], &[Right, Gap, Right], &[Right, Right, Right]);
        check(&[2], &[Gap], &[Right]);
        check(&[1, 1], &[Right, Again], &[Right, Again]);
        check(&[1, 2, 1], &[Right, Right, Again], &[Right, Right, Again]);
    }

    #[test]
    fn a_conversation_that_comes_back_begins_again() {
        let mut order = Order::default();
        for seq in 1..=3 {
            assert_eq!(order.gapless(seq), Right);
        }
        order.allow_restart();
        assert_eq!([1, 2, 3, 4].map(|seq| order.gapless(seq)), [Right; 4]);
        assert_eq!(order.gapless(1), Again, "once only");
    }

    #[test]
    fn a_conversation_that_may_begin_again_may_also_go_on() {
        let mut order = Order::default();
        order.gapless(1);
        order.allow_restart();
        assert_eq!([2, 4].map(|seq| order.gapless(seq)), [Right, Gap]);
    }
}
