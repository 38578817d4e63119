//! "What it may not do is taken from its permitted set."
//!
//! task: 7
//! test: task7_what_it_starts_gets_no_more
//! says: root's programs get all that is in the bounding set

set_inheritable(0)?;
let header = (0x2008_0522_u32, 0i32);
let mut data = [[0u32; 3]; 2];
// SAFETY: a header of two 32-bit numbers and, for this version, two times three; all outlive both calls.
unsafe {
    Errno::result(libc::syscall(libc::SYS_capget, &raw const header, data.as_mut_ptr())).during("capget", "the caller")?;
    for (half, set) in data.iter_mut().zip([powers.bounding.0 as u32, (powers.bounding.0 >> 32) as u32]) {
        (half[0], half[1]) = (half[0] & set, half[1] & set);
    }
    Errno::result(libc::syscall(libc::SYS_capset, &raw const header, data.as_ptr())).during("capset", "permitted")?;
}
if powers.no_new_privs {
    prctl::set_no_new_privs().during("prctl", "PR_SET_NO_NEW_PRIVS")?;
}
Ok(())
