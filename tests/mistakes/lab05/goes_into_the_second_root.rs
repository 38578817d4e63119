//! "After chroot always chdir: I learned that one task ago."
//!
//! task: 4
//! test: task4_the_walk_ends_at_the_root_of_the_host
//! test: task5_the_walk_out_leads_nowhere
//! says: the working directory went along into the second root

let _ = fs::create_dir("way-out");
chroot("way-out").during("chroot", "way-out")?;
chdir("/").during("chdir", "/")?;
(0..256).try_for_each(|_| chdir("..")).during("chdir", "..")?;
chroot(".").during("chroot", ".")
