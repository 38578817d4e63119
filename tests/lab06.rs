//! Lab 06, `labs/lab06_volume.rs`: volumes, and paths that cannot lead out. Chapter: `book/src/lab06-volume.md`.
//!
//! Every test has a stage of its own: `image/`, the root of a container, written by somebody else, and beside it what
//! is the host's. Where a descriptor leads is read from `/proc/self/fd`.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use boxwright::steps::volume;
use model::{Error, Node, Result};
use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, FcntlArg, OFlag, RenameFlags, fcntl, open, renameat2};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::stat::{Mode, umask};
use nix::sys::statvfs::{FsFlags, statvfs};
use predicates::prelude::PredicateBooleanExt;
use predicates::str::contains;
use testkit::{
    Explained, Rootfs, check, dir, drop_capabilities, in_child, inside, random_name, refused_at_first, shielded,
    start_child, written,
};

const RULES: &str = "lab06-volume.md, The kernel's rules";
const TASKS: &str = "lab06-volume.md, Tasks";
/// What each errno means when a path is opened inside a root.
const PATH_REASONS: [(Errno, &str); 8] = [
    (
        Errno::ENOENT,
        "a part of the path is not there, for the caller at least; the empty path is none either, \".\" is",
    ),
    (Errno::EXDEV, "RESOLVE_BENEATH refuses whatever would leave; RESOLVE_IN_ROOT turns it back at the root instead"),
    (Errno::ELOOP, "every link was refused, by O_NOFOLLOW or RESOLVE_NO_SYMLINKS: a link that stays inside is fine"),
    (Errno::EEXIST, "what is there already was to be made again"),
    (Errno::ENOTDIR, "O_DIRECTORY was asked for, or a file was made where a directory is needed"),
    (Errno::EROFS, "the path began outside of the root: the shield is read-only there"),
    (
        Errno::EINVAL,
        "openat2(2) knows its flags and refuses others: O_PATH goes with O_DIRECTORY, O_NOFOLLOW, O_CLOEXEC alone",
    ),
    (Errno::E2BIG, "openat2(2) wants the size of struct open_how as its last argument"),
];
/// What each errno means when something is bound.
const BIND_REASONS: [(Errno, &str); 5] = [
    (Errno::ENOENT, "the source, or the path of the target, is not there; the target's is /proc/self/fd/N"),
    (Errno::ENOTDIR, "a directory goes onto a directory, a file onto a file"),
    (Errno::EPERM, "mount(2) needs CAP_SYS_ADMIN in the user namespace that owns this mount namespace"),
    (Errno::EINVAL, "MS_MOVE moves a mount, and the source is none; or the target is of another mount namespace"),
    (
        Errno::EBADF,
        "an O_PATH descriptor names a place: it can be mounted on, by its path in /proc/self/fd, and not be read",
    ),
];
/// What each errno means when a mount is made read-only.
const READ_ONLY_REASONS: [(Errno, &str); 4] = [
    (
        Errno::EINVAL,
        "nothing is mounted at that path: the mount point's is /proc/self/fd/N; or a flag that this call does not know",
    ),
    (Errno::EPERM, "the call needs CAP_SYS_ADMIN in the user namespace that owns this mount namespace"),
    (
        Errno::EBUSY,
        "the file system itself was to be made read-only, while somebody has a file open for writing: MS_BIND was left out",
    ),
    (Errno::ENOENT, "an empty path means the descriptor only with AT_EMPTY_PATH"),
];
/// What each errno means when a tmpfs is mounted.
const TMPFS_REASONS: [(Errno, &str); 4] = [
    (
        Errno::EINVAL,
        "tmpfs does not understand its data, \"mode=…,size=…\": the mode is not written in octal, or a number is none",
    ),
    (Errno::ENODEV, "there is no file system of that type"),
    (Errno::ENOENT, "the path of the target is /proc/self/fd/N"),
    (Errno::EPERM, "mount(2) needs CAP_SYS_ADMIN in the user namespace that owns this mount namespace"),
];
/// When something is to be hidden.
const MISSING: (Errno, &str) =
    (Errno::ENOENT, "what is missing was taken for a failure: not every kernel has every file of /proc");
/// A directory on a file, or the other way: mount(2) says the one, move_mount(2) the other.
const MISFIT: &[Errno] = &[Errno::ENOTDIR, Errno::EINVAL];

// ---- task 1 ----

#[test]
fn task1_what_is_there_is_opened() {
    on_a_stage(|stage| {
        stage.write("image/etc/file", "");
        let word = random_name("odd name");
        stage.write(&format!("image/etc/{word}"), "");
        for (path, place) in [
            ("/etc", "image/etc"),
            ("etc/file", "image/etc/file"),
            ("/etc/file", "image/etc/file"),
            ("etc/", "image/etc"),
            ("./etc/./file", "image/etc/file"),
            ("/", "image"),
            (".", "image"),
            (&format!("/etc/{word}"), &format!("image/etc/{word}")),
        ] {
            for make in [None, Some(Node::Directory)] {
                stage.leads(path, make, place, "another place than the one that was asked for");
            }
        }
    });
}

#[test]
fn task1_the_descriptor_names_the_place_and_nothing_more() {
    on_a_stage(|stage| {
        stage.write("image/file", "");
        // Opened for reading, a FIFO without a writer would be waited for.
        nix::unistd::mkfifo(&stage.at("image/fifo"), Mode::S_IRWXU).expect("a FIFO");
        for path in ["file", "fifo", "/"] {
            let opened = stage.opens(path, None);
            let flags = fcntl(&opened, FcntlArg::F_GETFL).expect("fcntl");
            check!(
                flags & OFlag::O_PATH.bits() != 0,
                expected: "a descriptor that names a place (O_PATH)",
                seen: "one that was opened for reading or writing",
                likely: "O_PATH was left out: what is opened may be a device or a FIFO of the image, and to open those does something",
                read: RULES,
            );
            check!(
                fcntl(&opened, FcntlArg::F_GETFD).expect("fcntl") == nix::libc::FD_CLOEXEC,
                expected: "a descriptor that is closed by exec",
                seen: "one that the container's program would inherit",
                likely: "O_CLOEXEC was left out",
                read: RULES,
            );
        }
    });
}

#[test]
fn task1_dots_end_at_the_root() {
    on_a_stage(|stage| {
        stage.write("secret", "");
        stage.write("image/secret", "");
        stage.write("image/far/away/secret", "");
        stage.write("image/far/secret", "");
        stage.link("far/away", "image/short");
        for (path, place) in [
            ("../secret", "image/secret"),
            ("/../../secret", "image/secret"),
            ("far/away/../../../../secret", "image/secret"),
            ("far/..", "image"),
            ("..", "image"),
        ] {
            stage.leads(path, None, place, "`..` at the root leads to the root");
        }
        let likely =
            "`..` was taken off as text: after a link to a directory it leads to the parent of where the link led";
        stage.leads("short/../secret", None, "image/far/secret", likely);
    });
}

#[test]
fn task1_links_stay_inside() {
    on_a_stage(|stage| {
        // The same path leads to both: from the host's / to the one, from the image's to the other.
        let secret = stage.at("secret");
        let below = format!("image{}", secret.display());
        stage.write("secret", "");
        stage.write(&below, "");
        stage.write("image/etc/real", "");
        stage.link(secret.to_str().expect("text"), "image/absolute");
        stage.link(&format!("../../../../../../../../../../..{}", secret.display()), "image/etc/relative");
        stage.link(stage.at("").to_str().expect("text"), "image/directory");
        stage.link("etc/real", "image/short");
        stage.link("/etc/relative", "image/one");
        stage.link("../one", "image/etc/two");
        stage.link("etc/two", "image/three");
        for (path, place) in [
            ("short", "image/etc/real"),
            ("absolute", below.as_str()),
            ("/etc/relative", &below),
            ("directory/secret", &below),
            ("three", &below),
            ("directory/../../../../../../../../../../../etc/real", "image/etc/real"),
        ] {
            for make in [None, Some(Node::File)] {
                stage.leads(path, make, place, "a link led to another place than it does for a process inside");
            }
        }
    });
}

