//! "What ends a path is , and :"
//!
//! task: 1
//! test: task1_a_path_may_hold_any_byte
//! says: a backslash in a name needs one before it

let escaped = |path: &Path| {
    let bytes = path.as_os_str().as_bytes().iter();
    bytes.flat_map(|&byte| [b'\\', byte].into_iter().skip(usize::from(!br",:".contains(&byte)))).collect::<Vec<_>>()
};
let lowers: Vec<_> = overlay.lowers.iter().map(|lower| escaped(lower)).collect();
let rest: &[u8] = match overlay.marks {
    Marks::Trusted => b",redirect_dir=off,metacopy=off",
    Marks::User => b",userxattr",
};
let (lowers, upper, work) = (lowers.join(&b':'), escaped(&overlay.upper), escaped(&overlay.work));
OsString::from_vec([b"lowerdir=", &lowers[..], b",upperdir=", &upper, b",workdir=", &work, rest].concat())
