//! `transcripts/*.txt`: whole conversations, read like stories.
//!
//! A line is an event in the words of [`dialog::words`]; what stands behind ` — ` is what was said, for people who
//! read. Below it, indented, what is done and where the conversation stands then; left out, nothing happens.

use std::{fs, path::Path};

use dialog::{State, next_state, words};

fn play(name: &str, text: &str) {
    let mut state = State::Greeting;
    let mut lines =
        text.lines().enumerate().filter(|(_, line)| !line.is_empty() && !line.starts_with('#')).peekable();
    while let Some((number, line)) = lines.next() {
        let place = format!("{name}:{}", number + 1);
        let said = line.split(" — ").next().expect("a line has a beginning").trim_end();
        let event = words::event(said).unwrap_or_else(|| panic!("{place}: no such event: {said}"));
        let (next, actions) = next_state(&state, &event);
        let found = format!("{}; {next}", words::actions(actions));
        match lines.next_if(|(_, line)| line.starts_with(' ')) {
            Some((_, expected)) => assert_eq!(found, expected.trim(), "{place}: {line}"),
            None => assert!(actions.is_empty() && next == state, "{place}: {line}: and then {found}?"),
        }
        state = next;
    }
    assert!(state.is_over(), "{name}: a story has an end");
}

#[test]
fn every_transcript_is_played_as_it_was_written() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("transcripts");
    let mut played = 0;
    for entry in fs::read_dir(&folder).expect("the folder is there") {
        let path = entry.expect("listed").path();
        let name = path.file_name().expect("has a name").to_string_lossy().into_owned();
        play(&name, &fs::read_to_string(&path).expect("a text"));
        played += 1;
    }
    assert!(played >= 10, "only {played} transcripts");
}
