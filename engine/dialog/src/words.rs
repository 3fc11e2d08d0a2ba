//! States, events and actions in words: for the table, the transcripts, the diagram and the log.

use std::fmt;

use crate::{Action, Answer, Event, Refusal, State};

impl fmt::Display for State {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Greeting => to.write_str("Greeting"),
            Self::WaitingUserInput { missed: false } => to.write_str("WaitingUserInput"),
            Self::WaitingUserInput { missed: true } => to.write_str("WaitingUserInput, missed"),
            Self::Processing { missed: false, asked } => write!(to, "Processing {asked}"),
            Self::Processing { missed: true, asked } => write!(to, "Processing {asked}, missed"),
            Self::Queued => to.write_str("Queued"),
            Self::Serving { unanswered: false } => to.write_str("Serving"),
            Self::Serving { unanswered: true } => to.write_str("Serving, unanswered"),
            Self::LeaveMessage => to.write_str("LeaveMessage"),
            Self::Rating => to.write_str("Rating"),
            Self::Closed => to.write_str("Closed"),
        }
    }
}

impl fmt::Display for Event {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::VisitorArrived => to.write_str("visitor arrives"),
            Self::VisitorMessage { number, bot: false } => write!(to, "visitor writes {number}"),
            Self::VisitorMessage { number, bot: true } => write!(to, "visitor writes {number} to the bot"),
            Self::VisitorAsksHuman => to.write_str("visitor asks for a human"),
            Self::VisitorRates => to.write_str("visitor rates"),
            Self::VisitorCloses { rated: false } => to.write_str("visitor closes"),
            Self::VisitorCloses { rated: true } => to.write_str("visitor closes, has rated"),
            Self::VisitorIdle => to.write_str("time: visitor idle"),
            Self::BotAnswers { asked, answer: Answer::Known } => write!(to, "bot answers {asked}"),
            Self::BotAnswers { asked, answer: Answer::Unsure } => write!(to, "bot is unsure of {asked}"),
            Self::BotAnswers { asked, answer: Answer::Human } => write!(to, "bot leaves {asked} to a human"),
            Self::BotFails { asked } => write!(to, "time: bot silent on {asked}"),
            Self::AgentMessage => to.write_str("agent writes"),
            Self::AgentNote => to.write_str("agent notes"),
            Self::AgentCloses { rated: false } => to.write_str("agent closes"),
            Self::AgentCloses { rated: true } => to.write_str("agent closes, has rated"),
            Self::AgentDeclines => to.write_str("agent declines"),
            Self::AgentSilent => to.write_str("time: agent silent"),
            Self::AgentAssigned => to.write_str("desk assigns"),
            Self::AgentTakesOver => to.write_str("agent takes over"),
            Self::AgentGone => to.write_str("time: agent gone"),
            Self::GivenToTeam => to.write_str("agent gives it to a team"),
            Self::PlaceChanged => to.write_str("desk tells the place"),
            Self::DeskClosed => to.write_str("desk is closed"),
            Self::QueueTimeout => to.write_str("time: waited too long"),
            Self::RatingTimeout => to.write_str("time: not rated"),
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str(match self {
            Self::SaveToDb => "SaveToDb",
            Self::CallNlp => "CallNlp",
            Self::Answer => "Answer",
            Self::AskAgain => "AskAgain",
            Self::Enqueue => "Enqueue",
            Self::EnqueueAtHead => "EnqueueAtHead",
            Self::LeaveDesk => "LeaveDesk",
            Self::Refuse(Refusal::Closed) => "Refuse: closed",
            Self::Refuse(Refusal::NotServed) => "Refuse: not served",
            Self::Refuse(Refusal::Answered) => "Refuse: answered",
        })
    }
}

/// The event of these words.
pub fn event(words: &str) -> Option<Event> {
    Event::ALL.into_iter().find(|event| event.to_string() == words)
}

/// The state of these words.
pub fn state(words: &str) -> Option<State> {
    State::ALL.into_iter().find(|state| state.to_string() == words)
}

/// The actions, joined by commas.
pub fn actions(actions: &[Action]) -> String {
    actions.iter().map(Action::to_string).collect::<Vec<_>>().join(", ")
}
