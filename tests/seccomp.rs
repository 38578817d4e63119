//! Containers with a filter, from outside, on the reference: who is asked, what is refused, and in which order.
//!
//! Every test runs under a shield, whose audit sees what a container leaves behind.

#![cfg(feature = "solutions")]
#![allow(unsafe_code, reason = "raw system calls, and a listener's ioctls")]

use std::fs;
use std::io::{IoSliceMut, Read};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::net::UnixListener;
use std::process::{Command, Stdio};

use boxwright::steps::seccomp;
use model::plan::seccomp::{Action, ArchRules, Arg, Compare, Policy, Rule, X86_64};
use nix::errno::Errno;
use nix::libc;
use nix::poll::{PollFd, PollFlags, poll};
use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg};
use predicates::prelude::PredicateBooleanExt;
use predicates::str::contains;
use testkit::{dir, in_child, needs, random_name, shielded};

/// `boxwright run FLAGS -- sh -c SCRIPT`; the flags are split at spaces.
fn run(flags: &str, script: &str) -> assert_cmd::assert::Assert {
    let mut command = testkit::boxwright!();
    command.arg("run").args(flags.split_whitespace()).args(["--", "sh", "-c", script]).env("LC_ALL", "C").assert()
}

/// The flag for a profile that was written to a file.
fn profile(json: &str) -> String {
    let path = dir().join("profile.json");
    fs::write(&path, json).unwrap();
    format!("--security-opt seccomp={}", path.display())
}

/// A shell's line that makes one system call and prints its errno, 0 for success.
fn perl(call: &str) -> String {
    format!("perl -e '$! = 0; syscall({call}); print $! + 0, \"\\n\"'")
}

