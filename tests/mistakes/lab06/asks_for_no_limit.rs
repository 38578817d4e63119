//! "No size is size 0."
//!
//! task: 5
//! test: task5_without_a_size_it_is_the_kernels_choice
//! says: 0 is no limit at all

let (bytes, flags) = (size_bytes.unwrap_or(0), MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC);
let data = format!("mode={mode:o},size={bytes}");
mount(Some("tmpfs"), &place(target), Some("tmpfs"), flags, Some(data.as_str())).during("mount tmpfs on", "the target")
