//! Lab 05, `labs/lab05_root.rs`: two doors to another root. Chapter: `book/src/lab05-root.md`.
//!
//! Every test runs under Shield: the machine's files are read-only, and what is mounted is thrown away. The
//! "host" that a container must not see is a file with a random name in the shield's own directory.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::fd::{AsRawFd, IntoRawFd, OwnedFd, RawFd};
use std::os::unix::fs::{MetadataExt, chroot, symlink};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use boxwright::steps::root;
use model::{Error, Result};
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl, open, openat};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::stat::Mode;
use predicates::prelude::*;
use testkit::{Explained, Rootfs, check, dir, drop_capabilities, in_child, random_name, rootfs, shielded, written};

const RULES: &str = "lab05-root.md, The kernel's rules";
const TASKS: &str = "lab05-root.md, Tasks";
/// What each errno means when files are collected.
const COPY_REASONS: [(Errno, &str); 4] = [
    (Errno::EROFS, "the copy went onto the host's own file, here read-only: rootfs.join(\"/bin/ls\") is \"/bin/ls\""),
    (Errno::ENOENT, "a file is looked for, or to be made, in a directory that is not there; or ldd is not installed"),
    (Errno::EEXIST, "something is in the way; what is there already is to be replaced"),
    (Errno::ENOTDIR, "a part of the path is a file, where a directory is needed"),
];
/// What each errno of chroot(2) and chdir(2) means.
const CHROOT_REASONS: [(Errno, &str); 4] = [
    (Errno::EPERM, "chroot(2) needs CAP_SYS_CHROOT in the caller's user namespace"),
    (Errno::ENOENT, "a path from before chroot(2) was used after it: from then on / is the new root"),
    (Errno::EEXIST, "the directory of an earlier walk is still there: that is no obstacle"),
    (Errno::ENOTDIR, "the path leads to something that is no directory"),
];
const DESCRIPTOR_REASONS: [(Errno, &str); 3] = [
    (Errno::EINVAL, "close_range(2): the first number is above the last, or a flag that this kernel does not know"),
    (Errno::EBADF, "a descriptor that is not open was marked; the one that lists /proc/self/fd is closed by now"),
    (Errno::ENOENT, "/proc/self/fd is not there: /proc is not mounted, or the path is wrong"),
];

#[test]
fn task1_the_libraries_and_the_loader_are_found() {
    shielded(|| {
        for program in [find("ls"), find("sh"), std::env::current_exe().expect("the test's own path")] {
            let seen = root::libraries(&program).explained("libraries()", &COPY_REASONS, RULES);
            check_libraries(&program, &seen);
        }
    });
}

#[test]
fn task1_a_link_to_a_program_needs_what_the_program_needs() {
    shielded(|| {
        let link = dir().join(random_name("link"));
        symlink(find("ls"), &link).expect("a link");
        let seen = root::libraries(&link).explained("libraries() of a symbolic link", &COPY_REASONS, RULES);
        check_libraries(&link, &seen);
    });
}

#[test]
fn task1_a_static_program_needs_none() {
    shielded(|| {
        let program = dir().join(random_name("static"));
        static_program(&program);
        let seen = root::libraries(&program).map_err(|error| error.to_string());
        check!(
            seen.as_ref().is_ok_and(Vec::is_empty),
            expected: "an empty list for a program that is linked statically",
            seen: format!("{seen:?}"),
            likely: "ldd says \"not a dynamic executable\" and ends with 1 for it, which is no failure: there is nothing to copy",
            read: RULES,
        );
    });
}

#[test]
fn task1_a_missing_library_is_an_error() {
    shielded(|| {
        let program = dir().join(random_name("broken"));
        let mut bytes = fs::read(find("ls")).expect("ls");
        let name = b"\0libc.";
        let at = bytes.windows(name.len()).position(|window| window == name).expect("ls needs a libc");
        bytes[at + 4] = b'?';
        fs::copy(find("ls"), &program).and_then(|_| fs::write(&program, bytes)).expect("a copy");
        let seen = root::libraries(&program);
        check!(
            seen.is_err(),
            expected: "an error for a program that needs a library which this machine does not have",
            seen: format!("{seen:?}"),
            likely: match seen.as_deref() {
                Ok([]) => "nothing was found at all",
                _ => "the line with \"not found\" was skipped: the program would not start in the rootfs, and nobody would know why",
            },
            read: RULES,
        );
    });
}

