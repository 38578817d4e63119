//! One line of help below rustc's own words.

use crate::course::{Course, Lab};

/// What to do about `rendered`, which cargo said when `lab` did not build.
#[must_use]
pub fn line(course: &Course, lab: &Lab, rendered: &str) -> String {
    let rendered = anstream::adapter::strip_str(rendered).to_string();
    let number = lab.number;
    let Some(place) = first_error(&rendered) else {
        return "cargo did not get as far as the labs; it says why above. The set-up chapter names what it needs"
            .into();
    };
    let path = place.split(':').next().unwrap_or_default();
    let own = lab.file().display().to_string();
    let other = course.labs.iter().find(|other| path == other.file().to_string_lossy());
    match (path, other) {
        ("src/steps.rs", _) => format!(
            "a function has another name or signature than the course expects. The line after \"expected\" shows the \
             right one, and src/steps.rs lists them all; `cargo lab diff {number}` shows yours beside it"
        ),
        (_, Some(other)) if path != own => format!(
            "the error is in {path}, and every lab is compiled with this one: mend it, or `cargo lab skip {}`, which \
             keeps your file aside",
            other.number
        ),
        _ => match rendered.split("error[").nth(1).and_then(|rest| rest.split_once(']')) {
            Some((code, _)) => format!("start at {place}; `rustc --explain {code}` says more about this kind of error"),
            None => format!("start at {place}"),
        },
    }
}

/// `labs/lab01_uts.rs:20:5`: where the first error is, warnings passed over.
fn first_error(rendered: &str) -> Option<&str> {
    let mut lines = rendered.lines().skip_while(|line| !line.starts_with("error"));
    lines.find_map(|line| line.trim_start().strip_prefix("--> "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn help(rendered: &str) -> String {
        let course = Course::find().unwrap();
        line(&course, course.lab(1).unwrap(), rendered)
    }

    #[test]
    fn the_first_error_decides_not_a_warning() {
        let text = "warning: unused\n --> src/steps.rs:1:1\n\nerror[E0425]: no value\n  --> labs/lab01_uts.rs:20:5\n";
        assert_eq!(
            help(text),
            "start at labs/lab01_uts.rs:20:5; `rustc --explain E0425` says more about this kind of error"
        );
    }

    #[test]
    fn a_changed_signature_another_labs_error_and_cargos_own_are_told_apart() {
        assert!(
            help("error[E0308]: mismatched types\n  \u{1b}[34m--> \u{1b}[0msrc/steps.rs:28:9\n").contains("signature")
        );
        assert!(help("error: expected `;`\n --> labs/lab03_pid.rs:7:1\n").contains("`cargo lab skip 3`"));
        assert!(help("error: failed to get `nix`\n").contains("set-up chapter"));
    }
}
