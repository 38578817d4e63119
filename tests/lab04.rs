//! Lab 04, `labs/lab04_mounts.rs`: a /proc of one's own. Chapter: `book/src/lab04-mounts.md`.
//!
//! Every test runs under Shield, where all mounts are shared, as on a machine with systemd: a mount that gets out
//! is seen.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{Read, Seek};
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use boxwright::steps::mounts;
use model::Propagation::{self, Private, Shared, SharedSlave, Slave, Unbindable};
use model::{Error, NsId, NsKind, Result};
use nix::errno::Errno;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, setns, unshare};
use predicates::prelude::PredicateBooleanExt;
use predicates::str::{contains, is_match};
use testkit::{
    Explained, Inside, Mount, check, drop_capabilities, in_child, inside, moves_only, needs, observe, random_name,
    shielded, written,
};

const RULES: &str = "lab04-mounts.md, The kernel's rules";
const TASKS: &str = "lab04-mounts.md, Tasks";
const KINDS: [Propagation; 5] = [Private, Slave, Shared, SharedSlave, Unbindable];
/// What each errno means in this lab.
const REASONS: [(Errno, &str); 6] = [
    (Errno::EPERM, "the process lacks CAP_SYS_ADMIN in the user namespace that owns this mount namespace"),
    (Errno::EINVAL, "mount(2) takes one propagation flag a call, beside MS_REC, and a path where something is mounted"),
    (Errno::ENOENT, "the target is not there: mount(2) makes no directories"),
    (Errno::ENODEV, "the kernel has no file system of the type that was named: `cat /proc/filesystems` lists them"),
    (
        Errno::EBUSY,
        "the same file system is on top of that directory already: a second mount does not change the flags of the first",
    ),
    (Errno::EFAULT, "a pointer that the kernel cannot read: a C string wants its closing NUL"),
];

// ---- task 1 ----

#[test]
fn task1_the_caller_gets_a_new_mount_namespace() {
    shielded(|| {
        let verb = || mounts::unshare_mounts().explained("unshare_mounts()", &REASONS, RULES);
        moves_only(NsKind::Mnt, "CLONE_NEWNS", verb, |_| None, RULES);
    });
}

#[test]
fn task1_the_new_namespace_starts_as_a_copy_of_the_old() {
    shielded(|| {
        // Sorted: the copy lists its mounts in the order of the tree, the original in the order of their making.
        let places = || {
            let mut places: Vec<_> =
                inside().mounts.into_iter().map(|mount| (mount.point, mount.propagation.join(" "))).collect();
            places.sort();
            places
        };
        let before = places();
        mounts::unshare_mounts().explained("unshare_mounts()", &REASONS, RULES);
        let after = places();
        check!(
            before == after,
            expected: "the same mounts with the same propagation: the new ones are peers of the old",
            seen: format!("before\n    {before:?}\n  after\n    {after:?}"),
            likely: "something beyond unshare(2) was called; propagation comes in the next task",
            read: RULES,
        );
    });
}

#[test]
fn task1_without_the_capability_the_refusal_is_reported() {
    shielded(|| {
        drop_capabilities();
        check_refusal(mounts::unshare_mounts(), Errno::EPERM, "unshare_mounts() without CAP_SYS_ADMIN");
    });
}

// ---- task 2 ----

#[test]
fn task2_the_mount_and_those_below_it_follow_and_no_other_does() {
    on_a_stage(|stage| {
        for kind in KINDS {
            let [seen, below, beside] = in_child(|| {
                enter_a_copy();
                mounts::set_propagation(&stage.join("a"), kind).explained(&call(kind), &REASONS, RULES);
                ["a", "a/below", "b"].map(|name| propagation_of(&stage.join(name)))
            });
            let wanted = name(kind);
            check!(
                [&seen, &below, &beside] == [&wanted, &wanted, &name(Shared)],
                expected: format!("after {} the mount at a/ and the one at a/below to be {wanted}, and the one beside them as it was, Shared", call(kind)),
                seen: format!("a/ {seen}, a/below {below}, b/ {beside}"),
                likely: match () {
                    () if beside != name(Shared) => "the path was not used: another mount point than the one asked for was changed, with all below it",
                    () if seen == wanted => "MS_REC was left out: the mount itself changed, and none of those below it",
                    () if [&seen, &below] == [&name(Shared), &name(Shared)] => "nothing was changed",
                    () => other_kind(kind, &seen),
                },
                read: RULES,
            );
        }
    });
}

