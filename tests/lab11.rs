//! Lab 11, `labs/lab11_seccomp.rs`: which system calls there are. Chapter: `book/src/lab11-seccomp.md`.
//!
//! What is made of a policy is run by a small machine of the tests' own ([`testkit::bpf`]) on made-up calls, so that a
//! message can say which value went wrong; then the kernel is asked too. Each filter is loaded in a process of its own.

#![allow(unsafe_code, reason = "fork, and raw system calls")]

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use boxwright::steps::seccomp;
use model::Error;
use model::plan::seccomp::{Action, ArchRules, Arg, Compare, Insn, Policy, Rule, X32_BIT, X86_64};
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};
use nix::libc::{self, c_long};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sched::{CloneFlags, unshare};
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};
use nix::sys::stat::{Mode, SFlag, mknod};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, Uid, fork, setresuid, truncate};
use predicates::prelude::PredicateBooleanExt;
use predicates::str::contains;
use testkit::bpf::{self, Call, End};
use testkit::filtered::{self, Seen};
use testkit::{
    Explained, Shield, check, dir, drop_capabilities, in_child, needs, patience, rootfs, shielded, start_child, written,
};

const RULES: &str = "lab11-seccomp.md, The kernel's rules";
const TASKS: &str = "lab11-seccomp.md, Tasks";
/// This machine's own architecture, and others.
const NATIVE: u32 = if cfg!(target_arch = "x86_64") { X86_64 } else { AARCH64 };
const AARCH64: u32 = 0xc000_00b7;
const X86: u32 = 0x4000_0003;
/// No machine has as many calls.
const LAST: u32 = 600;
/// What each errno means when a filter is loaded.
const INSTALL_REASONS: [(Errno, &str); 6] = [
    (
        Errno::EINVAL,
        "the kernel does not take the program or the flags: len counts instructions, not bytes, and the flags are the call's second \
         argument",
    ),
    (
        Errno::EFAULT,
        "the call's third argument is the address of a sock_fprog, which has the address of the first instruction",
    ),
    (
        Errno::EACCES,
        "the caller has neither no_new_privs nor CAP_SYS_ADMIN, which this one has: was something given up?",
    ),
    (Errno::EBUSY, "a listener was asked for twice: a process can have one"),
    (
        Errno::ENOMEM,
        "all filters of a process together have 32768 instructions at most: was it loaded again and again?",
    ),
    (Errno::ENOSYS, "there is no such system call: SYS_seccomp is its number"),
];
/// What each errno means when writing is restricted.
const LANDLOCK_REASONS: [(Errno, &str); 6] = [
    (Errno::ENOENT, "a directory that is there was not found: is it the path that was given?"),
    (Errno::EPERM, "landlock_restrict_self(2) needs no_new_privs or CAP_SYS_ADMIN, which this one has"),
    (
        Errno::EINVAL,
        "a right that this kernel's Landlock does not know, or a rule about a right that the ruleset does not handle",
    ),
    (Errno::ENOMSG, "the ruleset handles nothing"),
    (Errno::E2BIG, "a process can have 16 rulesets at most"),
    (Errno::EOPNOTSUPP, "this kernel has Landlock, and it was not used"),
];

// ---- task 1 ----

#[test]
fn task1_the_same_and_another() {
    shielded(|| {
        compares(|_| Compare::Eq);
        compares(|_| Compare::Ne);
    });
}

#[test]
fn task1_less_and_more() {
    shielded(|| {
        for how in [Compare::Lt, Compare::Le, Compare::Ge, Compare::Gt] {
            compares(|_| how);
        }
    });
}

#[test]
fn task1_the_same_as_far_as_a_mask_has_bits() {
    shielded(|| compares(|random| Compare::Masked(random.value())));
}

#[test]
fn task1_an_ioctl_is_known_by_its_lower_half() {
    shielded(|| {
        // The kernel takes an unsigned int: what is above, it does not see.
        let arg = Arg { index: 1, compare: Compare::Masked(0xffff_ffff), value: libc::TIOCSTI };
        let random = &mut Random::new();
        for upper in [0, 1, random.next() >> 32, 0xffff_ffff] {
            let mut call = random.call();
            call.args[1] = upper << 32 | libc::TIOCSTI;
            check!(
                holds(&arg, 3, &call),
                expected: format!("argument {:#x} to be TIOCSTI under a mask of 32 bits", call.args[1]),
                seen: "it is another one",
                likely: if is_equal_told() { "64 bits were compared where the mask has 32: with a bit above, TIOCSTI is let through, and the kernel takes it" } else { "values are not compared at all yet: first make task1_the_same_and_another pass" },
                read: RULES,
            );
        }
    });
}

#[test]
fn task1_false_passes_over_exactly_so_many() {
    shielded(|| {
        let random = &mut Random::new();
        for how in [Compare::Eq, Compare::Ne, Compare::Lt, Compare::Le, Compare::Ge, Compare::Gt, Compare::Masked(!0)] {
            for skip in [0, 1, 2, 200, random.below(200) as u8] {
                let arg = Arg { index: random.below(6) as u32, compare: how, value: random.value() };
                for value in near(arg.value, random) {
                    holds(&arg, skip, &random.call_with(&arg, value));
                }
            }
        }
    });
}

// ---- task 2 ----

#[test]
fn task2_the_number_is_looked_at() {
    shielded(|| {
        let random = &mut Random::new();
        for _ in 0..20 {
            let rule = random.rule(0);
            returns_for(&rule, &random.call_of(rule.number), random);
            for number in [rule.number + 1, rule.number.wrapping_sub(1), rule.number | X32_BIT, random.next() as u32] {
                goes_on(&rule, &random.call_of(number), "of another number");
            }
        }
    });
}

#[test]
fn task2_the_action_is_returned_with_its_data() {
    shielded(|| {
        let random = &mut Random::new();
        let errno = Action::errno(1 + random.below(4095) as u16);
        let trap = Action(libc::SECCOMP_RET_TRAP | random.below(0x1_0000) as u32);
        let trace = Action(libc::SECCOMP_RET_TRACE | random.below(0x1_0000) as u32);
        let log = Action(libc::SECCOMP_RET_LOG);
        for action in [Action::ALLOW, Action::KILL_PROCESS, Action::NOTIFY, errno, trap, trace, log] {
            let rule = Rule { action, ..random.rule(0) };
            returns_for(&rule, &random.call_of(rule.number), random);
        }
    });
}

#[test]
fn task2_every_condition_counts() {
    shielded(|| {
        let random = &mut Random::new();
        for count in (1..=6).cycle().take(18) {
            let rule = random.rule(count);
            let right = random.call_for(&rule);
            returns_for(&rule, &right, random);
            for (broken, arg) in rule.args.iter().enumerate() {
                let mut call = right;
                call.args[arg.index as usize] = random.not_so(arg);
                let whose = format!("whose argument {} is not so ({})", arg.index, condition(arg));
                let seen = ran(&seccomp::rule(&rule), call.number, &call, "rule()");
                check!(
                    seen != End::Returned(rule.action.0),
                    expected: format!("rule() to go on for a call {whose}, with {count} conditions"),
                    seen: "the action was returned",
                    likely: unfinished(&[1]).unwrap_or(match broken + 1 == count {
                        true => "what is passed over is one too few: the return is a part of it",
                        false => "a condition that is not true passes over all that follows, the other conditions too",
                    }),
                    read: TASKS,
                );
                goes_on(&rule, &call, &whose);
            }
        }
    });
}

#[test]
fn task2_afterwards_the_number_is_in_a() {
    shielded(|| {
        let random = &mut Random::new();
        for count in [0, 1, 1, 2, 6] {
            let rule = random.rule(count);
            goes_on(&rule, &random.call_of(rule.number + 1), "of another number");
            if let Some(arg) = rule.args.last() {
                let mut call = random.call_for(&rule);
                call.args[arg.index as usize] = random.not_so(arg);
                goes_on(&rule, &call, "of this number, with other arguments");
            }
        }
    });
}

// ---- task 3 ----

#[test]
fn task3_the_first_rule_that_matches() {
    shielded(|| {
        let random = &mut Random::new();
        for _ in 0..6 {
            let number = random.below(400) as u32;
            // With conditions, and one without, and one that is never reached.
            let mut rules: Vec<Rule> = (0..4).map(|_| Rule { number, ..random.rule(1) }).collect();
            rules.extend((0..2).map(|_| Rule { number, ..random.rule(0) }));
            rules.push(Rule { number: number + 1, ..random.rule(0) });
            let rules = ArchRules { arch: NATIVE, x32: false, rules };
            let calls: Vec<Call> = rules.rules.iter().map(|rule| random.call_for(rule)).collect();
            judges(&rules, random.action(), &calls);
        }
    });
}

#[test]
fn task3_what_no_rule_is_about_gets_the_default() {
    shielded(|| {
        let random = &mut Random::new();
        for count in [0, 1, 3, 9, 40] {
            let rules = ArchRules { arch: NATIVE, x32: false, rules: random.rules(count, 2) };
            let default = random.action();
            let calls: Vec<Call> = (0..450).map(|number| random.call_of(number)).collect();
            judges(&rules, default, &calls);
        }
    });
}

#[test]
fn task3_another_architecture_is_passed_over() {
    shielded(|| {
        let random = &mut Random::new();
        for (own, count) in [(X86_64, 5), (AARCH64, 5), (X86, 0)] {
            let rules = ArchRules { arch: own, x32: false, rules: random.rules(count, 1) };
            let default = random.action();
            for arch in [X86_64, AARCH64, X86, own ^ 1, own ^ 0x8000_0000, 0, random.next() as u32] {
                if arch != own {
                    passes_over(&rules, default, arch, random);
                }
            }
        }
    });
}

#[test]
fn task3_numbers_of_x32_are_killed_unless_asked_for() {
    shielded(|| {
        let random = &mut Random::new();
        for x32 in [false, true] {
            let mut rules = random.rules(20, 1);
            if x32 {
                let more: Vec<Rule> =
                    rules.iter().map(|rule| Rule { number: rule.number | X32_BIT, ..random.rule(0) }).collect();
                rules.extend(more);
            }
            let mut calls: Vec<Call> = rules.iter().map(|rule| random.call_for(rule)).collect();
            calls.extend((0..550).map(|number| random.call_of(number | X32_BIT)));
            calls.iter_mut().for_each(|call| call.arch = X86_64);
            judges(&ArchRules { arch: X86_64, x32, rules }, Action::ALLOW, &calls);
        }
    });
}

