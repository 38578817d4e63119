//! Lab 10, `labs/lab10_caps.rs`: root's power in pieces. Chapter: `book/src/lab10-caps.md`.
//!
//! What a process has is read from its status in /proc, by the tests themselves; what it can do with it is tried: a
//! mount, a raw socket, a closed file. Who needs other users than root has a shield with ids to give away.

#![allow(unsafe_code, reason = "capset, prctl's options and extended attributes have no safe wrapper")]

use std::ffi::CString;
use std::fs::{self, OpenOptions, Permissions};
use std::net::TcpListener;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, chroot, symlink};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use boxwright::steps::caps;
use model::caps::{CapSet, CapSets, FileCaps};
use model::plan::User;
use model::{Error, Result};
use nix::errno::Errno;
use nix::libc;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::prctl;
use nix::unistd::{Gid, Uid, chown, gethostname, setgroups, sethostname, setresgid, setresuid};
use predicates::prelude::PredicateBooleanExt;
use predicates::str::contains;
use testkit::{
    Explained, Rootfs, SUBORDINATE, Shield, USER, check, dir, drop_capabilities, in_child, needs, random, rootfs,
    shielded, written,
};

const RULES: &str = "lab10-caps.md, The kernel's rules";
const TASKS: &str = "lab10-caps.md, Tasks";
/// The sets by the names of their lines.
const FIELDS: [&str; 5] = ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"];
/// The numbers 0 to 31.
const LOWER: CapSet = CapSet(0xffff_ffff);
const CHOWN: u32 = 0;
const DAC_OVERRIDE: u32 = 1;
const SETGID: u32 = 6;
const SETUID: u32 = 7;
const SETPCAP: u32 = 8;
const NET_BIND_SERVICE: u32 = 10;
const NET_RAW: u32 = 13;
const SYS_CHROOT: u32 = 18;
const SYS_ADMIN: u32 = 21;

/// What each errno means when the bounding set is made smaller.
const BOUNDING_REASONS: [(Errno, &str); 2] = [
    (Errno::EPERM, "PR_CAPBSET_DROP needs CAP_SETPCAP in the effective set"),
    (
        Errno::EINVAL,
        "the kernel knows fewer than 64 capabilities: EINVAL says that the number is past its last one, which is the end \
         of the work and no failure",
    ),
];
/// What each errno means when the three sets are given.
const SET_REASONS: [(Errno, &str); 3] = [
    (Errno::EPERM, "permitted can only become smaller, and effective is to be a part of it"),
    (Errno::EINVAL, "the first word of the header is none of capset(2)'s own versions: VERSION_3, 0x20080522"),
    (Errno::EFAULT, "the header is two numbers, and for version 3 the data is two structures of three"),
];
/// What each errno means when ambient capabilities are raised.
const AMBIENT_REASONS: [(Errno, &str); 2] = [
    (Errno::EPERM, "what is raised has to be permitted and inheritable: something more was raised than was asked for"),
    (Errno::EINVAL, "prctl(2) takes PR_CAP_AMBIENT, then what to do, then the number of one capability; the rest is 0"),
];
/// What each errno means when the capabilities of a file are read.
const READ_REASONS: [(Errno, &str); 6] = [
    (Errno::ENODATA, "a file without capabilities has no such attribute, which is no failure: None"),
    (Errno::EOPNOTSUPP, "a file system without extended attributes has no files with capabilities either: None"),
    (Errno::ERANGE, "the buffer is too small: version 3 has 24 bytes"),
    (Errno::ENOENT, "there is no file at this path: is it the one that was given?"),
    (Errno::EOVERFLOW, "they count for a root that is nobody in the caller's user namespace"),
    (Errno::EINVAL, "the arguments are path, name, buffer, its length"),
];
/// What each errno means when a file is given capabilities.
const WRITE_REASONS: [(Errno, &str); 6] = [
    (
        Errno::EINVAL,
        "the kernel takes 20 bytes of version 2 or 24 of version 3 and nothing else: numbers, lowest byte first, and of the \
         flags the effective one alone",
    ),
    (Errno::EPERM, "it takes CAP_SETFCAP, in a user namespace that the file's owner and group have ids in"),
    (Errno::EEXIST, "XATTR_CREATE refuses to write an attribute anew"),
    (Errno::ENODATA, "XATTR_REPLACE refuses to write an attribute that is not there"),
    (Errno::EOPNOTSUPP, "the attribute is called security.capability"),
    (Errno::ENOENT, "there is no file at this path: is it the one that was given?"),
];

// ---- task 1 ----

#[test]
fn task1_five_masks_of_64_bits() {
    shielded(|| {
        for _ in 0..4 {
            let sets = some_sets();
            reads(&status(&sets), &sets, "something was made of the mask: it is read as it stands there");
        }
        let all = CapSet(u64::MAX);
        let sets = CapSets { inheritable: all, permitted: all, effective: all, bounding: all, ambient: all };
        reads(&status(&sets), &sets, "something was made of the mask: it is read as it stands there");
    });
}

#[test]
fn task1_the_callers_own() {
    shielded(|| {
        let own = own();
        reads(&status_text(), &own, "something was made of the mask: it is read as it stands there");
    });
}

#[test]
fn task1_a_line_is_known_by_its_name() {
    shielded(|| {
        let sets = some_sets();
        let mut lines: Vec<String> = status(&sets).lines().map(str::to_owned).collect();
        lines.reverse();
        let likely = "it was found by its place: what a kernel adds tomorrow moves every line behind it";
        reads(&lines.join("\n"), &sets, likely);
    });
}

#[test]
fn task1_a_process_may_be_called_like_a_set() {
    shielded(|| {
        for name in ["CapEff:\\n", "CapPrm:ffffffff", "CapBnd: 00000"] {
            let sets = some_sets();
            let text = status(&sets);
            let (_, rest) = text.split_once('\n').expect("a first line");
            let likely = "the name was looked for in the whole text: a line begins with it, and the first line is what the process \
                          calls itself";
            reads(&format!("Name:\t{name}\n{rest}"), &sets, likely);
        }
    });
}

#[test]
fn task1_one_that_is_missing_is_refused() {
    shielded(|| {
        for field in FIELDS {
            let text = status(&some_sets());
            let without: Vec<&str> = text.lines().filter(|line| !line.starts_with(field)).collect();
            let likely = "a set that is missing was taken for an empty one: who decides by it takes root for a nobody";
            refuses_to_read(&without.join("\n"), &format!("a status without {field}"), likely);
        }
    });
}

#[test]
fn task1_what_is_no_number_is_refused() {
    shielded(|| {
        for mask in ["", "none", "000000000000000g", "10000000000000000"] {
            let text = status(&some_sets());
            let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
            let line = lines.iter_mut().find(|line| line.starts_with("CapEff:")).expect("CapEff");
            *line = format!("CapEff:\t{mask}");
            let likely = "something was made of what is no number of 64 bits";
            refuses_to_read(&lines.join("\n"), &format!("CapEff: {mask:?}"), likely);
        }
    });
}

// ---- task 2 ----

#[test]
fn task2_what_is_kept_stays_and_the_rest_goes() {
    on_trial(|| drops(some_of(own().bounding)));
}

#[test]
fn task2_one_goes_and_no_other() {
    on_trial(|| {
        for _ in 0..3 {
            let all = own().bounding;
            drops(all.without(one_of(all)));
        }
    });
}

#[test]
fn task2_nothing_is_kept() {
    on_trial(|| drops(CapSet::EMPTY));
}

#[test]
fn task2_what_is_gone_already_is_no_end() {
    on_trial(|| {
        let all = own().bounding;
        // A hole, with something to drop on either side of it; what is not there cannot be kept.
        for number in one_of(all.and(LOWER).without(CapSet(0xff))).numbers() {
            prctl_raw(libc::PR_CAPBSET_DROP, number, 0).expect("PR_CAPBSET_DROP");
        }
        let before = own();
        let keep = some_of(all).without(CapSet(0xff));
        caps::drop_bounding(keep).explained(&format!("drop_bounding({keep})"), &BOUNDING_REASONS, RULES);
        let likely = "one that is not in the set any more was taken for the end of the numbers: what stands above it is still there";
        check_bounding(&before, keep, Some(likely));
    });
}

#[test]
fn task2_all_may_be_kept() {
    on_trial(|| {
        // So that a body that drops nothing is noticed here too.
        let all = own().bounding;
        drops(all.without(one_of(all)));
        drops(CapSet(u64::MAX));
        drops(CapSet::ALL);
    });
}

#[test]
fn task2_programs_of_root_get_no_more() {
    on_trial(|| {
        let keep = some_of(own().bounding);
        drops(keep);
        let (seen, wanted) = (started("cat").sets, own().bounding);
        check!(
            seen.permitted == wanted && seen.effective == wanted,
            expected: format!("a program that root starts to have what is in the bounding set: {wanted}"),
            seen: format!("permitted {}, effective {}", seen.permitted, seen.effective),
            likely: "another set than the bounding one was made smaller",
            read: RULES,
        );
    });
}

#[test]
fn task2_without_cap_setpcap_it_is_refused() {
    on_trial(|| {
        let (before, fault) = (own(), Verb::DropBounding.fault());
        give(&CapSets { effective: before.effective.without(only(SETPCAP)), ..before });
        let keep = before.bounding.without(one_of(before.bounding));
        check_refusal(caps::drop_bounding(keep), Errno::EPERM, "drop_bounding() without CAP_SETPCAP", fault);
        check!(
            own().bounding == before.bounding,
            expected: "the bounding set to stay as it is",
            seen: own().bounding,
            likely: "CAP_SETPCAP was made effective again to do what the caller had it taken away for",
            read: RULES,
        );
    });
}

