//! "A container needs no set-user-ID programs."
//!
//! task: 2
//! test: task2_no_flag_takes_anything_away
//! says: loses its set-user-ID bit

let mut data = options(overlay);
let mut open = Vec::new();
if data.len() > OPTIONS_MAX_BYTES {
    open = overlay.lowers.iter().map(|lower| open_directory(lower)).collect::<Result<_>>()?;
    data = options(&Overlay { lowers: open.iter().map(|fd| place(fd.as_fd())).collect(), ..overlay.clone() });
}
if data.len() > OPTIONS_MAX_BYTES {
    let right = format!("as many as fit into {OPTIONS_MAX_BYTES} bytes of mount options, some 200");
    return Err(Error::invalid("number of layers", overlay.lowers.len().to_string(), right));
}
let mounted = mount(Some("overlay"), target, Some("overlay"), MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOATIME, Some(data.as_os_str()));
drop(open); // not before
mounted.during("mount overlay on", target.display())
