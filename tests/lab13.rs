//! Lab 13, `labs/lab13_image.rs`: images, which are layers that travel. Chapter: `book/src/lab13-image.md`.
//!
//! Every test has a place of its own: `root/`, where a layer is unpacked to, and `outside/`, which no layer may reach. Archives are
//! made by the test, the hostile ones too: the writer takes whatever it is told.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File, Metadata};
use std::io::{self, Cursor, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use boxwright::steps::image;
use model::image::{Archive, ArchiveWriter, Blob, Digest, Item, ItemKind, Marker, Owners};
use model::layer::Marks;
use model::tree::open_directory;
use model::{Error, Result};
use nix::errno::Errno;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::stat::{Mode, SFlag, makedev, mknod, umask};
use testkit::{Explained, Random, Rootfs, Shield, check, dir, in_child, needs, random_name, shielded, written};

const RULES: &str = "lab13-image.md, The rules";
const TASKS: &str = "lab13-image.md, Tasks";
/// What each errno means when an entry is put in its place.
const PUT_REASONS: [(Errno, &str); 10] = [
    (
        Errno::ENOENT,
        "the directory that it goes to was not made, or the target of a hard link was looked for in another place than the root",
    ),
    (Errno::EEXIST, "what had the name before was not removed, or a directory was made twice"),
    (Errno::EISDIR, "a directory stood in the place of a file: it goes, with all that is in it"),
    (
        Errno::ENOTEMPTY,
        "a directory in the place of a file goes with all that is in it; one in the place of a directory stays",
    ),
    (Errno::ENOTDIR, "a file stood in the place of a directory: it goes"),
    (
        Errno::EXDEV,
        "RESOLVE_BENEATH refuses what leaves the root; from one directory to another, link(2) needs the root's own descriptor",
    ),
    (
        Errno::EPERM,
        "the owner or the node is not the caller's to make; chmod(2) of a symbolic link is refused, and so is a user.* attribute: /proc/self/fd/N is one, too",
    ),
    (
        Errno::EINVAL,
        "mknod(2) takes the kind of the file in its mode; openat2(2) no flags that contradict each other; an id that is not mapped is nobody's",
    ),
    (
        Errno::EOPNOTSUPP,
        "the mode of a symbolic link cannot be changed; and /proc/self/fd/N is a link itself, whose attributes xattr::set() would set: place(fd).join(\".\") goes past it",
    ),
    (Errno::EBADF, "a descriptor that names a place (O_PATH) is not written through: place() gives a path for it"),
];
/// What each errno means on the way to an entry's place.
const WAY_REASONS: [(Errno, &str); 5] = [
    (Errno::ENOENT, "a directory on the way is missing, and was not made"),
    (
        Errno::ELOOP,
        "a symbolic link on the way was refused, and it stays below the root: RESOLVE_NO_SYMLINKS is too much",
    ),
    (Errno::EXDEV, "the path was taken as an absolute one, or from another directory than the root"),
    (
        Errno::ENOTDIR,
        "a link at the end of the way was opened and not followed (O_NOFOLLOW): it is on the way; or the entry's own name was opened too",
    ),
    (Errno::EEXIST, "a directory on the way was made although it is there"),
];
/// What each errno means when a layer is written.
const WRITE_REASONS: [(Errno, &str); 4] = [
    (Errno::ENXIO, "a FIFO, a socket or a device was opened: only files have a content"),
    (Errno::ELOOP, "a symbolic link was opened: it is an entry too, and its target is text"),
    (Errno::ENOENT, "what a symbolic link leads to was asked for: it may dangle"),
    (Errno::EISDIR, "a directory was read as a file"),
];

// ---- task 1 ----

#[test]
fn task1_what_comes_is_handed_on() {
    shielded(|| {
        let bytes = noise(10_000);
        let mut blob = blob(bytes.clone(), &bytes);
        let seen = drain(&mut blob, 777);
        check!(
            seen.as_ref().is_ok_and(|seen| *seen == bytes),
            expected: "the bytes of the blob, and then its end",
            seen: told(&seen),
            likely: match &seen {
                Err(error) if error.to_string().contains("digest") =>
                    "right bytes were refused: hash what was filled, buffer[..count], once, and not the whole buffer",
                Err(_) => "right bytes were refused",
                Ok(_) => "what was read is not what was handed on",
            },
            read: RULES,
        );
    });
}

#[test]
fn task1_other_bytes_are_refused_before_the_end_is_told() {
    shielded(|| {
        let right = noise(5000);
        for place in [0, 2500, 4999] {
            let mut wrong = right.clone();
            wrong[place] ^= 1;
            let seen = drain(&mut blob(wrong, &right), 1024);
            check!(
                seen.is_err(),
                expected: format!("an error at the end of a blob whose byte {place} is another"),
                seen: "an ordinary end",
                likely: match &seen {
                    Ok(bytes) if bytes.is_empty() => "nothing was read",
                    _ => "the length was compared and the digest was not: whoever sent this could have sent anything",
                },
                read: RULES,
            );
        }
        let seen = drain(&mut blob(right[..4000].to_vec(), &right), 1024);
        check!(
            seen.is_err(),
            expected: "an error when the source ends too early",
            seen: "an ordinary end",
            likely: "0 bytes are the end of the source, not yet of the blob: nothing was compared",
            read: RULES,
        );
    });
}

#[test]
fn task1_too_much_is_refused_when_it_comes() {
    shielded(|| {
        let given = Arc::new(AtomicU64::new(0));
        let right = noise(1000);
        let endless = Counted { inner: io::repeat(7), given: Arc::clone(&given) };
        let mut blob = Blob::new(endless, Digest::of(&right), 1000);
        let mut buffer = [0; 512];
        let refused = (0..1000).any(|_| image::read(&mut blob, &mut buffer).is_err());
        let taken = given.load(Ordering::Relaxed);
        check!(
            refused && taken <= 8192,
            expected: "a blob of 1000 bytes to be refused soon after its 1000th byte",
            seen: format!("{taken} bytes taken, {}", if refused { "then refused" } else { "and no end" }),
            likely: match taken {
                0 => "nothing was read",
                _ => "the length is compared at the end alone: a source without an end is read for ever",
            },
            read: RULES,
        );
    });
}

#[test]
fn task1_one_byte_behind_the_right_ones_is_too_much() {
    shielded(|| {
        let right = noise(3000);
        let more = [&right[..], b"x"].concat();
        for step in [1, 1000, 2999, 3000, 3001, 8192] {
            let seen = drain(&mut blob(more.clone(), &right), step);
            check!(
                seen.is_err(),
                expected: format!("3000 right bytes and one more to be refused, {step} at a time"),
                seen: told(&seen),
                likely: match &seen {
                    Ok(bytes) if bytes.is_empty() => "nothing was read",
                    _ => "the end was told when the right number of bytes had come: what comes behind them was not looked at, and whoever reads on uses it",
                },
                read: RULES,
            );
        }
    });
}

#[test]
fn task1_the_end_can_be_asked_for_again() {
    shielded(|| {
        let right = noise(3000);
        let mut good = blob(right.clone(), &right);
        let first = drain(&mut good, 1000);
        check!(
            first.is_ok(),
            expected: "the end of the right blob",
            seen: told(&first),
            likely: "first make task1_what_comes_is_handed_on pass",
            read: RULES,
        );
        let again = image::read(&mut good, &mut [0; 8]);
        check!(
            again.as_ref().is_ok_and(|count| *count == 0),
            expected: "0 once more, at the end of a blob that was right",
            seen: format!("{again:?}"),
            likely: "the hash was taken away to be finished, and a new one is there: finish a copy, clone()",
            read: RULES,
        );
        let mut wrong = right.clone();
        wrong[1] ^= 1;
        let mut bad = blob(wrong, &right);
        let seen = [drain(&mut bad, 1000).is_err(), image::read(&mut bad, &mut [0; 8]).is_err()];
        check!(
            seen == [true, true],
            expected: "an error at the end of a wrong blob, and once more when the end is asked for again",
            seen: format!("refused: {seen:?}"),
            likely: "the end was looked at once: whoever asks again is told that all is well",
            read: RULES,
        );
    });
}

#[test]
fn task1_no_room_is_no_end() {
    shielded(|| {
        let bytes = noise(3000);
        let mut blob = blob(bytes.clone(), &bytes);
        let mut half = [0; 1500];
        let first = image::read(&mut blob, &mut half);
        let nothing = image::read(&mut blob, &mut []);
        check!(
            first.is_ok() && nothing.as_ref().is_ok_and(|count| *count == 0),
            expected: "read() into an empty buffer to return 0, and nothing else",
            seen: format!("{first:?}, then {nothing:?}"),
            likely: "0 means the end only when there was room for more: read(2)",
            read: RULES,
        );
    });
}

#[test]
fn task1_what_the_source_says_is_told() {
    shielded(|| {
        struct Broken(Arc<AtomicU64>);
        impl Read for Broken {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                self.0.fetch_add(1, Ordering::Relaxed);
                Err(io::Error::from_raw_os_error(Errno::EIO as i32))
            }
        }
        let asked = Arc::new(AtomicU64::new(0));
        let source = Broken(Arc::clone(&asked));
        let seen = image::read(&mut Blob::new(source, Digest::of(b"x"), 1), &mut [0; 8]);
        check!(
            seen.as_ref().is_err_and(|error| error.errno() == Some(Errno::EIO)),
            expected: "the errno of the source, EIO",
            seen: format!("{seen:?}"),
            likely: match asked.load(Ordering::Relaxed) {
                0 => "nothing was read",
                _ => "an error of the source was taken for its end, or lost its errno: during()",
            },
            read: RULES,
        );
    });
}

// ---- task 2 ----

#[test]
fn task2_a_whiteout_hides_the_name_after_it() {
    shielded(|| {
        let name = random_name("name");
        for hidden in [name.as_bytes(), b"a", b".bashrc", b"...", b"x.wh.y", b"caf\xe9"] {
            let whole = [b".wh.", hidden].concat();
            let seen = image::marker(OsStr::from_bytes(&whole));
            let hidden = OsStr::from_bytes(hidden);
            check!(
                seen.as_ref().is_ok_and(|seen| *seen == Marker::Hides(hidden)),
                expected: format!("marker({:?}) to be Hides({hidden:?})", OsStr::from_bytes(&whole)),
                seen: format!("{seen:?}"),
                likely: match &seen {
                    Ok(Marker::Hides(other)) if other.as_bytes().starts_with(b".") => "the prefix has two dots: .wh.",
                    Err(_) => "a name may begin with dots, and be any bytes: . and .. alone are no names",
                    _ => "what begins with .wh. is a whiteout",
                },
                read: RULES,
            );
        }
    });
}

