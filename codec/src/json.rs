//! `ringdesk.v1`: one JSON object a WebSocket text frame.

use crate::message::{ClientMessage, Content, ServerMessage};

/// Why a text is not a message, with the field to name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageError;

impl MessageError {
    /// The word for the client's program.
    pub fn code(&self) -> &'static str {
        unimplemented!()
    }

    /// What was wrong and what to do, for the client's programmer.
    pub fn text(&self) -> String {
        unimplemented!()
    }

    /// The client's id of the message, where it could be read: then a `refused` suffices.
    pub fn id(&self) -> Option<&str> {
        unimplemented!()
    }
}

/// Reads one client message.
pub fn decode_client(_text: &str) -> Result<ClientMessage<'_>, MessageError> {
    unimplemented!()
}

/// Writes one server message as JSON text behind what `out` has.
pub fn encode_server(_message: &ServerMessage<'_>, _out: &mut Vec<u8>) {
    unimplemented!()
}

/// Reads one server message: for clients, such as the load generator.
pub fn decode_server(_text: &str) -> Result<ServerMessage<'_>, MessageError> {
    unimplemented!()
}

/// Writes one client message: for clients, such as the load generator.
pub fn encode_client(_message: &ClientMessage<'_>, _out: &mut Vec<u8>) {
    unimplemented!()
}

impl Content<'_> {
    /// The JSON object that is journaled and sent to every reader.
    pub fn to_json(&self) -> String {
        unimplemented!()
    }
}
