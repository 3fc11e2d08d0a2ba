//! The dialog of one conversation: `(State, Event) → (State, Actions)`, a pure function.
//!
//! Nothing here knows who the people are, what they said, what time it is or where anything is stored. The
//! engine turns what happens into an [`Event`], asks [`next_state`], and carries out the [`Action`]s in
//! order; [`Action::SaveToDb`] is durable before anything after it is seen by anyone. Time comes in as events
//! like everything else: the engine watches the clock, the machine says what it means.
//!
//! Every state × event is in `table.txt`, whole conversations are in `transcripts/`, and the diagram of
//! `docs/dialog.md` is made by [`diagram`].

mod action;
pub mod diagram;
mod event;
mod machine;
mod state;
pub mod words;

pub use action::{Action, Refusal};
pub use event::{Answer, Event};
pub use machine::next_state;
pub use state::State;
