//! Lab 07, `labs/lab07_cpu.rs`: how much processor time. Chapter: `book/src/lab07-cpu.md`.
//!
//! What the kernel does is looked at in groups of the test's own, in every hierarchy that there is. What it would do on
//! the other version of cgroups is looked at in plain directories with the same files: a handle takes those too.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use boxwright::steps::cpu;
use model::cgroup::{Knob, LEAF, Throttling, Version};
use model::plan::Cpu;
use model::{Cgroup, Error, Result};
use nix::errno::Errno;
use nix::sched::{CloneFlags, CpuSet, sched_getaffinity, sched_setaffinity, unshare};
use nix::unistd::{Pid, getpid, pause};
use predicates::prelude::PredicateBooleanExt;
use predicates::str::{contains, is_empty, starts_with};
use serial_test::serial;
use testkit::{Explained, Running, Shield, cgroup_dirs, check, dir, in_child, needs, shielded, start_child, written};

const RULES: &str = "lab07-cpu.md, The kernel's rules";
const TASKS: &str = "lab07-cpu.md, Tasks";
/// The kernel's own period.
const PERIOD_US: u64 = 100_000;

/// What each errno means when a group is made.
const CREATE_REASONS: [(Errno, &str); 5] = [
    (Errno::EEXIST, "the same directory was made twice, or the parent was to be made too: it is there"),
    (
        Errno::ENOENT,
        "the name was not put below the parent's directory, or a hierarchy was left out and then looked for",
    ),
    (
        Errno::EACCES,
        "cpuset.cpus or cpuset.mems got more than the parent has: v1 wants a subset of the parent's, which may be less than the machine's",
    ),
    (Errno::EROFS, "the directory was made somewhere else than below the parent: the shield is read-only there"),
    (Errno::EINVAL, "a knob got what it does not understand: a list of numbers and ranges, without more"),
];
/// What each errno means when a process is moved.
const JOIN_REASONS: [(Errno, &str); 6] = [
    (
        Errno::ESRCH,
        "the kernel knows no process of that number: it is the caller's PID of it that counts, as a decimal number",
    ),
    (Errno::ENOSPC, "the group's cpuset.cpus or cpuset.mems is empty, and v1 lets nobody in before both are filled"),
    (
        Errno::EBUSY,
        "the group hands controllers down (cgroup.subtree_control): on v2 processes live in its children then",
    ),
    (Errno::EINVAL, "the kernel understood no number: it wants decimal digits alone, in one write"),
    (Errno::EOPNOTSUPP, "cgroup.threads of v2 is for threaded groups; whole processes go to cgroup.procs"),
    (Errno::ENOENT, "v2 has no file called tasks; cgroup.procs is there on both versions"),
];
/// What each errno means when a knob is set.
const LIMIT_REASONS: [(Errno, &str); 5] = [
    (
        Errno::EINVAL,
        "the kernel understood the value and does not take it: on v1 a quota is held against the period that is set at that moment, so the period comes first; -1 is v1's word, max is v2's",
    ),
    (Errno::ENOENT, "there is no such knob: v1 and v2 name them differently"),
    (
        Errno::EACCES,
        "no file can be made in a cgroup: the knob's name is not one of this version, or of this hierarchy",
    ),
    (Errno::EPERM, "no file can be made in a cgroup: the knob's name is not one of this version, or of this hierarchy"),
    (Errno::ERANGE, "a number that the knob does not take: cpu.weight is 1 to 10000"),
];
/// What each errno means when a group is removed; EBUSY has several causes.
const REMOVE_REASONS: [(Errno, &str); 5] = [
    (Errno::ENOTEMPTY, "a group is still in it: those below go first"),
    (
        Errno::EPERM,
        "the knobs were to be removed: nobody can; rmdir(2) takes the directory with them, remove_dir_all does not",
    ),
    (
        Errno::EACCES,
        "the knobs were to be removed: nobody can; rmdir(2) takes the directory with them, remove_dir_all does not",
    ),
    (Errno::ENOENT, "what is gone already is as good as removed"),
    (Errno::ENODEV, "a knob of a group that is gone was read or written: what is gone already is as good as removed"),
];

// ---- task 1 ----

#[test]
fn task1_the_ends_meet() {
    shielded(|| {
        for (shares, weight) in [(2, 1), (262_144, 10_000), (1024, 39)] {
            has_the_weight(shares, weight);
        }
    });
}

#[test]
fn task1_a_straight_line_goes_from_end_to_end() {
    shielded(|| {
        // Where the parts of the line are far from one another, and at random.
        let mut all = vec![27, 28, 1000, 131_073, 250_000, 262_143];
        all.extend((0..50).map(|_| random(2, 262_144)));
        for shares in all {
            has_the_weight(shares, right_weight(shares));
        }
    });
}

/// Checks the learner's weight of `shares`.
#[track_caller]
fn has_the_weight(shares: u64, weight: u64) {
    let seen = cpu::weight(shares);
    let above = shares - 2;
    let slips = [
        (1 + above / 262_142 * 9_999, "the division came first, and dropped what the product needs"),
        (shares * 10_000 / 262_144, "that line goes through 0 and 0: the lower ends are 2 and 1"),
        (
            1 + above * 10_000 / 262_142,
            "that line climbs by 10000 and ends at 10001: from 1 to 10000 there are 9999 steps",
        ),
        (1 + above * 9_999 / 262_144, "that line ends below 10000: from 2 to 262144 there are 262142 steps"),
        ((above * 9_999 + 131_071) / 262_142 + 1, "it was rounded; fractions are dropped"),
        (
            shares * 100 / 1024,
            "that maps the default of v1 on the default of v2 and leaves the range: 262144 would be 25600",
        ),
        (shares, "shares and weight have other ranges: 2 to 262144, and 1 to 10000"),
    ];
    check!(
        seen == weight,
        expected: format!("weight({shares}) to be {weight}"),
        seen: seen,
        likely: slips.iter().find(|(slip, _)| *slip == seen).map_or_else(
            || if above * 9_999 > i32::MAX as u64 { "the product has more than 31 bits, and was cut" } else { "1 + (shares - 2) * 9999 / 262142 is the line" },
            |(_, why)| why,
        ),
        read: RULES,
    );
}

/// Source: the two ranges, in the kernel docs cgroup-v1 and cgroup-v2.
fn right_weight(shares: u64) -> u64 {
    1 + u64::try_from(u128::from(shares - 2) * 9_999 / 262_142).expect("at most 10000")
}

// ---- task 2 ----

#[test]
fn task2_nothing_asked_is_no_knob() {
    shielded(|| {
        for version in [Version::V1, Version::V2] {
            has_the_knobs(&Cpu::default(), version);
        }
    });
}

#[test]
fn task2_every_combination_has_its_knobs_on_v1() {
    shielded(|| every_combination(Version::V1));
}

#[test]
fn task2_every_combination_has_its_knobs_on_v2() {
    shielded(|| every_combination(Version::V2));
}

#[test]
fn task2_no_limit_has_a_word_of_its_own_in_each_version() {
    shielded(|| {
        for version in [Version::V1, Version::V2] {
            for period_us in [None, Some(random(1_000, 1_000_000))] {
                has_the_knobs(&Cpu { quota_us: Some(-1), period_us, ..Cpu::default() }, version);
            }
        }
    });
}

#[test]
fn task2_the_period_is_written_before_the_quota() {
    shielded(|| {
        let cpu = Cpu { quota_us: Some(50_000), period_us: Some(500_000), ..Cpu::default() };
        let names: Vec<_> = cpu::knobs(&cpu, Version::V1).iter().map(|knob| knob.name).collect();
        let place = |name| names.iter().position(|other| *other == name);
        let places = [place("cpu.cfs_period_us"), place("cpu.cfs_quota_us")];
        check!(
            places[0] < places[1] && places[0].is_some(),
            expected: "cpu.cfs_period_us, and after it cpu.cfs_quota_us",
            seen: format!("{names:?}"),
            likely: if places.contains(&None) {
                "one of them was forgotten"
            } else {
                "the quota came before its period: 50000 of the old 100000 may be more than the group above has, where 50000 of 500000 is not"
            },
            read: RULES,
        );
    });
}

/// Every set of fields, each with a random value.
#[track_caller]
fn every_combination(version: Version) {
    for fields in 0..32 {
        let has = |bit: u32| fields >> bit & 1 == 1;
        has_the_knobs(
            &Cpu {
                shares: has(0).then(|| random(2, 262_144)),
                // Neither is the kernel's own, nor are they alike.
                period_us: has(1).then(|| random(1_001, 99_999)),
                quota_us: has(2).then(|| random(100_001, 900_000).cast_signed()),
                cpus: has(3).then(|| format!("{},{}-{}", random(0, 9), random(11, 19), random(20, 99))),
                mems: has(4).then(|| random(0, 9).to_string()),
            },
            version,
        );
    }
}

