//! Lab 11: which system calls there are, and which files may be written.
//!
//! A filter is a program for a small machine in the kernel: one register, A, no loops, jumps forward only. It is run at
//! every system call, sees the call's number, architecture and arguments, and returns what is to be done.

#![allow(unsafe_code, reason = "seccomp has no safe wrapper")]

use std::os::fd::{FromRawFd, OwnedFd};
use std::path::PathBuf;

use landlock::{
    ABI, AccessFs, Ruleset, RulesetAttr, RulesetCreatedAttr, RulesetStatus, path_beneath_rules,
};
use model::plan::seccomp::{Action, ArchRules, Arg, Compare, Insn, Policy, Rule, X32_BIT, X86_64};
use model::{During, Error, Result};
use nix::errno::Errno;
use nix::sys::prctl;

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
    // task 1: load(ARGS + 8 * index + 4) is the upper half: where the halves differ, it decides; then the lower one
    // nothing: Vec::new()
    use libc::{BPF_JEQ as EQ, BPF_JGE as GE, BPF_JGT as GT};
    let at = ARGS + 8 * arg.index;
    let (lower, upper) = (load(at), load(at + 4));
    let half = |value: u64| (value as u32, (value >> 32) as u32);
    let (low, high) = half(match arg.compare {
        Compare::Masked(mask) => arg.value & mask,
        _ => arg.value,
    });
    match arg.compare {
        Compare::Eq => vec![upper, jump(EQ, high, 0, skip + 2), lower, jump(EQ, low, 0, skip)],
        Compare::Ne => vec![upper, jump(EQ, high, 0, 2), lower, jump(EQ, low, skip, 0)],
        Compare::Gt => vec![upper, jump(GT, high, 3, 0), jump(EQ, high, 0, skip + 2), lower, jump(GT, low, 0, skip)],
        Compare::Ge => vec![upper, jump(GT, high, 3, 0), jump(EQ, high, 0, skip + 2), lower, jump(GE, low, 0, skip)],
        Compare::Lt => vec![upper, jump(GT, high, skip + 3, 0), jump(EQ, high, 0, 2), lower, jump(GE, low, skip, 0)],
        Compare::Le => vec![upper, jump(GT, high, skip + 3, 0), jump(EQ, high, 0, 2), lower, jump(GT, low, skip, 0)],
        Compare::Masked(mask) => {
            let (mask_low, mask_high) = half(mask);
            let first = [upper, and(mask_high), jump(EQ, high, 0, skip + 3)];
            [first, [lower, and(mask_low), jump(EQ, low, 0, skip)]].concat()
        }
    }
    // end task
}

/// Returns the rule's action if the number in A is its number and the arguments are as it says; else goes on after its last
/// instruction, with the number in A.
#[must_use]
pub fn rule(rule: &Rule) -> Vec<Insn> {
    // task 2: jump past the end unless the number is the rule's; compare() for each argument; ret; load the number again
    // nothing: Vec::new()
    let mut body = vec![ret(rule.action)];
    for arg in rule.args.iter().rev() {
        // One that is not true passes over all that follows, the return too.
        let skip = body.len() as u8;
        body.splice(0..0, compare(arg, skip));
    }
    if !rule.args.is_empty() {
        body.push(load(NUMBER));
    }
    let head = jump(libc::BPF_JEQ, rule.number, 0, body.len() as u8);
    [vec![head], body].concat()
    // end task
}

/// For calls of `arch`, returns the action of the first of its rules that matches, or `default`; for those of any other
/// architecture goes on after its last instruction.
///
/// The architecture first: the same number is another call on another one, and a program may change it as it runs. x86_64 has
/// a second set of calls, x32's, with [`X32_BIT`] in the number: unless the rules are about these too, they kill the process.
#[must_use]
pub fn for_arch(arch: &ArchRules, default: Action) -> Vec<Insn> {
    // task 3: load the architecture, pass over everything if it is another; load the number, kill x32's; every rule; the default
    // nothing: Vec::new()
    // One after the other would do. As they are in the order of their numbers, halving them again and again takes 8
    // comparisons in place of 300.
    fn search(rules: &[Rule], default: Action) -> Vec<Insn> {
        let numbers: Vec<&[Rule]> = rules.chunk_by(|one, other| one.number == other.number).collect();
        if numbers.len() <= 4 {
            let end = [ret(default)];
            return rules.iter().flat_map(rule).chain(end).collect();
        }
        let lower_half: usize = numbers[..numbers.len() / 2].iter().map(|chunk| chunk.len()).sum();
        let (lower, upper) = rules.split_at(lower_half);
        let below = search(lower, default);
        // A conditional jump reaches 255 instructions; this one any.
        let head = vec![jump(libc::BPF_JGE, upper[0].number, 0, 1), pass_over(below.len())];
        [head, below, search(upper, default)].concat()
    }
    let mut body = vec![load(NUMBER)];
    if arch.arch == X86_64 && !arch.x32 {
        body.extend([jump(libc::BPF_JGE, X32_BIT, 0, 1), ret(Action::KILL_PROCESS)]);
    }
    body.extend(search(&arch.rules, default));
    [vec![load(ARCH), jump(libc::BPF_JEQ, arch.arch, 1, 0), pass_over(body.len())], body].concat()
    // end task
}