#[test]
fn task2_mounts_travel_as_the_propagation_says() {
    on_a_stage(|stage| {
        for kind in KINDS {
            let seen = in_child(|| {
                let home = mount_namespace();
                unshare(CloneFlags::CLONE_NEWNS).expect("unshare");
                let copy = mount_namespace();
                mounts::set_propagation(&stage.join("a"), kind).explained(&call(kind), &REASONS, RULES);
                let bound =
                    mount(Some(&stage.join("a")), &stage.join("b/bound"), None::<&str>, MsFlags::MS_BIND, None::<&str>);
                tmpfs(&stage.join("a/mine"));
                setns(&home, CloneFlags::CLONE_NEWNS).expect("setns");
                let sends = is_mounted(&stage.join("a/mine"));
                tmpfs(&stage.join("a/theirs"));
                setns(&copy, CloneFlags::CLONE_NEWNS).expect("setns");
                let receives = is_mounted(&stage.join("a/theirs"));
                // The home namespace goes on to the next kind: leave it as it was.
                setns(&home, CloneFlags::CLONE_NEWNS).expect("setns");
                for name in ["a/mine", "a/theirs", "b/bound"] {
                    let _ = nix::mount::umount2(&stage.join(name), nix::mount::MntFlags::MNT_DETACH);
                }
                (sends, receives, bound.is_ok())
            });
            let wanted = match kind {
                Private => (false, false, true),
                Slave | SharedSlave => (false, true, true),
                Shared => (true, true, true),
                Unbindable => (false, false, false),
            };
            let words = |(sends, receives, bindable)| {
                format!(
                    "sends mounts to the parent namespace: {sends}; receives from it: {receives}; can be bound elsewhere: {bindable}"
                )
            };
            check!(
                seen == wanted,
                expected: format!("a mount that is {}: {}", name(kind), words(wanted)),
                seen: words(seen),
                likely: match (kind, seen) {
                    (Private, (false, true, true)) => other_kind(Private, "Slave"),
                    (Private | Slave | SharedSlave, (true, ..)) => "it is still a peer of its original: nothing was changed, or MS_SHARED alone was set",
                    (Unbindable, (.., true)) => "another flag than MS_UNBINDABLE was set",
                    _ => "the flag of another kind was set",
                },
                read: RULES,
            );
        }
    });
}

#[test]
fn task2_a_path_that_is_no_mount_point_is_refused() {
    on_a_stage(|stage| {
        let plain = mounts::set_propagation(&stage.join("a/mine"), Private);
        check_refusal(plain, Errno::EINVAL, "set_propagation() of a directory where nothing is mounted");
        let missing = mounts::set_propagation(&stage.join("no-such-directory"), Private);
        check_refusal(missing, Errno::ENOENT, "set_propagation() of a path that is not there");
    });
}

#[test]
fn task2_without_the_capability_the_refusal_is_reported() {
    on_a_stage(|stage| {
        drop_capabilities();
        let refused = mounts::set_propagation(&stage.join("a"), Private);
        check_refusal(refused, Errno::EPERM, "set_propagation() without CAP_SYS_ADMIN");
    });
}

// ---- task 3 ----

#[test]
fn task3_each_kind_is_told_apart() {
    shielded(|| {
        for (tags, kind) in [
            (vec![], Private),
            (vec![tag("shared")], Shared),
            (vec![tag("master")], Slave),
            (vec![tag("shared"), tag("master")], SharedSlave),
            (vec!["unbindable".to_owned()], Unbindable),
        ] {
            let text =
                format!("{}{}{}", line("/", &[tag("shared")]), line("/a", &tags), line("/a/b", &[tag("master")]));
            reads(&text, "/a", kind, "a tag was taken for another, or another line was read");
        }
    });
}

#[test]
fn task3_optional_fields_are_found_wherever_they_stand() {
    shielded(|| {
        let from = tag("propagate_from");
        for (tags, kind) in [
            (vec![tag("shared"), tag("master"), from.clone()], SharedSlave),
            (vec![tag("master"), from.clone()], Slave),
            // "Parsers should ignore all unrecognized optional fields."
            (vec![tag("later"), tag("shared")], Shared),
            (vec![tag("later"), tag("master"), tag("later"), tag("shared")], SharedSlave),
            (vec![tag("later")], Private),
        ] {
            reads(
                &line("/a", &tags),
                "/a",
                kind,
                "the optional fields were read by a fixed place: there may be none, one or several, in any order, some unknown; a single \"-\" ends them",
            );
        }
    });
}