#[test]
fn task3_hundreds_of_rules() {
    shielded(|| {
        let random = &mut Random::new();
        for (count, conditions) in [(300, 0), (400, 2)] {
            let rules = ArchRules { arch: NATIVE, x32: false, rules: random.rules(count, conditions) };
            let default = random.action();
            for arch in [X86, NATIVE ^ 1, random.next() as u32] {
                passes_over(&rules, default, arch, random);
            }
            let of_rules: Vec<Call> = rules.rules.iter().map(|rule| random.call_for(rule)).collect();
            let others = (0..600).map(|number| random.call_of(number));
            judges(&rules, default, &of_rules.into_iter().chain(others).collect::<Vec<_>>());
        }
    });
}

// ---- task 4 ----

#[test]
fn task4_each_architecture_has_its_rules() {
    shielded(|| {
        let random = &mut Random::new();
        for _ in 0..4 {
            let policy = random.policy(&[X86_64, X86, AARCH64], 30);
            let filter = assembles(&policy);
            for rules in &policy.archs {
                for number in 0..450 {
                    let call = Call { arch: rules.arch, ..random.call_of(number) };
                    decides(&filter, &policy, &call);
                }
            }
        }
    });
}

#[test]
fn task4_any_other_architecture_is_killed() {
    shielded(|| {
        let random = &mut Random::new();
        for archs in [&[X86_64, X86][..], &[AARCH64], &[]] {
            let policy = Policy { default: Action::ALLOW, ..random.policy(archs, 3) };
            let filter = assembles(&policy);
            for arch in [0, 0x4000_0028, X86_64 ^ 1, random.next() as u32 | 0x100] {
                decides(&filter, &policy, &Call { arch, ..random.call() });
            }
        }
    });
}

#[test]
fn task4_what_is_too_long_is_refused() {
    shielded(|| {
        let policy = |numbers: u32| {
            let rule =
                |number| Rule { number: number * 3, action: Action::errno(1 + (number % 4000) as u16), args: vec![] };
            let rules = ArchRules { arch: NATIVE, x32: false, rules: (0..numbers).map(rule).collect() };
            Policy { default: Action::ALLOW, archs: vec![rules], flags: 0, listener: None }
        };
        // As many as all calls of a machine; it has to fit, however it is laid out.
        let filter = assembles(&policy(450));
        loads(&filter);
        for too_many in [4100, 70_000] {
            let result = seccomp::assemble(&policy(too_many));
            check!(
                matches!(result, Err(Error::Invalid { .. })),
                expected: format!("assemble() of {too_many} rules to return Error::Invalid"),
                seen: match &result {
                    Ok(filter) => format!("a filter of {} instructions", filter.len()),
                    Err(error) => error.to_string(),
                },
                likely: match result {
                    Ok(filter) if filter.len() > 4096 => "the kernel takes 4096 instructions at most, and says EINVAL, which tells nobody why",
                    Ok(_) => unfinished(&[1, 2, 3]).unwrap_or("what was too much was left out: a rule that is missing allows or refuses something else"),
                    Err(_) => "it was refused, by another error than Error::Invalid",
                },
                read: TASKS,
            );
        }
    });
}

#[test]
fn task4_the_kernel_says_what_the_policy_says() {
    shielded(|| {
        let random = &mut Random::new();
        for round in 0..4 {
            let mut policy = random.policy_of_all_kinds(&[NATIVE, X86]);
            policy.archs[0].x32 = NATIVE == X86_64 && round % 2 == 1;
            let numbers = 0..LAST;
            let x32 = if policy.archs[0].x32 { X32_BIT..X32_BIT + LAST } else { 0..0 };
            let others =
                if NATIVE == X86_64 && !policy.archs[0].x32 { [X32_BIT, X32_BIT | 39] } else { [LAST, LAST | 0x1000] };
            let numbers = numbers.chain(x32).chain(others);
            let calls: Vec<Call> = numbers.map(|number| random.call_of(number)).collect();
            is_done_by_the_kernel(&policy, 0, calls, random);
        }
    });
}

#[test]
fn task4_by_i386s_door_the_kernel_takes_its_rules() {
    shielded(|| {
        if !filtered::has_i386() {
            return testkit::needs::skip(module_path!(), "ia32: a kernel that runs 32-bit programs");
        }
        let random = &mut Random::new();
        for _ in 0..2 {
            let policy = random.policy_of_all_kinds(&[NATIVE, X86]);
            let calls: Vec<Call> = (0..LAST).map(|number| Call { arch: X86, ..random.call_of(number) }).collect();
            is_done_by_the_kernel(&policy, 1, calls, random);
        }
    });
}

// ---- task 5 ----

#[test]
fn task5_the_thread_and_what_it_starts_have_it() {
    shielded(|| {
        in_child(|| {
            assert_eq!(own_status("NoNewPrivs"), "0", "before");
            seccomp::no_new_privs().explained(
                "no_new_privs()",
                &[(Errno::EINVAL, "prctl(2) wants PR_SET_NO_NEW_PRIVS, 1, and three times 0")],
                RULES,
            );
            let started = Command::new("grep").args(["NoNewPrivs", "/proc/self/status"]).output().expect("grep").stdout;
            for (who, seen) in [
                ("the caller", own_status("NoNewPrivs")),
                (
                    "a process that it starts",
                    String::from_utf8_lossy(&started).replace("NoNewPrivs:", "").trim().to_owned(),
                ),
            ] {
                check!(
                    seen == "1",
                    expected: format!("NoNewPrivs: 1 in the status of {who}"),
                    seen: seen,
                    likely: match own_status("NoNewPrivs").as_str() {
                        "1" => "it was set for the caller alone",
                        _ if is_set_for_others() => "it is set for others than root, and not for root: root's container gets set-user-ID programs too, and starts them as other users",
                        _ => "the call was not made",
                    },
                    read: RULES,
                );
            }
        });
    });
}

#[test]
fn task5_it_can_be_said_twice_and_gives_nothing_up() {
    shielded(|| {
        in_child(|| {
            let before = own_status("CapEff");
            for call in ["no_new_privs()", "no_new_privs() a second time"] {
                seccomp::no_new_privs().explained(call, &[], RULES);
            }
            assert_eq!(own_status("NoNewPrivs"), "1");
            assert_eq!((own_status("CapEff"), own_status("Seccomp")), (before, "0".to_owned()), "nothing else changes");
        });
    });
}

#[test]
fn task5_a_set_user_id_program_changes_nobody() {
    needs!(root, program = id);
    shielded(|| {
        let program = dir().join("id");
        fs::copy(rootfs::find("id").expect("id"), &program).expect("copy");
        fs::set_permissions(&program, fs::Permissions::from_mode(0o4755)).expect("chmod");
        let user = || {
            let uid = Uid::from_raw(1000);
            setresuid(uid, uid, uid).expect("setresuid");
            let seen = Command::new(&program).arg("-u").output().expect("id").stdout;
            String::from_utf8_lossy(&seen).trim().to_owned()
        };
        assert_eq!(in_child(user), "0", "a set-user-ID root program, for user 1000");
        let seen = in_child(|| {
            seccomp::no_new_privs().explained("no_new_privs()", &[], RULES);
            user()
        });
        check!(
            seen == "1000",
            expected: "a set-user-ID root program to run as user 1000, who started it",
            seen: format!("it ran as user {seen}"),
            likely: "no_new_privs was not set",
            read: RULES,
        );
    });
}

// ---- task 6 ----

#[test]
fn task6_the_filter_is_there() {
    shielded(|| {
        let random = &mut Random::new();
        let errno = 1 + random.below(133) as i32;
        let filter = filter(libc::SYS_getppid, Action::errno(errno as u16));
        in_child(|| {
            installs(&filter, 0);
            check!(
                own_status("Seccomp") == "2",
                expected: "Seccomp: 2 (a filter) in the caller's status",
                seen: own_status("Seccomp"),
                likely: "no filter was loaded: did the call's result come back as it was?",
                read: RULES,
            );
            let seen = errno_of(&Call { number: libc::SYS_getppid as u32, arch: NATIVE, args: [0; 6] });
            check!(
                seen == Some(errno),
                expected: format!("getppid() to fail with errno {errno}"),
                seen: format!("{seen:?}"),
                likely: "another program than the one that was given was loaded",
                read: RULES,
            );
            // And once more: it stays, beside the one that is there.
            let more = self::filter(libc::SYS_getuid, Action::errno(7));
            installs(&more, 0);
            let calls = [libc::SYS_getppid, libc::SYS_getuid, libc::SYS_geteuid];
            let seen = calls.map(|number| errno_of(&Call { number: number as u32, arch: NATIVE, args: [0; 6] }));
            assert_eq!(seen, [Some(errno), Some(7), None], "of two filters the strictest answer counts");
        });
    });
}

#[test]
fn task6_every_action_does_what_it_is_for() {
    shielded(|| {
        let data = 1 + Random::new().below(4000) as u32;
        let none = Call { number: libc::SYS_getppid as u32, arch: NATIVE, args: [0; 6] };
        // Without somebody who traces, the call is not there.
        for (action, wanted) in [(libc::SECCOMP_RET_LOG, None), (libc::SECCOMP_RET_TRACE | data, Some(libc::ENOSYS))] {
            in_child(|| {
                installs(&filter(libc::SYS_getppid, Action(action)), 0);
                assert_eq!(errno_of(&none), wanted, "action {action:#x}");
            });
        }
        in_child(|| {
            catch_sigsys();
            installs(&filter(libc::SYS_getppid, Action(libc::SECCOMP_RET_TRAP | data)), 0);
            errno_of(&none);
            assert_eq!(
                TRAPPED.load(std::sync::atomic::Ordering::SeqCst),
                data as i32,
                "SIGSYS with the data of the action"
            );
        });
    });
}

