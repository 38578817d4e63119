//! "Where a device is refused, a file does as well."
//!
//! task: 6
//! test: task6_in_a_user_namespace_they_are_bound
//! says: a plain file, where a device

for (name, major, minor) in DEVICES {
    let node = place(dev).join(name);
    match mknod(&node, SFlag::S_IFCHR, Mode::from_bits_retain(0o666), makedev(major, minor)) {
        Ok(()) => {
            let everyone = std::os::unix::fs::PermissionsExt::from_mode(0o666);
            fs::set_permissions(&node, everyone).during("chmod", name)?;
        }
        Err(Errno::EPERM) => {
            open_inside(dev, Path::new(name), Some(Node::File))?;
        }
        Err(errno) => return Err(errno).during("mknod", name),
    }
}
LINKS.iter().try_for_each(|(name, target)| symlink(target, place(dev).join(name)).during("symlink", name))
