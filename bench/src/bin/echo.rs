//! `ringdesk-echo`.
fn main() {}