#[test]
fn a_listener_gets_the_descriptor_and_the_state() {
    shielded(|| {
        let (socket, name, word) = (dir().join("asked.sock"), random_name("told"), random_name("word"));
        let listener = UnixListener::bind(&socket).unwrap();
        let flag = profile(&format!(
            r#"{{"defaultAction": "SCMP_ACT_ALLOW", "listenerPath": "{}", "listenerMetadata": "{word}",
            "syscalls": [{{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_NOTIFY"}}]}}"#,
            socket.display()
        ));
        let mut command = Command::new(env!("CARGO_BIN_EXE_boxwright"));
        let script = format!("mkdir {}/new; mkdir {}/new", dir().display(), dir().display());
        command.args(["run", "--name", &name]).args(flag.split_whitespace()).args(["--", "sh", "-c", &script]);
        let mut container = command.env("LC_ALL", "C").stderr(Stdio::piped()).spawn().unwrap();

        let (fd, told) = listen(&listener);
        assert_eq!(told["fds"], serde_json::json!(["seccompFd"]));
        assert_eq!((&told["metadata"], &told["state"]["id"]), (&word.into(), &name.clone().into()));
        assert_eq!(told["pid"], told["state"]["pid"]);
        let comm = fs::read_to_string(format!("/proc/{}/comm", told["pid"])).unwrap();
        assert!(!comm.is_empty(), "the PID is one that the listener can look at");

        // The first is made by somebody else, the second refused.
        for (value, error) in [(0, 0), (0, -libc::EXDEV)] {
            let asked = receive(&fd);
            assert!([libc::SYS_mkdir, libc::SYS_mkdirat].contains(&i64::from(asked.data.nr)), "call {}", asked.data.nr);
            send(&fd, asked.id, value, error, 0);
        }
        let mut said = String::new();
        container.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        assert_eq!(container.wait().unwrap().code(), Some(1));
        assert!(said.contains("Invalid cross-device link") && said.lines().count() == 1, "{said}");
        assert!(!dir().join("new").exists(), "nobody made it");
    });
}

/// A signal that came before the init had blocked it was answered by SIGKILL: a PID 1 without an opinion.
#[test]
fn an_init_blocks_signals_before_it_has_a_command() {
    shielded(|| {
        let socket = dir().join("asked.sock");
        let listener = UnixListener::bind(&socket).unwrap();
        let flag = profile(&format!(
            r#"{{"defaultAction": "SCMP_ACT_ALLOW", "listenerPath": "{}",
            "syscalls": [{{"names": ["clone", "clone3", "fork", "vfork"], "action": "SCMP_ACT_NOTIFY"}}]}}"#,
            socket.display()
        ));
        let mut command = Command::new(env!("CARGO_BIN_EXE_boxwright"));
        command.args(["run", "--init"]).args(flag.split_whitespace()).args(["--", "true"]);
        let mut container = command.spawn().unwrap();

        let (fd, _) = listen(&listener);
        let asked = receive(&fd);
        let status = fs::read_to_string(format!("/proc/{}/status", asked.pid)).unwrap();
        let blocked = status.lines().find_map(|line| line.strip_prefix("SigBlk:\t")).unwrap();
        let blocked = u64::from_str_radix(blocked, 16).unwrap();
        assert!(blocked & 1 << (libc::SIGTERM - 1) != 0, "SigBlk: {blocked:x}");
        send(&fd, asked.id, 0, 0, libc::SECCOMP_USER_NOTIF_FLAG_CONTINUE);
        assert!(container.wait().unwrap().success());
    });
}

/// boxwright takes the container for not started while somebody in it has the line open, and answers SIGTERM by SIGKILL.
#[test]
fn a_command_below_an_init_starts_when_that_has_let_go_of_boxwright() {
    shielded(|| {
        let socket = dir().join("asked.sock");
        let listener = UnixListener::bind(&socket).unwrap();
        let flag = profile(&format!(
            r#"{{"defaultAction": "SCMP_ACT_ALLOW", "listenerPath": "{}",
            "syscalls": [{{"names": ["close_range", "execve"], "action": "SCMP_ACT_NOTIFY"}}]}}"#,
            socket.display()
        ));
        let mut command = Command::new(env!("CARGO_BIN_EXE_boxwright"));
        command.args(["run", "--init"]).args(flag.split_whitespace()).args(["--", "/bin/true"]);
        let mut container = command.spawn().unwrap();

        let (fd, _) = listen(&listener);
        let asked = receive(&fd);
        assert_eq!(i64::from(asked.data.nr), libc::SYS_close_range, "the init's");
        let another = poll(&mut [PollFd::new(fd.as_fd(), PollFlags::POLLIN)], 300_u16).unwrap();
        assert_eq!(another, 0, "calls while the init still has its descriptors");
        let go_on = libc::SECCOMP_USER_NOTIF_FLAG_CONTINUE;
        send(&fd, asked.id, 0, 0, go_on);
        send(&fd, receive(&fd).id, 0, 0, go_on);
        assert!(container.wait().unwrap().success());
    });
}

/// What a runtime sends to a listener: the filter's descriptor, and what it tells about the container.
fn listen(listener: &UnixListener) -> (OwnedFd, serde_json::Value) {
    let (stream, _) = listener.accept().unwrap();
    let mut text = [0; 8192];
    let mut space = nix::cmsg_space!([i32; 1]);
    let mut parts = [IoSliceMut::new(&mut text)];
    let message = recvmsg::<()>(stream.as_raw_fd(), &mut parts, Some(&mut space), MsgFlags::MSG_CMSG_CLOEXEC).unwrap();
    let fds: Vec<i32> = message
        .cmsgs()
        .unwrap()
        .flat_map(|part| if let ControlMessageOwned::ScmRights(fds) = part { fds } else { vec![] })
        .collect();
    let length = message.bytes;
    assert_eq!(fds.len(), 1, "one descriptor");
    // SAFETY: it came with the message, and is nobody else's.
    (unsafe { OwnedFd::from_raw_fd(fds[0]) }, serde_json::from_slice(&text[..length]).unwrap())
}

