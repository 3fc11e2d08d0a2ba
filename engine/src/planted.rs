//! Faults planted on purpose: the proof that the simulator can fail. Compiled with the feature `planted-bugs`
//! only; without it no check is left in the program.

/// A fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Planted {
    /// Effects leave before their cause is durable.
    EarlyAck,
    /// Resends are not recognised after a restart.
    ForgottenIds,
    /// Recovery cuts the last intact record together with a torn tail.
    CutTooFar,
    /// Notes are shown to visitors.
    LeakedNotes,
    /// An agent whose lease has ended keeps the conversations.
    KeptSeat,
    /// VIPs wait like everybody.
    NormalFirst,
    /// A start does not go on with what SQL lacks.
    ForgottenTail,
}

#[cfg(feature = "planted-bugs")]
mod chosen {
    use std::sync::OnceLock;

    use super::Planted;

    static CHOSEN: OnceLock<Planted> = OnceLock::new();

    const NAMES: [(&str, Planted); 7] = [
        ("early-ack", Planted::EarlyAck),
        ("forgotten-ids", Planted::ForgottenIds),
        ("cut-too-far", Planted::CutTooFar),
        ("leaked-notes", Planted::LeakedNotes),
        ("kept-seat", Planted::KeptSeat),
        ("normal-first", Planted::NormalFirst),
        ("forgotten-tail", Planted::ForgottenTail),
    ];

    /// Plants a fault by its name, once in a process.
    pub fn plant(name: &str) -> Result<(), String> {
        let names = || NAMES.map(|(name, _)| name).join(", ");
        let found = NAMES.iter().find(|(known, _)| *known == name);
        let (_, planted) = found.ok_or_else(|| format!("no such fault: {name}; there are {}", names()))?;
        CHOSEN.set(*planted).map_err(|_| "a fault was planted already".to_owned())
    }

    /// Whether this fault is planted in this process.
    pub fn is(planted: Planted) -> bool {
        CHOSEN.get() == Some(&planted)
    }
}

#[cfg(feature = "planted-bugs")]
pub use chosen::{is, plant};

/// Whether this fault is planted: never.
#[cfg(not(feature = "planted-bugs"))]
pub const fn is(_planted: Planted) -> bool {
    false
}
