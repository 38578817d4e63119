//! "The mark is for this name."
//!
//! task: 7
//! test: task7_what_was_written_is_a_layer
//! says: the mark of an opaque directory has the directory's whole path before it

for name in names(&directory.try_clone_to_owned().during("dup", path.display())?)? {
    let path = path.join(&name);
    let stat = fstatat(directory, name.as_os_str(), AtFlags::AT_SYMLINK_NOFOLLOW).during("stat", path.display())?;
    let several = (kind(&stat) != SFlag::S_IFDIR && stat.st_nlink > 1).then_some((stat.st_dev, stat.st_ino));
    if kind(&stat) == SFlag::S_IFCHR && stat.st_rdev == 0 {
        layer.append(&Item::whiteout(&path), None)?;
        continue;
    }
    // A socket is no entry: it is nothing without the process that listens.
    let Some(mut item) = Item::of(directory, &name, &path)? else { continue };
    match several.and_then(|file| written.get(&file)) {
        Some(first) => item.kind = ItemKind::HardLink(first.clone()),
        None => written.extend(several.map(|file| (file, path.clone()))),
    }
    let open = |flags| openat(directory, name.as_os_str(), flags | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC, Mode::empty());
    match item.kind {
        ItemKind::Directory => {
            layer.append(&item, None)?;
            let inside = open(OFlag::O_DIRECTORY).during("open", path.display())?;
            if is_opaque(inside.as_fd(), marks)? {
                layer.append(&Item::opaque(Path::new(&name)), None)?;
            }
            write_directory(inside.as_fd(), &path, marks, layer, written)?;
        }
        ItemKind::File { .. } => {
            let file = File::from(open(OFlag::O_RDONLY).during("open", path.display())?);
            layer.append(&item, Some(&file))?;
        }
        _ => layer.append(&item, None)?,
    }
}
Ok(())
