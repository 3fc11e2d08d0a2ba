//! Where a conversation stands.

/// Where a conversation stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// The visitor is not here yet.
    Greeting,
    /// The visitor may write; nobody is asked for.
    WaitingUserInput {
        /// Whether the bot did not understand the visitor's last words: a second time in a row brings a human.
        missed: bool,
    },
    /// The bot thinks.
    Processing {
        /// Whether it did not understand the words before these.
        missed: bool,
        /// The number of the visitor's message that it was asked about: an answer to any other comes too late.
        asked: u64,
    },
    /// Waiting for an agent.
    Queued,
    /// With an agent.
    Serving {
        /// Whether the visitor's last message waits for an answer.
        unanswered: bool,
    },
    /// Nobody is there, or nobody had time: what the visitor writes is kept for later.
    LeaveMessage,
    /// Over, and the visitor is asked how it was.
    Rating,
    /// Over.
    Closed,
}

impl State {
    /// Every state there is, with a bot that was asked about message 1 or 2: two suffice to tell an answer in
    /// time from a late one.
    pub const ALL: [Self; 13] = [
        Self::Greeting,
        Self::WaitingUserInput { missed: false },
        Self::WaitingUserInput { missed: true },
        Self::Processing { missed: false, asked: 1 },
        Self::Processing { missed: false, asked: 2 },
        Self::Processing { missed: true, asked: 1 },
        Self::Processing { missed: true, asked: 2 },
        Self::Queued,
        Self::Serving { unanswered: false },
        Self::Serving { unanswered: true },
        Self::LeaveMessage,
        Self::Rating,
        Self::Closed,
    ];

    /// Whether nobody may say anything any more: the visitor's next words begin another conversation.
    pub const fn is_over(self) -> bool {
        matches!(self, Self::Rating | Self::Closed)
    }

    /// Whether the conversation waits for an agent or is with one: then the desk knows it.
    pub const fn is_at_desk(self) -> bool {
        matches!(self, Self::Queued | Self::Serving { .. })
    }
}