#[test]
fn task3_only_the_optional_fields_count() {
    shielded(|| {
        const LIKELY: &str = "the whole line was searched: a directory, a source or an option may be spelled like a tag; only what stands between field 6 and the single \"-\" is one";
        let [one, two] = [tag("shared"), tag("master")];
        for (text, kind) in [
            (format!("{} 1 0:7 /{one} /a rw - tmpfs {two} rw\n", number()), Private),
            (format!("{} 1 0:7 / /a rw - tmpfs unbindable rw,x={one}\n", number()), Private),
            (format!("{} 1 0:7 / /a rw - tmpfs {one} {two}\n", number()), Private),
            (format!("{} 1 0:7 / /a rw {two} - tmpfs {one} {one}\n", number()), Slave),
            (format!("{} 1 0:7 / /a rw {one} - tmpfs - rw,{two}\n", number()), Shared),
            (format!("{} 1 0:7 /x\\040-\\040{one} /a rw {two} - tmpfs a\\040-\\040b rw\n", number()), Slave),
        ] {
            reads(&text, "/a", kind, LIKELY);
        }
    });
}

#[test]
fn task3_the_path_is_the_mount_point_and_all_of_it() {
    shielded(|| {
        let text = [line("/", &[tag("shared")]), line("/a", &[tag("master")]), line("/ab", &["unbindable".to_owned()])]
            .concat();
        let text = format!("{text}{} 1 0:7 /b /c rw - tmpfs none rw\n", number());
        let likely = "another field than the fifth was compared, or only a part of it";
        reads(&text, "/", Shared, likely);
        reads(&text, "/a", Slave, likely);
        reads(&text, "/ab", Unbindable, likely);
        reads(&text, "/c", Private, likely);
        for missing in ["/b", "/a/b", "/none"] {
            let answer = mounts::propagation(&text, Path::new(missing));
            let seen = told(&answer);
            check!(
                matches!(answer, Err(Error::Invalid { .. })),
                expected: format!("Error::Invalid for {missing}, where nothing is mounted, in\n{text}"),
                seen: seen,
                likely: "a mount point that is not there has no propagation, not even Private",
                read: TASKS,
            );
        }
    });
}

#[test]
fn task3_escaped_paths_are_read_back() {
    shielded(|| {
        let word = random_name("my");
        for (real, written) in
            [(" ", "\\040"), ("\t", "\\011"), ("\n", "\\012"), ("\\", "\\134"), ("\\040", "\\134040")]
        {
            let text =
                format!("{}{}", line(&format!("/{word}"), &[]), line(&format!("/{word}{written}x"), &[tag("shared")]));
            reads(
                &text,
                &format!("/{word}{real}x"),
                Shared,
                "the field was compared as it is written: unescape() reads \\040 and its like back",
            );
        }
    });
}

#[test]
fn task3_of_stacked_mounts_the_topmost_counts() {
    shielded(|| {
        let [bottom, middle, top] = [number(), number() + 1000, number() + 2000];
        let entry = |id: u32, below: u32, tags: &str| format!("{id} {below} 0:7 / /a rw{tags} - tmpfs none rw\n");
        let lines = [entry(bottom, 1, ""), entry(middle, bottom, " shared:4"), entry(top, middle, " master:5")];
        for order in [[0, 1, 2], [0, 2, 1], [2, 0, 1]] {
            let text: String = order.map(|index| lines[index].as_str()).concat();
            let likely = match (mounts::propagation(&text, Path::new("/a")), order) {
                (Ok(seen), [first, ..]) if seen == [Private, Shared, Slave][first] => {
                    "the first of several lines for one point was taken"
                }
                (Ok(seen), [.., last]) if seen == [Private, Shared, Slave][last] => {
                    "the last of several lines for one point was taken: a mount that was moved keeps its place in the list"
                }
                _ => {
                    "of several mounts at one point, the topmost is the one whose ID (field 1) is no other's parent (field 2)"
                }
            };
            reads(&text, "/a", Slave, likely);
        }
    });
}

