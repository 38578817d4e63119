//! `boxwright run`, `ns`, `ps` and `top` from outside, on the reference: what no lab's test looks at.
//!
//! Every test runs under a shield, whose audit sees what a container leaves behind: processes, mounts, names.

#![cfg(feature = "solutions")]

use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::pty::{Winsize, openpty};
use nix::sys::signal::{Signal, kill};
use nix::sys::termios::{LocalFlags, tcgetattr};
use nix::unistd::Pid;
use predicates::prelude::*;
use predicates::str::{contains, is_empty, starts_with};
use testkit::{Rootfs, Shield, needs, random_name, shielded};

fn boxwright(args: &[&str]) -> assert_cmd::Command {
    let mut command = testkit::boxwright!();
    command.args(args);
    command
}

fn started(args: &[&str]) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_boxwright"));
    command.args(args).stdin(Stdio::null()).stdout(Stdio::piped()).spawn().expect("start boxwright")
}

fn signal(child: &Child, signal: Signal) {
    kill(Pid::from_raw(child.id() as i32), signal).expect("kill");
}

fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + testkit::patience(Duration::from_secs(5));
    while !is_so() {
        assert!(Instant::now() < deadline, "expected within 5 s: {what}");
        sleep(Duration::from_millis(10));
    }
}

/// Whether a process runs with `word` among its arguments.
fn runs(word: &str) -> bool {
    let processes = fs::read_dir("/proc").expect("/proc").flatten();
    let mut lines = processes.filter_map(|process| fs::read(process.path().join("cmdline")).ok());
    lines.any(|line| line.split(|byte| *byte == 0).any(|arg| arg == word.as_bytes()))
}

/// Starts `sleep 600` as `name` and returns when it runs: its output has begun.
fn sleeper(name: &str, flags: &[&str]) -> Child {
    let command = ["--", "sh", "-c", "echo up; exec sleep 600"];
    let mut child = started(&[&["run", "--name", name], flags, &command].concat());
    let mut up = [0; 3];
    child.stdout.as_mut().expect("piped").read_exact(&mut up).expect("up");
    // The shell has said it, and may still be on its way to become sleep.
    eventually("sleep runs", || runs("600"));
    child
}

#[test]
fn the_exit_code_tells_what_happened() {
    shielded(|| {
        for (args, code) in [
            (&["run", "true"][..], 0),
            (&["run", "--", "sh", "-c", "exit 7"], 7),
            (&["run", "--init", "sh", "-c", "exit 8"], 8),
            (&["run", "--init", "sh", "-c", "kill -TERM $$"], 143),
            (&["run", "--init", "sh", "-c", "kill -KILL $$"], 137),
        ] {
            boxwright(args).assert().code(code).stderr(is_empty());
        }
        boxwright(&["run", "no-such-command"]).assert().code(127).stderr(contains("execve no-such-command: ENOENT"));
        boxwright(&["run", "--init", "no-such-command"]).assert().code(127);
        boxwright(&["run", "/etc/passwd"]).assert().code(126).stderr(contains("EACCES"));
        boxwright(&["run", "--workdir", "/no/such", "true"]).assert().code(125).stderr(contains("chdir /no/such"));
    });
}

#[test]
fn a_value_that_cannot_be_right_is_refused_in_one_line_that_says_what_is() {
    shielded(|| {
        let long = "h".repeat(65);
        for (args, words) in [
            (&["run", "--hostname", &long, "true"][..], "1 to 64 bytes"),
            (&["run", "--domainname", "", "true"], "1 to 64 bytes"),
            (&["run", "--workdir", "tmp", "true"], "an absolute path"),
            (&["run", "--env", "novalue", "true"], "NAME=value"),
            (&["run", "--rootfs", "/no/such", "true"], "a directory, or the word host"),
            (&["run", "--name", "../x", "true"], "1 to 64 of a-z A-Z 0-9"),
            (&["run", ""], "a command that is not empty"),
        ] {
            let one_line = starts_with("boxwright: ").and(contains(words)).and(contains("\n").count(1));
            boxwright(args).assert().code(2).stdout(is_empty()).stderr(one_line);
        }
        boxwright(&["run", "--ipc", "shared", "true"]).assert().code(2).stderr(contains("private, host"));
        boxwright(&["run"]).assert().code(2).stderr(contains("CMD"));
    });
}

