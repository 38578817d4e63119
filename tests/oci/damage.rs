//! Damaged configurations, carried out: whatever comes of one, nothing is left half made. What is left is seen by the shield's audit.
//!
//! `BOXWRIGHT_CONFIGS` is how many configurations with other values are tried; without it 400, or as many as fit into some seconds.

use std::env;
use std::fs;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use testkit::damage::{altered, can_be_damaged, damaged};
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
                forget_group(&mut bundle.config);
                let said = bundle.run();
                assert!(!said.err.contains("panicked"), "{}: {}", bundle.config, said.err);
                bundle.tell("state").refused("does not exist");
            }
        });
    }
}

/// A group's parents stay, and a name of its own would have to be removed.
fn forget_group(config: &mut Value) {
    if let Some(linux) = config.get_mut("linux").and_then(Value::as_object_mut) {
        linux.remove("cgroupsPath");
    }
}

/// A plain run takes no longer.
const TIME: Duration = Duration::from_secs(6);

#[test]
fn a_configuration_with_other_values_is_refused_in_one_line_or_made_whole() {
    needs!(root);
    let (begun, asked) = (Instant::now(), env::var("BOXWRIGHT_CONFIGS").ok());
    let count: usize = asked.as_ref().map_or(400, |text| text.parse().expect("BOXWRIGHT_CONFIGS: a number"));
    let corpus = concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/corpus/config");
    let configs = ["plain", "whole"].map(|name| fs::read_to_string(format!("{corpus}/{name}.json")).unwrap());
    let configs = configs.map(|text| serde_json::from_str::<Value>(&text).unwrap());
    for round in 0..count.div_ceil(20) {
        // One round in any case.
        if round > 0 && begun.elapsed() > TIME && asked.is_none() {
            break;
        }
        Shield::new().cgroup().run(|| {
            let random = &mut Random::new();
            let mut bundle = bundle();
            for _ in 0..20 {
                let mut config = random.of(&configs).clone();
                for _ in 0..=random.below(2) {
                    config = altered(random, &config);
                }
                forget_group(&mut config);
                bundle.config = config;
                let said = bundle.create();
                let (warnings, words): (Vec<_>, Vec<_>) =
                    said.err.lines().partition(|line| line.starts_with("runbox: warning: "));
                let context = || format!("{}\nsaid {} {warnings:?} {words:?}", bundle.config, said.code);
                if said.code == 0 {
                    assert!(words.is_empty(), "{}", context());
                    assert_eq!(bundle.state()["status"], json!("created"), "{}", context());
                    bundle.runbox(&["delete", "--force", &bundle.id]).ok();
                } else {
                    assert!(words.len() == 1 && words[0].starts_with("runbox: "), "{}", context());
                }
                bundle.tell("state").refused("does not exist");
            }
        });
    }
}
