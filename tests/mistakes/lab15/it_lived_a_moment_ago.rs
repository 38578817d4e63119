//! "First I see that it is there, then I read."
//!
//! task: 4
//! test: task4_a_process_that_ends_while_it_is_looked_at
//! says: what was read was believed

let read = |path: &Path| fs::read_to_string(path).during("read", path.display());
let mountinfo = read(Path::new("/proc/self/mountinfo"))?;
process.lives()?;
let theirs = read(&process.proc("cgroup"));
let here = hierarchies(&read(Path::new("/proc/self/cgroup"))?, &mountinfo);
let there = hierarchies(&theirs?, &mountinfo).into_iter();
let others: Vec<_> = there.map(|it| it.own).filter(|own| here.iter().all(|it| it.own != *own)).collect();
Cgroup::open(&others)?.parts().iter().try_for_each(|part| part.write("cgroup.procs", 0))
