//! "An idmapped mount is dangerous, so no set-user-ID bits."
//!
//! task: 7
//! test: task7_nothing_else_is_another
//! says: attr_set has more than MOUNT_ATTR_IDMAP

let path = CString::new(source.as_os_str().as_bytes()).map_err(io::Error::from).during("open_tree", "the path")?;
let flags = libc::OPEN_TREE_CLONE | libc::OPEN_TREE_CLOEXEC | libc::AT_RECURSIVE as u32;
// SAFETY: a C string that outlives the call; a descriptor that comes back is nobody else's.
let tree = unsafe {
    let fd = libc::syscall(libc::SYS_open_tree, libc::AT_FDCWD, path.as_ptr(), flags);
    OwnedFd::from_raw_fd(Errno::result(fd as i32).during("open_tree", source.display())?)
};
let attr = libc::mount_attr {
    attr_set: libc::MOUNT_ATTR_IDMAP | libc::MOUNT_ATTR_NOSUID,
    attr_clr: 0,
    propagation: 0,
    userns_fd: userns.as_raw_fd() as u64,
};
// SAFETY: an empty C string and a mount_attr of the size given; both outlive the call.
let status = unsafe {
    let (flags, size) = (libc::AT_EMPTY_PATH | libc::AT_RECURSIVE, size_of::<libc::mount_attr>());
    libc::syscall(libc::SYS_mount_setattr, tree.as_raw_fd(), c"".as_ptr(), flags, &raw const attr, size)
};
Errno::result(status).during("mount_setattr MOUNT_ATTR_IDMAP", source.display())?;
Ok(tree)
