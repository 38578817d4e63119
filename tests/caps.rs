//! Containers with few capabilities and other users, from outside, on the reference: what no lab's test looks at.
//!
//! Every test runs under a shield, whose audit sees what a container leaves behind.

#![cfg(feature = "solutions")]

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use boxwright::steps::caps;
use model::caps::{CapSet, FileCaps};
use nix::mount::{MsFlags, mount, umount};
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use predicates::prelude::*;
use predicates::str::{contains, is_empty};
use testkit::{Rootfs, Shield, USER, dir, needs, rootfs, shielded};

const NET_RAW: CapSet = CapSet(1 << 13);

/// `boxwright run FLAGS -- sh -c SCRIPT`; the flags are split at spaces.
fn run(flags: &str, script: &str) -> assert_cmd::assert::Assert {
    let mut command = testkit::boxwright!();
    command.arg("run").args(flags.split_whitespace()).args(["--", "sh", "-c", script]).env("LC_ALL", "C").assert()
}

/// The same in a root file system, which says who the command is.
fn who(root: &Image, user: &str) -> assert_cmd::assert::Assert {
    let script =
        r"while read -r key words; do case $key in Uid:|Gid:|Groups:) echo $words;; esac; done </proc/self/status";
    run(&format!("--rootfs {} {user}", root.path()), script)
}

/// Four times the same number, as a status shows who a process is.
fn ids(id: u32) -> String {
    [id; 4].map(|id| id.to_string()).join(" ")
}

/// A root file system with an /etc of its own.
struct Image(Rootfs);

impl Image {
    fn new(programs: &[&str]) -> Image {
        Image::at(dir().join("root"), programs)
    }

    fn at(path: PathBuf, programs: &[&str]) -> Image {
        Image(Rootfs::build(path, &[&["sh", "cat"], programs].concat()).unwrap())
    }

    fn path(&self) -> String {
        self.0.path().display().to_string()
    }

    fn etc(&self, name: &str) -> PathBuf {
        self.0.path().join("etc").join(name)
    }

    /// Where its program `name` is on the host.
    fn program(&self, name: &str) -> PathBuf {
        self.0.path().join(rootfs::find(name).unwrap().strip_prefix("/").unwrap())
    }
}

#[test]
fn a_passwd_that_leads_out_leads_nowhere() {
    shielded(|| {
        let image = Image::new(&[]);
        // By every way to the host's own, which has a root and a daemon.
        for target in ["/etc/shadow", "../../../../../../../../etc/shadow", "/proc/1/root/etc/passwd", "/proc/self/cwd"]
        {
            symlink(target, image.etc("passwd")).unwrap();
            who(&image, "--user daemon").code(2).stdout(is_empty()).stderr(contains("--user \"daemon\" is not valid"));
            who(&image, "").success().stdout(contains(ids(0)));
            fs::remove_file(image.etc("passwd")).unwrap();
        }
        // Inside, this one is itself.
        symlink("/etc/passwd", image.etc("passwd")).unwrap();
        who(&image, "--user daemon").code(125).stdout(is_empty()).stderr(contains("ELOOP"));
        fs::remove_file(image.etc("passwd")).unwrap();
        fs::remove_dir(image.0.path().join("etc")).unwrap();
        symlink("/etc", image.0.path().join("etc")).unwrap();
        who(&image, "--user daemon").failure().stdout(is_empty());
    });
}

#[test]
fn a_passwd_that_is_no_file_is_refused_and_nobody_waits() {
    shielded(|| {
        let image = Image::new(&[]);
        for name in ["passwd", "group"] {
            mkfifo(&image.etc(name), Mode::S_IRWXU).unwrap();
            let refused = who(&image, "--user daemon").code(125).stdout(is_empty());
            refused.stderr(contains(format!("read the container's /etc/{name}: it is no file")));
            fs::remove_file(image.etc(name)).unwrap();
            fs::create_dir(image.etc(name)).unwrap();
            who(&image, "--user daemon").code(125).stderr(contains("it is no file"));
            fs::remove_dir(image.etc(name)).unwrap();
        }
    });
}

