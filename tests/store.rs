//! The store from outside, on the reference: what an image says about how it is run, what becomes of what a container has
//! written, who works on the store at once, and what is left when boxwright is killed at any moment.

#![cfg(feature = "solutions")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use assert_cmd::assert::Assert;
use predicates::prelude::*;
use predicates::str::{contains, is_empty, is_match, starts_with};
use testkit::{Random, Rootfs, Shield, dir, needs, shielded, start_and_kill, start_silent};

const PROGRAMS: [&str; 9] = ["sh", "cat", "echo", "id", "ls", "rm", "mkdir", "touch", "env"];
fn store() -> PathBuf {
    dir().join("data/store")
}

fn boxwright(args: &[&str]) -> Assert {
    let mut command = testkit::boxwright!();
    command.env("BOXWRIGHT_DATA", dir().join("data")).args(args).assert()
}

fn program(name: &str, args: &[&str]) -> String {
    let output = Command::new(name).args(args).current_dir(dir()).output().unwrap();
    assert!(output.status.success(), "{name} {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The archive of a small root file system.
fn archive() -> String {
    let root = Rootfs::build(dir().join("root"), &PROGRAMS).unwrap();
    fs::write(root.path().join("etc/passwd"), "root:x:0:0::/root:/bin/sh\nme:x:7:8::/home/me:/bin/sh\n").unwrap();
    fs::write(root.path().join("etc/motd"), "of the image\n").unwrap();
    fs::create_dir(root.path().join("srv")).unwrap();
    fs::write(root.path().join("srv/first"), "from below\n").unwrap();
    program("tar", &["-C", "root", "-cf", "root.tar", "."]);
    dir().join("root.tar").display().to_string()
}

/// Puts the image `base` into the store.
fn import(changes: &[&str]) {
    let file = archive();
    let changes = changes.iter().flat_map(|change| ["--change", change]);
    let args: Vec<_> = ["import"].into_iter().chain(changes).chain([&*file, "base"]).collect();
    boxwright(&args).success().stdout(is_match("^sha256:[0-9a-f]{64}\n$").unwrap());
}

fn stdout(assert: &Assert) -> String {
    String::from_utf8(assert.get_output().stdout.clone()).unwrap()
}

/// What has no name yet, or no longer.
fn unfinished() -> Vec<PathBuf> {
    let entries = |directory: &str| fs::read_dir(store().join(directory)).into_iter().flatten().flatten();
    let is_hidden = |path: &PathBuf| path.file_name().unwrap().to_string_lossy().starts_with('.');
    let hidden = entries("layers").map(|entry| entry.path()).filter(is_hidden);
    hidden.chain(entries("incoming").map(|entry| entry.path())).collect()
}

#[test]
fn an_image_says_how_it_is_run_and_the_flags_say_it_better() {
    needs!(subuid);
    Shield::new().as_user().run(|| {
        import(&[
            "ENTRYPOINT [\"echo\", \"entry\"]",
            "CMD [\"own\"]",
            "ENV SAYS=image",
            "USER me",
            "WORKDIR /missing/here",
            "VOLUME /srv",
        ]);
        let run = |args: &[&str]| stdout(&boxwright(&[&["run", "--rm"], args].concat()).success());
        assert_eq!(run(&["base"]), "entry own\n");
        assert_eq!(run(&["base", "one", "-t"]), "entry one -t\n");
        // For another program the image's command means nothing.
        assert_eq!(run(&["--entrypoint", "id", "base", "-u"]), "7\n");
        let script = "echo $SAYS; pwd; cat /srv/first; id -g; cat /etc/hostname";
        let shell =
            |flags: &[&str]| run(&[flags, &["--entrypoint", "sh", "--name", "box", "base", "-c", script]].concat());
        assert_eq!(shell(&[]), "image\n/missing/here\nfrom below\n8\nbox\n");
        assert_eq!(shell(&["-e", "SAYS=flag", "-w", "/etc", "-u", "0"]), "flag\n/etc\nfrom below\n0\nbox\n");
        boxwright(&["run", "--rm", "--entrypoint", "", "base"]).code(2).stderr(contains("has none of its own"));
    });
}

#[test]
fn what_was_a_command_stays_one() {
    shielded(|| {
        import(&["CMD [\"echo\", \"image\"]"]);
        boxwright(&["run", "--rm", "base"]).success().stdout("image\n");
        boxwright(&["run", "echo", "command"]).success().stdout("command\n");
        boxwright(&["run", "--rm", "--rootfs", &dir().join("root").display().to_string(), "echo", "there"])
            .success()
            .stdout("there\n");
        boxwright(&["tag", "base", "echo"]).success();
        boxwright(&["run", "--rm", "echo"]).success().stdout("image\n");
        boxwright(&["run", "--", "echo", "exact"]).success().stdout("exact\n");
        boxwright(&["run", "--pull", "never", "nobody-has-it"]).failure().stderr(contains("nobody-has-it"));
        boxwright(&["run", "no-such-word"])
            .code(127)
            .stderr(contains("\"no-such-word\" is no program here, and no image").and(contains("execve no-such-word")));
    });
}

#[test]
fn what_a_container_has_written_becomes_an_image() {
    let story = || {
        import(&["CMD [\"sh\"]", "VOLUME /srv"]);
        let script = "echo new > /etc/new; rm /etc/motd; echo v > /srv/in-the-volume";
        boxwright(&["run", "--name", "one", "base", "sh", "-c", script]).success().stderr(is_empty());
        boxwright(&["diff", "one"]).success().stdout("C /etc\nD /etc/motd\nA /etc/new\n");
        boxwright(&["commit", "-m", "why", "-c", "CMD [\"cat\", \"/etc/new\"]", "one", "me/two:1"]).success();
        boxwright(&["run", "--rm", "me/two:1"]).success().stdout("new\n");
        boxwright(&["run", "--rm", "me/two:1", "ls", "/etc/motd"]).failure();
        // What is in a volume is nobody's layer.
        boxwright(&["run", "--rm", "me/two:1", "ls", "/srv"]).success().stdout("first\n");
        let history = stdout(&boxwright(&["history", "me/two:1"]).success());
        assert_eq!(history.lines().count(), 3, "{history}");
        assert!(history.contains("why") && history.contains("boxwright import"), "{history}");
        // Out, and in again, it is the same; and the same twice.
        let saved = ["a.tar", "b.tar"].map(|name| dir().join(name).display().to_string());
        saved.iter().for_each(|file| drop(boxwright(&["save", "-o", file, "me/two:1", "base"]).success()));
        assert_eq!(fs::read(&saved[0]).unwrap(), fs::read(&saved[1]).unwrap());
        let ids = || stdout(&boxwright(&["images", "--no-trunc", "-q"]).success());
        let before = ids();
        boxwright(&["rm", "one"]).success();
        boxwright(&["system", "prune", "--all", "--force"]).success();
        assert_eq!(ids(), "");
        boxwright(&["load", "-i", &saved[0]]).success().stdout(contains("Loaded image: me/two:1"));
        let sorted = |text: &str| {
            let mut lines: Vec<_> = text.lines().map(str::to_owned).collect();
            lines.sort();
            lines
        };
        assert_eq!(sorted(&ids()), sorted(&before));
        boxwright(&["run", "--rm", "--storage-driver", "vfs", "me/two:1"]).success().stdout("new\n");
    };
    shielded(story);
}

#[test]
fn names_go_first_and_what_is_used_stays() {
    shielded(|| {
        import(&["CMD [\"echo\", \"there\"]"]);
        boxwright(&["tag", "base", "other:1"]).success();
        boxwright(&["run", "--name", "user", "base"]).success();
        boxwright(&["rmi", "base"]).success().stdout("Untagged: base:latest\n");
        boxwright(&["rmi", "other:1"]).code(1).stderr(contains("used by user"));
        boxwright(&["run", "--rm", "other:1"]).success().stdout("there\n");
        boxwright(&["system", "df"]).success().stdout(is_match("(?m)^Images +1 +1 ").unwrap());
        boxwright(&["rm", "user"]).success();
        boxwright(&["rmi", "other:1"]).success().stdout(contains("Deleted: sha256:"));
        boxwright(&["rmi", "other:1"]).code(1).stderr(contains("ENOENT"));
        assert_eq!(fs::read_dir(store().join("blobs/sha256")).unwrap().count(), 0);
        assert_eq!(unfinished(), [""; 0].map(PathBuf::from));
    });
}

#[test]
fn what_is_damaged_is_refused_in_one_line_and_leaves_nothing() {
    shielded(|| {
        import(&[]);
        let good = dir().join("good.tar");
        boxwright(&["save", "-o", &good.display().to_string(), "base"]).success();
        boxwright(&["rmi", "base"]).success();
        let bytes = fs::read(&good).unwrap();
        let flipped: Vec<u8> =
            bytes.iter().enumerate().map(|(at, byte)| if at == 5000 { !byte } else { *byte }).collect();
        let cases: [(&str, &[u8], &str); 4] = [
            ("half", &bytes[..bytes.len() / 2], "unexpected end of file"),
            ("flipped", &flipped, "its content has the digest"),
            ("root", &fs::read(dir().join("root.tar")).unwrap(), "is for `import`"),
            ("text", b"no archive at all", "a header of the archive"),
        ];
        for (name, content, words) in cases {
            let path = dir().join(format!("{name}.bad"));
            fs::write(&path, content).unwrap();
            let refused = boxwright(&["load", "-i", &path.display().to_string()]).code(1).stdout(is_empty());
            let said = String::from_utf8_lossy(&refused.get_output().stderr).into_owned();
            assert!(
                said.contains(words) && said.starts_with("boxwright: ") && said.lines().count() == 1,
                "{name}: {said}"
            );
            boxwright(&["images", "-q"]).success().stdout(is_empty());
            boxwright(&["system", "prune", "-f"]).success();
            assert_eq!(fs::read_dir(store().join("blobs/sha256")).unwrap().count(), 0, "{name}");
            assert_eq!(unfinished(), [""; 0].map(PathBuf::from), "{name}");
        }
    });
}

#[test]
fn two_that_load_one_image_share_the_work() {
    shielded(|| {
        import(&["CMD [\"echo\", \"whole\"]"]);
        let file = dir().join("image.tar").display().to_string();
        boxwright(&["save", "-o", &file, "base"]).success();
        boxwright(&["rmi", "base"]).success();
        let all: Vec<_> = (0..4).map(|_| start_silent(&mut command(&["load", "-i", &file]))).collect();
        for mut load in all {
            assert!(load.wait().unwrap().success());
        }
        boxwright(&["run", "--rm", "base"]).success().stdout("whole\n");
        assert!(unfinished().iter().all(|path| path.extension().is_some_and(|it| it == "lock")), "{:?}", unfinished());
    });
}

fn command(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_boxwright"));
    command.env("BOXWRIGHT_DATA", dir().join("data")).args(args);
    command
}

#[test]
fn whenever_boxwright_is_killed_the_store_works_and_is_swept() {
    let kills = testkit::kills(16);
    Shield::new().deadline(Duration::from_secs(60 + kills * 3)).run(move || {
        import(&["CMD [\"echo\", \"whole\"]"]);
        let file = dir().join("image.tar").display().to_string();
        boxwright(&["save", "-o", &file, "base"]).success();
        boxwright(&["run", "--name", "made", "base", "touch", "/etc/more"]).success();
        let mut random = Random::new();
        let words: [&[&str]; 7] = [
            &["load", "-i", &file],
            &["commit", "made", "committed"],
            &["rmi", "-f", "committed"],
            &["tag", "base", "other"],
            &["run", "--rm", "base"],
            &["run", "--rm", "--storage-driver", "vfs", "base"],
            &["system", "prune", "-f", "-a"],
        ];
        for _ in 0..kills {
            let chosen = *random.of(&words);
            start_and_kill(&mut command(chosen), Duration::from_millis(120), &mut random);
            // Else the next one meets what is left.
            if random.below(2) == 0 {
                verify(&file, chosen);
            }
        }
        verify(&file, &["all of them"]);
    });
}

/// What is on the list is whole; what is loaded again runs; and what was not finished goes with the next prune.
fn verify(file: &str, after: &[&str]) {
    wait_for_helpers();
    let ids = stdout(&boxwright(&["images", "-q", "--no-trunc"]).success());
    for id in ids.lines() {
        let said = stdout(&boxwright(&["run", "--rm", id]).success());
        assert_eq!(said, "whole\n", "after {after:?}, {id}");
    }
    boxwright(&["load", "-i", file]).success().stdout(starts_with("Loaded image"));
    boxwright(&["run", "--rm", "base"]).success().stdout("whole\n");
    if !boxwright(&["ps", "--all"]).get_output().stdout.windows(4).any(|word| word == b"made") {
        boxwright(&["run", "--name", "made", "base", "touch", "/etc/more"]).success();
    }
    boxwright(&["system", "df"]).success();
    let listed: Vec<String> = blobs();
    for blob in listed {
        let digest = program("sha256sum", &[&store().join("blobs/sha256").join(&blob).display().to_string()]);
        assert!(digest.starts_with(&blob), "after {after:?}: the content of {blob} is another");
    }
    assert!(Path::new(file).exists());
    boxwright(&["system", "prune", "-f"]).success();
    assert_eq!(unfinished(), [""; 0].map(PathBuf::from), "after {after:?}");
    boxwright(&["run", "--name", "made", "base", "touch", "/etc/more"]).success();
}

/// A command that is killed may leave a helper, which ends with what it is about: root of a user namespace, or who unpacks.
fn wait_for_helpers() {
    let begun = Instant::now();
    let works = |pid: &fs::DirEntry| {
        let comm = fs::read_to_string(pid.path().join("comm")).unwrap_or_default();
        ["exe", "boxwright"].contains(&comm.trim())
    };
    while fs::read_dir("/proc").unwrap().flatten().any(|entry| works(&entry)) {
        assert!(begun.elapsed() < testkit::patience(Duration::from_secs(10)), "a helper does not end");
        sleep(Duration::from_millis(5));
    }
}

fn blobs() -> Vec<String> {
    let entries = fs::read_dir(store().join("blobs/sha256")).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}
