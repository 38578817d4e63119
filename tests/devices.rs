//! `--device`, `--device-cgroup-rule` and the rules of every container with a root of its own, from outside, on the
//! reference. A node is opened for real: `: < NODE` for reading, `: > NODE` for writing; a device that is neither read
//! nor written does nothing.
//!
//! The device is the kernel's log, 1:11, in every machine's /dev and in no container's.

#![cfg(feature = "solutions")]

use std::fs;
use std::io::Read;
use std::os::unix::fs::{MetadataExt, symlink};
use std::process::{Command, Stdio};
use std::time::Duration;

use assert_cmd::assert::Assert;
use nix::sys::stat::{Mode, umask};
use predicates::prelude::*;
use predicates::str::{contains, is_empty, starts_with};
use testkit::{Rootfs, Shield, dir, needs};

/// `boxwright run FLAGS -- sh -c SCRIPT`.
fn run(flags: &[&str], script: &str) -> Assert {
    let mut command = testkit::boxwright!();
    command.arg("run").args(flags).args(["--", "sh", "-c", script]).assert()
}

/// The same with a small root of its own.
fn contained(flags: &[&str], script: &str) -> Assert {
    let root = Rootfs::build(dir().join("rootfs"), &["sh", "mknod", "stat", "head", "wc"]).expect("a rootfs");
    // The kernel's log is a device that no container has, and that asks for a capability beside.
    run(&[&["--cap-add", "SYSLOG", "--rootfs", root.path().to_str().expect("UTF-8")], flags].concat(), script)
}

/// With time for an emulated machine.
fn shield() -> Shield {
    Shield::new().deadline(Duration::from_secs(60))
}

const READ: &str = "(: < NODE) 2>&1 && echo read";
const WRITE: &str = "(: > NODE) 2>&1 && echo write";

/// What reading and writing `node` comes to.
fn try_out(node: &str) -> String {
    format!("{READ}; {WRITE}; true\n").replace("NODE", node)
}

const MAY_READ: &str = "read\n";
const MAY_WRITE: &str = "write\n";
const MAY_NOT: &str = "Operation not permitted";

#[test]
fn a_node_that_a_container_makes_itself_cannot_be_opened() {
    needs!(root, cgroup = devices);
    shield().cgroup().run(|| {
        let make = "mknod /dev/log c 1 11 && mknod /dev/disk b 7 0;";
        let script = format!("{make} {} {}", try_out("/dev/log"), try_out("/dev/disk"));
        contained(&[], &script).success().stdout(contains(MAY_NOT).count(4).and(contains("r\n").not()));
    });
}

#[test]
fn what_every_program_expects_can_be_opened() {
    shield().cgroup().run(|| {
        let open =
            "for name in null zero full random urandom ptmx; do : < /dev/$name; : > /dev/$name || echo $name; done";
        contained(&[], open).success().stdout(is_empty()).stderr(is_empty());
        let terminal = ": < /dev/tty && : > /dev/tty && : < /dev/console && echo both";
        contained(&["-t"], terminal).success().stdout("both\r\n");
    });
}

#[test]
fn a_given_device_is_the_hosts_with_its_mode_and_owner() {
    needs!(root, cgroup = devices);
    shield().cgroup().run(|| {
        let host = fs::metadata("/dev/kmsg").unwrap();
        let look = "stat -c '%t:%T %a %u %g' /dev/kmsg /dev/deep/er/log;";
        let flags = ["--device", "/dev/kmsg", "--device", "/dev/kmsg:/dev/deep/er/log"];
        let line = format!("1:b {:o} {} {}\n", host.mode() & 0o777, host.uid(), host.gid());
        let expected = format!("{line}{line}{MAY_READ}{MAY_WRITE}{MAY_READ}{MAY_WRITE}");
        // A caller's umask is not to change the mode.
        umask(Mode::from_bits_retain(0o077));
        let script = format!("{look} {} {}", try_out("/dev/kmsg"), try_out("/dev/deep/er/log"));
        contained(&flags, &script).success().stdout(expected).stderr(is_empty());
    });
}

#[test]
fn a_given_device_can_be_used_as_far_as_its_letters_say() {
    needs!(root, cgroup = devices);
    shield().cgroup().run(|| {
        for (letters, may, may_not) in [("r", MAY_READ, MAY_WRITE), ("wm", MAY_WRITE, MAY_READ)] {
            let flag = format!("/dev/kmsg:{letters}");
            let seen = contains(may).and(contains(may_not).not()).and(contains(MAY_NOT).count(1));
            contained(&["--device", &flag], &try_out("/dev/kmsg")).success().stdout(seen);
        }
        // Two flags for one device add up, and opening for both at once takes both.
        let flags = ["--device", "/dev/kmsg:r", "--device", "/dev/kmsg:/dev/log:w"];
        contained(&flags, ": <> /dev/log && echo both").success().stdout("both\n").stderr(is_empty());
    });
}

