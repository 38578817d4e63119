//! Which hierarchies there are, and where a process is in each.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use super::{Interface, Version};

/// A mounted hierarchy, seen by one process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hierarchy {
    /// The interface that it speaks.
    pub version: Version,
    /// The topmost directory that can be seen: the mount point.
    pub top: PathBuf,
    /// The directory of the process's own group.
    pub own: PathBuf,
    /// v1: the controllers, or `name=…` for a hierarchy without any. v2 tells them group by group.
    pub controllers: Vec<String>,
}

impl Hierarchy {
    /// What its groups speak.
    pub(super) fn interface(&self) -> Interface {
        match self.version {
            // One without a controller has a name, `name=systemd`. The knobs of every group begin with `cgroup`.
            Version::V1 => {
                let named = self.controllers.iter().map(String::as_str).filter(|name| !name.contains('='));
                Interface::V1(named.chain(["cgroup"]).map(str::to_owned).collect())
            }
            Version::V2 => Interface::V2,
        }
    }
}

/// Every hierarchy that is mounted, from the texts of `/proc/PID/cgroup` and of the reader's
/// `/proc/self/mountinfo`. One that is mounted twice is listed once; one whose mounts show nothing of the
/// process's group is left out. Source: cgroups(7), "/proc files"; proc_pid_mountinfo(5).
#[must_use]
pub fn hierarchies(cgroup: &str, mountinfo: &str) -> Vec<Hierarchy> {
    let mut found: Vec<Hierarchy> = Vec::new();
    let lines: Vec<_> = mountinfo.lines().map(|line| (line, point(line))).collect();
    for (number, (line, point)) in lines.iter().enumerate() {
        let Some(mount) = mounted(line) else { continue };
        let is_same = |other: &Hierarchy| other.version == mount.version && other.controllers == mount.controllers;
        // What is mounted at the same place later is what is seen there.
        let is_hidden = || lines[number + 1..].iter().any(|(_, later)| later == point);
        if found.iter().any(is_same) || is_hidden() {
            continue;
        }
        let path = cgroup.lines().find_map(|line| own_path(line, &mount));
        // Below the root of the mount, or it cannot be reached through it.
        if let Some(below) = path.and_then(|path| path.strip_prefix(&mount.root).ok()) {
            let own = mount.top.join(below);
            found.push(Hierarchy { version: mount.version, top: mount.top, own, controllers: mount.controllers });
        }
    }
    found
}

/// Every hierarchy that is mounted, for a process whose groups lie above what it can see of them: in a cgroup namespace of its own,
/// among the mounts of before. `own` is where it is mounted.
#[must_use]
pub fn mounted_hierarchies(mountinfo: &str) -> Vec<Hierarchy> {
    let mut found: Vec<Hierarchy> = Vec::new();
    for Mounted { version, top, controllers, .. } in mountinfo.lines().filter_map(mounted) {
        if !found.iter().any(|other| other.version == version && other.controllers == controllers) {
            found.push(Hierarchy { version, own: top.clone(), top, controllers });
        }
    }
    found
}

/// A line of mountinfo.
struct Mounted {
    version: Version,
    root: PathBuf,
    top: PathBuf,
    controllers: Vec<String>,
}

fn mounted(line: &str) -> Option<Mounted> {
    let (mount, file_system) = line.split_once(" - ")?;
    let mut words = file_system.split(' ');
    let version = match words.next()? {
        "cgroup" => Version::V1,
        "cgroup2" => Version::V2,
        _ => return None,
    };
    // The options of the whole hierarchy; those of every file system are not controllers. v2's are none of them.
    let is_controller = |option: &&str| {
        version == Version::V1 && !matches!(*option, "rw" | "ro" | "xattr" | "noprefix" | "clone_children")
    };
    let controllers = words.nth(1)?.split(',').filter(is_controller).map(str::to_owned).collect();
    let root = unescaped(mount.split(' ').nth(3)?);
    Some(Mounted { version, root, top: unescaped(point(line)?), controllers })
}