#[test]
fn task2_other_names_are_names() {
    shielded(|| {
        for name in [".wh", "wh.x", "x.wh.y", ".WH.x", "..wh.x", ".", ".whale"] {
            let seen = image::marker(OsStr::new(name));
            check!(
                matches!(seen, Ok(Marker::Plain)),
                expected: format!("marker({name:?}) to be Plain"),
                seen: format!("{seen:?}"),
                likely: match name.starts_with(".wh") {
                    true => "the prefix has two dots: .wh.",
                    false => "a whiteout begins with the four bytes .wh. and no others",
                },
                read: RULES,
            );
        }
    });
}

#[test]
fn task2_what_begins_twice_is_a_note() {
    shielded(|| {
        let seen = image::marker(OsStr::new(".wh..wh..opq"));
        check!(
            matches!(seen, Ok(Marker::Opaque)),
            expected: "marker(\".wh..wh..opq\") to be Opaque",
            seen: format!("{seen:?}"),
            likely: match seen {
                Ok(Marker::Hides(_)) => "the whole name is a mark of its own: it hides no file by the name of .wh..opq",
                _ => "the name of the mark of an opaque directory is .wh..wh..opq",
            },
            read: RULES,
        );
        for name in [".wh..wh.plnk", ".wh..wh.aufs", ".wh..wh.orph", ".wh..wh..opqx", ".wh..wh."] {
            let seen = image::marker(OsStr::new(name));
            check!(
                matches!(seen, Ok(Marker::Ignored)),
                expected: format!("marker({name:?}) to be Ignored"),
                seen: format!("{seen:?}"),
                likely: match seen {
                    Ok(Marker::Opaque) => "every name with .wh..wh. was taken for the mark of an opaque directory: only .wh..wh..opq is",
                    _ => "what begins with .wh. twice is a note of AUFS to itself, and hides nothing",
                },
                read: RULES,
            );
        }
    });
}

#[test]
fn task2_no_whiteout_hides_a_directory_from_itself() {
    shielded(|| {
        for name in [".wh.", ".wh..", ".wh..."] {
            let seen = image::marker(OsStr::new(name));
            check!(
                seen.is_err(),
                expected: format!("marker({name:?}) to be refused"),
                seen: format!("{seen:?}"),
                likely: match seen {
                    Ok(Marker::Hides(_)) => "a whiteout of nothing, of . or of .. would hide the directory, or the one above",
                    _ => "what begins with .wh. is a whiteout, and this one has no name",
                },
                read: RULES,
            );
        }
    });
}

// ---- task 3 ----

#[test]
fn task3_the_directory_and_the_name() {
    at_a_place(|place| {
        place.mkdir("root/usr/lib");
        let name = random_name("file");
        for path in [format!("usr/lib/{name}"), format!("./usr/./lib//{name}"), format!("usr/lib/{name}/")] {
            let (parent, seen) = open_parent(place, &path);
            check!(
                place.is(&parent, "root/usr/lib") && seen == *name,
                expected: format!("open_parent({path:?}) to give usr/lib, and {name}"),
                seen: format!("{}, and {seen:?}", place.name_of(&parent)),
                likely: "a path is taken apart by components(): `.` and empty parts are none",
                read: RULES,
            );
        }
        for path in ["./", ".", "x"] {
            let (parent, _) = open_parent(place, path);
            check!(
                place.is(&parent, "root"),
                expected: format!("open_parent({path:?}) to give the root"),
                seen: place.name_of(&parent),
                likely: "the root is an entry too, `./`: its own place is the root, by the name `.`",
                read: RULES,
            );
        }
    });
}

#[test]
fn task3_what_is_missing_is_made() {
    at_a_place(|place| {
        umask(Mode::empty());
        place.mkdir("root/var");
        let name = random_name("deep");
        let (parent, _) = open_parent(place, &format!("var/{name}/a/b/file"));
        check!(
            place.is(&parent, &format!("root/var/{name}/a/b")),
            expected: "the directories on the way to be made, and the last one to be returned",
            seen: place.name_of(&parent),
            likely: "each missing one is made in the one before, by mkdirat(2)",
            read: RULES,
        );
        let mode = place.stat(&format!("root/var/{name}")).mode() & 0o7777;
        check!(
            mode == 0o755,
            expected: "mode 0755, as for a directory of whose entry nothing was told",
            seen: format!("{mode:04o}"),
            likely: match mode & 0o022 {
                0 => "directories that were made on the way are closed to others: the archive may never tell of them again",
                _ => "directories that were made on the way are open to everybody: with no umask, 0777 lets anyone write",
            },
            read: RULES,
        );
        check!(
            !place.at(&format!("root/var/{name}/a/b/file")).exists(),
            expected: "nothing to be made by the entry's own name",
            seen: "a directory",
            likely: "the last part is not on the way",
            read: RULES,
        );
    });
}

#[test]
fn task3_a_link_that_stays_below_is_followed() {
    at_a_place(|place| {
        place.mkdir("root/usr/lib");
        symlink("usr/lib", place.at("root/lib")).expect("a link");
        symlink("../lib", place.at("root/usr/again")).expect("a link");
        for path in ["lib/file", "usr/again/file"] {
            let (parent, _) = open_parent(place, path);
            check!(
                place.is(&parent, "root/usr/lib"),
                expected: format!("{path} to go to usr/lib, where the link on the way leads"),
                seen: place.name_of(&parent),
                likely: "on most systems /lib is a link, and layers count on it",
                read: RULES,
            );
        }
    });
}

#[test]
fn task3_nothing_leads_out() {
    at_a_place(|place| {
        let outside = place.at("outside");
        symlink(&outside, place.at("root/absolute")).expect("a link");
        symlink("../outside", place.at("root/relative")).expect("a link");
        symlink("../outside/new", place.at("root/dangling")).expect("a link");
        symlink("absolute", place.at("root/twice")).expect("a link");
        place.mkdir("root/down");
        symlink("../../outside", place.at("root/down/up")).expect("a link");
        for way in ["absolute", "relative", "dangling", "twice", "down/up"] {
            for path in [format!("{way}/file"), format!("{way}/new/file")] {
                let seen = image::open_parent(place.root().as_fd(), Path::new(&path));
                let leads = seen.as_ref().map_or(String::new(), |(parent, _)| place.name_of(parent));
                check!(
                    !leads.contains("outside") && place.is_quiet_outside(),
                    expected: format!("{path} to be refused, or to end below the root"),
                    seen: format!("{leads}; outside is {}", if place.is_quiet_outside() { "untouched" } else { "another" }),
                    likely: "a symbolic link on the way was followed out of the root: openat2(2) with RESOLVE_BENEATH looks at every step",
                    read: RULES,
                );
            }
        }
    });
}

#[test]
fn task3_a_link_out_is_not_bent() {
    at_a_place(|place| {
        place.mkdir("root/etc");
        for (name, target) in [("etc-of-the-host", "/etc"), ("top", "/"), ("up", ".."), ("beside", "../etc")] {
            symlink(target, place.at("root").join(name)).expect("a link");
            let path = format!("{name}/file");
            let seen = image::open_parent(place.root().as_fd(), Path::new(&path));
            let leads = seen.as_ref().map_or(String::new(), |(parent, _)| place.name_of(parent));
            check!(
                seen.is_err(),
                expected: format!("{path} to be refused (EXDEV): {name} leads to {target}, which is not below the root"),
                seen: &leads,
                likely: match leads.starts_with("root/") {
                    true => "the link was bent, so that it leads to another place in the root: RESOLVE_IN_ROOT, where RESOLVE_BENEATH refuses; nobody meant that place",
                    false => "first make task3_nothing_leads_out pass",
                },
                read: RULES,
            );
        }
    });
}

#[test]
fn task3_paths_that_are_none_are_refused() {
    at_a_place(|place| {
        place.mkdir("root/a");
        let (_, name) = open_parent(place, "a/name");
        check!(
            name == "name",
            expected: "open_parent(\"a/name\") to give the name",
            seen: format!("{name:?}"),
            likely: "the last part of the path is the entry's own name",
            read: RULES,
        );
        for path in ["..", "../outside/x", "a/../b", "a/../../outside/x", "a/.."] {
            check!(
                image::open_parent(place.root().as_fd(), Path::new(path)).is_err(),
                expected: format!("{path:?} to be refused"),
                seen: "a directory",
                likely: "`..` was passed over, or resolved: no honest layer has one, and what it means depends on links",
                read: RULES,
            );
        }
        let absolute = place.at("outside/x");
        for path in [&absolute, Path::new("/etc/passwd"), Path::new("/")] {
            check!(
                image::open_parent(place.root().as_fd(), path).is_err(),
                expected: format!("{path:?} to be refused"),
                seen: "a directory",
                likely: "the slash at the beginning was dropped: a path of a layer is relative, and this one means another place",
                read: RULES,
            );
        }
        check!(
            image::open_parent(place.root().as_fd(), Path::new("")).is_err(),
            expected: "an entry without a path to be refused",
            seen: "a directory",
            likely: "an empty path has no parts, and is not the root, which is `./`",
            read: RULES,
        );
        fs::write(place.at("root/file"), "").expect("a file");
        check!(
            image::open_parent(place.root().as_fd(), Path::new("file/below")).is_err(),
            expected: "a path through a file to be refused (ENOTDIR)",
            seen: "a place",
            likely: "O_DIRECTORY was not asked for: O_PATH alone opens anything",
            read: RULES,
        );
    });
}

// ---- task 4 ----

