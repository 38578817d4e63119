//! Configurations of containers, as libFuzzer makes them up.

#![no_main]

#[path = "../config.rs"]
mod config;

libfuzzer_sys::fuzz_target!(|text: &[u8]| config::check(text));
