//! Lab 12, `labs/lab12_overlay.rs`: one root file system for many, and each keeps its own changes. Chapter:
//! `book/src/lab12-overlay.md`.
//!
//! Every test has a stage of its own: `lower/`, `upper/`, `work/` and `merged/`. What the learner's code reads the kernel has
//! written, by a mount that the test makes itself; and what it writes the kernel reads.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::fs::{self, Permissions};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, lchown, symlink};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use boxwright::steps::overlay;
use model::layer::{Change, Entry, Mark, Marks, Overlay};
use model::{Error, Result};
use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, FcntlArg, OFlag, fcntl, open};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};
use nix::sys::stat::{Mode, SFlag, UtimensatFlags, makedev, mknod, utimensat};
use nix::sys::time::TimeSpec;
use nix::unistd::mkfifo;
use predicates::prelude::PredicateBooleanExt;
use predicates::str::{RegexPredicate, contains, is_empty, is_match};
use testkit::{
    Explained, Rootfs, Shield, check, dir, drop_capabilities, in_child, inside, needs, random_name, shielded, written,
};

const RULES: &str = "lab12-overlay.md, The kernel's rules";
const TASKS: &str = "lab12-overlay.md, Tasks";
/// What each errno means when an overlay is mounted.
const MOUNT_REASONS: [(Errno, &str); 8] = [
    (
        Errno::ENOENT,
        "a layer, or the target, is not there by the path that the kernel was given: one was cut off, or taken for two",
    ),
    (
        Errno::EINVAL,
        "an option that overlayfs does not know, or two that contradict each other; or the work directory is not on upper's file system",
    ),
    (Errno::EPERM, "mount(2) needs CAP_SYS_ADMIN in the user namespace that owns this mount namespace"),
    (Errno::ENODEV, "there is no file system of that type: it is \"overlay\""),
    (Errno::ELOOP, "the upper directory is in the work directory, or the other way: they lie beside each other"),
    (Errno::EBUSY, "the upper or the work directory is another overlay's already"),
    (Errno::ENAMETOOLONG, "a path is longer than 4095 bytes: the paths of several layers were taken for one"),
    (Errno::ENOTDIR, "a layer is no directory"),
];
/// What each errno means when a mark is written.
const MARK_REASONS: [(Errno, &str); 7] = [
    (
        Errno::ENAMETOOLONG,
        "a whiteout has the name of what it hides, and no longer one: names with .wh. before them are for image layers",
    ),
    (Errno::EBADF, "a descriptor that names a place (O_PATH) is not written through: place() gives a path for it"),
    (
        Errno::EPERM,
        "mknod(2) makes one device for everybody, the character device with number 0; and trusted.* takes CAP_SYS_ADMIN over the machine",
    ),
    (Errno::EEXIST, "the name was made twice"),
    (Errno::ENOENT, "the name was looked for in another directory than the layer's"),
    (Errno::EOPNOTSUPP, "the attribute's name begins with a name space that does not exist: user., trusted."),
    (Errno::EINVAL, "mknod(2) takes the kind of the file in its mode: S_IFCHR"),
];
/// What each errno means when a layer is looked into.
const LOOK_REASONS: [(Errno, &str); 6] = [
    (Errno::ENOENT, "what is not there was taken for a failure"),
    (Errno::ELOOP, "openat(2) with O_NOFOLLOW and without O_PATH refuses symbolic links: a link is an entry too"),
    (Errno::ENXIO, "a FIFO, a socket or a device was opened: O_PATH only names it"),
    (Errno::EACCES, "to name a file (O_PATH) takes no permission on it, to open it does"),
    (Errno::EBADF, "the attributes are read through a path: a descriptor with O_PATH alone does not let"),
    (Errno::ENOTDIR, "something that is no directory was looked into"),
];
/// What each errno means in a copy.
const COPY_REASONS: [(Errno, &str); 6] = [
    (Errno::ENOENT, "what a symbolic link leads to was asked for: it may dangle, and is copied as it is"),
    (Errno::EACCES, "the mode was set too early: nothing can be made in a directory that is read-only"),
    (Errno::EEXIST, "a name was made twice"),
    (Errno::EISDIR, "a directory was copied as a file"),
    (Errno::EPERM, "link(2) makes no second name for a directory"),
    (Errno::EINVAL, "a file of a special kind was opened and read: mknod(2) makes another"),
];

// ---- task 1 ----

#[test]
fn task1_the_layers_are_named_the_topmost_first() {
    on_a_stage(|stage| {
        let lowers: Vec<_> = (0..4).map(|_| stage.at(&random_name("layer"))).collect();
        let overlay = Overlay { lowers, ..stage.overlay() };
        let seen = Options::of(&overlay);
        let reversed: Vec<_> = overlay.lowers.iter().rev().cloned().collect();
        check!(
            seen.lowers == overlay.lowers,
            expected: format!("lowerdir= to name {:?}, the topmost first", overlay.lowers),
            seen: format!("{:?}", seen.lowers),
            likely: match &seen.lowers {
                lowers if *lowers == reversed => "the order is reversed: lowerdir= begins with the topmost layer",
                lowers if lowers.is_empty() => "there is no lowerdir=",
                _ => "between two of them stands one colon",
            },
            read: RULES,
        );
        for (key, seen, wanted) in [("upperdir", &seen.upper, &overlay.upper), ("workdir", &seen.work, &overlay.work)] {
            check!(
                seen.as_ref() == Some(wanted),
                expected: format!("{key}={}", wanted.display()),
                seen: format!("{seen:?}"),
                likely: match seen {
                    None => "the key is missing, or no comma stands before it",
                    Some(_) => "upper and work were exchanged, or the value goes on behind a comma",
                },
                read: RULES,
            );
        }
    });
}

#[test]
fn task1_the_marks_are_the_callers() {
    on_a_stage(|stage| {
        let seen = Options::of(&stage.overlay());
        match stage.marks {
            Marks::User => check!(
                seen.has("userxattr"),
                expected: "userxattr, for marks that an ordinary user can write",
                seen: seen.told(),
                likely: "without userxattr overlayfs wants trusted.* attributes, which a user namespace does not get",
                read: RULES,
            ),
            Marks::Trusted => {
                check!(
                    !seen.has("userxattr"),
                    expected: "the attributes trusted.overlay.*",
                    seen: seen.told(),
                    likely: "userxattr was given for every overlay: these marks are Marks::Trusted",
                    read: RULES,
                );
                // What comes of `on` has a test of its own.
                check!(
                    seen.has("redirect_dir=off") || seen.has("redirect_dir=nofollow") || seen.has("redirect_dir=on"),
                    expected: "redirect_dir=off, whatever this machine's default is",
                    seen: seen.told(),
                    likely: "the default of redirect_dir is the machine's, and may be on",
                    read: RULES,
                );
                check!(
                    seen.has("metacopy=off"),
                    expected: "metacopy=off, whatever this machine's default is",
                    seen: seen.told(),
                    likely: "with metacopy a file that is given away leaves a note in upper, and its content is below",
                    read: RULES,
                );
            }
        }
    });
}

#[test]
fn task1_a_path_may_hold_any_byte() {
    on_a_stage(|stage| {
        for name in odd_names() {
            let path = stage.path.join(&name);
            let overlay = Overlay {
                lowers: vec![path.join("one"), path.join("two")],
                upper: path.join("upper"),
                work: path.join("work"),
                ..stage.overlay()
            };
            let seen = Options::of(&overlay);
            let wanted = (overlay.lowers, Some(overlay.upper), Some(overlay.work));
            check!(
                            (&seen.lowers, &seen.upper, &seen.work) == (&wanted.0, &wanted.1, &wanted.2),
                            expected: format!("paths that hold {name:?} to stay what they are"),
                            seen: format!("{:?}, upper {:?}, work {:?}", seen.lowers, seen.upper, seen.work),
                            likely: match () {
                                () if seen.lowers.is_empty() => "there is no lowerdir=",
            () if std::str::from_utf8(name.as_bytes()).is_err() => "a path is bytes: Path::display() loses what is not UTF-8",
                                () if !seen.has_backslash => "a comma ends an option and a colon a layer, unless a backslash stands before it",
                                () if !name.as_bytes().contains(&b'\\') && seen.has_two_backslashes => {
                                    "a backslash was put before another that was put there to escape: each byte of the path is looked at once"
                                }
                                () if name.as_bytes().contains(&b'\\') => "a backslash in a name needs one before it too",
                                () => "one of , : \\ in a path got no backslash before it",
                            },
                            read: RULES,
                        );
        }
    });
}

#[test]
fn task1_the_kernel_takes_the_options() {
    on_a_stage(|stage| {
        stage.write("lower/file", "of lower");
        stage.mount_with(&overlay::options(&stage.overlay()));
        stage.writes_arrive_in_upper();
    });
}

#[test]
fn task1_a_directory_of_a_lower_layer_is_not_renamed() {
    on_a_stage(|stage| {
        let (old, text) = (random_name("old"), random_name("text"));
        stage.write(&format!("lower/{old}/file"), &text);
        stage.mount_with(&overlay::options(&stage.overlay()));
        let renamed = fs::rename(stage.at("merged").join(&old), stage.at("merged/new"));
        let upper = stage.tree("upper");
        check!(
            renamed.as_ref().is_err_and(|error| error.raw_os_error() == Some(libc::EXDEV)),
            expected: "rename(2) of a directory from below to return EXDEV, so that mv(1) copies it into upper",
            seen: format!("{renamed:?}, and upper holds {upper:?}"),
            likely: match upper.contains_key("new/file") {
                false => "with redirect_dir=on upper gets an empty directory and a note of where its content is: below",
                true => "the content was copied, by whom?",
            },
            read: RULES,
        );
    });
}

// ---- task 2 ----

#[test]
fn task2_the_layers_are_seen_as_one() {
    on_a_stage(|stage| {
        let texts = ["top", "middle", "bottom", "upper"].map(random_name);
        for (layer, text) in ["lower-1", "lower-2", "lower-3", "upper"].into_iter().zip(&texts) {
            stage.write(&format!("{layer}/only-{layer}"), text);
            stage.write(&format!("{layer}/etc/of-{layer}"), text);
        }
        for (layer, text) in ["lower-1", "lower-2", "lower-3"].into_iter().zip(&texts) {
            stage.write(&format!("{layer}/all"), text);
        }
        stage.write("lower-2/two", &texts[1]);
        stage.write("lower-3/two", &texts[2]);
        let overlay = stage.over(&["lower-1", "lower-2", "lower-3"]);
        stage.mount_overlay(&overlay, &stage.at("merged"));
        let seen = stage.tree("merged");
        let all = ["lower-1", "lower-2", "lower-3", "upper"].map(|layer| format!("only-{layer}"));
        check!(
            all.iter().all(|name| seen.contains_key(name)) && stage.names("merged/etc").len() == 4,
            expected: "the files of every layer, and a directory that all have as one",
            seen: format!("{:?}", seen.keys().collect::<Vec<_>>()),
            likely: stage.mount_fault("a layer is missing from the options"),
            read: RULES,
        );
        let seen = ["all", "two"].map(|name| seen.get(name).cloned().unwrap_or_default());
        check!(
            seen == [&texts[0], &texts[1]].map(|text| file(text)),
            expected: format!("the topmost of several files of one name: {:?}", [&texts[0], &texts[1]]),
            seen: format!("{seen:?}"),
            likely: stage.mount_fault("the layers are in another order than they were given"),
            read: RULES,
        );
    });
}

#[test]
fn task2_no_flag_takes_anything_away() {
    on_a_stage(|stage| {
        stage.mount_overlay(&stage.overlay(), &stage.at("merged"));
        let mount = inside().mounts.into_iter().rfind(|mount| mount.point == stage.at("merged"));
        let seen = mount.map(|mount| mount.options);
        let flags = ["ro", "nosuid", "nodev", "noexec", "noatime", "nodiratime", "nosymfollow", "sync"];
        check!(
            seen.as_ref().is_some_and(|seen| !flags.iter().any(|flag| seen.iter().any(|option| option == flag))),
            expected: "a mount without flags",
            seen: format!("{seen:?}"),
            likely: match seen {
                None => stage.mount_fault("nothing is mounted at the target"),
                Some(_) => "a flag was given to mount(2) that is not the caller's: with MS_NOSUID a program of the image loses its set-user-ID bit, with MS_NODEV its devices are closed",
            },
            read: RULES,
        );
    });
}

#[test]
fn task2_what_is_written_goes_to_upper_alone() {
    on_a_stage(|stage| {
        let [before, after] = [random_name("before"), random_name("after")];
        for name in ["changed", "gone", "mode", "kept", "directory/file"] {
            stage.write(&format!("lower/{name}"), &before);
        }
        let lower = stage.tree("lower");
        stage.mount_overlay(&stage.overlay(), &stage.at("merged"));
        stage.write("merged/changed", &after);
        stage.write("merged/new/file", &after);
        fs::remove_file(stage.at("merged/gone")).expect("remove");
        stage.chmod("merged/mode", 0o600);
        fs::remove_dir_all(stage.at("merged/directory")).expect("remove");
        fs::create_dir(stage.at("merged/directory")).expect("mkdir");
        let kind = inside().mounts.into_iter().rfind(|mount| mount.point == stage.at("merged")).map(|mount| mount.kind);
        check!(
            kind.as_deref() == Some("overlay"),
            expected: "a mount of type overlay at the target",
            seen: kind.unwrap_or_else(|| "none".to_owned()),
            likely: "mount(2) was not called, or with another target",
            read: RULES,
        );
        check!(
            stage.tree("lower") == lower,
            expected: "the lower directory to stay as it was",
            seen: format!("{:?}", stage.tree("lower")),
            likely: stage.mount_fault("what is below was mounted as upper, or another directory than the merged one was written to"),
            read: RULES,
        );
        let wanted: Vec<_> = [
            ("changed", file(&after)),
            ("directory", "a directory".to_owned()),
            ("gone", "a whiteout".to_owned()),
            ("mode", file(&before)),
            ("new", "a directory".to_owned()),
            ("new/file", file(&after)),
        ]
        .map(|(name, what)| (name.to_owned(), what))
        .into_iter()
        .collect();
        let seen: Vec<_> = stage.tree("upper").into_iter().collect();
        check!(
            seen == wanted,
            expected: format!("upper to hold {wanted:?}"),
            seen: format!("{seen:?}"),
            likely: stage.mount_fault("another directory was given as upper"),
            read: RULES,
        );
        let attributes = attributes(&stage.at("upper/directory"));
        check!(
            attributes.get(stage.marks.opaque()).is_some_and(|value| value == b"y"),
            expected: format!("{} on a directory that was removed and made again", stage.marks.opaque().display()),
            seen: format!("{:?}", attributes.keys().collect::<Vec<_>>()),
            likely: stage.mount_fault("the marks are kept in another name space than overlay.marks says"),
            read: RULES,
        );
    });
}

