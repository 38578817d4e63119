//! Lab 11 as somebody solved it who had seen the chapter and the starter, and nothing else.
//!
//! alternative: whole file

#![allow(unsafe_code, reason = "every call is libc's")]

use std::fs::OpenOptions;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use model::plan::seccomp::{Action, ArchRules, Arg, Compare, Insn, Policy, Rule, X32_BIT, X86_64};
use model::{During, Error, Result};
use nix::errno::Errno;

/// Where `struct seccomp_data` has the call's number, and the architecture. The six arguments follow from byte 16 on, 64 bits
/// each, the lower half first.
const NUMBER: u32 = 0;
const ARCH: u32 = 4;
const ARGS: u32 = 16;
/// No filter may be longer (BPF_MAXINSNS).
const LONGEST: usize = 4096;

/// A = the 32 bits of seccomp_data at `offset`. Given, as are the next four.
fn load(offset: u32) -> Insn {
    Insn { code: (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16, jt: 0, jf: 0, k: offset }
}

/// A = A & `mask`.
fn and(mask: u32) -> Insn {
    Insn { code: (libc::BPF_ALU | libc::BPF_AND | libc::BPF_K) as u16, jt: 0, jf: 0, k: mask }
}

/// Passes over `jt` instructions if A and `k` compare as `how` says (BPF_JEQ, BPF_JGT, BPF_JGE), else over `jf`.
fn jump(how: u32, k: u32, jt: u8, jf: u8) -> Insn {
    Insn { code: (libc::BPF_JMP | how | libc::BPF_K) as u16, jt, jf, k }
}

/// Passes over `count` instructions.
fn pass_over(count: usize) -> Insn {
    Insn { code: (libc::BPF_JMP | libc::BPF_JA) as u16, jt: 0, jf: 0, k: count as u32 }
}

/// The end: what is to be done.
fn ret(action: Action) -> Insn {
    Insn { code: (libc::BPF_RET | libc::BPF_K) as u16, jt: 0, jf: 0, k: action.0 }
}

/// Goes on after its last instruction if the condition is true, else passes over `skip` more.
///
/// An argument has 64 bits and A has 32, so it is looked at in halves. What is in A is lost.
/// Source: seccomp(2); kernel doc networking/filter.
#[must_use]
pub fn compare(arg: &Arg, skip: u8) -> Vec<Insn> {
    condition(arg, skip.into())
}

/// As [`compare`], with any number of instructions to pass over. The last one does so: a false condition goes there, a true
/// one past it, and no jump is longer than the condition.
fn condition(arg: &Arg, skip: usize) -> Vec<Insn> {
    use libc::{BPF_JEQ as EQ, BPF_JGE as GE, BPF_JGT as GT};
    let (high, low) = ((arg.value >> 32) as u32, arg.value as u32);
    let lower = load(ARGS + 8 * arg.index);
    let upper = load(ARGS + 8 * arg.index + 4);
    // What is true is 1 past the last of these, what is false at its end.
    let mut insns = match arg.compare {
        Compare::Eq => vec![upper, jump(EQ, high, 0, 2), lower, jump(EQ, low, 1, 0)],
        Compare::Ne => vec![upper, jump(EQ, high, 0, 3), lower, jump(EQ, low, 0, 1)],
        Compare::Gt => vec![upper, jump(GT, high, 4, 0), jump(EQ, high, 0, 2), lower, jump(GT, low, 1, 0)],
        Compare::Ge => vec![upper, jump(GT, high, 4, 0), jump(EQ, high, 0, 2), lower, jump(GE, low, 1, 0)],
        Compare::Lt => vec![upper, jump(GT, high, 3, 0), jump(EQ, high, 0, 3), lower, jump(GE, low, 0, 1)],
        Compare::Le => vec![upper, jump(GT, high, 3, 0), jump(EQ, high, 0, 3), lower, jump(GT, low, 0, 1)],
        Compare::Masked(mask) => {
            let (high_mask, low_mask) = ((mask >> 32) as u32, mask as u32);
            let (high, low) = (high & high_mask, low & low_mask);
            vec![upper, and(high_mask), jump(EQ, high, 0, 3), lower, and(low_mask), jump(EQ, low, 1, 0)]
        }
    };
    insns.push(pass_over(skip));
    insns
}

/// Returns the rule's action if the number in A is its number and the arguments are as it says; else goes on after its last
/// instruction, with the number in A.
#[must_use]
pub fn rule(rule: &Rule) -> Vec<Insn> {
    // From the back, so that it is known how far it is to the end.
    let mut insns = vec![ret(rule.action)];
    for arg in rule.args.iter().rev() {
        insns.splice(0..0, condition(arg, insns.len()));
    }
    if !rule.args.is_empty() {
        insns.push(load(NUMBER));
    }
    insns.splice(0..0, [jump(libc::BPF_JEQ, rule.number, 1, 0), pass_over(insns.len())]);
    insns
}

/// For calls of `arch`, returns the action of the first of its rules that matches, or `default`; for those of any other
/// architecture goes on after its last instruction.
///
/// The architecture first: the same number is another call on another one, and a program may change it as it runs. x86_64 has
/// a second set of calls, x32's, with [`X32_BIT`] in the number: unless the rules are about these too, they kill the process.
#[must_use]
pub fn for_arch(arch: &ArchRules, default: Action) -> Vec<Insn> {
    let mut insns = vec![load(NUMBER)];
    if arch.arch == X86_64 && !arch.x32 {
        insns.extend([jump(libc::BPF_JGE, X32_BIT, 0, 1), ret(Action::KILL_PROCESS)]);
    }
    insns.extend(arch.rules.iter().flat_map(rule));
    insns.push(ret(default));
    insns.splice(0..0, [load(ARCH), jump(libc::BPF_JEQ, arch.arch, 1, 0), pass_over(insns.len())]);
    insns
}

/// The filter of a policy.
///
/// # Errors
/// [`Error::Invalid`] when it has more than 4096 instructions.
pub fn assemble(policy: &Policy) -> Result<Vec<Insn>> {
    let mut filter = Vec::new();
    for arch in &policy.archs {
        filter.extend(for_arch(arch, policy.default));
    }
    filter.push(ret(Action::KILL_PROCESS));
    match filter.len() {
        0..=LONGEST => Ok(filter),
        length => Err(Error::invalid("filter of", format!("{length} instructions"), format!("at most {LONGEST}"))),
    }
}

/// From now on, nothing that the calling thread starts gets more power than it has: no set-user-ID bit counts, no capability of a
/// file. There is no way back. Source: PR_SET_NO_NEW_PRIVS(2const), kernel doc userspace-api/no_new_privs.
///
/// # Errors
/// None that a right call can meet.
pub fn no_new_privs() -> Result<()> {
    let long = libc::c_ulong::from;
    // SAFETY: numbers.
    let status = unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, long(1u32), long(0u32), long(0u32), long(0u32)) };
    Errno::result(status).map(drop).during("prctl", "PR_SET_NO_NEW_PRIVS")
}

