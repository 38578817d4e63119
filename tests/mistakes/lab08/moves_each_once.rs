//! "Who is in there is in the list."
//!
//! task: 2
//! test: task2_whoever_forks_meanwhile_is_moved_too
//! says: one that forked after the list was read left its child behind

if !group.is_top() && !group.read("cgroup.procs")?.is_empty() {
    match mkdirat(group, LEAF, Mode::from_bits_retain(0o755)) {
        Ok(()) | Err(Errno::EEXIST) => {}
        Err(errno) => return Err(errno).during("mkdir", group.path().join(LEAF).display()),
    }
    let leaf = Cgroup::open(&[group.path().join(LEAF)])?;
    for process in group.read("cgroup.procs")?.lines().filter(|process| *process != "0") {
        match leaf.parts()[0].write("cgroup.procs", process) {
            Err(error) if error.errno() != Some(Errno::ESRCH) => return Err(error),
            _ => {}
        }
    }
}
let names: Vec<String> = controllers.iter().map(|name| format!("+{name}")).collect();
group.write("cgroup.subtree_control", names.join(" "))
