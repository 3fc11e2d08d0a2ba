//! The dialog of one conversation: `(State, Event) → (State, Actions)`, a pure function.
//!
//! Nothing here knows who the people are, what they said, what time it is or where anything is stored. The
//! engine turns what happens into an [`Event`], asks [`next_state`], and carries out the [`Action`]s in
//! order; [`Action::SaveToDb`] is durable before anything after it is seen by anyone.

/// Where a conversation stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// The visitor is not here yet.
    Greeting,
    /// The visitor may write; nobody is asked for.
    WaitingUserInput,
    /// Waiting for an agent.
    Queued,
    /// With an agent.
    Serving {
        /// Whether the visitor's last message waits for an answer.
        unanswered: bool,
    },
    /// Over.
    Closed,
}

impl State {
    /// Every state there is.
    pub const ALL: [Self; 6] = [
        Self::Greeting,
        Self::WaitingUserInput,
        Self::Queued,
        Self::Serving { unanswered: false },
        Self::Serving { unanswered: true },
        Self::Closed,
    ];
}

/// Something that happens to a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Event {
    /// The visitor opened the chat.
    VisitorArrived,
    /// The visitor wrote.
    VisitorMessage,
    /// The visitor asks for a human.
    VisitorAsksHuman,
    /// The visitor rates.
    VisitorRates,
    /// The visitor ends it.
    VisitorCloses,
    /// Its agent wrote.
    AgentMessage,
    /// An agent left a private note.
    AgentNote,
    /// Its agent ends it.
    AgentCloses,
    /// The desk gives it to an agent: the first, or another after a transfer.
    AgentAssigned,
    /// The agent's lease ended.
    AgentGone,
    /// The desk tells its place in the queue.
    PlaceChanged,
}

impl Event {
    /// Every event there is.
    pub const ALL: [Self; 11] = [
        Self::VisitorArrived,
        Self::VisitorMessage,
        Self::VisitorAsksHuman,
        Self::VisitorRates,
        Self::VisitorCloses,
        Self::AgentMessage,
        Self::AgentNote,
        Self::AgentCloses,
        Self::AgentAssigned,
        Self::AgentGone,
        Self::PlaceChanged,
    ];
}

/// What the engine must do, in the order given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// The event gets its `seq` and is journaled; readers see it once it is durable.
    SaveToDb,
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// The conversation is over.
    Closed,
    /// No agent has it, so none can speak in it.
    NotServed,
}