/// Checks the learner's knobs for `cpu`, in any order.
#[track_caller]
fn has_the_knobs(cpu: &Cpu, version: Version) {
    let seen = cpu::knobs(cpu, version);
    let wanted = right_knobs(cpu, version);
    let (seen, asked) = (by_name(&seen), format!("{} for {cpu:?}", name_of(version)));
    for (name, text) in &wanted {
        check!(
            seen.contains_key(name),
            expected: format!("the knob {name} {text:?}, {asked}"),
            seen: format!("{seen:?}"),
            likely: format!("{name} was forgotten"),
            read: TASKS,
        );
        check!(
            is_the_same(name, &seen[name], text),
            expected: format!("{name} to be {text:?}, {asked}"),
            seen: format!("{:?}", seen[name]),
            likely: slip_of_value(cpu, name, &seen[name]),
            read: RULES,
        );
    }
    let others: Vec<_> = seen.keys().filter(|name| !wanted.contains_key(*name)).collect();
    check!(
        others.is_empty(),
        expected: format!("the knobs {:?} and no other, {asked}", wanted.keys()),
        seen: format!("{others:?} too"),
        likely: if others.iter().any(|name| !is_of(name, version)) {
            "a knob of the other version"
        } else {
            "a value was made up for what was not asked for: `update` would change what it was not told to"
        },
        read: TASKS,
    );
}

/// The knobs, each with its value.
fn right_knobs(cpu: &Cpu, version: Version) -> BTreeMap<&'static str, String> {
    let mut all = BTreeMap::new();
    let mut set = |name, value: Option<String>| all.extend(value.map(|value| (name, value)));
    match version {
        Version::V1 => {
            set("cpu.shares", cpu.shares.map(|shares| shares.to_string()));
            set("cpu.cfs_period_us", cpu.period_us.map(|us| us.to_string()));
            set("cpu.cfs_quota_us", cpu.quota_us.map(|us| us.to_string()));
        }
        Version::V2 => {
            set("cpu.weight", cpu.shares.map(|shares| right_weight(shares).to_string()));
            let quota = cpu.quota_us.filter(|us| *us >= 0).map_or("max".to_owned(), |us| us.to_string());
            let is_asked = cpu.quota_us.is_some() || cpu.period_us.is_some();
            set("cpu.max", is_asked.then(|| format!("{quota} {}", cpu.period_us.unwrap_or(PERIOD_US))));
        }
    }
    set("cpuset.cpus", cpu.cpus.clone());
    set("cpuset.mems", cpu.mems.clone());
    all
}

fn by_name(knobs: &[Knob]) -> BTreeMap<&'static str, String> {
    knobs.iter().map(|knob| (knob.name, knob.value.clone())).collect()
}

/// Whether the kernel takes `seen` for `wanted`, in a group that has the kernel's own period.
fn is_the_same(name: &str, seen: &str, wanted: &str) -> bool {
    let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let mut seen = words(seen);
    if name == "cpu.max" && seen.len() == 1 {
        seen.push(PERIOD_US.to_string());
    }
    seen == words(wanted)
}

fn name_of(version: Version) -> &'static str {
    match version {
        Version::V1 => "v1",
        Version::V2 => "v2",
    }
}

fn is_of(name: &str, version: Version) -> bool {
    let v2 = ["cpu.weight", "cpu.max"].contains(&name);
    name.starts_with("cpuset.") || v2 == (version == Version::V2)
}

/// Why the knob `name` may have been given `seen`.
fn slip_of_value(cpu: &Cpu, name: &str, seen: &str) -> String {
    let words: Vec<&str> = seen.split_whitespace().collect();
    let text = |number: Option<u64>| number.map(|number| number.to_string()).unwrap_or_default();
    let no_limit = if name == "cpu.max" { "max" } else { "-1" };
    let quota = cpu.quota_us.map_or("".into(), |us| if us < 0 { no_limit.to_owned() } else { us.to_string() });
    let (period, shares) = (text(cpu.period_us), text(cpu.shares));
    let default = PERIOD_US.to_string();
    let why = match (name, &words[..]) {
        ("cpu.weight", [weight]) if weight.parse().ok() == cpu.shares.map(cpu::weight) => {
            "weight() does not do its work yet: first make the tests of task 1 pass"
        }
        ("cpu.weight", [weight]) if *weight == shares => "these are v1's shares: weight() turns them into v2's weight",
        ("cpu.max", ["-1", ..]) => "-1 is v1's word for no limit; v2's is max",
        ("cpu.max", [first, second]) if *second == quota && *first == period => {
            "the quota comes first, and then its period"
        }
        ("cpu.max", [first, ..]) if *first == "max" && cpu.quota_us.is_some_and(|us| us > 0) => {
            "the quota was left out: max is no limit"
        }
        ("cpu.max", [first, rest @ ..])
            if cpu.quota_us > Some(0) && *first == quota && (rest.is_empty() || *rest == [&*default]) =>
        {
            "the quota is one of the kernel's period of 100000 here, and was meant of another: it gives another part of the processor"
        }
        ("cpu.max" | "cpu.cfs_quota_us", [first, ..]) if *first != quota => {
            "the quota was turned into one of another period: the kernel takes both as they are"
        }
        ("cpu.cfs_quota_us", ["max"]) => "max is v2's word for no limit; v1's is -1",
        _ => "another field's value, or one that was changed on the way",
    };
    why.to_owned()
}

// ---- task 3 ----

#[test]
fn task3_the_group_is_in_every_hierarchy() {
    needs!(cgroup = cpu);
    on_ground(|ground| {
        let name = testkit::random_name("boxwright");
        let group = ground.create(&ground.base, &name);
        let wanted: BTreeSet<_> = ground.base.paths().iter().map(|path| path.join(&name)).collect();
        let seen: BTreeSet<_> = group.paths().into_iter().collect();
        check!(
            seen == wanted,
            expected: format!("a handle for {wanted:?}"),
            seen: format!("one for {seen:?}"),
            likely: "the parent's handle was returned, or one that knows some of the hierarchies",
            read: TASKS,
        );
    });
}

#[test]
fn task3_the_group_takes_a_process_in() {
    needs!(cgroup = cpu);
    on_ground(|ground| {
        let group = ground.create(&ground.base, "boxwright-new");
        let process = sleeper();
        for path in group.paths() {
            if let Err(error) = fs::write(path.join("cgroup.procs"), process.pid().to_string()) {
                testkit::teach(
                    format_args!("{} to take a process in", path.display()),
                    &error,
                    empty_cpuset(&group).unwrap_or("the group is not ready to be joined"),
                    RULES,
                );
            }
        }
    });
}

#[test]
fn task3_the_cpuset_is_the_parents() {
    needs!(cgroup = cpuset);
    on_ground(|ground| {
        // Of several processors the parent has one alone.
        let parent = ground.group(&ground.base, "boxwright-parent");
        let processor = *processors().last().expect("a processor");
        parent.write("cpuset.cpus", processor).expect("a cpuset");
        let group = ground.create(&parent, "boxwright-new");
        let inherited = |group: &Cgroup, knob: &str| match group.version("cpuset") {
            Ok(Version::V2) => group.read(&format!("{knob}.effective")).expect("a knob"),
            _ => group.read(knob).expect("a knob"),
        };
        for knob in ["cpuset.cpus", "cpuset.mems"] {
            let [seen, wanted] = [&group, &parent].map(|group| inherited(group, knob));
            check!(
                seen == wanted,
                expected: format!("{knob} to be the parent's, {:?}", wanted.trim()),
                seen: format!("{:?}", seen.trim()),
                likely: empty_cpuset(&group).unwrap_or("it was filled with what the machine has"),
                read: RULES,
            );
        }
    });
}

/// What to say of v1's cpuset when nobody can join it.
fn empty_cpuset(group: &Cgroup) -> Option<&'static str> {
    let is_empty = |knob| {
        matches!(group.version("cpuset"), Ok(Version::V1)) && group.read(knob).is_ok_and(|list| list.trim().is_empty())
    };
    match [is_empty("cpuset.cpus"), is_empty("cpuset.mems")] {
        [true, true] => {
            Some("the cpuset is empty: on v1 a new group has neither processors nor memory nodes, and needs both")
        }
        [false, true] => Some("cpuset.mems is empty: who is to run on a processor needs memory too"),
        [true, false] => Some("cpuset.cpus is empty: who has memory needs a processor too"),
        [false, false] => None,
    }
}

