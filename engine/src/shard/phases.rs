//! The dialog's states and the journal's phases: the same thing in two crates that must not know each other.

use dialog::State;
use store::record::Phase;

/// The state that a record's phase stands for. `asked` is the number of the last message: what a bot was asked about.
pub fn state_of(phase: Phase, asked: u64) -> State {
    match phase {
        Phase::Greeting => State::Greeting,
        Phase::WaitingUserInput => State::WaitingUserInput { missed: false },
        Phase::WaitingMissed => State::WaitingUserInput { missed: true },
        Phase::Processing => State::Processing { missed: false, asked },
        Phase::ProcessingMissed => State::Processing { missed: true, asked },
        Phase::Queued => State::Queued,
        Phase::Answered => State::Serving { unanswered: false },
        Phase::Unanswered => State::Serving { unanswered: true },
        Phase::LeaveMessage => State::LeaveMessage,
        Phase::Rating => State::Rating,
        Phase::Closed => State::Closed,
    }
}

/// What the journal calls a state.
pub fn phase_of(state: State) -> Phase {
    match state {
        State::Greeting => Phase::Greeting,
        State::WaitingUserInput { missed: false } => Phase::WaitingUserInput,
        State::WaitingUserInput { missed: true } => Phase::WaitingMissed,
        State::Processing { missed: false, .. } => Phase::Processing,
        State::Processing { missed: true, .. } => Phase::ProcessingMissed,
        State::Queued => Phase::Queued,
        State::Serving { unanswered: false } => Phase::Answered,
        State::Serving { unanswered: true } => Phase::Unanswered,
        State::LeaveMessage => Phase::LeaveMessage,
        State::Rating => Phase::Rating,
        State::Closed => Phase::Closed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_comes_back_from_its_phase_and_every_phase_is_some_state() {
        for state in State::ALL {
            let asked = if let State::Processing { asked, .. } = state { asked } else { 7 };
            assert_eq!(state_of(phase_of(state), asked), state);
            assert_eq!(state.is_over(), phase_of(state).is_over(), "{state}");
        }
        for phase in Phase::ALL {
            assert_eq!(phase_of(state_of(phase, 1)), phase);
        }
    }
}
