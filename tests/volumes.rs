//! `-v`, `--mount`, `--tmpfs`, `--read-only` and a container's own /dev, from outside, on the reference.
//!
//! Every test runs under a shield, whose audit sees a mount that reached the host.

#![cfg(feature = "solutions")]

use std::env;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use nix::fcntl::{AT_FDCWD, RenameFlags, renameat2};
use predicates::prelude::*;
use predicates::str::{contains, is_empty, starts_with};
use testkit::{Rootfs, Shield, dir, needs, shielded};

/// `boxwright run FLAGS -- sh -c SCRIPT`; the flags are split at spaces.
fn run(flags: &str, script: &str) -> assert_cmd::assert::Assert {
    let mut command = testkit::boxwright!();
    command.arg("run").args(flags.split_whitespace()).args(["--", "sh", "-c", script]).assert()
}

fn boxwright(args: &str) -> assert_cmd::assert::Assert {
    let mut command = testkit::boxwright!();
    command.args(args.split_whitespace()).assert()
}

/// `--rootfs PATH`, with sh and `programs`. `--rootfs host` would be collected anew for each container, by a good
/// hundred processes: it has tests of its own.
fn root_with(programs: &[&str]) -> String {
    let root = Rootfs::build(dir().join("rootfs"), &[&["sh"], programs].concat()).expect("a rootfs");
    format!("--rootfs {}", root.path().display())
}

/// A directory of the host with a file in it.
fn host_directory(name: &str) -> PathBuf {
    let path = dir().join(name);
    fs::create_dir(&path).unwrap();
    fs::write(path.join("file"), "of the host\n").unwrap();
    path
}

/// What is left below the state directory.
fn states() -> Vec<String> {
    let names = fs::read_dir(env::var("BOXWRIGHT_ROOT").unwrap()).unwrap().flatten();
    names.map(|entry| entry.file_name().into_string().unwrap()).filter(|name| name != ".lock").collect()
}

#[test]
fn a_volume_is_written_from_both_sides_and_hides_what_it_covers() {
    shielded(|| {
        let (shared, root) = (host_directory("shared"), Rootfs::in_shield());
        fs::create_dir(root.path().join("data")).unwrap();
        fs::write(root.path().join("data/own"), "of the image\n").unwrap();
        let flags = format!("--rootfs {} -v {}:/data", root.path().display(), shared.display());
        let seen = run(&flags, "cat /data/file; echo of the container > /data/new; ls /data").success();
        seen.stdout("of the host\nfile\nnew\n").stderr(is_empty());
        assert_eq!(fs::read_to_string(shared.join("new")).unwrap(), "of the container\n");
        // Hidden, not lost.
        let without = format!("--rootfs {}", root.path().display());
        run(&without, "ls /data; cat /data/own").success().stdout("own\nof the image\n");
    });
}

#[test]
fn a_volume_works_with_the_hosts_root_where_nothing_is_made() {
    shielded(|| {
        let (shared, point) = (host_directory("shared"), dir().join("point"));
        let flags = format!("-v {}:{}", shared.display(), point.display());
        let refused = run(&flags, "true").code(125).stderr(contains("without --rootfs"));
        refused.stderr(contains(format!("(for {})", point.display())));
        assert!(!point.exists(), "the mount point was made on the host");
        fs::create_dir(&point).unwrap();
        run(&flags, &format!("ls {}", point.display())).success().stdout("file\n");
        assert_eq!(fs::read_dir(&point).unwrap().count(), 0);
        let own = format!("cd {}; echo x > new; ls", point.display());
        run(&format!("--tmpfs {}", point.display()), &own).success().stdout("new\n");
    });
}

#[test]
fn a_file_can_be_a_volume_and_a_missing_directory_is_made() {
    shielded(|| {
        let (shared, root) = (host_directory("shared"), root_with(&["cat"]));
        let file = format!("{root} -v {}:/etc/motd:ro", shared.join("file").display());
        run(&file, "cat /etc/motd; echo x > /etc/motd").code(2).stdout("of the host\n").stderr(contains("Read-only"));
        run(&format!("{root} -v ./made/here:/data"), "echo x > /data/new").success();
        assert!(dir().join("made/here/new").is_file());
    });
}

