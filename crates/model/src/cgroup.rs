//! Control groups: a handle for one group in every hierarchy of the machine at once.
//!
//! cgroup v1 has several hierarchies, each with some controllers; v2 has one with all of them; a hybrid machine
//! has both. A [`Cgroup`] is the group of one name in each, and a knob is asked for by its name alone: the part
//! of it before the first dot is the controller, and leads to the hierarchy that has it. Source: cgroups(7).

mod hierarchy;
mod part;

use std::collections::BTreeSet;
use std::fmt::Display;
use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::unistd::{AccessFlags, Pid, access};
use serde::{Deserialize, Serialize};

use crate::error::{During, Error, Result};
use crate::on_disk::read_all;
pub use hierarchy::{Hierarchy, hierarchies, mounted_hierarchies};
pub(crate) use part::Interface;
pub use part::Part;

/// The group below one's own into which its processes are moved, where v2 wants the group itself empty.
pub const LEAF: &str = "boxwright-leaf";

/// Which interface a controller speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// Several hierarchies; `cpu.cfs_quota_us`, `memory.limit_in_bytes`.
    V1,
    /// One tree; `cpu.max`, `memory.max`.
    V2,
}

/// A file of a group and what is to be written to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Knob {
    /// The file's name, `cpu.max`.
    pub name: &'static str,
    /// The text.
    pub value: String,
}

impl Knob {
    /// The knob `name`, to be set to `value`.
    pub fn new(name: &'static str, value: impl Display) -> Self {
        Knob { name, value: value.to_string() }
    }
}

/// How often a group had to wait, since it was made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Throttling {
    /// Periods in which it wanted to run.
    pub periods: u64,
    /// Those in which its quota was used up.
    pub throttled: u64,
    /// How long it waited for the next one, in all.
    pub throttled_us: u64,
}

/// What a group uses, and has used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Processor time since it was made.
    pub cpu_us: u64,
    /// Memory now, the page cache included.
    pub memory_bytes: u64,
    /// The most that it ever was. v2 tells it from Linux 5.19 on; 0 before.
    pub memory_peak_bytes: u64,
    /// Processes and threads now.
    pub pids: u64,
}

/// One group, by its directory in every hierarchy. Every knob is opened relative to the open directory: what is
/// renamed or mounted meanwhile does not lead elsewhere.
#[derive(Debug)]
pub struct Cgroup {
    parts: Vec<Part>,
}

impl Cgroup {
    /// Where this process may make groups: at the top of each hierarchy, or else in its own group there.
    /// A hierarchy that it may not write is left out; an ordinary user often has none at all.
    ///
    /// # Errors
    /// [`Error::Os`] when `/proc` cannot be read.
    pub fn base() -> Result<Cgroup> {
        let all = hierarchies(&proc("/proc/self/cgroup")?, &proc("/proc/self/mountinfo")?);
        let writable = |path: &PathBuf| access(path, AccessFlags::W_OK).is_ok();
        let base = |hierarchy: Hierarchy| {
            let interface = hierarchy.interface();
            let path = [hierarchy.top, without_leaf(hierarchy.own)].into_iter().find(writable)?;
            Some(Part::open_as(&path, &interface))
        };
        Ok(Cgroup { parts: all.into_iter().filter_map(base).collect::<Result<_>>()? })
    }

    /// The group with these directories, one for each hierarchy.
    ///
    /// # Errors
    /// [`Error::Os`] with ENOENT when one is not there.
    pub fn open(directories: &[PathBuf]) -> Result<Cgroup> {
        Ok(Cgroup { parts: directories.iter().map(|path| Part::open(path)).collect::<Result<_>>()? })
    }

    /// The group `name` below this one, in every hierarchy.
    ///
    /// # Errors
    /// [`Error::Os`] with ENOENT when it is not there.
    pub fn child(&self, name: &str) -> Result<Cgroup> {
        Ok(Cgroup { parts: self.parts.iter().map(|part| part.child(name)).collect::<Result<_>>()? })
    }

    /// The same group in v1's hierarchies alone.
    ///
    /// # Errors
    /// [`Error::Os`] when the process is out of descriptors.
    pub fn v1(&self) -> Result<Cgroup> {
        let parts = self.parts.iter().filter(|part| part.version == Version::V1).map(Part::try_clone);
        Ok(Cgroup { parts: parts.collect::<Result<_>>()? })
    }

    /// Its directories, v1's first.
    #[must_use]
    pub fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// Their paths.
    #[must_use]
    pub fn paths(&self) -> Vec<PathBuf> {
        self.parts.iter().map(|part| part.path.clone()).collect()
    }

