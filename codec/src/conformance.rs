//! What every [`Protocol`] must hold, as checks that an implementation's tests call.
//!
//! Each check panics with the bytes that break the promise; nothing here runs in a server. Vectors, the proof
//! that a protocol is the one meant, are the implementation's own.

use std::fmt::Debug;

use crate::fuzz::Mutations;
use crate::protocol::{Culprit, Decoded, Framing, Protocol, ProtocolError};

/// One implementation under examination.
#[derive(Debug)]
pub struct Conformance<'p, P, C> {
    /// The implementation.
    pub protocol: &'p P,
    /// Makes a fresh context, as a new connection has.
    pub context: C,
}

/// What a stream means: its messages, as debug output, and the fault that ends it if one does.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Meaning {
    messages: Vec<String>,
    fault: Option<String>,
    /// Bytes behind the last message.
    left: usize,
}

impl<P: Protocol, C: Fn() -> P::Context> Conformance<'_, P, C> {
    /// Well-formed bytes: a stream of at least one whole message, or one message where a carrier frames them.
    ///
    /// Checks that they mean the same at every split and byte by byte, that no proper beginning of a message
    /// is taken for a whole one, and that a thousand seeded mutations make nothing panic and never use more
    /// bytes than there are.
    pub fn check_accepted(&self, raw: &[u8]) {
        let whole = self.read(&[raw]);
        assert_eq!((&whole.fault, whole.left), (&None, 0), "well-formed: {}", show(raw));
        assert!(!whole.messages.is_empty(), "at least one message: {}", show(raw));
        self.check_splits(raw, &whole);
        self.check_beginnings(raw);
        self.check_mutations(raw);
    }

    /// Bytes that must be refused, by whom it is the fault of. Checks that the fault is the same at every split
    /// and that its answer has words.
    pub fn check_refused(&self, raw: &[u8], culprit: Culprit) {
        let whole = self.read(&[raw]);
        assert!(whole.fault.is_some(), "must be refused: {}", show(raw));
        self.check_splits(raw, &whole);
        let error = self.first_error(raw);
        assert_eq!(error.culprit(), culprit, "{error:?}");
        let answer = error.answer();
        assert!(answer.number > 0 && !answer.text.is_empty(), "{error:?} has an answer");
        self.check_mutations(raw);
    }

    /// The beginning of a message that is too large, or that never ends: it must be refused within its first
    /// `bytes_max` bytes, or where a carrier frames it, as a whole.
    pub fn check_oversized(&self, raw: &[u8], bytes_max: usize) {
        let shown = match P::FRAMING {
            Framing::Own => &raw[..bytes_max.min(raw.len())],
            Framing::Carrier => raw,
        };
        let meaning = self.read(&[shown]);
        assert!(meaning.fault.is_some(), "{} bytes were held for a message too large", shown.len());
    }

    /// A message to be sent. `reread` is the peer: what it makes of the bytes must be `expected`. Checks that
    /// encoding only appends, that it writes at most `bytes_max`, and that it writes the same twice.
    pub fn check_round_trip<T: Debug + PartialEq>(
        &self,
        message: &P::Outgoing<'_>,
        bytes_max: usize,
        reread: impl FnOnce(&[u8]) -> T,
        expected: &T,
    ) {
        const BEFORE: &[u8] = b"what was there before";
        let write = || {
            let mut out = BEFORE.to_vec();
            let result = self.protocol.encode(message, &mut (self.context)(), &mut out);
            assert!(result.is_ok(), "{message:?} can be sent, not {result:?}");
            out
        };
        let out = write();
        assert_eq!(out, write(), "{message:?} is written the same twice");
        let bytes = out.strip_prefix(BEFORE).expect("encoding only appends");
        assert!(bytes.len() <= bytes_max, "{message:?} took {} bytes", bytes.len());
        assert_eq!(&reread(bytes), expected, "{message:?} as {}", show(bytes));
    }

    fn check_splits(&self, raw: &[u8], whole: &Meaning) {
        if P::FRAMING == Framing::Carrier {
            return;
        }
        for at in 0..=raw.len() {
            let (start, end) = raw.split_at(at);
            assert_eq!(&self.read(&[start, end]), whole, "split at {at}: {}", show(raw));
        }
        let single: Vec<&[u8]> = raw.chunks(1).collect();
        assert_eq!(&self.read(&single), whole, "byte by byte: {}", show(raw));
    }

    /// No proper beginning of the first message is whole.
    fn check_beginnings(&self, raw: &[u8]) {
        let mut context = (self.context)();
        let Ok(Decoded::Complete { used, .. }) = self.protocol.decode(raw, &mut context) else {
            panic!("well-formed: {}", show(raw));
        };
        for end in 0..used {
            match (self.protocol.decode(&raw[..end], &mut (self.context)()), P::FRAMING) {
                (Ok(Decoded::NeedMore), Framing::Own) | (Err(_), Framing::Carrier) => {}
                (other, _) => panic!("{end} of {used} bytes are {other:?}: {}", show(&raw[..end])),
            }
        }
    }

    fn check_mutations(&self, raw: &[u8]) {
        const ROUNDS: usize = 1000;
        for mutated in Mutations::new(raw.len() as u64, raw).take(ROUNDS) {
            self.read(&[&mutated]);
        }
    }

    fn first_error(&self, raw: &[u8]) -> P::Error {
        let (mut context, mut start) = ((self.context)(), 0);
        loop {
            match self.protocol.decode(&raw[start..], &mut context) {
                Err(error) => return error,
                Ok(Decoded::Complete { used, .. }) if used > 0 => start += used,
                Ok(other) => panic!("{other:?} where a fault was: {}", show(raw)),
            }
        }
    }

    /// Receives the pieces as a connection does: what is not used stays and is shown again with more.
    fn read(&self, pieces: &[&[u8]]) -> Meaning {
        let mut context = (self.context)();
        let (mut held, mut messages) = (Vec::new(), Vec::new());
        for piece in pieces {
            held.extend_from_slice(piece);
            loop {
                if held.is_empty() && P::FRAMING == Framing::Own {
                    break;
                }
                let used = match self.protocol.decode(&held, &mut context) {
                    Err(error) => return Meaning { messages, fault: Some(format!("{error:?}")), left: 0 },
                    Ok(Decoded::NeedMore) => {
                        assert_eq!(P::FRAMING, Framing::Own, "a carrier never brings more");
                        break;
                    }
                    Ok(Decoded::Complete { value, used }) => {
                        messages.push(format!("{value:?}"));
                        used
                    }
                };
                assert!(used > 0 && used <= held.len(), "{used} of {} bytes used", held.len());
                held.drain(..used);
                if P::FRAMING == Framing::Carrier {
                    assert!(held.is_empty(), "a carried message uses all of its bytes");
                    break;
                }
            }
        }
        Meaning { messages, fault: None, left: held.len() }
    }
}

/// Bytes for a person: escaped, and not without end.
fn show(raw: &[u8]) -> String {
    const SHOWN_BYTES_MAX: usize = 400;
    let more = if raw.len() > SHOWN_BYTES_MAX { "…" } else { "" };
    format!("\"{}\"{more}", raw[..raw.len().min(SHOWN_BYTES_MAX)].escape_ascii())
}