const CUT_OFF: &str = "mount(2) takes a page of options, and cuts the rest off without a word: a path ends in the middle, the next keys are gone. \
    Or the short names are those of descriptors that are closed already";

#[test]
fn task2_many_layers_with_long_names() {
    const LAYERS: usize = 160;
    on_a_stage(|stage| {
        let long = "x".repeat(200);
        let lowers: Vec<_> = (0..LAYERS).map(|n| stage.at(&format!("{long}-{n}"))).collect();
        for (n, lower) in lowers.iter().enumerate() {
            fs::create_dir(lower).expect("mkdir");
            fs::write(lower.join(format!("of-{n}")), "").expect("a file");
            fs::write(lower.join("all"), n.to_string()).expect("a file");
        }
        let before = inside().descriptors;
        let overlay = Overlay { lowers, ..stage.overlay() };
        let mounted = overlay::mount_overlay(&overlay, &stage.at("merged"));
        let own = mounted.as_ref().is_err_and(|error| matches!(error, Error::Invalid { .. }));
        if let (Err(error), None) = (&mounted, stage.options_fault()) {
            testkit::teach(
                format!("{LAYERS} layers to be mounted, of whose names there are {} bytes", LAYERS * 200),
                error,
                match own {
                    true => "it was refused for its length before the shorter names were tried",
                    false => CUT_OFF,
                },
                RULES,
            );
        }
        mounted.explained("mount_overlay()", &MOUNT_REASONS, RULES);
        let seen = stage.names("merged");
        let top = fs::read_to_string(stage.at("merged/all")).unwrap_or_default();
        check!(
            seen.len() == LAYERS + 1 && top == "0",
            expected: format!("{} names, and the topmost of {LAYERS} files of one name", LAYERS + 1),
            seen: format!("{} names, and that of layer {top}", seen.len()),
            likely: match fs::write(stage.at("merged/new"), "") {
                // Where the path that is cut off leads somewhere, that is a layer, and there is no upper one.
                Err(_) => CUT_OFF,
                Ok(()) => stage.mount_fault("some layers were left out: by what is too long, or by a descriptor that was closed too early"),
            },
            read: RULES,
        );
        check!(
            inside().descriptors == before,
            expected: "no descriptor more than before",
            seen: format!("{} more", inside().descriptors.len().saturating_sub(before.len())),
            likely: "the layers that were opened are still open: they are needed for as long as mount(2) takes",
            read: TASKS,
        );
        stage.write("merged/of-7", "written");
        let seen = stage.names("upper");
        check!(
            seen == ["of-7"],
            expected: "what is written to be in upper",
            seen: format!("{seen:?}"),
            likely: "without upperdir the merged directory is read-only",
            read: RULES,
        );
    });
}

#[test]
fn task2_a_page_has_room_for_a_zero() {
    const LAYERS: usize = 16;
    on_a_stage(|stage| {
        let overlay = |missing: usize| {
            let name = |n: usize| {
                format!("{n:x}{}", "x".repeat((missing / LAYERS + usize::from(n < missing % LAYERS)).min(250)))
            };
            Overlay { lowers: (0..LAYERS).map(|n| stage.at(&name(n))).collect(), ..stage.overlay() }
        };
        let bare = overlay::options(&overlay(0)).len();
        for length in [4095, 4096] {
            let overlay = overlay(length - bare.min(length));
            for (n, lower) in overlay.lowers.iter().enumerate() {
                fs::create_dir_all(lower).expect("mkdir");
                fs::write(lower.join(n.to_string()), "").expect("a file");
            }
            let mounted = overlay::mount_overlay(&overlay, &stage.at("merged"));
            let seen = stage.names("merged").len();
            check!(
                mounted.is_ok() && seen == LAYERS,
                expected: format!("{LAYERS} layers to be mounted whose options are {length} bytes"),
                seen: format!("{mounted:?}, and {seen} of their files"),
                likely: match &mounted {
                    Ok(()) => stage.mount_fault("nothing was mounted, or not every layer"),
                    Err(_) => stage.long_names_fault().unwrap_or(
                        "a page is 4096 bytes and ends with a zero: the 4096th byte of the options is lost, and what was to be the last word is another"
                    ),
                },
                read: RULES,
            );
            stage.unmount();
        }
    });
}

#[test]
fn task2_too_many_layers_are_refused() {
    on_a_stage(|stage| {
        let lowers: Vec<_> = (0..600).map(|n| stage.at(&format!("{}-{n}", "a-layer".repeat(6)))).collect();
        lowers.iter().for_each(|lower| fs::create_dir(lower).expect("mkdir"));
        let refused = overlay::mount_overlay(&Overlay { lowers, ..stage.overlay() }, &stage.at("merged"));
        let seen = refused.as_ref().map_or_else(Error::to_string, |()| "Ok(())".to_owned());
        check!(
            matches!(&refused, Err(Error::Invalid { .. })),
            expected: "600 layers to be refused with Error::Invalid, which says how many are too many",
            seen: seen,
            likely: match &refused {
                Ok(()) if stage.mounts() == 0 => "nothing was mounted at all",
                Ok(()) => stage.long_names_fault().unwrap_or("fewer were mounted than were given"),
                Err(_) => stage.long_names_fault().unwrap_or("mount(2) was called although /proc/self/fd/N for each is too long too"),
            },
            read: TASKS,
        );
        stage.nothing_is_mounted();
    });
}

#[test]
fn task2_odd_names_are_mounted() {
    on_a_stage(|stage| {
        for name in odd_names() {
            let path = stage.path.join(&name);
            let at = |name: &str| path.join(name);
            for name in ["one", "two", "upper", "work", "merged"] {
                fs::create_dir_all(at(name)).expect("mkdir");
            }
            fs::write(at("two/file"), "").expect("a file");
            let lowers = vec![at("one"), at("two")];
            let overlay = Overlay { lowers, upper: at("upper"), work: at("work"), marks: stage.marks };
            stage.mount_overlay(&overlay, &at("merged"));
            fs::write(at("merged/new"), "").expect("a file");
            check!(
                at("merged/file").exists() && at("upper/new").exists(),
                expected: format!("directories named {name:?} to be merged"),
                seen: "a file of lower is missing, or upper did not get what was written",
                likely: stage.mount_fault("the name reached mount(2) as another"),
                read: RULES,
            );
        }
    });
}

#[test]
fn task2_a_missing_layer_is_reported() {
    on_a_stage(|stage| {
        let missing = stage.at("missing");
        for overlay in [
            Overlay { lowers: vec![stage.at("lower"), missing.clone()], ..stage.overlay() },
            Overlay { upper: missing.clone(), ..stage.overlay() },
            Overlay { work: missing.clone(), ..stage.overlay() },
            Overlay {
                lowers: (0..170).map(|n| stage.at(&format!("{}-{n}", "m".repeat(100)))).collect(),
                ..stage.overlay()
            },
        ] {
            let result = overlay::mount_overlay(&overlay, &stage.at("merged"));
            let likely = match stage.options_fault() {
                _ if missing.exists() => "the missing directory was made: a name that is wrong would never be told",
                Some(fault) => fault,
                None => "the directory was left out of the options, or what is long was refused for its length",
            };
            stage.refuses(result, Errno::ENOENT, "mount_overlay() with a directory that is not there", likely);
            stage.nothing_is_mounted();
        }
        let result = overlay::mount_overlay(&stage.overlay(), &missing);
        stage.refuses(result, Errno::ENOENT, "mount_overlay() on a directory that is not there", "it was made");
    });
}

#[test]
fn task2_work_belongs_to_uppers_file_system() {
    on_a_stage(|stage| {
        fs::create_dir_all(stage.at("elsewhere")).expect("mkdir");
        mount(Some("none"), &stage.at("elsewhere"), Some("tmpfs"), MsFlags::empty(), None::<&str>).expect("a tmpfs");
        fs::create_dir(stage.at("elsewhere/work")).expect("mkdir");
        let overlay = Overlay { work: stage.at("elsewhere/work"), ..stage.overlay() };
        let result = overlay::mount_overlay(&overlay, &stage.at("merged"));
        let likely = "another work directory was taken than the one that was given: the caller's to choose, and to be told about";
        stage.refuses(result, Errno::EINVAL, "mount_overlay() with work on another file system than upper", likely);
        stage.nothing_is_mounted();
        let left = stage.names("upper");
        check!(
            left.is_empty(),
            expected: "nothing to be made in upper",
            seen: format!("{left:?}"),
            likely: "a work directory was made there: the container would see it",
            read: TASKS,
        );
    });
}

#[test]
fn task2_a_file_is_prepared_beside_upper() {
    on_a_stage(|stage| {
        // Another file system than that of TMPDIR, the root of all short cuts. Before, a tmpfs keeps no user attributes.
        if testkit::needs::kernel() >= (6, 6) {
            fs::create_dir(stage.at("own")).expect("mkdir");
            mount(Some("none"), &stage.at("own"), Some("tmpfs"), MsFlags::empty(), None::<&str>).expect("a tmpfs");
        }
        for name in ["lower", "upper", "work"] {
            fs::create_dir_all(stage.at("own").join(name)).expect("mkdir");
        }
        let overlay = Overlay { upper: stage.at("own/upper"), work: stage.at("own/work"), ..stage.overlay() };
        let mounted = overlay::mount_overlay(&overlay, &stage.at("merged"));
        if let (Err(error), None) = (&mounted, stage.options_fault())
            && error.errno() == Some(Errno::EINVAL)
        {
            let likely = "work was looked for on another file system than upper's: overlayfs prepares a file in work and renames it into upper";
            testkit::teach("an overlay whose work directory lies beside upper to be mounted", error, likely, RULES);
        }
        match (mounted, stage.options_fault()) {
            (Err(error), Some(fault)) => testkit::teach("mount_overlay() to succeed", error, fault, TASKS),
            (mounted, _) => mounted.explained("mount_overlay()", &MOUNT_REASONS, RULES),
        }
        let seen = stage.names("own/work");
        check!(
            !seen.is_empty(),
            expected: "overlayfs to have made a directory of its own in work",
            seen: "it is empty",
            likely: stage.mount_fault("another directory was given as workdir"),
            read: RULES,
        );
    });
}

#[test]
fn task2_an_overlay_is_no_upper() {
    on_a_stage(|stage| {
        stage.mount(&stage.overlay());
        for name in ["merged/upper", "merged/work", "target"] {
            fs::create_dir(stage.at(name)).expect("mkdir");
        }
        let overlay = Overlay { upper: stage.at("merged/upper"), work: stage.at("merged/work"), ..stage.overlay() };
        let result = overlay::mount_overlay(&overlay, &stage.at("target"));
        let likely = "another directory was written to than the one that was given: what cannot be had is to be told";
        stage.refuses(result, Errno::EINVAL, "mount_overlay() with upper on an overlay", likely);
    });
}

#[test]
fn task2_without_the_capability_it_is_refused() {
    on_a_stage(|stage| {
        drop_capabilities();
        let result = overlay::mount_overlay(&stage.overlay(), &stage.at("merged"));
        stage.refuses(
            result,
            Errno::EPERM,
            "mount_overlay() without CAP_SYS_ADMIN",
            "the errno of mount(2) was thrown away",
        );
    });
}

// ---- task 3 ----

#[test]
fn task3_a_whiteout_hides_what_is_below() {
    on_a_stage(|stage| {
        let names =
            [random_name("a file").into(), "n".repeat(255).into(), OsString::from_vec(b"caf\xe9, 50:50\\".to_vec())];
        for name in &names {
            fs::write(stage.at("lower").join(name), "").expect("a file");
        }
        stage.write("lower/directory/file", "");
        stage.write("lower/kept", "");
        for name in names.iter().map(OsString::as_os_str).chain([OsStr::new("directory")]) {
            stage.mark("upper", Mark::Whiteout(name));
        }
        stage.mount(&stage.overlay());
        let seen = stage.names("merged");
        let upper: BTreeSet<_> = stage.tree("upper").into_values().collect();
        check!(
            seen == ["kept"],
            expected: "what has a whiteout to be hidden, and nothing else",
            seen: format!("{seen:?}"),
            likely: match upper.iter().next().map(String::as_str) {
                None => "nothing was made in the layer",
                Some("a whiteout") if seen.is_empty() => "more was hidden than was asked for",
                Some("a whiteout") => "the whiteout has another name than what it hides",
                Some("a file \"\"") => "an empty file is a file: a whiteout is a character device, S_IFCHR, with number 0",
                Some(_) => "a whiteout is a character device, and its number is 0",
            },
            read: RULES,
        );
    });
}

#[test]
fn task3_a_whiteout_takes_no_privilege() {
    needs!(kernel = 5.8);
    on_a_stage(|stage| {
        stage.write("lower/file", "");
        in_child(|| {
            drop_capabilities();
            stage.mark("upper", Mark::Whiteout(OsStr::new("file")));
        });
        stage.mount(&stage.overlay());
        let seen = stage.names("merged");
        check!(
            seen.is_empty(),
            expected: "a whiteout by whoever can write to the directory",
            seen: format!("{seen:?}"),
            likely: "nothing that hides was made: see task3_a_whiteout_hides_what_is_below",
            read: RULES,
        );
    });
}