#[test]
fn task1_a_link_at_the_end_begins_at_the_root_too() {
    on_a_stage(|stage| {
        // The root has no file of this name: it is to be refused, and nothing is to be made.
        stage.write("image/etc/file", "");
        stage.link("/file", "image/etc/link");
        let lead_astray =
            "the last name was opened in its parent with RESOLVE_IN_ROOT, which makes the parent the root of its links";
        for make in [None, Some(Node::File), Some(Node::Directory)] {
            let seen = stage.open("etc/link", make).map(|opened| stage.name(&opened));
            check!(
                seen.is_err() && !stage.at("image/file").exists(),
                expected: format!("{} to be refused: the link leads to /file, and the image has none", call("etc/link", make)),
                seen: seen.as_deref().unwrap_or("a new file"),
                likely: match &seen {
                    _ if stage.at("image/file").exists() => "what a dangling link leads to was made",
                    Ok(place) if place == "image/etc/file" => lead_astray,
                    _ => "see task1_links_stay_inside",
                },
                read: RULES,
            );
        }
        stage.write("image/file", "");
        for make in [None, Some(Node::File), Some(Node::Directory)] {
            stage.leads("etc/link", make, "image/file", lead_astray);
        }
    });
}

#[test]
fn task1_circles_and_wrong_turns_are_refused() {
    on_a_stage(|stage| {
        stage.write("image/file", "text");
        stage.link("back", "image/forth");
        stage.link("forth", "image/back");
        stage.link("itself", "image/itself");
        stage.link("/nowhere", "image/dangling");
        for make in [None, Some(Node::File), Some(Node::Directory)] {
            for path in ["forth", "itself", "/back/further"] {
                stage.refuses(path, make, &[Errno::ELOOP]);
            }
            stage.refuses("file/below", make, &[Errno::ENOTDIR]);
            let dangling = [Errno::ENOENT, Errno::ELOOP, Errno::EEXIST, Errno::ENOTDIR];
            stage.refuses("dangling", make, if make.is_none() { &[Errno::ENOENT] } else { &dangling });
        }
        stage.refuses("missing", None, &[Errno::ENOENT]);
        stage.refuses("/missing/further", None, &[Errno::ENOENT]);
        let seen = stage.names("image");
        check!(
            seen == ["back", "dangling", "file", "forth", "itself"],
            expected: "nothing to be made where nothing was asked for",
            seen: format!("the image holds {seen:?}"),
            likely: "a directory or file was made before it was known that it is wanted, or where a dangling link led",
            read: TASKS,
        );
    });
}

#[test]
fn task1_links_of_proc_are_no_way_out() {
    on_a_stage(|stage| {
        stage.write("secret", "");
        fs::create_dir(stage.at("image/proc")).expect("mkdir");
        let bind = MsFlags::MS_BIND | MsFlags::MS_REC;
        mount(Some("/proc"), &stage.at("image/proc"), None::<&str>, bind, None::<&str>).expect("a bind mount");
        let outside = place(&stage.at(""));
        for path in [
            format!("proc/self/root{}", stage.at("secret").display()),
            format!("proc/self/fd/{}/secret", outside.as_raw_fd()),
            format!("proc/self/fd/{}", outside.as_raw_fd()),
        ] {
            if let Ok(opened) = stage.open(&path, None) {
                let seen = stage.name(&opened);
                check!(
                    seen.starts_with("image"),
                    expected: "the links of /proc, which lead to an open file and not to a path, to be refused",
                    seen: format!("{path} led to {seen}"),
                    likely: stage.plain_fault().unwrap_or("a link of /proc was followed as the kernel follows it: RESOLVE_IN_ROOT or RESOLVE_NO_MAGICLINKS refuses them"),
                    read: RULES,
                );
            }
        }
    });
}

#[test]
fn task1_what_is_missing_is_made() {
    on_a_stage(|stage| {
        let [top, middle] = [random_name("top"), random_name("middle")];
        let likely = "what was made is not where it was asked for";
        let deep = format!("/{top}/{middle}/end");
        stage.leads("plain", Some(Node::File), "image/plain", likely);
        stage.leads("directory", Some(Node::Directory), "image/directory", likely);
        stage.leads(&deep, Some(Node::Directory), &format!("image{deep}"), likely);
        stage.leads(&format!("{top}/file"), Some(Node::File), &format!("image/{top}/file"), likely);
        stage.leads(&format!("{middle}-2/a/b/file"), Some(Node::File), &format!("image/{middle}-2/a/b/file"), likely);
        for (path, is_directory) in [
            (format!("{top}/{middle}"), true),
            (deep, true),
            (format!("{top}/file"), false),
            ("plain".to_owned(), false),
        ] {
            let made = fs::metadata(stage.at(&format!("image/{path}"))).expect("what was made");
            check!(
                made.is_dir() == is_directory,
                expected: format!("{path} to be {}", if is_directory { "a directory" } else { "a file" }),
                seen: if made.is_dir() { "a directory" } else { "no directory" },
                likely: if is_directory { "a file was made on the way, or where a directory was asked for" } else { "a directory was made where a file was asked for: Node::File is for binding a file" },
                read: TASKS,
            );
        }
    });
}

#[test]
fn task1_what_is_there_stays_as_it_is() {
    let text = random_name("text");
    on_a_stage(|stage| {
        stage.write("image/etc/file", &text);
        stage.write("image/etc/below/file", &text);
        for make in [Node::File, Node::Directory] {
            stage.leads("etc/file", Some(make), "image/etc/file", "another place than the one that was asked for");
            stage.leads("etc/below", Some(make), "image/etc/below", "another place than the one that was asked for");
        }
        let seen = fs::read_to_string(stage.at("image/etc/file")).unwrap_or_default();
        check!(
            seen == text && stage.names("image/etc/below") == ["file"],
            expected: "what the image holds to stay as it is",
            seen: format!("the file holds {seen:?}, the directory {:?}", stage.names("image/etc/below")),
            likely: "it was made anew, or emptied, although it was there",
            read: TASKS,
        );
    });
}

#[test]
fn task1_what_is_made_is_made_inside() {
    on_a_stage(|stage| {
        fs::create_dir_all(stage.at("outside")).expect("mkdir");
        let below = format!("image{}", stage.at("outside").display());
        fs::create_dir_all(stage.at(&below)).expect("mkdir");
        stage.link(stage.at("outside").to_str().expect("text"), "image/link");
        for (name, make) in [("directory", Node::Directory), ("file", Node::File)] {
            let path = format!("link/new-{name}/{name}");
            let opened = stage.open(&path, Some(make));
            let made = stage.names("outside");
            check!(
                made.is_empty(),
                expected: "nothing to be made outside of the root",
                seen: format!("{made:?} on the host, by {}", call(&path, Some(make))),
                likely: stage.plain_fault().unwrap_or("a directory was made by a path that the kernel resolves from the host's /, where the image's links lead out"),
                read: RULES,
            );
            drop(opened);
            stage.leads(
                &path,
                Some(make),
                &format!("{below}/new-{name}/{name}"),
                "made in another place than asked for",
            );
            stage.leads(&path, None, &format!("{below}/new-{name}/{name}"), "made in another place than asked for");
        }
    });
}

#[test]
fn task1_a_directory_swapped_for_a_link_does_not_lead_out() {
    const ROUNDS: usize = 6000;
    on_a_stage(|stage| {
        fs::create_dir_all(stage.at("image/directory/volume")).expect("mkdir");
        fs::create_dir_all(stage.at("outside/volume")).expect("mkdir");
        stage.link(stage.at("outside").to_str().expect("text"), "image/link");
        let [directory, link] = ["image/directory", "image/link"].map(|name| stage.at(name));
        let fault = stage.plain_fault();
        let swapper = start_child::<()>(|| {
            nix::sys::prctl::set_timerslack(1).expect("prctl");
            loop {
                // An odd number, so that each turn changes something; then to sleep, since whoever wakes up interrupts
                // the other where it stands, even where there is one processor.
                for _ in 0..21 {
                    renameat2(AT_FDCWD, &directory, AT_FDCWD, &link, RenameFlags::RENAME_EXCHANGE)
                        .expect("an exchange");
                }
                std::thread::sleep(std::time::Duration::from_micros(20));
            }
        });
        let mut arrived = 0;
        for round in 0..ROUNDS {
            let (path, make) = match round % 4 {
                0 => ("directory/volume".to_owned(), None),
                1 => ("/directory/volume".to_owned(), Some(Node::Directory)),
                2 => (format!("directory/file-{}", round % 100), Some(Node::File)),
                _ => (format!("/directory/new-{}/more", round % 100), Some(Node::Directory)),
            };
            // To be refused is all right, and what happens while the link is there.
            if let Ok(opened) = volume::open_inside(stage.root.as_fd(), Path::new(&path), make) {
                let seen = stage.name(&opened);
                check!(
                    !seen.starts_with("outside"),
                    expected: "no path to lead out of the root, whatever somebody renames meanwhile",
                    seen: format!("in round {round}, {} led to {seen}", call(&path, make)),
                    likely: fault.unwrap_or("the path was checked first and used then: between the two the directory became a link, and was followed"),
                    read: RULES,
                );
                arrived += 1;
            }
        }
        drop(swapper);
        let made = stage.names("outside");
        check!(
            made == ["volume"],
            expected: "nothing to be made outside, whatever somebody renames meanwhile",
            seen: format!("the host's directory holds {made:?}"),
            likely: fault.unwrap_or("a path was checked first and used then, to make something: make one name in a directory that you hold open"),
            read: RULES,
        );
        check!(
            arrived > 0,
            expected: format!("some of {ROUNDS} calls to succeed: half of the time the directory is a directory"),
            seen: "none did",
            likely: "see the other tests of task 1",
            read: TASKS,
        );
    });
}