/// Waits for a call that is asked about. Source: seccomp_unotify(2).
fn receive(fd: &OwnedFd) -> libc::seccomp_notif {
    // SAFETY: the structure is numbers alone, for which 0 is a value.
    let mut asked: libc::seccomp_notif = unsafe { std::mem::zeroed() };
    // SAFETY: the descriptor is a listener, and the structure the one that the request is for.
    Errno::result(unsafe { libc::ioctl(fd.as_raw_fd(), libc::SECCOMP_IOCTL_NOTIF_RECV, &raw mut asked) }).unwrap();
    asked
}

/// Answers the call `id`. Source: seccomp_unotify(2).
fn send(fd: &OwnedFd, id: u64, val: i64, error: i32, flags: libc::c_ulong) {
    let flags = flags.try_into().unwrap();
    let mut answer = libc::seccomp_notif_resp { id, val, error, flags };
    // SAFETY: the descriptor is a listener, and the structure the one that the request is for.
    Errno::result(unsafe { libc::ioctl(fd.as_raw_fd(), libc::SECCOMP_IOCTL_NOTIF_SEND, &raw mut answer) }).unwrap();
}

#[test]
fn nobody_at_the_socket_is_told_before_anything_starts() {
    shielded(|| {
        let flag = profile(
            r#"{"defaultAction": "SCMP_ACT_ALLOW", "listenerPath": "/no/such.sock",
            "syscalls": [{"names": ["mkdir"], "action": "SCMP_ACT_NOTIFY"}]}"#,
        );
        run(&flag, "echo started").failure().stdout("").stderr(contains("/no/such.sock").and(contains("\n").count(1)));
    });
}

#[test]
fn the_upper_half_of_an_int_is_no_way_around_the_default() {
    needs!(program = perl);
    shielded(|| {
        for above in ["0", "(1 << 32)", "(0xffffffff << 32)"] {
            // AF_VSOCK, and TIOCSTI.
            run("", &perl(&format!("{}, {above} | 40, 1, 0", libc::SYS_socket))).success().stdout("1\n");
            run("", &perl(&format!("{}, 0, {above} | {}, 0", libc::SYS_ioctl, libc::TIOCSTI))).success().stdout("1\n");
            // AF_UNIX is nobody's harm.
            run("", &perl(&format!("{}, {above} | 1, 1, 0", libc::SYS_socket))).success().stdout("0\n");
        }
    });
}

#[test]
fn a_call_that_is_not_known_is_not_there() {
    needs!(program = perl);
    shielded(|| {
        run("", &perl("4000")).success().stdout(format!("{}\n", libc::ENOSYS));
        run("--security-opt seccomp=unconfined", &perl("4000")).success().stdout(format!("{}\n", libc::ENOSYS));
        // Refused, and told so.
        run("", &perl(&libc::SYS_reboot.to_string())).success().stdout(format!("{}\n", libc::EPERM));
    });
}

#[test]
fn a_call_that_no_kernel_has_is_told_and_passed_over() {
    shielded(|| {
        let flag = |name: &str| {
            profile(&format!(
                r#"{{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{{"names": ["{name}"], "action": "SCMP_ACT_ALLOW"}}]}}"#
            ))
        };
        let told = contains("\"opneat\"").and(contains("\"openat\"")).and(contains("\n").count(1));
        run(&flag("opneat"), "echo started").success().stdout("started\n").stderr(told);
        for known in ["openat", "riscv_hwprobe"] {
            run(&flag(known), "echo started").success().stderr("");
        }
        run("", "echo started").success().stderr("");
    });
}