#[test]
fn task3_of_an_opaque_directory_nothing_below_is_seen() {
    on_a_stage(|stage| {
        stage.write("lower/directory/old", "");
        stage.write("lower/directory/deep/old", "");
        stage.write("lower/beside/old", "");
        stage.write("upper/directory/new", "");
        stage.mark("upper/directory", Mark::Opaque);
        let before = attributes(&stage.at("upper/directory"));
        stage.mount(&stage.overlay());
        let seen: Vec<_> = stage.tree("merged").into_keys().collect();
        let told: Vec<_> =
            before.iter().map(|(name, value)| format!("{}={}", name.display(), value.escape_ascii())).collect();
        let marked = before.get(stage.marks.opaque());
        check!(
            seen == ["beside", "beside/old", "directory", "directory/new"],
            expected: "of the opaque directory what upper has in it, and the one beside it as before",
            seen: format!("{seen:?}, and the directory bears {told:?}"),
            likely: match marked {
                Some(value) if value != b"y" => "the value of the mark is the letter y",
                Some(_) => "more was marked than was asked for",
                None if before.keys().any(|name| name.as_bytes().ends_with(b"overlay.opaque")) => {
                    "the mark is in the other name space: marks.opaque() is its name"
                }
                None if stage.names("upper/directory").contains(&".wh..wh..opq".to_owned()) => {
                    "that name is for image layers: overlayfs looks for an attribute"
                }
                None if !stage.makes_whiteouts() => "nothing is marked yet: begin with task3_a_whiteout_hides_what_is_below",
                None => "the directory has no mark: the old files shine through",
            },
            read: RULES,
        );
        check!(
            before.len() == 1,
            expected: "one attribute",
            seen: format!("{told:?}"),
            likely: "marks were written to both name spaces: only one is read",
            read: RULES,
        );
    });
}

#[test]
fn task3_a_name_that_is_taken_is_refused() {
    on_a_stage(|stage| {
        stage.write("upper/file", "text");
        stage.write("upper/directory/file", "text");
        let upper = stage.place("upper");
        for (name, path) in [("file", "file"), ("directory", "directory/file")] {
            let result = overlay::make_mark(upper.as_fd(), Mark::Whiteout(OsStr::new(name)), stage.marks);
            let call = format!("make_mark() of a whiteout where upper has a {name}");
            let likely = match stage.tree("upper").get(path) {
                Some(text) if *text == file("text") => {
                    "nothing was made, or by another name, or the result of mknod(2) was thrown away"
                }
                _ => "what was there was removed first: that is the caller's to decide",
            };
            stage.refuses(result, Errno::EEXIST, &call, likely);
        }
    });
}

#[test]
fn task3_a_mark_that_cannot_be_written_is_reported() {
    on_a_stage(|stage| {
        fs::create_dir(stage.at("plain")).expect("mkdir");
        mount(Some("none"), &stage.at("plain"), Some("ramfs"), MsFlags::empty(), None::<&str>).expect("a ramfs");
        let plain = stage.place("plain");
        let thrown = "the result of a system call was thrown away";
        if xattr::set(stage.at("plain"), stage.marks.opaque(), b"n").is_err() {
            let result = overlay::make_mark(plain.as_fd(), Mark::Opaque, stage.marks);
            stage.refuses(result, Errno::EOPNOTSUPP, "make_mark(Opaque) where there are no attributes", thrown);
        }
        drop_capabilities();
        let result = overlay::make_mark(stage.place("upper").as_fd(), Mark::Opaque, Marks::Trusted);
        stage.refuses(result, Errno::EPERM, "make_mark(Opaque) in trusted.* without CAP_SYS_ADMIN", thrown);
    });
}

// ---- task 4 ----

#[test]
fn task4_what_the_kernel_hides_is_a_whiteout() {
    on_a_stage(|stage| {
        let gone = random_name("gone");
        stage.write(&format!("lower/{gone}"), "");
        stage.write("lower/directory/file", "");
        stage.write("lower/moved", "");
        stage.mount(&stage.overlay());
        fs::remove_file(stage.at("merged").join(&gone)).expect("remove");
        fs::remove_dir_all(stage.at("merged/directory")).expect("remove");
        fs::rename(stage.at("merged/moved"), stage.at("merged/new")).expect("a rename");
        stage.unmount();
        for name in [gone.as_str(), "directory", "moved"] {
            stage.is_entry("upper", name, "a whiteout");
        }
        stage.is_entry("upper", "new", "a file");
        stage.is_entry("upper", &random_name("nothing"), "nothing");
    });
}

#[test]
fn task4_a_whiteout_has_any_mode() {
    on_a_stage(|stage| {
        nix::sys::stat::umask(Mode::empty());
        let modes = [0, 0o100, 0o644, 0o777];
        for mode in modes {
            stage.write(&format!("lower/{mode:o}"), "");
            let path = stage.at("upper").join(format!("{mode:o}"));
            mknod(&path, SFlag::S_IFCHR, Mode::from_bits_truncate(mode), 0).expect("a whiteout");
        }
        stage.mount(&stage.overlay());
        assert_eq!(stage.names("merged"), [""; 0], "what the kernel shows");
        stage.unmount();
        for mode in modes {
            let seen = stage.entry_in(&stage.place("upper"), OsStr::new(&format!("{mode:o}")));
            check!(
                seen == "a whiteout",
                expected: format!("a whiteout of mode {mode:o} to be one: the kernel hides what is below it"),
                seen: seen,
                likely: stage.entry_fault().unwrap_or(
                    "its permissions were asked for: the kernel makes whiteouts without any, `mknod NAME c 0 0` gives them some"
                ),
                read: RULES,
            );
        }
    });
}

#[test]
fn task4_files_of_every_kind_are_files() {
    on_a_stage(|stage| {
        stage.write("upper/file", "");
        stage.write("upper/closed", "");
        stage.chmod("upper/closed", 0);
        mkfifo(&stage.at("upper/fifo"), Mode::S_IRWXU).expect("a FIFO");
        let _socket = UnixListener::bind(stage.at("upper/socket")).expect("a socket");
        // What a regular file, a FIFO and a socket have for a device number is 0 too.
        for name in ["file", "closed", "fifo", "socket"] {
            stage.is_entry("upper", name, "a file");
        }
        // And these are devices.
        let devices = open("/dev", OFlag::O_PATH | OFlag::O_CLOEXEC, Mode::empty()).expect("/dev");
        for name in ["null", "zero"] {
            let seen = stage.entry_in(&devices, OsStr::new(name));
            stage.check_entry(&format!("/dev/{name}"), "a file", &seen);
        }
    });
}

#[test]
fn task4_a_block_device_is_no_whiteout() {
    needs!(root);
    on_a_stage(|stage| {
        mknod(&stage.at("upper/block"), SFlag::S_IFBLK, Mode::empty(), 0).expect("a block device");
        mknod(&stage.at("upper/minor"), SFlag::S_IFCHR, Mode::empty(), makedev(0, 1)).expect("a character device");
        mknod(&stage.at("upper/major"), SFlag::S_IFCHR, Mode::empty(), makedev(1, 0)).expect("a character device");
        for name in ["block", "minor", "major"] {
            stage.is_entry("upper", name, "a file");
        }
    });
}

#[test]
fn task4_links_are_files_wherever_they_lead() {
    on_a_stage(|stage| {
        fs::create_dir(stage.at("upper/directory")).expect("mkdir");
        whiteout(&stage.at("upper/whiteout"));
        for (name, target) in
            [("one", "directory"), ("two", "whiteout"), ("three", "nowhere"), ("four", "/"), ("five", "five")]
        {
            symlink(target, stage.at("upper").join(name)).expect("a link");
            stage.is_entry("upper", name, "a file");
        }
    });
}

#[test]
fn task4_an_opaque_directory_of_the_kernels() {
    on_a_stage(|stage| {
        for name in ["again", "plain", "moved"] {
            stage.write(&format!("lower/{name}/file"), "");
        }
        stage.mount(&stage.overlay());
        fs::remove_dir_all(stage.at("merged/again")).expect("remove");
        fs::create_dir(stage.at("merged/again")).expect("mkdir");
        stage.write("merged/plain/new", "");
        stage.unmount();
        stage.is_entry("upper", "again", "an opaque directory");
        stage.is_entry("upper", "plain", "a directory");
        stage.is_entry("lower", "again", "a directory");
    });
}

#[test]
fn task4_only_this_mark_makes_a_directory_opaque() {
    on_a_stage(|stage| {
        let other = if stage.marks == Marks::User { "trusted.overlay.opaque" } else { "user.overlay.opaque" };
        let own = stage.marks.opaque().to_str().expect("text");
        for (name, attribute, value, wanted) in [
            ("marked", own, "y", "an opaque directory"),
            ("other-space", other, "y", "a directory"),
            ("other-value", own, "n", "a directory"),
            // Linux 6.7: there are whiteouts in there that are attributes; it is merged as any other.
            ("whiteouts-inside", own, "x", "a directory"),
            ("longer", own, "yes", "a directory"),
        ] {
            let path = stage.at("upper").join(name);
            fs::create_dir(&path).expect("mkdir");
            // In a user namespace nobody writes trusted.*: then the directory has no mark at all.
            if xattr::set(&path, attribute, value.as_bytes()).is_ok() || wanted == "a directory" {
                stage.is_entry("upper", name, wanted);
            }
        }
    });
}

#[test]
fn task4_the_descriptor_names_the_entry_and_nothing_more() {
    on_a_stage(|stage| {
        stage.write("upper/file", "");
        stage.write("upper/directory/file", "");
        symlink("file", stage.at("upper/link")).expect("a link");
        mkfifo(&stage.at("upper/fifo"), Mode::S_IRWXU).expect("a FIFO");
        for name in ["file", "directory", "link", "fifo"] {
            let upper = stage.place("upper");
            let entry = overlay::entry(upper.as_fd(), OsStr::new(name), stage.marks);
            let fd = match entry.explained(&format!("entry(_, {name:?})"), &LOOK_REASONS, RULES) {
                Entry::File(fd) | Entry::Directory { fd, .. } => fd,
                other => testkit::teach(
                    "a descriptor of what is there",
                    format!("{other:?}"),
                    "see the other tests of task 4",
                    TASKS,
                ),
            };
            let seen = fs::read_link(format!("/proc/self/fd/{}", fd.as_raw_fd())).expect("a descriptor");
            check!(
                seen == stage.at("upper").join(name),
                expected: format!("a descriptor of {name} itself"),
                seen: format!("one of {}", seen.display()),
                likely: "the link was followed, or the layer's own descriptor was given back",
                read: RULES,
            );
            let flags = fcntl(&fd, FcntlArg::F_GETFL).expect("fcntl");
            check!(
                flags & OFlag::O_PATH.bits() != 0,
                expected: "a descriptor that names a place (O_PATH)",
                seen: "one that was opened for reading",
                likely: "O_PATH was left out: to open a FIFO or a device of an image does something",
                read: RULES,
            );
            check!(
                fcntl(&fd, FcntlArg::F_GETFD).expect("fcntl") == libc::FD_CLOEXEC,
                expected: "a descriptor that is closed by exec",
                seen: "one that a program would inherit",
                likely: "O_CLOEXEC was left out",
                read: RULES,
            );
        }
    });
}

#[test]
fn task4_a_closed_directory_is_reported() {
    on_a_stage(|stage| {
        let fault = stage.entry_fault();
        stage.write("upper/file", "");
        stage.chmod("upper", 0);
        drop_capabilities();
        let upper = stage.place("upper");
        let result = overlay::entry(upper.as_fd(), OsStr::new("file"), stage.marks).map(drop);
        let likely = "every errno of openat(2) was taken for \"not there\": only ENOENT says that";
        stage.refuses(
            result,
            Errno::EACCES,
            "entry() in a directory that is closed to the caller",
            fault.unwrap_or(likely),
        );
    });
}

// ---- task 5 ----

#[test]
fn task5_what_the_kernel_shows_is_found() {
    const KINDS: [&str; 5] = ["nothing", "a file", "a directory", "an opaque directory", "a whiteout"];
    const LAYERS: u32 = 4;
    on_a_stage(|stage| {
        // Every case there is, each by a name: its digits say what each layer has, the topmost first.
        let cases: Vec<Vec<usize>> =
            (0..5_usize.pow(LAYERS)).map(|n| (0..LAYERS).map(|layer| n / 5_usize.pow(layer) % 5).collect()).collect();
        let name = |case: &[usize]| case.iter().map(usize::to_string).collect::<String>();
        let layers: Vec<_> = (0..LAYERS as usize).map(|n| stage.at(&format!("layer-{n}"))).collect();
        for (n, layer) in layers.iter().enumerate() {
            fs::create_dir(layer).expect("mkdir");
            for case in &cases {
                let path = layer.join(name(case));
                match KINDS[case[n]] {
                    "nothing" => {}
                    "a file" => fs::write(path, n.to_string()).expect("a file"),
                    "a whiteout" => whiteout(&path),
                    kind => {
                        fs::create_dir(&path).expect("mkdir");
                        fs::write(path.join(n.to_string()), "").expect("a file");
                        if kind == "an opaque directory" {
                            xattr::set(&path, stage.marks.opaque(), b"y").expect("a mark");
                        }
                    }
                }
            }
        }
        stage.mount_lowers(&layers);
        let fault = stage.entry_fault();
        let open: Vec<_> = layers.iter().map(|layer| place(layer)).collect();
        for case in &cases {
            let merged = stage.at("merged").join(name(case));
            // By layer: in each directory is a file with the layer's number for a name, in each file that number.
            let wanted = fs::read_to_string(&merged).map_or_else(|_| names(&merged), |text| vec![text]);
            let found = overlay::lookup(&open, OsStr::new(&name(case)), stage.marks);
            let told: Vec<_> = case.iter().map(|kind| KINDS[*kind]).collect();
            let found = match (found, fault) {
                (Err(error), Some(fault)) => testkit::teach("lookup() to succeed", error, fault, TASKS),
                (found, _) => found.explained(&format!("lookup() over {told:?}"), &LOOK_REASONS, RULES),
            };
            let seen: Vec<_> = found.iter().map(layer_of).collect();
            if seen != wanted {
                let wanted: Vec<usize> = wanted.iter().flat_map(|layer| layer.parse()).collect();
                let seen: Vec<usize> = seen.iter().flat_map(|layer| layer.parse()).collect();
                testkit::teach(
                    format!("lookup() over {told:?} to find what the kernel shows, by layer: {wanted:?}"),
                    format!("{seen:?}"),
                    fault.unwrap_or_else(|| lookup_fault(&told, &wanted, &seen)),
                    RULES,
                );
            }
        }
    });
}

