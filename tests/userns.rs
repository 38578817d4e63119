//! Containers with ids of their own, from outside, on the reference: an ordinary user's, and those that root remaps.
//!
//! Every test runs under a shield, whose audit sees what a container leaves behind.

#![cfg(feature = "solutions")]

use std::env;
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use nix::mount::{MsFlags, mount, umount};
use nix::sched::{CloneFlags, unshare};
use predicates::prelude::*;
use predicates::str::{contains, is_empty};
use testkit::{Rootfs, Shield, dir, drop_capabilities, in_child, needs, shielded};

/// `boxwright run FLAGS -- sh -c SCRIPT`; the flags are split at spaces.
fn run(flags: &str, script: &str) -> assert_cmd::assert::Assert {
    let mut command = testkit::boxwright!();
    command.arg("run").args(flags.split_whitespace()).args(["--", "sh", "-c", script]).assert()
}

/// Starts a container that sleeps, and returns when it has said "up".
fn sleeper(flags: &str, script: &str) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_boxwright"));
    let script = format!("{script}; echo up; exec sleep 600");
    command.arg("run").args(flags.split_whitespace()).args(["--", "sh", "-c", &script]);
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().expect("start boxwright");
    let mut line = String::new();
    BufReader::new(child.stdout.take().expect("piped")).read_line(&mut line).expect("up");
    assert_eq!(line, "up\n");
    child
}

/// What is left below the state directory.
fn states() -> Vec<String> {
    let names = fs::read_dir(env::var("BOXWRIGHT_ROOT").unwrap()).unwrap().flatten();
    names.map(|entry| entry.file_name().into_string().unwrap()).filter(|name| name != ".lock").collect()
}

/// What `boxwright inspect` says of the container `name`.
fn inspected(name: &str) -> serde_json::Value {
    let mut command = testkit::boxwright!();
    let seen = command.args(["inspect", name]).assert().success();
    serde_json::from_slice(&seen.get_output().stdout).unwrap()
}

/// A root file system in which programs that change owners can be started.
fn rootfs(path: PathBuf) -> String {
    let programs = ["sh", "cat", "chmod", "chown", "echo", "id", "ls", "mkdir", "readlink", "sleep", "stat", "touch"];
    Rootfs::build(path, &programs).unwrap().path().display().to_string()
}

/// Programs that change owners, made anew for each container: so that it can write its root.
const CHOWN: &str = "-v /usr/bin/chown:/bin/chown:ro --rootfs host";

#[test]
fn an_ordinary_user_has_their_own_id_and_the_range() {
    needs!(subuid);
    Shield::new().as_user().run(|| {
        let seen = run("--rootfs host", "cat /proc/self/uid_map /proc/self/setgroups; id -u; id -g; id -G");
        let seen = seen.success().stderr(is_empty()).get_output().stdout.clone();
        let words: Vec<_> = str::from_utf8(&seen).unwrap().split_whitespace().map(str::to_owned).collect();
        assert_eq!(words, ["0", "1000", "1", "1", "100000", "65535", "allow", "0", "0", "0"]);
    });
}

#[test]
fn files_of_subordinate_ids_go_with_the_container() {
    needs!(subuid);
    Shield::new().as_user().run(|| {
        let hidden = "mkdir -p /d/e /tmp/f && touch /d/e/x && chown 5:6 /d/e/x /d/e /d && chmod 700 /d /d/e && ";
        run(CHOWN, &format!("{hidden} stat -c %u:%g /d")).success().stdout("5:6\n").stderr(is_empty());
        assert_eq!(states(), Vec::<String>::new());
        // And those of one that could not do it itself.
        let mut container = sleeper(&format!("{CHOWN} --name left"), &format!("{hidden} true"));
        container.kill().unwrap();
        container.wait().unwrap();
        assert_eq!(states(), ["left"]);
        testkit::boxwright!().arg("ps").assert().success().stderr(contains("swept left"));
        assert_eq!(states(), Vec::<String>::new());
    });
}

#[test]
fn what_root_makes_inside_is_the_users_outside() {
    needs!(subuid);
    Shield::new().as_user().run(|| {
        let shared = dir().join("tmp/shared");
        fs::create_dir(&shared).unwrap();
        run(&format!("{CHOWN} -v {}:/v", shared.display()), "touch /v/own /v/other && chown 7:8 /v/other").success();
        let owner = |name: &str| fs::metadata(shared.join(name)).map(|file| (file.uid(), file.gid())).unwrap();
        assert_eq!(owner("own"), (1000, 1000));
        assert_eq!(owner("other"), (100_006, 100_007));
    });
}