// ---- task 3 ----

#[test]
fn task3_three_sets_as_asked() {
    on_trial(|| sets(&some_of_three(&own())));
}

#[test]
fn task3_beyond_31() {
    on_trial(|| {
        let upper = own().permitted.without(LOWER);
        let one = one_of(upper);
        sets(&CapSets { permitted: upper, effective: upper.without(one), inheritable: one, ..CapSets::default() });
    });
}

#[test]
fn task3_effective_comes_and_goes() {
    on_trial(|| {
        give(&CapSets { effective: CapSet::EMPTY, ..own() });
        let before = own();
        for effective in [some_of(before.permitted), CapSet::EMPTY, before.permitted] {
            sets(&CapSets { effective, ..before });
        }
    });
}

#[test]
fn task3_what_is_not_effective_is_refused() {
    on_trial(|| {
        let all = own();
        for (number, what, use_it) in POWERS {
            in_child(|| {
                use_it().unwrap_or_else(|errno| panic!("root, {what}: {errno}"));
                sets(&CapSets { effective: all.effective.without(only(number)), ..all });
                refused(use_it(), number, what);
                for (other, what, use_it) in POWERS.iter().filter(|(other, ..)| *other != number) {
                    let name = only(*other).names().concat();
                    use_it().unwrap_or_else(|errno| panic!("with {name}, {what}: {errno}"));
                }
                sets(&all);
                use_it().unwrap_or_else(|errno| panic!("root again, {what}: {errno}"));
            });
        }
    });
}

#[test]
fn task3_what_is_not_permitted_is_gone_for_good() {
    on_trial(|| {
        let (all, fault) = (own(), Verb::Set.fault());
        for (number, what, use_it) in POWERS {
            in_child(|| {
                let less = CapSets {
                    effective: all.effective.without(only(number)),
                    permitted: all.permitted.without(only(number)),
                    ..all
                };
                sets(&less);
                let name = only(number).names().concat();
                check_refusal(caps::set(&all), Errno::EPERM, &format!("set() of {name}, which was given up,"), fault);
                refused(use_it(), number, what);
                let seen = own();
                check!(
                    three(&seen) == three(&less),
                    expected: format!("the sets to stay as they are: {}", shown(&less)),
                    seen: shown(&seen),
                    likely: "what is permitted was set, although the call was to be refused as a whole",
                    read: TASKS,
                );
            });
        }
    });
}

#[test]
fn task3_without_cap_chown_owners_stay() {
    needs!(subuid);
    with_ids(|| {
        let (all, path) = (own(), file());
        let give_away = |uid| chown(&path, Some(Uid::from_raw(uid)), None);
        give_away(USER).expect("root may give a file away");
        sets(&CapSets { effective: all.effective.without(only(CHOWN)), ..all });
        refused(give_away(0), CHOWN, "chown(2)");
        sets(&all);
        give_away(0).expect("root again may take it back");
    });
}

#[test]
fn task3_an_effective_one_has_to_be_permitted() {
    on_trial(|| {
        let (before, fault) = (own(), Verb::Set.fault());
        let one = one_of(before.permitted);
        let wanted = CapSets { permitted: before.permitted.without(one), ..before };
        let result = caps::set(&wanted);
        check!(
            three(&own()) == three(&before),
            expected: format!("the sets to stay as they are: {}", shown(&before)),
            seen: shown(&own()),
            likely: fault.unwrap_or("the sets were corrected instead of refused"),
            read: TASKS,
        );
        let call = "set() of an effective capability that is not to be permitted";
        check_refusal(result, Errno::EPERM, call, fault);
    });
}

// ---- task 4 ----

#[test]
fn task4_what_is_asked_for_and_no_other() {
    on_trial(|| {
        give_inheritable(own().permitted);
        raises(some_of(own().permitted));
    });
}

#[test]
fn task4_what_was_there_goes() {
    on_trial(|| {
        let all = own().permitted;
        give_inheritable(all);
        let first = some_of(all);
        for number in first.numbers() {
            let raise = libc::PR_CAP_AMBIENT_RAISE.cast_unsigned();
            prctl_raw(libc::PR_CAP_AMBIENT, raise, number).expect("PR_CAP_AMBIENT_RAISE");
        }
        raises(part_of(all.without(first)));
        raises(CapSet::EMPTY);
    });
}

#[test]
fn task4_programs_of_an_ordinary_user_keep_them() {
    needs!(subuid);
    with_ids(|| {
        let some = some_of(own().permitted);
        give_inheritable(some);
        prctl::set_keepcaps(true).expect("PR_SET_KEEPCAPS");
        become_user(USER);
        give(&CapSets { effective: some, permitted: some, inheritable: some, ..CapSets::default() });
        raises(some);
        let seen = started("cat");
        check!(
            seen.uids == [USER; 4] && [seen.sets.permitted, seen.sets.effective, seen.sets.ambient] == [some; 3],
            expected: format!("a program of user {USER} to have {some}, permitted, effective and ambient"),
            seen: format!("user {:?}: {}", seen.uids, shown(&seen.sets)),
            likely: "what is inheritable alone is lost when a program starts that has no such set of its own",
            read: RULES,
        );
    });
}

#[test]
fn task4_one_that_is_not_inheritable_is_refused() {
    on_trial(|| {
        let (all, fault) = (own().permitted, Verb::RaiseAmbient.fault());
        let one = one_of(all);
        give_inheritable(all.without(one));
        let before = own();
        let result = caps::raise_ambient(one);
        check!(
            own().inheritable == before.inheritable,
            expected: "the inheritable set to stay as it is",
            seen: own().inheritable,
            likely: "it was made inheritable first: who asks for something ambient is told what is missing",
            read: TASKS,
        );
        check_refusal(result, Errno::EPERM, "raise_ambient() of one that is not inheritable", fault);
    });
}

#[test]
fn task4_one_that_is_not_permitted_is_refused() {
    on_trial(|| {
        let (all, fault) = (own().permitted, Verb::RaiseAmbient.fault());
        let one = one_of(all);
        give_inheritable(all);
        let rest = all.without(one);
        give(&CapSets { effective: rest, permitted: rest, inheritable: all, ..CapSets::default() });
        check_refusal(caps::raise_ambient(one), Errno::EPERM, "raise_ambient() of one that is not permitted", fault);
    });
}

// ---- task 5 ----

#[test]
fn task5_it_is_who_was_asked_for() {
    needs!(subuid);
    for groups in [vec![], vec![USER], vec![USER, some_id(2), some_id(3)]] {
        with_ids(|| {
            let user = User { uid: some_id(0), gid: some_id(1), groups };
            Trial::new(less(CapSet::EMPTY), user).becomes();
        });
    }
}

#[test]
fn task5_an_ordinary_user_has_what_is_ambient() {
    needs!(subuid);
    with_ids(|| {
        let sets = less(part_of(own().bounding));
        Trial::new(sets, User { uid: some_id(0), gid: some_id(1), groups: vec![USER] }).becomes();
        programs_have(&sets);
    });
}

#[test]
fn task5_an_ordinary_user_without_it_has_nothing() {
    needs!(subuid);
    with_ids(|| {
        let sets = less(CapSet::EMPTY);
        Trial::new(sets, User { uid: USER, gid: USER, groups: vec![] }).becomes();
        for (number, what, use_it) in POWERS {
            refused(use_it(), number, what);
        }
        programs_have(&sets);
    });
}

#[test]
fn task5_a_set_user_id_program_brings_nothing_back() {
    needs!(subuid);
    with_ids(|| {
        let program = copy("cat");
        fs::set_permissions(&program, Permissions::from_mode(0o4755)).expect("chmod");
        let trial = Trial::new(less(CapSet::EMPTY), User { uid: some_id(0), gid: some_id(1), groups: vec![] });
        trial.confines();
        trial.is_that_user();
        let (all, wanted) = (trial.before.sets.bounding, trial.sets.bounding);
        let seen = started(program.to_str().expect("text")).sets;
        check!(
            seen.permitted == wanted,
            expected: format!("a set-user-ID root program to have what is in the bounding set: {wanted}"),
            seen: seen.permitted,
            likely: match seen.permitted {
                _ if trial.below.is_some() => trial.below.unwrap_or_default(),
                full if full == all => "a set-user-ID root program brought everything back: that the thread has nothing is not enough, \
                                        what is not to come back goes from the bounding set",
                _ => "the bounding set is another one than was asked for",
            },
            read: RULES,
        );
    });
}

#[test]
fn task5_root_may_stay_root_with_less() {
    on_trial(|| {
        let some = some_of(own().bounding).without(ids_and_setpcap());
        let sets = CapSets { bounding: some, permitted: some, effective: some, ..CapSets::default() };
        Trial::new(sets, User::default()).becomes();
        programs_have(&sets);
    });
}

#[test]
fn task5_what_was_ambient_is_so_no_more() {
    needs!(subuid);
    with_ids(|| {
        let fault = confine_fault();
        let some = some_of(own().bounding).without(ids_and_setpcap());
        give_inheritable(some);
        for number in some.numbers() {
            prctl_raw(libc::PR_CAP_AMBIENT, libc::PR_CAP_AMBIENT_RAISE as u32, number).expect("ambient");
        }
        // They stay permitted and inheritable, and whoever is root stays root: nothing else takes them out.
        let sets =
            CapSets { bounding: some, inheritable: some, permitted: some, effective: some, ..CapSets::default() };
        Trial { below: fault, ..Trial::new(sets, User::default()) }.becomes();
    });
}

