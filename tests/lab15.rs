//! Lab 15, `labs/lab15_join.rs`: one process more in a container. Chapter: `book/src/lab15-join.md`.
//!
//! The processes to join are of the test's own making. Where a process is, is read from /proc, from outside; what became of it at
//! its exec, by the program that it has become.

#![allow(unsafe_code, reason = "pidfds, clone3, capget and fork have no safe wrapper")]

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{Read, Write, pipe};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd, RawFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use boxwright::steps::join;
use model::caps::CapSet;
use model::{During, Error, NsKind, Powers, Process, Result, started_ticks};
use nix::errno::Errno;
use nix::mount::{MsFlags, mount};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sched::{CloneFlags, setns, unshare};
use nix::sys::prctl;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::{Signal, kill};
use nix::sys::stat::Mode;
use nix::sys::wait::waitpid;
use nix::unistd::{ForkResult, Pid, Uid, chroot, fork, geteuid, getpid, getuid, mkfifo, pause, seteuid};
use predicates::str::contains;
use testkit::{
    Explained, Random, Running, Shield, cgroup_dirs, check, dir, drop_capabilities, in_child, meanwhile, needs,
    observe, patience, random_name, shielded, start_child, written,
};

/// The calls by which a file can be looked at.
const LOOKS: &[libc::c_long] = &[
    libc::SYS_statx,
    libc::SYS_newfstatat,
    libc::SYS_readlinkat,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_stat,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_readlink,
];

/// The calls by which a process can be made.
const FORKS: &[libc::c_long] = &[
    libc::SYS_clone,
    libc::SYS_clone3,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_fork,
];

const RULES: &str = "lab15-join.md, The kernel's rules";
const TASKS: &str = "lab15-join.md, Tasks";

// ---- task 1 ----

#[test]
fn task1_the_descriptor_is_of_the_process() {
    shielded(|| {
        let target = Target::with(CloneFlags::empty());
        let process = join::open(target.pid, ticks(target.pid)).explained(
            "open(the PID and the start of a process that runs)",
            &[(Errno::EINVAL, "pidfd_open(2) takes 0 for its flags")],
            TASKS,
        );
        let seen = held_by(process.fd.as_fd());
        check!(
            seen == Some(target.pid),
            expected: format!("a pidfd of process {}", target.pid),
            seen: seen.map_or("a descriptor that is none of a process".to_owned(), |pid| format!("one of {pid}")),
            likely: match is_directory(process.fd.as_fd()) {
                true => "a directory in /proc stays with its process too, but is none that setns(2) takes",
                false => "the descriptor comes from pidfd_open(2) with the PID that was given",
            },
            read: TASKS,
        );
        check!(
            process.pid == target.pid && is_cloexec(process.fd.as_raw_fd()),
            expected: format!("the Process to have the PID {}, and its descriptor to be closed at an exec", target.pid),
            seen: format!("PID {}, closed at an exec: {}", process.pid, is_cloexec(process.fd.as_raw_fd())),
            likely: "pidfd_open(2) sets close-on-exec by itself",
            read: TASKS,
        );
    });
}

#[test]
fn task1_another_with_the_number_is_not_meant() {
    // So that a body that refuses everything is noticed here too.
    task1_the_descriptor_is_of_the_process();
    shielded(|| {
        let target = Target::with(CloneFlags::empty());
        let before = ticks(target.pid) - 1 - Random::new().below(50);
        let seen = join::open(target.pid, before);
        check!(
            matches!(&seen, Err(Error::NoSuchProcess(pid)) if *pid == target.pid),
            expected: "Error::NoSuchProcess: the process with this number started later than the one that is meant",
            seen: shown(&seen),
            likely: "the number alone was looked at. It is used again; started_ticks(pid) tells one from the other",
            read: RULES,
        );
    });
}

#[test]
fn task1_nobody_with_the_number() {
    task1_the_descriptor_is_of_the_process();
    shielded(|| {
        let target = Target::with(CloneFlags::empty());
        let (pid, started) = (target.pid, ticks(target.pid));
        drop(target);
        let seen = join::open(pid, started);
        check!(
            matches!(&seen, Err(Error::NoSuchProcess(_))),
            expected: "Error::NoSuchProcess for a process that has ended and was reaped",
            seen: shown(&seen),
            likely: "pidfd_open(2) says ESRCH when nobody has the number",
            read: TASKS,
        );
    });
}

#[test]
fn task1_the_number_changes_hands_at_the_worst_moment() {
    task1_another_with_the_number_is_not_meant();
    shielded(|| {
        let pid = orphan(CloneFlags::empty());
        let started = ticks(pid);
        let opens = || match join::open(pid, started) {
            Ok(process) => format!("Ok, with a descriptor of {:?}", held_by(process.fd.as_fd())),
            Err(Error::NoSuchProcess(_)) => "refused".to_owned(),
            Err(other) => other.to_string(),
        };
        let seen = in_child(|| meanwhile(&[libc::SYS_pidfd_open], || replace(pid, CloneFlags::empty()), opens));
        // The other one is nobody's child any more either.
        let _ = kill(pid, Signal::SIGKILL);
        eventually("the other process is gone", || !Path::new(&format!("/proc/{pid}")).exists());
        check!(
            seen == "refused",
            expected: "Error::NoSuchProcess when the process ends as pidfd_open(2) is called, and its number goes to another",
            seen: seen,
            likely: "the start was compared first, and the process opened then: between the two, the number went to somebody else. \
                     Hold first, look then",
            read: RULES,
        );
    });
}

// ---- task 2 ----

#[test]
fn task2_the_kinds_that_differ() {
    shielded(|| {
        let all = [NsKind::Cgroup, NsKind::Ipc, NsKind::Mnt, NsKind::Net, NsKind::Uts, NsKind::User];
        for kinds in [some_of(&all), all.into()] {
            let target = Target::with(flags(&kinds));
            let seen = differs(&target.process());
            check!(
                seen == kinds,
                expected: format!("the kinds that the process has of its own: {}", names(&kinds)),
                seen: names(&seen),
                likely: match (seen.difference(&kinds).next(), seen.is_empty()) {
                    (Some(NsKind::PidForChildren | NsKind::TimeForChildren), _) => {
                        "what its children are born into is no namespace of the process itself"
                    }
                    (Some(_), _) if testkit::namespaces().keys().all(|kind| for_children(*kind) || seen.contains(kind)) => {
                        "the inodes of the links were compared: each has one of its own. stat follows the link to the namespace, \
                         lstat (symlink_metadata) does not"
                    }
                    (Some(_), _) => "a namespace that both are in was counted: it is the inodes that tell, not that there is a file",
                    (None, true) => "nothing was found at all: is /proc/PID/ns compared with /proc/self/ns, or with itself?",
                    (None, false) => "a kind was left out",
                },
                read: TASKS,
            );
        }
    });
}

#[test]
fn task2_a_pid_namespace_of_its_own() {
    shielded(|| {
        let target = Target::with(CloneFlags::CLONE_NEWPID);
        let seen = differs(&target.process());
        check!(
            seen == BTreeSet::from([NsKind::Pid]),
            expected: "pid alone, for the first process of a PID namespace",
            seen: names(&seen),
            likely: match seen.contains(&NsKind::PidForChildren) {
                true => "both the process and its children are in it; pid_for_children is none to join",
                false => "see task2_the_kinds_that_differ",
            },
            read: TASKS,
        );
    });
}