#[test]
fn task1_a_missing_program_is_an_error() {
    shielded(|| {
        let seen = root::libraries(&dir().join(random_name("nothing"))).map(drop);
        check_refusal(seen, Errno::ENOENT, "libraries() of a program that is not there");
    });
}

#[test]
fn task2_the_programs_run_below_the_rootfs() {
    let marker = random_name("marker");
    shielded(|| {
        let (rootfs, programs) = (dir().join("rootfs"), [find("sh"), find("ls")]);
        fs::create_dir(&rootfs).expect("a directory");
        root::build_rootfs(&rootfs, &programs).explained("build_rootfs()", &COPY_REASONS, TASKS);
        check_copies(&rootfs, &programs);
        fs::write(rootfs.join(&marker), "").expect("a file");
        let script = format!("{} /", programs[1].display());
        let seen = output_below(&rootfs, &programs[0], &["-c", &script]);
        check!(
            seen.contains(&marker),
            expected: format!("`chroot rootfs sh -c 'ls /'` to show the rootfs, with {marker} in it"),
            seen: format!("{seen:?}"),
            likely: "a file that sh or ls needs is missing, or is not executable",
            read: TASKS,
        );
    });
}

#[test]
fn task2_a_link_is_copied_as_what_it_leads_to() {
    let name = random_name("tool");
    shielded(|| {
        let (tools, real) = (dir().join("tools"), dir().join("real"));
        fs::create_dir(&tools).and_then(|()| fs::create_dir(&real)).expect("two directories");
        fs::copy(find("ls"), real.join("ls")).expect("a copy");
        let link = tools.join(&name);
        symlink("../real/ls", &link).expect("a link");
        let rootfs = dir().join("rootfs");
        root::build_rootfs(&rootfs, std::slice::from_ref(&link)).explained("build_rootfs()", &COPY_REASONS, TASKS);
        check_copies(&rootfs, &[link]);
    });
}

#[test]
fn task2_what_is_there_already_is_replaced() {
    shielded(|| {
        let (rootfs, program) = (dir().join("rootfs"), find("ls"));
        let old = below(&rootfs, &program);
        fs::create_dir_all(old.parent().expect("a parent")).expect("a directory");
        fs::write(&old, random_name("old")).expect("a file");
        for _ in 0..2 {
            root::build_rootfs(&rootfs, std::slice::from_ref(&program)).explained(
                "build_rootfs()",
                &COPY_REASONS,
                TASKS,
            );
            check_copies(&rootfs, std::slice::from_ref(&program));
        }
    });
}

#[test]
fn task2_a_missing_program_is_an_error() {
    shielded(|| {
        let missing = dir().join(random_name("nothing"));
        let seen = root::build_rootfs(&dir().join("rootfs"), &[missing]);
        check_refusal(seen, Errno::ENOENT, "build_rootfs() of a program that is not there");
    });
}

#[test]
fn task3_the_directory_becomes_root_and_working_directory() {
    shielded(|| {
        let (rootfs, places) = (small_rootfs(), Places::of_this_machine());
        let [root, cwd] = in_child(|| {
            root::enter_chroot(rootfs.path()).explained("enter_chroot()", &CHROOT_REASONS, RULES);
            whereabouts()
        });
        check!(
            root == id(rootfs.path()),
            expected: "/ to be the rootfs",
            seen: format!("/ is {}", places.name(root)),
            likely: "chroot(2) was not called, or with another path",
            read: RULES,
        );
        check!(
            cwd == root,
            expected: "the working directory to be the new root",
            seen: format!("it is {}", places.name(cwd)),
            likely: "no chdir(2) after chroot(2): the working directory is still outside, and `..` leads on from there",
            read: RULES,
        );
    });
}

#[test]
fn task3_what_is_no_directory_is_refused() {
    refuses_what_is_no_directory("enter_chroot()", root::enter_chroot);
}

#[test]
fn task3_without_the_capability_the_refusal_is_reported() {
    shielded(|| {
        let rootfs = small_rootfs();
        drop_capabilities();
        check_refusal(root::enter_chroot(rootfs.path()), Errno::EPERM, "enter_chroot() without CAP_SYS_CHROOT");
    });
}

#[test]
fn task4_the_walk_ends_at_the_root_of_the_host() {
    walks_out_from("/");
}

#[test]
fn task4_the_walk_may_start_anywhere_below_the_chroot() {
    walks_out_from("/tmp");
}