#[test]
fn task5_where_setgroups_is_denied_there_are_none_to_drop() {
    needs!(subuid);
    with_ids(|| {
        let fault = confine_fault();
        enter_a_user_namespace();
        let trial = Trial::new(less(CapSet::EMPTY), User::default());
        let result = caps::confine(&trial.sets, &trial.user);
        check!(
            result.is_ok(),
            expected: "confine() to succeed in a user namespace where setgroups(2) is denied, for a user with no more groups",
            seen: result.as_ref().err().map(Error::to_string).unwrap_or_default(),
            likely: fault.unwrap_or("setgroups(2) was called there and its EPERM taken for the end: nobody can have groups there to drop"),
            read: RULES,
        );
        trial.is_confined();
    });
}

#[test]
fn task5_groups_that_cannot_be_had_are_no_success() {
    needs!(subuid);
    with_ids(|| {
        let fault = confine_fault();
        enter_a_user_namespace();
        let user = User { groups: vec![0], ..User::default() };
        let call = "confine() with another group, where setgroups(2) is denied,";
        check_refused_confine(caps::confine(&less(CapSet::EMPTY), &user), Errno::EPERM, call, fault);
    });
}

#[test]
fn task5_an_id_that_is_not_mapped_is_refused() {
    needs!(subuid);
    with_ids(|| {
        let fault = confine_fault();
        enter_a_user_namespace();
        for (uid, gid) in [(USER, 0), (0, USER)] {
            in_child(|| {
                let user = User { uid, gid, groups: vec![] };
                let call = format!("confine() with user {uid} and group {gid}, where 0 alone is mapped,");
                check_refused_confine(caps::confine(&less(CapSet::EMPTY), &user), Errno::EINVAL, &call, fault);
            });
        }
    });
}

#[test]
fn task5_without_the_capabilities_it_is_refused() {
    needs!(subuid);
    for number in [SETPCAP, SETUID, SETGID] {
        with_ids(|| {
            let (all, fault) = (own(), confine_fault());
            let rest = all.permitted.without(only(number));
            give(&CapSets { permitted: rest, effective: rest, ..all });
            let user = User { uid: some_id(0), gid: some_id(1), groups: vec![] };
            let call = format!("confine() without {}", only(number).names().concat());
            check_refused_confine(caps::confine(&less(CapSet::EMPTY), &user), Errno::EPERM, &call, fault);
        });
    }
}

#[test]
fn task5_without_setgid_no_groups_are_kept_in_silence() {
    needs!(subuid);
    with_ids(|| {
        let all = own();
        // A group to be dropped is all that there is to do: the calls for group 0 and user 0 would change nothing.
        setgroups(&[Gid::from_raw(USER)]).expect("setgroups");
        let rest = all.permitted.without(only(SETGID));
        let fault = confine_fault();
        give(&CapSets { permitted: rest, effective: rest, ..all });
        let is_taken = in_child(|| {
            let user = User { groups: vec![some_id(0)], ..User::default() };
            caps::confine(&less(CapSet::EMPTY), &user).is_ok()
        });
        let fault = fault.or(is_taken.then_some("see task5_groups_that_cannot_be_had_are_no_success"));
        let call = "confine() to root without the caller's groups, without CAP_SETGID,";
        check_refused_confine(caps::confine(&less(CapSet::EMPTY), &User::default()), Errno::EPERM, call, fault);
    });
}

#[test]
fn task5_nothing_else_is_left_behind() {
    needs!(subuid);
    with_ids(|| {
        let state = || {
            let bits = prctl_raw(libc::PR_GET_SECUREBITS, 0, 0).expect("PR_GET_SECUREBITS");
            (bits & !SECBIT_KEEP_CAPS, prctl_raw(libc::PR_GET_NO_NEW_PRIVS, 0, 0).expect("PR_GET_NO_NEW_PRIVS"))
        };
        let before = state();
        Trial::new(less(part_of(own().bounding)), User { uid: USER, gid: USER, groups: vec![] }).becomes();
        let seen = state();
        check!(
            seen == before,
            expected: format!("securebits {:#x} and no_new_privs {} as before", before.0, before.1),
            seen: format!("{:#x} and {}", seen.0, seen.1),
            likely: "PR_SET_KEEPCAPS ends with the next execve(2); another bit stays, and changes what capabilities mean for the program",
            read: RULES,
        );
    });
}

// ---- task 6 ----

#[test]
fn task6_version_2_in_every_part() {
    on_trial(|| {
        for effective in [false, true] {
            let caps = FileCaps { effective, root: None, ..some_file_caps() };
            let path = file();
            write_words(&path, &words(&caps));
            finds(&path, &caps);
        }
    });
}

#[test]
fn task6_version_3_names_a_root() {
    needs!(subuid);
    with_ids(|| {
        for effective in [false, true] {
            let caps = FileCaps { effective, root: Some(some_id(0)), ..some_file_caps() };
            let path = file();
            write_words(&path, &words(&caps));
            finds(&path, &caps);
        }
    });
}

#[test]
fn task6_none_is_no_failure() {
    on_trial(|| {
        // So that a body that never finds any is noticed here too.
        let caps = FileCaps { root: None, ..some_file_caps() };
        write_words(&file(), &words(&caps));
        finds(&file(), &caps);
        let bare = dir().join("bare");
        fs::write(&bare, "").expect("a file");
        for (path, what) in [
            (bare.as_path(), "a file without capabilities"),
            (&dir(), "a directory"),
            (Path::new("/proc/self/status"), "a file of a file system that has no extended attributes"),
        ] {
            finds_none(path, what, "what was in the buffer before was taken for an attribute");
        }
    });
}

#[test]
fn task6_a_link_has_none_of_its_targets() {
    on_trial(|| {
        let (path, link) = (file(), dir().join("link"));
        let caps = FileCaps { root: None, ..some_file_caps() };
        write_words(&path, &words(&caps));
        finds(&path, &caps);
        symlink(&path, &link).expect("a link");
        finds_none(
            &link,
            "a link",
            "the link was followed, by getxattr(2): a copy of it would get what is its target's",
        );
        fs::remove_file(&path).expect("remove");
        finds_none(&link, "a link to nowhere", "what was in the buffer before was taken for an attribute");
    });
}

#[test]
fn task6_what_cannot_be_read_is_reported() {
    on_trial(|| {
        let (path, fault) = (file(), Verb::FileCaps.fault());
        for (path, errno) in [(dir().join("missing"), Errno::ENOENT), (path.join("below"), Errno::ENOTDIR)] {
            check_refusal(caps::file_caps(&path), errno, &format!("file_caps({})", name(&path)), fault);
        }
    });
}

#[test]
fn task6_those_of_an_unknown_root_are_told() {
    needs!(subuid);
    with_ids(|| {
        let (path, fault) = (file(), Verb::FileCaps.fault());
        write_words(&path, &words(&FileCaps { root: Some(some_id(0)), ..some_file_caps() }));
        enter_a_user_namespace();
        let call = "file_caps(), where the root that they count for has no id,";
        check_refusal(caps::file_caps(&path), Errno::EOVERFLOW, call, fault);
    });
}

// ---- task 7 ----

#[test]
fn task7_version_2_as_the_kernel_has_it() {
    on_trial(|| {
        for effective in [false, true] {
            writes(&file(), &FileCaps { effective, root: None, ..some_file_caps() });
        }
    });
}

#[test]
fn task7_version_3_as_the_kernel_has_it() {
    needs!(subuid);
    with_ids(|| {
        for effective in [false, true] {
            writes(&file(), &FileCaps { effective, root: Some(some_id(0)), ..some_file_caps() });
        }
    });
}

#[test]
fn task7_what_was_there_is_replaced() {
    on_trial(|| {
        let path = file();
        for _ in 0..2 {
            writes(&path, &FileCaps { root: None, ..some_file_caps() });
        }
    });
}

#[test]
fn task7_a_link_is_not_followed() {
    on_trial(|| {
        let (path, link) = (file(), dir().join("link"));
        writes(&path, &FileCaps { root: None, ..some_file_caps() });
        let before = read_bytes(&path);
        symlink(&path, &link).expect("a link");
        // Some file systems let a link have them, some do not.
        let _ = caps::set_file_caps(&link, &FileCaps { root: None, ..some_file_caps() });
        check!(
            read_bytes(&path) == before,
            expected: "the target of a link to keep what it has",
            seen: format!("{:02x?}", read_bytes(&path)),
            likely: "setxattr(2) followed the link: in an image it may lead to a program of the host",
            read: RULES,
        );
    });
}

#[test]
fn task7_whoever_starts_it_gets_them() {
    needs!(subuid);
    with_ids(|| {
        let (bounding, program) = (own().bounding, copy("cat"));
        for effective in [true, false] {
            let (permitted, inheritable) = (some_of(bounding), some_of(bounding));
            caps::set_file_caps(&program, &FileCaps { permitted, inheritable, effective, root: None }).explained(
                "set_file_caps()",
                &WRITE_REASONS,
                RULES,
            );
            let mine = some_of(bounding);
            let seen = in_child(|| {
                give_inheritable(mine);
                become_user(USER);
                let sets = started(program.to_str().expect("text")).sets;
                (sets.permitted.0, sets.effective.0)
            });
            let wanted = permitted.or(inheritable.and(mine));
            let wanted = (wanted.0, if effective { wanted.0 } else { 0 });
            check!(
                seen == wanted,
                expected: format!(
                    "a program with permitted {permitted}, inheritable {inheritable}, effective {effective}, started with {mine} \
                     inheritable, to have permitted {:016x}, effective {:016x}", wanted.0, wanted.1
                ),
                seen: format!("permitted {:016x}, effective {:016x}", seen.0, seen.1),
                likely: "the kernel reads other sets than were to be written",
                read: RULES,
            );
        }
    });
}

