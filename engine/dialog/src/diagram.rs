//! The machine as a picture: the state diagram of `docs/dialog.md`, in the language of Mermaid.

use std::collections::BTreeMap;

use crate::{Event, State, next_state};

/// What an event is called where its numbers and answers do not matter.
fn label(event: Event) -> String {
    let words = event.to_string();
    let is_number = |word: &&str| word.parse::<u64>().is_err();
    words.split(' ').filter(is_number).collect::<Vec<_>>().join(" ")
}

/// The state without what it carries: a picture of phases, one box each.
const fn phase(state: State) -> &'static str {
    match state {
        State::Greeting => "Greeting",
        State::WaitingUserInput { .. } => "WaitingUserInput",
        State::Processing { .. } => "Processing",
        State::Queued => "Queued",
        State::Serving { .. } => "Serving",
        State::LeaveMessage => "LeaveMessage",
        State::Rating => "Rating",
        State::Closed => "Closed",
    }
}

/// The diagram: every change of phase, with the events that make it.
pub fn mermaid() -> String {
    let mut arrows: BTreeMap<(usize, usize), Vec<String>> = BTreeMap::new();
    let place = |state: State| State::ALL.iter().position(|other| phase(*other) == phase(state));
    for state in State::ALL {
        for event in Event::ALL {
            let (next, _) = next_state(&state, &event);
            let (Some(from), Some(to)) = (place(state), place(next)) else { continue };
            if from == to {
                continue;
            }
            let labels = arrows.entry((from, to)).or_default();
            let label = label(event);
            if !labels.contains(&label) {
                labels.push(label);
            }
        }
    }
    let mut text = String::from("stateDiagram-v2\n    [*] --> Greeting\n");
    for ((from, to), labels) in arrows {
        let (from, to) = (phase(State::ALL[from]), phase(State::ALL[to]));
        // A colon ends the name of an arrow.
        let labels = labels.join("<br/>").replace(": ", " · ");
        text.push_str(&format!("    {from} --> {to}: {labels}\n"));
    }
    text.push_str("    Closed --> [*]\n");
    text
}
