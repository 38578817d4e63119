//! Lab 09, `labs/lab09_userns.rs`: root inside, nobody outside. Chapter: `book/src/lab09-userns.md`.
//!
//! What is text is tried as text. What the kernel does is tried with namespaces of the test's own making, as root, and
//! as an ordinary user with a range; who somebody is, is read from /proc, by themselves and from outside.

#![allow(unsafe_code, reason = "setenv, and the calls on namespaces and detached mounts that have no safe wrapper")]

use std::collections::BTreeSet;
use std::fmt::Display;
use std::fs;
use std::io::{PipeWriter, Read, pipe};
use std::process::Command;
use std::thread::sleep;
use std::time::Duration;

use boxwright::steps::userns;
use model::ids::{IdMaps, IdRange};
use model::{Error, Result};
use nix::errno::Errno;
use nix::sched::{CloneFlags, unshare};
use nix::unistd::{Pid, Uid, getegid, geteuid};
use testkit::{Explained, Running, SUBORDINATE, Shield, USER, check, dir, needs, random_name, shielded, start_child};

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
            let text = format!("{good}\n{line}\n");
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
        ];
        for (own, subids) in cases {
            let seen = person.map(own, &subids);
            check!(
                matches!(seen, Err(Error::Invalid { .. })),
                expected: format!("{} to return Error::Invalid", person.call(own, &subids)),
                seen: shown(&seen),
                likely: match &seen {
                    Ok(map) if map.is_empty() => "no map is made at all: see task2_own_comes_first_and_the_range_follows",
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
                likely: "a namespace without a map has nobody in it: its user would be nobody for good, and learn that late",
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
            );
        }
    });
}

#[test]
fn task3_it_can_be_done_once() {
    shielded(|| {
        let maps = own_id();
        let member = writes(&maps);
        refused(userns::write_maps(member.pid(), &maps), Errno::EPERM, "a second write_maps()");
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
            seen: seen.map_or_else(|error| error.to_string(), |()| "Ok(())".to_owned()),
            likely: "what write(2) returned was thrown away, or the lines went one by one and the first was taken for the whole map",
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
        let member = Member::start();
        // SAFETY: this process has one thread, and setenv copies both strings.
        unsafe { nix::libc::setenv(c"PATH".as_ptr(), c"/no/such/directory".as_ptr(), 1) };
        let result = userns::map_with_helpers(member.pid(), &own_id());
        // Whoever looks for them elsewhere may well find them.
        let is_mapped = !member.reads("uid_map").is_empty() && !member.reads("gid_map").is_empty();
        check!(
            is_mapped || result.as_ref().is_err_and(|error| error.to_string().contains("newuidmap")),
            expected: "map_with_helpers() with an empty PATH to return an error that names newuidmap",
            seen: result.as_ref().map_or_else(Error::to_string, |()| "Ok(()), and no map".to_owned()),
            likely: match &result {
                Ok(()) => "that it could not be started was thrown away",
                Err(_) => "the error has to name what is missing: .during(\"start\", program)",
            },
            read: TASKS,
        );
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

    #[track_caller]
    fn has(&self, maps: &IdMaps, call: &str) {
        let seen = IdMaps { uids: ranges(&self.reads("uid_map")), gids: ranges(&self.reads("gid_map")) };
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
        let map = if program == "newuidmap" { &maps.uids } else { &maps.gids };
        let numbers = map.iter().flat_map(|range| [range.inside, range.outside, range.count]);
        let member = Member::start();
        let output = Command::new(program)
            .arg(member.pid().to_string())
            .args(numbers.map(|number| number.to_string()))
            .output()
            .expect(program);
        assert!(!output.status.success(), "{program} gives away what nobody has given to the user: {}", told(&maps));
        let said = String::from_utf8_lossy(&output.stderr);
        // Without its own name, which depends on how it was called.
        let words = said.lines().next().and_then(|line| line.split_once(": ")).expect("its words").1;
        let seen = userns::map_with_helpers(Member::start().pid(), &maps);
        check!(
            seen.as_ref().is_err_and(|error| error.to_string().contains(words)),
            expected: format!("an error that says what {program} said: {words:?}"),
            seen: seen.as_ref().map_or_else(Error::to_string, |()| "Ok(())".to_owned()),
            likely: match &seen {
                Ok(()) => "its exit code was not looked at: that is where it says no".to_owned(),
                Err(error) if error.errno().is_some() => "the refusal is the kernel's: the caller wrote the map".to_owned(),
                Err(_) => "its words went to standard error, where nobody reads them: .output() collects them".to_owned(),
            },
            read: TASKS,
        );
    });
}

#[track_caller]
fn refused(result: Result<()>, errno: Errno, call: impl Display) {
    let seen = result.as_ref().map_or_else(Error::to_string, |()| "Ok(())".to_owned());
    check!(
        result.is_err_and(|error| error.errno() == Some(errno)),
        expected: format!("{call} to return {errno:?}"),
        seen: seen,
        likely: "what write(2) returned was thrown away, or its errno was",
        read: RULES,
    );
}