#[test]
fn task2_what_is_for_children_is_not_its_own() {
    task2_a_pid_namespace_of_its_own();
    shielded(|| {
        let target = Target::prepared(CloneFlags::empty(), || {
            unshare(NsKind::Time.clone_flag()).expect("unshare CLONE_NEWTIME");
        });
        let seen = differs(&target.process());
        check!(
            seen.is_empty(),
            expected: "no kind, for a process whose children alone will have another time namespace",
            seen: names(&seen),
            likely: "time_for_children and pid_for_children tell where its next child is born",
            read: RULES,
        );
    });
}

#[test]
fn task2_another_has_its_number_by_now() {
    task2_a_pid_namespace_of_its_own();
    shielded(|| {
        let pid = orphan(CloneFlags::empty());
        let process = Process { pid, fd: pidfd(pid) };
        replace(pid, CloneFlags::CLONE_NEWUTS);
        let seen = join::differing(&process);
        kill(pid, Signal::SIGKILL).expect("kill");
        waitpid(pid, None).expect("waitpid");
        check!(
            matches!(&seen, Err(Error::NoSuchProcess(_))),
            expected: "Error::NoSuchProcess: the process that is held has ended, and its number is another's",
            seen: shown(&seen),
            likely: "/proc/PID is whoever has the number now. process.lives() after the look tells whether that was the one that is held",
            read: RULES,
        );
    });
}

#[test]
fn task2_the_number_changes_hands_at_the_worst_moment() {
    task2_another_has_its_number_by_now();
    shielded(|| {
        let pid = orphan(CloneFlags::empty());
        let process = Process { pid, fd: pidfd(pid) };
        let differs = || {
            let seen = join::differing(&process);
            // If none of these calls was made, nothing has happened.
            (process.lives().is_ok() || matches!(&seen, Err(Error::NoSuchProcess(_))), shown(&seen))
        };
        let (right, seen) = in_child(|| meanwhile(LOOKS, || replace(pid, CloneFlags::CLONE_NEWUTS), differs));
        let _ = kill(pid, Signal::SIGKILL);
        eventually("the other process is gone", || !Path::new(&format!("/proc/{pid}")).exists());
        check!(
            right,
            expected: "Error::NoSuchProcess when the process ends at the first look into /proc, and its number goes to another",
            seen: seen,
            likely: "process.lives() came before the looks: what was read after it may be another's. It vouches for what was read before it",
            read: RULES,
        );
    });
}

#[test]
fn task2_what_may_not_be_looked_at_is_told() {
    task2_a_pid_namespace_of_its_own();
    shielded(|| {
        let target = Target::prepared(CloneFlags::CLONE_NEWUTS, || prctl::set_dumpable(false).expect("prctl"));
        let process = target.process();
        let (errno, seen) = in_child(|| {
            drop_capabilities();
            let seen = join::differing(&process);
            (seen.as_ref().err().map(|error| error.errno().map(|errno| errno as i32)), shown(&seen))
        });
        check!(
            errno == Some(Some(Errno::EACCES as i32)),
            expected: "EACCES for a process whose /proc/PID/ns the caller may not read",
            seen: seen,
            likely: "a kind that could not be read was taken for one that does not differ: whoever then joins stays outside, and is not told. \
                     A file that is missing in /proc/self/ns is the only error that is none",
            read: TASKS,
        );
    });
}

// ---- task 3 ----

#[test]
fn task3_into_one_namespace_and_no_other() {
    shielded(|| {
        for kind in [NsKind::Cgroup, NsKind::Ipc, NsKind::Mnt, NsKind::Net, NsKind::Uts] {
            let target = Target::with(kind.clone_flag());
            let process = target.process();
            let own = File::open(process.proc(&format!("ns/{kind}"))).expect("a namespace");
            for (fd, of) in [(process.fd.as_fd(), "a pidfd"), (own.as_fd(), "the namespace's own descriptor")] {
                let moved = in_child(|| {
                    let before = testkit::namespaces();
                    enters(&[(kind, fd)]);
                    moved(&before, getpid())
                });
                check!(
                    moved == BTreeSet::from([kind]) && id(target.pid, kind) != id(getpid(), kind),
                    expected: format!("enter({kind}) by {of} to move the caller into this one namespace"),
                    seen: format!("moved into: {}", names(&moved)),
                    likely: match moved.is_empty() {
                        true => "setns(2) was not called, or the error was swallowed",
                        false => "more flags were passed than the kind's own",
                    },
                    read: TASKS,
                );
            }
        }
    });
}

#[test]
fn task3_into_all_of_them_whatever_their_order() {
    shielded(|| {
        let kinds = [NsKind::Cgroup, NsKind::Ipc, NsKind::Mnt, NsKind::Net, NsKind::Uts];
        let target = Target::with(flags(&kinds.into()));
        is_there_after(&target, &shuffled(&kinds), || {});
    });
}

#[test]
fn task3_a_pid_namespace_is_for_children() {
    shielded(|| {
        let target = Target::with(CloneFlags::CLONE_NEWPID);
        let process = target.process();
        let (own, childs) = in_child(|| {
            let before = id(getpid(), NsKind::Pid);
            enters(&[(NsKind::Pid, process.fd.as_fd())]);
            (id(getpid(), NsKind::Pid) == before, fs::read_link("/proc/self/ns/pid_for_children").ok())
        });
        let theirs = fs::read_link(process.proc("ns/pid")).ok();
        check!(
            own && childs == theirs,
            expected: format!("the caller's children to be born into {theirs:?}, and the caller to stay where it is"),
            seen: format!("children into {childs:?}; the caller stayed: {own}"),
            likely: "setns(2) with CLONE_NEWPID, and no fork: that is task 5",
            read: RULES,
        );
    });
}

#[test]
fn task3_who_is_not_root_outside_is_root_inside() {
    shielded(|| {
        let kinds = [NsKind::User, NsKind::Uts, NsKind::Ipc, NsKind::Net, NsKind::Mnt];
        let target = Target::with(flags(&kinds.into()));
        // In the order of the files in /proc/PID/ns the user namespace is nearly last.
        let mut sorted = kinds;
        sorted.sort();
        for order in [&sorted[..], &shuffled(&kinds)] {
            // Whoever has made a user namespace may enter it, without a capability; all else takes some.
            is_there_after(&target, order, drop_capabilities);
        }
    });
}

#[test]
fn task3_what_belongs_outside_is_joined_before() {
    shielded(|| {
        let (inner, outer) = (Target::with(CloneFlags::CLONE_NEWUSER), Target::with(CloneFlags::CLONE_NEWNET));
        let (user, net) = (inner.process(), outer.process());
        let right = Ok((id(user.pid, NsKind::User), id(net.pid, NsKind::Net)));
        let seen = [[NsKind::User, NsKind::Net], [NsKind::Net, NsKind::User]].map(|order| {
            in_child(|| {
                let all = order.map(|kind| (kind, if kind == NsKind::User { user.fd.as_fd() } else { net.fd.as_fd() }));
                let entered = join::enter(&all).map_err(|error| error.errno().map(|errno| errno as i32));
                entered.map(|()| (id(getpid(), NsKind::User), id(getpid(), NsKind::Net)))
            })
        });
        let refused = seen.map(|seen| seen == Err(Some(Errno::EPERM as i32)));
        check!(
            seen == [right; 2],
            expected: "to be in a container's user namespace, and in a network namespace that belongs to the one outside",
            seen: format!("{seen:?}, when the user namespace is named first, and last"),
            likely: match refused {
                [true, true] => "the user namespace came first: whoever is in it has no power over what belongs to the one outside any \
                                 more. What can be joined without it has to be joined before it",
                [true, false] => "they were joined as they came",
                _ => "see task3_into_one_namespace_and_no_other",
            },
            read: RULES,
        );
    });
}

