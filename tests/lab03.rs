//! Lab 03, `labs/lab03_pid.rs`: PID 1, and what it owes the others. Chapter: `book/src/lab03-pid.md`.
//!
//! Every test runs under Shield: what the code does to "the host" it does to a throw-away copy.
//! Nothing here waits for a time to pass: the processes tell each other over pipes how far they are, and a
//! limit is reached by wrong code alone.

#![allow(unsafe_code, reason = "fork, and _exit in its child")]

use std::fs;
use std::io::{BufRead, BufReader, PipeReader, Read, Write, pipe};
use std::os::fd::AsFd;
use std::process::{ChildStdout, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use boxwright::steps::pid;
use model::NsKind;
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sched::{CloneFlags, unshare};
use nix::sys::prctl;
use nix::sys::signal::{SigHandler, SigSet, Signal, kill, raise, signal};
use nix::sys::signalfd::SignalFd;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, Uid, fork, getppid, setuid};
use testkit::{
    Explained, Running, check, drop_capabilities, in_child, inside, launch, needs, observe, random_name, shielded,
    start_child,
};

const RULES: &str = "lab03-pid.md, The kernel's rules";
/// Longer than anything here takes on a busy machine, and shorter than a shield's deadline.
const LIMIT: Duration = Duration::from_secs(3);
/// What each errno of the system calls of this lab means here.
const REASONS: [(Errno, &str); 5] = [
    (Errno::EPERM, "the process lacks CAP_SYS_ADMIN; for kill(2): main is another user's"),
    (
        Errno::EINVAL,
        "unshare: CLONE_NEWPID works once in the life of a process, and this was the second time; others: a signal or a flag that does not exist",
    ),
    (
        Errno::ENOMEM,
        "not memory: the new namespace had a PID 1 before, and it has ended; nobody can be born there any more",
    ),
    (
        Errno::ECHILD,
        "waitpid(2) found no child: main was waited for before, or SIGCHLD is ignored, and then the kernel reaps by itself and throws the status away",
    ),
    (Errno::ESRCH, "main ended a moment before the kill(2): that is no failure, its end is what the signal was for"),
];

/// The same for watch_signals(), which has no child yet.
const WATCH_REASONS: [(Errno, &str); 1] = [(
    Errno::ECHILD,
    "watch_signals() comes before the fork: there is no child to wait for, and waiting is supervise()'s",
)];

// Task 1

#[test]
fn task1_the_child_is_pid_1_of_a_new_namespace() {
    shielded(|| {
        let before = inside();
        let child = observe(|| pid::start_pid1().explained("start_pid1()", &REASONS, RULES), inside);
        let seen = &child.value;
        check!(
            seen.pid == 1 && seen.parent == 0,
            expected: "getpid() to be 1 in the child, and getppid() 0: its parent is out of sight",
            seen: format!("PID {} and parent {}", seen.pid, seen.parent),
            likely: match () {
                () if seen.namespaces.get(&NsKind::PidForChildren) != before.namespaces.get(&NsKind::PidForChildren)
                    && seen.namespaces[&NsKind::Pid] == before.namespaces[&NsKind::Pid]
                    => "unshare came after fork, in the child: it moves the children of its caller, never the caller",
                () if seen.namespaces[&NsKind::Pid] == before.namespaces[&NsKind::Pid] => "no CLONE_NEWPID: this is an ordinary fork",
                () => "another process was born into the new namespace first",
            },
            read: RULES,
        );
        check!(
            seen.ns_pids == [child.pid.as_raw(), 1],
            expected: format!("two numbers for one process, NSpid: {} 1", child.pid),
            seen: format!("NSpid: {:?}, and start_pid1() told its caller {}", seen.ns_pids, child.pid),
            likely: "the parent's arm has to return the PID that fork(2) gave it",
            read: RULES,
        );
    });
}

#[test]
fn task1_no_other_namespace_is_new() {
    shielded(|| {
        let before = testkit::namespaces();
        let after = observe(|| pid::start_pid1().explained("start_pid1()", &REASONS, RULES), testkit::namespaces).value;
        let changed: Vec<_> = before.keys().filter(|kind| before.get(kind) != after.get(kind)).collect();
        check!(
            changed == [&NsKind::Pid, &NsKind::PidForChildren],
            expected: "the child to live in another PID namespace, and in that one alone",
            seen: format!("these are new: {changed:?}"),
            likely: match changed.len() {
                0 | 1 => "CLONE_NEWPID is the flag, and the child has to be forked after it",
                _ => "the flag of another namespace too: the other labs add theirs, in their own order",
            },
            read: RULES,
        );
    });
}

#[test]
fn task1_without_the_capability_the_refusal_is_reported() {
    shielded(|| {
        let with_it =
            in_child(|| observe(|| pid::start_pid1().explained("start_pid1()", &REASONS, RULES), inside).value.pid);
        drop_capabilities();
        let seen = pid::start_pid1();
        check!(
            seen.as_ref().is_err_and(|error| error.errno() == Some(Errno::EPERM)),
            expected: "start_pid1() without CAP_SYS_ADMIN to return EPERM",
            seen: format!("{seen:?}"),
            likely: match with_it {
                1 => "the result of unshare(2) was thrown away, and an ordinary fork followed",
                _ => "there is no new namespace with the capability either: see the first test",
            },
            read: RULES,
        );
    });
}

// Task 2

#[test]
fn task2_sigkill_is_asked_for() {
    shielded(|| {
        let (asked, subreaper) = in_child(|| {
            pid::die_with_parent().explained("die_with_parent()", &REASONS, RULES);
            (
                prctl::get_pdeathsig().expect("prctl").map(|signal| signal as i32),
                prctl::get_child_subreaper().expect("prctl"),
            )
        });
        check!(
            asked == Some(Signal::SIGKILL as i32),
            expected: "PR_GET_PDEATHSIG to say SIGKILL (9)",
            seen: match asked {
                Some(number) => format!("signal {number}"),
                None => "none: the child would outlive its parent".to_owned(),
            },
            likely: match asked {
                Some(_) => "a signal that can be caught, or that a PID 1 never gets",
                None if subreaper => "PR_SET_CHILD_SUBREAPER is about whose orphans one gets; PR_SET_PDEATHSIG is about one's own end",
                None => "prctl(2) was not called, or not in the process that is to die",
            },
            read: RULES,
        );
    });
}

