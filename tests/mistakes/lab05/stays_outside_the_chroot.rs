//! "chroot moves me into the directory."
//!
//! task: 3
//! test: task3_the_directory_becomes_root_and_working_directory
//! says: no chdir(2) after chroot(2)

chroot(root).during("chroot", root.display())
