//! "A device is a device."
//!
//! task: 6
//! test: task6_the_devices_are_there_whatever_the_umask
//! says: these are character devices

for (name, major, minor) in DEVICES {
    let node = place(dev).join(name);
    match mknod(&node, SFlag::S_IFBLK, Mode::from_bits_retain(0o666), makedev(major, minor)) {
        Ok(()) => {
            let everyone = std::os::unix::fs::PermissionsExt::from_mode(0o666);
            fs::set_permissions(&node, everyone).during("chmod", name)?;
        }
        Err(Errno::EPERM) => {
            let file = open_inside(dev, Path::new(name), Some(Node::File))?;
            bind(&Path::new("/dev").join(name), file.as_fd())?;
        }
        Err(errno) => return Err(errno).during("mknod", name),
    }
}
LINKS.iter().try_for_each(|(name, target)| symlink(target, place(dev).join(name)).during("symlink", name))