#[test]
fn task3_a_refusal_is_told() {
    task3_into_one_namespace_and_no_other();
    shielded(|| {
        let target = Target::with(CloneFlags::CLONE_NEWUTS);
        let process = target.process();
        let seen = in_child(|| {
            drop_capabilities();
            join::enter(&[(NsKind::Uts, process.fd.as_fd())]).err().map(|error| error.errno().map(|errno| errno as i32))
        });
        check!(
            seen == Some(Some(Errno::EPERM as i32)),
            expected: "EPERM for a caller without CAP_SYS_ADMIN, who joins no user namespace",
            seen: format!("{seen:?}"),
            likely: "EPERM was put aside for a second try that never came",
            read: TASKS,
        );
    });
}

#[test]
fn task3_a_refusal_behind_the_door_is_told() {
    task3_what_belongs_outside_is_joined_before();
    shielded(|| {
        // Its network belongs to the user namespace outside: without a right there, neither side of the door has one.
        let (inner, outer) = (Target::with(CloneFlags::CLONE_NEWUSER), Target::with(CloneFlags::CLONE_NEWNET));
        let (user, net) = (inner.process(), outer.process());
        let seen = in_child(|| {
            drop_capabilities();
            let seen = join::enter(&[(NsKind::Net, net.fd.as_fd()), (NsKind::User, user.fd.as_fd())]);
            seen.err().map(|error| error.errno().map(|errno| errno as i32))
        });
        check!(
            seen == Some(Some(Errno::EPERM as i32)),
            expected: "EPERM for a namespace that can be joined neither before the user namespace nor after it",
            seen: format!("{seen:?}"),
            likely: "the second try failed, and nobody was told: the command would run in a namespace of the host",
            read: TASKS,
        );
        let own = Process { pid: getpid(), fd: pidfd(getpid()) };
        let seen = in_child(|| {
            let seen = join::enter(&[(NsKind::User, own.fd.as_fd())]);
            seen.err().map(|error| error.errno().map(|errno| errno as i32))
        });
        check!(
            seen == Some(Some(Errno::EINVAL as i32)),
            expected: "EINVAL for the user namespace that the caller is in already",
            seen: format!("{seen:?}"),
            likely: "the door did not open, and nobody was told: an error of setns(2) for the user namespace is the caller's to know",
            read: RULES,
        );
    });
}

// ---- task 4 ----

#[test]
fn task4_it_is_in_the_cgroup_in_every_hierarchy() {
    needs!(cgroup = pids);
    Shield::new().cgroup().run(|| {
        let groups = groups();
        let target = in_groups(&groups, || {});
        let (entered, seen, missing) = enters_group(&target);
        check!(
            missing.is_empty() && entered.is_ok(),
            expected: "the caller to be where the process is, in every hierarchy",
            seen: format!("{entered:?}; not in {}", missing.join(" ")),
            likely: match missing.len() {
                _ if entered.is_err() => "a directory that is not there: the path in /proc/PID/cgroup begins at the top of its hierarchy",
                0 => "an error that should not be one",
                _ if seen.contains(":/..") => "the cgroup namespace was joined: that changes how the tree looks from there, not where the caller is in it",
                n if n == groups.len() => "nothing was moved. What a limit is for is everybody in the group: whoever is outside has none",
                _ => "one hierarchy was enough on a machine with one. Elsewhere each has limits of its own",
            },
            read: RULES,
        );
        drop(target);
        groups.iter().for_each(|group| gone(group));
    });
}

#[test]
fn task4_a_container_has_other_mounts() {
    needs!(cgroup = pids);
    task4_it_is_in_the_cgroup_in_every_hierarchy();
    Shield::new().cgroup().run(|| {
        let groups = groups();
        let (root, _) = a_root();
        let target = in_groups(&groups, || chroot(&root).expect("chroot"));
        let (entered, _, missing) = enters_group(&target);
        check!(
            missing.is_empty() && entered.is_ok(),
            expected: "the caller to be where the process is, also when that has a root without /sys/fs/cgroup",
            seen: format!("{entered:?}; not in {}", missing.join(" ")),
            likely: "/proc/PID/mountinfo tells where the process sees the hierarchies, if it sees any. It is the caller who opens their \
                     directories: /proc/self/mountinfo",
            read: RULES,
        );
        drop(target);
        groups.iter().for_each(|group| gone(group));
    });
}

#[test]
fn task4_a_group_that_takes_nobody_is_told() {
    needs!(cgroup = pids);
    task4_it_is_in_the_cgroup_in_every_hierarchy();
    Shield::new().cgroup().run(|| {
        let groups = groups();
        let target = in_groups(&groups, || {});
        let process = target.process();
        for group in &groups {
            let seen = in_child(|| {
                own_mounts();
                // The errno of a cpuset without processors, in every hierarchy.
                bind("/dev/full", &group.join("cgroup.procs"));
                shown(&join::enter_group(&process))
            });
            check!(
                !seen.starts_with("Ok"),
                expected: format!("an error, since {} takes nobody", group.display()),
                seen: seen,
                likely: "what the write said was dropped: the process would run outside the group, without its limits, and nobody would know",
                read: TASKS,
            );
        }
        drop(target);
        groups.iter().for_each(|group| gone(group));
    });
}

#[test]
fn task4_where_it_is_already_nothing_is_written() {
    shielded(|| {
        let target = Target::with(CloneFlags::empty());
        // Here the groups can only be read.
        join::enter_group(&target.process()).explained(
            "enter_group(a process in the caller's own cgroup)",
            &[
                (Errno::EROFS, "it was in this group already, and an ordinary user may not write there: only other groups than one's own"),
                (Errno::EACCES, "it was in this group already, and an ordinary user may not write there: only other groups than one's own"),
            ],
            TASKS,
        );
    });
}

#[test]
fn task4_a_process_that_has_ended() {
    task4_where_it_is_already_nothing_is_written();
    shielded(|| {
        let target = Target::with(CloneFlags::empty());
        let process = target.process();
        drop(target);
        let seen = join::enter_group(&process);
        check!(
            matches!(&seen, Err(Error::NoSuchProcess(_))),
            expected: "Error::NoSuchProcess for a process that has ended",
            seen: shown(&seen),
            likely: "its files in /proc are gone, and process.lives() says why",
            read: TASKS,
        );
    });
}

