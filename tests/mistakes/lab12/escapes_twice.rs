//! "First the commas, then the colons, then the backslashes."
//!
//! task: 1
//! test: task1_a_path_may_hold_any_byte
//! says: before another that was put there

let escaped = |path: &Path| {
    let escape = |text: Vec<u8>, what: u8| -> Vec<u8> {
        text.into_iter().flat_map(|byte| [b'\\', byte].into_iter().skip(usize::from(byte != what))).collect()
    };
    br",:\".iter().fold(path.as_os_str().as_bytes().to_vec(), |text, what| escape(text, *what))
};
let lowers: Vec<_> = overlay.lowers.iter().map(|lower| escaped(lower)).collect();
let rest: &[u8] = match overlay.marks {
    Marks::Trusted => b",redirect_dir=off,metacopy=off",
    Marks::User => b",userxattr",
};
let (lowers, upper, work) = (lowers.join(&b':'), escaped(&overlay.upper), escaped(&overlay.work));
OsString::from_vec([b"lowerdir=", &lowers[..], b",upperdir=", &upper, b",workdir=", &work, rest].concat())
