//! Lab 00, `labs/lab00_namespace.rs`: which namespaces does a process live in?
//! Chapter: `book/src/lab00-namespace.md`.
//!
//! Every test runs under Shield: the other processes that it looks at are its own, in a throw-away host.

#![allow(unsafe_code, reason = "fork: the tests need processes to look at")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::MetadataExt;

use boxwright::steps::namespace;
use model::{Error, NsId, NsKind, Result};
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sched::{CloneFlags, setns, unshare};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{Id, WaitPidFlag, waitid, waitpid};
use nix::unistd::{ForkResult, Pid, fork, getpid, pause, pipe2, read, write};
use predicates::str::contains;
use testkit::{Explained, check, drop_capabilities, in_child, needs, shielded};

const RULES: &str = "lab00-namespace.md, The kernel's rules";
/// What each errno means here.
const REASONS: [(Errno, &str); 2] = [
    (Errno::ENOENT, "the path has no such file; it is /proc/PID/ns/KIND, and NsKind's Display writes KIND"),
    (Errno::EACCES, "looking at another process needs the rights of tracing it (ptrace(2), PTRACE_MODE_READ)"),
];
/// `CLONE_NEWTIME`, which nix does not name.
const NEWTIME: CloneFlags = CloneFlags::from_bits_retain(0x80);

/// Another process: it does what it was told, then waits to be looked at. It is ended and reaped on drop, so that
/// a failed check leaves nobody behind.
struct Other(Pid);

impl Other {
    /// A process that has run `start`.
    fn after(start: impl FnOnce()) -> Self {
        let (ready, tell) = pipe2(OFlag::O_CLOEXEC).expect("a pipe");
        // SAFETY: under a shield the process has one thread.
        match unsafe { fork() }.expect("fork") {
            ForkResult::Child => {
                start();
                let _ = write(&tell, b"!");
                loop {
                    pause();
                }
            }
            ForkResult::Parent { child } => {
                let other = Other(child);
                drop(tell);
                assert_eq!(read(&ready, &mut [0]), Ok(1), "the other process ended early");
                other
            }
        }
    }

    /// One in new namespaces.
    fn within(flags: CloneFlags) -> Self {
        Other::after(|| unshare(flags).expect("unshare"))
    }

    /// One that has ended and that nobody has waited for.
    fn zombie() -> Self {
        // SAFETY: as above.
        match unsafe { fork() }.expect("fork") {
            // SAFETY: _exit takes an integer and does not return.
            ForkResult::Child => unsafe { libc::_exit(0) },
            ForkResult::Parent { child } => {
                waitid(Id::Pid(child), WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT).expect("waitid");
                Other(child)
            }
        }
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        let _ = kill(self.0, Signal::SIGKILL);
        let _ = waitpid(self.0, None);
    }
}

/// What the kernel says, read by the test itself.
fn kernel_says(pid: Pid, kind: NsKind) -> Option<NsId> {
    fs::metadata(format!("/proc/{pid}/ns/{kind}")).ok().map(|file| NsId(file.ino()))
}

/// The kinds that this kernel was built with.
fn kinds() -> impl Iterator<Item = NsKind> {
    NsKind::ALL.into_iter().filter(|kind| kernel_says(getpid(), *kind).is_some())
}

/// Calls `identity` and holds it against the kernel.
fn check_identity(pid: Pid, kind: NsKind, whose: &str) {
    let asked = namespace::identity(pid, kind);
    check!(
        !matches!(asked, Err(Error::NoNamespace { .. } | Error::NoSuchProcess(_))),
        expected: format!("identity() of {whose}, {kind}, to succeed"),
        seen: described(&asked),
        likely: format!("/proc/{pid}/ns/{kind} is there and answers: was another file asked?"),
        read: RULES,
    );
    let seen = asked.explained(&format!("identity() of {whose}, {kind},"), &REASONS, RULES);
    let expected = kernel_says(pid, kind).expect("a namespace");
    let other_kind = NsKind::ALL.into_iter().find(|other| kernel_says(pid, *other) == Some(seen));
    let link = fs::symlink_metadata(format!("/proc/{pid}/ns/{kind}")).map(|link| NsId(link.ino())).ok();
    check!(
        seen == expected,
        expected: format!("{whose} to live in the {kind} namespace {expected}"),
        seen: seen,
        likely: match other_kind {
            _ if pid != getpid() && kernel_says(getpid(), kind) == Some(seen) => {
                "that is the caller's own namespace: /proc/self was read, whatever PID was asked for".to_owned()
            }
            Some(NsKind::PidForChildren | NsKind::TimeForChildren) => {
                "that is where its children will be born, which is another file than where it lives".to_owned()
            }
            Some(other) => format!("that is its {other} namespace: the name of the file follows from the kind"),
            None if link == Some(seen) => {
                "that is the inode of the symbolic link itself: stat(2) follows the link, lstat(2) does not".to_owned()
            }
            None => format!("no namespace of that process has this number; compare: readlink /proc/PID/ns/{kind}"),
        },
        read: RULES,
    );
}