#[test]
fn a_command_starts_with_a_clean_slate() {
    shielded(|| {
        for flags in [&["run", "--"][..], &["run", "--init", "--"]] {
            let command = [flags, &["grep", "-E", "^Sig(Blk|Ign)", "/proc/self/status"]].concat();
            // Signals 32 and 33 are libc's own: it lets nobody change them, whatever the test was started with.
            let clean = predicates::str::is_match(r"^SigBlk:\t0{16}\nSigIgn:\t[0-9a-f]{8}[08]0{7}\n$").unwrap();
            boxwright(&command).assert().stdout(clean);
        }
        boxwright(&["run", "--hostname", "box", "--env", "A=1", "--env", "PATH=/bin:/usr/bin", "env"])
            .env("SECRET", "of the host")
            .assert()
            .stdout("PATH=/bin:/usr/bin\nHOME=/root\nHOSTNAME=box\nA=1\n");
    });
}

#[test]
fn standard_input_is_passed_on_when_asked_for() {
    shielded(|| {
        boxwright(&["run", "-i", "cat"]).write_stdin("words").assert().success().stdout("words");
        boxwright(&["run", "cat"]).write_stdin("words").assert().success().stdout("");
    });
}

#[test]
fn an_inherited_descriptor_reaches_neither_the_command_nor_the_init() {
    shielded(|| {
        for flags in ["", "--init"] {
            let line = format!(
                "exec 7</; exec {} run {flags} -- sh -c 'ls -l /proc/1/fd /proc/self/fd'",
                env!("CARGO_BIN_EXE_boxwright")
            );
            let shell = assert_cmd::Command::new("sh").args(["-c", &line]).assert().success();
            shell.stdout(contains(" 2 -> ").and(contains(" 7 -> ").not()));
        }
    });
}

/// CVE-2024-21626: while the command does not run yet, what the caller has left open is a way out.
#[test]
fn an_inherited_descriptor_is_no_working_directory() {
    shielded(|| {
        for flags in ["", "--security-opt seccomp=unconfined --cap-add ALL"] {
            let line = format!(
                "exec 7</; exec {} run --rootfs host {flags} --workdir /proc/self/fd/7 -- ls",
                env!("CARGO_BIN_EXE_boxwright")
            );
            let shell = assert_cmd::Command::new("sh").args(["-c", &line]).assert().code(125);
            shell.stdout("").stderr(contains("/proc/self/fd/7, which is not in the container"));
        }
    });
}

#[test]
fn orphans_are_reaped_by_the_init() {
    shielded(|| {
        let orphans = "for i in 1 2 3; do sh -c 'sleep 0.05 & exit'; done; sleep 0.4; ps -e -o stat=";
        boxwright(&["run", "--init", "sh", "-c", orphans]).assert().success().stdout(contains("Z").not());
    });
}

#[test]
fn a_signal_to_boxwright_ends_the_container() {
    for (flags, code) in [(&[][..], 137), (&["--init"], 143)] {
        shielded(|| {
            let name = random_name("end");
            let mut child = sleeper(&name, flags);
            signal(&child, Signal::SIGTERM);
            assert_eq!(child.wait().expect("wait").code(), Some(code), "with {flags:?}");
            assert!(!runs("600"));
            boxwright(&["ps"]).assert().stdout(contains(&name).not()).stderr(is_empty());
        });
    }
}

#[test]
fn a_killed_boxwright_leaves_no_process_and_the_next_one_sweeps() {
    for flags in [&[][..], &["--init"], &["--rootfs", "host", "-v", "/own"]] {
        shielded(|| {
            let name = random_name("kill");
            let mut child = sleeper(&name, flags);
            signal(&child, Signal::SIGKILL);
            child.wait().expect("wait");
            eventually("the container died with its boxwright", || !runs("600"));
            boxwright(&["ps"]).assert().stdout(contains(&name).not()).stderr(contains(format!("swept {name}")));
            boxwright(&["ps"]).assert().stderr(is_empty());
        });
    }
}

