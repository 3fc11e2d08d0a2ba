//! The body is `codec::fuzz::json`.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| codec::fuzz::json(data));
