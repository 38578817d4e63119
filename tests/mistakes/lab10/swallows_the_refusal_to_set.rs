//! "Less is always allowed."
//!
//! task: 3
//! test: task3_what_is_not_permitted_is_gone_for_good
//! says: the refusal of set was swallowed

let half = |set: CapSet, shift: u32| (set.0 >> shift) as u32;
let header = (VERSION_3, 0i32);
let data = [0, 32].map(|shift| [half(sets.effective, shift), half(sets.permitted, shift), half(sets.inheritable, shift)]);
// SAFETY: a header of two 32-bit numbers and, for this version, two times three; all outlive the call.
let status = unsafe { libc::syscall(libc::SYS_capset, &raw const header, data.as_ptr()) };
let _ = status;
Ok(())