#[test]
fn task1_what_the_kernel_cannot_tell_is_asked_again() {
    on_a_stage(|stage| {
        stage.write("image/etc/file", "");
        for (path, make, place) in [
            ("etc/../etc/file", None, "image/etc/file"),
            ("/etc/../etc/file", Some(Node::File), "image/etc/file"),
            ("etc/../etc/new", Some(Node::Directory), "image/etc/new"),
        ] {
            // A rename would have to come at the right moment; so it is the test that says EAGAIN here, three times.
            let seen = refused_at_first(nix::libc::SYS_openat2, Errno::EAGAIN, 3, || {
                let opened = volume::open_inside(stage.root.as_fd(), Path::new(path), make);
                opened.map(|opened| stage.name(&opened)).map_err(|error| error.to_string())
            });
            check!(
                seen.as_deref() == Ok(place),
                expected: format!("{} to lead to {place}, although openat2(2) says EAGAIN a few times", call(path, make)),
                seen: seen.unwrap_or_else(|error| error),
                likely: match Verb::Open.fault() {
                    Some(_) => "see the other tests of task 1",
                    None => "the kernel's word for \"ask again\" was taken for its answer: when a rename comes between, anywhere on the machine, it cannot tell where a `..` has led, and the same call a moment later succeeds",
                },
                read: RULES,
            );
        }
    });
}

// ---- task 2 ----

#[test]
fn task2_a_directory_appears_and_writes_go_both_ways() {
    let [one, two] = [random_name("one"), random_name("two")];
    on_a_stage(|stage| {
        stage.write("image/data/of-the-image", "");
        stage.write("volume/of-the-host", "");
        stage.bind("volume", "image/data");
        stage.check_bound("volume", "image/data");
        stage.write(&format!("volume/{one}"), &two);
        stage.write(&format!("image/data/{two}"), &one);
        let mut names = [one.clone(), two.clone(), "of-the-host".to_owned()];
        names.sort();
        for side in ["volume", "image/data"] {
            let seen = stage.names(side);
            check!(
                seen == names,
                expected: format!("{names:?} to be seen in {side}, each written on another side"),
                seen: format!("{seen:?}"),
                likely: "the directory was copied; a bind mount shows the same one",
                read: RULES,
            );
        }
        nix::mount::umount(&stage.at("image/data")).expect("umount");
        assert_eq!(stage.names("image/data"), ["of-the-image"], "what was hidden is not lost");
    });
}

#[test]
fn task2_a_file_appears_on_a_file() {
    let text = random_name("text");
    on_a_stage(|stage| {
        stage.write("volume", &text);
        stage.write("image/file", "of the image");
        stage.bind("volume", "image/file");
        stage.check_bound("volume", "image/file");
        assert_eq!(fs::read_to_string(stage.at("image/file")).ok(), Some(text));
    });
}

#[test]
fn task2_mounts_below_the_source_come_along() {
    let text = random_name("text");
    on_a_stage(|stage| {
        fs::create_dir_all(stage.at("volume/below")).expect("mkdir");
        fs::create_dir(stage.at("image/data")).expect("mkdir");
        tmpfs(&stage.at("volume/below"), MsFlags::empty());
        stage.write("volume/below/file", &text);
        stage.bind("volume", "image/data");
        stage.check_bound("volume", "image/data");
        let seen = fs::read_to_string(stage.at("image/data/below/file")).map_err(|error| error.to_string());
        check!(
            seen.as_ref() == Ok(&text),
            expected: "what is mounted below the source to be there too",
            seen: format!("{seen:?}"),
            likely: "MS_REC was left out: the mounts below the source are missing, and the directories under them shine through",
            read: RULES,
        );
    });
}

#[test]
fn task2_in_a_user_namespace_mounts_that_belong_together_stay_together() {
    on_a_stage(|stage| {
        fs::create_dir_all(stage.at("volume/below")).expect("mkdir");
        fs::create_dir(stage.at("image/data")).expect("mkdir");
        tmpfs(&stage.at("volume/below"), MsFlags::empty());
        in_child(|| {
            unshare(CloneFlags::CLONE_NEWNS).expect("unshare");
            stage.bind("volume", "image/data");
        });
        in_child(|| {
            enter_a_user_namespace();
            volume::bind(&stage.at("volume"), place(&stage.at("image/data")).as_fd()).explained(
                "bind() in a user namespace",
                &[(
                    Errno::EINVAL,
                    "a bind without MS_REC would show what lies under the mounts below, which the namespace outside keeps covered",
                )],
                RULES,
            );
        });
    });
}

#[test]
fn task2_the_host_keeps_its_directory() {
    let text = random_name("text");
    on_a_stage(|stage| {
        stage.write("volume/file", &text);
        stage.write("image/data/file", "of the image");
        stage.bind("volume", "image/data");
        let seen = fs::read_to_string(stage.at("volume/file")).ok();
        check!(
            seen == Some(text),
            expected: "the source to show what it showed before",
            seen: format!("{seen:?}"),
            likely: "source and target were exchanged: the volume is hidden, on the host",
            read: RULES,
        );
    });
}

#[test]
fn task2_what_does_not_fit_is_refused() {
    on_a_stage(|stage| {
        stage.write("file", "");
        for name in ["volume", "image/data"] {
            fs::create_dir(stage.at(name)).expect("mkdir");
        }
        stage.write("image/file", "");
        for (source, target, errnos) in [
            ("volume", "image/file", MISFIT),
            ("file", "image/data", MISFIT),
            ("missing", "image/data", &[Errno::ENOENT]),
        ] {
            let result = volume::bind(&stage.at(source), place(&stage.at(target)).as_fd());
            check_refusals(result, errnos, &format!("bind({source}, {target})"));
        }
        drop_capabilities();
        let result = volume::bind(&stage.at("volume"), place(&stage.at("image/data")).as_fd());
        check_refusal(result, Errno::EPERM, "bind() without CAP_SYS_ADMIN");
    });
}

// ---- task 3 ----

#[test]
fn task3_the_volume_is_read_only_and_the_source_is_not() {
    on_a_stage(|stage| {
        stage.volume(MsFlags::empty());
        stage.remount(volume::remount_read_only, "remount_read_only()", "image/data");
        check!(
            !stage.is_writable("image/data"),
            expected: "no write to the volume to succeed (EROFS)",
            seen: "a file was written there",
            likely: match stage.depth("image/data") {
                0 => "nothing is mounted there any more",
                1 => "nothing was changed, although the call succeeded",
                _ => "mount(2) bound once more: MS_RDONLY beside MS_BIND is ignored without a word, only a remount sets it",
            },
            read: RULES,
        );
    });
}

#[test]
fn task3_mounts_below_stay_writable() {
    on_a_stage(|stage| {
        stage.volume(MsFlags::empty());
        stage.remount(volume::remount_read_only, "remount_read_only()", "image/data");
        check!(
            stage.is_writable("image/data/below"),
            expected: "the mount below the volume to stay as it is: this verb is about one mount",
            seen: "it is read-only",
            likely: "all mounts below became read-only too (AT_RECURSIVE): that is the next task",
            read: TASKS,
        );
    });
}

