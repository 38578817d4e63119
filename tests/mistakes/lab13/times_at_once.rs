//! "put() has set the time."
//!
//! task: 5
//! test: task5_directories_keep_their_times
//! says: what is made in a directory changes its time

let (mut hidden, mut opaque, mut directories): (_, _, Vec<Item>) = (Vec::new(), Vec::new(), Vec::new());
layer.each(|item, content| {
    let (parent, name) = open_parent(root, &item.path)?;
    match marker(&name)? {
        Marker::Plain => put(root, parent.as_fd(), &name, item, content)?,
        Marker::Hides(name) => hidden.push(item.path.with_file_name(name)),
        Marker::Opaque => opaque.push(item.path.clone()),
        Marker::Ignored => {}
    }
    if item.kind == ItemKind::Directory {
        directories.push(item.clone());
    }
    Ok(())
})?;
for path in hidden {
    let Some((parent, name)) = entry::find_parent(root, &path)? else { continue };
    match mknodat(&parent, name, SFlag::S_IFCHR, Mode::empty(), 0) {
        // It came with this layer, so it is what is seen; a directory would be merged with those below.
        Err(Errno::EEXIST) if entry::is_directory(parent.as_fd(), name) => opaque.push(path.join(name)),
        Err(Errno::EEXIST) => {}
        made => made.during("mknod", path.display())?,
    }
}
for path in opaque {
    let Some((directory, _)) = entry::find_parent(root, &path)? else { continue };
    xattr::set_deref(place(directory.as_fd()), marks.opaque(), b"y").during("setxattr", path.display())?;
}
drop(directories);
Ok(())
