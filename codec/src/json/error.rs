//! Why a text is not a message, and the words for it.

use std::fmt;

/// Why a text is not a message, with the field to name. All are the peer's fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageError {
    /// What is wrong.
    pub fault: Fault,
    /// The client's id of the message, where it could be read.
    id: Option<Box<str>>,
}

/// What is wrong with a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The text is not JSON.
    NotJson,
    /// The text is JSON, but not an object.
    NotObject,
    /// The message has a `type` that is not known.
    UnknownType,
    /// A field that the type needs is not there, or null.
    MissingField {
        /// Its name; within another object, with that object's name and a point before it.
        field: &'static str,
    },
    /// A field has a value that it cannot have.
    BadField {
        /// Its name.
        field: &'static str,
        /// What it must be.
        expected: &'static str,
    },
    /// A field is there more than once: two readers could understand that differently.
    RepeatedField {
        /// Its name.
        field: &'static str,
    },
    /// A field has more than it may.
    TooLarge {
        /// Its name.
        field: &'static str,
        /// The most it may have.
        limit: usize,
        /// Of what: bytes, or members.
        unit: &'static str,
    },
}

impl MessageError {
    pub(super) fn new(fault: Fault, id: Option<&str>) -> Self {
        Self { fault, id: id.map(Into::into) }
    }

    /// For bytes that are not even text.
    pub const fn not_json() -> Self {
        Self { fault: Fault::NotJson, id: None }
    }

    /// The word for the client's program. No wildcard arm: a new fault must choose its word here.
    pub fn code(&self) -> &'static str {
        match self.fault {
            Fault::NotJson | Fault::NotObject => "not_json",
            Fault::UnknownType => "unknown_type",
            Fault::MissingField { .. } => "missing_field",
            Fault::BadField { .. } | Fault::RepeatedField { .. } => "bad_field",
            Fault::TooLarge { .. } => "too_large",
        }
    }

    /// What was wrong and what to do, for the client's programmer.
    pub fn text(&self) -> String {
        self.to_string()
    }

    /// The client's id of the message, where it could be read: then a `refused` suffices.
    pub fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }
}

impl fmt::Display for MessageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.fault {
            Fault::NotJson => write!(f, "The text is not JSON; send one JSON object a frame."),
            Fault::NotObject => write!(f, "The text is not a JSON object; send one a frame."),
            Fault::UnknownType => write!(f, "The message's type is not known; is the client newer?"),
            Fault::MissingField { field } => write!(f, "The field {field} is missing."),
            Fault::BadField { field, expected } => write!(f, "The field {field} must be {expected}."),
            Fault::RepeatedField { field } => write!(f, "The field {field} is there more than once."),
            Fault::TooLarge { field, limit, unit } => {
                write!(f, "The field {field} has more than {limit} {unit}.")
            }
        }
    }
}

impl std::error::Error for MessageError {}
