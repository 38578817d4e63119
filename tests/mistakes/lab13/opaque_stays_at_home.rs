//! "The attribute says it."
//!
//! task: 7
//! test: task7_what_was_written_is_a_layer
//! says: a directory that is opaque is told by an entry in it

for name in names(&directory.try_clone_to_owned().during("dup", path.display())?)? {
    let path = path.join(&name);
    let stat = fstatat(directory, name.as_os_str(), AtFlags::AT_SYMLINK_NOFOLLOW).during("stat", path.display())?;
    let several = (kind(&stat) != SFlag::S_IFDIR && stat.st_nlink > 1).then_some((stat.st_dev, stat.st_ino));
    if kind(&stat) == SFlag::S_IFCHR && stat.st_rdev == 0 {
        let mut hides = OsString::from(".wh.");
        hides.push(&name);
        layer.append(&mark(&path.with_file_name(hides)), None)?;
        continue;
    }
    if let Some(first) = several.and_then(|file| written.get(&file)) {
        layer.append(&item(directory, &name, &path, &stat, ItemKind::HardLink(first.clone()))?, None)?;
        continue;
    }
    written.extend(several.map(|file| (file, path.clone())));
    let open = |flags| openat(directory, name.as_os_str(), flags | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC, Mode::empty());
    let device = (major(stat.st_rdev), minor(stat.st_rdev));
    let kind = match kind(&stat) {
        SFlag::S_IFDIR => {
            layer.append(&item(directory, &name, &path, &stat, ItemKind::Directory)?, None)?;
            let inside = open(OFlag::O_DIRECTORY).during("open", path.display())?;
            if is_opaque(inside.as_fd(), marks)? && path == Path::new("/") {
                layer.append(&mark(&path.join(".wh..wh..opq")), None)?;
            }
            write_directory(inside.as_fd(), &path, marks, layer, written)?;
            continue;
        }
        SFlag::S_IFREG => {
            let file = File::from(open(OFlag::O_RDONLY).during("open", path.display())?);
            let size_bytes = u64::try_from(stat.st_size).unwrap_or(0);
            layer.append(&item(directory, &name, &path, &stat, ItemKind::File { size_bytes })?, Some(&file))?;
            continue;
        }
        SFlag::S_IFLNK => ItemKind::Symlink(readlinkat(directory, name.as_os_str()).during("readlink", path.display())?.into()),
        SFlag::S_IFCHR => ItemKind::Char { major: device.0, minor: device.1 },
        SFlag::S_IFBLK => ItemKind::Block { major: device.0, minor: device.1 },
        SFlag::S_IFIFO => ItemKind::Fifo,
        // A socket is nothing without the process that listens.
        _ => continue,
    };
    layer.append(&item(directory, &name, &path, &stat, kind)?, None)?;
}
Ok(())
