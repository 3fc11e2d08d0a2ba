//! Whose turn it is to send: connections with something newly queued, the urgent ones before the others, and those
//! before the ones that can wait, as nobody but they would notice.
//!
//! A send costs as much as all else of a message together. Where thousands are due at once, as when a long write to
//! the journal ends, one turn for all of them would be a wait for whoever comes next. So a turn sends a bounded share.
//! What is queued for a connection that waits is sent with what waits already, in one send: the longer the queue, the
//! less each message costs.

use std::collections::VecDeque;

use crate::{
    ConnectionId, SendError,
    outbox::{Outbox, Outboxes},
    slots::Slots,
};

/// Connections that send in one turn.
const PER_TURN_MAX: usize = 32;
/// Of these, connections that are not urgent have at least so many, while some wait.
const OTHERS_MIN: usize = 8;
/// And connections that can wait.
const LATER_MIN: usize = 4;

/// What a connection remembers of its place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Place {
    /// Has nothing to send.
    #[default]
    None,
    /// Behind the others.
    Later,
    /// Among the others.
    Other,
    /// Before the others.
    Urgent,
}

impl Place {
    /// Leaves that place for none; false: it was in another.
    fn leave(&mut self, place: Self) -> bool {
        let is_there = *self == place;
        if is_there {
            *self = Self::None;
        }
        is_there
    }
}

/// A backend's connection, as far as it sends.
pub(crate) trait Sender {
    /// Whether more may be queued.
    fn takes_bytes(&self) -> bool;
    /// What is on its way to the peer, if anything, and the place among the senders.
    fn sending(&mut self) -> (&mut Option<Box<Outbox>>, &mut Place);
}

/// The queues of a reactor. Whoever has moved from one to a better one since is passed over there.
#[derive(Debug, Default)]
pub(crate) struct Senders {
    pub outboxes: Outboxes,
    outbox_bytes_max: usize,
    urgent: VecDeque<ConnectionId>,
    others: VecDeque<ConnectionId>,
    later: VecDeque<ConnectionId>,
}

/// What is left of a turn: in all, and before the worse queues have what is theirs at least.
#[derive(Debug)]
pub(crate) struct Share {
    urgent: usize,
    others: usize,
    all: usize,
}

impl Senders {
    /// Nobody has anything to send, and may have so many bytes.
    pub(crate) fn new(outbox_bytes_max: usize) -> Self {
        Self { outbox_bytes_max, ..Self::default() }
    }

    /// As [`crate::Reactor::send`].
    pub(crate) fn send(
        &mut self,
        connections: &mut Slots<impl Sender>,
        id: ConnectionId,
        bytes: &[u8],
    ) -> Result<(), SendError> {
        self.queue(connections, id, bytes, Self::push)
    }

    /// As [`crate::Reactor::send_later`].
    pub(crate) fn send_later(
        &mut self,
        connections: &mut Slots<impl Sender>,
        id: ConnectionId,
        bytes: &[u8],
    ) -> Result<(), SendError> {
        self.queue(connections, id, bytes, Self::push_later)
    }

    fn queue(
        &mut self,
        connections: &mut Slots<impl Sender>,
        id: ConnectionId,
        bytes: &[u8],
        push: fn(&mut Self, ConnectionId, &mut Place),
    ) -> Result<(), SendError> {
        let connection = connections.get_mut(id).filter(|c| c.takes_bytes()).ok_or(SendError::Closed)?;
        if bytes.is_empty() {
            return Ok(());
        }
        let (outbox, place) = connection.sending();
        let outbox = outbox.get_or_insert_with(|| self.outboxes.take());
        outbox.queue(bytes, self.outbox_bytes_max)?;
        push(self, id, place);
        Ok(())
    }

    /// As [`crate::Reactor::hurry`].
    pub(crate) fn hurry(&mut self, connections: &mut Slots<impl Sender>, id: ConnectionId) {
        if let Some(connection) = connections.get_mut(id) {
            self.push_urgent(id, connection.sending().1);
        }
    }

    /// Lets the connection have a turn, whether or not anything is queued.
    pub(crate) fn let_send(&mut self, connections: &mut Slots<impl Sender>, id: ConnectionId) {
        if let Some(connection) = connections.get_mut(id) {
            self.push(id, connection.sending().1);
        }
    }

    /// Puts a connection at the end of the others, unless it has so good a place.
    fn push(&mut self, id: ConnectionId, place: &mut Place) {
        if matches!(place, Place::None | Place::Later) {
            *place = Place::Other;
            self.others.push_back(id);
        }
    }

    /// Puts a connection behind all others, unless it has a place.
    fn push_later(&mut self, id: ConnectionId, place: &mut Place) {
        if *place == Place::None {
            *place = Place::Later;
            self.later.push_back(id);
        }
    }

    /// Lets a connection that has something to send go before the others.
    fn push_urgent(&mut self, id: ConnectionId, place: &mut Place) {
        if matches!(place, Place::Other | Place::Later) {
            *place = Place::Urgent;
            self.urgent.push_back(id);
        }
    }

    /// Begins a turn.
    pub(crate) fn share(&self) -> Share {
        let others = PER_TURN_MAX - self.later.len().min(LATER_MIN);
        Share { urgent: others - self.others.len().min(OTHERS_MIN), others, all: PER_TURN_MAX }
    }

