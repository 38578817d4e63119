//! "Once more does no harm."
//!
//! task: 4
//! test: task4_where_it_is_already_nothing_is_written
//! says: an ordinary user may not write there

let read = |path: &Path| fs::read_to_string(path).during("read", path.display());
let mountinfo = read(Path::new("/proc/self/mountinfo"))?;
let theirs = read(&process.proc("cgroup"));
process.lives()?;
let there: Vec<_> = hierarchies(&theirs?, &mountinfo).into_iter().map(|it| it.own).collect();
Cgroup::open(&there)?.parts().iter().try_for_each(|part| part.write("cgroup.procs", 0))
