//! "If the directory is not there, / is."
//!
//! task: 6
//! test: task6_a_directory_that_is_not_there
//! says: not started somewhere else

fchdir(root).during("fchdir", "the container's root")?;
chroot(".").during("chroot", "the container's root")?;
chdir(cwd).or_else(|_| chdir("/")).during("chdir", cwd.display())?;
getcwd().map(drop).during("getcwd", cwd.display())
