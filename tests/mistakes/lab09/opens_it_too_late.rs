//! "First all is tidied up."
//!
//! task: 5
//! test: task5_the_map_is_there_when_it_returns
//! test: task5_nobody_and_nothing_is_left
//! says: the child was gone, reaped, when its files in /proc were opened

let (told, tell) = pipe2(OFlag::O_CLOEXEC).map(|(r, w)| (File::from(r), File::from(w))).during("pipe", "told")?;
let (mut waits, end) = pipe2(OFlag::O_CLOEXEC).map(|(r, w)| (File::from(r), File::from(w))).during("pipe", "end")?;
// SAFETY: this process has one thread, so that no lock can be held by a thread that the child lacks.
let child = match unsafe { fork() }.during("fork", "the namespace's first process")? {
    ForkResult::Child => {
        drop((told, end));
        let errno = unshare(CloneFlags::CLONE_NEWUSER).err().map_or(0, |errno| errno as u8);
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
    // Not before the child's word: until then it is in our own namespace, which has its map.
    map(child, maps)
};
let made = made();
drop(end);
waitpid(child, None).during("waitpid", child)?;
made?;
let path = format!("/proc/{child}/ns/user");
File::open(&path).map(OwnedFd::from).during("open", path)
