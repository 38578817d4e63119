//! "The directory under it has a mode already."
//!
//! task: 5
//! test: task5_its_root_has_the_mode
//! says: a tmpfs begins with 1777

let _ = mode;

let size = size_bytes.map(|bytes| format!("size={bytes}")).unwrap_or_default();
let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
let data = format!("{size}");
mount(Some("tmpfs"), &place(target), Some("tmpfs"), flags, Some(data.as_str())).during("mount tmpfs on", "the target")
