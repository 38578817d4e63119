//! "mount(2) will say when it is too long."
//!
//! task: 2
//! test: task2_many_layers_with_long_names
//! says: cuts the rest off without a word

let data = options(overlay);
let mounted = mount(Some("overlay"), target, Some("overlay"), MsFlags::empty(), Some(data.as_os_str()));
mounted.during("mount overlay on", target.display())