#[test]
fn task4_a_file_has_its_content_mode_and_time() {
    at_a_place(|place| {
        umask(Mode::from_bits_retain(0o022));
        let text = noise(20_000);
        let item = Item { mode: 0o6776, mtime: (1_234_567_890, 123_456_789), ..file("file", text.len()) };
        put(place, &item, &text);
        let seen = place.stat("root/file");
        check!(
            fs::read(place.at("root/file")).expect("to read") == text,
            expected: "the content of the entry",
            seen: format!("{} bytes", seen.len()),
            likely: "Content is read to its end, and each part written at its place",
            read: RULES,
        );
        check!(
            seen.mode() & 0o7777 == 0o6776,
            expected: "mode 6776, with the set-user-ID and the set-group-ID bit",
            seen: format!("{:04o}", seen.mode() & 0o7777),
            likely: match seen.mode() & 0o7777 {
                0o776 => "a new owner takes the set-ID bits away: chown(2) first, then chmod(2)",
                _ => "the umask has a say when a file is made: chmod(2) afterwards has not",
            },
            read: RULES,
        );
        check!(
            (seen.mtime(), seen.mtime_nsec()) == (1_234_567_890, 123_456_789),
            expected: "the time 1234567890.123456789",
            seen: format!("{}.{:09}", seen.mtime(), seen.mtime_nsec()),
            likely: match seen.mtime() {
                1_234_567_890 => "the nanoseconds are gone: tools that compare times will take the file for a changed one",
                _ => "the time of the entry was not set, or something was changed after it: utimensat(2) comes last",
            },
            read: RULES,
        );
    });
}

#[test]
fn task4_the_owner_is_the_entrys() {
    needs!(subuid);
    Shield::new().with_ids().run(|| {
        umask(Mode::from_bits_retain(0o022));
        let place = Place::make();
        // The ids that an ordinary user has to give away, too.
        let id = || testkit::SUBORDINATE.0 + Random::new().below(900) as u32;
        let (uid, gid) = (id(), id());
        for item in [
            Item { uid, gid, mode: 0o4777, ..file("file", 0) },
            Item { uid, gid, ..link("link", "nowhere") },
            Item { uid, gid, ..directory("directory") },
        ] {
            put(&place, &item, b"");
            let seen = place.stat(&format!("root/{}", item.path.display()));
            check!(
                (seen.uid(), seen.gid()) == (uid, gid),
                expected: format!("{} to belong to {uid}:{gid}", item.path.display()),
                seen: format!("{}:{}", seen.uid(), seen.gid()),
                likely: "the owner was not set: fchownat(2), of links too (AT_SYMLINK_NOFOLLOW)",
                read: RULES,
            );
        }
        let seen = place.stat("root/file").mode() & 0o7777;
        check!(
            seen == 0o4777,
            expected: "mode 4777 for the file of another owner",
            seen: format!("{seen:04o}"),
            likely: match seen {
                0o777 => "the mode was set first, and the new owner took the set-user-ID bit away: chown(2)",
                _ => "chmod(2) comes after chown(2), and asks no umask",
            },
            read: RULES,
        );
    });
}

#[test]
fn task4_attributes_come_along_but_overlays_own() {
    at_a_place(|place| {
        leans_on_put(place);
        let name = random_name("user.key");
        let mut xattrs = vec![(OsString::from(&name), noise(100))];
        xattrs.push(("user.overlay.redirect".into(), b"/outside".to_vec()));
        if place.marks == Marks::Trusted {
            xattrs.push(("trusted.overlay.redirect".into(), b"/outside".to_vec()));
        }
        let item = Item { mode: 0o444, xattrs: xattrs.clone(), ..file("file", 0) };
        put(place, &item, b"");
        let seen = xattr::get(place.at("root/file"), &name).expect("getxattr");
        check!(
            seen.as_ref() == Some(&xattrs[0].1),
            expected: format!("the attribute {name}"),
            seen: format!("{seen:?}"),
            likely: "the attributes of the entry were not set, or somebody took them away afterwards",
            read: RULES,
        );
        for (own, _) in &xattrs[1..] {
            check!(
                xattr::get(place.at("root/file"), own).expect("getxattr").is_none(),
                expected: format!("no attribute {}", own.display()),
                seen: "the one of the archive",
                likely: "overlayfs's own notes were taken from the archive: by one, a layer could show any directory",
                read: RULES,
            );
        }
    });
}

#[test]
fn task4_zeros_take_no_space() {
    at_a_place(|place| {
        leans_on_put(place);
        let mut text = vec![0; 3 << 20];
        text[1 << 20..(1 << 20) + 5].copy_from_slice(b"hello");
        put(place, &file("sparse", text.len()), &text);
        let seen = place.stat("root/sparse");
        check!(
            seen.len() == text.len() as u64,
            expected: format!("a file of {} bytes", text.len()),
            seen: format!("{} bytes", seen.len()),
            likely: "what was skipped at the end is no part of the file until it is told: ftruncate(2)",
            read: RULES,
        );
        check!(
            fs::read(place.at("root/sparse")).expect("to read") == text,
            expected: "the content of the entry, zeros and all",
            seen: "another",
            likely: "a block that is skipped moves the place of the next one too: lseek(2)",
            read: RULES,
        );
        check!(
            seen.blocks() * 512 <= 1 << 20,
            expected: "some blocks on the disk for 5 bytes among 3 MB of zeros",
            seen: format!("{} kB on the disk", seen.blocks() / 2),
            likely: "zeros were written: an image with a sparse file of 10 GB would fill the disk",
            read: RULES,
        );
    });
}

#[test]
fn task4_a_file_is_written_while_it_comes() {
    at_a_place(|place| {
        leans_on_put(place);
        let most = Arc::new(AtomicU64::new(0));
        let length: u64 = 24 << 20;
        let header = archive(&[(file("big", 0), b"")])[..512].to_vec();
        let header = with_size(header, length);
        let watched = Watched { path: place.at("root/big"), given: 0, ahead: Arc::clone(&most) };
        let source = Cursor::new(header).chain(watched.take(length));
        let mut layer = Archive::new(source, Owners::AsTold);
        let root = place.root();
        let put = layer.each(|item, content| image::put(root.as_fd(), root.as_fd(), OsStr::new("big"), item, content));
        put.explained("put() of 24 MB", &PUT_REASONS, RULES);
        let most = most.load(Ordering::Relaxed);
        check!(
            most <= 8 << 20,
            expected: "what has come to be on its way to the disk before 8 MB more are asked for",
            seen: format!("{} MB in memory", most >> 20),
            likely: "the content is held in memory until it is whole: a layer can be larger than the machine's memory",
            read: RULES,
        );
    });
}

#[test]
fn task4_a_symbolic_link_is_text() {
    at_a_place(|place| {
        fs::write(place.at("outside/file"), "mine").expect("a file");
        let before = place.stat("outside/file");
        for (name, target) in [("absolute", "/no/such/file"), ("up", "../outside/file"), ("dangling", "nowhere")] {
            put(place, &Item { mode: 0o777, mtime: (1_000_000_000, 5), ..link(name, target) }, b"");
            let seen = fs::read_link(place.at("root").join(name));
            check!(
                seen.as_ref().is_ok_and(|seen| seen == Path::new(target)),
                expected: format!("a symbolic link to {target}"),
                seen: format!("{seen:?}"),
                likely: "the target is text that somebody may follow later: it is not looked at, and not changed",
                read: RULES,
            );
            let time = place.stat(&format!("root/{name}")).mtime();
            check!(
                time == 1_000_000_000,
                expected: "the time of the link itself to be the entry's",
                seen: time,
                likely: "the time was set through the link: AT_SYMLINK_NOFOLLOW",
                read: RULES,
            );
        }
        let after = place.stat("outside/file");
        check!(
            (before.mode(), before.mtime(), before.ctime_nsec()) == (after.mode(), after.mtime(), after.ctime_nsec()),
            expected: "the file outside to stay as it is",
            seen: "a new mode, time or owner",
            likely: "mode, owner or time were set through the link",
            read: RULES,
        );
    });
}

#[test]
fn task4_a_hard_link_is_the_same_file() {
    at_a_place(|place| {
        place.mkdir("root/usr/lib");
        symlink("usr/lib", place.at("root/lib")).expect("a link");
        fs::write(place.at("root/usr/lib/one"), "text").expect("a file");
        fs::set_permissions(place.at("root/usr/lib/one"), fs::Permissions::from_mode(0o4711)).expect("chmod");
        symlink("one", place.at("root/usr/lib/alias")).expect("a link");
        for (name, target, same) in [
            ("two", "usr/lib/one", "usr/lib/one"),
            ("three", "lib/one", "usr/lib/one"),
            ("four", "lib/alias", "usr/lib/alias"),
        ] {
            put(place, &hard_link(name, target), b"");
            let (new, old) = (place.stat(&format!("root/{name}")), place.stat(&format!("root/{same}")));
            check!(
                (new.dev(), new.ino()) == (old.dev(), old.ino()),
                expected: format!("{name} to be another name of {same}"),
                seen: "another file",
                likely: match name {
                    "four" => "a symbolic link was followed: it can have several names itself",
                    _ => "linkat(2) makes another name; a copy takes space, and goes its own way",
                },
                read: RULES,
            );
            let mode = place.stat("root/usr/lib/one").mode() & 0o7777;
            check!(
                mode == 0o4711,
                expected: "the file to keep its mode, 4711, when it gets another name",
                seen: format!("{mode:04o}"),
                likely: "renew() was called for a hard link: the file has its owner, mode and time already; return after linkat(2)",
                read: RULES,
            );
        }
    });
}

#[test]
fn task4_a_hard_link_is_found_from_the_root() {
    at_a_place(|place| {
        leans_on_ways(place);
        place.mkdir("root/usr/bin");
        fs::write(place.at("root/usr/bin/perl"), "text").expect("a file");
        let (parent, _) = open_parent(place, "usr/bin/perl5");
        let item = hard_link("usr/bin/perl5", "usr/bin/perl");
        let seen = try_put_at(place, &parent, "perl5", &item, b"");
        let link = fs::symlink_metadata(place.at("root/usr/bin/perl5"));
        check!(
            link.is_ok_and(|link| link.ino() == place.stat("root/usr/bin/perl").ino()),
            expected: "usr/bin/perl5 to be another name of usr/bin/perl",
            seen: format!("{seen:?}"),
            likely: match place.at("root/usr/bin/usr").exists() {
                true => "the target was looked for below usr/bin, where the link goes: what is in its entry is a path from the root",
                false => "the target of a hard link is a path from the root; its new name is made in the entry's own directory",
            },
            read: RULES,
        );
    });
}

#[test]
fn task4_a_hard_link_stays_inside() {
    at_a_place(|place| {
        leans_on_put(place);
        leans_on_ways(place);
        fs::write(place.at("outside/secret"), "secret").expect("a file");
        symlink("../outside", place.at("root/out")).expect("a link");
        let absolute = place.at("outside/secret");
        for target in ["../outside/secret", "out/secret", absolute.to_str().expect("text"), "x/../../outside/secret"] {
            let seen = try_put(place, &hard_link("link", target), b"");
            check!(
                seen.is_err() && !place.at("root/link").exists(),
                expected: format!("a hard link to {target} to be refused"),
                seen: format!("{seen:?}"),
                likely: "the target of a hard link is a path of the layer too: it is found by open_parent()",
                read: RULES,
            );
        }
    });
}

