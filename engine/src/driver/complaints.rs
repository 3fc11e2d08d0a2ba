//! What is said in the log of peers that are not wanted: one line a reason in ten seconds, however many there are.

use std::net::IpAddr;

use crate::{
    gate::Refusal,
    shard::{Ended, PeerCounts},
};

/// Time between two lines of one reason, in microseconds.
const EVERY_US: u64 = 10_000_000;

/// What was not said yet, by reason.
#[derive(Debug, Default)]
pub(super) struct Complaints {
    refused: [Reason; Refusal::ALL.len()],
    ended: [Reason; Ended::ALL.len()],
}

#[derive(Clone, Copy, Debug, Default)]
struct Reason {
    unsaid: u64,
    said_us: Option<u64>,
}

impl Reason {
    /// How many to speak of now; `None` while it is too early.
    fn due(&mut self, more: u64, now_us: u64) -> Option<u64> {
        self.unsaid += more;
        let is_early = self.said_us.is_some_and(|said_us| now_us.saturating_sub(said_us) < EVERY_US);
        if self.unsaid == 0 || is_early {
            return None;
        }
        self.said_us = Some(now_us);
        Some(std::mem::take(&mut self.unsaid))
    }
}

impl Complaints {
    /// Says what has come up between two counts, or later.
    pub(super) fn hear(&mut self, before: &PeerCounts, now: &PeerCounts, now_us: u64) {
        for ((refusal, reason), complaint) in Refusal::ALL.into_iter().zip(&mut self.refused) {
            let more = now.refused[refusal as usize] - before.refused[refusal as usize];
            if let Some(connections) = complaint.due(more, now_us) {
                let last = now.refused_last.map(|address: IpAddr| address.to_string()).unwrap_or_default();
                tracing::warn!(reason, connections, last, "refused: {}", refusal.cure());
            }
        }
        for ((ended, reason), complaint) in Ended::ALL.into_iter().zip(&mut self.ended) {
            let more = now.ended[ended as usize] - before.ended[ended as usize];
            if let Some(connections) = complaint.due(more, now_us) {
                tracing::info!(reason, connections, "ended by us; see `ringdesk_connections_ended_total`");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_one_line_in_ten_seconds_and_none_is_forgotten() {
        let mut reason = Reason::default();
        assert_eq!(reason.due(0, 0), None);
        assert_eq!(reason.due(3, 1_000), Some(3));
        assert_eq!(reason.due(500, 2_000), None);
        assert_eq!(reason.due(500, EVERY_US), None);
        assert_eq!(reason.due(1, EVERY_US + 1_000), Some(1_001));
        assert_eq!(reason.due(0, 3 * EVERY_US), None);
    }
}