#[test]
fn task5_links_end_the_search_as_files_do() {
    on_a_stage(|stage| {
        for layer in ["one", "two", "three"] {
            fs::create_dir(stage.at(layer)).expect("mkdir");
        }
        let target = random_name("target");
        fs::create_dir(stage.at("one").join(&target)).expect("mkdir");
        symlink(&target, stage.at("one/top")).expect("a link");
        fs::create_dir(stage.at("two/top")).expect("mkdir");
        fs::create_dir(stage.at("one/middle")).expect("mkdir");
        symlink("/", stage.at("two/middle")).expect("a link");
        fs::create_dir(stage.at("three/middle")).expect("mkdir");
        let open: Vec<_> = ["one", "two", "three"].iter().map(|layer| stage.place(layer)).collect();
        for (name, wanted) in [("top", "one/top"), ("middle", "one/middle")] {
            let found =
                overlay::lookup(&open, OsStr::new(name), stage.marks).explained("lookup()", &LOOK_REASONS, RULES);
            let seen: Vec<_> = found.iter().map(|fd| stage.name_of(fd)).collect();
            check!(
                seen == [wanted],
                expected: format!("{wanted} alone"),
                seen: format!("{seen:?}"),
                likely: stage.entry_fault().unwrap_or("a symbolic link is a file here, whatever it leads to"),
                read: RULES,
            );
        }
    });
}

#[test]
fn task5_what_cannot_be_looked_at_is_reported() {
    on_a_stage(|stage| {
        let fault = stage.looking_fault();
        stage.write("upper/file", "");
        stage.write("lower/file", "");
        stage.chmod("upper", 0);
        drop_capabilities();
        let layers = [stage.place("upper"), stage.place("lower")];
        let result = overlay::lookup(&layers, OsStr::new("file"), stage.marks).map(drop);
        let likely = "an error of entry() was taken for \"not there\": what is below would be shown in its place";
        let swallowed = overlay::entry(layers[0].as_fd(), OsStr::new("file"), stage.marks).is_ok();
        let fault = fault.or(swallowed.then_some("first make task4_a_closed_directory_is_reported pass"));
        stage.refuses(
            result,
            Errno::EACCES,
            "lookup() in a layer that is closed to the caller",
            fault.unwrap_or(likely),
        );
    });
}

// ---- task 6 ----

#[test]
fn task6_added_changed_deleted() {
    on_a_stage(|stage| {
        let [added, changed, deleted] = ["added", "changed", "deleted"].map(random_name);
        for name in [&changed, &deleted, "kept"] {
            stage.write(&format!("lower/{name}"), "before");
        }
        stage.mount(&stage.overlay());
        stage.write(&format!("merged/{added}"), "");
        stage.write(&format!("merged/{changed}"), "after");
        fs::remove_file(stage.at("merged").join(&deleted)).expect("remove");
        let wanted = [format!("A /{added}"), format!("C /{changed}"), format!("D /{deleted}")];
        let wanted: Vec<_> = wanted.iter().map(String::as_str).collect();
        // While it is mounted, and afterwards.
        stage.changed_after(0, &wanted, "what upper has and lower has not is A, what both have C, and a whiteout is D");
        stage.unmount();
        stage.changed_after(0, &wanted, "nothing has to be mounted: see upper and lower");
    });
}

#[test]
fn task6_nothing_has_changed() {
    on_a_stage(|stage| {
        stage.write("lower/directory/file", "");
        stage.changed(&[], "upper is empty");
        stage.mount(&stage.overlay());
        stage.write("merged/new", "");
        stage.write("merged/more/new", "");
        fs::remove_file(stage.at("merged/new")).expect("remove");
        fs::remove_dir_all(stage.at("merged/more")).expect("remove");
        stage.unmount();
        stage.changed(&[], "what was made and removed again was never there");
        whiteout(&stage.at("upper/nothing"));
        stage.changed(&[], "a whiteout over nothing hides nothing");
    });
}

#[test]
fn task6_a_mode_is_a_change() {
    on_a_stage(|stage| {
        stage.write("lower/file", "text");
        stage.write("lower/directory/file", "text");
        stage.write("lower/time", "text");
        stage.mount(&stage.overlay());
        stage.chmod("merged/file", 0o600);
        stage.chmod("merged/directory", 0o700);
        set_mtime(&stage.at("merged/time"), 7, 7);
        stage.unmount();
        let likely = "a file is changed by its mode, owner and time too: what was copied up was changed";
        stage.changed(&["C /directory", "C /file", "C /time"], likely);
    });
}

#[test]
fn task6_an_owner_is_a_change() {
    needs!(root);
    on_a_stage(|stage| {
        stage.write("lower/file", "text");
        stage.write("lower/user/file", "text");
        stage.write("lower/group/file", "text");
        stage.mount(&stage.overlay());
        lchown(stage.at("merged/file"), Some(7), None).expect("chown");
        lchown(stage.at("merged/user"), Some(7), None).expect("chown");
        lchown(stage.at("merged/group"), None, Some(7)).expect("chown");
        stage.unmount();
        stage.changed(&["C /file", "C /group", "C /user"], "of a directory its owner and its group count too");
    });
}

#[test]
fn task6_directories_on_the_way_are_changed() {
    on_a_stage(|stage| {
        stage.write("lower/one/two/old", "");
        stage.write("lower/one/beside", "");
        stage.mount(&stage.overlay());
        stage.write("merged/one/two/old", "text");
        stage.write("merged/new/deep/file", "");
        stage.unmount();
        let wanted = ["A /new", "A /new/deep", "A /new/deep/file", "C /one", "C /one/two", "C /one/two/old"];
        stage.changed_after(
            1,
            &wanted,
            "a directory in which something is changed is changed, and all that is in a new one is new",
        );
    });
}

#[test]
fn task6_a_directory_that_is_as_it_was() {
    on_a_stage(|stage| {
        for name in ["put-back", "touched", "outer/inner"] {
            stage.write(&format!("lower/{name}/file"), "");
            set_mtime(&stage.at("lower").join(name), 1_000_000_000, 123_456_789);
        }
        stage.mount(&stage.overlay());
        for name in ["put-back", "touched", "outer/inner"] {
            stage.write(&format!("merged/{name}/new"), "");
            fs::remove_file(stage.at(&format!("merged/{name}/new"))).expect("remove");
        }
        set_mtime(&stage.at("merged/put-back"), 1_000_000_000, 123_456_789);
        set_mtime(&stage.at("merged/outer/inner"), 1_000_000_000, 123_456_789);
        set_mtime(&stage.at("merged/touched"), 1_000_000_000, 123_456_788);
        stage.unmount();
        assert!(stage.at("upper/put-back").is_dir() && stage.at("upper/outer/inner").is_dir(), "what was copied up");
        let likely = "a directory is copied up for what is in it: it counts when its mode, owner or time differs, to the nanosecond";
        stage.changed(&["C /touched"], likely);
    });
}

#[test]
fn task6_in_an_opaque_directory_the_rest_is_deleted() {
    on_a_stage(|stage| {
        for name in ["gone", "back", "deep/one", "deep/two"] {
            stage.write(&format!("lower/directory/{name}"), "before");
        }
        stage.mount(&stage.overlay());
        fs::remove_dir_all(stage.at("merged/directory")).expect("remove");
        stage.write("merged/directory/back", "after");
        stage.write("merged/directory/new", "");
        stage.unmount();
        let wanted =
            ["A /directory/new", "C /directory", "C /directory/back", "D /directory/deep", "D /directory/gone"];
        stage.changed_after(
            2,
            &wanted,
            "an opaque directory hides all that is below, and there is no whiteout for any of it",
        );
    });
}

#[test]
fn task6_below_an_opaque_directory_nothing_is_marked() {
    on_a_stage(|stage| {
        stage.write("lower/directory/deep/gone", "before");
        stage.write("lower/directory/deep/deeper/gone", "before");
        stage.write("lower/directory/deep/back", "before");
        stage.mount(&stage.overlay());
        fs::remove_dir_all(stage.at("merged/directory")).expect("remove");
        stage.write("merged/directory/deep/back", "after");
        stage.write("merged/directory/deep/deeper/new", "");
        stage.unmount();
        let wanted = [
            "A /directory/deep/deeper/new",
            "C /directory",
            "C /directory/deep",
            "C /directory/deep/back",
            "C /directory/deep/deeper",
            "D /directory/deep/deeper/gone",
            "D /directory/deep/gone",
        ];
        let likely =
            "in an opaque directory the kernel marks none: what is below shines through nowhere in it, however deep";
        stage.changed(&wanted, likely);
    });
}

#[test]
fn task6_the_root_is_not_opaque_by_a_mark() {
    on_a_stage(|stage| {
        stage.write("lower/old", "");
        stage.write("lower/directory/old", "");
        xattr::set(stage.at("upper"), stage.marks.opaque(), b"y").expect("a mark");
        stage.mount(&stage.overlay());
        stage.write("merged/new", "");
        stage.write("merged/directory/new", "");
        assert_eq!(stage.names("merged"), ["directory", "new", "old"], "what the kernel shows");
        stage.unmount();
        stage.changed(
            &["A /directory/new", "A /new", "C /directory"],
            "the kernel asks a directory for the mark when it looks up its name, and / has none: a layer's own root is merged, marked or not",
        );
    });
}

#[test]
fn task6_directories_below_are_merged_too() {
    on_a_stage(|stage| {
        for name in ["changed", "gone", "deep/gone"] {
            stage.write(&format!("bottom/directory/{name}"), "before");
        }
        stage.write("top/directory/deep/kept", "");
        let overlay = stage.over(&["top", "bottom"]);
        stage.mount(&overlay);
        stage.write("merged/directory/changed", "after");
        for name in ["gone", "deep/gone"] {
            fs::remove_file(stage.at("merged/directory").join(name)).expect("remove");
        }
        stage.unmount();
        let wanted = [
            "C /directory",
            "C /directory/changed",
            "C /directory/deep",
            "D /directory/deep/gone",
            "D /directory/gone",
        ];
        let likely = "a directory was compared with the topmost of those below alone: all that lookup() found are below what is in it";
        stage.changes_of(&overlay, usize::MAX, &wanted, likely);
    });
}

#[test]
fn task6_the_topmost_directory_is_the_old_one() {
    on_a_stage(|stage| {
        for (layer, time) in [("top", 1_000_000_001), ("bottom", 1_000_000_002)] {
            for name in ["as-it-was", "touched"] {
                stage.write(&format!("{layer}/{name}/file"), "");
                set_mtime(&stage.at(layer).join(name), time, 7);
            }
        }
        let overlay = stage.over(&["top", "bottom"]);
        stage.mount(&overlay);
        for (name, time) in [("as-it-was", 1_000_000_001), ("touched", 1_000_000_002)] {
            stage.write(&format!("merged/{name}/new"), "");
            fs::remove_file(stage.at(&format!("merged/{name}/new"))).expect("remove");
            set_mtime(&stage.at("merged").join(name), time, 7);
        }
        stage.unmount();
        let seen = overlay::changes(&overlay).unwrap_or_default();
        let likely = match seen.iter().any(|change| change.path == Path::new("/touched")) {
            false => {
                "the owner, mode and time of a merged directory are the topmost one's: the old one is the first that lookup() found"
            }
            true => "first make task6_a_directory_that_is_as_it_was pass",
        };
        stage.changes_of(&overlay, usize::MAX, &["C /touched"], likely);
    });
}

#[test]
fn task6_an_opaque_directory_hides_every_layer() {
    on_a_stage(|stage| {
        for name in
            ["top/directory/of-top", "top/directory/both", "bottom/directory/both", "bottom/directory/of-bottom"]
        {
            stage.write(name, "");
        }
        for name in ["top/beside/of-top", "bottom/beside/of-bottom"] {
            stage.write(name, "");
        }
        let overlay = stage.over(&["top", "bottom"]);
        stage.mount(&overlay);
        fs::remove_dir_all(stage.at("merged/directory")).expect("remove");
        fs::create_dir(stage.at("merged/directory")).expect("mkdir");
        stage.write("merged/beside/of-bottom", "after");
        stage.unmount();
        let wanted = [
            "C /beside",
            "C /beside/of-bottom",
            "C /directory",
            "D /directory/both",
            "D /directory/of-bottom",
            "D /directory/of-top",
        ];
        let seen = overlay::changes(&overlay).unwrap_or_default();
        let likely = match seen.iter().any(|change| change.to_string() == "C /beside/of-bottom") {
            true => {
                "what an opaque directory hides is in each of the layers below: the names of all are looked through, and each is told once"
            }
            false => "first make task6_directories_below_are_merged_too pass",
        };
        stage.changes_of(&overlay, usize::MAX, &wanted, likely);
    });
}

