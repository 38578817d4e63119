//! "It is memory: there is enough."
//!
//! task: 5
//! test: task5_it_holds_so_much_and_no_more
//! says: without it a tmpfs takes half of the memory

let _ = size_bytes;

let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
let data = format!("mode={mode:o}");
mount(Some("tmpfs"), &place(target), Some("tmpfs"), flags, Some(data.as_str())).during("mount tmpfs on", "the target")