#[test]
fn task4_nodes_are_made_and_none_is_a_whiteout() {
    at_a_place(|place| {
        leans_on_put(place);
        put(place, &Item { mode: 0o640, ..item("pipe", ItemKind::Fifo) }, b"");
        check!(
            place.stat("root/pipe").file_type().is_fifo() && place.stat("root/pipe").mode() & 0o777 == 0o640,
            expected: "a named pipe, mode 0640",
            seen: format!("{:o}", place.stat("root/pipe").mode()),
            likely: "mknod(2) takes S_IFIFO; the mode is set afterwards",
            read: RULES,
        );
        let seen = try_put(place, &item("zero", ItemKind::Char { major: 0, minor: 0 }), b"");
        check!(
            seen.is_err(),
            expected: "a character device 0, 0 to be refused",
            seen: "it was made",
            likely: "to overlayfs this device is a whiteout: an archive says so by .wh. names alone",
            read: RULES,
        );
        let null = item("null", ItemKind::Char { major: 1, minor: 3 });
        let seen = try_put(place, &null, b"");
        let is_device = fs::symlink_metadata(place.at("root/null"))
            .map(|seen| seen.file_type().is_char_device() && seen.rdev() == makedev(1, 3));
        check!(
            seen.is_ok() && is_device.unwrap_or(place.marks == Marks::User),
            expected: "the character device 1, 3; in a user namespace, where nobody may make one, nothing, and no error",
            seen: format!("{seen:?}, {:?}", fs::symlink_metadata(place.at("root/null")).map(|seen| seen.rdev())),
            likely: "EPERM from mknod(2) is no reason to refuse the image: a container gets a /dev of its own",
            read: RULES,
        );
        let (null, seen) =
            (Item { mode: 0o620, mtime: (1_000_000_000, 0), ..null }, fs::symlink_metadata(place.at("root/null")));
        if seen.is_ok() {
            put(place, &null, b"");
            let seen = place.stat("root/null");
            check!(
                (seen.mode() & 0o7777, seen.mtime()) == (0o620, 1_000_000_000),
                expected: "a device to have the mode and the time of its entry, 0620 and 1000000000",
                seen: format!("{:04o} and {}", seen.mode() & 0o7777, seen.mtime()),
                likely: "a device was made and not renewed: renew() is for all kinds but the hard link",
                read: RULES,
            );
        }
    });
}

#[test]
fn task4_what_stops_a_node_is_told() {
    at_a_place(|place| {
        leans_on_put(place);
        let root = place.at("root");
        let (no, bind) = (None::<&str>, MsFlags::MS_BIND);
        mount(Some(&root), &root, no, bind, no).expect("a bind mount");
        mount(no, &root, no, bind | MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY, no).expect("a remount");
        for kind in [ItemKind::Char { major: 1, minor: 3 }, ItemKind::Block { major: 7, minor: 0 }, ItemKind::Fifo] {
            let seen = try_put(place, &item("node", kind.clone()), b"");
            check!(
                seen.as_ref().is_err_and(|error| error.errno() == Some(Errno::EROFS)),
                expected: format!("{kind:?} on a file system that is read-only to be EROFS"),
                seen: format!("{seen:?}"),
                likely: "every error of mknod(2) was passed over: EPERM says that nobody may make a device here, any other one that something is wrong",
                read: RULES,
            );
        }
        // This file system has no mknod(2): EPERM, for everybody.
        place.mkdir("terminals");
        mount(Some("devpts"), &place.at("terminals"), Some("devpts"), MsFlags::empty(), no).expect("a devpts");
        let terminals = open_directory(&place.at("terminals")).expect("a directory");
        let seen = try_put_at(place, &terminals, "pipe", &item("pipe", ItemKind::Fifo), b"");
        check!(
            seen.as_ref().is_err_and(|error| error.errno() == Some(Errno::EPERM)),
            expected: "a pipe that cannot be made to be an error, EPERM too",
            seen: format!("{seen:?}"),
            likely: "EPERM was passed over for whatever is made by mknod(2): a device may be missing, a pipe may not",
            read: RULES,
        );
    });
}

#[test]
fn task4_what_has_the_name_makes_room() {
    at_a_place(|place| {
        leans_on_ways(place);
        leans_on_put(place);
        fs::write(place.at("outside/file"), "mine").expect("a file");
        fs::write(place.at("root/file"), "old").expect("a file");
        fs::hard_link(place.at("root/file"), place.at("root/sibling")).expect("a link");
        symlink("../outside/file", place.at("root/link")).expect("a link");
        place.mkdir("root/directory/below");
        put(place, &file("file", 3), b"new");
        check!(
            place.text("root/file") == "new" && place.text("root/sibling") == "old",
            expected: "a new file in the place of the old one, whose other name keeps the old content",
            seen: format!("{:?}, and by the other name {:?}", place.text("root/file"), place.text("root/sibling")),
            likely: "the old file was written over, and its other name shows it: remove it, and make one (O_EXCL)",
            read: RULES,
        );
        put(place, &file("link", 3), b"new");
        check!(
            place.text("outside/file") == "mine" && place.stat("root/link").is_file(),
            expected: "a file in the place of a symbolic link, and the link's target untouched",
            seen: format!("outside {:?}", place.text("outside/file")),
            likely: "the file was written through the link that had its name: O_EXCL, or O_NOFOLLOW",
            read: RULES,
        );
        put(place, &file("directory", 3), b"new");
        check!(
            place.stat("root/directory").is_file(),
            expected: "a file in the place of a directory, and of all that was in it",
            seen: "a directory",
            likely: "unlink(2) removes no directory",
            read: RULES,
        );
        for (entry, kind) in [
            (link("sibling", "nowhere"), "a symbolic link"),
            (hard_link("sibling", "link"), "a hard link"),
            (item("sibling", ItemKind::Fifo), "a pipe"),
            (hard_link("sibling", "link"), "a hard link"),
            (link("sibling", "nowhere"), "a symbolic link"),
        ] {
            let seen = try_put(place, &entry, b"");
            check!(
                seen.is_ok(),
                expected: format!("{kind} to take the place of what has its name"),
                seen: format!("{seen:?}"),
                likely: "make_room() was called for some kinds alone: it comes before every one of them",
                read: RULES,
            );
        }
        put(place, &directory("file"), b"");
        check!(
            place.stat("root/file").is_dir(),
            expected: "a directory in the place of a file",
            seen: "a file",
            likely: "EEXIST from mkdir(2) does not mean that a directory is there",
            read: RULES,
        );
    });
}

#[test]
fn task4_a_directory_keeps_what_is_in_it() {
    at_a_place(|place| {
        leans_on_put(place);
        place.mkdir("root/etc");
        fs::write(place.at("root/etc/file"), "text").expect("a file");
        put(place, &Item { mode: 0o1750, ..directory("etc") }, b"");
        check!(
            place.at("root/etc/file").exists() && place.stat("root/etc").mode() & 0o7777 == 0o1750,
            expected: "a directory that comes again to keep what is in it, and to get the new mode",
            seen: format!("mode {:o}, file there: {}", place.stat("root/etc").mode() & 0o7777, place.at("root/etc/file").exists()),
            likely: match place.at("root/etc/file").exists() {
                false => "the directory was removed and made anew: it may come after what is in it",
                true => "a directory that was there keeps its old mode",
            },
            read: RULES,
        );
        put(place, &Item { mode: 0o711, ..directory(".") }, b"");
        check!(
            place.stat("root").mode() & 0o777 == 0o711,
            expected: "the entry `./` to give the root its mode",
            seen: format!("{:o}", place.stat("root").mode() & 0o777),
            likely: "the root is there already, and can be named by `.`",
            read: RULES,
        );
    });
}

// ---- task 5 ----

#[test]
fn task5_a_layer_arrives() {
    at_a_place(|place| {
        leans_on_names(place);
        leans_on_put(place);
        let text = noise(9000);
        let name = random_name("file");
        apply(
            place,
            &[
                (directory("etc"), b""),
                (file(&format!("etc/{name}"), text.len()), &text),
                (link("etc/link", &name), b""),
                (hard_link("again", &format!("etc/{name}")), b""),
                (item("pipe", ItemKind::Fifo), b""),
            ],
        );
        let seen = place.tree("root");
        let wanted = ["again", "etc", &format!("etc/{name}"), "etc/link", "pipe"];
        check!(
            seen.keys().map(String::as_str).eq(wanted),
            expected: format!("{wanted:?}"),
            seen: format!("{:?}", seen.keys().collect::<Vec<_>>()),
            likely: "each entry is put by its own name into the directory that open_parent() finds",
            read: RULES,
        );
        check!(
            fs::read(place.at("root/again")).expect("to read") == text,
            expected: "the content of every file",
            seen: "another",
            likely: "the content belongs to the entry that each() hands it with",
            read: RULES,
        );
    });
}

#[test]
fn task5_whiteouts_become_the_marks_of_overlayfs() {
    at_a_place(|place| {
        leans_on_names(place);
        leans_on_put(place);
        let hidden = random_name("hidden");
        apply(
            place,
            &[
                (directory("etc"), b""),
                (file(&format!("etc/.wh.{hidden}"), 0), b""),
                (file("etc/.wh..wh.plnk", 0), b""),
                (directory("srv"), b""),
                (file("srv/.wh..wh..opq", 0), b""),
                (file("srv/new", 0), b""),
            ],
        );
        let seen = place.tree("root");
        let whiteout = seen.get(&format!("etc/{hidden}")).map(String::as_str);
        check!(
            whiteout == Some("a whiteout"),
            expected: format!("a whiteout by the name etc/{hidden}"),
            seen: format!("{:?}", seen),
            likely: match seen.contains_key(&format!("etc/.wh.{hidden}")) {
                true => "a file by the name .wh.… hides nothing from overlayfs: its whiteout is a device",
                false => "the mark of lab 12: a character device 0, 0, in the directory of the entry",
            },
            read: RULES,
        );
        check!(
            seen.get("srv").map(String::as_str) == Some("an opaque directory") && seen.contains_key("srv/new"),
            expected: "srv to be opaque, with what comes with this layer in it",
            seen: format!("{seen:?}"),
            likely: "the mark .wh..wh..opq is about the directory that it is in: its attribute, value y, of the given marks",
            read: RULES,
        );
        check!(
            !seen.keys().any(|path| path.contains(".wh.")),
            expected: "no file whose name begins with .wh.",
            seen: format!("{:?}", seen.keys().collect::<Vec<_>>()),
            likely: "a note of AUFS was put as a file",
            read: RULES,
        );
    });
}

