//! What the container finds mounted, each by a verb of lab 04 or 06, before the root is switched.
//!
//! | file | what it places |
//! |---|---|
//! | here | what every container has |
//! | `fs` | other file systems, and trees with other options |
//! | `cgroups` | the container's control groups |
//! | `devices` | device nodes |
//! | `guard` | nothing: it says what must not be placed where |
//!
//! The root file system is somebody else's work: no path in it is used but as [`volume::open_inside`] finds it.

mod cgroups;
mod devices;
mod fs;
mod guard;

use std::fs::{File, Metadata, create_dir, metadata};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use model::plan::{Access, Bind, Mount, Tmpfs};
use model::tree::place;
use model::{During, Error, Node, Plan, Result};
use nix::errno::Errno;
use nix::mount::{MsFlags, mount};
use nix::unistd::fchdir;

use guard::What;

use super::copy_up::copy_up;
use super::trees::{Trees, attach};
use crate::steps::{mounts, volume, written};

/// Makes the plan's mounts, then hides and protects what the plan says. To be called in a mount namespace of
/// the container's own. `rootfs` is where its root file system is, if it has one; `mountinfo` the text that somebody has read in there.
pub fn furnish(plan: &Plan, rootfs: Option<&Path>, trees: &Trees, mountinfo: Option<Vec<u8>>) -> Result<()> {
    let path = rootfs.unwrap_or(Path::new("/"));
    let fd: OwnedFd = File::open(path).during("open", path.display())?.into();
    let root = Root { path: guard::path(fd.as_fd())?, fd, rootfs, trees, new_cgroup: plan.new_cgroup, mountinfo };
    for mount in &plan.mounts {
        root.place(mount).map_err(|error| at(error, mount.at()))?;
    }
    if plan.lacks_devices && written(6) {
        root.complete_dev().map_err(|error| at(error, Path::new("/dev")))?;
    }
    for device in &plan.devices {
        root.place_device(device).map_err(|error| at(error, &device.at))?;
    }
    if plan.terminal && (plan.lacks_devices || plan.mounts.iter().any(|mount| matches!(mount, Mount::Dev(_)))) {
        root.name_the_terminal().map_err(|error| at(error, Path::new("/dev/console")))?;
    }
    if plan.from_image {
        root.make(&plan.cwd, Node::Directory).map_err(|error| at(error, &plan.cwd))?;
    }
    for path in &plan.masked_paths {
        volume::mask(root.fd.as_fd(), path)?;
    }
    for path in &plan.read_only_paths {
        root.protect(path).map_err(|error| at(error, path))?;
    }
    Ok(())
}

/// Makes `/`, the one of the container by now, read-only. What is mounted below it stays as it is.
pub fn close_the_root() -> Result<()> {
    volume::remount_read_only(File::open("/").during("open", "/")?.as_fd())
}

/// The directory that is to be `/`.
struct Root<'a> {
    fd: OwnedFd,
    path: PathBuf,
    /// `None` when it is the caller's own: then it is the host's, and nothing is made in it.
    rootfs: Option<&'a Path>,
    trees: &'a Trees,
    new_cgroup: bool,
    mountinfo: Option<Vec<u8>>,
}

