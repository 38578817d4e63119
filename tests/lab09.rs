//! Lab 09, `labs/lab09_userns.rs`: root inside, nobody outside. Chapter: `book/src/lab09-userns.md`.
//!
//! What is text is tried as text. What the kernel does is tried with namespaces of the test's own making, as root, and
//! as an ordinary user with a range; who somebody is, is read from /proc, by themselves and from outside.

#![allow(unsafe_code, reason = "setenv, and the calls on namespaces and detached mounts that have no safe wrapper")]

use std::collections::BTreeSet;
use std::ffi::CString;
use std::fmt::Display;
use std::fs::{self, File};
use std::io::{PipeWriter, Read, pipe};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use boxwright::steps::userns;
use model::ids::{IdMaps, IdRange};
use model::{Error, NsId, NsKind, Result};
use nix::errno::Errno;
use nix::fcntl::{AtFlags, FcntlArg, fcntl};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, setns, unshare};
use nix::sys::stat::{fstat, fstatat};
use nix::sys::statvfs::fstatvfs;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{Gid, Pid, Uid, chown, getegid, geteuid, getgroups, setgroups, setresgid, setresuid};
use predicates::prelude::PredicateBooleanExt;
use predicates::str::{contains, is_match};
use testkit::{
    Explained, Rootfs, Running, SUBORDINATE, Shield, USER, check, dir, disk_dir, drop_capabilities, in_child, inside,
    moves_only, namespaces, needs, patience, random_name, shielded, start_child, written,
};

const RULES: &str = "lab09-userns.md, The kernel's rules";
const TASKS: &str = "lab09-userns.md, Tasks";
/// Who is shown in place of an id that is nobody's: /proc/sys/kernel/overflowuid.
const NOBODY: u32 = 65_534;

// ---- task 1 ----

#[test]
fn task1_a_line_is_a_range() {
    shielded(|| {
        let range = some_range(0, 1 << 30);
        // The kernel pads the columns; a person who writes a map does not.
        for line in [
            as_the_kernel(&[range]),
            format!("{range}"),
            format!("\t {} {}  {}\n", range.inside, range.outside, range.count),
        ] {
            reads(&line, &[range]);
        }
        // The map of a machine's own namespace: every id but the last, which means "none".
        reads("         0          0 4294967295\n", &[IdRange { inside: 0, outside: 0, count: u32::MAX }]);
    });
}

#[test]
fn task1_every_line_counts() {
    shielded(|| {
        let ranges: Vec<_> = (1..=3 + random(6)).map(|n| some_range(n << 16, n << 20)).collect();
        reads(&as_the_kernel(&ranges), &ranges);
    });
}

#[test]
fn task1_no_line_is_no_range() {
    // So that a body that never gives a range is noticed here too.
    task1_a_line_is_a_range();
    // What the file holds until somebody writes it.
    shielded(|| reads("", &[]));
}

#[test]
fn task1_the_callers_own_map() {
    shielded(|| {
        let text = fs::read_to_string("/proc/self/uid_map").expect("uid_map");
        reads(&text, &ranges(&text));
    });
}

#[test]
fn task1_what_is_no_range_is_refused() {
    shielded(|| {
        let good = some_range(0, 1 << 20);
        for line in ["0 1000", "0 1000 1 1", "0 1000 many", "-1 1000 1", "0 4294967296 1", "uid 0 1"] {
            let text = format!("{line}\n{good}\n");
            let seen = userns::parse(&text);
            check!(
                seen.is_err(),
                expected: format!("parse({text:?}) to return an error"),
                seen: shown(&seen),
                likely: match seen.as_ref().map_or(0, Vec::len) {
                    1 => "the line was left out: a map with a line less is another map, and nobody would know",
                    0 => "nothing is read at all: see task1_a_line_is_a_range",
                    _ => "something was made of a line that is not three numbers from 0 to 4294967295",
                },
                read: TASKS,
            );
        }
    });
}

// ---- task 2 ----

#[test]
fn task2_own_comes_first_and_the_range_follows() {
    shielded(|| {
        let person = Person::new();
        let (own, first, count) = (person.uid, 100_000 + random(1 << 20), 2 + random(1 << 16));
        let subids = format!("{}:{first}:{count}\n", person.name);
        person.gets(Some(own), &subids, &[(own, 1), (first, count)], "");
    });
}

#[test]
fn task2_several_ranges_without_a_gap() {
    shielded(|| {
        let person = Person::new();
        let ranges = several_ranges();
        let subids: String = ranges.iter().map(|(first, count)| format!("{}:{first}:{count}\n", person.name)).collect();
        let all = [&[(person.uid, 1)], ranges.as_slice()].concat();
        person.gets(Some(person.uid), &subids, &all, "");
    });
}

#[test]
fn task2_without_own_the_ranges_begin_at_0() {
    shielded(|| {
        let person = Person::new();
        let ranges = several_ranges();
        let subids: String = ranges.iter().map(|(first, count)| format!("{}:{first}:{count}\n", person.name)).collect();
        person.gets(
            None,
            &subids,
            &ranges,
            "without own nothing stands before the ranges: the first of them begins at 0",
        );
    });
}

#[test]
fn task2_without_a_line_own_is_all() {
    shielded(|| {
        let person = Person::new();
        person.gets(
            Some(person.uid),
            "",
            &[(person.uid, 1)],
            "whoever has no range still has themselves: that is a map",
        );
    });
}

#[test]
fn task2_the_owner_is_a_name_or_a_number() {
    shielded(|| {
        let person = Person::new();
        let ranges = several_ranges();
        let owners = [person.name.clone(), person.uid.to_string()];
        let owners = owners.iter().cycle().skip(random(2) as usize);
        let subids: String =
            ranges.iter().zip(owners).map(|((first, count), owner)| format!("{owner}:{first}:{count}\n")).collect();
        let all = [&[(person.uid, 1)], ranges.as_slice()].concat();
        let likely = "an owner is written as a name or as a number, and lines of both kinds count: subuid(5)";
        person.gets(Some(person.uid), &subids, &all, likely);
    });
}

#[test]
fn task2_lines_of_others_are_theirs() {
    shielded(|| {
        let person = Person::new();
        let Person { name, uid } = &person;
        let (first, count) = (100_000 + random(1 << 20), 2 + random(1 << 16));
        // Names that begin or end like the user's, the user's number as another field, and their ids beside ours.
        let subids = format!(
            "{name}2:{first}:{count}\nmy{name}:{}:{count}\nother:{uid}:{count}\n{uid}0:{first}:1\n{name}:{first}:{count}\n{}:{first}:{count}\n",
            first + count,
            uid - 1,
        );
        let likely = "a line counts when its first field, all of it, is the user: its name or its number";
        person.gets(Some(*uid), &subids, &[(*uid, 1), (first, count)], likely);
    });
}

#[test]
fn task2_what_newuidmap_cannot_read_is_left_out() {
    shielded(|| {
        let person = Person::new();
        let name = &person.name;
        let (first, count) = (100_000 + random(1 << 20), 2 + random(1 << 16));
        let other = first + count + random(1 << 16);
        let subids = format!(
            "# {name}:1:1\n\n{name}\n{name}:{other}\n{name}:{other}:\n{name}:{other}:many\n{name}::{count}\n{name}:-1:{count}\n\
             {name}:{other}:0\n{name}:{first}:{count}"
        );
        let likely = "a comment, an empty line, a line without two numbers, a count of 0 give nothing, and take nothing from the other lines";
        person.gets(Some(person.uid), &subids, &[(person.uid, 1), (first, count)], likely);
    });
}

#[test]
fn task2_an_id_that_would_be_there_twice_is_refused() {
    shielded(|| {
        let person = Person::new();
        let (first, count) = (100_000 + random(1 << 20), 10 + random(1 << 16));
        let line = |first: u32, count: u32| format!("{}:{first}:{count}\n", person.name);
        let inside_it = first + random(count);
        // The user's own id in the range; then the second line begins in the first one, ends in it, is in it, has it.
        let cases = [
            (Some(inside_it), line(first, count)),
            (Some(person.uid), line(first, count) + &line(first + count - 1, count)),
            (Some(person.uid), line(first, count) + &line(first - 5, 6)),
            (None, line(first, count) + &line(inside_it, 1)),
            (None, line(inside_it, 1) + &line(first, count)),
            // The first line has as many ids as there can be: where the second would begin inside is no u32.
            (Some(person.uid), line(first, u32::MAX) + &line(inside_it, 1)),
        ];
        for (own, subids) in cases {
            let seen = person.map(own, &subids);
            check!(
                matches!(seen, Err(Error::Invalid { .. })),
                expected: format!("{} to return Error::Invalid", person.call(own, &subids)),
                seen: shown(&seen),
                likely: match &seen {
                    _ if !person.is_served() => "see task2_own_comes_first_and_the_range_follows",
                    Ok(map) if map.len() < 2 => "a line was dropped without a word: whoever wrote it would look for it in vain",
                    Ok(_) => "the kernel takes no map in which an id is there twice (EINVAL), and does not say which one",
                    Err(_) => "Error::invalid() makes the error: nothing was asked of the kernel",
                },
                read: RULES,
            );
        }
    });
}

#[test]
fn task2_neighbours_do_not_overlap() {
    shielded(|| {
        let person = Person::new();
        let (first, count) = (100_000 + random(1 << 20), 10 + random(1 << 16));
        let own = first - 1;
        let subids = format!("{0}:{first}:{count}\n{0}:{1}:{count}\n", person.name, first + count);
        let likely =
            "one range ends where the next begins: no id is in both. The first id after a range is first + count";
        person.gets(Some(own), &subids, &[(own, 1), (first, count), (first + count, count)], likely);
    });
}