#[test]
fn task5_a_whiteout_hides_the_layers_below_alone() {
    at_a_place(|place| {
        leans_on_names(place);
        leans_on_put(place);
        let whiteout = |name: &str| (file(&format!("etc/.wh.{name}"), 0), &b""[..]);
        apply(
            place,
            &[
                (directory("etc"), b""),
                (file("etc/before", 3), b"new"),
                whiteout("before"),
                whiteout("after"),
                (file("etc/after", 3), b"new"),
                (directory("etc/dir-before"), b""),
                (file("etc/dir-before/file", 3), b"new"),
                whiteout("dir-before"),
                whiteout("dir-after"),
                (file("etc/dir-after/file", 3), b"new"),
            ],
        );
        let seen = place.tree("root");
        check!(
            !seen.is_empty() && !seen.keys().any(|path| path.contains(".wh.")),
            expected: "the entries of the layer, and no whiteout among them",
            seen: format!("{:?}", seen.keys().collect::<Vec<_>>()),
            likely: "first make the test of the marks pass, task5_whiteouts_become_the_marks_of_overlayfs",
            read: RULES,
        );
        for name in ["before", "after"] {
            let seen = seen.get(&format!("etc/{name}")).map(String::as_str);
            check!(
                seen == Some("a file"),
                expected: format!("etc/{name}, which comes with this layer, to stay, whatever is hidden below"),
                seen: format!("{seen:?}"),
                likely: match name {
                    "before" => "what this layer had brought was removed by its own whiteout: that one is about the layers below",
                    _ => "the file came after its whiteout, and was not put in its place",
                },
                read: RULES,
            );
        }
        for name in ["before", "after"] {
            let mark = xattr::get(place.at("root/etc").join(name), place.marks.opaque()).ok().flatten();
            check!(
                mark.is_none(),
                expected: format!("no mark on etc/{name}, which is a file and hides what is below by being there"),
                seen: format!("{mark:?}"),
                likely: "EEXIST was taken for a directory: a file has nothing in it to be merged, and its mark would travel with it",
                read: RULES,
            );
        }
        for name in ["dir-before", "dir-after"] {
            let own = seen.get(&format!("etc/{name}")).map(String::as_str);
            check!(
                own == Some("an opaque directory") && seen.contains_key(&format!("etc/{name}/file")),
                expected: format!("etc/{name} to be an opaque directory, with its file"),
                seen: format!("{own:?}"),
                likely: match own {
                    Some("a directory") => "what is hidden below would be merged with it: a directory over a whiteout has to be opaque",
                    _ => "a directory that comes with this layer stays, too",
                },
                read: RULES,
            );
        }
    });
}

#[test]
fn task5_the_kernel_sees_the_same() {
    at_a_place(|place| {
        leans_on_names(place);
        leans_on_put(place);
        place.mkdir("lower/etc");
        place.mkdir("lower/srv");
        for name in ["etc/kept", "etc/gone", "srv/old"] {
            fs::write(place.at("lower").join(name), "lower").expect("a file");
        }
        apply(
            place,
            &[
                (file("etc/.wh.gone", 0), b""),
                (file("etc/new", 0), b""),
                (file("srv/.wh..wh..opq", 0), b""),
                (file("srv/new", 0), b""),
            ],
        );
        place.mkdir("merged");
        let options = format!("lowerdir=root:lower{}", if place.marks == Marks::User { ",userxattr" } else { "" });
        std::env::set_current_dir(&place.path).expect("chdir");
        mount(Some("overlay"), "merged", Some("overlay"), MsFlags::empty(), Some(options.as_str()))
            .expect("an overlay");
        let seen: Vec<String> = place.tree("merged").into_keys().collect();
        check!(
            seen == ["etc", "etc/kept", "etc/new", "srv", "srv/new"],
            expected: "an overlay of the layer over another one to hide etc/gone and srv/old",
            seen: format!("{seen:?}"),
            likely: "a mark is not as overlayfs wants it: lab 12",
            read: RULES,
        );
    });
}

#[test]
fn task5_a_mark_may_come_alone() {
    at_a_place(|place| {
        leans_on_names(place);
        leans_on_put(place);
        apply(
            place,
            &[(file("etc/deep/.wh.gone", 0), b""), (file("plain", 0), b""), (file("srv/.wh..wh..opq", 0), b"")],
        );
        let seen = place.tree("root");
        let wanted = [
            ("etc", "a directory"),
            ("etc/deep", "a directory"),
            ("etc/deep/gone", "a whiteout"),
            ("plain", "a file"),
            ("srv", "an opaque directory"),
        ];
        check!(
            seen.iter().map(|(path, kind)| (path.as_str(), kind.as_str())).eq(wanted),
            expected: format!("{wanted:?}"),
            seen: format!("{seen:?}"),
            likely: match (seen.contains_key("plain"), seen.contains_key("etc")) {
                (true, false) => "a mark was lost whose directory is no entry of the layer: that one is in a layer below, and is made here for the mark's sake",
                _ => "first make task5_whiteouts_become_the_marks_of_overlayfs pass",
            },
            read: RULES,
        );
    });
}

#[test]
fn task5_a_mark_does_not_follow_what_came_later() {
    at_a_place(|place| {
        leans_on_names(place);
        leans_on_put(place);
        for target in [place.at("outside"), "../outside".into()] {
            let door = link("door", target.to_str().expect("text"));
            for mark in ["door/.wh.key", "door/.wh..wh..opq"] {
                drop(try_apply(place, &[(directory("door"), b""), (file(mark, 0), b""), (door.clone(), b"")]));
                let outside = place.tree("outside");
                let mark = xattr::get(place.at("outside"), place.marks.opaque()).ok().flatten();
                check!(
                    outside.len() == 1 && mark.is_none() && place.is_quiet_outside(),
                    expected: "nothing to be marked outside, where a link leads that took a directory's place",
                    seen: format!("{outside:?}, opaque: {mark:?}"),
                    likely: "a mark was made by its path in the root, mknodat(root, path), and the way there was followed: it has changed since the entry came; find it anew, find_parent()",
                    read: RULES,
                );
            }
        }
    });
}

#[test]
fn task5_a_time_does_not_follow_what_came_later() {
    at_a_place(|place| {
        leans_on_names(place);
        leans_on_put(place);
        place.mkdir("outside/sub");
        let before = place.stat("outside/sub");
        for target in [place.at("outside"), "../outside".into()] {
            let door = link("door", target.to_str().expect("text"));
            drop(try_apply(place, &[(directory("door"), b""), (directory("door/sub"), b""), (door, b"")]));
            let after = place.stat("outside/sub");
            check!(
                (before.mtime(), before.ctime(), before.ctime_nsec()) == (after.mtime(), after.ctime(), after.ctime_nsec()),
                expected: "a directory outside, where a link leads that took a directory's place, to keep its time",
                seen: format!("{}, and it was {}", after.mtime(), before.mtime()),
                likely: "a time was set by its path in the root, set_time(root, path), and the way there was followed: it has changed since the entry came; find it anew, find_parent()",
                read: RULES,
            );
        }
    });
}

#[test]
fn task5_what_took_a_directorys_place_stays() {
    at_a_place(|place| {
        leans_on_names(place);
        leans_on_put(place);
        let below = |name: &str| {
            let early = |path: String| Item { mtime: (1_000_000_000, 1), ..directory(&path) };
            let files = [".wh.key", ".wh..wh..opq", "sub/.wh.key", "sub/.wh..wh..opq"];
            let mut entries = vec![(early(name.into()), &b""[..]), (early(format!("{name}/sub")), b"")];
            entries.extend(files.map(|mark| (file(&format!("{name}/{mark}"), 0), &b""[..])));
            entries
        };
        for (name, later, kind) in [
            ("file", file("file", 0), "a file"),
            ("out", link("out", "../outside"), "a link"),
            ("away", link("away", place.at("outside").to_str().expect("text")), "a link"),
            ("loop", link("loop", "loop"), "a link"),
            ("lost", link("lost", "nowhere"), "a link"),
        ] {
            let seen = try_apply(place, &[below(name), vec![(later, b"")]].concat());
            check!(
                seen.is_ok(),
                expected: format!("{kind}, {name}, to take the place of a directory with marks in it, and no error"),
                seen: format!("{seen:?}"),
                likely: match seen.as_ref().err().and_then(Error::errno) {
                    Some(Errno::ENOTDIR | Errno::EXDEV | Errno::ELOOP) => "the way to a mark or to a time is no more, and that was taken for a refusal: they are gone with their directory; find_parent() gives None",
                    _ => "first make the tests of task 4 pass, and the others of task 5",
                },
                read: RULES,
            );
            let tree = place.tree("root");
            check!(
                tree.get(name).map(String::as_str) == Some(kind) && place.is_quiet_outside(),
                expected: format!("{name} to be {kind}: what comes later takes the place"),
                seen: format!("{tree:?}"),
                likely: "the last entry by a name is the one that stays",
                read: RULES,
            );
            let time = place.stat(&format!("root/{name}")).mtime();
            check!(
                time == 1_600_000_000,
                expected: format!("{name} to have the time of its own entry"),
                seen: time,
                likely: match time {
                    1_000_000_000 => "the time of a directory was given to what took its place: ask is_directory()",
                    _ => "first make the tests of task 4 pass",
                },
                read: RULES,
            );
        }
        let again = vec![(file("again", 0), &b""[..]), (directory("again"), b"")];
        let mut entries = below("again");
        entries.retain(|(item, _)| {
            !item.path.starts_with("again/.wh.key") && !item.path.starts_with("again/.wh..wh..opq")
        });
        let seen = try_apply(place, &[entries, again].concat());
        let inside = fs::read_dir(place.at("root/again")).expect("readdir").count();
        check!(
            seen.is_ok() && inside == 0,
            expected: "a directory that came again after a file had taken its place to be empty",
            seen: format!("{seen:?}, {inside} names in it"),
            likely: match inside {
                0 => "what is gone has no marks and no times; find_parent() gives None for it",
                _ => "what was gone was brought back for a mark or a time: open_parent() makes what is missing; find_parent() does not",
            },
            read: RULES,
        );
    });
}

