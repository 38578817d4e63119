//! Signals as people and engines write them.

use std::str::FromStr;

use model::{Error, Result};
use nix::sys::signal::Signal;

/// The number of `SIGTERM`, `term` or `15`.
///
/// # Errors
/// [`Error::Invalid`].
pub fn number(word: &str) -> Result<i32> {
    let upper = word.to_ascii_uppercase();
    let name = upper.strip_prefix("SIG").unwrap_or(&upper);
    let invalid = || Error::invalid("signal", word, "a name like SIGTERM or TERM, or a number from 0 to 64");
    if let Ok(number) = name.parse::<i32>() {
        return if (0..=64).contains(&number) && upper == name { Ok(number) } else { Err(invalid()) };
    }
    if let Some(number) = real_time(name) {
        return Ok(number);
    }
    Signal::from_str(&format!("SIG{name}")).map(|signal| signal as i32).or(Err(invalid()))
}

/// `RTMIN+3`, `RTMAX-1`.
fn real_time(name: &str) -> Option<i32> {
    let (base, rest) = match (name.strip_prefix("RTMIN"), name.strip_prefix("RTMAX")) {
        (Some(rest), _) => (libc::SIGRTMIN(), rest),
        (_, Some(rest)) => (libc::SIGRTMAX(), rest),
        _ => return None,
    };
    let offset = if rest.is_empty() { 0 } else { rest.parse::<i32>().ok()? };
    Some(base + offset).filter(|number| (libc::SIGRTMIN()..=libc::SIGRTMAX()).contains(number))
}

#[cfg(test)]
mod tests {
    use super::number;

    #[test]
    fn a_signal_is_known_by_each_of_its_names() {
        for (word, expected) in [("SIGTERM", 15), ("term", 15), ("KILL", 9), ("9", 9), ("SIGRTMIN+1", 35), ("0", 0)] {
            assert_eq!(number(word).unwrap(), expected);
        }
        for bad in ["", "SIG9", "-1", "65", "SIGNOTHING", "RTMIN+99"] {
            assert!(number(bad).is_err(), "{bad:?} was accepted");
        }
    }
}
