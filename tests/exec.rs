//! `boxwright exec`, and containers that share namespaces, from outside, on the reference: what no lab's test looks at.
//!
//! Every test runs under a shield, whose audit sees what is left behind.

#![cfg(feature = "solutions")]
#![allow(unsafe_code, reason = "pre_exec")]

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::sched::{CloneFlags, unshare};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use predicates::prelude::*;
use predicates::str::{contains, is_empty};
use testkit::{Shield, dir, needs, patience, shielded};

const BOXWRIGHT: &str = env!("CARGO_BIN_EXE_boxwright");

/// A container `box` that runs. Dropped, it is ended, and waited for.
struct Container(Child);

impl Container {
    /// `boxwright run FLAGS sleep 600`; the flags are split at spaces.
    fn start(flags: &str) -> Container {
        Container::of(Command::new(BOXWRIGHT).args(["run", "--name", "box"]).args(flags.split_whitespace()))
    }

    fn of(command: &mut Command) -> Container {
        let command = command.args(["--", "sh", "-c", "echo up; exec sleep 600"]);
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().expect("start boxwright");
        child.stdout.as_mut().expect("piped").read_exact(&mut [0; 3]).expect("up");
        Container(child)
    }

    /// A pod's pause process by this name.
    fn hold(name: &str, command: &mut Command) -> Container {
        let child =
            command.args(["run", "--name", name, "--rootfs", "host", "--hold"]).spawn().expect("start boxwright");
        eventually("the pod is there", || is_up(name));
        Container(child)
    }

    fn pid(&self) -> Pid {
        Pid::from_raw(self.0.id() as i32)
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        let _ = kill(self.pid(), Signal::SIGTERM);
        let _ = self.0.wait();
    }
}

fn is_up(name: &str) -> bool {
    testkit::boxwright!().args(["ps"]).output().is_ok_and(|ps| String::from_utf8_lossy(&ps.stdout).contains(name))
}

/// `boxwright exec FLAGS box COMMAND`.
fn exec(flags: &[&str], command: &[&str]) -> assert_cmd::assert::Assert {
    testkit::boxwright!().arg("exec").args(flags).arg("box").args(command).env("LC_ALL", "C").assert()
}

fn said(assert: &assert_cmd::assert::Assert) -> String {
    String::from_utf8_lossy(&assert.get_output().stdout).into_owned()
}

fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + patience(Duration::from_secs(5));
    while !is_so() {
        assert!(Instant::now() < deadline, "expected within 5 s: {what}");
        sleep(Duration::from_millis(10));
    }
}

/// Whether a shell runs with `word` among its arguments: not a boxwright that is to start one.
fn runs(word: &str) -> bool {
    let processes = fs::read_dir("/proc").expect("/proc").flatten();
    let mut lines = processes.filter_map(|process| fs::read(process.path().join("cmdline")).ok());
    lines.any(|line| line.starts_with(b"sh\0") && line.split(|byte| *byte == 0).any(|arg| arg == word.as_bytes()))
}

#[test]
fn the_exit_code_tells_what_happened() {
    shielded(|| {
        let _box = Container::start("--rootfs host");
        exec(&[], &["true"]).success().stdout(is_empty()).stderr(is_empty());
        exec(&[], &["sh", "-c", "exit 7"]).code(7);
        exec(&[], &["sh", "-c", "kill -TERM $$"]).code(143);
        exec(&[], &["no-such-command"]).code(127).stderr(contains("execve no-such-command: ENOENT"));
        exec(&[], &["/etc"]).code(predicate::in_iter([126, 127]));
        exec(&["-w", "/no/such"], &["true"]).code(1).stderr(contains("chdir /no/such: ENOENT"));
        exec(&["-u", "nobody-of-that-name"], &["true"]).code(2).stderr(contains("--user"));
        let nobody = testkit::boxwright!().args(["exec", "nobody", "true"]).assert();
        nobody.code(1).stderr(contains("find the running container nobody: ENOENT"));
        testkit::boxwright!().args(["exec", "box"]).assert().code(2);
    });
}

