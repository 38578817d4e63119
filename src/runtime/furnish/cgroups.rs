//! A mount of type `cgroup`: on v2 the one tree, elsewhere a directory with a hierarchy in each of its directories.
//! Source: OCI runtime-spec, config-linux, "Default Filesystems" and "Control groups"; cgroups(7).

use std::ffi::CString;
use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;

use model::cgroup::{Hierarchy, Version, hierarchies, mounted_hierarchies};
use model::on_disk::read_all;
use model::plan::{Attributes, Fs};
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
        let read = |path: &'static str| File::open(path).and_then(read_all).during("read", path);
        let mountinfo = self.mountinfo.clone().map_or_else(|| read("/proc/self/mountinfo"), Ok)?;
        let mountinfo = String::from_utf8_lossy(&mountinfo);
        let all = match self.new_cgroup {
            true => mounted_hierarchies(&mountinfo),
            false => hierarchies(&String::from_utf8_lossy(&read("/proc/self/cgroup")?), &mountinfo),
        };
        let point = self.point(&fs.at, Node::Directory, What::Other)?;
        let flags = MsFlags::from_bits_retain(fs.flags);
        if let [one] = &all[..]
            && one.version == Version::V2
        {
            let is_bound = self.place_hierarchy(one, &place(point.as_fd()), flags)?;
            return settle(self.find(&fs.at)?.as_fd(), is_bound, fs);
        }
        mount(Some("cgroup"), &place(point.as_fd()), Some("tmpfs"), flags & !MsFlags::MS_RDONLY, Some("mode=755"))
            .during("mount tmpfs", fs.at.display())?;
        let directory = self.find(&fs.at)?;
        let mut is_bound = false;
        for hierarchy in &all {
            let name = hierarchy.top.file_name().unwrap_or("unified".as_ref());
            mkdirat(&directory, name, Mode::from_bits_retain(0o755)).during("mkdir", name.display())?;
            // Nobody else knows the tmpfs yet.
            is_bound |= self.place_hierarchy(hierarchy, &place(directory.as_fd()).join(name), flags)?;
            // cpu -> cpu,cpuacct
            for controller in hierarchy.controllers.iter().filter(|_| hierarchy.controllers.len() > 1) {
                match symlinkat(name, &directory, controller.as_str()) {
                    Err(Errno::EEXIST) => {}
                    made => made.during("symlink", controller)?,
                }
            }
        }
        if flags.contains(MsFlags::MS_RDONLY) && !is_bound {
            volume::remount_read_only(directory.as_fd())?;
        }
        settle(directory.as_fd(), is_bound, fs)
    }

    /// Whether what was mounted already had to be bound, whose options are still those that it has there.
    fn place_hierarchy(&self, hierarchy: &Hierarchy, at: &Path, flags: MsFlags) -> Result<bool> {
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
            true => mount(Some(c"cgroup"), at, Some(kind), flags, Some(&*data)),
            false => Err(Errno::EPERM),
        };
        match mounted {
            // In a user namespace that does not own the cgroup namespace, or without one: what is mounted already.
            Err(Errno::EPERM | Errno::EBUSY) => {
                let (own, none) = (&hierarchy.own, None::<&str>);
                let bound = mount(Some(own), at, none, MsFlags::MS_BIND | MsFlags::MS_REC, none);
                bound.during("mount --rbind", own.display()).map(|()| true)
            }
            mounted => mounted.during("mount", hierarchy.top.display()).map(|()| false),
        }
    }
}

/// Gives the mount `top`, and all below it, the options that `fs` asks for: those of mount(2) too, where a bind has left them out.
fn settle(top: BorrowedFd<'_>, is_bound: bool, fs: &Fs) -> Result<()> {
    if is_bound {
        let flags = MsFlags::from_bits_retain(fs.flags);
        let wanted = [
            (MsFlags::MS_RDONLY, libc::MOUNT_ATTR_RDONLY),
            (MsFlags::MS_NOSUID, libc::MOUNT_ATTR_NOSUID),
            (MsFlags::MS_NODEV, libc::MOUNT_ATTR_NODEV),
            (MsFlags::MS_NOEXEC, libc::MOUNT_ATTR_NOEXEC),
        ];
        let set = wanted.into_iter().filter(|(flag, _)| flags.contains(*flag)).fold(0, |all, (_, attr)| all | attr);
        change(top, <_>::default(), Attributes { set, clear: 0 }, &[])?;
    }
    change(top, <_>::default(), fs.tree, &fs.spread)
}
