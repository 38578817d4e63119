//! "The inode tells files apart."
//!
//! task: 7
//! test: task7_a_number_is_one_file_systems
//! says: each file system counts its own inodes

let metadata = fs::symlink_metadata(from).during("stat", from.display())?;
let several = (!metadata.is_dir() && metadata.nlink() > 1).then_some((0, metadata.ino()));
if let Some(copy) = several.and_then(|file| copies.get(&file)) {
    return fs::hard_link(copy, to).during("link", to.display());
}
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