#[test]
fn task7_a_copied_ping_opens_a_raw_socket() {
    needs!(subuid, program = busybox);
    with_ids(|| {
        let program = copy("busybox");
        let is_denied = || {
            let ping =
                Command::new(&program).args(["ping", "-c", "1", "-w", "1", "127.0.0.1"]).uid(USER).gid(USER).output();
            String::from_utf8_lossy(&ping.expect("ping").stderr).contains("denied")
        };
        assert!(is_denied(), "an ordinary user has no right to a raw socket");
        let raw = FileCaps { permitted: only(NET_RAW), inheritable: CapSet::EMPTY, effective: true, root: None };
        caps::set_file_caps(&program, &raw).explained("set_file_caps()", &WRITE_REASONS, RULES);
        check!(
            !is_denied(),
            expected: "a copy of ping with CAP_NET_RAW, permitted and effective, to open its socket",
            seen: format!("permission denied, with {:02x?}", read_bytes(&program)),
            likely: "the kernel reads something else than was to be written",
            read: RULES,
        );
    });
}

#[test]
fn task7_root_of_a_namespace_gives_what_counts_there() {
    needs!(subuid);
    with_ids(|| {
        let caps = FileCaps { root: None, ..some_file_caps() };
        let path = file();
        chown(&path, Some(Uid::from_raw(USER)), Some(Gid::from_raw(USER))).expect("chown");
        in_child(|| {
            become_user(USER);
            prctl::set_dumpable(true).expect("PR_SET_DUMPABLE");
            enter_a_user_namespace_as(USER);
            caps::set_file_caps(&path, &caps).explained("set_file_caps() as root inside", &WRITE_REASONS, RULES);
        });
        check_words(&path, &FileCaps { root: Some(USER), ..caps }, "version 2, written by root of a user namespace,");
    });
}

#[test]
fn task7_what_the_kernel_refuses_is_reported() {
    on_trial(|| {
        let (path, fault) = (file(), Verb::SetFileCaps.fault());
        let caps = FileCaps { root: None, ..some_file_caps() };
        for (path, errno) in
            [(dir().join("missing").as_path(), Errno::ENOENT), (Path::new("/proc/self/status"), Errno::EOPNOTSUPP)]
        {
            check_refusal(caps::set_file_caps(path, &caps), errno, &format!("set_file_caps({})", name(path)), fault);
        }
        drop_capabilities();
        check_refusal(caps::set_file_caps(&path, &caps), Errno::EPERM, "set_file_caps() without CAP_SETFCAP", fault);
    });
}

// ---- the end: `boxwright run` ----

#[test]
fn run_keeps_the_usual_14() {
    written!(10);
    shielded(|| has(&[], CapSet::DEFAULT));
}

#[test]
fn run_keeps_them_from_the_child_of_an_init_too() {
    written!(10, leans on 3);
    shielded(|| has(&["--init"], CapSet::DEFAULT));
}

#[test]
fn run_drops_and_adds_in_any_order() {
    written!(10);
    shielded(|| {
        let available = own().permitted;
        let [out, extra] = [CapSet::DEFAULT, available.without(CapSet::DEFAULT)].map(one_of);
        let (drop, add) = (named(out, "--cap-drop"), named(extra, "--cap-add"));
        has(&[&drop], CapSet::DEFAULT.without(out));
        has(&[&add, &drop], CapSet::DEFAULT.or(extra).without(out));
        has(&["--cap-add=ALL", &drop], available.without(out));
        has(&[&drop, "--cap-add=all"], available.without(out));
        has(&["--cap-drop=ALL", &add], extra);
        has(&[&add, "--cap-drop=all"], extra);
        has(&["--cap-drop=ALL"], CapSet::EMPTY);
    });
}

#[test]
fn run_takes_the_power_itself() {
    written!(10, leans on 4, 5);
    shielded(|| {
        let image = image(&["mount"]);
        run(&image, &[], "mount -t tmpfs none /tmp").failure().stderr(contains("mount"));
        run(&image, &["--cap-add", "sys_admin"], "mount -t tmpfs none /tmp").success();
        // A program that root starts gets no more than there is, and here there is nothing.
        run(&image, &["--cap-drop", "all"], "cat /proc/self/status")
            .success()
            .stdout(contains(format!("CapPrm:\t{}", CapSet::EMPTY)));
    });
}

#[test]
fn run_without_chown_leaves_owners_alone() {
    needs!(subuid);
    written!(10, leans on 4, 5);
    Shield::new().with_ids().run(|| {
        let image = image(&["chown", "stat"]);
        let script = |name| format!("> /{name}; chown {USER} /{name}; stat -c %u /{name}");
        run(&image, &[], &script("one")).success().stdout(format!("{USER}\n"));
        run(&image, &["--cap-drop", "chown"], &script("two")).success().stdout("0\n").stderr(contains("not permitted"));
    });
}

#[test]
fn run_without_mknod_makes_no_devices() {
    needs!(root);
    written!(10, leans on 4, 5);
    shielded(|| {
        let image = image(&["mknod"]);
        run(&image, &["--cap-drop", "mknod"], "mknod /null c 1 3").failure().stderr(contains("not permitted"));
        run(&image, &[], "mknod /null c 1 3").success();
    });
}

#[test]
fn run_without_net_raw_sends_no_ping() {
    needs!(program = busybox);
    written!(10, leans on 4, 5);
    shielded(|| {
        let image = image(&["busybox"]);
        let script = "busybox ping -c 1 -w 1 127.0.0.1 2>&1; true";
        run(&image, &[], script).success().stdout(contains("denied").not());
        run(&image, &["--cap-drop", "net_raw"], script).success().stdout(contains("denied"));
    });
}

#[test]
fn run_an_unknown_name_gets_the_nearest() {
    written!(10);
    shielded(|| {
        for (flag, words) in [
            ("--cap-add=NET_ROW", "a capability, such as CAP_NET_RAW"),
            ("--cap-drop=sysadmin", "a capability, such as CAP_SYS_ADMIN"),
        ] {
            run_plain(&[flag], "true").code(2).stderr(contains(words).and(contains("\n").count(1)));
        }
    });
}

#[test]
fn run_as_a_user_by_number() {
    needs!(subuid);
    written!(10, leans on 4, 5);
    Shield::new().with_ids().run(|| {
        let (uid, gid, image) = (some_id(0), some_id(1), image(&[]));
        // Somebody without a line in /etc/passwd, and in the group 0 then, as Docker has it.
        is_seen(&image, &["--user", &uid.to_string()], (uid, 0, &[]));
        is_seen(&image, &["--user", &format!("{uid}:{gid}")], (uid, gid, &[]));
        let flags = ["--user", &uid.to_string(), "--cap-add", "net_raw"];
        let seen = described(&run(&image, &flags, "cat /proc/self/status").success().get_output().stdout).sets;
        assert_eq!([seen.permitted, seen.effective, seen.ambient], [only(NET_RAW); 3]);
    });
}

#[test]
fn run_as_a_user_of_the_containers_own() {
    needs!(subuid);
    written!(10, leans on 4, 5, 6);
    Shield::new().with_ids().run(|| {
        let (uid, gid, image) = (some_id(0), some_id(1), image(&[]));
        // The host has a daemon too, with other numbers.
        let [first, second] = [some_id(2), some_id(3)];
        fs::write(
            image.path().join("etc/passwd"),
            format!("root:x:0:0::/root:/bin/sh\ndaemon:x:{uid}:{gid}::/home/d:/bin/sh\n"),
        )
        .expect("passwd");
        let groups = format!("one:x:{first}:root,daemon\ntwo:x:{second}:daemon\nnot:x:{USER}:root\n");
        fs::write(image.path().join("etc/group"), groups).expect("group");
        is_seen(&image, &["--user", "daemon"], (uid, gid, &[first, second]));
        is_seen(&image, &["--user", &uid.to_string()], (uid, gid, &[first, second]));
        is_seen(&image, &["--user", "daemon:not"], (uid, USER, &[]));
        is_seen(&image, &["--user", "daemon", "--group-add", "not"], (uid, gid, &[first, second, USER]));
        is_seen(&image, &["--user", "0:0", "--group-add", &second.to_string()], (0, 0, &[second]));
        run(&image, &["--user", "daemon"], "echo $HOME").success().stdout("/home/d\n");
        // One that the host has, and the container does not.
        for flags in [["--user", "nobody"], ["--user", "daemon:nogroup"], ["--group-add", "nogroup"]] {
            run(&image, &flags, "true").code(2).stderr(contains("of the container's /etc").or(contains("of its /etc")));
        }
    });
}

#[test]
fn run_a_set_user_id_program_stays_within_the_bounds() {
    needs!(subuid);
    written!(10, leans on 4, 5);
    Shield::new().with_ids().run(|| {
        let (image, uid) = (image(&[]), some_id(0).to_string());
        let cat = image.path().join(rootfs::find("cat").expect("cat").strip_prefix("/").expect("absolute"));
        fs::set_permissions(cat, Permissions::from_mode(0o4755)).expect("chmod");
        let out = one_of(CapSet::DEFAULT);
        let flags = ["--user", &uid, &named(out, "--cap-drop")];
        let seen = described(&run(&image, &flags, "cat /proc/self/status").success().get_output().stdout).sets;
        assert_eq!(seen.permitted, CapSet::DEFAULT.without(out).and(own().permitted));
    });
}

