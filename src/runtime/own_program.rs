//! A copy of this program for a process that is about to go where it is not trusted.
//!
//! Whoever runs a program leads others to its file, by `/proc/PID/exe`. So a container that gets a process of the host to run
//! `/proc/self/exe`, as the interpreter of a script, say, has the host's boxwright in its hands, and as soon as nobody runs it any
//! more, root in there could write to it (CVE-2019-5736). A copy in memory that is sealed leads to nothing but itself, and nobody
//! can write to it. Source: memfd_create(2), fcntl(2), "File Sealing".

use std::convert::Infallible;
use std::env;
use std::ffi::{CString, OsString};
use std::fs::File;
use std::io;
use std::os::unix::ffi::OsStringExt;

use model::{During, Result};
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::unistd::fexecve;

/// What keeps a copy as it is.
const SEALS: SealFlag =
    SealFlag::F_SEAL_SEAL.union(SealFlag::F_SEAL_SHRINK).union(SealFlag::F_SEAL_GROW).union(SealFlag::F_SEAL_WRITE);

/// Returns in a process that runs a sealed copy of its program: this one, or the same started once more.
///
/// # Errors
/// What kept the copy from being made.
pub fn seal() -> Result<()> {
    let own = File::open("/proc/self/exe").during("open", "/proc/self/exe")?;
    // No seals: a file system that knows of none.
    let seals = fcntl(&own, FcntlArg::F_GET_SEALS).unwrap_or_default();
    if SealFlag::from_bits_truncate(seals).contains(SEALS) { Ok(()) } else { start_copy(own).map(drop) }
}

fn start_copy(mut own: File) -> Result<Infallible> {
    let flags = MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING;
    let exec = MFdFlags::from_bits_retain(libc::MFD_EXEC);
    // Linux before 6.3 does not know the second flag, and later ones may want it.
    let copy = memfd_create(c"boxwright", flags | exec).or_else(|errno| match errno {
        Errno::EINVAL => memfd_create(c"boxwright", flags),
        errno => Err(errno),
    });
    let mut copy = File::from(copy.during("memfd_create", "boxwright")?);
    io::copy(&mut own, &mut copy).during("copy", "/proc/self/exe")?;
    fcntl(&copy, FcntlArg::F_ADD_SEALS(SEALS)).during("fcntl", "F_ADD_SEALS")?;
    let c_string = |text: OsString| CString::new(text.into_vec()).map_err(io::Error::from);
    let args = env::args_os().map(c_string).collect::<io::Result<Vec<_>>>().during("read", "the arguments")?;
    let pair = |(mut name, value): (OsString, OsString)| {
        name.push("=");
        name.push(value);
        c_string(name)
    };
    let env = env::vars_os().map(pair).collect::<io::Result<Vec<_>>>().during("read", "the environment")?;
    fexecve(&copy, &args, &env).during("execve", "a sealed copy of /proc/self/exe")
}
