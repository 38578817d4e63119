//! Containers' layers from outside, on the reference: what is left when boxwright is killed, many containers over one root
//! file system, drivers, and root file systems that mean harm.

#![cfg(feature = "solutions")]

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use nix::fcntl::{AT_FDCWD, RenameFlags, renameat2};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use predicates::prelude::*;
use predicates::str::{contains, is_empty};
use testkit::disk::command;
use testkit::files::{self, File};
use testkit::{Disk, Rootfs, Shield, dir, needs, shielded};

const PROGRAMS: [&str; 8] = ["sh", "cat", "ls", "rm", "mkdir", "chmod", "chown", "touch"];

/// Where layers are kept.
fn data() -> PathBuf {
    dir().join("data")
}

fn boxwright(args: &str) -> assert_cmd::assert::Assert {
    let mut command = testkit::boxwright!();
    command.env("BOXWRIGHT_DATA", data()).args(args.split_whitespace()).assert()
}

/// `boxwright run FLAGS --rootfs ROOT -- sh -c SCRIPT`, with layers in `data`.
fn run_in(data: &Path, root: &Path, flags: &str, script: &str) -> assert_cmd::assert::Assert {
    let mut command = testkit::boxwright!();
    command.env("BOXWRIGHT_DATA", data).args(["run", "--rootfs"]).arg(root).args(flags.split_whitespace());
    command.args(["--", "sh", "-c", script]).assert()
}

fn run(root: &Path, flags: &str, script: &str) -> assert_cmd::assert::Assert {
    run_in(&data(), root, flags, script)
}

/// A container that has begun, says so, and goes on once its standard input ends.
fn start(root: &Path, flags: &str, script: &str) -> Child {
    let script = format!("{script}; echo up; read end; true");
    let mut command = Command::new(env!("CARGO_BIN_EXE_boxwright"));
    command.env("BOXWRIGHT_DATA", data()).args(["run", "-i", "--rootfs"]).arg(root).args(flags.split_whitespace());
    command.args(["--", "sh", "-c", &script]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap()
}

fn is_up(container: &mut Child) {
    container.stdout.as_mut().unwrap().read_exact(&mut [0; 3]).unwrap();
}

fn end(mut container: Child) -> Option<i32> {
    drop(container.stdin.take());
    container.wait().unwrap().code()
}

fn root() -> PathBuf {
    let root = Rootfs::build(dir().join("root"), &PROGRAMS).unwrap();
    fs::write(root.path().join("etc/motd"), "of the image\n").unwrap();
    for file in ["a", "b", "deep/c"] {
        let path = root.path().join("srv").join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, file).unwrap();
    }
    root.path().to_owned()
}

/// The names of the layers that are kept.
fn layers() -> Vec<String> {
    let entries = fs::read_dir(data().join("containers")).into_iter().flatten().flatten();
    let mut names: Vec<_> = entries.map(|entry| entry.file_name().into_string().unwrap()).collect();
    names.retain(|name| name != ".lock");
    names.sort();
    names
}

fn tree(root: &Path) -> BTreeMap<PathBuf, File> {
    files::tree(root).unwrap()
}

fn overlays() -> usize {
    testkit::inside().mounts.iter().filter(|mount| mount.kind == "overlay" && mount.point.starts_with(dir())).count()
}

#[test]
fn what_a_killed_boxwright_leaves_goes_with_the_next_command() {
    shielded(|| {
        let root = root();
        for (flags, is_kept) in
            [("--rm --name gone", false), ("--name kept", true), ("--rm --storage-driver vfs --name copy", false)]
        {
            let mut container = start(&root, flags, "rm /etc/motd; mkdir /new");
            is_up(&mut container);
            let name = flags.rsplit(' ').next().unwrap();
            assert_eq!(layers(), [name]);
            container.kill().unwrap();
            container.wait().unwrap();
            boxwright("ps").success().stdout(contains(name).not()).stderr(contains(format!("swept {name}")));
            assert_eq!((layers().is_empty(), overlays()), (!is_kept, 0), "{flags}");
            if is_kept {
                boxwright("ps --all").success().stdout(contains(name).and(contains("ended")));
                boxwright("diff kept").success().stdout(contains("D /etc/motd\nA /new\n"));
                boxwright("rm kept").success().stderr(is_empty());
            }
        }
        assert_eq!(layers(), [""; 0]);
        assert!(root.join("etc/motd").exists());
    });
}

