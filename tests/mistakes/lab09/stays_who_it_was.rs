//! "setns(2) makes root of everybody."
//!
//! task: 6
//! test: task6_every_id_is_0
//! says: who comes in stays who they were outside

setns(userns, CloneFlags::CLONE_NEWUSER).during("setns", "CLONE_NEWUSER")?;
// The caller's own groups came along. Nobody can name them in here, yet they open files.
let may = fs::read_to_string("/proc/self/setgroups").during("read", "/proc/self/setgroups")?;
if may.trim() == "allow" {
    setgroups(&[]).during("setgroups", "none")?;
}
Ok(())
