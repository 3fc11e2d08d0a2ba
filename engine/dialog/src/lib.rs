//! The dialog state machine of one conversation.
