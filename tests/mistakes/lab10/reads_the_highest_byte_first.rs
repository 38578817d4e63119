//! "As numbers are written."
//!
//! task: 6
//! test: task6_version_2_in_every_part
//! says: each word is written with its lowest byte first, on every machine

let mut bytes = [0; 24];
let file = c_path(path)?;
// SAFETY: two C strings, and a buffer of the length given; all outlive the call.
let length = unsafe { libc::lgetxattr(file.as_ptr(), ATTRIBUTE.as_ptr(), bytes.as_mut_ptr().cast(), bytes.len()) };
let length = match Errno::result(length) {
    Err(Errno::ENODATA | Errno::EOPNOTSUPP) => return Ok(None),
    length => length.during("lgetxattr", path.display())? as usize,
};
let word = |index: usize| u32::from_be_bytes([0, 1, 2, 3].map(|byte| bytes[4 * index + byte]));
let set = |lower: usize| CapSet(u64::from(word(lower)) | u64::from(word(lower + 2)) << 32);
let root = match (word(0) & !FLAG_EFFECTIVE, length) {
    (REVISION_2, 20) => None,
    (REVISION_3, 24) => Some(word(5)),
    _ => return Err(Error::invalid("security.capability", path.to_string_lossy(), "one of version 2 or 3")),
};
Ok(Some(FileCaps { permitted: set(1), inheritable: set(2), effective: word(0) & FLAG_EFFECTIVE != 0, root }))
