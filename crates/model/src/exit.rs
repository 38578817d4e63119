//! Exit codes of the command line: Docker's, and two of the course's own.

use nix::errno::Errno;

use crate::error::Error;

/// Wrong use: a flag that does not exist, a value that cannot be right.
pub const USAGE: i32 = 2;
/// A lab that is asked for is not written yet (EX_SOFTWARE of sysexits(3head)).
pub const UNWRITTEN: i32 = 70;
/// boxwright itself failed: the command was not started.
pub const FAILED: i32 = 125;
/// The command was found but cannot be run.
pub const NOT_EXECUTABLE: i32 = 126;
/// The command was not found.
pub const NOT_FOUND: i32 = 127;

/// The exit code that tells a caller which kind of failure `error` is.
#[must_use]
pub fn code(error: &Error) -> i32 {
    match error {
        Error::Invalid { .. } => USAGE,
        Error::Unwritten { .. } => UNWRITTEN,
        Error::Os { operation: "execve", .. } if error.errno() == Some(Errno::ENOENT) => NOT_FOUND,
        Error::Os { operation: "execve", .. } => NOT_EXECUTABLE,
        _ => FAILED,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::During;

    #[test]
    fn a_command_that_is_missing_is_told_from_one_that_cannot_run() {
        let execve = |errno: Errno| Err::<(), _>(errno).during("execve", "sh").unwrap_err();
        assert_eq!(code(&execve(Errno::ENOENT)), 127);
        assert_eq!(code(&execve(Errno::EACCES)), 126);
        assert_eq!(code(&Err::<(), _>(Errno::ENOENT).during("chdir", "/x").unwrap_err()), 125);
        assert_eq!(code(&Error::invalid("hostname", "", "1 to 64 bytes")), 2);
        assert_eq!(code(&Error::Unwritten { lab: 3 }), 70);
    }
}
