//! "So many layers as fit."
//!
//! task: 2
//! test: task2_too_many_layers_are_refused
//! says: fewer were mounted than were given

let mut data = options(overlay);
let mut open = Vec::new();
if data.len() > OPTIONS_MAX_BYTES {
    open = overlay.lowers.iter().map(|lower| open_directory(lower)).collect::<Result<_>>()?;
    data = options(&Overlay { lowers: open.iter().map(|fd: &OwnedFd| place(fd.as_fd())).collect(), ..overlay.clone() });
}
while data.len() > OPTIONS_MAX_BYTES {
    open.pop();
    data = options(&Overlay { lowers: open.iter().map(|fd| place(fd.as_fd())).collect(), ..overlay.clone() });
}
let mounted = mount(Some("overlay"), target, Some("overlay"), MsFlags::empty(), Some(data.as_os_str()));
drop(open);
mounted.during("mount overlay on", target.display())