#[test]
fn task2_a_pid_1_dies_with_its_parent() {
    shielded(|| {
        let (mut told, mut tell) = pipe().expect("pipe");
        let child = in_child(|| {
            unshare(CloneFlags::CLONE_NEWPID).expect("unshare");
            let child = fork_into(|| {
                pid::die_with_parent().explained("die_with_parent()", &REASONS, RULES);
                tell.write_all(b"!").expect("write");
                pause_forever()
            });
            drop(tell);
            if told.read_exact(&mut [0]).is_err() {
                // It panicked: its report has to be in the pipe before ours.
                waitpid(child, None).expect("waitpid");
            }
            child.as_raw()
        });
        let child = Pid::from_raw(child);
        let died = eventually(|| is_gone(child));
        let _ = kill(child, Signal::SIGKILL);
        check!(
            died,
            expected: "the child to be gone soon after the process that forked it",
            seen: format!("its parent has ended, and process {child} lives on"),
            likely: "it asked for no signal, or for one that it does not get: it is a PID 1 without handlers, and SIGKILL alone gets through",
            read: RULES,
        );
    });
}

// Task 3

#[test]
fn task3_a_process_that_exits_gives_its_code() {
    exit_codes(&[(WaitStatus::Exited(Pid::this(), 0), Some(0)), {
        let code = random(1, 255);
        (WaitStatus::Exited(Pid::this(), code), Some(code))
    }]);
}

#[test]
fn task3_a_signal_counts_from_128() {
    let of = |signal: Signal, core| (WaitStatus::Signaled(Pid::this(), signal, core), Some(128 + signal as i32));
    exit_codes(&[of(Signal::SIGTERM, false), of(Signal::SIGKILL, false), of(Signal::SIGSEGV, true)]);
}

#[test]
fn task3_a_process_that_lives_has_no_code() {
    exit_codes(&[
        (WaitStatus::StillAlive, None),
        (WaitStatus::Stopped(Pid::this(), Signal::SIGTSTP), None),
        (WaitStatus::Continued(Pid::this()), None),
    ]);
}

fn exit_codes(table: &[(WaitStatus, Option<i32>)]) {
    shielded(|| {
        for &(status, expected) in table {
            let seen = pid::exit_code(status);
            check!(
                seen == expected,
                expected: format!("exit_code({status:?}) to be {expected:?}"),
                seen: format!("{seen:?}"),
                likely: match (status, seen) {
                    (WaitStatus::Signaled(_, signal, _), Some(number)) if number == signal as i32 => "the bare number of the signal looks like an exit code: add 128",
                    (WaitStatus::Signaled(..), Some(0 | 1)) => "how it ended is lost: a death by signal has a code of its own",
                    (WaitStatus::Signaled(..), None) => "a process that a signal killed has ended too",
                    (WaitStatus::Exited(..), None) => "a process that exited has ended: hand its code on",
                    (WaitStatus::Exited(..), _) => "the exit code was changed on its way: it is one byte, all of it the program's own",
                    _ => "stopped, continued and still alive are no end: whoever takes them for one leaves the process behind",
                },
                read: RULES,
            );
        }
    });
}

// Task 4

#[test]
fn task4_the_signals_are_blocked_and_no_others() {
    shielded(|| {
        let before = SigSet::thread_get_mask().expect("mask");
        let signals = pid::watch_signals().explained("watch_signals()", &WATCH_REASONS, RULES);
        let after = SigSet::thread_get_mask().expect("mask");
        let missing: Vec<_> = watched().filter(|signal| !after.contains(*signal)).collect();
        check!(
            missing.is_empty(),
            expected: "FORWARDED and SIGCHLD to be blocked: only a signal that waits can be read",
            seen: format!("not blocked: {missing:?}"),
            likely: match missing.as_slice() {
                [Signal::SIGCHLD] => "without SIGCHLD nothing wakes the supervisor when a child ends",
                _ if reads_what_others_block(&signals) => "a signalfd blocks nothing by itself: sigprocmask(2) with SIG_BLOCK comes before it",
                _ => "neither were they blocked nor does the descriptor read them",
            },
            read: RULES,
        );
        let others: Vec<_> = Signal::iterator()
            .filter(|signal| after.contains(*signal) && !before.contains(*signal) && watched().all(|it| it != *signal))
            .collect();
        check!(
            others.is_empty(),
            expected: "no other signal to be blocked",
            seen: format!("also blocked: {others:?}"),
            likely: "a signal that is blocked and that nobody reads is lost: Ctrl-Z (SIGTSTP) would do nothing any more",
            read: RULES,
        );
    });
}

#[test]
fn task4_the_descriptor_reads_each_of_them() {
    shielded(|| {
        let signals = pid::watch_signals().explained("watch_signals()", &WATCH_REASONS, RULES);
        for signal in watched() {
            check!(
                SigSet::thread_get_mask().expect("mask").contains(signal),
                expected: format!("{signal} to wait until it is read"),
                seen: "it is not blocked, and would act at once",
                likely: "block the signals, then make the descriptor: it takes both",
                read: RULES,
            );
            raise(signal).expect("raise");
            let read = readable(&signals).then(|| signals.read_signal().ok().flatten()).flatten();
            let read = read.map(|info| info.ssi_signo as i32);
            check!(
                read == Some(signal as i32),
                expected: format!("the descriptor to read {signal}, which is pending"),
                seen: match read {
                    Some(number) => format!("signal {number}"),
                    None => "nothing to read".to_owned(),
                },
                likely: "the set of the signalfd and the set that is blocked are not the same",
                read: RULES,
            );
        }
    });
}

#[test]
fn task4_the_descriptor_does_not_reach_the_command() {
    shielded(|| {
        let signals = pid::watch_signals().explained("watch_signals()", &WATCH_REASONS, RULES);
        let flags = FdFlag::from_bits_retain(fcntl(&signals, FcntlArg::F_GETFD).expect("fcntl"));
        check!(
            flags.contains(FdFlag::FD_CLOEXEC),
            expected: "the descriptor to be close-on-exec",
            seen: format!("its flags: {flags:?}"),
            likely: match SigSet::thread_get_mask().expect("mask").contains(Signal::SIGCHLD) {
                true => "SFD_CLOEXEC was left out: the descriptor would stay open in every program that is started",
                false => "see the other tests of this task first",
            },
            read: RULES,
        );
    });
}

// Task 5

/// What `main` does about signals, in the tests of forward().
#[derive(Clone, Copy)]
enum Opinion {
    /// Nothing: the default actions.
    None,
    /// Blocks them, and takes one when it is told to: ends with its number.
    Blocks,
    /// Sits in sigwait(3) until one comes: ends with its number.
    Waits,
    /// Ends with the number of the signal, from a handler.
    Catches(Signal),
    /// Ignores the one; ends with the number of SIGUSR1, from a handler.
    Ignores(Signal),
}

