//! `ringdesk-load`.
fn main() {}
