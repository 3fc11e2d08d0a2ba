//! What can happen to a conversation.

/// Something that happens to a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Event {
    /// The visitor opened the chat.
    VisitorArrived,
    /// The visitor wrote.
    VisitorMessage {
        /// The number that the message gets in the conversation.
        number: u64,
        /// Whether a bot is configured and may be asked now. Without one, words go to humans.
        bot: bool,
    },
    /// The visitor asks for a human.
    VisitorAsksHuman,
    /// The visitor rates.
    VisitorRates,
    /// The visitor ends it.
    VisitorCloses {
        /// Whether the visitor has rated already, and is not asked again.
        rated: bool,
    },
    /// Time: the visitor has said nothing for long.
    VisitorIdle,
    /// The bot answers.
    BotAnswers {
        /// The number of the message that it was asked about.
        asked: u64,
        /// What it makes of it.
        answer: Answer,
    },
    /// Time, or a fault: the bot has no answer.
    BotFails {
        /// The number of the message that it was asked about.
        asked: u64,
    },
    /// Its agent wrote.
    AgentMessage,
    /// An agent left a private note.
    AgentNote,
    /// Its agent ends it.
    AgentCloses {
        /// Whether the visitor has rated already, and is not asked again.
        rated: bool,
    },
    /// Its agent gives it back.
    AgentDeclines,
    /// Time: its agent left the visitor's last words unanswered for long.
    AgentSilent,
    /// The desk gives it to an agent: the first, or another after a transfer.
    AgentAssigned,
    /// Somebody takes it who was not given it; the desk has found room.
    AgentTakesOver,
    /// The agent's lease ended.
    AgentGone,
    /// Its agent gives it to a team, and the desk has found it open.
    GivenToTeam,
    /// The desk tells its place in the queue.
    PlaceChanged,
    /// The desk says that no team is open that could take it.
    DeskClosed,
    /// Time: it has waited for as long as its team lets visitors wait.
    QueueTimeout,
    /// Time: the visitor was asked how it was, and has not said.
    RatingTimeout,
}

/// What the bot makes of what the visitor wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Answer {
    /// It knows what to say.
    Known,
    /// It did not understand.
    Unsure,
    /// This is for a human.
    Human,
}

impl Event {
    /// Every event there is, about message 1 or 2.
    pub const ALL: [Self; 32] = [
        Self::VisitorArrived,
        Self::VisitorMessage { number: 1, bot: false },
        Self::VisitorMessage { number: 1, bot: true },
        Self::VisitorMessage { number: 2, bot: false },
        Self::VisitorMessage { number: 2, bot: true },
        Self::VisitorAsksHuman,
        Self::VisitorRates,
        Self::VisitorCloses { rated: false },
        Self::VisitorCloses { rated: true },
        Self::VisitorIdle,
        Self::BotAnswers { asked: 1, answer: Answer::Known },
        Self::BotAnswers { asked: 1, answer: Answer::Unsure },
        Self::BotAnswers { asked: 1, answer: Answer::Human },
        Self::BotAnswers { asked: 2, answer: Answer::Known },
        Self::BotAnswers { asked: 2, answer: Answer::Unsure },
        Self::BotAnswers { asked: 2, answer: Answer::Human },
        Self::BotFails { asked: 1 },
        Self::BotFails { asked: 2 },
        Self::AgentMessage,
        Self::AgentNote,
        Self::AgentCloses { rated: false },
        Self::AgentCloses { rated: true },
        Self::AgentDeclines,
        Self::AgentSilent,
        Self::AgentAssigned,
        Self::AgentTakesOver,
        Self::AgentGone,
        Self::GivenToTeam,
        Self::PlaceChanged,
        Self::DeskClosed,
        Self::QueueTimeout,
        Self::RatingTimeout,
    ];
}