#[test]
fn run_privileged_says_what_is_given_up() {
    written!(10, leans on 7, 8);
    shielded(|| {
        let seen = run_plain(&["--privileged"], "cat /proc/self/status")
            .success()
            .stderr(contains("all capabilities, all devices"));
        let sets = described(&seen.get_output().stdout).sets;
        assert_eq!([sets.bounding, sets.permitted, sets.effective], [own().permitted; 3]);
    });
}

// ---- what the tests stand on ----

/// `boxwright run FLAGS -- sh -c SCRIPT`, with the host's root.
fn run_plain(flags: &[&str], script: &str) -> assert_cmd::assert::Assert {
    let command = &mut testkit::boxwright!();
    command.arg("run").args(flags).args(["--", "sh", "-c", script]).env("LC_ALL", "C").assert()
}

/// `boxwright run --rootfs IMAGE FLAGS -- sh -c SCRIPT`.
fn run(image: &Rootfs, flags: &[&str], script: &str) -> assert_cmd::assert::Assert {
    let root = ["--rootfs", image.path().to_str().expect("text")];
    run_plain(&[&root, flags].concat(), script)
}

/// A root of one's own, with a shell, `cat` and these.
fn image(programs: &[&str]) -> Rootfs {
    Rootfs::build(dir().join("rootfs"), &[&["sh", "cat"], programs].concat()).expect("a rootfs")
}

/// Checks the sets of a container's root: these, as far as whoever starts it has them.
#[track_caller]
fn has(flags: &[&str], wanted: CapSet) {
    let seen = described(&run_plain(flags, "cat /proc/self/status").success().get_output().stdout).sets;
    let wanted = wanted.and(own().permitted);
    let sets = CapSets { bounding: wanted, permitted: wanted, effective: wanted, ..CapSets::default() };
    assert_eq!(shown(&seen), shown(&sets), "run {flags:?}");
}

/// Checks whose a container's process is: user, group, the other groups.
#[track_caller]
fn is_seen(image: &Rootfs, flags: &[&str], (uid, gid, groups): (u32, u32, &[u32])) {
    let seen = described(&run(image, flags, "cat /proc/self/status").success().get_output().stdout);
    assert_eq!((seen.uids, seen.gids), (vec![uid; 4], vec![gid; 4]), "run {flags:?}");
    assert_eq!(seen.groups, sorted(groups), "run {flags:?}");
}

/// As a flag has it: some write it in small letters, some without CAP_.
fn named(set: CapSet, flag: &str) -> String {
    let name = set.names().concat();
    let name = if coin() { name.to_ascii_lowercase() } else { name };
    format!("{flag}={}", if coin() { name.split_at(4).1 } else { &name })
}

/// Runs `body` in a process of its own under a shield: it may give up what it has.
#[track_caller]
fn on_trial(body: impl FnOnce()) {
    shielded(|| in_child(body));
}

/// The same where root has other users' ids to give away, and has a group more than it needs.
#[track_caller]
fn with_ids(body: impl FnOnce()) {
    Shield::new().with_ids().run(|| {
        in_child(|| {
            setgroups(&[Gid::from_raw(USER), Gid::from_raw(some_id(9))]).expect("setgroups");
            body();
        });
    });
}

/// With one id mapped, and setgroups(2) denied: root inside.
fn enter_a_user_namespace() {
    enter_a_user_namespace_as(0);
}

/// The same, for somebody who has this id outside.
fn enter_a_user_namespace_as(id: u32) {
    unshare(CloneFlags::CLONE_NEWUSER).expect("unshare");
    fs::write("/proc/self/setgroups", "deny").expect("setgroups");
    for map in ["uid_map", "gid_map"] {
        fs::write(format!("/proc/self/{map}"), format!("0 {id} 1")).expect("a map");
    }
}

fn become_user(id: u32) {
    setgroups(&[]).expect("setgroups");
    let (uid, gid) = (Uid::from_raw(id), Gid::from_raw(id));
    setresgid(gid, gid, gid).expect("setresgid");
    setresuid(uid, uid, uid).expect("setresuid");
}

/// One of the ids that a shield with ids maps; another for each number to 9.
fn some_id(number: u32) -> u32 {
    SUBORDINATE.0 + number * 6000 + random() as u32 % 6000
}

fn coin() -> bool {
    random() & 1 == 1
}

fn only(number: u32) -> CapSet {
    CapSet(1 << number)
}

/// One of them.
fn one_of(set: CapSet) -> CapSet {
    let numbers: Vec<u32> = set.numbers().collect();
    only(numbers[random() as usize % numbers.len()])
}

/// Some of them and not all, below 32 and beyond 31.
fn some_of(all: CapSet) -> CapSet {
    let some = all.and(CapSet(random()));
    let is_mixed = |half| ![some.and(half), all.without(some).and(half)].contains(&CapSet::EMPTY);
    if is_mixed(LOWER) && is_mixed(CapSet(!LOWER.0)) { some } else { some_of(all) }
}

/// Some of them and not all, wherever they are.
fn part_of(all: CapSet) -> CapSet {
    let some = all.and(CapSet(random()));
    if some == CapSet::EMPTY || some == all { part_of(all) } else { some }
}

/// Five sets of 64 random bits.
fn some_sets() -> CapSets {
    let [inheritable, permitted, effective, bounding, ambient] = std::array::from_fn(|_| CapSet(random()));
    CapSets { inheritable, permitted, effective, bounding, ambient }
}

/// A status as the kernel writes it, with these sets.
fn status(sets: &CapSets) -> String {
    let line = |line: &str| match FIELDS.iter().zip(five(sets)).find(|(field, _)| line.starts_with(*field)) {
        Some((field, set)) => format!("{field}:\t{set}\n"),
        None => format!("{line}\n"),
    };
    status_text().lines().map(line).collect()
}

fn five(sets: &CapSets) -> [CapSet; 5] {
    [sets.inheritable, sets.permitted, sets.effective, sets.bounding, sets.ambient]
}

fn three(sets: &CapSets) -> [CapSet; 3] {
    [sets.inheritable, sets.permitted, sets.effective]
}

fn shown(sets: &CapSets) -> String {
    let named = FIELDS.iter().zip(five(sets)).map(|(field, set)| format!("{field} {set}"));
    named.collect::<Vec<_>>().join(", ")
}

/// What a process is, by its status.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Who {
    uids: Vec<u32>,
    gids: Vec<u32>,
    groups: Vec<u32>,
    sets: CapSets,
}

fn status_text() -> String {
    fs::read_to_string("/proc/self/status").expect("status")
}

/// The calling process.
fn who() -> Who {
    described(status_text().as_bytes())
}

/// The sets of the calling process.
fn own() -> CapSets {
    who().sets
}

fn described(status: &[u8]) -> Who {
    let text = String::from_utf8_lossy(status);
    let field = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        line.unwrap_or_else(|| panic!("no {name} in {text:?}")).trim().to_owned()
    };
    let ids = |name| field(name).split_whitespace().map(|id| id.parse().expect("an id")).collect::<Vec<u32>>();
    let [inheritable, permitted, effective, bounding, ambient] =
        FIELDS.map(|name| CapSet(u64::from_str_radix(&field(name), 16).expect("a mask")));
    let sets = CapSets { inheritable, permitted, effective, bounding, ambient };
    Who { uids: ids("Uid"), gids: ids("Gid"), groups: sorted(&ids("Groups")), sets }
}

fn sorted(ids: &[u32]) -> Vec<u32> {
    let mut ids = ids.to_vec();
    ids.sort_unstable();
    ids
}

/// What `cat`, or a copy of it, is when the caller starts it.
fn started(cat: &str) -> Who {
    let output = Command::new(cat).arg("/proc/self/status").output().expect("start cat");
    assert!(output.status.success(), "{output:?}");
    described(&output.stdout)
}

/// A copy of a program, with nothing but its content; by a path from the test's directory, as file() is.
fn copy(program: &str) -> PathBuf {
    let copy = Path::new(".").join(program);
    fs::copy(rootfs::find(program).expect("a program"), &copy).expect("a copy");
    copy
}

/// prctl(2).
fn prctl_raw(option: i32, first: u32, second: u32) -> nix::Result<i32> {
    let long = libc::c_ulong::from;
    // SAFETY: the options that are used here take integers.
    Errno::result(unsafe { libc::prctl(option, long(first), long(second), long(0u32), long(0u32)) })
}

/// Source: `<linux/securebits.h>`.
const SECBIT_KEEP_CAPS: i32 = 1 << 4;

/// capset(2), by the test itself.
fn give(sets: &CapSets) {
    let header = (0x2008_0522_u32, 0_i32);
    let data =
        [0, 32].map(|shift| [sets.effective, sets.permitted, sets.inheritable].map(|set| (set.0 >> shift) as u32));
    // SAFETY: a header and two data structures of version 3, which outlive the call.
    let status = unsafe { libc::syscall(libc::SYS_capset, &raw const header, data.as_ptr()) };
    Errno::result(status).expect("capset");
}

fn give_inheritable(inheritable: CapSet) {
    give(&CapSets { inheritable, ..own() });
}

type Use = fn() -> nix::Result<()>;

/// What takes a capability, by its number; each is done where it leaves nothing behind.
const POWERS: [(u32, &str, Use); 6] = [
    (DAC_OVERRIDE, "writing to a file of mode 0", write_to_a_closed_file),
    (NET_BIND_SERVICE, "listening on port 80", listen_on_port_80),
    (NET_RAW, "opening a raw socket", open_a_raw_socket),
    (SYS_CHROOT, "chroot(2)", || chroot("/").map_err(errno)),
    (SYS_ADMIN, "mount(2)", mount_a_tmpfs),
    (SYS_ADMIN, "sethostname(2)", || sethostname(gethostname()?)),
];

