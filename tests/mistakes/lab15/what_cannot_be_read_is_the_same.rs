//! "A file that cannot be read tells nothing."
//!
//! task: 2
//! test: task2_what_may_not_be_looked_at_is_told
//! says: a kind that could not be read was taken for one that does not differ

let mut kinds = Vec::new();
let own = NsKind::ALL.into_iter().filter(|kind| !matches!(kind, NsKind::PidForChildren | NsKind::TimeForChildren));
for kind in own {
    let path = process.proc(&format!("ns/{kind}"));
    let (theirs, ours) = (fs::metadata(&path), fs::metadata(format!("/proc/self/ns/{kind}")));
    if let (Ok(theirs), Ok(ours)) = (theirs, ours) {
        kinds.extend((theirs.ino() != ours.ino()).then_some(kind));
    }
}
process.lives()?;
Ok(kinds)
