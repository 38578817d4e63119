//! "Sizes are given in k."
//!
//! task: 5
//! test: task5_it_holds_so_much_and_no_more
//! says: the number was given in another unit

let size = size_bytes.map(|bytes| format!(",size={bytes}k")).unwrap_or_default();
let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
let data = format!("mode={mode:o}{size}");
mount(Some("tmpfs"), &place(target), Some("tmpfs"), flags, Some(data.as_str())).during("mount tmpfs on", "the target")