    /// The next that may send in this turn; it has no place then.
    pub(crate) fn next(
        &mut self,
        connections: &mut Slots<impl Sender>,
        share: &mut Share,
    ) -> Option<ConnectionId> {
        self.pop(share, |id, place| connections.get_mut(id).is_some_and(|c| c.sending().1.leave(place)))
    }

    /// `leave` lets a connection leave that place, and says whether it had it.
    fn pop(
        &mut self,
        share: &mut Share,
        mut leave: impl FnMut(ConnectionId, Place) -> bool,
    ) -> Option<ConnectionId> {
        while share.all > 0 {
            let (queue, place) = if share.urgent > 0 && !self.urgent.is_empty() {
                (&mut self.urgent, Place::Urgent)
            } else if share.others > 0 && !self.others.is_empty() {
                (&mut self.others, Place::Other)
            } else {
                (&mut self.later, Place::Later)
            };
            let id = queue.pop_front()?;
            if leave(id, place) {
                share.all -= 1;
                share.others = share.others.saturating_sub(usize::from(place != Place::Later));
                share.urgent = share.urgent.saturating_sub(usize::from(place == Place::Urgent));
                return Some(id);
            }
        }
        None
    }

    /// How many wait, about, without those behind the others: some may be counted twice.
    pub(crate) fn len(&self) -> usize {
        self.urgent.len() + self.others.len()
    }

    /// Whether a turn cannot send to all of them, so that the next does not sleep.
    pub(crate) fn outlast_a_turn(&self) -> bool {
        self.len() > PER_TURN_MAX
    }

    /// Whether nobody waits, nor anything that nobody waits for.
    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0 && self.later.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    #[derive(Default)]
    struct Turns {
        senders: Senders,
        places: HashMap<ConnectionId, Place>,
    }

    const fn id(slot: u32) -> ConnectionId {
        ConnectionId { slot, generation: 0 }
    }

    impl Turns {
        fn push(&mut self, slots: impl IntoIterator<Item = u32>) {
            for slot in slots {
                self.senders.push(id(slot), self.places.entry(id(slot)).or_default());
            }
        }

        fn hurry(&mut self, slots: impl IntoIterator<Item = u32>) {
            for slot in slots {
                self.senders.push_urgent(id(slot), self.places.entry(id(slot)).or_default());
            }
        }

        fn push_later(&mut self, slots: impl IntoIterator<Item = u32>) {
            for slot in slots {
                self.senders.push_later(id(slot), self.places.entry(id(slot)).or_default());
            }
        }

        /// Who sends in one turn.
        fn turn(&mut self) -> Vec<u32> {
            let mut share = self.senders.share();
            let mut sent = Vec::new();
            let places = &mut self.places;
            let mut leave = |id, place| places.get_mut(&id).is_some_and(|known| known.leave(place));
            while let Some(next) = self.senders.pop(&mut share, &mut leave) {
                sent.push(next.slot);
            }
            sent
        }
    }

    #[test]
    fn urgent_ones_go_first_and_the_others_never_starve() {
        let mut turns = Turns::default();
        turns.push(0..200);
        turns.hurry(100..160);
        let (first, second) = (turns.turn(), turns.turn());
        assert_eq!(first, (100..124).chain(0..8).collect::<Vec<_>>());
        assert_eq!(second, (124..148).chain(8..16).collect::<Vec<_>>());
        assert_eq!(turns.turn(), (148..160).chain(16..36).collect::<Vec<_>>());
    }

    #[test]
    fn whoever_is_alone_has_the_whole_turn() {
        let mut turns = Turns::default();
        turns.push(0..40);
        turns.hurry(0..40);
        assert_eq!(
            turns.turn(),
            (0..24).collect::<Vec<_>>(),
            "the others' queue still has them, passed over later"
        );
        assert_eq!(turns.turn(), (24..40).collect::<Vec<_>>());
        turns.push(50..90);
        assert_eq!(turns.turn(), (50..82).collect::<Vec<_>>());
    }

    #[test]
    fn what_nobody_waits_for_goes_with_what_somebody_does_or_last() {
        let mut turns = Turns::default();
        turns.push_later(0..60);
        turns.push(50..53);
        turns.hurry([52, 59]);
        assert_eq!(turns.turn(), [52, 59, 50, 51].into_iter().chain(0..28).collect::<Vec<_>>());
        turns.push(100..200);
        assert_eq!(turns.turn(), (100..128).chain(28..32).collect::<Vec<_>>());
        assert_eq!(turns.senders.len(), 72);
    }

    #[test]
    fn a_connection_sends_once_however_often_it_is_named() {
        let mut turns = Turns::default();
        turns.push([1, 2, 1, 3]);
        turns.hurry([3, 3, 7]);
        assert_eq!(turns.turn(), [3, 1, 2]);
        turns.push([3]);
        assert_eq!(turns.turn(), [3]);
        assert!(turns.turn().is_empty() && turns.senders.is_empty());
    }

    #[test]
    fn one_that_is_gone_is_passed_over() {
        let mut turns = Turns::default();
        turns.push([1, 2]);
        turns.places.remove(&id(1));
        assert_eq!(turns.turn(), [2]);
    }
}
