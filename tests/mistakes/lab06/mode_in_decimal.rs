//! "A mode is a number."
//!
//! task: 5
//! test: task5_its_root_has_the_mode
//! says: not written in octal

let size = size_bytes.map(|bytes| format!(",size={bytes}")).unwrap_or_default();
let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
let data = format!("mode={mode}{size}");
mount(Some("tmpfs"), &place(target), Some("tmpfs"), flags, Some(data.as_str())).during("mount tmpfs on", "the target")
