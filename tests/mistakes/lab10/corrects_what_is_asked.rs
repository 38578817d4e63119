//! "What cannot be effective is left out."
//!
//! task: 3
//! test: task3_an_effective_one_has_to_be_permitted
//! says: the sets were corrected instead of refused

let sets = &CapSets { effective: sets.effective.and(sets.permitted), ..*sets };
let half = |set: CapSet, shift: u32| (set.0 >> shift) as u32;
let header = (VERSION_3, 0i32);
let data = [0, 32].map(|shift| [half(sets.effective, shift), half(sets.permitted, shift), half(sets.inheritable, shift)]);
// SAFETY: a header of two 32-bit numbers and, for this version, two times three; all outlive the call.
let status = unsafe { libc::syscall(libc::SYS_capset, &raw const header, data.as_ptr()) };
Errno::result(status).map(drop).during("capset", format_args!("permitted {}", sets.permitted))
