//! "A layer that cannot be read is left out."
//!
//! task: 5
//! test: task5_what_cannot_be_looked_at_is_reported
//! says: an error of entry() was taken for

let mut found = Vec::new();
for layer in layers {
    match entry(layer.as_fd(), name, marks).unwrap_or(Entry::Missing) {
        Entry::Missing => {}
        Entry::Whiteout => break,
        Entry::File(fd) => {
            found.extend(found.is_empty().then_some(fd));
            break;
        }
        Entry::Directory { fd, opaque } => {
            found.push(fd);
            if opaque {
                break;
            }
        }
    }
}
Ok(found)
