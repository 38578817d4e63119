//! Which places no mount may take.
//!
//! Programs, and this one, believe what `/proc` says and write there what the kernel is to hear. So nothing but a proc is mounted at
//! `/proc`, nothing in it but files that others emulate, and neither proc nor sysfs where a symbolic link leads:
//! CVE-2019-16884, CVE-2019-19921, CVE-2023-27561, CVE-2023-28642. runc's rules, to the file.

use std::fs::{metadata, read_link};
use std::io;
use std::os::fd::BorrowedFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use model::tree::place;
use model::{During, Result};
use nix::sys::statfs::{PROC_SUPER_MAGIC, statfs};

/// The files of a proc that lxcfs shows in the kernel's place, and two more that programs ask for.
const EMULATED: [&str; 11] = [
    "cpuinfo",
    "diskstats",
    "meminfo",
    "stat",
    "swaps",
    "uptime",
    "loadavg",
    "slabinfo",
    "net/dev",
    "sys/kernel/ns_last_pid",
    "sys/crypto/fips_enabled",
];

/// What is to be mounted.
#[derive(Debug, Clone, Copy)]
pub enum What<'a> {
    /// What has to be found at its own place: proc, sysfs.
    Kernels { is_proc: bool },
    /// A tree that is there.
    Tree(&'a Path),
    /// Anything else.
    Other,
}

/// Refuses `what` at `point`, which was found where `at` leads, below `root`.
pub fn check(root: &Path, point: BorrowedFd<'_>, at: &Path, what: What<'_>) -> Result<()> {
    let refuse = |why: &str| Err(io::Error::other(why.to_owned())).during("mount", at.display());
    let is = inside(root, point)?;
    if let What::Kernels { .. } = what
        && is != at
    {
        return refuse("its place is behind a symbolic link");
    }
    let Ok(in_proc) = is.strip_prefix("/proc") else { return Ok(()) };
    match (in_proc.to_str(), what) {
        (Some(""), What::Kernels { is_proc: true }) => Ok(()),
        (Some(""), What::Tree(tree)) if is_root_of_proc(tree)? => Ok(()),
        (Some(""), _) => refuse("only a proc can be mounted at /proc"),
        (Some(file), What::Tree(_)) if EMULATED.contains(&file) => Ok(()),
        _ => refuse("nothing is mounted in /proc but what stands for one of its files, such as /proc/meminfo"),
    }
}

/// The path of `point` as whoever has `root` for `/` would see it, whatever links led there.
fn inside(root: &Path, point: BorrowedFd<'_>) -> Result<PathBuf> {
    let point = path(point)?;
    let below = point.strip_prefix(root).map_err(io::Error::other).during("find", point.display())?;
    Ok(Path::new("/").join(below))
}

/// The path of a descriptor, without any link.
pub fn path(fd: BorrowedFd<'_>) -> Result<PathBuf> {
    read_link(place(fd)).during("readlink", place(fd).display())
}

fn is_root_of_proc(tree: &Path) -> Result<bool> {
    let kind = statfs(tree).during("statfs", tree.display())?.filesystem_type();
    Ok(kind == PROC_SUPER_MAGIC && metadata(tree).during("stat", tree.display())?.ino() == 1)
}