/// What becomes of a `main` with this opinion when `signals` are forwarded to it: its exit code, 128 + n when
/// signal n killed it, nothing when it lives on.
fn outcome(as_pid1: bool, opinion: Opinion, signals: &[Signal]) -> Option<i32> {
    // In a process of its own: each can give birth to one PID 1 only.
    in_child(|| {
        let (mut told, mut tell) = pipe().expect("pipe");
        let main = launch(if as_pid1 { fork_pid1 } else { fork_plain }, || be_main(opinion, &mut tell));
        told.read_exact(&mut [0]).expect("main to be ready");
        if matches!(opinion, Opinion::Waits) {
            // It has told us before the call.
            let call = || fs::read_to_string(format!("/proc/{}/syscall", main.pid())).unwrap_or_default();
            eventually(|| call().starts_with(&format!("{} ", libc::SYS_rt_sigtimedwait)));
        }
        for signal in signals {
            pid::forward(*signal, main.pid()).explained("forward(signal, main)", &REASONS, RULES);
        }
        let end = main.ends_within(LIMIT).then(|| waitpid(main.pid(), None).expect("waitpid"));
        end.map(|status| match status {
            WaitStatus::Exited(_, code) => code,
            WaitStatus::Signaled(_, signal, _) => 128 + signal as i32,
            other => panic!("{other:?}"),
        })
    })
}

fn be_main(opinion: Opinion, tell: &mut impl Write) {
    let catch = |which| {
        // SAFETY: the handler calls _exit alone, which is async-signal-safe.
        unsafe { signal(which, SigHandler::Handler(exit_with_number)) }.expect("signal");
    };
    match opinion {
        Opinion::None => {}
        Opinion::Blocks | Opinion::Waits => SigSet::all().thread_block().expect("block"),
        Opinion::Catches(which) => catch(which),
        Opinion::Ignores(which) => {
            catch(Signal::SIGUSR1);
            // SAFETY: SIG_IGN is no function of ours.
            unsafe { signal(which, SigHandler::SigIgn) }.expect("signal");
        }
    }
    tell.write_all(b"!").expect("write");
    match opinion {
        Opinion::Blocks => {
            let queue = SignalFd::new(&SigSet::all()).expect("signalfd");
            exit_with_number(queue.read_signal().expect("read").expect("a signal").ssi_signo as i32)
        }
        Opinion::Waits => exit_with_number(SigSet::all().wait().expect("sigwait") as i32),
        _ => drop(pause_forever()),
    }
}

extern "C" fn exit_with_number(number: i32) {
    // SAFETY: _exit ends the process and takes an integer.
    unsafe { libc::_exit(number) }
}

/// For a message.
fn in_words(outcome: Option<i32>) -> String {
    match outcome {
        None => "main lives on".to_owned(),
        Some(code @ 0..=128) => format!("main ended by itself, with the code {code}"),
        Some(code) => format!("main was killed by signal {}", code - 128),
    }
}

const KILLED: Option<i32> = Some(128 + Signal::SIGKILL as i32);

#[test]
fn task5_an_ordinary_process_gets_the_signal_itself() {
    shielded(|| {
        for signal in pid::FORWARDED {
            let seen = outcome(false, Opinion::Blocks, &[signal]);
            check!(
                seen == Some(signal as i32),
                expected: format!("main to receive {signal}"),
                seen: in_words(seen),
                likely: match seen {
                    None => "nothing was sent: kill(2) is what sends",
                    KILLED => "every signal became SIGKILL: main never had the chance to clean up",
                    _ => "another signal was sent than was asked for",
                },
                read: RULES,
            );
        }
    });
}

#[test]
fn task5_an_ordinary_process_without_a_handler_dies_of_the_signal() {
    shielded(|| {
        let seen = outcome(false, Opinion::None, &[Signal::SIGTERM]);
        check!(
            seen == Some(143),
            expected: "main, which is no PID 1, to be killed by SIGTERM itself (143)",
            seen: in_words(seen),
            likely: "the exception is for PID 1 alone: the last number of NSpid: has to be 1",
            read: RULES,
        );
    });
}

#[test]
fn task5_a_pid_1_that_catches_the_signal_gets_it() {
    gets_it(Opinion::Catches(Signal::SIGTERM), "it has a handler for SIGTERM: its bit is set in SigCgt:");
}

#[test]
fn task5_a_pid_1_that_blocks_the_signal_finds_it_pending() {
    gets_it(Opinion::Blocks, "it has blocked SIGTERM, to read it when it likes: its bit is set in SigBlk:");
}

#[test]
fn task5_a_pid_1_that_sits_in_sigwait_gets_it() {
    shielded(|| {
        let blocked = outcome(true, Opinion::Blocks, &[Signal::SIGTERM]);
        let seen = outcome(true, Opinion::Waits, &[Signal::SIGTERM]);
        check!(
            seen == Some(Signal::SIGTERM as i32),
            expected: "a PID 1 that sits in sigwait(3), as tini does, to receive SIGTERM",
            seen: in_words(seen),
            likely: match (seen, blocked) {
                (KILLED, KILLED) => "it was taken for a PID 1 without an opinion; begin with the masks",
                (KILLED, _) => "while a process is in sigwait, SigBlk: leaves out what it waits for: ask sits_in_sigwait()",
                _ => "no signal was sent",
            },
            read: RULES,
        );
    });
}

fn gets_it(opinion: Opinion, why: &str) {
    shielded(|| {
        let seen = outcome(true, opinion, &[Signal::SIGTERM]);
        check!(
            seen == Some(Signal::SIGTERM as i32),
            expected: "this PID 1 to receive SIGTERM, and to end in its own way",
            seen: in_words(seen),
            likely: match seen {
                KILLED => why,
                _ => "no signal was sent",
            },
            read: RULES,
        );
    });
}

#[test]
fn task5_a_pid_1_that_ignores_the_signal_lives() {
    shielded(|| {
        let caught = outcome(true, Opinion::Catches(Signal::SIGHUP), &[Signal::SIGHUP]);
        // Had SIGHUP killed it, SIGUSR1 would come too late to change how it ended.
        let seen = outcome(true, Opinion::Ignores(Signal::SIGHUP), &[Signal::SIGHUP, Signal::SIGUSR1]);
        check!(
            seen == Some(Signal::SIGUSR1 as i32),
            expected: "a PID 1 that ignores SIGHUP to live on, and to catch the SIGUSR1 that follows",
            seen: in_words(seen),
            likely: match (seen, caught) {
                (KILLED, KILLED) => "it was taken for a PID 1 without an opinion",
                (KILLED, _) => "who ignores a signal (SigIgn:), as nohup(1) does, has decided: that is no reason to kill",
                _ => "no signal was sent",
            },
            read: RULES,
        );
    });
}

