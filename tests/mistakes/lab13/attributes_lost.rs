//! "Nobody uses extended attributes."
//!
//! task: 4
//! test: task4_attributes_come_along_but_overlays_own
//! says: the attributes of the entry were not set

entry::make_room(parent, name, item)?;
let made = match &item.kind {
    ItemKind::Directory => match mkdirat(parent, name, Mode::from_bits_retain(0o700)) {
        Err(Errno::EEXIST) => Ok(()),
        made => made,
    },
    ItemKind::File { .. } => {
        let new = OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_WRONLY | OFlag::O_CLOEXEC;
        let file = openat(parent, name, new, Mode::from_bits_retain(0o600)).during("openat", item.path.display())?;
        entry::write_sparse(file.into(), content, item)?;
        Ok(())
    }
    ItemKind::Symlink(target) => symlinkat(target, parent, name),
    ItemKind::HardLink(target) => {
        let (directory, old) = open_parent(root, target)?;
        // Another name for the same file: it has its owner and its mode.
        let linked = linkat(directory, old.as_os_str(), parent, name, AtFlags::empty());
        return linked.during("link", format_args!("{} to {}", item.path.display(), target.display()));
    }
    ItemKind::Char { major: 0, minor: 0 } => {
        return Err(Error::invalid("device", item.path.to_string_lossy(), "other numbers than 0, 0: that is a whiteout"));
    }
    ItemKind::Char { .. } | ItemKind::Block { .. } | ItemKind::Fifo => match entry::make_node(parent, name, item) {
        Err(Errno::EPERM) if item.kind != ItemKind::Fifo => return Ok(()),
        made => made,
    },
};
made.during("make", item.path.display())?;
nix::unistd::fchownat(parent, name, Some(nix::unistd::Uid::from_raw(item.uid)), Some(nix::unistd::Gid::from_raw(item.gid)), AtFlags::AT_SYMLINK_NOFOLLOW).during("chown", item.path.display())?;
if !matches!(item.kind, ItemKind::Symlink(_)) {
    let mode = Mode::from_bits_truncate(item.mode);
    nix::sys::stat::fchmodat(parent, name, mode, nix::sys::stat::FchmodatFlags::FollowSymlink).during("chmod", item.path.display())?;
}
entry::set_time(parent, name, item)?;
Ok(())