#[test]
fn task6_a_call_that_is_killed() {
    shielded(|| {
        let filter = filter(libc::SYS_getppid, Action::KILL_PROCESS);
        let ended = ending(|| {
            if seccomp::install(&filter, 0).is_err() {
                return 1;
            }
            errno_of(&Call { number: libc::SYS_getppid as u32, arch: NATIVE, args: [0; 6] });
            0
        });
        if let WaitStatus::Exited(_, 1 | 101) = ended {
            in_child(|| drop(installs(&filter, 0)));
        }
        check!(
            matches!(ended, WaitStatus::Signaled(_, Signal::SIGSYS, _)),
            expected: "a process to be killed by SIGSYS, as its filter says of getppid()",
            seen: format!("{ended:?}"),
            likely: match ended {
                WaitStatus::Signaled(_, Signal::SIGKILL, _) => "strict mode was switched on, which kills for every call but read, write, _exit and sigreturn: SECCOMP_SET_MODE_FILTER",
                WaitStatus::Exited(..) => "the call was made: no filter is there, although install() returned Ok",
                _ => "see seccomp(2)",
            },
            read: RULES,
        );
    });
}

#[test]
fn task6_the_flags_reach_the_kernel() {
    shielded(|| {
        let filter = filter(libc::SYS_getppid, Action::errno(7));
        let seen = in_child(|| {
            let (ask, asked) = mpsc::channel::<()>();
            let thread = thread::spawn(move || {
                asked.recv().expect("the filter is there");
                status("thread-self", "Seccomp")
            });
            installs(&filter, libc::SECCOMP_FILTER_FLAG_TSYNC);
            ask.send(()).expect("the thread is there");
            thread.join().expect("the thread")
        });
        check!(
            seen == "2",
            expected: "every thread of the process to have the filter, with SECCOMP_FILTER_FLAG_TSYNC",
            seen: format!("Seccomp: {seen} in the status of another thread"),
            likely: if loads_anything() {
                "the flags were not handed on: they are the second argument of seccomp(2)"
            } else {
                NOTHING_LOADED
            },
            read: RULES,
        );
        check!(
            flags_arrive(),
            expected: "a flag that the kernel does not know to be refused",
            seen: "Ok",
            likely: "the flags were not handed on, or the refusal was thrown away",
            read: RULES,
        );
    });
}

#[test]
fn task6_a_thread_that_cannot_follow_is_told() {
    shielded(|| {
        let (own, all) = (filter(libc::SYS_getuid, Action::errno(7)), filter(libc::SYS_getppid, Action::errno(7)));
        let is_refused = in_child(|| {
            let (ready, is_ready) = mpsc::channel::<()>();
            let (end, at_end) = mpsc::channel::<()>();
            let thread = thread::spawn(move || {
                // One of its own: from here on the two differ.
                load(&own).expect("a filter");
                ready.send(()).expect("the other is there");
                let _ = at_end.recv();
            });
            is_ready.recv().expect("the thread");
            let result = seccomp::install(&all, libc::SECCOMP_FILTER_FLAG_TSYNC);
            let is_there = own_status("Seccomp") != "0";
            drop(end);
            thread.join().expect("the thread");
            assert!(!is_there, "the kernel loads it for all threads or for none");
            result.is_err()
        });
        check!(
            is_refused,
            expected: "an error when a thread has a filter of its own and cannot have this one (SECCOMP_FILTER_FLAG_TSYNC)",
            seen: "Ok, and no filter was loaded",
            likely: if in_child(|| seccomp::install(&[], 0).is_ok()) {
                "whatever the kernel refuses is Ok: first make task6_what_the_kernel_does_not_take pass"
            } else {
                "what the kernel returned was taken for success: with this flag a number that is not 0 is the ID of that thread"
            },
            read: RULES,
        );
    });
}

#[test]
fn task6_without_a_right_to_it() {
    shielded(|| {
        in_child(|| {
            drop_capabilities();
            is_refused(
                "without no_new_privs and CAP_SYS_ADMIN",
                &filter(libc::SYS_getppid, Action::errno(7)),
                0,
                Errno::EACCES,
            );
            // What it is asked for, and enough.
            load(&[ret(Action::ALLOW)]).expect("no_new_privs, and a filter");
            installs(&filter(libc::SYS_getppid, Action::errno(7)), 0);
        });
    });
    needs!(subuid);
    Shield::new().as_user().run(|| {
        in_child(|| is_refused("as an ordinary user", &filter(libc::SYS_getppid, Action::errno(7)), 0, Errno::EACCES));
    });
}

#[test]
fn task6_no_new_privs_is_somebody_elses_to_say() {
    shielded(|| {
        in_child(|| {
            installs(&filter(libc::SYS_getppid, Action::errno(7)), 0);
            check!(
                own_status("NoNewPrivs") == "0",
                expected: "NoNewPrivs: 0 as before, after install() by one with CAP_SYS_ADMIN",
                seen: own_status("NoNewPrivs"),
                likely: "install() set it: there is no way back, and su and ping in the container fail for good. Whoever calls decides",
                read: TASKS,
            );
        });
    });
}

#[test]
fn task6_what_the_kernel_does_not_take() {
    shielded(|| {
        in_child(|| {
            let allow = ret(Action::ALLOW);
            let jump = Insn { code: (libc::BPF_JMP | libc::BPF_JA) as u16, jt: 0, jf: 0, k: 1 };
            let half_word = Insn { code: (libc::BPF_LD | libc::BPF_H | libc::BPF_ABS) as u16, jt: 0, jf: 0, k: 0 };
            for (what, program) in [
                ("a program that does not end with a return", vec![allow, load_word(0)]),
                ("a jump past the end", vec![jump, allow]),
                ("a load that seccomp has not", vec![half_word, allow]),
                ("a load past the end of seccomp_data", vec![load_word(64), allow]),
                ("a program without instructions", vec![]),
                ("a program of 65537 instructions", vec![allow; 65_537]),
            ] {
                is_refused(what, &program, 0, Errno::EINVAL);
            }
            // 32768 instructions, and 4 more for each filter that is there already.
            let long: Vec<Insn> = std::iter::repeat_n(load_word(0), 4095).chain([allow]).collect();
            for _ in 0..7 {
                load(&long).expect("a long filter");
            }
            is_refused("an eighth filter of 4096 instructions", &long, 0, Errno::ENOMEM);
        });
    });
}

#[test]
fn task6_a_listener_answers() {
    shielded(|| {
        let answer = 1 + Random::new().below(1 << 40) as i64;
        let filter = filter(libc::SYS_getppid, Action::NOTIFY);
        in_child(|| {
            let listener = installs(&filter, libc::SECCOMP_FILTER_FLAG_NEW_LISTENER);
            let Some(listener) = listener else {
                testkit::teach(
                    "a descriptor, with SECCOMP_FILTER_FLAG_NEW_LISTENER",
                    "None",
                    if flags_arrive() {
                        "the listener's descriptor was dropped: it is what the call returns, and without it every such call fails with ENOSYS"
                    } else {
                        "no listener was asked for: first make task6_the_flags_reach_the_kernel pass"
                    },
                    RULES,
                )
            };
            check!(
                fcntl(&listener, FcntlArg::F_GETFD).is_ok_and(|flags| flags & libc::FD_CLOEXEC != 0),
                expected: "an open descriptor that is closed by exec: the container's program must not answer for itself",
                seen: "one that it would inherit, or one that is closed",
                likely: "the descriptor was duplicated, or its flag taken away: the kernel gives it O_CLOEXEC",
                read: RULES,
            );
            let child =
                start_child(|| raw(&Call { number: libc::SYS_getppid as u32, arch: NATIVE, args: [0; 6] }) as i64);
            let asked = answers(&listener, answer);
            assert_eq!(asked, (child.pid().as_raw(), libc::SYS_getppid as i32), "who asked, and what");
            assert_eq!(child.wait().value, answer, "what the call returned, and what the listener answered");
            is_refused("a second listener", &filter, libc::SECCOMP_FILTER_FLAG_NEW_LISTENER, Errno::EBUSY);
        });
    });
}

#[test]
fn task6_nobody_listens_who_was_not_asked_for() {
    shielded(|| {
        in_child(|| {
            let listener = installs(&filter(libc::SYS_getppid, Action::errno(7)), 0);
            check!(
                listener.is_none(),
                expected: "None: no listener was asked for",
                seen: format!("descriptor {}", listener.as_ref().map_or(-1, AsRawFd::as_raw_fd)),
                likely: "the 0 of success was taken for a descriptor, and dropped it closes the standard input",
                read: TASKS,
            );
        });
    });
}

// ---- task 7 ----

#[test]
fn task7_below_is_written_and_elsewhere_not() {
    needs!(landlock);
    on_land(|land| {
        in_child(|| {
            confines(&[land.at("own"), land.at("other")]);
            for place in ["own", "own/deep", "other"] {
                land.is_writable(place);
            }
            for place in ["elsewhere", "."] {
                land.is_closed(place);
            }
            let started =
                Command::new("sh").args(["-c", "echo > elsewhere/started"]).current_dir(&land.0).output().expect("sh");
            assert!(!started.status.success() && !land.at("elsewhere/started").exists(), "a program that it starts");
        });
        // It is the thread's own, and nobody else's.
        land.is_writable("elsewhere");
    });
}

#[test]
fn task7_everything_is_read_and_started() {
    needs!(landlock);
    on_land(|land| {
        in_child(|| {
            confines(&[land.at("own")]);
            let text = fs::read_to_string(land.at("elsewhere/file"));
            let names = fs::read_dir(land.at("elsewhere")).map(Iterator::count);
            let started = Command::new("true").status();
            check!(
                text.as_ref().is_ok_and(|text| text == "words") && names.is_ok() && started.as_ref().is_ok_and(std::process::ExitStatus::success),
                expected: "files and directories everywhere to be read, and programs to be started",
                seen: format!("{text:?}, {names:?}, {started:?}"),
                likely: "the ruleset handles reading and starting too: what it handles is refused wherever no rule allows it",
                read: RULES,
            );
        });
    });
}

#[test]
fn task7_files_move_between_directories_below() {
    needs!(landlock, kernel = 5.19);
    on_land(|land| {
        in_child(|| {
            confines(&[land.at("own")]);
            let moved = fs::rename(land.at("own/file"), land.at("own/deep/file"));
            let linked = fs::hard_link(land.at("own/deep/file"), land.at("own/again"));
            check!(
                moved.is_ok() && linked.is_ok(),
                expected: "a file to be moved and linked from one directory to another, both below",
                seen: format!("{moved:?}, {linked:?}"),
                likely: "Landlock refuses that (EXDEV) unless the ruleset handles and allows it: LANDLOCK_ACCESS_FS_REFER, since its second version",
                read: RULES,
            );
            let out = fs::rename(land.at("own/deep/file"), land.at("elsewhere/moved"));
            assert!(out.is_err(), "a file moved out");
        });
    });
}