#[test]
fn what_is_left_of_a_users_container_is_removed_whoever_owns_it_inside() {
    needs!(subuid);
    let story = |flags: &str| {
        let root = root();
        for driver in ["overlay", "vfs"] {
            let flags = format!("--rm --name gone --storage-driver {driver} {flags}");
            let mut container =
                start(&root, &flags, "mkdir /own; touch /own/file; chmod 700 /own; chown -R 9:9 /own /srv");
            is_up(&mut container);
            container.kill().unwrap();
            container.wait().unwrap();
            boxwright("ps").success().stdout(contains("gone").not());
            assert_eq!((layers(), overlays()), (Vec::new(), 0), "{driver}");
        }
    };
    Shield::new().as_user().run(|| story(""));
    Shield::new().with_ids().run(|| story("--userns-remap learner"));
}

#[test]
fn who_looks_while_containers_end_sees_no_refusal() {
    Shield::new().deadline(Duration::from_secs(30)).run(|| {
        let root = root();
        let mut containers: Vec<_> = (0..12)
            .map(|n| {
                start(
                    &root,
                    &format!("--rm --name box-{n}"),
                    "for n in 1 2 3 4 5 6 7 8 9; do mkdir -p /$n/1/2/3/4/5; done",
                )
            })
            .collect();
        containers.iter_mut().for_each(is_up);
        // All of them at once, so that the commands find some on their way out.
        containers.iter_mut().for_each(|container| drop(container.stdin.take()));
        for _ in 0..12 {
            let mut command = Command::new(env!("CARGO_BIN_EXE_boxwright"));
            command.env("BOXWRIGHT_DATA", data()).args(["ps", "--all"]).stdout(Stdio::piped()).stderr(Stdio::piped());
            let looks: Vec<_> = (0..6).map(|_| command.spawn().unwrap()).collect();
            for look in looks {
                let seen = look.wait_with_output().unwrap();
                assert!(seen.status.success(), "{}", String::from_utf8_lossy(&seen.stderr));
            }
        }
        assert!(containers.into_iter().all(|container| end(container) == Some(0)));
        assert_eq!((layers(), overlays()), (Vec::new(), 0));
    });
}

#[test]
fn a_name_is_no_way_out_of_the_data_directory() {
    shielded(|| {
        let root = root();
        run(&root, "--name kept", "echo > /own").success();
        fs::create_dir_all(data().join("other")).unwrap();
        fs::copy(data().join("containers/kept/layer.json"), data().join("other/layer.json")).unwrap();
        let elsewhere = data().join("other").display().to_string();
        for name in ["../other", &elsewhere, "kept/../../other", "."] {
            boxwright(&format!("rm {name}")).code(2).stderr(contains("name").and(contains("1 to 64")));
            boxwright(&format!("diff {name}")).code(2).stderr(contains("1 to 64"));
        }
        assert!(data().join("other/layer.json").exists());
        boxwright("rm kept").success();
    });
}

#[test]
fn what_cannot_be_read_is_told_and_kept() {
    shielded(|| {
        run(&root(), "--name kept", "echo words > /own").success();
        fs::write(data().join("containers/kept/layer.json"), "{").unwrap();
        boxwright("ps").success();
        boxwright("diff kept").failure().stderr(contains("layer.json"));
        assert_eq!(fs::read_to_string(data().join("containers/kept/diff/own")).unwrap(), "words\n");
    });
}

#[test]
fn twenty_containers_over_one_directory_and_half_of_them_are_killed() {
    Shield::new().deadline(Duration::from_secs(30)).run(|| {
        let root = root();
        let before = tree(&root);
        let script =
            |n: usize| format!("[ -e /own ] && exit 9; echo {n} > /own; rm -r /srv; mkdir /srv; touch /srv/{n}");
        let mut containers: Vec<_> =
            (0..20).map(|n| start(&root, &format!("--rm --name box-{n}"), &script(n))).collect();
        containers.iter_mut().for_each(is_up);
        assert_eq!(layers().len(), 20);
        for (n, mut container) in containers.into_iter().enumerate() {
            if n % 2 == 0 {
                container.kill().unwrap();
                container.wait().unwrap();
            } else {
                boxwright(&format!("diff box-{n}"))
                    .success()
                    .stdout(contains("A /own\n").and(contains(format!("A /srv/{n}\n"))));
                assert_eq!(end(container), Some(0));
            }
        }
        boxwright("ps").success().stdout(contains("box-").not());
        assert_eq!((layers(), overlays()), (Vec::new(), 0));
        assert!(tree(&root) == before, "DIR is not as it was");
    });
}

