//! "A whiteout is nothing: on to the next layer."
//!
//! task: 5
//! test: task5_what_the_kernel_shows_is_found
//! says: a whiteout was passed by

let mut found = Vec::new();
for layer in layers {
    match entry(layer.as_fd(), name, marks)? {
        Entry::Missing => {}
        Entry::Whiteout => {},
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
