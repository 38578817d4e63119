//! Keeps root's own machine from a collector that copies to the wrong place.
//!
//! `Path::join` with an absolute path throws the left side away: a learner who falls for that copies libc onto
//! itself, and a file that is copied onto itself ends up empty. An ordinary user lacks the right; root does not.

use std::panic::resume_unwind;
use std::path::Path;
use std::thread;

use model::{During, Result};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::unistd::geteuid;

use super::mount_attr;

/// Runs `body`; when the caller is root, in a mount namespace where all but the directory `writable` is read-only.
///
/// The namespace is a thread's own, and ends with it.
pub fn but(writable: &Path, body: impl FnOnce() -> Result<()> + Send) -> Result<()> {
    if !geteuid().is_root() {
        return body();
    }
    let guarded = || {
        protect(writable)?;
        body()
    };
    thread::scope(|scope| scope.spawn(guarded).join()).unwrap_or_else(|panic| resume_unwind(panic))
}

fn protect(writable: &Path) -> Result<()> {
    let none = None::<&str>;
    unshare(CloneFlags::CLONE_NEWNS).during("unshare", "CLONE_NEWNS")?;
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none).during("mount", "/ MS_REC|MS_PRIVATE")?;
    mount(Some(writable), writable, none, MsFlags::MS_BIND, none).during("mount --bind", writable.display())?;
    let read_only = libc::mount_attr { attr_set: libc::MOUNT_ATTR_RDONLY, ..mount_attr::KEPT };
    mount_attr::set(libc::AT_FDCWD, c"/", libc::AT_RECURSIVE, &read_only).during("mount_setattr", "/")?;
    // A path from before the bind names what lies under it; the working directory is a new lookup.
    nix::unistd::chdir(writable).during("chdir", writable.display())?;
    let writable_again = libc::mount_attr { attr_clr: libc::MOUNT_ATTR_RDONLY, ..mount_attr::KEPT };
    mount_attr::set(libc::AT_FDCWD, c".", 0, &writable_again).during("mount_setattr", writable.display())
}

#[cfg(test)]
mod tests {
    use std::fs;

    #[test]
    fn what_stands_beside_the_rootfs_cannot_be_written_meanwhile() {
        testkit::shielded(|| {
            let (rootfs, libc) = (testkit::dir().join("rootfs"), testkit::dir().join("libc.so.6"));
            fs::create_dir(&rootfs).unwrap();
            fs::write(&libc, "the machine's own").unwrap();
            let result = super::but(&rootfs, || {
                fs::write(rootfs.join("copy"), "").unwrap();
                assert_eq!(fs::copy(&libc, &libc).unwrap_err().raw_os_error(), Some(libc::EROFS));
                Ok(())
            });
            result.unwrap();
            assert_eq!(fs::read_to_string(&libc).unwrap(), "the machine's own");
            assert!(rootfs.join("copy").exists());
            fs::write(&libc, "as before").unwrap();
        });
    }
}
