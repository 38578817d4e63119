//! "Until the list is empty."
//!
//! task: 2
//! test: task2_whoever_cannot_be_named_is_passed_over
//! says: the list never gets empty

if !group.is_top() && !group.read("cgroup.procs")?.is_empty() {
    match mkdirat(group, LEAF, Mode::from_bits_retain(0o755)) {
        Ok(()) | Err(Errno::EEXIST) => {}
        Err(errno) => return Err(errno).during("mkdir", group.path().join(LEAF).display()),
    }
    let leaf = Cgroup::open(&[group.path().join(LEAF)])?;
    loop {
        let processes = group.read("cgroup.procs")?;
        if processes.is_empty() {
            break;
        }
        for process in processes.lines().filter(|process| *process != "0") {
            match leaf.parts()[0].write("cgroup.procs", process) {
                Err(error) if error.errno() != Some(Errno::ESRCH) => return Err(error),
                _ => {}
            }
        }
    }
}
let names: Vec<String> = controllers.iter().map(|name| format!("+{name}")).collect();
group.write("cgroup.subtree_control", names.join(" "))
