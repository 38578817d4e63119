//! A group in one hierarchy: its directory and its knobs.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fmt::Display;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, openat};
use nix::sys::signal::{Signal, kill};
use nix::sys::stat::Mode;
use nix::unistd::{AccessFlags, Pid, faccessat};
use serde::{Deserialize, Serialize};

use super::{Version, controller_of};
use crate::error::{During, Error, Result};
use crate::on_disk::{read_all, stat};

/// What is known of a hierarchy before anybody looks at a group of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Interface {
    /// Its controllers: those of the mount, for every group of it.
    V1(BTreeSet<String>),
    /// Each group has what the one above it hands down.
    V2,
}

/// A group's directory in one hierarchy.
#[derive(Debug)]
pub struct Part {
    directory: OwnedFd,
    pub(super) path: PathBuf,
    pub(super) version: Version,
    /// Not before somebody asks: to find them out takes many calls.
    controllers: OnceLock<BTreeSet<String>>,
}

impl Part {
    pub(crate) fn open(path: &Path) -> Result<Part> {
        let part = Part::open_as(path, &Interface::V2)?;
        // Only v2 has this file, and its groups all have it.
        let version = if part.has("cgroup.controllers") { Version::V2 } else { Version::V1 };
        Ok(Part { version, ..part })
    }

    /// Opens it where it is known what it speaks.
    pub(crate) fn open_as(path: &Path, interface: &Interface) -> Result<Part> {
        let directory: OwnedFd = File::open(path).during("open", path.display())?.into();
        Ok(Part::of(directory, path.into(), interface))
    }

    /// The group `name` below it.
    pub(super) fn child(&self, name: &str) -> Result<Part> {
        let (path, flags) = (self.path.join(name), OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC);
        let directory = openat(&self.directory, name, flags, Mode::empty()).during("open", path.display())?;
        Ok(Part::of(directory, path, &self.interface()))
    }

    fn of(directory: OwnedFd, path: PathBuf, interface: &Interface) -> Part {
        let (version, controllers) = match interface {
            Interface::V1(controllers) => (Version::V1, OnceLock::from(controllers.clone())),
            Interface::V2 => (Version::V2, OnceLock::new()),
        };
        Part { directory, path, version, controllers }
    }

    pub(super) fn try_clone(&self) -> Result<Part> {
        let directory = self.directory.try_clone().during("dup", self.path.display())?;
        Ok(Part { directory, path: self.path.clone(), version: self.version, controllers: self.controllers.clone() })
    }

    /// What groups below it speak too.
    pub(crate) fn interface(&self) -> Interface {
        match self.version {
            Version::V1 => Interface::V1(self.controllers().clone()),
            Version::V2 => Interface::V2,
        }
    }

    /// The controllers that it has, and `cgroup`, whose knobs every group has.
    pub(super) fn controllers(&self) -> &BTreeSet<String> {
        self.controllers.get_or_init(|| match self.version {
            Version::V1 => self.prefixes(),
            Version::V2 => {
                let listed = self.read("cgroup.controllers").unwrap_or_default();
                listed.split_whitespace().chain(["freezer", "devices", "cgroup"]).map(str::to_owned).collect()
            }
        })
    }

    /// On v1 a controller shows itself by its knobs.
    fn prefixes(&self) -> BTreeSet<String> {
        let names = fs::read_dir(&self.path).into_iter().flatten().flatten().map(|entry| entry.file_name());
        let prefix = |name: OsString| Some(name.to_str()?.split_once('.')?.0.to_owned());
        names.filter_map(prefix).collect()
    }

    /// Where it was when it was opened.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The interface that it speaks.
    #[must_use]
    pub fn version(&self) -> Version {
        self.version
    }

