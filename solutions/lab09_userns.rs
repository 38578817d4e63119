//! Lab 09: root inside, nobody outside.
//!
//! A user namespace has ids of its own. Its map says who they are outside, and whoever writes the map is asked by the
//! kernel whose ids they are giving away.

#![allow(unsafe_code, reason = "fork, _exit and the calls on detached mounts have no safe wrapper")]

use std::ffi::CString;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::Command;

use model::ids::{IdMaps, IdRange};
use model::{During, Error, Result};
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sched::{CloneFlags, setns, unshare};
use nix::sys::wait::waitpid;
use nix::unistd::{ForkResult, Gid, Pid, Uid, fork, geteuid, pipe2, setgroups, setresgid, setresuid};

/// Reads `text`, what `/proc/PID/uid_map` or `gid_map` holds: a line a range.
///
/// Source: user_namespaces(7), "Defining user and group ID mappings".
///
/// # Errors
/// [`Error::Invalid`] when a line is not three numbers.
pub fn parse(text: &str) -> Result<Vec<IdRange>> {
    // task 1: each line is ID-inside ID-outside length, with blanks between
    let range = |line: &str| {
        let numbers = line.split_whitespace().map(|number| number.parse().ok()).collect::<Option<Vec<u32>>>()?;
        let [inside, outside, count] = numbers.try_into().ok()?;
        Some(IdRange { inside, outside, count })
    };
    let check = |line| {
        range(line).ok_or_else(|| Error::invalid("line of /proc/PID/uid_map", line, "ID-inside ID-outside length"))
    };
    text.lines().map(check).collect()
    // end task
}

/// The map for a container of `user`, whose number is `uid`: what `own` is outside is 0 inside, and after it, without
/// a gap, come the ids that `subids` gives to the user, in its order. Without `own` they begin at 0.
///
/// `subids` is the text of `/etc/subuid` or `/etc/subgid`, where a line is `OWNER:FIRST:COUNT` and the owner is a name
/// or a number. A line that is not of this form, or has a count of 0, is left out. Source: subuid(5), subgid(5).
///
/// # Errors
/// [`Error::Invalid`] when nothing is there to be mapped, and when an id would be mapped twice: the kernel refuses
/// such a map with EINVAL and no word about why.
pub fn container_map(own: Option<u32>, subids: &str, user: &str, uid: Uid) -> Result<Vec<IdRange>> {
    // task 2: 0 → own, then every line of subids whose owner is user or uid; IdRange::overlaps() tells what is there twice
    let mut map: Vec<IdRange> = own.map(|id| IdRange { inside: 0, outside: id, count: 1 }).into_iter().collect();
    for line in subids.lines() {
        let mut fields = line.split(':').map(str::trim);
        let owner = fields.next().unwrap_or_default();
        if owner != user && owner != uid.to_string() {
            continue;
        }
        let numbers = (fields.next().and_then(|first| first.parse().ok()), fields.next().and_then(|n| n.parse().ok()));
        let (Some(outside), Some(count @ 1..)) = numbers else {
            continue; // as newuidmap does with a line that it cannot read
        };
        let inside = map.last().map_or(0, |last| last.inside.saturating_add(last.count));
        let range = IdRange { inside, outside, count };
        if map.iter().any(|other| other.overlaps(&range)) {
            return Err(Error::invalid("line of /etc/subuid or /etc/subgid", line, "ids that nothing else gives to you"));
        }
        map.push(range);
    }
    let missing = || Error::invalid("user", user, "one with a line in /etc/subuid and /etc/subgid: NAME:100000:65536");
    if map.is_empty() { Err(missing()) } else { Ok(map) }
    // end task
}

