//! A shield's own cgroups, where somebody at a shell finds them: `cgroup/cpu`, `cgroup/memory`.

use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::Path;

use model::Cgroup;

/// The controllers that the book names.
const CONTROLLERS: [&str; 9] = ["blkio", "cpu", "cpuacct", "cpuset", "devices", "freezer", "io", "memory", "pids"];

/// In a shield with [`testkit::Shield::cgroup`]: makes `directory/cgroup`, in which each controller's name is a link to the
/// shield's group that has it. On v1 the links lead to different directories, on v2 all to the same.
///
/// # Errors
/// A group cannot be read, or a link not be made.
pub fn link(directory: &Path) -> io::Result<()> {
    let directory = directory.join("cgroup");
    fs::create_dir(&directory)?;
    let group = Cgroup::open(&testkit::cgroup_dirs()).map_err(io::Error::other)?;
    for controller in CONTROLLERS {
        if let Ok(part) = group.part(controller) {
            symlink(part.path(), directory.join(controller))?;
        }
    }
    Ok(())
}
