//! "A bind mount, read-only: MS_BIND and MS_RDONLY."
//!
//! task: 3
//! test: task3_the_volume_is_read_only_and_the_source_is_not
//! says: MS_RDONLY beside MS_BIND is ignored

let path = place(mount_point);
let flags = MsFlags::MS_BIND | MsFlags::MS_RDONLY;
mount(Some(&path), &path, None::<&str>, flags, None::<&str>).during("mount", path.display())