/// Writes the maps of the user namespace that `process` has just made. It can be done once.
///
/// For whoever is not root, setgroups(2) is denied in there first: by dropping a group, a process could get at a file
/// that is closed to this group. Source: user_namespaces(7), "Interaction with system calls that change process UIDs
/// or GIDs" and "The /proc/PID/setgroups file".
///
/// # Errors
/// EPERM for ids that the caller may not give away, for a gid_map before "deny", and for a second write; EINVAL for a
/// map that overlaps.
pub fn write_maps(process: Pid, maps: &IdMaps) -> Result<()> {
    // task 3: unless you are root, "deny" to /proc/PID/setgroups; then uid_map and gid_map, each in a single write
    let write = |name: &str, text: &str| {
        fs::write(format!("/proc/{process}/{name}"), text).during("write", format_args!("{text:?} to {name}"))
    };
    if !geteuid().is_root() {
        write("setgroups", "deny")?;
    }
    for (name, map) in [("uid_map", &maps.uids), ("gid_map", &maps.gids)] {
        // All lines at once: the kernel takes the first write for the whole map.
        write(name, &map.iter().map(|range| format!("{range}\n")).collect::<String>())?;
    }
    Ok(())
    // end task
}

/// As [`write_maps`], for an ordinary user who has ranges: by newuidmap(1) and newgidmap(1), which are root's by their
/// set-user-ID bit (or a file capability) and give away what /etc/subuid and /etc/subgid say, nothing else.
///
/// # Errors
/// ENOENT when they are not installed; otherwise what they print.
pub fn map_with_helpers(process: Pid, maps: &IdMaps) -> Result<()> {
    // task 4: newuidmap PID inside outside count …, newgidmap the same; a refusal is in the exit code and on standard error
    for (program, map) in [("newuidmap", &maps.uids), ("newgidmap", &maps.gids)] {
        let numbers = map.iter().flat_map(|range| [range.inside, range.outside, range.count]);
        let mut command = Command::new(program);
        command.arg(process.to_string()).args(numbers.map(|number| number.to_string()));
        let output = command.output().during("start", program)?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            return Err(io::Error::other(said)).during("map the ids with", program);
        }
    }
    Ok(())
    // end task
}

/// Makes a user namespace, and returns a descriptor of it once its ids are mapped. The caller stays where it is.
///
/// A namespace needs somebody in it until there is a descriptor: a child, which does nothing. To be called by a
/// process with one thread. Source: user_namespaces(7).
///
/// # Errors
/// EPERM or ENOSPC where user namespaces are not for everybody; what [`map`] says.
pub fn create(maps: &IdMaps) -> Result<OwnedFd> {
    // task 5: fork a child that calls unshare(2) with CLONE_NEWUSER, tells you, and waits; map() it; open /proc/PID/ns/user; let it end
    // nothing: File::open("/dev/null").map(OwnedFd::from).during("open", "/dev/null")
    let (told, tell) = pipe2(OFlag::O_CLOEXEC).map(|(r, w)| (File::from(r), File::from(w))).during("pipe", "told")?;
    let (mut waits, end) = pipe2(OFlag::O_CLOEXEC).map(|(r, w)| (File::from(r), File::from(w))).during("pipe", "end")?;
    // SAFETY: this process has one thread, so that no lock can be held by a thread that the child lacks.
    let child = match unsafe { fork() }.during("fork", "the namespace's first process")? {
        ForkResult::Child => {
            drop((told, end));
            let errno = unshare(CloneFlags::CLONE_NEWUSER).err().map_or(0, |errno| errno as u8);
            // Until the parent has opened the namespace, or is dead. One that has not been told waits itself.
            let _ = (&tell).write_all(&[errno]).and_then(|()| waits.read(&mut [0]).map(drop));
            // SAFETY: _exit ends the process and takes an integer. Whatever has a destructor is the parent's too.
            unsafe { libc::_exit(0) }
        }
        ForkResult::Parent { child } => child,
    };
    drop((tell, waits));
    let made = || {
        let mut errno = [0];
        (&told).read_exact(&mut errno).during("read", "the child's word")?;
        if errno != [0] {
            return Err(Errno::from_raw(errno[0].into())).during("unshare", "CLONE_NEWUSER");
        }
        // Not before the child's word: until then it is in our own namespace, which has its map.
        map(child, maps)?;
        let path = format!("/proc/{child}/ns/user");
        File::open(&path).map(OwnedFd::from).during("open", path)
    };
    let made = made();
    drop(end);
    waitpid(child, None).during("waitpid", child)?;
    made
    // end task
}

