//! "What a layer has is added."
//!
//! task: 5
//! test: task5_what_the_kernel_shows_is_found
//! says: it is not merged with it

let mut found = Vec::new();
for layer in layers {
    match entry(layer.as_fd(), name, marks)? {
        Entry::Missing => {}
        Entry::Whiteout => break,
        Entry::File(fd) => {
            found.push(fd);
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
