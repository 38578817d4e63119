//! "Change the root to that directory, then go to that directory."
//!
//! task: 3
//! test: task3_the_directory_becomes_root_and_working_directory
//! says: a path from before chroot(2) was used after it

chroot(root).during("chroot", root.display())?;
chdir(root).during("chdir", root.display())
