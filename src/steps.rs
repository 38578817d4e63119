//! The switchboard: which file stands behind each lab, and whether it is written.
//!
//! The only place that chooses between `labs/`, what the learner writes, and `solutions/`, the reference
//! (feature `solutions`). Each lab is one entry: its module, its signatures, its line in [`LABS`].

use std::ffi::{OsStr, OsString};
use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use model::caps::{CapSet, CapSets, FileCaps};
use model::cgroup::{Knob, Part, Throttling, Usage, Version};
use model::ids::{IdMaps, IdRange};
use model::image::{Archive, ArchiveWriter, Blob, Content, Digest, Item, Marker};
use model::layer::{Change, Entry, Mark, Marks, Overlay};
use model::plan::seccomp::{Action, ArchRules, Arg, Insn, Policy, Rule};
use model::plan::{Cpu, Memory, User};
use model::{
    Cgroup, Container, Error, Namespace, Node, NsId, NsKind, Powers, Process, Propagation, Queue, Result, StateDir,
    Status,
};
use nix::sys::signal::Signal;
use nix::sys::signalfd::SignalFd;
use nix::sys::wait::WaitStatus;
use nix::unistd::{ForkResult, Pid, Uid};

use crate::runtime::door::AtTheDoor;
use crate::runtime::making::{Made, Order};