    /// Whether it is the top of the hierarchy, with rules of its own. What a cgroup namespace shows as `/` is not: it is a
    /// group like others, although nothing above it is in sight.
    /// Source: kernel docs cgroup-v2, `cgroup.type`, and cgroup-v1, `release_agent`.
    #[must_use]
    pub fn is_top(&self) -> bool {
        match self.version {
            Version::V1 => self.has("release_agent"),
            Version::V2 => !self.has("cgroup.type"),
        }
    }

    /// The group above it; `None` when none is in sight: at the top, or at the root of a cgroup namespace.
    ///
    /// # Errors
    /// [`Error::Os`] when it cannot be opened.
    pub fn parent(&self) -> Result<Option<Part>> {
        let path = self.parent_path();
        // Above the top is no group: a directory without this file.
        if path.join("cgroup.procs").exists() { Part::open(&path).map(Some) } else { Ok(None) }
    }

    /// The groups above it, the nearest first.
    ///
    /// # Errors
    /// As [`Part::parent`].
    pub fn ancestors(&self) -> Result<Vec<Part>> {
        let mut all: Vec<Part> = self.parent()?.into_iter().collect();
        while let Some(above) = all.last().map(Part::parent).transpose()?.flatten() {
            all.push(above);
        }
        Ok(all)
    }

    /// Its own path and those of all groups below it, leaves first. Empty when it is gone.
    ///
    /// # Errors
    /// [`Error::Os`] when a group cannot be read.
    pub fn tree(&self) -> Result<Vec<PathBuf>> {
        let mut paths = Vec::new();
        let Some(metadata) = stat(&self.path)? else { return Ok(paths) };
        // A directory has a link from each directory in it; two are its name and its own `.`. Some file systems do not count.
        if metadata.nlink() != 2 {
            for child in self.children()? {
                paths.extend(child.tree()?);
            }
        }
        paths.push(self.path.clone());
        Ok(paths)
    }

    /// Whether it has a knob.
    #[must_use]
    pub fn has(&self, knob: &str) -> bool {
        faccessat(&self.directory, knob, AccessFlags::F_OK, AtFlags::empty()).is_ok()
    }

    /// The text of a knob.
    ///
    /// # Errors
    /// [`Error::NoKnob`]; [`Error::Os`].
    pub fn read(&self, knob: &str) -> Result<String> {
        let text = read_all(self.open_knob(knob, OFlag::O_RDONLY)?);
        let text = text.and_then(|bytes| String::from_utf8(bytes).map_err(io::Error::other));
        text.during("read", self.path.join(knob).display())
    }

    /// Writes `value` to a knob, in one piece, as the kernel wants it. Never makes a file.
    ///
    /// # Errors
    /// As [`Part::read`].
    pub fn write(&self, knob: &str, value: impl Display) -> Result<()> {
        self.writer(knob)?.write(value)
    }

    /// A knob to which one value is to be written after the other.
    ///
    /// # Errors
    /// As [`Part::read`].
    pub fn writer(&self, knob: &str) -> Result<Writer> {
        let file = self.open_knob(knob, OFlag::O_WRONLY | OFlag::O_TRUNC)?;
        Ok(Writer { file, path: self.path.join(knob) })
    }

    fn open_knob(&self, knob: &str, flags: OFlag) -> Result<File> {
        match openat(&self.directory, knob, flags | OFlag::O_CLOEXEC, Mode::empty()) {
            Ok(file) => Ok(file.into()),
            // No file of a cgroup can be made: so says one version, and so the other.
            Err(Errno::ENOENT | Errno::EACCES) if !self.has(knob) => Err(self.no_knob(knob)),
            Err(errno) => Err(errno).during("open", self.path.join(knob).display()),
        }
    }

    fn no_knob(&self, knob: &str) -> Error {
        let controller = controller_of(knob);
        let how = match self.version {
            _ if self.path.metadata().is_err() => "the group itself is gone".to_owned(),
            Version::V2 if controller != "cgroup" && !self.controllers().contains(controller) => {
                let parent = self.parent_path().join("cgroup.subtree_control");
                format!("enable the controller {controller}: echo +{controller} > {}", parent.display())
            }
            _ => format!("this kernel's controller {controller} has no such knob"),
        };
        Error::NoKnob { knob: knob.into(), directory: self.path.display().to_string(), how }
    }

