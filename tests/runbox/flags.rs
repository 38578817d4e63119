//! What runc's flags do, beyond the specification.

#![allow(unsafe_code, reason = "pre_exec")]

use std::fs::{self, File};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use nix::fcntl::{FcntlArg, fcntl};
use serde_json::json;
use testkit::{Shield, cgroup_dirs, dir, needs, shielded};

use crate::bundle::Bundle;
use crate::guests::{end, sleeper};

/// `runbox ARGS`, with `files` from descriptor 3 on: whether it went well, and what it says.
pub fn with_files(args: &[&str], files: &[File]) -> (bool, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_runbox"));
    command.arg("--root").arg(dir().join("state")).args(args).stdin(Stdio::null());
    let high = files.iter().map(|file| fcntl(file, FcntlArg::F_DUPFD_CLOEXEC(100)).unwrap());
    // SAFETY: each was made a moment ago, and nobody else knows of it.
    let high: Vec<OwnedFd> = high.map(|fd| unsafe { OwnedFd::from_raw_fd(fd) }).collect();
    // SAFETY: what it does are system calls.
    unsafe {
        command.pre_exec(move || {
            for (to, from) in (3..).zip(&high) {
                libc::dup2(from.as_raw_fd(), to);
            }
            Ok(())
        })
    };
    let output = command.output().unwrap();
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    (output.status.success(), text(&output.stdout) + &text(&output.stderr))
}

#[test]
fn who_is_root_in_a_user_namespace_alone_keeps_state_in_the_users_directory() {
    shielded(|| {
        let mut command = Command::new("unshare");
        command.args(["--user", "--map-root-user", env!("CARGO_BIN_EXE_runbox"), "list", "--quiet"]);
        let output = command.env("XDG_RUNTIME_DIR", dir().join("tmp")).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        assert!(dir().join("tmp/runbox").is_dir());
    });
}

#[test]
fn preserve_fds_gives_the_command_those_descriptors_and_no_other() {
    needs!(root);
    shielded(|| {
        let two = ["first", "second"].map(|text| {
            let path = dir().join(text);
            fs::write(&path, format!("{text}\n")).unwrap();
            path
        });
        let open = || two.each_ref().map(|path| File::open(path).unwrap());
        let bundle = Bundle::new("cat <&3; cat <&4 || echo none");
        let place = bundle.path.to_str().unwrap();
        fs::write(bundle.path.join("config.json"), bundle.config.to_string()).unwrap();
        let run = |count: &str| with_files(&["run", "--bundle", place, "--preserve-fds", count, &bundle.id], &open());
        assert_eq!(run("2"), (true, "first\nsecond\n".into()));
        let (_, said) = run("1");
        assert!(said.starts_with("first\n") && said.contains("\nnone\n"), "{said}");
        // Whatever the runtime opens itself is not taken for one of them.
        let (went_well, said) = run("3");
        assert!(!went_well && said.contains("descriptor 5 (--preserve-fds 3): EBADF"), "{said}");

        let bundle = sleeper();
        let script = "cat <&3; cat <&4 || echo none; ls /proc/self/fd";
        let (_, said) = with_files(&["exec", "--preserve-fds", "1", &bundle.id, "sh", "-c", script], &open());
        // The last is the directory that ls reads.
        assert!(said.starts_with("first\n") && said.contains("none\n"), "{said}");
        assert!(said.contains("0  1  2  3  4\n") || said.contains("0\n1\n2\n3\n4\n"), "{said}");
        end(&bundle);
    });
}

#[test]
fn no_pivot_is_refused_with_a_reason() {
    needs!(root);
    shielded(|| {
        let bundle = Bundle::new("true");
        bundle
            .runbox(&["run", "--no-pivot", "--bundle", bundle.path.to_str().unwrap(), &bundle.id])
            .refused("--no-pivot");
    });
}

#[test]
fn a_container_has_a_session_keyring_of_its_own_unless_it_is_told_otherwise() {
    needs!(root);
    shielded(|| {
        // One each: the kernel takes its time to remove a keyring, and until then it is to be seen.
        let bundle = |command: &str| {
            let mut bundle = Bundle::new(command);
            // Whatever the permissions of the file are.
            let caps = json!(["CAP_DAC_OVERRIDE"]);
            bundle.config["process"]["capabilities"] = json!({"bounding": caps, "effective": caps, "permitted": caps});
            bundle
        };
        let ring = |bundle: &Bundle| format!("_ses.{}", bundle.id);
        let has = |text: &str, bundle: &Bundle| text.contains(&ring(bundle)[..ring(bundle).len().min(20)]);
        let own = bundle("cat /proc/keys");
        let said = own.run().ok();
        assert!(has(&said.out, &own), "{}", said.out);
        let callers = bundle("cat /proc/keys");
        let place = callers.path.to_str().unwrap();
        let said = callers.runbox(&["run", "--no-new-keyring", "--bundle", place, &callers.id]).ok();
        assert!(!has(&said.out, &callers), "{}", said.out);

        let joined = bundle("sleep 600");
        joined.create().ok();
        joined.tell("start").ok();
        let said = joined.runbox(&["exec", &joined.id, "cat", "/proc/keys"]).ok();
        let seen: Vec<_> = said.out.lines().filter(|line| has(line, &joined)).collect();
        assert_eq!(seen.len(), 1, "it is in the container's, not in one more: {seen:?}");
        end(&joined);
    });
}

#[test]
fn exec_joins_a_cgroup_below_the_containers() {
    needs!(root, cgroup = pids);
    Shield::new().cgroup().run(|| {
        let bundle = sleeper();
        let groups: Vec<PathBuf> = cgroup_dirs()
            .iter()
            .map(|group| group.join(format!("boxwright-{}", bundle.id)))
            .filter(|it| it.is_dir())
            .collect();
        let exec = |asked: &str| bundle.runbox(&["exec", "--cgroup", asked, &bundle.id, "cat", "/proc/self/cgroup"]);
        exec("below").refused("below");
        exec("../other").refused("below the container's cgroup");
        let below = |group: &Path| group.join("below");
        for group in &groups {
            fs::create_dir(below(group)).unwrap();
            for knob in ["cpuset.cpus", "cpuset.mems"].map(|knob| (group.join(knob), below(group).join(knob))) {
                if let Ok(text) = fs::read_to_string(&knob.0) {
                    let _ = fs::write(&knob.1, text);
                }
            }
        }
        let said = exec("/below").ok().out;
        let lines: Vec<_> = said.lines().collect();
        assert!(lines.iter().filter(|line| line.ends_with("/below")).count() >= groups.len().min(1), "{said}");
        let one = exec("pids:/below").ok().out;
        assert!(one.lines().filter(|line| line.ends_with("/below")).count() >= 1, "{one}");
        for line in one.lines().filter(|line| line.ends_with("/below")) {
            assert!(line.contains("pids") || line.starts_with("0::"), "{one}");
        }
        end(&bundle);
    });
}