/// Puts a lab's file behind its module and pins the signatures that the course expects of it.
macro_rules! lab {
    ($(#[$doc:meta])* $module:ident, $lab:literal, $solution:literal, { $($verb:ident: $signature:ty,)* }) => {
        $(#[$doc])*
        #[cfg_attr(feature = "reference", path = $solution)]
        #[cfg_attr(not(feature = "reference"), path = $lab)]
        pub mod $module;

        // An error here says that a lab's function has another signature than the course expects of it:
        // "expected fn pointer" shows the right one. Change it back in your lab's file.
        #[allow(clippy::type_complexity, reason = "a learner sees the whole signature here")]
        const _: () = { $(let _: $signature = $module::$verb;)* };
    };
}

lab! {
    /// Lab 00: which namespaces does a process live in?
    namespace, "../labs/lab00_namespace.rs", "../solutions/lab00_namespace.rs", {
        identity: fn(Pid, NsKind) -> Result<NsId>,
        same: fn(Pid, Pid, NsKind) -> Result<bool>,
        list: fn(NsKind) -> Result<Vec<Namespace>>,
    }
}
lab! {
    /// Lab 01: a host name of one's own.
    uts, "../labs/lab01_uts.rs", "../solutions/lab01_uts.rs", {
        unshare_uts: fn() -> Result<()>,
        set_hostname: fn(&str) -> Result<()>,
        set_domainname: fn(&str) -> Result<()>,
        enter: fn(Option<&str>, Option<&str>) -> Result<()>,
    }
}
lab! {
    /// Lab 02: message queues that nobody else can see.
    ipc, "../labs/lab02_ipc.rs", "../solutions/lab02_ipc.rs", {
        unshare_ipc: fn() -> Result<()>,
        queues: fn(&str) -> Result<Vec<Queue>>,
        open_posix_queue: fn(&str) -> Result<OwnedFd>,
        enter_with_queue: fn(i32) -> Result<i32>,
    }
}
lab! {
    /// Lab 03: PID 1, and what it owes the others.
    pid, "../labs/lab03_pid.rs", "../solutions/lab03_pid.rs", {
        start_pid1: fn() -> Result<ForkResult>,
        die_with_parent: fn() -> Result<()>,
        exit_code: fn(WaitStatus) -> Option<i32>,
        watch_signals: fn() -> Result<SignalFd>,
        forward: fn(Signal, Pid) -> Result<()>,
        supervise: fn(Pid, &SignalFd) -> Result<i32>,
        ns_pids: fn(&str) -> Result<Vec<Pid>>,
    }
}
lab! {
    /// Lab 04: a /proc of one's own, and mounts that stay inside.
    mounts, "../labs/lab04_mounts.rs", "../solutions/lab04_mounts.rs", {
        unshare_mounts: fn() -> Result<()>,
        set_propagation: fn(&Path, Propagation) -> Result<()>,
        propagation: fn(&str, &Path) -> Result<Propagation>,
        mount_proc: fn(&Path) -> Result<()>,
        mount_mqueue: fn(&Path) -> Result<()>,
        fork_with_proc: fn() -> Result<ForkResult>,
    }
}
lab! {
    /// Lab 05: two doors to another root, and why one of them does not lock.
    root, "../labs/lab05_root.rs", "../solutions/lab05_root.rs", {
        libraries: fn(&Path) -> Result<Vec<PathBuf>>,
        build_rootfs: fn(&Path, &[PathBuf]) -> Result<()>,
        enter_chroot: fn(&Path) -> Result<()>,
        escape_chroot: fn() -> Result<()>,
        enter_pivot_root: fn(&Path) -> Result<()>,
        seal_fds: fn() -> Result<()>,
    }
}
lab! {
    /// Lab 06: volumes, and paths that cannot lead out.
    volume, "../labs/lab06_volume.rs", "../solutions/lab06_volume.rs", {
        open_inside: fn(BorrowedFd<'_>, &Path, Option<Node>) -> Result<OwnedFd>,
        bind: fn(&Path, BorrowedFd<'_>) -> Result<()>,
        remount_read_only: fn(BorrowedFd<'_>) -> Result<()>,
        set_tree_read_only: fn(BorrowedFd<'_>) -> Result<()>,
        mount_tmpfs: fn(BorrowedFd<'_>, Option<u64>, u32) -> Result<()>,
        make_devices: fn(BorrowedFd<'_>) -> Result<()>,
        mask: fn(BorrowedFd<'_>, &Path) -> Result<()>,
    }
}

lab! {
    /// Lab 07: how much processor time.
    cpu, "../labs/lab07_cpu.rs", "../solutions/lab07_cpu.rs", {
        weight: fn(u64) -> u64,
        knobs: fn(&Cpu, Version) -> Vec<Knob>,
        create: fn(&Cgroup, &str) -> Result<Cgroup>,
        join: fn(&Cgroup, Pid) -> Result<()>,
        limit: fn(&Cgroup, &Cpu) -> Result<()>,
        throttling: fn(&Cgroup) -> Result<Throttling>,
        remove: fn(&Cgroup) -> Result<()>,
    }
}
lab! {
    /// Lab 08: how much memory and how many processes; stop, look, and see nothing above.
    limits, "../labs/lab08_limits.rs", "../solutions/lab08_limits.rs", {
        knobs: fn(&Memory, Version) -> Vec<Knob>,
        enable: fn(&Part, &[&str]) -> Result<()>,
        freeze: fn(&Cgroup) -> Result<()>,
        thaw: fn(&Cgroup) -> Result<()>,
        usage: fn(&Cgroup) -> Result<Usage>,
        oom_kills: fn(&Cgroup) -> Result<u64>,
        enter: fn(&Cgroup) -> Result<()>,
    }
}
lab! {
    /// Lab 09: root inside, nobody outside.
    userns, "../labs/lab09_userns.rs", "../solutions/lab09_userns.rs", {
        parse: fn(&str) -> Result<Vec<IdRange>>,
        container_map: fn(Option<u32>, &str, &str, Uid) -> Result<Vec<IdRange>>,
        write_maps: fn(Pid, &IdMaps) -> Result<()>,
        map_with_helpers: fn(Pid, &IdMaps) -> Result<()>,
        create: fn(&IdMaps) -> Result<OwnedFd>,
        enter: fn(BorrowedFd<'_>) -> Result<()>,
        idmapped: fn(&Path, BorrowedFd<'_>) -> Result<OwnedFd>,
    }
}
lab! {
    /// Lab 10: root's power in pieces.
    caps, "../labs/lab10_caps.rs", "../solutions/lab10_caps.rs", {
        read: fn(&str) -> Result<CapSets>,
        drop_bounding: fn(CapSet) -> Result<()>,
        set: fn(&CapSets) -> Result<()>,
        raise_ambient: fn(CapSet) -> Result<()>,
        confine: fn(&CapSets, &User) -> Result<()>,
        file_caps: fn(&Path) -> Result<Option<FileCaps>>,
        set_file_caps: fn(&Path, &FileCaps) -> Result<()>,
    }
}
lab! {
    /// Lab 11: which system calls there are.
    seccomp, "../labs/lab11_seccomp.rs", "../solutions/lab11_seccomp.rs", {
        compare: fn(&Arg, u8) -> Vec<Insn>,
        rule: fn(&Rule) -> Vec<Insn>,
        for_arch: fn(&ArchRules, Action) -> Vec<Insn>,
        assemble: fn(&Policy) -> Result<Vec<Insn>>,
        no_new_privs: fn() -> Result<()>,
        install: fn(&[Insn], u64) -> Result<Option<OwnedFd>>,
        write_only_below: fn(&[PathBuf]) -> Result<()>,
    }
}

lab! {
    /// Lab 12: one root file system for many, and each keeps its own changes.
    overlay, "../labs/lab12_overlay.rs", "../solutions/lab12_overlay.rs", {
        options: fn(&Overlay) -> OsString,
        mount_overlay: fn(&Overlay, &Path) -> Result<()>,
        make_mark: fn(BorrowedFd<'_>, Mark<'_>, Marks) -> Result<()>,
        entry: fn(BorrowedFd<'_>, &OsStr, Marks) -> Result<Entry>,
        lookup: fn(&[OwnedFd], &OsStr, Marks) -> Result<Vec<OwnedFd>>,
        changes: fn(&Overlay) -> Result<Vec<Change>>,
        copy_tree: fn(&Path, &Path) -> Result<()>,
    }
}

lab! {
    /// Lab 13: layers that travel.
    image, "../labs/lab13_image.rs", "../solutions/lab13_image.rs", {
        read: fn(&mut Blob, &mut [u8]) -> Result<usize>,
        marker: for<'a> fn(&'a OsStr) -> Result<Marker<'a>>,
        open_parent: fn(BorrowedFd<'_>, &Path) -> Result<(OwnedFd, OsString)>,
        put: fn(BorrowedFd<'_>, BorrowedFd<'_>, &OsStr, &Item, &mut Content<'_>) -> Result<()>,
        apply: fn(BorrowedFd<'_>, &mut Archive<'_>, Marks) -> Result<()>,
        chain_ids: fn(&[Digest]) -> Vec<Digest>,
        write_layer: fn(BorrowedFd<'_>, Marks, &mut ArchiveWriter<'_>) -> Result<()>,
    }
}
lab! {
    /// Lab 15: one process more in a container that runs already.
    join, "../labs/lab15_join.rs", "../solutions/lab15_join.rs", {
        open: fn(Pid, u64) -> Result<Process>,
        differing: fn(&Process) -> Result<Vec<NsKind>>,
        enter: fn(&[(NsKind, BorrowedFd<'_>)]) -> Result<()>,
        enter_group: fn(&Process) -> Result<()>,
        fork_inside: fn(&[BorrowedFd<'_>]) -> Result<ForkResult>,
        enter_root: fn(BorrowedFd<'_>, &Path) -> Result<()>,
        lower: fn(&Powers) -> Result<()>,
    }
}

lab! {
    /// Lab 16: the life of a container, in five commands.
    lifecycle, "../labs/lab16_lifecycle.rs", "../solutions/lab16_lifecycle.rs", {
        write_whole: fn(&Path, &[u8]) -> Result<()>,
        status: fn(&Container) -> Status,
        wait_for_start: fn(&mut AtTheDoor<'_>) -> Result<()>,
        create: fn(&Order, &StateDir) -> Result<Made>,
        start: fn(&str, &StateDir) -> Result<Vec<Error>>,
        kill: fn(&str, i32, bool, &StateDir) -> Result<()>,
        delete: fn(&str, bool, &StateDir) -> Result<Vec<Error>>,
    }
}

/// A lab as the runtime sees it.
#[derive(Debug, Clone, Copy)]
pub struct Lab {
    /// 0 to 17; the same in every file name.
    pub number: u8,
    /// What a container gets from it, to end the sentence "left out, not written yet: …".
    pub gives: &'static str,
    /// Whether no exercise of it is left open.
    pub written: bool,
}

/// Reads a lab's file at compile time and makes its line of [`LABS`].
macro_rules! line {
    ($number:literal, $file:literal, $gives:literal) => {
        Lab {
            number: $number,
            gives: $gives,
            written: cfg!(feature = "reference") || !has_todo(include_str!(concat!("../labs/", $file, ".rs"))),
        }
    };
}

/// Every lab there is, by number.
pub const LABS: &[Lab] = &[
    line!(0, "lab00_namespace", "namespaces by name"),
    line!(1, "lab01_uts", "a host name of its own"),
    line!(2, "lab02_ipc", "private message queues"),
    line!(3, "lab03_pid", "PIDs of its own"),
    line!(4, "lab04_mounts", "mounts and a /proc of its own"),
    line!(5, "lab05_root", "a root directory of its own"),
    line!(6, "lab06_volume", "volumes and a /dev of its own"),
    line!(7, "lab07_cpu", "a cgroup of its own"),
    line!(8, "lab08_limits", "limits for memory and processes"),
    line!(9, "lab09_userns", "ids of its own"),
    line!(10, "lab10_caps", "most of root's power taken away"),
    line!(11, "lab11_seccomp", "a filter for system calls"),
    line!(12, "lab12_overlay", "a layer of its own for what it writes"),
    line!(13, "lab13_image", "images"),
    line!(15, "lab15_join", "what it shares with another container"),
    line!(16, "lab16_lifecycle", "a life between two commands"),
];

/// Lab `number`, when there is one. They are looked up by number, so that one may come before those with smaller numbers.
#[must_use]
pub const fn lab(number: u8) -> Option<&'static Lab> {
    let mut at = 0;
    while at < LABS.len() {
        if LABS[at].number == number {
            return Some(&LABS[at]);
        }
        at += 1;
    }
    None
}

/// Whether lab `number` is written.
#[must_use]
pub const fn written(number: u8) -> bool {
    match lab(number) {
        Some(lab) => lab.written,
        None => false,
    }
}

/// For a flag that needs lab `number`: an error that says so when the lab is not written.
///
/// # Errors
/// [`Error::Unwritten`].
pub fn require(number: u8) -> Result<()> {
    if written(number) { Ok(()) } else { Err(Error::Unwritten { lab: number }) }
}

/// Whether a line of `source` has a `todo!(` that is not in a comment. A const fn, so that an unwritten
/// step is known when the crate is compiled and nobody has to catch a panic.
const fn has_todo(source: &str) -> bool {
    const MARKER: &[u8] = b"todo!(";
    let source = source.as_bytes();
    let mut at = 0;
    let mut in_comment = false;
    while at + MARKER.len() <= source.len() {
        match source[at] {
            b'\n' => in_comment = false,
            b'/' if source[at + 1] == b'/' => in_comment = true,
            b't' if !in_comment => {
                let mut matched = 0;
                while matched < MARKER.len() && source[at + matched] == MARKER[matched] {
                    matched += 1;
                }
                if matched == MARKER.len() {
                    return true;
                }
            }
            _ => {}
        }
        at += 1;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::has_todo;

    #[test]
    fn an_open_exercise_is_seen_at_compile_time() {
        assert!(has_todo("fn f() {\n    todo!(\"lab 01, task 1: call it\")\n}"));
        assert!(!has_todo("fn f() {\n    // todo!(\"lab 01\") was here\n    done()\n}"));
        assert!(!has_todo(""));
    }
}