#[test]
fn where_no_overlay_can_be_had_the_container_gets_a_copy_and_is_told() {
    shielded(|| {
        let root = root();
        let before = tree(&root);
        // No overlay lets itself be the upper file system of another.
        for name in ["one", "two", "work", "merged"] {
            fs::create_dir_all(dir().join("stack").join(name)).unwrap();
        }
        let at = |name: &str| dir().join("stack").join(name);
        let data = format!(
            "lowerdir={},upperdir={},workdir={}",
            at("one").display(),
            at("two").display(),
            at("work").display()
        );
        mount(Some("overlay"), &at("merged"), Some("overlay"), MsFlags::empty(), Some(data.as_str())).unwrap();
        // Since Linux 6.7 it is refused, and before that it takes no marks.
        let refused =
            contains("mount overlay").or(contains("setxattr trusted.overlay")).or(contains("setxattr user.overlay"));
        let told = refused.and(contains("the container gets a full copy (--storage-driver vfs)"));
        let script = "rm -r /srv; touch /new; cat /etc/motd";
        let seen = run_in(&at("merged"), &root, "--name box", script).success();
        seen.stdout("of the image\n").stderr(told.and(contains("\n").count(1)));
        assert!(tree(&root) == before, "DIR is not as it was");
        let mut diff = testkit::boxwright!();
        diff.env("BOXWRIGHT_DATA", at("merged")).args(["diff", "box"]).assert().success().stdout("A /new\nD /srv\n");
        let mut rm = testkit::boxwright!();
        rm.env("BOXWRIGHT_DATA", at("merged")).args(["rm", "box"]).assert().success().stderr(is_empty());
        // Asked for, it is no news.
        run_in(&at("merged"), &root, "--rm --storage-driver vfs", "true").success().stderr(is_empty());
        assert_eq!(fs::read_dir(at("merged/containers")).unwrap().count(), 1, "the lock alone");
        umount2(&at("merged"), MntFlags::empty()).unwrap();
    });
}

#[test]
fn where_nothing_can_be_marked_the_container_gets_a_copy() {
    shielded(|| {
        let (root, plain) = (root(), dir().join("plain"));
        fs::create_dir(&plain).unwrap();
        mount(Some("none"), &plain, Some("ramfs"), MsFlags::empty(), None::<&str>).unwrap();
        if xattr::set(&plain, "user.some", b"value").is_err() {
            let seen = run_in(&plain, &root, "--rm", "rm -r /srv; mkdir /srv; ls /srv; cat /etc/motd").success();
            seen.stdout("of the image\n").stderr(contains("full copy").and(contains("\n").count(1)));
        }
        umount2(&plain, MntFlags::empty()).unwrap();
    });
}

#[test]
fn a_btrfs_snapshot_shares_what_is_not_written() {
    needs!(root, program = "mkfs.btrfs");
    Shield::new().deadline(Duration::from_secs(30)).run(|| {
        let own = Disk::mount("btrfs", 128 << 20).unwrap();
        let disk = own.path();
        let (root, data) = (disk.join("root"), disk.join("data"));
        command("btrfs", &["-q", "subvolume", "create", root.to_str().unwrap()]).unwrap();
        Rootfs::build(&root, &PROGRAMS).unwrap();
        fs::write(root.join("etc/motd"), "of the image\n").unwrap();
        fs::write(root.join("large"), vec![7; 8 << 20]).unwrap();
        let before = (tree(&root), own.used_bytes().unwrap());
        let flags = "--name box --storage-driver btrfs";
        run_in(&data, &root, flags, "cat /etc/motd; echo more > /etc/motd; rm /tmp -r; touch /new")
            .success()
            .stdout("of the image\n")
            .stderr(is_empty());
        assert!(tree(&root) == before.0, "DIR is not as it was");
        let more = own.used_bytes().unwrap().saturating_sub(before.1);
        assert!(more < 4 << 20, "{more} bytes more: the 8 MiB file was copied");
        let boxwright = |args: &str| {
            let mut command = testkit::boxwright!();
            command.env("BOXWRIGHT_DATA", &data).args(args.split_whitespace()).assert()
        };
        boxwright("diff box").success().stdout("C /etc\nC /etc/motd\nA /new\nD /tmp\n");
        boxwright("rm box").success().stderr(is_empty());
        run_in(&data, &root, "--rm --storage-driver btrfs", "rm /large").success().stderr(is_empty());
        assert_eq!(fs::read_dir(data.join("containers")).unwrap().count(), 1, "the lock alone");
        // A directory of it, a root file system elsewhere, a data directory elsewhere.
        fs::create_dir(disk.join("plain")).unwrap();
        let subvolume = || contains("--storage-driver").and(contains("a btrfs subvolume")).and(contains("\n").count(1));
        run_in(&data, &disk.join("plain"), "--storage-driver btrfs", "true").code(2).stderr(subvolume());
        run_in(&dir().join("data"), &root, "--storage-driver btrfs", "true").code(2).stderr(subvolume());
    });
}

