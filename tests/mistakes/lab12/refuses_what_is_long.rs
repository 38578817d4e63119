//! "What does not fit is refused."
//!
//! task: 2
//! test: task2_many_layers_with_long_names
//! says: before the shorter names were tried

let data = options(overlay);
if data.len() > OPTIONS_MAX_BYTES {
    let right = format!("as many as fit into {OPTIONS_MAX_BYTES} bytes of mount options, some 200");
    return Err(Error::invalid("number of layers", overlay.lowers.len().to_string(), right));
}
let mounted = mount(Some("overlay"), target, Some("overlay"), MsFlags::empty(), Some(data.as_os_str()));
mounted.during("mount overlay on", target.display())
