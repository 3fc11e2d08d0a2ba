//! What is measured, and what it is measured against. The product never knows this crate.
//!
//! [`echo`] is the server behind `ringdesk-echo`: for conformance suites and side-by-side measurements.
//! [`durability`] measures what it costs to lose nothing: starts, recoveries and acks of a real `ringdesk serve`.

pub mod durability;
pub mod echo;