#[test]
fn task6_what_was_hidden_before_is_not_deleted() {
    on_a_stage(|stage| {
        for name in ["top/directory/seen", "bottom/directory/hidden"] {
            stage.write(name, "");
        }
        whiteout(&stage.at("top/directory/hidden"));
        let overlay = stage.over(&["top", "bottom"]);
        stage.mount(&overlay);
        fs::remove_dir_all(stage.at("merged/directory")).expect("remove");
        fs::create_dir(stage.at("merged/directory")).expect("mkdir");
        stage.unmount();
        let likely = "a name in a layer below need not have been seen, a whiteout may be all there is by it: lookup() comes before D";
        stage.changes_of(&overlay, usize::MAX, &["C /directory", "D /directory/seen"], likely);
    });
}

#[test]
fn task6_a_file_becomes_a_directory_and_back() {
    on_a_stage(|stage| {
        stage.write("lower/file", "");
        stage.write("lower/directory/file", "");
        stage.write("lower/there/and-back", "");
        stage.mount(&stage.overlay());
        fs::remove_file(stage.at("merged/file")).expect("remove");
        stage.write("merged/file/new", "");
        fs::remove_dir_all(stage.at("merged/directory")).expect("remove");
        stage.write("merged/directory", "");
        fs::remove_dir_all(stage.at("merged/there")).expect("remove");
        stage.write("merged/there", "");
        fs::remove_file(stage.at("merged/there")).expect("remove");
        fs::create_dir(stage.at("merged/there")).expect("mkdir");
        stage.unmount();
        let wanted = ["A /file/new", "C /directory", "C /file", "C /there", "D /there/and-back"];
        stage.changed(
            &wanted,
            "another kind of file under the same name is a change; what was in the directory went with it",
        );
    });
}

#[test]
fn task6_links_are_not_followed() {
    on_a_stage(|stage| {
        stage.write("outside/passwd", "of the host");
        stage.write("lower/real/passwd", "");
        symlink(stage.at("outside"), stage.at("lower/directory")).expect("a link");
        symlink("real", stage.at("lower/near")).expect("a link");
        symlink("real", stage.at("lower/link")).expect("a link");
        stage.mount(&stage.overlay());
        for name in ["directory", "near"] {
            fs::remove_file(stage.at("merged").join(name)).expect("remove");
            stage.write(&format!("merged/{name}/passwd"), "");
        }
        symlink(stage.at("outside"), stage.at("merged/new")).expect("a link");
        fs::remove_file(stage.at("merged/link")).expect("remove");
        symlink("elsewhere", stage.at("merged/link")).expect("a link");
        stage.unmount();
        let wanted = ["A /directory/passwd", "A /near/passwd", "A /new", "C /directory", "C /link", "C /near"];
        stage.changed(&wanted, "a symbolic link was followed: in an image it may lead anywhere, out of it too");
    });
}

#[test]
fn task6_lowers_have_whiteouts_of_their_own() {
    on_a_stage(|stage| {
        for name in ["file", "directory/one", "opaque/one", "covered/one"] {
            stage.write(&format!("bottom/{name}"), "");
        }
        fs::create_dir(stage.at("middle")).expect("mkdir");
        whiteout(&stage.at("middle/file"));
        whiteout(&stage.at("middle/directory"));
        stage.write("middle/opaque/two", "");
        xattr::set(stage.at("middle/opaque"), stage.marks.opaque(), b"y").expect("a mark");
        stage.write("middle/covered", "");
        fs::create_dir(stage.at("top")).expect("mkdir");
        let overlay = stage.over(&["top", "middle", "bottom"]);
        stage.mount(&overlay);
        stage.write("merged/file", "");
        stage.write("merged/directory/one", "");
        stage.write("merged/opaque/one", "");
        fs::remove_file(stage.at("merged/opaque/two")).expect("remove");
        fs::remove_file(stage.at("merged/covered")).expect("remove");
        stage.write("merged/covered/one", "");
        stage.unmount();
        let wanted = [
            "A /covered/one",
            "A /directory",
            "A /directory/one",
            "A /file",
            "A /opaque/one",
            "C /covered",
            "C /opaque",
            "D /opaque/two",
        ];
        stage.changes_of(
            &overlay,
            usize::MAX,
            &wanted,
            "what a lower layer hides was not there before: lookup() over all of them knows",
        );
    });
}

#[test]
fn task6_a_lower_directory_is_renamed_by_a_copy() {
    on_a_stage(|stage| {
        stage.write("lower/old/file", "text");
        stage.write("lower/old/deep/file", "text");
        stage.mount(&stage.overlay());
        let renamed = fs::rename(stage.at("merged/old"), stage.at("merged/new"));
        assert_eq!(
            renamed.map_err(|error| error.raw_os_error()),
            Err(Some(libc::EXDEV)),
            "rename(2) without redirect_dir"
        );
        // As mv(1) does then.
        for name in ["deep/file", "file"] {
            stage.write(&format!("merged/new/{name}"), "text");
        }
        fs::remove_dir_all(stage.at("merged/old")).expect("remove");
        stage.unmount();
        let wanted = ["A /new", "A /new/deep", "A /new/deep/file", "A /new/file", "D /old"];
        stage.changed(&wanted, "what is in a deleted directory went with it, and is no line of its own");
    });
}

#[test]
fn task6_marks_of_the_other_name_space_are_none() {
    on_a_stage(|stage| {
        let other = if stage.marks == Marks::User { Marks::Trusted } else { Marks::User };
        stage.write("lower/directory/file", "");
        fs::create_dir(stage.at("upper/directory")).expect("mkdir");
        set_mtime(&stage.at("upper/directory"), 7, 7);
        // Where nobody may write it there is none, which is as good.
        let _ = xattr::set(stage.at("upper/directory"), other.opaque(), b"y");
        stage.changed(&["C /directory"], "the marks are those of overlay.marks");
    });
}

#[test]
fn task6_odd_names_are_told_as_they_are() {
    on_a_stage(|stage| {
        let name = OsString::from_vec(b"caf\xe9\n\\x".to_vec());
        fs::create_dir(stage.at("lower").join(&name)).expect("mkdir");
        fs::write(stage.at("lower").join(&name).join(&name), "").expect("a file");
        fs::create_dir(stage.at("upper").join(&name)).expect("mkdir");
        whiteout(&stage.at("upper").join(&name).join(&name));
        let seen = overlay::changes(&stage.overlay()).explained("changes()", &LOOK_REASONS, RULES);
        let path = Path::new("/").join(&name);
        let wanted = [(path.clone(), 'C'), (path.join(&name), 'D')];
        let letter = |change: &Change| change.to_string().chars().next().unwrap_or(' ');
        let seen: Vec<_> = seen.iter().map(|change| (change.path.clone(), letter(change))).collect();
        check!(
            seen == wanted,
            expected: format!("{wanted:?}"),
            seen: format!("{seen:?}"),
            likely: stage.looking_fault().unwrap_or("a name is bytes, and need not be UTF-8"),
            read: RULES,
        );
    });
}

#[test]
fn task6_what_cannot_be_looked_at_is_reported() {
    on_a_stage(|stage| {
        let fault = stage.changes_fault(usize::MAX);
        stage.write("lower/directory/file", "");
        stage.write("upper/directory/file", "");
        stage.chmod("upper/directory", 0);
        drop_capabilities();
        let result = overlay::changes(&stage.overlay()).map(drop);
        let likely = fault.unwrap_or("an error was taken for \"nothing has changed\"");
        stage.refuses(result, Errno::EACCES, "changes() with a directory that is closed to the caller", likely);
    });
}

// ---- task 7 ----

#[test]
fn task7_files_directories_and_links() {
    on_a_stage(|stage| {
        let text = random_name("text");
        stage.write("from/file", &text);
        stage.write("from/empty", "");
        stage.write("from/one/two/three/file", &text);
        fs::create_dir_all(stage.at("from/hollow/inside")).expect("mkdir");
        fs::write(stage.at("from").join(OsStr::from_bytes(b"caf\xe9\n\\, :")), &text).expect("a file");
        fs::write(stage.at("from/large"), text.repeat(20_000)).expect("a file");
        for (name, target) in [
            ("near", "file"),
            ("far", "/etc/passwd"),
            ("dangling", "nowhere"),
            ("one/up", "../file"),
            ("itself", "itself"),
        ] {
            symlink(target, stage.at("from").join(name)).expect("a link");
        }
        stage.copies();
    });
}

#[test]
fn task7_several_names_of_one_file() {
    on_a_stage(|stage| {
        stage.write("from/deep/one", "text");
        stage.write("from/alike", "text");
        symlink("nowhere", stage.at("from/link")).expect("a link");
        mkfifo(&stage.at("from/fifo"), Mode::S_IRWXU).expect("a FIFO");
        for (old, new) in
            [("deep/one", "two"), ("deep/one", "deep/three"), ("link", "deep/link"), ("fifo", "deep/fifo")]
        {
            fs::hard_link(stage.at("from").join(old), stage.at("from").join(new)).expect("a hard link");
        }
        stage.copies();
    });
}

#[test]
fn task7_a_number_is_one_file_systems() {
    needs!(kernel = 5.9); // since when each tmpfs counts for itself
    on_a_stage(|stage| {
        let numbers = ["one", "two"].map(|name| {
            let path = stage.at("from").join(name);
            fs::create_dir_all(&path).expect("mkdir");
            mount(Some("none"), &path, Some("tmpfs"), MsFlags::empty(), None::<&str>).expect("a tmpfs");
            fs::write(path.join("file"), "text").expect("a file");
            fs::hard_link(path.join("file"), path.join("second")).expect("a hard link");
            set_mtime(&path.join("file"), 7, 7);
            fs::symlink_metadata(path.join("file")).expect("stat").ino()
        });
        assert_eq!(numbers[0], numbers[1], "the inode numbers");
        stage.copies();
    });
}

#[test]
fn task7_modes_and_times() {
    on_a_stage(|stage| {
        for (name, mode) in
            [("read-only", 0o444), ("closed", 0), ("open", 0o666), ("set-user-id", 0o4755), ("set-group-id", 0o2711)]
        {
            stage.write(&format!("from/{name}"), "text");
            stage.chmod(&format!("from/{name}"), mode);
        }
        for (name, mode) in [("sticky", 0o1777), ("shared", 0o2775), ("shut", 0o500)] {
            stage.write(&format!("from/{name}/file"), "text");
            stage.chmod(&format!("from/{name}"), mode);
        }
        symlink("closed", stage.at("from/link")).expect("a link");
        let names: Vec<_> = items(&stage.at("from")).into_keys().collect();
        for (n, name) in names.iter().enumerate() {
            let n = i64::try_from(n).expect("few");
            set_mtime(&stage.at("from").join(name), 1_000_000_000 + 1000 * n, 123_456_789 + n);
        }
        // The umask is the caller's: what is copied has its own mode.
        nix::sys::stat::umask(Mode::from_bits_truncate(0o077));
        stage.copies();
    });
}

#[test]
fn task7_extended_attributes() {
    on_a_stage(|stage| {
        stage.write("from/directory/file", "text");
        for (name, value) in [("directory", "one"), ("directory/file", "two"), ("", "three")] {
            let value = random_name(value);
            xattr::set(stage.at("from").join(name), "user.some", value.as_bytes()).expect("an attribute");
            xattr::set(stage.at("from").join(name), "user.other", b"\0\xff").expect("an attribute");
        }
        stage.copies();
    });
}