#[test]
fn task4_a_second_walk_works_too() {
    shielded(|| {
        let (rootfs, places) = (deep_rootfs(), Places::of_this_machine());
        let walks = [
            (
                "the first walk",
                "even one walk does not get out: this is not about the second; task4_the_walk_ends_at_the_root_of_the_host says where it ends",
            ),
            (
                "a second walk",
                "the first walk left something behind that sends the second another way: look at what the code does when its mkdir(2) meets EEXIST",
            ),
        ];
        for (walk, likely) in walks {
            let [root, cwd] = in_child(|| {
                chroot(rootfs.path()).and_then(|()| std::env::set_current_dir("/")).expect("chroot");
                root::escape_chroot().explained(walk, &CHROOT_REASONS, TASKS);
                whereabouts()
            });
            check!(
                [root, cwd] == [id(Path::new("/")); 2],
                expected: format!("{walk} to end at the root of the host"),
                seen: format!("/ is {}, the working directory is {}", places.name(root), places.name(cwd)),
                likely: likely,
                read: TASKS,
            );
        }
    });
}

#[test]
fn task4_without_the_capability_the_refusal_is_reported() {
    shielded(|| {
        let rootfs = small_rootfs();
        chroot(rootfs.path()).and_then(|()| std::env::set_current_dir("/")).expect("chroot");
        drop_capabilities();
        check_refusal(root::escape_chroot(), Errno::EPERM, "escape_chroot() without CAP_SYS_CHROOT");
    });
}

#[test]
fn task5_the_directory_becomes_root_and_working_directory() {
    shielded(|| {
        let (rootfs, places) = (small_rootfs(), Places::of_this_machine());
        let names = in_child(|| {
            chroot(rootfs.path()).expect("chroot");
            testkit::inside().root
        });
        let ([root, cwd], listing) = in_child(|| {
            enter_pivot_root(rootfs.path());
            (whereabouts(), testkit::inside().root)
        });
        check!(
            root == id(rootfs.path()),
            expected: "/ to be the rootfs",
            seen: format!("/ is {}", places.name(root)),
            likely: "pivot_root(2) was not called, or with another path",
            read: RULES,
        );
        check!(
            cwd == root,
            expected: "the working directory to be the new root",
            seen: format!("it is {}", places.name(cwd)),
            likely: "pivot_root(2) moves a working directory only if it was the old root itself: this one was left in the old tree, which is detached and yet reachable from there",
            read: RULES,
        );
        check!(
            listing == names,
            expected: format!("/ to hold {names:?}, as before"),
            seen: format!("{listing:?}"),
            likely: "the directory for the old root is left over: rmdir it, or use pivot_root(\".\", \".\"), which needs none",
            read: TASKS,
        );
    });
}

#[test]
fn task5_the_old_root_is_gone() {
    shielded(|| {
        let rootfs = small_rootfs();
        let (points, entered) = in_child(|| {
            let proc = open("/proc", OFlag::O_PATH | OFlag::O_CLOEXEC, Mode::empty()).expect("/proc");
            enter_pivot_root(rootfs.path());
            let points: Vec<_> = mount_points(&proc).into_iter().map(|(point, _)| point).collect();
            (points, id(Path::new("/")))
        });
        check!(
            points == [Path::new("/")],
            expected: "one mount in sight from the root: the new root itself",
            seen: format!("{} mounts, among them {:?}", points.len(), &points[..points.len().min(4)]),
            likely: match () {
                () if entered != id(rootfs.path()) => "the root was not changed",
                () if points.is_empty() => "you are in a chroot: the root of the mount namespace has not moved",
                () => "the old root is still mounted, with all that is below it: umount2(2) it with MNT_DETACH",
            },
            read: RULES,
        );
    });
}

#[test]
fn task5_mounts_below_the_root_come_along() {
    let (name, text) = (random_name("volume"), random_name("text"));
    shielded(|| {
        let rootfs = small_rootfs();
        let volume = rootfs.path().join(&name);
        fs::create_dir(&volume).expect("a directory");
        let (entered, seen) = in_child(|| {
            unshare(CloneFlags::CLONE_NEWNS).expect("unshare");
            make_private();
            mount(Some("tmpfs"), &volume, Some("tmpfs"), MsFlags::empty(), None::<&str>).expect("a tmpfs");
            fs::write(volume.join("file"), &text).expect("a file");
            enter_pivot_root(rootfs.path());
            (id(Path::new("/")), fs::read_to_string(format!("/{name}/file")).ok())
        });
        check!(
            seen.as_ref() == Some(&text),
            expected: format!("what is mounted at {name} below the rootfs to be there afterwards"),
            seen: format!("{seen:?}"),
            likely: if entered != id(rootfs.path()) {
                "the root was not changed"
            } else {
                "the rootfs was bound onto itself without MS_REC: the bind shows the directories and none of the mounts below"
            },
            read: RULES,
        );
    });
}

