//! "The files are the root's business."
//!
//! task: 3
//! test: run_exec_is_one_process_more
//! says: the mount namespace was left out

let (user, others): (Vec<_>, Vec<_>) = namespaces.iter().partition(|(kind, _)| *kind == NsKind::User);
let mut later = Vec::new();
for (kind, fd) in others.into_iter().filter(|(kind, _)| *kind != NsKind::Mnt) {
    match setns(fd, kind.clone_flag()) {
        Err(Errno::EPERM) if !user.is_empty() => later.push((kind, fd)),
        result => result.during("setns", kind)?,
    }
}
for (kind, fd) in user.into_iter().map(|(kind, fd)| (kind, fd)).chain(later) {
    setns(fd, kind.clone_flag()).during("setns", kind)?;
}
Ok(())
