//! What the course needs of a machine: looked at where the kernel tells, tried where only trying tells.
//!
//! Tries run under the testkit's Shield, and so does every lab's test: what works here works there.

use std::fs;
use std::ops::RangeInclusive;
use std::path::Path;

use nix::unistd::Uid;
use serde::Serialize;
use testkit::needs::{Need as Declared, kernel, program};

use super::tries;

/// How much of a need is met.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// All of it.
    Met,
    /// Enough to go on: some tests will be skipped.
    Limited,
    /// The labs that need it cannot be done here.
    Missing,
}

/// One line of the doctor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Need {
    /// `user namespaces`
    pub name: &'static str,
    /// Whether it is met.
    pub state: State,
    /// What was seen.
    pub detail: String,
    /// What to do about it, a command where there is one; empty when it is met.
    pub fix: String,
    /// The labs that use it.
    #[serde(skip)]
    pub labs: RangeInclusive<u8>,
}

/// Every lab there will be.
const ALL: RangeInclusive<u8> = 0..=17;

impl Need {
    fn met(name: &'static str, labs: RangeInclusive<u8>, detail: impl Into<String>) -> Self {
        Self { name, state: State::Met, detail: detail.into(), fix: String::new(), labs }
    }

    fn unmet(self, state: State, fix: impl Into<String>) -> Self {
        Self { state, fix: fix.into(), ..self }
    }
}

/// Everything, looked at and tried now.
#[must_use]
pub fn all() -> Vec<Need> {
    let root = Path::new("/");
    let mut needs = vec![linux(root, kernel())];
    needs.extend(wsl(root));
    needs.extend(container(root));
    needs.extend([
        user_namespaces(root, tries::user_namespace()),
        shield(root, tries::shield()),
        subordinate_ids(),
        cgroups(root),
        overlay(kernel(), tries::overlay()),
        seccomp(root),
        linker(),
        programs(),
    ]);
    needs
}

fn linux(root: &Path, version: (u32, u32)) -> Need {
    const NEWER: [((u32, u32), &str); 3] =
        [((5, 13), "Landlock (lab 11)"), ((5, 14), "cgroup.kill"), ((6, 6), "rootless overlay on a tmpfs (lab 12)")];
    let release = fs::read_to_string(root.join("proc/sys/kernel/osrelease")).unwrap_or_default();
    let lacks: Vec<_> = NEWER
        .iter()
        .filter(|(since, _)| version < *since)
        .map(|((major, minor), what)| format!("{what} comes with {major}.{minor}"))
        .collect();
    let lacks = if lacks.is_empty() { String::new() } else { format!("; {}", lacks.join(", ")) };
    let need = Need::met("Linux", ALL, format!("kernel {}{lacks}", release.trim()));
    if version < (5, 12) {
        return need.unmet(State::Missing, "the course needs kernel 5.12 or later (mount_setattr): update your system");
    }
    need
}

/// Only where it is one.
fn wsl(root: &Path) -> Option<Need> {
    let release = fs::read_to_string(root.join("proc/sys/kernel/osrelease")).unwrap_or_default();
    if release.contains("-Microsoft") {
        let need = Need::met("WSL", ALL, "this is WSL 1, which has no Linux kernel");
        return Some(need.unmet(State::Missing, "in PowerShell: wsl --set-version <your distribution> 2"));
    }
    let detail = "WSL 2: keep the course below your Linux home; files below /mnt/c are slow and lose their modes";
    release.to_lowercase().contains("microsoft").then(|| Need::met("WSL", ALL, detail))
}

/// Only inside one. The kernel gives the first PID namespace a fixed number (`PROC_PID_INIT_INO`).
fn container(root: &Path) -> Option<Need> {
    let own = fs::read_link(root.join("proc/self/ns/pid")).ok()?;
    let marks = ["/.dockerenv", "/run/.containerenv"];
    let mark = marks.into_iter().find(|mark| root.join(&mark[1..]).exists());
    let is_first = own.to_string_lossy() == "pid:[4026531836]";
    let detail = match (mark, is_first) {
        (Some(mark), _) => format!("you are in one ({mark}): what its engine forbids, the labs cannot do"),
        (None, false) => "you are in a PID namespace of somebody's: what made it may forbid things".to_owned(),
        (None, true) => return None,
    };
    Some(Need::met("container", ALL, detail))
}