/// Where it is mounted, as it stands in a line of mountinfo.
fn point(line: &str) -> Option<&str> {
    line.split(' ').nth(4)
}

/// The path of a line `4:memory:/user/7` of `/proc/PID/cgroup`, if it is of the hierarchy that is mounted.
fn own_path<'a>(line: &'a str, mount: &Mounted) -> Option<&'a Path> {
    let mut fields = line.splitn(3, ':');
    let (id, names, path) = (fields.next()?, fields.next()?, fields.next()?);
    let is_of = match mount.version {
        Version::V2 => id == "0",
        Version::V1 => id != "0" && names.split(',').all(|name| mount.controllers.iter().any(|own| own == name)),
    };
    is_of.then_some(Path::new(path))
}

/// A path of mountinfo, in which a space is `\040`.
fn unescaped(field: &str) -> PathBuf {
    if !field.contains('\\') {
        return field.into();
    }
    let mut bytes = Vec::new();
    let mut rest = field.as_bytes();
    while let Some((first, others)) = rest.split_first() {
        let digits = others.get(..3).filter(|_| *first == b'\\').and_then(|digits| std::str::from_utf8(digits).ok());
        match digits.and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &others[3..];
            }
            None => {
                bytes.push(*first);
                rest = others;
            }
        }
    }
    PathBuf::from(OsString::from_vec(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HYBRID: &str = "\
        31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n\
        39 31 0:36 / /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids\n\
        36 31 0:33 /user /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n\
        33 31 0:30 / /c\\040g/cpu rw - cgroup cgroup rw,cpu,cpuacct\n\
        34 31 0:30 / /elsewhere rw - cgroup cgroup rw,cpu,cpuacct\n\
        40 31 0:37 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,name=systemd\n\
        41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw,nsdelegate\n";

    #[test]
    fn the_callers_group_is_found_in_every_hierarchy() {
        let cgroup = "8:pids:/\n4:memory:/user/7\n3:cpu,cpuacct:/a b\n9:name=systemd:/\n0::/user.slice\n";
        let found = hierarchies(cgroup, HYBRID);
        let own: Vec<_> = found.iter().map(|hierarchy| hierarchy.own.to_str().unwrap()).collect();
        let expected = [
            "/sys/fs/cgroup/pids/",
            "/sys/fs/cgroup/memory/7",
            "/c g/cpu/a b",
            "/sys/fs/cgroup/systemd/",
            "/sys/fs/cgroup/unified/user.slice",
        ];
        assert_eq!(own, expected);
        assert_eq!(found[1].top, Path::new("/sys/fs/cgroup/memory"));
        assert_eq!(found[2].controllers, ["cpu", "cpuacct"]);
        assert_eq!(found.iter().filter(|hierarchy| hierarchy.version == Version::V2).count(), 1);
    }

    #[test]
    fn a_pure_v2_machine_has_one() {
        let mountinfo = "30 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n";
        let found = hierarchies("0::/user.slice/user-1000.slice\n", mountinfo);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].own, Path::new("/sys/fs/cgroup/user.slice/user-1000.slice"));
    }

    #[test]
    fn a_hierarchy_that_is_hidden_by_another_mount_is_left_out() {
        let hidden = HYBRID.to_owned() + "50 31 0:40 /empty /sys/fs/cgroup/unified rw - ext4 /dev/vda rw\n";
        let found = hierarchies("8:pids:/\n0::/\n", &hidden);
        assert_eq!(found.iter().map(|it| it.version).collect::<Vec<_>>(), [Version::V1]);
    }

    #[test]
    fn a_group_that_no_mount_shows_is_left_out() {
        let mountinfo = "30 23 0:26 /docker/1 /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n";
        assert_eq!(hierarchies("0::/docker/10\n", mountinfo), []);
        assert_eq!(hierarchies("0::/../x\n", mountinfo), []);
        assert_eq!(hierarchies("", HYBRID), []);
    }
}