#[test]
fn task3_what_the_kernel_writes_is_understood() {
    on_a_stage(|stage| {
        in_child(|| {
            enter_a_copy();
            let odd = stage.join("a/odd name\\with\tall");
            fs::create_dir(&odd).expect("mkdir");
            tmpfs(&odd);
            for (kind, flags) in [
                (Private, vec![MsFlags::MS_PRIVATE]),
                (Shared, vec![MsFlags::MS_SHARED]),
                (Unbindable, vec![MsFlags::MS_PRIVATE, MsFlags::MS_UNBINDABLE]),
            ] {
                flags.into_iter().for_each(|flag| propagate(&odd, flag));
                reads(
                    &mountinfo(),
                    odd.to_str().expect("text"),
                    kind,
                    "the kernel's own text, with an odd name in it; see the other tests of this task",
                );
            }
            for (kind, flags) in [(Slave, vec![MsFlags::MS_SLAVE]), (SharedSlave, vec![MsFlags::MS_SHARED])] {
                flags.into_iter().for_each(|flag| propagate(&stage.join("a"), flag));
                reads(
                    &mountinfo(),
                    stage.join("a").to_str().expect("text"),
                    kind,
                    "the kernel's own text; see the other tests of this task",
                );
            }
        });
    });
}

// ---- task 4 ----

#[test]
fn task4_the_new_proc_shows_the_pid_namespace_of_the_caller() {
    mount_proc_as_pid1(|seen| {
        check!(
            seen.kind == "proc" && seen.names == ["1"],
            expected: "a proc that shows the caller, PID 1 of its namespace, and no other process",
            seen: seen.told(),
            likely: seen.wrong_proc(),
            read: RULES,
        );
    });
}

#[test]
fn task4_proc_is_nosuid_nodev_and_noexec() {
    mount_proc_as_pid1(|seen| {
        check!(
            missing(&seen.options).is_empty(),
            expected: "proc with nosuid, nodev and noexec",
            seen: seen.told(),
            likely: match seen.kind == "proc" && seen.names == ["1"] {
                true => format!("for proc, {} left out of the flags", missing(&seen.options).join(", ")),
                false => seen.wrong_proc().to_owned(),
            },
            read: RULES,
        );
    });
}

#[test]
fn task4_a_refusal_is_reported() {
    refusals(mounts::mount_proc, "mount_proc()");
}

// ---- task 5 ----

#[test]
fn task5_the_queues_are_files_and_those_of_the_caller_alone() {
    let [outer, inner] = [random_name("outer"), random_name("inner")];
    on_a_stage(|stage| {
        unshare(CloneFlags::CLONE_NEWIPC).expect("unshare");
        let _outer = queue(&outer);
        in_child(|| {
            unshare(CloneFlags::CLONE_NEWIPC).expect("unshare");
            let _inner = queue(&inner);
            mounts::mount_mqueue(&stage.join("a/mine")).explained("mount_mqueue(_)", &REASONS, RULES);
            let seen = Seen::look(&stage.join("a/mine"), |_| true);
            check!(
                seen.kind == "mqueue" && seen.names == [inner.as_str()],
                expected: format!("the queue {inner} of the caller's IPC namespace as a file, and no other"),
                seen: seen.told(),
                likely: match () {
                    () if seen.kind.is_empty() => "nothing was mounted there",
                    () if seen.kind != "mqueue" => "a file system of another type was mounted: message queues are mqueue",
                    () => "it shows the queues of another IPC namespace: a bind mount shows what its source shows",
                },
                read: RULES,
            );
            check!(
                missing(&seen.options).is_empty(),
                expected: "mqueue with nosuid, nodev and noexec",
                seen: seen.told(),
                likely: format!("for mqueue, {} left out of the flags", missing(&seen.options).join(", ")),
                read: RULES,
            );
        });
    });
}

#[test]
fn task5_a_refusal_is_reported() {
    refusals(mounts::mount_mqueue, "mount_mqueue()");
}

// ---- task 6 ----

#[test]
fn task6_the_child_is_pid_1_and_its_proc_shows_it_alone() {
    shielded(|| {
        let mounts_before = inside().mounts.len();
        let Forked { child, .. } = Forked::look(&testkit::dir());
        let proc = child.mounts.iter().rfind(|mount| mount.point == Path::new("/proc"));
        check!(
            child.pid == 1 && child.processes == [1],
            expected: "a child that is PID 1, and a /proc that shows PID 1 and no other",
            seen: format!("getpid() is {}, /proc shows {:?}", child.pid, child.processes),
            likely: unfinished().unwrap_or(match child.pid {
                1 if child.mounts.len() == mounts_before => "in the child /proc is still the old one, with the processes of the parent's namespace: nothing new was mounted on it",
                1 => "the proc that was mounted is the one of the parent's PID namespace: its mounter was still there",
                _ => "the child was born in the caller's own PID namespace: unshare(CLONE_NEWPID) comes before fork(2)",
            }),
            read: RULES,
        );
        check!(
            proc.is_some_and(|proc| missing(&proc.options).is_empty()),
            expected: "/proc in the child to be nosuid, nodev, noexec",
            seen: format!("{proc:?}"),
            likely: unfinished().unwrap_or("mount_proc() of task 4 gives them"),
            read: TASKS,
        );
    });
}

