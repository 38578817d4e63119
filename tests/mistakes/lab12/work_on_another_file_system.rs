//! "What is only prepared belongs to TMPDIR."
//!
//! task: 2
//! test: task2_a_file_is_prepared_beside_upper
//! says: renames it into upper

let work = std::env::temp_dir().join(format!("work-{}", std::process::id()));
fs::create_dir_all(&work).during("mkdir", work.display())?;
let overlay = &Overlay { work, ..overlay.clone() };
let mut data = options(overlay);
let mut open = Vec::new();
if data.len() > OPTIONS_MAX_BYTES {
    open = overlay.lowers.iter().map(|lower| open_directory(lower)).collect::<Result<_>>()?;
    data = options(&Overlay { lowers: open.iter().map(|fd: &OwnedFd| place(fd.as_fd())).collect(), ..overlay.clone() });
}
if data.len() > OPTIONS_MAX_BYTES {
    let right = format!("as many as fit into {OPTIONS_MAX_BYTES} bytes of mount options, some 200");
    return Err(Error::invalid("number of layers", overlay.lowers.len().to_string(), right));
}
let mounted = mount(Some("overlay"), target, Some("overlay"), MsFlags::empty(), Some(data.as_os_str()));
drop(open);
mounted.during("mount overlay on", target.display())
