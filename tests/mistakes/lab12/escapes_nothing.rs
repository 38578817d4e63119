//! "A path is a path."
//!
//! task: 1
//! test: task1_a_path_may_hold_any_byte
//! says: a comma ends an option and a colon a layer

let escaped = |path: &Path| path.as_os_str().as_bytes().to_vec();
let lowers: Vec<_> = overlay.lowers.iter().map(|lower| escaped(lower)).collect();
let rest: &[u8] = match overlay.marks {
    Marks::Trusted => b",redirect_dir=off,metacopy=off",
    Marks::User => b",userxattr",
};
let (lowers, upper, work) = (lowers.join(&b':'), escaped(&overlay.upper), escaped(&overlay.work));
OsString::from_vec([b"lowerdir=", &lowers[..], b",upperdir=", &upper, b",workdir=", &work, rest].concat())
