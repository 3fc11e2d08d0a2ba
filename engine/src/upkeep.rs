//! The operator's tools: examine a data folder, mend it, make its database anew, back it up and restore it.
//!
//! They are run by hand or by a timer, as processes of their own, beside a server or instead of one; nothing
//! here runs inside of a server. Only [`doctor`] and [`backup`] work while a server does. When to use which:
//! `docs/operations.md`.

pub mod backup;
pub mod cut;
pub mod doctor;
pub mod error;
pub mod files;
pub mod finding;
pub(crate) mod image;
pub mod manifest;
pub mod rebuild;
pub mod repair;
pub mod restore;
pub mod watch;

#[cfg(test)]
mod tests;
