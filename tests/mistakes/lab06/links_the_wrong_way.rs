//! "symlink(new, old)."
//!
//! task: 6
//! test: task6_the_links_are_there
//! says: symlink(2) got its arguments in the wrong order

for (name, major, minor) in DEVICES {
    let node = place(dev).join(name);
    match mknod(&node, SFlag::S_IFCHR, Mode::from_bits_retain(0o666), makedev(major, minor)) {
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
LINKS.iter().try_for_each(|(name, target)| {
    symlink(place(dev).join(name), target).during("symlink", name)
})
