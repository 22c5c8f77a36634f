//! Packets of the control channel: see `inputs.rs`.
#![no_main]
#[path = "../inputs.rs"]
mod inputs;

libfuzzer_sys::fuzz_target!(|data: &[u8]| inputs::control(data));
