//! The number is kept in memory, and arguments are looked at in another order: the lower half first, by subtraction, shifts
//! and X. Equal numbers share a jump; what is too far away is reached by short hops.
//!
//! alternative: whole file

#![allow(unsafe_code, reason = "seccomp has no safe wrapper")]

use std::os::fd::{FromRawFd, OwnedFd};
use std::path::PathBuf;

use landlock::{
    ABI, Access, AccessFs, CompatLevel, Compatible, PathBeneath, PathFd, Ruleset, RulesetAttr, RulesetCreatedAttr,
    RulesetStatus,
};
use model::plan::seccomp::{Action, ArchRules, Arg, Compare, Insn, Policy, Rule};
use model::{During, Error, Result};
use nix::errno::Errno;

const fn code(code: u32, k: u32) -> Insn {
    Insn { code: code as u16, jt: 0, jf: 0, k }
}

const fn test(how: u32, k: u32, jt: u8, jf: u8) -> Insn {
    Insn { code: (libc::BPF_JMP | how | libc::BPF_K) as u16, jt, jf, k }
}

const fn load(offset: u32) -> Insn {
    code(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, offset)
}

const fn go(count: usize) -> Insn {
    code(libc::BPF_JMP | libc::BPF_JA, count as u32)
}

const fn ret(value: u32) -> Insn {
    code(libc::BPF_RET | libc::BPF_K, value)
}

/// A = 1 if the condition is true, else 0; then one jump.
pub fn compare(arg: &Arg, skip: u8) -> Vec<Insn> {
    let (value, mask, yes) = match arg.compare {
        Compare::Masked(mask) => (arg.value & mask, mask, true),
        Compare::Ne => (arg.value, u64::MAX, false),
        _ => (arg.value, u64::MAX, true),
    };
    let mut fragment = match arg.compare {
        Compare::Eq | Compare::Ne | Compare::Masked(_) => is_equal(arg.index, value, mask),
        Compare::Lt => is_less(arg.index, value, libc::BPF_JGE, false),
        Compare::Le => is_less(arg.index, value, libc::BPF_JGT, false),
        Compare::Ge => is_less(arg.index, value, libc::BPF_JGE, true),
        Compare::Gt => is_less(arg.index, value, libc::BPF_JGT, true),
    };
    fragment.push(if yes { test(libc::BPF_JEQ, 1, 0, skip) } else { test(libc::BPF_JEQ, 1, skip, 0) });
    fragment
}

/// Bits that differ, of both halves, together: 0 if there is none.
fn is_equal(index: u32, value: u64, mask: u64) -> Vec<Insn> {
    let half = |at: u32, value: u32, mask: u32| {
        [
            load(16 + 8 * index + at),
            code(libc::BPF_ALU | libc::BPF_AND | libc::BPF_K, mask),
            code(libc::BPF_ALU | libc::BPF_XOR | libc::BPF_K, value),
        ]
    };
    let mut fragment = half(0, value as u32, mask as u32).to_vec();
    fragment.push(code(libc::BPF_MISC | libc::BPF_TAX, 0));
    fragment.extend(half(4, (value >> 32) as u32, (mask >> 32) as u32));
    fragment.extend([
        code(libc::BPF_ALU | libc::BPF_OR | libc::BPF_X, 0),
        test(libc::BPF_JEQ, 0, 0, 2),
        code(libc::BPF_LD | libc::BPF_IMM, 1),
        go(1),
        code(libc::BPF_LD | libc::BPF_IMM, 0),
    ]);
    fragment
}

/// A = 1 for "more" (by `how`, of the lower halves) if `more`, else for its contrary.
fn is_less(index: u32, value: u64, how: u32, more: bool) -> Vec<Insn> {
    let (low, high) = (value as u32, (value >> 32) as u32);
    let [yes, no] = if more { [1, 0] } else { [0, 1] };
    vec![
        load(16 + 8 * index + 4),
        test(libc::BPF_JEQ, high, 0, 2),
        load(16 + 8 * index),
        test(how, low, 1, 3),
        test(libc::BPF_JGT, high, 0, 2),
        code(libc::BPF_LD | libc::BPF_IMM, yes),
        go(1),
        code(libc::BPF_LD | libc::BPF_IMM, no),
    ]
}

/// Where the number is kept.
const KEPT: u32 = 7;

