//! Texts with something wrong in them, for what reads texts of strangers.

use std::ops::Range;

use serde_json::{Value, json};

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

/// A value with one thing in it that is not there, or is another: of another type, out of every range, of another place.
#[must_use]
pub fn altered(random: &mut Random, value: &Value) -> Value {
    let mut value = value.clone();
    let mut places = Vec::new();
    find_places(&value, "", &mut places);
    let place = random.of(&places).clone();
    let other = match random.below(4) {
        // One of its own, from elsewhere: an object for a number, a path for a name.
        0 => value.pointer(random.of::<String>(&places)).cloned().unwrap_or_default(),
        1 => beside(random, value.pointer(&place).unwrap_or(&Value::Null)),
        _ => random.of(&strange()).clone(),
    };
    let (above, name) = place.rsplit_once('/').unwrap_or_default();
    let is_removed = random.below(4) == 0;
    match (value.pointer_mut(above), is_removed) {
        (Some(Value::Object(fields)), true) => drop(fields.remove(&name.replace("~1", "/").replace("~0", "~"))),
        (Some(Value::Array(all)), true) => drop(name.parse().map(|at: usize| all.remove(at))),
        _ => value.pointer_mut(&place).into_iter().for_each(|it| *it = other.clone()),
    }
    value
}

/// JSON pointers to all that is in a value.
fn find_places(value: &Value, at: &str, places: &mut Vec<String>) {
    places.push(at.to_owned());
    match value {
        Value::Array(all) => {
            all.iter().enumerate().for_each(|(index, it)| find_places(it, &format!("{at}/{index}"), places));
        }
        Value::Object(fields) => fields.iter().for_each(|(name, it)| {
            find_places(it, &format!("{at}/{}", name.replace('~', "~0").replace('/', "~1")), places);
        }),
        _ => {}
    }
}

/// Of the same type, and not the same.
fn beside(random: &mut Random, value: &Value) -> Value {
    match value {
        Value::Bool(is_so) => json!(!is_so),
        Value::Number(number) => {
            let number = number.as_i64().unwrap_or_default();
            let others =
                [number.wrapping_neg(), number.wrapping_add(1), number.wrapping_sub(1), number.wrapping_mul(1 << 20)];
            json!(random.of(&others))
        }
        Value::String(text) => {
            let half: String = text.chars().take(text.chars().count() / 2).collect();
            let others = [
                format!("{text}\0"),
                format!("\0{text}"),
                format!("{text}/../.."),
                format!("{text}\n"),
                half,
                text.repeat(9),
            ];
            json!(random.of(&others))
        }
        Value::Array(all) => json!(all.iter().chain(all).collect::<Vec<_>>()),
        Value::Object(fields) => json!({"": fields, "\0": null}),
        Value::Null => json!(0),
    }
}

/// Values that are right almost nowhere.
fn strange() -> Vec<Value> {
    let deep =
        (0..100).fold(Value::Null, |inner, depth| if depth % 2 == 0 { json!([inner]) } else { json!({"a": inner}) });
    let long = "a".repeat(70_000);
    json!([
        null, true, false, 0, -1, 1, 65_536, i64::MIN, i64::MAX, u64::MAX, 1e300, 0.5, "", "/", ".", "..", "\0", "a\0b", "\n", "-1", "é",
        long, [], [null], [""], ["\0"], [-1], {}, {"": ""}, {"\0": "\0"}, deep
    ])
    .as_array()
    .cloned()
    .unwrap_or_default()
}
