//! A mount of type `cgroup`: on v2 the one tree, elsewhere a directory with a hierarchy in each of its directories.
//! Source: OCI runtime-spec, config-linux, "Default Filesystems" and "Control groups"; cgroups(7).

use std::ffi::CString;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use model::cgroup::{Hierarchy, Version, hierarchies, mounted_hierarchies};
use model::on_disk::read_all;
use model::plan::Fs;
use model::tree::place;
use model::{During, Node, Result};
use nix::errno::Errno;
use nix::mount::{MsFlags, mount};
use nix::sys::stat::{Mode, mkdirat};
use nix::unistd::symlinkat;

use super::Root;
use super::guard::What;
use crate::runtime::mount_attr::change;
use crate::steps::volume;

impl Root<'_> {
    /// Mounts what the caller's groups are in. In a cgroup namespace its own group is the top of each; without one, the group itself
    /// is bound there.
    pub(super) fn place_cgroups(&self, fs: &Fs) -> Result<()> {
        let read = |path: &'static str| {
            let text = File::open(path).and_then(read_all);
            text.and_then(|bytes| String::from_utf8(bytes).map_err(io::Error::other)).during("read", path)
        };
        let mountinfo = read("/proc/self/mountinfo")?;
        let all = match self.new_cgroup {
            true => mounted_hierarchies(&mountinfo),
            false => hierarchies(&read("/proc/self/cgroup")?, &mountinfo),
        };
        let point = self.point(&fs.at, Node::Directory, What::Other)?;
        let flags = MsFlags::from_bits_retain(fs.flags);
        if let [one] = &all[..]
            && one.version == Version::V2
        {
            self.place_hierarchy(one, point.as_fd(), flags)?;
            return change(self.find(&fs.at)?.as_fd(), <_>::default(), fs.tree, &fs.spread);
        }
        mount(Some("cgroup"), &place(point.as_fd()), Some("tmpfs"), flags & !MsFlags::MS_RDONLY, Some("mode=755"))
            .during("mount tmpfs", fs.at.display())?;
        let directory = self.find(&fs.at)?;
        for hierarchy in &all {
            let name = hierarchy.top.file_name().unwrap_or("unified".as_ref());
            mkdirat(&directory, name, Mode::from_bits_retain(0o755)).during("mkdir", name.display())?;
            self.place_hierarchy(
                hierarchy,
                volume::open_inside(directory.as_fd(), Path::new(name), None)?.as_fd(),
                flags,
            )?;
            // cpu -> cpu,cpuacct
            for controller in hierarchy.controllers.iter().filter(|_| hierarchy.controllers.len() > 1) {
                match symlinkat(name, &directory, controller.as_str()) {
                    Err(Errno::EEXIST) => {}
                    made => made.during("symlink", controller)?,
                }
            }
        }
        if flags.contains(MsFlags::MS_RDONLY) {
            volume::remount_read_only(directory.as_fd())?;
        }
        change(directory.as_fd(), <_>::default(), fs.tree, &fs.spread)
    }

    fn place_hierarchy(&self, hierarchy: &Hierarchy, at: BorrowedFd<'_>, flags: MsFlags) -> Result<()> {
        let (kind, data) = match hierarchy.version {
            Version::V2 => (c"cgroup2", String::new()),
            // A hierarchy without controllers is known by its name alone.
            Version::V1 => match &hierarchy.controllers[..] {
                [name] if name.starts_with("name=") => (c"cgroup", format!("none,{name}")),
                controllers => (c"cgroup", controllers.join(",")),
            },
        };
        let data = CString::new(data).unwrap_or_default();
        let mounted = match self.new_cgroup {
            true => mount(Some(c"cgroup"), &place(at), Some(kind), flags, Some(&*data)),
            false => Err(Errno::EPERM),
        };
        match mounted {
            // In a user namespace that does not own the cgroup namespace, or without one: what is mounted already.
            Err(Errno::EPERM | Errno::EBUSY) => self.bind_hierarchy(hierarchy, at, flags),
            mounted => mounted.during("mount", hierarchy.top.display()),
        }
    }

    fn bind_hierarchy(&self, hierarchy: &Hierarchy, at: BorrowedFd<'_>, flags: MsFlags) -> Result<()> {
        let tree: OwnedFd = crate::runtime::trees::clone(&hierarchy.own, true)?;
        let wanted = [
            (MsFlags::MS_RDONLY, libc::MOUNT_ATTR_RDONLY),
            (MsFlags::MS_NOSUID, libc::MOUNT_ATTR_NOSUID),
            (MsFlags::MS_NODEV, libc::MOUNT_ATTR_NODEV),
            (MsFlags::MS_NOEXEC, libc::MOUNT_ATTR_NOEXEC),
        ];
        let set = wanted.into_iter().filter(|(flag, _)| flags.contains(*flag)).fold(0, |all, (_, attr)| all | attr);
        change(tree.as_fd(), <_>::default(), model::plan::Attributes { set, clear: 0 }, &[])?;
        crate::runtime::trees::attach(tree.as_fd(), at)
    }
}
