//! "chroot and then chdir, as everybody does."
//!
//! task: 6
//! test: task6_root_and_working_directory
//! says: the new root is where the caller was

let _ = root;
chroot(".").during("chroot", "the container's root")?;
chdir(cwd).during("chdir", cwd.display())?;
getcwd().map(drop).during("getcwd", cwd.display())
