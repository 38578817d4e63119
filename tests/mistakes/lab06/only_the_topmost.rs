//! "mount_setattr is the newer remount."
//!
//! task: 4
//! test: task4_the_whole_tree_is_read_only_and_the_host_is_not
//! says: only the topmost mount was changed

let attr = libc::mount_attr { attr_set: libc::MOUNT_ATTR_RDONLY, attr_clr: 0, propagation: 0, userns_fd: 0 };
let (fd, flags, size) = (mount_point.as_raw_fd(), libc::AT_EMPTY_PATH, size_of::<libc::mount_attr>());
let status = unsafe { libc::syscall(libc::SYS_mount_setattr, fd, c"".as_ptr(), flags, &raw const attr, size) };
Errno::result(status).map(drop).during("mount_setattr", place(mount_point).display())