#[test]
fn task3_the_other_options_stay() {
    on_a_stage(|stage| {
        for options in SETS {
            in_child(|| {
                unshare(CloneFlags::CLONE_NEWNS).expect("unshare");
                stage.volume(options);
                let before = stage.options("image/data");
                stage.remount(volume::remount_read_only, "remount_read_only()", "image/data");
                let after = stage.options("image/data");
                let wanted = before.iter().map(|option| if option == "rw" { "ro" } else { option.as_str() });
                let is_about_atime = |option: &&str| option.ends_with("atime");
                let others = || wanted.clone().filter(|option| !is_about_atime(option));
                check!(
                    wanted.clone().eq(after.iter().map(String::as_str)),
                    expected: format!("a mount with {before:?} to become read-only and keep the others"),
                    seen: format!("{after:?}"),
                    likely: if before == after {
                        "nothing was changed"
                    } else if others().eq(after.iter().map(String::as_str).filter(|option| !is_about_atime(option))) {
                        "the kind of atime stays when none is named; of what is named it is set anew, and relatime comes along"
                    } else {
                        "a remount sets all options anew, and what is not named again is off: the old options were dropped"
                    },
                    read: RULES,
                );
            });
        }
    });
}

#[test]
fn task3_a_user_namespace_may_do_it_too() {
    on_a_stage(|stage| {
        for options in SETS {
            in_child(|| {
                unshare(CloneFlags::CLONE_NEWNS).expect("unshare");
                stage.volume(options);
                in_child(|| {
                    unshare(CloneFlags::CLONE_NEWNS).expect("unshare");
                    stage.remount(volume::remount_read_only, "remount_read_only()", "image/data");
                });
                enter_a_user_namespace();
                let result = volume::remount_read_only(place(&stage.at("image/data")).as_fd());
                result.explained(
                    &format!("remount_read_only() in a user namespace, of a mount with {options:?}"),
                    &[(
                        Errno::EPERM,
                        "the old options were dropped, and those that the outer namespace has set are locked in here: who leaves nosuid, nodev or noexec out, or names another kind of atime, asks to clear it",
                    )],
                    RULES,
                );
                check!(
                    !stage.is_writable("image/data"),
                    expected: "no write to the volume to succeed (EROFS), in a user namespace either",
                    seen: "a file was written there",
                    likely: "see the first failure of task 3",
                    read: RULES,
                );
            });
        }
    });
}

#[test]
fn task3_what_cannot_be_done_is_refused() {
    refuses_what_is_no_mount(volume::remount_read_only, "remount_read_only()");
}

// ---- task 4 ----

#[test]
fn task4_the_whole_tree_is_read_only_and_the_host_is_not() {
    on_a_stage(|stage| {
        stage.volume(MsFlags::empty());
        fs::create_dir(stage.at("image/data/below/deeper")).expect("mkdir");
        tmpfs(&stage.at("image/data/below/deeper"), MsFlags::empty());
        stage.remount(volume::set_tree_read_only, "set_tree_read_only()", "image/data");
        let writable: Vec<_> = ["image/data", "image/data/below", "image/data/below/deeper"]
            .into_iter()
            .filter(|name| stage.is_writable(name))
            .collect();
        check!(
            writable.is_empty(),
            expected: "no write to the volume, or to a mount below it, to succeed (EROFS)",
            seen: format!("a file was written to {writable:?}"),
            likely: if writable.contains(&"image/data") { "nothing was set" } else { "only the topmost mount was changed: without AT_RECURSIVE those below it stay as they are" },
            read: RULES,
        );
        for name in ["volume", "volume/below", "image"] {
            check!(
                stage.is_writable(name),
                expected: format!("{name}, which is the host's or outside of the tree, to stay writable"),
                seen: "it is read-only",
                likely: "the file system itself was changed, or a larger tree than the one asked for",
                read: RULES,
            );
        }
    });
}

#[test]
fn task4_the_other_options_stay() {
    on_a_stage(|stage| {
        let options = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
        stage.volume(options);
        in_child(|| {
            enter_a_user_namespace();
            stage.remount(volume::set_tree_read_only, "set_tree_read_only() in a user namespace", "image/data");
            assert!(!stage.is_writable("image/data"), "a file was written to the volume");
        });
        stage.remount(volume::set_tree_read_only, "set_tree_read_only()", "image/data");
        for name in ["image/data", "image/data/below"] {
            let seen = stage.options(name);
            check!(
                ["ro", "nosuid", "nodev", "noexec"].iter().all(|option| seen.iter().any(|known| known == option)),
                expected: format!("{name} to be read-only and to keep nosuid, nodev, noexec"),
                seen: format!("{seen:?}"),
                likely: if seen.iter().any(|option| option == "ro") {
                    "more than MOUNT_ATTR_RDONLY was given: what stands in attr_clr is taken away"
                } else {
                    "see the first failure of task 4"
                },
                read: RULES,
            );
        }
    });
}

#[test]
fn task4_what_cannot_be_done_is_refused() {
    refuses_what_is_no_mount(volume::set_tree_read_only, "set_tree_read_only()");
}

// ---- task 5 ----

#[test]
fn task5_it_holds_so_much_and_no_more() {
    on_a_stage(|stage| {
        let pages = 3 + u64::try_from(random_name("").len()).expect("a small number");
        let page = 4096 * 16; // a multiple of every machine's page size
        let size = pages * page;
        stage.tmpfs("image/scratch", Some(size), 0o755);
        let holds = stage.size("image/scratch");
        check!(
            holds == size,
            expected: format!("a tmpfs of {size} bytes"),
            seen: format!("one of {holds} bytes"),
            likely: if holds > size && holds.is_multiple_of(size) {
                "the number was given in another unit: without a suffix tmpfs takes bytes; k, m, g are suffixes"
            } else {
                "the size was not given: without it a tmpfs takes half of the memory"
            },
            read: RULES,
        );
        let mut file = File::create(stage.at("image/scratch/file")).expect("a file");
        let written = std::io::copy(&mut std::io::repeat(7).take(size + page), &mut file);
        let errno = written.map_err(|error| error.raw_os_error().map(Errno::from_raw));
        assert_eq!(errno, Err(Some(Errno::ENOSPC)), "a byte more than the size");
    });
}

#[test]
fn task5_without_a_size_it_is_the_kernels_choice() {
    on_a_stage(|stage| {
        fs::create_dir(stage.at("other")).expect("mkdir");
        tmpfs(&stage.at("other"), MsFlags::empty());
        stage.tmpfs("image/scratch", None, 0o755);
        let [seen, wanted] = ["image/scratch", "other"].map(|name| stage.size(name));
        check!(
            seen == wanted,
            expected: format!("without a size, the kernel's choice: {wanted} bytes here, half of the memory"),
            seen: format!("{seen} bytes"),
            likely: "a size was given all the same; 0 is no limit at all",
            read: RULES,
        );
    });
}

#[test]
fn task5_its_root_has_the_mode() {
    on_a_stage(|stage| {
        umask(Mode::from_bits_truncate(0o077));
        for mode in [0o1777, 0o755, 0o700, 0o511] {
            in_child(|| {
                unshare(CloneFlags::CLONE_NEWNS).expect("unshare");
                stage.tmpfs("image/scratch", Some(1 << 20), mode);
                let seen = fs::metadata(stage.at("image/scratch")).expect("stat").mode() & 0o7777;
                check!(
                    seen == mode,
                    expected: format!("a directory of mode {mode:04o}"),
                    seen: format!("{seen:04o}"),
                    likely: match seen {
                        0o1777 => "the mode was not given: a tmpfs begins with 1777",
                        _ => "the mode was not written in octal, as tmpfs reads it: `{:o}`",
                    },
                    read: RULES,
                );
            });
        }
    });
}

#[test]
fn task5_it_is_empty_and_nosuid_nodev_noexec() {
    on_a_stage(|stage| {
        stage.write("image/scratch/of-the-image", "");
        stage.tmpfs("image/scratch", Some(1 << 20), 0o755);
        assert!(stage.names("image/scratch").is_empty(), "what was there is hidden");
        let seen = stage.options("image/scratch");
        let missing: Vec<_> = ["nosuid", "nodev", "noexec"]
            .into_iter()
            .filter(|flag| !seen.iter().any(|option| option == flag))
            .collect();
        check!(
            missing.is_empty() && seen.first().is_some_and(|option| option == "rw"),
            expected: "a writable tmpfs, nosuid, nodev and noexec",
            seen: format!("{seen:?}"),
            likely: format!("these flags of mount(2) were left out: {missing:?}; they go into the flags and not into the data"),
            read: TASKS,
        );
    });
}

