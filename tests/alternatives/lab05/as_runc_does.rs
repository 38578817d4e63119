//! Lab 05 from the chapter alone, by somebody who read "What the others do" first: kept descriptors, and slave
//! instead of private; cp for the copies; each descriptor marked by ioctl.
//!
//! alternative: whole file

#![allow(unsafe_code, reason = "ioctl(2) FIOCLEX has no safe wrapper")]

use std::collections::HashSet;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use model::{During, Error, Result};
use nix::errno::Errno;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::unistd::{chdir, chroot, fchdir, pivot_root};

/// See the solution.
pub fn libraries(program: &Path) -> Result<Vec<PathBuf>> {
    File::open(program).during("open", program.display())?;
    let output = Command::new("ldd").arg(program).output().during("run ldd", program.display())?;
    let mut seen = HashSet::new();
    let mut paths = Vec::new();
    for word in String::from_utf8_lossy(&output.stdout).split_ascii_whitespace() {
        if word == "found" {
            return Err(Error::invalid("program", program.display().to_string(), "one with all its libraries"));
        }
        if word.starts_with('/') && !word.ends_with(':') && seen.insert(word.to_owned()) {
            paths.push(PathBuf::from(word));
        }
    }
    Ok(paths)
}

/// See the solution.
pub fn build_rootfs(rootfs: &Path, programs: &[PathBuf]) -> Result<()> {
    for program in programs {
        let mut files = libraries(program)?;
        files.push(program.clone());
        for file in files {
            let mut copy = rootfs.as_os_str().to_owned();
            copy.push(&file);
            let copy = PathBuf::from(copy);
            fs::create_dir_all(copy.parent().unwrap_or(rootfs)).during("mkdir", copy.display())?;
            let status = Command::new("cp").args(["-L", "--remove-destination"]).arg(&file).arg(&copy).status();
            if !status.during("run cp", file.display())?.success() {
                return Err(Error::invalid("file", file.display().to_string(), "one that cp can copy"));
            }
        }
    }
    Ok(())
}

/// See the solution.
pub fn enter_chroot(root: &Path) -> Result<()> {
    chdir(root).during("chdir", root.display())?;
    chroot(".").during("chroot", root.display())
}

/// See the solution.
pub fn escape_chroot() -> Result<()> {
    let outside = File::open(".").during("open", ".")?;
    // /tmp is there in most systems, but a directory of one's own is sure to be.
    let below = format!("walk-{}", std::process::id());
    fs::create_dir(&below).during("mkdir", &below)?;
    chroot(&*below).during("chroot", &below)?;
    fchdir(&outside).during("fchdir", "the directory outside")?;
    let _ = fs::remove_dir(&below);
    let mut last = None;
    loop {
        let here = nix::sys::stat::stat(".").during("stat", ".")?;
        if last == Some((here.st_dev, here.st_ino)) {
            break;
        }
        last = Some((here.st_dev, here.st_ino));
        chdir("..").during("chdir", "..")?;
    }
    chroot(".").during("chroot", ".")
}

/// See the solution.
pub fn enter_pivot_root(root: &Path) -> Result<()> {
    let no = None::<&str>;
    let slave = MsFlags::MS_SLAVE | MsFlags::MS_REC;
    mount(no, "/", no, slave, no).during("mount", "/ slave")?;
    mount(Some(root), root, no, MsFlags::MS_BIND | MsFlags::MS_REC, no).during("mount", root.display())?;
    let (old, new) = (File::open("/").during("open", "/")?, File::open(root).during("open", root.display())?);
    fchdir(&new).during("fchdir", root.display())?;
    pivot_root(".", ".").during("pivot_root", root.display())?;
    fchdir(&old).during("fchdir", "the old root")?;
    mount(no, ".", no, slave, no).during("mount", "the old root, slave")?;
    umount2(".", MntFlags::MNT_DETACH).during("umount2", "the old root")?;
    chdir("/").during("chdir", "/")
}

/// See the solution.
pub fn seal_fds() -> Result<()> {
    for entry in fs::read_dir("/proc/self/fd").during("read", "/proc/self/fd")? {
        let name = entry.during("read", "/proc/self/fd")?.file_name();
        let fd: i32 = name.to_string_lossy().parse().unwrap_or(0);
        if fd > 2 {
            // SAFETY: FIOCLEX sets a flag of a descriptor that is open, as /proc says, and takes no argument.
            Errno::result(unsafe { libc::ioctl(fd, libc::FIOCLEX) }).during("ioctl FIOCLEX", fd)?;
        }
    }
    Ok(())
}