#[test]
fn a_passwd_may_be_huge_and_anything_but_text() {
    shielded(|| {
        let image = Image::new(&[]);
        fs::write(image.etc("passwd"), b"\xff\xfe:x:\xff:0\n\n::::\nroot\n:x:7:7::/:\nme:x:0:0:\xff:/m\xffe:/bin/sh\n")
            .unwrap();
        run(&format!("--rootfs {} --user me", image.path()), "echo $HOME").success().stdout("/m\u{fffd}e\n");
        File::options().write(true).open(image.etc("passwd")).unwrap().set_len(1 << 40).unwrap();
        run(&format!("--rootfs {} --user me", image.path()), "echo $HOME").success();
        run(&format!("--rootfs {} --user you", image.path()), "true").code(2);
    });
}

#[test]
fn only_an_id_is_an_id() {
    shielded(|| {
        let image = Image::new(&[]);
        let lines = "last:x:4294967295:0::/:\nnext:x:4294967296:0::/:\nminus:x:-1:0::/:\nword:x:zero:0::/:\nnone:x::0::/:\n\
                     cut:x\ngroupless:x:0\nlastgroup:x:0:4294967295::/:\nwordgroup:x:0:zero::/:\n";
        fs::write(image.etc("passwd"), lines).unwrap();
        fs::write(image.etc("group"), "last:x:4294967295:\nword:x:zero:\nnone:x::\ncut\n").unwrap();
        for user in [
            "last",
            "next",
            "minus",
            "word",
            "none",
            "cut",
            "groupless",
            "lastgroup",
            "wordgroup",
            "4294967295",
            "-1",
            "''",
            "1x",
        ] {
            who(&image, &format!("--user={user}")).code(2).stdout(is_empty()).stderr(contains("is not valid"));
        }
        for group in ["last", "word", "none", "cut", "4294967295", "-1"] {
            who(&image, &format!("--user=0:{group}")).code(2).stdout(is_empty());
            let refused = who(&image, &format!("--group-add={group}")).code(2).stdout(is_empty());
            refused.stderr(contains(format!("--group-add {group:?} is not valid")));
        }
    });
}

#[test]
fn a_name_may_be_a_number() {
    needs!(subuid);
    Shield::new().with_ids().run(|| {
        let image = Image::new(&[]);
        fs::write(image.etc("passwd"), format!("100001:x:{USER}:100002::/:\n")).unwrap();
        fs::write(image.etc("group"), "100003:x:100004:100001\n").unwrap();
        // As a name it comes first, as Docker has it.
        who(&image, "--user 100001").success().stdout(format!("{}\n{}\n100004\n", ids(USER), ids(100_002)));
        who(&image, "--user 100005").success().stdout(format!("{}\n{}\n\n", ids(100_005), ids(0)));
        who(&image, "--user 100005:100003").success().stdout(format!("{}\n{}\n\n", ids(100_005), ids(100_004)));
    });
}

#[test]
fn home_is_where_the_container_says() {
    shielded(|| {
        let image = Image::new(&[]);
        let home = |flags: &str| {
            let seen = run(&format!("--rootfs {} {flags}", image.path()), "echo $HOME").success();
            String::from_utf8(seen.get_output().stdout.clone()).unwrap()
        };
        assert_eq!(home(""), "/root\n");
        fs::write(image.etc("passwd"), "root:x:0:0::/home/root:/bin/sh\n").unwrap();
        assert_eq!(home(""), "/home/root\n");
        assert_eq!(home("--user root"), "/home/root\n");
        assert_eq!(home("--env HOME=/mine"), "/mine\n");
        fs::write(image.etc("passwd"), "root:x:0:0::no/path:/bin/sh\n").unwrap();
        assert_eq!(home(""), "/root\n");
        fs::write(image.etc("passwd"), "root:x:0:0::/a\0b:/bin/sh\n").unwrap();
        run(&format!("--rootfs {}", image.path()), "true").code(2).stderr(contains("text without a NUL byte"));
    });
}

#[test]
fn with_the_hosts_root_the_names_are_the_hosts() {
    needs!(root);
    shielded(|| {
        run("--user daemon", "cat /proc/self/status")
            .success()
            .stdout(contains(format!("Uid:\t{}\n", ids(1).replace(' ', "\t"))));
        // Root made of the host's programs has no users.
        run("--rootfs host --user daemon", "true").code(2).stderr(contains("--user \"daemon\" is not valid"));
    });
}

