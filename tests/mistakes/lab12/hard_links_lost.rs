//! "A name is a file."
//!
//! task: 7
//! test: task7_several_names_of_one_file
//! says: each name got a file of its own

let metadata = fs::symlink_metadata(from).during("stat", from.display())?;
let several = (!metadata.is_dir() && metadata.nlink() > 1).then_some((metadata.dev(), metadata.ino()));
match metadata.file_type() {
    kind if kind.is_dir() => {
        fs::create_dir(to).during("mkdir", to.display())?;
        copy_content(from, to, copies)?;
    }
    kind if kind.is_symlink() => {
        fs::read_link(from).and_then(|target| symlink(target, to)).during("symlink", to.display())?;
    }
    kind if kind.is_file() => drop(fs::copy(from, to).during("copy", from.display())?),
    _ => {
        let kind = SFlag::from_bits_truncate(metadata.mode()) & SFlag::S_IFMT;
        mknod(to, kind, Mode::empty(), metadata.rdev()).during("mknod", to.display())?;
    }
}
copies.extend(several.map(|file| (file, to.to_owned())));
// Last: what is made in a directory changes its time, and a new owner takes away set-user-ID bits and capabilities.
take_after(from, &metadata, to)
