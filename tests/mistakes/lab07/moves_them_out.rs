//! "A group has to be empty, so its processes go to the parent."
//!
//! task: 7
//! test: task7_what_runs_in_it_is_ended
//! says: it was moved out of the group

for part in group.parts() {
    let Some(parent) = part.parent()? else { continue };
    for path in part.tree()? {
        let processes = fs::read_to_string(path.join("cgroup.procs")).unwrap_or_default();
        for process in processes.lines() {
            let leaf = parent.path().join(model::cgroup::LEAF).join("cgroup.procs");
            let _ = fs::write(leaf, process).or_else(|_| fs::write(parent.path().join("cgroup.procs"), process));
        }
    }
}
for part in group.parts() {
    for path in part.tree()? {
        let mut tries = 40;
        while let Err(error) = fs::remove_dir(&path) {
            match error.kind() {
                ErrorKind::NotFound => break,
                ErrorKind::ResourceBusy if tries > 0 => tries -= 1,
                _ => return Err(error).during("rmdir", path.display()),
            }
            sleep(Duration::from_millis(5));
        }
    }
}
Ok(())
