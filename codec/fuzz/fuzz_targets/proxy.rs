//! The body is `codec::fuzz::proxy`.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| codec::fuzz::proxy(data));