#[test]
fn task1_a_process_sees_its_own_namespaces_of_every_kind() {
    shielded(|| {
        for kind in kinds() {
            check_identity(getpid(), kind, "this process");
        }
    });
}

#[test]
fn task1_another_process_is_asked_for_its_own_namespaces() {
    shielded(|| {
        let flags = CloneFlags::CLONE_NEWUTS | CloneFlags::CLONE_NEWIPC | CloneFlags::CLONE_NEWNS;
        let other = Other::within(flags);
        for kind in kinds() {
            check_identity(other.0, kind, "a child that unshared uts, ipc and mnt");
        }
    });
}

#[test]
fn task1_a_process_and_its_children_may_live_in_different_pid_namespaces() {
    shielded(|| {
        in_child(|| {
            unshare(CloneFlags::CLONE_NEWPID).expect("unshare");
            // Until its first process is there, the new namespace has no PID 1, and no file shows it.
            check_missing(getpid(), NsKind::PidForChildren, "a process that unshared pid and has no child yet");
            let first = Other::after(|| {});
            check_identity(getpid(), NsKind::Pid, "a process that unshared pid");
            check_identity(getpid(), NsKind::PidForChildren, "a process that unshared pid and has a child");
            check_identity(first.0, NsKind::Pid, "its first child");
        });
    });
}

#[test]
fn task1_a_process_and_its_children_may_live_in_different_time_namespaces() {
    shielded(|| {
        in_child(|| {
            if kernel_says(getpid(), NsKind::Time).is_none() {
                // A kernel built without time namespaces has no such file.
                return check_missing(getpid(), NsKind::Time, "a process of a kernel without time namespaces");
            }
            unshare(NEWTIME).expect("unshare");
            check_identity(getpid(), NsKind::Time, "a process that unshared time");
            check_identity(getpid(), NsKind::TimeForChildren, "a process that unshared time");
        });
    });
}

#[test]
fn task1_a_zombie_is_there_and_lacks_a_namespace() {
    shielded(|| {
        let zombie = Other::zombie();
        check_missing(zombie.0, NsKind::Uts, "a zombie, which has ended and was not waited for,");
        // What the table of processes still needs, it keeps.
        check_identity(zombie.0, NsKind::Pid, "a zombie");
    });
}

#[test]
fn task1_a_process_that_is_gone_is_told_from_one_that_lacks_a_namespace() {
    shielded(|| {
        let other = Other::zombie();
        let gone = other.0;
        drop(other);
        let seen = namespace::identity(gone, NsKind::Uts);
        check!(
            matches!(seen, Err(Error::NoSuchProcess(pid)) if pid == gone),
            expected: format!("Error::NoSuchProcess for a process that has ended and was reaped, PID {gone}"),
            seen: described(&seen),
            likely: match &seen {
                Ok(_) => "a number was made up: without /proc/PID there is nothing to read it from",
                Err(Error::NoNamespace { .. }) => "for a process that is gone /proc/PID is missing too, not the file alone",
                Err(_) => "ENOENT was passed on as it came; here it has two meanings, so look whether /proc/PID is there",
            },
            read: RULES,
        );
    });
}

#[test]
fn task1_a_refusal_is_reported_as_one() {
    shielded(|| {
        // PID 1 of the shield keeps its capabilities; who has fewer may not look at it.
        in_child(|| {
            drop_capabilities();
            check_refused(namespace::identity(Pid::from_raw(1), NsKind::Uts), "identity()");
        });
    });
}

#[test]
fn task2_two_processes_share_a_namespace_or_do_not() {
    shielded(|| {
        let (a, b) = (Other::within(CloneFlags::CLONE_NEWUTS), Other::within(CloneFlags::CLONE_NEWUTS));
        let guest = Other::after(|| {
            let file = fs::File::open(format!("/proc/{}/ns/uts", a.0)).expect("open");
            setns(file, CloneFlags::CLONE_NEWUTS).expect("setns");
        });
        let pairs = [
            (getpid(), a.0, "this process and a child that unshared uts"),
            (a.0, b.0, "two children that each unshared uts"),
            (a.0, guest.0, "a child that unshared uts and one that joined it by setns(2)"),
            (a.0, a.0, "a process and itself"),
        ];
        for (a, b, who) in pairs {
            for kind in kinds() {
                let seen = namespace::same(a, b, kind).explained("same()", &REASONS, RULES);
                let expected = kernel_says(a, kind) == kernel_says(b, kind);
                check!(
                    seen == expected,
                    expected: format!("same() to be {expected} for {who}, {kind}"),
                    seen: seen,
                    likely: match expected {
                        _ if !knows(a, kind) || !knows(b, kind) => "identity() gives a wrong number for one of the two: see task 1",
                        false => "the kind was compared and not the identity: both links begin alike, the number differs",
                        true => "equal identities mean the same namespace; compare what identity() returns for both",
                    },
                    read: RULES,
                );
            }
        }
    });
}

