//! "One after the other, as ls shows them."
//!
//! task: 3
//! test: task3_who_is_not_root_outside_is_root_inside
//! says: the right was not there yet

for (kind, fd) in namespaces {
    setns(fd, kind.clone_flag()).during("setns", kind)?;
}
Ok(())
