//! One rule after the other, made from the back; raw system calls alone, Landlock's too.
//!
//! alternative: whole file

#![allow(unsafe_code, reason = "raw system calls")]

use std::ffi::CString;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use libc::{c_long, c_void};
use model::plan::seccomp::{Action, ArchRules, Arg, Compare, Insn, Policy, Rule, X32_BIT, X86_64};
use model::{During, Error, Result};

fn insn(code: u32, jt: u8, jf: u8, k: u32) -> Insn {
    Insn { code: code as u16, jt, jf, k }
}

const LOAD: u32 = libc::BPF_LD | libc::BPF_W | libc::BPF_ABS;
const RETURN: u32 = libc::BPF_RET | libc::BPF_K;
const ALWAYS: u32 = libc::BPF_JMP | libc::BPF_JA;

fn if_(how: u32, k: u32, jt: u8, jf: u8) -> Insn {
    insn(libc::BPF_JMP | how | libc::BPF_K, jt, jf, k)
}

/// One way out for each answer, at the end: the last instruction but one is "false", the last "true".
pub fn compare(arg: &Arg, skip: u8) -> Vec<Insn> {
    use libc::{BPF_JEQ as EQ, BPF_JGT as GT};
    let lower = insn(LOAD, 0, 0, 16 + 8 * arg.index);
    let upper = insn(LOAD, 0, 0, 16 + 8 * arg.index + 4);
    let (low, high) = (arg.value as u32, (arg.value >> 32) as u32);
    // Over "go on" to "pass over so many", which is the last.
    let ways = [insn(ALWAYS, 0, 0, 1), insn(ALWAYS, 0, 0, u32::from(skip))];
    // Where the answer is "yes", jump to the first of them, else to the second.
    let (yes_is_true, body) = match arg.compare {
        Compare::Eq => (true, vec![upper, if_(EQ, high, 0, 3), lower, if_(EQ, low, 0, 1)]),
        Compare::Ne => (false, vec![upper, if_(EQ, high, 0, 3), lower, if_(EQ, low, 0, 1)]),
        Compare::Gt => (true, vec![upper, if_(GT, high, 3, 0), if_(EQ, high, 0, 3), lower, if_(GT, low, 0, 1)]),
        Compare::Le => (false, vec![upper, if_(GT, high, 3, 0), if_(EQ, high, 0, 3), lower, if_(GT, low, 0, 1)]),
        Compare::Ge => return greater_or_equal(arg, skip),
        Compare::Lt => {
            let first = insn(libc::BPF_LD | libc::BPF_IMM, 0, 0, low);
            let x = insn(libc::BPF_MISC | libc::BPF_TAX, 0, 0, 0);
            // X is the lower half of the value: less, unless A >= X.
            let not_less = insn(libc::BPF_JMP | libc::BPF_JGE | libc::BPF_X, 0, 1, 0);
            (false, vec![first, x, upper, if_(GT, high, 3, 0), if_(EQ, high, 0, 3), lower, not_less])
        }
        Compare::Masked(mask) => {
            let and = |mask: u32| insn(libc::BPF_ALU | libc::BPF_AND | libc::BPF_K, 0, 0, mask);
            let xor = |value: u32| insn(libc::BPF_ALU | libc::BPF_XOR | libc::BPF_K, 0, 0, value);
            let set = |mask: u32, jt: u8| if_(libc::BPF_JSET, mask, jt, 0);
            // Different bits where the mask has some.
            let (mask_low, mask_high) = (mask as u32, (mask >> 32) as u32);
            let body = vec![lower, xor(low), set(mask_low, 5), upper, and(mask_high), xor(high & mask_high)];
            (true, [body, vec![set(mask_high, 1)]].concat())
        }
    };
    // What is "yes" falls on the first way: out of both when yes is true, else exchanged.
    let ways = if yes_is_true { ways } else { [insn(ALWAYS, 0, 0, 1 + u32::from(skip)), insn(ALWAYS, 0, 0, 0)] };
    [body, ways.to_vec()].concat()
}

fn greater_or_equal(arg: &Arg, skip: u8) -> Vec<Insn> {
    if arg.value == 0 {
        return Vec::new();
    }
    compare(&Arg { compare: Compare::Gt, value: arg.value - 1, ..*arg }, skip)
}

pub fn rule(rule: &Rule) -> Vec<Insn> {
    // From the back: what is to be reached last is made first.
    let mut made = vec![insn(LOAD, 0, 0, 0), insn(RETURN, 0, 0, rule.action.0)];
    for arg in &rule.args {
        let mut fragment = compare(arg, (made.len() - 1) as u8);
        fragment.reverse();
        made.extend(fragment);
    }
    let length = made.len() as u8;
    made.push(if_(libc::BPF_JEQ, rule.number, 0, length));
    made.reverse();
    made
}

pub fn for_arch(arch: &ArchRules, default: Action) -> Vec<Insn> {
    let mut made = vec![insn(RETURN, 0, 0, default.0)];
    for one in arch.rules.iter().rev() {
        made.extend(rule(one).into_iter().rev());
    }
    if arch.arch == X86_64 && !arch.x32 {
        made.push(insn(RETURN, 0, 0, Action::KILL_PROCESS.0));
        made.push(if_(libc::BPF_JSET, X32_BIT, 0, 1));
    }
    made.push(insn(LOAD, 0, 0, 0));
    let length = made.len() as u32;
    made.push(insn(ALWAYS, 0, 0, length));
    made.push(if_(libc::BPF_JEQ, arch.arch, 1, 0));
    made.push(insn(LOAD, 0, 0, 4));
    made.reverse();
    made
}

