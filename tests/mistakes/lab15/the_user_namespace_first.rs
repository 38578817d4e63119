//! "The user namespace gives the right to all others, so it comes first."
//!
//! task: 3
//! test: task3_what_belongs_outside_is_joined_before
//! says: the user namespace came first

let (user, others): (Vec<_>, Vec<_>) = namespaces.iter().partition(|(kind, _)| *kind == NsKind::User);
for (kind, fd) in user.into_iter().chain(others) {
    setns(fd, kind.clone_flag()).during("setns", kind)?;
}
Ok(())