impl Root<'_> {
    fn place(&self, mount: &Mount) -> Result<()> {
        match mount {
            Mount::Proc(at) => self.place_by_path(at, What::Kernels { is_proc: true }, mounts::mount_proc),
            Mount::Mqueue(at) => match self.place_by_path(at, What::Other, mounts::mount_mqueue) {
                // A root file system without a place for it does without.
                Err(error) if error.errno() == Some(Errno::ENOENT) => Ok(()),
                result => result,
            },
            Mount::Dev(at) => self.place_dev(at),
            Mount::Pts(at) => {
                let point = self.point(at, Node::Directory, What::Other)?;
                let flags = MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC;
                let data = Some("newinstance,ptmxmode=0666,mode=0620");
                mount_fs("devpts", &point, flags, data)
            }
            Mount::Tmpfs(tmpfs) => self.place_tmpfs(tmpfs),
            Mount::Bind(bind) if bind.is_plain() => self.place_bind(bind),
            Mount::Bind(bind) => self.place_tree(bind),
            Mount::Cgroup(fs) => self.place_cgroups(fs),
            Mount::Fs(fs) => self.place_fs(fs),
            Mount::Change(change) => self.place_change(change),
        }
    }

    fn place_by_path(&self, at: &Path, what: What<'_>, verb: fn(&Path) -> Result<()>) -> Result<()> {
        match self.rootfs {
            None => verb(at),
            // Not by its /proc/self/fd path: that is a symbolic link, which not every call that mounts follows.
            Some(_) if written(6) => {
                fchdir(self.point(at, Node::Directory, what)?).during("fchdir", at.display())?;
                verb(Path::new("."))
            }
            Some(rootfs) => verb(&before_lab_06(rootfs, at)?),
        }
    }

    fn place_dev(&self, at: &Path) -> Result<()> {
        let point = self.point(at, Node::Directory, What::Other)?;
        // Not lab 06's tmpfs: on a file system that is mounted nodev, a device node cannot be opened.
        let flags = MsFlags::MS_NOSUID | MsFlags::MS_STRICTATIME;
        mount_fs("tmpfs", &point, flags, Some("mode=755,size=65536k"))?;
        volume::make_devices(self.find(at)?.as_fd())
    }

    fn place_tmpfs(&self, Tmpfs { at, size_bytes, mode, read_only }: &Tmpfs) -> Result<()> {
        volume::mount_tmpfs(self.point(at, Node::Directory, What::Other)?.as_fd(), *size_bytes, *mode)?;
        if *read_only { volume::remount_read_only(self.find(at)?.as_fd()) } else { Ok(()) }
    }

    fn place_bind(&self, Bind { source, at, access, copy_up: copies, .. }: &Bind) -> Result<()> {
        let tree = self.trees.get(at, source);
        let source = &tree.map_or_else(|| source.clone(), |tree| place(tree.as_fd()));
        let origin = metadata(source).during("stat", source.display())?;
        let node = if origin.is_dir() { Node::Directory } else { Node::File };
        let point = self.point(at, node, What::Tree(source))?;
        if *copies {
            copy_up(&place(point.as_fd()), source)?;
        }
        match tree {
            Some(tree) => attach(tree, point.as_fd())?,
            None => volume::bind(source, point.as_fd())?,
        }
        match access {
            Access::ReadWrite => Ok(()),
            Access::ReadOnlyTop => volume::remount_read_only(self.find_again(at, &origin)?.as_fd()),
            Access::ReadOnlyTree => volume::set_tree_read_only(self.find_again(at, &origin)?.as_fd()),
        }
    }

    /// Makes what is at `at` read-only, if it is there: a mount can be, so it is bound onto itself.
    fn protect(&self, at: &Path) -> Result<()> {
        let point = match self.find(at) {
            Err(error) if error.errno() == Some(Errno::ENOENT) => return Ok(()),
            point => point?,
        };
        let origin = metadata(place(point.as_fd())).during("stat", at.display())?;
        volume::bind(&place(point.as_fd()), point.as_fd())?;
        volume::remount_read_only(self.find_again(at, &origin)?.as_fd())
    }

    /// The place for a mount; in a root file system of the container's own it is made when it is missing.
    fn make(&self, at: &Path, node: Node) -> Result<OwnedFd> {
        match volume::open_inside(self.fd.as_fd(), at, self.rootfs.map(|_| node)) {
            Err(error) if self.rootfs.is_none() && error.errno() == Some(Errno::ENOENT) => {
                let how = "the mount point: without --rootfs this is the host's, where nothing is made";
                Err(Errno::ENOENT).during("open", how)
            }
            result => result,
        }
    }

    fn find(&self, at: &Path) -> Result<OwnedFd> {
        volume::open_inside(self.fd.as_fd(), at, None)
    }

    /// Finds the mount of `origin` that was made at `at`. Whoever has the root file system may have swapped
    /// something on the way meanwhile.
    fn find_again(&self, at: &Path, origin: &Metadata) -> Result<OwnedFd> {
        let found = self.find(at)?;
        let is = metadata(place(found.as_fd())).during("stat", at.display())?;
        if (is.dev(), is.ino()) == (origin.dev(), origin.ino()) {
            return Ok(found);
        }
        Err(io::Error::other("another file than the one that was mounted there")).during("find again", at.display())
    }
}

fn mount_fs(kind: &'static str, point: &OwnedFd, flags: MsFlags, data: Option<&str>) -> Result<()> {
    mount(Some(kind), &place(point.as_fd()), Some(kind), flags, data).during("mount", kind)
}

/// Verbs know a mount point by its descriptor alone; the reader of an error knows it by its path.
fn at(error: Error, path: &Path) -> Error {
    match error {
        Error::Os { operation, object, source } => {
            Error::Os { operation, object: format!("{object} (for {})", path.display()), source }
        }
        other => other,
    }
}

/// In place of lab 06 while it is not written: the directory at `at` inside `rootfs`, made when it is missing.
/// A symbolic link on the way is refused: it could lead out.
fn before_lab_06(rootfs: &Path, at: &Path) -> Result<PathBuf> {
    let point = rootfs.join(at.strip_prefix("/").unwrap_or(at));
    if !point.exists() {
        create_dir(&point).during("mkdir", point.display())?;
    }
    match point.canonicalize().during("find", point.display())? {
        real if real == point && real.is_dir() => Ok(point),
        _ => Err(io::Error::other("it is not a directory, or behind a symbolic link")).during("mount", point.display()),
    }
}