/// Gives the calling thread a filter, for good, beside those that it has; of their answers the strictest counts. `flags` are
/// SECCOMP_FILTER_FLAG_*; with SECCOMP_FILTER_FLAG_NEW_LISTENER a descriptor comes back, by which the calls are answered that
/// [`Action::NOTIFY`] is for.
///
/// Needs [`no_new_privs`] or CAP_SYS_ADMIN: a set-user-ID program could be fooled by calls that fail. Source: seccomp(2).
///
/// # Errors
/// EACCES without either; EINVAL for a program that may not end, or a flag that the kernel does not know; EBUSY for a second
/// listener; ESRCH when SECCOMP_FILTER_FLAG_TSYNC finds a thread that cannot have the filter: the kernel returns its ID then.
pub fn install(filter: &[Insn], flags: u64) -> Result<Option<OwnedFd>> {
    let during = |errno| Err(errno).during("seccomp", format_args!("a filter of {}", filter.len()));
    let Ok(len) = u16::try_from(filter.len()) else { return during(Errno::EINVAL) };
    let program = libc::sock_fprog { len, filter: filter.as_ptr().cast_mut().cast() };
    // SAFETY: `len` instructions, of the layout of sock_filter, which the kernel copies and does not change.
    let answer = unsafe { libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, flags, &raw const program) };
    match answer {
        -1 => during(Errno::last()),
        // SAFETY: the kernel has just made it, for us.
        fd if flags & libc::SECCOMP_FILTER_FLAG_NEW_LISTENER != 0 => {
            Ok(Some(unsafe { OwnedFd::from_raw_fd(fd as i32) }))
        }
        0 => Ok(None),
        _thread => during(Errno::ESRCH),
    }
}

