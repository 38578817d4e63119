//! "The default of metacopy is off."
//!
//! task: 1
//! test: task1_the_marks_are_the_callers
//! says: a file that is given away leaves a note in upper

let escaped = |path: &Path| {
    let bytes = path.as_os_str().as_bytes().iter();
    bytes.flat_map(|&byte| [b'\\', byte].into_iter().skip(usize::from(!br"\,:".contains(&byte)))).collect::<Vec<_>>()
};
let lowers: Vec<_> = overlay.lowers.iter().map(|lower| escaped(lower)).collect();
let rest: &[u8] = match overlay.marks {
    Marks::Trusted => b",redirect_dir=off",
    Marks::User => b",userxattr",
};
let (lowers, upper, work) = (lowers.join(&b':'), escaped(&overlay.upper), escaped(&overlay.work));
OsString::from_vec([b"lowerdir=", &lowers[..], b",upperdir=", &upper, b",workdir=", &work, rest].concat())