#[test]
fn task5_the_walk_out_leads_nowhere() {
    let marker = random_name("marker");
    shielded(|| {
        let rootfs = deep_rootfs();
        let secret = dir().join(&marker);
        fs::write(&secret, "").expect("a file");
        let through_chroot = in_child(|| {
            root::enter_chroot(rootfs.path()).explained("enter_chroot()", &CHROOT_REASONS, RULES);
            let hidden = !secret.exists();
            root::escape_chroot().explained("escape_chroot()", &CHROOT_REASONS, TASKS);
            hidden && secret.exists()
        });
        check!(
            through_chroot,
            expected: format!("the walk out of the chroot to find {}", secret.display()),
            seen: "it does not",
            likely: "task 3 or task 4 is not right yet",
            read: TASKS,
        );
        let (entered, mounts, found, [end, _]) = in_child(|| {
            let proc = open("/proc", OFlag::O_PATH | OFlag::O_CLOEXEC, Mode::empty()).expect("/proc");
            enter_pivot_root(rootfs.path());
            let (entered, mounts) = (id(Path::new("/")), mount_points(&proc).len());
            // Whether the walk ends with an error or in the rootfs: it must not end outside.
            let _ = root::escape_chroot();
            (entered, mounts, secret.exists(), whereabouts())
        });
        check!(
            !found && end != id(Path::new("/")),
            expected: "the same walk to find nothing once the root was entered by pivot_root(2)",
            seen: format!("{} is there, and / is the host's", secret.display()),
            likely: match () {
                () if entered != id(rootfs.path()) => "the root was not changed",
                () if mounts > 1 => "the old root is still mounted, on top of the new one or below it, and that is where `..` leads",
                () => "the door is still open: the root of the process has moved, the root of its mount namespace has not, as with chroot(2)",
            },
            read: RULES,
        );
    });
}

#[test]
fn task5_what_is_no_directory_is_refused() {
    refuses_what_is_no_directory("enter_pivot_root()", |path| {
        unshare(CloneFlags::CLONE_NEWNS).expect("unshare");
        root::enter_pivot_root(path)
    });
}

#[test]
fn task5_without_the_capability_the_refusal_is_reported() {
    shielded(|| {
        let rootfs = small_rootfs();
        unshare(CloneFlags::CLONE_NEWNS).expect("unshare");
        drop_capabilities();
        check_refusal(root::enter_pivot_root(rootfs.path()), Errno::EPERM, "enter_pivot_root() without CAP_SYS_ADMIN");
    });
}

#[test]
fn task6_every_descriptor_is_marked_and_none_is_closed() {
    shielded(|| {
        let answer = dir().join("answer");
        // Through a file: the pipe between the two processes is a descriptor too, and may be closed by mistake.
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            in_child(|| {
                let opened = open_some("/");
                root::seal_fds().explained("seal_fds()", &DESCRIPTOR_REASONS, RULES);
                let found: BTreeMap<_, _> = [0, 1, 2].into_iter().chain(opened).map(|fd| (fd, fate(fd))).collect();
                fs::write(&answer, serde_json::to_string(&found).expect("JSON")).expect("a file");
            });
        }));
        let Ok(answer) = fs::read_to_string(&answer) else {
            resume_unwind(outcome.err().unwrap_or_else(|| Box::new("no answer from the child")));
        };
        let found: BTreeMap<RawFd, String> = serde_json::from_str(&answer).expect("JSON");
        let those = |fate: &str, numbers: std::ops::Range<RawFd>| -> Vec<RawFd> {
            found.iter().filter(|(fd, seen)| numbers.contains(fd) && *seen == fate).map(|(fd, _)| *fd).collect()
        };
        let closed = those("closed", 0..RawFd::MAX);
        check!(
            closed.is_empty(),
            expected: "every descriptor to stay open until the exec",
            seen: format!("these are closed at once: {closed:?}"),
            likely: "close_range(2) without CLOSE_RANGE_CLOEXEC: whoever owns one of them uses it once more",
            read: RULES,
        );
        let marked = those("marked", 0..3);
        check!(
            marked.is_empty(),
            expected: "the standard three, 0 to 2, to be left as they are",
            seen: format!("these are close-on-exec too: {marked:?}"),
            likely: "the range starts too low: the program would have no standard output",
            read: RULES,
        );
        let open = those("kept", 3..RawFd::MAX);
        check!(
            open.is_empty(),
            expected: "every descriptor from 3 up to be close-on-exec",
            seen: format!("not marked: {open:?}"),
            likely: if found.values().all(|fate| fate == "kept") {
                "none was marked"
            } else {
                "the range ends too early; nobody knows how many there are, so its end is the largest number, u32::MAX"
            },
            read: RULES,
        );
    });
}

