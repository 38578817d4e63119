//! "A scratch directory needs no protection."
//!
//! task: 5
//! test: task5_it_is_empty_and_nosuid_nodev_noexec
//! says: these flags of mount(2) were left out

let size = size_bytes.map(|bytes| format!(",size={bytes}")).unwrap_or_default();
let flags = MsFlags::empty();
let data = format!("mode={mode:o}{size}");
mount(Some("tmpfs"), &place(target), Some("tmpfs"), flags, Some(data.as_str())).during("mount tmpfs on", "the target")
