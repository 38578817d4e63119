//! Archives of layers, as libFuzzer makes them up.

#![no_main]

#[path = "../layer.rs"]
mod layer;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| layer::check(&std::env::temp_dir(), bytes));
