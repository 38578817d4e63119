//! Sizes as people write them.

/// The bytes in `64m`, `1.5g`, `100k` or `4096`: a number, and a power of 1024 by its letter; `mb` and `MiB`
/// are `m`. `None` for anything else, and for what 64 bits cannot hold.
///
/// ```
/// assert_eq!(model::size::bytes("1.5g"), Some(1_610_612_736));
/// assert_eq!(model::size::bytes("64 potatoes"), None);
/// ```
#[must_use]
pub fn bytes(text: &str) -> Option<u64> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let unit_bytes: u64 = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kb" | "kib" => 1 << 10,
        "m" | "mb" | "mib" => 1 << 20,
        "g" | "gb" | "gib" => 1 << 30,
        "t" | "tb" | "tib" => 1 << 40,
        _ => return None,
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    let fraction: f64 = format!("0.{}", fraction.parse::<u32>().ok().map(|_| fraction)?).parse().ok()?;
    let whole = whole.parse::<u64>().ok()?.checked_mul(unit_bytes)?;
    whole.checked_add((fraction * unit_bytes as f64) as u64)
}

/// `bytes` for people, in three digits: `512B`, `1.25G`.
///
/// ```
/// assert_eq!(model::size::in_words(1_610_612_736), "1.50G");
/// ```
#[must_use]
pub fn in_words(bytes: u64) -> String {
    let mut number = bytes as f64;
    let mut units = ["B", "K", "M", "G", "T", "P"].into_iter();
    let mut unit = units.next();
    // What would be rounded up to 1000 and more is one of the next unit.
    while number >= 999.5 {
        let Some(next) = units.next() else { break };
        (number, unit) = (number / 1024.0, Some(next));
    }
    let digits = match number {
        _ if unit == Some("B") => 0,
        number if number < 9.995 => 2,
        number if number < 99.95 => 1,
        _ => 0,
    };
    format!("{number:.digits$}{}", unit.unwrap_or_default())
}

/// The shortest text that [`bytes`] reads as this number, with a whole number in front of the letter.
///
/// ```
/// assert_eq!(model::size::text(20 << 20), "20m");
/// assert_eq!(model::size::text(1_610_612_736), "1536m");
/// ```
#[must_use]
pub fn text(bytes: u64) -> String {
    let units = [("t", 40), ("g", 30), ("m", 20), ("k", 10)];
    let whole = units.into_iter().find(|(_, bits)| bytes > 0 && bytes.is_multiple_of(1 << bits));
    whole.map_or_else(|| bytes.to_string(), |(letter, bits)| format!("{}{letter}", bytes >> bits))
}

#[cfg(test)]
mod tests {
    use super::{bytes, in_words, text};

    #[test]
    fn a_size_for_people_has_three_digits() {
        let words =
            [(0, "0B"), (999, "999B"), (1000, "0.98K"), (1024, "1.00K"), (10 << 10, "10.0K"), (64 << 20, "64.0M")];
        for (bytes, expected) in words.into_iter().chain([(1023 << 20, "1.00G"), (u64::MAX, "16384P")]) {
            assert_eq!(in_words(bytes), expected);
        }
    }

    #[test]
    fn a_text_is_read_as_the_number_that_it_came_from() {
        for (number, expected) in [(0, "0"), (4097, "4097"), (3 << 10, "3k"), (5 << 30, "5g"), (1 << 50, "1024t")] {
            assert_eq!(text(number), expected);
            assert_eq!(bytes(&text(number)), Some(number));
        }
    }

    #[test]
    fn a_size_is_a_number_and_a_letter() {
        for (text, size) in [("0", 0), ("4096", 4096), ("2k", 2048), ("64m", 64 << 20), ("0.5MiB", 1 << 19)] {
            assert_eq!(bytes(text), Some(size), "{text}");
        }
        for bad in ["", "m", ".5m", "1.", "1.2.3k", "-1", "+1", "1x", "1 m", "64mm", "99999999999t"] {
            assert_eq!(bytes(bad), None, "{bad}");
        }
    }
}
