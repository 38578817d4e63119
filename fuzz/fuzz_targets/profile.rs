//! Profiles, as libFuzzer makes them up.

#![no_main]

#[path = "../profile.rs"]
mod profile;

libfuzzer_sys::fuzz_target!(|text: &str| profile::check(text));
