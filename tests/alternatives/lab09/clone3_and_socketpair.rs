//! Lab 09 by other ways: clone3(2) with a pidfd, which also ends the child; a single id of one's own mapped by the child
//! itself, over a socketpair; ranges by the helpers' full paths, both at once; the namespace asked of the pidfd.
//!
//! alternative: whole file

#![allow(unsafe_code, reason = "clone3, the calls on a pidfd and those on detached mounts have no safe wrapper")]

use std::ffi::CString;
use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, Stdio};

use model::ids::{IdMaps, IdRange};
use model::{During, Error, Result};
use nix::errno::Errno;
use nix::sched::{CloneFlags, setns, unshare};
use nix::sys::wait::waitpid;
use nix::unistd::{ForkResult, Gid, Pid, Uid, fork, getegid, geteuid, setegid, setgroups, setresgid, setresuid};

/// See the solution.
pub fn parse(text: &str) -> Result<Vec<IdRange>> {
    let numbers = |line: &str| -> Option<IdRange> {
        let words: Vec<&str> = line.split_whitespace().collect();
        let &[inside, outside, count] = words.as_slice() else { return None };
        Some(IdRange { inside: inside.parse().ok()?, outside: outside.parse().ok()?, count: count.parse().ok()? })
    };
    let mut map = Vec::new();
    for line in text.split_terminator('\n') {
        map.push(numbers(line).ok_or_else(|| Error::invalid("id map", line, "INSIDE OUTSIDE COUNT"))?);
    }
    Ok(map)
}

/// See the solution.
pub fn container_map(own: Option<u32>, subids: &str, user: &str, uid: Uid) -> Result<Vec<IdRange>> {
    let number = uid.to_string();
    let outside = |line: &str| {
        let (owner, range) = line.split_once(':')?;
        let (first, count) = range.split_once(':')?;
        let range: (u32, u32) = (first.parse().ok()?, count.parse().ok()?);
        (range.1 > 0 && (owner == user || owner == number)).then_some(range)
    };
    let all: Vec<(u32, u32)> = own.map(|id| (id, 1)).into_iter().chain(subids.lines().filter_map(outside)).collect();
    let mut sorted = all.clone();
    sorted.sort_unstable();
    if let Some(pair) = sorted.windows(2).find(|pair| u64::from(pair[0].0) + u64::from(pair[0].1) > pair[1].0.into()) {
        return Err(Error::invalid("/etc/subuid or /etc/subgid", format!("{pair:?}"), "ranges without a common id"));
    }
    if all.is_empty() {
        return Err(Error::invalid("/etc/subuid or /etc/subgid", user, "a file with a line for this user"));
    }
    let place = |inside: &mut u32, (outside, count): (u32, u32)| {
        let range = IdRange { inside: *inside, outside, count };
        *inside = inside.saturating_add(count);
        Some(range)
    };
    Ok(all.into_iter().scan(0, place).collect())
}

/// See the solution.
pub fn write_maps(process: Pid, maps: &IdMaps) -> Result<()> {
    let text = |map: &[IdRange]| map.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
    write_files(&process.to_string(), !geteuid().is_root(), &text(&maps.uids), &text(&maps.gids))
}

fn write_files(process: &str, denies: bool, uids: &str, gids: &str) -> Result<()> {
    let files = [("setgroups", "deny"), ("uid_map", uids), ("gid_map", gids)];
    for (name, text) in files.into_iter().skip(usize::from(!denies)) {
        let file = OpenOptions::new().write(true).open(format!("/proc/{process}/{name}"));
        // Of such a file, a write that is cut short is a write of another map.
        let written = file.and_then(|mut file| file.write(text.as_bytes()));
        written.during("write", name)?;
    }
    Ok(())
}

/// See the solution.
pub fn map_with_helpers(process: Pid, maps: &IdMaps) -> Result<()> {
    let start = |program: &'static str, map: &[IdRange]| {
        let mut command = Command::new(Path::new("/usr/bin").join(program));
        command.arg(process.to_string());
        for range in map {
            command.args(range.to_string().split(' '));
        }
        let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        child.during("start", program).map(|child| (program, child))
    };
    let both = [start("newuidmap", &maps.uids), start("newgidmap", &maps.gids)];
    // Each is waited for, whatever the other one says.
    let said = both.map(|child| {
        let (program, child) = child?;
        let output = child.wait_with_output().during("wait for", program)?;
        if output.status.success() {
            return Ok(());
        }
        let words = String::from_utf8_lossy(&output.stderr).into_owned();
        Err(Error::invalid("ids for the container", words.trim(), "ids that are yours by /etc/subuid and /etc/subgid"))
    });
    said.into_iter().collect()
}

/// See the solution.
pub fn create(maps: &IdMaps) -> Result<OwnedFd> {
    let own = |id: u32, map: &[IdRange]| matches!(map, [range] if range.count == 1 && range.outside == id);
    match own(geteuid().as_raw(), &maps.uids) && own(getegid().as_raw(), &maps.gids) {
        true => create_for_oneself(maps),
        false => create_for_others(maps),
    }
}