#[test]
fn task3_one_that_is_there_is_left_alone() {
    needs!(cgroup = cpu);
    on_ground(|ground| {
        ground.create(&ground.base, "boxwright-ours");
        let name = "boxwright-theirs";
        // In all hierarchies; in the first alone; in the last alone.
        let all = ground.base.paths();
        for there in [&all[..], &all[..1], &all[all.len() - 1..]] {
            let theirs: Vec<PathBuf> = there.iter().map(|path| path.join(name)).collect();
            theirs.iter().for_each(|path| fs::create_dir(path).expect("mkdir"));
            let result = cpu::create(&ground.base, name);
            let seen = result.as_ref().map_or_else(Error::to_string, |_| "Ok".to_owned());
            check!(
                result.is_err(),
                expected: format!("create() to refuse a name that is taken, in {} of {} hierarchies", there.len(), all.len()),
                seen: seen,
                likely: "EEXIST was taken for success: two containers would share one group, and the first to end removes it",
                read: RULES,
            );
            let lost: Vec<_> = theirs.iter().filter(|path| !path.exists()).collect();
            check!(
                lost.is_empty(),
                expected: "the group that was in the way to stay",
                seen: format!("{lost:?} gone"),
                likely: "somebody else's group was removed: only what this call has made is to be taken back",
                read: RULES,
            );
            let others = all.iter().map(|path| path.join(name)).filter(|path| !theirs.contains(path));
            let half: Vec<_> = others.filter(|path| path.exists()).collect();
            check!(
                half.is_empty(),
                expected: "no half-made group",
                seen: format!("{half:?} left after {seen}"),
                likely: "what was made in the other hierarchies before the refusal was not taken back",
                read: RULES,
            );
            check!(
                result.is_err_and(|error| error.errno() == Some(Errno::EEXIST)),
                expected: "the error to be the kernel's EEXIST",
                seen: seen,
                likely: "the errno was thrown away, or a later one was returned in its place",
                read: RULES,
            );
            theirs.iter().for_each(|path| fs::remove_dir(path).expect("rmdir"));
        }
    });
}

// ---- task 4 ----

#[test]
fn task4_the_process_is_moved_in_every_hierarchy() {
    needs!(cgroup = cpu);
    on_ground(|ground| {
        let group = ground.group(&ground.base, "boxwright-joined");
        let [process, other] = [sleeper(), sleeper()];
        ground.join(&group, process.pid());
        for bystander in [getpid(), other.pid()] {
            check!(
                !members(&group).iter().any(|(_, pids)| pids.contains(&bystander)),
                expected: "the one process to be moved, and nobody else",
                seen: format!("{} is in the group too", if bystander == getpid() { "the caller" } else { "another" }),
                likely: "another PID was written: the process's is the argument, and 0 means whoever writes",
                read: RULES,
            );
        }
        ground.check_joined(&group, process.pid());
    });
}

#[test]
fn task4_0_is_the_caller() {
    needs!(cgroup = cpu);
    on_ground(|ground| {
        let group = ground.group(&ground.base, "boxwright-joined");
        in_child(|| {
            ground.join(&group, Pid::from_raw(0));
            ground.check_joined(&group, getpid());
        });
    });
}

#[test]
fn task4_a_process_comes_with_all_its_threads() {
    needs!(cgroup = cpu);
    on_ground(|ground| {
        let group = ground.group(&ground.base, "boxwright-joined");
        let process = start_child::<()>(|| {
            std::thread::spawn(|| {
                loop {
                    pause();
                }
            });
            loop {
                pause();
            }
        });
        let tasks = || -> Vec<String> {
            let entries = fs::read_dir(format!("/proc/{}/task", process.pid())).expect("its threads").flatten();
            entries.map(|entry| fs::read_to_string(entry.path().join("cgroup")).expect("its groups")).collect()
        };
        eventually("the process has two threads", || tasks().len() == 2);
        ground.join(&group, process.pid());
        ground.check_joined(&group, process.pid());
        let name = ground.base.paths()[0].file_name().expect("a name").to_string_lossy().into_owned();
        let is_left = |line: &&str| line.contains(&name) && !line.ends_with("/boxwright-joined");
        let left = tasks().iter().flat_map(|text| text.lines()).filter(is_left).count();
        check!(
            left == 0,
            expected: "both threads of the process in the group",
            seen: format!("a thread is left where it was, in {left} of {} hierarchies", ground.base.parts().len()),
            likely: "v1's file tasks moves one thread; cgroup.procs moves the whole process, on both versions",
            read: RULES,
        );
    });
}

#[test]
fn task4_the_pid_is_the_callers() {
    needs!(cgroup = cpu);
    on_ground(|ground| {
        let group = ground.group(&ground.base, "boxwright-joined");
        let bystander = sleeper();
        in_child(|| {
            unshare(CloneFlags::CLONE_NEWPID).expect("unshare");
            // Knows itself as 1, and its neighbour as 2.
            let [first, second] = [sleeper(), sleeper()];
            for (process, inside) in [(&second, 2), (&first, 1)] {
                ground.join(&group, process.pid());
                let seen = members(&group);
                check!(
                    seen.iter().all(|(_, pids)| pids.contains(&process.pid())),
                    expected: format!("{} in the group: the process that calls itself {inside}", process.pid()),
                    seen: format!("{seen:?}"),
                    likely: if seen.iter().any(|(_, pids)| pids.contains(&Pid::from_raw(inside))) {
                        "the PID was written as seen from inside its namespace: the kernel reads it in the namespace of whoever writes"
                    } else {
                        "see the first test of task 4"
                    },
                    read: RULES,
                );
            }
            // The namespace ends with its first process.
            drop((second, first));
        });
        drop(bystander);
    });
}

#[test]
fn task4_a_process_that_is_gone_is_reported() {
    needs!(cgroup = cpu);
    on_ground(|ground| {
        let group = ground.group(&ground.base, "boxwright-joined");
        let process = sleeper();
        ground.join(&group, process.pid());
        ground.check_joined(&group, process.pid());
        let gone = process.pid();
        drop(process);
        check_refusal(
            cpu::join(&group, gone),
            &[Errno::ESRCH],
            "join() of a process that has ended",
            "the refusal was swallowed, and the container would run without its limits",
        );
    });
}

#[test]
fn task4_a_group_that_takes_nobody_in_is_reported() {
    needs!(cgroup = cpu);
    on_ground(|ground| {
        let open = ground.group(&ground.base, "boxwright-open");
        let [process, other] = [sleeper(), sleeper()];
        ground.join(&open, other.pid());
        ground.check_joined(&open, other.pid());
        let closed = ground.bare_group(&ground.base, "boxwright-closed");
        // v1: an empty cpuset. v2: a group that hands its controllers down.
        let errno = match closed.version("cpuset") {
            Ok(Version::V1) => Errno::ENOSPC,
            _ => {
                hand_down(&closed);
                Errno::EBUSY
            }
        };
        check_refusal(
            cpu::join(&closed, process.pid()),
            &[errno],
            "join() of a group that takes nobody in",
            "the refusal was swallowed, and the container would run without its limits",
        );
    });
}

// ---- task 5 ----

#[test]
fn task5_every_knob_is_written() {
    shielded(|| {
        for version in [Version::V1, Version::V2] {
            let group = Plain::new(version).group();
            let cpu = Cpu {
                shares: Some(random(1024, 262_144)),
                quota_us: Some(random(10_000, 99_999).cast_signed()),
                period_us: Some(random(100_000, 1_000_000)),
                cpus: Some("0-1".into()),
                mems: Some("0".into()),
            };
            limited(&group, &cpu);
            for (knob, wanted) in right_knobs(&cpu, version) {
                has_the_value(&group, knob, &wanted);
            }
        }
    });
}

#[test]
fn task5_nothing_asked_needs_no_controller() {
    shielded(|| {
        let group = Plain::new(Version::V2).controllers("memory").group();
        let result = cpu::limit(&group, &Cpu::default());
        check!(
            result.is_ok(),
            expected: "limit() with nothing to limit to succeed, in a group without the controller cpu too",
            seen: result.map_or_else(|error| error.to_string(), |()| String::new()),
            likely: "a controller was looked for that nobody asked for: as an ordinary user one often has none",
            read: TASKS,
        );
    });
}

#[test]
fn task5_the_controllers_are_looked_for_one_by_one() {
    shielded(|| {
        let cpus = Cpu { cpus: Some("1".into()), ..Cpu::default() };
        let group = Plain::new(Version::V2).controllers("cpuset").group();
        limited(&group, &cpus);
        has_the_value(&group, "cpuset.cpus", "1");
        let quota = Cpu { quota_us: Some(20_000), ..Cpu::default() };
        for (controllers, asked) in [("cpuset", &quota), ("cpu", &cpus), ("memory", &quota)] {
            let group = Plain::new(Version::V2).controllers(controllers).group();
            let result = cpu::limit(&group, asked);
            check!(
                result.is_err(),
                expected: format!("limit() with {asked:?} to fail in a group that has the controller {controllers} alone"),
                seen: "Ok(())",
                likely: "a knob that is missing was passed over: nothing is limited, and success is reported",
                read: RULES,
            );
        }
    });
}

