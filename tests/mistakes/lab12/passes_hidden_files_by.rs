//! "A file below a directory is not seen: on to the next layer."
//!
//! task: 5
//! test: task5_what_the_kernel_shows_is_found
//! says: it hides what is below it, although

let mut found = Vec::new();
for layer in layers {
    match entry(layer.as_fd(), name, marks)? {
        Entry::Missing => {}
        Entry::Whiteout => break,
        Entry::File(fd) => {
            if found.is_empty() {
                found.push(fd);
                break;
            }
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
