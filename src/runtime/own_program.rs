//! This program, started again such that nobody can write to its file, for a process that is about to go where it is not trusted.
//!
//! Whoever runs a program leads others to its file, by `/proc/PID/exe`. So a container that gets a process of the host to run
//! `/proc/self/exe`, as the interpreter of a script, say, has the host's boxwright in its hands, and as soon as nobody runs it any
//! more, root in there could write to it (CVE-2019-5736).
//!
//! That link leads to a file on a mount. So the program is started from a mount of this file alone, which is read-only and which no
//! namespace has: nobody can find it, so nobody can make it writable again. It costs one exec(2). Who may not mount has a copy in
//! memory, which is sealed. A runbox without a loader has mostly done it when it comes here, where the kernel enters it
//! (`src/bin/runbox/entry.rs`). Source: open_tree(2), mount_setattr(2); memfd_create(2), fcntl(2), "File Sealing".

use std::convert::Infallible;
use std::env;
use std::ffi::{CString, OsString};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::path::Path;

use model::plan::Attributes;
use model::{During, Result};
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::statvfs::{FsFlags, fstatvfs};
use nix::unistd::fexecve;

use super::{mount_attr, trees};

const OWN: &str = "/proc/self/exe";

/// What keeps a copy as it is.
const SEALS: SealFlag =
    SealFlag::F_SEAL_SEAL.union(SealFlag::F_SEAL_SHRINK).union(SealFlag::F_SEAL_GROW).union(SealFlag::F_SEAL_WRITE);

/// Returns in a process whose program nobody can write to: this one, or the same started once more.
///
/// To be called before anything is done that is not to be done twice.
///
/// # Errors
/// What kept it from being started.
pub fn seal() -> Result<()> {
    let own = File::open(OWN).during("open", OWN)?;
    if fstatvfs(&own).during("fstatvfs", OWN)?.flags().contains(FsFlags::ST_RDONLY) {
        return Ok(());
    }
    // No seals: a file system that knows of none.
    let seals = fcntl(&own, FcntlArg::F_GET_SEALS).unwrap_or_default();
    if SealFlag::from_bits_truncate(seals).contains(SEALS) {
        return Ok(());
    }
    match read_only() {
        Ok(own) => start(own.as_fd()),
        // EPERM: not root of the mounts' user namespace. ENOSYS: Linux before 5.12.
        Err(_) => start(copy(own)?.as_fd()),
    }
    .map(drop)
}

/// This program's file on a mount of its own.
fn read_only() -> Result<OwnedFd> {
    let tree = trees::clone(Path::new(OWN), false)?;
    let read_only = Attributes { set: libc::MOUNT_ATTR_RDONLY, clear: 0 };
    mount_attr::change(tree.as_fd(), read_only, Attributes::default(), &[]).map(|()| tree)
}

/// A copy of this program that is sealed.
fn copy(mut own: File) -> Result<File> {
    let flags = MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING;
    let exec = MFdFlags::from_bits_retain(libc::MFD_EXEC);
    // Linux before 6.3 does not know the second flag, and later ones may want it.
    let copy = memfd_create(c"boxwright", flags | exec).or_else(|errno| match errno {
        Errno::EINVAL => memfd_create(c"boxwright", flags),
        errno => Err(errno),
    });
    let mut copy = File::from(copy.during("memfd_create", "boxwright")?);
    io::copy(&mut own, &mut copy).during("copy", OWN)?;
    fcntl(&copy, FcntlArg::F_ADD_SEALS(SEALS)).during("fcntl", "F_ADD_SEALS")?;
    Ok(copy)
}

fn start(program: BorrowedFd<'_>) -> Result<Infallible> {
    let c_string = |text: OsString| CString::new(text.into_vec()).map_err(io::Error::from);
    let args = env::args_os().map(c_string).collect::<io::Result<Vec<_>>>().during("read", "the arguments")?;
    let pair = |(mut name, value): (OsString, OsString)| {
        name.push("=");
        name.push(value);
        c_string(name)
    };
    let env = env::vars_os().map(pair).collect::<io::Result<Vec<_>>>().during("read", "the environment")?;
    fexecve(program, &args, &env).during("execve", "/proc/self/exe, where nobody can write to it")
}
