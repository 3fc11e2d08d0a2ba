//! News about agents for those who are connected here. Nobody waits for it, and on a large desk each of them is told to a
//! thousand: it is given to some at a time, so that no message waits for all of them.

use std::{collections::VecDeque, sync::Arc, vec};

use super::{Output, Outputs, Shard, Urgency, sessions::presence_message};
use crate::{channel::web, desk::AgentStatus};

/// Connections that are told in a second; as many as the desk has news for, and some.
const TOLD_A_SECOND: u64 = 8_000;
/// Of these, those that are told at once: all of a small desk.
const TOLD_AT_ONCE: u64 = 32;

/// What is being told.
#[derive(Debug, Default)]
pub struct News {
    tellings: VecDeque<Telling>,
    /// Up to when they were told, microseconds of the clock that does not go back.
    told_us: u64,
}

#[derive(Debug)]
struct Telling {
    frames: Arc<[u8]>,
    to: vec::IntoIter<u64>,
}

impl News {
    /// The next who is told something.
    fn next(&mut self) -> Option<(u64, Arc<[u8]>)> {
        loop {
            let telling = self.tellings.front_mut()?;
            if let Some(connection) = telling.to.next() {
                return Some((connection, Arc::clone(&telling.frames)));
            }
            self.tellings.pop_front();
        }
    }
}

impl Shard {
    /// Begins to tell the agents connected here about some of them.
    pub(super) fn tell_presence<'a>(&mut self, statuses: impl IntoIterator<Item = &'a AgentStatus>) {
        let mut frames = Vec::new();
        for status in statuses {
            web::encode_message(&presence_message(status), &mut frames);
        }
        if self.news.tellings.is_empty() {
            self.news.told_us =
                self.now.monotonic_us.saturating_sub(TOLD_AT_ONCE * 1_000_000 / TOLD_A_SECOND);
        }
        let to: Vec<_> = self.agents_here().collect();
        self.news.tellings.push_back(Telling { frames: frames.into(), to: to.into_iter() });
    }

    /// Tells as many as the time allows.
    pub(super) fn tell_news(&mut self, out: &mut Outputs) {
        if self.news.tellings.is_empty() {
            return;
        }
        let since_us = self.now.monotonic_us.saturating_sub(self.news.told_us);
        let share = since_us * TOLD_A_SECOND / 1_000_000;
        self.news.told_us += share * 1_000_000 / TOLD_A_SECOND;
        for _ in 0..share {
            let Some((connection, frame)) = self.news.next() else { return };
            out.list.push(Output::SendShared { connection, frame, urgency: Urgency::Later });
        }
    }
}
