//! "It is the one who is in there."
//!
//! task: 5
//! test: task5_root_gives_ranges
//! test: task5_a_user_gives_ranges
//! says: the map was written from inside, by the child

let (told, tell) = pipe2(OFlag::O_CLOEXEC).map(|(r, w)| (File::from(r), File::from(w))).during("pipe", "told")?;
let (mut waits, end) = pipe2(OFlag::O_CLOEXEC).map(|(r, w)| (File::from(r), File::from(w))).during("pipe", "end")?;
// SAFETY: this process has one thread, so that no lock can be held by a thread that the child lacks.
let child = match unsafe { fork() }.during("fork", "the namespace's first process")? {
    ForkResult::Child => {
        drop((told, end));
        let lines = |map: &[IdRange]| map.iter().map(|range| format!("{range}\n")).collect::<String>();
        let made = unshare(CloneFlags::CLONE_NEWUSER).map_err(io::Error::from).and_then(|()| {
            fs::write("/proc/self/setgroups", "deny")?;
            fs::write("/proc/self/uid_map", lines(&maps.uids))?;
            fs::write("/proc/self/gid_map", lines(&maps.gids))
        });
        let errno = made.err().and_then(|error| error.raw_os_error()).unwrap_or(0) as u8;
        let _ = (&tell).write_all(&[errno]);
        // Until the parent has opened the namespace, or is dead.
        let _ = waits.read(&mut [0]);
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
    let path = format!("/proc/{child}/ns/user");
    File::open(&path).map(OwnedFd::from).during("open", path)
};
let made = made();
drop(end);
waitpid(child, None).during("waitpid", child)?;
made