#[test]
fn a_rule_lets_a_container_use_a_node_that_it_makes_itself() {
    needs!(root, cgroup = devices);
    shield().cgroup().run(|| {
        let script = format!("mknod /dev/log c 1 11; {}", try_out("/dev/log"));
        let seen = contains(MAY_READ).and(contains(MAY_NOT).count(1)).and(contains(MAY_WRITE).not());
        contained(&["--device-cgroup-rule", "c 1:* r"], &script).success().stdout(seen);
        contained(&["--device-cgroup-rule", "c 7:* rwm"], &script).success().stdout(contains(MAY_NOT).count(2));
        contained(&["--device-cgroup-rule", "a *:* rwm"], &script).success().stdout("read\nwrite\n");
    });
}

#[test]
fn a_container_that_keeps_the_hosts_root_keeps_its_devices() {
    needs!(root, cgroup = devices);
    shield().cgroup().run(|| {
        run(&["--cap-add", "SYSLOG"], ": < /dev/kmsg && echo read").success().stdout(MAY_READ).stderr(is_empty());
    });
}

#[test]
fn a_change_of_limits_leaves_the_rules_as_they_are() {
    needs!(root, cgroup = devices, cgroup = pids);
    shield().cgroup().run(|| {
        let script = format!("mknod /dev/log c 1 11; echo up; read go; {}", try_out("/dev/log"));
        let root = Rootfs::build(dir().join("rootfs"), &["sh", "mknod"]).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_boxwright"));
        let flags = ["run", "-i", "--name", "box", "--rootfs", root.path().to_str().unwrap()];
        command.args(flags).args(["--", "sh", "-c", &script]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut up = [0; 3];
        child.stdout.as_mut().unwrap().read_exact(&mut up).unwrap();
        testkit::boxwright!().args(["update", "--pids-limit", "50", "box"]).assert().success();
        drop(child.stdin.take());
        let seen = String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap();
        assert_eq!(seen.matches(MAY_NOT).count(), 2, "{seen}");
    });
}

#[test]
fn a_device_can_be_given_without_being_root() {
    // Under a shield without a cgroup, where no rule can be set, an ordinary user's container gets the host's node.
    shield().run(|| {
        let flags = ["--device", "/dev/zero:/dev/mine", "--device", "/dev/zero"];
        let seen = contained(&flags, "head -c 4096 /dev/mine | wc -c; stat -c %t:%T /dev/mine").success();
        seen.stdout("4096\n1:5\n").stderr(is_empty());
    });
}

#[test]
fn a_rule_that_cannot_be_set_is_no_start() {
    shield().run(|| {
        for flags in [["--device", "/dev/zero:r"], ["--device-cgroup-rule", "c 1:11 r"]] {
            let refused = contained(&flags, "echo started").code(125);
            refused.stdout(is_empty()).stderr(contains("controller devices"));
        }
    });
}

#[test]
fn what_is_no_device_is_refused_before_anything_is_made() {
    shield().run(|| {
        for (flag, value, words) in [
            ("--device", "/dev", "a block or character device that is there, no directory"),
            ("--device", "/dev/no-such", "SRC[:DST][:rwm]"),
            ("--device", "/dev/null:rx", "r read, w write, m mknod"),
            ("--device", "/dev/null:/dev/../x", "without `..`"),
            ("--device-cgroup-rule", "c 1 r", "'c 1:3 rwm' and the like"),
        ] {
            let one_line = starts_with("boxwright: --device").or(starts_with("boxwright: linux.devices (--device)"));
            let one_line = one_line.and(contains(words)).and(contains("\n").count(1));
            contained(&[flag, value], "true").code(2).stdout(is_empty()).stderr(one_line);
        }
        run(&["--device", "/dev/null"], "true").code(2).stderr(contains("used with --rootfs"));
        // Another device than the one that is there anyway.
        let taken = contained(&["--device", "/dev/zero:/dev/null"], "true").code(125);
        taken.stderr(contains("mknod /dev/zero (for /dev/null): EEXIST"));
    });
}

#[test]
fn a_device_reaches_no_further_than_the_root() {
    shield().run(|| {
        let outside = dir().join("outside");
        fs::create_dir_all(dir().join("rootfs")).unwrap();
        fs::create_dir(&outside).unwrap();
        symlink(&outside, dir().join("rootfs/out")).unwrap();
        let flags = ["--device", "/dev/zero:/out/zero"];
        contained(&flags, "true").code(125).stderr(contains("/out"));
        assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
    });
}
