//! "All ten files."
//!
//! task: 2
//! test: task2_a_pid_namespace_of_its_own
//! says: pid_for_children is none to join

let mut kinds = Vec::new();
for kind in NsKind::ALL {
    let path = process.proc(&format!("ns/{kind}"));
    let Ok(ours) = fs::metadata(format!("/proc/self/ns/{kind}")) else { continue };
    let theirs = fs::metadata(&path).during("stat", path.display())?;
    kinds.extend((theirs.ino() != ours.ino()).then_some(kind));
}
process.lives()?;
Ok(kinds)