fn errno(error: std::io::Error) -> Errno {
    error.raw_os_error().map_or(Errno::UnknownErrno, Errno::from_raw)
}

fn write_to_a_closed_file() -> nix::Result<()> {
    let path = dir().join("closed");
    if !path.exists() {
        fs::write(&path, "").and_then(|()| fs::set_permissions(&path, Permissions::from_mode(0o000))).map_err(errno)?;
    }
    OpenOptions::new().append(true).open(&path).map(drop).map_err(errno)
}

fn listen_on_port_80() -> nix::Result<()> {
    TcpListener::bind(("0.0.0.0", 80)).map(drop).map_err(errno)
}

fn open_a_raw_socket() -> nix::Result<()> {
    // SAFETY: socket takes three integers; the descriptor is closed again.
    unsafe {
        let socket = libc::socket(libc::AF_INET, libc::SOCK_RAW | libc::SOCK_CLOEXEC, libc::IPPROTO_ICMP);
        Errno::result(Errno::result(socket).map(|socket| libc::close(socket))?).map(drop)
    }
}

fn mount_a_tmpfs() -> nix::Result<()> {
    // In a copy of the mounts, which nobody else sees; without the right to make one there is none to mount either.
    unshare(CloneFlags::CLONE_NEWNS)?;
    let path = dir().join("mount");
    fs::create_dir_all(&path).map_err(errno)?;
    mount(None::<&str>, "/", None::<&str>, MsFlags::MS_REC | MsFlags::MS_PRIVATE, None::<&str>)?;
    mount(Some("none"), &path, Some("tmpfs"), MsFlags::empty(), None::<&str>)
}

#[track_caller]
fn refused(result: nix::Result<()>, number: u32, what: &str) {
    check!(
        matches!(result, Err(Errno::EPERM | Errno::EACCES)),
        expected: format!("{what} to be refused without {}", only(number).names().concat()),
        seen: format!("{result:?}; {}", shown(&own())),
        likely: "what the kernel asks for is the effective set",
        read: RULES,
    );
}

/// `fault` is what is wrong with the plain call already.
#[track_caller]
fn check_refusal<T: std::fmt::Debug>(result: Result<T>, errno: Errno, call: &str, fault: Option<&str>) {
    let seen = result.as_ref().map_or_else(Error::to_string, |value| format!("Ok({value:?})"));
    let likely = match (fault, &result) {
        (Some(fault), _) => fault.to_owned(),
        (None, Ok(_)) => format!("the refusal of {} was swallowed", call.split('(').next().unwrap_or(call)),
        (None, Err(_)) => "another call came first, or the errno was lost on the way".to_owned(),
    };
    check!(
        result.is_err_and(|error| error.errno() == Some(errno)),
        expected: format!("{call} to return {errno:?}"),
        seen: seen,
        likely: likely,
        read: RULES,
    );
}

/// The verbs that a test may stand on.
#[derive(Clone, Copy)]
enum Verb {
    DropBounding,
    Set,
    RaiseAmbient,
    FileCaps,
    SetFileCaps,
}

impl Verb {
    /// What to say when it does not do its work where nothing is in its way, which is tried in a process of its own.
    fn fault(self) -> Option<&'static str> {
        let works = in_child(|| match self {
            Verb::DropBounding => {
                let before = own();
                let keep = some_of(before.bounding);
                caps::drop_bounding(keep).is_ok() && own() == CapSets { bounding: keep, ..before }
            }
            Verb::Set => {
                let wanted = some_of_three(&own());
                caps::set(&wanted).is_ok() && three(&own()) == three(&wanted)
            }
            Verb::RaiseAmbient => {
                let all = own().permitted;
                give_inheritable(all);
                let raises = |some| caps::raise_ambient(some).is_ok() && own().ambient == some;
                raises(some_of(all)) && raises(some_of(all))
            }
            Verb::FileCaps => {
                let (path, caps) = (probe(), some_file_caps());
                write_words(&path, &words(&caps));
                caps::file_caps(&path).is_ok_and(|found| found == Some(caps))
            }
            Verb::SetFileCaps => {
                let (path, caps) = (probe(), some_file_caps());
                caps::set_file_caps(&path, &caps).is_ok() && read_bytes(&path) == Some(bytes_of(&words(&caps)))
            }
        });
        (!works).then_some(match self {
            Verb::DropBounding => "drop_bounding() does not do its work yet: first make the other tests of task 2 pass",
            Verb::Set => "set() does not do its work yet: first make the other tests of task 3 pass",
            Verb::RaiseAmbient => "raise_ambient() does not do its work yet: first make the other tests of task 4 pass",
            Verb::FileCaps => "file_caps() does not do its work yet: first make the other tests of task 6 pass",
            Verb::SetFileCaps => "set_file_caps() does not do its work yet: first make the other tests of task 7 pass",
        })
    }
}

fn probe() -> PathBuf {
    let path = PathBuf::from("probe");
    fs::write(&path, "").expect("a file");
    path
}

// ---- task 1: the right answer, or why not ----

#[track_caller]
fn reads(text: &str, wanted: &CapSets, likely: &str) {
    let seen = caps::read(text);
    check!(
        seen.as_ref().is_ok_and(|sets| sets == wanted),
        expected: format!("read() to find {}", shown(wanted)),
        seen: seen.as_ref().map_or_else(Error::to_string, shown),
        likely: read_fault().unwrap_or(likely),
        read: RULES,
    );
}

#[track_caller]
fn refuses_to_read(text: &str, what: &str, likely: &str) {
    let seen = caps::read(text);
    check!(
        seen.is_err(),
        expected: format!("read() to refuse {what}"),
        seen: seen.as_ref().map_or_else(Error::to_string, shown),
        likely: read_fault().unwrap_or(likely),
        read: TASKS,
    );
}

/// What is wrong already with the plainest text.
fn read_fault() -> Option<&'static str> {
    let read = |masks: [&str; 5]| {
        let lines = FIELDS.iter().zip(masks).map(|(field, mask)| format!("{field}:\t{mask}\n"));
        caps::read(&lines.collect::<String>()).map(|sets| five(&sets).map(|set| set.0)).ok()
    };
    let of = |mask: &str| read([mask; 5]).map(|sets| sets[2]);
    let numbers = ["0000000000000001", "0000000000000002", "0000000000000003", "0000000000000004", "0000000000000005"];
    match (of("0000000000000010"), of("0000010000000000")) {
        (Some(10), _) => Some("the numbers are hexadecimal, and were read as decimal ones"),
        (Some(0x10), Some(0x100_0000_0000)) if read(numbers) == Some([1, 2, 3, 4, 5]) => None,
        (Some(0x10), Some(0x100_0000_0000)) => Some("a set has another one's mask: each is called by its own name"),
        (Some(0x10), _) => Some("32 bits are not enough: a set has 64, and CAP_BPF is number 39"),
        (Some(0), _) => Some("nothing is read yet: a line is a name, a colon, a tab and 16 hexadecimal digits"),
        _ => Some("a line is a name, a colon, a tab and 16 hexadecimal digits"),
    }
}

// ---- task 2 ----

#[track_caller]
fn drops(keep: CapSet) {
    let before = own();
    caps::drop_bounding(keep).explained(&format!("drop_bounding({keep})"), &BOUNDING_REASONS, RULES);
    check_bounding(&before, keep, None);
}

#[track_caller]
fn check_bounding(before: &CapSets, keep: CapSet, likely: Option<&str>) {
    let (seen, all) = (own(), before.bounding);
    let wanted = all.and(keep);
    // What comes of taking bits for numbers.
    let bits = CapSet::ALL.without(keep).numbers().filter(|number| 1_u64 << number < 41);
    let as_bits = all.without(bits.map(|number| only(1 << number)).fold(CapSet::EMPTY, CapSet::or));
    check!(
        seen.bounding == wanted,
        expected: format!("CapBnd to become {wanted}: of {all}, what is in {keep}"),
        seen: format!("CapBnd {}", seen.bounding),
        likely: match seen.bounding {
            same if same == all && three(&seen) != three(before) => {
                "the sets of the thread were made smaller, and the bounding set, which programs get by, is what it was"
            }
            same if same == all => "nothing was dropped from the bounding set",
            other if other == all.without(keep) => "what was to be kept was dropped, and the rest kept",
            bits if bits == as_bits => "PR_CAPBSET_DROP takes the number of one capability; bits of a mask were passed",
            half if half == wanted.and(LOWER).or(all.without(LOWER)) => "the numbers go on beyond 31",
            _ => likely.unwrap_or("some went and some did not: every number that is not in keep is to go, once"),
        },
        read: RULES,
    );
    check!(
        three(&seen) == three(before),
        expected: format!("the sets of the thread to stay as they are: {}", shown(before)),
        seen: shown(&seen),
        likely: "more was changed than the bounding set",
        read: TASKS,
    );
}

// ---- task 3 ----

/// Of what is permitted; effective is not all of it, and inheritable something else.
fn some_of_three(before: &CapSets) -> CapSets {
    let permitted = some_of(before.permitted);
    CapSets { permitted, effective: part_of(permitted), inheritable: some_of(before.permitted), ..CapSets::default() }
}

