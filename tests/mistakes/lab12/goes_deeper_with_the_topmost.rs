//! "What is below is the directory that was seen."
//!
//! task: 6
//! test: task6_directories_below_are_merged_too
//! says: topmost of those below alone

let (here, mut changes) = (names(upper)?, Vec::new());
let opaque = opaque || (path != Path::new("/") && is_opaque(upper.as_fd(), marks)?);
if opaque {
    let mut below = lowers.iter().map(names).collect::<Result<Vec<_>>>()?.concat();
    below.sort();
    below.dedup();
    for name in below.iter().filter(|name| !here.contains(name)) {
        if !lookup(lowers, name, marks)?.is_empty() {
            changes.push(Change::new(ChangeKind::Deleted, &path.join(name)));
        }
    }
}
for name in here {
    let path = path.join(&name);
    let below = lookup(lowers, &name, marks)?;
    let old = below.first().map(fstat).transpose().during("fstat", path.display())?;
    let (fd, is_directory) = match entry(upper.as_fd(), &name, marks)? {
        // Somebody was faster.
        Entry::Missing => continue,
        Entry::Whiteout => {
            changes.extend(old.map(|_| Change::new(ChangeKind::Deleted, &path)));
            continue;
        }
        Entry::File(fd) => (fd, false),
        Entry::Directory { fd, .. } => (fd, true),
    };
    let is_merged = old.is_some_and(|old| kind(&old) == SFlag::S_IFDIR);
    let merged = if is_merged { &below[..1] } else { &[] };
    let inside = if is_directory { compare(&fd, merged, &path, marks, opaque)? } else { Vec::new() };
    let new = fstat(&fd).during("fstat", path.display())?;
    match old {
        None => changes.push(Change::new(ChangeKind::Added, &path)),
        // It had to be copied up for what is in it, and in the end nothing is.
        Some(old) if is_directory && inside.is_empty() && is_same_directory(&old, &new) => {}
        Some(_) => changes.push(Change::new(ChangeKind::Changed, &path)),
    }
    changes.extend(inside);
}
Ok(changes)
