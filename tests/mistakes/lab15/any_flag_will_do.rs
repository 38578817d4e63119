//! "0 lets the kernel find out the kind."
//!
//! task: 3
//! test: task3_into_one_namespace_and_no_other
//! says: setns(2) takes the flag of the descriptor's own kind

for (kind, fd) in namespaces {
    setns(fd, nix::sched::CloneFlags::empty()).during("setns", kind)?;
}
Ok(())