#[test]
fn task7_truncating_is_writing() {
    needs!(landlock, kernel = 6.2);
    on_land(|land| {
        in_child(|| {
            confines(&[land.at("own")]);
            land.is_closed("elsewhere");
            truncate(&land.at("own/file"), 0).expect("below");
            let seen = truncate(&land.at("elsewhere/file"), 0);
            check!(
                seen == Err(Errno::EACCES),
                expected: "truncate(2) of a file elsewhere to be refused",
                seen: format!("{seen:?}"),
                likely: if fs::rename(land.at("own/file"), land.at("own/deep/file")).is_err() {
                    "only what Landlock's first version knows is handled: first make task7_files_move_between_directories_below pass"
                } else {
                    "what the ruleset does not handle is not refused: truncating is a right of its own, since Landlock's third version"
                },
                read: RULES,
            );
        });
    });
}

#[test]
fn task7_a_directory_that_is_missing_is_reported() {
    on_land(|land| {
        for missing in ["missing", "file/below"] {
            let directories = [land.at("own"), land.at(missing)];
            let (seen, is_closed) = in_child(|| {
                let result = seccomp::write_only_below(&directories).map_err(|error| error.to_string());
                (result, File::create(land.at("elsewhere/new")).is_err())
            });
            check!(
                seen.is_err(),
                expected: "an error for a directory that is not there",
                seen: if is_closed { "Ok, and nothing can be written there" } else { "Ok, and nothing is refused" },
                likely: if is_closed {
                    "it was left out: path_beneath_rules() passes over what it cannot open, and the container could not write what it should"
                } else {
                    "nothing is enforced"
                },
                read: RULES,
            );
        }
    });
}

#[test]
fn task7_without_a_right_to_it() {
    needs!(landlock);
    on_land(|land| {
        let result = in_child(|| {
            drop_capabilities();
            let result = seccomp::write_only_below(&[land.at("own")]).map_err(|error| error.to_string());
            (result, own_status("NoNewPrivs"))
        });
        check!(
            result.1 == "0",
            expected: "NoNewPrivs: 0 as before",
            seen: result.1,
            likely: "write_only_below() set it, or let the crate: that is somebody else's to decide (no_new_privs(false))",
            read: TASKS,
        );
        check!(
            result.0.as_ref().is_err_and(|error| error.contains("not permitted")),
            expected: "EPERM, without no_new_privs and CAP_SYS_ADMIN",
            seen: format!("{:?}", result.0),
            likely: "the refusal of landlock_restrict_self(2) was thrown away: nothing is enforced",
            read: RULES,
        );
        in_child(|| {
            load(&[ret(Action::ALLOW)]).expect("no_new_privs");
            drop_capabilities();
            confines(&[land.at("own")]);
            land.is_closed("elsewhere");
        });
    });
}

#[test]
fn task7_a_kernel_without_it_is_an_error() {
    on_land(|land| {
        for errno in [libc::EOPNOTSUPP, libc::ENOSYS] {
            let directories = [land.at("own")];
            let is_error = in_child(|| {
                // As on a kernel that has none, or has it switched off.
                load(&filter(libc::SYS_landlock_create_ruleset, Action::errno(errno as u16))).expect("a filter");
                seccomp::write_only_below(&directories).is_err()
            });
            check!(
                is_error,
                expected: format!("an error where the kernel says {:?} to landlock_create_ruleset(2)", Errno::from_raw(errno)),
                seen: "Ok",
                likely: if calls(libc::SYS_landlock_restrict_self) {
                    "the crate does what the kernel can do, which may be nothing: RestrictionStatus says what is enforced"
                } else {
                    "nothing is restricted by it, whatever the kernel can do"
                },
                read: RULES,
            );
        }
    });
}

#[test]
fn task7_no_descriptor_is_left() {
    needs!(landlock);
    on_land(|land| {
        in_child(|| {
            let before = names(Path::new("/proc/self/fd"));
            confines(&[land.at("own"), land.at("other")]);
            let seen = names(Path::new("/proc/self/fd"));
            land.is_closed("elsewhere");
            check!(
                seen == before,
                expected: format!("the descriptors {} of before", before.join(", ")),
                seen: seen.join(", "),
                likely: if seen.is_empty() {
                    "nothing can be read any more: see task7_everything_is_read_and_started"
                } else {
                    "the ruleset, or a directory, is still open: the rules stay when both are closed"
                },
                read: RULES,
            );
        });
    });
}

#[test]
fn task7_each_call_takes_more_away() {
    needs!(landlock);
    on_land(|land| {
        in_child(|| {
            confines(&[land.at("own"), land.at("other")]);
            confines(&[land.at("own"), land.at("elsewhere")]);
            land.is_writable("own");
            land.is_closed("other");
            land.is_closed("elsewhere");
            let count = (2..40).take_while(|_| seccomp::write_only_below(&[land.at("own")]).is_ok()).count();
            assert!(count < 38, "16 rulesets are the most that a thread can have: E2BIG, an error");
        });
    });
}

// ---- the command line ----

#[test]
fn run_has_a_filter_unless_it_is_unconfined() {
    written!(11, leans on 1, 3, 4, 5);
    shielded(|| {
        let script = "while read name value rest; do case $name in Seccomp:|NoNewPrivs:) echo $name$value;; esac; done </proc/self/status";
        let seen = |flags: &str| {
            let seen = run(flags, script).success().get_output().stdout.clone();
            String::from_utf8_lossy(&seen).split_whitespace().collect::<Vec<_>>().join(" ")
        };
        assert_eq!(seen(""), "NoNewPrivs:0 Seccomp:2");
        assert_eq!(seen("--security-opt seccomp=unconfined"), "NoNewPrivs:0 Seccomp:0");
        assert_eq!(seen("--security-opt no-new-privileges"), "NoNewPrivs:1 Seccomp:2");
        assert_eq!(
            seen("--security-opt no-new-privileges --security-opt seccomp=unconfined"),
            "NoNewPrivs:1 Seccomp:0"
        );
    });
}

#[test]
fn run_refuses_a_namespace_by_default() {
    written!(11, leans on 1, 3, 4, 5, 10);
    needs!(program = unshare);
    shielded(|| {
        run("--security-opt seccomp=unconfined", "unshare --user true").success();
        run("", "unshare --user true").failure().stderr(contains("Operation not permitted"));
    });
}

#[test]
fn run_with_a_profile_of_ones_own() {
    written!(11, leans on 1, 3, 4, 5);
    shielded(|| {
        let errnos = [Errno::EXDEV, Errno::EDOM, Errno::ENOTBLK, Errno::ETXTBSY, Errno::EMLINK];
        let errno = errnos[Random::new().below(errnos.len() as u64) as usize];
        let profile = profile(&format!(
            r#"{{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": {}}}]}}"#,
            errno as i32
        ));
        let words = std::io::Error::from(errno).to_string();
        let words = words.split(" (os").next().expect("words").to_owned();
        let script = format!("mkdir {}/new || exit 9", dir().display());
        run(&format!("--security-opt seccomp={profile}"), &script).code(9).stderr(contains(words));
        run(&format!("--security-opt seccomp={profile} --security-opt seccomp=unconfined"), &script).success();
    });
}

#[test]
fn run_with_landlock_writes_there_alone() {
    written!(11, leans on 1, 3, 4, 5);
    needs!(landlock);
    shielded(|| {
        for name in ["own", "other"] {
            fs::create_dir(dir().join(name)).expect("mkdir");
        }
        let at = dir().display().to_string();
        let flags = format!("--security-opt landlock={at}/own");
        let script = format!("cd {at}; echo yes > own/file; cat own/file; echo > /dev/null && echo no > other/file");
        run(&flags, &script).failure().stdout("yes\n").stderr(contains("Permission denied"));
        assert_eq!(fs::read_to_string(dir().join("own/file")).expect("the file"), "yes\n");
        assert!(!dir().join("other/file").exists());
        run("--security-opt landlock=/missing", "true")
            .failure()
            .stderr(contains("/missing").and(contains("No such file")));
    });
}