    /// The directory where `controller` is: `cpu`, `memory`, `pids`, `freezer`.
    ///
    /// # Errors
    /// [`Error::NoController`] says how to get it.
    pub fn part(&self, controller: &str) -> Result<&Part> {
        let of = |version| self.parts.iter().filter(move |part| part.version == version);
        // A controller that is on v1 cannot be on v2 too, but for those that v2 has built in. `cgroup` is none:
        // what begins with it is v2's, `cgroup.freeze`, or in every hierarchy, `cgroup.procs`.
        let order = if controller == "cgroup" { [Version::V2, Version::V1] } else { [Version::V1, Version::V2] };
        let found = order.into_iter().flat_map(of).find(|part| part.controllers().contains(controller));
        found.ok_or_else(|| self.missing(controller))
    }

    /// The interface that `controller` speaks here.
    ///
    /// # Errors
    /// As [`Cgroup::part`].
    pub fn version(&self, controller: &str) -> Result<Version> {
        self.part(controller).map(|part| part.version)
    }

    /// The text of a knob.
    ///
    /// # Errors
    /// As [`Cgroup::part`]; [`Error::NoKnob`] when this kernel's controller has none of the name.
    pub fn read(&self, knob: &str) -> Result<String> {
        self.part(controller_of(knob))?.read(knob)
    }

    /// Writes `value` to a knob. Never makes a file.
    ///
    /// # Errors
    /// As [`Cgroup::read`], and what the kernel says of the value.
    pub fn write(&self, knob: &str, value: impl Display) -> Result<()> {
        self.part(controller_of(knob))?.write(knob, value)
    }

    /// The processes in it, not those in groups below.
    ///
    /// # Errors
    /// [`Error::Os`] when the group is gone.
    pub fn processes(&self) -> Result<BTreeSet<Pid>> {
        let mut all = BTreeSet::new();
        for part in &self.parts {
            all.extend(part.read("cgroup.procs")?.lines().filter_map(|pid| pid.parse().ok().map(Pid::from_raw)));
        }
        Ok(all)
    }

    /// The processes in it and in the groups below.
    ///
    /// # Errors
    /// [`Error::Os`] when a group cannot be read.
    pub fn tree_processes(&self) -> Result<BTreeSet<Pid>> {
        let mut all = BTreeSet::new();
        for part in &self.parts {
            for path in part.tree()? {
                all.extend(part::processes(&path).lines().filter_map(|pid| pid.parse().ok().map(Pid::from_raw)));
            }
        }
        Ok(all)
    }

    /// Ends every process in it and in the groups below it. On return they are dying; zombies stay until their
    /// parents look. A group that is gone has none.
    ///
    /// # Errors
    /// [`Error::Os`] when a process may not be killed.
    pub fn kill(&self) -> Result<()> {
        // First of all: a frozen task of v1 keeps the signal for later, in whichever hierarchy it is seen.
        self.parts.iter().try_for_each(Part::thaw)?;
        // Somebody in there may be forking: until a look finds nobody, but not for ever.
        let deadline = Instant::now() + Duration::from_millis(100);
        loop {
            let mut living = false;
            for part in &self.parts {
                living |= part.kill()?;
            }
            if !living || Instant::now() > deadline {
                return Ok(());
            }
            sleep(Duration::from_millis(1));
        }
    }

    fn missing(&self, controller: &str) -> Error {
        let v2 = self.parts.iter().find(|part| part.version == Version::V2);
        let how = match v2 {
            Some(part) if self.parts.len() == 1 => {
                format!("echo +{controller} > {}", part.parent_path().join("cgroup.subtree_control").display())
            }
            _ if self.parts.is_empty() => "systemd-run --user --scope -p Delegate=yes COMMAND, or root".to_owned(),
            _ => format!("mount its hierarchy (cgroups(7)); or boot with cgroup_enable={controller}"),
        };
        let mut directories: Vec<_> = self.parts.iter().map(|part| part.path.display().to_string()).collect();
        if directories.is_empty() {
            directories.push("you may write none".to_owned());
        }
        Error::NoController { controller: controller.into(), directories: directories.join(" "), how }
    }
}

impl From<Vec<Part>> for Cgroup {
    fn from(parts: Vec<Part>) -> Cgroup {
        Cgroup { parts }
    }
}

/// `cpu` of `cpu.max`.
fn controller_of(knob: &str) -> &str {
    knob.split_once('.').map_or(knob, |(controller, _)| controller)
}

/// The group that a process was in before it was moved into a [`LEAF`].
fn without_leaf(own: PathBuf) -> PathBuf {
    match own.parent() {
        Some(parent) if own.ends_with(LEAF) => parent.to_owned(),
        _ => own,
    }
}

fn proc(path: &'static str) -> Result<String> {
    let text = File::open(path).and_then(read_all);
    text.and_then(|bytes| String::from_utf8(bytes).map_err(io::Error::other)).during("read", path)
}

#[cfg(test)]
mod tests;
