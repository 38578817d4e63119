//! Lab 09 as somebody solved it who had seen the chapter and the starter, and nothing else.
//!
//! alternative: whole file

#![allow(unsafe_code, reason = "clone, the calls that change who we are, and those on detached mounts are libc's")]

use std::ffi::CString;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use libc::{c_int, c_void};
use model::ids::{IdMaps, IdRange};
use model::{During, Error, Result};
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::wait::waitpid;
use nix::unistd::{Pid, Uid, geteuid, pipe2};

/// Reads `text`, what `/proc/PID/uid_map` or `gid_map` holds: a line a range.
///
/// Source: user_namespaces(7), "Defining user and group ID mappings".
///
/// # Errors
/// [`Error::Invalid`] when a line is not three numbers.
pub fn parse(text: &str) -> Result<Vec<IdRange>> {
    let range_of = |line: &str| {
        let mut numbers = line.split_whitespace().map(str::parse);
        match (numbers.next(), numbers.next(), numbers.next(), numbers.next()) {
            (Some(Ok(inside)), Some(Ok(outside)), Some(Ok(count)), None) => Some(IdRange { inside, outside, count }),
            _ => None,
        }
    };
    let mut ranges = Vec::new();
    for line in text.lines() {
        ranges.push(range_of(line).ok_or_else(|| Error::invalid("map of ids", line, "ID-inside ID-outside length"))?);
    }
    Ok(ranges)
}

/// The map for a container of `user`, whose number is `uid`: what `own` is outside is 0 inside, and after it, without
/// a gap, come the ids that `subids` gives to the user, in its order. Without `own` they begin at 0.
///
/// `subids` is the text of `/etc/subuid` or `/etc/subgid`, where a line is `OWNER:FIRST:COUNT` and the owner is a name
/// or a number. Source: subuid(5), subgid(5).
///
/// # Errors
/// [`Error::Invalid`] when nothing is there to be mapped, and when an id would be mapped twice: the kernel refuses
/// such a map with EINVAL and no word about why.
pub fn container_map(own: Option<u32>, subids: &str, user: &str, uid: Uid) -> Result<Vec<IdRange>> {
    let number = uid.to_string();
    let mut map: Vec<IdRange> = own.map(|outside| IdRange { inside: 0, outside, count: 1 }).into_iter().collect();
    for line in subids.lines() {
        let mut fields = line.split(':');
        let (Some(owner), Some(first), Some(count), None) =
            (fields.next(), fields.next(), fields.next(), fields.next())
        else {
            continue;
        };
        let (Ok(outside), Ok(count)) = (first.parse(), count.parse()) else { continue };
        if count == 0 || (owner != user && owner != number) {
            continue;
        }
        let inside = map.iter().fold(0_u32, |next, range| next.saturating_add(range.count));
        let range = IdRange { inside, outside, count };
        if map.iter().any(|earlier| range.overlaps(earlier)) {
            return Err(Error::invalid(
                "subordinate ids",
                line,
                "ids that are in no other line, and not the user's own",
            ));
        }
        map.push(range);
    }
    if map.is_empty() {
        return Err(Error::invalid("subordinate ids", user, "somebody with a line in /etc/subuid and /etc/subgid"));
    }
    Ok(map)
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
    // One write(2) or an error: what the kernel has taken of a map it does not take again.
    let put = |file: &str, text: &str| {
        let path = format!("/proc/{process}/{file}");
        let written = OpenOptions::new().write(true).open(&path).and_then(|mut file| file.write(text.as_bytes()));
        match written.during("write", &path)? {
            all if all == text.len() => Ok(()),
            _ => Err(io::Error::from(io::ErrorKind::WriteZero)).during("write", &path),
        }
    };
    let lines = |map: &[IdRange]| map.iter().fold(String::new(), |text, range| text + &range.to_string() + "\n");
    if !geteuid().is_root() {
        put("setgroups", "deny")?;
    }
    put("gid_map", &lines(&maps.gids))?;
    put("uid_map", &lines(&maps.uids))
}

/// As [`write_maps`], for an ordinary user who has ranges: by newuidmap(1) and newgidmap(1), which are root's by their
/// set-user-ID bit (or a file capability) and give away what /etc/subuid and /etc/subgid say, nothing else.
///
/// # Errors
/// ENOENT when they are not installed; otherwise what they print.
pub fn map_with_helpers(process: Pid, maps: &IdMaps) -> Result<()> {
    for (program, map) in [("newgidmap", &maps.gids), ("newuidmap", &maps.uids)] {
        let mut command = Command::new(program);
        command.arg(process.to_string()).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        for IdRange { inside, outside, count } in map {
            command.args([inside, outside, count].map(u32::to_string));
        }
        let ended = command.spawn().and_then(Child::wait_with_output).during("execve", program)?;
        if !ended.status.success() {
            let said = String::from_utf8_lossy(&ended.stderr);
            return Err(io::Error::other(format!("{}, {}", said.trim_end(), ended.status))).during("run", program);
        }
    }
    Ok(())
}