#[test]
fn task5_many_directories_need_few_descriptors() {
    at_a_place(|place| {
        leans_on_names(place);
        leans_on_put(place);
        let paths = |of: fn(u32) -> String| (0..60).map(of).map(|path| (file(&path, 0), &b""[..]));
        let layer: Vec<_> = paths(|number| format!("{number}/.wh.gone"))
            .chain(paths(|number| format!("{number}/.wh..wh..opq")))
            .chain((0..60).map(|number| (directory(&format!("{number}/sub")), &b""[..])))
            .collect();
        let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).expect("getrlimit");
        let open = fs::read_dir("/proc/self/fd").expect("readdir").count() as u64;
        setrlimit(Resource::RLIMIT_NOFILE, soft.min(open + 30), hard).expect("setrlimit");
        let seen = try_apply(place, &layer);
        setrlimit(Resource::RLIMIT_NOFILE, soft, hard).expect("setrlimit");
        check!(
            seen.is_ok(),
            expected: "60 directories, with marks and times, to be unpacked with 30 descriptors",
            seen: format!("{seen:?}"),
            likely: match seen.as_ref().err().and_then(Error::errno) {
                Some(Errno::EMFILE) => "the directories of marks or times are kept open until the end, and a layer has thousands: keep their paths",
                _ => "first make the other tests of task 5 pass",
            },
            read: RULES,
        );
    });
}

#[test]
fn task5_directories_keep_their_times() {
    at_a_place(|place| {
        leans_on_names(place);
        leans_on_put(place);
        let early = (1_000_000_000, 1);
        apply(
            place,
            &[
                (Item { mtime: early, ..directory("first") }, b""),
                (file("first/file", 0), b""),
                (file("last/file", 0), b""),
                (Item { mtime: early, mode: 0o555, ..directory("last") }, b""),
                (file("last/more", 0), b""),
                (file("last/.wh.gone", 0), b""),
                (directory("twice"), b""),
                (Item { mtime: early, ..directory("twice") }, b""),
            ],
        );
        for name in ["first", "last", "twice"] {
            let seen = place.stat(&format!("root/{name}"));
            check!(
                (seen.mtime(), seen.mtime_nsec()) == (early.0, i64::from(early.1)),
                expected: format!("{name} to have the time of its entry"),
                seen: format!("{}.{:09}", seen.mtime(), seen.mtime_nsec()),
                likely: match name {
                    "twice" => "a directory that came twice has the time of its first entry: the later one renews it",
                    _ => "what is made in a directory changes its time: it is set when everything is there, marks too",
                },
                read: RULES,
            );
        }
    });
}

#[test]
fn task5_the_first_refusal_ends_it() {
    at_a_place(|place| {
        leans_on_names(place);
        leans_on_put(place);
        let bytes = archive(&[(file("good", 0), b""), (file("../outside/bad", 3), b"bad"), (file("later", 0), b"")]);
        let seen =
            image::apply(place.root().as_fd(), &mut Archive::new(Cursor::new(bytes), Owners::AsTold), place.marks);
        check!(
            place.at("root/good").exists(),
            expected: "what comes before the refusal to be put",
            seen: format!("{:?}", place.tree("root")),
            likely: "each() hands over every entry",
            read: RULES,
        );
        check!(
            seen.as_ref().is_err_and(|error| error.to_string().contains("outside/bad")),
            expected: "an error that names the entry ../outside/bad",
            seen: format!("{seen:?}"),
            likely: "an entry that was refused was passed over: half an image is none",
            read: RULES,
        );
        check!(
            !place.at("root/later").exists() && place.is_quiet_outside(),
            expected: "nothing to be made after the refusal",
            seen: format!("{:?}", place.tree("root")),
            likely: "the refusal was kept for later: whatever comes after it is as suspicious",
            read: RULES,
        );
    });
}

#[test]
fn task5_what_put_refuses_ends_it() {
    at_a_place(|place| {
        leans_on_names(place);
        leans_on_put(place);
        for bad in [item("bad", ItemKind::Char { major: 0, minor: 0 }), hard_link("bad", "never-came")] {
            let own = try_put(place, &bad, b"");
            let seen = try_apply(place, &[(file("good", 0), b""), (bad.clone(), b""), (file("later", 0), b"")]);
            check!(
                own.is_err() && place.at("root/good").exists(),
                expected: format!("put() to refuse the entry bad, {:?}, and apply() to put what is before it", bad.kind),
                seen: format!("{own:?}, {:?}", place.tree("root")),
                likely: "first make the tests of task 4 pass, and task5_a_layer_arrives",
                read: TASKS,
            );
            check!(
                seen.is_err() && !place.at("root/later").exists(),
                expected: format!("the entry bad, {:?}, to end it with an error, and nothing to be made after it", bad.kind),
                seen: format!("{seen:?}, {:?}", place.tree("root")),
                likely: "what put() returned was dropped: an image without what could not be made is another image",
                read: RULES,
            );
        }
    });
}

// ---- task 6 ----

#[test]
fn task6_a_chain_names_layers_and_all_below_them() {
    shielded(|| {
        let ids: Vec<Digest> = (0..4).map(|_| Digest::of(&noise(32))).collect();
        let seen = image::chain_ids(&ids);
        let mut wanted = vec![ids[0]];
        for own in &ids[1..] {
            wanted.push(Digest::of(format!("{} {own}", wanted[wanted.len() - 1]).as_bytes()));
        }
        check!(
            seen == wanted,
            expected: format!("{wanted:?}"),
            seen: format!("{seen:?}"),
            likely: chain_fault(&ids, &seen),
            read: RULES,
        );
        check!(
            image::chain_ids(&[]).is_empty() && image::chain_ids(&ids[..1]) == ids[..1],
            expected: "no chain id without layers, and one layer's to be its own digest",
            seen: format!("{:?}, {:?}", image::chain_ids(&[]), image::chain_ids(&ids[..1])),
            likely: "the lowest layer has nothing below it: its chain id is its digest as it is",
            read: RULES,
        );
    });
}

/// What was hashed in place of the right text.
fn chain_fault(ids: &[Digest], seen: &[Digest]) -> &'static str {
    let Some(second) = seen.get(1) else { return "there is one chain id for each layer" };
    let of = |text: String| Digest::of(text.as_bytes()) == *second;
    if seen[0] == Digest::of(ids[0].to_string().as_bytes()) {
        "the lowest layer's digest was hashed again: its chain id is the digest as it is"
    } else if of(format!("{} {}", ids[0].hex(), ids[1].hex())) {
        "sha256: is part of the text that is hashed"
    } else if of(format!("{} {}\n", ids[0], ids[1])) || of(format!("{}\n{}", ids[0], ids[1])) {
        "between the two stands one space, and nothing after them"
    } else if of(format!("{} {}", ids[1], ids[0])) {
        "the chain below comes first, then the layer's own digest"
    } else if seen.get(2) == Some(&Digest::of(format!("{} {}", ids[1], ids[2]).as_bytes())) {
        "each digest was put after the one before: it is the chain id below that comes first"
    } else {
        "the text is the chain id below, a space, and the layer's own digest"
    }
}

// ---- task 7 ----

#[test]
fn task7_what_was_written_is_a_layer() {
    at_a_place(|place| {
        fill_upper(place);
        let seen = entries(&write_layer(place));
        for (path, kind) in [
            ("etc", "Directory"),
            ("etc/.wh.gone", "File { size_bytes: 0 }"),
            ("etc/file", "File { size_bytes: 4 }"),
            ("etc/link", "Symlink(\"nowhere\")"),
            ("pipe", "Fifo"),
            ("srv", "Directory"),
            ("srv/.wh..wh..opq", "File { size_bytes: 0 }"),
            ("srv/deep/.wh..wh..opq", "File { size_bytes: 0 }"),
            ("srv/new", "File { size_bytes: 3 }"),
        ] {
            let own = seen.iter().find(|item| item.path == Path::new(path)).map(|item| format!("{:?}", item.kind));
            check!(
                own.as_deref() == Some(kind),
                expected: format!("an entry {path}: {kind}"),
                seen: format!("{own:?}, among {:?}", seen.iter().map(|item| item.path.display().to_string()).collect::<Vec<_>>()),
                likely: match path {
                    "etc/.wh.gone" => "the device of a whiteout becomes an empty file by the name .wh.NAME: whoever reads the layer may have no overlayfs",
                    "srv/deep/.wh..wh..opq" => "the mark of an opaque directory has the directory's whole path before it, from the layer's root: Item::opaque(&path)",
                    "srv/.wh..wh..opq" => "a directory that is opaque is told by an entry in it: the attribute stays at home",
                    "pipe" => "pipes and devices are entries too",
                    _ => "every file is an entry, by its path below upper",
                },
                read: RULES,
            );
        }
        let socket = seen.iter().any(|item| item.path.ends_with("socket"));
        check!(
            !socket,
            expected: "no entry for a socket",
            seen: "one",
            likely: "an archive has no kind for a socket, and nobody would listen",
            read: RULES,
        );
    });
}

#[test]
fn task7_the_same_files_are_the_same_bytes() {
    at_a_place(|place| {
        let names: Vec<String> = (0..20).map(|_| random_name("name")).collect();
        let make = |order: &mut dyn Iterator<Item = &String>| {
            let _ = fs::remove_dir_all(place.at("upper"));
            place.mkdir("upper");
            for name in order {
                fs::write(place.at("upper").join(name), name).expect("a file");
                let time = nix::sys::time::TimeSpec::new(1_500_000_000, 7);
                let path = place.at("upper").join(name);
                nix::sys::stat::utimensat(
                    nix::fcntl::AT_FDCWD,
                    &path,
                    &time,
                    &time,
                    nix::sys::stat::UtimensatFlags::NoFollowSymlink,
                )
                .expect("utimensat");
            }
            write_layer(place)
        };
        let (one, other) = (make(&mut names.iter()), make(&mut names.iter().rev()));
        check!(
            one == other,
            expected: "the same bytes of the same files, in whichever order they were made",
            seen: "another archive, which has another digest",
            likely: "something of the moment got in: the order of the directory, a time, a number of an inode",
            read: RULES,
        );
        let paths: Vec<_> = entries(&one).into_iter().map(|item| item.path).collect();
        check!(
            paths.is_sorted() && paths.len() == names.len(),
            expected: "the entries of a directory sorted by name",
            seen: format!("{paths:?}"),
            likely: "readdir(3) gives names in an order of its own",
            read: RULES,
        );
    });
}