#[test]
fn task2_nothing_to_map_is_refused() {
    shielded(|| {
        let person = Person::new();
        for subids in [String::new(), format!("other:{}:65536\n", 100_000 + random(1 << 20))] {
            let seen = person.map(None, &subids);
            check!(
                matches!(seen, Err(Error::Invalid { .. })),
                expected: format!("{} to return Error::Invalid", person.call(None, &subids)),
                seen: shown(&seen),
                likely: match person.is_served() {
                    true => "a namespace without a map has nobody in it: its user would be nobody for good, and learn that late",
                    false => "see task2_own_comes_first_and_the_range_follows",
                },
                read: TASKS,
            );
        }
    });
}

// ---- task 3 ----

/// What each errno means when root writes a map; EPERM depends on who it is.
const WRITE_REASONS: [(Errno, &str); 5] = [
    (
        Errno::EPERM,
        "a map is written once, and the first write is all of it: every further one is refused. All lines go into one write",
    ),
    (
        Errno::EINVAL,
        "each write is read as a whole map, lines of three numbers: a piece of a line is none. write!() to a File writes piece by piece",
    ),
    (Errno::ENOENT, "there is no such file: /proc/PID/uid_map, gid_map and setgroups, of the process that was given"),
    (Errno::ESRCH, "the process has ended"),
    (Errno::EACCES, "the files of /proc/PID are its user's: is it another process?"),
];

#[test]
fn task3_a_single_id() {
    shielded(|| {
        let maps = IdMaps {
            uids: vec![only(random(1 << 30), geteuid().as_raw())],
            gids: vec![only(random(1 << 30), getegid().as_raw())],
        };
        writes(&maps);
    });
}

#[test]
fn task3_root_gives_ranges_in_one_write() {
    needs!(subuid);
    Shield::new().with_ids().run(|| {
        writes(&some_maps());
    });
}

#[test]
fn task3_root_leaves_setgroups_allowed() {
    needs!(subuid);
    Shield::new().with_ids().run(|| {
        let member = writes(&some_maps());
        check!(
            member.reads("setgroups") == "allow",
            expected: "/proc/PID/setgroups to say \"allow\": root is trusted with groups",
            seen: format!("{:?}", member.reads("setgroups")),
            likely: "setgroups was denied to everybody: then no process in there can give up a group, and `su`, `login` and `sudo` fail",
            read: RULES,
        );
    });
}

#[test]
fn task3_a_user_denies_setgroups_first() {
    needs!(subuid);
    Shield::new().as_user().run(|| {
        let member = Member::start();
        let maps = own_id();
        let result = userns::write_maps(member.pid(), &maps);
        if result.is_err() && member.reads("setgroups") == "allow" {
            let likely = "the kernel takes no gid_map from an ordinary user while setgroups(2) is allowed in there, and afterwards \
                          it cannot be denied any more: \"deny\" goes first";
            testkit::teach("write_maps() by an ordinary user to succeed", result.expect_err("checked"), likely, RULES);
        }
        let reasons = [&[(Errno::EPERM, "an ordinary user gives away one id, their own, in one line")], &WRITE_REASONS[1..]].concat();
        result.explained("write_maps() by an ordinary user, of their own id,", &reasons, RULES);
        member.has(&maps, "write_maps()");
        assert_eq!(member.reads("setgroups"), "deny", "the kernel took a gid_map without it");
    });
}

#[test]
fn task3_ids_of_others_are_refused() {
    needs!(subuid);
    Shield::new().as_user().run(|| {
        let theirs = SUBORDINATE.0 + random(1000);
        for (uid, gid) in [(theirs, getegid().as_raw()), (geteuid().as_raw(), theirs), (0, 0)] {
            let maps = IdMaps { uids: vec![only(0, uid)], gids: vec![only(0, gid)] };
            let member = Member::start();
            refused(
                userns::write_maps(member.pid(), &maps),
                Errno::EPERM,
                format_args!("write_maps() of {}", told(&maps)),
                "write(2)",
                fault_in_3,
            );
        }
    });
}

#[test]
fn task3_it_can_be_done_once() {
    shielded(|| {
        let maps = own_id();
        let member = writes(&maps);
        refused(userns::write_maps(member.pid(), &maps), Errno::EPERM, "a second write_maps()", "write(2)", fault_in_3);
        member.has(&maps, "a second write_maps() that was refused");
    });
}

#[test]
fn task3_what_the_kernel_cannot_take_is_reported() {
    shielded(|| {
        // So that a body that refuses everything is noticed here too.
        writes(&own_id());
        let (uid, gid) = (geteuid().as_raw(), getegid().as_raw());
        let twice = IdMaps { uids: vec![only(0, uid), only(1, uid)], gids: vec![only(0, gid)] };
        let seen = userns::write_maps(Member::start().pid(), &twice);
        check!(
            seen.as_ref().is_err_and(|error| matches!(error.errno(), None | Some(Errno::EINVAL))),
            expected: format!("write_maps() of {} to return an error: EINVAL, {uid} is there twice", told(&twice)),
            seen: seen.as_ref().map_or_else(Error::to_string, |()| "Ok(())".to_owned()),
            likely: match (fault_in_3(), &seen) {
                (Some(fault), _) => fault,
                (None, Ok(())) => "what write(2) returned was thrown away",
                (None, Err(_)) => "the lines went one by one, and the kernel took the first for the whole map: see task3_root_gives_ranges_in_one_write",
            },
            read: RULES,
        );
        let gone = Member::start();
        let pid = gone.pid();
        drop(gone);
        let seen = userns::write_maps(pid, &own_id());
        check!(
            seen.is_err(),
            expected: "write_maps() for a process that has ended to return an error",
            seen: "Ok(())",
            likely: "see task3_it_can_be_done_once",
            read: RULES,
        );
    });
}

// ---- task 4 ----

/// What goes wrong before newuidmap has a word to say.
const HELPER_REASONS: [(Errno, &str); 3] = [
    (
        Errno::EPERM,
        "the map was written by the caller: only newuidmap(1) and newgidmap(1), which are root's, may give ranges away",
    ),
    (Errno::ENOENT, "they are in PATH under the names newuidmap and newgidmap"),
    (Errno::EINVAL, "the caller wrote the map, piece by piece"),
];

#[test]
fn task4_own_id_and_a_range() {
    needs!(subuid);
    Shield::new().as_user().run(|| {
        let (uid, gid) = (geteuid().as_raw(), getegid().as_raw());
        let range =
            |own: u32| vec![only(0, own), IdRange { inside: 1, outside: SUBORDINATE.0, count: 2 + random(500) }];
        helped(&IdMaps { uids: range(uid), gids: range(gid) });
    });
}

#[test]
fn task4_several_ranges_and_groups_of_their_own() {
    needs!(subuid);
    Shield::new().as_user().run(|| helped(&some_maps()));
}

#[test]
fn task4_setgroups_stays_allowed() {
    needs!(subuid);
    Shield::new().as_user().run(|| {
        let maps = some_maps();
        let member = Member::start();
        map_with_helpers(&member, &maps);
        check!(
            member.reads("setgroups") == "allow",
            expected: "/proc/PID/setgroups to say \"allow\": /etc/subgid says so, and newgidmap trusts it",
            seen: format!("{:?}", member.reads("setgroups")),
            likely: "it was denied here as for a single id; with groups of their own, those inside need setgroups(2)",
            read: RULES,
        );
    });
}

#[test]
fn task4_what_newuidmap_says_is_in_the_error() {
    needs!(subuid);
    // Ids that nobody has given to the user.
    let theirs = || vec![IdRange { inside: 0, outside: 5, count: 1 + random(9) }];
    says_why("newuidmap", || IdMaps { uids: theirs(), gids: own_id().gids });
    says_why("newgidmap", || IdMaps { uids: own_id().uids, gids: theirs() });
}

#[test]
fn task4_a_helper_that_is_missing_is_reported() {
    shielded(|| {
        let (member, fault) = (Member::start(), fault_in_4());
        // SAFETY: this process has one thread, and setenv copies both strings.
        unsafe { nix::libc::setenv(c"PATH".as_ptr(), c"/no/such/directory".as_ptr(), 1) };
        let result = userns::map_with_helpers(member.pid(), &own_id());
        // Whoever looks for them elsewhere may well find them.
        let names_it = |text: String| text.contains("newuidmap") || text.contains("newgidmap");
        let is_mapped = !member.reads("uid_map").is_empty() && !member.reads("gid_map").is_empty();
        check!(
            is_mapped || result.as_ref().is_err_and(|error| names_it(error.to_string())),
            expected: "map_with_helpers() with an empty PATH to return an error that names newuidmap or newgidmap",
            seen: result.as_ref().map_or_else(Error::to_string, |()| "Ok(()), and no map".to_owned()),
            likely: match (fault, &result) {
                (Some(fault), _) => fault,
                (None, Ok(())) => "that it could not be started was thrown away",
                (None, Err(_)) => "the error has to name what is missing: .during(\"start\", program)",
            },
            read: TASKS,
        );
    });
}

// ---- task 5 ----

/// What each errno means when a namespace is made.
const CREATE_REASONS: [(Errno, &str); 6] = [
    (
        Errno::EPERM,
        "the child is in a namespace of its own from unshare(2) on: a map written before that goes to the caller's, which has one",
    ),
    (
        Errno::EINVAL,
        "a piece of a line was written to the map, or unshare(2) was called by a process with several threads",
    ),
    (
        Errno::ENOSPC,
        "unshare(2) found too many user namespaces, or too many inside each other: /proc/sys/user/max_user_namespaces",
    ),
    (Errno::ESRCH, "the child had ended before its map was written or its namespace opened"),
    (Errno::ENOENT, "the child was gone, reaped, when its files in /proc were opened"),
    (Errno::EACCES, "the child's files in /proc were not the caller's: it changed its ids"),
];

