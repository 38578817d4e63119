//! "It is held, so its number is its own."
//!
//! task: 2
//! test: task2_another_has_its_number_by_now
//! says: process.lives() after the look tells

let mut kinds = Vec::new();
let own = NsKind::ALL.into_iter().filter(|kind| !matches!(kind, NsKind::PidForChildren | NsKind::TimeForChildren));
for kind in own {
    let path = process.proc(&format!("ns/{kind}"));
    let Ok(ours) = fs::metadata(format!("/proc/self/ns/{kind}")) else { continue };
    let theirs = fs::metadata(&path).during("stat", path.display())?;
    kinds.extend((theirs.ino() != ours.ino()).then_some(kind));
}
Ok(kinds)