#[test]
fn task5_what_v2_takes_in_silence_is_refused() {
    shielded(|| {
        let (tight, wide) = (random(1_000, 30_000), random(50_000, 99_999));
        let a_tight_one = of(tight, PERIOD_US);
        let free = Plain::new(Version::V2).below(&[NO_LIMIT]);
        limited(&free, &quota(50_000, Some(PERIOD_US)));
        has_the_value(&free, "cpu.max", &of(50_000, PERIOD_US));
        // What the groups above have, the nearest first, and what is asked for.
        for (above, asked) in [
            (&[&a_tight_one[..]][..], quota(50_000, None)),
            (&[&a_tight_one], quota(tight, Some(PERIOD_US / 2))),
            (&[&of(10 * tight, 10 * PERIOD_US)], quota(tight + 1, None)),
            (&["max 100000", &a_tight_one], quota(50_000, None)),
        ] {
            let group = Plain::new(Version::V2).below(above);
            let result = cpu::limit(&group, &asked);
            let first: Option<i64> = above[0].split(' ').next().and_then(|us| us.parse().ok());
            check!(
                result.is_err(),
                expected: format!("{:?} to be refused below {above:?}, the nearest first", right_knobs(&asked, Version::V2)["cpu.max"]),
                seen: "Ok(())",
                likely: match first {
                    None => "only the parent was asked; any group above may be the tighter one",
                    Some(first) if asked.quota_us <= Some(first) => "the quotas were compared without their periods",
                    _ if cpu::limit(&group, &quota(4 * PERIOD_US, None)).is_err() => {
                        "quota by period was divided as whole numbers, and that is 0 for all that is less than a processor"
                    }
                    _ => "v2's kernel takes more than the groups above have, and gives less: it is for limit() to tell",
                },
                read: RULES,
            );
            let kept = group.read("cpu.max").expect("a knob");
            check!(
                kept == NO_LIMIT,
                expected: "nothing to be changed by a limit that is refused",
                seen: format!("cpu.max is {kept:?} now"),
                likely: "the knob was written first and looked at afterwards",
                read: TASKS,
            );
        }
        for (above, asked) in [
            (&[&of(wide, PERIOD_US)[..]][..], quota(50_000, None)),
            (&[&a_tight_one], quota(tight, Some(PERIOD_US))),
            (&[&a_tight_one], quota(2 * tight, Some(10 * PERIOD_US))),
            (&["max 100000"], quota(400_000, None)),
            (&[&a_tight_one], Cpu { quota_us: Some(-1), ..Cpu::default() }),
            (&[&a_tight_one], Cpu { shares: Some(1024), ..Cpu::default() }),
        ] {
            limited(&Plain::new(Version::V2).below(above), &asked);
        }
    });
}

#[test]
fn task5_a_quota_alone_is_of_the_groups_own_period() {
    shielded(|| {
        // A group with a period of its own, below one with a fifth of a processor.
        let below_a_fifth = |period_us: u64| {
            let group = Plain::new(Version::V2).below(&["20000 100000"]);
            fs::write(group.paths()[0].join("cpu.max"), format!("max {period_us}")).expect("a file");
            group
        };
        // The quota alone is more of the one period than of the kernel's, and less of the other.
        for (quota_us, period_us, fits) in
            [(random(12_000, 19_000), 50_000, false), (random(30_000, 90_000), 500_000, true)]
        {
            let group = below_a_fifth(period_us);
            let result = cpu::limit(&group, &quota(quota_us, None));
            let by_name = cpu::limit(&below_a_fifth(period_us), &quota(quota_us, Some(period_us)));
            check!(
                result.is_ok() == fits,
                expected: format!(
                    "a quota of {quota_us}, in a group whose cpu.max is \"max {period_us}\", to be {} below one with \"20000 100000\"",
                    if fits { "accepted" } else { "refused" }
                ),
                seen: result.map_or_else(|error| error.to_string(), |()| "Ok(())".to_owned()),
                likely: match by_name.is_ok() == fits {
                    true => "the quota was taken for one of 100000 µs: without a period of its own it is one of the period that the group has, the second word of its cpu.max",
                    false => "see task5_what_v2_takes_in_silence_is_refused",
                },
                read: RULES,
            );
            let max = group.read("cpu.max").expect("a knob");
            let period = max.split_whitespace().nth(1).map(str::to_owned);
            check!(
                !fits || period.is_none() || period == Some(period_us.to_string()),
                expected: format!("the period of {period_us} to stay, when a quota alone is set"),
                seen: format!("cpu.max is {:?}", max.trim()),
                likely: "the period was written too, although nobody asked for it: a quota alone leaves the period as it is",
                read: RULES,
            );
        }
    });
}

#[test]
fn task5_the_kernel_has_the_values() {
    needs!(cgroup = cpu, cgroup = cpuset);
    on_ground(|ground| {
        let group = ground.group(&ground.base, "boxwright-limited");
        let version = group.version("cpu").expect("cpu");
        let asked = Cpu {
            shares: Some(random(2, 262_144)),
            quota_us: Some(random(1_000, 200_000).cast_signed()),
            period_us: Some(random(1_000, 1_000_000)),
            cpus: Some(processors().last().expect("a processor").to_string()),
            mems: None,
        };
        limited(&group, &asked);
        for (knob, wanted) in right_knobs(&asked, version) {
            has_the_value(&group, knob, &wanted);
        }
        // Lifted again; what is not named stays.
        limited(&group, &Cpu { quota_us: Some(-1), period_us: Some(PERIOD_US), ..Cpu::default() });
        let wanted = Cpu { quota_us: Some(-1), period_us: Some(PERIOD_US), ..asked };
        for (knob, wanted) in right_knobs(&wanted, version) {
            has_the_value(&group, knob, &wanted);
        }
    });
}

#[test]
fn task5_a_tighter_group_above_is_told() {
    needs!(cgroup = cpu);
    on_ground(|ground| {
        let above = ground.group(&ground.base, "boxwright-above");
        let group = ground.group(&above, "boxwright-below");
        let (version, max) = (group.version("cpu").expect("cpu"), right_knobs(&quota(20_000, None), Version::V1));
        match version {
            Version::V1 => above.write("cpu.cfs_quota_us", &max["cpu.cfs_quota_us"]),
            Version::V2 => above.write("cpu.max", "20000 100000"),
        }
        .expect("a quota");
        let knob = if version == Version::V1 { "cpu.cfs_quota_us" } else { "cpu.max" };
        let before = group.read(knob).expect("a knob");
        let result = cpu::limit(&group, &quota(50_000, Some(PERIOD_US)));
        check!(
            result.is_err(),
            expected: "half a processor to be refused below a group that has a fifth of one",
            seen: "Ok(())",
            likely: match version {
                Version::V1 => "the kernel's refusal (EINVAL) was thrown away",
                Version::V2 => "v2's kernel takes more than the groups above have, and gives less: it is for limit() to tell",
            },
            read: RULES,
        );
        has_the_value(&group, knob, before.trim());
        // A tenth, of another period: more µs than the group above has in one of its own.
        limited(&group, &quota(50_000, Some(500_000)));
        limited(&group, &Cpu { quota_us: Some(-1), ..Cpu::default() });
    });
}

#[test]
fn task5_what_the_kernel_refuses_is_reported() {
    needs!(cgroup = cpu, cgroup = cpuset);
    on_ground(|ground| {
        let group = ground.group(&ground.base, "boxwright-limited");
        let good = quota(50_000, Some(PERIOD_US));
        limited(&group, &good);
        for (knob, wanted) in right_knobs(&good, group.version("cpu").expect("cpu")) {
            has_the_value(&group, knob, &wanted);
        }
        for bad in [
            quota(500, None),
            quota(50_000, Some(2_000_000)),
            Cpu { cpus: Some("99999".into()), ..Cpu::default() },
            Cpu { cpus: Some("none".into()), ..Cpu::default() },
        ] {
            let result = cpu::limit(&group, &bad);
            check!(
                result.is_err(),
                expected: format!("limit() with {bad:?} to fail: the kernel does not take it"),
                seen: "Ok(())",
                likely: "the kernel's answer was not looked at",
                read: RULES,
            );
        }
    });
}

#[test]
#[serial]
fn task5_a_busy_loop_gets_its_quota() {
    needs!(cgroup = cpu);
    on_ground(|ground| {
        let group = ground.group(&ground.base, "boxwright-fifth");
        limited(&group, &quota(4_000, Some(20_000)));
        let loops = spinner();
        put(&group, loops.pid());
        let window = measured(&[&group], Duration::from_millis(250), |window| {
            // A machine with other work may give less than the quota, but not in a period that ended throttled.
            let least_us = window.throttled * 4_000 / 2;
            (least_us..=window.wall_us * 35 / 100).contains(&window.used_us[0])
        });
        check!(
            window.is_right,
            expected: "a busy loop with 4000 µs of each 20000 to get about 20 % of one processor",
            seen: format!("{} µs of {} µs, throttled in {} periods", window.used_us[0], window.wall_us, window.throttled),
            likely: "the quota is not on this group, or it is another one",
            read: RULES,
        );
    });
}