#[test]
fn task5_the_map_is_there_when_it_returns() {
    shielded(|| makes(&IdMaps { uids: vec![only(random(1 << 30), geteuid().as_raw())], ..own_id() }));
}

#[test]
fn task5_root_gives_ranges() {
    needs!(subuid);
    Shield::new().with_ids().run(|| makes(&some_maps()));
}

#[test]
fn task5_a_user_gives_ranges() {
    needs!(subuid);
    Shield::new().as_user().run(|| {
        let maps = || vec![only(0, USER), IdRange { inside: 1, ..some_range(0, SUBORDINATE.0) }];
        makes(&IdMaps { uids: maps(), gids: maps() });
    });
}

#[test]
fn task5_a_user_without_ranges_gives_themselves() {
    needs!(subuid);
    Shield::new().as_user().run(|| makes(&own_id()));
}

#[test]
fn task5_again_and_again() {
    shielded(|| {
        for _ in 0..20 {
            makes(&own_id());
        }
    });
}

#[test]
fn task5_it_is_a_new_namespace_below_the_callers() {
    shielded(|| {
        let [one, two] = [(); 2].map(|()| identity(creates(&own_id()).as_fd()));
        let own = namespaces()[&NsKind::User];
        check!(
            one != two && one != Some(own) && two != Some(own) && one.is_some(),
            expected: format!("create() twice to return two user namespaces, neither of them the caller's, {own}"),
            seen: format!("{} and {}", in_words(one), in_words(two)),
            likely: match one {
                None => "the descriptor is of no user namespace: /proc/PID/ns/user is what names it",
                Some(one) if one == own => "the namespace of the wrong process was opened: the child's is the new one, and self is the caller",
                Some(_) => "the same one was returned twice",
            },
            read: TASKS,
        );
        let namespace = creates(&own_id());
        let parent = related(namespace.as_fd(), NS_GET_PARENT);
        check!(
            parent.as_ref().is_ok_and(|parent| identity(parent.as_fd()) == Some(own)),
            expected: format!("its parent to be the caller's namespace, {own}"),
            seen: in_words(parent.ok().and_then(|parent| identity(parent.as_fd()))),
            likely: "the child was in a new namespace already when it made this one: one unshare(2) is enough",
            read: RULES,
        );
    });
}

#[test]
fn task5_the_caller_stays_where_it_is() {
    shielded(|| {
        let look = || (namespaces(), fs::read_to_string("/proc/self/status").expect("status"));
        let field = |status: &str| ids(status, "Uid:");
        let (before, status) = look();
        drop(creates(&own_id()));
        let (after, now) = look();
        check!(
            before == after && field(&status) == field(&now),
            expected: "the caller to be in the namespaces that it was in, as who it was",
            seen: match before == after {
                false => "another user namespace".to_owned(),
                true => format!("uids {:?}, before {:?}", field(&now), field(&status)),
            },
            likely: "the caller itself called unshare(2): there is no way back for it. The child calls it",
            read: RULES,
        );
    });
}

#[test]
fn task5_nobody_and_nothing_is_left() {
    shielded(|| {
        let open = || inside().descriptors.len();
        let before = open();
        let namespace = creates(&own_id());
        let left = open() - before;
        check!(
            left == 1,
            expected: "one descriptor more than before, the namespace's",
            seen: format!("{left} more"),
            likely: "a pipe of its own is still open: each process drops its ends, and the child drops the parent's too",
            read: TASKS,
        );
        nobody_is_left("create()");
        closed_by_exec(namespace.as_fd(), "create()");
        drop(namespace);
    });
}

#[test]
fn task5_the_child_ends_with_the_caller() {
    shielded(|| {
        drop(creates(&own_id()));
        for _ in 0..20 {
            let caller = start_child::<()>(|| {
                loop {
                    drop(userns::create(&own_id()));
                }
            });
            sleep(Duration::from_millis(1 + u64::from(random(5))));
            // Killed wherever it is.
            drop(caller);
        }
        let own = fs::read_link("/proc/self/ns/user").expect("the namespace");
        let elsewhere = || {
            let processes = fs::read_dir("/proc").expect("/proc").flatten();
            let runs = |process: &PathBuf| {
                fs::read_to_string(process.join("status")).is_ok_and(|status| !status.contains("State:\tZ"))
            };
            let running = processes.map(|process| process.path()).filter(runs);
            running.filter_map(|process| fs::read_link(process.join("ns/user")).ok()).filter(|of| *of != own).count()
        };
        let end = Instant::now() + patience(Duration::from_secs(2));
        while elsewhere() > 0 && Instant::now() < end {
            sleep(Duration::from_millis(5));
        }
        check!(
            elsewhere() == 0,
            expected: "nobody to be left in a new namespace whose maker was killed in the middle of create()",
            seen: format!("{} of 20 are there for ever", elsewhere()),
            likely: "the child waits to be ended: with a pipe it ends by itself when the last other end is closed, whoever closed it",
            read: TASKS,
        );
    });
}

#[test]
fn task5_a_refused_map_is_reported() {
    shielded(|| {
        let uid = geteuid().as_raw();
        let twice = IdMaps { uids: vec![only(0, uid), only(1, uid)], ..own_id() };
        let seen = userns::create(&twice);
        check!(
            seen.as_ref().is_err_and(|error| matches!(error.errno(), None | Some(Errno::EINVAL))),
            expected: format!("create() with {} to return an error: EINVAL, {uid} is there twice", told(&twice)),
            seen: seen.as_ref().map_or_else(Error::to_string, |_| "a namespace".to_owned()),
            likely: "the map's refusal was thrown away, or another one came first",
            read: TASKS,
        );
        nobody_is_left("create() that failed");
    });
}

#[test]
fn task5_what_newuidmap_says_is_in_the_error() {
    needs!(subuid);
    Shield::new().as_user().run(|| {
        let theirs = IdMaps { uids: vec![IdRange { inside: 0, outside: 5, count: 1 + random(9) }], ..own_id() };
        let words = said_by("newuidmap", &theirs);
        let seen = userns::create(&theirs);
        check!(
            seen.as_ref().is_err_and(|error| error.to_string().contains(&words) || error.errno() == Some(Errno::EPERM)),
            expected: format!("an error that says what newuidmap said: {words:?}"),
            seen: seen.as_ref().map_or_else(Error::to_string, |_| "a namespace".to_owned()),
            likely: "see task4_what_newuidmap_says_is_in_the_error",
            read: TASKS,
        );
        nobody_is_left("create() that failed");
    });
}

#[test]
fn task5_a_refused_namespace_is_reported() {
    shielded(|| {
        // In a namespace of its own, where a limit is its root's to set and nobody else's to feel.
        in_child(|| {
            enter_one_with_own_id();
            let works = userns::create(&own_id()).is_ok();
            fs::write("/proc/sys/user/max_user_namespaces", "0").expect("the limit");
            let seen = userns::create(&own_id());
            check!(
                seen.as_ref().is_err_and(|error| error.errno() == Some(Errno::ENOSPC)),
                expected: "create() to return what unshare(2) says where no user namespace may be made: ENOSPC",
                seen: seen.as_ref().map_or_else(Error::to_string, |_| "a namespace".to_owned()),
                likely: match &seen {
                    _ if !works => "see task5_the_map_is_there_when_it_returns",
                    Ok(_) => "what the child was told is not known to its parent, which opened a namespace all the same",
                    Err(_) => "the child kept the errno of unshare(2) to itself, and the parent went on: its own errors say nothing about the cause",
                },
                read: RULES,
            );
            nobody_is_left("create() that failed");
        });
    });
}

// ---- task 6 ----

/// What each errno means when a namespace is entered.
const ENTER_REASONS: [(Errno, &str); 3] = [
    (
        Errno::EPERM,
        "setgroups(2) where it is denied: /proc/self/setgroups says so inside, and then the groups stay; or an id was changed \
         without the capability for it",
    ),
    (
        Errno::EINVAL,
        "setns(2): the caller is in it already, or has several threads; setresuid(2), setresgid(2): the id is not mapped in there",
    ),
    (Errno::EBADF, "the descriptor was closed before setns(2), or is none"),
];

#[test]
fn task6_it_is_the_namespace_that_was_given() {
    shielded(|| {
        let namespace = made(&own_id());
        let given = identity(namespace.as_fd());
        moves_only(NsKind::User, "CLONE_NEWUSER", || enters(namespace.as_fd()), |_| None, RULES);
        let seen = namespaces()[&NsKind::User];
        check!(
            given == Some(seen),
            expected: format!("the caller to be in the namespace that it was given, {}", in_words(given)),
            seen: seen,
            likely: "a new namespace was made: setns(2) enters one that is there",
            read: TASKS,
        );
    });
}

#[test]
fn task6_every_capability_is_there() {
    shielded(|| {
        let namespace = made(&own_id());
        enters(namespace.as_fd());
        let last: u32 = fs::read_to_string("/proc/sys/kernel/cap_last_cap")
            .expect("cap_last_cap")
            .trim()
            .parse()
            .expect("a number");
        let (all, seen) = ((1_u64 << (last + 1)) - 1, inside().capabilities);
        let missing: Vec<_> =
            ["CapPrm", "CapEff", "CapBnd"].into_iter().filter(|set| seen.get(*set) != Some(&all)).collect();
        check!(
            missing.is_empty(),
            expected: format!("every capability in the new namespace, {all:x}"),
            seen: format!("{missing:?} of {seen:x?}"),
            likely: "setns(2) gives them all; leaving user 0 inside takes them away again",
            read: RULES,
        );
    });
}

#[test]
fn task6_every_id_is_0() {
    needs!(subuid);
    Shield::new().with_ids().run(|| {
        is_root_inside(&some_maps_with_0());
    });
}

