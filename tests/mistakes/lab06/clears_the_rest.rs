//! "What is not read-only is of no use."
//!
//! task: 4
//! test: task4_the_other_options_stay
//! says: what stands in attr_clr is taken away

let attr = libc::mount_attr {
    attr_set: libc::MOUNT_ATTR_RDONLY,
    attr_clr: libc::MOUNT_ATTR_NOEXEC,
    propagation: 0,
    userns_fd: 0,
};
let flags = libc::AT_EMPTY_PATH | libc::AT_RECURSIVE;
let (fd, size) = (mount_point.as_raw_fd(), size_of::<libc::mount_attr>());
let call = |attr: &libc::mount_attr| unsafe {
    libc::syscall(libc::SYS_mount_setattr, fd, c"".as_ptr(), flags, &raw const *attr, size)
};
// "In a user namespace it may not be cleared: then without."
let status = match call(&attr) {
    0 => 0,
    _ => call(&libc::mount_attr { attr_clr: 0, ..attr }),
};
Errno::result(status).map(drop).during("mount_setattr", place(mount_point).display())