#[test]
fn it_is_where_the_container_is_and_can_do_what_that_can() {
    shielded(|| {
        let _box =
            Container::start("--rootfs host --cap-drop CHOWN --security-opt no-new-privileges -e WORD=own -w /tmp");
        let look = "for kind in cgroup ipc mnt net pid user uts; do \
                        test $(readlink /proc/1/ns/$kind) = $(readlink /proc/self/ns/$kind) || echo another $kind; done; \
                    cat /proc/1/cgroup > /tmp/1; cat /proc/self/cgroup > /tmp/own; cmp /tmp/1 /tmp/own 2>/dev/null; \
                    grep -E '^(Cap|NoNewPrivs|Seccomp|Groups)' /proc/1/status > /tmp/first; \
                    grep -E '^(Cap|NoNewPrivs|Seccomp|Groups)' /proc/self/status > /tmp/second; \
                    read -r a < /tmp/first; test \"$(cat /tmp/first)\" = \"$(cat /tmp/second)\" || cat /tmp/first /tmp/second; \
                    test \"$(cat /tmp/1)\" = \"$(cat /tmp/own)\" || echo another cgroup; pwd; echo $WORD";
        exec(&[], &["sh", "-c", look]).success().stdout("/tmp\nown\n");
        exec(&["-e", "WORD=other", "-w", "/etc"], &["sh", "-c", "pwd; echo $WORD"]).success().stdout("/etc\nother\n");
    });
}

#[test]
fn it_is_counted_with_the_container() {
    needs!(cgroup = pids);
    Shield::new().cgroup().run(|| {
        let _box = Container::start("--rootfs host --pids-limit 4");
        let many = exec(&[], &["sh", "-c", "for i in 1 2 3 4 5 6; do sleep 5 & done; wait"]);
        many.failure().stderr(contains("fork").or(contains("Resource temporarily unavailable")));
    });
}

#[test]
fn another_user_has_no_capabilities() {
    // Ids of others to be.
    needs!(subuid);
    Shield::new().with_ids().run(|| {
        let _box = Container::start("--rootfs host");
        let (user, group) = (testkit::SUBORDINATE.0 + 5, testkit::SUBORDINATE.0 + 6);
        let look = ["sh", "-c", "id -u; id -g; grep CapEff /proc/self/status; echo $HOME"];
        let told = format!("{user}\n{group}\nCapEff:\t0000000000000000\n/\n");
        exec(&["-u", &format!("{user}:{group}")], &look).success().stdout(told);
        let all = said(&exec(&["--privileged"], &["grep", "CapEff", "/proc/self/status"]));
        let own = said(&exec(&[], &["grep", "CapEff", "/proc/self/status"]));
        assert!(all > own, "privileged {all}, else {own}");
    });
}

#[test]
fn standard_input_is_the_callers_only_when_asked_for() {
    shielded(|| {
        let _box = Container::start("--rootfs host");
        let with = |flags: &[&str]| {
            let mut command = testkit::boxwright!();
            said(&command.arg("exec").args(flags).args(["box", "cat"]).write_stdin("words").assert().success())
        };
        assert_eq!((with(&["-i"]), with(&[])), ("words".to_owned(), String::new()));
    });
}

#[test]
fn a_terminal_is_its_own() {
    shielded(|| {
        let _box = Container::start("--rootfs host");
        let seen =
            exec(&["-t", "-e", "A=1"], &["sh", "-c", "test -t 0 && test -t 2 && echo a terminal, $TERM; exit 5"]);
        seen.code(5).stdout("a terminal, xterm\r\n");
    });
}

