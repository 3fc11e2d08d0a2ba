//! The clocks of conversations: which deadline a state has, and the event that it becomes.
//!
//! The dialog knows no time. Here a state is given a deadline when it begins, and when the turn's time has passed
//! it, the deadline is an event like any other. After a restart a clock begins at the last event in the record.

use dialog::{Event, State};
use store::record::EventKind;

use super::{
    Outputs, Shard,
    conversations::{Conversation, Index},
    inbound::Draft,
};

/// How long the dialog waits for people, and whether there is a bot.
#[derive(Clone, Copy, Debug)]
pub struct DialogSettings {
    /// After so long without a word of the visitor, a conversation in which nobody owes an answer is over.
    pub visitor_idle_ms: u64,
    /// After so long with an agent who does not answer, the visitor goes back to the head of the queue.
    pub agent_silent_ms: u64,
    /// So long a visitor is asked how it was.
    pub rating_ms: u64,
    /// Whether a bot is asked first.
    pub bot: bool,
}

/// How long a conversation may stand where it stands; nothing: for ever.
pub(super) fn limit_ms(conversation: &Conversation, settings: &DialogSettings) -> Option<u64> {
    match conversation.state() {
        // Nothing was said: it is forgotten when the visitor leaves.
        State::WaitingUserInput { .. } if conversation.seq == 0 => None,
        State::WaitingUserInput { .. } | State::Serving { unanswered: false } => {
            Some(settings.visitor_idle_ms)
        }
        State::Serving { unanswered: true } => {
            let silent_ms = settings.agent_silent_ms;
            Some(conversation.accept_within_ms.map_or(silent_ms, |within_ms| within_ms.min(silent_ms)))
        }
        State::Rating => Some(settings.rating_ms),
        State::Greeting | State::Processing { .. } | State::Queued | State::LeaveMessage | State::Closed => {
            None
        }
    }
}

impl Shard {
    /// Begins the clock of the state that the conversation is in, `passed_ms` ago.
    pub(super) fn start_clock(&mut self, index: Index, passed_ms: u64) {
        let limit_ms = limit_ms(self.conversations.at(index), &self.settings.dialog);
        let now_ms = self.now.monotonic_ms();
        let deadline = limit_ms.map(|limit_ms| now_ms + limit_ms.saturating_sub(passed_ms));
        self.conversations.set_deadline(index, deadline);
    }

    /// Every deadline that has passed becomes an event. Where the journal takes nothing, they wait.
    pub(super) fn run_clocks(&mut self, out: &mut Outputs) {
        while !self.failed
            && !self.journal_full
            && let Some(index) = self.conversations.overdue(self.now.monotonic_ms())
        {
            self.time_is_up(index, out);
        }
    }

    fn time_is_up(&mut self, index: Index, out: &mut Outputs) {
        let conversation = self.conversations.at(index);
        let (event, kind, content) = match conversation.state() {
            State::WaitingUserInput { .. } | State::Serving { unanswered: false } => {
                (Event::VisitorIdle, EventKind::Closed, r#"{"by":"system","reason":"visitor_idle"}"#)
            }
            State::Serving { unanswered: true } => return self.agent_is_silent(index, out),
            State::Rating => {
                let note = r#"{"text":"The visitor did not rate.","reason":"not_rated"}"#;
                (Event::RatingTimeout, EventKind::Note, note)
            }
            state => unreachable!("{state} has no clock"),
        };
        let Ok(actions) = self.step(index, event) else { unreachable!("the dialog refuses no clock") };
        let number = self.append(index, Draft::system(kind, content.to_owned()), out);
        self.carry_out(index, number, actions, out);
    }

    fn agent_is_silent(&mut self, index: Index, out: &mut Outputs) {
        let conversation = self.conversations.at(index);
        let reason = if conversation.accept_within_ms.is_some() { "not_accepted" } else { "agent_silent" };
        conversation.declined_by.clone_from(&conversation.agent);
        let content = format!("{{\"agent\":null,\"reason\":\"{reason}\"}}");
        let Ok(()) = self.lose_agent(index, Event::AgentSilent, content, out) else {
            unreachable!("the dialog refuses no clock")
        };
    }
}
