//! What is measured, and what it is measured against. The product never knows this crate.
//!
//! [`echo`] is the server behind `ringdesk-echo`: for conformance suites and side-by-side measurements.
//! [`compare`] measures servers side by side: ours, the floor, and those of `bench/baselines`.
//! [`durability`] measures what it costs to lose nothing: starts, recoveries and acks of a real `ringdesk serve`.

pub mod compare;
pub mod durability;
pub mod echo;
