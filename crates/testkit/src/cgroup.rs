//! A cgroup of the test's own, in every hierarchy that the caller may write.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::sleep;
use std::time::Duration;

use model::cgroup::{Hierarchy, LEAF, Version, hierarchies};
use nix::sys::signal::{Signal, kill};
use nix::unistd::{AccessFlags, Pid, access};

/// How the directory of a test's group is named; `cargo lab clean` sweeps by it.
pub const PREFIX: &str = "boxwright-test-";

/// The directories of one test's group, one a hierarchy. Removed, with what lives in it, when dropped.
pub struct TestGroup(Vec<PathBuf>);

impl TestGroup {
    /// # Errors
    /// When there is a hierarchy that is ours to write, and the directory can still not be made.
    pub fn create() -> io::Result<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("{PREFIX}{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let mut group = TestGroup(Vec::new());
        for parent in writable_groups() {
            let directory = parent.directory.join(&name);
            fs::create_dir(&directory)?;
            group.0.push(directory.clone());
            if directory.join("cgroup.controllers").exists() {
                // The closure is to live in a leaf, so that groups beside it can have controllers.
                hand_down(&directory);
                fs::create_dir(directory.join(LEAF))?;
            } else if directory.join("cpuset.cpus").exists() {
                // On v1 a new cpuset takes nobody in before it has processors and memory.
                for knob in ["cpuset.cpus", "cpuset.mems"] {
                    fs::write(directory.join(knob), fs::read_to_string(parent.directory.join(knob))?.trim())?;
                }
            }
        }
        Ok(group)
    }

    /// Moves the calling process into the group, and so `boxwright`s that it starts: on v2 into its leaf.
    pub fn join(&self) -> io::Result<()> {
        self.0.iter().try_for_each(|directory| {
            let leaf = directory.join(LEAF);
            fs::write(if leaf.exists() { leaf } else { directory.clone() }.join("cgroup.procs"), "0")
        })
    }

    pub fn directories(&self) -> impl Iterator<Item = &PathBuf> {
        self.0.iter()
    }

    /// The groups that were made inside this one.
    pub fn children(&self) -> BTreeSet<PathBuf> {
        self.0.iter().flat_map(|directory| subdirectories(directory)).collect()
    }

    /// Thaws whatever is frozen in the group: a frozen task of cgroup v1 cannot die.
    pub fn thaw(&self) -> io::Result<()> {
        for directory in self.children().iter().rev().chain(&self.0) {
            for (knob, value) in [("freezer.state", "THAWED"), ("cgroup.freeze", "0")] {
                let knob = directory.join(knob);
                if knob.exists() {
                    fs::write(knob, value)?;
                }
            }
        }
        Ok(())
    }
}

impl Drop for TestGroup {
    fn drop(&mut self) {
        let _ = self.thaw();
        for directory in self.children().iter().rev().chain(&self.0) {
            remove(directory);
        }
    }
}

/// Removes one group, after killing what is in it. EBUSY for a moment is normal: a killed process has to be gone.
fn remove(directory: &Path) {
    for _ in 0..100 {
        for pid in fs::read_to_string(directory.join("cgroup.procs")).unwrap_or_default().lines() {
            if let Ok(pid) = pid.parse() {
                let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
            }
        }
        match fs::remove_dir(directory) {
            Err(error) if error.kind() == io::ErrorKind::ResourceBusy => sleep(Duration::from_millis(5)),
            _ => return,
        }
    }
}

/// All directories below `directory`, parents before children.
fn subdirectories(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let own = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())).map(|entry| entry.path());
    own.flat_map(|child| std::iter::once(child.clone()).chain(subdirectories(&child))).collect()
}

/// Whether the caller may make groups that have `controller`.
#[must_use]
pub fn has_controller(controller: &str) -> bool {
    writable_groups().iter().any(|group| group.controllers.iter().any(|name| name == controller))
}

/// Whether the caller may make groups in version 2's tree that have a controller to hand down.
#[must_use]
pub fn has_v2() -> bool {
    let is_v2 = |group: &OwnGroup| group.directory.join("cgroup.controllers").exists();
    let is_handed_down = |name: &String| !BUILT_IN.contains(&name.as_str());
    writable_groups().iter().any(|group| is_v2(group) && group.controllers.iter().any(is_handed_down))
}

/// What every group of version 2 has.
const BUILT_IN: [&str; 2] = ["freezer", "devices"];

/// A group of the caller's in which groups may be made.
#[derive(Debug)]
struct OwnGroup {
    directory: PathBuf,
    /// What the groups in it have.
    controllers: Vec<String>,
}

/// The caller's own group in every mounted hierarchy, as far as the caller may make groups there.
fn writable_groups() -> &'static [OwnGroup] {
    static GROUPS: OnceLock<Vec<OwnGroup>> = OnceLock::new();
    GROUPS.get_or_init(|| {
        let read = |path| fs::read_to_string(path).unwrap_or_default();
        let all = hierarchies(&read("/proc/self/cgroup"), &read("/proc/self/mountinfo"));
        all.into_iter().filter_map(own_group).collect()
    })
}

fn own_group(hierarchy: Hierarchy) -> Option<OwnGroup> {
    let is_leaf = hierarchy.own.ends_with(LEAF);
    let directory = if is_leaf { hierarchy.own.parent()?.to_owned() } else { hierarchy.own };
    access(&directory, AccessFlags::W_OK).ok()?;
    let controllers = match hierarchy.version {
        Version::V1 => hierarchy.controllers,
        // At the top of the tree there is no such file: it has everything, and may have processes too.
        Version::V2 => {
            if !is_leaf && directory.join("cgroup.events").exists() {
                make_room(&directory).ok()?;
            }
            hand_down(&directory)
        }
    };
    Some(OwnGroup { directory, controllers })
}

/// Moves everything that is in a v2 group into a leaf below it: `systemd-run --scope -p Delegate=yes cargo test` starts
/// in the group itself, and a group with processes hands no controller down.
fn make_room(directory: &Path) -> io::Result<()> {
    let leaf = directory.join(LEAF);
    match fs::create_dir(&leaf) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    // Whoever forks meanwhile leaves a child behind that the list did not have.
    for _ in 0..100 {
        let processes = fs::read_to_string(directory.join("cgroup.procs"))?;
        if processes.is_empty() {
            break;
        }
        for process in processes.lines() {
            // One that has ended in the meantime is as good.
            let _ = fs::write(leaf.join("cgroup.procs"), process);
        }
    }
    Ok(())
}

/// Hands down what a v2 group has, one by one, and returns what the groups below it have then.
fn hand_down(directory: &Path) -> Vec<String> {
    let read = |knob| fs::read_to_string(directory.join(knob)).unwrap_or_default();
    for controller in read("cgroup.controllers").split_whitespace() {
        let _ = fs::write(directory.join("cgroup.subtree_control"), format!("+{controller}"));
    }
    read("cgroup.subtree_control").split_whitespace().chain(BUILT_IN).map(str::to_owned).collect()
}

/// The directories of the test's own group, one a hierarchy, seen from inside a shield with
/// [`Shield::cgroup`](crate::Shield::cgroup).
#[must_use]
pub fn cgroup_dirs() -> Vec<PathBuf> {
    let list = std::env::var_os(VARIABLE).unwrap_or_default();
    std::env::split_paths(&list).filter(|path| path.is_absolute()).collect()
}

/// The environment variable that names them, for the programs that a test starts.
pub const VARIABLE: &str = "BOXWRIGHT_TEST_CGROUPS";
