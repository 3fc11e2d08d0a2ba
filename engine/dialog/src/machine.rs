//! The machine itself: one function a phase, each naming every event.

use crate::{Action, Answer, Event, Refusal, State};

/// What is done, in order.
type Actions = &'static [Action];

/// A step: where the conversation stands then, and what is done.
type Step = (State, Actions);

const WAITING: State = State::WaitingUserInput { missed: false };
const UNANSWERED: State = State::Serving { unanswered: true };
const NOTHING: Actions = &[];
const SAVE: Actions = &[Action::SaveToDb];
const SAVE_AND_ENQUEUE: Actions = &[Action::SaveToDb, Action::Enqueue];
const SAVE_AND_ENQUEUE_AT_HEAD: Actions = &[Action::SaveToDb, Action::EnqueueAtHead];
const SAVE_AND_LEAVE: Actions = &[Action::SaveToDb, Action::LeaveDesk];
const SAVE_AND_CALL: Actions = &[Action::SaveToDb, Action::CallNlp];
const LEAVE: Actions = &[Action::LeaveDesk];
const REFUSE_CLOSED: Actions = &[Action::Refuse(Refusal::Closed)];
const REFUSE_NOT_SERVED: Actions = &[Action::Refuse(Refusal::NotServed)];
const REFUSE_ANSWERED: Actions = &[Action::Refuse(Refusal::Answered)];

/// The machine. Events that mean nothing in a state change nothing and ask for nothing.
pub const fn next_state(state: &State, event: &Event) -> Step {
    match *state {
        State::Greeting => greeting(*event),
        State::WaitingUserInput { missed } => waiting(missed, *event),
        State::Processing { missed, asked } => processing(missed, asked, *event),
        State::Queued => queued(*event),
        State::Serving { unanswered } => serving(unanswered, *event),
        State::LeaveMessage => leave_message(*event),
        State::Rating => rating(*event),
        State::Closed => closed(*event),
    }
}

const fn greeting(event: Event) -> Step {
    match event {
        Event::VisitorArrived => (WAITING, NOTHING),
        // Nothing was said in it: there is nothing to end or to take.
        Event::VisitorIdle => (State::Greeting, NOTHING),
        Event::AgentTakesOver => (State::Greeting, LEAVE),
        Event::VisitorRates | Event::AgentNote => (State::Greeting, SAVE),
        _ => match waiting(false, event) {
            (WAITING, actions) => (State::Greeting, actions),
            step => step,
        },
    }
}

const fn waiting(missed: bool, event: Event) -> Step {
    let state = State::WaitingUserInput { missed };
    match event {
        Event::VisitorMessage { number, bot: true } => {
            (State::Processing { missed, asked: number }, SAVE_AND_CALL)
        }
        Event::VisitorMessage { bot: false, .. } => (State::Queued, SAVE_AND_ENQUEUE),
        // What the desk answers is the next event, and the first that is worth a record.
        Event::VisitorAsksHuman => (state, &[Action::Enqueue]),
        Event::PlaceChanged => (State::Queued, SAVE),
        Event::AgentAssigned => (UNANSWERED, SAVE),
        Event::DeskClosed => (State::LeaveMessage, SAVE),
        Event::AgentTakesOver => (State::Serving { unanswered: false }, SAVE),
        Event::VisitorRates | Event::AgentNote => (state, SAVE),
        // The visitor may have asked for a human, and the desk may not have answered yet.
        Event::VisitorCloses { .. } | Event::VisitorIdle => (State::Closed, SAVE_AND_LEAVE),
        Event::AgentMessage | Event::AgentCloses { .. } | Event::AgentDeclines => (state, REFUSE_NOT_SERVED),
        Event::VisitorArrived
        | Event::BotAnswers { .. }
        | Event::BotFails { .. }
        | Event::AgentSilent
        | Event::AgentGone
        | Event::GivenToTeam
        | Event::QueueTimeout
        | Event::RatingTimeout => (state, NOTHING),
    }
}

const fn processing(missed: bool, asked: u64, event: Event) -> Step {
    let state = State::Processing { missed, asked };
    match event {
        // The bot is asked about the newer words, and what it says to the older comes too late.
        Event::VisitorMessage { number, bot: true } => {
            (State::Processing { missed, asked: number }, SAVE_AND_CALL)
        }
        Event::VisitorMessage { bot: false, .. } | Event::VisitorAsksHuman => {
            (State::Queued, SAVE_AND_ENQUEUE)
        }
        Event::BotAnswers { asked: about, answer } if about == asked => bot_answers(missed, answer),
        Event::BotFails { asked: about } if about == asked => (State::Queued, SAVE_AND_ENQUEUE),
        // A human was asked for before the visitor wrote on, and the desk has heard it only now.
        Event::PlaceChanged => (State::Queued, SAVE),
        Event::AgentAssigned | Event::AgentTakesOver => (UNANSWERED, SAVE),
        Event::VisitorRates | Event::AgentNote => (state, SAVE),
        Event::VisitorCloses { .. } => (State::Closed, SAVE_AND_LEAVE),
        Event::AgentMessage | Event::AgentCloses { .. } | Event::AgentDeclines => (state, REFUSE_NOT_SERVED),
        Event::VisitorArrived
        | Event::VisitorIdle
        | Event::BotAnswers { .. }
        | Event::BotFails { .. }
        | Event::AgentSilent
        | Event::AgentGone
        | Event::GivenToTeam
        | Event::DeskClosed
        | Event::QueueTimeout
        | Event::RatingTimeout => (state, NOTHING),
    }
}

