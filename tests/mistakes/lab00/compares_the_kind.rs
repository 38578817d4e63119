//! "Both links begin with `uts:`, so they are the same."
//!
//! task: 2
//! test: task2_two_processes_share_a_namespace_or_do_not
//! says: the kind was compared and not the identity

identity(a, kind)?;
identity(b, kind)?;
let kind_of = |pid: Pid| -> Option<String> {
    let link = fs::read_link(format!("/proc/{pid}/ns/{kind}")).ok()?;
    Some(link.to_str()?.split(':').next()?.to_owned())
};
Ok(kind_of(a) == kind_of(b))
