//! "Nothing above it: the top."
//!
//! task: 2
//! test: task2_the_root_of_a_namespace_is_a_group_like_others
//! says: no group above it is in sight

if group.parent()?.is_some() && !group.read("cgroup.procs")?.is_empty() {
    match mkdirat(group, LEAF, Mode::from_bits_retain(0o755)) {
        Ok(()) | Err(Errno::EEXIST) => {}
        Err(errno) => return Err(errno).during("mkdir", group.path().join(LEAF).display()),
    }
    let leaf = Cgroup::open(&[group.path().join(LEAF)])?;
    loop {
        let processes = group.read("cgroup.procs")?;
        let named: Vec<&str> = processes.lines().filter(|process| *process != "0").collect();
        if named.is_empty() {
            break;
        }
        for process in named {
            match leaf.parts()[0].write("cgroup.procs", process) {
                Err(error) if error.errno() != Some(Errno::ESRCH) => return Err(error),
                _ => {}
            }
        }
    }
}
let names: Vec<String> = controllers.iter().map(|name| format!("+{name}")).collect();
group.write("cgroup.subtree_control", names.join(" "))