#[test]
#[serial]
fn task5_groups_share_one_processor_by_their_shares() {
    needs!(cgroup = cpu);
    on_ground(|ground| {
        let asked = [1024, 1024, 3072];
        let groups = asked.map(|shares| {
            let group = ground.group(&ground.base, &testkit::random_name("boxwright-share"));
            limited(&group, &Cpu { shares: Some(shares), ..Cpu::default() });
            group
        });
        let loops = [(); 3].map(|()| spinner());
        let mut one = CpuSet::new();
        one.set(*processors().last().expect("a processor")).expect("a processor");
        for (group, process) in groups.iter().zip(&loops) {
            sched_setaffinity(process.pid(), &one).expect("sched_setaffinity");
            put(group, process.pid());
        }
        // Whatever else that processor does, it takes from all three.
        let window = measured(&[&groups[0], &groups[1], &groups[2]], Duration::from_millis(200), |window| {
            let [one, other, triple] = [0, 1, 2].map(|index| window.used_us[index].max(1) as f64);
            (0.5..=2.0).contains(&(one / other)) && (1.6..=5.5).contains(&(2.0 * triple / (one + other)))
        });
        check!(
            window.is_right,
            expected: "three busy loops with 1024, 1024 and 3072 shares on one processor to get about 1 : 1 : 3",
            seen: format!("{:?} µs", window.used_us),
            likely: "the shares, or the weight, are not on these groups",
            read: RULES,
        );
    });
}

// ---- task 6 ----

#[test]
fn task6_both_versions_are_read() {
    shielded(|| {
        for version in [Version::V1, Version::V2] {
            let wanted = Throttling {
                periods: random(10_000, 99_999),
                throttled: random(1_000, 9_999),
                throttled_us: random(10_000_000, 99_999_999),
            };
            let mut lines =
                vec![format!("nr_periods {}", wanted.periods), format!("nr_throttled {}", wanted.throttled)];
            match version {
                // And newer kernels have more of them.
                Version::V1 => {
                    lines.push(format!("throttled_time {}", wanted.throttled_us * 1000 + random(0, 999)));
                    lines.push(format!("wait_sum {}", random(1, 999)));
                }
                Version::V2 => {
                    lines.insert(0, format!("usage_usec {}", random(1, 999)));
                    lines.insert(1, format!("user_usec {}", random(1, 999)));
                    lines.insert(2, format!("system_usec {}", random(1, 999)));
                    lines.push(format!("throttled_usec {}", wanted.throttled_us));
                    lines.push(format!("nr_bursts {}", random(1, 999)));
                    lines.push(format!("burst_usec {}", random(1, 999)));
                }
            }
            let text = lines.join("\n") + "\n";
            let group = Plain::new(version).group();
            fs::write(group.parts()[0].path().join("cpu.stat"), text).expect("a file");
            let seen = cpu::throttling(&group).explained("throttling()", &[], RULES);
            let likely = match seen {
                _ if seen == Throttling::default() => "no line was found: each is a name, a space, a number",
                _ if (seen.periods, seen.throttled) == (wanted.throttled, wanted.periods) => {
                    "periods and throttled ones were exchanged"
                }
                _ if (seen.periods, seen.throttled) != (wanted.periods, wanted.throttled) => {
                    "the lines were taken by their place: newer kernels have more of them, v2 others before them"
                }
                _ if seen.throttled_us / 1000 == wanted.throttled_us => {
                    "v1's throttled_time is in ns: 1000 of them are a µs"
                }
                _ if seen.throttled_us == wanted.throttled_us / 1000 => "v2's throttled_usec is in µs already",
                _ if [wanted.throttled, wanted.throttled / 1000].contains(&seen.throttled_us) => {
                    "the line of nr_throttled was taken for the time: a name is to be compared as a whole"
                }
                _ => "the time has another name in the other version: throttled_time, throttled_usec",
            };
            check!(
                seen == wanted,
                expected: format!("{wanted:?} from {}'s cpu.stat", name_of(version)),
                seen: format!("{seen:?}"),
                likely: likely,
                read: RULES,
            );
        }
    });
}

#[test]
fn task6_no_group_is_an_error() {
    shielded(|| {
        let group = Plain::new(Version::V1).group();
        for part in group.parts() {
            fs::remove_dir_all(part.path()).expect("rm");
        }
        let result = cpu::throttling(&group);
        check!(
            result.is_err(),
            expected: "throttling() of a group that is gone to fail",
            seen: format!("{:?}", result.ok()),
            likely: "an error was turned into zeroes: nobody could tell it from a group that never waited",
            read: TASKS,
        );
    });
}

#[test]
#[serial]
fn task6_a_throttled_loop_is_counted() {
    needs!(cgroup = cpu);
    on_ground(|ground| {
        let group = ground.group(&ground.base, "boxwright-tenth");
        let stat = || throttling_of(&group);
        match group.version("cpu").expect("cpu") {
            Version::V1 => {
                group.write("cpu.cfs_period_us", 10_000).expect("a period");
                group.write("cpu.cfs_quota_us", 1_000).expect("a quota");
            }
            Version::V2 => group.write("cpu.max", "1000 10000").expect("a quota"),
        }
        let loops = spinner();
        put(&group, loops.pid());
        eventually("the loop is throttled for 20 ms", || stat().throttled_us > 20_000);
        let (before, seen, after) = (stat(), cpu::throttling(&group).explained("throttling()", &[], RULES), stat());
        let between = |field: fn(&Throttling) -> u64| (field(&before)..=field(&after)).contains(&field(&seen));
        check!(
            between(|stat| stat.periods) && between(|stat| stat.throttled) && between(|stat| stat.throttled_us),
            expected: format!("what cpu.stat says, between {before:?} and {after:?}"),
            seen: format!("{seen:?}"),
            likely: "see the other test of task 6; or another group's cpu.stat was read",
            read: RULES,
        );
    });
}

// ---- task 7 ----

#[test]
fn task7_an_empty_group_is_removed_in_every_hierarchy() {
    needs!(cgroup = cpu);
    on_ground(|ground| {
        let group = ground.group(&ground.base, "boxwright-removed");
        let kept = ground.group(&ground.base, "boxwright-kept");
        ground.remove(&group, || "is there a process in it now that was not there before?");
        check!(
            kept.paths().iter().all(|path| path.exists()),
            expected: "the group beside it to stay",
            seen: "it is gone in some hierarchy",
            likely: "more than the group's own tree was removed",
            read: TASKS,
        );
    });
}

#[test]
fn task7_what_runs_in_it_is_ended() {
    needs!(cgroup = cpu);
    on_ground(|ground| {
        let group = ground.group(&ground.base, "boxwright-removed");
        let beside = ground.group(&ground.base, "boxwright-beside");
        let [bystander, first, second] = [sleeper(), sleeper(), sleeper()];
        put(&beside, bystander.pid());
        for process in [&first, &second] {
            put(&group, process.pid());
        }
        ground.remove(&group, || why_busy(&[&first, &second], SLOW));
        check!(
            [&first, &second].iter().all(|process| process.ends_within(Duration::from_secs(2))),
            expected: "the processes of the group to be ended",
            seen: "one lives on",
            likely: "it was moved out of the group; a container's end is the end of its processes",
            read: RULES,
        );
        check!(
            !bystander.ends_within(Duration::ZERO),
            expected: "a process of another group to live on",
            seen: "it was killed",
            likely: "more than the group's own processes were killed",
            read: RULES,
        );
    });
}

#[test]
fn task7_groups_below_go_first() {
    needs!(cgroup = cpu);
    on_ground(|ground| {
        let group = ground.group(&ground.base, "boxwright-removed");
        let middle = ground.group(&group, "middle");
        let [low, other] = ["low", "other"].map(|name| ground.group(&middle, name));
        let [first, second] = [sleeper(), sleeper()];
        put(&low, first.pid());
        put(&other, second.pid());
        ground.remove(&group, || match [&first, &second].iter().all(|process| is_killed(process)) {
            true if low.paths().iter().any(|path| path.exists()) => "the groups below are still there, and go first",
            _ => why_busy(&[&first, &second], SLOW),
        });
    });
}

#[test]
fn task7_one_that_is_gone_is_as_good_as_removed() {
    needs!(cgroup = cpu);
    on_ground(|ground| {
        let group = ground.group(&ground.base, "boxwright-removed");
        // In one hierarchy first: what is left when somebody was interrupted.
        fs::remove_dir(&group.paths()[0]).expect("rmdir");
        for _ in 0..2 {
            ground.remove(&group, || "is there a process in it now that was not there before?");
        }
    });
}

#[test]
fn task7_a_frozen_group_is_removed_too() {
    needs!(cgroup = cpu, cgroup = freezer);
    on_ground(|ground| {
        let group = ground.group(&ground.base, "boxwright-removed");
        let process = sleeper();
        put(&group, process.pid());
        let _frozen = Frozen::new(&group);
        ground.remove(&group, || {
            why_busy(&[&process], "a frozen process of v1 keeps its SIGKILL for later: thaw the group, and it dies")
        });
    });
}

#[test]
fn task7_what_is_slow_to_die_is_waited_for() {
    needs!(cgroup = cpu, cgroup = freezer);
    on_ground(|ground| {
        let above = ground.group(&ground.base, "boxwright-above");
        let group = ground.group(&above, "boxwright-removed");
        // On v1 a process that somebody has frozen further up keeps its SIGKILL for later. On v2 the kernel has been
        // asked to kill them all, and takes its time.
        let is_v1 = matches!(group.version("freezer"), Ok(Version::V1));
        let processes: Vec<_> = (0..if is_v1 { 1 } else { 20 }).map(|_| sleeper()).collect();
        processes.iter().for_each(|process| put(&group, process.pid()));
        let _frozen = is_v1.then(|| Frozen::new(&above));
        let thaws = start_child(|| {
            sleep(Duration::from_millis(400));
            // Thaws it.
            drop(is_v1.then_some(Frozen(&above)));
        });
        ground.remove(&group, || if is_killed(&processes[0]) { SLOW } else { "see the other tests of task 7" });
        let _ = thaws.wait();
    });
}

