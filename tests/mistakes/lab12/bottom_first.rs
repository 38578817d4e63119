//! "From the bottom up, as they were laid."
//!
//! task: 5
//! test: task5_what_the_kernel_shows_is_found
//! says: the layers are in the wrong order

let mut found = Vec::new();
for layer in layers {
    match entry(layer.as_fd(), name, marks)? {
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
found.reverse();
Ok(found)