#[test]
fn task6_the_caller_keeps_its_mounts() {
    shielded(|| {
        let mut host = HostMounts::open();
        let before = host.read();
        let seen = Forked::look(&testkit::dir());
        let after = host.read();
        let mnt = |namespaces: &BTreeMap<NsKind, NsId>| namespaces.get(&NsKind::Mnt).copied();
        let root_is_shared =
            seen.child.mounts.iter().rfind(|mount| mount.point == Path::new("/")).is_some_and(is_shared);
        check!(
            before == after,
            expected: "the mounts of the caller's namespace to stay as they are",
            seen: difference(&before, &after),
            likely: unfinished().unwrap_or(match () {
                () if before.lines().count() == after.lines().count() => "no mount is new, but somebody changed their propagation: before unshare_mounts(), what set_propagation() changes is the caller's own mounts",
                () if mnt(&seen.child.namespaces) == mnt(&seen.before) => "the child did all this in the caller's own mount namespace: unshare_mounts() comes first",
                () if root_is_shared => "the host's /proc was replaced: the child's mounts are still peers of the host's, so what it mounts appears there too. Private, on / and all below, comes before the mount",
                () => "/ is private, but /proc, a mount of its own below it, is still shared: MS_REC",
            }),
            read: RULES,
        );
        check!(
            mnt(&seen.before) == mnt(&seen.after),
            expected: "the caller to stay in its mount namespace",
            seen: "it is in another one",
            likely: unfinished().unwrap_or("the steps were taken before fork(2), by the caller: it lost its place among the host's mounts, and the proc that it mounted is of its own PID namespace"),
            read: RULES,
        );
    });
}

#[test]
fn task6_what_the_child_mounts_stays_there() {
    shielded(|| {
        let place = testkit::dir().join(random_name("stage"));
        fs::create_dir(&place).expect("mkdir");
        let inside = Forked::look(&place).mounted;
        let escaped = is_mounted(&place);
        check!(
            inside && !escaped,
            expected: "a mount that the child makes afterwards to be seen by the child alone",
            seen: format!("the child has it: {inside}; the caller has it: {escaped}"),
            likely: unfinished().unwrap_or("the child's mounts still send what happens below them to the caller's"),
            read: RULES,
        );
    });
}

#[test]
fn task6_without_the_capability_the_refusal_is_reported() {
    shielded(|| {
        drop_capabilities();
        check_refusal(mounts::fork_with_proc().map(drop), Errno::EPERM, "fork_with_proc() without CAP_SYS_ADMIN");
    });
}

// ---- end to end ----

#[test]
fn run_shows_only_the_containers_processes() {
    written!(4, leans on 3);
    shielded(|| {
        testkit::boxwright!()
            .args(["run", "--", "sh", "-c", "echo PIDs: /proc/[0-9]*"])
            .assert()
            .success()
            .stdout(contains("PIDs: /proc/1\n"));
    });
}

#[test]
fn run_lets_ps_list_the_container_alone() {
    needs!(program = ps);
    written!(4, leans on 3);
    shielded(|| {
        testkit::boxwright!()
            .args(["run", "--", "ps", "-e", "-o", "pid="])
            .assert()
            .success()
            .stdout(is_match(r"^ *1\n$").expect("a pattern"));
    });
}

#[test]
fn run_mounts_proc_nosuid_nodev_noexec_and_private() {
    written!(4, leans on 3);
    shielded(|| {
        testkit::boxwright!()
            .args(["run", "--", "sh", "-c", "cat /proc/self/mountinfo"])
            .assert()
            .success()
            .stdout(is_match(r"(?m)^\S+ \S+ \S+ / /proc \S*nosuid,nodev,noexec\S* - proc ").expect("a pattern"))
            .stdout(contains(" shared:").not());
    });
}

#[test]
fn run_leaves_the_hosts_mounts_as_they_are() {
    written!(4);
    shielded(|| {
        let mut host = HostMounts::open();
        let before = host.read();
        testkit::boxwright!().args(["run", "--", "true"]).assert().success();
        let after = host.read();
        check!(
            before == after,
            expected: "the host's mounts to stay as they are",
            seen: difference(&before, &after),
            likely: "unshare_mounts() or set_propagation() does not do its work; see the tests of tasks 1 and 2",
            read: RULES,
        );
    });
}