#[test]
fn task7_owners_and_what_hangs_on_them() {
    needs!(root);
    on_a_stage(|stage| {
        for name in ["file", "program", "able", "directory/file"] {
            stage.write(&format!("from/{name}"), "text");
        }
        symlink("file", stage.at("from/link")).expect("a link");
        for (name, uid, gid) in [
            ("file", 1, 2),
            ("program", 3, 4),
            ("able", 0, 7),
            ("directory", 5, 6),
            ("directory/file", 70_000, 8),
            ("link", 9, 10),
            ("", 11, 12),
        ] {
            lchown(stage.at("from").join(name), Some(uid), Some(gid)).expect("chown");
        }
        stage.chmod("from/program", 0o6755);
        // Version 2, effective: cap_net_raw. Source: <linux/capability.h>.
        let raw = [1, 0, 0, 2, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        xattr::set(stage.at("from/able"), "security.capability", &raw).expect("capabilities");
        xattr::set(stage.at("from/able"), "user.some", b"text").expect("an attribute");
        stage.copies();
    });
}

#[test]
fn task7_fifos_and_sockets() {
    on_a_stage(|stage| {
        fs::create_dir_all(stage.at("from")).expect("mkdir");
        mkfifo(&stage.at("from/fifo"), Mode::S_IRUSR).expect("a FIFO");
        drop(UnixListener::bind(stage.at("from/socket")).expect("a socket"));
        stage.copies();
    });
}

#[test]
fn task7_device_nodes() {
    needs!(root);
    on_a_stage(|stage| {
        fs::create_dir_all(stage.at("from")).expect("mkdir");
        let [odd, even] = [random(250), random(250)];
        for (name, kind, major, minor) in
            [("null", SFlag::S_IFCHR, 1, 3), ("block", SFlag::S_IFBLK, odd, even), ("whiteout", SFlag::S_IFCHR, 0, 0)]
        {
            mknod(&stage.at("from").join(name), kind, Mode::from_bits_truncate(0o640), makedev(major, minor))
                .expect("a device");
        }
        stage.copies();
        // And for whoever may not make one.
        fs::create_dir(stage.at("again")).expect("mkdir");
        in_child(|| {
            drop_capabilities();
            let result = overlay::copy_tree(&stage.at("from"), &stage.at("again"));
            let likely = "what could not be made was left out without a word";
            stage.refuses(result, Errno::EPERM, "copy_tree() of a device by somebody who may not make it", likely);
        });
    });
}

#[test]
fn task7_without_privilege() {
    on_a_stage(|stage| {
        stage.write("from/directory/file", "text");
        stage.write("from/file", "text");
        stage.chmod("from/file", 0o444);
        stage.chmod("from/directory", 0o555);
        in_child(|| {
            drop_capabilities();
            stage.copies();
        });
    });
}

#[test]
fn task7_what_is_missing_is_reported() {
    on_a_stage(|stage| {
        fs::create_dir(stage.at("to")).expect("mkdir");
        let thrown = "the result of a system call was thrown away";
        let result = overlay::copy_tree(&stage.at("missing"), &stage.at("to"));
        stage.refuses(result, Errno::ENOENT, "copy_tree() of a directory that is not there", thrown);
        stage.write("from/directory/file", "");
        let result = overlay::copy_tree(&stage.at("from"), &stage.at("missing"));
        stage.refuses(result, Errno::ENOENT, "copy_tree() to a directory that is not there", thrown);
    });
}

// ---- boxwright run ----

#[test]
fn run_leaves_the_root_file_system_as_it_was() {
    written!(12, leans on 3, 4, 5, 6);
    shielded(|| {
        let image = image();
        let before = items(image.path());
        let script =
            "echo more > /etc/motd; echo new > /new; rm -r /srv; mkdir /srv; chmod 700 /tmp; cat /etc/motd; ls /srv";
        run(&image, &["--name", "box"], script).success().stdout("more\n").stderr(nothing_but_what_is_left_out());
        assert!(items(image.path()) == before, "DIR is not as it was");
        diff_tells("box", "C /etc\nC /etc/motd\nA /new\nC /srv\nD /srv/old\nC /tmp\n");
        boxwright(&["ps"]).success().stdout(contains("box").not());
        boxwright(&["ps", "--all"]).success().stdout(contains("box").and(contains("ended")));
        boxwright(&["rm", "box"]).success().stdout(is_empty());
        boxwright(&["diff", "box"]).code(1).stderr(contains("box"));
        boxwright(&["rm", "box"]).code(1).stderr(contains("box"));
        assert_eq!(layers(), [""; 0]);
        run(&image, &["--rm"], "cat /etc/motd; ls /srv; ls /new").failure().stdout("of the image\nold\n");
        assert_eq!(layers(), [""; 0], "with --rm the layer goes with the container");
    });
}

#[test]
fn run_two_containers_share_a_root_file_system() {
    written!(12, leans on 3, 4, 5, 6);
    shielded(|| {
        let image = image();
        let words = [random_name("one"), random_name("two")];
        // Each writes, says so, and looks once both have.
        let script = |word: &str| format!("echo {word} > /word; echo ready; read go; cat /word; ls /; rm /etc/motd");
        let mut running: Vec<_> = words
            .iter()
            .map(|word| {
                let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_boxwright"));
                command.args(["run", "-i", "--name", word, "--rootfs"]).arg(image.path()).args([
                    "--",
                    "sh",
                    "-c",
                    &script(word),
                ]);
                command.env("BOXWRIGHT_DATA", data());
                command.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped());
                command.spawn().expect("boxwright")
            })
            .collect();
        for child in &mut running {
            let stdout = child.stdout.as_mut().expect("a pipe");
            assert_eq!(line(stdout), "ready");
        }
        for word in &words {
            boxwright(&["diff", word]).success().stdout(contains("A /word\n"));
            run(&image, &["--name", word], "true").failure().stderr(contains(word.as_str()));
            boxwright(&["rm", word]).code(1).stderr(contains("it runs"));
        }
        for (child, word) in running.into_iter().zip(&words) {
            let mut child = child;
            drop(child.stdin.take());
            let output = child.wait_with_output().expect("an end");
            let seen = String::from_utf8_lossy(&output.stdout).into_owned();
            assert!(output.status.success() && seen.starts_with(&format!("{word}\n")), "{seen}");
        }
        for word in &words {
            boxwright(&["diff", word]).success().stdout(contains("A /word\n").and(contains("D /etc/motd\n")));
        }
        assert!(image.path().join("etc/motd").exists() && !image.path().join("word").exists());
    });
}

#[test]
fn run_a_name_that_is_kept_is_refused() {
    written!(12, leans on 3, 4, 5, 6);
    shielded(|| {
        let image = image();
        run(&image, &["--name", "box"], "echo one > /one").success();
        run(&image, &["--name", "box"], "echo two > /two").failure().stderr(contains("boxwright rm box"));
        boxwright(&["diff", "box"]).success().stdout("A /one\n");
    });
}

#[test]
fn run_with_a_full_copy() {
    written!(12, leans on 3, 4, 5, 6);
    shielded(|| {
        let image = image();
        let before = items(image.path());
        let script = "rm -r /srv; mkdir /srv; echo > /etc/new; chmod 600 /etc/motd; grep ' / ' /proc/mounts";
        let flags = ["--name", "box", "--storage-driver", "vfs"];
        run(&image, &flags, script).success().stdout(contains("overlay").not()).stderr(nothing_but_what_is_left_out());
        assert!(items(image.path()) == before, "DIR is not as it was");
        diff_tells("box", "C /etc\nC /etc/motd\nA /etc/new\nC /srv\nD /srv/old\n");
        boxwright(&["rm", "box"]).success();
        assert_eq!(layers(), [""; 0]);
    });
}

#[test]
fn run_as_a_user() {
    written!(12, leans on 3, 4, 5, 6, 9);
    needs!(subuid);
    Shield::new().as_user().run(|| whoever_owns_what(&[]));
}

#[test]
fn run_with_remapped_ids() {
    written!(12, leans on 3, 4, 5, 6, 9);
    needs!(subuid, kernel = 6.3);
    Shield::new().with_ids().run(|| whoever_owns_what(&["--userns-remap", "learner"]));
}

/// The owners inside are those of the image, and its directory stays as it was.
fn whoever_owns_what(flags: &[&str]) {
    let image = image();
    fs::create_dir_all(image.path().join("var/old")).expect("mkdir");
    let before = items(image.path());
    let script = "echo more > /etc/motd; rm -r /srv; mkdir /srv; echo > /own; chown 7:8 /own; stat -c %u:%g / /etc/motd /own /srv; rmdir /var/old";
    let seen = run(&image, &[&["--name", "box"], flags].concat(), script).success();
    seen.stdout("0:0\n0:0\n7:8\n0:0\n").stderr(nothing_but_what_is_left_out());
    assert!(items(image.path()) == before, "DIR is not as it was");
    diff_tells("box", "C /etc\nC /etc/motd\nA /own\nC /srv\nD /srv/old\nC /var\nD /var/old\n");
    boxwright(&["rm", "box"]).success().stderr(is_empty());
    assert_eq!(layers(), [""; 0]);
    run(&image, &[&["--rm"], flags].concat(), "cat /etc/motd; echo > /gone; chown 7 /gone")
        .success()
        .stdout("of the image\n");
    assert_eq!(layers(), [""; 0]);
}

// ---- what the tests use ----

/// A directory with the layers of an overlay in it. Paths below are given as from there.
struct Stage {
    path: PathBuf,
    marks: Marks,
}

