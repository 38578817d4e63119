//! "32 bits are enough for everybody."
//!
//! task: 3
//! test: task3_three_sets_as_asked
//! test: task3_beyond_31
//! says: 32 bits were given: what stands above 31 is in the second data structure

let half = |set: CapSet, shift: u32| (set.0 >> shift) as u32;
let header = (0x1998_0330u32, 0i32);
let data = [[half(sets.effective, 0), half(sets.permitted, 0), half(sets.inheritable, 0)]];
// SAFETY: a header of two 32-bit numbers and, for this version, two times three; all outlive the call.
let status = unsafe { libc::syscall(libc::SYS_capset, &raw const header, data.as_ptr()) };
Errno::result(status).map(drop).during("capset", format_args!("permitted {}", sets.permitted))
