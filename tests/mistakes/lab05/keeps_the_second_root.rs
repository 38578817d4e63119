//! "The working directory is out, so I am out."
//!
//! task: 4
//! test: task4_the_walk_ends_at_the_root_of_the_host
//! says: the working directory is out and the root is not

let _ = fs::create_dir("way-out");
chroot("way-out").during("chroot", "way-out")?;
(0..256).try_for_each(|_| chdir("..")).during("chdir", "..")