/// Runs `body` under a shield for each kind of marks that the caller can write, in a mount namespace that is cut off from
/// the shield's.
#[track_caller]
fn on_a_stage(body: impl Fn(&Stage)) {
    shielded(|| {
        let own = Marks::of(&fs::read_to_string("/proc/self/uid_map").expect("uid_map"));
        for marks in BTreeSet::from([own == Marks::User, true])
            .into_iter()
            .map(|user| if user { Marks::User } else { Marks::Trusted })
        {
            in_child(|| {
                unshare(CloneFlags::CLONE_NEWNS).expect("unshare");
                let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
                mount(None::<&str>, "/", None::<&str>, private, None::<&str>).expect("private");
                let path = dir().join(random_name("stage"));
                for name in ["lower", "upper", "work", "merged"] {
                    fs::create_dir_all(path.join(name)).expect("mkdir");
                }
                std::env::set_current_dir(&path).expect("chdir");
                body(&Stage { path, marks });
            });
        }
    });
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

    fn chmod(&self, name: &str, mode: u32) {
        fs::set_permissions(self.at(name), Permissions::from_mode(mode)).expect("chmod");
    }

    fn names(&self, name: &str) -> Vec<String> {
        names(&self.at(name))
    }

    fn place(&self, name: &str) -> OwnedFd {
        place(&self.at(name))
    }

    /// Where a descriptor leads, as from the stage.
    fn name_of(&self, fd: &OwnedFd) -> String {
        let path = fs::read_link(format!("/proc/self/fd/{}", fd.as_raw_fd())).expect("a descriptor");
        path.strip_prefix(&self.path).unwrap_or(&path).display().to_string()
    }

    /// `upper` over `lower`.
    fn overlay(&self) -> Overlay {
        self.over(&["lower"])
    }

    fn over(&self, lowers: &[&str]) -> Overlay {
        let lowers = lowers.iter().map(|lower| self.at(lower)).collect();
        Overlay { lowers, upper: self.at("upper"), work: self.at("work"), marks: self.marks }
    }

    /// What is in a directory, by path: its kind, and a file's content.
    fn tree(&self, name: &str) -> BTreeMap<String, String> {
        let tree = items(&self.at(name)).into_iter().filter(|(path, _)| !path.as_os_str().is_empty());
        tree.map(|(path, item)| (path.display().to_string(), item.told())).collect()
    }

    /// By the test itself, in `merged`; the layers' names are the test's, from where it stands.
    fn mount(&self, overlay: &Overlay) {
        let name = |path: &Path| path.strip_prefix(&self.path).expect("below the stage").display().to_string();
        let lowers: Vec<_> = overlay.lowers.iter().map(|lower| name(lower)).collect();
        let data =
            format!("lowerdir={},upperdir={},workdir={}", lowers.join(":"), name(&overlay.upper), name(&overlay.work));
        self.mount_data(&data);
    }

    /// As mount(), without an upper directory.
    fn mount_lowers(&self, lowers: &[PathBuf]) {
        let names: Vec<_> =
            lowers.iter().map(|lower| lower.strip_prefix(&self.path).expect("below").display().to_string()).collect();
        self.mount_data(&format!("lowerdir={}", names.join(":")));
    }

    fn mount_data(&self, data: &str) {
        let rest = match self.marks {
            Marks::User => "userxattr",
            Marks::Trusted => "redirect_dir=off,metacopy=off",
        };
        let data = format!("{data},{rest}");
        mount(Some("overlay"), &self.at("merged"), Some("overlay"), MsFlags::empty(), Some(data.as_str()))
            .expect("an overlay");
    }

    fn unmount(&self) {
        umount2(&self.at("merged"), MntFlags::empty()).expect("umount");
    }

    /// With the learner's options.
    #[track_caller]
    fn mount_with(&self, data: &OsStr) {
        let mounted = mount(Some("overlay"), &self.at("merged"), Some("overlay"), MsFlags::empty(), Some(data));
        if let Err(errno) = mounted {
            testkit::teach(
                format!("the kernel to take {}", data.display()),
                errno,
                match errno {
                    Errno::EINVAL => {
                        "an option that overlayfs does not know, or two that contradict each other: userxattr does not go with redirect_dir or metacopy"
                    }
                    _ => "see the other tests of task 1",
                },
                RULES,
            );
        }
    }

    #[track_caller]
    fn writes_arrive_in_upper(&self) {
        let text = random_name("text");
        let written = fs::write(self.at("merged/file"), &text);
        let seen = ["lower", "upper"].map(|layer| fs::read_to_string(self.at(layer).join("file")).unwrap_or_default());
        check!(
            seen == ["of lower", text.as_str()],
            expected: "what is written to be in upper, and lower as it was",
            seen: format!("{written:?}; lower and upper hold {seen:?}"),
            likely: "upperdir is missing from the options, or names another directory",
            read: RULES,
        );
    }

    /// The learner's mount_overlay.
    #[track_caller]
    fn mount_overlay(&self, overlay: &Overlay, target: &Path) {
        match (overlay::mount_overlay(overlay, target), self.options_fault()) {
            (Err(error), Some(fault)) => testkit::teach("mount_overlay() to succeed", error, fault, TASKS),
            (mounted, _) => mounted.explained("mount_overlay()", &MOUNT_REASONS, RULES),
        }
    }

    /// What is wrong when an overlay does not show what it should: options() first.
    fn mount_fault(&self, else_likely: &'static str) -> &'static str {
        self.options_fault().unwrap_or(else_likely)
    }

    fn options_fault(&self) -> Option<&'static str> {
        let at = |name: &str| Path::new("/a,b").join(name);
        let overlay = Overlay { lowers: vec![at("1:2"), at("3\\4")], upper: at("u"), work: at("w"), marks: self.marks };
        let seen = Options::of(&overlay);
        let marks = match self.marks {
            Marks::User => seen.has("userxattr"),
            Marks::Trusted => {
                !seen.has("userxattr") && (seen.has("redirect_dir=off") || seen.has("redirect_dir=nofollow"))
            }
        };
        let paths =
            seen.lowers == overlay.lowers && seen.upper == Some(overlay.upper) && seen.work == Some(overlay.work);
        (!(marks && paths)).then_some("options() does not do its work yet: first make the tests of task 1 pass")
    }

    /// What is wrong already with fewer layers, whose names are too long.
    fn long_names_fault(&self) -> Option<&'static str> {
        let lowers: Vec<_> = (0..60).map(|n| self.at(&format!("{}-{n}", "long".repeat(30)))).collect();
        lowers.iter().for_each(|lower| fs::create_dir_all(lower).expect("mkdir"));
        fs::create_dir_all(self.at("probe")).expect("mkdir");
        fs::write(self.at(&format!("{}-59", "long".repeat(30))).join("last"), "").expect("a file");
        let mounted = overlay::mount_overlay(&Overlay { lowers, ..self.overlay() }, &self.at("probe"));
        // Cut off at a path that is there, the options are taken as well.
        let works = mounted.is_ok() && self.names("probe") == ["last"];
        self.options_fault().or((!works).then_some("first make task2_many_layers_with_long_names pass"))
    }

    /// How many lie on one another in `merged`.
    fn mounts(&self) -> usize {
        inside().mounts.into_iter().filter(|mount| mount.point == self.at("merged")).count()
    }

    #[track_caller]
    fn nothing_is_mounted(&self) {
        let mounts = self.mounts();
        check!(
            mounts == 0,
            expected: "nothing to be mounted after a refusal",
            seen: format!("{mounts} mounts on the target"),
            likely: "something else was mounted in its place, or first",
            read: TASKS,
        );
    }

    #[track_caller]
    fn refuses(&self, result: Result<()>, errno: Errno, call: &str, likely: &str) {
        let seen = result.as_ref().map_or_else(Error::to_string, |()| "Ok(())".to_owned());
        check!(
            result.is_err_and(|error| error.errno() == Some(errno)),
            expected: format!("{call} to return {errno:?}"),
            seen: seen,
            likely: likely,
            read: RULES,
        );
    }

    /// The learner's make_mark, in a directory that is named and not open.
    #[track_caller]
    fn mark(&self, directory: &str, mark: Mark<'_>) {
        let call = format!("make_mark(_, {mark:?}, {:?})", self.marks);
        overlay::make_mark(self.place(directory).as_fd(), mark, self.marks).explained(&call, &MARK_REASONS, RULES);
    }

    /// Whether the learner's make_mark makes anything that may be a whiteout.
    fn makes_whiteouts(&self) -> bool {
        fs::create_dir_all(self.at("probe")).expect("mkdir");
        let made = overlay::make_mark(self.place("probe").as_fd(), Mark::Whiteout(OsStr::new("name")), self.marks);
        made.is_ok() && !self.names("probe").is_empty()
    }

    /// What the learner's entry says, in words.
    #[track_caller]
    fn entry_in(&self, directory: &OwnedFd, name: &OsStr) -> String {
        let call = format!("entry(_, {name:?}, {:?})", self.marks);
        match overlay::entry(directory.as_fd(), name, self.marks).explained(&call, &LOOK_REASONS, RULES) {
            Entry::Missing => "nothing".to_owned(),
            Entry::Whiteout => "a whiteout".to_owned(),
            Entry::File(_) => "a file".to_owned(),
            Entry::Directory { opaque: true, .. } => "an opaque directory".to_owned(),
            Entry::Directory { .. } => "a directory".to_owned(),
        }
    }

    #[track_caller]
    fn is_entry(&self, layer: &str, name: &str, wanted: &str) {
        let seen = self.entry_in(&self.place(layer), OsStr::new(name));
        self.check_entry(&format!("{layer}/{name}"), wanted, &seen);
    }

    #[track_caller]
    fn check_entry(&self, what: &str, wanted: &str, seen: &str) {
        check!(
            seen == wanted,
            expected: format!("entry() to say that {what} is {wanted} (marks: {:?})", self.marks),
            seen: seen,
            likely: match (wanted, seen) {
                ("a whiteout", "nothing") if !self.finds_files() => "what is there was not found: see openat(2)",
                ("a whiteout", "nothing") => "a whiteout was taken for nothing: then the layers below are looked at, and what it hides shines through",
                ("a whiteout", _) => "a whiteout is known by its kind and its number: a character device, 0",
                ("a file", "a whiteout") if what.starts_with("/dev/") => "every character device was taken for a whiteout: its number has to be 0",
                ("a file", "a whiteout") if ["block", "minor", "major"].iter().any(|name| what.ends_with(name)) => {
                    self.entry_fault().unwrap_or("a device of another kind, or with another number, is a device")
                }
                ("a file", "a whiteout") => "st_rdev is 0 for all that is no device: the kind counts first, S_IFCHR",
                ("a file", "nothing") => "what is there was not found: see openat(2)",
                ("a file", "a directory" | "an opaque directory") => "the symbolic link was followed: O_NOFOLLOW names the link itself",
                ("an opaque directory", "a directory") => "the attribute marks.opaque() was not asked for: on the directory that was found",
                ("a directory", "an opaque directory") => "opaque is a directory whose attribute marks.opaque() has the value y, exactly",
                ("nothing", _) => "ENOENT of openat(2) says that there is nothing",
                _ => "see fstat(2), and inode(7) for the kinds",
            },
            read: RULES,
        );
    }

    /// Whether the learner's entry finds a plain file.
    fn finds_files(&self) -> bool {
        self.write("probe/file", "");
        let entry = overlay::entry(self.place("probe").as_fd(), OsStr::new("file"), self.marks);
        !matches!(entry, Ok(Entry::Missing))
    }

    /// What is wrong already with the plainest entries.
    fn entry_fault(&self) -> Option<&'static str> {
        let path = dir().join(random_name("plain"));
        fs::create_dir(&path).expect("mkdir");
        fs::write(path.join("file"), "").expect("a file");
        fs::create_dir(path.join("directory")).expect("mkdir");
        symlink("directory", path.join("link")).expect("a link");
        whiteout(&path.join("whiteout"));
        let at = place(&path);
        let entry = |name: &str| overlay::entry(at.as_fd(), OsStr::new(name), self.marks);
        let opaque = || {
            fs::create_dir(path.join("opaque")).expect("mkdir");
            let marked = xattr::set(path.join("opaque"), self.marks.opaque(), b"y").is_ok();
            !marked || matches!(entry("opaque"), Ok(Entry::Directory { opaque: true, .. }))
        };
        let works = matches!(entry("missing"), Ok(Entry::Missing))
            && matches!(entry("file"), Ok(Entry::File(_)))
            && matches!(entry("link"), Ok(Entry::File(_)))
            && matches!(entry("whiteout"), Ok(Entry::Whiteout))
            && matches!(
                overlay::entry(place(Path::new("/dev")).as_fd(), OsStr::new("null"), self.marks),
                Ok(Entry::File(_))
            )
            && matches!(entry("directory"), Ok(Entry::Directory { opaque: false, .. }))
            && opaque();
        (!works).then_some("entry() does not do its work yet: first make the tests of task 4 pass")
    }

    /// What is wrong already with what compare() stands on.
    fn looking_fault(&self) -> Option<&'static str> {
        if let Some(fault) = self.entry_fault() {
            return Some(fault);
        }
        let path = dir().join(random_name("plain"));
        for name in ["1/both", "1/top", "2/both", "2/hidden", "2/below", "3/both"] {
            fs::create_dir_all(path.join(name)).expect("mkdir");
        }
        fs::write(path.join("3/top"), "").expect("a file");
        whiteout(&path.join("1/hidden"));
        xattr::set(path.join("2/both"), self.marks.opaque(), b"y").ok();
        let layers = ["1", "2", "3"].map(|layer| place(&path.join(layer)));
        let opaque = xattr::get(path.join("2/both"), self.marks.opaque()).is_ok_and(|value| value.is_some());
        let works = [("both", if opaque { 2 } else { 3 }), ("top", 1), ("hidden", 0), ("below", 1)].iter().all(
            |(name, count)| {
                overlay::lookup(&layers, OsStr::new(name), self.marks).is_ok_and(|found| found.len() == *count)
            },
        );
        let topmost =
            overlay::lookup(&layers, OsStr::new("both"), self.marks).ok().and_then(|found| found.into_iter().next());
        let works = works && topmost.is_some_and(|fd| self.name_of(&fd).ends_with("1/both"));
        (!works).then_some("lookup() does not do its work yet: first make the tests of task 5 pass")
    }

    /// What is wrong already with the plainest changes, as far as `cases` goes.
    fn changes_fault(&self, cases: usize) -> Option<&'static str> {
        if let Some(fault) = self.looking_fault() {
            return Some(fault);
        }
        let path = dir().join(random_name("plain"));
        let write = |name: &str| {
            fs::create_dir_all(path.join(name).parent().expect("a parent")).expect("mkdir");
            fs::write(path.join(name), name).expect("a file");
        };
        for name in ["0/lower/changed", "0/lower/gone", "0/upper/changed", "0/upper/new"] {
            write(name);
        }
        for name in ["1/lower/way/file", "1/upper/way/file", "2/lower/opaque/old", "2/upper/opaque/new"] {
            write(name);
        }
        whiteout(&path.join("0/upper/gone"));
        ["1/lower/way", "1/upper/way"].iter().for_each(|name| set_mtime(&path.join(name), 7, 7));
        xattr::set(path.join("2/upper/opaque"), self.marks.opaque(), b"y").expect("a mark");
        let plain = [
            (&["A /new", "C /changed", "D /gone"][..], "A, C and D come first: see task6_added_changed_deleted"),
            (&["C /way", "C /way/file"], "first make task6_directories_on_the_way_are_changed pass"),
            (
                &["A /opaque/new", "C /opaque", "D /opaque/old"],
                "first make task6_in_an_opaque_directory_the_rest_is_deleted pass",
            ),
        ];
        let fails = |n: usize, wanted: &[&str]| {
            let at = |name: &str| path.join(n.to_string()).join(name);
            let overlay = Overlay { lowers: vec![at("lower")], upper: at("upper"), ..self.overlay() };
            let seen = overlay::changes(&overlay).unwrap_or_default();
            let mut seen: Vec<_> = seen.iter().map(ToString::to_string).collect();
            seen.sort();
            seen != wanted
        };
        plain.iter().take(cases).enumerate().find_map(|(n, (wanted, words))| fails(n, wanted).then_some(*words))
    }

    /// Checks the learner's changes of overlay().
    #[track_caller]
    fn changed(&self, wanted: &[&str], likely: &str) {
        self.changes_of(&self.overlay(), usize::MAX, wanted, likely);
    }

    /// As changed(), where so many of the plainest cases come before.
    #[track_caller]
    fn changed_after(&self, cases: usize, wanted: &[&str], likely: &str) {
        self.changes_of(&self.overlay(), cases, wanted, likely);
    }

    #[track_caller]
    fn changes_of(&self, overlay: &Overlay, cases: usize, wanted: &[&str], likely: &str) {
        let changes = overlay::changes(overlay);
        if let (Err(error), Some(fault)) = (&changes, self.looking_fault()) {
            testkit::teach("changes() to succeed", error, fault, TASKS);
        }
        let mut seen: Vec<_> =
            changes.explained("changes()", &LOOK_REASONS, RULES).iter().map(ToString::to_string).collect();
        seen.sort();
        check!(
            seen == wanted,
            expected: format!("these changes (marks: {:?}): {wanted:?}", self.marks),
            seen: format!("{seen:?}"),
            likely: self.changes_fault(cases).unwrap_or(likely),
            read: RULES,
        );
    }

    /// Whether the learner's copy_tree copies a plain file.
    fn copies_files(&self) -> bool {
        self.write("plain/file", "");
        fs::create_dir_all(self.at("copy")).expect("mkdir");
        overlay::copy_tree(&self.at("plain"), &self.at("copy")).is_ok() && self.at("copy/file").exists()
    }

    /// Copies `from` to `to` by the learner's copy_tree, and holds the copy against the original.
    #[track_caller]
    fn copies(&self) {
        fs::create_dir(self.at("to")).expect("mkdir");
        let before = items(&self.at("from"));
        overlay::copy_tree(&self.at("from"), &self.at("to")).explained("copy_tree()", &COPY_REASONS, RULES);
        check!(
            items(&self.at("from")) == before,
            expected: "the original to stay as it was",
            seen: "it is another",
            likely: "it was moved, or linked to: what is written to the copy then would be written to both",
            read: TASKS,
        );
        let copy = items(&self.at("to"));
        // The directories in the end: what is wrong with one may come from what is wrong with its files.
        let (directories, files): (Vec<_>, Vec<_>) = before.iter().partition(|(_, item)| item.kind == "directory");
        for (path, original) in files.into_iter().chain(directories) {
            let seen = copy.get(path);
            check!(
                seen.is_some(),
                expected: format!("a copy of {}, {}", path.display(), original.told()),
                seen: "nothing by that name",
                likely: match original.kind.as_str() {
                    "file" | "directory" | "link" => "not all was copied: a directory is read to its end, and entered",
                    _ if !self.copies_files() => "nothing is copied yet: begin with task7_files_directories_and_links",
                    _ => "what is neither file, directory nor link is a node: mknod(2) makes it, from the kind in its mode and st_rdev",
                },
                read: TASKS,
            );
            let seen = seen.expect("checked");
            if let Some((wanted, seen, likely)) = original.difference(seen) {
                testkit::teach(format!("the copy of /{} to have {wanted}", path.display()), seen, likely, RULES);
            }
        }
        check!(
            copy.len() == before.len() && shared_files(&self.at("from"), &self.at("to")) == 0,
            expected: "a copy, and nothing else",
            seen: format!("{} names instead of {}", copy.len(), before.len()),
            likely: "the copy is a second name of the original, or something was made beside it",
            read: TASKS,
        );
    }
}

/// Options as the kernel takes them apart. Source: the kernel's fs/overlayfs/params.c.
#[derive(Default)]
struct Options {
    lowers: Vec<PathBuf>,
    upper: Option<PathBuf>,
    work: Option<PathBuf>,
    others: Vec<String>,
    has_backslash: bool,
    has_two_backslashes: bool,
}

impl Options {
    /// The learner's.
    fn of(overlay: &Overlay) -> Self {
        let text = overlay::options(overlay);
        let mut options = Options {
            has_backslash: text.as_bytes().contains(&b'\\'),
            has_two_backslashes: text.as_bytes().windows(2).any(|two| two == br"\\"),
            ..Options::default()
        };
        for option in split(text.as_bytes(), b',') {
            let end = option.iter().position(|byte| *byte == b'=').unwrap_or(option.len());
            let (key, value) = (&option[..end], option.get(end + 1..).unwrap_or_default());
            match key {
                b"lowerdir" => options.lowers = split(value, b':').iter().map(|path| unescaped(path)).collect(),
                b"lowerdir+" => options.lowers.push(unescaped(value)),
                b"upperdir" => options.upper = Some(unescaped(value)),
                b"workdir" => options.work = Some(unescaped(value)),
                _ => options.others.push(String::from_utf8_lossy(&option).into_owned()),
            }
        }
        options
    }