#[test]
fn task4_a_process_that_ends_while_it_is_looked_at() {
    task4_a_process_that_has_ended();
    shielded(|| {
        let target = Target::with(CloneFlags::empty());
        let process = target.process();
        // What v1 shows of one that has ended and is not reaped: the top of every hierarchy.
        let own = read("/proc/self/cgroup");
        let top: String =
            own.lines().map(|line| line[..=line.rfind(":/").expect("a path")].to_owned() + "/\n").collect();
        let (is_told, seen) = in_child(|| {
            own_mounts();
            let fifo = dir().join(random_name("fifo"));
            mkfifo(&fifo, Mode::S_IRUSR | Mode::S_IWUSR).expect("mkfifo");
            bind(&fifo, &process.proc("cgroup"));
            let ends = start_child::<()>(|| {
                loop {
                    // As soon as somebody reads.
                    let mut file = File::options().write(true).open(&fifo).expect("open");
                    let _ = kill(target.pid, Signal::SIGKILL);
                    eventually("the process has ended", || process.lives().is_err());
                    let _ = file.write_all(top.as_bytes());
                }
            });
            let seen = join::enter_group(&process);
            drop(ends);
            // If nobody has read, nothing has happened.
            (process.lives().is_ok() || matches!(&seen, Err(Error::NoSuchProcess(_))), shown(&seen))
        });
        check!(
            is_told,
            expected: "Error::NoSuchProcess when the process ends as its /proc/PID/cgroup is read",
            seen: seen,
            likely: "what was read was believed: of one that has ended it can say / in every line, and the caller would be moved to the top. \
                     process.lives() after the read, however that went",
            read: RULES,
        );
    });
}

// ---- task 5 ----

#[test]
fn task5_the_child_is_in_the_pid_namespace() {
    shielded(|| {
        let target = Target::with(CloneFlags::CLONE_NEWPID);
        let process = target.process();
        let seen = in_child(|| {
            setns(&process.fd, CloneFlags::CLONE_NEWPID).expect("setns");
            let child = observe(|| forks(&open_fds()), || getpid().as_raw());
            (child.pid.as_raw(), child.value)
        });
        check!(
            seen.1 != 1 && seen.1 < seen.0,
            expected: "a child with a number of its own in there, and the one that the caller knows it by returned",
            seen: format!("{} inside, {} outside", seen.1, seen.0),
            likely: "fork(2) makes a child where setns(2) said; unshare(2) would make a namespace more",
            read: RULES,
        );
    });
}

#[test]
fn task5_nothing_of_the_host_is_left_open() {
    shielded(|| {
        // What the test itself opens from here on has larger numbers than this, and smaller ones than what is to be kept.
        let _low: Vec<_> = (0..16).map(|_| File::open("/dev/null").expect("a file")).collect();
        let standard: Vec<_> = (0..3).filter(|fd| is_open(*fd)).collect();
        let high = highest_fd();
        let seen = in_child(|| {
            // Numbers alone: what is closed must not be dropped. With the flag that closes it at an exec: until then it is open.
            let host = File::open("/").expect("a directory of the host").into_raw_fd();
            let secrets = [3, host, 300, high].map(|fd| same_as(host, fd));
            let kept = [250, 200].map(|fd| same_as(host, fd));
            let child = observe(
                || {
                    // What observe() has opened meanwhile is the test's.
                    let others =
                        open_fds().into_iter().filter(|fd| *fd > 2 && !secrets.contains(fd) && !kept.contains(fd));
                    forks(&others.chain(kept).collect::<Vec<_>>())
                },
                || [&secrets, &kept[..], &standard].map(open_of),
            );
            (child.value, open_of(&secrets))
        });
        let ([secrets, kept, still], parents) = seen;
        check!(
            still == standard,
            expected: format!("the standard three to stay open, named in keep or not: {standard:?}"),
            seen: format!("open in the child: {still:?}"),
            likely: "the gaps begin at 3: what lies below is the command's own input and output",
            read: TASKS,
        );
        check!(
            secrets.is_empty() && kept.len() == 2,
            expected: "the two descriptors that are to be kept to be open in the child, and no other",
            seen: format!("open: {secrets:?} of the host, {kept:?} of what was to be kept, 250 and 200"),
            likely: match secrets[..] {
                _ if kept.len() != 2 => "a descriptor that was to be kept was closed: the numbers in keep come in any order, and have gaps \
                                         between them. Are they sorted?",
                [3] => "3 is the first one after the standard three: the first gap begins there, not after it",
                [fd] if fd == high => "the last gap ends at u32::MAX: how many can be open is limited (getrlimit(2)), and one may have a larger \
                                       number than the limit is today",
                _ => "a directory of the host was left open: until its exec, a container reaches it by /proc/PID/fd. Close-on-exec comes too late",
            },
            read: RULES,
        );
        check!(
            parents.is_empty(),
            expected: "nothing but the standard three and what is to be kept to be open when the fork comes, in the parent too",
            seen: format!("the host's directory is open in the parent after the call: {parents:?}"),
            likely: "the child closes after the fork: by then it is in the PID namespace, where it can be seen. Close before",
            read: RULES,
        );
    });
}

#[test]
fn task5_nobody_in_there_can_look_into_it() {
    shielded(|| {
        let (childs, parents) = in_child(|| {
            let child = observe(|| forks(&open_fds()), dumpable);
            (child.value, dumpable())
        });
        check!(
            childs == Some(false) && parents == Some(false),
            expected: "/proc/PID/exe, fd and root of the child to be closed to whoever may not trace it",
            seen: format!("the child can be looked into: {childs:?}, its parent: {parents:?}"),
            likely: "prctl(2) PR_SET_DUMPABLE 0, before the fork: after it there is a moment in which a container's root opens the program \
                     of the host (CVE-2019-5736)",
            read: RULES,
        );
    });
}

#[test]
fn task5_all_is_done_when_the_fork_comes() {
    task5_nothing_of_the_host_is_left_open();
    task5_nobody_in_there_can_look_into_it();
    shielded(|| {
        let (mut told, mut tell) = pipe().expect("a pipe");
        in_child(|| {
            // Whose files in /proc are root's cannot be told from root's own.
            seteuid(Uid::from_raw(1)).or_else(|_| seteuid(getuid())).expect("seteuid");
            prctl::set_dumpable(true).expect("prctl");
            let (caller, (watched, held)) = (getpid(), pipe().expect("a pipe"));
            let held = held.into_raw_fd();
            let happens = || {
                // Its only other holder is the caller.
                // SAFETY: this process has its own, and uses it no more.
                unsafe { libc::close(held) };
                let is_closed = ends_of(&watched);
                let owner = fs::metadata(format!("/proc/{caller}/stat")).expect("stat").uid();
                let seen = format!("{is_closed} {}", owner != geteuid().as_raw());
                tell.write_all(seen.as_bytes()).expect("tell");
            };
            meanwhile(FORKS, happens, || {
                let forks = || forks(&open_fds().into_iter().filter(|fd| *fd != held).collect::<Vec<_>>());
                observe(forks, || ());
            });
        });
        drop(tell);
        let mut seen = String::new();
        told.read_to_string(&mut seen).expect("what was seen");
        check!(
            // Nothing was told: some other call has made the process.
            seen.is_empty() || seen == "true true",
            expected: "all to be closed, and nobody to be able to look in, when the fork is called",
            seen: format!("at the call of the fork, closed and not to be looked into: {seen}"),
            likely: "it is done in both processes, after the fork: the child is seen in there before it has got so far",
            read: RULES,
        );
    });
}

// ---- task 6 ----

