//! "The first that is found is it."
//!
//! task: 5
//! test: task5_what_the_kernel_shows_is_found
//! says: the search ended too early

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
            if opaque || !found.is_empty() {
                break;
            }
        }
    }
}
Ok(found)