#[track_caller]
fn sets(wanted: &CapSets) {
    let before = own();
    let call = format!(
        "set() of inheritable {}, permitted {}, effective {}",
        wanted.inheritable, wanted.permitted, wanted.effective
    );
    if let Err(error) = caps::set(wanted) {
        match set_fault(&before).filter(|_| error.errno() == Some(Errno::EPERM)) {
            Some(fault) => testkit::teach(format!("{call} to succeed"), error, fault, RULES),
            None => Err(error).explained(&call, &SET_REASONS, RULES),
        }
    }
    let seen = own();
    let known = |set: u64| before.permitted.and(CapSet(set));
    let exchanged = three(wanted).map(|set| known(set.0.rotate_left(32)));
    check!(
        three(&seen) == three(wanted),
        expected: format!("{call} to do so"),
        seen: shown(&seen),
        likely: match three(&seen) {
            same if same == three(&before) => "nothing has changed: a copy of the sets is no more than that until capset(2) is called",
            lower if lower == three(wanted).map(|set| set.and(LOWER)) => "32 bits were given: what stands above 31 is in the second data structure",
            other if other == exchanged => "the halves were exchanged: the lower 32 bits come first",
            [inheritable, ..] if inheritable == before.inheritable && three(&seen)[1..] == three(wanted)[1..] => {
                "the inheritable set was left as it was"
            }
            [_, permitted, effective] if permitted == wanted.permitted && effective == permitted => {
                "effective was made as large as permitted: what is permitted can wait until it is needed"
            }
            _ => set_fault(&before).unwrap_or("each data structure is effective, permitted, inheritable, in this order"),
        },
        read: RULES,
    );
    check!(
        seen.bounding == before.bounding,
        expected: format!("CapBnd to stay {}", before.bounding),
        seen: seen.bounding,
        likely: "more was changed than the three sets",
        read: TASKS,
    );
}

/// What is wrong already with the plainest calls, each tried in a process of its own that has `before`.
fn set_fault(before: &CapSets) -> Option<&'static str> {
    let after = |wanted: CapSets| {
        in_child(|| {
            give(before);
            caps::set(&wanted).is_ok().then(|| three(&own()).map(|set| set.0))
        })
    };
    let low = only(NET_RAW);
    let sets = CapSets { permitted: low, ..CapSets::default() };
    // Everything effective that may be: nothing that anybody could refuse.
    let plain = CapSets { effective: before.permitted, ..*before };
    match (after(sets), after(plain)) {
        (Some([inheritable, 0, 0]), _) if inheritable == low.0 => Some(
            "the words are in another order: first the lower halves of effective, permitted, inheritable, then the upper ones",
        ),
        (_, None) => Some("another process was meant: the header's second word is 0, or the caller's own PID"),
        (None, _) => Some("permitted and effective were exchanged: each data structure begins with effective"),
        _ => None,
    }
}

// ---- task 4 ----

#[track_caller]
fn raises(wanted: CapSet) {
    let before = own();
    caps::raise_ambient(wanted).explained(&format!("raise_ambient({wanted})"), &AMBIENT_REASONS, RULES);
    let seen = own();
    check!(
        seen.ambient == wanted,
        expected: format!("CapAmb to become {wanted}; it was {}", before.ambient),
        seen: format!("CapAmb {}", seen.ambient),
        likely: match seen.ambient {
            both if both == wanted.or(before.ambient) && before.ambient != CapSet::EMPTY => {
                "what was ambient before still is: PR_CAP_AMBIENT_CLEAR_ALL takes it away"
            }
            same if same == before.ambient => "nothing was raised",
            CapSet::EMPTY => "all was raised and cleared again: clearing comes first",
            lower if lower == wanted.and(LOWER) => "what stands above 31 was not raised",
            _ => "something else was raised than was asked for",
        },
        read: RULES,
    );
    check!(
        three(&seen) == three(&before),
        expected: format!("the other sets to stay as they are: {}", shown(&before)),
        seen: shown(&seen),
        likely: "more was changed than the ambient set",
        read: TASKS,
    );
}

// ---- task 5 ----

fn ids_and_setpcap() -> CapSet {
    only(SETPCAP).or(only(SETUID)).or(only(SETGID))
}

/// Less than the caller has, and none of what it takes to become somebody else: of the bounding set some, and `own` of it for
/// an ordinary user.
fn less(own: CapSet) -> CapSets {
    let own = own.without(ids_and_setpcap());
    let bounding = some_of(who().sets.bounding).without(ids_and_setpcap()).or(own);
    CapSets { bounding, inheritable: own, permitted: own, effective: own, ambient: own }
}

/// What is to come of a call of confine, and what there was before it.
struct Trial {
    sets: CapSets,
    user: User,
    before: Who,
    /// What is wrong already with what confine stands on.
    below: Option<&'static str>,
}

impl Trial {
    fn new(sets: CapSets, user: User) -> Trial {
        Trial { sets, user, before: who(), below: below() }
    }

    #[track_caller]
    fn becomes(&self) {
        self.confines();
        self.is_that_user();
        self.is_confined();
    }

    fn call(&self) -> String {
        let User { uid, gid, groups } = &self.user;
        format!("confine({}; user {uid}, group {gid}, groups {groups:?})", shown(&self.sets))
    }

    /// Calls it; an error is explained by what had been done when it came.
    #[track_caller]
    fn confines(&self) {
        let Err(error) = caps::confine(&self.sets, &self.user) else { return };
        let (now, user, sets) = (who(), &self.user, &self.sets);
        let is_changed = user.uid != 0 && now.uids == [user.uid; 4];
        let is_bound = now.sets.bounding == sets.bounding;
        let likely = match error.errno() {
            _ if self.below.is_some() => self.below.unwrap_or_default(),
            Some(Errno::EINVAL) => "an id that is not mapped here",
            _ if now == self.before => "the first call was refused already",
            Some(Errno::EPERM) if !is_bound && is_changed => {
                "the bounding set comes before the user: whoever changes the user has nothing effective any more, CAP_SETPCAP neither"
            }
            Some(Errno::EPERM) if !is_bound && !now.sets.effective.has(SETPCAP) => {
                "CAP_SETPCAP was given up before the bounding set was dropped, which needs it"
            }
            Some(Errno::EPERM) if is_changed && now.groups != sorted(&user.groups) => {
                "the groups come before the user: whoever changes the user has nothing effective any more, CAP_SETGID neither"
            }
            Some(Errno::EPERM) if is_changed && now.gids != [user.gid; 4] => {
                "the group comes before the user: setresgid(2) needs CAP_SETGID in the effective set"
            }
            Some(Errno::EPERM) if is_changed && now.sets.permitted == CapSet::EMPTY => {
                "the user was changed, and with it went all that was permitted: PR_SET_KEEPCAPS, before, keeps it"
            }
            Some(Errno::EPERM) if !is_changed && !now.sets.effective.has(SETGID) => {
                "CAP_SETUID and CAP_SETGID were given up before user and groups were changed"
            }
            Some(Errno::EPERM) => "what is to be ambient has to be permitted and inheritable first",
            _ => "see which of the calls it was, and what it needs",
        };
        let seen = format!("{error}; by then {}", told_who(&now));
        testkit::teach(format!("{} to succeed", self.call()), seen, likely, RULES)
    }

    /// Checks user, group and groups.
    #[track_caller]
    fn is_that_user(&self) {
        // Where nobody can drop any groups, they stay.
        let is_denied = fs::read_to_string("/proc/self/setgroups").expect("setgroups").trim() == "deny";
        let groups = if is_denied { self.before.groups.clone() } else { sorted(&self.user.groups) };
        let (now, uids, gids) = (who(), vec![self.user.uid; 4], vec![self.user.gid; 4]);
        check!(
            (&now.uids, &now.gids, &now.groups) == (&uids, &gids, &groups),
            expected: format!("{} to make the process that user's", self.call()),
            seen: told_who(&now),
            likely: match &now {
                same if *same == self.before => "nothing has changed",
                now if now.uids != uids && now.uids.contains(&self.user.uid) => {
                    "real, effective and saved are three ids, and with one that is still root's there is a way back"
                }
                now if now.uids != uids => "the user was not changed",
                now if now.gids != gids => "the group is still root's: what root's group may read, the container may",
                now if now.groups == self.before.groups => "the caller's other groups are still there, and open what they open on the host",
                _ => "the other groups are not those that were asked for",
            },
            read: RULES,
        );
    }

    /// Checks the five sets.
    #[track_caller]
    fn is_confined(&self) {
        let (now, wanted, before) = (own(), &self.sets, &self.before.sets);
        check!(
            now == *wanted,
            expected: format!("{} to leave it these sets", self.call()),
            seen: shown(&now),
            likely: match &now {
                _ if self.below.is_some() => self.below.unwrap_or_default(),
                same if same == before => "nothing has changed",
                now if now.bounding == before.bounding => {
                    "the bounding set is as large as before: a set-user-ID root program gets everything in it"
                }
                now if now.permitted == before.permitted => {
                    "everything is permitted still: the sets were edited in a copy, and never given to the kernel, capset(2)"
                }
                now if three(now) == three(wanted) && now.ambient == CapSet::EMPTY => {
                    "nothing is ambient: whatever this thread has, its next program, of an ordinary user, has nothing; and a \
                     change of user empties the set"
                }
                now if three(now) == three(wanted) && wanted.ambient == CapSet::EMPTY => {
                    "where none is to be ambient, the set from before is to be emptied all the same"
                }
                now if now.permitted == wanted.permitted && now.effective == CapSet::EMPTY => {
                    "the change of user has emptied the effective set: the sets are given after it"
                }
                _ => "a set is another one than was asked for",
            },
            read: RULES,
        );
    }
}

fn told_who(who: &Who) -> String {
    format!("users {:?}, groups {:?} and {:?}, {}", who.uids, who.gids, who.groups, shown(&who.sets))
}

