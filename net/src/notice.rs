//! Events without bytes that wait to be reported, in order. Shared by the backends.

use std::{collections::VecDeque, io, net::SocketAddr};

use crate::{CloseReason, ConnectionId, Event, Time};

/// An event that carries nothing of a receive buffer, so it can wait.
#[derive(Debug)]
pub(crate) enum Notice {
    Accepted(ConnectionId, Option<SocketAddr>),
    Connected(ConnectionId),
    Adopted(ConnectionId, u64),
    Drained(ConnectionId),
    Closed(ConnectionId, CloseReason),
    HandedOver(ConnectionId),
    Written(u64, io::Result<()>),
}

impl Notice {
    fn into_event(self) -> Event<'static> {
        match self {
            Self::Accepted(connection, peer) => Event::Accepted { connection, peer },
            Self::Connected(connection) => Event::Connected { connection },
            Self::Adopted(connection, token) => Event::Adopted { connection, token },
            Self::Drained(connection) => Event::Drained { connection },
            Self::Closed(connection, reason) => Event::Closed { connection, reason },
            Self::HandedOver(connection) => Event::HandedOver { connection },
            Self::Written(token, result) => Event::Written { token, result },
        }
    }
}

/// What a turn calls for each event.
pub(crate) type OnEvent<'a> = &'a mut dyn FnMut(Time, Event<'_>);

/// Notices in the order in which they came up.
#[derive(Debug, Default)]
pub(crate) struct Notices {
    queue: VecDeque<Notice>,
}

impl Notices {
    pub(crate) fn push(&mut self, notice: Notice) {
        self.queue.push_back(notice);
    }

    /// Reports all that wait; says whether that was anything.
    pub(crate) fn report(&mut self, time: Time, on_event: OnEvent<'_>) -> bool {
        let any = !self.queue.is_empty();
        while let Some(notice) = self.queue.pop_front() {
            on_event(time, notice.into_event());
        }
        any
    }
}
