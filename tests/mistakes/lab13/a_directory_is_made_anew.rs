//! "What has the name goes."
//!
//! task: 4
//! test: task4_a_directory_keeps_what_is_in_it
//! says: the directory was removed and made anew: it may come after what is in it

if name != "." && entry::is_directory(parent, name) {
    std::fs::remove_dir_all(place(parent).join(name)).during("remove", item.path.display())?;
}
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
entry::renew(parent, name, item)
