//! What is measured, and what it is measured against. The product never knows this crate.
//!
//! [`echo`] is the server behind `ringdesk-echo`: for conformance suites and side-by-side measurements.

pub mod echo;
