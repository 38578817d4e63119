//! "fchdir into it, and that is the root."
//!
//! task: 6
//! test: task6_root_and_working_directory
//! says: the path is looked up below the new root

fchdir(root).during("fchdir", "the container's root")?;
chdir(cwd).during("chdir", cwd.display())?;
getcwd().map(drop).during("getcwd", cwd.display())