pub fn assemble(policy: &Policy) -> Result<Vec<Insn>> {
    let mut made = vec![insn(RETURN, 0, 0, Action::KILL_PROCESS.0)];
    for arch in policy.archs.iter().rev() {
        made.splice(0..0, for_arch(arch, policy.default));
    }
    if made.len() > libc::BPF_MAXINSNS as usize {
        return Err(Error::invalid("linux.seccomp", made.len().to_string(), "4096 instructions or fewer"));
    }
    Ok(made)
}

/// What a system call returned.
fn returned(status: c_long, operation: &'static str, object: &str) -> Result<c_long> {
    if status == -1 { Err(io::Error::last_os_error()).during(operation, object) } else { Ok(status) }
}

pub fn no_new_privs() -> Result<()> {
    // SAFETY: prctl takes five integers here.
    let status = unsafe { libc::syscall(libc::SYS_prctl, libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) };
    returned(status, "prctl", "PR_SET_NO_NEW_PRIVS").map(drop)
}

pub fn install(filter: &[Insn], flags: u64) -> Result<Option<OwnedFd>> {
    let own: Vec<libc::sock_filter> =
        filter.iter().map(|insn| libc::sock_filter { code: insn.code, jt: insn.jt, jf: insn.jf, k: insn.k }).collect();
    let too_long = || std::io::Error::from_raw_os_error(libc::EINVAL);
    let len = u16::try_from(filter.len()).ok().ok_or_else(too_long).during("seccomp", "the length")?;
    let program = libc::sock_fprog { len, filter: own.as_ptr().cast_mut() };
    let address: *const libc::sock_fprog = &program;
    // SAFETY: the program outlives the call, which reads it alone.
    let status = unsafe { libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, flags, address) };
    let status = returned(status, "seccomp", "SECCOMP_SET_MODE_FILTER")?;
    if flags & libc::SECCOMP_FILTER_FLAG_NEW_LISTENER != 0 {
        // SAFETY: the descriptor is new, and nobody else's.
        return Ok(Some(unsafe { OwnedFd::from_raw_fd(status as i32) }));
    }
    if status > 0 {
        return Err(io::Error::from_raw_os_error(libc::EBUSY)).during("seccomp", "a thread with another filter");
    }
    Ok(None)
}

/// `struct landlock_path_beneath_attr`.
#[repr(C, packed)]
struct PathBeneath {
    allowed_access: u64,
    parent_fd: i32,
}

pub fn write_only_below(directories: &[PathBuf]) -> Result<()> {
    // WRITE_FILE, and REMOVE_DIR to MAKE_SYM.
    let mut writing: u64 = 1 << 1 | 0b1_1111_1111 << 4;
    // SAFETY: LANDLOCK_CREATE_RULESET_VERSION takes a null pointer and the size 0.
    let version = unsafe { libc::syscall(libc::SYS_landlock_create_ruleset, std::ptr::null::<c_void>(), 0_usize, 1) };
    let version = returned(version, "landlock_create_ruleset", "LANDLOCK_CREATE_RULESET_VERSION")?;
    // REFER, TRUNCATE.
    writing |= if version >= 2 { 1 << 13 } else { 0 };
    writing |= if version >= 3 { 1 << 14 } else { 0 };
    let handled: *const u64 = &writing;
    // SAFETY: the structure of the first version is one number of 64 bits, which outlives the call.
    let ruleset = unsafe { libc::syscall(libc::SYS_landlock_create_ruleset, handled, size_of::<u64>(), 0) };
    let ruleset = returned(ruleset, "landlock_create_ruleset", "a ruleset")?;
    // SAFETY: the descriptor is new, and nobody else's.
    let ruleset = unsafe { OwnedFd::from_raw_fd(ruleset as i32) };
    for directory in directories {
        let object = directory.display().to_string();
        let path = CString::new(directory.as_os_str().as_bytes()).map_err(io::Error::other).during("open", &object)?;
        // SAFETY: the path is a C string that outlives the call.
        let opened = unsafe { libc::syscall(libc::SYS_openat, libc::AT_FDCWD, path.as_ptr(), libc::O_PATH | libc::O_CLOEXEC) };
        let opened = returned(opened, "open", &object)?;
        // SAFETY: the descriptor is new, and nobody else's.
        let opened = unsafe { OwnedFd::from_raw_fd(opened as i32) };
        let rule = PathBeneath { allowed_access: writing, parent_fd: opened.as_raw_fd() };
        let address: *const PathBeneath = &rule;
        // SAFETY: LANDLOCK_RULE_PATH_BENEATH takes such a structure, which outlives the call.
        let added = unsafe { libc::syscall(libc::SYS_landlock_add_rule, ruleset.as_raw_fd(), 1, address, 0) };
        returned(added, "landlock_add_rule", &object)?;
    }
    // SAFETY: a descriptor of a ruleset, and no flags.
    let status = unsafe { libc::syscall(libc::SYS_landlock_restrict_self, ruleset.as_raw_fd(), 0) };
    returned(status, "landlock_restrict_self", "this thread").map(drop)
}
