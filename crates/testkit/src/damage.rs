//! Texts with something wrong in them, for what reads texts of strangers.

use std::ops::Range;

use crate::Random;

/// The strings of a JSON text: where each is, between its quotes, and whether it names a field.
#[must_use]
pub fn strings(json: &str) -> Vec<(Range<usize>, bool)> {
    let quotes: Vec<usize> = json.match_indices('"').map(|(at, _)| at).collect();
    quotes.chunks_exact(2).map(|pair| (pair[0] + 1..pair[1], json[pair[1] + 1..].starts_with(':'))).collect()
}

/// A part of the text, from one of its commas or brackets to another.
fn part(random: &mut Random, text: &str) -> Range<usize> {
    let edges: Vec<usize> = text.match_indices([',', '{', '}', '[', ']']).map(|(at, _)| at).collect();
    let (one, other) = (*random.of(&edges), *random.of(&edges));
    one.min(other)..one.max(other)
}

/// Whether a JSON text has what [`damaged`] changes.
#[must_use]
pub fn can_be_damaged(text: &str) -> bool {
    text.is_ascii()
        && text.matches('"').count() > 1
        && text.contains(|c: char| c.is_ascii_digit())
        && text.contains(',')
}

/// The text with one thing wrong.
#[must_use]
pub fn damaged(random: &mut Random, text: &str) -> String {
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