#[test]
fn task6_nothing_that_the_program_inherits_leads_out() {
    shielded(|| {
        let rootfs = small_rootfs();
        let proc = rootfs.path().join("proc");
        let ls = find("ls");
        let seen = in_child(|| {
            unshare(CloneFlags::CLONE_NEWNS).expect("unshare");
            make_private();
            let bind = MsFlags::MS_BIND | MsFlags::MS_REC;
            mount(Some("/proc"), &proc, None::<&str>, bind, None::<&str>).expect("a bind mount");
            open_some("/");
            enter_pivot_root(rootfs.path());
            root::seal_fds().explained("seal_fds()", &DESCRIPTOR_REASONS, RULES);
            let output =
                Command::new(&ls).arg("/proc/self/fd").stdin(Stdio::inherit()).output().expect("ls runs in the rootfs");
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            text.split_whitespace().filter_map(|fd| fd.parse().ok()).collect::<BTreeSet<RawFd>>()
        });
        check!(
            seen == BTreeSet::from([0, 1, 2, 3]),
            expected: "the program to have descriptors 0 to 2, and 3, with which it lists them",
            seen: format!("{seen:?}"),
            likely: match seen.len() {
                0 => "no standard output: 0 to 2 have to stay",
                _ => "a directory of the host went through the exec with the program: openat(2) from there sees the host, whatever / is",
            },
            read: RULES,
        );
    });
}

#[test]
fn run_with_rootfs_host_has_programs_and_nothing_else_of_the_host() {
    written!(5, leans on 4);
    let marker = random_name("marker");
    shielded(|| {
        fs::write(dir().join(&marker), "").expect("a file");
        let here = dir().display().to_string();
        // One ls for both: it fails for the second directory, and shows the first.
        testkit::boxwright!()
            .args(["run", "--rootfs", "host", "--", "ls", "/", &here])
            .assert()
            .failure()
            .stdout(predicate::str::contains("proc").and(predicate::str::contains(&marker).not()));
    });
}

#[test]
fn run_with_a_rootfs_of_ones_own_sees_that_directory() {
    written!(5, leans on 4);
    let marker = random_name("marker");
    shielded(|| {
        let rootfs = small_rootfs();
        fs::write(rootfs.path().join(&marker), "").expect("a file");
        let path = rootfs.path().display().to_string();
        testkit::boxwright!()
            .args(["run", "--rootfs", &path, "--", "ls", "/"])
            .assert()
            .success()
            .stdout(predicate::str::contains(&marker));
    });
}

#[test]
fn run_ends_with_127_for_a_program_that_is_not_in_the_rootfs() {
    written!(5, leans on 4);
    let name = random_name("nothing");
    shielded(|| {
        let rootfs = small_rootfs();
        testkit::boxwright!()
            .args(["run", "--rootfs", &rootfs.path().display().to_string(), "--", &name])
            .assert()
            .code(127)
            .stderr(predicate::str::contains(&name));
    });
}

/// A directory, whatever path leads to it: device and inode number.
type Id = (u64, u64);

fn id(path: &Path) -> Id {
    fs::metadata(path).map(|metadata| (metadata.dev(), metadata.ino())).unwrap_or_default()
}

/// The root and the working directory of the calling process.
fn whereabouts() -> [Id; 2] {
    [id(Path::new("/")), id(Path::new("."))]
}

/// The directories that a process may end up in, by identity.
struct Places(Vec<(Id, PathBuf)>);

impl Places {
    fn of_this_machine() -> Self {
        let rootfs = dir().join("rootfs");
        let deep = deep_path();
        let known = [rootfs.as_path(), &deep].into_iter().flat_map(Path::ancestors);
        Places(known.map(|path| (id(path), path.to_owned())).collect())
    }

    fn path(&self, id: Id) -> Option<&Path> {
        self.0.iter().find(|(known, _)| *known == id).map(|(_, path)| path.as_path())
    }

    fn name(&self, id: Id) -> String {
        self.path(id).map_or("a directory inside the rootfs".to_owned(), |path| path.display().to_string())
    }
}

