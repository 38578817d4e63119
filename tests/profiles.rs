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

/// boxwright's own, and those that libFuzzer begins with.
fn profiles() -> Vec<String> {
    let corpus = concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/corpus/profile");
    let files = fs::read_dir(corpus).unwrap().map(|entry| entry.unwrap().path());
    let own = files.filter(|path| path.extension().is_some_and(|extension| extension == "json"));
    own.map(|path| fs::read_to_string(path).unwrap()).chain([DEFAULT.to_owned()]).collect()
}

/// The strings of a JSON text: where each is, between its quotes, and whether it names a field.
fn strings(json: &str) -> Vec<(Range<usize>, bool)> {
    let quotes: Vec<usize> = json.match_indices('"').map(|(at, _)| at).collect();
    quotes.chunks_exact(2).map(|pair| (pair[0] + 1..pair[1], json[pair[1] + 1..].starts_with(':'))).collect()
}

/// A part of the text, from one of its commas or brackets to another.
fn part(random: &mut Random, text: &str) -> Range<usize> {
    let edges: Vec<usize> = text.match_indices([',', '{', '}', '[', ']']).map(|(at, _)| at).collect();
    let (one, other) = (*random.of(&edges), *random.of(&edges));
    one.min(other)..one.max(other)
}

/// The text with one thing wrong.
fn damaged(random: &mut Random, text: &str) -> String {
    let mut text = text.to_owned();
    match *random.of(&[0, 1, 2, 2, 2, 2, 3, 3, 4, 5]) {
        0 => text.truncate(random.below(text.len() as u64) as usize),
        1 => {
            let at = random.below(text.len() as u64) as usize;
            let byte = (random.below(127) + 1) as u8 as char;
            text.replace_range(at..=at, &byte.to_string());
        }
        2 => {
            // One of its kind: a field, a name, an action, an operator, an architecture.
            let all = strings(&text);
            let kind = |(string, is_field): &(Range<usize>, bool)| {
                let word = &text[string.clone()];
                (*is_field, word.starts_with("SCMP_").then(|| word.get(..8)))
            };
            let to = random.of(&all);
            let alike: Vec<_> = all.iter().filter(|other| kind(other) == kind(to)).collect();
            let word = text[random.of(&alike).0.clone()].to_owned();
            text.replace_range(to.0.clone(), &word);
        }
        3 => {
            let digits: Vec<usize> = text.match_indices(|c: char| c.is_ascii_digit()).map(|(at, _)| at).collect();
            let at = *random.of(&digits);
            let other: &str = random.of::<&str>(&["", "0", "9", "-1", "99999999999", "1e3", "4294967296"]);
            text.replace_range(at..=at, other);
        }
        4 => text.replace_range(part(random, &text), ""),
        _ => {
            let (from, to) = (part(random, &text), part(random, &text));
            let again = text[from].to_owned();
            text.insert_str(to.start, &again);
        }
    }
    text
}

#[test]
fn nothing_is_let_through_that_the_text_does_not() {
    let random = &mut Random::new();
    let profiles = profiles();
    profiles.iter().for_each(|text| profile::check(text));
    for _ in 0..300 {
        let mut text = random.of(&profiles).clone();
        for _ in 0..=random.below(2) {
            if text.contains('"') && text.contains(|c: char| c.is_ascii_digit()) && text.contains(',') {
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