#[test]
fn task6_a_user_is_root_inside_and_a_user_outside() {
    needs!(subuid);
    Shield::new().as_user().run(|| {
        let maps = || vec![only(0, USER), IdRange { inside: 1, ..some_range(0, SUBORDINATE.0) }];
        is_root_inside(&IdMaps { uids: maps(), gids: maps() });
        is_root_inside(&own_id());
    });
}

#[test]
fn task6_the_groups_are_gone() {
    needs!(subuid);
    Shield::new().with_ids().run(|| {
        // A file that is open to a group and to nobody else but its owner.
        let group = SUBORDINATE.0 + 20_000 + random(1000);
        let path = dir().join("of-a-group");
        fs::write(&path, "words").expect("a file");
        chown(&path, None, Some(Gid::from_raw(group))).expect("chown");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).expect("chmod");
        let namespace = made(&some_maps_with_0());
        let (groups, read) = in_child(|| {
            setgroups(&[Gid::from_raw(group)]).expect("setgroups");
            enters(namespace.as_fd());
            assert_root_inside(namespace.as_fd());
            (getgroups().expect("getgroups").len(), fs::read_to_string(&path).is_ok())
        });
        check!(
            groups == 0 && !read,
            expected: "no supplementary group inside",
            seen: match read {
                true => format!("{groups}, and a file of group {group} outside, which is for this group alone, was read"),
                false => format!("{groups}"),
            },
            likely: "the caller's groups came along: nobody can name them inside, and they open files all the same. setgroups(2) with none",
            read: RULES,
        );
    });
}

#[test]
fn task6_where_setgroups_is_denied_the_groups_stay() {
    shielded(|| {
        let namespace = made_with(&own_id(), |member| member.writes("setgroups", "deny"));
        in_child(|| enters(namespace.as_fd()));
    });
}

#[test]
fn task6_root_inside_is_nobody_outside() {
    needs!(subuid);
    Shield::new().with_ids().run(|| {
        // What is above the test's directory may be closed to others: so the path begins in it.
        let directory = Path::new("of-the-host");
        fs::create_dir(directory).expect("mkdir");
        let file = directory.join("precious");
        fs::write(&file, "words").expect("a file");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).expect("chmod");
        let namespace = made(&some_maps_with_0());
        let (owner, done) = in_child(|| {
            enters(namespace.as_fd());
            assert_root_inside(namespace.as_fd());
            let owner = fs::metadata(&file).expect("stat").uid();
            let tries: [(&str, std::io::Result<()>); 4] = [
                ("read", fs::read(&file).map(drop)),
                ("changed", fs::write(&file, "other words")),
                ("made one's own", chown(&file, Some(Uid::from_raw(0)), None).map_err(Into::into)),
                ("removed", fs::remove_file(&file)),
            ];
            let done: Vec<String> =
                tries.iter().filter(|(_, result)| result.is_ok()).map(|(what, _)| what.to_string()).collect();
            (owner, done)
        });
        check!(
            done.is_empty() && owner == NOBODY,
            expected: format!("a file of root outside to be nobody's ({NOBODY}) inside, and closed to root inside"),
            seen: format!("owner {owner}; it was {done:?}"),
            likely: "a power of the caller's came along: an id, a group or a capability from outside",
            read: RULES,
        );
    });
}

#[test]
fn task6_what_cannot_be_entered_is_reported() {
    shielded(|| {
        let own = File::open("/proc/self/ns/user").expect("its own namespace");
        refused(
            userns::enter(own.as_fd()),
            Errno::EINVAL,
            "enter() of the namespace that the caller is in",
            "setns(2)",
            fault_in_6,
        );
        let without_0 = made(&IdMaps { uids: vec![only(1 + random(1000), geteuid().as_raw())], ..own_id() });
        in_child(|| {
            refused(
                userns::enter(without_0.as_fd()),
                Errno::EINVAL,
                "enter() of a namespace that has no user 0",
                "setresuid(2)",
                fault_in_6,
            );
        });
        // So that a body that refuses everything is noticed here too.
        let good = made(&own_id());
        in_child(|| enters(good.as_fd()));
    });
}

#[test]
fn task6_another_users_namespace_is_refused() {
    needs!(subuid);
    Shield::new().with_ids().run(|| {
        let namespace = made(&own_id());
        in_child(|| {
            let (uid, gid) = (Uid::from_raw(USER), Gid::from_raw(USER));
            setresgid(gid, gid, gid).expect("setresgid");
            setresuid(uid, uid, uid).expect("setresuid");
            refused(
                userns::enter(namespace.as_fd()),
                Errno::EPERM,
                "enter() by a user who did not make the namespace",
                "setns(2)",
                fault_in_6,
            );
        });
    });
}

// ---- task 7 ----

/// What each errno means when a mount gets other owners.
const IDMAP_REASONS: [(Errno, &str); 6] = [
    (
        Errno::EINVAL,
        "mount_setattr(2) gives other owners to a mount that is nowhere in the tree yet: a copy by open_tree(2) with OPEN_TREE_CLONE",
    ),
    (
        Errno::EPERM,
        "a mount gets its owners once; and the map of the namespace that the file system is of is no map: userns_fd is another one's",
    ),
    (Errno::EBADF, "userns_fd is a descriptor of a user namespace, and so is the first argument one of a mount"),
    (Errno::ENOENT, "an empty path means the descriptor itself with AT_EMPTY_PATH, and nothing without it"),
    (Errno::E2BIG, "mount_setattr(2) wants the size of struct mount_attr as its last argument"),
    (Errno::EFAULT, "the path is a C string, and the attributes a pointer to struct mount_attr"),
];

#[test]
fn task7_owners_are_those_of_the_namespace() {
    idmapping(|source| {
        let copy = source.copy();
        source.check_owners(&copy, "", "the mount");
    });
}

#[test]
fn task7_nothing_else_is_another() {
    idmapping(|source| {
        let copy = source.copy();
        let [before, seen] = [File::open(&source.path).expect("the source").into(), copy]
            .map(|directory: OwnedFd| (fstatvfs(&directory).expect("statvfs").flags(), directory));
        check!(
            seen.0 == before.0,
            expected: format!("the flags of the mount to be those of the source: {:?}", before.0),
            seen: format!("{:?}", seen.0),
            likely: source.fault().unwrap_or("attr_set has more than MOUNT_ATTR_IDMAP: which options a mount has, the caller says"),
            read: TASKS,
        );
        closed_by_exec(seen.1.as_fd(), "idmapped()");
    });
}

#[test]
fn task7_mounts_below_come_along() {
    idmapping(|source| {
        in_child(|| {
            // What is mounted here stays here.
            unshare(CloneFlags::CLONE_NEWNS).expect("unshare");
            mount(None::<&str>, "/", None::<&str>, MsFlags::MS_REC | MsFlags::MS_PRIVATE, None::<&str>)
                .expect("private");
            source.mount_below();
            let copy = source.copy();
            let file = fstatat(&copy, "below/of-root", AtFlags::empty());
            check!(
                file.is_ok(),
                expected: "a mount below the source to be below the copy too",
                seen: format!("{:?} where its file is looked for", file.as_ref().err()),
                likely: source
                .fault()
                .unwrap_or("one mount was copied, and what was mounted on it left out: open_tree(2) takes AT_RECURSIVE"),
                read: RULES,
            );
            source.check_owners(&copy, "below", "the mount below");
        });
    });
}

#[test]
fn task7_what_is_written_inside_is_roots_on_the_disk() {
    idmapping(|source| {
        let copy = source.copy();
        let name = random_name("new");
        let written = in_child(|| {
            become_root_of(source.namespace.as_fd());
            let path = format!("/proc/self/fd/{}/{name}", copy.as_raw_fd());
            fs::write(path, "words").map_err(|error| error.to_string())
        });
        check!(
            written.is_ok(),
            expected: "root inside to make a file in the copy of a directory that is root's",
            seen: format!("{written:?}"),
            likely: "root inside is nobody in there (EACCES), or somebody whom the mount does not know (EOVERFLOW): see task7_owners_are_those_of_the_namespace",
            read: RULES,
        );
        let file = fs::metadata(source.path.join(&name)).expect("the file, where it was mounted from");
        check!(
            (file.uid(), file.gid()) == (0, 0),
            expected: "the file to be root's on the disk: 0:0",
            seen: format!("{}:{}", file.uid(), file.gid()),
            likely: "it was written past the map: see task7_owners_are_those_of_the_namespace",
            read: RULES,
        );
    });
}

#[test]
fn task7_the_source_stays_as_it_is() {
    idmapping(|source| {
        let look = || {
            (
                source.owners(&File::open(&source.path).expect("the source"), ""),
                fs::read_to_string("/proc/self/mountinfo").expect("mountinfo"),
            )
        };
        let before = look();
        let copy = source.copy();
        let after = look();
        check!(
            before.0 == after.0,
            expected: format!("the files in the source to belong to {:?} as before", before.0),
            seen: format!("{:?}", after.0),
            likely: "the owners were changed on the disk, for everybody and for good: the map is the mount's, and nothing is written",
            read: RULES,
        );
        check!(
            before.1 == after.1,
            expected: "the tree of mounts to be as it was",
            seen: "another one",
            likely: "the copy was mounted somewhere: where it goes is for the caller to say",
            read: TASKS,
        );
        drop(copy);
    });
}

#[test]
fn task7_what_cannot_be_mapped_is_reported() {
    idmapping(|source| {
        // So that a body that refuses everything is noticed here too.
        drop(source.copy());
        let idmapped = |path: &Path| userns::idmapped(path, source.namespace.as_fd()).map(drop);
        refused(
            idmapped(Path::new("/proc")),
            Errno::EINVAL,
            "idmapped() of /proc, which cannot do that,",
            "mount_setattr(2)",
            || source.fault(),
        );
        refused(
            idmapped(&source.path.join("not-there")),
            Errno::ENOENT,
            "idmapped() of a path that is not there",
            "open_tree(2)",
            || source.fault(),
        );
        in_child(|| {
            drop_capabilities();
            refused(idmapped(&source.path), Errno::EPERM, "idmapped() without CAP_SYS_ADMIN", "open_tree(2)", || {
                source.fault()
            });
        });
    });
}