#[test]
fn task5_what_cannot_be_done_is_refused() {
    on_a_stage(|stage| {
        stage.write("image/file", "");
        let file = place(&stage.at("image/file"));
        check_refusals(volume::mount_tmpfs(file.as_fd(), None, 0o755), MISFIT, "mount_tmpfs() on a file");
        drop_capabilities();
        let result = volume::mount_tmpfs(stage.root.as_fd(), None, 0o755);
        check_refusal(result, Errno::EPERM, "mount_tmpfs() without CAP_SYS_ADMIN");
    });
}

// ---- task 6 ----

#[test]
fn task6_the_devices_are_there_whatever_the_umask() {
    makes_devices(|_| ());
}

#[test]
fn task6_in_a_user_namespace_they_are_bound() {
    makes_devices(|_| enter_a_user_namespace());
}

#[test]
fn task6_the_devices_work() {
    on_a_stage(|stage| {
        stage.devices();
        let path = |name: &str| stage.at("image/dev").join(name);
        let read = |name: &str| {
            let mut bytes = [7_u8; 16];
            File::open(path(name)).and_then(|mut file| file.read(&mut bytes)).map(|count| (count, bytes))
        };
        let write = |name: &str| File::options().write(true).open(path(name)).and_then(|mut file| file.write(b"text"));
        let errno = |error: std::io::Error| error.raw_os_error().map(Errno::from_raw);
        let checks: [(&str, bool); 6] = [
            ("null reads as empty", read("null").is_ok_and(|(count, _)| count == 0)),
            ("null swallows what is written", write("null").is_ok_and(|count| count == 4)),
            ("zero reads as zeros", read("zero").is_ok_and(|(_, bytes)| bytes == [0; 16])),
            ("full has no space (ENOSPC)", write("full").map_err(errno) == Err(Some(Errno::ENOSPC))),
            ("urandom reads as anything but sevens", read("urandom").is_ok_and(|(_, bytes)| bytes != [7; 16])),
            // Opened, it is the terminal of the caller, who may have none.
            (
                "tty is a terminal, or ENXIO",
                File::open(path("tty")).map_err(errno).map_or_else(|errno| errno == Some(Errno::ENXIO), |_| true),
            ),
        ];
        for (what, holds) in checks {
            check!(
                holds,
                expected: format!("each device to be one: {what}"),
                seen: "it does not",
                likely: "the node has the number of another device, or none; see the other tests of task 6",
                read: TASKS,
            );
        }
    });
}

#[test]
fn task6_the_links_are_there() {
    on_a_stage(|stage| {
        stage.devices();
        for (name, target) in volume::LINKS {
            let seen = fs::read_link(stage.at("image/dev").join(name)).map_err(|error| error.to_string());
            check!(
                seen == Ok(PathBuf::from(target)),
                expected: format!("dev/{name} to be a symbolic link to {target}"),
                seen: format!("{seen:?}"),
                likely: "LINKS holds name and target; symlink(2) takes the target first",
                read: TASKS,
            );
        }
    });
}

#[test]
fn task6_what_is_in_the_way_is_reported() {
    on_a_stage(|stage| {
        stage.write("image/dev/fd/file", "");
        let result = volume::make_devices(place(&stage.at("image/dev")).as_fd());
        check_refusal(result, Errno::EEXIST, "make_devices() in a directory that holds \"fd\" already");
    });
}

// ---- task 7 ----

#[test]
fn task7_a_file_is_empty() {
    let text = random_name("secret");
    on_a_stage(|stage| {
        for (path, name) in [("etc/one", "image/etc/one"), ("/etc/other", "image/etc/other")] {
            stage.write(name, &text);
            stage.mask(path);
            let seen = fs::read_to_string(stage.at(name));
            check!(
                seen.as_ref().is_ok_and(String::is_empty),
                expected: "the file to read as empty",
                seen: format!("{seen:?}"),
                likely: match unfinished(&Verb::ALL) {
                    Some(verb) => verb,
                    None if fs::metadata(stage.at(name)).is_ok_and(|file| file.mode() & 0o777 == 0) => {
                        "the permissions were taken away: root reads it all the same"
                    }
                    None if stage.hides_directories() => {
                        "directories are masked, and files are left readable: /dev/null was to be bound over it"
                    }
                    None => "nothing was done",
                },
                read: TASKS,
            );
            let write = File::options().write(true).open(stage.at(name)).and_then(|mut file| file.write(b"more"));
            assert!(write.is_ok(), "it is the host's /dev/null");
            nix::mount::umount(&stage.at(name)).expect("umount");
            assert_eq!(fs::read_to_string(stage.at(name)).ok().as_ref(), Some(&text), "the file itself is untouched");
        }
    });
}

#[test]
fn task7_a_directory_is_empty_and_read_only() {
    on_a_stage(|stage| {
        stage.write("image/etc/secrets/one", "");
        stage.mask("/etc/secrets");
        let seen = stage.names("image/etc/secrets");
        check!(
            seen.is_empty(),
            expected: "the directory to be empty",
            seen: format!("{seen:?}"),
            likely: unfinished(&Verb::ALL).unwrap_or("nothing hides it: a tmpfs was to be mounted over it"),
            read: TASKS,
        );
        check!(
            !stage.is_writable("image/etc/secrets"),
            expected: "nobody to write into what is masked (EROFS)",
            seen: "a file was written there",
            likely: unfinished(&Verb::ALL).unwrap_or("the tmpfs stayed writable; a descriptor from before the mount names the directory under it, so open it anew"),
            read: TASKS,
        );
    });
}

#[test]
fn task7_what_is_missing_needs_no_hiding() {
    on_a_stage(|stage| {
        for path in ["missing", "/missing/further"] {
            let result = volume::mask(stage.root.as_fd(), Path::new(path));
            leaning(&Verb::ALL, result, &format!("mask({path}), where nothing is,"), &[MISSING]);
        }
        let seen = stage.names("image");
        check!(
            seen.is_empty(),
            expected: "nothing to be made for what is missing",
            seen: format!("{seen:?}"),
            likely: "open_inside() was asked to make it",
            read: TASKS,
        );
    });
}

#[test]
fn task7_a_link_leads_to_what_it_names_inside() {
    let text = random_name("text");
    on_a_stage(|stage| {
        let below = format!("image{}", stage.at("secret").display());
        stage.write("secret", &text);
        stage.write(&below, &text);
        stage.link(stage.at("secret").to_str().expect("text"), "image/link");
        stage.mask("/link");
        let [host, own] = ["secret", &below].map(|name| fs::read_to_string(stage.at(name)).unwrap_or_default());
        check!(
            host == text,
            expected: "the host's file to stay as it is",
            seen: "it is masked",
            likely: unfinished(&Verb::ALL).unwrap_or("the link was followed to the host: open_inside() knows where it leads inside"),
            read: RULES,
        );
        check!(
            own.is_empty(),
            expected: "what the link leads to inside to be masked",
            seen: "it is readable",
            likely: unfinished(&Verb::ALL).unwrap_or("a mask over the link alone, or none: what it leads to can still be read by its own path"),
            read: TASKS,
        );
    });
}

#[test]
fn task7_what_is_no_directory_is_a_file() {
    on_a_stage(|stage| {
        // Its type holds the bit of a directory: 0o140000 and 0o040000.
        let socket = UnixListener::bind(stage.at("image/socket")).expect("a socket");
        let reasons = [(
            Errno::ENOTDIR,
            "the socket was taken for a directory: the type is a number in the bits of S_IFMT, to be compared as a whole",
        )];
        leaning(&Verb::ALL, volume::mask(stage.root.as_fd(), Path::new("socket")), "mask() of a socket", &reasons);
        let kind = fs::metadata(stage.at("image/socket")).expect("stat").file_type();
        assert!(kind.is_char_device(), "a socket is hidden by /dev/null like a file, and not {kind:?}");
        drop(socket);
    });
}

#[test]
fn task7_the_kernels_own_files_can_be_hidden() {
    on_a_stage(|_| {
        for path in ["/proc/kcore", "/proc/uptime", "/proc/timer_list"] {
            let there = fs::metadata(path).is_ok();
            let result = volume::mask(place(Path::new("/")).as_fd(), Path::new(path));
            let reasons = if there { &BIND_REASONS[..] } else { &[MISSING] };
            leaning(&Verb::ALL, result, &format!("mask({path})"), reasons);
            let null = fs::metadata(path).is_ok_and(|file| file.rdev() == nix::libc::makedev(1, 3));
            check!(
                null || !there,
                expected: format!("{path} to be /dev/null"),
                seen: "the kernel's own file",
                likely: unfinished(&Verb::ALL).unwrap_or("see the first failure of task 7"),
                read: TASKS,
            );
        }
    });
}

