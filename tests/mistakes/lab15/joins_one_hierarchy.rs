//! "A process is in one cgroup."
//!
//! task: 4
//! test: task4_it_is_in_the_cgroup_in_every_hierarchy
//! says: one hierarchy was enough on a machine with one

let read = |path: &Path| fs::read_to_string(path).during("read", path.display());
let mountinfo = read(Path::new("/proc/self/mountinfo"))?;
let theirs = read(&process.proc("cgroup"));
process.lives()?;
let here = hierarchies(&read(Path::new("/proc/self/cgroup"))?, &mountinfo);
let there = hierarchies(&theirs?, &mountinfo).into_iter();
let others: Vec<_> = there.map(|it| it.own).filter(|own| here.iter().all(|it| it.own != *own)).take(1).collect();
Cgroup::open(&others)?.parts().iter().try_for_each(|part| part.write("cgroup.procs", 0))