#[test]
fn task6_root_and_working_directory() {
    shielded(|| {
        let (root, name) = a_root();
        let fd = File::open(&root).expect("the root");
        let seen = in_child(|| {
            let before = (inode("/"), inode("."));
            let entered = join::enter_root(fd.as_fd(), &Path::new("/").join(&name));
            let likely = match inode("/") {
                now if now == before.0 => "the path is looked up below the new root: chroot(2) before chdir(2)",
                now if now == before.1 => {
                    "the new root is where the caller was: fchdir(root), then chroot(2) to \".\", then chdir(2)"
                }
                _ => "chdir(2) to the path as it was given",
            };
            entered.explained("enter_root(a directory, a path in it)", &[(Errno::ENOENT, likely)], TASKS);
            (inode("/"), std::env::current_dir().ok(), inode(".."))
        });
        let inode = inode(&root);
        check!(
            seen == (inode, Some(Path::new("/").join(&name)), inode),
            expected: format!("/ to be the directory that was given, and the working directory /{name} in it"),
            seen: format!("/ is inode {:?} (given: {inode:?}), the working directory {:?}", seen.0, seen.1),
            likely: match seen.0 == inode {
                false => "the root is still the one of before: fchdir(2) to the descriptor, then chroot(2) to \".\"",
                true => "chdir(2) to the path, after chroot(2)",
            },
            read: TASKS,
        );
    });
}

#[test]
fn task6_a_path_that_leads_out_is_refused() {
    task6_root_and_working_directory();
    shielded(|| {
        let (root, _) = a_root();
        let leads_out = |path: &dyn Fn(&Path, RawFd) -> String| {
            in_child(|| {
                own_mounts();
                let place = root.join("proc");
                fs::create_dir_all(&place).expect("mkdir");
                mount(Some("proc"), &place, Some("proc"), MsFlags::empty(), None::<&str>).expect("mount proc");
                let host = File::open("/").expect("a directory of the host");
                let fd = File::open(&root).expect("the root");
                let cwd = path(&root, host.as_raw_fd());
                join::enter_root(fd.as_fd(), Path::new(&cwd)).is_ok().then_some(cwd)
            })
        };
        check!(
            leads_out(&|_, fd| format!("/proc/self/fd/{fd}")).is_none(),
            expected: "an error for a working directory that is not below the root",
            seen: "Ok: the command would start in a directory of the host",
            likely: "a descriptor that is open leads out by /proc/self/fd/N (CVE-2024-21626). getcwd(2) has no path for where that is",
            read: RULES,
        );
        let link = |root: &Path, fd| {
            let name = random_name("link");
            std::os::unix::fs::symlink(format!("proc/self/fd/{fd}"), root.join(&name)).expect("a link");
            format!("/{name}")
        };
        let others = [leads_out(&link), leads_out(&|_, fd| format!("/proc/thread-self/fd/{fd}"))];
        check!(
            others == [None, None],
            expected: "an error for a working directory that is not below the root, by whichever path",
            seen: format!("Ok for {}, which leads to a directory of the host", others.iter().flatten().cloned().collect::<Vec<_>>().join(" and ")),
            likely: "the path was looked at, and there are more paths that lead out than any list has. Go there, and ask getcwd(2) where that is",
            read: RULES,
        );
    });
}

#[test]
fn task6_a_directory_that_is_not_there() {
    task6_root_and_working_directory();
    shielded(|| {
        let (root, _) = a_root();
        let fd = File::open(&root).expect("the root");
        let seen = in_child(|| {
            let entered = join::enter_root(fd.as_fd(), Path::new(&format!("/{}", random_name("missing"))));
            entered.err().map(|error| error.errno().map(|errno| errno as i32))
        });
        check!(
            seen == Some(Some(Errno::ENOENT as i32)),
            expected: "ENOENT for a working directory that is not there",
            seen: format!("{seen:?}"),
            likely: "a container is not started somewhere else than where it was told to",
            read: TASKS,
        );
    });
}

// ---- task 7 ----

#[test]
fn task7_what_it_starts_gets_no_more() {
    shielded(|| {
        let last: u32 = read("/proc/sys/kernel/cap_last_cap").trim().parse().expect("a number");
        let ends = CapSet(1 | 1 << last);
        let powers = Powers { bounding: some_caps().without(ends), no_new_privs: false };
        let (before, own, started) = lowered(&powers, || {});
        let right = powers.bounding.and(before.permitted);
        let too_many = started.permitted.without(right);
        check!(
            too_many == CapSet::EMPTY || too_many.without(ends) != CapSet::EMPTY,
            expected: format!("a program that it starts as root to have {right}, what the process can have"),
            seen: format!("{} more", too_many.names().join(", ")),
            likely: format!("the numbers go from 0 to {last}, the last one of this kernel. No number need be known: after it comes EINVAL"),
            read: TASKS,
        );
        check!(
            started.permitted == right && started.bounding == right,
            expected: format!("a program that it starts as root to have {right}, what the process can have"),
            seen: format!("permitted {}, bounding {}", started.permitted, started.bounding),
            likely: match (started.permitted == before.permitted, own.permitted == before.permitted) {
                (true, true) => "nothing was dropped",
                (true, false) => "the caller's own sets were lowered: at the exec, root's programs get all that is in the bounding set",
                _ => "another set was dropped than what is not in powers.bounding",
            },
            read: RULES,
        );
        check!(
            own.permitted == before.permitted && own.effective == before.effective,
            expected: "the caller itself to keep what it has, until its exec",
            seen: format!("permitted {} of {}, effective {} of {}", own.permitted, before.permitted, own.effective, before.effective),
            likely: "the last steps before the exec take capabilities: a user is changed, a filter is set",
            read: TASKS,
        );
    });
}

#[test]
fn task7_what_is_inheritable_is_gone() {
    task7_what_it_starts_gets_no_more();
    shielded(|| {
        let powers = Powers { bounding: some_caps(), no_new_privs: false };
        let (before, _, started) = lowered(&powers, || set_inheritable(u64::MAX));
        let right = powers.bounding.and(before.permitted);
        check!(
            started.permitted == right,
            expected: format!("a program that it starts as root to have {right}, though the caller had all capabilities inheritable"),
            seen: format!("permitted {}: {} too many", started.permitted, started.permitted.without(right).names().join(", ")),
            likely: "root's programs get what is in the bounding set or in the inheritable one (CVE-2022-29162): set_inheritable(0)",
            read: RULES,
        );
    });
}

#[test]
fn task7_what_is_ambient_is_gone() {
    task7_what_it_starts_gets_no_more();
    shielded(|| {
        let powers = Powers { bounding: some_caps(), no_new_privs: false };
        let (_, own, _) = lowered(&powers, || {
            set_inheritable(u64::MAX);
            // SAFETY: the option takes integers.
            Errno::result(unsafe { libc::prctl(libc::PR_CAP_AMBIENT, libc::PR_CAP_AMBIENT_RAISE, 10_u64, 0, 0) })
                .expect("ambient");
        });
        check!(
            own.ambient == CapSet::EMPTY,
            expected: "no ambient capability to be left",
            seen: own.ambient.names().join(", "),
            likely: "nothing can be ambient that is not inheritable: set_inheritable(0) takes both",
            read: RULES,
        );
    });
}

#[test]
fn task7_a_refusal_is_told() {
    task7_what_it_starts_gets_no_more();
    shielded(|| {
        let seen = in_child(|| {
            drop_capabilities();
            let seen = join::lower(&Powers { bounding: some_caps(), no_new_privs: false });
            seen.err().map(|error| error.errno().map(|errno| errno as i32))
        });
        check!(
            seen == Some(Some(Errno::EPERM as i32)),
            expected: "EPERM for a caller without CAP_SETPCAP",
            seen: format!("{seen:?}"),
            likely: "every error was taken for the end of the numbers: that one is EINVAL. After EPERM nothing was dropped, and a program \
                     that is root would get all",
            read: TASKS,
        );
    });
}