const fn bot_answers(missed: bool, answer: Answer) -> Step {
    match (answer, missed) {
        (Answer::Known, _) => (WAITING, &[Action::SaveToDb, Action::Answer]),
        (Answer::Unsure, false) => {
            (State::WaitingUserInput { missed: true }, &[Action::SaveToDb, Action::AskAgain])
        }
        (Answer::Unsure, true) | (Answer::Human, _) => (State::Queued, SAVE_AND_ENQUEUE),
    }
}

const fn queued(event: Event) -> Step {
    match event {
        Event::VisitorMessage { .. } | Event::VisitorRates | Event::AgentNote | Event::PlaceChanged => {
            (State::Queued, SAVE)
        }
        Event::AgentAssigned | Event::AgentTakesOver => (UNANSWERED, SAVE),
        // The desk has let it go before it says so.
        Event::DeskClosed | Event::QueueTimeout => (State::LeaveMessage, SAVE),
        Event::VisitorCloses { .. } => (State::Closed, SAVE_AND_LEAVE),
        Event::AgentMessage | Event::AgentCloses { .. } | Event::AgentDeclines => {
            (State::Queued, REFUSE_NOT_SERVED)
        }
        Event::VisitorArrived
        | Event::VisitorAsksHuman
        | Event::VisitorIdle
        | Event::BotAnswers { .. }
        | Event::BotFails { .. }
        | Event::AgentSilent
        | Event::AgentGone
        | Event::GivenToTeam
        | Event::RatingTimeout => (State::Queued, NOTHING),
    }
}

const fn serving(unanswered: bool, event: Event) -> Step {
    let state = State::Serving { unanswered };
    match (event, unanswered) {
        (Event::VisitorMessage { .. }, _) => (UNANSWERED, SAVE),
        (Event::AgentMessage, _) => (State::Serving { unanswered: false }, SAVE),
        (Event::AgentCloses { rated } | Event::VisitorCloses { rated }, _) => (end(rated), SAVE_AND_LEAVE),
        (Event::VisitorIdle, false) => (State::Closed, SAVE_AND_LEAVE),
        (Event::AgentDeclines, false) => (state, REFUSE_ANSWERED),
        (Event::AgentGone, false) => (WAITING, SAVE),
        (Event::AgentDeclines | Event::AgentSilent | Event::AgentGone, true) | (Event::GivenToTeam, _) => {
            (State::Queued, SAVE_AND_ENQUEUE_AT_HEAD)
        }
        (Event::AgentAssigned | Event::AgentTakesOver | Event::VisitorRates | Event::AgentNote, _) => {
            (state, SAVE)
        }
        (Event::VisitorIdle, true) | (Event::AgentSilent, false) => (state, NOTHING),
        (
            Event::VisitorArrived
            | Event::VisitorAsksHuman
            | Event::BotAnswers { .. }
            | Event::BotFails { .. }
            | Event::PlaceChanged
            | Event::DeskClosed
            | Event::QueueTimeout
            | Event::RatingTimeout,
            _,
        ) => (state, NOTHING),
    }
}

/// A human served it, so the visitor is asked how it was; once.
const fn end(rated: bool) -> State {
    if rated { State::Closed } else { State::Rating }
}

const fn leave_message(event: Event) -> Step {
    let state = State::LeaveMessage;
    match event {
        // The desk is asked each time: by now somebody may be there. It stays silent where nobody is.
        Event::VisitorMessage { .. } => (state, SAVE_AND_ENQUEUE),
        Event::VisitorAsksHuman => (state, &[Action::Enqueue]),
        Event::PlaceChanged => (State::Queued, SAVE),
        Event::AgentAssigned | Event::AgentTakesOver => (UNANSWERED, SAVE),
        Event::VisitorRates | Event::AgentNote => (state, SAVE),
        Event::VisitorCloses { .. } => (State::Closed, SAVE_AND_LEAVE),
        Event::AgentMessage | Event::AgentCloses { .. } | Event::AgentDeclines => (state, REFUSE_NOT_SERVED),
        Event::VisitorArrived
        | Event::VisitorIdle
        | Event::BotAnswers { .. }
        | Event::BotFails { .. }
        | Event::AgentSilent
        | Event::AgentGone
        | Event::GivenToTeam
        | Event::DeskClosed
        | Event::QueueTimeout
        | Event::RatingTimeout => (state, NOTHING),
    }
}

const fn rating(event: Event) -> Step {
    match event {
        Event::VisitorRates | Event::RatingTimeout => (State::Closed, SAVE),
        _ => match closed(event) {
            (State::Closed, actions) => (State::Rating, actions),
            step => step,
        },
    }
}

const fn closed(event: Event) -> Step {
    let actions = match event {
        Event::VisitorRates | Event::AgentNote => SAVE,
        Event::AgentAssigned | Event::AgentTakesOver => LEAVE,
        Event::VisitorMessage { .. }
        | Event::VisitorAsksHuman
        | Event::VisitorCloses { .. }
        | Event::AgentMessage
        | Event::AgentCloses { .. }
        | Event::AgentDeclines => REFUSE_CLOSED,
        Event::VisitorArrived
        | Event::VisitorIdle
        | Event::BotAnswers { .. }
        | Event::BotFails { .. }
        | Event::AgentSilent
        | Event::AgentGone
        | Event::GivenToTeam
        | Event::PlaceChanged
        | Event::DeskClosed
        | Event::QueueTimeout
        | Event::RatingTimeout => NOTHING,
    };
    (State::Closed, actions)
}
