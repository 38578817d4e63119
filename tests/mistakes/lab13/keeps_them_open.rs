//! "A descriptor stays what it is."
//!
//! task: 5
//! test: task5_many_directories_need_few_descriptors
//! says: are kept open until the end, and a layer has thousands

let (mut hidden, mut opaque, mut directories) = (Vec::new(), Vec::new(), Vec::new());
layer.each(|item, content| {
    let (parent, name) = open_parent(root, &item.path)?;
    match marker(&name)? {
        Marker::Plain => put(root, parent.as_fd(), &name, item, content)?,
        Marker::Hides(name) => hidden.push((parent, name.to_owned(), item.path.clone())),
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
for (parent, name, path) in hidden {
    match mknodat(&parent, name.as_os_str(), SFlag::S_IFCHR, Mode::empty(), 0) {
        // It came with this layer, so it is what is seen; a directory would be merged with those below.
        Err(Errno::EEXIST) if entry::is_directory(parent.as_fd(), &name) => opaque.push(path.with_file_name(&name).join(&name)),
        Err(Errno::EEXIST | Errno::ENOENT) => {}
        made => made.during("mknod", path.display())?,
    }
}
for path in opaque {
    // The directory that it is in: the way there may be a link.
    let Some((directory, _)) = entry::find_parent(root, &path)? else { continue };
    xattr::set_deref(place(directory.as_fd()), marks.opaque(), b"y").during("setxattr", path.display())?;
}
// What is made in a directory changes its time. One that came twice has that of the last entry.
directories.iter().try_for_each(|item| match entry::find_parent(root, &item.path)? {
    Some((parent, name)) if entry::is_directory(parent.as_fd(), name) => entry::set_time(parent.as_fd(), name, item),
    _ => Ok(()),
})