#[test]
fn no_descriptor_of_the_host_comes_along() {
    shielded(|| {
        let _box = Container::start("--rootfs host");
        let host = File::open("/").expect("a directory of the host");
        fcntl(&host, FcntlArg::F_SETFD(FdFlag::empty())).expect("let it be inherited");
        let seen = said(&exec(&[], &["sh", "-c", "ls /proc/self/fd"]).success());
        // The fourth is of `ls` itself, which reads the directory.
        assert_eq!(seen.lines().collect::<Vec<_>>(), ["0", "1", "2", "3"]);
        for number in 3..12 {
            let cwd = format!("/proc/self/fd/{number}");
            exec(&["-w", &cwd], &["cat", "etc/hostname"]).code(1).stdout(is_empty());
        }
        drop(host);
    });
}

/// The file that a running program is from, held as a container's root could hold it, and written to when nobody runs it any more.
fn overwrite_program_of(mut running: Child) -> std::io::Result<()> {
    let exe = format!("/proc/{}/exe", running.id());
    let held = OpenOptions::new().read(true).custom_flags(libc::O_PATH).open(exe).expect("the program");
    kill(Pid::from_raw(running.id() as i32), Signal::SIGTERM).expect("kill");
    running.wait().expect("wait");
    let again = format!("/proc/self/fd/{}", held.as_raw_fd());
    OpenOptions::new().append(true).open(again)?.write_all(b"#!/bin/sh")
}

#[test]
fn the_program_that_goes_in_is_no_file_of_the_host() {
    shielded(|| {
        // Its own copy, where it could be written to: the shield's are read-only.
        let program: PathBuf = dir().join("boxwright");
        fs::copy(BOXWRIGHT, &program).expect("a copy");
        let before = fs::metadata(&program).expect("the copy").len();
        let start = |args: &[&str], word: &str| {
            let child =
                Command::new(&program).args(args).args(["sh", "-c", "sleep 321; :", word]).spawn().expect("boxwright");
            eventually("the command runs", || runs(word));
            child
        };
        let _box = Container::start("--rootfs host");
        let refused = overwrite_program_of(start(&["exec", "box"], "in-exec"));
        assert_eq!(refused.expect_err("on a read-only mount").raw_os_error(), Some(Errno::EROFS as i32));
        assert_eq!(fs::metadata(&program).expect("the copy").len(), before);
        // The same attack on one that is not sealed.
        overwrite_program_of(start(&["run", "--rootfs", "host"], "in-run")).expect("a file of the host");
        assert!(fs::metadata(&program).expect("the copy").len() > before);
    });
}

#[test]
fn it_ends_with_the_container_and_with_boxwright() {
    shielded(|| {
        let container = Container::start("--rootfs host");
        let start = |word: &str| {
            let child = Command::new(BOXWRIGHT)
                .args(["exec", "box", "sh", "-c", "sleep 432; :", word])
                .spawn()
                .expect("boxwright");
            eventually("the command runs", || runs(word));
            child
        };
        let mut killed = start("first");
        killed.kill().expect("kill");
        killed.wait().expect("wait");
        eventually("its command has ended", || !runs("first"));
        let mut told = start("second");
        kill(Pid::from_raw(told.id() as i32), Signal::SIGTERM).expect("kill");
        assert_eq!(told.wait().expect("wait").code(), Some(143));
        let mut last = start("third");
        drop(container);
        assert_eq!(last.wait().expect("wait").code(), Some(137));
    });
}

#[test]
fn nobody_goes_into_what_is_paused() {
    needs!(cgroup = freezer);
    Shield::new().cgroup().run(|| {
        let _box = Container::start("--rootfs host");
        testkit::boxwright!().args(["pause", "box"]).assert().success();
        exec(&[], &["true"]).code(1).stderr(contains("it is paused: `boxwright unpause box`"));
        testkit::boxwright!().args(["unpause", "box"]).assert().success();
        exec(&[], &["true"]).success();
    });
}