/// LANDLOCK_CREATE_RULESET_VERSION of `<linux/landlock.h>`, as the rest.
const VERSION: u32 = 1;
/// LANDLOCK_RULE_PATH_BENEATH.
const PATH_BENEATH: u32 = 1;
/// LANDLOCK_ACCESS_FS_WRITE_FILE, and REMOVE_DIR, the fifth, to MAKE_SYM, the 13th.
const WRITES: u64 = 1 << 1 | 0x1ff << 4;
/// Since version 2.
const REFER: u64 = 1 << 13;
/// Since version 3.
const TRUNCATE: u64 = 1 << 14;

/// `struct landlock_path_beneath_attr`.
#[repr(C, packed)]
struct Below {
    allowed: u64,
    directory: i32,
}

/// From now on, the calling thread and what it starts may change files below `directories` and nowhere else: Landlock, which asks
/// neither an administrator nor a policy daemon. Needs [`no_new_privs`] or CAP_SYS_ADMIN.
///
/// What this kernel's Landlock does not know yet, it does not refuse: truncation before Linux 6.2. Source: landlock(7); crate
/// landlock.
///
/// # Errors
/// ENOENT and its like for a directory that is not there; an error when the kernel has no Landlock.
pub fn write_only_below(directories: &[PathBuf]) -> Result<()> {
    let call = |name: &'static str, answer: libc::c_long| Errno::result(answer).during(name, "");
    // SAFETY: no structure, and a flag that asks for the version alone.
    let version = unsafe { libc::syscall(libc::SYS_landlock_create_ruleset, 0usize, 0usize, VERSION) };
    let handled = WRITES
        | match call("landlock_create_ruleset", version)? {
            1 => 0,
            2 => REFER,
            _ => REFER | TRUNCATE,
        };
    // SAFETY: a structure of the size given, which outlives the call; what comes back is ours.
    let ruleset = unsafe {
        let answer = libc::syscall(libc::SYS_landlock_create_ruleset, &raw const handled, size_of_val(&handled), 0);
        OwnedFd::from_raw_fd(call("landlock_create_ruleset", answer)? as i32)
    };
    for path in directories {
        let directory = OpenOptions::new().read(true).custom_flags(libc::O_PATH).open(path);
        let directory = directory.during("open", path.display())?;
        let below = Below { allowed: handled, directory: directory.as_raw_fd() };
        // SAFETY: the structure of this type of rule, which outlives the call.
        let answer = unsafe {
            libc::syscall(libc::SYS_landlock_add_rule, ruleset.as_raw_fd(), PATH_BENEATH, &raw const below, 0)
        };
        Errno::result(answer).during("landlock_add_rule", path.display())?;
    }
    // SAFETY: a descriptor and no flags.
    let answer = unsafe { libc::syscall(libc::SYS_landlock_restrict_self, ruleset.as_raw_fd(), 0) };
    call("landlock_restrict_self", answer).map(drop)
}