// ---- the command line ----

#[test]
fn run_a_user_is_root_inside_with_a_range() {
    written!(9);
    needs!(subuid);
    Shield::new().as_user().run(|| {
        let output = run(&[], "id -u; id -g; id -G; cat /proc/self/uid_map /proc/self/gid_map").success();
        let seen = String::from_utf8_lossy(&output.get_output().stdout).into_owned();
        let (who, maps) = seen.split_at(6);
        assert_eq!(who, "0\n0\n0\n", "user, group and groups inside");
        let map = [only(0, USER), IdRange { inside: 1, outside: SUBORDINATE.0, count: SUBORDINATE.1 }];
        assert_eq!(lines(&ranges(maps)), lines(&[map, map].concat()), "uid_map, then gid_map, inside");
    });
}

#[test]
fn run_what_root_makes_inside_is_the_users_outside() {
    written!(9, leans on 4, 5, 6);
    needs!(subuid);
    Shield::new().as_user().run(|| {
        let shared = dir().join("tmp/shared");
        fs::create_dir(&shared).expect("mkdir");
        let [uid, gid] = [1 + random(60_000), 1 + random(60_000)];
        let (image, volume) = (image(), format!("{}:/v", shared.display()));
        let flags = ["--rootfs", &image, "-v", &volume];
        run(&flags, &format!("echo > /v/own; echo > /v/other; chown {uid}:{gid} /v/other")).success();
        let owner = |name: &str| fs::metadata(shared.join(name)).map(|file| (file.uid(), file.gid())).expect(name);
        assert_eq!(owner("own"), (USER, USER), "root's file is the caller's");
        let theirs = (SUBORDINATE.0 + uid - 1, SUBORDINATE.0 + gid - 1);
        assert_eq!(owner("other"), theirs, "the file of {uid}:{gid}");
    });
}

#[test]
fn run_roots_files_outside_are_nobodys_inside() {
    written!(9, leans on 4, 5, 6);
    needs!(subuid);
    Shield::new().as_user().run(|| {
        // Of the shield's own, root's: etc/passwd, and the directory it is in.
        let etc = dir().join("etc");
        let before = fs::read(etc.join("passwd")).expect("passwd");
        let (image, volume) = (image(), format!("{}:/host", etc.display()));
        let flags = ["--rootfs", &image, "-v", &volume];
        let tries = "id -u; ls -ln /host/passwd; rm -f /host/passwd; echo > /host/passwd; chown 0 /host/passwd";
        let nobodys = is_match(format!(r"^0\n\S+ +\d+ {NOBODY} {NOBODY} ")).expect("a regular expression");
        let denied =
            is_match(r"(?is)rm:.*(not permitted|denied).*passwd.*denied.*chown:.*not permitted").expect("one too");
        run(&flags, tries).failure().stdout(nobodys).stderr(denied);
        assert_eq!(fs::read(etc.join("passwd")).expect("passwd"), before);
    });
}

#[test]
fn run_as_root_the_ids_are_the_hosts() {
    written!(9);
    shielded(|| {
        let own = fs::read_to_string("/proc/self/uid_map").expect("uid_map");
        for flags in [&["--userns", "host"][..], &[]] {
            run(flags, "cat /proc/self/uid_map").success().stdout(own.clone());
        }
    });
}

#[test]
fn run_a_user_cannot_have_the_hosts_ids() {
    written!(9);
    needs!(subuid);
    Shield::new().as_user().run(|| {
        let one_line = contains("--userns").and(contains("ids of its own")).and(contains("\n").count(1));
        run(&["--userns", "host"], "true").code(2).stdout("").stderr(one_line);
    });
}

#[test]
fn run_root_gives_somebodys_ids() {
    written!(9);
    needs!(subuid);
    Shield::new().with_ids().run(|| {
        let flags = ["--userns-remap", "learner", "--workdir", "/"];
        let output = run(&flags, "id -u; cat /proc/self/uid_map /proc/self/gid_map").success();
        let seen = String::from_utf8_lossy(&output.get_output().stdout).into_owned();
        let (who, maps) = seen.split_at(2);
        assert_eq!(who, "0\n", "root inside");
        let map = [IdRange { inside: 0, outside: SUBORDINATE.0, count: SUBORDINATE.1 }];
        assert_eq!(lines(&ranges(maps)), lines(&[map, map].concat()), "uid_map, then gid_map, inside");
        let unknown = random_name("nobody");
        run(&["--userns-remap", &unknown], "true").code(2).stderr(contains("--userns-remap").and(contains(&unknown)));
    });
}

#[test]
fn run_with_somebodys_ids_files_keep_their_owners() {
    written!(9, leans on 4, 5, 6);
    needs!(subuid, kernel = 6.3);
    Shield::new().with_ids().run(|| {
        let shared = dir().join("tmp/shared");
        fs::create_dir(&shared).expect("mkdir");
        chown(&shared, None, Some(Gid::from_raw(USER))).expect("chown");
        let image = image();
        let volume = format!("{}:/v:idmap", shared.display());
        let flags = ["--userns-remap", "learner", "--rootfs", &image, "-v", &volume];
        let owners = is_match(format!(r"^\S+ +\d+ 0 {USER} .*\n.* 0 0 .* /made\n")).expect("a regular expression");
        let script =
            format!("ls -lnd /v; > /made; ls -ln /made; echo > /v/own; echo > /v/other; chown {USER} /v/other");
        run(&flags, &script).success().stdout(owners);
        let owner = |path: &Path| fs::metadata(path).map(|file| (file.uid(), file.gid())).expect("a file");
        assert_eq!(owner(&shared.join("own")), (0, 0), "in a volume, what is root's inside is root's");
        assert_eq!(owner(&shared.join("other")), (USER, 0), "in a volume, ids are what they are inside");
        let made = Path::new(&image).join("made");
        // From lab 12 on it is in the container's own layer.
        assert!(!made.exists() || owner(&made) == (0, 0), "in the root file system too");
    });
}

#[test]
fn run_with_one_id_says_so() {
    written!(9);
    needs!(subuid);
    Shield::new().as_user().run(|| {
        let mut command = testkit::boxwright!();
        // Nothing there that could map a range, nor anything else.
        command.env("PATH", dir().join("tmp"));
        command.args(["run", "--", "/bin/sh", "-c", "read map < /proc/self/uid_map; echo $map"]);
        let told = contains("newuidmap").and(contains("one user"));
        command.assert().success().stdout(format!("0 {USER} 1\n")).stderr(told);
    });
}

#[test]
fn run_inspect_shows_the_maps() {
    written!(9);
    needs!(subuid);
    Shield::new().as_user().run(|| {
        let name = random_name("box");
        let mut command = Command::new(env!("CARGO_BIN_EXE_boxwright"));
        command.args(["run", "-i", "--name", &name, "--", "sh", "-c", "echo up; read line"]);
        let mut boxwright = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("start boxwright");
        let mut up = [0; 3];
        boxwright.stdout.as_mut().expect("piped").read_exact(&mut up).expect("up");
        let seen = testkit::boxwright!().args(["inspect", &name]).assert().success();
        let seen: serde_json::Value = serde_json::from_slice(&seen.get_output().stdout).expect("JSON");
        for map in ["uidMappings", "gidMappings"] {
            let part = |line: usize, what: &str| seen[map][line][what].as_u64().unwrap_or(u64::MAX) as u32;
            let range = |line| IdRange {
                inside: part(line, "containerID"),
                outside: part(line, "hostID"),
                count: part(line, "size"),
            };
            assert_eq!(range(0), only(0, USER), "{map}");
            assert_eq!(range(1), IdRange { inside: 1, outside: SUBORDINATE.0, count: SUBORDINATE.1 }, "{map}");
        }
        // Waits for its end, and before that lets it read to the end of its input.
        boxwright.wait().expect("wait");
    });
}

// ---- what the tests look with ----

fn random(end: u32) -> u32 {
    let name = random_name("number");
    let (_, digits) = name.rsplit_once('-').expect("a dash");
    u32::from_str_radix(digits, 16).expect("hexadecimal digits") % end
}

fn only(inside: u32, outside: u32) -> IdRange {
    IdRange { inside, outside, count: 1 }
}

/// A range with random numbers, from `inside` and `outside` on.
fn some_range(inside: u32, outside: u32) -> IdRange {
    IdRange { inside: inside + random(1000), outside: outside + random(1000), count: 1 + random(1000) }
}

/// The caller's own ids, as root inside.
fn own_id() -> IdMaps {
    IdMaps { uids: vec![only(0, geteuid().as_raw())], gids: vec![only(0, getegid().as_raw())] }
}

/// Ranges that are the caller's to give, others for users than for groups, with holes between them.
fn some_maps() -> IdMaps {
    let map = || {
        let one = some_range(0, SUBORDINATE.0);
        let two = some_range(one.inside + one.count, SUBORDINATE.0 + 10_000);
        vec![one, two, only(two.inside + two.count + random(1000), USER)]
    };
    IdMaps { uids: map(), gids: map() }
}

/// First id and count of some lines of /etc/subuid, in no order, none overlapping.
fn several_ranges() -> Vec<(u32, u32)> {
    let mut ranges: Vec<_> = (1..=3 + random(3)).map(|n| ((n << 20) + random(1 << 16), 2 + random(1 << 16))).collect();
    let turns = random(ranges.len() as u32) as usize;
    ranges.rotate_left(turns);
    ranges
}

/// As the kernel shows a map.
fn as_the_kernel(map: &[IdRange]) -> String {
    map.iter().map(|range| format!("{:10} {:10} {:10}\n", range.inside, range.outside, range.count)).collect()
}