fn find(program: &str) -> PathBuf {
    rootfs::find(program).expect("a program that every machine has")
}

/// `/bin/ls` below `rootfs`.
fn below(rootfs: &Path, file: &Path) -> PathBuf {
    rootfs.join(file.strip_prefix("/").unwrap_or(file))
}

/// With `ls` alone, and the empty directories of every rootfs.
fn small_rootfs() -> Rootfs {
    Rootfs::build(dir().join("rootfs"), &["ls"]).expect("a rootfs")
}

fn deep_path() -> PathBuf {
    dir().join("a/rather/long/way/down")
}

/// So far down that nobody gets out by a lucky number of `..`.
fn deep_rootfs() -> Rootfs {
    Rootfs::build(deep_path(), &[]).expect("a rootfs")
}

fn make_private() {
    mount(None::<&str>, "/", None::<&str>, MsFlags::MS_REC | MsFlags::MS_PRIVATE, None::<&str>).expect("private");
}

/// The mount points of this mount namespace as seen from the caller's root, each with its propagation.
fn mount_points(proc: &OwnedFd) -> Vec<(PathBuf, String)> {
    let flags = OFlag::O_RDONLY | OFlag::O_CLOEXEC;
    let file = openat(proc, "self/mountinfo", flags, Mode::empty()).expect("mountinfo");
    let text = std::io::read_to_string(fs::File::from(file)).expect("mountinfo");
    let point = |line: &str| {
        let fields: Vec<&str> = line.split(" - ").next()?.split(' ').collect();
        Some((PathBuf::from(fields.get(4)?), fields.get(6..)?.join(" ")))
    };
    text.lines().filter_map(point).collect()
}

/// Task 5 in a mount namespace of its own, with the reason when the kernel refuses.
fn enter_pivot_root(rootfs: &Path) {
    unshare(CloneFlags::CLONE_NEWNS).expect("unshare");
    let proc = open("/proc", OFlag::O_PATH | OFlag::O_CLOEXEC, Mode::empty()).expect("/proc");
    let Err(error) = root::enter_pivot_root(rootfs) else { return };
    let mounts = mount_points(&proc);
    let shared = |path: &Path| mounts.iter().any(|(point, tags)| point == path && tags.contains("shared"));
    let is_mount = mounts.iter().any(|(point, _)| point == rootfs);
    let likely = match error.errno() {
        Some(Errno::EINVAL) if shared(Path::new("/")) => {
            "the mounts are still shared with the host, and pivot_root(2) refuses to change it: make / private first, with MS_REC"
        }
        Some(Errno::EINVAL) if shared(&dir()) => {
            "/ is private and the mount that the rootfs lies in is not: MS_PRIVATE without MS_REC changes one mount"
        }
        Some(Errno::EINVAL) if !is_mount => {
            "the new root is a plain directory, and has to be a mount point: bind it onto itself"
        }
        Some(Errno::EINVAL) => "put_old is not at or below the new root; or the call is made from inside a chroot",
        Some(Errno::EBUSY) if error.to_string().contains("pivot_root") => {
            "the new root, or put_old, is on the same mount as the old root: bind the new root onto itself first"
        }
        Some(Errno::EBUSY) => {
            "the old root is in use, by the mounts below it at least, so umount2(2) without MNT_DETACH refuses"
        }
        Some(Errno::ENOENT) => "a path from before pivot_root(2) was used after it: from then on / is the new root",
        Some(Errno::ENOTDIR) => "the new root or put_old is no directory",
        Some(Errno::EPERM) => "mount(2) and pivot_root(2) need CAP_SYS_ADMIN, and a mount namespace of one's own",
        _ => "this errno is not one that the right calls meet; see pivot_root(2)",
    };
    testkit::teach("enter_pivot_root() to succeed", error, likely, RULES)
}