#[test]
fn conditions_are_about_the_container() {
    needs!(program = perl);
    shielded(|| {
        let json = |condition: &str| {
            profile(&format!(
                r#"{{"defaultAction": "SCMP_ACT_ALLOW", "syscalls":
                [{{"names": ["getppid"], "action": "SCMP_ACT_ERRNO", "errnoRet": 95, {condition}}}]}}"#
            ))
        };
        let call = perl(&libc::SYS_getppid.to_string());
        for (condition, flags, errno) in [
            (r#""includes": {"caps": ["CAP_SYS_ADMIN"]}"#, "", "0\n"),
            (r#""includes": {"caps": ["CAP_SYS_ADMIN"]}"#, "--cap-add SYS_ADMIN", "95\n"),
            (r#""excludes": {"caps": ["CAP_CHOWN"]}"#, "", "0\n"),
            (r#""excludes": {"caps": ["CAP_CHOWN"]}"#, "--cap-drop CHOWN", "95\n"),
            (r#""includes": {"minKernel": "4.8"}"#, "", "95\n"),
            (r#""includes": {"minKernel": "400.0"}"#, "", "0\n"),
            (r#""excludes": {"arches": ["amd64", "arm64"]}"#, "", "0\n"),
        ] {
            run(&format!("{flags} {}", json(condition)), &call).success().stdout(errno);
        }
    });
}

#[test]
fn the_filter_is_the_last_thing() {
    needs!(program = id);
    shielded(|| {
        // All that the start needs of these is done before.
        let calls = r#"["capset", "setgroups", "setresuid", "setresgid", "setuid", "setgid", "mount", "umount2", "pivot_root",
            "unshare", "setns", "sethostname", "chroot", "chdir", "fchdir", "prctl", "mkdir", "mkdirat", "mknod", "mknodat",
            "landlock_create_ruleset", "landlock_add_rule", "landlock_restrict_self", "setsid", "close_range"]"#;
        let flag = profile(&format!(
            r#"{{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{{"names": {calls}, "action": "SCMP_ACT_KILL_PROCESS"}}]}}"#
        ));
        run(&format!("--security-opt no-new-privileges --hostname inside {flag}"), "exec id -u")
            .success()
            .stdout("0\n");
    });
}

#[test]
fn the_supervisor_has_it_too() {
    shielded(|| {
        let script =
            "read pid rest </proc/self/stat; test $pid != 1 && grep ^Seccomp: /proc/1/status /proc/self/status";
        let seen = run("--init", &format!("({script})")).success();
        seen.stdout("/proc/1/status:Seccomp:\t2\n/proc/self/status:Seccomp:\t2\n");
    });
}

#[test]
fn no_init_starts_under_a_filter_that_answers_capset() {
    shielded(|| {
        // "Done", and nothing was: the supervisor would keep the SYS_ADMIN that the filter was loaded with.
        let flag = profile(
            r#"{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["capset"], "action": "SCMP_ACT_ERRNO", "errnoRet": 0}]}"#,
        );
        let script = "grep Cap /proc/1/status";
        let told = contains("capset").and(contains("CAP_SYS_ADMIN is still there")).and(contains("\n").count(1));
        run(&format!("--init {flag}"), script).failure().stdout("").stderr(told);
        // It is not there in the first place; and an exec takes it without being asked.
        for flags in ["--init --security-opt no-new-privileges", ""] {
            run(&format!("{flags} {flag}"), script).success().stdout(contains("00000000a80425fb").count(3));
        }
    });
}

#[cfg(target_arch = "x86_64")]
mod other_numbers {
    use super::*;

    /// Makes a call by i386's door, with i386's numbers.
    fn int80(number: u32, first: u32) -> i32 {
        let result: u64;
        // SAFETY: getppid, which takes nothing, and exit, which does not return. The door keeps all but r8 to r11.
        unsafe {
            core::arch::asm!(
                "push rbx", "mov ebx, {first:e}", "int 0x80", "pop rbx",
                first = in(reg) first,
                inout("rax") u64::from(number) => result,
                out("r8") _, out("r9") _, out("r10") _, out("r11") _,
            );
        }
        result as i32
    }

    const X86: u32 = 0x4000_0003;
    /// getppid on i386, and its other number on x86_64.
    const GETPPID: u32 = 64;

    fn policy(archs: &[u32]) -> Policy {
        let rule = |number| Rule { number, action: Action::errno(95), args: vec![] };
        let rules = |arch: &u32| {
            let number = if *arch == X86 { GETPPID } else { libc::SYS_getppid as u32 };
            ArchRules { arch: *arch, x32: false, rules: vec![rule(number)] }
        };
        Policy { default: Action::ALLOW, archs: archs.iter().map(rules).collect(), flags: 0, listener: None }
    }

    /// Loads the policy in a child, which then makes a call by i386's door; what it returned, or the signal that ended it.
    fn tried(policy: Option<&Policy>) -> Result<i32, i32> {
        // SAFETY: under a shield the process has one thread.
        match unsafe { nix::unistd::fork() }.unwrap() {
            nix::unistd::ForkResult::Child => {
                let _ = nix::sys::resource::setrlimit(nix::sys::resource::Resource::RLIMIT_CORE, 0, 0);
                let filter = policy.map(|policy| seccomp::assemble(policy).unwrap());
                filter.inspect(|filter| drop(seccomp::install(filter, 0).unwrap()));
                let seen = -int80(GETPPID, 0);
                // SAFETY: _exit takes an integer and does not return.
                unsafe { libc::_exit(seen.clamp(0, 127)) }
            }
            nix::unistd::ForkResult::Parent { child } => match nix::sys::wait::waitpid(child, None).unwrap() {
                nix::sys::wait::WaitStatus::Exited(_, code) => Ok(code),
                nix::sys::wait::WaitStatus::Signaled(_, signal, _) => Err(signal as i32),
                other => panic!("{other:?}"),
            },
        }
    }

    #[test]
    fn i386_has_a_door_of_its_own() {
        shielded(|| {
            if tried(None).is_err() {
                return testkit::needs::skip(module_path!(), "ia32: a kernel that runs 32-bit programs");
            }
            assert_eq!(tried(None), Ok(0), "getppid() without a filter");
            assert_eq!(tried(Some(&policy(&[X86_64, X86]))), Ok(95), "its own rule");
            assert_eq!(tried(Some(&policy(&[X86_64]))), Err(libc::SIGSYS), "an architecture of which there is no rule");
        });
    }

    #[test]
    fn the_bit_of_x32_is_no_other_name() {
        needs!(program = perl);
        shielded(|| {
            let x32 = perl(&format!("0x40000000 | {}", libc::SYS_getppid));
            let json = |archs: &str| {
                profile(&format!(
                    r#"{{"defaultAction": "SCMP_ACT_ALLOW", "architectures": [{archs}],
                    "syscalls": [{{"names": ["getppid"], "action": "SCMP_ACT_ERRNO", "errnoRet": 95}}]}}"#
                ))
            };
            run(&json(r#""SCMP_ARCH_X86_64""#), &format!("exec {x32}")).code(128 + libc::SIGSYS).stdout("");
            run(&json(r#""SCMP_ARCH_X86_64", "SCMP_ARCH_X32""#), &x32).success().stdout("95\n");
            // By default its rules are those of the others.
            let reboot = perl(&format!("0x40000000 | {}", libc::SYS_reboot));
            run("", &reboot).success().stdout("1\n");
        });
    }

    #[test]
    fn the_first_of_two_rules_counts_in_the_kernel() {
        shielded(|| {
            let arg = Arg { index: 0, compare: Compare::Ne, value: 0 };
            let number = libc::SYS_getppid as u32;
            let rule = |action, args| Rule { number, action, args };
            let rules = vec![rule(Action::errno(95), vec![arg]), rule(Action::ALLOW, vec![])];
            let archs = vec![ArchRules { arch: X86_64, x32: false, rules }];
            let policy = Policy { default: Action::ALLOW, archs, flags: 0, listener: None };
            let own = seccomp::assemble(&policy).unwrap();
            let seen = in_child(|| {
                seccomp::install(&own, 0).unwrap();
                // SAFETY: getppid takes no argument.
                [0, 1 << 40].map(|first: u64| unsafe { libc::syscall(libc::SYS_getppid, first) } == -1)
            });
            assert_eq!(seen, [false, true]);
        });
    }
}