/// The test's own reading of what the kernel shows.
fn ranges(text: &str) -> Vec<IdRange> {
    let numbers: Vec<u32> = text.split_whitespace().map(|number| number.parse().expect("a number")).collect();
    let (ranges, rest) = numbers.as_chunks::<3>();
    assert!(rest.is_empty(), "{text:?}");
    ranges.iter().map(|&[inside, outside, count]| IdRange { inside, outside, count }).collect()
}

/// A map on one line.
fn lines(map: &[IdRange]) -> String {
    match map {
        [] => "no line".to_owned(),
        _ => map.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
    }
}

fn told(maps: &IdMaps) -> String {
    format!("uid_map {{{}}}, gid_map {{{}}}", lines(&maps.uids), lines(&maps.gids))
}

fn shown(seen: &Result<Vec<IdRange>>) -> String {
    seen.as_ref().map_or_else(Error::to_string, |map| lines(map))
}

#[track_caller]
fn reads(text: &str, expected: &[IdRange]) {
    let seen = userns::parse(text);
    check!(
        seen.as_ref().is_ok_and(|seen| seen == expected),
        expected: format!("parse({text:?}) to return {}", lines(expected)),
        seen: shown(&seen),
        likely: match &seen {
            Err(_) if expected.is_empty() => "a map that nobody has written yet is no error: it has no lines",
            Err(_) => "there are several blanks between the columns, and before the first: a split at each of them gives empty words",
            Ok(seen) if seen.is_empty() => "nothing is read at all",
            Ok(seen) if seen.len() < expected.len() => "a line a range, and a map may have many: the others were left out",
            Ok(_) => "the columns are ID-inside, ID-outside, length, in this order",
        },
        read: RULES,
    );
}

/// Somebody with a name and a number.
struct Person {
    name: String,
    uid: u32,
}

impl Person {
    fn new() -> Self {
        Person { name: random_name("user"), uid: 1000 + random(1000) }
    }

    fn map(&self, own: Option<u32>, subids: &str) -> Result<Vec<IdRange>> {
        userns::container_map(own, subids, &self.name, Uid::from_raw(self.uid))
    }

    /// Whether somebody with a line gets a map.
    fn is_served(&self) -> bool {
        let expected = [only(0, self.uid), IdRange { inside: 1, outside: 1 << 20, count: 2 }];
        let map = self.map(Some(self.uid), &format!("{}:{}:2\n", self.name, 1 << 20));
        map.is_ok_and(|map| map == expected)
    }

    fn call(&self, own: Option<u32>, subids: &str) -> String {
        format!("container_map({own:?}, {subids:?}, {:?}, {})", self.name, self.uid)
    }

    /// Checks that the ranges outside, first id and count, get their places inside; `likely` is what only this test can know.
    #[track_caller]
    fn gets(&self, own: Option<u32>, subids: &str, outside: &[(u32, u32)], likely: &str) {
        let mut next = 0;
        let mut place = |&(outside, count): &(u32, u32)| {
            let inside = next;
            next += count;
            IdRange { inside, outside, count }
        };
        let expected: Vec<_> = outside.iter().map(&mut place).collect();
        let seen = self.map(own, subids);
        check!(
            seen.as_ref().is_ok_and(|seen| *seen == expected),
            expected: format!("{} to return {}", self.call(own, subids), lines(&expected)),
            seen: shown(&seen),
            likely: seen.as_ref().ok().and_then(|seen| layout_fault(seen, &expected)).unwrap_or(likely),
            read: RULES,
        );
    }
}

/// What is wrong with a map, whatever it was made from.
fn layout_fault(seen: &[IdRange], expected: &[IdRange]) -> Option<&'static str> {
    let firsts = |map: &[IdRange]| map.iter().map(|range| range.outside).collect::<Vec<_>>();
    let sorted = |map: &[IdRange]| firsts(map).into_iter().collect::<BTreeSet<_>>();
    let is_same = firsts(seen) == firsts(expected);
    if seen.is_empty() {
        Some("no map is made at all")
    } else if seen[0].outside == 0 {
        Some(
            "root inside is root outside: 0 stands for own, the caller's id outside, or the container's root is the machine's",
        )
    } else if is_same && seen.iter().zip(expected).any(|(seen, expected)| seen.count != expected.count) {
        Some("the third field is how many ids there are, not the last one")
    } else if is_same && seen != expected {
        Some(
            "a range begins inside where the one before it ended, at its inside + its count: no gap, no overlap, the first at 0",
        )
    } else if sorted(seen) == sorted(expected) {
        Some("own is 0 inside, so it comes first; then the ranges in the order of their lines")
    } else {
        None
    }
}

/// A process in a user namespace that nobody has mapped yet. It sleeps until it is dropped.
struct Member(Running<()>);

impl Member {
    fn start() -> Self {
        let (mut told, tell) = pipe().expect("a pipe");
        let in_there = move |tell: PipeWriter| {
            unshare(CloneFlags::CLONE_NEWUSER).expect("a user namespace");
            drop(tell);
            loop {
                sleep(Duration::from_secs(60));
            }
        };
        let running = start_child(|| in_there(tell));
        told.read_to_end(&mut Vec::new()).expect("its word");
        Member(running)
    }

    fn pid(&self) -> Pid {
        self.0.pid()
    }

    /// A file of /proc/PID.
    fn reads(&self, name: &str) -> String {
        fs::read_to_string(format!("/proc/{}/{name}", self.pid())).expect(name).trim().to_owned()
    }

    fn writes(&self, name: &str, text: &str) {
        fs::write(format!("/proc/{}/{name}", self.pid()), text).expect(name);
    }

    /// The test's own maps: as root by itself, as an ordinary user by the helpers.
    fn is_mapped(&self, maps: &IdMaps) {
        for (name, program, map) in [("uid_map", "newuidmap", &maps.uids), ("gid_map", "newgidmap", &maps.gids)] {
            if geteuid().is_root() {
                self.writes(name, &map.iter().map(|range| format!("{range}\n")).collect::<String>());
            } else {
                let output = self.asks(program, map);
                assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
            }
        }
    }

    fn asks(&self, program: &str, map: &[IdRange]) -> std::process::Output {
        let numbers = map.iter().flat_map(|range| [range.inside, range.outside, range.count]);
        let mut command = Command::new(program);
        command.arg(self.pid().to_string()).args(numbers.map(|number| number.to_string())).output().expect(program)
    }

    fn maps(&self) -> IdMaps {
        IdMaps { uids: ranges(&self.reads("uid_map")), gids: ranges(&self.reads("gid_map")) }
    }

    #[track_caller]
    fn has(&self, maps: &IdMaps, call: &str) {
        let seen = self.maps();
        check!(
            seen == *maps,
            expected: format!("{} after {call}", told(maps)),
            seen: told(&seen),
            likely: map_fault(&seen, maps),
            read: RULES,
        );
    }
}

/// What is wrong with the maps of a namespace.
fn map_fault(seen: &IdMaps, maps: &IdMaps) -> &'static str {
    let is_cut = |seen: &[IdRange], map: &[IdRange]| !seen.is_empty() && seen.len() < map.len();
    if seen.uids.is_empty() && seen.gids.is_empty() {
        "no map is there: whoever comes in is nobody, 65534, and can become nobody else"
    } else if seen.gids.is_empty() {
        "users have their map, groups have none: gid_map is a file of its own, and newgidmap a program"
    } else if (&seen.uids, &seen.gids) == (&maps.gids, &maps.uids) {
        "each map is in the other's file"
    } else if is_cut(&seen.uids, &maps.uids) || is_cut(&seen.gids, &maps.gids) {
        "a map may have many lines, and the rest of them were left out"
    } else {
        "the numbers of a line are inside, outside, count, in this order"
    }
}

/// Calls write_maps for a new namespace as root, and looks at what came of it.
#[track_caller]
fn writes(maps: &IdMaps) -> Member {
    let member = Member::start();
    userns::write_maps(member.pid(), maps).explained(&format!("write_maps() of {}", told(maps)), &WRITE_REASONS, RULES);
    member.has(maps, "write_maps()");
    member
}

/// Calls map_with_helpers, and explains what it says.
#[track_caller]
fn map_with_helpers(member: &Member, maps: &IdMaps) {
    let result = userns::map_with_helpers(member.pid(), maps);
    if let Err(error) = &result
        && error.errno().is_none()
    {
        let likely =
            "the arguments are the PID, then inside, outside, count of each range, every number a word of its own";
        testkit::teach(format_args!("map_with_helpers() of {} to succeed", told(maps)), error, likely, RULES);
    }
    result.explained(&format!("map_with_helpers() of {}", told(maps)), &HELPER_REASONS, RULES);
}

#[track_caller]
fn helped(maps: &IdMaps) {
    let member = Member::start();
    map_with_helpers(&member, maps);
    member.has(maps, "map_with_helpers()");
}

/// Checks that the words with which `program` refuses one of the maps are in the error.
#[track_caller]
fn says_why(program: &str, maps: impl Fn() -> IdMaps) {
    Shield::new().as_user().run(|| {
        let maps = maps();
        let words = said_by(program, &maps);
        let seen = userns::map_with_helpers(Member::start().pid(), &maps);
        check!(
            seen.as_ref().is_err_and(|error| error.to_string().contains(&words)),
            expected: format!("an error that says what {program} said: {words:?}"),
            seen: seen.as_ref().map_or_else(Error::to_string, |()| "Ok(())".to_owned()),
            likely: match (fault_in_4(), &seen) {
                (Some(fault), _) => fault,
                (None, Ok(())) => "its exit code was not looked at: that is where it says no",
                (None, Err(error)) if error.errno().is_some() => "the refusal is the kernel's, not newuidmap's: see task4_own_id_and_a_range",
                (None, Err(_)) => "its words went to standard error, where nobody reads them: .output() collects them",
            },
            read: TASKS,
        );
    });
}