#[test]
fn task5_a_pid_1_without_a_handler_ends() {
    shielded(|| {
        let ordinary = outcome(false, Opinion::None, &[Signal::SIGTERM]);
        let seen = outcome(true, Opinion::None, &[Signal::SIGTERM]);
        check!(
            seen == KILLED,
            expected: "a PID 1 without a handler for SIGTERM to end all the same, by SIGKILL",
            seen: in_words(seen),
            likely: match seen {
                None if ordinary.is_none() => "nothing is sent to anybody: kill(2) is what sends",
                None => "the kernel drops a signal that a PID 1 has no handler for. Who does look for a PID 1 has to take the last number of NSpid:, its PID inside; the first is its PID out here",
                _ => "another signal than SIGKILL was sent",
            },
            read: RULES,
        );
    });
}

#[test]
fn task5_bit_n_minus_1_stands_for_signal_n() {
    shielded(|| {
        let without = outcome(true, Opinion::None, &[Signal::SIGTERM]);
        // Signal 16 has the bit that a count from 0 would take for SIGTERM's.
        let seen = outcome(true, Opinion::Catches(Signal::SIGSTKFLT), &[Signal::SIGTERM]);
        check!(
            seen == KILLED,
            expected: "a PID 1 that catches signal 16 and not SIGTERM (15) to be ended by SIGKILL",
            seen: in_words(seen),
            likely: match without {
                KILLED => "in the masks of /proc/PID/status bit n - 1 stands for signal n: one bit off, its neighbour's handler counts",
                _ => "the kernel dropped SIGTERM, and no SIGKILL took its place; or bit n was read where n - 1 stands for signal n",
            },
            read: RULES,
        );
    });
}

#[test]
fn task5_a_main_that_has_ended_is_no_error() {
    shielded(|| {
        let main = start_child(|| ());
        check!(main.ends_within(LIMIT), expected: "an end", seen: "none", likely: "a slow machine", read: RULES);
        let number = main.pid();
        pid::forward(Signal::SIGTERM, number).explained("forward() to a zombie", &REASONS, RULES);
        waitpid(number, None).expect("waitpid");
        pid::forward(Signal::SIGTERM, number).explained("forward() to a main that was waited for", &REASONS, RULES);
    });
}

#[test]
fn task5_a_refusal_is_reported() {
    needs!(root);
    shielded(|| {
        let main = getppid();
        let permitted = outcome(false, Opinion::Blocks, &[Signal::SIGUSR1]);
        let seen = in_child(|| {
            setuid(Uid::from_raw(65534)).expect("setuid");
            pid::forward(Signal::SIGUSR1, main).map_err(|error| error.errno().map(|errno| errno as i32))
        });
        check!(
            seen == Err(Some(Errno::EPERM as i32)),
            expected: "forward() to another user's process to return EPERM",
            seen: format!("{seen:?}"),
            likely: match permitted {
                None => "nothing is sent to anybody: kill(2) is what sends",
                Some(_) => "the result of kill(2) was thrown away: ESRCH alone may be",
            },
            read: RULES,
        );
    });
}

// Task 6

/// A process that calls watch_signals(), forks `main`, and calls supervise().
fn start_supervisor(main: impl FnOnce() -> i32) -> Running<i32> {
    start_child(|| watch_and_supervise(|| {}, main))
}

/// `between` runs when signals are watched and there is no main yet.
fn watch_and_supervise(between: impl FnOnce(), main: impl FnOnce() -> i32) -> i32 {
    try_to_supervise(between, main).explained("supervise(main, &signals)", &REASONS, RULES)
}

fn try_to_supervise(between: impl FnOnce(), main: impl FnOnce() -> i32) -> model::Result<i32> {
    for signal in pid::FORWARDED {
        // Whoever started the tests may ignore some, as nohup(1) does, and that is inherited.
        // SAFETY: SIG_DFL is no function of ours.
        unsafe { nix::sys::signal::signal(signal, SigHandler::SigDfl) }.expect("signal");
    }
    let signals = pid::watch_signals().explained("watch_signals()", &WATCH_REASONS, RULES);
    between();
    let main = fork_into(main);
    pid::supervise(main, &signals)
}

/// What supervise() returned.
fn code_of(supervisor: Running<i32>) -> i32 {
    let children = || processes().into_iter().filter(|process| process.parent == supervisor.pid().as_raw());
    let ended = supervisor.ends_within(LIMIT);
    let left: Vec<String> = children().map(|child| format!("{} ({})", child.pid, child.state)).collect();
    check!(
        ended,
        expected: "supervise() to return once main has ended",
        seen: format!("it still waits; its children, and their states: {left:?}"),
        likely: match () {
            () if children().any(|child| child.state == 'Z') => "a child is a zombie (Z), and nobody asks for it: SIGCHLD has to wake the supervisor, and one may stand for many ends",
            () if left.is_empty() || pid::exit_code(WaitStatus::Exited(Pid::this(), 5)) != Some(5) => "main was reaped and its end went unnoticed: compare each PID that waitpid(2) returns with main's",
            () => "it waits for more than main: when main has ended, the others are not worth waiting for",
        },
        read: RULES,
    );
    supervisor.wait().value
}

#[test]
fn task6_the_exit_code_is_handed_on() {
    let code = random(2, 99);
    shielded(|| {
        let (seen, reaped) = in_child(|| {
            let signals = pid::watch_signals().explained("watch_signals()", &WATCH_REASONS, RULES);
            let main = fork_into(|| code);
            let seen = pid::supervise(main, &signals).explained("supervise(main, &signals)", &REASONS, RULES);
            (seen, waitpid(main, Some(WaitPidFlag::WNOHANG)) == Err(Errno::ECHILD))
        });
        check!(
            reaped,
            expected: "main to have ended, and to be reaped, when supervise() returns",
            seen: format!("it returned {seen}, and nobody has waited for main"),
            likely: "supervise() did not wait: waitpid(2) is what tells of an end, and what removes a zombie",
            read: RULES,
        );
        check!(
            seen == code,
            expected: format!("supervise() to return {code}, with which main exited"),
            seen: seen,
            likely: "the status that waitpid(2) gave was thrown away: exit_code() makes the code of it",
            read: RULES,
        );
    });
}

#[test]
fn task6_a_death_by_signal_is_handed_on() {
    shielded(|| {
        let seen = code_of(start_supervisor(|| {
            kill(Pid::this(), Signal::SIGKILL).expect("kill");
            0
        }));
        check!(
            seen == 137,
            expected: "supervise() to return 137, 128 + 9: SIGKILL ended main",
            seen: seen,
            likely: "only one of the two ways to end was handed on",
            read: RULES,
        );
    });
}