#[test]
fn the_maps_are_seen_from_outside() {
    needs!(subuid);
    Shield::new().as_user().run(|| {
        let mut container = sleeper("--name look", "true");
        let seen = inspected("look");
        let range = |inside: u32, outside: u32, count: u32| serde_json::json!({"containerID": inside, "hostID": outside, "size": count});
        assert_eq!(seen["uidMappings"], serde_json::json!([range(0, 1000, 1), range(1, 100_000, 65_535)]));
        assert_eq!(seen["gidMappings"], seen["uidMappings"]);
        assert_eq!(seen["args"][0], "sh");
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(container.id() as i32), nix::sys::signal::SIGTERM).unwrap();
        assert_eq!(container.wait().unwrap().code(), Some(128 + 9));
    });
}

#[test]
fn a_terminal_is_the_containers() {
    needs!(subuid);
    Shield::new().as_user().run(|| {
        let seen = run("-t --rootfs host", "tty && echo hi > /dev/console && stat -c %u /dev/console");
        seen.success().stdout("/dev/console\r\nhi\r\n0\r\n");
    });
}

#[test]
fn one_id_alone_is_told_and_works() {
    needs!(subuid);
    Shield::new().as_user().run(|| {
        let mut command = testkit::boxwright!();
        // Nothing that could map a range.
        command.env("PATH", dir().join("tmp")).args([
            "run",
            "--",
            "/bin/sh",
            "-c",
            "read map </proc/self/uid_map; echo $map",
        ]);
        let seen = command.assert().success().stdout("0 1000 1\n");
        seen.stderr(contains("no newuidmap (package uidmap)").and(contains("\n").count(1)));
    });
}

#[test]
fn who_has_no_subordinate_ids_is_told_and_alone() {
    shielded(|| {
        in_child(|| {
            become_a_user_whom_no_file_names();
            for flags in ["", "--init", "--rootfs host --read-only", "--privileged", "--user 0:0"] {
                let seen = run(flags, "id -u; echo $(cat /proc/self/uid_map)").success().stdout("0\n0 1000 1\n");
                seen.stderr(contains("/etc/subuid has no line for ").and(contains("one user and one group")));
            }
            // Nobody else is there to be.
            run("--user 7", "true").failure().stderr(contains("setresgid 7: EINVAL"));
            assert_eq!(states(), Vec::<String>::new());
        });
    });
}

/// An ordinary user, 1000, in a user namespace that has one id, where nobody has subordinate ids.
fn become_a_user_whom_no_file_names() {
    unshare(CloneFlags::CLONE_NEWNS).unwrap();
    let none = dir().join("none");
    fs::write(&none, "").unwrap();
    mount(Some("none"), "/", None::<&str>, MsFlags::MS_PRIVATE | MsFlags::MS_REC, None::<&str>).unwrap();
    for file in ["/etc/subuid", "/etc/subgid"] {
        mount(Some(&none), file, None::<&str>, MsFlags::MS_BIND, None::<&str>).unwrap();
    }
    unshare(CloneFlags::CLONE_NEWUSER).unwrap();
    for (file, text) in [("setgroups", "deny"), ("uid_map", "1000 0 1"), ("gid_map", "1000 0 1")] {
        fs::write(format!("/proc/self/{file}"), text).unwrap();
    }
    drop_capabilities();
}

#[test]
fn whose_ids_they_are_has_to_make_sense() {
    shielded(|| {
        for (flags, words) in [
            ("--userns private", "with --userns-remap USER"),
            ("--userns-remap nosuchuser", "a user of this machine"),
            ("--userns-remap root --userns host", "nothing together with --userns host"),
        ] {
            run(flags, "true").code(2).stdout(is_empty()).stderr(contains(words).and(contains("\n").count(1)));
        }
        run("--userns host", "cat /proc/self/uid_map")
            .success()
            .stdout(fs::read_to_string("/proc/self/uid_map").unwrap());
        assert_eq!(states(), Vec::<String>::new());
    });
    needs!(subuid);
    Shield::new().as_user().run(|| {
        for (flags, words) in [("--userns host", "needs ids of its own"), ("--userns-remap learner", "for root alone")]
        {
            run(flags, "true").code(2).stderr(contains(words).and(contains("\n").count(1)));
        }
    });
}

/// Runs `body` as root of a machine whose `/etc/subuid` gives 300000 and 2000 more to root.
fn remapped(body: impl FnOnce()) {
    // The change to /etc would be a finding; mounts that reach the host are looked for here.
    let mounts = || fs::read_to_string("/proc/self/mountinfo").unwrap();
    Shield::new().unaudited().run(|| {
        for file in ["subuid", "subgid"] {
            let own = dir().join(file);
            fs::write(&own, "root:300000:2000\n").unwrap();
            let target = Path::new("/etc").join(file);
            mount(Some(&own), &target, None::<&str>, MsFlags::MS_BIND, None::<&str>).unwrap();
        }
        let before = mounts();
        body();
        assert_eq!(mounts(), before);
    });
}

