//! "format! with display() makes text of a path."
//!
//! task: 1
//! test: task1_a_path_may_hold_any_byte
//! says: a path is bytes: Path::display()

let escaped = |path: &Path| path.display().to_string().replace('\\', r"\\").replace(',', r"\,").replace(':', r"\:").into_bytes();
let lowers: Vec<_> = overlay.lowers.iter().map(|lower| escaped(lower)).collect();
let rest: &[u8] = match overlay.marks {
    Marks::Trusted => b",redirect_dir=off,metacopy=off",
    Marks::User => b",userxattr",
};
let (lowers, upper, work) = (lowers.join(&b':'), escaped(&overlay.upper), escaped(&overlay.work));
OsString::from_vec([b"lowerdir=", &lowers[..], b",upperdir=", &upper, b",workdir=", &work, rest].concat())
