//! Names of what is counted of connections: those that were not wanted, and what all of them hold now.

use metrics::{Counter, Gauge, counter, describe_counter, describe_gauge, gauge};

use crate::{gate::Refusal, shard::Ended};

/// What all connections hold now. Each is 0, or all there is, when nobody is connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// Places for connections.
    Slots,
    /// Of these, free ones.
    SlotsFree,
    /// Receive buffers.
    ReceiveBuffers,
    /// Of these, those that the kernel may fill.
    ReceiveBuffersFree,
    /// Operations of the kernel that are not over.
    InFlight,
    /// Connections of limited addresses that have not said hello.
    Strangers,
    /// Requests that are being answered.
    Exchanges,
    /// Bytes of requests and messages that are not whole.
    HeldBytes,
}

impl Level {
    /// Every one, with its name.
    pub const ALL: [(Self, &'static str); 8] = [
        (Self::Slots, "ringdesk_net_slots"),
        (Self::SlotsFree, "ringdesk_net_slots_free"),
        (Self::ReceiveBuffers, "ringdesk_net_receive_buffers"),
        (Self::ReceiveBuffersFree, "ringdesk_net_receive_buffers_free"),
        (Self::InFlight, "ringdesk_net_operations_in_flight"),
        (Self::Strangers, "ringdesk_strangers"),
        (Self::Exchanges, "ringdesk_http_exchanges"),
        (Self::HeldBytes, "ringdesk_held_bytes"),
    ];

    const fn help(self) -> &'static str {
        match self {
            Self::Slots => "Connections that there may be.",
            Self::SlotsFree => "Connections that there may be more.",
            Self::ReceiveBuffers => "Receive buffers of the rings; 0 over epoll, which has none.",
            Self::ReceiveBuffersFree => "Receive buffers that hold nothing.",
            Self::InFlight => "Operations of connections and files that the kernel has not finished.",
            Self::Strangers => {
                "Connections that have not said hello, from addresses that are limited one by one."
            }
            Self::Exchanges => "HTTP requests that are being answered.",
            Self::HeldBytes => "Bytes held of requests and messages that are not whole.",
        }
    }
}

/// Handles to them.
pub(super) struct Network {
    levels: [Gauge; Level::ALL.len()],
    refused: [Counter; Refusal::ALL.len()],
    ended: [Counter; Ended::ALL.len()],
    open_descriptors: Gauge,
}

impl Network {
    /// Everything at 0.
    pub(super) fn register() -> Self {
        let network = Self {
            levels: Level::ALL.map(|(_, name)| gauge!(name)),
            refused: Refusal::ALL
                .map(|(_, reason)| counter!("ringdesk_connections_refused_total", "reason" => reason)),
            ended: Ended::ALL
                .map(|(_, reason)| counter!("ringdesk_connections_ended_total", "reason" => reason)),
            open_descriptors: gauge!("process_open_fds"),
        };
        network.levels.iter().for_each(|gauge| gauge.set(0.0));
        network.refused.iter().chain(&network.ended).for_each(|counter| counter.absolute(0));
        network
    }

    pub(super) fn level(&self, level: Level) -> &Gauge {
        &self.levels[level as usize]
    }

    pub(super) fn refused(&self, refusal: Refusal) -> &Counter {
        &self.refused[refusal as usize]
    }

    pub(super) fn ended(&self, why: Ended) -> &Counter {
        &self.ended[why as usize]
    }

    /// Looks at what only the kernel knows.
    pub(super) fn look(&self) {
        // The folder itself is open while it is counted.
        if let Ok(descriptors) = std::fs::read_dir("/proc/self/fd") {
            self.open_descriptors.set(descriptors.count().saturating_sub(1) as f64);
        }
    }
}

/// What each means, for Prometheus.
pub(super) fn describe() {
    for (level, name) in Level::ALL {
        describe_gauge!(name, level.help());
    }
    describe_counter!(
        "ringdesk_connections_refused_total",
        "Connections refused before anything was spent on them, by reason."
    );
    describe_counter!(
        "ringdesk_connections_ended_total",
        "Connections ended because of what their peer did or did not do, by reason."
    );
    describe_gauge!("process_open_fds", "Open descriptors of the process.");
}
