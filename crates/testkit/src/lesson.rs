//! Failure messages that teach: expected, seen, likely cause, where to read.

use std::fmt::Display;

use model::Error;
use nix::errno::Errno;

const EXPECTED: &str = "expected: ";

/// Whether a panic's text is one of ours, which needs no file and line.
pub(crate) fn is_lesson(text: &str) -> bool {
    text.starts_with(EXPECTED)
}

/// Fails the test with a message that teaches. Better called through [`check!`](crate::check).
#[track_caller]
pub fn teach(expected: impl Display, seen: impl Display, likely: impl Display, read: impl Display) -> ! {
    panic!("{EXPECTED}{expected}\n  seen:   {seen}\n  likely: {likely}\n  read:   book/src/{read}")
}

/// Fails the test, with a message that teaches, unless the condition holds.
///
/// ```should_panic
/// testkit::check!(
///     1 + 1 == 3,
///     expected: "the sum to be 3",
///     seen: 1 + 1,
///     likely: "one of the numbers is too small",
///     read: "lab01-uts.md, The kernel's rules",
/// );
/// ```
#[macro_export]
macro_rules! check {
    ($condition:expr, expected: $expected:expr, seen: $seen:expr, likely: $likely:expr, read: $read:expr $(,)?) => {
        if !$condition {
            $crate::teach($expected, $seen, $likely, $read)
        }
    };
}

/// Takes the value out of a learner's `Result`, or fails with what the errno means for this call.
pub trait Explained<T> {
    /// `call` is the verb as the test called it; `reasons` says what each errno means there; `read` where to
    /// read on.
    fn explained(self, call: &str, reasons: &[(Errno, &str)], read: &str) -> T;
}

impl<T> Explained<T> for Result<T, Error> {
    #[track_caller]
    fn explained(self, call: &str, reasons: &[(Errno, &str)], read: &str) -> T {
        let error = match self {
            Ok(value) => return value,
            Err(error) => error,
        };
        let likely = match error.errno() {
            None => {
                "the refusal is the code's own, not the kernel's: what did it check, and does the kernel refuse that too?"
            }
            Some(errno) => reasons
                .iter()
                .find(|(known, _)| *known == errno)
                .map_or("this errno is not one that the right call meets; see its man page", |(_, why)| why),
        };
        teach(format_args!("{call} to succeed"), error, likely, read)
    }
}
