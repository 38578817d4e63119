//! CVE-2019-5736: whoever is in a container has the runtime's own file in sight, by `/proc/PID/exe`, and must not write to it.

use std::fs::{self, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::process::{Command, Stdio};

use nix::errno::Errno;
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use serde_json::json;
use testkit::{Rootfs, dir, needs, shielded};

use crate::bundle::{Bundle, runbox_by};

/// Holds the program of `pid` as root of a container could, ends it by `end`, and writes to its file when nobody runs it any more.
fn overwrite_program_of(pid: i64, end: impl FnOnce()) -> io::Result<()> {
    let exe = format!("/proc/{pid}/exe");
    let held = OpenOptions::new().read(true).custom_flags(libc::O_PATH).open(exe).expect("the program");
    end();
    let again = format!("/proc/self/fd/{}", held.as_raw_fd());
    OpenOptions::new().append(true).open(again)?.write_all(b"#!/bin/sh")
}

/// A copy of a program where it can be written to: the machine's own are read-only in here.
fn copy(program: &str, name: &str) -> String {
    let copy = dir().join(name);
    fs::copy(program, &copy).expect("a copy");
    copy.to_str().expect("a path").to_owned()
}

fn length(program: &str) -> u64 {
    fs::metadata(program).expect("the copy").len()
}

#[test]
fn what_waits_for_the_start_is_no_file_of_the_host() {
    needs!(root);
    shielded(|| {
        let program = copy(env!("CARGO_BIN_EXE_runbox"), "runbox");
        let before = length(&program);
        let bundle = Bundle::new("sleep 600");
        fs::write(bundle.path.join("config.json"), bundle.config.to_string()).unwrap();
        let run = |args: &[&str]| runbox_by(&program, args);
        run(&["create", "--bundle", bundle.path.to_str().unwrap(), &bundle.id]).ok();
        let pid = bundle.state()["pid"].as_i64().expect("a PID");
        let end = || drop(run(&["delete", "--force", &bundle.id]).ok());
        let refused = overwrite_program_of(pid, end).expect_err("on a read-only mount");
        assert_eq!(refused.raw_os_error(), Some(Errno::EROFS as i32), "{refused}");
        assert_eq!(length(&program), before);
    });
}

#[test]
fn a_command_that_is_the_runtime_is_no_file_of_the_host() {
    needs!(root);
    shielded(|| {
        let program = copy(env!("CARGO_BIN_EXE_runbox"), "runbox");
        let before = length(&program);
        let mut bundle = Bundle::new("");
        // It comes back as itself, with the libraries that it finds in there, and waits where it is told to.
        Rootfs::build(bundle.path.join("rootfs"), &[&program]).expect("its libraries");
        let evil = bundle.path.join("rootfs/evil");
        fs::create_dir(&evil).expect("mkdir");
        mkfifo(&evil.join("config.json"), Mode::S_IRWXU).expect("a FIFO");
        bundle.config["process"]["args"] =
            json!(["/proc/self/exe", "--root", "/evil/state", "run", "--bundle", "/evil", "x"]);
        fs::write(bundle.path.join("config.json"), bundle.config.to_string()).unwrap();
        let run = |args: &[&str]| runbox_by(&program, args);
        run(&["create", "--bundle", bundle.path.to_str().unwrap(), &bundle.id]).ok();
        run(&["start", &bundle.id]).ok();
        let pid = bundle.state()["pid"].as_i64().expect("a PID");
        let end = || drop(run(&["delete", "--force", &bundle.id]).ok());
        let refused = overwrite_program_of(pid, end).expect_err("on a read-only mount");
        assert_eq!(refused.raw_os_error(), Some(Errno::EROFS as i32), "{refused}");
        assert_eq!(length(&program), before);
    });
}

/// The same attack on a runbox that does not go in: it stays what it is, the host's file, and so the attack does bite.
#[test]
fn a_runtime_that_stays_outside_is_a_file_of_the_host() {
    needs!(root);
    shielded(|| {
        let program = copy(env!("CARGO_BIN_EXE_runbox"), "runbox");
        let before = length(&program);
        let bundle = Bundle::new("sleep 600");
        bundle.create().ok();
        let state = dir().join("state");
        let mut watches = Command::new(&program);
        watches.arg("--root").arg(state).args(["events", "--interval", "60s", &bundle.id]);
        let mut watches = watches.stdout(Stdio::piped()).spawn().expect("runbox");
        // It has said something: so it is there.
        watches.stdout.take().expect("a pipe").read_exact(&mut [0]).expect("read");
        let pid = i64::from(watches.id());
        let end = || {
            watches.kill().expect("kill");
            watches.wait().expect("wait");
        };
        overwrite_program_of(pid, end).expect("a file of the host");
        assert!(length(&program) > before);
        bundle.runbox(&["delete", "--force", &bundle.id]).ok();
    });
}