/// The machine. Events that mean nothing in a state change nothing and ask for nothing.
pub const fn next_state(state: State, event: Event) -> (State, &'static [Action]) {
    use Action::{Enqueue, EnqueueAtHead, LeaveDesk, Refuse, SaveToDb};
    use State::{Closed, Greeting, Queued, Serving, WaitingUserInput};
    match (state, event) {
        (Greeting, Event::VisitorArrived) => (WaitingUserInput, &[]),
        (_, Event::VisitorArrived) => (state, &[]),

        (Closed, Event::VisitorRates | Event::AgentNote) => (Closed, &[SaveToDb]),
        (Closed, Event::AgentAssigned) => (Closed, &[LeaveDesk]),
        (Closed, Event::AgentGone | Event::PlaceChanged) => (Closed, &[]),
        (Closed, _) => (Closed, &[Refuse(Refusal::Closed)]),

        (_, Event::VisitorRates | Event::AgentNote) => (state, &[SaveToDb]),
        (Greeting | WaitingUserInput, Event::VisitorCloses) => (Closed, &[SaveToDb]),
        (_, Event::VisitorCloses) => (Closed, &[SaveToDb, LeaveDesk]),

        (Greeting | WaitingUserInput, Event::VisitorMessage) => (Queued, &[SaveToDb, Enqueue]),
        (Greeting | WaitingUserInput, Event::VisitorAsksHuman) => (Queued, &[Enqueue]),
        (Greeting | WaitingUserInput, Event::AgentAssigned) => (state, &[LeaveDesk]),
        (Greeting | WaitingUserInput, Event::AgentGone | Event::PlaceChanged) => (state, &[]),

        (Queued, Event::VisitorMessage | Event::PlaceChanged) => (Queued, &[SaveToDb]),
        (Queued, Event::VisitorAsksHuman | Event::AgentGone) => (Queued, &[]),
        (Queued, Event::AgentAssigned) => (Serving { unanswered: true }, &[SaveToDb]),

        (Serving { .. }, Event::VisitorMessage) => (Serving { unanswered: true }, &[SaveToDb]),
        (Serving { .. }, Event::VisitorAsksHuman | Event::PlaceChanged) => (state, &[]),
        (Serving { .. }, Event::AgentMessage) => (Serving { unanswered: false }, &[SaveToDb]),
        (Serving { .. }, Event::AgentAssigned) => (state, &[SaveToDb]),
        (Serving { .. }, Event::AgentCloses) => (Closed, &[SaveToDb, LeaveDesk]),
        (Serving { unanswered: true }, Event::AgentGone) => (Queued, &[SaveToDb, EnqueueAtHead]),
        (Serving { unanswered: false }, Event::AgentGone) => (WaitingUserInput, &[SaveToDb]),

        (Greeting | WaitingUserInput | Queued, Event::AgentMessage | Event::AgentCloses) => {
            (state, &[Refuse(Refusal::NotServed)])
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{HashSet, VecDeque};

    use super::*;

    /// One story: each line is an event and what it must lead to.
    fn check(story: &[(Event, State, &[Action])]) {
        let mut state = State::Greeting;
        for (event, expected_state, expected_actions) in story {
            let (next, actions) = next_state(state, *event);
            assert_eq!((next, actions), (*expected_state, *expected_actions), "{state:?} + {event:?}");
            state = next;
        }
    }

    const UNANSWERED: State = State::Serving { unanswered: true };
    const ANSWERED: State = State::Serving { unanswered: false };

    #[test]
    fn first_words_are_saved_before_an_agent_is_asked_for() {
        check(&[
            (Event::VisitorArrived, State::WaitingUserInput, &[]),
            (Event::VisitorMessage, State::Queued, &[Action::SaveToDb, Action::Enqueue]),
            (Event::PlaceChanged, State::Queued, &[Action::SaveToDb]),
            (Event::AgentAssigned, UNANSWERED, &[Action::SaveToDb]),
            (Event::AgentMessage, ANSWERED, &[Action::SaveToDb]),
            (Event::VisitorMessage, UNANSWERED, &[Action::SaveToDb]),
            (Event::AgentCloses, State::Closed, &[Action::SaveToDb, Action::LeaveDesk]),
            (Event::VisitorMessage, State::Closed, &[Action::Refuse(Refusal::Closed)]),
            (Event::VisitorRates, State::Closed, &[Action::SaveToDb]),
        ]);
    }

    #[test]
    fn an_unanswered_visitor_goes_to_the_head_of_the_queue_when_the_agent_is_gone() {
        check(&[
            (Event::VisitorMessage, State::Queued, &[Action::SaveToDb, Action::Enqueue]),
            (Event::AgentAssigned, UNANSWERED, &[Action::SaveToDb]),
            (Event::AgentGone, State::Queued, &[Action::SaveToDb, Action::EnqueueAtHead]),
        ]);
    }

    #[test]
    fn an_answered_visitor_waits_for_nobody_until_the_next_message() {
        check(&[
            (Event::VisitorMessage, State::Queued, &[Action::SaveToDb, Action::Enqueue]),
            (Event::AgentAssigned, UNANSWERED, &[Action::SaveToDb]),
            (Event::AgentMessage, ANSWERED, &[Action::SaveToDb]),
            (Event::AgentGone, State::WaitingUserInput, &[Action::SaveToDb]),
            (Event::VisitorMessage, State::Queued, &[Action::SaveToDb, Action::Enqueue]),
        ]);
    }

    #[test]
    fn an_assignment_that_comes_too_late_is_given_back() {
        check(&[
            (Event::VisitorMessage, State::Queued, &[Action::SaveToDb, Action::Enqueue]),
            (Event::VisitorCloses, State::Closed, &[Action::SaveToDb, Action::LeaveDesk]),
            (Event::AgentAssigned, State::Closed, &[Action::LeaveDesk]),
        ]);
    }

    #[test]
    fn in_every_state_every_event_keeps_the_rules() {
        for state in State::ALL {
            for event in Event::ALL {
                let (next, actions) = next_state(state, event);
                let refused = matches!(actions, [Action::Refuse(_)]);
                if refused || actions.is_empty() {
                    let arrival = event == Event::VisitorArrived;
                    assert!(next == state || arrival, "{state:?} + {event:?} changed without a trace");
                }
                if let Some(place) = actions.iter().position(|action| *action == Action::SaveToDb) {
                    assert_eq!(place, 0, "{state:?} + {event:?}: saved after something else");
                }
                if state == State::Closed {
                    assert_eq!(next, State::Closed, "{event:?} reopened a closed conversation");
                }
                let asks_desk =
                    actions.iter().any(|action| matches!(action, Action::Enqueue | Action::EnqueueAtHead));
                assert_eq!(
                    asks_desk,
                    state != State::Queued && next == State::Queued,
                    "{state:?} + {event:?}: waits without the desk knowing, or asks twice"
                );
                let at_desk = |state| matches!(state, State::Queued | State::Serving { .. });
                if at_desk(state) && next == State::Closed {
                    assert!(actions.contains(&Action::LeaveDesk), "{state:?} + {event:?}: keeps its seat");
                }
            }
        }
    }

    #[test]
    fn every_state_is_reached_and_from_each_the_conversation_can_end() {
        let reachable = |from: State| {
            let mut seen = HashSet::from([from]);
            let mut open = VecDeque::from([from]);
            while let Some(state) = open.pop_front() {
                for event in Event::ALL {
                    let (next, _) = next_state(state, event);
                    if seen.insert(next) {
                        open.push_back(next);
                    }
                }
            }
            seen
        };
        assert_eq!(reachable(State::Greeting).len(), State::ALL.len());
        for state in State::ALL {
            assert!(reachable(state).contains(&State::Closed), "{state:?} cannot end");
        }
    }
}