#[test]
fn task7_a_refusal_is_reported() {
    needs!(cgroup = cpu);
    on_ground(|ground| {
        let above = ground.group(&ground.base, "boxwright-above");
        let [group, first] = ["boxwright-removed", "boxwright-first"].map(|name| ground.group(&above, name));
        ground.remove(&first, || "is there a process in it now that was not there before?");
        in_child(|| {
            use std::os::unix::fs::PermissionsExt;
            for path in above.paths() {
                fs::set_permissions(path, fs::Permissions::from_mode(0o555)).expect("chmod");
            }
            testkit::drop_capabilities();
            check_refusal(
                cpu::remove(&group),
                &[Errno::EACCES],
                "remove() in a directory that the caller may not write",
                "the refusal was swallowed: the group stays, and nobody knows of it",
            );
        });
    });
}

// ---- the command line ----

#[test]
#[serial]
fn run_a_fifth_of_a_processor_is_seen_from_both_sides() {
    needs!(cgroup = cpu);
    with_programs(|| {
        written!(7);
        let asked = random(15, 25);
        // Looks at its own quota from the inside, then wants all the time that it can get.
        let look = "cat $QUOTA; (while :; do :; done) & echo up; read word; kill $!";
        let base = base();
        let version = base.version("cpu").expect("cpu");
        let knob = if version == Version::V1 { "cpu.cfs_quota_us" } else { "cpu.max" };
        let path = base.part("cpu").expect("cpu").path().join("boxwright-fifth").join(knob);
        let cpus = format!("0.{asked}");
        let quota = format!("QUOTA={}", path.display());
        let mut container = Container::start(&["--name", "fifth", "--cpus", &cpus, "-e", &quota], &["sh", "-c", look]);
        let wanted = quota_text(version, asked * 1000, PERIOD_US);
        let inside = container.line();
        check!(
            inside == wanted,
            expected: format!("{knob} to be {wanted:?} when the command starts"),
            seen: format!("{inside:?}"),
            likely: "the group was limited after the command had begun, or not at all",
            read: RULES,
        );
        assert_eq!(container.line(), "up");
        let group = container.group(&base, "fifth");
        has_the_value(&group, knob, &wanted);
        let loops = members(&group).into_iter().map(|(_, pids)| pids.len()).min();
        check!(
            loops >= Some(2),
            expected: "the shell and its child in the group, in every hierarchy",
            seen: format!("{:?}", members(&group)),
            likely: "the container's process was not moved, or not in every hierarchy; its children begin where it is",
            read: RULES,
        );
        // The first period may be over before the loop began.
        let window = measured(&[&group], Duration::from_millis(300), |window| {
            (window.throttled * asked * 1000 / 2..=window.wall_us * (asked + 20) / 100).contains(&window.used_us[0])
        });
        check!(
            window.is_right,
            expected: format!("a container with --cpus {cpus} to get about {asked} % of one processor"),
            seen: format!("{} µs of {} µs", window.used_us[0], window.wall_us),
            likely: "the quota is not on the group that the command is in",
            read: RULES,
        );
        container.end();
    });
}

#[test]
fn run_the_flags_reach_the_kernel() {
    needs!(cgroup = cpu, cgroup = cpuset);
    with_programs(|| {
        written!(7);
        let base = base();
        let version = base.version("cpu").expect("cpu");
        let asked = Cpu {
            shares: Some(random(2, 262_144)),
            quota_us: Some(random(20_000, 40_000).cast_signed()),
            period_us: Some(random(50_000, 200_000)),
            cpus: Some(processors().last().expect("a processor").to_string()),
            mems: None,
        };
        let [shares, period] = [asked.shares, asked.period_us].map(|number| number.expect("asked").to_string());
        let (quota, cpus) = (asked.quota_us.expect("asked").to_string(), asked.cpus.clone().expect("asked"));
        let flags = [
            "--name",
            "all",
            "--cpu-shares",
            &shares,
            "--cpu-quota",
            &quota,
            "--cpu-period",
            &period,
            "--cpuset-cpus",
            &cpus,
        ];
        let look = "grep Cpus_allowed_list /proc/self/status; echo up; read word";
        let mut container = Container::start(&flags, &["sh", "-c", look]);
        let seen = container.line();
        check!(
            seen.split_whitespace().last() == Some(&cpus),
            expected: format!("the command to be allowed on processor {cpus} alone"),
            seen: seen,
            likely: "cpuset.cpus was not written, or the command is not in the group of that hierarchy",
            read: RULES,
        );
        assert_eq!(container.line(), "up");
        let group = container.group(&base, "all");
        for (knob, wanted) in right_knobs(&asked, version) {
            has_the_value(&group, knob, &wanted);
        }
        boxwright(&["update", "--cpus", "0.5", "all"]).assert().success().stderr(is_empty());
        let updated = Cpu { quota_us: Some(50_000), period_us: Some(PERIOD_US), ..asked };
        for (knob, wanted) in right_knobs(&updated, version) {
            has_the_value(&group, knob, &wanted);
        }
        container.end();
    });
}

#[test]
fn run_a_bad_value_is_refused_before_anything_is_made() {
    with_programs(|| {
        written!(7);
        let many = (std::thread::available_parallelism().map_or(1, usize::from) + 1).to_string();
        for (flag, value, words) in [
            ("--cpus", "0", "from 0.01 to"),
            ("--cpus", many.as_str(), "from 0.01 to"),
            ("--cpus", "-1", "from 0.01 to"),
            ("--cpus", "half", "from 0.01 to"),
            ("--cpu-quota", "999", "1000 µs or more"),
            ("--cpu-period", "999", "1000 to 1000000"),
            ("--cpu-period", "1000001", "1000 to 1000000"),
            ("--cpu-shares", "1", "2 to 262144"),
            ("--cpu-shares", "262145", "2 to 262144"),
            ("--cpuset-cpus", "9999", "of those online"),
            ("--cpuset-cpus", "0-", "of those online"),
            ("--cpuset-mems", "9999", "of those online"),
        ] {
            let refused = boxwright(&["run", flag, value, "echo", "ran"]).assert().code(2).stdout(is_empty());
            let one_line = contains("\n").count(1);
            refused.stderr(starts_with("boxwright: ").and(contains(words)).and(contains(flag)).and(one_line));
        }
        boxwright(&["run", "--cpus", "0.5", "--cpu-quota", "20000", "true"])
            .assert()
            .code(2)
            .stderr(contains("without --cpu-quota"));
        assert_eq!(groups_left(), Vec::<PathBuf>::new());
    });
}

#[test]
fn run_no_group_is_left() {
    needs!(cgroup = cpu);
    with_programs(|| {
        written!(7);
        for (command, code) in [
            (&["true"][..], 0),
            (&["sh", "-c", "exit 7"], 7),
            (&["no-such-command"], 127),
            (&["sh", "-c", "sleep 600 & exit 3"], 3),
        ] {
            let flags = ["run", "--cpus", "0.5", "--"];
            boxwright(&[&flags, command].concat()).assert().code(code);
            let left = groups_left();
            check!(
                left.is_empty(),
                expected: format!("no group to be left after {command:?}"),
                seen: format!("{left:?}"),
                likely: "remove() does not remove what it is given: a group stays until somebody does",
                read: RULES,
            );
        }
    });
}

#[test]
fn run_without_a_cgroup_to_limit_is_refused() {
    Shield::new().deadline(PROGRAMS).run(|| {
        written!(7);
        // The shield's groups are read-only here.
        let refused = boxwright(&["run", "--cpus", "0.5", "echo", "ran"]).assert().code(125);
        refused.stdout(is_empty()).stderr(starts_with("boxwright: "));
        boxwright(&["run", "true"]).assert().success();
    });
}

// ---- what the tests use ----

/// A number from `first` to `last`.
fn random(first: u64, last: u64) -> u64 {
    first + testkit::random() % (last - first + 1)
}

fn boxwright(args: &[&str]) -> assert_cmd::Command {
    let mut command = testkit::boxwright!();
    command.args(args);
    command
}

#[track_caller]
fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + testkit::patience(Duration::from_secs(5));
    while !is_so() {
        assert!(Instant::now() < deadline, "expected within 5 s: {what}");
        sleep(Duration::from_millis(5));
    }
}

/// `quota_us` of a period.
fn quota(quota_us: u64, period_us: Option<u64>) -> Cpu {
    Cpu { quota_us: Some(quota_us.cast_signed()), period_us, ..Cpu::default() }
}

/// What cpu.max says of it.
fn of(quota_us: u64, period_us: u64) -> String {
    format!("{quota_us} {period_us}")
}

