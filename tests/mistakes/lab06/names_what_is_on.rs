//! "What is on is named again: all that fstatvfs tells."
//!
//! task: 3
//! test: task3_the_other_options_stay
//! says: relatime comes along

let path = place(mount_point);
let options = fstatvfs(mount_point).during("fstatvfs", path.display())?.flags();
let kept = [
    (FsFlags::ST_NOSUID, MsFlags::MS_NOSUID),
    (FsFlags::ST_NODEV, MsFlags::MS_NODEV),
    (FsFlags::ST_NOEXEC, MsFlags::MS_NOEXEC),
    (FsFlags::ST_NOATIME, MsFlags::MS_NOATIME),
    (FsFlags::ST_NODIRATIME, MsFlags::MS_NODIRATIME),
    (FsFlags::ST_RELATIME, MsFlags::MS_RELATIME),
];
let kept = kept.into_iter().filter(|(option, _)| options.contains(*option)).map(|(_, flag)| flag);
// MS_BIND makes it this mount's option; without, it would be the whole file system's, on the host too.
let flags = MsFlags::MS_REMOUNT | MsFlags::MS_BIND | MsFlags::MS_RDONLY | kept.collect::<MsFlags>();
mount(None::<&str>, &path, None::<&str>, flags, None::<&str>).during("remount", path.display())
