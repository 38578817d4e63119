//! "One level of chroot, one step up."
//!
//! task: 4
//! test: task4_the_walk_ends_at_the_root_of_the_host
//! says: the walk stopped on the way

let _ = fs::create_dir("way-out");
chroot("way-out").during("chroot", "way-out")?;
chdir("..").during("chdir", "..")?;
chdir("..").during("chdir", "..")?;
chroot(".").during("chroot", ".")