#[test]
fn task7_no_new_privs_when_the_process_has_it() {
    task7_what_it_starts_gets_no_more();
    shielded(|| {
        for no_new_privs in [true, false] {
            let seen = in_child(|| {
                lowers(&Powers { bounding: some_caps(), no_new_privs });
                prctl::get_no_new_privs().ok()
            });
            check!(
                seen == Some(no_new_privs),
                expected: format!("no_new_privs {no_new_privs}, as the process has it"),
                seen: format!("{seen:?}"),
                likely: match no_new_privs {
                    true => "a set-user-ID program would give back what was taken",
                    false => "it was set though the process does not have it: sudo inside would not work",
                },
                read: TASKS,
            );
        }
    });
}

// ---- the command line ----

#[test]
fn run_exec_is_one_process_more() {
    written!(15, leans on 3, 4, 5);
    shielded(|| {
        let name = random_name("box");
        let word = random_name("word");
        let _container = Container::start(&name, &["--rootfs", "host", "-e", &format!("WORD={word}")]);
        let script = "readlink /proc/1/ns/pid /proc/self/ns/pid /proc/1/ns/mnt /proc/self/ns/mnt; echo $WORD; cat /proc/1/comm; exit 7";
        let ran = testkit::boxwright!().args(["exec", &name, "sh", "-c", script]).assert().code(7);
        let text = String::from_utf8_lossy(&ran.get_output().stdout).into_owned();
        let lines: Vec<_> = text.lines().collect();
        check!(
            matches!(lines[..], [pid, own_pid, mnt, own_mnt, w, "sleep"] if pid == own_pid && mnt == own_mnt && w == word),
            expected: "the command to be in the PID and mount namespace of the container, to see its /proc, and to have its environment",
            seen: &text,
            likely: match lines[..] {
                [pid, own_pid, mnt, own_mnt, ..] if pid == own_pid && mnt != own_mnt => {
                    "the mount namespace was left out: what is mounted, /proc too, is the host's to say"
                }
                _ => "is the fork made after the PID namespace was joined, and what was joined before?",
            },
            read: RULES,
        );
    });
}

#[test]
fn run_another_containers_queues_and_processes() {
    written!(15, leans on 1, 2, 3, 4, 5);
    shielded(|| {
        let name = random_name("pod");
        let mut pod = Container::start(&name, &["--hold", "--rootfs", "host"]);
        let shares = |kind: &str| format!("--{kind}=container:{name}");
        let (pid, ipc, uts) = (shares("pid"), shares("ipc"), shares("uts"));
        let script = "readlink /proc/1/ns/ipc /proc/self/ns/ipc; hostname; echo $$";
        let run = ["run", "--rootfs", "host", &pid, &ipc, &uts, "sh", "-c", script];
        let ran = testkit::boxwright!().args(run).assert().success();
        let text = String::from_utf8_lossy(&ran.get_output().stdout).into_owned();
        let lines: Vec<_> = text.lines().collect();
        check!(
            matches!(lines[..], [theirs, own, host, number] if theirs == own && host == name && number != "1"),
            expected: "the second container to be in the first one's IPC, UTS and PID namespaces",
            seen: text,
            likely: "enter() moved it into fewer than it was told to",
            read: RULES,
        );
        kill(Pid::from_raw(pod.0.id() as i32), Signal::SIGTERM).expect("kill");
        assert!(pod.0.wait().expect("wait").success(), "a pod's pause process ends well when it is told to");
        testkit::boxwright!().args(["exec", &name, "true"]).assert().code(1).stderr(contains("ENOENT"));
    });
}

// ---- what the tests are made of ----

/// A process that waits, in namespaces of its own.
struct Target {
    pid: Pid,
    _outer: Running<()>,
}

impl Target {
    fn with(flags: CloneFlags) -> Target {
        Target::prepared(flags, || {})
    }

    /// `prepare` runs in it.
    fn prepared(flags: CloneFlags, prepare: impl FnOnce()) -> Target {
        let (mut told, tell) = pipe().expect("a pipe");
        let outer = start_child(|| {
            wait_in(flags, prepare, &tell);
        });
        drop(tell);
        let mut pid = [0; 4];
        told.read_exact(&mut pid).expect("the PID");
        Target { pid: Pid::from_raw(i32::from_ne_bytes(pid)), _outer: outer }
    }

    fn process(&self) -> Process {
        Process { pid: self.pid, fd: pidfd(self.pid) }
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        // The first of a PID namespace is not the one that is waited for. Its parent reaps it, or ends with it.
        let _ = kill(self.pid, Signal::SIGKILL);
        let _ = self._outer.ends_within(Duration::from_secs(2));
    }
}

/// Moves the caller into new namespaces, forks for a PID namespace, tells the PID as the caller's namespace has it, and waits.
fn wait_in(flags: CloneFlags, prepare: impl FnOnce(), mut tell: impl Write) {
    let own = (nix::unistd::getuid(), nix::unistd::getgid());
    unshare(flags).expect("unshare");
    if flags.contains(CloneFlags::CLONE_NEWUSER) {
        for (file, text) in [
            ("setgroups", "deny".to_owned()),
            ("uid_map", format!("0 {} 1", own.0)),
            ("gid_map", format!("0 {} 1", own.1)),
        ] {
            fs::write(format!("/proc/self/{file}"), text).expect("a map");
        }
    }
    if !flags.contains(CloneFlags::CLONE_NEWPID) {
        prepare();
        tell.write_all(&getpid().as_raw().to_ne_bytes()).expect("tell");
        loop {
            pause();
        }
    }
    // SAFETY: under a shield the process has one thread.
    match unsafe { fork() }.expect("fork") {
        ForkResult::Parent { child } => {
            tell.write_all(&child.as_raw().to_ne_bytes()).expect("tell");
            let _ = waitpid(child, None);
        }
        ForkResult::Child => {
            prctl::set_pdeathsig(Signal::SIGKILL).expect("PR_SET_PDEATHSIG");
            prepare();
            loop {
                pause();
            }
        }
    }
}

/// A process that waits and is nobody's child here: when it ends, the shield's first process reaps it at once.
fn orphan(flags: CloneFlags) -> Pid {
    let (mut told, tell) = pipe().expect("a pipe");
    // SAFETY: under a shield the process has one thread.
    match unsafe { fork() }.expect("fork") {
        // SAFETY: as above; _exit takes an integer.
        ForkResult::Child => unsafe {
            if let Ok(ForkResult::Child) = fork() {
                wait_in(flags, || {}, &tell);
            }
            libc::_exit(0)
        },
        ForkResult::Parent { child } => {
            waitpid(child, None).expect("waitpid");
            drop(tell);
        }
    }
    let mut pid = [0; 4];
    told.read_exact(&mut pid).expect("the PID");
    Pid::from_raw(i32::from_ne_bytes(pid))
}