/// Makes a user namespace, and returns a descriptor of it once its ids are mapped. The caller stays where it is.
///
/// A namespace needs somebody in it until there is a descriptor: a child, which does nothing. To be called by a
/// process with one thread. Source: user_namespaces(7).
///
/// # Errors
/// EPERM or ENOSPC where user namespaces are not for everybody; what [`map`] says.
pub fn create(maps: &IdMaps) -> Result<OwnedFd> {
    let (wait_for_end, end) = pipe2(OFlag::O_CLOEXEC).during("pipe2", "for the child")?;
    let mut ends = (wait_for_end.as_raw_fd(), end.as_raw_fd());
    let mut stack = vec![0_u128; 4096];
    // As the example of user_namespaces(7) does it: the namespace is there as soon as the child is.
    // SAFETY: without CLONE_VM the child has a copy of the stack and of `ends`, and calls close, read and _exit alone.
    let child = unsafe {
        libc::clone(
            in_the_namespace,
            stack.as_mut_ptr_range().end.cast(),
            libc::CLONE_NEWUSER | libc::SIGCHLD,
            (&raw mut ends).cast(),
        )
    };
    let child = Errno::result(child).map(Pid::from_raw).during("clone", "CLONE_NEWUSER")?;
    drop(wait_for_end);
    let path = format!("/proc/{child}/ns/user");
    let namespace = map(child, maps).and_then(|()| File::open(&path).during("open", &path));
    drop(end);
    let ended = waitpid(child, None).during("waitpid", child);
    let namespace = namespace?;
    ended?;
    Ok(namespace.into())
}

/// The child of [`create`]: there until the other end of the pipe is closed.
extern "C" fn in_the_namespace(ends: *mut c_void) -> c_int {
    // SAFETY: `create` gives the two descriptors of a pipe, which are this process' own copies, and a buffer outlives
    // the call that fills it. Nothing here allocates.
    unsafe {
        let (wait_for_end, end) = *ends.cast::<(c_int, c_int)>();
        libc::close(end);
        let mut byte = 0_u8;
        libc::read(wait_for_end, (&raw mut byte).cast(), 1);
        libc::_exit(0)
    }
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
    // SAFETY: an open descriptor and a flag.
    let status = unsafe { libc::setns(userns.as_raw_fd(), libc::CLONE_NEWUSER) };
    Errno::result(status).during("setns", "CLONE_NEWUSER")?;
    // SAFETY: no groups are read from nowhere.
    match Errno::result(unsafe { libc::setgroups(0, std::ptr::null()) }) {
        // "deny" in /proc/self/setgroups.
        Ok(_) | Err(Errno::EPERM) => {}
        Err(errno) => return Err(errno).during("setgroups", "none"),
    }
    // With every capability in here these set the real and the saved id too.
    // SAFETY: numbers.
    Errno::result(unsafe { libc::setgid(0) }).during("setgid", 0)?;
    // SAFETY: as above.
    Errno::result(unsafe { libc::setuid(0) }).during("setuid", 0)?;
    Ok(())
}

/// A copy of the mount at `source`, with the mounts below it, in which files have the owners that `userns` has for
/// them: 0's are root's in there. Nothing changes on the disk. The copy is nowhere in the tree of mounts yet.
///
/// Source: open_tree(2), mount_setattr(2), "ID-mapped mounts" (Linux 5.12; tmpfs 6.3).
///
/// # Errors
/// EINVAL for a file system that cannot do that; EPERM for who is not root where the file system was mounted.
pub fn idmapped(source: &Path, userns: BorrowedFd<'_>) -> Result<OwnedFd> {
    let path = CString::new(source.as_os_str().as_bytes()).during("open_tree", source.display())?;
    let flags = libc::OPEN_TREE_CLONE | libc::OPEN_TREE_CLOEXEC | libc::AT_RECURSIVE as libc::c_uint;
    // SAFETY: a C string that outlives the call.
    let tree = unsafe { libc::syscall(libc::SYS_open_tree, libc::AT_FDCWD, path.as_ptr(), flags) };
    let tree = Errno::result(tree).during("open_tree", source.display())?;
    // SAFETY: open_tree(2) has just returned it, and nobody else has it.
    let tree = unsafe { OwnedFd::from_raw_fd(tree as c_int) };
    let attr = libc::mount_attr {
        attr_set: libc::MOUNT_ATTR_IDMAP,
        attr_clr: 0,
        propagation: 0,
        userns_fd: userns.as_raw_fd() as u64,
    };
    // SAFETY: an empty C string, and a mount_attr of the size that is given.
    let status = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            tree.as_raw_fd(),
            c"".as_ptr(),
            libc::AT_EMPTY_PATH | libc::AT_RECURSIVE,
            &raw const attr,
            size_of_val(&attr),
        )
    };
    Errno::result(status).during("mount_setattr", source.display())?;
    Ok(tree)
}
