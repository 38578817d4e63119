//! "redirect_dir=on makes rename(2) work."
//!
//! task: 1
//! test: task1_a_directory_of_a_lower_layer_is_not_renamed
//! says: upper gets an empty directory and a note

let escaped = |path: &Path| {
    let bytes = path.as_os_str().as_bytes().iter();
    bytes.flat_map(|&byte| [b'\\', byte].into_iter().skip(usize::from(!br"\,:".contains(&byte)))).collect::<Vec<_>>()
};
let lowers: Vec<_> = overlay.lowers.iter().map(|lower| escaped(lower)).collect();
let rest: &[u8] = match overlay.marks {
    Marks::Trusted => b",redirect_dir=on,metacopy=off",
    Marks::User => b",userxattr",
};
let (lowers, upper, work) = (lowers.join(&b':'), escaped(&overlay.upper), escaped(&overlay.work));
OsString::from_vec([b"lowerdir=", &lowers[..], b",upperdir=", &upper, b",workdir=", &work, rest].concat())
