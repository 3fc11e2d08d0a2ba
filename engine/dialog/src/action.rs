//! What the engine must do.

/// What the engine must do, in the order given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Action {
    /// The event gets its `seq` and is journaled; readers see it once it is durable.
    SaveToDb,
    /// Ask the bot about the message just saved.
    CallNlp,
    /// What is saved is the bot's answer.
    Answer,
    /// What is saved is the bot asking for other words.
    AskAgain,
    /// Ask the desk for an agent, behind those who wait.
    Enqueue,
    /// Ask the desk for an agent, before those who wait: it waited once already.
    EnqueueAtHead,
    /// Tell the desk that the conversation neither waits nor is served any more.
    LeaveDesk,
    /// Nothing changes, and whoever caused the event is told why.
    Refuse(Refusal),
}

/// Why an event is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Refusal {
    /// The conversation is over.
    Closed,
    /// No agent has it, so none can speak in it.
    NotServed,
    /// Its agent has answered, and cannot give it back as if never seen.
    Answered,
}