#[test]
fn task2_what_cannot_be_read_is_equal_to_nothing() {
    shielded(|| {
        let (a, b) = (Other::zombie(), Other::zombie());
        for (a, b) in [(a.0, b.0), (getpid(), a.0), (b.0, getpid())] {
            let seen = namespace::same(a, b, NsKind::Uts);
            check!(
                matches!(seen, Err(Error::NoNamespace { .. })),
                expected: "same() to return identity()'s error when a process has no UTS namespace any more",
                seen: format!("{seen:?}"),
                likely: match seen {
                    Ok(_) if !knows(a, NsKind::Uts) || !knows(b, NsKind::Uts) => {
                        "identity() makes up a number for a process that has none: see task 1"
                    }
                    Ok(true) => "a missing file was taken for equal: None == None is true, but nothing was compared",
                    Ok(false) => "the error was turned into an answer: nobody knows whether they shared one",
                    Err(_) => "the error of identity() was replaced by another one, or is a wrong one: see task 1",
                },
                read: RULES,
            );
        }
    });
}

#[test]
fn task2_a_refusal_is_reported_as_one() {
    shielded(|| {
        in_child(|| {
            drop_capabilities();
            check_refused(namespace::same(getpid(), Pid::from_raw(1), NsKind::Uts), "same()");
        });
    });
}

#[test]
fn task3_the_list_is_every_process_grouped_by_namespace() {
    shielded(|| {
        let _others = several();
        for kind in kinds() {
            check_list(kind);
        }
    });
}

#[test]
fn task3_processes_that_cannot_be_read_are_left_out() {
    shielded(|| {
        let _others = several();
        let _zombie = Other::zombie();
        check_list(NsKind::Uts);
        // From here on, PID 1 and the others are not ours to see.
        in_child(|| {
            drop_capabilities();
            check_list(NsKind::Uts);
        });
    });
}

#[test]
fn task3_the_list_agrees_with_lsns() {
    needs!(program = lsns);
    shielded(|| {
        let _others = several();
        let lsns = assert_cmd::Command::new("lsns").args(["-n", "-r", "-t", "uts", "-o", "NS,NPROCS"]).output();
        let text = String::from_utf8_lossy(&lsns.expect("lsns").stdout).into_owned();
        let line = |line: &str| line.split_once(' ').map(|(id, count)| (id.to_owned(), count.parse()));
        let mut expected: BTreeMap<_, usize> =
            text.lines().filter_map(line).filter_map(|(id, count)| Some((id, count.ok()?))).collect();
        // lsns counts itself.
        let own = kernel_says(getpid(), NsKind::Uts).expect("a namespace").0.to_string();
        expected.entry(own).and_modify(|count| *count -= 1);
        let list = namespace::list(NsKind::Uts).explained("list()", &REASONS, RULES);
        let seen: BTreeMap<_, usize> =
            list.iter().map(|namespace| (namespace.id.0.to_string(), namespace.members.len())).collect();
        check!(
            seen == expected,
            expected: format!("the UTS namespaces and process counts that lsns(8) shows: {expected:?}"),
            seen: format!("{seen:?}"),
            likely: "compare line by line: a namespace that is missing or listed twice, or a count that is off because a process was left out",
            read: RULES,
        );
    });
}

#[test]
fn run_ns_shows_the_namespaces_of_a_process() {
    shielded(|| {
        let other = Other::within(CloneFlags::CLONE_NEWUTS | CloneFlags::CLONE_NEWIPC);
        let pid = other.0.to_string();
        // Nobody else lives in these two, so only the right answer holds the numbers.
        for (arguments, whose) in [(vec!["ns"], getpid()), (vec!["ns", &pid], other.0)] {
            let mut assert = testkit::boxwright!().args(&arguments).assert().success();
            for kind in kinds() {
                let id = kernel_says(whose, kind).expect("a namespace").0.to_string();
                assert = assert.stdout(contains(kind.file_name())).stdout(contains(id));
            }
        }
    });
}

#[test]
fn run_ns_says_so_when_there_is_no_such_process() {
    shielded(|| {
        let other = Other::zombie();
        let gone = other.0.to_string();
        drop(other);
        testkit::boxwright!().args(["ns", &gone]).assert().failure().stderr(contains(format!("no process {gone}")));
    });
}

/// Whether `identity` is right about this process: what task 2 leans on.
fn knows(pid: Pid, kind: NsKind) -> bool {
    namespace::identity(pid, kind).ok() == kernel_says(pid, kind)
}