// ---- what the tests stand on ----

/// Runs `body` under a shield, in a mount namespace of its own that is cut off from the shield's, with a tree of shared
/// mounts at the path that it gets:
///
/// ```text
/// a        a mount       a/below, a mount     a/mine, a/theirs, directories
/// b        a mount       b/bound, a directory
/// ```
#[track_caller]
fn on_a_stage(body: impl FnOnce(&Path)) {
    shielded(|| {
        in_child(|| {
            unshare(CloneFlags::CLONE_NEWNS).expect("unshare");
            propagate(Path::new("/"), MsFlags::MS_REC | MsFlags::MS_PRIVATE);
            let stage = testkit::dir().join(random_name("stage"));
            fs::create_dir(&stage).expect("mkdir");
            for name in ["", "a", "a/below", "a/mine", "a/theirs", "b", "b/bound"] {
                let path = stage.join(name);
                fs::create_dir_all(&path).expect("mkdir");
                if ["a", "a/below", "b"].contains(&name) {
                    tmpfs(&path);
                    propagate(&path, MsFlags::MS_SHARED);
                }
            }
            body(&stage)
        })
    })
}

/// Moves the caller into a copy of its mount namespace: each shared mount a peer of its original.
fn enter_a_copy() {
    unshare(CloneFlags::CLONE_NEWNS).expect("unshare");
}

/// Calls mount_proc() as PID 1 of a new PID namespace, and lets `judge` look at what was mounted.
fn mount_proc_as_pid1(judge: fn(&Seen)) {
    on_a_stage(|stage| {
        unshare(CloneFlags::CLONE_NEWPID).expect("unshare");
        in_child(|| {
            mounts::mount_proc(&stage.join("a/mine")).explained("mount_proc(_)", &REASONS, RULES);
            judge(&Seen::look(&stage.join("a/mine"), |name| name.parse::<u32>().is_ok()));
        });
    });
}

/// What was mounted at a directory.
struct Seen {
    /// The file system's type; nothing when nothing was mounted.
    kind: String,
    options: Vec<String>,
    names: Vec<String>,
}

impl Seen {
    /// With the file names that `wanted` picks.
    fn look(path: &Path, wanted: fn(&str) -> bool) -> Self {
        let mount = mount_at(path);
        let entries = fs::read_dir(path).expect("read_dir").flatten();
        let names = entries.map(|entry| entry.file_name().display().to_string()).filter(|name| wanted(name));
        Seen {
            kind: mount.as_ref().map(|mount| mount.kind.clone()).unwrap_or_default(),
            options: mount.map(|mount| mount.options).unwrap_or_default(),
            names: names.collect(),
        }
    }

    fn told(&self) -> String {
        match self.kind.as_str() {
            "" => "no mount at the target".to_owned(),
            kind => format!("{kind} with {}, which shows {:?}", self.options.join(","), self.names),
        }
    }

    fn wrong_proc(&self) -> &'static str {
        match self.kind.as_str() {
            "" => "nothing was mounted at the target, or somewhere else",
            "proc" => {
                "this is an old proc, of the parent's PID namespace: a bind mount shows what its source shows; a new mount of type proc shows the namespace of its mounter"
            }
            _ => "a file system of another type was mounted",
        }
    }
}

/// What came of `fork_with_proc()`, called in a process of its own: its caller's later children would be born in the
/// new PID namespace, where nobody can be once its PID 1 has ended.
struct Forked {
    child: Inside,
    /// Whether a mount at the given place succeeded in the child.
    mounted: bool,
    /// The caller's namespaces before and after.
    before: BTreeMap<NsKind, NsId>,
    after: BTreeMap<NsKind, NsId>,
}

impl Forked {
    /// With a tmpfs that the child mounts at `place`, unless that is the test's own directory.
    fn look(place: &Path) -> Self {
        let before = testkit::namespaces();
        let (child, mounted, after) = in_child(|| {
            let child = observe(
                || mounts::fork_with_proc().explained("fork_with_proc()", &REASONS, RULES),
                || {
                    let seen = inside();
                    if place != testkit::dir() {
                        tmpfs(place);
                    }
                    (seen, is_mounted(place))
                },
            );
            (child.value.0, child.value.1, testkit::namespaces())
        });
        Forked { child, mounted, before, after }
    }
}

/// The mounts of the namespace where it was opened, whatever happens to /proc afterwards: the open file keeps to them.
struct HostMounts(File);