/// The filter of a policy.
///
/// # Errors
/// [`Error::Invalid`] when it has more than 4096 instructions.
pub fn assemble(policy: &Policy) -> Result<Vec<Insn>> {
    // task 4: for_arch() of each architecture; what is of none of them is killed
    let mut filter: Vec<Insn> = policy.archs.iter().flat_map(|arch| for_arch(arch, policy.default)).collect();
    filter.push(ret(Action::KILL_PROCESS));
    if filter.len() > LONGEST {
        let right = "one that makes a filter of at most 4096 instructions";
        return Err(Error::invalid("linux.seccomp", format!("a policy that makes {} of them", filter.len()), right));
    }
    Ok(filter)
    // end task
}

/// From now on, nothing that the calling thread starts gets more power than it has: no set-user-ID bit counts, no capability of a
/// file. There is no way back. Source: PR_SET_NO_NEW_PRIVS(2const), kernel doc userspace-api/no_new_privs.
///
/// # Errors
/// None that a right call can meet.
pub fn no_new_privs() -> Result<()> {
    // task 5: prctl(2) with PR_SET_NO_NEW_PRIVS
    prctl::set_no_new_privs().during("prctl", "PR_SET_NO_NEW_PRIVS")
    // end task
}

/// Gives the calling thread a filter, for good, beside those that it has; of their answers the strictest counts. `flags` are
/// SECCOMP_FILTER_FLAG_*; with SECCOMP_FILTER_FLAG_NEW_LISTENER a descriptor comes back, by which the calls are answered that
/// [`Action::NOTIFY`] is for.
///
/// Needs [`no_new_privs`] or CAP_SYS_ADMIN: a set-user-ID program could be fooled by calls that fail. Source: seccomp(2).
///
/// # Errors
/// EACCES without either; EINVAL for a program that is too long or may not end, or an unknown flag; EBUSY for a second
/// listener; ESRCH when SECCOMP_FILTER_FLAG_TSYNC finds a thread that cannot have the filter: the kernel returns its ID then.
pub fn install(filter: &[Insn], flags: u64) -> Result<Option<OwnedFd>> {
    // task 6: seccomp(2) with SECCOMP_SET_MODE_FILTER, flags and a sock_fprog; what it returns is a descriptor only if one was asked for
    // Cut off to 16 bits a length may well be one that the kernel takes.
    let len = u16::try_from(filter.len()).or(Err(Errno::EINVAL)).during("seccomp", "SECCOMP_SET_MODE_FILTER")?;
    let program = libc::sock_fprog { len, filter: filter.as_ptr().cast_mut().cast() };
    // SAFETY: the program and its instructions, of sock_filter's layout, outlive the call, which reads them alone.
    let status = unsafe { libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, flags, &raw const program) };
    let is_listener = flags & libc::SECCOMP_FILTER_FLAG_NEW_LISTENER != 0;
    match Errno::result(status).during("seccomp", "SECCOMP_SET_MODE_FILTER")? {
        // SAFETY: the descriptor is new, and nobody else's.
        fd if is_listener => Ok(Some(unsafe { OwnedFd::from_raw_fd(fd as i32) })),
        0 => Ok(None),
        thread => Err(Errno::ESRCH).during("seccomp", format_args!("thread {thread} has a filter of its own")),
    }
    // end task
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
    // task 7: landlock::Ruleset: handle_access AccessFs::from_write, create, path_beneath_rules, restrict_self; look whether it is enforced
    let writing = AccessFs::from_write(ABI::V3);
    // The crate leaves out what it cannot open.
    for directory in directories {
        std::fs::metadata(directory).during("open", directory.display())?;
    }
    let restricted = Ruleset::default()
        .handle_access(writing)
        .and_then(|ruleset| ruleset.create())
        .and_then(|ruleset| ruleset.add_rules(path_beneath_rules(directories, writing)))
        // By default the crate calls no_new_privs() too: here that is somebody else's to decide.
        .and_then(|ruleset| ruleset.no_new_privs(false).restrict_self());
    let status = restricted.map_err(std::io::Error::other).during("landlock", format_args!("{directories:?}"))?;
    match status.ruleset {
        RulesetStatus::NotEnforced => Err(Errno::EOPNOTSUPP).during("landlock", "this kernel"),
        _ => Ok(()),
    }
    // end task
}