    pub(super) fn parent_path(&self) -> PathBuf {
        self.path.parent().unwrap_or(&self.path).to_owned()
    }

    /// The groups below it.
    ///
    /// # Errors
    /// [`Error::Os`] when the group is gone.
    pub fn children(&self) -> Result<Vec<Part>> {
        let mut children = Vec::new();
        let interface = self.interface();
        for entry in fs::read_dir(&self.path).during("readdir", self.path.display())? {
            let entry = entry.during("readdir", self.path.display())?;
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                children.push(Part::open_as(&entry.path(), &interface)?);
            }
        }
        Ok(children)
    }

    /// Lets what is frozen in it and below go on. Nothing on v2, where a frozen process can be killed.
    pub(super) fn thaw(&self) -> Result<()> {
        if self.version == Version::V2 || !self.controllers().contains("freezer") {
            return Ok(());
        }
        for path in self.tree()? {
            let knob = path.join("freezer.state");
            if knob.exists() {
                fs::write(&knob, "THAWED").during("write", knob.display())?;
            }
        }
        Ok(())
    }

    /// Kills what lives in it and below. Whether a look is due to see that nobody is left.
    pub(super) fn kill(&self) -> Result<bool> {
        // Linux 5.14: all of them at once, the frozen ones and the groups below too.
        if self.version == Version::V2 && self.has("cgroup.kill") {
            return self.write("cgroup.kill", 1).map(|()| false);
        }
        let mut found = false;
        for path in self.tree()? {
            for pid in processes(&path).lines().filter_map(living) {
                found = true;
                match kill(pid, Signal::SIGKILL) {
                    Ok(()) | Err(Errno::ESRCH) => {}
                    refused => refused.during("kill", format_args!("SIGKILL {pid}"))?,
                }
            }
        }
        Ok(found)
    }
}

/// A knob that is open.
#[derive(Debug)]
pub struct Writer {
    file: File,
    path: PathBuf,
}

impl Writer {
    /// Writes `value`, in one piece, as the kernel wants it.
    ///
    /// # Errors
    /// What the kernel says of the value.
    pub fn write(&self, value: impl Display) -> Result<()> {
        let value = value.to_string();
        let written = (&self.file).write_all(value.as_bytes());
        written.during("write", format_args!("{value:?} to {}", self.path.display()))
    }
}

impl AsFd for Part {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.directory.as_fd()
    }
}

/// Who is in the group at `path`, a line each. One that has been removed meanwhile holds nobody.
pub(super) fn processes(path: &Path) -> String {
    let listed = File::open(path.join("cgroup.procs")).and_then(read_all);
    listed.ok().and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or_default()
}

/// `pid` as a process that a signal can still do something to.
fn living(pid: &str) -> Option<Pid> {
    let pid = Pid::from_raw(pid.parse().ok()?);
    let (is_alive, _) = crate::state::stat(pid)?;
    is_alive.then_some(pid)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    use std::process::Command;

    #[test]
    fn a_process_lives_whatever_its_name() {
        let directory = tempfile::tempdir().unwrap();
        let program = directory.path().join(OsStr::from_bytes(b"\xff) Z"));
        std::os::unix::fs::symlink("/bin/sleep", &program).unwrap();
        let mut sleeps = Command::new(program).arg("600").spawn().unwrap();
        let pid = sleeps.id().to_string();
        assert!(living(&pid).is_some());
        kill(Pid::from_raw(sleeps.id().cast_signed()), Signal::SIGKILL).unwrap();
        sleeps.wait().unwrap();
        assert!(living(&pid).is_none());
    }
}
