//! Manifests, configurations and indexes of images, as libFuzzer makes them up.

#![no_main]

#[path = "../manifest.rs"]
mod manifest;

libfuzzer_sys::fuzz_target!(|text: &[u8]| manifest::check(text));
