//! "Its groups are where it has them mounted."
//!
//! task: 4
//! test: task4_a_container_has_other_mounts
//! says: It is the caller who opens their directories

let read = |path: &Path| fs::read_to_string(path).during("read", path.display());
let mountinfo = read(&process.proc("mountinfo"))?;
let theirs = read(&process.proc("cgroup"));
process.lives()?;
let here = hierarchies(&read(Path::new("/proc/self/cgroup"))?, &mountinfo);
let there = hierarchies(&theirs?, &mountinfo).into_iter();
let others: Vec<_> = there.map(|it| it.own).filter(|own| here.iter().all(|it| it.own != *own)).collect();
Cgroup::open(&others)?.parts().iter().try_for_each(|part| part.write("cgroup.procs", 0))