/// The words with which `program` refuses its map; without its own name, which depends on how it was called.
fn said_by(program: &str, maps: &IdMaps) -> String {
    let map = if program == "newuidmap" { &maps.uids } else { &maps.gids };
    let output = Member::start().asks(program, map);
    assert!(!output.status.success(), "{program} gives away what nobody has given to the user: {}", told(maps));
    let said = String::from_utf8_lossy(&output.stderr);
    said.lines().next().and_then(|line| line.split_once(": ")).expect("its words").1.to_owned()
}

/// Checks that a verb passes the kernel's refusal on. `asked` is the call that is refused; `fault` says which test is to
/// be looked at first, when the verb does not do its part where nothing is refused.
#[track_caller]
fn refused(
    result: Result<()>,
    errno: Errno,
    call: impl Display,
    asked: &str,
    fault: impl FnOnce() -> Option<&'static str>,
) {
    let seen = result.as_ref().map_or_else(Error::to_string, |()| "Ok(())".to_owned());
    check!(
        result.as_ref().is_err_and(|error| error.errno() == Some(errno)),
        expected: format!("{call} to return {errno:?}"),
        seen: seen,
        likely: match (fault(), &result) {
            (Some(fault), _) => fault.to_owned(),
            (None, Ok(())) => format!("what {asked} returned was thrown away"),
            (None, Err(_)) => format!("its errno was thrown away, or another refusal came before that of {asked}"),
        },
        read: RULES,
    );
}

/// Whether a verb maps the ids of a namespace.
fn maps_with(verb: fn(Pid, &IdMaps) -> Result<()>, maps: &IdMaps) -> bool {
    let member = Member::start();
    verb(member.pid(), maps).is_ok() && member.maps() == *maps
}

fn fault_in_3() -> Option<&'static str> {
    (!maps_with(userns::write_maps, &own_id()))
        .then_some("write_maps() does not map a single id either: see task3_a_single_id")
}

/// One's own id, which newuidmap(1) gives to everybody.
fn fault_in_4() -> Option<&'static str> {
    let does = maps_with(userns::map_with_helpers, &own_id());
    (!does).then_some("map_with_helpers() does not map a single id either: see task4_own_id_and_a_range")
}

/// What create leans on.
fn fault_below(maps: &IdMaps) -> Option<&'static str> {
    let is_written = geteuid().is_root() || *maps == own_id();
    let (verb, likely): (fn(Pid, &IdMaps) -> _, _) = match is_written {
        true => {
            (userns::write_maps, "create() leans on write_maps(), which does not map these: see the tests of task 3")
        }
        false => (
            userns::map_with_helpers,
            "create() leans on map_with_helpers(), which does not map these: see the tests of task 4",
        ),
    };
    (!maps_with(verb, maps)).then_some(likely)
}

/// What EPERM means when a single id can be mapped.
const FROM_INSIDE: &str = "a single id is mapped, and ranges are not: the map was written from inside, by the child, whom \
                           nobody outside has given them. Its parent writes it, or asks newuidmap(1)";

/// Calls create, and explains what it says.
#[track_caller]
fn creates(maps: &IdMaps) -> OwnedFd {
    let result = userns::create(maps);
    if let Err(error) = &result {
        let is_range = error.errno() == Some(Errno::EPERM) && userns::create(&own_id()).is_ok();
        let likely = fault_below(maps).or(is_range.then_some(FROM_INSIDE)).or(error.errno().is_none().then_some(
            "newuidmap(1) refused, and does not when the test asks it: was the child in a new namespace yet?",
        ));
        if let Some(likely) = likely {
            testkit::teach(format_args!("create() with {} to succeed", told(maps)), error, likely, RULES);
        }
    }
    result.explained(&format!("create() with {}", told(maps)), &CREATE_REASONS, RULES)
}

/// Calls create, and looks at the namespace from inside.
#[track_caller]
fn makes(maps: &IdMaps) {
    let namespace = creates(maps);
    let seen = in_child(|| {
        if setns(&namespace, CloneFlags::CLONE_NEWUSER).is_err() {
            return None;
        }
        let read = |name: &str| fs::read_to_string(format!("/proc/self/{name}")).expect(name);
        Some((read("uid_map"), read("gid_map"), geteuid().as_raw()))
    });
    let Some((uids, gids, uid)) = seen else {
        let seen = in_words(identity(namespace.as_fd()));
        let likely = "the descriptor is of no user namespace, or of the caller's own, which nobody enters who is in it";
        testkit::teach("a descriptor of a user namespace that its maker can enter", seen, likely, TASKS)
    };
    let seen = IdMaps { uids: ranges(&uids), gids: ranges(&gids) };
    check!(
        seen == *maps,
        expected: format!("{} as soon as create() has returned", told(maps)),
        seen: format!("{}; who enters is {uid}", told(&seen)),
        likely: match (fault_below(maps), seen.uids.is_empty() || seen.gids.is_empty()) {
            (Some(fault), _) => fault,
            (None, true) => "it returned before both maps were written: whoever enters is nobody until then, and what they do, nobody does",
            (None, false) => map_fault(&seen, maps),
        },
        read: RULES,
    );
}

/// Whether create leaves a child when nothing fails.
fn leaves_a_child() -> bool {
    // In a process of its own: what the test's last call has left may be about to end.
    in_child(|| userns::create(&own_id()).is_err() || waitpid(None, Some(WaitPidFlag::WNOHANG)) != Err(Errno::ECHILD))
}

#[track_caller]
fn nobody_is_left(call: &str) {
    let seen = waitpid(None, Some(WaitPidFlag::WNOHANG));
    check!(
        seen == Err(Errno::ECHILD),
        expected: format!("no child to be left after {call}"),
        seen: match seen {
            Ok(WaitStatus::StillAlive) => "one that still runs".to_owned(),
            Ok(status) => format!("one that has ended and that nobody waited for: {status:?}"),
            Err(errno) => errno.to_string(),
        },
        likely: match call.contains("failed") {
            true if leaves_a_child() => "see task5_nobody_and_nothing_is_left",
            true => "the child is to end, and to be waited for, when something failed too: a `?` in between leaves it",
            false => "nobody waited for it: once the namespace is open, it is to end, and waitpid(2) removes it",
        },
        read: TASKS,
    );
}

/// The container's program is not to have it.
#[track_caller]
fn closed_by_exec(descriptor: BorrowedFd<'_>, call: &str) {
    check!(
        fcntl(descriptor, FcntlArg::F_GETFD).is_ok_and(|flags| flags & nix::libc::FD_CLOEXEC != 0),
        expected: format!("the descriptor that {call} returns to be closed by execve(2)"),
        seen: "one that the next program has too",
        likely: "every descriptor is asked for with its CLOEXEC: what stays open leads out of the container",
        read: TASKS,
    );
}

/// Which user namespace a descriptor is of.
fn identity(namespace: BorrowedFd<'_>) -> Option<NsId> {
    // SAFETY: the request takes no argument.
    let kind = unsafe { nix::libc::ioctl(namespace.as_raw_fd(), NS_GET_NSTYPE) };
    (kind == nix::libc::CLONE_NEWUSER).then(|| NsId(fstat(namespace).expect("fstat").st_ino))
}

fn in_words(identity: Option<NsId>) -> String {
    identity.map_or_else(|| "no user namespace".to_owned(), |identity| identity.to_string())
}

/// ioctl_ns(2).
const NS_GET_PARENT: nix::libc::Ioctl = 0xb702;
const NS_GET_NSTYPE: nix::libc::Ioctl = 0xb703;

/// Another namespace, as ioctl_ns(2) finds it.
fn related(namespace: BorrowedFd<'_>, request: nix::libc::Ioctl) -> nix::Result<OwnedFd> {
    // SAFETY: the request takes no argument; a descriptor that comes back is nobody else's.
    unsafe {
        let fd = nix::libc::ioctl(namespace.as_raw_fd(), request);
        Ok(OwnedFd::from_raw_fd(Errno::result(fd)?))
    }
}

/// The test's own create().
fn made(maps: &IdMaps) -> OwnedFd {
    made_with(maps, |_| {})
}

/// As [`made`], with something between the namespace and its maps.
fn made_with(maps: &IdMaps, before: impl FnOnce(&Member)) -> OwnedFd {
    let member = Member::start();
    before(&member);
    member.is_mapped(maps);
    File::open(format!("/proc/{}/ns/user", member.pid())).expect("its namespace").into()
}

/// Enters a new namespace in which the caller's ids are 0.
fn enter_one_with_own_id() {
    let namespace = made(&own_id());
    become_root_of(namespace.as_fd());
}

/// The test's own enter(); groups stay.
fn become_root_of(namespace: BorrowedFd<'_>) {
    setns(namespace, CloneFlags::CLONE_NEWUSER).expect("setns");
    let (uid, gid) = (Uid::from_raw(0), Gid::from_raw(0));
    setresgid(gid, gid, gid).expect("setresgid");
    setresuid(uid, uid, uid).expect("setresuid");
}

/// Ranges with a root inside, who is nobody special outside.
fn some_maps_with_0() -> IdMaps {
    let map = || vec![IdRange { inside: 0, ..some_range(0, SUBORDINATE.0) }];
    IdMaps { uids: map(), gids: map() }
}

/// In the child of a test about what comes of that.
#[track_caller]
fn assert_root_inside(namespace: BorrowedFd<'_>) {
    let seen = (namespaces()[&NsKind::User], geteuid().as_raw());
    let given = identity(namespace).expect("a user namespace");
    check!(
        seen == (given, 0),
        expected: format!("enter() to make the caller root in {given}"),
        seen: format!("uid {} in {}", seen.1, seen.0),
        likely: match seen.0 == given {
            true => "see task6_every_id_is_0",
            false => "see task6_it_is_the_namespace_that_was_given",
        },
        read: TASKS,
    );
}

