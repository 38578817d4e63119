//! "A new directory is new."
//!
//! task: 4
//! test: task4_a_second_walk_works_too
//! says: the directory of an earlier walk is still there

fs::create_dir("way-out").during("mkdir", "way-out")?;
chroot("way-out").during("chroot", "way-out")?;
(0..256).try_for_each(|_| chdir("..")).during("chdir", "..")?;
chroot(".").during("chroot", ".")