#[test]
fn task7_without_the_capability_the_refusal_is_reported() {
    on_a_stage(|stage| {
        stage.write("image/file", "");
        fs::create_dir(stage.at("image/directory")).expect("mkdir");
        drop_capabilities();
        for path in ["file", "directory"] {
            check_refusal(
                volume::mask(stage.root.as_fd(), Path::new(path)),
                Errno::EPERM,
                "mask() without CAP_SYS_ADMIN",
            );
        }
    });
}

// ---- end to end ----

#[test]
fn run_with_a_volume_writes_go_both_ways() {
    written!(6, leans on 4, 5);
    let [one, two] = [random_name("one"), random_name("two")];
    shielded(|| {
        let volume = host_directory("volume");
        fs::write(volume.join("from-the-host"), &one).expect("a file");
        let script = format!("cat /some/data/from-the-host && echo {two} > /some/data/from-inside");
        run(&image(), &["-v", &bound(&volume, "/some/data")], &script).success().stdout(contains(&one));
        let seen = fs::read_to_string(volume.join("from-inside")).unwrap_or_default();
        assert_eq!(seen.trim(), two, "what the container wrote");
    });
}

#[test]
fn run_with_a_read_only_volume_writes_nothing() {
    written!(6, leans on 4, 5);
    shielded(|| {
        let volume = host_directory("volume");
        let short = format!("{}:ro", bound(&volume, "/data"));
        let long = format!("type=bind,source={},target=/data,readonly", volume.display());
        for flags in [["-v", &short], ["--mount", &long]] {
            run(&image(), &flags, "echo text > /data/file").failure().stderr(contains("Read-only file system"));
        }
        assert!(fs::write(volume.join("file"), "").is_ok(), "the host may write");
    });
}

#[test]
fn run_with_one_file_as_a_volume() {
    written!(6, leans on 4, 5);
    let text = random_name("text");
    shielded(|| {
        let file = dir().join("file");
        fs::write(&file, &text).expect("a file");
        run(&image(), &["-v", &bound(&file, "/etc/new/settings")], "cat /etc/new/settings")
            .success()
            .stdout(contains(&text));
    });
}

#[test]
fn run_with_an_anonymous_volume_hides_what_the_image_has() {
    written!(6, leans on 4, 5);
    let text = random_name("text");
    shielded(|| {
        let image = image();
        fs::create_dir(image.path().join("data")).expect("mkdir");
        let script = format!("echo {text} > /data/file && cat /data/file");
        run(&image, &["-v", "/data"], &script).success().stdout(contains(&text));
        assert!(!image.path().join("data/file").exists(), "the image's own directory stays as it was");
    });
}

#[test]
fn run_with_a_tmpfs_has_its_size_and_mode() {
    written!(6, leans on 4, 5);
    shielded(|| {
        run(&image(), &["--tmpfs", "/scratch:size=96k,mode=1770"], "cat /proc/self/mountinfo")
            .success()
            .stdout(contains("nosuid,nodev,noexec").and(contains("size=96k")).and(contains("mode=1770")));
    });
}

#[test]
fn run_read_only_leaves_the_volumes_writable() {
    written!(6, leans on 4, 5);
    shielded(|| {
        let volume = host_directory("volume");
        let image = image();
        let flags = ["--read-only", "-v", &bound(&volume, "/data")];
        run(&image, &flags, "echo text > /data/file && echo text > /file")
            .failure()
            .stderr(contains("/file: Read-only file system"));
        assert!(volume.join("file").exists(), "what the container wrote to the volume");
        assert!(fs::write(image.path().join("file"), "").is_ok(), "the host may write to the image");
    });
}

#[test]
fn run_does_not_follow_a_link_of_the_image_out() {
    written!(6, leans on 4, 5);
    let text = random_name("text");
    shielded(|| {
        let [volume, victim] = ["volume", "victim"].map(host_directory);
        fs::write(volume.join("file"), &text).expect("a file");
        let image = image();
        symlink(&victim, image.path().join("data")).expect("a link");
        // Inside, the link leads to a path that the image does not have: refused, or made in there.
        drop(run(&image, &["-v", &bound(&volume, "/data/deep")], "cat /data/deep/file"));
        let made = fs::read_dir(&victim).expect("read_dir").count();
        assert_eq!(made, 0, "what the image's link made on the host");
    });
}

#[test]
fn run_has_devices_and_masks() {
    written!(6, leans on 4, 5);
    shielded(|| {
        let script =
            "echo text > /dev/null; echo text 2>&- > /dev/full || echo full; ls -l /dev/fd; cat /proc/timer_list";
        run(&image(), &[], script)
            .success()
            .stdout(contains("full\n").and(contains("-> /proc/self/fd\n")).and(contains("Timer List").not()));
    });
}

// ---- what the tests stand on ----

/// `boxwright run --rootfs IMAGE FLAGS -- sh -c SCRIPT`.
fn run(image: &Rootfs, flags: &[&str], script: &str) -> assert_cmd::assert::Assert {
    let command = &mut testkit::boxwright!();
    command
        .args(["run", "--rootfs"])
        .arg(image.path())
        .args(flags)
        .args(["--", "sh", "-c", script])
        .env("LC_ALL", "C")
        .assert()
}

/// An empty directory of the host.
fn host_directory(name: &str) -> PathBuf {
    let path = dir().join(name);
    fs::create_dir(&path).expect("mkdir");
    path
}

/// `-v`'s argument.
fn bound(source: &Path, target: &str) -> String {
    format!("{}:{target}", source.display())
}

/// A root of one's own, with a shell.
fn image() -> Rootfs {
    Rootfs::build(dir().join("rootfs"), &["sh", "cat", "ls"]).expect("a rootfs")
}

/// Which other options a mount that becomes read-only may have.
const SETS: [MsFlags; 5] = [
    MsFlags::empty(),
    MsFlags::MS_NOSUID.union(MsFlags::MS_NODEV).union(MsFlags::MS_NOEXEC),
    MsFlags::MS_NODEV.union(MsFlags::MS_NOATIME),
    MsFlags::MS_NOSUID.union(MsFlags::MS_NODIRATIME).union(MsFlags::MS_RELATIME),
    MsFlags::MS_STRICTATIME.union(MsFlags::MS_NODIRATIME),
];

/// A directory with the container's root, `image`, in it. Paths below are given as from there.
struct Stage {
    path: PathBuf,
    /// `image`, opened.
    root: OwnedFd,
}

/// Runs `body` under a shield, in a mount namespace of its own that is cut off from the shield's.
#[track_caller]
fn on_a_stage(body: impl FnOnce(&Stage)) {
    shielded(|| {
        in_child(|| {
            unshare(CloneFlags::CLONE_NEWNS).expect("unshare");
            let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
            mount(None::<&str>, "/", None::<&str>, private, None::<&str>).expect("private");
            let path = dir().join(random_name("stage"));
            fs::create_dir_all(path.join("image")).expect("mkdir");
            let root = place(&path.join("image"));
            body(&Stage { path, root })
        })
    })
}