/// What the knob of the quota says of it.
fn quota_text(version: Version, quota_us: u64, period_us: u64) -> String {
    if version == Version::V1 { quota_us.to_string() } else { of(quota_us, period_us) }
}

/// The processors that the test may run on.
fn processors() -> Vec<usize> {
    let allowed = sched_getaffinity(Pid::from_raw(0)).expect("sched_getaffinity");
    (0..CpuSet::count()).filter(|cpu| allowed.is_set(*cpu).unwrap_or(false)).collect()
}

/// A process that does nothing.
fn sleeper() -> Running<()> {
    start_child(|| {
        loop {
            pause();
        }
    })
}

/// A process that wants all the time that it can get.
fn spinner() -> Running<()> {
    start_child(|| {
        loop {
            std::hint::spin_loop();
        }
    })
}

/// The test's own group, as the shield has made it.
fn base() -> Cgroup {
    Cgroup::open(&cgroup_dirs()).expect("the test's own group")
}

/// The containers' groups in it.
fn groups_left() -> Vec<PathBuf> {
    let parts = base();
    let children = parts.parts().iter().flat_map(|part| part.children().expect("its groups"));
    children.map(|child| child.path().to_owned()).filter(|path| !path.ends_with(LEAF)).collect()
}

/// Moves a process, in every hierarchy.
fn put(group: &Cgroup, process: Pid) {
    for part in group.parts() {
        part.write("cgroup.procs", process).expect("to move a process");
    }
}

/// Whom the kernel lists in a group, hierarchy by hierarchy.
fn members(group: &Cgroup) -> Vec<(PathBuf, Vec<Pid>)> {
    let pids = |path: &Path| -> Vec<Pid> {
        let list = fs::read_to_string(path.join("cgroup.procs")).expect("cgroup.procs");
        list.lines().filter_map(|pid| pid.parse().ok().map(Pid::from_raw)).collect()
    };
    group.paths().into_iter().map(|path| (path.clone(), pids(&path))).collect()
}

/// When what was killed still is in its group.
const SLOW: &str =
    "what was killed is in its group until it is gone, and the kernel says EBUSY so long: wait, try again";

/// Why a group with these processes cannot be removed; `killed` is why when all have been sent a SIGKILL.
fn why_busy(processes: &[&Running<()>], killed: &'static str) -> &'static str {
    if processes.iter().all(|process| is_killed(process)) { killed } else { "nobody has ended what lives in it" }
}

/// Whether it has ended, or is to.
fn is_killed(process: &Running<()>) -> bool {
    let status = fs::read_to_string(format!("/proc/{}/status", process.pid())).unwrap_or_default();
    let pending = status.lines().filter_map(|line| line.strip_prefix("SigPnd:").or(line.strip_prefix("ShdPnd:")));
    let is_due = pending.filter_map(|mask| u64::from_str_radix(mask.trim(), 16).ok()).any(|mask| mask & 1 << 8 != 0);
    is_due || process.ends_within(Duration::ZERO)
}

/// A group whose processes stand still. Dropped, they go on: a frozen process of v1 could not be killed.
struct Frozen<'a>(&'a Cgroup);

impl<'a> Frozen<'a> {
    fn new(group: &'a Cgroup) -> Self {
        let frozen = Frozen(group);
        match group.version("freezer").expect("freezer") {
            Version::V1 => {
                group.write("freezer.state", "FROZEN").expect("freezer.state");
                eventually("frozen", || group.read("freezer.state").is_ok_and(|text| text.trim() == "FROZEN"));
            }
            Version::V2 => {
                let part = group.part("freezer").expect("freezer");
                part.write("cgroup.freeze", 1).expect("cgroup.freeze");
                eventually("frozen", || part.read("cgroup.events").is_ok_and(|text| text.contains("frozen 1")));
            }
        }
        frozen
    }
}

impl Drop for Frozen<'_> {
    fn drop(&mut self) {
        // It may be gone.
        let _ = self.0.write("freezer.state", "THAWED").or_else(|_| self.0.part("freezer")?.write("cgroup.freeze", 0));
    }
}

/// Lets the groups below a group of v2 have its controllers.
fn hand_down(group: &Cgroup) {
    for part in group.parts().iter().filter(|part| part.version() == Version::V2) {
        for controller in part.read("cgroup.controllers").expect("its controllers").split_whitespace() {
            part.write("cgroup.subtree_control", format_args!("+{controller}")).expect("to hand a controller down");
        }
    }
}

/// How long a test may take that starts programs: on an emulated machine each takes a second.
const PROGRAMS: Duration = Duration::from_secs(60);

/// Runs `test` in a group of its own.
#[track_caller]
fn with_programs(test: impl FnOnce()) {
    Shield::new().cgroup().deadline(PROGRAMS).run(test);
}

/// Where the tests of one shield make their groups.
struct Ground {
    base: Cgroup,
}

/// Runs `test` on a ground of its own, and clears it.
#[track_caller]
fn on_ground(test: impl FnOnce(&Ground)) {
    Shield::new().cgroup().run(|| test(&Ground { base: base() }));
}

impl Drop for Ground {
    fn drop(&mut self) {
        let Ok(left) = Cgroup::open(&groups_left()) else { return };
        let ours = [getpid(), Pid::from_raw(1)];
        if members(&left).iter().any(|(_, pids)| ours.iter().any(|pid| pids.contains(pid))) {
            // Somebody has put the test itself there, or the first process of its namespace.
            for path in self
                .base
                .paths()
                .iter()
                .map(|path| Some(path.join(LEAF)).filter(|leaf| leaf.exists()).unwrap_or(path.clone()))
            {
                for pid in ours {
                    let _ = fs::write(path.join("cgroup.procs"), pid.to_string());
                }
            }
        }
        let _ = left.kill();
        for path in left.parts().iter().flat_map(|part| part.tree().unwrap_or_default()) {
            for _ in 0..100 {
                match fs::remove_dir(&path) {
                    Err(error) if error.kind() == ErrorKind::ResourceBusy => sleep(Duration::from_millis(5)),
                    _ => break,
                }
            }
        }
    }
}

impl Ground {
    /// A group as create() makes it, by the test itself.
    fn group(&self, parent: &Cgroup, name: &str) -> Cgroup {
        if parent.paths() != self.base.paths() {
            hand_down(parent);
        }
        let group = self.bare_group(parent, name);
        if matches!(group.version("cpuset"), Ok(Version::V1)) {
            for knob in ["cpuset.cpus", "cpuset.mems"] {
                group.write(knob, parent.read(knob).expect("a knob").trim()).expect("a cpuset");
            }
        }
        group
    }

    /// As mkdir(2) makes it.
    fn bare_group(&self, parent: &Cgroup, name: &str) -> Cgroup {
        for path in parent.paths() {
            fs::create_dir(path.join(name)).expect("mkdir");
        }
        parent.child(name).expect("the group")
    }

    /// The learner's create(), and a look whether the group is there.
    #[track_caller]
    fn create(&self, parent: &Cgroup, name: &str) -> Cgroup {
        if parent.paths() != self.base.paths() {
            hand_down(parent);
        }
        let group = cpu::create(parent, name).explained(&format!("create(_, {name:?})"), &CREATE_REASONS, RULES);
        let all = parent.paths().into_iter().map(|path| path.join(name));
        let (there, missing): (Vec<_>, Vec<_>) = all.partition(|path| path.join("cgroup.procs").exists());
        check!(
            missing.is_empty(),
            expected: format!("the group {name} in every hierarchy"),
            seen: format!("{missing:?} missing"),
            likely: if there.is_empty() {
                "nothing was made, or in another place than below the parent"
            } else {
                "a hierarchy was left out: on v1 each has controllers of its own, and a group without them"
            },
            read: RULES,
        );
        group
    }

    /// The learner's join().
    #[track_caller]
    fn join(&self, group: &Cgroup, process: Pid) {
        cpu::join(group, process).explained(&format!("join(_, {process})"), &JOIN_REASONS, RULES);
    }

    #[track_caller]
    fn check_joined(&self, group: &Cgroup, process: Pid) {
        let without = members(group).into_iter().filter(|(_, pids)| !pids.contains(&process));
        let without: Vec<_> = without.map(|(path, _)| path).collect();
        check!(
            without.is_empty(),
            expected: format!("process {process} in the group, in every hierarchy"),
            seen: format!("it is not in {without:?}"),
            likely: if without.len() == group.parts().len() {
                "it was not moved: its PID goes to cgroup.procs"
            } else {
                "some hierarchies were left out: a process is in one group of each, and each limits other things"
            },
            read: RULES,
        );
    }

    /// The learner's remove(), and a look whether the group is gone. `busy` says why it may have been EBUSY.
    #[track_caller]
    fn remove(&self, group: &Cgroup, busy: impl Fn() -> &'static str) {
        let there = group.paths().into_iter().filter(|path| path.exists()).count();
        let result = cpu::remove(group);
        let is_busy = result.as_ref().is_err_and(|error| error.errno() == Some(Errno::EBUSY));
        let busy = [(Errno::EBUSY, if is_busy { busy() } else { "" })];
        result.explained("remove()", &[&busy[..], &REMOVE_REASONS].concat(), RULES);
        let left: Vec<_> = group.paths().into_iter().filter(|path| path.exists()).collect();
        check!(
            left.is_empty(),
            expected: "the group to be gone, in every hierarchy",
            seen: format!("{left:?} left"),
            likely: if left.len() == there {
                "it was not removed: rmdir(2), once it is empty"
            } else {
                "it was removed in some hierarchies, and stays in the others"
            },
            read: RULES,
        );
    }
}