pub fn rule(rule: &Rule) -> Vec<Insn> {
    let keep = code(libc::BPF_ST, KEPT);
    let back = code(libc::BPF_LD | libc::BPF_MEM, KEPT);
    if rule.args.is_empty() {
        return vec![test(libc::BPF_JEQ, rule.number, 0, 1), ret(rule.action.0)];
    }
    let mut body = vec![keep];
    // Each condition that is not true hops to the end, past the next ones, by a jump of its own.
    let lengths: Vec<usize> = rule.args.iter().map(|arg| compare(arg, 1).len() + 2).collect();
    for (at, arg) in rule.args.iter().enumerate() {
        let after: usize = lengths[at + 1..].iter().sum();
        body.extend(compare(arg, 1));
        body.extend([go(1), go(after + 1)]);
    }
    body.extend([ret(rule.action.0), back]);
    let mut all = vec![test(libc::BPF_JEQ, rule.number, 1, 0), go(body.len())];
    all.extend(body);
    all
}

pub fn for_arch(arch: &ArchRules, default: Action) -> Vec<Insn> {
    let mut body = vec![load(0)];
    let is_x86_64 = arch.arch == 0xc000_003e;
    if is_x86_64 && !arch.x32 {
        // Bit 30, without a mask of its own.
        body.extend([
            code(libc::BPF_ALU | libc::BPF_RSH | libc::BPF_K, 30),
            test(libc::BPF_JSET, 1, 0, 1),
            ret(Action::KILL_PROCESS.0),
            load(0),
        ]);
    }
    for same in arch.rules.chunk_by(|one, other| one.number == other.number) {
        let of_number: Vec<Insn> = same.iter().flat_map(rule).collect();
        if same.len() == 1 {
            body.extend(of_number);
            continue;
        }
        body.extend([test(libc::BPF_JEQ, same[0].number, 1, 0), go(of_number.len())]);
        body.extend(of_number);
    }
    body.push(ret(default.0));
    let mut all = vec![load(4), code(libc::BPF_ALU | libc::BPF_SUB | libc::BPF_K, arch.arch), test(libc::BPF_JEQ, 0, 1, 0)];
    all.push(go(body.len()));
    all.extend(body);
    all
}

pub fn assemble(policy: &Policy) -> Result<Vec<Insn>> {
    let mut all = Vec::new();
    policy.archs.iter().for_each(|arch| all.extend(for_arch(arch, policy.default)));
    all.push(ret(Action::KILL_PROCESS.0));
    match all.len() {
        0..=4096 => Ok(all),
        count => Err(Error::invalid("linux.seccomp", format!("{count} instructions"), "4096 at most")),
    }
}

pub fn no_new_privs() -> Result<()> {
    // SAFETY: prctl takes five integers here.
    let status = unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) };
    Errno::result(status).map(drop).during("prctl", "PR_SET_NO_NEW_PRIVS")
}

pub fn install(filter: &[Insn], flags: u64) -> Result<Option<OwnedFd>> {
    let listens = flags & libc::SECCOMP_FILTER_FLAG_NEW_LISTENER != 0;
    // The kernel's own word for "some thread cannot follow", in place of its ID.
    let follows = if flags & libc::SECCOMP_FILTER_FLAG_TSYNC != 0 { libc::SECCOMP_FILTER_FLAG_TSYNC_ESRCH } else { 0 };
    let len = u16::try_from(filter.len()).or(Err(Errno::EINVAL)).during("seccomp", "the length")?;
    let program = libc::sock_fprog { len, filter: filter.as_ptr().cast_mut().cast() };
    // SAFETY: the program and its instructions, of sock_filter's layout, outlive the call, which reads them alone.
    let status =
        unsafe { libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, flags | follows, &raw const program) };
    let fd = Errno::result(status).during("seccomp", format_args!("a filter of {}", filter.len()))?;
    // SAFETY: the descriptor is new, and nobody else's.
    Ok(listens.then(|| unsafe { OwnedFd::from_raw_fd(fd as i32) }))
}

pub fn write_only_below(directories: &[PathBuf]) -> Result<()> {
    let object = || format!("{directories:?}");
    // Reading and starting are not handled, and so not refused.
    let writing = AccessFs::from_all(ABI::V3) & !AccessFs::from_read(ABI::V3);
    let opened = directories.iter().map(PathFd::new).collect::<std::result::Result<Vec<_>, _>>();
    let opened = opened.map_err(std::io::Error::other).during("open", object())?;
    let restrict = || {
        let mut ruleset = Ruleset::default()
            .set_compatibility(CompatLevel::HardRequirement)
            .handle_access(AccessFs::from_write(ABI::V1))?
            .set_compatibility(CompatLevel::BestEffort)
            .handle_access(writing)?
            .create()?
            .no_new_privs(false);
        for fd in opened {
            ruleset = ruleset.add_rule(PathBeneath::new(fd, writing))?;
        }
        ruleset.restrict_self()
    };
    let status: std::result::Result<_, landlock::RulesetError> = restrict();
    let status = status.map_err(std::io::Error::other).during("landlock", object())?;
    if status.ruleset == RulesetStatus::NotEnforced {
        return Err(Errno::EOPNOTSUPP).during("landlock", object());
    }
    Ok(())
}
