//! Damaged profiles, on the reference: refused in one line, or no call is let through that the text does not let through.
//!
//! The check is the one of `fuzz/`, where libFuzzer makes the damage.

#![cfg(feature = "solutions")]

#[path = "../fuzz/profile.rs"]
mod profile;

use std::fs;
use std::ops::Range;

use cli::seccomp::{DEFAULT, read};
use testkit::Random;
use testkit::damage::{can_be_damaged, damaged, strings};

/// boxwright's own, and those that libFuzzer begins with.
fn profiles() -> Vec<String> {
    let corpus = concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/corpus/profile");
    let files = fs::read_dir(corpus).unwrap().map(|entry| entry.unwrap().path());
    let own = files.filter(|path| path.extension().is_some_and(|extension| extension == "json"));
    own.map(|path| fs::read_to_string(path).unwrap()).chain([DEFAULT.to_owned()]).collect()
}

#[test]
fn nothing_is_let_through_that_the_text_does_not() {
    let random = &mut Random::new();
    let profiles = profiles();
    profiles.iter().for_each(|text| profile::check(text));
    for _ in 0..300 {
        let mut text = random.of(&profiles).clone();
        for _ in 0..=random.below(2) {
            if can_be_damaged(&text) {
                text = damaged(random, &text);
            }
        }
        profile::check(&text);
    }
}

#[test]
fn a_misspelt_field_or_action_is_refused() {
    let random = &mut Random::new();
    let is_checked = |(string, is_field): &(Range<usize>, bool)| {
        // Of archMap, the machine's own line alone is looked up by a name.
        let is_looked_up = DEFAULT[..string.start].ends_with("\"architecture\": \"");
        (*is_field || DEFAULT[string.clone()].starts_with("SCMP_")) && !is_looked_up
    };
    let own: Vec<Range<usize>> = strings(DEFAULT).into_iter().filter(is_checked).map(|(string, _)| string).collect();
    for _ in 0..200 {
        let string = random.of(&own).clone();
        let at = string.start + random.below(string.len() as u64) as usize;
        let other = if DEFAULT.as_bytes()[at] == b'q' { "x" } else { "q" };
        let json = format!("{}{other}{}", &DEFAULT[..at], &DEFAULT[at + 1..]);
        let is_refused = read("test", &json, profile::PLACE).is_err();
        assert!(is_refused, "{:?} made {:?}", &DEFAULT[string.clone()], &json[string.clone()]);
    }
}
