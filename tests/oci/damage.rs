//! Damaged configurations, carried out: whatever comes of one, nothing is left half made. What is left is seen by the shield's audit.

use std::fs;

use serde_json::Value;
use testkit::damage::{can_be_damaged, damaged};
use testkit::{Random, Shield, needs};

use super::bundle;

#[test]
fn a_damaged_configuration_never_leaves_a_half_made_container() {
    needs!(root);
    let corpus = concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/corpus/config");
    let texts = ["plain", "whole"].map(|name| fs::read_to_string(format!("{corpus}/{name}.json")).unwrap());
    for _ in 0..4 {
        Shield::new().cgroup().run(|| {
            let random = &mut Random::new();
            for _ in 0..10 {
                let mut text = random.of(&texts).clone();
                for _ in 0..=random.below(2) {
                    if can_be_damaged(&text) {
                        text = damaged(random, &text);
                    }
                }
                let mut bundle = bundle();
                bundle.config = serde_json::from_str::<Value>(&text).unwrap_or(Value::String(text));
                // A group's parents stay, and a name of its own would have to be removed.
                if let Some(linux) = bundle.config.get_mut("linux").and_then(Value::as_object_mut) {
                    linux.remove("cgroupsPath");
                }
                let said = bundle.run();
                assert!(!said.err.contains("panicked"), "{}: {}", bundle.config, said.err);
                bundle.tell("state").refused("does not exist");
            }
        });
    }
}
