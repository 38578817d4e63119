//! "A group that takes nobody is no reason to give up."
//!
//! task: 4
//! test: task4_a_group_that_takes_nobody_is_told
//! says: what the write said was dropped

let read = |path: &Path| fs::read_to_string(path).during("read", path.display());
let mountinfo = read(Path::new("/proc/self/mountinfo"))?;
let theirs = read(&process.proc("cgroup"));
process.lives()?;
let here = hierarchies(&read(Path::new("/proc/self/cgroup"))?, &mountinfo);
let there = hierarchies(&theirs?, &mountinfo).into_iter();
let others: Vec<_> = there.map(|it| it.own).filter(|own| here.iter().all(|it| it.own != *own)).collect();
for part in Cgroup::open(&others)?.parts() {
    let _ = part.write("cgroup.procs", 0);
}
Ok(())