#[test]
fn remapped_root_is_nobody_outside() {
    needs!(root, program = newuidmap);
    remapped(|| {
        // Where nobody but root may look.
        let shared = dir().join("closed/shared");
        fs::create_dir_all(&shared).unwrap();
        fs::set_permissions(dir().join("closed"), fs::Permissions::from_mode(0o700)).unwrap();
        fs::write(shared.join("roots"), "").unwrap();
        let flags =
            format!("--userns-remap root --rootfs host --name re --oom-score-adj 7 -v {}:/v:ro", shared.display());
        let mut container = sleeper(&flags, "true");
        let seen = inspected("re");
        assert_eq!(seen["uidMappings"], serde_json::json!([{"containerID": 0, "hostID": 300_000, "size": 2000}]));
        let status = fs::read_to_string(format!("/proc/{}/status", seen["pid"])).unwrap();
        assert!(status.contains("\nUid:\t300000\t300000\t300000\t300000\n"), "{status}");
        assert!(status.contains("\nGroups:\t \n"), "{status}");
        assert_eq!(fs::read_to_string(format!("/proc/{}/oom_score_adj", seen["pid"])).unwrap(), "7\n");
        container.kill().unwrap();
        container.wait().unwrap();
        testkit::boxwright!().arg("ps").assert().success();
        assert_eq!(states(), Vec::<String>::new());
    });
}

#[test]
fn remapped_files_keep_their_owners_on_the_disk() {
    needs!(root, kernel = 6.3, program = newuidmap);
    remapped(|| {
        let root = rootfs(dir().join("closed/root"));
        fs::set_permissions(dir().join("closed"), fs::Permissions::from_mode(0o700)).unwrap();
        let shared = dir().join("closed/shared");
        fs::create_dir(&shared).unwrap();
        chown(&shared, Some(5), Some(6)).unwrap();
        // Whoever is root inside must not leave a set-user-ID program of root's on the host.
        let flags = format!("--userns-remap root --rootfs {root} -v {}:/v", shared.display());
        run(&flags, "stat -c %u:%g /v; touch /v/made").failure().stdout("65534:65534\n").stderr(contains("denied"));
        let flags = format!("--userns-remap root --rootfs {root} -v {}:/v:idmap", shared.display());
        let script =
            "stat -c %u:%g / /v; touch /made /v/made; chown 9 /v/made; readlink /proc/1/root; stat -c %u:%g /made";
        run(&flags, script).success().stdout("0:0\n5:6\n/\n0:0\n").stderr(is_empty());
        let owner = |path: &Path| fs::metadata(path).map(|file| (file.uid(), file.gid())).unwrap();
        assert!(!Path::new(&root).join("made").exists(), "it is in the container's own layer");
        assert_eq!(owner(&shared.join("made")), (9, 0));
        // A named volume begins with what the image has there.
        fs::create_dir(Path::new(&root).join("data")).unwrap();
        fs::write(Path::new(&root).join("data/own"), "words\n").unwrap();
        let flags = format!("--userns-remap root --rootfs {root} -v named:/data");
        run(&flags, "cat /data/own; stat -c %u /data/own; touch /data/more").success().stdout("words\n0\n");
        let data = Path::new(&env::var("BOXWRIGHT_DATA").unwrap()).join("volumes/named/_data");
        assert_eq!(owner(&data.join("more")), (0, 0));
    });
}

#[test]
fn without_idmapped_mounts_the_container_gets_a_copy() {
    needs!(root, program = newuidmap);
    remapped(|| {
        let place = dir().join("ramfs");
        fs::create_dir(&place).unwrap();
        mount(Some("ramfs"), &place, Some("ramfs"), MsFlags::empty(), None::<&str>).unwrap();
        let root = rootfs(place.join("root"));
        fs::write(Path::new(&root).join("own"), "").unwrap();
        chown(Path::new(&root).join("own"), Some(5), Some(6)).unwrap();
        let flags = format!("--userns-remap root --rootfs {root}");
        let seen = run(&flags, "stat -c %u:%g / /own; touch /made").success().stdout("0:0\n5:6\n");
        seen.stderr(contains(format!("{root}: no idmapped mount")).and(contains("gets a copy")));
        assert!(!Path::new(&root).join("made").exists());
        assert_eq!(states(), Vec::<String>::new());
        umount(&place).unwrap();
    });
}
