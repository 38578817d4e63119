//! "A page is 4096 bytes, and so may the options be."
//!
//! task: 2
//! test: task2_a_page_has_room_for_a_zero
//! says: the 4096th byte of the options is lost

let mut data = options(overlay);
let mut open = Vec::new();
if data.len() > OPTIONS_MAX_BYTES + 1 {
    open = overlay.lowers.iter().map(|lower| open_directory(lower)).collect::<Result<_>>()?;
    data = options(&Overlay { lowers: open.iter().map(|fd| place(fd.as_fd())).collect(), ..overlay.clone() });
}
if data.len() > OPTIONS_MAX_BYTES + 1 {
    let right = format!("as many as fit into {OPTIONS_MAX_BYTES} bytes of mount options, some 200");
    return Err(Error::invalid("number of layers", overlay.lowers.len().to_string(), right));
}
let mounted = mount(Some("overlay"), target, Some("overlay"), MsFlags::empty(), Some(data.as_os_str()));
drop(open); // not before
mounted.during("mount overlay on", target.display())
