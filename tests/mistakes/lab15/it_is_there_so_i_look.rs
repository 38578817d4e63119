//! "First I see that it is the one, then I look."
//!
//! task: 2
//! test: task2_the_number_changes_hands_at_the_worst_moment
//! says: process.lives() came before the looks

process.lives()?;
let mut kinds = Vec::new();
let own = NsKind::ALL.into_iter().filter(|kind| !matches!(kind, NsKind::PidForChildren | NsKind::TimeForChildren));
for kind in own {
    let path = process.proc(&format!("ns/{kind}"));
    let Ok(ours) = fs::metadata(format!("/proc/self/ns/{kind}")) else { continue };
    let theirs = fs::metadata(&path).during("stat", path.display())?;
    kinds.extend((theirs.ino() != ours.ino()).then_some(kind));
}
Ok(kinds)