fn walks_out_from(start: &str) {
    let marker = random_name("marker");
    shielded(|| {
        let (rootfs, places) = (deep_rootfs(), Places::of_this_machine());
        let secret = dir().join(&marker);
        fs::write(&secret, "").expect("a file");
        let ([root, cwd], found) = in_child(|| {
            chroot(rootfs.path()).and_then(|()| std::env::set_current_dir(start)).expect("chroot");
            root::escape_chroot().explained("escape_chroot()", &CHROOT_REASONS, TASKS);
            (whereabouts(), secret.exists())
        });
        let host = id(Path::new("/"));
        let inside = |id: Id| places.path(id).is_none_or(|path| path == rootfs.path());
        check!(
            [root, cwd] == [host; 2] && found,
            expected: format!("/ and the working directory to be the host's root, where {} can be seen", secret.display()),
            seen: format!("/ is {}, the working directory is {}", places.name(root), places.name(cwd)),
            likely: match () {
                () if root == id(rootfs.path()) && inside(cwd) => "nothing has changed: there was no second chroot(2), or too few steps up",
                () if root == cwd && inside(root) => "the working directory went along into the second root, so `..` stops there: stay outside of it",
                () if inside(root) && inside(cwd) => "the working directory is above the root now, and nobody went up from there",
                () if inside(root) => "the working directory is out and the root is not: chroot(\".\") at the end",
                () if root != host => "the walk stopped on the way: at the top `..` leads to itself, so take more steps than any path is deep",
                () => "the root is the host's and the working directory is not: chdir(\"/\")",
            },
            read: TASKS,
        );
    });
}

fn refuses_what_is_no_directory(call: &str, enter: fn(&Path) -> Result<()>) {
    shielded(|| {
        let file = dir().join(random_name("file"));
        fs::write(&file, "").expect("a file");
        for (path, errno) in [(file, Errno::ENOTDIR), (dir().join(random_name("nothing")), Errno::ENOENT)] {
            in_child(|| check_refusal(enter(&path), errno, &format!("{call} of {}", path.display())));
        }
    });
}

fn check_libraries(program: &Path, seen: &[PathBuf]) {
    let expected = rootfs::libraries(program).expect("the testkit's own list");
    // A directory may be named in two ways, /lib and /usr/lib; the loader is named by the program, in one.
    let is_loader = |path: &Path| path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"ld"));
    let place = |path: &Path| {
        let directory = path.parent().and_then(|parent| parent.canonicalize().ok()).filter(|_| !is_loader(path));
        directory.map_or(path.to_owned(), |directory| directory.join(path.file_name().unwrap_or_default()))
    };
    let expected: BTreeSet<_> = expected.iter().map(|path| place(path)).collect();
    let found: BTreeSet<_> = seen.iter().map(|path| place(path)).collect();
    let missing: Vec<_> = expected.difference(&found).collect();
    let extra: Vec<_> = found.difference(&expected).collect();
    check!(
        expected == found,
        expected: format!("the {} files that {} needs, and no others", expected.len(), program.display()),
        seen: format!("missing: {missing:?}; too many: {extra:?}"),
        likely: match missing.as_slice() {
            _ if seen.iter().any(|path| path.is_relative()) => "these are names; the path, which is what can be copied, stands after the `=>`",
            [] => "more than the program needs: something that is no library, or the program itself",
            [one] if is_loader(one) => "the loader is missing: ldd names it on a line of its own, without `=>`; without it no program starts",
            _ => "libraries are missing; those that a library needs itself belong to the list as well",
        },
        read: RULES,
    );
}

/// Holds each file below `rootfs`, as a process with that root would find it, against the original.
fn check_copies(rootfs: &Path, programs: &[PathBuf]) {
    for program in programs {
        let libraries = rootfs::libraries(program).expect("the testkit's own list");
        let named = root::libraries(program).unwrap_or_default();
        for file in [program].into_iter().chain(&libraries) {
            let original = fs::read(file).expect("the original");
            check!(
                !original.is_empty(),
                expected: format!("{} of the host to be as it was", file.display()),
                seen: "it is empty",
                likely: "it was copied onto itself, which begins with making it empty",
                read: TASKS,
            );
            let same = in_child(|| {
                chroot(rootfs).expect("chroot");
                fs::read(file).map(|copy| copy == original).map_err(|error| error.to_string())
            });
            let copy = below(rootfs, file);
            check!(
                same == Ok(true),
                expected: format!("{} below the rootfs to be a copy of the host's", file.display()),
                seen: same.map_or_else(|error| error, |_| "another content".to_owned()),
                likely: match copy.symlink_metadata() {
                    Ok(metadata) if metadata.is_symlink() => "the link was copied as a link, and dangles: what it leads to is not in the rootfs".to_owned(),
                    Ok(_) if !libraries.is_empty() && libraries.iter().all(|file| !below(rootfs, file).exists()) => "nothing was copied to its own path".to_owned(),
                    Ok(_) => "what was there already was kept".to_owned(),
                    Err(_) if holds(rootfs, file) => "it was copied to another path than its own, where nobody will look for it".to_owned(),
                    Err(_) if file != program && !named.contains(file) => "libraries() does not name it: task 1 comes first".to_owned(),
                    Err(_) if file != program => format!("a library or the loader of {} was not copied: exec would fail with ENOENT although the program is there", program.display()),
                    Err(_) => "the program was not copied".to_owned(),
                },
                read: TASKS,
            );
        }
    }
}

