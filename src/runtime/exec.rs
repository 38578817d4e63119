//! The last step: from a process of ours to the command.

#![allow(unsafe_code, reason = "dispositions are reset by libc's signal(2)")]

use std::convert::Infallible;
use std::ffi::{CStr, CString};
use std::path::Path;

use model::{During, Plan, Result};
use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, AtFlags};
use nix::sys::signal::SigSet;
use nix::unistd::{AccessFlags, execve, faccessat};

/// Ends the process at once: whatever has a destructor in a forked process is its parent's too.
pub fn exit_now(code: i32) -> ! {
    // SAFETY: _exit ends the process and takes an integer.
    unsafe { libc::_exit(code) }
}

/// The highest signal number on Linux (`_NSIG`).
const LAST_SIGNAL: i32 = 64;

/// Gives every signal its default action and blocks none, as a program expects to be started.
///
/// Both outlive an exec; Rust ignores SIGPIPE, and the parent blocked what it watches.
pub fn reset_signals() -> Result<()> {
    for signal in 1..=LAST_SIGNAL {
        // SAFETY: SIG_DFL is no function of ours that would have to be safe to call. SIGKILL and SIGSTOP
        // are refused and have their default action anyway; so are the two that libc keeps for itself.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
    }
    SigSet::empty().thread_set_mask().during("sigprocmask", "SIG_SETMASK")
}

/// Whether the command is somewhere, and can be run, as far as that can be told before it is.
///
/// # Errors
/// As [`exec`], most likely.
pub fn find(plan: &Plan) -> Result<()> {
    let command = plan.args[0].as_c_str();
    let mut reason = Errno::ENOENT;
    for file in candidates(command, &plan.env) {
        match faccessat(AT_FDCWD, file.as_c_str(), AccessFlags::X_OK, AtFlags::AT_EACCESS) {
            Ok(()) => return Ok(()),
            Err(Errno::ENOENT | Errno::ENOTDIR) => {}
            Err(Errno::EACCES) => reason = Errno::EACCES,
            Err(errno) => return Err(errno).during("access", file.to_string_lossy()),
        }
    }
    Err(reason).during("execve", command.to_string_lossy())
}

/// Replaces this process with the plan's command, found in the plan's PATH, with this environment.
///
/// # Errors
/// Of `execve`: ENOENT when the command is nowhere, otherwise the first thing that kept it from running.
pub fn exec(plan: &Plan, env: &[CString]) -> Result<Infallible> {
    let command = plan.args[0].as_c_str();
    let mut reason = Errno::ENOENT;
    for file in candidates(command, &plan.env) {
        let Err(errno) = execve(&file, &plan.args, env);
        let is_there = Path::new(&*file.to_string_lossy()).is_file();
        match errno {
            Errno::ENOENT if is_there => {
                let why = "it is there, but its loader or interpreter is not";
                return Err(errno).during("execve", format_args!("{} ({why})", file.to_string_lossy()));
            }
            Errno::ENOENT | Errno::ENOTDIR => {}
            // As the shell does: another directory of the PATH may hold one that can be run.
            Errno::EACCES => reason = errno,
            _ => return Err(errno).during("execve", file.to_string_lossy()),
        }
    }
    Err(reason).during("execve", command.to_string_lossy())
}

/// Where a command is looked for that has no PATH, as by execvp(3): where Docker's images have their programs.
const DEFAULT_PATH: &[u8] = b"/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Where the command may be: at its own path when it has a slash, else in each directory of the PATH.
fn candidates(command: &CStr, env: &[CString]) -> Vec<CString> {
    if command.to_bytes().contains(&b'/') {
        return vec![command.to_owned()];
    }
    let path = env.iter().rev().find_map(|pair| pair.to_bytes().strip_prefix(b"PATH="));
    let directories = path.unwrap_or(DEFAULT_PATH).split(|byte| *byte == b':');
    // An empty entry would be the working directory, which is no place to look for programs.
    let files = directories.filter(|directory| !directory.is_empty()).map(|directory| {
        let file = [directory, b"/", command.to_bytes()].concat();
        CString::new(file).expect("made of C strings")
    });
    files.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_looked_for_in_the_containers_path_alone() {
        let env = [c"PATH=/ignored".into(), c"PATH=/a::/b".into()];
        assert_eq!(candidates(c"sh", &env), [c"/a/sh".to_owned(), c"/b/sh".to_owned()]);
        assert_eq!(candidates(c"./sh", &env), [c"./sh".to_owned()]);
        assert!(candidates(c"sh", &[c"PATH=".into()]).is_empty());
        assert_eq!(candidates(c"sh", &[]).last(), Some(&c"/bin/sh".to_owned()));
    }
}
