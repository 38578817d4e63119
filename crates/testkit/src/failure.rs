//! Why a shielded closure gave no value, and how that is told.

use std::fmt;
use std::time::Duration;

use crate::audit::Finding;

/// Why a shielded closure gave no value.
#[derive(Debug)]
pub enum Failure {
    /// The closure panicked: an assertion, an open exercise, an `unwrap`. With what it did to the host.
    Panicked(String, Vec<Finding>),
    /// It returned, and the host is not as it was.
    HostChanged(Vec<Finding>),
    /// It took longer than the deadline and was killed.
    TooSlow(Duration),
    /// It ended without an answer: by `exit`, by exec, or by a signal.
    Vanished(String),
    /// The shield could not be put up.
    SetUp(String),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |f: &mut fmt::Formatter<'_>, findings: &[Finding]| {
            findings.iter().try_for_each(|finding| write!(f, "\n{finding}"))
        };
        match self {
            Failure::Panicked(text, findings) => {
                f.write_str(text)?;
                list(f, findings)
            }
            Failure::HostChanged(findings) => {
                write!(f, "the host is not as it was.")?;
                list(f, findings)
            }
            Failure::TooSlow(deadline) => write!(
                f,
                "expected: an answer within {deadline:?}\n  seen:   none; everything that it started was killed\n  \
                 likely: a wait for a process that does not end, or a read from a pipe whose other end is still open\n  \
                 read:   book/src/how-to-work.md, When a test hangs"
            ),
            Failure::Vanished(how) => write!(
                f,
                "expected: the code to return to the test\n  seen:   {how}\n  likely: it exits, or execs, in the process \
                 that called it; only a child may do that\n  read:   book/src/how-to-work.md, Shield"
            ),
            Failure::SetUp(why) => {
                write!(f, "this machine does not let the test put up its shield: {why}\n  what to do: cargo lab doctor")
            }
        }
    }
}
