//! "chdir found it, so it is in there."
//!
//! task: 6
//! test: task6_a_path_that_leads_out_is_refused
//! says: CVE-2024-21626

fchdir(root).during("fchdir", "the container's root")?;
chroot(".").during("chroot", "the container's root")?;
chdir(cwd).during("chdir", cwd.display())