/// Twelve processes in four UTS namespaces, turn by turn, so that neighbours never share one and the PIDs have
/// one and two digits.
fn several() -> Vec<Other> {
    let mut others: Vec<Other> = (0..4).map(|_| Other::within(CloneFlags::CLONE_NEWUTS)).collect();
    for turn in 0..8 {
        let host = others[turn % 4].0;
        others.push(Other::after(|| {
            let file = fs::File::open(format!("/proc/{host}/ns/uts")).expect("open");
            setns(file, CloneFlags::CLONE_NEWUTS).expect("setns");
        }));
    }
    others
}

/// Calls `list` and holds it against a walk of the test's own.
fn check_list(kind: NsKind) {
    let mut walk: BTreeMap<NsId, Vec<i32>> = BTreeMap::new();
    let mut processes: Vec<i32> = fs::read_dir("/proc")
        .expect("/proc")
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .collect();
    processes.sort_unstable();
    for pid in processes {
        if let Some(id) = kernel_says(Pid::from_raw(pid), kind) {
            walk.entry(id).or_default().push(pid);
        }
    }
    let expected: Vec<(NsId, Vec<i32>)> = walk.into_iter().collect();
    let listed = namespace::list(kind);
    check!(
        listed.is_ok(),
        expected: format!("list({kind:?}) to leave out the processes that it cannot read"),
        seen: described(&listed),
        likely: "the first process that is gone, a zombie, or not ours to see ended the walk; it is no reason to give up",
        read: RULES,
    );
    let seen: Vec<(NsId, Vec<i32>)> = listed
        .unwrap_or_default()
        .into_iter()
        .map(|namespace| (namespace.id, namespace.members.iter().map(|pid| pid.as_raw()).collect()))
        .collect();
    let identities: BTreeSet<NsId> = seen.iter().map(|(id, _)| *id).collect();
    let sorted = |list: &[(NsId, Vec<i32>)]| -> BTreeMap<NsId, BTreeSet<i32>> {
        list.iter().map(|(id, members)| (*id, members.iter().copied().collect())).collect()
    };
    check!(
        seen == expected,
        expected: format!("the {kind} namespaces and their members: {}", in_short(&expected)),
        seen: in_short(&seen),
        likely: match () {
            () if seen.is_empty() => "nothing was listed: the processes are the entries of /proc whose names are numbers",
            () if identities.len() != seen.len() => "a namespace is listed twice: its members are not neighbours in /proc, so group all of them by identity",
            () if sorted(&seen) != sorted(&expected) => "a process is missing, or in the wrong group",
            () if seen.iter().map(|(id, _)| id).eq(expected.iter().map(|(id, _)| id)) => "the members are out of order: PIDs are numbers, and as text 10 comes before 9",
            () => "the namespaces are out of order: smallest identity first",
        },
        read: RULES,
    );
}

/// Holds a refusal of the kernel against what the verb made of it.
fn check_refused<T>(result: Result<T>, call: &str) {
    let errno = result.as_ref().err().and_then(Error::errno);
    check!(
        errno == Some(Errno::EACCES),
        expected: format!("{call} to report EACCES for a process that is not the caller's to see"),
        seen: described(&result),
        likely: match &result {
            Ok(_) => "the error was turned into an answer",
            Err(_) => "every failure was taken for ENOENT: a refusal says nothing about whether the process is there",
        },
        read: RULES,
    );
}

/// The process is there, the file does not answer.
fn check_missing(pid: Pid, kind: NsKind, who: &str) {
    let seen = namespace::identity(pid, kind);
    check!(
        matches!(&seen, Err(Error::NoNamespace { pid: of, kind: which }) if *of == pid && *which == kind),
        expected: format!("Error::NoNamespace for {who} and the kind {kind}"),
        seen: match &seen {
            Ok(id) => format!("Ok({id})"),
            refused => described(refused),
        },
        likely: match &seen {
            Ok(_) => "nothing answers behind /proc/PID/ns/KIND here, so there is no identity; if the number is that of the link itself (lstat), stat is the call that follows it",
            Err(Error::NoSuchProcess(_)) => "the process is still there, only the file is missing: look whether /proc/PID exists",
            Err(_) => "ENOENT of the file, while /proc/PID is there, is what Error::NoNamespace stands for",
        },
        read: RULES,
    );
}

fn in_short(list: &[(NsId, Vec<i32>)]) -> String {
    let groups: Vec<String> = list.iter().map(|(id, members)| format!("{id} {members:?}")).collect();
    groups.join(", ")
}

fn described<T>(result: &Result<T>) -> String {
    match result {
        Ok(_) => "Ok(_)".to_owned(),
        Err(error) => format!("the error \"{error}\""),
    }
}
