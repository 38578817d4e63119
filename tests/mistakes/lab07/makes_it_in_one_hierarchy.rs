//! "The controller that is wanted is cpu."
//!
//! task: 3
//! test: task3_the_group_is_in_every_hierarchy
//! says: on v1 each has controllers of its own

let path = parent.parts()[0].path().join(name);
fs::create_dir(&path).during("mkdir", path.display())?;
Cgroup::open(&[path])