impl Stage {
    fn at(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// With the directories on the way.
    fn write(&self, name: &str, text: &str) {
        let path = self.at(name);
        fs::create_dir_all(path.parent().expect("a parent")).expect("mkdir");
        fs::write(path, text).expect("a file");
    }

    fn link(&self, target: &str, name: &str) {
        symlink(target, self.at(name)).expect("a link");
    }

    fn names(&self, name: &str) -> Vec<String> {
        let entries = fs::read_dir(self.at(name)).expect("read_dir").flatten();
        let mut names: Vec<_> = entries.map(|entry| entry.file_name().display().to_string()).collect();
        names.sort();
        names
    }

    /// The learner's open_inside. EAGAIN is the kernel's word for "try again": this machine may rename a lot.
    fn open(&self, path: &str, make: Option<Node>) -> Result<OwnedFd> {
        let again = |result: &Result<OwnedFd>| matches!(result, Err(error) if error.errno() == Some(Errno::EAGAIN));
        let mut result = volume::open_inside(self.root.as_fd(), Path::new(path), make);
        for _ in 0..1000 {
            if !again(&result) {
                break;
            }
            result = volume::open_inside(self.root.as_fd(), Path::new(path), make);
        }
        result
    }

    /// Where a descriptor leads, as from the stage.
    fn name(&self, opened: &OwnedFd) -> String {
        let path = fs::read_link(format!("/proc/self/fd/{}", opened.as_raw_fd())).expect("a descriptor");
        let below = path.strip_prefix(&self.path).unwrap_or(&path).display().to_string();
        if below.is_empty() { "the directory outside".to_owned() } else { below }
    }

    /// Checks that the learner's open_inside arrives at `wanted`.
    #[track_caller]
    fn leads(&self, path: &str, make: Option<Node>, wanted: &str, likely: &str) {
        let seen = self.name(&self.opens(path, make));
        check!(
            seen == wanted,
            expected: format!("{} to lead to {wanted}, as for a process whose / is image/", call(path, make)),
            seen: &seen,
            likely: match self.plain_fault() {
                _ if seen.starts_with("image") => likely,
                Some(fault) => fault,
                None => "`..` led out of the root: the kernel stops it at the caller's root, which is the host's",
            },
            read: RULES,
        );
    }

    /// As open(), with the reason when it is refused.
    #[track_caller]
    fn opens(&self, path: &str, make: Option<Node>) -> OwnedFd {
        let result = self.open(path, make);
        let errno = result.as_ref().err().and_then(Error::errno);
        if let (Some(Errno::ENOENT), Some(_)) = (errno, make) {
            let one = self.open(&random_name("probe"), Some(Node::Directory)).is_ok();
            let likely = match one {
                true => "the last name is made, and the directories on the way are not: mkdir(2) makes one at a time",
                false => "nothing is made yet, although `make` asks for it",
            };
            let error = result.expect_err("an errno");
            testkit::teach(format!("{} to succeed", call(path, make)), error, likely, TASKS)
        }
        result.explained(&call(path, make), &PATH_REASONS, RULES)
    }

    /// What is wrong already with the plainest path and the plainest link.
    fn plain_fault(&self) -> Option<&'static str> {
        let leads = |path: &str| self.open(path, None).map(|opened| self.name(&opened)).unwrap_or_default();
        let link = random_name("link");
        self.link(self.path.to_str().expect("text"), &format!("image/{link}"));
        let [root, through] = ["/", &link].map(leads);
        fs::remove_file(self.at("image").join(&link)).expect("remove");
        match (root.as_str(), through.as_str()) {
            ("/", _) => {
                Some("the path began at the host's /: join() with an absolute path forgets what it was joined to")
            }
            (_, "") => None,
            (_, other) if other.starts_with("image") => None,
            // What is opened is the stage itself.
            _ => Some("a link led out of the root: the kernel follows it from the caller's /, which is the host's"),
        }
    }

    #[track_caller]
    fn refuses(&self, path: &str, make: Option<Node>, errnos: &[Errno]) {
        let result = self.open(path, make);
        let seen =
            result.as_ref().map_or_else(Error::to_string, |opened| format!("a descriptor of {}", self.name(opened)));
        check!(
            result.is_err_and(|error| error.errno().is_some_and(|errno| errnos.contains(&errno))),
            expected: format!("{} to return {}", call(path, make), either(errnos)),
            seen: seen,
            likely: "the errno of openat2(2) was thrown away, or ENOENT was answered by making something that cannot be there",
            read: RULES,
        );
    }

    #[track_caller]
    fn bind(&self, source: &str, target: &str) {
        let target = place(&self.at(target));
        volume::bind(&self.at(source), target.as_fd()).explained("bind()", &BIND_REASONS, RULES);
    }

    #[track_caller]
    fn check_bound(&self, source: &str, target: &str) {
        let [one, other] = [source, target].map(|name| fs::metadata(self.at(name)).expect("stat"));
        check!(
            (one.dev(), one.ino()) == (other.dev(), other.ino()) && self.depth(source) == 0,
            expected: format!("{target} to show the same as {source}"),
            seen: match self.depth(target) {
                0 => "nothing is mounted there",
                _ => "something else is mounted there",
            },
            likely: match self.depth(source) {
                0 if self.content(source).iter().all(|part| self.content(target).contains(part)) => "the content was copied: a bind mount shows the same directory in two places",
                0 => "mount(2) was not called, or with another target",
                _ => "source and target were exchanged: the first argument of mount(2) is the source",
            },
            read: RULES,
        );
    }

    /// Names of a directory or text of a file.
    fn content(&self, name: &str) -> Vec<String> {
        match fs::read_to_string(self.at(name)) {
            Ok(text) => vec![text],
            Err(_) => self.names(name),
        }
    }

    /// `volume`, a mount with these options and another below it, bound to `image/data` by the test itself.
    fn volume(&self, options: MsFlags) {
        for name in ["volume", "image/data"] {
            fs::create_dir_all(self.at(name)).expect("mkdir");
        }
        tmpfs(&self.at("volume"), options);
        fs::create_dir(self.at("volume/below")).expect("mkdir");
        tmpfs(&self.at("volume/below"), options);
        let bind = MsFlags::MS_BIND | MsFlags::MS_REC;
        mount(Some(&self.at("volume")), &self.at("image/data"), None::<&str>, bind, None::<&str>)
            .expect("a bind mount");
    }

    #[track_caller]
    fn remount(&self, verb: fn(std::os::fd::BorrowedFd<'_>) -> Result<()>, call: &str, name: &str) {
        verb(place(&self.at(name)).as_fd()).explained(call, &READ_ONLY_REASONS, RULES);
        check!(
            self.is_writable("volume"),
            expected: "the host to write to its own directory as before",
            seen: "it is read-only for the host too",
            likely: "MS_REMOUNT without MS_BIND changes the file system itself, wherever it is mounted",
            read: RULES,
        );
    }

    /// Whether a file can be written there; it is removed again.
    fn is_writable(&self, name: &str) -> bool {
        let path = self.at(name).join(random_name("written"));
        fs::write(&path, "text").and_then(|()| fs::remove_file(&path)).is_ok()
    }

    /// How many mounts lie on one another there.
    fn depth(&self, name: &str) -> usize {
        inside().mounts.iter().filter(|mount| mount.point == self.at(name)).count()
    }

    /// The options of the topmost mount there, in the kernel's order.
    fn options(&self, name: &str) -> Vec<String> {
        let mount = inside().mounts.into_iter().rfind(|mount| mount.point == self.at(name));
        mount.map(|mount| mount.options).unwrap_or_default()
    }

    /// The learner's mount_tmpfs.
    #[track_caller]
    fn tmpfs(&self, name: &str, size_bytes: Option<u64>, mode: u32) {
        fs::create_dir_all(self.at(name)).expect("mkdir");
        let target = place(&self.at(name));
        let call = format!("mount_tmpfs(_, {size_bytes:?}, 0o{mode:o})");
        volume::mount_tmpfs(target.as_fd(), size_bytes, mode).explained(&call, &TMPFS_REASONS, RULES);
        let mount = inside().mounts.into_iter().rfind(|mount| mount.point == self.at(name));
        check!(
            mount.as_ref().is_some_and(|mount| mount.kind == "tmpfs"),
            expected: "a tmpfs to be mounted at the target",
            seen: mount.map_or("nothing is mounted there".to_owned(), |mount| format!("a mount of type {}", mount.kind)),
            likely: "mount(2) was not called, or with another target or type",
            read: RULES,
        );
    }

    /// How many bytes the file system there can hold.
    fn size(&self, name: &str) -> u64 {
        let found = statvfs(&self.at(name)).expect("statvfs");
        assert!(!found.flags().contains(FsFlags::ST_RDONLY), "a file system to write to");
        found.blocks() * found.fragment_size()
    }

    /// The learner's make_devices, in `image/dev`, a directory that lets devices be.
    #[track_caller]
    fn devices(&self) {
        fs::create_dir_all(self.at("image/dev")).expect("mkdir");
        let result = volume::make_devices(place(&self.at("image/dev")).as_fd());
        let reasons = [
            (
                Errno::EPERM,
                "in a user namespace mknod(2) makes no devices, whoever asks: then the host's own are to be bound",
            ),
            (Errno::ENOENT, "what is to be bound onto was not made first: an empty file of that name"),
            (
                Errno::EEXIST,
                "a name was made twice; or symlink(2) got its arguments in the wrong order: the target comes first",
            ),
            (Errno::EROFS, "the path led to the host's own /dev: the target is /proc/self/fd/N/NAME"),
        ];
        leaning(&[Verb::Open, Verb::Bind], result, "make_devices()", &reasons);
    }

    /// Whether the learner's mask does half of its work, for a directory.
    fn hides_directories(&self) -> bool {
        self.write("image/probe/file", "");
        volume::mask(self.root.as_fd(), Path::new("probe")).is_ok() && self.names("image/probe").is_empty()
    }

    #[track_caller]
    fn mask(&self, path: &str) {
        let reasons = [
            (Errno::ENOTDIR, "a tmpfs was mounted over a file, or /dev/null bound over a directory"),
            (
                Errno::EINVAL,
                "the remount was given a descriptor from before the mount, which names the directory under it, which is no mount point",
            ),
            (Errno::ENOENT, "the path was resolved from the host's /"),
            (Errno::EROFS, "the file itself was to be changed; a mask lies on top of it"),
        ];
        let result = volume::mask(self.root.as_fd(), Path::new(path));
        leaning(&Verb::ALL, result, &format!("mask({path})"), &reasons);
    }
}

/// The verbs that tasks 6 and 7 stand on.
#[derive(Clone, Copy)]
enum Verb {
    Open,
    Bind,
    ReadOnly,
    Tmpfs,
}

impl Verb {
    const ALL: [Verb; 4] = [Verb::Open, Verb::Bind, Verb::ReadOnly, Verb::Tmpfs];

