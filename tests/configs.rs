//! Damaged configurations: refused in one line, or their plan stays inside the container.
//!
//! The check is the one of `fuzz/`, where libFuzzer makes the damage. What becomes of such plans: tests/oci.

#[path = "../fuzz/config.rs"]
mod config;

use std::fs;

use testkit::Random;
use testkit::damage::{can_be_damaged, damaged};

/// Those that libFuzzer begins with.
fn configs() -> Vec<String> {
    let corpus = concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/corpus/config");
    let files = fs::read_dir(corpus).unwrap().map(|entry| entry.unwrap().path());
    let own = files.filter(|path| path.extension().is_some_and(|extension| extension == "json"));
    own.map(|path| fs::read_to_string(path).unwrap()).collect()
}

#[test]
fn a_damaged_configuration_is_refused_or_stays_inside() {
    let random = &mut Random::new();
    let configs = configs();
    configs.iter().for_each(|text| config::check(text.as_bytes()));
    for _ in 0..3000 {
        let mut text = random.of(&configs).clone();
        for _ in 0..=random.below(3) {
            if can_be_damaged(&text) {
                text = damaged(random, &text);
            }
        }
        config::check(text.as_bytes());
    }
}
