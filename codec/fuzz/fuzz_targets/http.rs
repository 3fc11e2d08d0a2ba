//! The body is `codec::fuzz::http`.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| codec::fuzz::http(data));