/// Anybody may map themselves from inside, once setgroups(2) is denied.
fn create_for_oneself(maps: &IdMaps) -> Result<OwnedFd> {
    let (mut ours, mut theirs) = UnixStream::pair().during("socketpair", "with the child")?;
    let (uids, gids) = (maps.uids[0].to_string(), maps.gids[0].to_string());
    // SAFETY: the caller has one thread.
    let child = match unsafe { fork() }.during("fork", "the namespace's first process")? {
        ForkResult::Parent { child } => child,
        ForkResult::Child => {
            drop(ours);
            let made = unshare(CloneFlags::CLONE_NEWUSER).during("unshare", "CLONE_NEWUSER");
            let made = made.and_then(|()| write_files("self", true, &uids, &gids));
            let errno = made.err().map_or(0, |error| error.errno().map_or(Errno::EIO as i32, |errno| errno as i32));
            let _ = theirs.write_all(&errno.to_ne_bytes());
            // Ends with the parent's end of the pair.
            let _ = theirs.read(&mut [0]);
            // SAFETY: _exit takes an integer and does not return.
            unsafe { libc::_exit(0) }
        }
    };
    drop(theirs);
    let mut word = [0; 4];
    let namespace = ours.read_exact(&mut word).during("read", "the child's word").and_then(|()| {
        match i32::from_ne_bytes(word) {
            0 => File::open(format!("/proc/{child}/ns/user")).during("open", "/proc/PID/ns/user").map(OwnedFd::from),
            errno => Err(Errno::from_raw(errno)).during("make", "a user namespace"),
        }
    });
    drop(ours);
    let _ = waitpid(child, None);
    namespace
}

/// What clone3(2) wants, as far as it is used here.
#[repr(C)]
#[derive(Default)]
struct CloneArgs {
    flags: u64,
    pidfd: u64,
    child_tid: u64,
    parent_tid: u64,
    exit_signal: u64,
    stack: u64,
    stack_size: u64,
    tls: u64,
}

/// pidfd_open(2) and ioctl(2): Linux 6.11.
const PIDFD_GET_USER_NAMESPACE: libc::Ioctl = 0xff09;

fn create_for_others(maps: &IdMaps) -> Result<OwnedFd> {
    let mut pidfd = -1;
    let args = CloneArgs {
        flags: (libc::CLONE_NEWUSER | libc::CLONE_PIDFD) as u64,
        pidfd: (&raw mut pidfd) as u64,
        exit_signal: libc::SIGCHLD as u64,
        ..CloneArgs::default()
    };
    // SAFETY: a structure of the size given, alive during the call, with an i32 for the pidfd; no memory is shared, so that
    // this is a fork; the caller has one thread.
    let child = unsafe { libc::syscall(libc::SYS_clone3, &raw const args, size_of::<CloneArgs>()) };
    if child == 0 {
        // SAFETY: integers. Should the parent die before it kills this process, so does this process.
        unsafe {
            libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
            loop {
                libc::pause();
            }
        }
    }
    let child = Pid::from_raw(Errno::result(child).during("clone3", "CLONE_NEWUSER")? as i32);
    // SAFETY: clone3 has filled it in, for nobody else.
    let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd) };
    let mapped = if geteuid().is_root() { write_maps(child, maps) } else { map_with_helpers(child, maps) };
    let namespace = mapped.and_then(|()| {
        // SAFETY: the request takes no argument; what it returns is a new descriptor.
        match unsafe { libc::ioctl(pidfd.as_raw_fd(), PIDFD_GET_USER_NAMESPACE, 0) } {
            // SAFETY: as above.
            fd @ 0.. => Ok(unsafe { OwnedFd::from_raw_fd(fd) }),
            // A kernel that does not know the request.
            _ => File::open(format!("/proc/{child}/ns/user")).during("open", "/proc/PID/ns/user").map(OwnedFd::from),
        }
    });
    let nothing = std::ptr::null::<libc::siginfo_t>();
    // SAFETY: an open pidfd, and no siginfo behind the null pointer.
    unsafe { libc::syscall(libc::SYS_pidfd_send_signal, pidfd.as_raw_fd(), libc::SIGKILL, nothing, 0) };
    waitpid(child, None).during("waitpid", child)?;
    namespace
}

/// See the solution.
pub fn enter(userns: BorrowedFd<'_>) -> Result<()> {
    setns(userns, CloneFlags::CLONE_NEWUSER).during("setns", "a user namespace")?;
    let (uid, gid) = (Uid::from_raw(0), Gid::from_raw(0));
    setresuid(uid, uid, uid).during("setresuid", 0)?;
    setresgid(gid, gid, gid).during("setresgid", 0)?;
    setegid(gid).during("setegid", 0)?;
    if !fs::read_to_string("/proc/self/setgroups").is_ok_and(|word| word.starts_with("deny")) {
        setgroups(&[]).during("setgroups", "[]")?;
    }
    Ok(())
}

/// See the solution.
pub fn idmapped(source: &Path, userns: BorrowedFd<'_>) -> Result<OwnedFd> {
    let place = File::open(source).during("open", source.display())?;
    let own = CString::new(Path::new("/proc/self/fd").join(place.as_raw_fd().to_string()).as_os_str().as_bytes());
    let own = own.map_err(std::io::Error::from).during("open_tree", source.display())?;
    let attr = libc::mount_attr {
        attr_set: libc::MOUNT_ATTR_IDMAP,
        attr_clr: 0,
        propagation: libc::MS_PRIVATE,
        userns_fd: userns.as_raw_fd() as u64,
    };
    let how = libc::AT_EMPTY_PATH | libc::AT_RECURSIVE;
    let clone = libc::OPEN_TREE_CLONE | libc::OPEN_TREE_CLOEXEC | libc::AT_RECURSIVE as u32;
    // SAFETY: C strings and a structure of the size given, which outlive the calls; a new descriptor is nobody else's.
    unsafe {
        let fd = Errno::result(libc::syscall(libc::SYS_open_tree, libc::AT_FDCWD, own.as_ptr(), clone));
        let tree = OwnedFd::from_raw_fd(fd.during("open_tree", source.display())? as i32);
        let size = size_of::<libc::mount_attr>();
        let set = libc::syscall(libc::SYS_mount_setattr, tree.as_raw_fd(), c"".as_ptr(), how, &raw const attr, size);
        Errno::result(set).during("mount_setattr", source.display())?;
        Ok(tree)
    }
}
