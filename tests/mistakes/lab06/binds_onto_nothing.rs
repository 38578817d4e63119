//! "mount makes its target."
//!
//! task: 6
//! test: task6_in_a_user_namespace_they_are_bound
//! says: what is to be bound onto was not made first

for (name, major, minor) in DEVICES {
    let node = place(dev).join(name);
    match mknod(&node, SFlag::S_IFCHR, Mode::from_bits_retain(0o666), makedev(major, minor)) {
        Ok(()) => {
            let everyone = std::os::unix::fs::PermissionsExt::from_mode(0o666);
            fs::set_permissions(&node, everyone).during("chmod", name)?;
        }
        Err(Errno::EPERM) => {
            let none = None::<&str>;
            mount(Some(&Path::new("/dev").join(name)), &node, none, MsFlags::MS_BIND, none).during("bind", name)?;
        }
        Err(errno) => return Err(errno).during("mknod", name),
    }
}
LINKS.iter().try_for_each(|(name, target)| symlink(target, place(dev).join(name)).during("symlink", name))
