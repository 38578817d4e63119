//! "Whoever names a descriptor is refused."
//!
//! task: 6
//! test: task6_a_path_that_leads_out_is_refused
//! says: there are more paths that lead out than any list has

if cwd.starts_with("/proc/self/fd") {
    return Err(Errno::ENOENT).during("chdir", cwd.display());
}
fchdir(root).during("fchdir", "the container's root")?;
chroot(".").during("chroot", "the container's root")?;
chdir(cwd).during("chdir", cwd.display())
