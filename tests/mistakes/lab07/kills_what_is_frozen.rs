//! "SIGKILL ends everybody."
//!
//! task: 7
//! test: task7_a_frozen_group_is_removed_too
//! says: a frozen process of v1 keeps its SIGKILL for later

for path in group.parts().iter().filter_map(|part| part.tree().ok()).flatten() {
    let processes = fs::read_to_string(path.join("cgroup.procs")).unwrap_or_default();
    for process in processes.lines().filter_map(|pid| pid.parse().ok()) {
        let _ = nix::sys::signal::kill(Pid::from_raw(process), nix::sys::signal::Signal::SIGKILL);
    }
}
for part in group.parts() {
    for path in part.tree()? {
        let mut tries = 400;
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
