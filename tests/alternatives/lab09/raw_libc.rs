//! Lab 09 with nothing but libc: clone(2) straight into the new namespace, eventfds for who waits for whom, maps through
//! write(2), newuidmap by fork and execvp, the detached mount by its path in /proc.
//!
//! alternative: whole file

#![allow(unsafe_code, reason = "everything here is a plain system call")]

use std::ffi::CString;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::ptr;

use model::ids::{IdMaps, IdRange};
use model::{During, Error, Result};
use nix::errno::Errno;
use nix::unistd::{Pid, Uid};

/// See the solution.
pub fn parse(text: &str) -> Result<Vec<IdRange>> {
    let mut ranges = Vec::new();
    for line in text.lines() {
        let mut numbers = [0; 3];
        let mut words = line.split_ascii_whitespace();
        for number in &mut numbers {
            let word = words.next().and_then(|word| word.parse().ok());
            *number = word.ok_or_else(|| Error::invalid("map", line, "three numbers"))?;
        }
        if words.next().is_some() {
            return Err(Error::invalid("map", line, "three numbers, and no more"));
        }
        let [inside, outside, count] = numbers;
        ranges.push(IdRange { inside, outside, count });
    }
    Ok(ranges)
}

/// See the solution.
pub fn container_map(own: Option<u32>, subids: &str, user: &str, uid: Uid) -> Result<Vec<IdRange>> {
    let (mut map, mut next) = (Vec::new(), 0);
    let mut add = |outside: u32, count: u32| {
        map.push(IdRange { inside: next, outside, count });
        next = next.saturating_add(count);
    };
    if let Some(own) = own {
        add(own, 1);
    }
    let number = uid.as_raw().to_string();
    for line in subids.lines() {
        let [owner, first, count] = line.split(':').collect::<Vec<_>>()[..] else { continue };
        if let (true, Ok(first), Ok(count)) = ([user, &number].contains(&owner), first.parse(), count.parse())
            && count > 0
        {
            add(first, count);
        }
    }
    for (at, range) in map.iter().enumerate() {
        if map[..at].iter().any(|other| range.overlaps(other)) {
            return Err(Error::invalid("subordinate ids", range.to_string(), "ids that are there once"));
        }
    }
    if map.is_empty() {
        return Err(Error::invalid("user", user, "somebody with subordinate ids"));
    }
    Ok(map)
}

/// See the solution.
pub fn write_maps(process: Pid, maps: &IdMaps) -> Result<()> {
    // SAFETY: geteuid takes nothing and cannot fail.
    if unsafe { libc::geteuid() } != 0 {
        put(process, "setgroups", "deny")?;
    }
    put(process, "gid_map", &lines(&maps.gids))?;
    put(process, "uid_map", &lines(&maps.uids))
}

fn lines(map: &[IdRange]) -> String {
    let mut text = String::new();
    for IdRange { inside, outside, count } in map {
        text += &format!("{inside} {outside} {count}\n");
    }
    text
}

fn put(process: Pid, name: &str, text: &str) -> Result<()> {
    let path = CString::new(format!("/proc/{process}/{name}")).map_err(io::Error::from).during("open", name)?;
    // SAFETY: the path is a C string, the buffer is `text`'s, and the descriptor is ours.
    let written = unsafe {
        let fd = libc::open(path.as_ptr(), libc::O_WRONLY | libc::O_CLOEXEC);
        let file = owned(fd.into()).during("open", name)?;
        libc::write(file.as_raw_fd(), text.as_ptr().cast(), text.len())
    };
    Errno::result(written).during("write", name)?;
    Ok(())
}

/// # Safety
/// A descriptor that a system call has just returned, or -1.
unsafe fn owned(fd: i64) -> nix::Result<OwnedFd> {
    // SAFETY: the caller's promise.
    Ok(unsafe { OwnedFd::from_raw_fd(Errno::result(fd)? as i32) })
}

/// See the solution. What a helper says comes through a pipe that stands in for its standard error.
pub fn map_with_helpers(process: Pid, maps: &IdMaps) -> Result<()> {
    for (program, map) in [(c"newgidmap", &maps.gids), (c"newuidmap", &maps.uids)] {
        let mut words = vec![program.to_owned(), CString::new(process.to_string()).expect("no zero byte")];
        for range in map {
            let numbers = [range.inside, range.outside, range.count];
            words.extend(numbers.map(|number| CString::new(number.to_string()).expect("no zero byte")));
        }
        let mut argv: Vec<_> = words.iter().map(|word| word.as_ptr()).collect();
        argv.push(ptr::null());
        let name = program.to_str().expect("ASCII");
        let (mut ends, mut status, mut said) = ([0; 2], 0, Vec::new());
        // SAFETY: argv ends with a null pointer, and its words live until the child has ended; the child calls nothing but
        // system calls before it execs or ends; the ends of the pipe are ours.
        unsafe {
            Errno::result(libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC)).during("pipe", name)?;
            let [read, write] = ends.map(|fd| OwnedFd::from_raw_fd(fd));
            let child = Errno::result(libc::fork()).during("fork", name)?;
            if child == 0 {
                libc::dup2(write.as_raw_fd(), 2);
                libc::execvp(program.as_ptr(), argv.as_ptr());
                libc::_exit(127);
            }
            drop(write);
            let mut piece = [0_u8; 512];
            loop {
                match libc::read(read.as_raw_fd(), piece.as_mut_ptr().cast(), piece.len()) {
                    ..=0 => break,
                    some => said.extend(&piece[..some.cast_unsigned()]),
                }
            }
            Errno::result(libc::waitpid(child, &raw mut status, 0)).during("waitpid", name)?;
        }
        match (libc::WIFEXITED(status), libc::WEXITSTATUS(status)) {
            (true, 0) => {}
            (true, 127) if said.is_empty() => return Err(Errno::ENOENT).during("execvp", name),
            _ => return Err(io::Error::other(String::from_utf8_lossy(&said).into_owned())).during("start", name),
        }
    }
    Ok(())
}

