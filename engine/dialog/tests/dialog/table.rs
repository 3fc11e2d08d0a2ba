//! `table.txt`: every state × event, what follows, and what is done.

use dialog::{Event, State, next_state, words};

const HEAD: &str = "\
Every state x event: what is done, and where the conversation stands then. `-` is nothing, `.` the same state.
Numbers are those of the visitor's messages. Kept by the test `table`.
";

fn table() -> String {
    let mut text = String::from(HEAD);
    for state in State::ALL {
        text.push_str(&format!("\n{state}\n"));
        for event in Event::ALL {
            let (next, actions) = next_state(&state, &event);
            let next = if next == state { ".".to_owned() } else { next.to_string() };
            let actions = if actions.is_empty() { "-".to_owned() } else { words::actions(actions) };
            text.push_str(&format!("    {:<32} {actions:<28} {next}\n", event.to_string()));
        }
    }
    text
}

#[test]
fn every_state_and_event_does_what_the_table_says() {
    super::assert_current("table.txt", &table());
}

#[test]
fn words_say_which_event_and_state_and_no_other() {
    for event in Event::ALL {
        assert_eq!(words::event(&event.to_string()), Some(event));
    }
    for state in State::ALL {
        assert_eq!(words::state(&state.to_string()), Some(state));
    }
    assert_eq!(words::event("visitor sings"), None);
    assert_eq!(words::state("Lost"), None);
}
