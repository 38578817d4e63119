//! "After a file there may be directories."
//!
//! task: 5
//! test: task5_what_the_kernel_shows_is_found
//! says: a file on top is all there is

let mut found = Vec::new();
for layer in layers {
    match entry(layer.as_fd(), name, marks)? {
        Entry::Missing => {}
        Entry::Whiteout => break,
        Entry::File(fd) => {
            found.extend(found.is_empty().then_some(fd));
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