fn user_namespaces(root: &Path, tried: Result<(), String>) -> Need {
    // Root does without until lab 09.
    let (labs, state) = if Uid::effective().is_root() { (9..=17, State::Limited) } else { (ALL, State::Missing) };
    match tried {
        Ok(()) => Need::met("user namespaces", labs, "a process of yours can be root in one"),
        Err(error) => {
            let (why, fix) = user_namespace_blocker(root).unwrap_or((
                error,
                "the kernel does not say what forbids it: in a container start that one with --privileged; else see \
                 the set-up chapter"
                    .to_owned(),
            ));
            Need::met("user namespaces", labs, why).unmet(state, fix)
        }
    }
}

/// The setting that forbids user namespaces, and the command that changes it.
fn user_namespace_blocker(root: &Path) -> Option<(String, String)> {
    const KNOBS: [(&str, &str, &str); 3] = [
        ("user.max_user_namespaces", "0", "15000"),
        ("kernel.unprivileged_userns_clone", "0", "1"),
        ("kernel.apparmor_restrict_unprivileged_userns", "1", "0"),
    ];
    KNOBS.iter().find_map(|(knob, blocks, allows)| {
        let value = fs::read_to_string(root.join("proc/sys").join(knob.replace('.', "/"))).ok()?;
        let fix = format!(
            "sudo sysctl -w {knob}={allows}   (to keep it: echo {knob}={allows} | sudo tee /etc/sysctl.d/60-boxwright.conf)"
        );
        (value.trim() == *blocks).then(|| (format!("{knob} is {blocks}"), fix))
    })
}

fn shield(root: &Path, tried: Result<(), String>) -> Need {
    match tried {
        Ok(()) => Need::met("shield", ALL, "tests run where an accident cannot reach this machine"),
        Err(error) => {
            let fix = match (container(root), user_namespace_blocker(root)) {
                (_, Some(_)) if !Uid::effective().is_root() => "it needs user namespaces: mend those first",
                (Some(_), _) => "start the container around you with --privileged",
                _ => "see the set-up chapter, or work in the course's virtual machine",
            };
            Need::met("shield", ALL, error).unmet(State::Missing, fix)
        }
    }
}

fn subordinate_ids() -> Need {
    let labs = 9..=9;
    if Declared::Subuid.missing().is_none() {
        return Need::met("subuid", labs, "newuidmap, and a range of ids for you");
    }
    if !program("newuidmap") {
        let need = Need::met("subuid", labs, "newuidmap is not installed");
        return need.unmet(State::Limited, "sudo apt install uidmap   (Fedora: shadow-utils)");
    }
    let need = Need::met("subuid", labs, "no range of ids for you in /etc/subuid and /etc/subgid");
    need.unmet(State::Limited, "sudo usermod --add-subuids 100000-165535 --add-subgids 100000-165535 $USER")
}

fn cgroups(root: &Path) -> Need {
    const USED: [&str; 5] = ["cpu", "cpuset", "memory", "pids", "freezer"];
    let labs = 7..=8;
    let kind = cgroup_kind(root);
    // The freezer is a controller of version 1 alone; version 2 has it in every group.
    let used = USED.iter().filter(|name| kind != Some("v2") || **name != "freezer");
    let (yours, others): (Vec<_>, Vec<_>) = used.partition(|name| Declared::Cgroup(name).missing().is_none());
    let Some(kind) = kind else {
        let need = Need::met("cgroups", labs, "nothing is mounted on /sys/fs/cgroup");
        return need.unmet(State::Limited, "sudo mount -t cgroup2 none /sys/fs/cgroup");
    };
    let list = |names: &[&&str]| names.iter().map(|name| **name).collect::<Vec<_>>().join(", ");
    if others.is_empty() {
        return Need::met("cgroups", labs, format!("{kind}; {} are yours to set", list(&yours)));
    }
    let need = Need::met("cgroups", labs, format!("{kind}; not yours to set: {}", list(&others)));
    let fix = match (kind, Uid::effective().is_root()) {
        ("v2", false) => {
            "systemd-run --user --scope -p Delegate=yes cargo lab   (without systemd: cargo lab test NN --root)"
        }
        (_, false) => "cargo lab test NN --root",
        (_, true) => "the kernel, or what started this machine, keeps them: see the set-up chapter",
    };
    need.unmet(State::Limited, fix)
}