#[test]
fn task6_every_signal_is_passed_on() {
    let code = random(2, 99);
    shielded(|| {
        let (mut told, mut tell) = pipe().expect("pipe");
        let supervisor = start_supervisor(|| {
            let wanted: SigSet = pid::FORWARDED.into_iter().collect();
            wanted.thread_block().expect("block");
            tell.write_all(b"!").expect("write");
            for _ in pid::FORWARDED {
                let taken = wanted.wait().expect("sigwait");
                tell.write_all(&[taken as u8]).expect("write");
            }
            code
        });
        if hear(&mut told, &supervisor).is_some() {
            for signal in pid::FORWARDED {
                kill(supervisor.pid(), signal).expect("kill");
                let heard = hear(&mut told, &supervisor);
                if supervisor.ends_within(Duration::ZERO) && heard.is_none() {
                    let seen = supervisor.wait(); // a panic is told here
                    testkit::teach(
                        format_args!("supervise() to pass {signal} on to main, and to wait for what main makes of it"),
                        format_args!("it returned {} while main lived", seen.value),
                        match seen.value > 128 {
                            true => "the supervisor took the signal for itself: it is main who decides when to end",
                            false => "it does not wait for main",
                        },
                        RULES,
                    );
                }
                check!(
                    heard == Some(signal as u8),
                    expected: format!("main to receive the {signal} that was sent to its supervisor"),
                    seen: match heard {
                        Some(number) => format!("main received signal {number}"),
                        None => "nothing reached main".to_owned(),
                    },
                    likely: match heard.is_none() && forward_works(&mut told, &supervisor) {
                        true => "the supervisor swallowed it: every signal that it reads, SIGCHLD aside, is forward()'s",
                        false => "forward() does not send what it is asked to send: see task 5",
                    },
                    read: RULES,
                );
            }
        }
        let seen = code_of(supervisor);
        check!(
            seen == code,
            expected: format!("the code {code} in the end"),
            seen: seen,
            likely: "something else than main's own end decided",
            read: RULES,
        );
    });
}

/// Whether the supervisor's main, which has missed a signal, hears one that is forwarded to it from here.
fn forward_works(told: &mut PipeReader, supervisor: &Running<i32>) -> bool {
    let main = processes().into_iter().find(|process| process.parent == supervisor.pid().as_raw());
    main.is_some_and(|main| pid::forward(Signal::SIGUSR2, Pid::from_raw(main.pid)).is_ok())
        && hear(told, supervisor).is_some()
}

#[test]
fn task6_a_signal_that_comes_before_main_is_kept() {
    shielded(|| {
        let (mut told, mut tell) = pipe().expect("pipe");
        let too_early = || {
            raise(Signal::SIGTERM).expect("raise");
        };
        let supervisor = start_child(|| {
            watch_and_supervise(too_early, || {
                let wanted = SigSet::from(Signal::SIGTERM);
                let taken = wanted.wait().expect("sigwait");
                tell.write_all(&[taken as u8]).expect("write");
                0
            })
        });
        let heard = hear(&mut told, &supervisor);
        if heard.is_none() && supervisor.ends_within(Duration::ZERO) {
            let seen = supervisor.wait().value; // a panic is told here
            testkit::teach(
                "supervise() to wait for main",
                format_args!("it returned {seen}"),
                "it does not wait for main",
                RULES,
            );
        }
        check!(
            heard == Some(Signal::SIGTERM as u8),
            expected: "a SIGTERM from before main's birth to reach main",
            seen: "main never saw it",
            likely: match kill(supervisor.pid(), Signal::SIGTERM).is_ok() && hear(&mut told, &supervisor).is_some() {
                true => "what was pending was thrown away, and a later SIGTERM arrives: somebody asked for an end, early, and would wait for ever",
                false => "a later SIGTERM does not reach main either: see the test of every signal",
            },
            read: RULES,
        );
    });
}

#[test]
fn task6_a_pid_1_without_a_handler_ends_too() {
    shielded(|| {
        let (mut told, mut tell) = pipe().expect("pipe");
        let supervisor = start_child(|| {
            watch_and_supervise(
                || unshare(CloneFlags::CLONE_NEWPID).expect("unshare"),
                || {
                    SigSet::empty().thread_set_mask().expect("mask");
                    tell.write_all(b"!").expect("write");
                    pause_forever()
                },
            )
        });
        if hear(&mut told, &supervisor).is_some() {
            kill(supervisor.pid(), Signal::SIGTERM).expect("kill");
        }
        let ended = supervisor.ends_within(LIMIT);
        check!(
            ended,
            expected: "SIGTERM to the supervisor to end a main that is PID 1 and has no handler, as `sleep` has none",
            seen: "both live on",
            likely: "the signal was sent, and the kernel dropped it: that is what forward() is for",
            read: RULES,
        );
        let seen = supervisor.wait().value;
        check!(
            seen == 137,
            expected: "137, 128 + SIGKILL",
            seen: seen,
            likely: "see task 5",
            read: RULES,
        );
    });
}

#[test]
fn task6_orphans_are_reaped_even_when_one_sigchld_stands_for_many() {
    const ORPHANS: usize = 3;
    let code = random(2, 76);
    shielded(|| {
        let (mut told, mut tell) = pipe().expect("pipe");
        let (mut go, mut let_go) = pipe().expect("pipe");
        let (mut told_late, mut tell_late) = pipe().expect("pipe");
        let (mut late_go, mut let_late_go) = pipe().expect("pipe");
        let (mut end, mut let_end) = pipe().expect("pipe");
        // PID 1, which orphans come to.
        let supervisor = launch(fork_pid1, || {
            let signals = pid::watch_signals().explained("watch_signals()", &WATCH_REASONS, RULES);
            let main = fork_into(|| {
                leave_orphan(&mut tell_late, || {
                    let _ = late_go.read(&mut [0]);
                    77
                });
                for _ in 0..ORPHANS {
                    leave_orphan(&mut tell, || 77);
                }
                let _ = end.read(&mut [0]);
                code
            });
            let _ = go.read(&mut [0]);
            pid::supervise(main, &signals).explained("supervise(main, &signals)", &REASONS, RULES)
        });
        let late = hear_pid(&mut told_late, &supervisor);
        let orphans: Vec<Pid> = (0..ORPHANS).filter_map(|_| hear_pid(&mut told, &supervisor)).collect();
        let (Some(late), ORPHANS) = (late, orphans.len()) else {
            returned_too_early(supervisor); // a panic is told there
        };
        // All are zombies before supervise() is called: their signals have merged into one.
        check!(
            eventually(|| orphans.iter().all(|orphan| state(*orphan) == Some('Z'))),
            expected: format!("the test's own orphans {orphans:?} to become zombies"),
            seen: format!("{:?}", processes()),
            likely: "a machine that is very slow",
            read: RULES,
        );
        let_go.write_all(b"!").expect("write");
        let reaped =
            eventually(|| orphans.iter().all(|orphan| is_gone(*orphan)) || supervisor.ends_within(Duration::ZERO));
        if supervisor.ends_within(Duration::ZERO) {
            returned_too_early(supervisor);
        }
        let left = orphans.iter().filter(|orphan| !is_gone(**orphan)).count();
        check!(
            reaped,
            expected: format!("{ORPHANS} orphans that ended to be reaped while main runs"),
            seen: format!("{left} of them are zombies still"),
            likely: match left {
                ORPHANS => "the supervisor waits for main alone: PID 1 has to wait for whoever ends, waitpid(-1)",
                _ => "one child was reaped for one SIGCHLD, but signals of one kind merge: ask until there is nobody left",
            },
            read: RULES,
        );
        // And one that ends while supervise() waits.
        let_late_go.write_all(b"!").expect("write");
        let reaped = eventually(|| is_gone(late) || supervisor.ends_within(Duration::ZERO));
        if supervisor.ends_within(Duration::ZERO) {
            returned_too_early(supervisor);
        }
        check!(
            reaped,
            expected: "an orphan that ends later to be reaped as well",
            seen: "it stays a zombie",
            likely: "children were reaped once, at the start, and never again",
            read: RULES,
        );
        let_end.write_all(b"!").expect("write");
        let seen = code_of(supervisor);
        check!(
            seen == code,
            expected: format!("main's code {code} in the end"),
            seen: seen,
            likely: "the code of another child than main",
            read: RULES,
        );
    });
}

