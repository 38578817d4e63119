//! Lab 01, `labs/lab01_uts.rs`: a host name of one's own. Chapter: `book/src/lab01-uts.md`.
//!
//! Every test runs under Shield: what the code does to "the host" it does to a throw-away copy.

use boxwright::steps::uts;
use model::{NsKind, Result};
use nix::errno::Errno;
use predicates::str::contains;
use testkit::{Explained, check, drop_capabilities, in_child, inside, moves_only, random_name, shielded};

const RULES: &str = "lab01-uts.md, The kernel's rules";
const LACKS: (Errno, &str) =
    (Errno::EPERM, "the process lacks CAP_SYS_ADMIN in the user namespace that owns this UTS namespace");
/// What each errno of unshare(2) means here.
const REASONS: [(Errno, &str); 2] = [LACKS, (Errno::EINVAL, "a flag that does not exist, or one that threads forbid")];
/// What each errno of the two calls that set a name means here.
const NAME_REASONS: [(Errno, &str); 2] =
    [LACKS, (Errno::EINVAL, "the length that was passed is more than 64: it is that of the name in bytes")];
/// The same for a name that is as long as may be.
const FULL_NAME_REASONS: [(Errno, &str); 2] = [
    LACKS,
    (Errno::EINVAL, "64 bytes were refused: was a NUL counted as the 65th? The call takes a length and wants no NUL"),
];
/// The same for all three calls.
const ENTER_REASONS: [(Errno, &str); 2] =
    [LACKS, (Errno::EINVAL, "unshare: a flag that does not exist; the names: a length of more than 64 was passed")];

/// The two names that the calling process sees.
fn names() -> [String; 2] {
    let seen = inside();
    [seen.hostname, seen.domainname]
}

#[test]
fn task1_the_caller_gets_a_new_uts_namespace() {
    shielded(|| {
        let verb = || uts::unshare_uts().explained("unshare_uts()", &REASONS, RULES);
        moves_only(NsKind::Uts, "CLONE_NEWUTS", verb, |_| None, RULES);
    });
}

#[test]
fn task1_the_new_namespace_starts_with_the_old_names() {
    shielded(|| {
        let before = names();
        uts::unshare_uts().explained("unshare_uts()", &REASONS, RULES);
        check!(
            names() == before,
            expected: format!("the names to be copied: {before:?}"),
            seen: format!("{:?}", names()),
            likely: "something beyond unshare(2) was called; naming comes in the next tasks",
            read: RULES,
        );
    });
}

#[test]
fn task1_without_the_capability_the_refusal_is_reported() {
    shielded(|| {
        drop_capabilities();
        check_refusal(uts::unshare_uts(), Errno::EPERM, "unshare_uts() without CAP_SYS_ADMIN");
    });
}

#[test]
fn task2_the_hostname_is_the_one_asked_for() {
    named_as_asked(0, uts::set_hostname);
}

#[test]
fn task2_a_name_of_64_bytes_fits_and_of_65_does_not() {
    length_limit(0, uts::set_hostname);
}

#[test]
fn task2_without_the_capability_the_refusal_is_reported() {
    shielded(|| {
        drop_capabilities();
        check_refusal(uts::set_hostname("box"), Errno::EPERM, "set_hostname() without CAP_SYS_ADMIN");
    });
}

#[test]
fn task3_the_domainname_is_the_one_asked_for() {
    named_as_asked(1, uts::set_domainname);
}

#[test]
fn task3_a_name_of_64_bytes_fits_and_of_65_does_not() {
    length_limit(1, uts::set_domainname);
}

#[test]
fn task4_the_host_keeps_its_names_and_the_caller_gets_new_ones() {
    let (host, domain) = (random_name("box"), random_name("domain"));
    shielded(|| {
        let before = names();
        let own_namespace = || testkit::namespaces()[&NsKind::Uts];
        let host_namespace = own_namespace();
        // In a child, so that this process stays on the host and can look.
        let ([seen_host, seen_domain], unshared) = in_child(|| {
            uts::enter(Some(&host), Some(&domain)).explained("enter(Some(_), Some(_))", &ENTER_REASONS, RULES);
            (names(), own_namespace() != host_namespace)
        });
        check!(
            names() == before,
            expected: format!("the host to keep its names {before:?}"),
            seen: format!("{:?}", names()),
            likely: match unshared {
                true => "the host was renamed first and left afterwards: unshare(CLONE_NEWUTS) has to come before the names",
                false => "the host was renamed, and nobody ever left it: is unshare_uts(), task 1, called, and does it work?",
            },
            read: RULES,
        );
        check!(
            seen_host == host && seen_domain == domain,
            expected: format!("inside, the names {host:?} and {domain:?}"),
            seen: format!("{seen_host:?} and {seen_domain:?}"),
            likely: match (seen_host == before[0], seen_domain == before[1]) {
                (true, true) if unshared => "unshared and never named: a new namespace starts as a copy of the old one",
                (true, true) => "nothing was done at all",
                (true, false) => "the host name was never set",
                (false, true) => "the domain name was never set",
                _ if seen_host == domain => "the two names are mixed up",
                _ => "names other than those asked for were set",
            },
            read: RULES,
        );
    });
}

