//! "MS_REMOUNT changes what it is told to change."
//!
//! task: 3
//! test: task3_the_other_options_stay
//! test: task3_a_user_namespace_may_do_it_too
//! says: what is not named again is off

let path = place(mount_point);
let flags = MsFlags::MS_REMOUNT | MsFlags::MS_BIND | MsFlags::MS_RDONLY;
mount(None::<&str>, &path, None::<&str>, flags, None::<&str>).during("remount", path.display())