/// Chooses between [`write_maps`] and [`map_with_helpers`]. Given.
///
/// # Errors
/// Theirs.
fn map(process: Pid, maps: &IdMaps) -> Result<()> {
    let is_one_id = |map: &[IdRange]| matches!(map, [IdRange { count: 1, .. }]);
    // Anybody may give away themselves, and nobody else.
    let is_own = is_one_id(&maps.uids) && is_one_id(&maps.gids);
    if geteuid().is_root() || is_own { write_maps(process, maps) } else { map_with_helpers(process, maps) }
}

/// Moves the caller into `userns`, where it is root: user and group 0, no other groups, every capability.
///
/// Source: setns(2), user_namespaces(7), credentials(7).
///
/// # Errors
/// EPERM for a namespace that the caller did not make; EINVAL for one that it is in, when 0 is not mapped, and for a
/// caller with more than one thread.
pub fn enter(userns: BorrowedFd<'_>) -> Result<()> {
    // task 6: setns(2) with CLONE_NEWUSER; then, unless setgroups is denied, no groups; group 0, and user 0 last
    setns(userns, CloneFlags::CLONE_NEWUSER).during("setns", "CLONE_NEWUSER")?;
    // The caller's own groups came along. Nobody can name them in here, yet they open files.
    let may = fs::read_to_string("/proc/self/setgroups").during("read", "/proc/self/setgroups")?;
    if may.trim() == "allow" {
        setgroups(&[]).during("setgroups", "none")?;
    }
    let (user, group) = (Uid::from_raw(0), Gid::from_raw(0));
    // Real, effective and saved, so that there is no way back.
    setresgid(group, group, group).during("setresgid", 0)?;
    setresuid(user, user, user).during("setresuid", 0)
    // end task
}

/// A copy of the mount at `source`, with the mounts below it, in which files have the owners that `userns` has for
/// them: 0's are root's in there. Nothing changes on the disk. The copy is nowhere in the tree of mounts yet.
///
/// Source: open_tree(2), mount_setattr(2), "ID-mapped mounts" (Linux 5.12; tmpfs 6.3).
///
/// # Errors
/// EINVAL for a file system that cannot do that; EPERM for who is not root where the file system was mounted.
pub fn idmapped(source: &Path, userns: BorrowedFd<'_>) -> Result<OwnedFd> {
    // task 7: open_tree(2) with OPEN_TREE_CLONE, OPEN_TREE_CLOEXEC and AT_RECURSIVE, then mount_setattr(2) with MOUNT_ATTR_IDMAP and userns_fd
    // nothing: File::open("/dev/null").map(OwnedFd::from).during("open", "/dev/null")
    let path = CString::new(source.as_os_str().as_bytes()).map_err(io::Error::from).during("open_tree", "the path")?;
    let flags = libc::OPEN_TREE_CLONE | libc::OPEN_TREE_CLOEXEC | libc::AT_RECURSIVE as u32;
    // SAFETY: a C string that outlives the call; a descriptor that comes back is nobody else's.
    let tree = unsafe {
        let fd = libc::syscall(libc::SYS_open_tree, libc::AT_FDCWD, path.as_ptr(), flags);
        OwnedFd::from_raw_fd(Errno::result(fd as i32).during("open_tree", source.display())?)
    };
    let attr = libc::mount_attr {
        attr_set: libc::MOUNT_ATTR_IDMAP,
        attr_clr: 0,
        propagation: 0,
        userns_fd: userns.as_raw_fd() as u64,
    };
    // SAFETY: an empty C string and a mount_attr of the size given; both outlive the call.
    let status = unsafe {
        let (flags, size) = (libc::AT_EMPTY_PATH | libc::AT_RECURSIVE, size_of::<libc::mount_attr>());
        libc::syscall(libc::SYS_mount_setattr, tree.as_raw_fd(), c"".as_ptr(), flags, &raw const attr, size)
    };
    Errno::result(status).during("mount_setattr MOUNT_ATTR_IDMAP", source.display())?;
    Ok(tree)
    // end task
}
