//! `ringdesk`.
fn main() {}
