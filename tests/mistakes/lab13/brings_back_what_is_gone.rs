//! "What is no more is no error."
//!
//! task: 5
//! test: task5_what_took_a_directorys_place_stays
//! says: what was gone was brought back for a mark or a time

let (mut hidden, mut opaque, mut directories) = (Vec::new(), Vec::new(), Vec::new());
layer.each(|item, content| {
    let (parent, name) = open_parent(root, &item.path)?;
    match marker(&name)? {
        Marker::Plain => put(root, parent.as_fd(), &name, item, content)?,
        Marker::Hides(name) => hidden.push(item.path.with_file_name(name)),
        Marker::Opaque => opaque.push(item.path.clone()),
        Marker::Ignored => {}
    }
    if item.kind == ItemKind::Directory {
        // Its attributes are set, and of a million directories they would fill the memory.
        directories.push(Item { xattrs: Vec::new(), ..item.clone() });
    }
    Ok(())
})?;
// Where the place of a directory was taken since, its marks and its time are gone with it.
for path in hidden {
    let Ok((parent, name)) = open_parent(root, &path) else { continue };
    match mknodat(&parent, name.as_os_str(), SFlag::S_IFCHR, Mode::empty(), 0) {
        // It came with this layer, so it is what is seen; a directory would be merged with those below.
        Err(Errno::EEXIST) if entry::is_directory(parent.as_fd(), &name) => opaque.push(path.join(&name)),
        Err(Errno::EEXIST) => {}
        made => made.during("mknod", path.display())?,
    }
}
for path in opaque {
    // The directory that it is in: the way there may be a link.
    let Ok((directory, _)) = open_parent(root, &path) else { continue };
    xattr::set_deref(place(directory.as_fd()), marks.opaque(), b"y").during("setxattr", path.display())?;
}
// What is made in a directory changes its time. One that came twice has that of the last entry.
directories.iter().try_for_each(|item| match entry::find_parent(root, &item.path)? {
    Some((parent, name)) if entry::is_directory(parent.as_fd(), name) => entry::set_time(parent.as_fd(), name, item),
    _ => Ok(()),
})
