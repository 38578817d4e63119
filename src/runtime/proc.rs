//! Writes to the kernel by way of `/proc`, which arrive there and nowhere else.
//!
//! Whoever has a hand in a container's mounts could put a file of their own in the place of such a path, and what protects the
//! container would be told to nobody; or another file of the kernel's, and it would be told something else: CVE-2019-16884,
//! CVE-2025-52881. So the way is followed from the root of a proc, over no mount and no link that leads out.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::OwnedFd;

use model::{During, Result};
use nix::fcntl::{AT_FDCWD, OFlag, OpenHow, ResolveFlag, openat, openat2};
use nix::sys::stat::{Mode, fstat};
use nix::sys::statfs::{PROC_SUPER_MAGIC, fstatfs};

/// Writes `text` to `path` below `/proc`: `self/oom_score_adj`.
pub fn write(path: &str, text: &str) -> Result<()> {
    open(path, OFlag::O_WRONLY)?.write_all(text.as_bytes()).during("write", format_args!("{text:?} to /proc/{path}"))
}

/// Opens `path` below `/proc`.
pub fn open(path: &str, flags: OFlag) -> Result<File> {
    let flags = flags | OFlag::O_CLOEXEC;
    let proc = root()?;
    let how = OpenHow::new().flags(flags);
    let how =
        how.resolve(ResolveFlag::RESOLVE_BENEATH | ResolveFlag::RESOLVE_NO_XDEV | ResolveFlag::RESOLVE_NO_MAGICLINKS);
    openat2(proc, path, how).map(File::from).during("open", format_args!("/proc/{path}"))
}

fn root() -> Result<OwnedFd> {
    let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    let proc = openat(AT_FDCWD, "/proc", flags, Mode::empty()).during("open", "/proc")?;
    let kind = fstatfs(&proc).during("fstatfs", "/proc")?.filesystem_type();
    let number = fstat(&proc).during("fstat", "/proc")?.st_ino;
    if kind == PROC_SUPER_MAGIC && number == 1 {
        return Ok(proc);
    }
    Err(io::Error::other("what is mounted there is not the kernel's")).during("open", "/proc")
}
