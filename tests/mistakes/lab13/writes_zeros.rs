//! "A file is what is written to it."
//!
//! task: 4
//! test: task4_zeros_take_no_space
//! says: zeros were written: an image with a sparse file

entry::make_room(parent, name, item)?;
let made = match &item.kind {
    ItemKind::Directory => match mkdirat(parent, name, Mode::from_bits_retain(0o700)) {
        Err(Errno::EEXIST) => Ok(()),
        made => made,
    },
    ItemKind::File { .. } => {
        let new = OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_WRONLY | OFlag::O_CLOEXEC;
        let file = openat(parent, name, new, Mode::from_bits_retain(0o600)).during("openat", item.path.display())?;
        std::io::copy(content, &mut File::from(file)).during("write", item.path.display())?;
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