impl HostMounts {
    fn open() -> Self {
        HostMounts(File::open("/proc/self/mountinfo").expect("mountinfo"))
    }

    fn read(&mut self) -> String {
        let mut text = String::new();
        self.0.rewind().expect("seek");
        self.0.read_to_string(&mut text).expect("read");
        text
    }
}

/// The lines that one text has and the other has not.
fn difference(before: &str, after: &str) -> String {
    let only = |text: &str, other: &str, sign: &str| -> String {
        text.lines()
            .filter(|line| !other.lines().any(|known| known == *line))
            .map(|line| format!("\n    {sign} {line}"))
            .collect()
    };
    format!("in mountinfo{}{}", only(before, after, "-"), only(after, before, "+"))
}

/// For task 6, which stands on three others: the first of them that does not do its work, tried on a tree of its own.
fn unfinished() -> Option<&'static str> {
    const VERBS: [&str; 3] = [
        "unshare_mounts() does not do its work yet: first make the tests of task 1 pass",
        "set_propagation() does not do its work yet: first make the tests of task 2 pass",
        "mount_proc() does not do its work yet: first make the tests of task 4 pass",
    ];
    let stage = testkit::dir().join(random_name("stage"));
    fs::create_dir(&stage).expect("mkdir");
    let broken: Option<usize> = in_child(|| {
        enter_a_copy();
        propagate(Path::new("/"), MsFlags::MS_REC | MsFlags::MS_PRIVATE);
        // What the test tried may have left a dead one there.
        mount(Some("proc"), "/proc", Some("proc"), MsFlags::empty(), None::<&str>).expect("proc");
        let below = stage.join("below");
        tmpfs(&stage);
        fs::create_dir(&below).expect("mkdir");
        tmpfs(&below);
        propagate(&stage, MsFlags::MS_REC | MsFlags::MS_SHARED);
        let before = testkit::namespaces();
        let unshared = mounts::unshare_mounts().is_ok() && testkit::namespaces() != before;
        let private = mounts::set_propagation(&stage, Private).is_ok()
            && [&stage, &below].iter().all(|path| propagation_of(path) == name(Private));
        let proc = mounts::mount_proc(&stage).is_ok()
            && mount_at(&stage).is_some_and(|mount| mount.kind == "proc" && missing(&mount.options).is_empty());
        [unshared, private, proc].iter().position(|done| !done)
    });
    broken.map(|verb| VERBS[verb])
}

/// The topmost mount at `path`, of which only what follows `stage-` is compared: it holds nothing to escape.
fn mount_at(path: &Path) -> Option<Mount> {
    let tail: PathBuf = path.iter().skip_while(|part| !part.to_string_lossy().starts_with("stage-")).collect();
    inside().mounts.into_iter().rfind(|mount| mount.point.ends_with(&tail))
}

/// Without /proc, which may be what was mounted on: a mounted tmpfs is a device of its own.
fn is_mounted(path: &Path) -> bool {
    let device = |path: &Path| fs::metadata(path).map(|found| found.dev()).ok();
    device(path) != device(path.parent().expect("a parent"))
}

fn missing(options: &[String]) -> Vec<&'static str> {
    ["nosuid", "nodev", "noexec"].into_iter().filter(|flag| !options.iter().any(|option| option == flag)).collect()
}

fn is_shared(mount: &Mount) -> bool {
    mount.propagation.iter().any(|tag| tag.starts_with("shared:"))
}

/// The name of the propagation of the mount at `path`.
fn propagation_of(path: &Path) -> String {
    let mount = mount_at(path).expect("a mount");
    let has = |tag: &str| mount.propagation.iter().any(|field| field.starts_with(tag));
    name(match (has("shared:"), has("master:")) {
        (true, true) => SharedSlave,
        (true, false) => Shared,
        (false, true) => Slave,
        (false, false) if has("unbindable") => Unbindable,
        (false, false) => Private,
    })
}

fn name(kind: Propagation) -> String {
    format!("{kind:?}")
}

fn call(kind: Propagation) -> String {
    format!("set_propagation(_, {kind:?})")
}

/// Why a mount that should be `wanted` is `seen`.
fn other_kind(wanted: Propagation, seen: &str) -> &'static str {
    match (wanted, seen) {
        (Private, "Slave") => "slave where private was asked: a slave sends nothing and still receives",
        (Slave, "Private") => "private where slave was asked: a private mount receives nothing",
        (SharedSlave, "Slave") => {
            "the second step is missing: MS_SLAVE first, then MS_SHARED, each in a call of its own"
        }
        (SharedSlave, "Shared") => {
            "the first step is missing: MS_SLAVE cuts it off from its peers, then MS_SHARED shares it anew"
        }
        _ => "the flag of another kind was set",
    }
}

