//! Lab 08, `labs/lab08_limits.rs`: memory and processes, freeze and thaw, usage, a view of one's own. Chapter:
//! `book/src/lab08-limits.md`.
//!
//! What is arithmetic and text is tried on directories that look like groups, everywhere and for both versions. What
//! the kernel does is tried in groups of the test's own, on each interface that this machine speaks.

#![allow(unsafe_code, reason = "fork, and nice(2)")]

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::{PipeWriter, Read, Write, pipe};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use boxwright::steps::limits;
use model::cgroup::{Knob, LEAF, Part, Usage, Version};
use model::plan::Memory;
use model::{Cgroup, Error, Result};
use nix::errno::Errno;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, CpuSet, sched_getaffinity, sched_setaffinity, unshare};
use nix::sys::prctl::set_child_subreaper;
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::signal::{SigHandler, SigSet, Signal, kill, signal};
use nix::sys::time::TimeValLike;
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid, waitpid};
use nix::unistd::{ForkResult, Pid, fork};
use predicates::prelude::PredicateBooleanExt;
use predicates::str::contains;
use testkit::{
    Explained, Running, Shield, cgroup_dirs, check, dir, drop_capabilities, in_child, namespaces, needs, random_name,
    shielded, start_child, written,
};

const RULES: &str = "lab08-limits.md, The kernel's rules";
const TASKS: &str = "lab08-limits.md, Tasks";
const MIB: i64 = 1 << 20;
/// Longer than the kernel takes for anything here; reached by wrong code alone.
const PATIENCE: Duration = Duration::from_secs(3);
/// Longer than a program takes to start on a busy machine, or on an emulated one.
const LIMIT: Duration = Duration::from_secs(20);
/// What is told when a file of a group was written or read, and the kernel said no.
const KNOB_REASONS: [(Errno, &str); 4] = [
    (Errno::EINVAL, "the kernel does not take this word for this knob: each version has its own"),
    (Errno::EACCES, "the group is not the caller's, or the knob is for reading alone"),
    (Errno::EBUSY, "the group is in use in a way that forbids it"),
    (Errno::ENOENT, "the group is gone"),
];

// ---- task 1 ----

#[test]
fn task1_v1_counts_memory_and_swap_together() {
    let [limit, swap, reservation] = [bytes(64), bytes(32), bytes(8)];
    let memory = memory(Some(limit), Some(limit + swap), Some(reservation));
    let expected = [
        ("memory.limit_in_bytes", limit.to_string()),
        ("memory.memsw.limit_in_bytes", (limit + swap).to_string()),
        ("memory.soft_limit_in_bytes", reservation.to_string()),
    ];
    comes_to(&memory, Version::V1, &expected);
}

#[test]
fn task1_v2_counts_swap_alone() {
    let [limit, swap, reservation] = [bytes(64), bytes(32), bytes(8)];
    let memory = memory(Some(limit), Some(limit + swap), Some(reservation));
    let expected = [
        ("memory.max", limit.to_string()),
        ("memory.swap.max", swap.to_string()),
        ("memory.low", reservation.to_string()),
    ];
    comes_to(&memory, Version::V2, &expected);
}

#[test]
fn task1_where_nothing_is_said_swap_is_as_much_as_memory() {
    let limit = bytes(64);
    let v1 = [("memory.limit_in_bytes", limit.to_string()), ("memory.memsw.limit_in_bytes", (2 * limit).to_string())];
    comes_to(&memory(Some(limit), None, None), Version::V1, &v1);
    let v2 = [("memory.max", limit.to_string()), ("memory.swap.max", limit.to_string())];
    comes_to(&memory(Some(limit), None, None), Version::V2, &v2);
    // As much as there is memory: no swap at all.
    let v1 = [("memory.limit_in_bytes", limit), ("memory.memsw.limit_in_bytes", limit)];
    comes_to(&memory(Some(limit), Some(limit), None), Version::V1, &v1.map(|(name, value)| (name, value.to_string())));
    let v2 = [("memory.max", limit), ("memory.swap.max", 0)];
    comes_to(&memory(Some(limit), Some(limit), None), Version::V2, &v2.map(|(name, value)| (name, value.to_string())));
}