#[test]
fn an_update_lets_memory_grow_and_shrink() {
    needs!(cgroup = memory);
    Shield::new().cgroup().run(|| {
        let name = random_name("box");
        let mut container = sleeper(&name, &["--memory", "32m"]);
        // v1 compares memory with memory and swap together at every write: 128m is more than twice 32m.
        for limit in ["128m", "16m", "-1", "64m"] {
            boxwright(&["update", "--memory", limit, &name]).assert().success().stderr(is_empty());
        }
        signal(&container, Signal::SIGTERM);
        container.wait().expect("wait");
    });
}

#[test]
fn a_name_is_for_one_container_at_a_time() {
    shielded(|| {
        let name = random_name("twin");
        let mut first = sleeper(&name, &[]);
        let second = boxwright(&["run", "--name", &name, "true"]).assert().code(125);
        second.stderr(contains(format!("{name} (a running container has it)")));
        boxwright(&["ps"]).assert().stdout(contains(&name).and(contains("sleep 600")));
        boxwright(&["top", &name]).assert().stdout(predicates::str::is_match(r"(?m)^ +1 +\d+  sleep 600$").unwrap());
        signal(&first, Signal::SIGTERM);
        first.wait().expect("wait");
        boxwright(&["run", "--name", &name, "true"]).assert().success();
        boxwright(&["top", &name]).assert().code(1).stderr(contains("find the running container"));
    });
}

#[test]
fn a_root_from_the_host_holds_its_own_mounts_alone_and_is_gone_afterwards() {
    shielded(|| {
        // Without root the device nodes are mounts too.
        let hidden = r"grep -v -e '^/proc/.' -e '^/dev/\(null\|zero\|full\|random\|urandom\|tty\)$'";
        let look = format!("cut -d' ' -f2 /proc/mounts | {hidden}; ls /; pwd; ps -e -o pid= -o comm=");
        let seen = boxwright(&["run", "--rootfs", "host", "--", "sh", "-c", &look]).assert().success();
        seen.stdout(
            starts_with("/\n/proc\n/dev\n/dev/pts\n/dev/shm\n/dev/mqueue\nbin\n")
                .and(contains("\nusr\n/\n"))
                .and(contains(" 1 sh\n")),
        );
        let state = std::env::var("BOXWRIGHT_ROOT").expect("the shield sets it");
        let left: Vec<_> = fs::read_dir(state).unwrap().flatten().map(|entry| entry.file_name()).collect();
        assert_eq!(left, [".lock"]);
    });
}

#[test]
fn a_root_with_a_link_for_a_mount_point_is_refused() {
    shielded(|| {
        let root = testkit::dir().join("root");
        fs::create_dir(&root).unwrap();
        std::os::unix::fs::symlink("/proc", root.join("proc")).unwrap();
        let refused = boxwright(&["run", "--rootfs", root.to_str().unwrap(), "true"]).assert().code(125);
        refused.stderr(contains("symbolic link"));
    });
}

#[test]
fn a_hundred_containers_leave_nothing() {
    Shield::new().deadline(Duration::from_secs(60)).run(|| {
        let mounts = || fs::read_to_string("/proc/self/mountinfo").unwrap();
        let before = mounts();
        for _ in 0..100 {
            boxwright(&["run", "true"]).assert().success().stderr(is_empty());
        }
        assert_eq!(mounts(), before);
        boxwright(&["ps"]).assert().stdout(contains("\n").count(1));
    });
}

#[test]
fn without_root_a_user_namespace_is_borrowed() {
    needs!(subuid);
    Shield::new().as_user().run(|| {
        for flags in [&[][..], &["--rootfs", "host"]] {
            let command = ["--hostname", "mine", "--", "sh", "-c", "id -u; hostname; echo $$"];
            let run = boxwright(&[&["run"], flags, &command].concat()).assert().success();
            run.stdout("0\nmine\n1\n").stderr(is_empty());
        }
    });
}

