//! "Effective, permitted, inheritable: 64 bits each."
//!
//! task: 3
//! test: task3_three_sets_as_asked
//! says: the words are in another order: first the lower halves of effective, permitted, inheritable

let half = |set: CapSet, shift: u32| (set.0 >> shift) as u32;
let header = (VERSION_3, 0i32);
let data = [sets.effective, sets.permitted, sets.inheritable].map(|set| [half(set, 0), half(set, 32)]);
// SAFETY: a header of two 32-bit numbers and, for this version, two times three; all outlive the call.
let status = unsafe { libc::syscall(libc::SYS_capset, &raw const header, data.as_ptr()) };
Errno::result(status).map(drop).during("capset", format_args!("permitted {}", sets.permitted))