fn propagate(path: &Path, flags: MsFlags) {
    mount(None::<&str>, path, None::<&str>, flags, None::<&str>).expect("a propagation flag");
}

fn tmpfs(path: &Path) {
    mount(Some("none"), path, Some("tmpfs"), MsFlags::empty(), None::<&str>).expect("a tmpfs");
}

/// A POSIX queue in the caller's IPC namespace; small, since what all users' queues may hold is limited.
fn queue(name: &str) -> nix::mqueue::MqdT {
    let attributes = nix::mqueue::MqAttr::new(0, 1, 8, 0);
    let flags = nix::mqueue::MQ_OFlag::O_CREAT | nix::mqueue::MQ_OFlag::O_RDWR;
    let mode = nix::sys::stat::Mode::S_IRUSR;
    nix::mqueue::mq_open(format!("/{name}").as_str(), flags, mode, Some(&attributes)).expect("mq_open")
}

/// A number that no solution can know beforehand.
fn number() -> u32 {
    let word = random_name("n");
    u32::from_str_radix(&word[word.len() - 6..], 16).expect("six hexadecimal digits") + 2
}

/// `shared:7`, with another number each time.
fn tag(name: &str) -> String {
    format!("{name}:{}", number())
}

/// A line of mountinfo.
fn line(mount_point: &str, tags: &[String]) -> String {
    let tags: String = tags.iter().map(|tag| format!(" {tag}")).collect();
    format!("{} 1 0:{} / {mount_point} rw,relatime{tags} - tmpfs none rw\n", number(), number())
}

/// Checks that the learner's `propagation` finds `wanted` at `point`.
#[track_caller]
fn reads(mountinfo: &str, point: &str, wanted: Propagation, likely: &str) {
    let answer = mounts::propagation(mountinfo, Path::new(point));
    let shared = mounts::propagation(&line("/x", &[tag("shared")]), Path::new("/x"));
    let likely =
        if matches!(shared, Ok(Shared)) { likely } else { "even the plainest shared mount is not recognised yet" };
    check!(
        matches!(answer, Ok(seen) if seen == wanted),
        expected: format!("{point:?} to be {wanted:?} in\n{}", lines_in_question(mountinfo, point)),
        seen: told(&answer),
        likely: likely,
        read: "lab04-mounts.md, How to read mountinfo",
    );
}

fn told<T: std::fmt::Debug>(result: &Result<T>) -> String {
    match result {
        Ok(value) => format!("Ok({value:?})"),
        Err(error) => format!("Err: {error}"),
    }
}

/// A verb that mounts a file system reports that the target is missing, and that the capability is.
fn refusals(verb: fn(&Path) -> Result<()>, call: &str) {
    on_a_stage(|stage| {
        check_refusal(verb(&stage.join("missing")), Errno::ENOENT, &format!("{call} on a directory that is not there"));
        drop_capabilities();
        check_refusal(verb(&stage.join("a/mine")), Errno::EPERM, &format!("{call} without CAP_SYS_ADMIN"));
    });
}

#[track_caller]
fn check_refusal(result: Result<()>, errno: Errno, call: &str) {
    let seen = told(&result);
    check!(
        result.is_err_and(|error| error.errno() == Some(errno)),
        expected: format!("{call} to return {errno:?}"),
        seen: seen,
        likely: "the result of the system call was thrown away, or its errno was",
        read: RULES,
    );
}

/// A descriptor of the caller's mount namespace, for setns(2).
fn mount_namespace() -> OwnedFd {
    File::open("/proc/self/ns/mnt").expect("the mount namespace").into()
}

/// A short text as it is; of the kernel's long one the lines of `point`.
fn lines_in_question(mountinfo: &str, point: &str) -> String {
    const SHORT: usize = 6;
    let escaped = point.replace('\\', "\\134").replace(' ', "\\040").replace('\t', "\\011");
    let lines: Vec<_> = mountinfo.lines().filter(|line| line.split(' ').nth(4) == Some(&*escaped)).collect();
    if mountinfo.lines().count() <= SHORT || lines.is_empty() { mountinfo.to_owned() } else { lines.join("\n") }
}

fn mountinfo() -> String {
    fs::read_to_string("/proc/self/mountinfo").expect("mountinfo")
}