/// See the solution.
pub fn create(maps: &IdMaps) -> Result<OwnedFd> {
    // SAFETY: eventfd takes integers.
    let end = unsafe { owned(libc::eventfd(0, libc::EFD_CLOEXEC).into()) }.during("eventfd", "end")?;
    let end = end.as_raw_fd();
    let flags = libc::CLONE_NEWUSER | libc::SIGCHLD;
    let none = ptr::null::<u8>();
    // SAFETY: without a stack of its own, clone is fork, and the caller has one thread. It returns in the child when the
    // child is in its namespace: nobody has to say so.
    let child = unsafe { libc::syscall(libc::SYS_clone, flags, none, none, none, 0) };
    if child == 0 {
        let mut word = 0_u64;
        // SAFETY: the descriptor was copied with the process, and the buffer has the eight bytes that an eventfd gives. Should
        // the parent die, nobody would write: the child then dies too.
        unsafe {
            libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
            libc::read(end, (&raw mut word).cast(), size_of::<u64>());
            libc::_exit(0)
        }
    }
    let child = Pid::from_raw(Errno::result(child).during("clone", "CLONE_NEWUSER")? as i32);
    let namespace = map(child, maps).and_then(|()| {
        let path = format!("/proc/{child}/ns/user");
        let c_path = CString::new(path.as_str()).expect("no zero byte");
        // SAFETY: a C string; the descriptor that comes back is ours.
        unsafe { owned(libc::open(c_path.as_ptr(), libc::O_RDONLY | libc::O_CLOEXEC).into()) }.during("open", path)
    });
    let word = 1_u64;
    // SAFETY: eight bytes for an eventfd that is open; a child of ours that nobody else waits for.
    unsafe {
        libc::write(end, (&raw const word).cast(), size_of::<u64>());
        while libc::waitpid(child.as_raw(), ptr::null_mut(), 0) == -1 && Errno::last() == Errno::EINTR {}
    }
    namespace
}

fn map(process: Pid, maps: &IdMaps) -> Result<()> {
    let is_own = [&maps.uids, &maps.gids].iter().all(|map| map.len() == 1 && map[0].count == 1);
    // SAFETY: geteuid takes nothing and cannot fail.
    match is_own || unsafe { libc::geteuid() } == 0 {
        true => write_maps(process, maps),
        false => map_with_helpers(process, maps),
    }
}

/// See the solution. Where setgroups(2) is denied, it says so itself.
pub fn enter(userns: BorrowedFd<'_>) -> Result<()> {
    // SAFETY: integers, an open descriptor, and no groups behind the null pointer.
    unsafe {
        Errno::result(libc::setns(userns.as_raw_fd(), 0)).during("setns", "a user namespace")?;
        match Errno::result(libc::setgroups(0, ptr::null())) {
            Ok(_) | Err(Errno::EPERM) => {}
            Err(errno) => return Err(errno).during("setgroups", "none"),
        }
        // Root keeps its capabilities: the order is free.
        Errno::result(libc::setuid(0)).during("setuid", 0)?;
        Errno::result(libc::setgid(0)).during("setgid", 0)?;
    }
    Ok(())
}

/// See the solution.
pub fn idmapped(source: &Path, userns: BorrowedFd<'_>) -> Result<OwnedFd> {
    let path = CString::new(source.as_os_str().as_bytes()).map_err(io::Error::from).during("open_tree", "the path")?;
    let clone = libc::OPEN_TREE_CLONE | libc::OPEN_TREE_CLOEXEC | libc::AT_RECURSIVE.cast_unsigned();
    // SAFETY: C strings, integers and a structure of the size given, all of which outlive the calls.
    unsafe {
        let tree = owned(libc::syscall(libc::SYS_open_tree, libc::AT_FDCWD, path.as_ptr(), clone));
        let tree = tree.during("open_tree", source.display())?;
        let mut attr: libc::mount_attr = std::mem::zeroed();
        attr.attr_set = libc::MOUNT_ATTR_IDMAP;
        attr.userns_fd = userns.as_raw_fd() as u64;
        let place = CString::new(format!("/proc/self/fd/{}", tree.as_raw_fd())).expect("no zero byte");
        let (at, all, size) = (libc::AT_FDCWD, libc::AT_RECURSIVE, size_of::<libc::mount_attr>());
        let set = libc::syscall(libc::SYS_mount_setattr, at, place.as_ptr(), all, &raw const attr, size);
        Errno::result(set).during("mount_setattr", source.display())?;
        Ok(tree)
    }
}