fn returned_too_early(supervisor: Running<i32>) -> ! {
    let seen = supervisor.wait().value;
    testkit::teach(
        "supervise() to wait until main has ended",
        format_args!("it returned {seen}, and main lives (the orphans exit with 77)"),
        match seen {
            77 => "the end of any child was taken for main's: compare the PIDs",
            _ => "it does not wait for main",
        },
        RULES,
    )
}

/// Of signals that have no name in nix.
fn supervise_real_time(main: impl FnOnce() -> i32) -> i32 {
    const REASON: &str = "nix's waitpid reaps a child that a real-time signal has killed, and then reports EINVAL, for it has no name for the signal: reap() has";
    try_to_supervise(|| {}, main).explained("supervise(main, &signals)", &[(Errno::EINVAL, REASON)], RULES)
}

fn die_of_a_real_time_signal() -> i32 {
    // SAFETY: raise takes an integer.
    unsafe { libc::raise(libc::SIGRTMIN() + 6) }
}

#[test]
fn task6_a_real_time_signal_ends_an_orphan_and_not_its_init() {
    let code = random(2, 76);
    shielded(|| {
        let (mut told, mut tell) = pipe().expect("pipe");
        let (mut end, mut let_end) = pipe().expect("pipe");
        let supervisor = launch(fork_pid1, || {
            supervise_real_time(|| {
                leave_orphan(&mut tell, die_of_a_real_time_signal);
                let _ = end.read(&mut [0]);
                code
            })
        });
        let orphan = hear_pid(&mut told, &supervisor);
        let reaped = eventually(|| orphan.is_some_and(is_gone) || supervisor.ends_within(Duration::ZERO));
        if supervisor.ends_within(Duration::ZERO) {
            returned_too_early(supervisor); // a panic is told there
        }
        check!(
            reaped,
            expected: "an orphan that a real-time signal killed to be reaped while main runs",
            seen: "it stays a zombie",
            likely: "see the test of the orphans",
            read: RULES,
        );
        let_end.write_all(b"!").expect("write");
        let seen = code_of(supervisor);
        check!(
            seen == code,
            expected: format!("main's code {code} in the end"),
            seen: seen,
            likely: "the code of another child than main",
            read: RULES,
        );
    });
}

#[test]
fn task6_a_death_by_real_time_signal_is_handed_on() {
    shielded(|| {
        let seen = code_of(start_child(|| supervise_real_time(die_of_a_real_time_signal)));
        let signal = libc::SIGRTMIN() + 6;
        check!(
            seen == 128 + signal,
            expected: format!("supervise() to return {}, 128 + {signal}: a real-time signal ended main", 128 + signal),
            seen: seen,
            likely: "only the signals that nix has a name for were handed on",
            read: RULES,
        );
    });
}

#[test]
fn task6_an_orphan_that_lives_does_not_hold_it_up() {
    let code = random(2, 76);
    shielded(|| {
        let (mut told, mut tell) = pipe().expect("pipe");
        let supervisor = launch(fork_pid1, || {
            watch_and_supervise(
                || {},
                || {
                    leave_orphan(&mut tell, pause_forever);
                    code
                },
            )
        });
        let orphan = hear_pid(&mut told, &supervisor);
        let seen = code_of(supervisor);
        check!(
            seen == code,
            expected: format!("main's code {code}, although an orphan lives"),
            seen: seen,
            likely: "the code of another child than main",
            read: RULES,
        );
        check!(
            orphan.is_some_and(|orphan| eventually(|| is_gone(orphan))),
            expected: "the orphan to end with its namespace",
            seen: "it lives on",
            likely: "its PID 1 has not ended",
            read: RULES,
        );
    });
}

#[test]
fn task6_without_a_child_there_is_nothing_to_wait_for() {
    shielded(|| {
        let main = getppid();
        let supervisor = start_child(|| {
            let signals = pid::watch_signals().explained("watch_signals()", &WATCH_REASONS, RULES);
            pid::supervise(main, &signals).map_err(|error| error.errno().map(|errno| errno as i32))
        });
        check!(
            supervisor.ends_within(LIMIT),
            expected: "supervise() without any child to return ECHILD",
            seen: "it waits, for ever",
            likely: "the ECHILD of waitpid(2) was taken for \"nobody has ended yet\"",
            read: RULES,
        );
        let seen = supervisor.wait().value;
        check!(
            seen == Err(Some(Errno::ECHILD as i32)),
            expected: "supervise() without any child to return ECHILD",
            seen: format!("{seen:?}"),
            likely: "the error of waitpid(2) was thrown away",
            read: RULES,
        );
    });
}

// Task 7

#[test]
fn task7_every_level_has_a_number() {
    let pids: Vec<i32> = (0..4).map(|_| random(2, 30_000)).chain([1]).collect();
    let numbers: Vec<String> = pids.iter().map(i32::to_string).collect();
    // A thread that is not its process's first: NSpid: is its own number, NStgid: the process's.
    let status =
        format!("Name:\tcat\nTgid:\t77\nPid:\t78\nNStgid:\t77\t7\nNSpid:\t{}\nNSpgid:\t77\t7\n", numbers.join("\t"));
    shielded(|| {
        let seen = pid::ns_pids(&status).explained("ns_pids(status)", &REASONS, RULES);
        let seen: Vec<i32> = seen.into_iter().map(Pid::as_raw).collect();
        check!(
            seen == pids,
            expected: format!("{pids:?}, from {status:?}"),
            seen: format!("{seen:?}"),
            likely: match seen.as_slice() {
                [77, 7] => "that is another line: NStgid: and NSpgid: look alike",
                [one] if *one == pids[0] => "only the number that this /proc knows it by: there is one for each level",
                [one] if *one == 1 => "only the innermost number: there is one for each level",
                _ => "the numbers stand behind \"NSpid:\", outermost first, with tabs between",
            },
            read: RULES,
        );
    });
}

