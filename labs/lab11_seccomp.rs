//! Lab 11: which system calls there are, and which files may be written.
//!
//! A filter is a program for a small machine in the kernel: one register, A, no loops, jumps forward only. It is run at
//! every system call, sees the call's number, architecture and arguments, and returns what is to be done.

#![expect(unused, reason = "exercises are open: remove this line when the compiler asks for it")]
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
    todo!("lab 11, task 1: load(ARGS + 8 * index + 4) is the upper half: where the halves differ, it decides; then the lower one")
}

/// Returns the rule's action if the number in A is its number and the arguments are as it says; else goes on after its last
/// instruction, with the number in A.
#[must_use]
pub fn rule(rule: &Rule) -> Vec<Insn> {
    todo!("lab 11, task 2: jump past the end unless the number is the rule's; compare() for each argument; ret; load the number again")
}

/// For calls of `arch`, returns the action of the first of its rules that matches, or `default`; for those of any other
/// architecture goes on after its last instruction.
///
/// The architecture first: the same number is another call on another one, and a program may change it as it runs. x86_64 has
/// a second set of calls, x32's, with [`X32_BIT`] in the number: unless the rules are about these too, they kill the process.
#[must_use]
pub fn for_arch(arch: &ArchRules, default: Action) -> Vec<Insn> {
    todo!("lab 11, task 3: load the architecture, pass over everything if it is another; load the number, kill x32's; every rule; the default")
}

/// The filter of a policy.
///
/// # Errors
/// [`Error::Invalid`] when it has more than 4096 instructions.
pub fn assemble(policy: &Policy) -> Result<Vec<Insn>> {
    todo!("lab 11, task 4: for_arch() of each architecture; what is of none of them is killed")
}

/// From now on, nothing that the calling thread starts gets more power than it has: no set-user-ID bit counts, no capability of a
/// file. There is no way back. Source: PR_SET_NO_NEW_PRIVS(2const), kernel doc userspace-api/no_new_privs.
///
/// # Errors
/// None that a right call can meet.
pub fn no_new_privs() -> Result<()> {
    todo!("lab 11, task 5: prctl(2) with PR_SET_NO_NEW_PRIVS")
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
    todo!("lab 11, task 6: seccomp(2) with SECCOMP_SET_MODE_FILTER, flags and a sock_fprog; what it returns is a descriptor only if one was asked for")
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
    todo!("lab 11, task 7: landlock::Ruleset: handle_access AccessFs::from_write, create, path_beneath_rules, restrict_self; look whether it is enforced")
}
