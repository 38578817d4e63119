//! "unshare(2) is what I know."
//!
//! task: 6
//! test: task6_it_is_the_namespace_that_was_given
//! says: setns(2) enters one that is there

let _ = userns;
let (uid, gid) = (geteuid(), nix::unistd::getegid());
unshare(CloneFlags::CLONE_NEWUSER).during("unshare", "CLONE_NEWUSER")?;
for (name, text) in [("setgroups", "deny".to_owned()), ("uid_map", format!("0 {uid} 1")), ("gid_map", format!("0 {gid} 1"))] {
    fs::write(format!("/proc/self/{name}"), text).during("write", name)?;
}
Ok(())