#[test]
fn read_only_holds_for_what_is_mounted_below_too() {
    shielded(|| {
        let (shared, root) = (host_directory("shared"), root_with(&["cat"]));
        let below = shared.join("below");
        fs::create_dir(&below).unwrap();
        let tmpfs = ["-t", "tmpfs", "tmpfs", below.to_str().unwrap()];
        assert!(Command::new("mount").args(tmpfs).status().unwrap().success());
        let source = shared.display();
        let write = "for at in /data /data/below; do (echo x > $at/new) 2>&1; done; cat /data/file";
        for flags in [
            format!("-v {source}:/data:ro"),
            format!("--mount type=bind,source={source},target=/data,readonly"),
            format!("--mount type=bind,src={source},dst=/data,ro=true,bind-recursive=readonly"),
        ] {
            let run = run(&format!("{root} {flags}"), write).success();
            run.stdout(contains("Read-only file system").count(2).and(contains("of the host")));
        }
        let top = format!("{root} --mount type=bind,src={source},dst=/data,readonly,bind-recursive=writable");
        run(&top, write).success().stdout(contains("Read-only file system").count(1));
        assert!(!shared.join("new").exists() && below.join("new").exists());
        // The host may still write: the option is the new mount's alone.
        fs::write(shared.join("file"), "").unwrap();
        assert!(Command::new("umount").arg(&below).status().unwrap().success());
    });
}

#[test]
fn a_tmpfs_has_the_size_and_mode_that_were_asked_for_and_is_gone_afterwards() {
    shielded(|| {
        let root = root_with(&["stat", "df", "tail", "sed", "cut", "grep", "head"]);
        let look = "stat -c %a /t; df -k /t | tail -n 1 | sed 's/ \\+/ /g' | cut -d' ' -f2; cut -d' ' -f2,4 /proc/mounts | grep ^/t";
        let options = "/t rw,nosuid,nodev,noexec,";
        for (flags, mode, size_kb) in [
            ("--tmpfs /t:size=2m,mode=700", "700", "2048"),
            ("--tmpfs /t:size=1.5m", "1777", "1536"),
            ("--mount type=tmpfs,target=/t,tmpfs-size=1m,tmpfs-mode=0755", "755", "1024"),
        ] {
            let run = run(&format!("{root} {flags}"), look).success();
            run.stdout(starts_with(format!("{mode}\n{size_kb}\n{options}")));
        }
        let small = run(&format!("{root} --tmpfs /t:size=1m"), "head -c 2m /dev/zero > /t/big");
        small.code(1).stderr(contains("No space"));
        let read_only = run(&format!("{root} --mount type=tmpfs,dst=/t,readonly"), "echo x > /t/new");
        read_only.failure().stderr(contains("Read-only"));
    });
}

#[test]
fn a_read_only_root_leaves_the_volumes_writable() {
    shielded(|| {
        let (shared, root) = (host_directory("shared"), root_with(&[]));
        let flags = format!("{root} --read-only --tmpfs /tmp -v {}:/data", shared.display());
        let write = "for at in / /etc /data /tmp /dev/shm; do (: > $at/new) 2>/dev/null && echo $at; done";
        run(&flags, write).success().stdout("/data\n/tmp\n/dev/shm\n");
        // The host's own root, in the container's own mount namespace.
        run("--read-only", "grep ' / ' /proc/mounts").success().stdout(contains(" ro,"));
    });
}

#[test]
fn the_devices_work_and_what_tells_about_the_host_is_masked() {
    let look = || {
        let root = root_with(&["cat", "head", "wc", "grep", "ls", "stat", "sort", "sed"]);
        let open = "cat /dev/null; echo x > /dev/null; head -c 3 /dev/zero | wc -c; head -c 3 /dev/urandom | wc -c; \
            head -c 1 /dev/zero 2>&1 > /dev/full | grep -o 'No space'; echo fd | cat /dev/stdin; ls -d /dev/pts/ptmx; \
            (: > /dev/shm/new) && echo shm; for at in kcore keys timer_list; do [ -e /proc/$at ] && stat -c %t:%T /proc/$at; done | sort -u; \
            (echo x > /proc/sys/kernel/hostname) 2>&1 | grep -o 'Read-only'";
        let seen = run(&root, open).success();
        seen.stdout("3\n3\nNo space\nfd\n/dev/pts/ptmx\nshm\n1:3\nRead-only\n").stderr(is_empty());
        let modes = "stat -L -c '%n %F %a %t:%T' /dev/null /dev/tty | sed s/special.file/device/";
        let nodes = "/dev/null character device 666 1:3\n/dev/tty character device 666 5:0\n";
        run(&root, modes).success().stdout(nodes);
    };
    shielded(look);
    needs!(subuid);
    Shield::new().as_user().run(look);
}