#[test]
fn task7_a_file_of_several_names_is_one_file() {
    at_a_place(|place| {
        place.mkdir("upper/b");
        fs::write(place.at("upper/b/one"), "text").expect("a file");
        for name in ["a", "c"] {
            fs::hard_link(place.at("upper/b/one"), place.at("upper").join(name)).expect("a link");
        }
        fs::write(place.at("upper/b/two"), "two").expect("a file");
        fs::hard_link(place.at("upper/b/two"), place.at("upper/d")).expect("a link");
        let seen = entries(&write_layer(place));
        check!(
            seen.len() == 6 && seen.is_sorted_by_key(|item| &item.path),
            expected: "an entry for each name, sorted",
            seen: format!("{:?}", seen.iter().map(|item| &item.path).collect::<Vec<_>>()),
            likely: "first make the tests of names and their order pass, task7_the_same_files_are_the_same_bytes",
            read: RULES,
        );
        let kinds: Vec<_> = seen
            .iter()
            .filter(|item| item.kind != ItemKind::Directory)
            .map(|item| format!("{} {:?}", item.path.display(), item.kind))
            .collect();
        check!(
            kinds
                == [
                    "a File { size_bytes: 4 }",
                    "b/one HardLink(\"a\")",
                    "b/two File { size_bytes: 3 }",
                    "c HardLink(\"a\")",
                    "d HardLink(\"b/two\")",
                ],
            expected: "the content by the first name, and the others as hard links to it",
            seen: format!("{kinds:?}"),
            likely: match kinds.iter().filter(|kind| kind.contains("File")).count() {
                2 => "the target of a hard link is the path of the entry with the content, from the layer's root",
                _ => "the file was written once for every name: whoever unpacks this has several files",
            },
            read: RULES,
        );
    });
}

#[test]
fn task7_whiteouts_that_are_one_file_are_whiteouts() {
    at_a_place(|place| {
        mknod(&place.at("upper/a"), SFlag::S_IFCHR, Mode::empty(), 0).expect("a whiteout");
        // As overlayfs does it since Linux 5.8: one inode for all of them.
        for name in ["b", "c"] {
            fs::hard_link(place.at("upper/a"), place.at("upper").join(name)).expect("a link");
        }
        let seen: Vec<_> = entries(&write_layer(place)).into_iter().map(|item| (item.path, item.kind)).collect();
        let wanted = [".wh.a", ".wh.b", ".wh.c"].map(|name| (PathBuf::from(name), ItemKind::File { size_bytes: 0 }));
        check!(
            seen == wanted,
            expected: format!("{wanted:?}"),
            seen: format!("{seen:?}"),
            likely: match seen.iter().any(|(_, kind)| matches!(kind, ItemKind::HardLink(_))) && seen[0] == wanted[0] {
                true => "a second whiteout was taken for a second name of a file: overlayfs makes one inode for all of them, and what it would be a hard link to is not in the layer; ask for the whiteout first",
                false => "first make task7_what_was_written_is_a_layer pass",
            },
            read: RULES,
        );
    });
}

#[test]
fn task7_only_one_device_is_a_whiteout() {
    at_a_place(|place| {
        // A file system's file may be any device by a mount, also where nobody may make one.
        fs::write(place.at("upper/null"), "").expect("a file");
        mount(Some("/dev/null"), &place.at("upper/null"), None::<&str>, MsFlags::MS_BIND, None::<&str>)
            .expect("a bind mount");
        let seen: Vec<_> = entries(&write_layer(place)).into_iter().map(|item| (item.path, item.kind)).collect();
        check!(
            seen == [(PathBuf::from("null"), ItemKind::Char { major: 1, minor: 3 })],
            expected: "the character device 1, 3 to be an entry of its own kind",
            seen: format!("{seen:?}"),
            likely: match seen.first() {
                Some((path, _)) if path.starts_with(".wh.null") => "every character device was taken for a whiteout: that is the one with the numbers 0, 0, st_rdev == 0",
                _ => "devices are entries too",
            },
            read: RULES,
        );
    });
}

#[test]
fn task7_a_layer_that_comes_back_is_the_same() {
    at_a_place(|place| {
        fill_upper(place);
        let bytes = write_layer(place);
        let unpacked = image::apply(
            place.root().as_fd(),
            &mut Archive::new(Cursor::new(bytes.clone()), Owners::AsTold),
            place.marks,
        );
        unpacked.explained("apply() of what write_layer() wrote", &PUT_REASONS, RULES);
        let (mut before, after) = (place.tree("upper"), place.tree("root"));
        before.remove("socket");
        check!(
            before == after,
            expected: format!("{before:?}"),
            seen: format!("{after:?}"),
            likely: "something was lost on the way out or on the way in",
            read: RULES,
        );
        let seen = place.stat("root/etc/file");
        let was = place.stat("upper/etc/file");
        check!(
            (seen.mode(), seen.mtime(), seen.mtime_nsec()) == (was.mode(), was.mtime(), was.mtime_nsec())
                && xattr::get(place.at("root/etc/file"), "user.own").expect("getxattr").is_some(),
            expected: "mode, time and attributes of a file",
            seen: format!("mode {:o}, time {}.{}", seen.mode(), seen.mtime(), seen.mtime_nsec()),
            likely: "they are part of the entry: Item::of()",
            read: RULES,
        );
    });
}

/// What a container may have left behind.
fn fill_upper(place: &Place) {
    place.mkdir("upper/etc");
    place.mkdir("upper/srv/deep");
    fs::write(place.at("upper/etc/file"), "text").expect("a file");
    fs::set_permissions(place.at("upper/etc/file"), fs::Permissions::from_mode(0o4751)).expect("chmod");
    xattr::set(place.at("upper/etc/file"), "user.own", b"value").expect("setxattr");
    symlink("nowhere", place.at("upper/etc/link")).expect("a link");
    mknod(&place.at("upper/etc/gone"), SFlag::S_IFCHR, Mode::empty(), 0).expect("a whiteout");
    nix::unistd::mkfifo(&place.at("upper/pipe"), Mode::from_bits_retain(0o600)).expect("a pipe");
    fs::write(place.at("upper/srv/new"), "new").expect("a file");
    for name in ["upper/srv", "upper/srv/deep"] {
        xattr::set(place.at(name), place.marks.opaque(), b"y").expect("setxattr");
    }
    drop(UnixListener::bind(place.at("upper/socket")).expect("a socket"));
}

// ---- containers ----

#[test]
fn run_an_image_that_was_an_archive() {
    written!(13, leans on 4, 5, 6, 12);
    shielded(|| {
        let word = random_name("word");
        import(&[(file("etc/word", word.len()), word.as_bytes())]);
        boxwright(&["run", "--rm", "box", "cat", "/etc/word"]).success().stdout(word);
        boxwright(&["images", "-q"]).success();
        boxwright(&["rmi", "box"]).success();
        boxwright(&["images", "-q"]).success().stdout("");
    });
}

#[test]
fn run_a_container_becomes_an_image() {
    written!(13, leans on 4, 5, 6, 12);
    shielded(|| {
        let word = random_name("word");
        import(&[(file("etc/old", 3), b"old")]);
        let script = format!("echo {word} >/etc/new && rm /etc/old");
        boxwright(&["run", "--name", "writer", "box", "sh", "-c", &script]).success();
        boxwright(&["commit", "writer", "next"]).success();
        let seen = boxwright(&["run", "--rm", "next", "sh", "-c", "cat /etc/new; ls /etc/old 2>/dev/null"]);
        let output = seen.get_output();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        check!(
            text == format!("{word}\n"),
            expected: "the next image to have the new file, and not the one that was deleted",
            seen: format!("{text:?} {}", String::from_utf8_lossy(&output.stderr)),
            likely: match text.contains("/etc/old") {
                true => "what was deleted is there again: the whiteout is missing in the layer, or was unpacked as a file",
                false => "write_layer() has left something out, or apply() has: their own tests say what",
            },
            read: TASKS,
        );
        boxwright(&["rm", "writer"]).success();
    });
}

#[test]
fn run_refuses_an_archive_that_leads_out() {
    written!(13, leans on 4, 5, 6, 12);
    shielded(|| {
        let path = dir().join("bad.tar");
        fs::write(&path, archive(&[(link("out", "/"), b""), (file("out/escaped", 3), b"bad")])).expect("an archive");
        boxwright(&["import", path.to_str().expect("text"), "bad"]).failure().stdout("");
        boxwright(&["images", "-q"]).success().stdout("");
    });
}

/// The image `box`, of this machine's own programs and of these entries.
#[track_caller]
fn import(entries: &[(Item, &[u8])]) {
    let root = Rootfs::build(dir().join("tmp-root"), &["sh", "cat", "ls", "rm"]).expect("a root file system");
    let path = dir().join("root.tar");
    let tar = |args: &[&str]| std::process::Command::new("tar").args(args).status().expect("tar").success();
    let (root, path) = (root.path().to_str().expect("text").to_owned(), path.to_str().expect("text").to_owned());
    for (item, content) in entries {
        let to = Path::new(&root).join(&item.path);
        fs::create_dir_all(to.parent().expect("a parent")).and_then(|()| fs::write(to, content)).expect("a file");
    }
    assert!(tar(&["-C", &root, "-cf", &path, "."]));
    boxwright(&["import", &path, "box"]).success();
}

fn boxwright(args: &[&str]) -> assert_cmd::assert::Assert {
    let mut command = testkit::boxwright!();
    command.env("BOXWRIGHT_DATA", dir().join("data")).args(args).assert()
}

// ---- what the tests use ----

/// Where a layer goes, and what it must not reach.
struct Place {
    path: PathBuf,
    marks: Marks,
}

/// Runs `body` under a shield, in a mount namespace that is cut off from the shield's.
#[track_caller]
fn at_a_place(body: impl Fn(&Place)) {
    shielded(|| {
        in_child(|| {
            unshare(CloneFlags::CLONE_NEWNS).expect("unshare");
            let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
            mount(None::<&str>, "/", None::<&str>, private, None::<&str>).expect("private");
            body(&Place::make());
        });
    });
}

