//! "What fails behind the door too is not ours."
//!
//! task: 3
//! test: task3_a_refusal_behind_the_door_is_told
//! says: the second try failed, and nobody was told

let (user, others): (Vec<_>, Vec<_>) = namespaces.iter().partition(|(kind, _)| *kind == NsKind::User);
let mut later = Vec::new();
for (kind, fd) in others {
    match setns(fd, kind.clone_flag()) {
        Err(Errno::EPERM) if !user.is_empty() => later.push((kind, fd)),
        result => result.during("setns", kind)?,
    }
}
for (kind, fd) in user {
    setns(fd, kind.clone_flag()).during("setns", kind)?;
}
for (kind, fd) in later {
    let _ = setns(fd, kind.clone_flag());
}
Ok(())