    /// What to say when it does not do its work, which is tried on a stage of its own.
    fn fault(self) -> Option<&'static str> {
        let path = dir().join(random_name("stage"));
        fs::create_dir_all(path.join("image")).expect("mkdir");
        let works = in_child(|| {
            unshare(CloneFlags::CLONE_NEWNS).expect("unshare");
            let stage = Stage { root: place(&path.join("image")), path };
            stage.write("file", "text");
            stage.write("image/file", "");
            stage.write("volume/file", "");
            let leads = |path: &str, make| stage.open(path, make).map(|opened| stage.name(&opened)).ok();
            let target = |name: &str| place(&stage.at(name));
            match self {
                Verb::Open => {
                    let missing = stage.open("missing", None).is_err_and(|error| error.errno() == Some(Errno::ENOENT));
                    stage.plain_fault().is_none()
                        && missing
                        && leads("a/b", Some(Node::File)).is_some_and(|seen| seen == "image/a/b")
                        && leads("/file", None).is_some_and(|seen| seen == "image/file")
                        && leads("/a", None).is_some_and(|seen| seen == "image/a")
                }
                Verb::Bind => {
                    volume::bind(&stage.at("file"), target("image/file").as_fd()).is_ok()
                        && [stage.depth("file"), stage.depth("image/file")] == [0, 1]
                }
                Verb::ReadOnly => {
                    stage.volume(MsFlags::MS_NOSUID);
                    volume::remount_read_only(target("image/data").as_fd()).is_ok()
                        && !stage.is_writable("image/data")
                        && stage.is_writable("volume")
                }
                Verb::Tmpfs => {
                    fs::create_dir(stage.at("image/scratch")).expect("mkdir");
                    volume::mount_tmpfs(target("image/scratch").as_fd(), None, 0o755).is_ok()
                        && fs::metadata(stage.at("image/scratch")).is_ok_and(|found| found.mode() & 0o7777 == 0o755)
                        && stage.depth("image/scratch") == 1
                }
            }
        });
        (!works).then_some(match self {
            Verb::Open => "open_inside() does not do its work yet: first make the tests of task 1 pass",
            Verb::Bind => "bind() does not do its work yet: first make the tests of task 2 pass",
            Verb::ReadOnly => "remount_read_only() does not do its work yet: first make the tests of task 3 pass",
            Verb::Tmpfs => "mount_tmpfs() does not do its work yet: first make the tests of task 5 pass",
        })
    }
}

/// The first of `verbs` that does not do its work.
fn unfinished(verbs: &[Verb]) -> Option<&'static str> {
    verbs.iter().find_map(|verb| verb.fault())
}

/// As explained(), for a verb that stands on others.
#[track_caller]
fn leaning(verbs: &[Verb], result: Result<()>, call: &str, reasons: &[(Errno, &str)]) {
    match result.as_ref().err().and_then(|_| unfinished(verbs)) {
        Some(fault) => testkit::teach(format!("{call} to succeed"), result.expect_err("a refusal"), fault, TASKS),
        None => result.explained(call, reasons, RULES),
    }
}

/// Checks type, number and mode of each device that the learner makes, once `prepare` has run.
#[track_caller]
fn makes_devices(prepare: fn(&Stage)) {
    on_a_stage(|stage| {
        in_child(|| {
            prepare(stage);
            umask(Mode::from_bits_truncate(0o077));
            stage.devices();
            for (name, major, minor) in volume::DEVICES {
                let found = fs::metadata(stage.at("image/dev").join(name));
                let seen = found.as_ref().map_or_else(ToString::to_string, |node| {
                    let kind =
                        if node.file_type().is_char_device() { "a character device" } else { "no character device" };
                    let (major, minor) = (nix::libc::major(node.rdev()), nix::libc::minor(node.rdev()));
                    format!("{kind}, {major}:{minor}, mode {:04o}", node.mode() & 0o7777)
                });
                let wanted = format!("a character device, {major}:{minor}, mode 0666");
                check!(
                    seen == wanted,
                    expected: format!("dev/{name} to be {wanted}"),
                    seen: &seen,
                    likely: match &found {
                        Err(_) => "nothing was made",
                        Ok(node) if node.file_type().is_block_device() => "a block device: these are character devices, S_IFCHR",
                        Ok(node) if !node.file_type().is_char_device() => unfinished(&[Verb::Open, Verb::Bind]).unwrap_or("a plain file, where a device was to be made or bound"),
                        Ok(node) if node.rdev() != nix::libc::makedev(major as u32, minor as u32) => {
                            "another device's number: makedev() takes the major number first"
                        }
                        Ok(_) => "the umask took permissions away from what mknod(2) was given: chmod(2) asks no umask",
                    },
                    read: RULES,
                );
            }
        });
    });
}

/// A verb that changes a mount reports that there is none, and that the capability is missing.
#[track_caller]
fn refuses_what_is_no_mount(verb: fn(std::os::fd::BorrowedFd<'_>) -> Result<()>, call: &str) {
    on_a_stage(|stage| {
        let plain = verb(stage.root.as_fd());
        check_refusal(plain, Errno::EINVAL, &format!("{call} of a directory where nothing is mounted"));
        stage.volume(MsFlags::empty());
        drop_capabilities();
        let refused = verb(place(&stage.at("image/data")).as_fd());
        check_refusal(refused, Errno::EPERM, &format!("{call} without CAP_SYS_ADMIN"));
    });
}

#[track_caller]
fn check_refusal(result: Result<()>, errno: Errno, call: &str) {
    check_refusals(result, &[errno], call);
}

#[track_caller]
fn check_refusals(result: Result<()>, errnos: &[Errno], call: &str) {
    let seen = result.as_ref().map_or_else(Error::to_string, |()| "Ok(())".to_owned());
    check!(
        result.is_err_and(|error| error.errno().is_some_and(|errno| errnos.contains(&errno))),
        expected: format!("{call} to return {}", either(errnos)),
        seen: seen,
        likely: "the result of a system call was thrown away, or its errno was; or another call came first",
        read: RULES,
    );
}

fn either(errnos: &[Errno]) -> String {
    errnos.iter().map(|errno| format!("{errno:?}")).collect::<Vec<_>>().join(" or ")
}

fn call(path: &str, make: Option<Node>) -> String {
    format!("open_inside(_, {path:?}, {make:?})")
}

/// Opened by the test itself, as open_inside would.
fn place(path: &Path) -> OwnedFd {
    open(path, OFlag::O_PATH | OFlag::O_CLOEXEC, Mode::empty()).expect("a place")
}

fn tmpfs(path: &Path, options: MsFlags) {
    mount(Some("none"), path, Some("tmpfs"), options, None::<&str>).expect("a tmpfs");
}

/// With one id mapped: root inside. What the mounts are in here, the namespace outside has locked.
fn enter_a_user_namespace() {
    unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNS).expect("unshare");
    fs::write("/proc/self/setgroups", "deny").expect("setgroups");
    for map in ["uid_map", "gid_map"] {
        fs::write(format!("/proc/self/{map}"), "0 0 1").expect("a map");
    }
}
