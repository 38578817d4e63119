//! "MS_REMOUNT with MS_RDONLY makes it read-only."
//!
//! task: 3
//! test: task3_the_volume_is_read_only_and_the_source_is_not
//! says: MS_REMOUNT without MS_BIND

let path = place(mount_point);
let flags = MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY;
mount(None::<&str>, &path, None::<&str>, flags, None::<&str>).during("remount", path.display())
