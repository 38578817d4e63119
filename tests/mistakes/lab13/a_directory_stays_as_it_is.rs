//! "It is there already."
//!
//! task: 4
//! test: task4_a_directory_keeps_what_is_in_it
//! says: a directory that was there keeps its old mode

entry::make_room(parent, name, item)?;
let made = match &item.kind {
    ItemKind::Directory => match mkdirat(parent, name, Mode::from_bits_retain(0o700)) {
        Err(Errno::EEXIST) => return Ok(()),
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