#[test]
fn a_terminal_belongs_to_the_user() {
    needs!(subuid);
    // The shield's terminals are the host's, and read-only with all else: these are its own.
    Shield::new().with_ids().unaudited().run(|| {
        let own = dir().join("pts");
        fs::create_dir(&own).unwrap();
        mount(Some("devpts"), &own, Some("devpts"), MsFlags::empty(), Some("newinstance,ptmxmode=0666,mode=0620"))
            .unwrap();
        for (from, to) in [(own.join("ptmx"), "/dev/ptmx"), (own, "/dev/pts")] {
            mount(Some(&from), to, None::<&str>, MsFlags::MS_BIND, None::<&str>).unwrap();
        }
        let image = Image::new(&["stat", "tty"]);
        for more in ["", "--init"] {
            let flags = format!("-t --user {USER} {more} --rootfs {}", image.path());
            let seen = run(&flags, "tty && echo hi > /dev/console && stat -c %u /dev/console");
            seen.success().stdout(format!("/dev/console\r\nhi\r\n{USER}\r\n"));
        }
    });
}

#[test]
fn the_init_is_the_user_too() {
    needs!(subuid);
    Shield::new().with_ids().run(|| {
        let image = Image::new(&["sleep", "kill"]);
        let flags = format!("--init --user {USER} --cap-add net_raw --rootfs {}", image.path());
        let script = "cat /proc/1/status; (sleep 0.05 &); sleep 0.1; exit 7";
        let seen = run(&flags, script).code(7).stdout(contains(format!("Uid:\t{}\n", ids(USER).replace(' ', "\t"))));
        seen.stdout(contains(format!("CapPrm:\t{NET_RAW}\nCapEff:\t{NET_RAW}\n")));
        run(&flags, "kill -TERM $$").code(128 + 15);
    });
}

/// Starts a container that sleeps, and returns when it has said "up".
fn sleeper(flags: &str) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_boxwright"));
    command.arg("run").args(flags.split_whitespace()).args(["--", "sh", "-c", "echo up; exec sleep 600"]);
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().expect("start boxwright");
    let mut line = String::new();
    BufReader::new(child.stdout.take().expect("piped")).read_line(&mut line).expect("up");
    assert_eq!(line, "up\n");
    child
}

/// The processes whose arguments contain 600.
fn sleepers() -> usize {
    let processes = fs::read_dir("/proc").expect("/proc").flatten();
    let lines = processes.filter_map(|process| fs::read(process.path().join("cmdline")).ok());
    lines.filter(|line| line.split(|byte| *byte == 0).any(|arg| arg == b"600")).count()
}

#[test]
fn a_killed_boxwright_takes_the_users_container_along() {
    needs!(subuid);
    Shield::new().with_ids().run(|| {
        let image = Image::new(&["sleep"]);
        for more in ["", "--init", "--cap-add net_raw"] {
            let mut container = sleeper(&format!("--user {USER} {more} --rootfs {}", image.path()));
            container.kill().unwrap();
            container.wait().unwrap();
            let deadline = Instant::now() + testkit::patience(Duration::from_secs(5));
            while sleepers() > 0 {
                assert!(Instant::now() < deadline, "the container lives on with {more:?}");
                sleep(Duration::from_millis(5));
            }
        }
        testkit::boxwright!().arg("ps").assert().success().stderr(contains("swept"));
    });
}

/// Gives a program CAP_NET_RAW, for whoever starts it.
fn give_net_raw(program: &Path, root: Option<u32>) {
    let own = FileCaps { permitted: NET_RAW, inheritable: CapSet::EMPTY, effective: true, root };
    caps::set_file_caps(program, &own).unwrap();
}

#[test]
fn capabilities_of_files_come_along_into_a_volume() {
    needs!(subuid);
    Shield::new().with_ids().run(|| {
        let image = Image::new(&[]);
        let data = image.0.path().join("data");
        fs::create_dir(&data).unwrap();
        fs::copy(image.program("cat"), data.join("cat")).unwrap();
        give_net_raw(&data.join("cat"), None);
        let flags = format!("--rootfs {} --user {USER} -v named:/data", image.path());
        let seen = run(&flags, "/data/cat /proc/self/status").success().stderr(is_empty());
        seen.stdout(contains(format!("CapPrm:\t{NET_RAW}\nCapEff:\t{NET_RAW}\n")));
        // What the container does not have, no file of the image can give it.
        let seen = run(&format!("{flags} --cap-drop net_raw"), "/data/cat /proc/self/status");
        seen.failure().stderr(contains("not permitted"));
    });
}