/// Ends a process, and starts another with its number, which waits in new namespaces. Source: clone(2), `set_tid`.
fn replace(pid: Pid, flags: CloneFlags) {
    #[repr(C, align(8))]
    struct Args {
        flags: u64,
        pidfd: u64,
        child_tid: u64,
        parent_tid: u64,
        exit_signal: u64,
        stack: u64,
        stack_size: u64,
        tls: u64,
        set_tid: u64,
        set_tid_size: u64,
        cgroup: u64,
    }
    kill(pid, Signal::SIGKILL).expect("kill");
    eventually("the process is reaped", || !Path::new(&format!("/proc/{pid}")).exists());
    // A clock tick is 10 ms.
    sleep(Duration::from_millis(30));
    let tids = [pid.as_raw()];
    // SAFETY: zeroes are a valid clone_args.
    let mut args: Args = unsafe { std::mem::zeroed() };
    (args.exit_signal, args.set_tid, args.set_tid_size) = (libc::SIGCHLD as u64, tids.as_ptr() as u64, 1);
    let mut child = Err(Errno::EEXIST);
    // The number is free a moment after its process is out of sight.
    eventually("the number is free", || {
        // SAFETY: the struct and its size; without a stack of its own the child goes on here, as after a fork.
        child = Errno::result(unsafe { libc::syscall(libc::SYS_clone3, &raw const args, size_of::<Args>()) });
        child != Err(Errno::EEXIST)
    });
    if child.expect("clone3 with a number") == 0 {
        // What waits must not outlive the test.
        prctl::set_pdeathsig(Signal::SIGKILL).expect("PR_SET_PDEATHSIG");
        unshare(flags).expect("unshare");
        loop {
            pause();
        }
    }
    eventually("the other process is there", || flags.is_empty() || id(pid, NsKind::Uts) != id(getpid(), NsKind::Uts));
}

/// Groups of the test's own, one in every hierarchy.
fn groups() -> Vec<PathBuf> {
    let name = random_name("joined");
    let groups: Vec<_> = cgroup_dirs().iter().map(|group| group.join(&name)).collect();
    for group in &groups {
        fs::create_dir(group).expect("a group");
        for knob in ["cpuset.cpus", "cpuset.mems"] {
            // On v1 it begins with none, and takes nobody then.
            if let Ok(parents) = fs::read_to_string(group.with_file_name(knob)) {
                let _ = fs::write(group.join(knob), parents);
            }
        }
    }
    groups
}

/// A process in these groups, which sees them as the top.
fn in_groups(groups: &[PathBuf], prepare: impl FnOnce()) -> Target {
    Target::prepared(CloneFlags::empty(), || {
        groups.iter().for_each(|group| fs::write(group.join("cgroup.procs"), "0").expect("move the process"));
        unshare(CloneFlags::CLONE_NEWCGROUP).expect("unshare");
        prepare();
    })
}

/// What came of it, where the caller is then, and the groups of `target` that it is not in.
fn enters_group(target: &Target) -> (std::result::Result<(), String>, String, Vec<String>) {
    let process = target.process();
    let (entered, seen) = in_child(|| {
        let entered = join::enter_group(&process).map_err(|error| error.to_string());
        (entered, read("/proc/self/cgroup"))
    });
    let theirs = read(process.proc("cgroup"));
    let missing = theirs.lines().filter(|line| !seen.lines().any(|own| own == *line)).map(str::to_owned).collect();
    (entered, seen, missing)
}

/// A mount namespace of the caller's own, of which the others see nothing.
fn own_mounts() {
    unshare(CloneFlags::CLONE_NEWNS).expect("unshare");
    mount(None::<&str>, "/", None::<&str>, MsFlags::MS_REC | MsFlags::MS_PRIVATE, None::<&str>).expect("private");
}

fn bind(from: impl AsRef<Path>, to: &Path) {
    mount(Some(from.as_ref()), to, None::<&str>, MsFlags::MS_BIND, None::<&str>).expect("bind");
}

/// A container of `boxwright` that runs. Dropped, it is ended.
struct Container(std::process::Child);

impl Container {
    fn start(name: &str, options: &[&str]) -> Container {
        let mut command = Command::new(env!("CARGO_BIN_EXE_boxwright"));
        command.args(["run", "--name", name]).args(options);
        if !options.contains(&"--hold") {
            command.args(["sleep", "600"]);
        }
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().expect("start boxwright");
        let container = Container(child);
        // It is told of before it has taken its steps; its command is what comes last.
        let is_up = || {
            testkit::boxwright!().args(["top", name]).output().is_ok_and(|top| {
                let text = String::from_utf8_lossy(&top.stdout).into_owned();
                text.contains("sleep 600") || (options.contains(&"--hold") && text.contains(" 1 "))
            })
        };
        eventually("the container runs", is_up);
        container
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        let _ = kill(Pid::from_raw(self.0.id() as i32), Signal::SIGTERM);
        let _ = self.0.wait();
    }
}

fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + patience(Duration::from_secs(5));
    while !is_so() {
        assert!(Instant::now() < deadline, "expected within 5 s: {what}");
        sleep(Duration::from_millis(5));
    }
}

