//! The body is `codec::fuzz::websocket`.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| codec::fuzz::websocket(data));