fn fault_in_6() -> Option<&'static str> {
    let namespace = made(&own_id());
    let is_in_there = in_child(|| {
        let _ = userns::enter(namespace.as_fd());
        identity(namespace.as_fd()) == Some(namespaces()[&NsKind::User])
    });
    (!is_in_there).then_some("see task6_it_is_the_namespace_that_was_given")
}

#[track_caller]
fn enters(namespace: BorrowedFd<'_>) {
    userns::enter(namespace).explained("enter()", &ENTER_REASONS, RULES);
}

/// Real, effective, saved and file system ids of a status file, or its groups.
fn ids(status: &str, field: &str) -> Vec<u32> {
    let line = status.lines().find_map(|line| line.strip_prefix(field)).expect(field);
    line.split_whitespace().map(|id| id.parse().expect("an id")).collect()
}

/// Enters a new namespace with these maps, and checks who that is: inside, and seen from outside.
#[track_caller]
fn is_root_inside(maps: &IdMaps) {
    let namespace = made(maps);
    let (is_given, inside, outside) = in_child(|| {
        // Opened by somebody who is outside, it shows what they see.
        let mut from_outside = File::open("/proc/self/status").expect("status");
        enters(namespace.as_fd());
        let is_given = identity(namespace.as_fd()) == Some(namespaces()[&NsKind::User]);
        let own = fs::read_to_string("/proc/self/status").expect("status");
        let mut others = String::new();
        from_outside.read_to_string(&mut others).expect("status");
        let both = |status: &str| ["Uid:", "Gid:"].map(|field| ids(status, field));
        (is_given, both(&own), both(&others))
    });
    let expected = [&maps.uids, &maps.gids].map(|map| vec![model::ids::outside(map, 0).expect("a user 0"); 4]);
    check!(
        inside == [vec![0; 4], vec![0; 4]] && outside == expected,
        expected: format!("uids 0 and gids 0 inside, uids {:?} and gids {:?} seen from outside", expected[0], expected[1]),
        seen: format!("uids {:?} and gids {:?}; from outside {:?} and {:?}", inside[0], inside[1], outside[0], outside[1]),
        likely: match inside {
            _ if !is_given => "see task6_it_is_the_namespace_that_was_given",
            _ if inside.iter().all(|ids| ids.iter().all(|id| *id != 0)) => "who comes in stays who they were outside, which may be nobody inside: setresgid(2), setresuid(2)",
            _ if inside.iter().any(|ids| ids.iter().all(|id| *id != 0)) => "one of user and group is still the caller's: both are to be 0",
            _ if inside.iter().any(|ids| ids.contains(&0) && ids[..3] != [0; 3]) => {
                "real, effective and saved are three ids, and not all of them were changed: with one that is left, there is a way back"
            }
            _ => "the ids inside are right, and the namespace has another map than the one that was given",
        },
        read: RULES,
    );
}

/// What the owners of files in a mount are taken from: `(uid, gid)` on the disk, by name.
const FILES: [(&str, (u32, u32)); 4] = [
    ("of-root", (0, 0)),
    ("of-user", (USER, 0)),
    ("of-group", (0, USER)),
    ("of-others", (SUBORDINATE.0, SUBORDINATE.0)),
];

/// A directory with files of several owners, and a namespace whose map is to become a mount's.
struct Source {
    path: PathBuf,
    maps: IdMaps,
    namespace: OwnedFd,
}

/// Runs `body` where a mount can have owners of its own: on the test's tmpfs, or on the disk; else the test is skipped.
fn idmapping(body: impl FnOnce(&Source)) {
    needs!(subuid);
    let is_done = Shield::new().with_ids().run(|| {
        let map = || {
            let root = IdRange { inside: 0, outside: SUBORDINATE.0 + random(1000), count: 1 + random(900) };
            vec![root, IdRange { inside: USER, outside: SUBORDINATE.0 + 5000 + random(1000), count: 1 + random(1000) }]
        };
        let maps = IdMaps { uids: map(), gids: map() };
        let namespace = made(&maps);
        let places = [dir(), disk_dir()];
        let Some(place) = places.iter().find(|place| can_be_idmapped(place, namespace.as_fd())) else { return false };
        let source = Source { path: place.join("source"), maps, namespace };
        fs::create_dir(&source.path).expect("mkdir");
        source.fill(&source.path);
        body(&source);
        true
    });
    if !is_done {
        let how =
            "idmap: Linux 6.3, or as root a checkout on a disk that can do it (ext4, xfs, btrfs): user_namespaces(7)";
        testkit::needs::skip(module_path!(), how);
    }
}

/// Whether the kernel takes a map for a mount of this file system.
fn can_be_idmapped(place: &Path, namespace: BorrowedFd<'_>) -> bool {
    let path = CString::new(place.as_os_str().as_bytes()).expect("a path");
    let attr = nix::libc::mount_attr {
        attr_set: nix::libc::MOUNT_ATTR_IDMAP,
        attr_clr: 0,
        propagation: 0,
        userns_fd: namespace.as_raw_fd() as u64,
    };
    let clone = nix::libc::OPEN_TREE_CLONE | nix::libc::OPEN_TREE_CLOEXEC;
    // SAFETY: C strings and a mount_attr of the size given, which outlive the calls; the descriptor is nobody else's.
    unsafe {
        let fd = nix::libc::syscall(nix::libc::SYS_open_tree, nix::libc::AT_FDCWD, path.as_ptr(), clone);
        let tree = OwnedFd::from_raw_fd(Errno::result(fd).expect("open_tree") as i32);
        let (empty, size) = (nix::libc::AT_EMPTY_PATH, size_of::<nix::libc::mount_attr>());
        let fd = tree.as_raw_fd();
        nix::libc::syscall(nix::libc::SYS_mount_setattr, fd, c"".as_ptr(), empty, &raw const attr, size) == 0
    }
}

impl Source {
    /// Makes the files of [`FILES`].
    fn fill(&self, directory: &Path) {
        for (name, (uid, gid)) in FILES {
            fs::write(directory.join(name), "words").expect("a file");
            chown(&directory.join(name), Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid))).expect("chown");
        }
    }

    /// Another directory of the same file system, mounted on one in the source.
    fn mount_below(&self) {
        let [other, below] = [self.path.with_file_name("other"), self.path.join("below")];
        fs::create_dir(&other).expect("mkdir");
        fs::create_dir(&below).expect("mkdir");
        self.fill(&other);
        mount(Some(&other), &below, None::<&str>, MsFlags::MS_BIND, None::<&str>).expect("a bind mount");
    }

    /// Calls idmapped, and explains what it says.
    #[track_caller]
    fn copy(&self) -> OwnedFd {
        userns::idmapped(&self.path, self.namespace.as_fd()).explained("idmapped()", &IDMAP_REASONS, RULES)
    }

    /// Who owns the files in a directory below a descriptor.
    fn owners(&self, root: &impl AsFd, directory: &str) -> Vec<(u32, u32)> {
        let owner = |(name, _)| {
            let file = fstatat(root.as_fd(), &Path::new(directory).join(name), AtFlags::empty());
            file.map_or((u32::MAX, u32::MAX), |file| (file.st_uid, file.st_gid))
        };
        FILES.map(owner).to_vec()
    }

    /// Who should own them in the copy.
    fn expected(&self) -> Vec<(u32, u32)> {
        let as_mapped = |(_, (uid, gid)): (&str, (u32, u32))| {
            let outside = |map, id| model::ids::outside(map, id).unwrap_or(NOBODY);
            (outside(&self.maps.uids, uid), outside(&self.maps.gids, gid))
        };
        FILES.map(as_mapped).to_vec()
    }

    /// Whether a copy is not what it should be where nothing is mounted below, and nothing refused.
    fn fault(&self) -> Option<&'static str> {
        let copy = userns::idmapped(&self.path, self.namespace.as_fd());
        let is_right = copy.is_ok_and(|copy| self.owners(&copy, "") == self.expected());
        (!is_right).then_some("see task7_owners_are_those_of_the_namespace")
    }

    /// Checks the owners of the files in a directory of the copy.
    #[track_caller]
    fn check_owners(&self, copy: &OwnedFd, directory: &str, what: &str) {
        let (expected, seen) = (self.expected(), self.owners(copy, directory));
        let as_on_disk = FILES.map(|(_, owner)| owner).to_vec();
        check!(
            seen == expected,
            expected: format!("files of {as_on_disk:?} to belong to {expected:?} in {what}, by {}", told(&self.maps)),
            seen: format!("{seen:?}"),
            likely: match directory {
                _ if seen.contains(&(u32::MAX, u32::MAX)) => "the descriptor is none of a copy of the source: its files are not in there",
                "" if seen == as_on_disk => "the mount has the owners of the disk: no map was given to it, MOUNT_ATTR_IDMAP with userns_fd does",
                _ if self.fault().is_some() => "the topmost mount has no map either: see task7_owners_are_those_of_the_namespace",
                _ if seen == as_on_disk => "the map was given to the topmost mount alone: mount_setattr(2) takes AT_RECURSIVE too",
                _ => "it is the map of another namespace",
            },
            read: RULES,
        );
    }
}

/// `boxwright run FLAGS -- sh -c SCRIPT`.
fn run(flags: &[&str], script: &str) -> assert_cmd::assert::Assert {
    let command = &mut testkit::boxwright!();
    command.arg("run").args(flags).args(["--", "sh", "-c", script]).env("LC_ALL", "C").assert()
}

/// A root with a shell, and with programs that look at owners and change them.
fn image() -> String {
    let image = Rootfs::build(dir().join("tmp/rootfs"), &["sh", "id", "ls", "rm", "chown"]).expect("a rootfs");
    image.path().display().to_string()
}