#[test]
fn a_container_knows_its_terminal_by_name() {
    shielded(|| {
        run("-t --rootfs host", "tty").success().stdout("/dev/console\r\n");
    });
}

#[test]
fn a_link_in_the_image_leads_nowhere_but_into_the_image() {
    shielded(|| {
        let (shared, root, outside) = (host_directory("shared"), Rootfs::in_shield(), dir().join("outside"));
        fs::create_dir(&outside).unwrap();
        symlink(&outside, root.path().join("data")).unwrap();
        symlink("../../../../../../../../etc", root.path().join("up")).unwrap();
        let flags = format!(
            "--rootfs {} -v {}:/data -v {2}:/up/there:ro",
            root.path().display(),
            shared.display(),
            shared.display()
        );
        run(&flags, "cat /data/file /etc/there/file; ls /etc").failure();
        // The link dangles inside: there is nothing to mount on, and nothing was made outside.
        assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
        fs::create_dir_all(root.path().join(outside.strip_prefix("/").unwrap())).unwrap();
        run(&flags, "cat /data/file /etc/there/file").success().stdout("of the host\nof the host\n");
        assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
        assert!(!PathBuf::from("/etc/there").exists());
    });
}

#[test]
fn whoever_swaps_the_mount_point_for_a_link_gets_neither_the_host_nor_a_writable_volume() {
    Shield::new().deadline(Duration::from_secs(60)).run(|| {
        let (shared, root, outside) = (host_directory("shared"), Rootfs::in_shield(), dir().join("outside"));
        let (data, link) = (root.path().join("data"), root.path().join("link"));
        fs::create_dir(&outside).unwrap();
        fs::create_dir(&data).unwrap();
        symlink(&outside, &link).unwrap();
        let flags = format!("--rootfs {} -v {}:/data:ro", root.path().display(), shared.display());
        let is_over = AtomicBool::new(false);
        let started = std::thread::scope(|scope| {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    renameat2(AT_FDCWD, &data, AT_FDCWD, &link, RenameFlags::RENAME_EXCHANGE).unwrap();
                }
            });
            let codes = (0..60).map(|_| run(&flags, "(: > /data/new) 2>/dev/null; exit 0").get_output().status.code());
            let started = codes.filter(|code| *code == Some(0)).count();
            is_over.store(true, Ordering::Relaxed);
            started
        });
        assert!(started > 0, "the swaps won every time: nothing was seen");
        assert_eq!(fs::read_dir(&outside).unwrap().count(), 0, "something was made outside");
        assert!(!shared.join("new").exists(), "the read-only volume was written");
    });
}

#[test]
fn a_named_volume_outlives_its_container_and_begins_with_a_copy() {
    shielded(|| {
        let root = Rootfs::in_shield();
        fs::create_dir(root.path().join("srv")).unwrap();
        fs::set_permissions(root.path().join("srv"), fs::Permissions::from_mode(0o750)).unwrap();
        fs::write(root.path().join("srv/seed"), "of the image\n").unwrap();
        let flags = format!("--rootfs {} -v store:/srv", root.path().display());
        run(&flags, "cat /srv/seed; echo kept > /srv/new; rm -f /srv/seed").stdout("of the image\n");
        run(&flags, "ls /srv").success().stdout(contains("new"));
        assert!(root.path().join("srv/seed").exists() && !root.path().join("srv/new").exists());
        let data = PathBuf::from(env::var("BOXWRIGHT_DATA").unwrap()).join("volumes/store/_data");
        assert_eq!(fs::metadata(&data).unwrap().permissions().mode() & 0o7777, 0o750);
        boxwright("volume ls").success().stdout("store\n");
        boxwright("volume inspect store").success().stdout(contains(data.to_str().unwrap()).and(contains("nobody")));
        run(&flags.replace("store:/srv", "empty:/srv:nocopy"), "ls /srv").success().stdout("");
        boxwright("volume rm store empty").success().stdout(is_empty());
        boxwright("volume rm store").code(1).stderr(contains("find the volume store"));
        boxwright("volume rm ../x").code(2).stderr(contains("volume name"));
    });
}