/// A window of time, and what groups used in it.
struct Window {
    wall_us: u64,
    used_us: Vec<u64>,
    /// Periods of the first group that ended throttled.
    throttled: u64,
    is_right: bool,
}

/// Looks at `groups` for a while, and for longer, eight times at most, when what is seen is not what `is_right` wants:
/// another program may have had the processor. Who got too much then is made to wait later, so the sum counts.
fn measured(groups: &[&Cgroup], length: Duration, is_right: impl Fn(&Window) -> bool) -> Window {
    let used = || groups.iter().map(|group| used_us(group)).collect::<Vec<_>>();
    let (begun, before, throttled) = (Instant::now(), used(), throttling_of(groups[0]).throttled);
    let mut looks = 0;
    loop {
        sleep(length);
        looks += 1;
        let (after, wall_us) = (used(), u64::try_from(begun.elapsed().as_micros()).expect("a short time"));
        let used_us = before.iter().zip(after).map(|(before, after)| after - before).collect();
        let throttled = throttling_of(groups[0]).throttled - throttled;
        let mut window = Window { wall_us, used_us, throttled, is_right: false };
        window.is_right = is_right(&window);
        if window.is_right || looks == 8 {
            return window;
        }
    }
}

/// Processor time that a group has used: v1's cpuacct counts it, and every group of v2.
fn used_us(group: &Cgroup) -> u64 {
    if let Ok(ns) = group.read("cpuacct.usage") {
        return ns.trim().parse::<u64>().expect("a number") / 1000;
    }
    let v2 = group.parts().iter().find(|part| part.version() == Version::V2).expect("v1's cpuacct, or v2");
    value(&v2.read("cpu.stat").expect("cpu.stat"), "usage_usec").expect("usage_usec")
}

/// Read by the test itself.
fn throttling_of(group: &Cgroup) -> Throttling {
    let stat = group.read("cpu.stat").expect("cpu.stat");
    let us = value(&stat, "throttled_usec").or(value(&stat, "throttled_time").map(|ns| ns / 1000));
    let [periods, throttled] = ["nr_periods", "nr_throttled"].map(|name| value(&stat, name).expect("a number"));
    Throttling { periods, throttled, throttled_us: us.expect("a time") }
}

fn value(stat: &str, name: &str) -> Option<u64> {
    stat.lines().find_map(|line| line.split_once(' ').filter(|(own, _)| *own == name)?.1.parse().ok())
}

/// What cpu.max says in a new group.
const NO_LIMIT: &str = "max 100000";

/// Plain directories with the files of a group.
struct Plain {
    version: Version,
    controllers: &'static str,
    top: PathBuf,
}

impl Plain {
    fn new(version: Version) -> Self {
        Plain { version, controllers: "cpu cpuset", top: dir().join(testkit::random_name("groups")) }
    }

    fn controllers(self, controllers: &'static str) -> Self {
        Plain { controllers, ..self }
    }

    /// A group at the top.
    fn group(self) -> Cgroup {
        self.make(&self.top);
        Cgroup::open(&[self.top]).expect("a handle")
    }

    /// A group below groups with these values of cpu.max, the nearest first.
    fn below(self, above: &[&str]) -> Cgroup {
        let mut path = self.top.clone();
        self.make(&path);
        fs::remove_file(path.join("cpu.max")).expect("rm");
        for max in above.iter().rev() {
            path.push("above");
            self.make(&path);
            fs::write(path.join("cpu.max"), max).expect("a file");
        }
        path.push("group");
        self.make(&path);
        Cgroup::open(&[path]).expect("a handle")
    }

    fn make(&self, path: &Path) {
        fs::create_dir_all(path).expect("mkdir");
        // No longer than what is written over them: the kernel's files need not be truncated either.
        let cpu: &[_] = match self.version {
            Version::V1 => &[("cpu.shares", "2"), ("cpu.cfs_period_us", "1000"), ("cpu.cfs_quota_us", "-1")],
            Version::V2 => &[("cpu.weight", "1"), ("cpu.max", NO_LIMIT)],
        };
        let cpuset: &[_] = &[("cpuset.cpus", ""), ("cpuset.mems", "")];
        let has = |name| self.controllers.split(' ').any(|own| own == name);
        let knobs = [(has("cpu"), cpu), (has("cpuset"), cpuset)].into_iter().filter(|(has, _)| *has);
        let v2 = (self.version == Version::V2).then_some(("cgroup.controllers", self.controllers));
        for (name, text) in knobs.flat_map(|(_, knobs)| knobs).copied().chain(v2).chain([("cgroup.procs", "")]) {
            fs::write(path.join(name), text).expect("a file");
        }
    }
}

/// The learner's limit().
#[track_caller]
fn limited(group: &Cgroup, cpu: &Cpu) {
    limit_explained(cpu::limit(group, cpu), cpu);
}

#[track_caller]
fn limit_explained(result: Result<()>, cpu: &Cpu) {
    match result.as_ref().err().and_then(|_| unfinished()) {
        Some(fault) => testkit::teach("limit() to succeed", result.expect_err("a refusal"), fault, TASKS),
        None => result.explained(&format!("limit(_, {cpu:?})"), &LIMIT_REASONS, RULES),
    }
}

/// Checks what a knob says.
#[track_caller]
fn has_the_value(group: &Cgroup, knob: &str, wanted: &str) {
    let seen = group.read(knob).expect("a knob");
    check!(
        is_the_same(knob, &seen, wanted),
        expected: format!("{knob} to be {wanted:?}"),
        seen: format!("{:?}", seen.trim()),
        likely: unfinished().unwrap_or("limit() did not write it, or to another group, or another value after it"),
        read: RULES,
    );
}

/// What to say when the verb that limit() stands on does not do its work.
fn unfinished() -> Option<&'static str> {
    let cpu = Cpu {
        quota_us: Some(20_000),
        period_us: Some(50_000),
        shares: Some(2048),
        cpus: Some("0".into()),
        mems: Some("0".into()),
    };
    let works = |version| {
        let (seen, wanted) = (by_name(&cpu::knobs(&cpu, version)), right_knobs(&cpu, version));
        seen.len() == wanted.len()
            && wanted.iter().all(|(name, text)| seen.get(name).is_some_and(|seen| is_the_same(name, seen, text)))
    };
    let fault = "knobs() does not do its work yet: first make the tests of tasks 1 and 2 pass";
    (!(works(Version::V1) && works(Version::V2))).then_some(fault)
}

#[track_caller]
fn check_refusal(result: Result<()>, errnos: &[Errno], call: &str, likely: &str) {
    let names = errnos.iter().map(|errno| format!("{errno:?}")).collect::<Vec<_>>().join(" or ");
    let seen = result.as_ref().map_or_else(Error::to_string, |()| "Ok(())".to_owned());
    check!(
        result.is_err(),
        expected: format!("{call} to return {names}"),
        seen: seen,
        likely: likely,
        read: RULES,
    );
    check!(
        result.is_err_and(|error| error.errno().is_some_and(|errno| errnos.contains(&errno))),
        expected: format!("{call} to return {names}"),
        seen: seen,
        likely: "the kernel's errno was thrown away, or another call came first",
        read: RULES,
    );
}

/// A container that waits for a word.
struct Container {
    boxwright: Child,
    lines: BufReader<std::process::ChildStdout>,
}

impl Container {
    fn start(flags: &[&str], command: &[&str]) -> Self {
        let mut boxwright = Command::new(env!("CARGO_BIN_EXE_boxwright"));
        boxwright.args(["run", "-i"]).args(flags).arg("--").args(command).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut boxwright = boxwright.spawn().expect("start boxwright");
        let lines = BufReader::new(boxwright.stdout.take().expect("piped"));
        Container { boxwright, lines }
    }

    /// The next line that it says.
    fn line(&mut self) -> String {
        let mut line = String::new();
        self.lines.read_line(&mut line).expect("a line");
        line.trim_end().to_owned()
    }

    /// Its group, seen from outside while it runs.
    #[track_caller]
    fn group(&self, base: &Cgroup, name: &str) -> Cgroup {
        base.child(&format!("boxwright-{name}")).explained(
            "a look at the group boxwright-NAME in every hierarchy",
            &[(Errno::ENOENT, "create() did not make it everywhere: see the tests of task 3")],
            TASKS,
        )
    }

    fn end(mut self) {
        self.boxwright.stdin.take().expect("piped").write_all(b"word\n").expect("to say a word");
        let status = self.boxwright.wait().expect("wait");
        assert!(status.success(), "boxwright run ended with {status}");
        assert_eq!(groups_left(), Vec::<PathBuf>::new());
    }
}
