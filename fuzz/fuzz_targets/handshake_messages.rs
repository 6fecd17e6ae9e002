//! The target `handshake_messages` of `a2a_fuzz`, for cargo-fuzz.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| a2a_fuzz::run("handshake_messages", bytes));