#[test]
fn a_volume_in_use_is_not_removed() {
    shielded(|| {
        let root = root_with(&[]);
        let mut holder = Command::new(env!("CARGO_BIN_EXE_boxwright"))
            .args(["run", "--name", "holder"])
            .args(root.split(' '))
            .args(["-v", "store:/data", "-i", "--", "sh", "-c"])
            .arg("echo up; read end")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        std::io::Read::read_exact(holder.stdout.as_mut().unwrap(), &mut [0; 3]).unwrap();
        boxwright("volume rm store").code(1).stderr(contains("store (used by holder): EBUSY"));
        boxwright("volume inspect store").success().stdout(contains("used by    holder\n"));
        drop(holder.stdin.take());
        holder.wait().unwrap();
        boxwright("volume rm store").success();
    });
}

#[test]
fn an_anonymous_volume_goes_with_its_container() {
    shielded(|| {
        let root = Rootfs::in_shield();
        fs::create_dir(root.path().join("srv")).unwrap();
        fs::write(root.path().join("srv/seed"), "of the image\n").unwrap();
        let flags = format!("--rootfs {} -v /srv --mount dst=/second", root.path().display());
        for _ in 0..2 {
            run(&flags, "ls /srv; echo x > /srv/new; echo x > /second/new").success().stdout("seed\n");
        }
        assert_eq!(fs::read_dir(root.path().join("srv")).unwrap().count(), 1);
        boxwright("volume ls").success().stdout("");
        assert_eq!(states(), Vec::<String>::new());
    });
}

#[test]
fn every_flag_works_without_root() {
    needs!(subuid);
    Shield::new().as_user().run(|| {
        let shared = host_directory("shared");
        let flags = format!(
            "--rootfs host --read-only -v {0}:/data -v {0}:/closed:ro -v store:/store -v /own --tmpfs /t:size=1m",
            shared.display()
        );
        let write = "for at in / /data /closed /store /own /t; do (: > $at/new) 2>/dev/null && echo $at; done";
        run(&flags, write).success().stdout("/data\n/store\n/own\n/t\n").stderr(is_empty());
        boxwright("volume ls").success().stdout("store\n");
        assert_eq!(states(), Vec::<String>::new());
    });
}

#[test]
fn a_value_that_cannot_be_right_is_refused_before_anything_is_made() {
    shielded(|| {
        let bind = "PATH absolute and there";
        for (flags, words) in [
            ("-v relative/path:/data", "./relative"),
            ("-v ./new:data", "DST an absolute path"),
            ("-v ./new:/data/../x", "DST an absolute path"),
            ("-v ./new:/", "DST an absolute path"),
            ("-v ./new:/data:sometimes", "[:ro|rw|nocopy|idmap]"),
            ("-v ./new:/data:ro:x", "[:ro|rw|nocopy|idmap]"),
            ("-v :/data", "[SRC:]DST"),
            ("-v ./new:/data -v ./new:/data/", "one mount for each place"),
            ("--tmpfs data", "DST[:size=64m"),
            ("--tmpfs /dev:ro", "other than / and /dev"),
            ("--tmpfs /data:size=0", "size=64m"),
            ("--tmpfs /data:size=much", "size=64m"),
            ("--tmpfs /data:mode=9", "mode=1777"),
            ("--tmpfs /data:exec", "mode=1777"),
            ("--mount type=floppy,dst=/data", "type=bind, type=volume or type=tmpfs"),
            ("--mount type=bind,src=/no/such,dst=/data", bind),
            ("--mount type=bind,dst=/data", bind),
            ("--mount type=bind,src=/,dst=/data,tmpfs-size=1m", bind),
            ("--mount type=bind,src=/,dst=/data,readonly=maybe", bind),
            ("--mount type=bind,src=/,dst=/data,bind-recursive=disabled", bind),
            ("--mount type=tmpfs,dst=/data,src=/x", "tmpfs-size=64m"),
            ("--mount type=tmpfs,dst=/data,tmpfs-size=x", "tmpfs-size=64m"),
            ("--mount type=tmpfs", "target=DST"),
            ("--mount source=a/b,dst=/data", "type=volume[,source=NAME]"),
            ("--mount source=,dst=/data", "type=volume[,source=NAME]"),
        ] {
            let flag = flags.split(' ').nth(1).unwrap();
            let named = contains(flag).or(contains("volume name \"")).or(contains("mount point \""));
            let one_line = starts_with("boxwright: ").and(contains(words)).and(named).and(contains("\n").count(1));
            run(&format!("--rootfs host {flags}"), "true").code(2).stdout(is_empty()).stderr(one_line);
        }
        assert!(!dir().join("new").exists());
        boxwright("volume ls").success().stdout("");
        assert_eq!(states(), Vec::<String>::new());
    });
}
