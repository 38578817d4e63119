//! "The file in /proc is what has the inode."
//!
//! task: 2
//! test: task2_the_kinds_that_differ
//! says: the inodes of the links were compared

let mut kinds = Vec::new();
let own = NsKind::ALL.into_iter().filter(|kind| !matches!(kind, NsKind::PidForChildren | NsKind::TimeForChildren));
for kind in own {
    let path = process.proc(&format!("ns/{kind}"));
    let Ok(ours) = fs::symlink_metadata(format!("/proc/self/ns/{kind}")) else { continue };
    let theirs = fs::symlink_metadata(&path).during("stat", path.display())?;
    kinds.extend((theirs.ino() != ours.ino()).then_some(kind));
}
process.lives()?;
Ok(kinds)