#[test]
fn run_a_profile_that_cannot_be_meant_is_one_line() {
    written!(11, leans on 1, 3, 4, 5);
    shielded(|| {
        for (json, words) in [
            (r#"{"defaultAction": "SCMP_ACT_ALLOW", "syscall": []}"#, "unknown field"),
            (r#"{"defaultAction": "SCMP_ACT_ALOW"}"#, "SCMP_ACT_ALOW"),
            (
                r#"{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["mkdri"], "action": "SCMP_ACT_ERRNO"}]}"#,
                "nothing would be refused",
            ),
            (r#"{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["mk"#, "EOF"),
            (r#"{"defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 5000}"#, "0 to 4095"),
        ] {
            let profile = profile(json);
            let seen = run(&format!("--security-opt seccomp={profile}"), "echo started").code(2).stdout("");
            seen.stderr(contains(words).and(contains("\n").count(1)));
        }
        run("--security-opt seccomp=/no/such/file", "true")
            .code(2)
            .stderr(contains("/no/such/file").and(contains("\n").count(1)));
    });
}

// ---- what the tests stand on ----

/// Numbers that no solution can know beforehand, and what is made of them.
struct Random(testkit::Random);

impl Random {
    fn new() -> Random {
        Random(testkit::Random::new())
    }

    fn next(&mut self) -> u64 {
        self.0.bits()
    }

    fn below(&mut self, end: u64) -> u64 {
        self.0.below(end)
    }

    /// 64 bits: random ones, small ones, and those where the halves meet.
    fn value(&mut self) -> u64 {
        let random = self.next();
        [random, random, random % 100, random >> 32, random << 32, 0xffff_ffff, 1 << 32, u64::MAX, 1 << 63]
            [self.below(9) as usize]
    }

    fn call(&mut self) -> Call {
        let number = self.below(450) as u32;
        self.call_of(number)
    }

    fn call_of(&mut self, number: u32) -> Call {
        Call { number, arch: NATIVE, args: [(); 6].map(|()| self.value()) }
    }

    /// A call whose argument is this value.
    fn call_with(&mut self, arg: &Arg, value: u64) -> Call {
        let mut call = self.call();
        call.args[arg.index as usize] = value;
        call
    }

    /// A call that the rule is about.
    fn call_for(&mut self, rule: &Rule) -> Call {
        let mut call = self.call_of(rule.number);
        for arg in &rule.args {
            let values = near(arg.value, self);
            let right = values.iter().find(|value| is_so(arg.compare, **value, arg.value));
            call.args[arg.index as usize] = *right.expect("a value that is so");
        }
        call
    }

    /// A value for which the condition is not true.
    fn not_so(&mut self, arg: &Arg) -> u64 {
        let values = near(arg.value, self);
        *values.iter().find(|value| !is_so(arg.compare, **value, arg.value)).expect("a value that is not so")
    }

    fn action(&mut self) -> Action {
        Action::errno(1 + self.below(4095) as u16)
    }

    /// Any that there is.
    fn action_of_any_kind(&mut self) -> Action {
        use libc::{
            SECCOMP_RET_ALLOW, SECCOMP_RET_ERRNO, SECCOMP_RET_KILL_PROCESS, SECCOMP_RET_KILL_THREAD, SECCOMP_RET_LOG,
            SECCOMP_RET_TRACE, SECCOMP_RET_TRAP, SECCOMP_RET_USER_NOTIF,
        };
        let data = 1 + self.below(0xffff) as u32;
        match self.below(40) {
            0 => Action([SECCOMP_RET_KILL_PROCESS, SECCOMP_RET_KILL_THREAD][self.below(2) as usize]),
            1..5 => Action(SECCOMP_RET_USER_NOTIF),
            other => {
                let all = [SECCOMP_RET_ALLOW, SECCOMP_RET_LOG, SECCOMP_RET_ERRNO, SECCOMP_RET_TRAP, SECCOMP_RET_TRACE];
                Action(all[other as usize % all.len()] | data)
            }
        }
    }

    /// A condition that can be true and false.
    fn arg(&mut self, index: u32) -> Arg {
        let mask = (self.next() | 1) & !(1 << 63);
        let all = [Compare::Eq, Compare::Ne, Compare::Lt, Compare::Le, Compare::Ge, Compare::Gt, Compare::Masked(mask)];
        let compare = all[self.below(7) as usize];
        let value = self.next() >> 2 | 4;
        Arg { index, compare, value: if let Compare::Masked(mask) = compare { value & mask } else { value } }
    }

    fn rule(&mut self, conditions: usize) -> Rule {
        let mut indices = [0, 1, 2, 3, 4, 5];
        (0..6).for_each(|at| indices.swap(at, self.below(6) as usize));
        let args = indices[..conditions].iter().map(|index| self.arg(*index)).collect();
        Rule { number: self.below(400) as u32, action: self.action(), args }
    }

    /// So many rules, with up to so many conditions each, ordered by number; some are for one number.
    fn rules(&mut self, count: usize, conditions: u64) -> Vec<Rule> {
        let mut rules: Vec<Rule> = (0..count)
            .map(|_| {
                let conditions = self.below(conditions + 1) as usize;
                self.rule(conditions)
            })
            .collect();
        rules.sort_by_key(|rule| rule.number);
        rules
    }

    /// Rules for one call, of which some are about its arguments.
    fn some_for(&mut self, number: u32) -> Vec<Rule> {
        let count = self.below(4) as usize;
        (0..count)
            .map(|_| {
                let conditions = self.below(4) as usize;
                let rule = self.rule(conditions);
                let action = if self.below(3) == 0 { Action::ALLOW } else { rule.action };
                Rule { number, action, ..rule }
            })
            .collect()
    }

    /// A policy with every kind of action and condition, of which calls can be made: most have no rule, some have several.
    fn policy_of_all_kinds(&mut self, archs: &[u32]) -> Policy {
        let mut policy = self.policy(archs, 0);
        // Killed one by one, by default, they would all take their time.
        policy.default = loop {
            let action = self.action_of_any_kind();
            if filtered::effect(action.0, &self.call()) != Seen::Killed {
                break action;
            }
        };
        for arch in &mut policy.archs {
            let mut numbers: Vec<u32> = (0..24).map(|_| self.below(LAST.into()) as u32).collect();
            numbers.extend(filtered::HARMLESS.map(|number| number as u32));
            let mut rules: Vec<Rule> = numbers.into_iter().flat_map(|number| self.some_for(number)).collect();
            rules.iter_mut().for_each(|rule| rule.action = self.action_of_any_kind());
            rules.extend(rules.clone().into_iter().filter(|_| arch.arch == X86_64).take(12).map(|rule| Rule {
                number: rule.number | X32_BIT,
                action: self.action_of_any_kind(),
                ..rule
            }));
            rules.retain(|rule| c_long::from(rule.number) != filtered::NEEDED);
            rules.push(Rule { number: filtered::NEEDED as u32, action: Action::ALLOW, args: vec![] });
            rules.sort_by_key(|rule| rule.number);
            arch.rules = rules;
        }
        policy
    }

    fn policy(&mut self, archs: &[u32], count: usize) -> Policy {
        let default = self.action();
        let archs =
            archs.iter().map(|arch| ArchRules { arch: *arch, x32: false, rules: self.rules(count, 1) }).collect();
        Policy { default, archs, flags: 0, listener: None }
    }
}

/// Values around `value`: it, its neighbours, those with one half of it, its halves exchanged, one bit less or more.
fn near(value: u64, random: &mut Random) -> Vec<u64> {
    let (lower, upper) = (value & 0xffff_ffff, value >> 32 << 32);
    let other = random.next();
    let bit = 1 << random.below(64);
    let mut values = vec![
        value,
        value.wrapping_add(1),
        value.wrapping_sub(1),
        value.wrapping_add(1 << 32),
        value.wrapping_sub(1 << 32),
        upper | (other & 0xffff_ffff),
        (other >> 32 << 32) | lower,
        upper,
        upper | 0xffff_ffff,
        lower,
        value.rotate_left(32),
        value ^ (1 << 63),
        value ^ (1 << 31),
        value ^ bit,
        other,
        0,
        u64::MAX,
    ];
    values.dedup();
    values
}

/// What a condition means.
fn is_so(how: Compare, seen: u64, value: u64) -> bool {
    match how {
        Compare::Ne => seen != value,
        Compare::Lt => seen < value,
        Compare::Le => seen <= value,
        Compare::Eq => seen == value,
        Compare::Ge => seen >= value,
        Compare::Gt => seen > value,
        Compare::Masked(mask) => seen & mask == value & mask,
    }
}

/// What a policy says of a call of `rules`' architecture, one rule after the other.
fn verdict(rules: &ArchRules, default: Action, call: &Call) -> u32 {
    if rules.arch == X86_64 && !rules.x32 && call.number & X32_BIT != 0 {
        return Action::KILL_PROCESS.0;
    }
    let first = rules.rules.iter().find(|rule| matches(rule, call));
    first.map_or(default, |rule| rule.action).0
}

fn matches(rule: &Rule, call: &Call) -> bool {
    rule.number == call.number
        && rule.args.iter().all(|arg| is_so(arg.compare, call.args[arg.index as usize], arg.value))
}

/// One answer of the learner's compare().
struct Answer {
    how: Compare,
    value: u64,
    index: usize,
    args: [u64; 6],
    is_true: bool,
}

/// Runs the learner's fragment; a fault of it fails the test.
#[track_caller]
fn ran(program: &[Insn], a: u32, call: &Call, what: &str) -> End {
    match bpf::run(program, a, call) {
        Ok(end) => end,
        Err(fault) => testkit::teach(
            format!("{what} to be made of instructions that the kernel takes"),
            format!("{fault}{}", bpf::listing(program)),
            "an instruction has another code or number than was meant",
            RULES,
        ),
    }
}

/// Whether the learner's compare() says that the condition is true; fails unless what comes after it is passed over
/// exactly when it is not.
#[track_caller]
fn holds(arg: &Arg, skip: u8, call: &Call) -> bool {
    let program = seccomp::compare(arg, skip);
    let seen = ran(&program, call.number, call, "compare()");
    let skip = usize::from(skip);
    let likely = match seen {
        End::WentOn { past: 0, .. } => return true,
        End::WentOn { past, .. } if past == skip => return false,
        End::WentOn { past, .. } if past == skip + 1 || past + 1 == skip => {
            "a jump counts what it passes over, beginning with the instruction after it: it is off by one"
        }
        End::WentOn { past, .. } if past < skip => {
            "one of the jumps ends in the middle of what follows: it has instructions of compare() before it, which count too"
        }
        End::WentOn { .. } => {
            "one of the jumps goes too far: from the last instruction it is skip, and one more for each instruction between"
        }
        End::Returned(_) => "what is to be done is not compare()'s to say: it goes on, or passes over what follows",
    };
    testkit::teach(
        format!(
            "compare() of {} with skip {skip} to go on right after itself, or to pass over {skip}, for argument {:#x}",
            condition(arg),
            call.args[arg.index as usize]
        ),
        format!("{seen}{}", bpf::listing(&program)),
        likely,
        RULES,
    )
}

/// Tries the learner's compare() with values around the one that is compared with.
#[track_caller]
fn compares(how: impl Fn(&mut Random) -> Compare) {
    let random = &mut Random::new();
    let mut answers = Vec::new();
    for _ in 0..30 {
        let arg = Arg { index: random.below(6) as u32, compare: how(random), value: random.value() };
        let skip = 1 + random.below(100) as u8;
        let mut values = near(arg.value, random);
        if let Compare::Masked(mask) = arg.compare {
            let outside = random.next() & !mask;
            values.extend([arg.value ^ outside, (arg.value & mask) | outside]);
        }
        for value in values {
            let call = random.call_with(&arg, value);
            let is_true = holds(&arg, skip, &call);
            answers.push(Answer {
                how: arg.compare,
                value: arg.value,
                index: arg.index as usize,
                args: call.args,
                is_true,
            });
        }
    }
    let right = |answer: &Answer| is_so(answer.how, answer.args[answer.index], answer.value);
    let Some(wrong) = answers.iter().find(|answer| answer.is_true != right(answer)) else { return };
    let arg = Arg { index: wrong.index as u32, compare: wrong.how, value: wrong.value };
    testkit::teach(
        format!("\"{}\" to be {} of {:#x}", condition(&arg), right(wrong), wrong.args[wrong.index]),
        format!("{}{}", wrong.is_true, bpf::listing(&seccomp::compare(&arg, 9))),
        diagnosis(&answers),
        RULES,
    )
}

/// The mistake that explains every answer.
fn diagnosis(answers: &[Answer]) -> &'static str {
    type Wrong = fn(&Answer) -> bool;
    /// With the halves of mask, argument and value.
    fn halves(answer: &Answer, how: fn(&[bool; 2]) -> bool) -> bool {
        let of = |shift: u32| {
            let half = |bits: u64| bits >> shift & 0xffff_ffff;
            let compare = match answer.how {
                Compare::Masked(mask) => Compare::Masked(half(mask)),
                other => other,
            };
            is_so(compare, half(answer.args[answer.index]), half(answer.value))
        };
        how(&[of(32), of(0)])
    }
    /// As if the operator were another one.
    fn as_if(answer: &Answer, how: Compare) -> bool {
        is_so(how, answer.args[answer.index], answer.value)
    }
    let models: [(Wrong, &str); 19] = [
        (|_| true, "every value is taken for right: was anything compared?"),
        (|_| false, "no value is taken for right"),
        (
            |answer| !as_if(answer, answer.how),
            "true and false are exchanged: jt counts what is passed over when the comparison is true, jf when it is false",
        ),
        (
            |answer| halves(answer, |[_, lower]| *lower),
            "the lower half alone was compared: with a bit above, every value is another one",
        ),
        (|answer| halves(answer, |[upper, _]| *upper), "the upper half alone was compared"),
        (
            |answer| is_so(answer.how, answer.args[answer.index].rotate_left(32), answer.value),
            "the halves are exchanged: the lower one comes first, at ARGS + 8 * index, and the upper one 4 bytes after it",
        ),
        (
            |answer| is_so(answer.how, answer.args[answer.index], answer.value.rotate_left(32)),
            "the halves of the value are exchanged: it is compared with the upper one first",
        ),
        (
            |answer| match answer.how {
                Compare::Gt => answer.args[answer.index] as i64 > answer.value as i64,
                Compare::Ge => answer.args[answer.index] as i64 >= answer.value as i64,
                Compare::Lt => (answer.args[answer.index] as i64) < answer.value as i64,
                Compare::Le => answer.args[answer.index] as i64 <= answer.value as i64,
                how => as_if(answer, how),
            },
            "they were compared as numbers with a sign: an argument is unsigned, -1 is the largest of all",
        ),
        (
            |answer| halves(answer, |[upper, lower]| *upper && *lower),
            "each half was compared on its own: the lower ones count only where the upper ones are the same",
        ),
        (
            |answer| halves(answer, |[upper, lower]| *upper || *lower),
            "one half was enough: the lower ones count only where the upper ones are the same",
        ),
        (|answer| as_if(answer, Compare::Eq), "it says whether they are the same (Eq), whatever was asked"),
        (|answer| as_if(answer, Compare::Ne), "it says whether they differ (Ne), whatever was asked"),
        (
            |answer| as_if(answer, Compare::Gt),
            "it says whether the argument is more (Gt): the two are exchanged, or the same was left out",
        ),
        (
            |answer| as_if(answer, Compare::Ge),
            "it says whether the argument is more or the same (Ge): the two are exchanged, or the same was counted",
        ),
        (
            |answer| as_if(answer, Compare::Lt),
            "it says whether the argument is less (Lt): the two are exchanged, or the same was left out",
        ),
        (
            |answer| as_if(answer, Compare::Le),
            "it says whether the argument is less or the same (Le): the two are exchanged, or the same was counted",
        ),
        (
            |answer| matches!(answer.how, Compare::Masked(mask) if is_so(Compare::Masked(mask | !0 << 32), answer.args[answer.index], answer.value)),
            "the mask was put on the lower half alone",
        ),
        (
            |answer| matches!(answer.how, Compare::Masked(mask) if answer.args[answer.index] & mask == answer.value),
            "the argument was masked, and the value was not: what it has outside of the mask does not count either",
        ),
        (
            |answer| is_so(answer.how, answer.args[0], answer.value),
            "it is always the first argument that is looked at: each takes 8 bytes",
        ),
    ];
    let explains = |wrong: &Wrong| answers.iter().all(|answer| wrong(answer) == answer.is_true);
    let found = models.iter().find(|(wrong, _)| explains(wrong));
    found.map_or(
        "where the upper halves differ, they decide; where they are the same, the lower ones do",
        |(_, words)| words,
    )
}

/// Whether the learner's compare() knows a value from others.
fn is_equal_told() -> bool {
    let random = &mut Random::new();
    (0..20).all(|_| {
        let arg = Arg { index: random.below(6) as u32, compare: Compare::Eq, value: random.value() };
        let program = seccomp::compare(&arg, 5);
        near(arg.value, random).into_iter().all(|value| {
            let past = if value == arg.value { 0 } else { 5 };
            matches!(bpf::run(&program, 0, &random.call_with(&arg, value)), Ok(End::WentOn { past: seen, .. }) if seen == past)
        })
    })
}

fn condition(arg: &Arg) -> String {
    let value = arg.value;
    let how = match arg.compare {
        Compare::Ne => "is not".to_owned(),
        Compare::Lt => "is less than".to_owned(),
        Compare::Le => "is at most".to_owned(),
        Compare::Eq => "is".to_owned(),
        Compare::Ge => "is at least".to_owned(),
        Compare::Gt => "is more than".to_owned(),
        Compare::Masked(mask) => format!("is, under the mask {mask:#x},"),
    };
    format!("argument {} {how} {value:#x}", arg.index)
}

/// Whether an earlier verb does its work, tried on what no rule of the tests above leaves out.
fn unfinished(tasks: &[u8]) -> Option<&'static str> {
    let random = &mut Random::new();
    tasks.iter().find_map(|task| match task {
        1 => {
            let all = [Compare::Eq, Compare::Ne, Compare::Lt, Compare::Le, Compare::Ge, Compare::Gt, Compare::Masked(0xff_0000_00ff)];
            let works = all.into_iter().cycle().take(70).all(|compare| {
                let arg = Arg { index: random.below(6) as u32, compare, value: random.value() };
                let program = seccomp::compare(&arg, 5);
                near(arg.value, random).into_iter().all(|value| {
                    let past = if is_so(compare, value, arg.value) { 0 } else { 5 };
                    matches!(bpf::run(&program, 0, &random.call_with(&arg, value)), Ok(End::WentOn { past: seen, .. }) if seen == past)
                })
            });
            (!works).then_some("compare() does not do its work yet: first make the tests of task 1 pass")
        }
        2 => {
            let works = (0..4).cycle().take(24).all(|conditions| {
                let rule = random.rule(conditions);
                let program = seccomp::rule(&rule);
                let run = |call: &Call| bpf::run(&program, call.number, call);
                let mut call = random.call_for(&rule);
                let mut works = run(&call) == Ok(End::Returned(rule.action.0));
                if let Some(arg) = rule.args.first() {
                    call.args[arg.index as usize] = random.not_so(arg);
                    works &= run(&call) == Ok(End::WentOn { past: 0, a: call.number });
                }
                let other = random.call_of(rule.number + 1);
                works && run(&other) == Ok(End::WentOn { past: 0, a: other.number })
            });
            (!works).then_some("rule() does not do its work yet: first make the tests of task 2 pass")
        }
        _ => {
            let rules = ArchRules { arch: NATIVE, x32: false, rules: random.rules(120, 1) };
            let default = random.action();
            let program = seccomp::for_arch(&rules, default);
            let own = (0..400).all(|number| {
                let call = random.call_of(number);
                bpf::run(&program, 0, &call) == Ok(End::Returned(verdict(&rules, default, &call)))
            });
            let other = Call { arch: X86, ..random.call() };
            let works = own && matches!(bpf::run(&program, 0, &other), Ok(End::WentOn { past: 0, .. }));
            let call = Call { arch: X86_64, ..random.call_of(X32_BIT | 1) };
            let works = works && [false, true].into_iter().all(|x32| {
                let rules = ArchRules { arch: X86_64, x32, rules: vec![Rule { number: call.number, ..random.rule(0) }] };
                let right = verdict(&rules, default, &call);
                bpf::run(&seccomp::for_arch(&rules, default), 0, &call) == Ok(End::Returned(right))
            });
            (!works).then_some("for_arch() does not do its work yet: first make the tests of task 3 pass")
        }
    })
}

fn told(call: &Call) -> String {
    format!("call {:#x} of architecture {:#x} with {:x?}", call.number, call.arch, call.args)
}

fn shown(rule: &Rule) -> String {
    let conditions: Vec<String> = rule.args.iter().map(condition).collect();
    format!("rule {:#x} for call {:#x} [{}]", rule.action.0, rule.number, conditions.join(", "))
}

/// The learner's rule() returns its action for a call that it is about.
#[track_caller]
fn returns_for(rule: &Rule, call: &Call, random: &mut Random) {
    let program = seccomp::rule(rule);
    // What A is must not be anything but the number.
    let seen = ran(&program, call.number, call, "rule()");
    check!(
        seen == End::Returned(rule.action.0),
        expected: format!("rule() to return {:#010x} for {}, {}", rule.action.0, told(call), shown(rule)),
        seen: format!("{seen}{}", bpf::listing(&program)),
        likely: unfinished(&[1]).unwrap_or_else(|| match seen {
            End::Returned(seen) if seen & 0xffff_0000 == rule.action.0 & 0xffff_0000 => "the data of the action was lost: its lower 16 bits",
            End::Returned(_) => "another action is returned",
            End::WentOn { .. } if rule.args.is_empty() && ran(&program, 0, &random.call_of(rule.number + 1), "rule()") == End::Returned(rule.action.0) => "the action is returned for every number but the rule's",
            End::WentOn { .. } if rule.args.is_empty() => "the number is the rule's, and there is no condition: the return comes next",
            End::WentOn { .. } => "all conditions are true, and so nothing is to be passed over",
        }),
        read: TASKS,
    );
}

/// The learner's rule() goes on for a call that it is not about, with the number in A.
#[track_caller]
fn goes_on(rule: &Rule, call: &Call, whose: &str) {
    let program = seccomp::rule(rule);
    let seen = ran(&program, call.number, call, "rule()");
    check!(
        seen == End::WentOn { past: 0, a: call.number },
        expected: format!("rule() to go on after itself for a call {whose}, with the number {:#x} in A; {}", call.number, shown(rule)),
        seen: format!("{seen}{}", bpf::listing(&program)),
        likely: unfinished(&[1]).unwrap_or(match seen {
            End::Returned(_) if call.number != rule.number => "the number is not the rule's, and was not looked at",
            End::Returned(_) => "the return is a part of what a condition passes over that is not true",
            End::WentOn { past: 0, .. } => "after the arguments, A no longer has the number: the next rule compares what is left there. Load it again, where every way leads past",
            End::WentOn { .. } => "it goes too far: from the first instruction, what is passed over is all the others",
        }),
        read: TASKS,
    );
}

/// The learner's for_arch() says what the rules say.
#[track_caller]
fn judges(rules: &ArchRules, default: Action, calls: &[Call]) {
    let program = seccomp::for_arch(rules, default);
    let answers: Vec<(&Call, End, u32)> =
        calls.iter().map(|call| (call, ran(&program, 0, call, "for_arch()"), verdict(rules, default, call))).collect();
    let is_wrong = |(_, seen, right): &&(&Call, End, u32)| *seen != End::Returned(*right);
    let Some((call, seen, right)) = answers.iter().find(is_wrong) else { return };
    let is_x32 = call.number & X32_BIT != 0;
    let last = rules.rules.iter().rfind(|rule| matches(rule, call)).map(|rule| End::Returned(rule.action.0));
    let all_default = answers.iter().all(|(_, seen, _)| *seen == End::Returned(default.0)) && answers.len() > 1;
    testkit::teach(
        format!("for_arch() with {} rules to return {right:#010x} for {}", rules.rules.len(), told(call)),
        format!("{seen}{}", bpf::listing(&program)),
        unfinished(&[1, 2]).unwrap_or(match seen {
            _ if is_x32 && !rules.x32 => "a number with X32_BIT is another name for the same call, and no rule has it: unless it is asked for, it is killed",
            End::Returned(value) if is_x32 && *value == Action::KILL_PROCESS.0 => "x32's numbers are killed although the rules are about them (x32: true)",
            _ if all_default => "the default was returned for every call: it comes after the last rule",
            _ if Some(*seen) == last => "the last rule that matches was taken: the first one counts, and the order of those for one number stays",
            End::WentOn { .. } if program.is_empty() => "nothing was made",
            End::WentOn { .. } => "the architecture is the right one, and nothing was returned: is the default there, and do all jumps end within?",
            End::Returned(_) if program.len() > 255 => "a jump reaches 255 instructions, jt and jf have 8 bits: what is further away, BPF_JA reaches",
            End::Returned(_) => "another rule was taken, or none",
        }),
        TASKS,
    )
}

/// Whether the learner's for_arch() goes on after itself when it is about one rule.
fn is_passed_over_when_short(arch: u32, random: &mut Random) -> bool {
    let program = seccomp::for_arch(&ArchRules { arch: NATIVE, x32: false, rules: random.rules(1, 0) }, Action::ALLOW);
    matches!(bpf::run(&program, 0, &Call { arch, ..random.call() }), Ok(End::WentOn { past: 0, .. }))
}

/// The learner's for_arch() goes on after itself for another architecture.
#[track_caller]
fn passes_over(rules: &ArchRules, default: Action, arch: u32, random: &mut Random) {
    let program = seccomp::for_arch(rules, default);
    let number = rules.rules.first().map_or(7, |rule| rule.number);
    let call = Call { arch, ..random.call_of(number) };
    let seen = ran(&program, 0, &call, "for_arch()");
    check!(
        matches!(seen, End::WentOn { past: 0, .. }),
        expected: format!("for_arch({:#x}) with {} rules to go on after itself for a call of architecture {arch:#x}", rules.arch, rules.rules.len()),
        seen: format!("{seen}{}", bpf::listing(&program)),
        likely: match seen {
            _ if program.len() > 256 && is_passed_over_when_short(arch, random) => "jt and jf have 8 bits, and what is to be passed over is longer: cut off, the jump ends within the rules. BPF_JA's k has 32",
            End::Returned(_) => "the architecture was not looked at: there, the same number is another call",
            End::WentOn { .. } => "it goes too far: after the last instruction of this architecture comes the next one",
        },
        read: TASKS,
    );
}

/// The filter of the learner's assemble().
#[track_caller]
fn assembles(policy: &Policy) -> Vec<Insn> {
    match seccomp::assemble(policy) {
        Ok(filter) => filter,
        Err(error) => testkit::teach(
            "assemble() to make a filter",
            error,
            "this policy fits: is it refused by the number of its rules, or far before 4096 instructions?",
            TASKS,
        ),
    }
}

/// The filter says of the call what the policy says.
#[track_caller]
fn decides(filter: &[Insn], policy: &Policy, call: &Call) {
    let own = policy.archs.iter().find(|rules| rules.arch == call.arch);
    let right = own.map_or(Action::KILL_PROCESS.0, |rules| verdict(rules, policy.default, call));
    let seen = ran(filter, 0, call, "assemble()");
    let archs = || policy.archs.iter().map(|rules| format!("{:#x}", rules.arch)).collect::<Vec<_>>().join(", ");
    check!(
        seen == End::Returned(right),
        expected: format!("the filter of a policy for {} to return {right:#010x} for {}", archs(), told(call)),
        seen: format!("{seen}{}", bpf::listing(filter)),
        likely: unfinished(&[1, 2, 3]).unwrap_or(match (own, seen) {
            (None, End::Returned(value)) if value == policy.default.0 => "what is of no architecture of the policy got the default: a program of another one could call everything",
            (_, End::WentOn { .. }) if filter.is_empty() => "it has no instructions",
            (None, End::WentOn { .. }) => "the filter does not end: after the last architecture comes a return",
            (None, _) => "what is of no architecture of the policy is killed, and with it its process",
            (Some(_), End::Returned(value)) if value == Action::KILL_PROCESS.0 => "this architecture was left out, although the policy has rules for it",
            (Some(_), _) => "the rules of another architecture were taken",
        }),
        read: TASKS,
    );
}

/// The kernel takes the filter.
#[track_caller]
fn loads(filter: &[Insn]) {
    // Whatever it refuses, the process goes on: what is returned has nothing to do with whether it is taken.
    let is_return = |insn: &&mut Insn| u32::from(insn.code) == libc::BPF_RET | libc::BPF_K;
    let mut harmless = filter.to_vec();
    harmless.iter_mut().filter(is_return).for_each(|insn| insn.k = Action::ALLOW.0);
    let result = in_child(|| load(&harmless).map_err(|errno| errno as i32));
    check!(
        result.is_ok(),
        expected: format!("the kernel to take the filter, {} instructions", filter.len()),
        seen: format!("{:?}", result.map_err(Errno::from_raw)),
        likely: unfinished(&[1, 2, 3]).unwrap_or("what no call of the tests comes to has to be right too: a jump past the end, or an end without a return"),
        read: RULES,
    );
}

/// The filter says what the policy says, and so does the kernel: of `calls`, and of one more for each of the rules.
#[track_caller]
fn is_done_by_the_kernel(policy: &Policy, arch: usize, mut calls: Vec<Call>, random: &mut Random) {
    let filter = assembles(policy);
    let rules = &policy.archs[arch];
    calls.extend(rules.rules.iter().map(|rule| Call { arch: rules.arch, ..random.call_for(rule) }));
    if rules.arch == X86 {
        // Its registers have as many.
        calls.iter_mut().flat_map(|call| &mut call.args).for_each(|arg| *arg &= 0xffff_ffff);
    }
    // One that kills takes a process each.
    let mut deaths = 0;
    calls.retain(|call| {
        let is_deadly = filtered::effect(verdict(rules, policy.default, call), call) == Seen::Killed;
        deaths += usize::from(is_deadly);
        filtered::can_be_tried(call) && (!is_deadly || deaths <= 8)
    });
    calls.iter().for_each(|call| decides(&filter, policy, call));
    loads(&filter);
    for (call, seen) in calls.iter().zip(filtered::filtered(&filter, &calls)) {
        let right = verdict(rules, policy.default, call);
        let wanted = filtered::effect(right, call);
        assert_eq!(seen, wanted, "{}: what the kernel did, and what the policy says ({right:#010x})", told(call));
    }
}

/// Loads a filter, by the tests' own hand.
fn load(filter: &[Insn]) -> nix::Result<()> {
    nix::sys::prctl::set_no_new_privs()?;
    let program = libc::sock_fprog { len: filter.len() as u16, filter: filter.as_ptr().cast_mut().cast() };
    // SAFETY: the program and its instructions outlive the call, which reads them alone.
    Errno::result(unsafe { libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, 0, &raw const program) })?;
    Ok(())
}

fn load_word(offset: u32) -> Insn {
    Insn { code: (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16, jt: 0, jf: 0, k: offset }
}

fn ret(action: Action) -> Insn {
    Insn { code: (libc::BPF_RET | libc::BPF_K) as u16, jt: 0, jf: 0, k: action.0 }
}

/// A filter by hand: one call, and everything else allowed.
fn filter(number: c_long, action: Action) -> Vec<Insn> {
    let jump = Insn { code: (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16, jt: 0, jf: 1, k: number as u32 };
    vec![load_word(0), jump, ret(action), ret(Action::ALLOW)]
}

/// Makes the call; what it returns.
fn raw(call: &Call) -> c_long {
    let [a, b, c, d, e, f] = call.args;
    // SAFETY: one of the harmless calls, which take no argument and change nothing.
    unsafe { libc::syscall(c_long::from(call.number), a, b, c, d, e, f) }
}

/// Makes the call; its errno, if it fails.
fn errno_of(call: &Call) -> Option<i32> {
    (raw(call) == -1).then(Errno::last_raw)
}

/// Whether the learner's no_new_privs() does its work for one who is not root.
fn is_set_for_others() -> bool {
    in_child(|| {
        // Nobody, until the namespace has a map.
        unshare(CloneFlags::CLONE_NEWUSER).is_ok() && seccomp::no_new_privs().is_ok() && own_status("NoNewPrivs") == "1"
    })
}

/// Loads the filter by the learner's install().
#[track_caller]
fn installs(filter: &[Insn], flags: u64) -> Option<OwnedFd> {
    seccomp::install(filter, flags).explained("install()", &INSTALL_REASONS, RULES)
}

const NOTHING_LOADED: &str = "no filter was loaded at all: first make task6_the_filter_is_there pass";

/// Whether the learner's install() loads a filter for one who has all that it takes.
fn loads_anything() -> bool {
    in_child(|| {
        load(&[ret(Action::ALLOW)]).expect("no_new_privs, and a filter");
        let before = own_status("Seccomp_filters");
        seccomp::install(&[ret(Action::ALLOW)], 0).is_ok() && own_status("Seccomp_filters") != before
    })
}

/// Whether a flag that the kernel does not know makes the learner's install() fail.
fn flags_arrive() -> bool {
    in_child(|| {
        load(&[ret(Action::ALLOW)]).expect("no_new_privs, and a filter");
        seccomp::install(&[ret(Action::ALLOW)], 1 << 20).is_err()
    })
}

/// The learner's install() reports what the kernel says, and nothing was loaded.
#[track_caller]
fn is_refused(what: &str, filter: &[Insn], flags: u64, errno: Errno) {
    let before = own_status("Seccomp_filters");
    let (result, after) = (seccomp::install(filter, flags), own_status("Seccomp_filters"));
    check!(
        result.as_ref().is_err_and(|error| error.errno() == Some(errno)),
        expected: format!("install() to return {errno:?}: {what}"),
        seen: match &result {
            Ok(_) if after == before => "Ok, and no filter was loaded".to_owned(),
            Ok(_) => "Ok, and a filter was loaded".to_owned(),
            Err(error) => error.to_string(),
        },
        likely: match result {
            Ok(_) if after == before && !loads_anything() => NOTHING_LOADED,
            Ok(_) if after == before => "the refusal was thrown away: the container would run without a filter, and nobody would know",
            Ok(_) if errno == Errno::EACCES => "what was missing was taken without being asked: no_new_privs, which has no way back",
            Ok(_) if filter.len() > usize::from(u16::MAX) => "sock_fprog's length has 16 bits: cut off to them it was another one, and the first few instructions were loaded",
            Ok(_) => "another program than the one that was given was loaded",
            Err(_) => "the errno was replaced, or another call failed first",
        },
        read: RULES,
    );
    assert_eq!(after, before, "{what}: how many filters there are");
}

/// Answers one call; who made it, and its number. Source: seccomp_unotify(2).
fn answers(listener: &OwnedFd, value: i64) -> (i32, i32) {
    let limit = PollTimeout::try_from(patience(Duration::from_secs(3))).expect("a time");
    let ready = poll(&mut [PollFd::new(listener.as_fd(), PollFlags::POLLIN)], limit);
    assert_eq!(ready, Ok(1), "a call that waits for an answer");
    // SAFETY: both structures are numbers alone, for which 0 is a value.
    let (mut asked, mut answer): (libc::seccomp_notif, libc::seccomp_notif_resp) = unsafe { std::mem::zeroed() };
    // SAFETY: the descriptor is a listener, and the structure the one that the request is for.
    Errno::result(unsafe { libc::ioctl(listener.as_raw_fd(), libc::SECCOMP_IOCTL_NOTIF_RECV, &raw mut asked) })
        .expect("receive");
    (answer.id, answer.val) = (asked.id, value);
    // SAFETY: as above.
    Errno::result(unsafe { libc::ioctl(listener.as_raw_fd(), libc::SECCOMP_IOCTL_NOTIF_SEND, &raw mut answer) })
        .expect("send");
    (asked.pid as i32, asked.data.nr)
}

static TRAPPED: std::sync::atomic::AtomicI32 = std::sync::atomic::AtomicI32::new(0);

/// Keeps what SIGSYS brings: the data of the action.
fn catch_sigsys() {
    extern "C" fn trapped(_: i32, info: *mut libc::siginfo_t, _: *mut libc::c_void) {
        // SAFETY: the kernel hands a siginfo over.
        TRAPPED.store(unsafe { (*info).si_errno }, std::sync::atomic::Ordering::SeqCst);
    }
    let action = SigAction::new(SigHandler::SigAction(trapped), SaFlags::SA_SIGINFO, SigSet::empty());
    // SAFETY: the handler does nothing but store a number.
    unsafe { sigaction(Signal::SIGSYS, &action) }.expect("sigaction");
}

/// How a process ends that runs `body`; 101 when it panics.
fn ending(body: impl FnOnce() -> i32) -> WaitStatus {
    // SAFETY: under a shield the process has one thread.
    match unsafe { fork() }.expect("fork") {
        ForkResult::Parent { child } => waitpid(child, None).expect("waitpid"),
        ForkResult::Child => {
            setrlimit(Resource::RLIMIT_CORE, 0, 0).expect("setrlimit");
            let code = catch_unwind(AssertUnwindSafe(body)).unwrap_or(101);
            // SAFETY: _exit takes an integer and does not return.
            unsafe { libc::_exit(code) }
        }
    }
}

/// A line of a process' status.
fn status(process: &str, field: &str) -> String {
    let text = fs::read_to_string(format!("/proc/{process}/status")).expect("status");
    let line = text.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    line.unwrap_or_default().trim().to_owned()
}

fn own_status(field: &str) -> String {
    status("self", field)
}

/// Directories with a file in each, and with what can be taken away from them.
struct Land(PathBuf);

/// Runs `body` under a shield, with directories to allow and to refuse.
#[track_caller]
fn on_land(body: impl FnOnce(&Land)) {
    shielded(|| {
        let land = Land(dir().join("land"));
        for directory in ["own/deep", "other", "elsewhere"] {
            fs::create_dir_all(land.at(directory)).expect("mkdir");
        }
        for file in ["file", "own/file", "other/file", "elsewhere/file"] {
            fs::write(land.at(file), "words").expect("a file");
        }
        for place in [".", "own", "own/deep", "other", "elsewhere"] {
            fs::write(land.at(place).join("old"), "words").expect("a file");
            fs::write(land.at(place).join("old-name"), "words").expect("a file");
            symlink("x", land.at(place).join("old-link")).expect("a link");
            fs::create_dir(land.at(place).join("old-directory")).expect("mkdir");
        }
        body(&land);
    });
}

#[track_caller]
fn confines(directories: &[PathBuf]) {
    seccomp::write_only_below(directories).explained("write_only_below()", &LANDLOCK_REASONS, RULES);
}

/// Whether the learner's write_only_below() makes this system call.
fn calls(number: c_long) -> bool {
    let ended = ending(|| {
        load(&filter(number, Action::KILL_PROCESS)).expect("a filter");
        let _ = seccomp::write_only_below(&[]);
        0
    });
    matches!(ended, WaitStatus::Signaled(_, Signal::SIGSYS, _))
}

impl Land {
    fn at(&self, path: &str) -> PathBuf {
        self.0.join(path)
    }

    /// What is done there, by name, and whether it succeeds.
    fn changes(&self, place: &str) -> Vec<(&'static str, std::io::Result<()>)> {
        let at = |name: &str| self.at(place).join(name);
        let written =
            |path: &Path| OpenOptions::new().append(true).open(path).and_then(|mut file| file.write_all(b"!"));
        // Of the devices the one that takes no privilege, a whiteout: 0, 0.
        let node = |name, kind| mknod(&at(name), kind, Mode::S_IRUSR, 0).map_err(Into::into);
        vec![
            ("to make a file", File::create(at("new-file")).map(drop)),
            ("to write a file", written(&at("old"))),
            ("to make a directory", fs::create_dir(at("new"))),
            ("to make a link", symlink("x", at("new-link"))),
            ("to make a FIFO", node("new-fifo", SFlag::S_IFIFO)),
            ("to make a socket", node("new-socket", SFlag::S_IFSOCK)),
            ("to make a device", node("new-device", SFlag::S_IFCHR)),
            ("to rename a file", fs::rename(at("old-name"), at("renamed"))),
            ("to remove a file", fs::remove_file(at("old"))),
            ("to remove a link", fs::remove_file(at("old-link"))),
            ("to remove a directory", fs::remove_dir(at("old-directory"))),
        ]
    }

    #[track_caller]
    fn is_writable(&self, place: &str) {
        for (what, result) in self.changes(place) {
            check!(
                result.is_ok(),
                expected: format!("{what} in {place}/ to be allowed"),
                seen: format!("{result:?}"),
                likely: "one of the directories has no rule, or its rule does not allow all that the ruleset handles: files, directories, links, and to remove them",
                read: RULES,
            );
        }
    }

    #[track_caller]
    fn is_closed(&self, place: &str) {
        let before = names(&self.at(place));
        let changes = self.changes(place);
        let allowed: Vec<&str> = changes.iter().filter(|(_, result)| result.is_ok()).map(|(what, _)| *what).collect();
        check!(
            allowed.is_empty() && names(&self.at(place)) == before,
            expected: format!("nothing to be changed in {place}/, which is below no directory of the list"),
            seen: format!("it was allowed {}", allowed.join(", ")),
            likely: match allowed.len() {
                all if all == changes.len() && calls(libc::SYS_landlock_create_ruleset) => "nothing is refused: a ruleset counts from landlock_restrict_self(2) on",
                all if all == changes.len() => "nothing is refused, and nothing was asked of Landlock",
                _ => "a right is not handled by the ruleset: what it does not handle, it does not refuse",
            },
            read: RULES,
        );
        let seen = OpenOptions::new().append(true).open(self.at(place).join("file")).map(drop);
        let errno = seen.map_err(|error| error.raw_os_error());
        assert_eq!(errno, Err(Some(libc::EACCES)), "a file elsewhere, opened for writing");
    }
}

fn names(directory: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(directory)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.file_name().display().to_string())
        .collect();
    names.sort();
    names
}

/// Writes a profile; its path.
fn profile(json: &str) -> String {
    let path = dir().join("profile.json");
    fs::write(&path, json).expect("a profile");
    path.display().to_string()
}

/// `boxwright run FLAGS -- sh -c SCRIPT`.
fn run(flags: &str, script: &str) -> assert_cmd::assert::Assert {
    let command = &mut testkit::boxwright!();
    command.arg("run").args(flags.split_whitespace()).args(["--", "sh", "-c", script]).env("LC_ALL", "C").assert()
}
