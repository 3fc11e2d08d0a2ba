//! The body is `codec::fuzz::deflate`.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| codec::fuzz::deflate(data));
