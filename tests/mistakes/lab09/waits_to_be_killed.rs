//! "It sleeps until I kill it."
//!
//! task: 5
//! test: task5_the_child_ends_with_the_caller
//! says: the child waits to be ended

let (told, tell) = pipe2(OFlag::O_CLOEXEC).map(|(r, w)| (File::from(r), File::from(w))).during("pipe", "told")?;
// SAFETY: this process has one thread, so that no lock can be held by a thread that the child lacks.
let child = match unsafe { fork() }.during("fork", "the namespace's first process")? {
    ForkResult::Child => {
        drop(told);
        let errno = unshare(CloneFlags::CLONE_NEWUSER).err().map_or(0, |errno| errno as u8);
        let _ = (&tell).write_all(&[errno]);
        loop {
            nix::unistd::pause();
        }
    }
    ForkResult::Parent { child } => child,
};
drop(tell);
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
let _ = nix::sys::signal::kill(child, nix::sys::signal::Signal::SIGKILL);
waitpid(child, None).during("waitpid", child)?;
made
