//! Every state that can be reached, every event in it, and what must hold of each step.

use std::collections::{BTreeSet, VecDeque};

use dialog::{Action, Event, State, next_state};

/// Every state reached from `from`.
fn reached(from: State) -> BTreeSet<State> {
    let mut seen = BTreeSet::from([from]);
    let mut open = VecDeque::from([from]);
    while let Some(state) = open.pop_front() {
        for event in Event::ALL {
            let (next, _) = next_state(&state, &event);
            if seen.insert(next) {
                open.push_back(next);
            }
        }
    }
    seen
}

/// Each step of the machine that can happen.
fn steps() -> Vec<(State, Event, State, &'static [Action])> {
    let mut steps = Vec::new();
    for state in reached(State::Greeting) {
        for event in Event::ALL {
            let (next, actions) = next_state(&state, &event);
            steps.push((state, event, next, actions));
        }
    }
    steps
}

#[test]
fn waiting_user_input_and_text_becomes_processing_with_save_to_db_and_call_nlp() {
    let state = State::WaitingUserInput { missed: false };
    let (next, actions) = next_state(&state, &Event::VisitorMessage { number: 7, bot: true });
    assert_eq!(next, State::Processing { missed: false, asked: 7 });
    assert_eq!(actions, [Action::SaveToDb, Action::CallNlp], "and durable before the bot is asked");
}

#[test]
fn every_state_is_reached_and_from_each_the_conversation_can_end() {
    let all = reached(State::Greeting);
    assert_eq!(all.into_iter().collect::<Vec<_>>(), {
        let mut all = State::ALL.to_vec();
        all.sort();
        all
    });
    for state in State::ALL {
        assert!(reached(state).contains(&State::Closed), "{state} cannot end");
        let by_visitor = next_state(&state, &Event::VisitorCloses { rated: false }).0;
        assert!(by_visitor.is_over(), "{state}: the visitor cannot end it");
    }
    let changes = steps().iter().filter(|(state, _, next, _)| state != next).count();
    println!(
        "{} states, {} transitions, {changes} of them to another state",
        State::ALL.len(),
        steps().len()
    );
}

#[test]
fn what_changes_is_saved_before_anything_else_is_done() {
    for (state, event, next, actions) in steps() {
        let saves = actions.first() == Some(&Action::SaveToDb);
        let arrival = state == State::Greeting && event == Event::VisitorArrived;
        assert!(next == state || saves || arrival, "{state} + {event}: changed without a record");
        let later = actions.iter().skip(1).any(|action| *action == Action::SaveToDb);
        assert!(!later, "{state} + {event}: saved after something else");
        let refused = actions.iter().any(|action| matches!(action, Action::Refuse(_)));
        assert!(
            !refused || (actions.len() == 1 && next == state),
            "{state} + {event}: refused, and yet done"
        );
    }
}

#[test]
fn a_late_answer_of_the_bot_is_ignored() {
    for (state, event, next, actions) in steps() {
        let (Event::BotAnswers { asked, .. } | Event::BotFails { asked }) = event else { continue };
        let in_time = matches!(state, State::Processing { asked: about, .. } if about == asked);
        assert!(in_time || (next == state && actions.is_empty()), "{state} + {event}: heard too late");
        assert!(!in_time || next != state, "{state} + {event}: not heard");
    }
}

#[test]
fn a_bot_never_speaks_while_a_human_serves_or_is_waited_for() {
    for (state, event, next, actions) in steps() {
        let speaks = actions.iter().any(|action| matches!(action, Action::Answer | Action::AskAgain));
        let may = matches!(state, State::Processing { .. }) && matches!(next, State::WaitingUserInput { .. });
        assert!(!speaks || may, "{state} + {event}: the bot speaks");
        let asked = actions.contains(&Action::CallNlp);
        assert_eq!(
            asked,
            matches!(next, State::Processing { asked: about, .. }
            if matches!(event, Event::VisitorMessage { number, bot: true } if number == about)
                && !state.is_at_desk()),
            "{state} + {event}: the bot is asked, or is not"
        );
    }
}

#[test]
fn without_a_bot_no_bot_is_ever_asked() {
    let mut seen = BTreeSet::from([State::Greeting]);
    let mut open = VecDeque::from([State::Greeting]);
    while let Some(state) = open.pop_front() {
        let events =
            Event::ALL.into_iter().filter(|event| !matches!(event, Event::VisitorMessage { bot: true, .. }));
        for (next, actions) in events.map(|event| next_state(&state, &event)) {
            assert!(!actions.contains(&Action::CallNlp));
            if seen.insert(next) {
                open.push_back(next);
            }
        }
    }
    assert!(!seen.iter().any(|state| matches!(state, State::Processing { .. })));
}

#[test]
fn every_action_is_allowed_in_its_state() {
    for (state, event, next, actions) in steps() {
        let has = |action| actions.contains(&action);
        let place = format!("{state} + {event}");
        let asks = has(Action::Enqueue) || has(Action::EnqueueAtHead);
        assert!(
            !asks || !state.is_at_desk() || has(Action::EnqueueAtHead),
            "{place}: asks for a second agent"
        );
        assert!(
            !has(Action::EnqueueAtHead) || matches!(state, State::Serving { .. }),
            "{place}: had no agent"
        );
        assert!(!asks || !next.is_over(), "{place}: over, and asks for an agent");
        // Only the desk's own word moves a conversation out of the queue without a word to the desk.
        let desk_knows = matches!(
            event,
            Event::AgentAssigned
                | Event::AgentTakesOver
                | Event::AgentGone
                | Event::DeskClosed
                | Event::QueueTimeout
        );
        let leaves = state.is_at_desk() && !next.is_at_desk();
        assert!(!leaves || has(Action::LeaveDesk) || desk_knows, "{place}: keeps its seat");
        let comes = !state.is_at_desk() && next.is_at_desk();
        assert!(
            !comes || asks || desk_knows || event == Event::PlaceChanged,
            "{place}: the desk does not know"
        );
        assert!(!has(Action::LeaveDesk) || !next.is_at_desk(), "{place}: leaves, and stays");
    }
}

#[test]
fn what_is_over_stays_over() {
    for (state, event, next, _) in steps() {
        assert!(!state.is_over() || next.is_over(), "{state} + {event}: reopened");
        assert!(
            state != State::Closed || next == State::Closed,
            "{state} + {event}: asks for a rating again"
        );
    }
}