#[test]
fn ns_tells_a_process_that_is_gone_from_one_that_is_there() {
    shielded(|| {
        let mut container = sleeper("look", &[]);
        let states = fs::read_to_string(format!("{}/look/state.json", std::env::var("BOXWRIGHT_ROOT").unwrap()));
        let state: serde_json::Value = serde_json::from_str(&states.unwrap()).unwrap();
        let pid = state["pid"].to_string();
        let line = |kind: &str, yours: &str| {
            predicates::str::is_match(format!(r"(?m)^{kind} +\[\d+\] +[1-9]\d*  {yours}$")).unwrap()
        };
        let ns = boxwright(&["ns", &pid]).assert().success();
        ns.stdout(line("uts", "no").and(line("pid", "no")).and(line("net", "yes")));
        boxwright(&["ns"]).assert().success().stdout(line("uts", "yes").and(line("pid_for_children", "yes")));
        boxwright(&["ns", "999999999"]).assert().code(1).stderr("boxwright: no process 999999999\n");
        boxwright(&["ns", "0"]).assert().code(2);
        signal(&container, Signal::SIGTERM);
        container.wait().expect("wait");
    });
}

/// A terminal as a user has one, and a boxwright in it.
struct Screen {
    keys: File,
    boxwright: Child,
    shown: String,
}

impl Screen {
    fn new(args: &[&str]) -> Self {
        let size = Winsize { ws_row: 33, ws_col: 111, ws_xpixel: 0, ws_ypixel: 0 };
        let pair = openpty(&size, None).expect("openpty");
        let end = || Stdio::from(pair.slave.try_clone().expect("dup"));
        let mut command = Command::new(env!("CARGO_BIN_EXE_boxwright"));
        command.args(args).stdin(end()).stdout(end()).stderr(end());
        Screen { keys: pair.master.into(), boxwright: command.spawn().expect("start"), shown: String::new() }
    }

    fn type_in(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).expect("type");
    }

    fn wait_for(&mut self, words: &str) {
        let mut bytes = [0; 4096];
        while !self.shown.contains(words) {
            let count = self.keys.read(&mut bytes).unwrap_or_else(|_| panic!("no {words:?} in {:?}", self.shown));
            self.shown.push_str(&String::from_utf8_lossy(&bytes[..count]));
        }
        let (_, rest) = self.shown.split_once(words).expect("contained");
        self.shown = rest.to_owned();
    }

    fn echoes(&self) -> bool {
        tcgetattr(self.keys.as_fd()).expect("tcgetattr").local_flags.contains(LocalFlags::ECHO)
    }
}

#[test]
fn a_terminal_has_a_size_and_job_control_and_is_restored() {
    for flags in [&[][..], &["--init"], &["--rootfs", "root"]] {
        shielded(|| {
            if flags.contains(&"root") {
                Rootfs::build("root", &["sh", "stty", "sleep", "seq"]).expect("a rootfs");
            }
            let mut screen = Screen::new(&[&["run", "-it"], flags, &["sh", "-i"]].concat());
            screen.wait_for("# ");
            assert!(!screen.echoes(), "the caller's terminal is not raw");
            screen.type_in("stty size\n");
            screen.wait_for("33 111");
            screen.type_in("sleep 600\n");
            eventually("sleep runs", || runs("600"));
            screen.type_in("\x03");
            screen.wait_for("# ");
            screen.type_in("echo code $?\n");
            screen.wait_for("code 130");
            screen.type_in("sleep 600\n");
            eventually("sleep runs", || runs("600"));
            screen.type_in("\x1a");
            screen.wait_for("Stopped");
            screen.type_in("kill -KILL %1; wait; seq 20000; exit 5\n");
            screen.wait_for("19999\r\n20000\r\n");
            assert_eq!(screen.boxwright.wait().expect("wait").code(), Some(5));
            assert!(screen.echoes(), "the caller's terminal stayed raw");
        });
    }
}

#[test]
fn a_terminal_is_restored_when_boxwright_is_killed() {
    for how in [Signal::SIGTERM, Signal::SIGKILL] {
        shielded(|| {
            let mut screen = Screen::new(&["run", "-it", "sh", "-c", "echo up; exec sleep 600"]);
            screen.wait_for("up");
            assert!(!screen.echoes());
            signal(&screen.boxwright, how);
            screen.boxwright.wait().expect("wait");
            eventually("the terminal is what it was", || screen.echoes());
            eventually("the container is gone", || !runs("600"));
        });
    }
}

#[test]
fn a_pipe_into_a_terminal_ends_with_a_control_d() {
    shielded(|| {
        boxwright(&["run", "-it", "cat"]).write_stdin("words\n").assert().success().stdout("words\r\nwords\r\n");
    });
}