/// Whether a file of that name is anywhere below `directory`.
fn holds(directory: &Path, file: &Path) -> bool {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).any(|path| path.file_name() == file.file_name() || holds(&path, file))
}

/// What `program` prints when `rootfs` is its root.
fn output_below(rootfs: &Path, program: &Path, arguments: &[&str]) -> String {
    in_child(|| {
        chroot(rootfs).and_then(|()| std::env::set_current_dir("/")).expect("chroot");
        match Command::new(program).args(arguments).stdin(Stdio::inherit()).output() {
            Ok(output) => {
                [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat()
            }
            Err(error) => error.to_string(),
        }
    })
}

/// An executable file without loader and libraries, made of this test's own ELF header. Source: elf(5).
fn static_program(path: &Path) {
    const HEADER: u16 = 64;
    let mut elf = fs::read("/proc/self/exe").expect("the test itself")[..HEADER.into()].to_vec();
    let mut put = |at: usize, bytes: &[u8]| elf[at..at + bytes.len()].copy_from_slice(bytes);
    put(16, &2_u16.to_ne_bytes()); // e_type: ET_EXEC
    put(32, &u64::from(HEADER).to_ne_bytes()); // e_phoff: right after this header
    put(40, &0_u64.to_ne_bytes()); // e_shoff: no sections
    put(56, &1_u16.to_ne_bytes()); // e_phnum
    put(60, &[0; 4]); // e_shnum, e_shstrndx
    // One PT_LOAD, readable and executable, with the file's first page at 4 MiB.
    let (address, size, page) = (0x40_0000_u64, 120_u64, 0x1000_u64);
    elf.extend([1_u32, 5].map(u32::to_ne_bytes).concat());
    elf.extend([0, address, address, size, size, page].map(u64::to_ne_bytes).concat());
    fs::copy("/proc/self/exe", path).and_then(|_| fs::write(path, elf)).expect("an executable file");
}

/// Opens `path` several times without O_CLOEXEC: as the next free descriptors, and further up, where a loop to
/// 1024 does not come.
fn open_some(path: &str) -> Vec<RawFd> {
    let directory = open(path, OFlag::O_DIRECTORY, Mode::empty()).expect("a directory");
    let far =
        [3, 40, 700, highest_descriptor()].map(|from| fcntl(&directory, FcntlArg::F_DUPFD(from)).expect("a duplicate"));
    // Each stays open: that is the point.
    [vec![directory.as_raw_fd()], far.to_vec(), vec![directory.into_raw_fd()]].concat()
}

/// The highest descriptor that this process may have, once its soft limit is raised; not so high that the
/// kernel's table of descriptors gets large.
fn highest_descriptor() -> RawFd {
    const ENOUGH: u64 = 1 << 16;
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).expect("getrlimit");
    let limit = hard.min(ENOUGH);
    if soft < limit {
        setrlimit(Resource::RLIMIT_NOFILE, limit, hard).expect("setrlimit");
    }
    RawFd::try_from(limit - 1).expect("a descriptor")
}

/// What the next exec would do with a descriptor: keep it, close it, or nothing, since it is closed already.
/// Source: proc(5), `/proc/PID/fdinfo`: the flags, in octal, show O_CLOEXEC.
fn fate(fd: RawFd) -> String {
    let Ok(info) = fs::read_to_string(format!("/proc/self/fdinfo/{fd}")) else { return "closed".to_owned() };
    let flags = info.lines().find_map(|line| line.strip_prefix("flags:")).unwrap_or_default().trim();
    let marked = i32::from_str_radix(flags, 8).unwrap_or_default() & nix::libc::O_CLOEXEC != 0;
    if marked { "marked" } else { "kept" }.to_owned()
}

fn check_refusal(result: Result<()>, errno: Errno, call: &str) {
    let seen = result.as_ref().map_or_else(Error::to_string, |()| "Ok(())".to_owned());
    check!(
        result.is_err_and(|error| error.errno() == Some(errno)),
        expected: format!("{call} to return {errno:?}"),
        seen: seen,
        likely: "the result of a call was thrown away, or its errno was; or another call came first",
        read: RULES,
    );
}