#[test]
fn task1_each_version_has_its_word_for_no_limit() {
    let limit = bytes(64);
    let said = |words: [(&'static str, &str); 2]| words.map(|(name, value)| (name, value.to_owned()));
    for with_swap in [None, Some(-1)] {
        let none = memory(Some(-1), with_swap, None);
        let v1 = said([("memory.limit_in_bytes", "-1"), ("memory.memsw.limit_in_bytes", "-1")]);
        comes_to(&none, Version::V1, &v1);
        comes_to(&none, Version::V2, &said([("memory.max", "max"), ("memory.swap.max", "max")]));
    }
    let swap = memory(Some(limit), Some(-1), None);
    let number = limit.to_string();
    comes_to(&swap, Version::V1, &said([("memory.limit_in_bytes", &number), ("memory.memsw.limit_in_bytes", "-1")]));
    comes_to(&swap, Version::V2, &said([("memory.max", &number), ("memory.swap.max", "max")]));
    let reservation = memory(None, None, Some(-1));
    comes_to(&reservation, Version::V1, &[("memory.soft_limit_in_bytes", "-1".to_owned())]);
    comes_to(&reservation, Version::V2, &[("memory.low", "max".to_owned())]);
}

#[test]
fn task1_what_is_left_open_has_no_knob() {
    let reservation = bytes(8);
    // So that a body that never gives a knob is noticed here too.
    comes_to(
        &memory(None, None, Some(reservation)),
        Version::V1,
        &[("memory.soft_limit_in_bytes", reservation.to_string())],
    );
    comes_to(&memory(None, None, Some(reservation)), Version::V2, &[("memory.low", reservation.to_string())]);
    for version in [Version::V1, Version::V2] {
        comes_to(&Memory::default(), version, &[]);
    }
}

#[test]
fn task1_the_kernel_takes_them_and_ends_whoever_wants_more() {
    needs!(cgroup = memory);
    let limit = (12 + random(8)) * MIB;
    in_a_group(|| {
        let group = Group::new("limited");
        let version = group.cgroup.version("memory").expect("memory");
        // No swap: with swap, what is too much would be put there.
        let knobs = limits::knobs(&memory(Some(limit), Some(limit), Some(4 * MIB)), version);
        for knob in &knobs {
            match group.cgroup.write(knob.name, &knob.value) {
                // A kernel that does not count swap.
                Err(Error::NoKnob { .. }) if is_about_swap(knob.name) => {}
                written => written.explained(
                    &format!("the kernel to take {:?}, one after the other; to write", told(&knobs)),
                    &[(
                        Errno::EINVAL,
                        "memory and swap together cannot be less than memory alone, which in a new group has no limit yet: memory.limit_in_bytes goes first",
                    )],
                    RULES,
                ),
            }
        }
        let knob = if version == Version::V1 { "memory.limit_in_bytes" } else { "memory.max" };
        let seen = group.cgroup.read(knob).expect("the knob");
        check!(
            seen.trim() == limit.to_string(),
            expected: format!("{knob} to read {limit} when all are written"),
            seen: seen.trim(),
            likely: "the limit is none of the knobs",
            read: TASKS,
        );
        let eater = group.start(|| eat(4 * limit));
        check!(
            group.is_killed(eater),
            expected: format!("a process that wants {} bytes in a group that may have {limit} to be killed", 4 * limit),
            seen: "it has them",
            likely: "the knobs are right for the other version, or swap took the rest",
            read: RULES,
        );
    });
}

// ---- task 2 ----

#[test]
fn task2_the_name_is_written_with_a_plus() {
    let controller = ["cpu", "memory", "pids", "io"][random(4) as usize];
    shielded(|| {
        let (result, seen) = tried_on_a_directory(controller);
        result.explained(
            "enable() of a group without processes",
            &[(Errno::EACCES, "one of the group's files is for reading alone: cgroup.controllers says what there is")],
            RULES,
        );
        check!(
            seen.split_whitespace().eq([format!("+{controller}")]),
            expected: format!("\"+{controller}\" to be written to cgroup.subtree_control"),
            seen: format!("{seen:?}"),
            likely: match seen.as_str() {
                "" => "nothing was written there",
                _ => "a plus, and the name as it is in cgroup.controllers; a minus would take it away",
            },
            read: RULES,
        );
    });
}

#[test]
fn task2_groups_below_get_the_controllers() {
    needs!(cgroup_v2);
    on_v2(|group, controllers| {
        enables(group, controllers, "enable() of a group without processes");
        let below = group.below("below");
        let has = below.cgroup.parts()[0].read("cgroup.controllers").expect("cgroup.controllers");
        let missing: Vec<_> = controllers.iter().filter(|name| !has.split_whitespace().any(|n| n == **name)).collect();
        check!(
            missing.is_empty(),
            expected: format!("a group below to have {controllers:?}"),
            seen: format!("it has {:?}", has.trim()),
            likely: match missing.len() {
                number if number == controllers.len() => "cgroup.subtree_control of the group itself was not written",
                _ => "some of the names were not written, or each write replaced the one before: a write adds, and a list has spaces between",
            },
            read: RULES,
        );
    });
}

#[test]
fn task2_its_processes_move_into_the_leaf() {
    needs!(cgroup_v2);
    on_v2(|group, controllers| {
        let members: Vec<_> = (0..3).map(|_| group.start(forever)).collect();
        enables(group, controllers, "enable() of a group with processes in it");
        let expected: BTreeSet<_> = members.into_iter().collect();
        let path = group.cgroup.paths()[0].join(LEAF);
        let seen = Cgroup::open(std::slice::from_ref(&path)).and_then(|leaf| leaf.processes());
        check!(
            seen.as_ref().is_ok_and(|seen| *seen == expected),
            expected: format!("processes {expected:?} to be in {}", path.display()),
            seen: format!("{seen:?}"),
            likely: "they were moved to another group: LEAF, below the one that was asked about, is theirs",
            read: TASKS,
        );
        // And now groups beside the leaf may have processes of their own.
        let below = group.below("below");
        below.start(forever);
    });
}

#[test]
fn task2_a_leaf_that_is_there_is_used() {
    needs!(cgroup_v2);
    on_v2(|group, controllers| {
        fs::create_dir(group.cgroup.paths()[0].join(LEAF)).expect("mkdir");
        let member = group.start(forever);
        enables(group, controllers, "enable() of a group that has its leaf");
        enables(group, controllers, "enable() a second time");
        check!(
            is_in_leaf(group, member),
            expected: "the process to be in the leaf that was there already",
            seen: format!("process {member} is not in there"),
            likely: "see task2_its_processes_move_into_the_leaf",
            read: TASKS,
        );
    });
}

#[test]
fn task2_whoever_forks_meanwhile_is_moved_too() {
    needs!(cgroup_v2);
    // On a busy machine it may be that nobody forks at the wrong moment: several times, then.
    for _ in 0..6 {
        on_v2(|group, controllers| {
            // Each process of a chain forks the next and ends: whoever was read is gone, and another one is there.
            let end = Instant::now() + Duration::from_millis(500);
            let joined = Count::new();
            let keeper = start_child(|| {
                // Whoever ends is gone at once: no zombie is left that could still be moved.
                set_child_subreaper(true).expect("prctl");
                // SAFETY: SIG_IGN is no function that would be called.
                unsafe { signal(Signal::SIGCHLD, SigHandler::SigIgn) }.expect("signal");
                for _ in 0..6 {
                    forked(|| {
                        group.join();
                        joined.step();
                        chain(end);
                    });
                }
                forever();
            });
            group.members.borrow_mut().push(keeper);
            assert!(within(LIMIT, || joined.now() == 6), "six chains of processes");
            if let Err(error) = limits::enable(&group.cgroup.parts()[0], controllers) {
                let likely = match error.errno() {
                    Some(Errno::ESRCH) => {
                        "a process that was listed ended before it was moved (ESRCH), which is as good as moved: its child is still in the group"
                    }
                    Some(Errno::EBUSY) if has_leaf(group) => {
                        "each process was moved once: one that forked after the list was read left its child behind. Read the list again until it is empty"
                    }
                    _ => fault(&error, group),
                };
                testkit::teach("enable() of a group whose processes fork to succeed", error, likely, RULES);
            }
        });
    }
}

#[test]
fn task2_the_top_of_the_tree_keeps_its_processes() {
    shielded(|| {
        let path = dir().join("top");
        let knobs =
            [("cgroup.controllers", "cpu memory pids\n"), ("cgroup.procs", "1\n2\n"), ("cgroup.subtree_control", "")];
        let top = imitate(&path, &knobs);
        let result = limits::enable(&top.parts()[0], &["pids"]);
        let seen = fs::read_to_string(path.join("cgroup.procs")).expect("cgroup.procs");
        check!(
            seen == "1\n2\n" && !path.join(LEAF).exists(),
            expected: "the top of the tree to keep its processes: it alone may have both",
            seen: format!("a group {LEAF} was made there, or processes were moved"),
            likely: "the top was treated like any other group: its kernel threads, for one, cannot be moved. group.is_top() is true there",
            read: RULES,
        );
        result.explained("enable() of the top of the tree", &KNOB_REASONS, RULES);
        let written = fs::read_to_string(path.join("cgroup.subtree_control")).expect("the knob");
        check!(
            written.trim() == "+pids",
            expected: "\"+pids\" in cgroup.subtree_control of the top",
            seen: format!("{written:?}"),
            likely: match hands_down() {
                true => "at the top there is nobody to move, and the controllers are to be handed down all the same",
                false => "see task2_the_name_is_written_with_a_plus",
            },
            read: RULES,
        );
    });
}

#[test]
fn task2_the_root_of_a_namespace_is_a_group_like_others() {
    shielded(|| {
        // A cgroup namespace shows its root as the top, and yet with what the top alone has not: cgroup.type.
        let knobs = [
            ("cgroup.controllers", "cpu memory pids\n"),
            ("cgroup.procs", "1\n2\n"),
            ("cgroup.type", "domain\n"),
            ("cgroup.subtree_control", ""),
        ];
        // Nobody can be moved in a directory; what is to be seen is that somebody is to be.
        let makes_a_leaf = |path: &Path| {
            let tried = limits::enable(&imitate(path, &knobs).parts()[0], &["pids"]).err();
            (path.join(LEAF).exists(), tried)
        };
        let (is_made, tried) = makes_a_leaf(&dir().join("root"));
        check!(
            is_made,
            expected: format!("the processes of a namespace's root to be moved into {LEAF}, as those of any group"),
            seen: tried.map_or_else(|| "no such group was made".to_owned(), |error| error.to_string()),
            likely: match makes_a_leaf(&dir().join("root/below")).0 {
                true => "it was taken for the top of the tree, because no group above it is in sight: a process in a cgroup namespace sees none. group.is_top() knows",
                false => "see task2_its_processes_move_into_the_leaf",
            },
            read: RULES,
        );
    });
}

#[test]
fn task2_whoever_cannot_be_named_is_passed_over() {
    shielded(|| {
        imitate(&dir().join("above"), &[("cgroup.procs", "")]);
        let path = dir().join("above/group");
        let knobs = [
            ("cgroup.controllers", "cpu memory pids\n"),
            ("cgroup.procs", "0\n"),
            ("cgroup.type", "domain\n"),
            ("cgroup.subtree_control", ""),
        ];
        let group = imitate(&path, &knobs);
        imitate(&path.join(LEAF), &[("cgroup.procs", "")]);
        let caller = start_child(|| limits::enable(&group.parts()[0], &["pids"]).err().map(|error| error.to_string()));
        let written = Cell::new(0);
        let has_ended = eventually(|| {
            // In this order: it may write, and end, between the two.
            let has_ended = caller.ends_within(Duration::ZERO);
            written.set(fs::metadata(path.join(LEAF).join("cgroup.procs")).expect("cgroup.procs").len());
            has_ended || written.get() > 0
        });
        check!(
            written.get() == 0,
            expected: "nobody to be moved out of a group where cgroup.procs reads 0, a process of another PID namespace",
            seen: format!("something was written to cgroup.procs of {LEAF}"),
            likely: "0 was taken for a PID. Read, it is somebody whom the caller cannot name; written, it stands for the caller: it is the writer that was moved",
            read: RULES,
        );
        check!(
            has_ended,
            expected: "enable() to return, although cgroup.procs goes on reading 0",
            seen: "it never does",
            likely: "the list never gets empty while somebody is in it whom the caller cannot name: go on until nobody is left whom it can, and let the kernel say what it thinks of the rest",
            read: RULES,
        );
        // What it has panicked with, if so.
        drop(caller.wait());
    });
}

#[test]
fn task2_whom_it_cannot_name_the_kernel_reports() {
    needs!(cgroup_v2);
    on_v2(|group, controllers| {
        group.start(forever);
        // Children are born in a PID namespace that does not show it.
        let wrong: Option<String> = in_child(|| {
            unshare(CloneFlags::CLONE_NEWPID).expect("unshare");
            let caller = start_child(|| {
                let result = limits::enable(&group.cgroup.parts()[0], controllers);
                result.map_err(|error| error.to_string())
            });
            let has_ended = eventually(|| caller.ends_within(Duration::ZERO) || is_in_leaf(group, caller.pid()));
            let wrong = match () {
                () if is_in_leaf(group, caller.pid()) => Some("the caller has moved itself"),
                () if !has_ended => Some("it never returns"),
                () => caller.wait().value.is_ok().then_some("Ok(())"),
            };
            wrong.map(str::to_owned)
        });
        check!(
            wrong.is_none(),
            expected: "enable() to report the kernel's refusal when somebody is in the group whom it cannot move",
            seen: wrong.unwrap_or_default(),
            likely: "see task2_whoever_cannot_be_named_is_passed_over",
            read: RULES,
        );
    });
}

#[test]
fn task2_in_a_namespace_its_root_hands_down() {
    needs!(cgroup_v2);
    on_v2(|group, controllers| {
        let member = group.start(forever);
        in_child(|| {
            let root = enter_a_namespace(group);
            if let Err(error) = limits::enable(&root.parts()[0], controllers) {
                let likely = "see task2_the_root_of_a_namespace_is_a_group_like_others";
                testkit::teach("enable() of the root of a cgroup namespace to succeed", error, likely, RULES);
            }
        });
        check!(
            is_in_leaf(group, member),
            expected: "a process in the root of a cgroup namespace to be moved into the leaf",
            seen: format!("process {member} is not in there"),
            likely: "see task2_the_root_of_a_namespace_is_a_group_like_others",
            read: RULES,
        );
    });
}

#[test]
fn task2_a_controller_that_is_not_there_is_named() {
    needs!(cgroup_v2);
    on_v2(|group, controllers| {
        // A group that was handed nothing down has nothing to hand down.
        let below = group.below("below");
        let result = limits::enable(&below.cgroup.parts()[0], controllers);
        check!(
            result.as_ref().is_err_and(|error| error.to_string().contains(controllers[0])),
            expected: format!("an error that names the controller {}, which the group does not have itself", controllers[0]),
            seen: format!("{result:?}"),
            likely: match result {
                Ok(()) if hands_down() => "the kernel's refusal (ENOENT) was swallowed",
                Ok(()) => "see task2_the_name_is_written_with_a_plus",
                Err(_) => "the errno came without what was written: Part::write() puts both into its error",
            },
            read: RULES,
        );
    });
}

// ---- task 3 ----

#[test]
fn task3_each_version_has_its_knob() {
    shielded(|| {
        let old = imitate(&dir().join("old"), &[("freezer.state", "THAWED\n"), ("cgroup.procs", "")]);
        freezes(&old, "freeze(), v1");
        knob_reads(&old, "freezer.state", "FROZEN");
        let new = imitate(&dir().join("new"), &V2_FREEZER);
        fs::write(dir().join("new/cgroup.events"), "populated 1\nfrozen 1\n").expect("cgroup.events");
        freezes(&new, "freeze(), v2");
        knob_reads(&new, "cgroup.freeze", "1");
    });
}

#[test]
fn task3_a_process_that_counts_stops() {
    needs!(cgroup = freezer);
    on_each_freezer(|group| {
        let count = Count::new();
        group.start(|| count.for_ever());
        count.goes_on();
        freezes(&group.cgroup, "freeze()");
        let (before, after) = (count.now(), count.later());
        let state = state(&group.cgroup);
        check!(
            before == after,
            expected: "a process that counts to stop where it was",
            seen: format!("it was at {before} when freeze() returned, and at {after} a moment later ({state})"),
            likely: "no knob of the group was written, or another group's",
            read: RULES,
        );
        check!(
            is_frozen(&group.cgroup),
            expected: format!("the kernel to say that the group is frozen ({:?})", version(&group.cgroup)),
            seen: state,
            likely: "the processes were stopped by a signal: their parents see that, and anybody with the right to may send SIGCONT",
            read: RULES,
        );
    });
}

#[test]
fn task3_it_returns_when_all_have_stopped() {
    needs!(cgroup = freezer);
    on_each_freezer(|group| {
        // All on one processor, and they after us: none of them gets there before we wait for it.
        let first = processor();
        sched_setaffinity(Pid::this(), &first).expect("sched_setaffinity");
        for _ in 0..6 {
            group.start(|| {
                // SAFETY: nice takes an integer, and may be refused without harm.
                unsafe { nix::libc::nice(19) };
                loop {
                    std::hint::spin_loop();
                }
            });
        }
        for _ in 0..3 {
            freezes(&group.cgroup, "freeze()");
            check!(
                is_frozen(&group.cgroup),
                expected: format!("all processes to have stopped when freeze() returns ({:?})", version(&group.cgroup)),
                seen: state(&group.cgroup),
                likely: match version(&group.cgroup) {
                    _ if !group.is_asked_to_freeze() => "see task3_a_process_that_counts_stops",
                    Version::V1 => "the write was taken for the deed: freezer.state reads FREEZING until the last of them has stopped, and only then FROZEN",
                    Version::V2 => "cgroup.freeze reads back what was written to it; whether all have stopped is in cgroup.events, \"frozen 1\"",
                },
                read: RULES,
            );
            group.thaw();
        }
    });
}

#[test]
fn task3_a_fork_loop_stops_too() {
    needs!(cgroup = freezer);
    on_each_freezer(|group| {
        let count = Count::new();
        group.start(|| {
            loop {
                let mut children = Vec::new();
                for _ in 0..4 {
                    children.extend(forked(|| count.step()));
                }
                children.into_iter().for_each(|child| assert!(waitpid(child, None).is_ok()));
            }
        });
        count.goes_on();
        freezes(&group.cgroup, "freeze() of a group in which somebody forks all the time");
        let (before, after) = (count.now(), count.later());
        check!(
            before == after && is_frozen(&group.cgroup),
            expected: "every process to stop, those forked in the meantime too",
            seen: format!("{} processes were born after freeze() had returned; {}", after - before, state(&group.cgroup)),
            likely: "each process that was listed was stopped; the group as a whole has to be",
            read: RULES,
        );
    });
}

#[test]
fn task3_who_does_not_stop_in_time_goes_on() {
    shielded(|| {
        // "frozen 0", for ever.
        let group = imitate(&dir().join("new"), &V2_FREEZER);
        let result = limits::freeze(&group);
        check!(
            result.as_ref().is_err_and(|error| error.errno() == Some(Errno::EBUSY)),
            expected: "freeze() to return EBUSY after two seconds, when cgroup.events goes on saying \"frozen 0\"",
            seen: result.map_or_else(|error| error.to_string(), |()| "Ok(())".to_owned()),
            likely: "see task3_it_returns_when_all_have_stopped",
            read: RULES,
        );
        let seen = group.read("cgroup.freeze").expect("cgroup.freeze");
        check!(
            seen.trim() == "0",
            expected: "cgroup.freeze to be 0 again when freeze() gives up",
            seen: format!("it is {:?}", seen.trim()),
            likely: match limits::thaw(&group).is_ok() && group.read("cgroup.freeze").expect("cgroup.freeze").trim() == "0" {
                true => "the group is still asked to freeze: whoever stops a little later stays stopped, after freeze() has said that it failed",
                false => "thaw() does not do its work yet: see task4_each_version_has_its_knob",
            },
            read: TASKS,
        );
    });
}

#[test]
fn task3_the_callers_own_group_is_refused() {
    needs!(cgroup = freezer);
    on_each_freezer(|group| {
        refuses_its_caller(group, group, "the group that its caller is in", OWN);
    });
}

#[test]
fn task3_a_group_above_the_callers_is_refused() {
    needs!(cgroup = freezer);
    on_each_freezer(|group| {
        let likely = match has_ended(&freezes_as(group, group), group) {
            true => {
                "the group itself was looked into, and none below it: they stop with it, and one of them is the caller's"
            }
            false => OWN,
        };
        let below = group.below("below");
        refuses_its_caller(&below.below("deeper"), group, "a group above the one that its caller is in", likely);
    });
}

const OWN: &str = "it froze itself, and nobody is left to thaw it: first look for Pid::this() in cgroup.procs of the group and of those below";

/// The learner's freeze() of `group`, by a process of `home`.
fn freezes_as(home: &Group, group: &Group) -> Running<Option<String>> {
    start_child(|| {
        home.join();
        limits::freeze(&group.cgroup).err().map(|error| error.to_string())
    })
}

/// Whether a call of freeze() comes to an end, and does not stop itself.
fn has_ended(caller: &Running<Option<String>>, group: &Group) -> bool {
    eventually(|| caller.ends_within(Duration::ZERO) || is_frozen(&group.cgroup));
    let has_ended = caller.ends_within(Duration::ZERO);
    if !has_ended {
        // Before the thaw, or it goes on and stops itself once more; on v1 it dies when it is thawed.
        kill(caller.pid(), Signal::SIGKILL).expect("kill");
    }
    group.thaw();
    has_ended
}

#[track_caller]
fn refuses_its_caller(home: &Group, group: &Group, which: &str, likely: &str) {
    let caller = freezes_as(home, group);
    check!(
        has_ended(&caller, group),
        expected: format!("freeze() to refuse {which}"),
        seen: "it never returned",
        likely: likely,
        read: RULES,
    );
    let refusal = caller.wait().value;
    check!(
        refusal.is_some(),
        expected: format!("freeze() to refuse {which}"),
        seen: "Ok(())",
        likely: "nothing was frozen, and nothing was said",
        read: TASKS,
    );
}

// ---- task 4 ----

#[test]
fn task4_each_version_has_its_knob() {
    shielded(|| {
        let old = imitate(&dir().join("old"), &[("freezer.state", "FROZEN\n"), ("cgroup.procs", "")]);
        thaws(&old, "thaw(), v1");
        knob_reads(&old, "freezer.state", "THAWED");
        let new = imitate(&dir().join("new"), &V2_FREEZER);
        fs::write(dir().join("new/cgroup.freeze"), "1\n").expect("cgroup.freeze");
        thaws(&new, "thaw(), v2");
        knob_reads(&new, "cgroup.freeze", "0");
    });
}

#[test]
fn task4_they_go_on() {
    needs!(cgroup = freezer);
    on_each_freezer(|group| {
        let count = Count::new();
        let counter = group.start(|| {
            // So that it is to be seen whether one was sent.
            SigSet::from(Signal::SIGCONT).thread_block().expect("sigprocmask");
            count.for_ever();
        });
        count.goes_on();
        group.freeze();
        let before = count.now();
        thaws(&group.cgroup, "thaw()");
        check!(
            eventually(|| count.now() > before),
            expected: "a process that counts to go on from where it was",
            seen: format!("it still is at {before}; {}", state(&group.cgroup)),
            likely: match is_pending(counter, Signal::SIGCONT) {
                true => "the group is frozen as before: a signal does not wake it, its own knob does",
                false => "the group is frozen as before: its knob was not written",
            },
            read: RULES,
        );
    });
}

#[test]
fn task4_one_that_is_not_frozen_stays_as_it_is() {
    needs!(cgroup = freezer);
    on_each_freezer(|group| {
        let count = Count::new();
        group.start(|| count.for_ever());
        count.goes_on();
        thaws(&group.cgroup, "thaw() of a group that is not frozen");
        let before = count.now();
        check!(
            eventually(|| count.now() > before || is_frozen(&group.cgroup)) && !is_frozen(&group.cgroup),
            expected: "a process that counts to go on counting",
            seen: format!("it stopped at {before}; {}", state(&group.cgroup)),
            likely: "the knob was turned over instead of set",
            read: TASKS,
        );
    });
}

// ---- task 5 ----

#[test]
fn task5_v1_has_a_file_for_each() {
    let used = Usage {
        cpu_us: random(1 << 40).cast_unsigned(),
        memory_bytes: bytes(64).cast_unsigned(),
        memory_peak_bytes: bytes(512).cast_unsigned(),
        pids: 3 + random(90).cast_unsigned(),
    };
    shielded(|| {
        // Nanoseconds there: what is less than a microsecond is cut off.
        let cpu_ns = used.cpu_us * 1000 + random(1000).cast_unsigned();
        let cpu_ns = cpu_ns.to_string();
        let [memory, peak] = [used.memory_bytes, used.memory_peak_bytes].map(|n| format!("{n}\n"));
        // Without a newline: so it shows who does not expect one.
        let pids = used.pids.to_string();
        let cpuacct = [
            ("cpuacct.stat", "user 7\nsystem 5\n"),
            ("cpuacct.usage", &format!("{cpu_ns}\n")),
            ("cpuacct.usage_user", "7\n"),
            ("cgroup.procs", "1\n"),
        ];
        let knobs =
            [("memory.usage_in_bytes", memory.as_str()), ("memory.max_usage_in_bytes", &peak), ("cgroup.procs", "1\n")];
        imitate(
            &dir().join("cpu"),
            &[("cpu.stat", "nr_periods 0\nnr_throttled 0\nthrottled_time 0\n"), ("cgroup.procs", "1\n")],
        );
        imitate(&dir().join("cpuacct"), &cpuacct);
        imitate(&dir().join("memory"), &knobs);
        imitate(&dir().join("pids"), &[("pids.current", pids.as_str()), ("cgroup.procs", "1\n")]);
        let group = ["cpu", "cpuacct", "memory", "pids"].map(|name| dir().join(name));
        uses(&Cgroup::open(&group).expect("directories"), &used, "v1");
    });
}

#[test]
fn task5_v2_has_one_directory() {
    shielded(|| {
        for has_peak in [true, false] {
            let used = Usage {
                cpu_us: random(1 << 40).cast_unsigned(),
                memory_bytes: bytes(64).cast_unsigned(),
                // Linux 5.19 and later.
                memory_peak_bytes: if has_peak { bytes(512).cast_unsigned() } else { 0 },
                pids: 3 + random(90).cast_unsigned(),
            };
            let stat = format!("usage_usec {}\nuser_usec 7\nsystem_usec 5\nnr_periods 0\n", used.cpu_us);
            let [memory, peak] = [used.memory_bytes, used.memory_peak_bytes].map(|n| format!("{n}\n"));
            // Without a newline: so it shows who does not expect one.
            let pids = used.pids.to_string();
            let mut knobs = vec![
                // Every group has cpu.stat, with the controller cpu or without.
                ("cgroup.controllers", if has_peak { "cpu memory pids\n" } else { "memory pids\n" }),
                ("cgroup.procs", "1\n"),
                ("cpu.stat", &stat),
                ("memory.current", &memory),
                ("pids.current", &pids),
            ];
            if has_peak {
                knobs.push(("memory.peak", &peak));
            }
            let version = if has_peak { "v2" } else { "v2 before Linux 5.19, which has no memory.peak" };
            uses(&imitate(&dir().join(random_name("group")), &knobs), &used, version);
        }
    });
}

#[test]
fn task5_the_kernels_own_numbers() {
    needs!(cgroup = memory, cgroup = pids);
    let size = (6 + random(4)) * MIB;
    in_a_group(|| {
        let group = Group::new("used");
        let (_, cpu_us) = group.start_and_hear(|mut line| {
            group.join();
            let kept = vec![7_u8; size as usize];
            drop(std::hint::black_box(vec![7_u8; size as usize]));
            while cpu_time_us() < 40_000 {
                std::hint::black_box(&kept);
            }
            write!(line, "{}", cpu_time_us()).expect("the test listens");
            drop(line);
            forever();
        });
        group.start(forever);
        group.start(forever);
        let seen = limits::usage(&group.cgroup).explained("usage()", &KNOB_REASONS, RULES);
        let (cpu_us, whole) = (cpu_us.parse::<u64>().expect("a number"), size.cast_unsigned());
        let peak = seen.memory_peak_bytes;
        let peak_is_right = (2 * whole..2 * whole + 16 * (1 << 20)).contains(&peak)
            || !group
                .cgroup
                .parts()
                .iter()
                .any(|part| part.has("memory.peak") || part.has("memory.max_usage_in_bytes"));
        check!(
            (cpu_us * 3 / 4..2 * cpu_us).contains(&seen.cpu_us)
                && (whole..whole + 8 * (1 << 20)).contains(&seen.memory_bytes)
                && peak_is_right
                && seen.pids == 3,
            expected: format!("{cpu_us} µs of processor time and a little, {size} bytes of memory and a little, twice as much at most, 3 processes"),
            seen: format!("{seen:?}"),
            likely: "see the other tests of task 5",
            read: RULES,
        );
    });
}

// ---- task 6 ----

#[test]
fn task6_v1_says_it_in_the_oom_control() {
    shielded(|| {
        let killed = 2 + random(1 << 20).cast_unsigned();
        let control = format!("oom_kill_disable 1\nunder_oom 0\noom_kill {killed}\n");
        let knobs = [("memory.oom_control", control.as_str()), ("memory.failcnt", "4711\n"), ("cgroup.procs", "")];
        counts(&imitate(&dir().join("old"), &knobs), killed, &control);
    });
}

#[test]
fn task6_v2_says_it_in_the_events() {
    shielded(|| {
        let killed = 2 + random(1 << 20).cast_unsigned();
        let events =
            format!("low 0\nhigh 0\nmax {}\noom {}\noom_kill {killed}\noom_group_kill 0\n", killed + 9, killed + 4);
        let knobs = [("cgroup.controllers", "memory\n"), ("memory.events", events.as_str()), ("cgroup.procs", "")];
        counts(&imitate(&dir().join("new"), &knobs), killed, &events);
    });
}

#[test]
fn task6_one_that_wants_too_much_is_killed_and_it_alone() {
    needs!(cgroup = memory);
    let limit = (12 + random(8)) * MIB;
    in_a_group(|| {
        let [limited, other] = ["limited", "other"].map(Group::new);
        limited.limit_memory(limit);
        let outside = other.start(forever);
        let beside = limited.start(forever);
        let eater = limited.start(|| eat(4 * limit));
        assert!(limited.is_killed(eater), "the kernel did not end the process that ate");
        let gone = [other.ends(outside, Duration::ZERO), limited.ends(beside, Duration::ZERO)];
        assert_eq!(gone, [false, false], "the kernel ended more than the process that ate");
        // The kernel has counted it a moment after the death.
        assert!(eventually(|| limited.has_counted_a_kill()), "the kernel does not count the kill");
        let of = |group: &Group| limits::oom_kills(&group.cgroup).explained("oom_kills()", &KNOB_REASONS, RULES);
        let seen = [of(&limited), of(&other)];
        check!(
            seen == [1, 0],
            expected: "1 for the group whose process was killed, 0 for its neighbour",
            seen: format!("{} and {}", seen[0], seen[1]),
            likely: "see the other tests of task 6",
            read: RULES,
        );
    });
}

// ---- task 7 ----

#[test]
fn task7_its_own_group_is_the_top() {
    needs!(cgroup = pids);
    in_a_group(|| {
        let group = Group::new("entered");
        let (_, seen) = enters(&group);
        let wrong = seen.lines().find(|line| !line.ends_with(":/"));
        let place = wrong.and_then(|line| line.splitn(3, ':').nth(2)).unwrap_or_default();
        check!(
            wrong.is_none() && !seen.is_empty(),
            expected: "/proc/self/cgroup to say / for every hierarchy",
            seen: wrong.unwrap_or("nothing"),
            likely: match place {
                _ if place == "/entered" || place.starts_with("/..") => "the namespace was made first, so it begins where the caller was before it joined: join, then unshare",
                _ if place.ends_with("/entered") => "the caller is in the group, and in no new cgroup namespace: CLONE_NEWCGROUP is the flag",
                _ => "the caller is where it was, and sees what it saw",
            },
            read: RULES,
        );
    });
}

#[test]
fn task7_from_outside_it_is_in_the_group_in_every_hierarchy() {
    needs!(cgroup = pids);
    in_a_group(|| {
        let group = Group::new("entered");
        let (member, inside) = enters(&group);
        let parts = group.cgroup.parts();
        let holds = |part: &&Part| part.read("cgroup.procs").expect("cgroup.procs").lines().eq([member.to_string()]);
        let (joined, missing): (Vec<&Part>, Vec<&Part>) = parts.iter().partition(holds);
        let empty = missing.iter().all(|part| part.read("cgroup.procs").expect("cgroup.procs").is_empty());
        check!(
            missing.is_empty(),
            expected: format!("{member} to be in the group, and nobody else"),
            seen: match empty {
                true => format!("nobody in {}", paths(&missing)),
                false => format!("somebody else in {}", paths(&missing)),
            },
            likely: match (joined.len(), empty) {
                (_, false) => "another process than the caller was moved: 0 stands for whoever writes",
                (0, true) if !inside.lines().all(|line| line.ends_with(":/")) => "nothing was done: no group was joined, no namespace made",
                (0, true) => "the caller was moved nowhere: the namespace alone changes what it sees, and limits nothing",
                (1, true) => "one hierarchy was joined, and each has its own groups: every one of group.parts() is to be joined",
                (_, true) => "some hierarchies were left out: every one of group.parts() is to be joined",
            },
            read: RULES,
        );
    });
}

#[test]
fn task7_a_fork_bomb_is_held() {
    needs!(cgroup = pids);
    const BOMB: i64 = 24;
    let limit = 3 + random(6);
    in_a_group(|| {
        let group = Group::new("entered");
        group.cgroup.write("pids.max", limit).expect("pids.max");
        let (born, joined) = in_child(|| {
            limits::enter(&group.cgroup).explained("enter()", &ENTER_REASONS, RULES);
            // The bomb has an end, and its children too.
            let mut children = Vec::new();
            for _ in 0..BOMB {
                children.extend(forked(forever));
            }
            let own = Pid::this().to_string();
            let holds = |part: &&Part| part.read("cgroup.procs").expect("cgroup.procs").lines().any(|pid| pid == own);
            let joined = group.cgroup.parts().iter().filter(holds).count();
            for child in &children {
                kill(*child, Signal::SIGKILL).expect("kill");
                waitpid(*child, None).expect("waitpid");
            }
            (children.len() as i64, joined)
        });
        check!(
            born == limit - 1,
            expected: format!("{limit} processes at most, the one that forks among them (pids.max)"),
            seen: format!("{born} children of one process"),
            likely: match joined {
                _ if born < BOMB => "somebody else is in the group",
                0 | 1 => "see task7_from_outside_it_is_in_the_group_in_every_hierarchy",
                _ => "the fork bomb was not held: pids counts in a hierarchy of its own, and whoever has not joined that one may fork without end",
            },
            read: RULES,
        );
    });
}

#[test]
fn task7_without_the_capability_it_is_refused() {
    needs!(cgroup = pids);
    in_a_group(|| {
        let group = Group::new("entered");
        // So that it is known that the right to the group is not what is missing.
        let is_new = in_child(|| {
            let before = namespaces();
            limits::enter(&group.cgroup).explained("enter()", &ENTER_REASONS, RULES);
            before != namespaces()
        });
        let result = in_child(|| {
            drop_capabilities();
            limits::enter(&group.cgroup).map_err(|error| error.to_string())
        });
        check!(
            result.is_err(),
            expected: "enter() without CAP_SYS_ADMIN to return the kernel's EPERM",
            seen: "Ok(()), from a process that still sees the whole tree",
            likely: match is_new {
                true => "the result of unshare(2) was thrown away",
                false => "there is no new namespace with the capability either: see task7_its_own_group_is_the_top",
            },
            read: RULES,
        );
    });
}

// ---- the command line ----

#[test]
fn run_with_too_little_memory_says_what_happened() {
    written!(8, leans on 7);
    needs!(cgroup = memory);
    let limit = format!("{}m", 18 + random(6));
    in_a_group(|| {
        // One block of 80 MiB, which dd wants in memory at once.
        let dd = ["dd", "if=/dev/zero", "of=/dev/null", "bs=83886080", "count=1"];
        let flags = ["run", "--memory", &limit, "--memory-swap", &limit, "--"];
        testkit::boxwright!()
            .args(flags)
            .args(dd)
            .assert()
            .code(137)
            .stderr(contains("memory limit").and(contains(&limit)));
    });
}

#[test]
fn run_tells_a_kill_from_a_limit() {
    written!(8, leans on 7);
    needs!(cgroup = memory);
    in_a_group(|| {
        run("--memory 64m", "sh -c 'kill -9 $$'; exit $?").code(137).stderr(contains("memory").not());
        run("--memory 64m", "exit 7").code(7).stderr(contains("memory").not());
    });
}

#[test]
fn run_holds_the_number_of_processes() {
    written!(8, leans on 7);
    needs!(cgroup = pids, program = timeout);
    in_a_group(|| {
        // timeout forks once; a shell may try again and again.
        for (limit, is_enough) in [("1", false), ("2", true)] {
            let assert =
                testkit::boxwright!().args(["run", "--pids-limit", limit, "--", "timeout", "5", "true"]).assert();
            match is_enough {
                true => assert.success(),
                false => assert.failure().stderr(contains("esource temporarily unavailable")),
            };
        }
    });
}

#[test]
fn run_sees_its_own_group_as_the_top() {
    written!(8, leans on 7);
    needs!(cgroup = pids);
    in_a_group(|| {
        let output = run("", "cat /proc/self/cgroup").success();
        let seen = String::from_utf8_lossy(&output.get_output().stdout).into_owned();
        assert!(!seen.is_empty() && seen.lines().all(|line| line.ends_with(":/")), "inside: {seen}");
        let container = Container::start(&[]);
        for part in container.group().parts() {
            let seen = part.read("cgroup.procs").expect("cgroup.procs");
            assert_eq!(
                seen.lines().count(),
                1,
                "the container's one process, from outside, in {}",
                part.path().display()
            );
        }
    });
}

#[test]
fn run_begins_at_the_root_of_a_namespace_too() {
    written!(8, leans on 7);
    needs!(cgroup_v2);
    on_v2(|group, _| {
        in_child(|| {
            enter_a_namespace(group);
            run("", "true").success();
            run("--pids-limit 20", "true").success();
        });
    });
}

#[test]
fn run_pause_and_unpause() {
    written!(8, leans on 7);
    needs!(cgroup = freezer);
    in_a_group(|| {
        let container = Container::start(&[]);
        let of = |command: &str| testkit::boxwright!().args([command, &container.name]).assert().success();
        of("pause");
        let (before, after) = (container.count.now(), container.count.later());
        assert_eq!(before, after, "a paused container goes on");
        of("unpause");
        assert!(eventually(|| container.count.now() > after), "an unpaused container stands still");
        of("unpause"); // one that is not paused
    });
}

#[test]
fn run_writes_what_the_flags_ask_for() {
    written!(8, leans on 7);
    needs!(cgroup = memory, cgroup = pids);
    let [limit, swap, reservation, pids] = [40 + random(20), 70 + random(20), 10 + random(9), 11 + random(90)];
    in_a_group(|| {
        let [memory, both, low] = [limit, swap, reservation].map(|number| format!("{number}m"));
        let pids = pids.to_string();
        let flags = ["--memory", &memory, "--memory-swap", &both, "--memory-reservation", &low, "--pids-limit", &pids];
        let container = Container::start(&flags);
        let group = container.group();
        let (knobs, counted) = match group.version("memory").expect("memory") {
            Version::V1 => {
                (["memory.limit_in_bytes", "memory.memsw.limit_in_bytes", "memory.soft_limit_in_bytes"], swap)
            }
            Version::V2 => (["memory.max", "memory.swap.max", "memory.low"], swap - limit),
        };
        for (knob, expected) in knobs.into_iter().zip([limit, counted, reservation]) {
            match group.read(knob) {
                Err(Error::NoKnob { .. }) if knob.contains("sw") => {} // a kernel that does not count swap
                seen => assert_eq!(seen.expect(knob).trim(), (expected * MIB).to_string(), "{knob}"),
            }
        }
        assert_eq!(group.read("pids.max").expect("pids.max").trim(), pids);
    });
}

#[test]
fn run_weighs_the_disks_or_says_which_knob_is_missing() {
    written!(8, leans on 7);
    needs!(cgroup = pids);
    in_a_group(|| {
        let weight = 200 + random(700);
        let group = Group::new("probe");
        let knobs = ["blkio.bfq.weight", "blkio.weight", "io.weight"];
        let there = knobs.into_iter().find(|knob| group.cgroup.parts().iter().any(|part| part.has(knob)));
        let flags = ["--blkio-weight", &weight.to_string()];
        match there {
            Some(knob) => {
                let container = Container::start(&flags);
                let seen = container.group().read(knob).expect(knob);
                let written = if knob == "io.weight" { 1 + (weight - 10) * 9_999 / 990 } else { weight };
                assert!(seen.split_whitespace().any(|word| word == written.to_string()), "{knob}: {seen}");
            }
            None => {
                run(&flags.join(" "), "true").code(125).stderr(contains("weight").or(contains("controller")));
            }
        }
    });
}

#[test]
fn run_sets_the_oom_score() {
    written!(8, leans on 7);
    let score = (1 + random(999)).to_string();
    in_a_group(|| {
        run(&format!("--oom-score-adj {score}"), "cat /proc/self/oom_score_adj").success().stdout(format!("{score}\n"));
    });
}

#[test]
fn run_refuses_what_cannot_be_right_before_anything_is_made() {
    written!(8, leans on 7);
    in_a_group(|| {
        for (flags, right) in [
            ("--memory 1k", "6m or more"),
            ("--memory many", "512m"),
            ("--memory 64m --memory-swap 32m", "--memory or more"),
            ("--memory-swap 64m", "--memory"),
            ("--memory 64m --memory-reservation 128m", "less than --memory"),
            ("--pids-limit some", "--pids-limit"),
            ("--blkio-weight 5", "10 to 1000"),
            ("--device-read-bps /dev/null:1mb", "block device"),
            ("--oom-score-adj 2000", "-1000 to 1000"),
        ] {
            let name = random_name("never");
            run(&format!("--name {name} {flags}"), "true").code(2).stderr(contains(right));
            let made = cgroup_dirs().into_iter().find(|path| path.join(format!("boxwright-{name}")).exists());
            assert_eq!(made, None, "{flags}: a cgroup");
        }
    });
}

// ---- what the tests stand on ----

const V2_FREEZER: [(&str, &str); 4] =
    [("cgroup.controllers", ""), ("cgroup.procs", ""), ("cgroup.freeze", "0\n"), ("cgroup.events", "frozen 0\n")];
/// What each errno means when a group is entered.
const ENTER_REASONS: [(Errno, &str); 4] = [
    (Errno::EPERM, "unshare(2) of a cgroup namespace needs CAP_SYS_ADMIN"),
    (Errno::EBUSY, "a v2 group that hands controllers down takes no processes"),
    (Errno::ENOSPC, "a v1 group of cpuset takes nobody in before cpuset.cpus and cpuset.mems are set"),
    (Errno::EACCES, "the group, or the one that holds both it and the caller, is not the caller's"),
];

/// A random number below `end`.
fn random(end: i64) -> i64 {
    let name = random_name("number");
    let (_, digits) = name.rsplit_once('-').expect("a dash");
    i64::from_str_radix(digits, 16).expect("hexadecimal digits") * 7919 % end
}

/// A random number of bytes, whole pages, of `mib` MiB and up to as much again.
fn bytes(mib: i64) -> i64 {
    (mib * 16 + random(mib * 16)) * (1 << 16)
}

fn memory(limit_bytes: Option<i64>, with_swap_bytes: Option<i64>, reservation_bytes: Option<i64>) -> Memory {
    Memory { limit_bytes, with_swap_bytes, reservation_bytes }
}

fn is_about_swap(knob: &str) -> bool {
    knob.contains("memsw") || knob.contains("swap")
}

fn told(knobs: &[Knob]) -> Vec<String> {
    knobs.iter().map(|knob| format!("{} = {}", knob.name, knob.value)).collect()
}

/// Checks the learner's knobs(). Any order is right, but for the two of v1 that the kernel compares.
#[track_caller]
fn comes_to(memory: &Memory, version: Version, expected: &[(&'static str, String)]) {
    let seen = shielded(|| {
        let knobs = limits::knobs(memory, version);
        knobs.into_iter().map(|knob| (knob.name.to_owned(), knob.value)).collect::<Vec<_>>()
    });
    let expected: Vec<_> = expected.iter().map(|(name, value)| (name.to_string(), value.clone())).collect();
    let sorted = |knobs: &[(String, String)]| {
        let mut knobs = knobs.to_vec();
        knobs.sort();
        knobs
    };
    check!(
        sorted(&seen) == sorted(&expected),
        expected: format!("{memory:?} to come to {expected:?} on {version:?}"),
        seen: format!("{seen:?}"),
        likely: wrong_knobs(memory, version, &seen, &expected),
        read: RULES,
    );
    let place = |name: &str| seen.iter().position(|(knob, _)| knob == name);
    check!(
        place("memory.limit_in_bytes") <= place("memory.memsw.limit_in_bytes")
            || place("memory.memsw.limit_in_bytes").is_none(),
        expected: "memory.limit_in_bytes to be written before memory.memsw.limit_in_bytes",
        seen: format!("{seen:?}"),
        likely: "memory and swap together were to be limited while memory alone had no limit yet: EINVAL",
        read: RULES,
    );
}

/// Why knobs() gave `seen`.
fn wrong_knobs(memory: &Memory, version: Version, seen: &[(String, String)], expected: &[(String, String)]) -> String {
    if seen.is_empty() {
        return "no knobs at all".to_owned();
    }
    let value =
        |knobs: &[(String, String)], name: &str| knobs.iter().find(|(knob, _)| knob == name).map(|(_, v)| v.clone());
    if let Some((name, _)) = seen.iter().find(|(name, _)| value(expected, name).is_none()) {
        let is_other =
            matches!((version, name.as_str()), (Version::V1, "memory.max" | "memory.low" | "memory.swap.max"))
                || version == Version::V2 && name.contains("_in_bytes");
        return match () {
            () if is_other => format!("{name} is the other version's"),
            () if name == "memory.high" => {
                "memory.high slows a group down that is over it; what is left to a group is memory.low".to_owned()
            }
            () => format!("{name} was not asked for: what is left open stays as the kernel has it"),
        };
    }
    if let Some((name, _)) = expected.iter().find(|(name, _)| value(seen, name).is_none()) {
        return if name.contains("sw") && memory.with_swap_bytes.is_none() {
            "swap was left without a limit: nothing said of it means as much as memory".to_owned()
        } else {
            format!("{name} is missing")
        };
    }
    let differs = |(name, value): &&(String, String)| !expected.contains(&(name.clone(), value.clone()));
    let Some((name, given)) = seen.iter().find(differs) else {
        return "a knob is there twice".to_owned();
    };
    let right = value(expected, name).unwrap_or_default();
    let sum = memory.with_swap_bytes.or(memory.limit_bytes.map(|bytes| 2 * bytes));
    match (name.as_str(), given.as_str(), right.as_str()) {
        (_, number, "max") if number.starts_with('-') => "v2 says \"max\" for no limit; -1 is v1's word".to_owned(),
        (_, "max", "-1") => "v1 says -1 for no limit; \"max\" is v2's word".to_owned(),
        (_, number, "-1") if number.starts_with('-') => {
            "-1 is a word, not a number to reckon with: no limit stays no limit".to_owned()
        }
        ("memory.swap.max", number, _) if sum.is_some_and(|sum| sum.to_string() == number) => {
            "v2 counts swap alone: memory has to be taken off the sum of both".to_owned()
        }
        ("memory.memsw.limit_in_bytes", number, _)
            if memory.limit_bytes.is_some_and(|limit| limit.to_string() == number) =>
        {
            "v1 counts both together: with the limit of memory alone in there, nothing is left for swap".to_owned()
        }
        _ => format!("{name} is {given} and should be {right}"),
    }
}

/// A directory with these files: what a group looks like to whoever only reads and writes.
fn imitate(path: &Path, knobs: &[(&str, &str)]) -> Cgroup {
    fs::create_dir_all(path).expect("mkdir");
    for (name, text) in knobs {
        fs::write(path.join(name), text).expect("a file");
    }
    Cgroup::open(&[path.to_owned()]).expect("a directory")
}

/// What the learner's enable() writes for a group without processes.
fn tried_on_a_directory(controller: &str) -> (Result<()>, String) {
    let above = dir().join(random_name("above"));
    imitate(&above, &[("cgroup.controllers", "cpu memory pids io\n"), ("cgroup.procs", "")]);
    let knobs = [
        ("cgroup.controllers", "cpu memory pids io\n"),
        ("cgroup.procs", ""),
        ("cgroup.events", "populated 0\nfrozen 0\n"),
        ("cgroup.type", "domain\n"),
        ("cgroup.subtree_control", ""),
    ];
    let group = imitate(&above.join("group"), &knobs);
    let result = limits::enable(&group.parts()[0], &[controller]);
    (result, group.parts()[0].read("cgroup.subtree_control").expect("the knob"))
}

/// Whether the learner's enable() does the plainest part of its work.
fn hands_down() -> bool {
    tried_on_a_directory("pids").1.trim() == "+pids"
}

#[track_caller]
fn knob_reads(group: &Cgroup, knob: &str, expected: &str) {
    let seen = group.read(knob).expect(knob);
    check!(
        seen.trim() == expected,
        expected: format!("{knob} to have been given {expected}"),
        seen: format!("{:?}", seen.trim()),
        likely: match seen.trim() {
            "FROZEN" | "THAWED" | "1" | "0" if knob == "freezer.state" && seen.trim().len() == 1 => "v1 has words, FROZEN and THAWED; the numbers are v2's",
            "FROZEN" | "THAWED" if knob == "cgroup.freeze" => "v2 has numbers, 1 and 0; the words are v1's",
            _ => "the knob was not written",
        },
        read: RULES,
    );
}

/// A group below the test's own, and on v2 beside the leaf in which the test lives. Dropped, it is thawed, emptied and
/// removed, whatever was done to it.
struct Group {
    cgroup: Cgroup,
    /// Waited for only when nothing is frozen any more.
    members: RefCell<Vec<Running<()>>>,
}

impl Group {
    /// In every hierarchy.
    fn new(name: &str) -> Group {
        Group::below_each(&cgroup_dirs(), name)
    }

    /// Below this one.
    fn below(&self, name: &str) -> Group {
        Group::below_each(&self.cgroup.paths(), name)
    }

    fn below_each(above: &[PathBuf], name: &str) -> Group {
        let directories: Vec<_> = above.iter().map(|path| path.join(name)).collect();
        for directory in &directories {
            fs::create_dir(directory).unwrap_or_else(|error| panic!("mkdir {}: {error}", directory.display()));
            let above = directory.parent().expect("the group above");
            if directory.join("tasks").exists() && directory.join("cpuset.cpus").exists() {
                // A new v1 group of cpuset takes nobody in before it has these.
                for knob in ["cpuset.cpus", "cpuset.mems"] {
                    let value = fs::read_to_string(above.join(knob)).expect("the knob above");
                    fs::write(directory.join(knob), value.trim()).expect("the knob");
                }
            }
        }
        Group { cgroup: Cgroup::open(&directories).expect("the group"), members: RefCell::default() }
    }

    /// Moves the caller in.
    fn join(&self) {
        for part in self.cgroup.parts() {
            let knob = if part.version() == Version::V1 { "tasks" } else { "cgroup.procs" };
            part.write(knob, 0).unwrap_or_else(|error| panic!("{error}"));
        }
    }

    /// Runs `body` in a new process of the group; returns when it is in there.
    fn start(&self, body: impl FnOnce()) -> Pid {
        let ready = |mut line: PipeWriter| {
            self.join();
            line.write_all(b"!").expect("the test listens");
            drop(line);
            body();
        };
        self.start_and_hear(ready).0
    }

    /// Runs `body` in a new process, which is to end with the group, and returns what it writes when it closes the pipe.
    fn start_and_hear(&self, body: impl FnOnce(PipeWriter)) -> (Pid, String) {
        let (mut told, tell) = pipe().expect("pipe");
        let running = start_child(move || body(tell));
        let mut text = String::new();
        told.read_to_string(&mut text).expect("text");
        if text.is_empty() {
            let child = running.wait(); // a panic of it is ours
            panic!("the process ended without a word: {child:?}");
        }
        let pid = running.pid();
        self.members.borrow_mut().push(running);
        (pid, text)
    }

    /// Whether a member ends in time.
    fn ends(&self, pid: Pid, limit: Duration) -> bool {
        let members = self.members.borrow();
        members.iter().find(|member| member.pid() == pid).expect("a member").ends_within(limit)
    }

    /// Whether a member ends in time, by SIGKILL.
    fn is_killed(&self, pid: Pid) -> bool {
        let look = WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT | WaitPidFlag::WNOHANG;
        self.ends(pid, LIMIT) && matches!(waitid(Id::Pid(pid), look), Ok(WaitStatus::Signaled(_, Signal::SIGKILL, _)))
    }

    /// Whether the kernel says that it has killed one for the memory.
    fn has_counted_a_kill(&self) -> bool {
        let told = ["memory.oom_control", "memory.events"].map(|knob| self.cgroup.read(knob).unwrap_or_default());
        told.iter().any(|text| text.lines().any(|line| line == "oom_kill 1"))
    }

    /// By the test itself.
    fn freeze(&self) {
        self.set_freezer(["FROZEN", "1"]);
        assert!(eventually(|| is_frozen(&self.cgroup)), "the kernel does not freeze: {}", state(&self.cgroup));
    }

    /// Whether its knob was written.
    fn is_asked_to_freeze(&self) -> bool {
        let reads = |knob: &str| self.cgroup.part("freezer").expect("the freezer").read(knob).unwrap_or_default();
        reads("freezer.state").starts_with("FR") || reads("cgroup.freeze").starts_with('1')
    }

    /// By the test itself.
    fn thaw(&self) {
        self.set_freezer(["THAWED", "0"]);
    }

    fn set_freezer(&self, values: [&str; 2]) {
        for part in self.cgroup.parts() {
            for (knob, value) in ["freezer.state", "cgroup.freeze"].into_iter().zip(values) {
                if part.has(knob) {
                    let _ = part.write(knob, value);
                }
            }
        }
    }

    /// Whoever was moved by mistake: what is in here is about to be killed.
    fn let_the_test_out(&self) {
        if self.cgroup.processes().is_ok_and(|processes| processes.contains(&Pid::this())) {
            for path in self.cgroup.paths().iter().filter_map(|path| path.parent()) {
                let home = [path.join(LEAF), path.to_owned()].into_iter().find(|path| path.exists());
                let _ = home.map(|home| fs::write(home.join("cgroup.procs"), "0"));
            }
        }
    }

    /// By the test itself: memory alone, no swap.
    fn limit_memory(&self, bytes: i64) {
        let knobs = match self.cgroup.version("memory").expect("memory") {
            Version::V1 => [("memory.limit_in_bytes", bytes), ("memory.memsw.limit_in_bytes", bytes)],
            Version::V2 => [("memory.max", bytes), ("memory.swap.max", 0)],
        };
        for (knob, value) in knobs {
            match self.cgroup.write(knob, value) {
                Err(Error::NoKnob { .. }) if is_about_swap(knob) => {}
                written => written.expect(knob),
            }
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.thaw();
        self.let_the_test_out();
        let _ = self.cgroup.kill();
        self.members.borrow_mut().clear();
        for part in self.cgroup.parts() {
            for path in part.tree().unwrap_or_default() {
                eventually(|| fs::remove_dir(&path).is_ok() || !path.exists());
            }
        }
    }
}

/// Runs `body` in a cgroup of the test's own, in every hierarchy.
#[track_caller]
fn in_a_group(body: impl FnOnce()) {
    Shield::new().cgroup().deadline(LIMIT + 2 * PATIENCE).run(body);
}

/// Runs `body` with a v2 group and what it has to hand down: a controller that knows processes alone, and before it,
/// where there is one, another that can also tell threads apart.
#[track_caller]
fn on_v2(body: impl FnOnce(&Group, &[&str])) {
    in_a_group(|| {
        let above = cgroup_dirs().into_iter().find(|path| path.join("cgroup.controllers").exists());
        let group = Group::below_each(&[above.expect("a v2 group")], "inner");
        let has = group.cgroup.parts()[0].read("cgroup.controllers").expect("cgroup.controllers");
        let first =
            |names: &[&'static str]| names.iter().copied().find(|name| has.split_whitespace().any(|n| n == *name));
        let names = [first(&["pids"]), first(&["memory", "hugetlb", "io", "misc", "rdma"])];
        let names: Vec<&str> = names.into_iter().flatten().collect();
        assert!(!names.is_empty(), "none of the controllers that the test knows is in {has:?}");
        body(&group, &names);
    });
}

/// Runs `body` with a group of each version that has a freezer here.
#[track_caller]
fn on_each_freezer(body: impl Fn(&Group)) {
    in_a_group(|| {
        for knob in ["freezer.state", "cgroup.controllers"] {
            let name = random_name("frozen");
            if let Some(above) = cgroup_dirs().into_iter().find(|path| path.join(knob).exists()) {
                body(&Group::below_each(&[above], &name));
            }
        }
    });
}

/// Moves the caller into a v2 group and lets it see nothing above: the group as it is seen then.
fn enter_a_namespace(group: &Group) -> Cgroup {
    group.join();
    unshare(CloneFlags::CLONE_NEWCGROUP | CloneFlags::CLONE_NEWNS).expect("unshare");
    let none = None::<&str>;
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none).expect("private mounts");
    let root = dir().join(random_name("tree"));
    fs::create_dir(&root).expect("mkdir");
    mount(Some("cgroup2"), &root, Some("cgroup2"), MsFlags::empty(), none).expect("a mount of the tree");
    Cgroup::open(&[root]).expect("its root")
}

fn version(group: &Cgroup) -> Version {
    group.version("freezer").expect("the freezer")
}

/// What the kernel says of a group's freezer.
fn state(group: &Cgroup) -> String {
    match version(group) {
        Version::V1 => format!("freezer.state reads {}", group.read("freezer.state").expect("freezer.state").trim()),
        Version::V2 => {
            let events = group.read("cgroup.events").expect("cgroup.events");
            format!(
                "cgroup.events reads {:?}",
                events.lines().find(|line| line.starts_with("frozen")).unwrap_or("nothing")
            )
        }
    }
}

fn is_frozen(group: &Cgroup) -> bool {
    let state = state(group);
    state.ends_with("FROZEN") || state.contains("frozen 1")
}

#[track_caller]
fn freezes(group: &Cgroup, call: &str) {
    freezer_call(limits::freeze(group), call, "FROZEN to freezer.state", "1 to cgroup.freeze");
}

#[track_caller]
fn thaws(group: &Cgroup, call: &str) {
    freezer_call(limits::thaw(group), call, "THAWED to freezer.state", "0 to cgroup.freeze");
}

#[track_caller]
fn freezer_call(result: Result<()>, call: &str, v1: &str, v2: &str) {
    let error = match &result {
        Ok(()) => return,
        Err(error) => error.to_string(),
    };
    let words = match () {
        () if error.contains("freezer.state") => format!("v1 has words, not numbers: {v1}"),
        () if error.contains("cgroup.freeze") => format!("v2 has numbers, not words: {v2}"),
        () => "the call refused what it should do".to_owned(),
    };
    let reasons = [
        (Errno::EINVAL, words.as_str()),
        (Errno::EBUSY, "some process did not stop in time: is it looked at again and again?"),
        (Errno::ESRCH, "a process that was listed has ended: the group is to be asked, not each process"),
    ];
    result.explained(call, &reasons, RULES);
}

/// Checks the learner's enable().
#[track_caller]
fn enables(group: &Group, controllers: &[&str], call: &str) {
    if let Err(error) = limits::enable(&group.cgroup.parts()[0], controllers) {
        let likely = fault(&error, group);
        testkit::teach(format!("{call} to succeed"), error, likely, RULES);
    }
}

fn has_leaf(group: &Group) -> bool {
    group.cgroup.paths()[0].join(LEAF).exists()
}

fn is_in_leaf(group: &Group, pid: Pid) -> bool {
    let leaf = Cgroup::open(&[group.cgroup.paths()[0].join(LEAF)]);
    leaf.and_then(|leaf| leaf.processes()).is_ok_and(|processes| processes.contains(&pid))
}

/// Why enable() of a v2 group was refused.
fn fault(error: &Error, group: &Group) -> &'static str {
    let text = error.to_string();
    match error.errno() {
        Some(Errno::EBUSY) if text.contains("cgroup.procs") => {
            "a group that hands controllers down takes no processes any more: the processes go first, and down into the leaf"
        }
        Some(Errno::EBUSY) if !has_leaf(group) => {
            "the group still has processes, and only one without may hand a controller down: they move to the leaf first"
        }
        Some(Errno::EBUSY) => "some processes are still in the group, although it has a leaf",
        Some(Errno::EINVAL) if text.contains("cgroup.subtree_control") => {
            "cgroup.subtree_control takes names with a plus or a minus before each, and spaces between"
        }
        Some(Errno::EINVAL | Errno::EACCES) if text.contains("cgroup.controllers") => {
            "cgroup.controllers is for reading alone: what is handed down is cgroup.subtree_control's to say"
        }
        Some(Errno::EEXIST) => "the leaf was there already, from an earlier call: that is no failure",
        Some(Errno::EOPNOTSUPP) => {
            "a controller was handed down while processes were still there, and made a threaded group of it"
        }
        Some(Errno::ESRCH) => "a process that was listed ended before it was moved",
        _ => "see the man page",
    }
}

/// Checks the learner's usage().
#[track_caller]
fn uses(group: &Cgroup, expected: &Usage, version: &str) {
    let call = format!("usage(), {version}");
    let seen = match limits::usage(group) {
        Err(error) if matches!(error, Error::NoKnob { .. } | Error::NoController { .. }) => {
            let likely = match error.to_string() {
                text if text.contains("memory.peak") => {
                    "memory.peak came with Linux 5.19: on an older kernel there is no such knob, and 0 is told (no_such_knob())"
                }
                text if text.contains("controller cpu ") => {
                    "cpu.stat is in every v2 group, with the controller cpu or without: read it where the memory is"
                }
                _ => "a knob of the other version was asked for",
            };
            testkit::teach(format!("{call} to succeed"), error, likely, RULES)
        }
        result => result.explained(&call, &KNOB_REASONS, RULES),
    };
    check!(
        seen == *expected,
        expected: format!("{expected:?} ({version})"),
        seen: format!("{seen:?}"),
        likely: match () {
            () if seen == Usage::default() => "nothing was read",
            () if seen.pids == expected.pids && seen.cpu_us + seen.memory_bytes == 0 => "a number that is not understood was taken for 0: the kernel's text ends with a newline",
            () if seen.cpu_us / 1000 == expected.cpu_us => "cpuacct.usage counts nanoseconds: a microsecond has 1000 of them",
            () if [5, 7].contains(&seen.cpu_us) => "a part of the time was taken for all of it: user and system time are two, and cpuacct.stat counts ticks of the clock",
            () if seen.cpu_us == 0 => "the processor's time is 0: on v2 it is a line of cpu.stat, usage_usec, which every group has",
            () if seen.memory_bytes == expected.memory_peak_bytes => "the peak was taken for what is used now",
            () if seen.pids == 1 => "the lines of cgroup.procs were counted: they are processes, and threads count too",
            () => "another file or line was read",
        },
        read: RULES,
    );
}

/// Checks the learner's oom_kills() against a group whose file has this text.
#[track_caller]
fn counts(group: &Cgroup, expected: u64, text: &str) {
    let seen = limits::oom_kills(group).explained("oom_kills()", &KNOB_REASONS, RULES);
    let line = text.lines().find(|line| line.rsplit(' ').next().is_some_and(|number| number == seen.to_string()));
    check!(
        seen == expected,
        expected: format!("{expected}, of {text:?}"),
        seen: seen,
        likely: match line {
            _ if seen == 0 => "nothing was found".to_owned(),
            _ if seen == 4711 => "memory.failcnt counts how often the limit was met, mostly without a death".to_owned(),
            Some(line) if line.starts_with("oom_kill_disable") => "oom_kill_disable is another line: the name ends where the space is".to_owned(),
            Some(line) => format!("the line {line:?} was read; oom_kill counts those who died of it"),
            None => "no line of the file has that number".to_owned(),
        },
        read: RULES,
    );
}

/// Runs the learner's enter() in a new process; returns it while it runs, and what it sees of itself afterwards.
#[track_caller]
fn enters(group: &Group) -> (Pid, String) {
    group.start_and_hear(|mut line| {
        limits::enter(&group.cgroup).explained("enter()", &ENTER_REASONS, RULES);
        let seen = fs::read_to_string("/proc/self/cgroup").expect("/proc/self/cgroup");
        line.write_all(seen.as_bytes()).expect("the test listens");
        drop(line);
        forever();
    })
}

fn paths(parts: &[&Part]) -> String {
    parts.iter().map(|part| part.path().display().to_string()).collect::<Vec<_>>().join(", ")
}

/// What processes have counted together: a file that grows, which all of them have open.
struct Count(File);

impl Count {
    fn new() -> Count {
        Count::at(&dir().join(random_name("count")))
    }

    fn at(path: &Path) -> Count {
        Count(OpenOptions::new().append(true).create(true).open(path).expect("a file"))
    }

    fn step(&self) {
        (&self.0).write_all(b"!").expect("the file grows");
    }

    fn for_ever(&self) {
        loop {
            self.step();
        }
    }

    fn now(&self) -> u64 {
        self.0.metadata().expect("the file").len()
    }

    /// After as long as a process that is not stopped needs for thousands of steps.
    fn later(&self) -> u64 {
        sleep(Duration::from_millis(15));
        self.now()
    }

    fn goes_on(&self) {
        let before = self.now();
        assert!(within(LIMIT, || self.now() > before), "nobody counts: {before}");
    }
}

/// Whether a signal waits to be taken.
fn is_pending(pid: Pid, signal: Signal) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("a process");
    let pending = status.lines().find_map(|line| line.strip_prefix("ShdPnd:")).expect("ShdPnd");
    u64::from_str_radix(pending.trim(), 16).expect("bits") >> (signal as i32 - 1) & 1 == 1
}

/// Waits for what the kernel is to make true; false when it does not.
fn eventually(is_so: impl Fn() -> bool) -> bool {
    within(PATIENCE, is_so)
}

fn within(limit: Duration, mut is_so: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + limit;
    while Instant::now() < deadline {
        if is_so() {
            return true;
        }
        sleep(Duration::from_millis(1));
    }
    is_so()
}

fn forever() {
    loop {
        sleep(LIMIT);
    }
}

/// Wants so many bytes, and uses every page of them.
fn eat(bytes: i64) {
    drop(std::hint::black_box(vec![7_u8; bytes as usize]));
}

/// A process that runs `body`; nothing when the kernel makes none.
fn forked(body: impl FnOnce()) -> Option<Pid> {
    // SAFETY: under a shield the process has one thread.
    match unsafe { fork() } {
        Ok(ForkResult::Parent { child }) => Some(child),
        Ok(ForkResult::Child) => {
            body();
            // SAFETY: _exit takes an integer and does not return.
            unsafe { nix::libc::_exit(0) }
        }
        Err(_) => None,
    }
}

/// Forks, ends, and leaves the rest to the child, until `end`.
fn chain(end: Instant) {
    while Instant::now() < end && forked(|| chain(end)).is_none() {}
}

/// The first processor that the caller may use.
fn processor() -> CpuSet {
    let all = sched_getaffinity(Pid::this()).expect("sched_getaffinity");
    let mut one = CpuSet::new();
    let number = (0..CpuSet::count()).find(|number| all.is_set(*number) == Ok(true)).expect("a processor");
    one.set(number).expect("its number");
    one
}

/// The caller's own processor time.
fn cpu_time_us() -> i64 {
    let used = getrusage(UsageWho::RUSAGE_SELF).expect("getrusage");
    used.user_time().num_microseconds() + used.system_time().num_microseconds()
}

/// `boxwright run FLAGS -- sh -c SCRIPT`.
fn run(flags: &str, script: &str) -> assert_cmd::assert::Assert {
    let command = &mut testkit::boxwright!();
    command.arg("run").args(flags.split_whitespace()).args(["--", "sh", "-c", script]).env("LC_ALL", "C").assert()
}

/// A container that counts until it is dropped.
struct Container {
    name: String,
    count: Count,
    path: PathBuf,
    boxwright: Child,
}

impl Container {
    fn start(flags: &[&str]) -> Container {
        let name = random_name("counter");
        let path = dir().join(&name);
        let count = Count::at(&path);
        let script = format!("while [ -e {0} ]; do echo >> {0}; done", path.display());
        let mut command = Command::new(env!("CARGO_BIN_EXE_boxwright"));
        command.args(["run", "--name", &name]).args(flags).args(["--", "sh", "-c", &script]).stdin(Stdio::null());
        let mut container = Container { name, count, path, boxwright: command.spawn().expect("start boxwright") };
        let (count, boxwright) = (&container.count, &mut container.boxwright);
        within(LIMIT, || count.now() > 0 || !matches!(boxwright.try_wait(), Ok(None)));
        assert!(count.now() > 0, "the container did not start: {:?}", boxwright.try_wait());
        container
    }

    /// Its cgroup.
    fn group(&self) -> Cgroup {
        let name = format!("boxwright-{}", self.name);
        Cgroup::open(&cgroup_dirs().iter().map(|path| path.join(&name)).collect::<Vec<_>>()).expect("its group")
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        for path in cgroup_dirs().iter().map(|path| path.join(format!("boxwright-{}", self.name))) {
            for (knob, value) in [("freezer.state", "THAWED"), ("cgroup.freeze", "0")] {
                if path.join(knob).exists() {
                    let _ = fs::write(path.join(knob), value);
                }
            }
        }
        // What it counts in; the shell makes it anew if it was about to write, and so it is removed until it ends.
        for _ in 0..1000 {
            let _ = fs::remove_file(&self.path);
            if !matches!(self.boxwright.try_wait(), Ok(None)) {
                return;
            }
            sleep(Duration::from_millis(2));
        }
        let _ = self.boxwright.kill();
        let _ = self.boxwright.wait();
    }
}