#[test]
fn an_ordinary_users_container_is_entered_as_root_of_it() {
    needs!(subuid);
    Shield::new().as_user().run(|| {
        let _box = Container::start("--rootfs host");
        let look = "id -u; cat /proc/self/setgroups; grep Groups /proc/self/status; \
                    test $(readlink /proc/1/ns/user) = $(readlink /proc/self/ns/user) && echo the same";
        exec(&[], &["sh", "-c", look]).success().stdout("0\nallow\nGroups:\t \nthe same\n");
        exec(&["-u", "7:8"], &["sh", "-c", "id -u; echo words > /tmp/own; cat /tmp/own"])
            .success()
            .stdout("7\nwords\n");
    });
}

/// `boxwright run` in a network namespace of its own, as `unshare --net` would start it.
fn in_a_network() -> Command {
    let mut command = Command::new(BOXWRIGHT);
    // SAFETY: unshare is a system call, and nothing is allocated.
    unsafe { command.pre_exec(|| Ok(unshare(CloneFlags::CLONE_NEWNET)?)) };
    command
}

#[test]
fn a_pod_shares_what_its_pause_process_holds() {
    shielded(|| {
        let mut pod = Container::hold("pod", &mut in_a_network());
        let own = fs::read_link("/proc/self/ns/net").expect("a namespace");
        let shares = ["--pid", "--ipc", "--uts", "--network"].map(|flag| format!("{flag}=container:pod"));
        let inside = |script: &str| {
            let mut command = testkit::boxwright!();
            said(&command.args(["run", "--rootfs", "host"]).args(&shares).args(["sh", "-c", script]).assert().success())
        };
        let look = "for kind in ipc net pid uts mnt; do \
                    test $(readlink /proc/1/ns/$kind) = $(readlink /proc/self/ns/$kind) && echo $kind; done; hostname";
        // All but the mounts.
        assert_eq!(inside(look), "ipc\nnet\npid\nuts\npod\n");
        assert_ne!(inside("readlink /proc/self/ns/net").trim(), own.display().to_string());
        // An orphan of one container is the pause process's to reap.
        inside("sh -c 'sleep 0.1 &'; exit 0");
        eventually("nobody is left but the pause process", || {
            said(&testkit::boxwright!().args(["top", "pod"]).assert()).lines().count() == 2
        });
        kill(pod.pid(), Signal::SIGTERM).expect("kill");
        assert!(pod.0.wait().expect("wait").success());
    });
}

#[test]
fn a_pod_of_an_ordinary_user() {
    needs!(subuid);
    Shield::new().as_user().run(|| {
        let _pod = Container::hold("pod", &mut Command::new(BOXWRIGHT));
        let run = ["run", "--rootfs", "host", "--ipc", "container:pod", "--pid", "container:pod"];
        let look = "for kind in ipc pid user; do \
                    test $(readlink /proc/1/ns/$kind) = $(readlink /proc/self/ns/$kind) && echo $kind; done; id -u";
        testkit::boxwright!().args(run).args(["sh", "-c", look]).assert().success().stdout("ipc\npid\nuser\n0\n");
    });
}

#[test]
fn what_cannot_be_shared_is_told() {
    shielded(|| {
        for (flags, words) in [
            (&["--ipc", "container:"][..], "private, host or container:NAME"),
            (&["--network", "private"], "networks of its own come with lab 14"),
            (&["--pid", "host"], "private or container:NAME"),
            (&["--uts", "container:x", "--hostname", "y"], "without --hostname"),
            (&["--hold", "--init"], "cannot be used with"),
        ] {
            let refused = testkit::boxwright!().arg("run").args(flags).arg("true").assert();
            refused.code(2).stderr(contains(words));
        }
        let missing = testkit::boxwright!().args(["run", "--ipc", "container:nobody", "true"]).assert();
        missing.code(125).stderr(contains("find the running container nobody"));
    });
}