/// What is wrong with the verbs of tasks 2 to 4.
fn below() -> Option<&'static str> {
    let verbs = [Verb::DropBounding, Verb::Set, Verb::RaiseAmbient];
    verbs.into_iter().find_map(Verb::fault).or_else(|| {
        let is_refused = in_child(|| {
            let own = own();
            give(&CapSets { effective: own.effective.without(only(SETPCAP)), ..own });
            caps::drop_bounding(CapSet::EMPTY).is_err()
        });
        (!is_refused)
            .then_some("drop_bounding() does not tell what it could not do: first make the tests of task 2 pass")
    })
}

/// What is wrong with confine already where nothing is in its way: tried in a process of its own.
fn confine_fault() -> Option<&'static str> {
    below().or_else(|| {
        let works = in_child(|| {
            let (sets, user) =
                (less(part_of(own().bounding)), User { uid: some_id(0), gid: some_id(1), groups: vec![USER] });
            let done = caps::confine(&sets, &user).is_ok();
            done && who() == Who { uids: vec![user.uid; 4], gids: vec![user.gid; 4], groups: user.groups, sets }
        });
        (!works).then_some(
            "confine() does not do its work yet where nothing is in its way: first make the other tests of task 5 pass",
        )
    })
}

/// Checks what a program gets that is started by who has been confined.
#[track_caller]
fn programs_have(sets: &CapSets) {
    let seen = started("cat").sets;
    check!(
        seen == *sets,
        expected: format!("a program that is started to have {}", shown(sets)),
        seen: shown(&seen),
        likely: "the sets were right before it was started, so something else was changed that decides what a program gets: a securebit, \
                 or no_new_privs",
        read: RULES,
    );
}

#[track_caller]
fn check_refused_confine(result: Result<()>, errno: Errno, call: &str, fault: Option<&str>) {
    let seen = result.as_ref().map_or_else(Error::to_string, |()| format!("Ok(()); {}", told_who(&who())));
    let likely = match &result {
        _ if fault.is_some() => fault.unwrap_or_default(),
        Ok(()) if call.contains("another group") => {
            "the EPERM of setgroups(2) is forgiven when there are no groups to give, and only then"
        }
        Ok(()) if call.contains("the caller's groups") => {
            "the EPERM of setgroups(2) is forgiven where nothing denies the call but a missing CAP_SETGID: the groups of \
             before still open files"
        }
        Err(error) if call.contains("alone is mapped") && error.errno() == Some(Errno::EPERM) => {
            "setgroups(2) is denied here: see task5_where_setgroups_is_denied_there_are_none_to_drop"
        }
        Ok(()) => {
            "one of the calls failed, and the next one was made all the same: the container runs as somebody else than asked for"
        }
        Err(_) => {
            "another call failed first: with what is effective in here, every call but this one works in the right order"
        }
    };
    check!(
        result.is_err_and(|error| error.errno() == Some(errno)),
        expected: format!("{call} to return {errno:?}"),
        seen: seen,
        likely: likely,
        read: RULES,
    );
}

// ---- tasks 6 and 7 ----

/// A file of the caller's. What is above the test's directory may be closed to others: so the path begins in it.
fn file() -> PathBuf {
    let path = PathBuf::from("file");
    if !path.exists() {
        fs::write(&path, "").expect("a file");
    }
    path
}

fn name(path: &Path) -> String {
    path.strip_prefix(dir()).unwrap_or(path).display().to_string()
}

fn some_file_caps() -> FileCaps {
    let [permitted, inheritable] = std::array::from_fn(|_| some_of(CapSet(u64::MAX)));
    FileCaps { permitted, inheritable, effective: coin(), root: None }
}

/// The words of the attribute, by the manual page.
fn words(caps: &FileCaps) -> Vec<u32> {
    let version: u32 = if caps.root.is_some() { 0x0300_0000 } else { 0x0200_0000 };
    let half = |set: CapSet, shift: u32| (set.0 >> shift) as u32;
    let mut words = vec![version | u32::from(caps.effective)];
    for shift in [0, 32] {
        words.extend([half(caps.permitted, shift), half(caps.inheritable, shift)]);
    }
    words.extend(caps.root);
    words
}

fn bytes_of(words: &[u32]) -> Vec<u8> {
    words.iter().copied().flat_map(u32::to_le_bytes).collect()
}

fn c_path(path: &Path) -> CString {
    CString::new(path.as_os_str().as_bytes()).expect("a path")
}

fn write_words(path: &Path, words: &[u32]) {
    let (path, bytes) = (c_path(path), bytes_of(words));
    // SAFETY: two C strings and a buffer of the length given, which outlive the call.
    let status = unsafe {
        libc::lsetxattr(path.as_ptr(), c"security.capability".as_ptr(), bytes.as_ptr().cast(), bytes.len(), 0)
    };
    Errno::result(status).expect("lsetxattr");
}

/// The attribute as it is.
fn read_bytes(path: &Path) -> Option<Vec<u8>> {
    let (path, mut bytes) = (c_path(path), vec![0_u8; 64]);
    // SAFETY: two C strings and a buffer of the length given, which outlive the call.
    let length = unsafe {
        libc::lgetxattr(path.as_ptr(), c"security.capability".as_ptr(), bytes.as_mut_ptr().cast(), bytes.len())
    };
    bytes.truncate(Errno::result(length).ok()? as usize);
    Some(bytes)
}

#[track_caller]
fn finds(path: &Path, wanted: &FileCaps) {
    let call = format!("file_caps() of {:08x?}", words(wanted));
    let seen = match caps::file_caps(path) {
        Err(error) if error.errno().is_none() => testkit::teach(
            format!("{call} to succeed"),
            error,
            file_fault().unwrap_or("what the kernel lets one write is one of version 2 or 3"),
            RULES,
        ),
        result => result.explained(&call, &READ_REASONS, RULES),
    };
    check!(
        seen.as_ref() == Some(wanted),
        expected: format!("{call} to find {}", told(wanted)),
        seen: seen.as_ref().map_or("None".to_owned(), told),
        likely: match seen {
            None => "the attribute is there, and was taken for missing",
            Some(seen) if seen.effective != wanted.effective && FileCaps { effective: wanted.effective, ..seen } == *wanted => {
                "effective is the lowest bit of the first word"
            }
            Some(seen) if seen.root != wanted.root => "the root user is the sixth word, of version 3 alone",
            Some(seen) if [seen.permitted, seen.inheritable] == [wanted.permitted, wanted.inheritable].map(|set| set.and(LOWER)) => {
                "the upper halves were not read: they are the fourth and the fifth word"
            }
            Some(seen) if seen.permitted.0 as u32 == wanted.permitted.0 as u32 => {
                "a set is not two neighbours: first the lower halves of both sets, then the upper ones"
            }
            Some(seen) if seen.permitted == wanted.inheritable => "permitted comes before inheritable",
            Some(_) => "the words were read in another order, or from another place",
        },
        read: RULES,
    );
}

#[track_caller]
fn finds_none(path: &Path, what: &str, likely: &str) {
    let call = format!("file_caps() of {what}");
    let found = caps::file_caps(path).explained(&call, &READ_REASONS, RULES);
    check!(
        found.is_none(),
        expected: format!("{call} to find none"),
        seen: found.as_ref().map(told).unwrap_or_default(),
        likely: likely,
        read: RULES,
    );
}

/// Why an attribute is refused that is right: what is wrong already with a plain one.
fn file_fault() -> Option<&'static str> {
    let path = probe();
    let plain = FileCaps { permitted: only(NET_RAW), inheritable: CapSet::EMPTY, effective: false, root: None };
    let works = |caps: &FileCaps| {
        write_words(&path, &words(caps));
        caps::file_caps(&path).is_ok()
    };
    match (works(&plain), works(&FileCaps { effective: true, ..plain })) {
        (false, _) => Some("each word is written with its lowest byte first, on every machine"),
        (true, false) => {
            Some("the first word is a version and a flag: without the flag (FLAG_EFFECTIVE) it is the version")
        }
        (true, true) => Some("version 3 is refused: it is version 2 and one word more, the root user"),
    }
}

fn told(caps: &FileCaps) -> String {
    let FileCaps { permitted, inheritable, effective, root } = caps;
    format!("permitted {permitted}, inheritable {inheritable}, effective {effective}, root {root:?}")
}

#[track_caller]
fn writes(path: &Path, wanted: &FileCaps) {
    let call = format!("set_file_caps() of {}", told(wanted));
    caps::set_file_caps(path, wanted).explained(&call, &WRITE_REASONS, RULES);
    check_words(path, wanted, &call);
}

#[track_caller]
fn check_words(path: &Path, wanted: &FileCaps, what: &str) {
    let (seen, right) = (read_bytes(path), words(wanted));
    let numbers: Vec<u32> =
        seen.iter().flat_map(|bytes| bytes.as_chunks().0).map(|word| u32::from_le_bytes(*word)).collect();
    check!(
        seen == Some(bytes_of(&right)),
        expected: format!("{what} to come to {right:08x?}"),
        seen: if seen.is_some() { format!("{numbers:08x?}") } else { "no such attribute".to_owned() },
        likely: match numbers.as_slice() {
            [] => "nothing was written",
            [version, ..] if right[0] ^ version == 1 => "the version is right, and the flag beside it (FLAG_EFFECTIVE) is not as asked",
            five if five.len() == 5 && right.len() == 6 => {
                "the root user was left out: version 2 counts for root of the machine, which is more than was asked for"
            }
            [_, lower, inheritable, 0, 0, ..] if [*lower, *inheritable] == right[1..3] => "the upper halves are missing: CAP_BPF is number 39",
            [_, lower, upper, ..] if [*lower, *upper] == [right[1], right[3]] => {
                "a set is written as two neighbours: first come the lower halves of both sets"
            }
            _ => "the words are others, or in another order",
        },
        read: RULES,
    );
}