#[test]
fn task4_a_name_that_was_not_asked_for_is_kept() {
    shielded(|| {
        let before = names();
        uts::enter(Some(""), None).explained(r#"enter(Some(""), None)"#, &ENTER_REASONS, RULES);
        check!(
            names() == ["".to_owned(), before[1].clone()],
            expected: format!("an empty host name, and the domain name {:?} as it was", before[1]),
            seen: format!("{:?}", names()),
            likely: "None means: keep the copied name; Some(\"\") means: an empty one, which the kernel allows",
            read: RULES,
        );
    });
}

#[test]
fn task4_a_refused_name_is_reported() {
    shielded(|| {
        check!(
            uts::enter(Some(&"x".repeat(65)), None).is_err(),
            expected: "enter() with a name of 65 bytes to return an error",
            seen: "Ok(())",
            likely: "the result of set_hostname() was thrown away",
            read: RULES,
        );
    });
}

#[test]
fn run_gives_the_container_its_hostname_and_the_host_keeps_its_own() {
    let name = random_name("box");
    shielded(|| {
        let before = names();
        testkit::boxwright!()
            .args(["run", "--hostname", &name, "--domainname", "example", "--", "uname", "-n"])
            .assert()
            .success()
            .stdout(contains(&name));
        check!(
            names() == before,
            expected: format!("the host to keep its names {before:?}"),
            seen: format!("{:?}", names()),
            likely: "enter() renamed the host; see task 4",
            read: RULES,
        );
    });
}

/// Index 0 is the host name, 1 the domain name; `set` is the verb for it.
fn named_as_asked(index: usize, set: fn(&str) -> Result<()>) {
    let name = random_name("box");
    shielded(|| {
        let before = names();
        let seen = in_child(|| {
            nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWUTS).expect("unshare");
            set(&name).explained("setting a name", &NAME_REASONS, RULES);
            names()
        });
        let mut expected = before;
        expected[index] = name;
        check!(
            seen == expected,
            expected: format!("[host name, domain name] to be {expected:?}"),
            seen: format!("{seen:?}"),
            likely: match () {
                () if seen[index].trim_end_matches('\0') != seen[index] => "the length counts a closing NUL; these calls take a length and want none",
                () if expected[index].starts_with(&seen[index]) => "the name was cut: pass its whole length in bytes",
                () if seen[1 - index] == expected[index] => "the other one of the two names was set",
                () => "the name was not set, or not in the caller's namespace",
            },
            read: RULES,
        );
    });
}

fn length_limit(index: usize, set: fn(&str) -> Result<()>) {
    let fits = random_name("x").repeat(10)[..64].to_owned();
    let too_long = random_name("y").repeat(10)[..65].to_owned();
    shielded(|| {
        let (accepted, seen) = in_child(|| {
            nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWUTS).expect("unshare");
            set(&fits).explained("setting a name of 64 bytes", &FULL_NAME_REASONS, RULES);
            (set(&too_long).is_ok(), names()[index].clone())
        });
        check!(
            !accepted,
            expected: "a name of 65 bytes to be refused (the kernel says EINVAL)",
            seen: format!("Ok(()), and the name is now {seen:?}"),
            likely: match () {
                () if too_long.starts_with(&seen) => "the name was cut to fit: half a name is worse than an error",
                () if seen == fits => "the kernel refused, and the refusal was thrown away: hand the result on",
                () => "no name was ever set",
            },
            read: RULES,
        );
        check!(
            seen == fits,
            expected: format!("the name of 64 bytes to stay: {fits:?}"),
            seen: format!("{seen:?}"),
            likely: "something was set although the name was refused",
            read: RULES,
        );
    });
}

fn check_refusal(result: Result<()>, errno: Errno, call: &str) {
    let seen = match &result {
        Ok(()) => "Ok(())".to_owned(),
        Err(error) => error.to_string(),
    };
    check!(
        result.is_err_and(|error| error.errno() == Some(errno)),
        expected: format!("{call} to return {errno:?}"),
        seen: seen,
        likely: "the result of the system call was thrown away, or its errno was",
        read: RULES,
    );
}