/// `v1`, `hybrid` (both, the old one with the controllers) or `v2`.
fn cgroup_kind(root: &Path) -> Option<&'static str> {
    let at = |path: &str| root.join("sys/fs/cgroup").join(path).exists();
    let mounts = fs::read_to_string(root.join("proc/self/mounts")).unwrap_or_default();
    let has_v1 = mounts.lines().any(|line| line.split(' ').nth(2) == Some("cgroup"));
    match (at("cgroup.controllers"), has_v1) {
        (true, _) => Some("v2"),
        (false, true) if at("unified/cgroup.controllers") => Some("hybrid"),
        (false, true) => Some("v1"),
        (false, false) => None,
    }
}

fn overlay(version: (u32, u32), tried: Result<(), String>) -> Need {
    match tried {
        Ok(()) => Need::met("overlay", 12..=13, "can be mounted in a user namespace"),
        Err(error) => {
            let fix = if version < (5, 11) {
                "kernel 5.11 or later"
            } else {
                "cargo lab test NN --root, or sudo modprobe overlay"
            };
            Need::met("overlay", 12..=13, error).unmet(State::Limited, fix)
        }
    }
}

fn seccomp(root: &Path) -> Need {
    let actions = fs::read_to_string(root.join("proc/sys/kernel/seccomp/actions_avail")).unwrap_or_default();
    if actions.contains("errno") {
        let notify = if actions.contains("user_notif") { "filters, and notifications" } else { "filters" };
        return Need::met("seccomp", 11..=11, notify);
    }
    let need = Need::met("seccomp", 11..=11, "this kernel has no seccomp filters");
    need.unmet(State::Missing, "a kernel built with CONFIG_SECCOMP_FILTER: every distribution's is")
}

fn linker() -> Need {
    match ["cc", "gcc", "clang"].into_iter().find(|name| program(name)) {
        Some(name) => Need::met("C linker", ALL, name),
        None => Need::met("C linker", ALL, "none found, and rustc needs one")
            .unmet(State::Missing, "sudo apt install gcc   (Fedora: sudo dnf install gcc; Alpine: apk add build-base)"),
    }
}

fn programs() -> Need {
    const USED: [(&str, &str); 10] = [
        ("git", "git"),
        ("ps", "procps"),
        ("ip", "iproute2"),
        ("ldd", "libc-bin"),
        ("hostname", "hostname"),
        ("ipcs", "util-linux"),
        ("ipcmk", "util-linux"),
        ("lsns", "util-linux"),
        ("unshare", "util-linux"),
        ("nsenter", "util-linux"),
    ];
    let missing: Vec<_> = USED.iter().filter(|(name, _)| !program(name)).collect();
    if missing.is_empty() {
        return Need::met("programs", ALL, "everything that the chapters call");
    }
    let names: Vec<_> = missing.iter().map(|(name, _)| *name).collect();
    let mut packages: Vec<_> = missing.iter().map(|(_, package)| *package).collect();
    packages.dedup();
    let need = Need::met("programs", ALL, format!("not installed: {}", names.join(", ")));
    need.unmet(State::Limited, format!("sudo apt install {}", packages.join(" ")))
}

#[cfg(test)]
#[path = "needs_tests.rs"]
mod tests;