#[test]
fn those_of_another_root_stay_behind() {
    needs!(subuid);
    Shield::new().with_ids().run(|| {
        let image = Image::new(&[]);
        let data = image.0.path().join("data");
        fs::create_dir(&data).unwrap();
        fs::copy(image.program("cat"), data.join("cat")).unwrap();
        give_net_raw(&data.join("cat"), Some(100_007));
        let flags = format!("--rootfs {} --user {USER} -v named:/data", image.path());
        run(&flags, "/data/cat /proc/self/status").success().stdout(contains(format!("CapPrm:\t{}\n", CapSet::EMPTY)));
    });
}

#[test]
fn a_remapped_copy_gives_them_to_the_containers_root() {
    needs!(root, program = newuidmap);
    // The change to /etc would be a finding.
    Shield::new().unaudited().run(|| {
        for file in ["subuid", "subgid"] {
            let own = dir().join(file);
            fs::write(&own, "root:300000:2000\n").unwrap();
            mount(Some(&own), &Path::new("/etc").join(file), None::<&str>, MsFlags::MS_BIND, None::<&str>).unwrap();
        }
        // An overlay has attributes, and cannot be mounted with other owners.
        let place = |name: &str| dir().join(name).display().to_string();
        for name in ["lower", "upper", "work", "root"] {
            fs::create_dir(place(name)).unwrap();
        }
        let options = format!("lowerdir={},upperdir={},workdir={}", place("lower"), place("upper"), place("work"));
        mount(Some("overlay"), place("root").as_str(), Some("overlay"), MsFlags::empty(), Some(options.as_str()))
            .unwrap();
        let image = Image::at(dir().join("root"), &["stat"]);
        fs::copy(image.program("cat"), image.0.path().join("anothers")).unwrap();
        give_net_raw(&image.0.path().join("anothers"), Some(100_007));
        give_net_raw(&image.program("cat"), None);
        let flags = format!("--userns-remap root --user 5 --rootfs {}", image.path());
        let seen = run(&flags, "stat -c %u:%g /bin/.. ; cat /proc/self/status").success();
        seen.stdout(contains(format!("CapPrm:\t{NET_RAW}\nCapEff:\t{NET_RAW}\n"))).stderr(contains("gets a copy"));
        // Those that count for somebody else are not turned into the container's.
        run(&flags, "/anothers /proc/self/status").success().stdout(contains(format!("CapPrm:\t{}\n", CapSet::EMPTY)));
        // The image is as it was.
        assert_eq!(caps::file_caps(&image.program("cat")).unwrap().unwrap().root, None);
        umount(place("root").as_str()).unwrap();
    });
}

#[test]
fn an_ordinary_user_has_users_inside() {
    needs!(subuid);
    Shield::new().as_user().run(|| {
        let shared = dir().join("tmp/shared");
        fs::create_dir(&shared).unwrap();
        fs::set_permissions(&shared, fs::Permissions::from_mode(0o777)).unwrap();
        let flags = format!("--rootfs host --user 5:6 --group-add 7 -v {}:/v", shared.display());
        let seen = run(&flags, "cat /proc/self/status; > /v/file").success().stderr(is_empty());
        let lines = format!("Uid:\t{}\nGid:\t{}\n", ids(5).replace(' ', "\t"), ids(6).replace(' ', "\t"));
        let sets = format!("CapPrm:\t{0}\nCapEff:\t{0}\nCapBnd:\t{1}\n", CapSet::EMPTY, CapSet::DEFAULT);
        seen.stdout(contains(lines).and(contains("Groups:\t7 \n")).and(contains(sets)));
        let owner = fs::metadata(shared.join("file")).map(|file| (file.uid(), file.gid())).unwrap();
        assert_eq!(owner, (100_004, 100_005));
    });
}

#[test]
fn a_user_that_has_no_id_is_told() {
    shielded(|| {
        // In here 0 alone is mapped when the caller is no root; as root, the container gets a map of its own.
        let (flags, is_root) = ("--rootfs host --user 4000000000", nix::unistd::Uid::current().is_root());
        let inside = fs::read_to_string("/proc/self/uid_map").unwrap();
        match is_root && inside.contains("4294967295") {
            true => run(flags, "cat /proc/self/status").success().stdout(contains("Uid:\t4000000000\t")),
            false => run(flags, "true").code(125).stdout(is_empty()).stderr(contains("4000000000: EINVAL")),
        };
    });
}
