//! A group in one hierarchy: its directory and its knobs.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{OFlag, openat};
use nix::sys::signal::{Signal, kill};
use nix::sys::stat::Mode;
use nix::unistd::Pid;

use super::{Version, controller_of};
use crate::error::{During, Error, Result};

/// A group's directory in one hierarchy.
#[derive(Debug)]
pub struct Part {
    directory: OwnedFd,
    pub(super) path: PathBuf,
    pub(super) version: Version,
    pub(super) controllers: BTreeSet<String>,
}

impl Part {
    pub(super) fn open(path: &Path) -> Result<Part> {
        let directory: OwnedFd = File::open(path).during("open", path.display())?.into();
        // Only v2 has this file, and its groups all have it.
        let listed = fs::read_to_string(path.join("cgroup.controllers"));
        let (version, controllers) = match listed {
            Ok(list) => {
                let built_in = ["freezer", "devices", "cgroup"];
                (Version::V2, list.split_whitespace().chain(built_in).map(str::to_owned).collect())
            }
            // On v1 a controller shows itself by its knobs.
            Err(_) => {
                let mut prefixes = BTreeSet::new();
                for entry in fs::read_dir(path).during("readdir", path.display())? {
                    let name = entry.during("readdir", path.display())?.file_name();
                    let name = name.to_string_lossy();
                    prefixes.extend(name.split_once('.').map(|(prefix, _)| prefix.to_owned()));
                }
                (Version::V1, prefixes)
            }
        };
        Ok(Part { directory, path: path.into(), version, controllers })
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
        if self.path.exists() {
            for child in self.children()? {
                paths.extend(child.tree()?);
            }
            paths.push(self.path.clone());
        }
        Ok(paths)
    }

    /// Whether it has a knob.
    #[must_use]
    pub fn has(&self, knob: &str) -> bool {
        openat(&self.directory, knob, OFlag::O_PATH | OFlag::O_CLOEXEC, Mode::empty()).is_ok()
    }

    /// The text of a knob.
    ///
    /// # Errors
    /// [`Error::NoKnob`]; [`Error::Os`].
    pub fn read(&self, knob: &str) -> Result<String> {
        let mut text = String::new();
        self.open_knob(knob, OFlag::O_RDONLY)?
            .read_to_string(&mut text)
            .during("read", self.path.join(knob).display())?;
        Ok(text)
    }

    /// Writes `value` to a knob, in one piece, as the kernel wants it. Never makes a file.
    ///
    /// # Errors
    /// As [`Part::read`].
    pub fn write(&self, knob: &str, value: impl Display) -> Result<()> {
        let value = value.to_string();
        let mut file = self.open_knob(knob, OFlag::O_WRONLY | OFlag::O_TRUNC)?;
        file.write_all(value.as_bytes())
            .during("write", format_args!("{value:?} to {}", self.path.join(knob).display()))
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
            Version::V2 if controller != "cgroup" && !self.controllers.contains(controller) => {
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
        for entry in fs::read_dir(&self.path).during("readdir", self.path.display())? {
            let entry = entry.during("readdir", self.path.display())?;
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                children.push(Part::open(&entry.path())?);
            }
        }
        Ok(children)
    }

    /// Lets what is frozen in it and below go on. Nothing on v2, where a frozen process can be killed.
    pub(super) fn thaw(&self) -> Result<()> {
        for path in self.tree()? {
            let knob = path.join("freezer.state");
            if self.version == Version::V1 && knob.exists() {
                fs::write(&knob, "THAWED").during("write", knob.display())?;
            }
        }
        Ok(())
    }

    /// Kills what lives in it and below. Whether a look is due to see that nobody is left.
    pub(super) fn kill(&self) -> Result<bool> {
        // Linux 5.14: all of them at once, the frozen ones and the groups below too.
        if self.has("cgroup.kill") {
            return self.write("cgroup.kill", 1).map(|()| false);
        }
        let mut found = false;
        for path in self.tree()? {
            // One that has been removed meanwhile holds nobody.
            let processes = fs::read_to_string(path.join("cgroup.procs")).unwrap_or_default();
            for pid in processes.lines().filter_map(living) {
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

impl AsFd for Part {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.directory.as_fd()
    }
}

/// `pid` as a process that a signal can still do something to.
fn living(pid: &str) -> Option<Pid> {
    let pid: i32 = pid.parse().ok()?;
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, after_command) = stat.rsplit_once(')')?;
    (!after_command.starts_with(" Z") && !after_command.starts_with(" X")).then(|| Pid::from_raw(pid))
}
