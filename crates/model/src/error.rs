//! One error for the whole crate: it says the operation, the object and the errno.

use std::borrow::Cow;
use std::fmt::Display;
use std::io;

use nix::errno::Errno;
use nix::unistd::Pid;

use crate::namespace::NsKind;

/// What every fallible function of the course returns.
pub type Result<T> = std::result::Result<T, Error>;

/// Why something did not happen. Printed once, in `main`.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The kernel refused an operation on an object.
    #[error("{operation} {}: {}", in_one_line(.object), in_one_line(&in_words(.source)))]
    Os {
        /// The system call, by its man page name: `sethostname`, `pivot_root`.
        operation: &'static str,
        /// What it was about: a path, a name, a flag.
        object: String,
        /// The errno, as the standard library carries it.
        source: io::Error,
    },
    /// `/proc/PID` is not there: the process has ended and was reaped, or never was.
    #[error("no process {0}")]
    NoSuchProcess(Pid),
    /// The process is there, but holds no namespace of this kind: it is a zombie, the kernel was built
    /// without the kind, or (`pid_for_children`) the namespace has no first process yet.
    #[error("process {pid} has no {kind} namespace")]
    NoNamespace {
        /// The process that was asked.
        pid: Pid,
        /// The kind it lacks.
        kind: NsKind,
    },
    /// No hierarchy that the caller may use has this cgroup controller.
    #[error("no cgroup here has the controller {controller} ({directories}): {how}")]
    NoController {
        /// `cpu`, `memory`.
        controller: String,
        /// Where it was looked for.
        directories: String,
        /// What to do.
        how: String,
    },
    /// A cgroup lacks a file. Nothing has been made in its place.
    #[error("{directory} has no {knob}: {how}")]
    NoKnob {
        /// `memory.max`.
        knob: String,
        /// The group.
        directory: String,
        /// What to do.
        how: String,
    },
    /// A value that cannot be right. Nothing has been changed.
    #[error("{what} {value:?} is not valid: {}", in_one_line(.right))]
    Invalid {
        /// Where the value came from: `--hostname`, `process.cwd`, `/proc/sysvipc/msg`.
        what: &'static str,
        /// The value as given.
        value: String,
        /// Which values are right.
        right: Cow<'static, str>,
    },
    /// The learner has not written the lab that this needs.
    #[error("lab {lab:02} is not written yet: `cargo lab test {lab}`")]
    Unwritten {
        /// The lab's number.
        lab: u8,
    },
}

impl Error {
    /// A value that is refused, with the values that would be right.
    pub fn invalid(what: &'static str, value: impl Into<String>, right: impl Into<Cow<'static, str>>) -> Self {
        Error::Invalid { what, value: value.into(), right: right.into() }
    }

    /// The errno behind this error, where the kernel gave one.
    #[must_use]
    pub fn errno(&self) -> Option<Errno> {
        match self {
            Error::Os { source, .. } => source.raw_os_error().map(Errno::from_raw),
            _ => None,
        }
    }
}

/// Names the operation and its object in the error of a system call.
///
/// ```
/// use model::During;
/// let refused = nix::unistd::chdir("/no/such/place").during("chdir", "/no/such/place");
/// assert_eq!(refused.unwrap_err().to_string(), "chdir /no/such/place: ENOENT: No such file or directory");
/// ```
pub trait During<T> {
    /// `operation` is the system call by its man page name, `object` what it was about.
    fn during(self, operation: &'static str, object: impl Display) -> Result<T>;
}

impl<T, E: Into<io::Error>> During<T> for std::result::Result<T, E> {
    fn during(self, operation: &'static str, object: impl Display) -> Result<T> {
        self.map_err(|error| Error::Os { operation, object: object.to_string(), source: error.into() })
    }
}

/// What it was about may be a name that somebody else chose: no line of its own, and no word to the terminal.
pub(crate) fn in_one_line(text: &str) -> String {
    let safe = |c: char| if c.is_control() { c.escape_default().to_string() } else { c.to_string() };
    text.chars().map(safe).collect()
}

fn in_words(error: &io::Error) -> String {
    match error.raw_os_error() {
        Some(raw) => Errno::from_raw(raw).to_string(),
        None => error.to_string(),
    }
}
