//! "What cannot be joined is left out."
//!
//! task: 3
//! test: task3_a_refusal_is_told
//! says: a second try that never came

let (user, others): (Vec<_>, Vec<_>) = namespaces.iter().partition(|(kind, _)| *kind == NsKind::User);
let mut later = Vec::new();
for (kind, fd) in others {
    match setns(fd, kind.clone_flag()) {
        Err(Errno::EPERM) => later.push((kind, fd)),
        result => result.during("setns", kind)?,
    }
}
if let Some((kind, fd)) = user.first() {
    setns(fd, kind.clone_flag()).during("setns", kind)?;
    for (kind, fd) in later {
        setns(fd, kind.clone_flag()).during("setns", kind)?;
    }
}
Ok(())