fn enters(namespaces: &[(NsKind, BorrowedFd<'_>)]) {
    join::enter(namespaces).explained(
        &format!("enter({})", namespaces.iter().map(|(kind, _)| kind.to_string()).collect::<Vec<_>>().join(", ")),
        &[
            (Errno::EPERM, "the right was not there yet, or not there any more: what belongs to the user namespace outside before it, the rest after it"),
            (Errno::EINVAL, "setns(2) takes the flag of the descriptor's own kind, and no user namespace that the caller is in"),
            (Errno::EBADF, "the descriptor was closed, or never open"),
        ],
        RULES,
    );
}

/// Enters the namespaces of these kinds of `target`, in this order, in a child that does `first` before.
fn is_there_after(target: &Target, kinds: &[NsKind], first: impl Fn()) {
    let process = target.process();
    let seen = in_child(|| {
        first();
        enters(&kinds.iter().map(|kind| (*kind, process.fd.as_fd())).collect::<Vec<_>>());
        kinds
            .iter()
            .filter(|kind| id(getpid(), **kind) != id(target.pid, **kind))
            .map(ToString::to_string)
            .collect::<Vec<_>>()
    });
    check!(
        seen.is_empty(),
        expected: format!("to be in all of {kinds:?}"),
        seen: format!("not in {}", seen.join(", ")),
        likely: "the call failed, and nobody was told; or one was enough",
        read: TASKS,
    );
}

fn forks(keep: &[RawFd]) -> ForkResult {
    // SAFETY: they are open, and stay so as long as this call takes.
    let keep: Vec<_> = keep.iter().map(|fd| unsafe { BorrowedFd::borrow_raw(*fd) }).collect();
    join::fork_inside(&keep).explained(
        "fork_inside(what is open)",
        &[
            (Errno::ENOMEM, "the first process of the namespace has ended: nobody can be born there"),
            (
                Errno::EINVAL,
                "close_range(2) wants its first number to be no larger than its last; unshare(2) has no business here",
            ),
            (Errno::EBADF, "what was to be kept was closed"),
        ],
        TASKS,
    )
}

fn lowers(powers: &Powers) {
    let lowered = join::lower(powers);
    let refused = match &lowered {
        Err(error) if error.to_string().contains("capset") => {
            "capset(2) lets nothing become inheritable that the bounding set has no more. What shall be inheritable is nothing: set_inheritable(0)"
        }
        _ => "PR_CAPBSET_DROP takes CAP_SETPCAP: was it given up too soon?",
    };
    let last = "the kernel knows fewer capabilities than 64: EINVAL says that its last one is behind you";
    lowered.explained("lower(powers)", &[(Errno::EINVAL, last), (Errno::EPERM, refused)], TASKS);
}

/// The sets of a caller before `lower`, after it, and of a program that it has started; `first` comes before all that.
fn lowered(powers: &Powers, first: impl Fn()) -> (Sets, Sets, Sets) {
    let texts = in_child(|| {
        first();
        let before = read("/proc/self/status");
        lowers(powers);
        let own = read("/proc/self/status");
        let program = Command::new("cat").arg("/proc/self/status").output().expect("cat");
        (before, own, String::from_utf8_lossy(&program.stdout).into_owned())
    });
    (Sets::of(&texts.0), Sets::of(&texts.1), Sets::of(&texts.2))
}

#[derive(Debug)]
struct Sets {
    permitted: CapSet,
    effective: CapSet,
    bounding: CapSet,
    ambient: CapSet,
}

impl Sets {
    fn of(status: &str) -> Sets {
        let set = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
            CapSet(u64::from_str_radix(line.trim(), 16).expect("a set"))
        };
        Sets { permitted: set("CapPrm:"), effective: set("CapEff:"), bounding: set("CapBnd:"), ambient: set("CapAmb:") }
    }
}

/// Some capabilities, among them what the test's own programs need.
fn some_caps() -> CapSet {
    CapSet(Random::new().bits()).and(CapSet::ALL).without(CapSet(1 << 10)).or(CapSet::SYS_ADMIN)
}

fn set_inheritable(set: u64) {
    let header = (0x2008_0522_u32, 0i32);
    let mut data = [[0u32; 3]; 2];
    // SAFETY: a header and, for this version, two times three numbers.
    unsafe {
        Errno::result(libc::syscall(libc::SYS_capget, &raw const header, data.as_mut_ptr())).expect("capget");
        // Not more than is permitted: that takes CAP_SETPCAP and the bounding set.
        (data[0][2], data[1][2]) = (set as u32 & data[0][1], (set >> 32) as u32 & data[1][1]);
        Errno::result(libc::syscall(libc::SYS_capset, &raw const header, data.as_ptr())).expect("capset");
    }
}

fn pidfd(pid: Pid) -> OwnedFd {
    // SAFETY: two integers; the descriptor is nobody else's.
    unsafe {
        let fd = libc::syscall(libc::SYS_pidfd_open, pid.as_raw(), 0);
        OwnedFd::from_raw_fd(Errno::result(fd).expect("pidfd_open") as i32)
    }
}

/// The process that a pidfd is of, as its fdinfo has it.
fn held_by(fd: BorrowedFd<'_>) -> Option<Pid> {
    let info = read(format!("/proc/self/fdinfo/{}", fd.as_raw_fd()));
    let pid = info.lines().find_map(|line| line.strip_prefix("Pid:"))?;
    pid.trim().parse().ok().map(Pid::from_raw)
}

fn is_cloexec(fd: RawFd) -> bool {
    // SAFETY: it takes integers.
    unsafe { libc::fcntl(fd, libc::F_GETFD) == libc::FD_CLOEXEC }
}

fn is_directory(fd: BorrowedFd<'_>) -> bool {
    fs::metadata(format!("/proc/self/fd/{}", fd.as_raw_fd())).is_ok_and(|it| it.is_dir())
}

fn is_open(fd: RawFd) -> bool {
    // SAFETY: it takes integers.
    unsafe { libc::fcntl(fd, libc::F_GETFD) >= 0 }
}

fn open_of(fds: &[RawFd]) -> Vec<RawFd> {
    fds.iter().copied().filter(|fd| is_open(*fd)).collect()
}

/// Opens under the number `to` what is open as `fd`: `to`. To be called in a child, where nobody uses what has this number.
fn same_as(fd: RawFd, to: RawFd) -> RawFd {
    // SAFETY: it takes integers.
    let status = unsafe { if fd == to { to } else { libc::dup3(fd, to, libc::O_CLOEXEC) } };
    Errno::result(status).expect("dup3")
}

/// A number above 1024, if any is to be had, that a loop over all of them reaches.
fn highest_fd() -> RawFd {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).expect("getrlimit");
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard).expect("setrlimit");
    (hard - 1).min(1024 + Random::new().below(20_000)) as RawFd
}

/// Whether nobody has the other end of this pipe.
fn ends_of(pipe: &impl AsFd) -> bool {
    let mut files = [PollFd::new(pipe.as_fd(), PollFlags::POLLIN)];
    poll(&mut files, PollTimeout::ZERO).expect("poll") == 1
}

fn inode(path: impl AsRef<Path>) -> Option<u64> {
    fs::metadata(path).map(|it| it.ino()).ok()
}

fn for_children(kind: NsKind) -> bool {
    matches!(kind, NsKind::PidForChildren | NsKind::TimeForChildren)
}

fn open_fds() -> Vec<RawFd> {
    (0..512).filter(|fd| is_open(*fd)).collect()
}

fn dumpable() -> Option<bool> {
    prctl::get_dumpable().ok()
}

/// A directory with a directory in it, and the name of that.
fn a_root() -> (PathBuf, String) {
    let (root, name) = (dir().join(random_name("root")), random_name("inside"));
    fs::create_dir_all(root.join(&name)).expect("mkdir");
    (root, name)
}

/// Removes a group as soon as nobody is in it.
fn gone(group: &Path) {
    eventually("the group is empty", || fs::remove_dir(group).is_ok());
}

fn ticks(pid: Pid) -> u64 {
    started_ticks(pid).expect("a process that runs")
}

fn id(pid: Pid, kind: NsKind) -> Option<u64> {
    fs::metadata(format!("/proc/{pid}/ns/{kind}")).map(|file| file.ino()).ok()
}

fn moved(before: &std::collections::BTreeMap<NsKind, model::NsId>, pid: Pid) -> BTreeSet<NsKind> {
    let own = before.iter().filter(|(kind, _)| !for_children(**kind));
    own.filter(|(kind, was)| id(pid, **kind) != Some(was.0)).map(|(kind, _)| *kind).collect()
}

fn differs(process: &Process) -> BTreeSet<NsKind> {
    let kinds = join::differing(process).explained(
        "differing(a process that runs)",
        &[
            (Errno::ENOENT, "a kind that this kernel does not have is none that differs"),
            (Errno::EACCES, "whose /proc/PID/ns was read?"),
        ],
        TASKS,
    );
    kinds.into_iter().collect()
}

fn flags(kinds: &BTreeSet<NsKind>) -> CloneFlags {
    kinds.iter().map(|kind| kind.clone_flag()).collect()
}

/// At least one of them.
fn some_of(all: &[NsKind]) -> BTreeSet<NsKind> {
    let bits = Random::new().bits();
    let some = all.iter().enumerate().filter(|(number, _)| bits & (1 << number) != 0).map(|(_, kind)| *kind);
    some.chain([all[bits as usize % all.len()]]).collect()
}

fn shuffled(kinds: &[NsKind]) -> Vec<NsKind> {
    let (mut random, mut kinds) = (Random::new(), kinds.to_vec());
    for at in (1..kinds.len()).rev() {
        kinds.swap(at, random.below(at as u64 + 1) as usize);
    }
    kinds
}

fn names(kinds: &BTreeSet<NsKind>) -> String {
    if kinds.is_empty() {
        "none".to_owned()
    } else {
        kinds.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
    }
}

fn read(path: impl AsRef<Path>) -> String {
    let path = path.as_ref();
    fs::read_to_string(path).during("read", path.display()).expect("a file of /proc")
}

fn shown<T: std::fmt::Debug>(result: &Result<T>) -> String {
    match result {
        Ok(value) => format!("Ok({value:?})"),
        Err(error) => format!("the error \"{error}\""),
    }
}
