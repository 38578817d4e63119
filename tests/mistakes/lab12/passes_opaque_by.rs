//! "A directory is merged with those below."
//!
//! task: 5
//! test: task5_what_the_kernel_shows_is_found
//! says: below an opaque directory nothing is seen, in

let mut found = Vec::new();
for layer in layers {
    match entry(layer.as_fd(), name, marks)? {
        Entry::Missing => {}
        Entry::Whiteout => break,
        Entry::File(fd) => {
            found.extend(found.is_empty().then_some(fd));
            break;
        }
        Entry::Directory { fd, .. } => {
            found.push(fd);
        }
    }
}
Ok(found)