    fn has(&self, option: &str) -> bool {
        self.others.iter().any(|other| other == option)
    }

    fn told(&self) -> String {
        format!("besides the layers: {:?}", self.others)
    }
}

/// At each `at` that has no backslash before it.
fn split(text: &[u8], at: u8) -> Vec<Vec<u8>> {
    let mut parts = vec![Vec::new()];
    let mut bytes = text.iter().copied();
    while let Some(byte) = bytes.next() {
        let part = parts.last_mut().expect("one at least");
        match byte {
            b'\\' => part.extend([byte].into_iter().chain(bytes.next())),
            byte if byte == at => parts.push(Vec::new()),
            byte => part.push(byte),
        }
    }
    parts.retain(|part| !part.is_empty());
    parts
}

fn unescaped(text: &[u8]) -> PathBuf {
    let mut bytes = text.iter().copied();
    let mut path = Vec::new();
    while let Some(byte) = bytes.next() {
        path.push(if byte == b'\\' { bytes.next().unwrap_or(byte) } else { byte });
    }
    PathBuf::from(OsString::from_vec(path))
}

fn odd_names() -> Vec<OsString> {
    let text = ["comma, comma,", "a:colon", "back\\slash", "\\,:\\\\:,", "upperdir=x,workdir=y", "end\\"];
    let mut names: Vec<OsString> = text.iter().map(|text| random_name(text).into()).collect();
    names.push(OsString::from_vec([b"caf\xe9,\xff:", random_name("").as_bytes()].concat()));
    names.push("a blank\n and a line\\".into());
    names
}

/// One file of a tree, as far as a copy has to keep it.
#[derive(Clone, PartialEq)]
struct Item {
    kind: String,
    /// A file's text, a link's target, a device's number.
    content: Vec<u8>,
    /// The first of its names in the tree.
    first_name: PathBuf,
    owner: (u32, u32),
    mode: u32,
    attributes: BTreeMap<OsString, Vec<u8>>,
    mtime: (i64, i64),
}

impl Item {
    fn told(&self) -> String {
        match self.kind.as_str() {
            "file" => file(&String::from_utf8_lossy(&self.content)),
            "character device" if self.content == makedev(0, 0).to_string().as_bytes() => "a whiteout".to_owned(),
            kind => format!("a {kind}"),
        }
    }

    /// What of it `copy` has not: expected, seen, and the likely cause.
    fn difference(&self, copy: &Item) -> Option<(String, String, &'static str)> {
        let text = |bytes: &[u8]| format!("{:.60}", bytes.escape_ascii().to_string());
        let told = |wanted: &dyn std::fmt::Debug, seen: &dyn std::fmt::Debug, what: &str, likely| {
            Some((format!("{what} {wanted:?}"), format!("{seen:?}"), likely))
        };
        let is_link = self.kind == "link";
        if self.kind != copy.kind {
            let likely = if is_link {
                "the symbolic link was followed, and what it leads to copied"
            } else {
                "another kind of file was made: mknod(2) takes it from the mode"
            };
            return told(&self.kind, &copy.kind, "the kind", likely);
        }
        if self.content != copy.content {
            let likely = match self.kind.as_str() {
                "link" => "the target of a link is copied as it stands",
                "file" => "not all of its text was copied",
                _ => "the device's number is st_rdev; st_dev is the file system that it lies on",
            };
            return told(&text(&self.content), &text(&copy.content), "the content", likely);
        }
        if self.first_name != copy.first_name {
            let likely = if self.kind != "file" {
                "a link or a FIFO may have several names too: all but directories may"
            } else if copy.first_name.as_os_str().is_empty() || copy.first_name > self.first_name {
                "each name got a file of its own: st_dev and st_ino say which names are one file, and link(2) makes another"
            } else {
                "two files that are alike were made one: names are one file if st_ino and st_dev are the same, for each file system counts its own inodes"
            };
            return told(&self.first_name, &copy.first_name, "the same file as", likely);
        }
        if self.owner != copy.owner {
            let likely = if is_link {
                "the owner was given to what the link leads to: lchown(2)"
            } else {
                "the owner is the caller: chown(2) was not called"
            };
            return told(&self.owner, &copy.owner, "the owner", likely);
        }
        if self.mode != copy.mode && !is_link {
            let likely = match (self.mode ^ copy.mode) & 0o7000 {
                0 => "the mode was left to what made the file, and the umask takes from it",
                _ => "a new owner takes the set-user-ID and set-group-ID bits away: first chown(2), then chmod(2)",
            };
            return told(&format!("{:o}", self.mode), &format!("{:o}", copy.mode), "the mode", likely);
        }
        if self.attributes != copy.attributes {
            let lost = |name: &str| {
                self.attributes.contains_key(OsStr::new(name)) && !copy.attributes.contains_key(OsStr::new(name))
            };
            let likely = match () {
                () if lost("security.capability") && !lost("user.some") => {
                    "a new owner takes the capabilities away: first chown(2), then the attributes"
                }
                () => "the extended attributes were not copied: listxattr(2) tells their names",
            };
            return told(&self.attributes.keys(), &copy.attributes.keys(), "the attributes", likely);
        }
        if self.mtime != copy.mtime {
            let likely = match self.kind.as_str() {
                _ if self.mtime.0 == copy.mtime.0 && copy.mtime.1 == 0 => "the nanoseconds are lost",
                "directory" => "what is made in a directory changes its time: the time comes last",
                _ => "the time is that of the copy: utimensat(2), and for a link with AT_SYMLINK_NOFOLLOW",
            };
            return told(&self.mtime, &copy.mtime, "the time", likely);
        }
        None
    }
}

/// All that is in `directory`, by path; it itself by the empty one.
fn items(directory: &Path) -> BTreeMap<PathBuf, Item> {
    let mut items = BTreeMap::new();
    let mut firsts = BTreeMap::new();
    collect(directory, Path::new(""), &mut firsts, &mut items);
    items
}

fn collect(root: &Path, path: &Path, firsts: &mut BTreeMap<(u64, u64), PathBuf>, items: &mut BTreeMap<PathBuf, Item>) {
    let at = root.join(path);
    let metadata = fs::symlink_metadata(&at).expect("stat");
    let kind = metadata.file_type();
    let (name, content) = match kind {
        kind if kind.is_dir() => ("directory", Vec::new()),
        kind if kind.is_symlink() => ("link", fs::read_link(&at).expect("a link").into_os_string().into_vec()),
        kind if kind.is_file() => ("file", read(&at)),
        kind if kind.is_fifo() => ("FIFO", Vec::new()),
        kind if kind.is_socket() => ("socket", Vec::new()),
        kind if kind.is_char_device() => ("character device", metadata.rdev().to_string().into_bytes()),
        _ => ("block device", metadata.rdev().to_string().into_bytes()),
    };
    let first_name = firsts.entry((metadata.dev(), metadata.ino())).or_insert_with(|| path.to_owned()).clone();
    let item = Item {
        kind: name.to_owned(),
        content,
        first_name,
        owner: (metadata.uid(), metadata.gid()),
        mode: metadata.mode() & 0o7777,
        attributes: attributes(&at),
        mtime: (metadata.mtime(), metadata.mtime_nsec()),
    };
    items.insert(path.to_owned(), item);
    if kind.is_dir() {
        let entries = fs::read_dir(&at).expect("read_dir").map(|entry| entry.expect("an entry").file_name());
        for name in entries.collect::<BTreeSet<_>>() {
            collect(root, &path.join(name), firsts, items);
        }
    }
}

/// A file's content; of one that is closed to the reader, that it is.
fn read(path: &Path) -> Vec<u8> {
    fs::read(path).unwrap_or_else(|_| b"closed".to_vec())
}

/// How many files the two trees have in common.
fn shared_files(one: &Path, other: &Path) -> usize {
    let files = |root: &Path| -> BTreeSet<(u64, u64)> {
        let paths = items(root).into_keys().map(|path| root.join(path));
        paths.map(|path| fs::symlink_metadata(path).expect("stat")).map(|file| (file.dev(), file.ino())).collect()
    };
    files(one).intersection(&files(other)).count()
}

/// But for the labels of security modules, which are the machine's.
fn attributes(path: &Path) -> BTreeMap<OsString, Vec<u8>> {
    let names = xattr::list(path).into_iter().flatten();
    let names = names.filter(|name| name == "security.capability" || !name.as_bytes().starts_with(b"security."));
    names.filter_map(|name| Some((name.clone(), xattr::get(path, &name).ok()??))).collect()
}

fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let mut names: Vec<_> = entries.map(|entry| entry.file_name().display().to_string()).collect();
    names.sort();
    names
}

/// In words.
fn file(text: &str) -> String {
    format!("a file {text:?}")
}

/// Opened by the test itself.
fn place(path: &Path) -> OwnedFd {
    open(path, OFlag::O_PATH | OFlag::O_CLOEXEC, Mode::empty()).expect("a place")
}

fn whiteout(path: &Path) {
    mknod(path, SFlag::S_IFCHR, Mode::empty(), 0).expect("a whiteout");
}

fn set_mtime(path: &Path, seconds: i64, ns: i64) {
    let time = TimeSpec::new(seconds, ns);
    utimensat(AT_FDCWD, path, &time, &time, UtimensatFlags::NoFollowSymlink).expect("utimensat");
}

/// By the file in a directory, or the text of a file: which layer it is of.
fn layer_of(fd: &OwnedFd) -> String {
    let path = PathBuf::from(format!("/proc/self/fd/{}", fd.as_raw_fd()));
    fs::read_to_string(&path).unwrap_or_else(|_| names(&path).concat())
}

/// Why lookup() found another thing than the kernel, in a case that `told` describes.
fn lookup_fault(told: &[&str], wanted: &[usize], seen: &[usize]) -> &'static str {
    let mut sorted = seen.to_vec();
    sorted.sort_unstable();
    if sorted == wanted {
        return "the layers are in the wrong order: the topmost comes first";
    }
    if seen.len() < wanted.len() {
        return match seen {
            [] if wanted.is_empty() => "nothing is missing",
            [] if told[wanted[0]] == "a file" => "a file is found too, not only a directory",
            _ => "the search ended too early: what a layer has not, the next may have, and directories are merged",
        };
    }
    let Some(extra) = seen.iter().find(|layer| !wanted.contains(layer)) else { return "a layer was found twice" };
    let above = &told[..*extra];
    if above.contains(&"a whiteout") {
        "a whiteout was passed by: below it nothing is looked at"
    } else if above.contains(&"an opaque directory") {
        "below an opaque directory nothing is seen, in whatever layer it is"
    } else if told[*extra] == "a file" && above.iter().any(|kind| kind.ends_with("directory")) {
        "a file below a directory is hidden: it is not merged with it"
    } else if above.contains(&"a file") && above.iter().any(|kind| kind.ends_with("directory")) {
        "a file below a directory was passed by: it hides what is below it, although it is hidden itself"
    } else {
        "a file on top is all there is: it is merged with nothing"
    }
}

fn random(below: u64) -> u64 {
    let name = random_name("");
    u64::from_str_radix(name.trim_start_matches('-'), 16).expect("a number") % below
}

// ---- containers ----

/// A root file system with some files of its own.
fn image() -> Rootfs {
    let programs = ["sh", "cat", "ls", "rm", "rmdir", "mkdir", "chmod", "chown", "stat", "grep"];
    let image = Rootfs::build(place_for_images().join("image"), &programs).expect("a root file system");
    fs::write(image.path().join("etc/motd"), "of the image\n").expect("a file");
    fs::create_dir(image.path().join("srv")).expect("mkdir");
    fs::write(image.path().join("srv/old"), "").expect("a file");
    image
}

fn place_for_images() -> PathBuf {
    dir().join("tmp")
}

/// Where layers are kept.
fn data() -> PathBuf {
    dir().join("data")
}

/// The containers whose layers are kept.
fn layers() -> Vec<String> {
    names(&data().join("containers")).into_iter().filter(|name| !name.starts_with('.')).collect()
}

fn boxwright(args: &[&str]) -> assert_cmd::assert::Assert {
    let mut command = testkit::boxwright!();
    command.env("BOXWRIGHT_DATA", data()).args(args).assert()
}

/// Of the other labs, which may be open still.
fn nothing_but_what_is_left_out() -> RegexPredicate {
    is_match(r"^(boxwright: left out, not written yet: [^\n]*\n)?$").expect("a regular expression")
}

/// `boxwright run FLAGS --rootfs IMAGE -- sh -c SCRIPT`.
fn run(image: &Rootfs, flags: &[&str], script: &str) -> assert_cmd::assert::Assert {
    let root = image.path().to_str().expect("text");
    boxwright(&[&["run", "--rootfs", root], flags, &["--", "sh", "-c", script]].concat())
}

/// Checks what `boxwright diff` tells of the container `name`: all of `lines`, in this order; what else a container's own
/// mounts leave may stand between.
#[track_caller]
fn diff_tells(name: &str, lines: &str) {
    let told = boxwright(&["diff", name]);
    let output = told.get_output();
    let seen = [&output.stdout[..], &output.stderr].map(String::from_utf8_lossy).concat();
    let mut left = seen.lines();
    check!(
        output.status.success() && lines.lines().all(|line| left.any(|other| other == line)),
        expected: format!("boxwright diff {name} to tell {:?}", lines.lines().collect::<Vec<_>>()),
        seen: format!("{:?}", seen.lines().collect::<Vec<_>>()),
        likely: "changes() has this from the layers on the disk: first make all tests of task 6 pass",
        read: TASKS,
    );
}

/// The next line of what a container says.
fn line(from: &mut impl std::io::Read) -> String {
    let mut line = Vec::new();
    let mut byte = [0];
    while from.read(&mut byte).expect("to read") == 1 && byte[0] != b'\n' {
        line.push(byte[0]);
    }
    String::from_utf8_lossy(&line).into_owned()
}