#[test]
fn task7_a_real_process_is_read() {
    shielded(|| {
        let before = Pid::this();
        let child = observe(fork_pid1, || {
            // A name can hold what it likes; the kernel writes it in the line above.
            prctl::set_name(c"NSpid:\t4 5").expect("prctl");
            let status = fs::read_to_string("/proc/self/status").expect("status");
            let seen = pid::ns_pids(&status).explained("ns_pids(status)", &REASONS, RULES);
            seen.into_iter().map(Pid::as_raw).collect::<Vec<_>>()
        });
        check!(
            child.value == [child.pid.as_raw(), 1],
            expected: format!("[{}, 1]: a child of {before} that calls itself \"NSpid: 4 5\"", child.pid),
            seen: format!("{:?}", child.value),
            likely: match child.value.as_slice() {
                [.., 4, 5] => "the words were found in the line Name:, which the process chooses: a line has to start with NSpid:",
                _ => "see the test of every level",
            },
            read: RULES,
        );
    });
}

#[test]
fn task7_a_text_without_the_line_is_refused() {
    shielded(|| {
        for status in ["", "Name:\tcat\nPid:\t7\n", "NSpid:\t12\tx\n"] {
            let seen = pid::ns_pids(status);
            check!(
                seen.is_err(),
                expected: format!("ns_pids({status:?}) to return an error"),
                seen: format!("{seen:?}"),
                likely: match pid::ns_pids("NSpid:\t5\t6\n").is_ok_and(|pids| pids.len() == 2) {
                    true => "what could not be read was left out: an empty or a shorter list is a wrong answer",
                    false => "a line that is right is not read either: see the first test of this task",
                },
                read: RULES,
            );
        }
    });
}

// Through the command line

#[test]
fn run_gives_pid_1_to_the_command_and_with_init_pid_2() {
    shielded(|| {
        lab_is_written();
        for (flags, expected) in [(&[][..], "1\n"), (&["--init"], "2\n")] {
            let run = testkit::boxwright!().arg("run").args(flags).args(["--", "sh", "-c", "echo $$"]).assert();
            run.success().stdout(expected);
        }
    });
}

#[test]
fn run_hands_the_exit_code_on() {
    let code = random(2, 99);
    shielded(|| {
        lab_is_written();
        for flags in [&[][..], &["--init"]] {
            let command = format!("exit {code}");
            testkit::boxwright!().arg("run").args(flags).args(["--", "sh", "-c", &command]).assert().code(code);
        }
        // A PID 1 cannot even kill itself, so here it takes an init.
        testkit::boxwright!().args(["run", "--init", "--", "sh", "-c", "kill -TERM $$"]).assert().code(143);
    });
}

#[test]
fn run_with_init_reaps_zombies() {
    shielded(|| {
        let before = processes().len();
        let mut container = Container::start(
            &["--init", "-i"],
            "for n in 1 2 3; do (sh -c 'exec 3>&1; echo ready' &); done; read line; exit 7",
        );
        (0..3).for_each(|_| container.wait_until_ready());
        // boxwright, its init, the shell.
        let settled = eventually(|| processes().len() == before + 3);
        check!(
            settled,
            expected: "three processes of the container to be left: boxwright, PID 1 and the shell",
            seen: format!("{:?}", processes()),
            likely: "those in state Z have ended, and PID 1 does not reap them: see supervise()",
            read: RULES,
        );
        let stdin = container.child.stdin.take();
        drop(stdin); // the end of the file ends the shell
        check!(container.exit_code() == Some(7), expected: "the shell's own exit code, 7", seen: "another", likely: "see task 6", read: RULES);
    });
}

#[test]
fn run_passes_sigterm_on_to_a_trap() {
    shielded(|| {
        for flags in [&[][..], &["--init"]] {
            let mut container = Container::start(flags, "trap 'exit 42' TERM; echo ready; sleep 60 & wait");
            container.wait_until_ready();
            container.kill(Signal::SIGTERM);
            let seen = container.exit_code();
            check!(
                seen == Some(42),
                expected: format!("the shell in `boxwright run {}` to run its trap and to exit with 42", flags.join(" ")),
                seen: format!("{seen:?}"),
                likely: "SIGTERM was swallowed, or answered by SIGKILL: see forward() and supervise()",
                read: RULES,
            );
        }
    });
}

#[test]
fn run_lets_sigterm_end_a_sleep_that_is_pid_1() {
    shielded(|| {
        let mut container = Container::start(&[], "echo ready; exec sleep 60");
        container.wait_until_ready();
        container.kill(Signal::SIGTERM);
        let seen = container.exit_code();
        check!(
            seen == Some(137),
            expected: "boxwright to end, with 137: its PID 1 has no handler, and was ended by SIGKILL",
            seen: format!("{seen:?}"),
            likely: "the kernel drops what a PID 1 has no handler for: see forward()",
            read: RULES,
        );
    });
}

#[test]
fn run_leaves_nothing_when_boxwright_is_killed() {
    shielded(|| {
        for flags in [&[][..], &["--init"]] {
            let before = processes().len();
            let mut container = Container::start(flags, "echo ready; sleep 60");
            container.wait_until_ready();
            container.kill(Signal::SIGKILL);
            let _ = container.exit_code();
            check!(
                eventually(|| processes().len() == before),
                expected: "no process of the container to outlive a boxwright that was killed",
                seen: format!("{:?}", processes()),
                likely: "nobody told the kernel to take PID 1 along: see die_with_parent()",
                read: RULES,
            );
        }
    });
}

#[test]
fn run_is_seen_by_top_with_both_pids() {
    let name = random_name("box");
    shielded(|| {
        let mut container = Container::start(&["--init", "--name", &name], "echo ready; exec sleep 60");
        container.wait_until_ready();
        // The name changes in the middle of an exec, the command line at its end.
        let is_sleep = |pid| fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| line.starts_with(b"sleep\0"));
        let sleep = || processes().into_iter().map(|process| process.pid).find(|pid| is_sleep(*pid));
        check!(eventually(|| sleep().is_some()), expected: "a sleep", seen: "none", likely: "it did not start", read: RULES);
        let (inside, outside) = (2.to_string(), sleep().unwrap_or_default().to_string());
        let top = testkit::boxwright!().args(["top", &name]).assert().success();
        let table = String::from_utf8_lossy(&top.get_output().stdout).into_owned();
        let has_line = table.lines().any(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            words.starts_with(&[&inside, &outside]) && words.contains(&"sleep")
        });
        check!(
            has_line,
            expected: format!("a line of `boxwright top` with {inside}, {outside} and sleep: its PID inside, and out here"),
            seen: table,
            likely: "ns_pids() left a number out",
            read: RULES,
        );
        container.kill(Signal::SIGTERM);
        let _ = container.exit_code();
    });
}