impl Place {
    fn make() -> Place {
        let path = dir().join(random_name("place"));
        for name in ["root", "outside", "upper"] {
            fs::create_dir_all(path.join(name)).expect("mkdir");
        }
        fs::write(path.join("outside/canary"), "alive").expect("a file");
        let marks = Marks::of(&fs::read_to_string("/proc/self/uid_map").expect("uid_map"));
        Place { path, marks }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    fn mkdir(&self, name: &str) {
        fs::create_dir_all(self.at(name)).expect("mkdir");
    }

    fn root(&self) -> OwnedFd {
        open_directory(&self.at("root")).expect("the root")
    }

    fn stat(&self, name: &str) -> Metadata {
        fs::symlink_metadata(self.at(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    fn text(&self, name: &str) -> String {
        fs::read_to_string(self.at(name)).unwrap_or_else(|error| error.to_string())
    }

    fn is(&self, directory: &OwnedFd, name: &str) -> bool {
        let seen = fs::metadata(model::tree::place(directory.as_fd())).expect("a directory");
        (seen.dev(), seen.ino()) == (self.stat(name).dev(), self.stat(name).ino())
    }

    fn name_of(&self, fd: &OwnedFd) -> String {
        let path = fs::read_link(model::tree::place(fd.as_fd())).expect("a descriptor");
        path.strip_prefix(&self.path).unwrap_or(&path).display().to_string()
    }

    fn is_quiet_outside(&self) -> bool {
        self.tree("outside").into_keys().eq(["canary"]) && self.text("outside/canary") == "alive"
    }

    /// What is in a directory, by path: its kind.
    fn tree(&self, name: &str) -> BTreeMap<String, String> {
        fn walk(directory: &Path, path: &str, marks: Marks, found: &mut BTreeMap<String, String>) {
            for entry in fs::read_dir(directory).expect("readdir") {
                let entry = entry.expect("readdir");
                let path = format!("{path}{}", entry.file_name().display());
                let seen = fs::symlink_metadata(entry.path()).expect("stat");
                let kind = match seen.file_type() {
                    kind if kind.is_dir() => {
                        walk(&entry.path(), &format!("{path}/"), marks, found);
                        let mark = xattr::get(entry.path(), marks.opaque()).ok().flatten();
                        if mark.as_deref() == Some(b"y") { "an opaque directory" } else { "a directory" }
                    }
                    kind if kind.is_char_device() && seen.rdev() == 0 => "a whiteout",
                    kind if kind.is_symlink() => "a link",
                    kind if kind.is_file() => "a file",
                    _ => "another node",
                };
                found.insert(path, kind.into());
            }
        }
        let mut found = BTreeMap::new();
        walk(&self.at(name), "", self.marks, &mut found);
        found
    }
}

/// Fails unless marker() and open_parent() do what their own tests ask for: what is wrong there is told there.
#[track_caller]
fn leans_on_names(place: &Place) {
    let marks = [".wh.x", ".wh..wh..opq", ".wh..wh.aufs", "x"].map(|name| image::marker(OsStr::new(name)).ok());
    let wanted = [Marker::Hides(OsStr::new("x")), Marker::Opaque, Marker::Ignored, Marker::Plain].map(Some);
    check!(
        marks == wanted,
        expected: "marker() to tell whiteouts from names",
        seen: format!("{marks:?}"),
        likely: "this test leans on task 2: make its tests pass first",
        read: TASKS,
    );
    leans_on_ways(place);
}

/// Fails unless open_parent() does what its own tests ask for.
#[track_caller]
fn leans_on_ways(place: &Place) {
    let root = place.root();
    place.mkdir("way");
    symlink("../outside", place.at("way/out")).expect("a link");
    let way = open_directory(&place.at("way")).expect("a directory");
    let good = image::open_parent(root.as_fd(), Path::new("name")).is_ok_and(|(_, name)| name == "name");
    let bad = ["../x", "out/x"].map(|path| image::open_parent(way.as_fd(), Path::new(path)).is_err());
    check!(
        good && bad == [true, true],
        expected: "open_parent() to find a place in the root, and none outside",
        seen: format!("a place: {good}, refusals: {bad:?}"),
        likely: "this test leans on task 3: make its tests pass first",
        read: TASKS,
    );
    fs::remove_dir_all(place.at("way")).expect("rmdir");
}

/// Fails unless put() makes files and directories at all.
#[track_caller]
fn leans_on_put(place: &Place) {
    for probe in [file("probe", 0), directory("probes")] {
        put(place, &probe, b"");
        let path = place.at("root").join(&probe.path);
        check!(
            path.exists(),
            expected: "put() to make a file, and a directory",
            seen: "nothing by the name",
            likely: "put() returned Ok and made nothing",
            read: TASKS,
        );
        drop(fs::remove_file(&path).or_else(|_| fs::remove_dir(&path)));
    }
}

fn item(path: &str, kind: ItemKind) -> Item {
    Item { path: path.into(), kind, mode: 0o644, uid: 0, gid: 0, mtime: (1_600_000_000, 0), xattrs: Vec::new() }
}

fn file(path: &str, size: usize) -> Item {
    item(path, ItemKind::File { size_bytes: size as u64 })
}

fn directory(path: &str) -> Item {
    Item { mode: 0o755, ..item(path, ItemKind::Directory) }
}

fn link(path: &str, target: &str) -> Item {
    item(path, ItemKind::Symlink(target.into()))
}

fn hard_link(path: &str, target: &str) -> Item {
    item(path, ItemKind::HardLink(target.into()))
}

/// The archive with these entries, in this order.
fn archive(entries: &[(Item, &[u8])]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut writer = ArchiveWriter::new(&mut bytes);
    for (item, content) in entries {
        let path = dir().join(random_name("content"));
        File::create(&path).and_then(|mut file| file.write_all(content)).expect("a file");
        let content = File::open(&path).expect("a file");
        let content = matches!(item.kind, ItemKind::File { .. }).then_some(&content);
        writer.append(item, content).expect("an archive");
        fs::remove_file(path).expect("unlink");
    }
    writer.finish().expect("an archive");
    bytes
}

/// A header of tar(5) with another size, and the checksum for it.
fn with_size(mut header: Vec<u8>, size: u64) -> Vec<u8> {
    header[124..136].copy_from_slice(format!("{size:011o}\0").as_bytes());
    header[148..156].fill(b' ');
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    header
}

fn try_put(place: &Place, item: &Item, content: &[u8]) -> Result<()> {
    try_put_at(place, &place.root(), item.path.to_str().expect("text"), item, content)
}

fn try_put_at(place: &Place, parent: &OwnedFd, name: &str, item: &Item, content: &[u8]) -> Result<()> {
    let root = place.root();
    let bytes = archive(&[(item.clone(), content)]);
    Archive::new(Cursor::new(bytes), Owners::AsTold).each(|read, content| {
        // The writer's path of a directory ends with a slash.
        let item = &Item { path: item.path.clone(), ..read.clone() };
        image::put(root.as_fd(), parent.as_fd(), OsStr::new(name), item, content)
    })
}

#[track_caller]
fn put(place: &Place, item: &Item, content: &[u8]) {
    try_put(place, item, content).explained(&format!("put() of {:?} {:?}", item.path, item.kind), &PUT_REASONS, RULES);
}

fn try_apply(place: &Place, entries: &[(Item, &[u8])]) -> Result<()> {
    let bytes = archive(entries);
    let mut layer = Archive::new(Cursor::new(bytes), Owners::AsTold);
    image::apply(place.root().as_fd(), &mut layer, place.marks)
}

#[track_caller]
fn apply(place: &Place, entries: &[(Item, &[u8])]) {
    try_apply(place, entries).explained("apply()", &PUT_REASONS, RULES);
}

#[track_caller]
fn open_parent(place: &Place, path: &str) -> (OwnedFd, OsString) {
    let seen = image::open_parent(place.root().as_fd(), Path::new(path));
    seen.explained(&format!("open_parent({path:?})"), &WAY_REASONS, RULES)
}

#[track_caller]
fn write_layer(place: &Place) -> Vec<u8> {
    let upper = open_directory(&place.at("upper")).expect("upper");
    let mut bytes = Vec::new();
    let mut layer = ArchiveWriter::new(&mut bytes);
    image::write_layer(upper.as_fd(), place.marks, &mut layer).explained("write_layer()", &WRITE_REASONS, RULES);
    layer.finish().expect("an archive");
    bytes
}

fn entries(bytes: &[u8]) -> Vec<Item> {
    let mut found = Vec::new();
    let read = Archive::new(bytes, Owners::AsTold).each(|item, _| {
        // Without the slash after a directory.
        found.push(Item { path: item.path.components().collect(), ..item.clone() });
        Ok(())
    });
    read.expect("an archive");
    found
}

/// Bytes that no solution can know beforehand.
fn noise(length: usize) -> Vec<u8> {
    let mut random = Random::new();
    (0..length).map(|_| random.bits() as u8 | 1).collect()
}

/// A blob whose source gives `sent` where `right` was asked for.
fn blob(sent: Vec<u8>, right: &[u8]) -> Blob {
    Blob::new(Cursor::new(sent), Digest::of(right), right.len() as u64)
}

fn drain(blob: &mut Blob, step: usize) -> Result<Vec<u8>> {
    let (mut all, mut buffer) = (Vec::new(), vec![0; step]);
    loop {
        match image::read(blob, &mut buffer)? {
            0 => return Ok(all),
            count => all.extend(&buffer[..count]),
        }
    }
}

fn told(seen: &Result<Vec<u8>>) -> String {
    seen.as_ref().map_or_else(Error::to_string, |bytes| format!("{} bytes", bytes.len()))
}

/// Counts what it gives.
struct Counted<T> {
    inner: T,
    given: Arc<AtomicU64>,
}

impl<T: Read> Read for Counted<T> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.inner.read(buffer).inspect(|count| {
            self.given.fetch_add(*count as u64, Ordering::Relaxed);
        })
    }
}

/// Gives bytes, and looks how many of those that it gave before are in the file already.
struct Watched {
    path: PathBuf,
    given: u64,
    ahead: Arc<AtomicU64>,
}

impl Read for Watched {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let there = fs::symlink_metadata(&self.path).map_or(0, |seen| seen.blocks() * 512);
        self.ahead.fetch_max(self.given.saturating_sub(there), Ordering::Relaxed);
        buffer.fill(7);
        self.given += buffer.len() as u64;
        Ok(buffer.len())
    }
}