#[test]
fn a_directory_that_is_no_subvolume_is_refused() {
    shielded(|| {
        let words = contains("--storage-driver").and(contains("a btrfs subvolume")).and(contains("\n").count(1));
        run(&root(), "--storage-driver btrfs", "true").code(2).stdout("").stderr(words);
        assert_eq!(layers(), [""; 0]);
        // And with nothing to lay a layer over.
        boxwright("run --storage-driver vfs true").code(2).stderr(contains("--rootfs DIR"));
        boxwright("run --storage-driver aufs --rootfs / true").code(2).stderr(contains("vfs"));
    });
}

#[test]
fn a_root_file_system_that_means_harm_reaches_nothing_outside() {
    for driver in ["overlay", "vfs"] {
        shielded(|| {
            let (root, outside) = (root(), dir().join("outside"));
            fs::create_dir(&outside).unwrap();
            fs::write(outside.join("secret"), "of the host\n").unwrap();
            fs::rename(root.join("etc"), root.join("was-etc")).unwrap();
            fs::remove_dir(root.join("proc")).unwrap();
            fs::remove_dir(root.join("tmp")).unwrap();
            symlink("/", root.join("etc")).unwrap();
            symlink("..", root.join("proc")).unwrap();
            symlink(&outside, root.join("tmp")).unwrap();
            for name in ["merged", "diff", "work", "lower", "layer.json"] {
                fs::write(root.join(name), "of the image\n").unwrap();
            }
            let before = (tree(&root), tree(&outside), tree(&dir().join("tmp")));
            let flags = format!("--storage-driver {driver} --name box");
            // It may be refused, for there is no place for /proc.
            let _ =
                run(&root, &flags, "ls /etc/; ls /tmp/; echo more > /merged; rm /layer.json; touch /tmp/new /etc/new");
            assert!(tree(&root) == before.0, "{driver}: DIR is not as it was");
            assert!(tree(&outside) == before.1, "{driver}: something was written outside");
            let mut diff = testkit::boxwright!();
            let seen = diff.env("BOXWRIGHT_DATA", data()).args(["diff", "box"]).output().unwrap();
            let told = String::from_utf8_lossy(&seen.stdout);
            assert!(!told.contains("secret") && !told.contains("/etc/"), "{driver}: {told}");
            let _ = boxwright("rm box");
            assert_eq!(layers(), [""; 0]);
        });
    }
}

#[test]
fn whoever_swaps_directories_for_links_is_not_followed_out() {
    for (driver, place) in [("overlay", "diff"), ("vfs", "merged")] {
        Shield::new().deadline(Duration::from_secs(60)).run(|| {
            let (root, outside) = (root(), dir().join("outside"));
            run(&root, &format!("--name box --storage-driver {driver}"), "mkdir /srv/own; touch /srv/deep/more")
                .success();
            // As the container could, from inside: its files are the same. Each name is a chance to be led astray.
            let layer = data().join("containers/box").join(place).join("srv");
            let (directory, link) = (layer.join("own"), layer.join("link"));
            for n in 0..200 {
                fs::create_dir_all(outside.join(n.to_string())).unwrap();
                fs::write(outside.join(n.to_string()).join("secret"), "of the host\n").unwrap();
                fs::create_dir_all(directory.join(n.to_string())).unwrap();
                fs::write(directory.join(n.to_string()).join("own"), "").unwrap();
            }
            symlink(&outside, &link).unwrap();
            let is_over = AtomicBool::new(false);
            std::thread::scope(|scope| {
                scope.spawn(|| {
                    nix::sys::prctl::set_timerslack(1).unwrap();
                    while !is_over.load(Ordering::Relaxed) {
                        renameat2(AT_FDCWD, &directory, AT_FDCWD, &link, RenameFlags::RENAME_EXCHANGE).unwrap();
                        std::thread::sleep(Duration::from_micros(20));
                    }
                });
                let mut diff = testkit::boxwright!();
                diff.env("BOXWRIGHT_DATA", data()).args(["diff", "box"]);
                let outputs: Vec<_> = (0..12).map(|_| diff.output().unwrap()).collect();
                is_over.store(true, Ordering::Relaxed);
                for output in &outputs {
                    let told = String::from_utf8_lossy(&output.stderr);
                    assert!(output.status.success(), "{driver}: {told}");
                }
                let seen: Vec<_> = outputs.into_iter().flat_map(|output| output.stdout).collect();
                let seen = String::from_utf8_lossy(&seen);
                assert!(!seen.contains("secret"), "{driver}: the host's files were listed");
                assert!(seen.contains("/own\n"), "{driver}: the swaps won every time: nothing was seen");
            });
        });
    }
}