/// boxwright leaves out what is not written, and then there would be no PID 1 to look at.
fn lab_is_written() {
    boxwright::steps::require(3).explained("boxwright run", &REASONS, "lab03-pid.md, Tasks");
}

/// A `boxwright run` that goes on while the test looks.
struct Container {
    child: std::process::Child,
    stdout: BufReader<ChildStdout>,
}

impl Container {
    fn start(flags: &[&str], script: &str) -> Self {
        lab_is_written();
        let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_boxwright"))
            .arg("run")
            .args(flags)
            .args(["--", "sh", "-c", script])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("boxwright to start");
        let stdout = BufReader::new(child.stdout.take().expect("a pipe"));
        Container { child, stdout }
    }

    /// Reads one line, `ready`; when there is none, fails with what boxwright said.
    fn wait_until_ready(&mut self) {
        let mut line = String::new();
        let _ = self.stdout.read_line(&mut line);
        if line != "ready\n" {
            let _ = self.child.kill();
            let mut said = String::new();
            let _ = self.child.stderr.take().expect("a pipe").read_to_string(&mut said);
            panic!("`boxwright run` did not start its command: {:?}\n{said}", self.child.wait());
        }
    }

    fn kill(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id() as i32), signal).expect("kill");
    }

    /// The exit code; nothing when it was killed, or did not end and had to be.
    fn exit_code(&mut self) -> Option<i32> {
        let ended = eventually(|| matches!(self.child.try_wait(), Ok(Some(_))));
        if !ended {
            let _ = self.child.kill();
        }
        self.child.wait().ok().filter(|_| ended)?.code()
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

// What the tests look with

fn watched() -> impl Iterator<Item = Signal> {
    pid::FORWARDED.into_iter().chain([Signal::SIGCHLD])
}

fn fork_plain() -> ForkResult {
    // SAFETY: under a shield the process has one thread.
    unsafe { fork() }.expect("fork")
}

fn fork_pid1() -> ForkResult {
    unshare(CloneFlags::CLONE_NEWPID).expect("unshare");
    fork_plain()
}

/// Forks a child that ends with what `body` returns.
fn fork_into(body: impl FnOnce() -> i32) -> Pid {
    match fork_plain() {
        ForkResult::Parent { child } => child,
        ForkResult::Child => {
            let code = body();
            // SAFETY: _exit ends the process and takes an integer.
            unsafe { libc::_exit(code) }
        }
    }
}

/// Leaves a grandchild behind that belongs to PID 1 from now on, and tells its PID as /proc shows it. It ends
/// with what `body` returns.
fn leave_orphan(tell: &mut impl Write, body: impl FnOnce() -> i32) {
    let (mut number, mut tell_number) = pipe().expect("pipe");
    let middle = fork_into(|| {
        fork_into(|| {
            while getppid().as_raw() != 1 {
                sleep(Duration::from_millis(1));
            }
            let own = fs::read_link("/proc/self").expect("/proc/self").display().to_string();
            let own: i32 = own.parse().expect("a number");
            tell_number.write_all(&own.to_le_bytes()).expect("write");
            body()
        });
        0
    });
    waitpid(middle, None).expect("waitpid");
    let mut bytes = [0; 4];
    number.read_exact(&mut bytes).expect("the orphan's PID");
    tell.write_all(&bytes).expect("write");
}

fn pause_forever() -> i32 {
    loop {
        nix::unistd::pause();
    }
}

/// The next byte; nothing when the limit is over, or `sender` has ended without a word.
fn hear<T>(pipe: &mut PipeReader, sender: &Running<T>) -> Option<u8> {
    let until = Instant::now() + testkit::patience(LIMIT);
    loop {
        let has_ended = sender.ends_within(Duration::ZERO);
        let mut ready = [PollFd::new(pipe.as_fd(), PollFlags::POLLIN)];
        if poll(&mut ready, PollTimeout::from(5_u8)).expect("poll") == 1 {
            let mut byte = [0];
            return (pipe.read(&mut byte).expect("read") == 1).then_some(byte[0]);
        }
        if has_ended || Instant::now() > until {
            return None;
        }
    }
}

fn hear_pid(pipe: &mut PipeReader, sender: &Running<i32>) -> Option<Pid> {
    let mut bytes = [0; 4];
    for byte in &mut bytes {
        *byte = hear(pipe, sender)?;
    }
    Some(Pid::from_raw(i32::from_le_bytes(bytes)))
}

/// Whether the descriptor would read a signal, were it blocked.
fn reads_what_others_block(signals: &SignalFd) -> bool {
    SigSet::from(Signal::SIGUSR1).thread_block().expect("block");
    raise(Signal::SIGUSR1).expect("raise");
    readable(signals)
}

fn readable(signals: &SignalFd) -> bool {
    let mut ready = [PollFd::new(signals.as_fd(), PollFlags::POLLIN)];
    poll(&mut ready, PollTimeout::ZERO).expect("poll") == 1
}

/// Whether `condition` comes true before the limit is over.
fn eventually(mut condition: impl FnMut() -> bool) -> bool {
    let until = Instant::now() + testkit::patience(LIMIT);
    loop {
        if condition() {
            return true;
        }
        if Instant::now() > until {
            return false;
        }
        sleep(Duration::from_millis(1));
    }
}

/// One line of /proc/PID/stat.
#[derive(Debug)]
struct Process {
    pid: i32,
    #[expect(dead_code, reason = "messages show it")]
    name: String,
    state: char,
    parent: i32,
}

/// Every process of the shield.
fn processes() -> Vec<Process> {
    let names = fs::read_dir("/proc").expect("/proc").flatten().map(|entry| entry.file_name());
    names.filter_map(|name| process(name.to_str()?.parse().ok()?)).collect()
}

/// Source: proc_pid_stat(5). The name may hold spaces and brackets.
fn process(pid: i32) -> Option<Process> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (name, rest) = stat.split_once('(')?.1.rsplit_once(')')?;
    let mut words = rest.split_whitespace();
    Some(Process {
        pid,
        name: name.to_owned(),
        state: words.next()?.chars().next()?,
        parent: words.next()?.parse().ok()?,
    })
}

fn state(pid: Pid) -> Option<char> {
    process(pid.as_raw()).map(|process| process.state)
}

/// Ended and waited for.
fn is_gone(pid: Pid) -> bool {
    process(pid.as_raw()).is_none()
}

fn random(low: i32, high: i32) -> i32 {
    let name = random_name("");
    let number = u32::from_str_radix(name.trim_start_matches('-'), 16).expect("hexadecimal");
    low + (number % (high - low + 1) as u32) as i32
}
